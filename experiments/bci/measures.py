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
DIFFERENCE: Final = "within minus outside"
(
    CHANGE, PERTURBED, LEARNED, MEAN, AFTER_EFFECT, RESIDUAL, SAVED_FIRST, SAVED_ALL, GAINED, TRACE,
    TRACE_SHAM, TRACE_BEYOND, KEPT,
) = MEASURES = (
    "change of open-loop velocities", "error, first probe of FF1", "error removed in FF1",
    "error, mean of FF1", "after-effect, first probe of NF2 minus end of NF1",
    "error, end of NF2 minus end of NF1", "savings beyond the sham, first probe of FF2",
    "savings beyond the sham, mean of FF2", "progress gained in FF1", "memory trace",
    "memory trace of the sham", "memory trace beyond the sham", "share of the progress kept",
)  # fmt: skip
SPEEDS: Final = (GAINED, TRACE, TRACE_SHAM, TRACE_BEYOND)
CLAIMED: Final = (SAVED_FIRST, SAVED_ALL, TRACE_BEYOND)
"""Tested in either kind of perturbation, and corrected together: does anything outlast the washout?"""
COMPARED: Final = (MEAN, AFTER_EFFECT, KEPT)
"""Tested between the kinds, and corrected together: does it matter whether a decoder respects the manifold?

Each stands for one question: how fast the decoder is learned (the mean error of FF1, which a slow start and a
slow end both raise), how much of it goes on in the movements that follow, and how much of it is kept. Savings
in mm are no fourth: they are the larger, the slower the sham learns, so that kinds that are learned at
different speeds differ in them without any difference in memory. The comparison was declared when the results
of the quick preset with seed 0 were known. For that run it is exploratory, which is why it is not corrected
together with the tests of `CLAIMED`, which were planned.
"""

Curves = dict[str, dict[str, Floats]]  # condition to phase to (n, probes) error [m]


def error_curves(table: pd.DataFrame) -> Curves:
    """Return the error of every network in every probe, mean over targets."""
    return {
        str(condition): {phase: its.deviation for phase, its in phase_curves(rows, ERROR).items()}
        for condition, rows in table.groupby("condition", sort=False)
    }


def network_values(outcome: Outcome, curves: Curves) -> dict[str, dict[str, Floats]]:
    """Return one value per network for each of `MEASURES`, by kind, in SI units, and their difference.

    `KEPT` is left out if a network gained no progress in FF1, of which it is a share.
    """
    values = {kind: _of_kind(outcome, curves, kind) for kind in KINDS}
    if all((its[GAINED] > 0.0).all() for its in values.values()):
        for its in values.values():
            its[KEPT] = its[TRACE_BEYOND] / its[GAINED]
    within, outside = values[WITHIN], values[OUTSIDE]
    return values | {DIFFERENCE: {name: within[name] - outside[name] for name in within}}


def _of_kind(outcome: Outcome, curves: Curves, kind: str) -> dict[str, Floats]:
    main, sham = curves[kind], curves[SHAM[kind]]
    perturbed = readout_of(outcome.perturbed(kind))
    activity, practised = outcome.activity[kind], outcome.activity[SHAM[kind]]

    def trace(its: Mapping[str, Floats], after: str) -> Floats:
        return memory_trace({"NF1": its["NF1"], after: its[after]}, perturbed, cursor_targets(), after=after)

    return {
        CHANGE: np.array([each.change for each in outcome.perturbations[kind]]),
        PERTURBED: main["FF1"][:, 0],
        LEARNED: main["FF1"][:, 0] - at_end(main["FF1"]),
        MEAN: main["FF1"].mean(axis=1),
        AFTER_EFFECT: main["NF2"][:, 0] - at_end(main["NF1"]),
        RESIDUAL: at_end(main["NF2"]) - at_end(main["NF1"]),
        SAVED_FIRST: sham["FF2"][:, 0] - main["FF2"][:, 0],
        SAVED_ALL: sham["FF2"].mean(axis=1) - main["FF2"].mean(axis=1),
        GAINED: trace(activity, "FF1"),
        TRACE: trace(activity, "NF2"),
        TRACE_SHAM: trace(practised, "NF2"),
        TRACE_BEYOND: trace(activity, "NF2") - trace(practised, "NF2"),
    }


def at_end(values: Floats) -> Floats:
    """Return the mean over the last `END` of (n, probes) values, (n,)."""
    return values[:, -END:].mean(axis=1)


def quantities(values: Mapping[str, Mapping[str, Floats]], seed: int) -> dict[str, dict[str, Quantity]]:
    """Return means with t intervals; the tests of `CLAIMED` and those of `COMPARED` are corrected apart.

    Args:
        values: `network_values`.
        seed: As in `Sampling`.
    """
    sampling = Sampling(seed)
    found: dict[str, dict[str, Quantity]] = {}
    for group, its in values.items():
        tested = COMPARED if group == DIFFERENCE else CLAIMED
        found[group] = {
            name: quantity(
                name, its[name], unit_of(name), sampling, scale=scale_of(name), test=name in tested
            )
            for name in MEASURES
            if name in its
        }  # fmt: skip
    effects = {group: its for group, its in found.items() if group != DIFFERENCE}
    comparison = {group: its for group, its in found.items() if group == DIFFERENCE}
    return corrected(effects, CLAIMED) | corrected(comparison, COMPARED)


def unit_of(name: str) -> str:
    """Return the unit in which a measure is reported."""
    return "1" if name == CHANGE else "%" if name == KEPT else "mm/s" if name in SPEEDS else "mm"


def scale_of(name: str) -> float:
    """Return the factor from SI to that unit."""
    return 1.0 if name == CHANGE else 100.0 if name == KEPT else MM
