"""Learning curves for the page: mean, interval and single networks of every phase."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.drawing.curves import SINGLE_LINES, thinned
from experiments.report.finished import FinishedRun
from experiments.study import BATCHES, REFERENCE, curve
from savings_gym.arrays import Floats
from savings_gym.metrics.statistics import t_band
from savings_gym.task.settings import N_TARGETS

DECIMALS = 3  # of deviations [mm]


def learning_data(run: FinishedRun) -> dict[str, Any] | None:
    """Return the learning curves of a run; None if it has no probe table.

    Returns:
        ``phases``: phase to ``trials``, and ``mean``, ``low``, ``high`` and ``networks`` of the lateral
        deviation [mm]; ``study``: the study's FF1 and FF2, as lists of (trials, deviation).
    """
    if not run.curves:
        return None
    phases = {}
    for phase, its in run.curves.items():
        trials, values = thinned(its)
        low, high = t_band(values)
        phases[phase] = {
            "trials": rounded(trials, 1),
            "mean": rounded(values.mean(axis=0)), "low": rounded(low), "high": rounded(high),
            "networks": [rounded(row, 2) for row in values] if 1 < len(values) <= SINGLE_LINES else [],
        }  # fmt: skip
    return {"phases": phases, "study": _study(run)}


def _study(run: FinishedRun) -> dict[str, list[tuple[int, float]]]:
    """The study's learning curves, as far as the phases of a run go."""
    if not run.follows_study:
        return {}
    return {
        phase: [
            (batch * N_TARGETS, REFERENCE[curve(phase, batch)].value)
            for batch in BATCHES
            if batch * N_TARGETS <= run.curves[phase].trials[-1]
        ]
        for phase in ("FF1", "FF2")
        if phase in run.curves
    }


def rounded(values: Floats, decimals: int = DECIMALS) -> list[float | None]:
    """Return numbers as a list for JSON, NaN as None."""
    return [round(float(value), decimals) if np.isfinite(value) else None for value in values]
