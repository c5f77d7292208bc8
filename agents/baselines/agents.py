"""Agents that learn nothing: the limits between which learners lie.

``ZeroAgent`` does nothing, ``RandomAgent`` anything. ``ModelBasedController`` knows the arm, and the field if
it is told, and reaches as well as somebody can who observes the arm late: it is the upper limit. All act by
the ``predict`` convention of stable-baselines3, for one environment or the rows of a vector environment.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from numpy.typing import ArrayLike, NDArray

from agents.baselines.inverse_dynamics import (
    excitation_for,
    joint_torque,
    muscle_activations,
    nearest_joint_angles,
    reachable_activations,
    torque_per_activation,
)
from agents.baselines.state_estimate import ArmState, KnownField, Memory, StateEstimator
from savings_gym.arrays import Floats
from savings_gym.fields import Field, NullField, resolve_fields
from savings_gym.task.observation import observation_layout
from savings_gym.task.settings import CONTROL_STEP, TaskSettings, whole_steps
from savings_gym.task.trials import NO_GO, REACH

Action = NDArray[np.float32]

REACH_TIME = 0.25  # s, a movement of 0.10 m
STIFFNESS = 200.0  # 1/s^2, acceleration of a joint per angle off the plan
VISCOSITY = 28.0  # 1/s, likewise per velocity; with the stiffness about critically damped


class ZeroAgent:
    """Sends the command nearest to zero, always.

    Args:
        action_space: Of one environment.
    """

    def __init__(self, action_space: gym.spaces.Box) -> None:
        self._action = np.clip(np.zeros(action_space.shape), action_space.low, action_space.high)

    def predict(
        self,
        observation: ArrayLike,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[Action, None]:
        """The action, one or one a row, and None."""
        return np.tile(self._action, (*_rows(observation), 1)).astype(np.float32), None


class RandomAgent:
    """Draws every command uniformly from the action space, deterministic or not.

    Args:
        action_space: Of one environment.
        seed: Of the agent's own generator.
    """

    def __init__(self, action_space: gym.spaces.Box, seed: int = 0) -> None:
        self._space, self._rng = action_space, np.random.default_rng(seed)

    def predict(
        self,
        observation: ArrayLike,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[Action, None]:
        """The next action, one or one a row, and None."""
        shape = (*_rows(observation), *self._space.shape)
        return self._rng.uniform(self._space.low, self._space.high, shape).astype(np.float32), None


class ControllerState(NamedTuple):
    """What the controller remembers of n trials; arrays (n, ...).

    Attributes:
        cue: (n,) clock at which the go cue was first seen; a large number before.
        start: (n, 2) where the hand was first seen, m.
        others: as in ``state_estimate.Memory``.
    """

    cue: NDArray[np.int64]
    start: Floats
    clock: NDArray[np.int64]
    q: Floats
    v: Floats
    activation: Floats
    sent: Floats


class ModelBasedController:
    """Reaches with knowledge of the arm, and of a field if it is given one.

    When the go cue is seen it plans a straight minimum-jerk movement of the hand (Flash & Hogan 1985,
    doi 10.1523/JNEUROSCI.05-07-01688.1985) from where the hand was first seen to the target; before, it holds
    the hand there. In every control step it estimates the present state of the arm from the late observation,
    asks inverse dynamics for the torques that follow the plan, with a feedback of moderate stiffness and
    against the force of the field it knows of, and finds the least muscle activations that give them.

    It acts on observations alone; which field is really on, it is not told.

    Args:
        settings: The task: delays and actuation are used, the field and the schedule are not.
        field: The field that the controller believes in; None believes in none.
        reach_time: Duration of a movement of 0.10 m, s; it grows with the root of the distance, so that
            the largest acceleration is always the same.

    Raises:
        ValueError: For a duration that is not positive.
    """

    def __init__(
        self, settings: TaskSettings, field: Field | None = None, reach_time: float = REACH_TIME
    ) -> None:
        if not (np.isfinite(reach_time) and reach_time > 0):
            raise ValueError(f"reach_time must be a positive number of seconds, got {reach_time!r}")
        self.field = NullField() if field is None else field
        self.reach_time = float(reach_time)
        self._seen_late = whole_steps("the visual delay", settings.delays.vision)
        self._estimator = StateEstimator(settings)
        self._arm = self._estimator.arm
        self._muscle = self._arm.pulls
        self._layout = observation_layout(settings.actuation)

    def predict(
        self,
        observation: ArrayLike,
        state: tuple[Any, ...] | None = None,
        episode_start: ArrayLike | None = None,
        deterministic: bool = True,
    ) -> tuple[Action, tuple[Any, ...]]:
        """The next action.

        Args:
            observation: (channels,) of one environment, or (n, channels) of a vector environment.
            state: What the last call returned; None where all trials begin.
            episode_start: (n,) True where a trial begins; None is nowhere. Where the go cue goes out,
                a trial begins as well.
            deterministic: Without effect.

        Returns:
            Action, (actuators,) or (n, actuators), and the new state.

        Raises:
            ValueError: When a shape does not fit.
        """
        seen = np.asarray(observation, dtype=float)
        if seen.ndim not in (1, 2) or seen.shape[-1] != self._layout.size:
            raise ValueError(
                f"observation must be ({self._layout.size},) or (rows, {self._layout.size}), got {seen.shape}"
            )
        rows = np.atleast_2d(seen)
        old = self._begun(rows, state, episode_start)
        command, new = self._act(rows, old)
        action = (command if self._muscle else command / self._arm.control_range[:, 1]).astype(np.float32)
        return action[0] if seen.ndim == 1 else action, new

    def _begun(
        self, rows: Floats, state: tuple[Any, ...] | None, starts: ArrayLike | None
    ) -> ControllerState:
        """The old state, begun anew where a trial starts."""
        n = len(rows)
        anew = np.zeros(n, dtype=bool) if starts is None else np.asarray(starts, dtype=bool)
        if anew.shape not in ((), (n,)):
            raise ValueError(f"episode_start must be ({n},) booleans, got shape {anew.shape}")
        if state is not None and (len(state) != len(ControllerState._fields) or len(state[0]) != n):
            raise ValueError(f"state must be what predict returned for {n} rows")
        if state is not None:
            anew = anew | ((state[0] < NO_GO) & ~self._cue_seen(rows))  # a cue goes out with its trial only
            if not anew.any():
                return ControllerState(*state)
        fresh = ControllerState(
            np.full(n, NO_GO), rows[:, self._layout["hand_position"]].copy(), *self._estimator.begin(rows)
        )
        if state is None:
            return fresh
        return ControllerState(
            *(np.where(anew.reshape(n, *[1] * (new.ndim - 1)), new, old)
              for new, old in zip(fresh, state, strict=True))
        )  # fmt: skip

    def _cue_seen(self, rows: Floats) -> NDArray[np.bool_]:
        """(n,) whether the go cue is seen in observations (n, channels)."""
        return rows[:, self._layout["go_cue"].start] > 0.5

    def _act(self, rows: Floats, state: ControllerState) -> tuple[Floats, ControllerState]:
        """Commands (n, actuators) in the range of the controls, and the new state."""
        clock, target = state.clock, rows[:, self._layout["target_position"]]
        cue = np.where(self._cue_seen(rows), np.minimum(state.cue, clock), state.cue)
        field = self._known_field(state.start, target, cue)
        memory, now = self._estimator.update(Memory(*state[2:]), rows, field)

        # torques act in the middle of the step; activations are wanted for its end
        lead = 1.0 if self._muscle else 0.5
        q = now.q + lead * CONTROL_STEP * now.v
        wanted = [self._plan(state.start, target, clock - cue + lead + k) for k in (-1.0, 0.0, 1.0)]
        velocity = (wanted[2] - wanted[0]) / (2 * CONTROL_STEP)
        planned = (wanted[2] - 2 * wanted[1] + wanted[0]) / CONTROL_STEP**2
        v = now.v + lead * CONTROL_STEP * planned
        acceleration = planned + STIFFNESS * (wanted[1] - q) + VISCOSITY * (velocity - v)
        push: Floats | float = 0.0
        if field is not None:
            push = field.force(self._arm.hand_position(q), self._arm.hand_velocity(q, v), clock)
        torque = joint_torque(self._arm, q, v, acceleration, push)
        command = self._excitations(now, q, v, torque) if self._muscle else torque
        command = np.clip(command, *self._arm.control_range.T)
        return command, ControllerState(cue, state.start, *self._estimator.sent(memory, command))

    def _plan(self, start: Floats, target: Floats, steps: NDArray[Any]) -> Floats:
        """Joint angles (n, 2) that the plan has at times (n,) after the cue, in control steps."""
        distance = np.linalg.norm(target - start, axis=1)
        duration = self.reach_time * np.sqrt(np.maximum(distance, REACH) / REACH)
        s = np.clip(steps * CONTROL_STEP / duration, 0.0, 1.0)
        share = 10.0 * s**3 - 15.0 * s**4 + 6.0 * s**5
        hand = start + share[:, None] * (target - start)
        return nearest_joint_angles(self._arm, hand)

    def _excitations(self, now: ArmState, q: Floats, v: Floats, torque: Floats) -> Floats:
        """Excitations (n, 6) after which the muscles give the torques at the state q, v."""
        lowest, highest = reachable_activations(self._arm, now.activation)
        gain = torque_per_activation(self._arm, q, v)
        return excitation_for(self._arm, now.activation, muscle_activations(gain, torque, lowest, highest))

    def _known_field(self, start: Floats, target: Floats, cue: NDArray[np.int64]) -> KnownField | None:
        if self.field.is_null:
            return None
        go = np.where(cue < NO_GO, cue - self._seen_late, NO_GO)
        return KnownField(*resolve_fields(self.field, start, target), go)


def _rows(observation: ArrayLike) -> tuple[int, ...]:
    """(n,) for observations of n rows, () for one."""
    return np.shape(observation)[:-1]
