"""Generalisation of what was learned towards one target: by angle, and the ideal that it is nearest to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Final

import numpy as np

from experiments.protocols.config import Protocols
from experiments.protocols.pairs import Pair
from savings_gym.arrays import Floats
from savings_gym.task.settings import N_TARGETS

NEIGHBOUR: Final = 360.0 / N_TARGETS  # degrees between two targets
EVERYWHERE: Final = "A in every direction"
ALONE: Final = "A in the trained direction alone"
VECTOR: Final = {"curl": "a constant force", "rotation": "a constant displacement of the hand"}
ASYMMETRY: Final = f"compensation: at +{NEIGHBOUR:g} minus at -{NEIGHBOUR:g} degrees"
SECOND_PEAK: Final = "compensation: at 180 degrees minus the mean of +90 and -90 degrees"


def at_angle(degrees: float) -> str:
    """Return the name of the compensation at an angle from the trained target, counter-clockwise."""
    return f"compensation at {signed(degrees)} degrees" if degrees else "compensation at the trained target"


def signed(degrees: float) -> str:
    """Return an angle with its sign; 180 degrees have none."""
    return f"{degrees:g}" if degrees == 180.0 else f"{degrees:+g}"


def distance(ideal: str) -> str:
    """Return the name of the mean distance, over the 8 angles, of the compensation from an ideal."""
    return f"distance from {ideal}"


def farther(ideal: str, other: str) -> str:
    """Return the name of how much farther networks are from one ideal than from another."""
    return f"distance: from {ideal} minus from {other}"


def angles() -> dict[int, float]:
    """Return the angle of every target from the first one, from -135 to 180 degrees, the nearest first."""
    every = [NEIGHBOUR * target for target in range(N_TARGETS)]
    turned = {target: angle - 360.0 * (angle > 180.0) for target, angle in enumerate(every)}
    return dict(sorted(turned.items(), key=lambda item: abs(item[1])))


def constant(config: Protocols, degrees: float) -> float:
    """Return the compensation, as a share of A, of networks that learned one constant vector.

    They make up for all of A towards the trained target, and add the same force, or the same displacement of
    the hand, to every other reach. It is the cosine of the angle for a force; for a displacement it is about
    that, and follows from the initial direction of the hand.

    Args:
        config: The arguments.
        degrees: Angle from the trained target, counter-clockwise.
    """
    angle = np.deg2rad(degrees)
    if config.perturbation == "curl":
        return float(np.cos(angle))
    turn = np.deg2rad(config.angle_deg)
    hand = np.exp(1j * angle) + np.exp(-1j * turn) - 1.0  # to a target at a distance of 1
    return float(-np.angle(hand * np.exp(-1j * angle)) / turn)


def ideals(config: Protocols) -> Mapping[str, Callable[[float], float]]:
    """Return three ideals by name: the angle [degrees] to the compensation, as a share of A."""
    return {
        EVERYWHERE: lambda angle: 1.0,
        ALONE: lambda angle: float(angle == 0.0),
        VECTOR[config.perturbation]: lambda angle: constant(config, angle),
    }


def generalisation(pair: Pair, config: Protocols) -> dict[str, Floats]:
    """Return compensation by angle beyond the sham, and distances from ideals, (n,) each [share of A]."""
    rounds = range(1, config.rounds + 1)
    ours, sham = (
        np.mean([course[f"probe {k}"].adaptation[:, 0] for k in rounds], axis=0)
        for course in (pair.run, pair.sham)
    )
    beyond = ours - sham  # (n, 8), the trained target first
    by_angle = {angle: beyond[:, target] for target, angle in angles().items()}
    apart: dict[str, Floats] = {
        name: np.mean([abs(its - ideal(angle)) for angle, its in by_angle.items()], axis=0)
        for name, ideal in ideals(config).items()
    }
    return {
        **{at_angle(angle): its for angle, its in by_angle.items()},
        ASYMMETRY: by_angle[NEIGHBOUR] - by_angle[-NEIGHBOUR],
        SECOND_PEAK: by_angle[180.0] - (by_angle[90.0] + by_angle[-90.0]) / 2.0,
        **{distance(name): its for name, its in apart.items()},
        **{farther(one, two): apart[one] - apart[two] for one, two in combinations(apart, 2)},
    }
