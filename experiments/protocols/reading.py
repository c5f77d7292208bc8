"""What the numbers of a protocol allow to say, and what not, where a table alone would mislead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from experiments.protocols.config import Protocols
from experiments.protocols.measures import (
    ENDED,
    ENDED_ALONE,
    GAINED,
    LESS_LEARNED,
    LESS_OF_B,
    MORE_AFTER,
    MORE_AFTER_PER,
    PERCENT,
    WORSE_START,
    angles,
    at_angle,
)
from experiments.study import LEVEL, Quantity

Found = Mapping[str, Quantity]  # the measures of one protocol by name
CONSTANT: Final = {"curl": "constant force", "rotation": "constant displacement"}


def direction(found: Found, name: str) -> int:
    """Return 1 or -1 if an effect is shown, with its sign, and 0 if it is not, or was not tested."""
    entry = found.get(name)
    if entry is None or entry.value is None or entry.p_holm is None or entry.p_holm >= LEVEL:
        return 0
    return 1 if entry.value > 0.0 else -1


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


def _gradual(found: Found, config: Protocols) -> str:
    if LESS_LEARNED not in found:
        return ""
    learned = {
        -1: "Networks learn less of A gradually than at once",
        0: "How much of A networks learn is not shown to differ between the two",
        1: "Networks learn more of A gradually than at once",
    }[direction(found, LESS_LEARNED)]
    sizes = {-1: "smaller", 0: "not shown to differ", 1: "larger"}
    whole, per = (sizes[direction(found, name)] for name in (MORE_AFTER, MORE_AFTER_PER))
    return (
        f"{learned}. After gradual learning, after-effects as such are {whole}; per full compensation they "
        f"are {per}. The second comparison takes out how much was learned, so far as after-effects grow in "
        "proportion to it."
    )


def _interference(found: Found, config: Protocols) -> str:
    parts = []
    if direction(found, LESS_OF_B) > 0:
        parts.append(
            f"When A returns, the compensation of A is {found[ENDED].value:.0f} % after A and B, and "
            f"{found[ENDED_ALONE].value:.0f} % after B alone: after A, B begins from what was learned of A, "
            "and is not learned as far. That by itself brings A nearer to the line, so that starting nearer "
            "than after B alone does not show a memory of A."
        )
    if direction(found, GAINED) > 0:
        parts.append("Compensation grows by more in A again than after B alone, but from another level.")
    else:
        less = "grows by less" if direction(found, GAINED) else "is not shown to grow by more"
        parts.append(f"Compensation {less} in A again than after B alone: no faster relearning is shown.")
    if direction(found, WORSE_START) > 0:
        parts.append(
            "That A begins farther from the line than at first fits a B that is still in force; it does not "
            "show that A was forgotten."
        )
    return " ".join(parts)


def _generalisation(found: Found, config: Protocols) -> str:
    measured = {
        angle: found[at_angle(angle)].value for angle in angles().values() if at_angle(angle) in found
    }
    known = {angle: value / PERCENT for angle, value in measured.items() if value is not None}
    near = "about " if config.perturbation == "rotation" else ""
    vector = f"{CONSTANT[config.perturbation]} of the hand"
    references: dict[str, Callable[[float], float]] = {
        "A in every direction": lambda angle: 1.0,
        "A in the trained direction alone": lambda angle: float(angle == 0.0),
        f"a {vector}": lambda angle: constant(config, angle),
    }
    apart = {
        name: PERCENT * float(np.mean([abs(value - of(angle)) for angle, value in known.items()]))
        for name, of in references.items()
    }
    nearest = min(apart, key=lambda name: apart[name])
    lie = "; ".join(f"{name}, {distance:.0f} %" for name, distance in apart.items())
    against = [angle for angle in known if direction(found, at_angle(angle)) < 0]
    text = (
        f"The last column is for networks that learned a {vector}, all of A at the trained target, and add "
        f"the same vector to every reach. It is {near}the cosine of the angle, and negative behind. Mean "
        f"distance of the measured values from three ideals, in % of A: {lie}. What networks learned is "
        f"nearest to {nearest}."
    )
    if against:
        text += (
            f" Compensation is negative at {', '.join(f'{angle:+g}' for angle in against)} degrees: there, "
            "what was learned adds to A, which no generalisation of A itself would do, however narrow."
        )
    return text


READING: Final[Mapping[str, Callable[[Found, Protocols], str]]] = {
    "gradual": _gradual,
    "interference": _interference,
    "generalisation": _generalisation,
}
