"""What the experiment says: learning, savings beyond the sham, and the trace left in activity.

Measures have the names and the meaning of those of the networks, see `experiments.bci.measures`, so that the
two pages can be read side by side.
"""

from __future__ import annotations

from typing import Final

import pandas as pd

from experiments.bci.measures import (
    AFTER_EFFECT,
    CLAIMED,
    ERROR,
    GAINED,
    KEPT,
    LEARNED,
    MEAN,
    PERTURBED,
    RESIDUAL,
    SAVED_ALL,
    SAVED_FIRST,
    TRACE,
    TRACE_BEYOND,
    TRACE_SHAM,
    at_end,
    scale_of,
    unit_of,
)
from experiments.bci.ppo.course import CONDITIONS, PROGRESS, SHAM
from experiments.bci.ppo.course import PERTURBED as MAIN
from experiments.claims import corrected
from experiments.study import Quantity, quantity
from savings_gym.arrays import MM, Floats
from savings_gym.metrics.curves import phase_curves
from savings_gym.metrics.statistics import Sampling

BEFORE: Final = "error, end of NF1"
RESIDUAL_SHAM: Final = "error of the sham, end of NF2 minus end of NF1"
RESIDUAL_BEYOND: Final = "error beyond the sham, end of NF2"
FASTER: Final = "peak speed of the cursor beyond the sham's, end of NF2"
ASIDE: Final = "lateral deviation of the cursor beyond the sham's, end of NF2"
SPEED, LATERAL = "peak_speed", "lateral_deviation"  # columns [m/s], [m]
GROUP: Final = "agents"  # all of them are one
MEASURES: Final = (
    BEFORE, PERTURBED, LEARNED, MEAN, AFTER_EFFECT, RESIDUAL, RESIDUAL_SHAM, RESIDUAL_BEYOND, SAVED_FIRST,
    SAVED_ALL, GAINED, TRACE, TRACE_SHAM, TRACE_BEYOND, KEPT, FASTER, ASIDE,
)  # fmt: skip
OWN: Final = {
    BEFORE: ("mm", MM), RESIDUAL_SHAM: ("mm", MM), RESIDUAL_BEYOND: ("mm", MM), FASTER: ("mm/s", MM),
    ASIDE: ("mm", MM),
}  # fmt: skip
"""Unit of the measures that networks lack, and the factor from SI to it."""
UNITS: Final = {name: OWN.get(name, (unit_of(name), scale_of(name))) for name in MEASURES}
Curves = dict[str, dict[str, dict[str, Floats]]]  # column to condition to phase to (n, probes)


def curves(table: pd.DataFrame) -> Curves:
    """Return error, progress, speed and deviation of every agent in every probe, means over targets."""
    by_condition = {name: table[table["condition"] == name] for name in CONDITIONS}
    return {
        column: {
            name: {phase: its.deviation for phase, its in phase_curves(rows, column).items()}
            for name, rows in by_condition.items()
        }
        for column in (ERROR, PROGRESS, SPEED, LATERAL)
    }


def agent_values(found: Curves) -> dict[str, Floats]:
    """Return one value per agent for each of `MEASURES`, in SI units.

    `KEPT` is left out if an agent gained no progress in FF1, of which it is a share, or if the mean trace
    beyond the sham is not positive.
    """
    main, sham = (found[ERROR][name] for name in CONDITIONS)
    progress = {
        name: {phase: its[:, -1] for phase, its in found[PROGRESS][name].items()} for name in CONDITIONS
    }
    faster, aside = (
        found[column][MAIN]["NF2"][:, -1] - found[column][SHAM]["NF2"][:, -1] for column in (SPEED, LATERAL)
    )
    before = at_end(main["NF1"])
    values = {
        BEFORE: before,
        PERTURBED: main["FF1"][:, 0],
        LEARNED: main["FF1"][:, 0] - at_end(main["FF1"]),
        MEAN: main["FF1"].mean(axis=1),
        AFTER_EFFECT: main["NF2"][:, 0] - before,
        RESIDUAL: at_end(main["NF2"]) - before,
        RESIDUAL_SHAM: at_end(sham["NF2"]) - before,
        RESIDUAL_BEYOND: at_end(main["NF2"]) - at_end(sham["NF2"]),
        SAVED_FIRST: sham["FF2"][:, 0] - main["FF2"][:, 0],
        SAVED_ALL: sham["FF2"].mean(axis=1) - main["FF2"].mean(axis=1),
        GAINED: progress[MAIN]["FF1"] - progress[MAIN]["NF1"],
        TRACE: progress[MAIN]["NF2"] - progress[MAIN]["NF1"],
        TRACE_SHAM: progress[SHAM]["NF2"] - progress[SHAM]["NF1"],
        TRACE_BEYOND: progress[MAIN]["NF2"] - progress[SHAM]["NF2"],
        FASTER: faster,
        ASIDE: aside,
    }
    if (values[GAINED] > 0.0).all() and values[TRACE_BEYOND].mean() > 0.0:
        values[KEPT] = values[TRACE_BEYOND] / values[GAINED]
    return values


def quantities(values: dict[str, Floats], seed: int) -> dict[str, dict[str, Quantity]]:
    """Return means with t intervals; the tests of `CLAIMED` are corrected together (Holm).

    Args:
        values: `agent_values`.
        seed: As in `Sampling`.
    """
    sampling = Sampling(seed)
    found = {
        name: quantity(name, values[name], unit, sampling, scale=scale, test=name in CLAIMED)
        for name, (unit, scale) in UNITS.items()
        if name in values
    }
    return corrected({GROUP: found}, CLAIMED)
