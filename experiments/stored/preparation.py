"""Preparation of the networks of a run: force axes and uniform shift, from recorded activity.

Activity is read 0.16 s into the trial, 0.28 s before go, and regressed on the hand force 90 ms after the go
cue is seen, as in the study.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from experiments.stored.runs import StoredRuns
from savings_gym.activity.preparatory import ForceAxes, UniformShift, force_axes, uniform_shift
from savings_gym.activity.recording import by_phase
from savings_gym.arrays import Floats, Indices
from savings_gym.metrics.curves import shared_networks
from savings_gym.task.schedule import PHASES
from savings_gym.task.settings import CONTROL_STEP, Delays

if TYPE_CHECKING:
    import xarray as xr


PREPARATORY_TIME: Final = 0.16  # s
FORCE_DELAY: Final = 0.09  # s, from the moment the cue is seen to the force
LARGEST_DRIFT: Final = 0.05  # of the shift's length, in NF1 of networks that count as the same


@dataclass(frozen=True, eq=False)
class Preparation:
    """Preparatory activity at the ends of the four phases, analysed; n networks, 8 targets.

    Attributes:
        trials: Phase to activity over the trial, (n, 8, time, units).
        activity: Phase to activity at the preparatory time, (n, 8, units).
        force: (n, 8, 2) hand force of NF1 on which activity was regressed [N].
        axes: Force axes, from NF1.
        shift: Uniform shift from NF1 to FF1.
        time: (time,) [s].
        go: Time of the go cue [s].
        seen: Time at which the cue reaches the network [s].
        numbers: (n,) numbers of the networks.
    """

    trials: dict[str, Floats]
    activity: dict[str, Floats]
    force: Floats
    axes: ForceAxes
    shift: UniformShift
    time: Floats
    go: float
    seen: float
    numbers: Indices

    @property
    def networks(self) -> int:
        """Number of networks."""
        return self.force.shape[0]

    @property
    def events(self) -> dict[str, float]:
        """Names of the times that matter in a trial, for figures [s]."""
        return {"prepared": PREPARATORY_TIME, "go": self.go, "go seen": self.seen}


def preparation(dataset: xr.Dataset) -> Preparation:
    """Return force axes and uniform shift of a recording in the null field.

    Args:
        dataset: Activity of the four phases, as `savings_gym.activity.recording` lays it out.

    Raises:
        ValueError: If a phase or a time is missing, or the analyses refuse the activity.
    """
    trials, forces = (four_phases(dataset, variable) for variable in ("hidden", "hand_force"))
    time = np.asarray(dataset["time"].to_numpy(), dtype=np.float64)
    go, seen = float(dataset.attrs["go_time"]), cue_seen(dataset)
    now = step_at(time, PREPARATORY_TIME)
    activity = {phase: x[:, :, now] for phase, x in trials.items()}
    force = forces["NF1"][:, :, step_at(time, seen + FORCE_DELAY)]
    axes = force_axes(activity, force)
    return Preparation(
        trials, activity, force, axes, uniform_shift(activity, axes), time, go, seen, network_numbers(dataset)
    )


def four_phases(dataset: xr.Dataset, variable: str) -> dict[str, Floats]:
    """Return one variable of the four phases, in their order, (n, 8, time, k).

    Raises:
        ValueError: If a phase is missing.
    """
    values = by_phase(dataset, variable)
    missing = [phase for phase in PHASES if phase not in values]
    if missing:
        raise ValueError(
            f"the recording has the phases {', '.join(values)}, and lacks {', '.join(missing)}; expected "
            f"{', '.join(PHASES)}"
        )
    return {phase: values[phase] for phase in PHASES}


def network_numbers(dataset: xr.Dataset) -> Indices:
    """Return the numbers of the networks of a recording, (n,)."""
    return np.asarray(dataset["network"].to_numpy(), dtype=np.intp)


@dataclass(frozen=True, eq=False)
class ShamTrials:
    """Activity of the networks of a sham that its run has, too.

    Attributes:
        places: (m,) where these networks stand in the preparation of the run.
        trials: Phase to activity over the trial, (m, 8, time, units).
    """

    places: Indices
    trials: dict[str, Floats]


def sham_trials(runs: StoredRuns, main: Preparation) -> ShamTrials | None:
    """Return activity of the sham, whose networks never met the field before FF2; None without a sham.

    Shift and read-outs of the main run apply to the networks of the sham that have the same numbers, and only
    if they are the same networks, with the same weights and seed up to the end of NF1: their mean preparatory
    activity in NF1 may differ by `LARGEST_DRIFT` of the shift's length.
    """
    if runs.sham is None:
        return None
    dataset = runs.activity(runs.sham)
    trials = four_phases(dataset, "hidden")
    places, theirs = shared_networks(main.numbers, network_numbers(dataset))
    if not places.size or trials["NF1"].shape[1:] != main.trials["NF1"].shape[1:]:
        return None
    if theirs.size < len(trials["NF1"]):
        trials = {phase: x[theirs] for phase, x in trials.items()}
    now = step_at(main.time, PREPARATORY_TIME)
    distance = np.linalg.norm(trials["NF1"][:, :, now].mean(axis=1) - main.shift.origin[places], axis=-1)
    same = np.all(distance <= LARGEST_DRIFT * main.shift.length[places])
    return ShamTrials(places, trials) if same else None


def step_at(time: Floats, wanted: float) -> int:
    """Return the index of a time in the recording.

    Raises:
        ValueError: If the recording has no such time.
    """
    step = int(np.argmin(np.abs(time - wanted)))
    if abs(time[step] - wanted) > 0.5 * CONTROL_STEP:
        raise ValueError(f"no time {wanted:g} s in the recording, it has {time[0]:g} to {time[-1]:g} s")
    return step


def cue_seen(dataset: xr.Dataset) -> float:
    """Return when the go cue reaches the networks of a recording [s]."""
    stored: Any = dataset.attrs.get("delays")
    delays = Delays() if stored is None else Delays(**json.loads(stored))
    return float(dataset.attrs["go_time"]) + delays.cue_delay
