"""Memory trace of a stored run: what a velocity read-out, fitted in FF1, makes of activity before and after.

Formulas are in `savings_gym.memory_trace`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agents.reaches import centre_out_targets
from experiments.figures.kit import Runs
from experiments.figures.preparation import Preparation, four_phases, sham_trials
from savings_gym.arrays import Floats
from savings_gym.memory_trace import VelocityReadout, memory_trace, progress, velocity_readout


@dataclass(frozen=True, eq=False)
class Trace:
    """Memory trace of n networks: activity without the field through the read-out of velocity of FF1.

    Attributes:
        trace: (n,) progress of NF2 less that of NF1 [m/s].
        sham: (m,) trace of the sham control in place of NF2, networks that never met the field; None without.
        moved: (n,) progress that the hands themselves made more in NF2 than in NF1 [m/s].
        before: (n,) progress of NF1 [m/s].
        fit: (n,) of the read-out where it was fitted, in FF1 in the field.
        fit_next: (n,) of the same read-out in FF2 in the field.
    """

    trace: Floats
    sham: Floats | None
    moved: Floats
    before: Floats
    fit: Floats
    fit_next: Floats


def stored_trace(runs: Runs, run: Path, found: Preparation, components: int) -> Trace:
    """Read-out of velocity from FF1 in the field, and what it makes of activity without the field.

    Trials are cut to the time from which go is seen.

    Args:
        runs: The stored runs.
        run: One of them.
        found: Its preparation.
        components: Of activity that the read-out takes.
    """
    dataset = runs.activity(run, "curl")
    hidden, velocity = (four_phases(dataset, name) for name in ("hidden", "velocity"))
    reach = slice(int(np.searchsorted(found.time, found.seen - 1e-9)), None)
    readout = velocity_readout(hidden["FF1"][:, :, reach], velocity["FF1"][:, :, reach], components)
    start = dataset["hand"].sel(phase="NF1").isel(time=0).mean("target").to_numpy().astype(np.float64)
    direction = centre_out_targets() - start[:, None]
    familiar = {phase: found.trials[phase][:, :, reach] for phase in ("NF1", "NF2")}
    towards = direction[:, :, None]
    toward_target = {
        p: progress(x[:, :, reach], towards).mean(axis=(1, 2))
        for p, x in four_phases(runs.activity(run), "velocity").items()
    }
    sham, without = sham_trials(runs, found), None
    if sham is not None:
        m = len(sham["NF2"])
        other = VelocityReadout(*(part[:m] for part in vars(readout).values()))
        without = memory_trace({p: sham[p][:, :, reach] for p in ("NF1", "NF2")}, other, direction[:m])
    actual = velocity["FF2"][:, :, reach]
    error = np.sum((readout.velocity(hidden["FF2"][:, :, reach]) - actual) ** 2, axis=(1, 2, 3))
    spread = np.sum((actual - actual.mean(axis=(1, 2), keepdims=True)) ** 2, axis=(1, 2, 3))
    return Trace(
        trace=memory_trace(familiar, readout, direction),
        sham=without,
        moved=toward_target["NF2"] - toward_target["NF1"],
        before=progress(readout.velocity(familiar["NF1"]), towards).mean(axis=(1, 2)),
        fit=readout.fit,
        fit_next=1.0 - error / spread,
    )
