"""Preparatory activity for the page: the ring of targets on the force axes, and the shift."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from experiments import study
from experiments.report.curves import rounded
from experiments.report.finished import FinishedRun
from experiments.report.measures import Measure
from experiments.stored.preparation import PREPARATORY_TIME, preparation
from experiments.study import REFERENCE, SHIFT_FF2, SHIFT_NF2, quantity
from savings_gym.activity.preparatory import shift_projections
from savings_gym.metrics.statistics import Sampling, t_band
from savings_gym.task.schedule import PHASES

if TYPE_CHECKING:
    import xarray as xr

SHIFT: Final = {"NF2": SHIFT_NF2, "FF2": SHIFT_FF2}
MEANING: Final = {
    "NF2": "how much is left after washout of the change that FF1 brought to activity before the go cue",
    "FF2": "the same once the field is learned again; FF1 is 1",
}


def ring_data(run: FinishedRun, free: xr.Dataset) -> tuple[dict[str, Any], list[Measure]]:
    """Return ring and shift for the page, and the shift as measures.

    Args:
        run: The run.
        free: Activity of the four phases, probed without a field.

    Returns:
        ``rings``: phase to (network + 1, 8, 2) on the force axes [N], the mean over networks first;
        ``shift``: phase to one projection per network; ``mean``, ``low`` and ``high`` of it; ``study``: phase
        to the study's value and its error.

    Raises:
        ValueError: If the activity has no force axes or no shift; the message says why.
    """
    prepared = preparation(free)
    shifts = shift_projections(prepared.activity, prepared.shift)
    rings = {}
    for phase, x in prepared.activity.items():
        its = prepared.axes.project(x)
        every = np.concatenate([its.mean(axis=0)[None], its])
        rings[phase] = [[rounded(point) for point in ring] for ring in every]
    ends = {phase: t_band(values) for phase, values in shifts.items()}
    data = {
        "networks": [int(number) for number in free["network"].to_numpy()], "time": PREPARATORY_TIME,
        "go": prepared.go, "rings": rings, "shift": {phase: rounded(shifts[phase]) for phase in PHASES},
        "mean": {phase: round(float(values.mean()), 4) for phase, values in shifts.items()},
        "low": {phase: rounded(np.atleast_1d(low))[0] for phase, (low, _) in ends.items()},
        "high": {phase: rounded(np.atleast_1d(high))[0] for phase, (_, high) in ends.items()},
        "study": {
            phase: [REFERENCE[name].value, REFERENCE[name].error] for phase, name in SHIFT.items()
        } if run.follows_study else {},
    }  # fmt: skip
    lines = []
    for phase, name in SHIFT.items():
        entry = quantity(name, shifts[phase], "1", Sampling(run.summary["seed"]))
        compared = study.verdict(REFERENCE[name], entry) if run.follows_study else ("", "")
        label = f"Preparatory shift in {phase}"
        lines.append(Measure(f"shift.{phase}", label, MEANING[phase], entry, *compared))
    return data, lines
