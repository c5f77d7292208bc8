"""The environments of a probe: 8 rows, one a centre-out target, with go at 0.44 s and no catch trial."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from savings_gym.arm.model import load_arm
from savings_gym.arrays import Array, Floats
from savings_gym.envs.vector import ReachVectorEnv
from savings_gym.fields import Field
from savings_gym.task.settings import N_TARGETS, PROBE_GO, TaskSettings, target_directions

# (8, 2) each: hand [m], its velocity [m/s], force of the field on it [N], joint angles [rad]; then what the
# actuators do: (8, 6) muscle forces [N], or (8, 2) joint torques [N m]
State = tuple[Floats, Floats, Floats, Floats, Floats]

SHOWN = ("hand_position", "hand_velocity", "field_force")


class VectorRows:
    """8 arms of a vector environment.

    Args:
        settings: The task.
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
        self.observation_shape: tuple[int, ...] = self._env.single_observation_space.shape or ()
        self.target: Floats = np.zeros((N_TARGETS, 2))

    def reset(
        self, seeds: list[int] | None, targets: NDArray[np.intp] | None, field: Field
    ) -> tuple[Array, State]:
        """Begin a trial in all rows.

        Args:
            seeds: One a row; None goes on with the random numbers.
            targets: (8,) indices; None draws them.
            field: Field of the trial.
        """
        options: dict[str, Any] = {"field": field}
        if targets is not None:
            options["target"] = targets
        observation, info = self._env.reset(seed=seeds, options=options)
        self.target = info["target_position"].copy()
        return observation, _state(info, self._env.task.qpos)

    def step(self, actions: Array) -> tuple[Array, State]:
        """One control step of all rows."""
        observation, _, _, _, info = self._env.step(actions)
        return observation, _state(info, self._env.task.qpos)

    def close(self) -> None:
        """Free the environment."""
        self._env.close()


class SingleRows:
    """8 single environments, wrapped as the agent's own.

    Args:
        make_env: Makes one of them.

    Raises:
        ValueError: When it makes none, or one without the 8 centre-out targets.
    """

    def __init__(self, make_env: Callable[[], gym.Env[Any, Any]]) -> None:
        self._envs = [make_env() for _ in range(N_TARGETS)]
        settings = getattr(getattr(self._envs[0], "unwrapped", None), "settings", None)
        if not isinstance(settings, TaskSettings):
            raise ValueError(f"it must make a ReachEnv, wrapped or not, to be probed, made {self._envs[0]!r}")
        if settings.directions != target_directions(N_TARGETS):
            raise ValueError(
                f"it must make environments with targets={N_TARGETS} to be probed, made one with "
                f"targets={settings.arguments()['targets']!r}"
            )
        self.arm = load_arm(settings.actuation, settings.arm)
        self.observation_shape: tuple[int, ...] = self._envs[0].observation_space.shape or ()
        self.target: Floats = np.zeros((N_TARGETS, 2))

    def reset(
        self, seeds: list[int] | None, targets: NDArray[np.intp] | None, field: Field
    ) -> tuple[Array, State]:
        """As `VectorRows.reset`."""
        made = []
        for row, env in enumerate(self._envs):
            options: dict[str, Any] = {"field": field, "go_time": PROBE_GO, "catch": False}
            if targets is not None:
                options["target"] = int(targets[row])
            made.append(env.reset(seed=None if seeds is None else seeds[row], options=options))
        self.target = np.stack([info["target_position"] for _, info in made])
        return np.stack([observation for observation, _ in made]), self._states([info for _, info in made])

    def step(self, actions: Array) -> tuple[Array, State]:
        """One control step of all rows."""
        made = [env.step(action) for env, action in zip(self._envs, actions, strict=True)]
        return np.stack([one[0] for one in made]), self._states([one[4] for one in made])

    def _states(self, infos: list[dict[str, Any]]) -> State:
        shown = {name: np.stack([info[name] for info in infos]) for name in (*SHOWN, _pulled_by(infos[0]))}
        tasks: list[Any] = [env.unwrapped for env in self._envs]
        return _state(shown, np.concatenate([one.task.qpos for one in tasks]))

    def close(self) -> None:
        """Free the environments."""
        for env in self._envs:
            env.close()


def _state(info: dict[str, Any], q: Floats) -> State:
    hand, velocity, force, pull = (np.array(info[name]) for name in (*SHOWN, _pulled_by(info)))
    return hand, velocity, force, q.copy(), pull


def _pulled_by(info: dict[str, Any]) -> str:
    """Name of what the actuators do in an info."""
    return "muscle_force" if "muscle_force" in info else "joint_torque"
