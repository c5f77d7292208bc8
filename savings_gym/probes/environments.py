"""The 8 arms of a probe, one per centre-out target: go at 0.44 s, no catch trials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import gymnasium as gym
import numpy as np

from savings_gym.arm.model import Arm, load_arm
from savings_gym.arrays import Array, Floats, Indices, Info
from savings_gym.envs.vector import ReachVectorEnv
from savings_gym.perturbations.fields import Field
from savings_gym.task.settings import N_TARGETS, PROBE_GO, TaskSettings, target_directions

MakeEnv = Callable[[], gym.Env[Any, Any]]


class ProbeState(NamedTuple):
    """The 8 arms at the start of a trial or after a control step.

    Attributes:
        hand: (8, 2) position [m].
        velocity: (8, 2) of the hand [m/s].
        field_force: (8, 2) mean force of the field on the hand during the step [N].
        joint_angles: (8, 2) [rad].
        actuator_output: (8, 6) muscle forces [N], or (8, 2) joint torques [N m].
        cursor: (8, 2) where the hand is seen [m].
    """

    hand: Floats
    velocity: Floats
    field_force: Floats
    joint_angles: Floats
    actuator_output: Floats
    cursor: Floats


class ProbeEnvironments(Protocol):
    """8 arms that begin trials and make steps together.

    Attributes:
        arm: Model of the arm, the same for all.
        observation_shape: Shape of one arm's observation.
        bounds: Smallest and largest action of an arm; infinite where its space has no ends.
        target: (8, 2) targets of the current trial [m].
    """

    arm: Arm
    bounds: tuple[Array, Array]
    observation_shape: tuple[int, ...]
    target: Floats

    def reset(
        self, seeds: list[int] | None, targets: Indices | None, field: Field
    ) -> tuple[Array, ProbeState]:
        """Begin a trial of every arm.

        Args:
            seeds: One per arm; None goes on with the random numbers of the last trial.
            targets: (8,) indices of centre-out targets; None draws them.
            field: Force field of the trial.
        """

    def step(self, actions: Array) -> tuple[Array, ProbeState]:
        """Make one control step of every arm with actions (8, actuators)."""

    def close(self) -> None:
        """Free the environments."""


class VectorEnvironment:
    """The 8 arms of a probe as one vector environment; see `ProbeEnvironments`.

    Args:
        settings: The task; schedule, field, targets, go times and catch trials are replaced.
    """

    def __init__(self, settings: TaskSettings) -> None:
        arguments = settings.arguments() | {
            "schedule": None,
            "field": None,
            "targets": N_TARGETS,
            "go_time": PROBE_GO,
            "catch_fraction": 0.0,
        }
        self._env = ReachVectorEnv(N_TARGETS, **arguments, autoreset_mode="Disabled", nthread=1)
        self.arm = self._env.task.arm
        self.bounds = _bounds(self._env.single_action_space)
        self.observation_shape: tuple[int, ...] = self._env.single_observation_space.shape or ()
        self.target: Floats = np.zeros((N_TARGETS, 2))

    def reset(
        self, seeds: list[int] | None, targets: Indices | None, field: Field
    ) -> tuple[Array, ProbeState]:
        """Begin a trial of every arm."""
        options: dict[str, Any] = {"field": field}
        if targets is not None:
            options["target"] = targets
        observation, info = self._env.reset(seed=seeds, options=options)
        self.target = info["target_position"].copy()
        return observation, _state(info, self._env.task.qpos)

    def step(self, actions: Array) -> tuple[Array, ProbeState]:
        """Make one control step of every arm."""
        observation, _, _, _, info = self._env.step(actions)
        return observation, _state(info, self._env.task.qpos)

    def close(self) -> None:
        """Free the environment."""
        self._env.close()


def _keeps_statistics(env: gym.Env[Any, Any]) -> bool:
    """Return whether an environment normalises observations by statistics that every step changes."""
    while isinstance(env, gym.Wrapper):
        if isinstance(env, gym.wrappers.NormalizeObservation) and env.update_running_mean:
            return True
        env = env.env
    return False


class SingleEnvironments:
    """The 8 arms of a probe as 8 single environments in the agent's own wrappers; see `ProbeEnvironments`.

    Args:
        make_env: Makes a new environment at every call.

    Raises:
        ValueError: If it makes no `ReachEnv`, one without the 8 centre-out targets, the same one again, or
            one whose statistics every probe would change.
    """

    def __init__(self, make_env: MakeEnv) -> None:
        self._envs = [make_env() for _ in range(N_TARGETS)]
        self._tasks: list[Any] = [getattr(env, "unwrapped", None) for env in self._envs]
        settings = getattr(self._tasks[0], "settings", None)
        if not isinstance(settings, TaskSettings):
            raise ValueError(f"it must make a ReachEnv, wrapped or not, to be probed; got {self._envs[0]!r}")
        if settings.directions != target_directions(N_TARGETS):
            raise ValueError(
                f"it must make environments with targets={N_TARGETS} to be probed, got one with "
                f"targets={settings.arguments()['targets']!r}"
            )
        if len({id(task) for task in self._tasks}) < N_TARGETS:
            raise ValueError("it must make a new environment at every call, got the same one again")
        if _keeps_statistics(self._envs[0]):
            raise ValueError(
                "it wraps environments in NormalizeObservation, whose statistics would be of the probes: "
                "normalise by VecNormalize of stable-baselines3, or give the wrapper the statistics of the "
                "agent and set its update_running_mean to False"
            )
        self.arm = load_arm(settings.actuation, settings.arm)
        self.bounds = _bounds(self._envs[0].action_space)
        self.observation_shape: tuple[int, ...] = self._envs[0].observation_space.shape or ()
        self.target: Floats = np.zeros((N_TARGETS, 2))

    def reset(
        self, seeds: list[int] | None, targets: Indices | None, field: Field
    ) -> tuple[Array, ProbeState]:
        """Begin a trial of every arm."""
        observations, infos = [], []
        for i, env in enumerate(self._envs):
            options: dict[str, Any] = {"field": field, "go_time": PROBE_GO, "catch": False}
            if targets is not None:
                options["target"] = int(targets[i])
            observation, info = env.reset(seed=None if seeds is None else seeds[i], options=options)
            observations.append(observation)
            infos.append(info)
        self.target = np.stack([info["target_position"] for info in infos])
        return np.stack(observations), self._states(infos)

    def step(self, actions: Array) -> tuple[Array, ProbeState]:
        """Make one control step of every arm."""
        steps = [env.step(action) for env, action in zip(self._envs, actions, strict=True)]
        return np.stack([step[0] for step in steps]), self._states([step[4] for step in steps])

    def close(self) -> None:
        """Free the environments."""
        for env in self._envs:
            env.close()

    def _states(self, infos: list[Info]) -> ProbeState:
        stacked = {name: np.stack([info[name] for info in infos]) for name in _names(infos[0])}
        return _state(stacked, np.concatenate([env.task.qpos for env in self._tasks]))


def _bounds(space: gym.Space[Any]) -> tuple[Array, Array]:
    """Return the ends of an action space; a wrapper may make one that has none, such as Discrete."""
    if isinstance(space, gym.spaces.Box):
        return space.low, space.high
    return np.array(-np.inf), np.array(np.inf)


def _names(info: Info) -> tuple[str, ...]:
    """Names of what a state takes from an info, in its order."""
    output = "muscle_force" if "muscle_force" in info else "joint_torque"
    return "hand_position", "hand_velocity", "field_force", output, "cursor_position"


def _state(info: Info, joint_angles: Floats) -> ProbeState:
    hand, velocity, field_force, output, cursor = (np.array(info[name]) for name in _names(info))
    return ProbeState(hand, velocity, field_force, joint_angles.copy(), output, cursor)
