"""Preparation of the networks of a run: force axes and uniform shift, from recorded activity.

The study reads activity 0.16 s into the trial, 0.28 s before go, and regresses it on the hand force "90 ms
after the movement onset cue". Its text means a force of the movement; its code reads 0.25 s, before go, when
there is hardly any force. The text's time is the default here: go, the delay with which the cue is seen, and
90 ms.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from savings_gym.activity.preparatory import ForceAxes, UniformShift, force_axes, uniform_shift
from savings_gym.activity.recording import by_phase
from savings_gym.arrays import Floats
from savings_gym.task.schedule import PHASES
from savings_gym.task.settings import CONTROL_STEP, Delays

if TYPE_CHECKING:
    import xarray as xr

    from experiments.stored.runs import Runs


PREPARATORY_TIME: Final = 0.16  # s
AFTER_CUE: Final = 0.09  # s, from the cue to the force
CODE_FORCE_TIME: Final = 0.25  # s, in the study's code
SAME: Final = 0.05


@dataclass(frozen=True, eq=False)
class Preparation:
    """Preparatory activity of the ends of the four phases, analysed; n networks, 8 targets.

    Attributes:
        trials: Phase to activity over the trial, (n, 8, time, units).
        activity: Phase to activity at the preparatory time, (n, 8, units).
        force: (n, 8, 2) hand force of NF1 that was regressed on [N].
        axes: Force axes, from NF1.
        shift: Uniform shift from NF1 to FF1.
        time: (time,) [s].
        go: Time of the go cue [s].
        seen: Time at which the cue reaches the network [s].
    """

    trials: dict[str, Floats]
    activity: dict[str, Floats]
    force: Floats
    axes: ForceAxes
    shift: UniformShift
    time: Floats
    go: float
    seen: float

    @property
    def networks(self) -> int:
        """How many there are."""
        return self.force.shape[0]


def preparation(dataset: xr.Dataset, force_time: float | None = None) -> Preparation:
    """Force axes and uniform shift of a recording in the null field.

    Args:
        dataset: Activity of the four phases, as `savings_gym.activity.recording` lays it out.
        force_time: When the hand force is read [s]; `AFTER_CUE` after the cue is seen if None.

    Raises:
        ValueError: If a phase or a time is missing, or the analyses refuse the activity.
    """
    trials, forces = (four_phases(dataset, variable) for variable in ("hidden", "hand_force"))
    time = np.asarray(dataset["time"].to_numpy(), dtype=np.float64)
    go = float(dataset.attrs["go_time"])
    seen = go + _delays(dataset).vision
    now = step_at(time, PREPARATORY_TIME)
    activity = {phase: x[:, :, now] for phase, x in trials.items()}
    force = forces["NF1"][:, :, step_at(time, seen + AFTER_CUE if force_time is None else force_time)]
    axes = force_axes(activity, force)
    return Preparation(trials, activity, force, axes, uniform_shift(activity, axes), time, go, seen)


def four_phases(dataset: xr.Dataset, variable: str) -> dict[str, Floats]:
    """One variable of the four phases, in their order, (n, 8, time, k).

    Raises:
        ValueError: If a phase is missing.
    """
    found = by_phase(dataset, variable)
    missing = [phase for phase in PHASES if phase not in found]
    if missing:
        raise ValueError(
            f"the recording has the phases {', '.join(found)}, and lacks {', '.join(missing)}; expected "
            f"{', '.join(PHASES)}"
        )
    return {phase: found[phase] for phase in PHASES}


def sham_trials(runs: Runs, found: Preparation) -> dict[str, Floats] | None:
    """Activity of the sham control, whose networks never met the field before FF2, or None without one.

    It must be the main run's first m networks up to the end of NF1 (the same weights and seed), so that
    shift and read-outs of the main run hold for them: mean preparatory activity of NF1 may differ by `SAME`
    of the shift's length.

    Returns:
        Phase to (m, 8, time, units).
    """
    if runs.sham is None:
        return None
    trials = four_phases(runs.activity(runs.sham), "hidden")
    m, now = len(trials["NF1"]), step_at(found.time, PREPARATORY_TIME)
    if m > found.networks or trials["NF1"].shape[1:] != found.trials["NF1"].shape[1:]:
        return None
    apart = np.linalg.norm(trials["NF1"][:, :, now].mean(axis=1) - found.shift.origin[:m], axis=-1)
    return None if np.any(apart > SAME * found.shift.length[:m]) else trials


def step_at(time: Floats, wanted: float) -> int:
    """Index of a time in the recording.

    Raises:
        ValueError: If the recording has no such time.
    """
    step = int(np.argmin(np.abs(time - wanted)))
    if abs(time[step] - wanted) > 0.5 * CONTROL_STEP:
        raise ValueError(f"no time {wanted:g} s in the recording, it has {time[0]:g} to {time[-1]:g} s")
    return step


def _delays(dataset: xr.Dataset) -> Delays:
    held: Any = dataset.attrs.get("delays")
    return Delays() if held is None else Delays(**json.loads(held))
