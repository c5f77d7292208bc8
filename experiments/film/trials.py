"""Trials of a finished run that a film can show, as arrays."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from agents.supervised.reaches import centre_out_targets
from experiments.runs.folder import RunFolder
from experiments.runs.networks import kept_networks
from experiments.savings.config import Savings
from experiments.savings.phases import PhaseChanges
from experiments.savings.shared_phases import stored_arguments
from experiments.stored.activity import activity_of_run
from savings_gym.activity.recording import by_phase, hand_paths
from savings_gym.arm.anatomy import SMALLEST_ACTIVATION
from savings_gym.arm.model import Arm, load_arm
from savings_gym.arm.muscles import activation_rate
from savings_gym.arrays import Floats
from savings_gym.envs.snapshot import GO, WAIT, FieldArrows, Snapshot, acts, field_arrows, name_of
from savings_gym.metrics.kinematics import SETTLED, lateral_deviation
from savings_gym.perturbations.fields import Field, as_field
from savings_gym.task.settings import CONTROL_STEP, TRIAL_STEPS, Delays, physics_steps, whole_steps

if TYPE_CHECKING:
    import xarray as xr

HIDDEN_UNITS: Final = 8  # units of which a film shows the activity


class Moment(NamedTuple):
    """When in a run a trial is made.

    Attributes:
        networks: Phase at whose end the networks are as in the trial.
        field: Field of the trial, ``"null"`` or ``"curl"``.
        phase: Phase to which the trial belongs.
        text: What it is.
    """

    networks: str
    field: str
    phase: str
    text: str


# The networks at the end of a phase are those of the first trial of the next one.
MOMENTS: Final[dict[str, Moment]] = {
    "before": Moment("NF1", "null", "NF1", "before"),
    "FF1-first": Moment("NF1", "curl", "FF1", "first in the field"),
    "FF1-last": Moment("FF1", "curl", "FF1", "adapted"),
    "NF2-first": Moment("FF1", "null", "NF2", "after-effect"),
    "washout": Moment("NF2", "null", "NF2", "washed out"),
    "FF2-first": Moment("NF2", "curl", "FF2", "first, again"),
    "FF2-last": Moment("FF2", "curl", "FF2", "adapted again"),
}
SHOWN: Final = ("before", "FF1-first", "FF1-last", "washout", "FF2-first")


@dataclass(frozen=True, eq=False)
class FilmTrial:
    """One trial of one network.

    Attributes:
        moment: When in the run it is made.
        hand: (T + 1, 2) hand position at the beginning of every control step and at the end [m].
        velocity: (T, 2) hand velocity at the beginning of every control step [m/s].
        excitation: (T, muscles) in every control step.
        hidden: (T, units) likewise.
        target: (2,) position [m].
        field: The field.
        go: Control step of go.
        cue: Control step in which the go cue is seen.
    """

    moment: Moment
    hand: Floats
    velocity: Floats
    excitation: Floats
    hidden: Floats
    target: Floats
    field: Field
    go: int
    cue: int


def load_trials(run: Path, names: tuple[str, ...], network: int, target: int) -> list[FilmTrial]:
    """Return trials of a finished run; networks are recorded if they have not been yet.

    Args:
        run: Run folder of ``experiments.savings``.
        names: Which trials, of `MOMENTS`.
        network: Which network.
        target: Which of the 8 targets.

    Raises:
        FileNotFoundError, ValueError: As `check_run`, and if activity cannot be recorded.
    """
    check_run(run, network)
    recorded = {field: activity_of_run(run, field) for field in {MOMENTS[name].field for name in names}}
    return [_trial(MOMENTS[name], recorded[MOMENTS[name].field], network, target) for name in names]


def check_run(run: Path, network: int) -> Savings:
    """Return the arguments of a finished run that has this network.

    Raises:
        FileNotFoundError: If the folder is none of a run.
        ValueError: If the run is not finished, has other fields in FF1 and FF2, or has no such network, or
            the network diverged.
    """
    if not run.is_dir():
        raise FileNotFoundError(f"no folder {str(run)!r}")
    summary, config = RunFolder.read_summary(run), stored_arguments(run)
    if not summary.get("complete"):
        raise ValueError(f"{run} is not finished: repeat the command that made it")
    plain = PhaseChanges()
    for name in ("ff1_b", "ff2_b", "ff1_field", "cue"):
        value = getattr(config.change, name)
        if value != getattr(plain, name):
            raise ValueError(f"{run} has change.{name}={value}; a film needs a run with the same field twice")
    if not 0 <= network < config.networks:
        raise ValueError(f"{run} has no network {network}; choose from: 0 to {config.networks - 1}")
    if network not in (kept := kept_networks(run, config.networks)):
        raise ValueError(
            f"network {network} of {run} diverged; choose from: {', '.join(str(number) for number in kept)}"
        )
    return config


def _trial(moment: Moment, recorded: xr.Dataset, network: int, target: int) -> FilmTrial:
    def of(variable: str) -> Floats:
        values: Floats = by_phase(recorded, variable)[moment.networks][place, target]
        return values

    place = recorded["network"].to_numpy().tolist().index(network)
    go = whole_steps("go", recorded.attrs["go_time"])
    delays = Delays(**json.loads(recorded.attrs["delays"]))
    return FilmTrial(
        moment=moment,
        hand=hand_paths(recorded)[moment.networks][place, target],
        velocity=of("velocity"),
        excitation=of("excitation"),
        hidden=of("hidden"),
        target=centre_out_targets()[target],
        field=as_field(json.loads(recorded.attrs["field"])),
        go=go,
        cue=go + whole_steps("the delay of the cue", delays.cue_delay),
    )


class FilmedTrial:
    """A trial, ready to be drawn step by step on a muscle arm.

    Args:
        trial: The trial.
        arm: The arm.
    """

    def __init__(self, trial: FilmTrial, arm: Arm) -> None:
        self.trial = trial
        self._joints = arm.inverse_kinematics(trial.hand)
        self._activation = activation_of(trial.excitation, arm)
        self._arrows: FieldArrows = field_arrows(trial.field, trial.hand[0], trial.target)
        self._all_targets = centre_out_targets()

    def at(self, step: int) -> Snapshot:
        """Return the trial at the beginning of a control step 0 to T."""
        trial = self.trial
        stage = int(step >= trial.go) + int(step >= trial.cue)
        acting = acts(trial.field, stage)
        return Snapshot(
            joints=self._joints[step],
            activation=self._activation[step],
            start=trial.hand[0],
            target=trial.target,
            other_targets=self._all_targets,
            path=trial.hand[: step + 1],
            force=self._force(step) if acting else np.zeros(2),
            arrows=self._arrows,
            acting=acting,
            signal=GO if stage else WAIT,
            title=trial.moment.text,
            clock=f"{step * CONTROL_STEP:.2f} s",
            field_name=name_of(trial.field),
        )

    def deviation(self, step: int) -> float:
        """Return the lateral deviation up to a control step, positive to the right [m]."""
        step = max(step, 1)
        path, settled = self.trial.hand[: step + 1], min(SETTLED, step * CONTROL_STEP)
        return float(lateral_deviation(path, self.trial.target, from_time=settled))

    def _force(self, step: int) -> Floats:
        """Return the field's force on the hand (2,) [N]."""
        trial, k = self.trial, min(step, TRIAL_STEPS - 1)
        start, target = trial.hand[:1], trial.target[None]
        hand, velocity = trial.hand[k : k + 1], trial.velocity[k : k + 1]
        parts = [part.coefficients(start, target).force(hand, velocity) for part in trial.field.parts()]
        force: Floats = np.sum(parts, axis=0)[0]
        return force


def activation_of(excitation: Floats, arm: Arm) -> Floats:
    """Return activation before and after every control step, (T + 1, muscles), of excitation (T, muscles)."""
    steps = physics_steps(arm.timestep)
    activation = np.full(excitation.shape[1], SMALLEST_ACTIVATION)
    course = [activation]
    for command in np.clip(excitation, SMALLEST_ACTIVATION, 1.0):
        for _ in range(steps):
            activation = activation + arm.timestep * activation_rate(arm.muscles, command, activation)
        course.append(activation)
    return np.stack(course)


def traces(trials: list[FilmTrial], kind: str) -> tuple[list[str], list[Floats]]:
    """Return what moves under the pictures: names, and (T, names) of every trial.

    Args:
        trials: The trials.
        kind: ``"excitation"`` of all muscles, or ``"hidden"``, activity of the units that vary most over all
            trials.
    """
    if kind == "excitation":
        names = [name.replace("_", " ") for name in load_arm("muscle").actuator_names]
        return names, [trial.excitation for trial in trials]
    spread = np.concatenate([trial.hidden for trial in trials]).std(axis=0)
    units = np.sort(np.argsort(spread, kind="stable")[::-1][:HIDDEN_UNITS])
    return [f"unit {unit}" for unit in units], [trial.hidden[:, units] for trial in trials]
