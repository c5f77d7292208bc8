"""How the cost of an update grows with networks, units, trials, physics steps and threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, Protocol

import numpy as np

from experiments.speed.work import Floor, Task, Work, take_turns, threads
from savings_gym.task.settings import N_TARGETS

AXES = ("networks", "units", "trials", "physics_steps", "threads")
Curve = list[dict[str, float]]


class Sizes(Protocol):
    """What is held where it does not vary."""

    @property
    def networks(self) -> int:
        """Networks of the ensemble."""

    @property
    def units(self) -> int:
        """Recurrent units a network."""

    @property
    def device(self) -> str:
        """Of ours and of the products."""


def axes(quick: bool, device: str = "cpu") -> dict[str, Sequence[int]]:
    """The values along every axis; threads only on a CPU, 400 networks only on a GPU."""
    chosen: dict[str, Sequence[int]] = {
        "networks": (1, 40, 200) if quick else (1, 2, 5, 10, 20, 40, 80, 120, 200),
        "units": (32, 128, 256) if quick else (32, 64, 128, 256, 512),
        "trials": (8, 32) if quick else (1, 2, 4, 8, 16, 32, 64),
        "physics_steps": (1, 10) if quick else (1, 2, 5, 10, 20),
    }
    if device != "cpu":
        return chosen | {"networks": (*chosen["networks"], 400)}
    cores = os.cpu_count() or 1
    counts = {2**power for power in range(cores.bit_length()) if 2**power <= cores} | {cores}
    return chosen | {"threads": sorted(counts)}


def curve(axis: str, values: Sequence[int], make: Callable[..., Work], sizes: Sizes, rounds: int) -> Curve:
    """Seconds of one network's update at every value of one axis, beside the bare matrix products.

    Args:
        axis: one of ``AXES``.
        values: along it.
        make: makes a ``Work`` of so many networks.
        sizes: what does not vary.
        rounds: per point; ours and the products take turns.

    Raises:
        ValueError: for an unknown axis.
    """
    if axis not in AXES:
        raise ValueError(f"unknown axis {axis!r}; choose from: {', '.join(AXES)}")
    points = []
    for value in values:
        networks = value if axis == "networks" else sizes.networks
        units = value if axis == "units" else sizes.units
        trials = value if axis == "trials" else N_TARGETS
        work = make(networks, units=units, trials=trials, substeps=value if axis == "physics_steps" else None)
        tasks: dict[str, Task] = {
            "seconds": work.update,
            "floor_seconds": Floor(networks, trials, units, sizes.device),
        }
        if axis == "threads":
            with threads(value):
                found = take_turns(tasks, rounds)
        else:
            found = take_turns(tasks, rounds)
        points.append({"value": value} | {name: median(times) / networks for name, times in found.items()})
    return points


def slopes(curves: dict[str, Curve]) -> dict[str, dict[str, float]]:
    """Exponents of growth, d log(seconds of a network) / d log(value), of ours and of the products."""
    found = {}
    for axis, points in curves.items():
        if len(points) > 1:
            x = np.log([point["value"] for point in points])
            found[axis] = {
                name: float(np.polyfit(x, np.log([point[name] for point in points]), 1)[0])
                for name in ("seconds", "floor_seconds")
            }
    return found


def as_rows(curves: dict[str, Curve]) -> list[tuple[Any, ...]]:
    """Axis, value, ms of a network's update, ms of its products, their ratio."""
    return [
        (axis, int(point["value"]), 1e3 * point["seconds"], 1e3 * point["floor_seconds"],
         point["seconds"] / point["floor_seconds"])
        for axis, points in curves.items()
        for point in points
    ]  # fmt: skip
