"""To which side a perturbation pushes learners, as their first errors tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from savings_gym.arrays import Floats

FIRST: Final = 4  # errors of a phase that tell its side
LEAST: Final = 8  # errors of a phase from which it can be told
CLEAR: Final = 4.0  # standard errors from 0 by which a side is certain: p = 0.00006
SHARE: Final = 0.2  # of learners on the smaller of two sides


def start_score(errors: Floats) -> float:
    """Return the mean of the first errors of a phase in its standard errors; 0 if there are too few to tell.

    The noise of an error is taken from the differences of successive ones, which slow learning hardly changes
    (von Neumann 1941, Annals of Mathematical Statistics 12, 367).

    Args:
        errors: (t,) of one learner in the order of trials, NaN where there is none.
    """
    own = errors[np.isfinite(errors)]
    if own.size < LEAST:
        return 0.0
    mean, noise = float(own[:FIRST].mean()), math.sqrt(float(np.mean(np.diff(own) ** 2)) / 2.0)
    if noise == 0.0:
        return math.copysign(math.inf, mean) if mean else 0.0
    return mean * math.sqrt(FIRST) / noise


def refuse_opposite_sides(names: Sequence[str], errors: Sequence[Floats], phase: str) -> None:
    """Raise a ValueError if a phase clearly pushes learners to two sides, which nothing accounts for.

    It does if two learners or more, and a fifth of all, begin far from 0 (`CLEAR`) on either side.

    Args:
        names: Of the learners.
        errors: (t,) of every learner in the phase, see `start_score`.
        phase: Name of the phase.
    """
    scores = [start_score(own) for own in errors]
    sides = [
        [name for name, score in zip(names, scores, strict=True) if sign * score > CLEAR]
        for sign in (1.0, -1.0)
    ]
    if min(map(len, sides)) >= max(2.0, SHARE * len(scores)):
        right, left = (", ".join(its[:3]) + ", ..." * (len(its) > 3) for its in sides)
        raise ValueError(
            f"{phase} begins with errors to the positive side of some participants ({right}) and to the "
            f"negative side of others ({left}), which cancel in means: give the table a column perturbation, "
            "1 for the former and -1 for the latter"
        )
