"""Agents that do not learn: the limits between which learners lie.

``ZeroAgent`` does nothing, ``RandomAgent`` anything. ``ModelBasedController`` knows the arm, and a field if
given one, and reaches about as well as anybody can who observes the arm late: it is the upper limit. All
follow the ``predict`` convention of stable-baselines3, for one environment or a vector of environments.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from numpy.typing import ArrayLike, NDArray

from agents.baselines.state_estimate import ArmEstimate, EstimatorMemory, KnownField, StateEstimator
from savings_gym.arrays import Floats
from savings_gym.perturbations.fields import Field, NullField
from savings_gym.perturbations.linear_fields import force_on_hand
from savings_gym.perturbations.trials import resolve_fields
from savings_gym.task.inverse_dynamics import (
    excitation_for,
    joint_torque,
    muscle_activations,
    nearest_joint_angles,
    reachable_activations,
    torque_per_activation,
)
from savings_gym.task.observation import observation_layout
from savings_gym.task.settings import CONTROL_STEP, TaskSettings, whole_steps
from savings_gym.task.trials import NO_GO, REACH

Action = NDArray[np.float32]

REACH_TIME = 0.25  # s, a movement of 0.10 m
STIFFNESS = 200.0  # 1/s^2, acceleration of a joint per angle off the plan
VISCOSITY = 28.0  # 1/s, likewise per velocity; about critical damping with this stiffness


class ZeroAgent:
    """Always sends the command nearest to zero.

    Args:
        action_space: Action space of one environment.
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
        """Return the action, one per environment, and None."""
        return np.tile(self._action, (*_leading(observation), 1)).astype(np.float32), None


class RandomAgent:
    """Draws every command uniformly from the action space, even if asked to be deterministic.

    Args:
        action_space: Action space of one environment.
        seed: Seed of the agent's own generator.
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
        """Return the next action, one per environment, and None."""
        shape = (*_leading(observation), *self._space.shape)
        return self._rng.uniform(self._space.low, self._space.high, shape).astype(np.float32), None


class ControllerState(NamedTuple):
    """What the controller remembers of n trials, in arrays (n, ...).

    Attributes:
        cue: (n,) clock at which the go cue was first seen, or a large number until then.
        start: (n, 2) position at which the hand was first seen [m].
        clock: As in `EstimatorMemory`, like the following.
        q: Joint angles of the last anchors.
        v: Their joint velocities.
        activation: Activations of the newest.
        sent: Last commands.
    """

    cue: NDArray[np.int64]
    start: Floats
    clock: NDArray[np.int64]
    q: Floats
    v: Floats
    activation: Floats
    sent: Floats


class ModelBasedController:
    """Reaches with a model of the arm, and of a field if given one.

    When the go cue is seen, it plans a straight minimum-jerk movement of the hand (Flash & Hogan 1985,
    doi 10.1523/JNEUROSCI.05-07-01688.1985) from where the hand was first seen to the target; until then, it
    holds the hand there. In every control step it estimates the present state of the arm from the late
    observation. It computes the torques that follow the plan, with a feedback of moderate stiffness and
    against the force of the field it expects, and then the smallest muscle activations that produce them.

    It acts on observations alone, so it does not know which field is really on.

    Args:
        settings: The task, of which delays and actuation are used, but neither field nor schedule.
        field: The field that the controller expects; None expects none.
        reach_time: Duration of a movement of 0.10 m [s]. It grows with the root of the distance, so that the
            largest acceleration is always the same.

    Raises:
        ValueError: If the duration is not positive.
    """

    def __init__(
        self, settings: TaskSettings, field: Field | None = None, reach_time: float = REACH_TIME
    ) -> None:
        if not (np.isfinite(reach_time) and reach_time > 0):
            raise ValueError(f"reach_time must be a positive number of seconds, got {reach_time!r}")
        self.field = NullField() if field is None else field
        self.reach_time = float(reach_time)
        self._cue_delay = whole_steps("the delay of the cue", settings.delays.cue_delay)
        self._estimator = StateEstimator(settings)
        self._arm = self._estimator.arm
        self._muscle = self._arm.pulls
        self._layout = observation_layout(settings.actuation, settings.trial_cue)

    def predict(
        self,
        observation: ArrayLike,
        state: tuple[Any, ...] | None = None,
        episode_start: ArrayLike | None = None,
        deterministic: bool = True,
    ) -> tuple[Action, tuple[Any, ...]]:
        """Return the next action.

        Args:
            observation: (channels,) for one environment, or (n, channels) for a vector of n.
            state: What the last call returned; None if all trials begin.
            episode_start: (n,) True where a trial begins; None for nowhere. A trial also begins where the go
                cue goes out, and where the trial cue says so, if the observation has one.
            deterministic: Without effect.

        Returns:
            Action, (actuators,) or (n, actuators), and the new state.

        Raises:
            ValueError: If a shape does not fit.
        """
        values, channels = np.asarray(observation, dtype=float), self._layout.size
        if values.ndim not in (1, 2) or values.shape[-1] != channels:
            raise ValueError(f"observation must be ({channels},) or (n, {channels}), got {values.shape}")
        observations = np.atleast_2d(values)
        command, new = self._act(observations, self._started(observations, state, episode_start))
        action = (command if self._muscle else command / self._arm.control_range[:, 1]).astype(np.float32)
        return action[0] if values.ndim == 1 else action, new

    def _started(
        self, observations: Floats, state: tuple[Any, ...] | None, episode_start: ArrayLike | None
    ) -> ControllerState:
        """Return the old state, with a fresh one where a trial begins."""
        n = len(observations)
        begins = np.zeros(n, dtype=bool) if episode_start is None else np.asarray(episode_start, dtype=bool)
        if begins.shape not in ((), (n,)):
            raise ValueError(f"episode_start must be ({n},) booleans, got shape {begins.shape}")
        if state is not None and (len(state) != len(ControllerState._fields) or len(state[0]) != n):
            raise ValueError(f"state must be what predict returned for {n} environments")
        if state is not None:
            begins = begins | ((state[0] < NO_GO) & ~self._cue_is_on(observations))  # it stays on in a trial
            if "trial_cue" in self._layout:
                begins = begins | (observations[:, self._layout["trial_cue"]][:, 0] > 0.5)
            if not begins.any():
                return ControllerState(*state)
        hand = observations[:, self._layout["hand_position"]].copy()
        fresh = ControllerState(np.full(n, NO_GO), hand, *self._estimator.begin(observations))
        if state is None:
            return fresh
        return ControllerState(
            *(np.where(begins.reshape(n, *[1] * (new.ndim - 1)), new, old)
              for new, old in zip(fresh, state, strict=True))
        )  # fmt: skip

    def _cue_is_on(self, observations: Floats) -> NDArray[np.bool_]:
        return observations[:, self._layout["go_cue"]][:, 0] > 0.5

    def _act(self, observations: Floats, state: ControllerState) -> tuple[Floats, ControllerState]:
        """Return commands (n, actuators) within their range, and the new state."""
        clock, target = state.clock, observations[:, self._layout["target_position"]]
        cue = np.where(self._cue_is_on(observations), np.minimum(state.cue, clock), state.cue)
        field = self._known_field(state.start, target, cue)
        memory, now = self._estimator.update(EstimatorMemory(*state[2:]), observations, field)

        # torques act in the middle of the step; activations are those at its end
        lead = 1.0 if self._muscle else 0.5
        q = now.q + lead * CONTROL_STEP * now.v
        times = clock - cue + lead + np.array([[-1.0], [0.0], [1.0]])
        plan = self._plan(state.start, target, times)
        velocity = (plan[2] - plan[0]) / (2 * CONTROL_STEP)
        planned = (plan[2] - 2 * plan[1] + plan[0]) / CONTROL_STEP**2
        v = now.v + lead * CONTROL_STEP * planned
        acceleration = planned + STIFFNESS * (plan[1] - q) + VISCOSITY * (velocity - v)
        push: Floats | float = 0.0
        if field is not None and (coefficients := field.at(clock)) is not None:
            hand = *self._arm.hand_position(q).T, *self._arm.hand_velocity(q, v).T
            push = np.stack(force_on_hand(coefficients, *hand), -1)
        torque = joint_torque(self._arm, q, v, acceleration, push)
        command = self._excitations(now, q, v, torque) if self._muscle else torque
        command = np.clip(command, *self._arm.control_range.T)
        return command, ControllerState(cue, state.start, *self._estimator.sent(memory, command))

    def _plan(self, start: Floats, target: Floats, steps: NDArray[Any]) -> Floats:
        """Return the planned joint angles (..., n, 2) at times (..., n) after the cue, in control steps."""
        distance = np.linalg.norm(target - start, axis=1)
        duration = self.reach_time * np.sqrt(np.maximum(distance, REACH) / REACH)
        s = np.clip(steps * CONTROL_STEP / duration, 0.0, 1.0)
        share = 10.0 * s**3 - 15.0 * s**4 + 6.0 * s**5
        hand = start + share[..., None] * (target - start)
        return nearest_joint_angles(self._arm, hand)

    def _excitations(self, now: ArmEstimate, q: Floats, v: Floats, torque: Floats) -> Floats:
        """Return excitations (n, 6) after which the muscles produce torques at the state q, v."""
        lowest, highest = reachable_activations(self._arm, now.activation)
        gain = torque_per_activation(self._arm, q, v)
        return excitation_for(self._arm, now.activation, muscle_activations(gain, torque, lowest, highest))

    def _known_field(self, start: Floats, target: Floats, cue: NDArray[np.int64]) -> KnownField | None:
        if self.field.is_null:
            return None
        go = np.where(cue < NO_GO, cue - self._cue_delay, NO_GO)
        return KnownField(resolve_fields(self.field, start, target), go, cue)


def _leading(observation: ArrayLike) -> tuple[int, ...]:
    """Return (n,) for the observations of n environments, () for that of one."""
    return np.shape(observation)[:-1]
