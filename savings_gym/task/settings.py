"""Settings of the reaching task, checked: small frozen objects that print, pickle and go through JSON."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from savings_gym.arm.build import ACTUATIONS
from savings_gym.arm.changes import ArmChanges, ArmLike
from savings_gym.arm.model import load_arm
from savings_gym.arrays import Floats, as_choice, as_flag, as_number, as_numbers
from savings_gym.perturbations.fields import TRIED_DISTANCE, Field, acts_on, as_field
from savings_gym.task.arguments import as_settings
from savings_gym.task.impairments import Impairments, ImpairmentsLike, as_impairments
from savings_gym.task.schedule import Schedule, as_schedule

CONTROL_STEP = 0.01  # s, one action
RENDER_FPS = round(1.0 / CONTROL_STEP)  # pictures per second in real time
TRIAL_STEPS = 100  # control steps in a trial
N_TARGETS = 8  # centre-out targets, every 45 degrees from 0
GO_TIMES: Final = (0.10, 0.30)  # s, go is uniform in between
CATCH_FRACTION: Final = 0.5  # probability of a trial without go
PROBE_GO = 0.44  # s, go in test trials
TIME_ROUNDING = 1e-7  # s, how far a time in single precision may be off
LARGEST = 1e6  # standard deviation of noise, weight of a reward term
MOST_TARGETS = 3600  # centre-out targets
ANGLE_DECIMALS = 6  # directions that differ by less, in degrees, are the same


def _check_at_least_zero(settings: object) -> None:
    """Check that all values are numbers from 0 to `LARGEST` (or None, if optional); store them as floats."""
    for f in dataclasses.fields(settings):  # type: ignore[arg-type]
        if f.default is None and getattr(settings, f.name) is None:
            continue
        name = f"{type(settings).__name__}: {f.name}"
        value = as_number(name, getattr(settings, f.name), least=0.0, most=LARGEST)
        object.__setattr__(settings, f.name, value)


@dataclass(frozen=True)
class Noise:
    """Standard deviations of the Gaussian noise, which is independent in every control step.

    Attributes:
        excitation: On the action, before it is clipped (muscle: excitation; torque: share of the
            largest torque).
        proprioception: On the observed muscle lengths and velocities (or joint angles and velocities).
        vision: On the observed hand position, m.
    """

    excitation: float = 1e-4
    proprioception: float = 1e-3
    vision: float = 1e-4

    def __post_init__(self) -> None:
        """Check the values."""
        _check_at_least_zero(self)


@dataclass(frozen=True)
class Delays:
    """Delays of the observation, s; whole numbers of control steps of 0.01 s.

    Attributes:
        vision: Of the hand position.
        proprioception: Of muscle lengths and velocities (or joint angles and velocities).
        cue: Of the go cue; None means that of vision.
    """

    vision: float = 0.07
    proprioception: float = 0.02
    cue: float | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        _check_at_least_zero(self)
        for name, delay in (
            ("vision", self.vision), ("proprioception", self.proprioception), ("cue", self.cue_delay)
        ):  # fmt: skip
            whole_steps(f"Delays: {name}", delay)

    @property
    def cue_delay(self) -> float:
        """Delay of the go cue, s."""
        return self.vision if self.cue is None else self.cue


@dataclass(frozen=True)
class RewardWeights:
    """Weights of the reward terms, see `rewards.reward_terms`.

    Attributes:
        proximity: Reward of a trial in which the hand is always at the goal.
        effort: Loss in a trial in which every excitation (or torque) is always the largest.
        jerk: Loss in a trial in which the hand always shakes.
        lateral: Loss in a trial in which the hand is always as far beside the straight line to the target as
            the target is away.
    """

    proximity: float = 1.4
    effort: float = 1.0
    jerk: float = 1.0
    lateral: float = 0.0

    def __post_init__(self) -> None:
        """Check the values."""
        _check_at_least_zero(self)


NoiseLike = Noise | Mapping[str, Any] | bool | None
DelaysLike = Delays | Mapping[str, Any] | bool | None
RewardWeightsLike = RewardWeights | Mapping[str, Any] | bool


def as_noise(value: NoiseLike) -> Noise:
    """Return the argument `noise`, checked: True is the default, False or None means no noise."""
    return as_settings("noise", Noise, value, default=Noise(), none=Noise(0.0, 0.0, 0.0))


def as_delays(value: DelaysLike) -> Delays:
    """Return the argument `delays`, checked: True is the default, False or None means no delay."""
    return as_settings("delays", Delays, value, default=Delays(), none=Delays(0.0, 0.0))


def as_reward_weights(value: RewardWeightsLike) -> RewardWeights:
    """Return the argument `reward_weights`, checked: True is the default; there is no task without reward."""
    return as_settings("reward_weights", RewardWeights, value, default=RewardWeights())


def whole_steps(name: str, seconds: float) -> int:
    """Return a time in control steps.

    Args:
        name: What the caller calls it, for the error.
        seconds: The time, s.

    Raises:
        ValueError: If it is not a whole number of control steps, or longer than a trial.
    """
    time = as_number(name, seconds)
    steps = round(time / CONTROL_STEP) if abs(time) < 2 * TRIAL_STEPS * CONTROL_STEP else -1
    if not 0 <= steps <= TRIAL_STEPS or abs(steps * CONTROL_STEP - time) > TIME_ROUNDING:
        raise ValueError(
            f"{name} must be a whole number of control steps, one of 0, {CONTROL_STEP}, "
            f"{2 * CONTROL_STEP}, ... {TRIAL_STEPS * CONTROL_STEP:g} s; got {seconds!r} s"
        )
    return steps


def physics_steps(timestep: float) -> int:
    """Return the number of physics steps of `timestep` seconds in a control step.

    Raises:
        ValueError: If it is not a whole number.
    """
    steps = round(CONTROL_STEP / timestep)
    if steps < 1 or not math.isclose(steps * timestep, CONTROL_STEP):
        raise ValueError(f"a control step of {CONTROL_STEP} s must be whole physics steps, got {timestep} s")
    return steps


def go_steps(go_time: float | Sequence[float]) -> tuple[int, int]:
    """Return the first and the last control step of go, from a time or a pair (first, last), s.

    Raises:
        ValueError: If a time is not a whole number of control steps within a trial, or the first comes after
            the last.
    """
    times = as_numbers("go_time (s, one time or the first and the last)", go_time, (), (2,))
    first, last = np.broadcast_to(times, 2).tolist()
    steps = whole_steps("go_time", first), whole_steps("go_time", last)
    if steps[0] > steps[1]:
        raise ValueError(f"the first go_time must not come after the last, got {go_time!r}")
    return steps


def target_directions(targets: int | str | Sequence[float]) -> tuple[float, ...] | None:
    """Return the directions of centre-out targets in rad, or None for random reaches.

    Args:
        targets: Number of targets, evenly spaced from 0°; or their directions in degrees, all
            different (counter-clockwise, 0 is to the right); or "random".

    Raises:
        ValueError: If `targets` is none of these.
    """
    if isinstance(targets, str) and targets == "random":
        return None
    degrees = _target_degrees(targets)
    if degrees is None:
        raise ValueError(
            f"targets must be a number of targets (from 1 to {MOST_TARGETS}), a sequence of different "
            f'directions in degrees, or "random"; got {targets!r}'
        )
    return tuple(np.deg2rad(degrees).tolist())


def _target_degrees(targets: Any) -> Floats | None:
    """Directions of the targets, degrees; None if there are none, or if two are the same."""
    if isinstance(targets, (int, np.integer)) and not isinstance(targets, bool):
        if not 1 <= targets <= MOST_TARGETS:
            return None
        return np.asarray(360.0 / targets * np.arange(targets), dtype=np.float64)
    try:
        degrees = as_numbers("targets", targets, (len(targets),))
    except (ValueError, TypeError):
        return None
    different = np.unique(np.round(degrees % 360.0, ANGLE_DECIMALS) % 360.0)
    return degrees if 0 < len(different) == len(degrees) else None


def targets_argument(directions: tuple[float, ...] | None) -> int | str | list[float]:
    """Return the argument from which `target_directions` makes exactly these directions."""
    if directions is None:
        return "random"
    if directions == target_directions(len(directions)):
        return len(directions)
    return [_degrees(radians) for radians in directions]


def _degrees(radians: float) -> float:
    """Return the shortest number of degrees that is exactly this number of radians."""
    near = float(np.rad2deg(radians))
    around = [near, float(np.nextafter(near, -math.inf)), float(np.nextafter(near, math.inf))]
    exact = [degrees for degrees in (round(near, 9), *around) if float(np.deg2rad(degrees)) == radians]
    return exact[0] if exact else near


@dataclass(frozen=True)
class TaskSettings:
    """Everything that defines the task, as checked by `task_settings`.

    Attributes:
        field: Field of every trial if there is no schedule.
        schedule: Field by trial number, or None.
        actuation: "muscle", "motor" or "torque".
        arm: How the arm differs from the standard one.
        directions: Of the centre-out targets, rad; None for random reaches.
        go_steps: First and last control step at which go may come.
        catch_fraction: Probability of a trial without go.
        noise: Of actions and observations.
        delays: Of observations.
        reward_weights: Of the reward terms.
        trial_cue: Whether the observation has a cue that a trial begins.
        impairments: Of the muscles and the actions.
    """

    field: Field
    schedule: Schedule | None
    actuation: str
    arm: ArmChanges
    directions: tuple[float, ...] | None
    go_steps: tuple[int, int]
    catch_fraction: float
    noise: Noise
    delays: Delays
    reward_weights: RewardWeights
    trial_cue: bool
    impairments: Impairments = Impairments()  # noqa: RUF009, frozen

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments that give an environment these settings."""
        same = [f.name for f in dataclasses.fields(self) if f.name not in ("directions", "go_steps")]
        return {name: getattr(self, name) for name in same} | {
            "field": self.field if self.schedule is None else None,
            "targets": targets_argument(self.directions),
            "go_time": (self.go_steps[0] * CONTROL_STEP, self.go_steps[1] * CONTROL_STEP),
        }


def _warn_of_idle(field: Field, start: Floats, directions: tuple[float, ...]) -> None:
    """Warn if a field acts in some reaches, but in none to these targets; `reset` may be given others."""
    ways = np.stack([np.cos(directions), np.sin(directions)], axis=-1)
    starts = np.broadcast_to(start, ways.shape)
    if field.is_null or acts_on(field, starts, starts + TRIED_DISTANCE * ways):
        return
    degrees = ", ".join(f"{_degrees(direction):g}" for direction in directions[:N_TARGETS])
    warnings.warn(
        f"{field!r} acts in no reach to any of the targets, which lie at {degrees} degrees"
        f"{', ...' * (len(directions) > N_TARGETS)}",
        stacklevel=2,
    )


def task_settings(
    *,
    field: Field | Mapping[str, Any] | None = None,
    schedule: Schedule | Mapping[str, Any] | None = None,
    actuation: str = "muscle",
    arm: ArmLike = None,
    targets: int | str | Sequence[float] = N_TARGETS,
    go_time: float | Sequence[float] = GO_TIMES,
    catch_fraction: float = CATCH_FRACTION,
    noise: NoiseLike = True,
    delays: DelaysLike = Delays(),  # noqa: B008, frozen
    reward_weights: RewardWeightsLike = RewardWeights(),  # noqa: B008, frozen
    trial_cue: bool = False,
    impairments: ImpairmentsLike = None,
) -> TaskSettings:
    """Return the settings that the arguments of an environment describe; see `envs.single.ReachEnv`.

    Raises:
        ValueError: If a value is bad, or a field comes with a schedule; it names the valid choices.
    """
    actuation = as_choice("actuation", actuation, ACTUATIONS)
    field, schedule = as_field(field), as_schedule(schedule)
    if schedule is not None and not field.is_null:
        raise ValueError(
            f"a schedule excludes a field, because its phases {schedule.names} have their own: give "
            "SavingsReach-v0 schedule=four_phase(field) for other phases, or make ForceFieldReach-v0 for one "
            f"field; got field={field!r}"
        )
    directions = target_directions(targets)
    if schedule is not None:
        schedule.check_targets(len(directions or ()))
    compiled = load_arm(actuation, arm)
    if directions is not None:
        start = compiled.hand_position(compiled.start)
        for whole in [field] if schedule is None else [phase.field for phase in schedule.phases]:
            for part in whole.parts():
                _warn_of_idle(part, start, directions)
    impaired = as_impairments(impairments)
    impaired.check_actuation(actuation)
    whole_steps("impairments: reflex_delay", impaired.reflex_delay)
    return TaskSettings(
        field=field,
        schedule=schedule,
        actuation=actuation,
        arm=compiled.changes,
        directions=directions,
        go_steps=go_steps(go_time),
        catch_fraction=as_number("catch_fraction", catch_fraction, 0.0, 1.0),
        noise=as_noise(noise),
        delays=as_delays(delays),
        reward_weights=as_reward_weights(reward_weights),
        trial_cue=as_flag("trial_cue", trial_cue),
        impairments=impaired,
    )
