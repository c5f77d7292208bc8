"""Settings of the reaching task: small frozen objects that print, pickle and go through JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from savings_gym.arm.build import ACTUATIONS
from savings_gym.arm.changes import ArmChanges, ArmLike
from savings_gym.arm.model import load_arm
from savings_gym.fields import Field, as_field
from savings_gym.task.schedule import Schedule, as_schedule

CONTROL_STEP = 0.01  # s, one action
TRIAL_STEPS = 100  # control steps a trial
N_TARGETS = 8  # centre-out targets, every 45 degrees from 0
PROBE_GO = 0.44  # s, go in test trials
TIME_ROUNDING = 1e-7  # s, what a time in single precision may be off

NUMBERS = (int, float, np.integer, np.floating)

S = TypeVar("S", "Noise", "Delays", "RewardWeights")


def _require_at_least_zero(settings: object) -> None:
    for f in dataclasses.fields(settings):  # type: ignore[arg-type]
        value = getattr(settings, f.name)
        if isinstance(value, bool) or not isinstance(value, NUMBERS) or not 0.0 <= value < math.inf:
            name = f"{type(settings).__name__}: {f.name}"
            raise ValueError(f"{name} must be a finite number of at least 0, got {value!r}")
        object.__setattr__(settings, f.name, float(value))


@dataclass(frozen=True)
class Noise:
    """Standard deviations of the Gaussian noise, drawn anew in every control step.

    Attributes:
        excitation: On the action, before it is clipped (muscle: excitation; torque: share of the
            largest torque).
        proprioception: On the felt muscle lengths and velocities (or joint angles and velocities).
        vision: On the seen hand position, m.
    """

    excitation: float = 1e-4
    proprioception: float = 1e-3
    vision: float = 1e-4

    def __post_init__(self) -> None:
        """Check the values."""
        _require_at_least_zero(self)


@dataclass(frozen=True)
class Delays:
    """How late the observation is, s; whole numbers of control steps of 0.01 s.

    Attributes:
        vision: Of the hand position and of the go cue.
        proprioception: Of muscle lengths and velocities (or joint angles and velocities).
    """

    vision: float = 0.07
    proprioception: float = 0.02

    def __post_init__(self) -> None:
        """Check the values."""
        _require_at_least_zero(self)
        whole_steps("the visual delay", self.vision)
        whole_steps("the proprioceptive delay", self.proprioception)


@dataclass(frozen=True)
class RewardWeights:
    """Weights of the reward terms, see `rewards.reward_terms`.

    Attributes:
        proximity: Earned per trial with the hand at the goal all the time.
        effort: Lost per trial with the largest excitation (or torque) all the time.
        jerk: Lost per trial with a hand that is shaken all the time.
    """

    proximity: float = 1.4
    effort: float = 1.0
    jerk: float = 1.0

    def __post_init__(self) -> None:
        """Check the values."""
        _require_at_least_zero(self)


def as_settings(cls: type[S], value: S | Mapping[str, Any]) -> S:
    """An object of class `cls` from itself or from a dict of some of its values.

    Raises:
        ValueError: For an unknown name or another type; it lists the valid names.
    """
    if isinstance(value, cls):
        return value
    names = [f.name for f in dataclasses.fields(cls)]
    if not isinstance(value, Mapping) or not set(value) <= set(names):
        raise ValueError(f"expected {cls.__name__} or a dict with some of the names {names}, got {value!r}")
    return cls(**value)


def whole_steps(name: str, seconds: float) -> int:
    """`seconds` in control steps.

    Raises:
        ValueError: If it is no whole number of control steps, or longer than a trial.
    """
    steps = round(seconds / CONTROL_STEP) if math.isfinite(seconds) else -1
    if not 0 <= steps <= TRIAL_STEPS or abs(steps * CONTROL_STEP - seconds) > TIME_ROUNDING:
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
    """First and last control step at which go may come, from a time or a (first, last) pair, s."""
    try:
        first, last = (float(t) for t in np.broadcast_to(np.asarray(go_time, dtype=float), (2,)))
    except (TypeError, ValueError) as error:
        raise ValueError(f"go_time must be a time or a pair (first, last) in s, got {go_time!r}") from error
    steps = whole_steps("go_time", first), whole_steps("go_time", last)
    if steps[0] > steps[1]:
        raise ValueError(f"the first go_time must not lie behind the last, got {go_time!r}")
    return steps


def target_directions(targets: int | str | Sequence[float]) -> tuple[float, ...] | None:
    """Directions of centre-out targets in rad, or None for random reaches.

    Args:
        targets: How many targets, evenly spaced from 0°; or their directions in degrees
            (counter-clockwise, 0 is to the right); or "random".

    Raises:
        ValueError: If `targets` is none of these.
    """
    if isinstance(targets, str) and targets == "random":
        return None
    try:
        if isinstance(targets, (int, np.integer)) and not isinstance(targets, bool) and targets >= 1:
            degrees = 360.0 / targets * np.arange(targets)
        else:
            degrees = np.asarray(() if np.isscalar(targets) else targets, dtype=float)
    except (TypeError, ValueError):
        degrees = np.array([])
    if degrees.ndim != 1 or degrees.size == 0 or not np.isfinite(degrees).all():
        raise ValueError(
            "targets must be a number of targets (at least 1), a sequence of directions in degrees, "
            f'or "random"; got {targets!r}'
        )
    return tuple(np.deg2rad(degrees).tolist())


def _targets(directions: tuple[float, ...] | None) -> int | str | list[float]:
    """What `target_directions` makes exactly these directions of."""
    if directions is None:
        return "random"
    if directions == target_directions(len(directions)):
        return len(directions)
    return [_degrees(radians) for radians in directions]


def _degrees(radians: float) -> float:
    """The shortest of the numbers whose radians are exactly these."""
    near = float(np.rad2deg(radians))
    around = [near, float(np.nextafter(near, -math.inf)), float(np.nextafter(near, math.inf))]
    exact = [degrees for degrees in (round(near, 9), *around) if float(np.deg2rad(degrees)) == radians]
    return exact[0] if exact else near


@dataclass(frozen=True)
class TaskSettings:
    """Everything that defines the task, checked. Made by `task_settings`.

    Attributes:
        field: Field of every trial without a schedule.
        schedule: Field by trial number, or None.
        actuation: "muscle", "motor" or "torque".
        arm: How the arm differs from the standard one.
        directions: Of the centre-out targets, rad; None for random reaches.
        go_steps: First and last control step at which go may come.
        catch_fraction: Probability of a trial without go.
        noise: Of actions and observations.
        delays: Of observations.
        reward_weights: Of the reward terms.
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

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments with which `task_settings` and the environments make these settings again."""
        same = [f.name for f in dataclasses.fields(self) if f.name not in ("directions", "go_steps")]
        return {name: getattr(self, name) for name in same} | {
            "targets": _targets(self.directions),
            "go_time": (self.go_steps[0] * CONTROL_STEP, self.go_steps[1] * CONTROL_STEP),
        }


def task_settings(
    *,
    field: Field | Mapping[str, Any] | None = None,
    schedule: Schedule | Mapping[str, Any] | None = None,
    actuation: str = "muscle",
    arm: ArmLike = None,
    targets: int | str | Sequence[float] = 8,
    go_time: float | Sequence[float] = (0.10, 0.30),
    catch_fraction: float = 0.5,
    noise: Noise | Mapping[str, Any] | bool | None = True,
    delays: Delays | Mapping[str, Any] | None = Delays(),  # noqa: B008, frozen
    reward_weights: RewardWeights | Mapping[str, Any] = RewardWeights(),  # noqa: B008, frozen
) -> TaskSettings:
    """The arguments of the environments (see `envs.ReachEnv`), checked and without shorthands.

    Raises:
        ValueError: For any bad value; it names the value and the valid choices.
    """
    if actuation not in ACTUATIONS:
        raise ValueError(f"actuation must be one of {ACTUATIONS}, got {actuation!r}")
    if not isinstance(catch_fraction, NUMBERS) or not 0.0 <= catch_fraction <= 1.0:
        raise ValueError(f"catch_fraction must lie in 0..1, got {catch_fraction!r}")
    if noise is None or isinstance(noise, bool):
        noise = Noise() if noise else Noise(0.0, 0.0, 0.0)
    return TaskSettings(
        field=as_field(field),
        schedule=as_schedule(schedule),
        actuation=actuation,
        arm=load_arm(actuation, arm).changes,
        directions=target_directions(targets),
        go_steps=go_steps(go_time),
        catch_fraction=float(catch_fraction),
        noise=as_settings(Noise, noise),
        delays=as_settings(Delays, Delays(0.0, 0.0) if delays is None else delays),
        reward_weights=as_settings(RewardWeights, reward_weights),
    )
