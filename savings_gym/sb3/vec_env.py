"""The vector environment as a `VecEnv` of stable-baselines3."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from savings_gym.arrays import Array, Info
from savings_gym.envs.session import ReachSessionVectorEnv
from savings_gym.envs.trials import TrialVectorEnv, spawn_seeds
from savings_gym.envs.vector import ReachVectorEnv

FINAL = ("final_obs", "final_info")  # of the trial that a step ends, beside those of the next one


class ReachVecEnv(VecEnv):
    """A `ReachVectorEnv` for stable-baselines3: ``PPO("MlpPolicy", ReachVecEnv(64)).learn(1_000_000)``.

    A `ReachSessionVectorEnv`, whose episodes are sessions of many trials, and a `BCIReachVectorEnv` are taken
    as well, each in Gymnasium's wrappers for vector environments or not. Trials and sessions end only by
    time, so every done is a truncation. In the step that ends an arm's episode, its info has
    "TimeLimit.truncated" (True), "terminal_observation" and, as from SB3's `Monitor`, "episode" with the
    return "r", length "l" and seconds "t", and the environment's own info of that step ("phase", "trial",
    "target", "hand_position", ...). All other infos are empty, or with ``info="full"`` the environment's own,
    which is slower. `reset_infos` has the info at the start of every arm's trial.

    All arms are in one vector environment: `env_method`, `get_attr` and `set_attr` address it once, whatever
    the `indices`, and the result is repeated for every index. They find what is in the outermost wrapper
    first.

    Args:
        env: A vector environment that begins the next trial in the same step, or the number of arms of a new
            one.
        **arguments: Arguments of a new `ReachVectorEnv`, or with `session`, of a new `ReachSessionVectorEnv`.
            `shared_trials` of the first is True unless given, so that a schedule lasts equally many trials
            for one learner on many arms and on one arm.

    Attributes:
        env: The vector environment, in its wrappers.

    Raises:
        ValueError: If `env` is neither, has another autoreset mode, or is an environment with arguments
            beside it.
    """

    def __init__(self, env: gym.vector.VectorEnv[Any, Any, Any] | int, **arguments: Any) -> None:
        self.env: gym.vector.VectorEnv[Any, Any, Any]
        if isinstance(env, (int, np.integer)) and not isinstance(env, bool):
            self.env = _new_env(int(env), arguments)
        elif not isinstance(env, gym.vector.VectorEnv) or not isinstance(env.unwrapped, TrialVectorEnv):
            raise ValueError(
                "env must be a ReachVectorEnv, a ReachSessionVectorEnv or a BCIReachVectorEnv, wrapped or "
                f"not, or a number of arms, got {env!r}"
            )
        elif arguments:
            raise ValueError(f"arguments {sorted(arguments)} are for a new environment, but one was given")
        else:
            self.env = env
        mode = self.env.metadata["autoreset_mode"]
        if mode is not gym.vector.AutoresetMode.SAME_STEP:
            raise ValueError(f"autoreset_mode must be 'SameStep' for stable-baselines3, got {mode.value!r}")
        self.render_mode = self.env.render_mode
        spaces = self.env.single_observation_space, self.env.single_action_space
        super().__init__(self.env.num_envs, *spaces)
        self.metadata["render_fps"] = self.env.metadata["render_fps"]
        self._actions: Array = np.zeros(0)
        self._return, self._length = np.zeros(self.num_envs), np.zeros(self.num_envs, dtype=int)
        self._started = time.time()

    def reset(self) -> VecEnvObs:
        """Begin a trial of every arm, with the seeds of `seed` and the options of `set_options`, if any."""
        seeds: list[int | None] | None = self._seeds if any(s is not None for s in self._seeds) else None
        observation, info = self.env.reset(seed=seeds, options=self._joint_options())  # type: ignore[arg-type]
        self._reset_seeds()
        self._reset_options()
        self._return[:], self._length[:] = 0.0, 0
        self.reset_infos = list(_infos(info, range(self.num_envs)))
        return observation

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seed every arm for the next `reset`, as `ReachVectorEnv.reset` would; None draws a seed."""
        first = super().seed(seed)[0]
        self._seeds = [*spawn_seeds(first, self.num_envs)]  # type: ignore[arg-type]
        return self._seeds

    def step_async(self, actions: Array) -> None:
        """Take the (n, actuators) actions of the next step."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Make the step; the arrays returned are never written to again."""
        observation, reward, _, truncated, info = self.env.step(self._actions)
        self._return += reward
        self._length += 1
        infos: list[Info] = [{} for _ in range(self.num_envs)]
        if self.env.unwrapped.full_info:  # type: ignore[attr-defined]
            infos = list(_infos(info, range(self.num_envs)))
        ended = np.flatnonzero(truncated).tolist()
        if ended:
            for arm, last in zip(ended, _infos(info["final_info"], ended), strict=True):
                infos[arm] = last | self._episode(arm, info["final_obs"][arm])
            for arm, first in zip(ended, _infos(info, ended), strict=True):
                self.reset_infos[arm] = first
            self._return[ended], self._length[ended] = 0.0, 0
        return observation, reward.astype(np.float32), truncated, infos

    def close(self) -> None:
        """Free the environment."""
        self.env.close()

    def get_images(self) -> Sequence[Array | None]:
        """Return one picture per arm; see `ReachVectorEnv.render`."""
        frames: Any = self.env.render()
        return [None] * self.num_envs if frames is None else list(frames)

    @property
    def wrappers(self) -> tuple[gym.vector.VectorWrapper, ...]:
        """The wrappers of the vector environment, outermost first."""
        found: list[gym.vector.VectorWrapper] = []
        part = self.env
        while isinstance(part, gym.vector.VectorWrapper):
            found.append(part)
            part = part.env
        return tuple(found)

    def has_attr(self, attr_name: str) -> bool:
        """Return whether the vector environment has an attribute."""
        return hasattr(self._holder(attr_name), attr_name)

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return an attribute of the vector environment, repeated for every index."""
        return [getattr(self._holder(attr_name), attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of the vector environment."""
        setattr(self._holder(attr_name), attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of the vector environment once, and return its result, repeated for every index."""
        result = getattr(self._holder(method_name), method_name)(*method_args, **method_kwargs)
        return [result] * len(list(self._get_indices(indices)))

    def env_is_wrapped(self, wrapper_class: type[gym.Wrapper], indices: VecEnvIndices = None) -> list[bool]:
        """Return True for SB3's `Monitor`, whose infos the episodes have, and else False, per index."""
        from stable_baselines3.common.monitor import Monitor

        is_monitor = isinstance(wrapper_class, type) and issubclass(wrapper_class, Monitor)
        return [is_monitor] * len(list(self._get_indices(indices)))

    def _holder(self, name: str) -> gym.vector.VectorEnv[Any, Any, Any]:
        """Return the outermost wrapper with an attribute, or the environment inside them all."""
        return next((part for part in self.wrappers if hasattr(part, name)), self.env.unwrapped)

    def _joint_options(self) -> dict[str, Any] | None:
        """Return the options of `set_options`, one dict per arm, as one dict of lists."""
        names = set(self._options[0])
        if any(set(options) != names for options in self._options):
            raise ValueError(f"all environments need the same options, got {self._options}")
        return {name: [options[name] for options in self._options] for name in names} or None

    def _episode(self, arm: int, observation: Array) -> Info:
        """Return what stable-baselines3 expects in the info of the last step of an arm's trial."""
        seconds = time.time() - self._started
        return {
            "terminal_observation": observation,
            "TimeLimit.truncated": True,
            "episode": {
                "r": round(float(self._return[arm]), 6),
                "l": int(self._length[arm]),
                "t": round(seconds, 6),
            },
        }


def _new_env(arms: int, arguments: dict[str, Any]) -> ReachVectorEnv:
    """Return a new vector environment, of sessions if there is one among the arguments."""
    common = {"autoreset_mode": "SameStep", "info": "trial"}
    if "session" not in arguments:
        return ReachVectorEnv(arms, **{"shared_trials": True, **common, **arguments})
    if "shared_trials" in arguments:
        raise ValueError("shared_trials is for schedules: every arm goes through sessions of its own")
    return ReachSessionVectorEnv(arms, **{**common, **arguments})


def _infos(info: Info, arms: Sequence[int]) -> Iterator[Info]:
    """Yield the info of each arm as `ReachEnv` has it, with single numbers as Python's."""
    columns = {
        name: values[arms].copy() if values.ndim > 1 else values[arms].tolist()
        for name, values in info.items()
        if f"_{name}" in info
        and name not in FINAL
        and isinstance(values, np.ndarray)
        and info[f"_{name}"][arms].all()
    }
    for i in range(len(arms)):
        yield {name: column[i] for name, column in columns.items()}
