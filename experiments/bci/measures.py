"""What the experiment says: learning, savings beyond a sham, and the trace left in activity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd

from agents.supervised.cursor import cursor_targets
from experiments.bci.config import SHAM
from experiments.bci.phases import Outcome
from experiments.claims import corrected
from experiments.study import Quantity, quantity
from savings_gym.activity.memory_trace import memory_trace
from savings_gym.arrays import MM, Floats
from savings_gym.bci.decoder import readout_of
from savings_gym.bci.perturbations import KINDS, OUTSIDE, WITHIN
from savings_gym.metrics.curves import phase_curves
from savings_gym.metrics.statistics import Sampling

END: Final = 5  # last probes of a phase whose mean is its end
ERROR: Final = "endpoint_error"  # distance of the cursor from the target at the end of the trial
DIFFERENCE: Final = "within less outside"
(
    CHANGE, PERTURBED, LEARNED, RESIDUAL, SAVED_FIRST, SAVED_ALL, GAINED, TRACE, TRACE_SHAM, TRACE_BEYOND,
) = MEASURES = (
    "change of open-loop velocities", "error, first probe of FF1", "error lost in FF1",
    "error, end of NF2 less NF1", "savings beyond the sham, first probe of FF2",
    "savings beyond the sham, mean of FF2", "progress gained in FF1", "memory trace",
    "memory trace of the sham", "memory trace beyond the sham",
)  # fmt: skip
CLAIMED: Final = (SAVED_FIRST, SAVED_ALL, TRACE_BEYOND)  # with a test, corrected together
SPEEDS: Final = (GAINED, TRACE, TRACE_SHAM, TRACE_BEYOND)

Curves = dict[str, dict[str, Floats]]  # condition to phase to (n, probes) error [m]


def error_curves(table: pd.DataFrame) -> Curves:
    """Return the error of every network in every probe, mean over targets."""
    return {
        str(condition): {phase: its.deviation for phase, its in phase_curves(rows, ERROR).items()}
        for condition, rows in table.groupby("condition", sort=False)
    }


def network_values(outcome: Outcome, curves: Curves) -> dict[str, dict[str, Floats]]:
    """Return one value per network for each of `MEASURES`, by kind, in SI units, and their difference."""
    values = {kind: _of_kind(outcome, curves, kind) for kind in KINDS}
    return values | {DIFFERENCE: {name: values[WITHIN][name] - values[OUTSIDE][name] for name in MEASURES}}


def _of_kind(outcome: Outcome, curves: Curves, kind: str) -> dict[str, Floats]:
    main, sham = curves[kind], curves[SHAM[kind]]
    perturbed = readout_of(outcome.perturbed(kind))
    activity, practised = outcome.activity[kind], outcome.activity[SHAM[kind]]

    def trace(its: Mapping[str, Floats], after: str) -> Floats:
        return memory_trace({"NF1": its["NF1"], after: its[after]}, perturbed, cursor_targets(), after=after)

    return {
        CHANGE: np.array([each.change for each in outcome.perturbations[kind]]),
        PERTURBED: main["FF1"][:, 0],
        LEARNED: main["FF1"][:, 0] - _end(main["FF1"]),
        RESIDUAL: _end(main["NF2"]) - _end(main["NF1"]),
        SAVED_FIRST: sham["FF2"][:, 0] - main["FF2"][:, 0],
        SAVED_ALL: sham["FF2"].mean(axis=1) - main["FF2"].mean(axis=1),
        GAINED: trace(activity, "FF1"),
        TRACE: trace(activity, "NF2"),
        TRACE_SHAM: trace(practised, "NF2"),
        TRACE_BEYOND: trace(activity, "NF2") - trace(practised, "NF2"),
    }


def _end(values: Floats) -> Floats:
    return values[:, -END:].mean(axis=1)


def quantities(values: Mapping[str, Mapping[str, Floats]], seed: int) -> dict[str, dict[str, Quantity]]:
    """Return means with t intervals; tests of `CLAIMED` are corrected for both kinds together.

    Args:
        values: `network_values`.
        seed: As in `Sampling`.
    """
    sampling = Sampling(seed)
    found = {
        kind: {
            name: quantity(
                name, its[name], unit_of(name), sampling, scale=1.0 if name == CHANGE else MM,
                test=name in CLAIMED and kind in KINDS,
            )
            for name in MEASURES
        }
        for kind, its in values.items()
    }  # fmt: skip
    return corrected(found, CLAIMED)


def unit_of(name: str) -> str:
    """Return the unit in which a measure is reported."""
    return "1" if name == CHANGE else "mm/s" if name in SPEEDS else "mm"
