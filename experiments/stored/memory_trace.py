"""Memory trace of a stored run: activity without the field, seen through a read-out fitted in the field.

Formulas are in `savings_gym.activity.memory_trace`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agents.supervised.reaches import centre_out_targets
from experiments.stored.preparation import Preparation, four_phases, sham_trials
from experiments.stored.runs import StoredRuns
from savings_gym.activity.memory_trace import VelocityReadout, memory_trace, progress, velocity_readout
from savings_gym.arrays import Floats


@dataclass(frozen=True, eq=False)
class Trace:
    """Memory trace of n networks, from the read-out of hand velocity in FF1.

    Attributes:
        trace: (n,) progress of NF2 less that of NF1 [m/s].
        sham: (n,) trace of the sham, whose networks never met the field, NaN if it lacks one; None without a
            sham.
        moved: (n,) progress that the hands themselves made more in NF2 than in NF1 [m/s].
        before: (n,) progress of NF1 [m/s].
        fit: (n,) R2 of the read-out where it was fitted, in FF1 in the field.
        fit_next: (n,) R2 of the same read-out in FF2 in the field.
    """

    trace: Floats
    sham: Floats | None
    moved: Floats
    before: Floats
    fit: Floats
    fit_next: Floats


def stored_trace(runs: StoredRuns, run: Path, prepared: Preparation, components: int) -> Trace:
    """Return the memory trace of a run.

    Trials begin when go is seen.

    Args:
        runs: The stored runs.
        run: One of them.
        prepared: Its preparation.
        components: Components of activity that the read-out takes.
    """
    dataset = runs.activity(run, "curl")
    hidden, velocity = (four_phases(dataset, name) for name in ("hidden", "velocity"))
    reach = slice(int(np.searchsorted(prepared.time, prepared.seen - 1e-9)), None)
    readout = velocity_readout(hidden["FF1"][:, :, reach], velocity["FF1"][:, :, reach], components)
    start = dataset["hand"].sel(phase="NF1").isel(time=0).mean("target").to_numpy().astype(np.float64)
    direction = centre_out_targets() - start[:, None]
    familiar = {phase: prepared.trials[phase][:, :, reach] for phase in ("NF1", "NF2")}
    towards = direction[:, :, None]
    hands = {
        phase: progress(values[:, :, reach], towards).mean(axis=(1, 2))
        for phase, values in four_phases(runs.activity(run), "velocity").items()
    }
    sham, without = sham_trials(runs, prepared), None
    if sham is not None:
        shared = VelocityReadout(*(part[sham.places] for part in vars(readout).values()))
        practised = {phase: sham.trials[phase][:, :, reach] for phase in familiar}
        without = np.full(prepared.networks, np.nan)
        without[sham.places] = memory_trace(practised, shared, direction[sham.places])
    actual = velocity["FF2"][:, :, reach]
    error = np.sum((readout.velocity(hidden["FF2"][:, :, reach]) - actual) ** 2, axis=(1, 2, 3))
    spread = np.sum((actual - actual.mean(axis=(1, 2), keepdims=True)) ** 2, axis=(1, 2, 3))
    return Trace(
        trace=memory_trace(familiar, readout, direction),
        sham=without,
        moved=hands["NF2"] - hands["NF1"],
        before=progress(readout.velocity(familiar["NF1"]), towards).mean(axis=(1, 2)),
        fit=readout.fit,
        fit_next=1.0 - error / spread,
    )
