"""How the cost of an update grows with networks, units, trials, physics steps and threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, Protocol

import numpy as np

from experiments.speed.work import Floor, Task, Work, take_turns, threads
from savings_gym.arrays import as_choice
from savings_gym.task.settings import N_TARGETS

AXES = ("networks", "units", "trials", "physics_steps", "threads")
Curve = list[dict[str, float]]


class Sizes(Protocol):
    """The sizes that stay constant along the other axes."""

    @property
    def networks(self) -> int:
        """Networks of the ensemble."""

    @property
    def units(self) -> int:
        """Recurrent units per network."""

    @property
    def device(self) -> str:
        """Device of the learner and of the products."""


def axes(quick: bool, device: str = "cpu") -> dict[str, Sequence[int]]:
    """Return the values along every axis; threads only on a CPU, 400 networks only on a GPU."""
    values: dict[str, Sequence[int]] = {
        "networks": (1, 40, 200) if quick else (1, 2, 5, 10, 20, 40, 80, 120, 200),
        "units": (32, 128, 256) if quick else (32, 64, 128, 256, 512),
        "trials": (8, 32) if quick else (1, 2, 4, 8, 16, 32, 64),
        "physics_steps": (1, 10) if quick else (1, 2, 5, 10, 20),
    }
    if device != "cpu":
        return values | {"networks": (*values["networks"], 400)}
    cores = os.cpu_count() or 1
    counts = {2**power for power in range(cores.bit_length()) if 2**power <= cores} | {cores}
    return values | {"threads": sorted(counts)}


def curve(axis: str, values: Sequence[int], make: Callable[..., Work], sizes: Sizes, rounds: int) -> Curve:
    """Return the seconds per network of an update along one axis, beside the bare matrix products.

    Args:
        axis: One of ``AXES``.
        values: Values along it.
        make: Makes a ``Work`` from a number of networks and other sizes.
        sizes: The sizes that stay constant.
        rounds: Turns per point of the update and the products.

    Raises:
        ValueError: If the axis is unknown.
    """
    as_choice("axis", axis, AXES)
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
                seconds = take_turns(tasks, rounds)
        else:
            seconds = take_turns(tasks, rounds)
        points.append({"value": value} | {name: median(times) / networks for name, times in seconds.items()})
    return points


def slopes(curves: dict[str, Curve]) -> dict[str, dict[str, float]]:
    """Return the exponents of growth, d log(seconds per network) / d log(value), of update and products."""
    exponents = {}
    for axis, points in curves.items():
        if len(points) > 1:
            x = np.log([point["value"] for point in points])
            exponents[axis] = {
                name: float(np.polyfit(x, np.log([point[name] for point in points]), 1)[0])
                for name in ("seconds", "floor_seconds")
            }
    return exponents


def report_rows(curves: dict[str, Curve]) -> list[tuple[Any, ...]]:
    """Return axis, value, ms per network of an update, ms of its products, and their ratio."""
    return [
        (axis, int(point["value"]), 1e3 * point["seconds"], 1e3 * point["floor_seconds"],
         point["seconds"] / point["floor_seconds"])
        for axis, points in curves.items()
        for point in points
    ]  # fmt: skip
