"""The vector environment as a `VecEnv` of stable-baselines3."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from savings_gym.arrays import Array
from savings_gym.envs.vector import ReachVectorEnv

FINAL = ("final_obs", "final_info")


class ReachVecEnv(VecEnv):
    """A `ReachVectorEnv` for stable-baselines3: ``PPO("MlpPolicy", ReachVecEnv(64)).learn(1_000_000)``.

    Trials end by time alone, so every done is a truncation: in the step that ends a trial the info of the row
    has "TimeLimit.truncated" (True), "terminal_observation" and, as of SB3's `Monitor`, "episode" with the
    return "r", length "l" and seconds "t"; beside them the arm's own info of that step ("phase", "trial",
    "target", "hand_position", ...). Other infos are empty. `reset_infos` has the info of the start of every
    row's trial.

    The rows share one thread pool and one Python object: `env_method`, `get_attr` and `set_attr` speak to the
    vector environment once, whatever `indices` says, and repeat the answer for every index.

    Args:
        env: A vector environment that begins the next trial in the same step, or the number of arms of a new
            one.
        **arguments: Of a new `ReachVectorEnv`. `shared_trials` is True unless given, so that a schedule
            lasts as many trials for one learner on many arms as on one.

    Attributes:
        env: The vector environment.

    Raises:
        ValueError: For something else than these, another autoreset mode, or arguments beside an
            environment.
    """

    def __init__(self, env: ReachVectorEnv | int, **arguments: Any) -> None:
        if isinstance(env, ReachVectorEnv):
            if arguments:
                raise ValueError(
                    f"arguments {sorted(arguments)} are for a new environment, but one was given"
                )
        elif not isinstance(env, (int, np.integer)):
            raise ValueError(f"env must be a ReachVectorEnv or a number of arms, got {env!r}")
        else:
            chosen: dict[str, Any] = {
                "shared_trials": True, "autoreset_mode": "SameStep", "info": "trial", **arguments
            }  # fmt: skip
            env = ReachVectorEnv(int(env), **chosen)
        if env.autoreset_mode is not gym.vector.AutoresetMode.SAME_STEP:
            raise ValueError(
                f"autoreset_mode must be 'SameStep' for stable-baselines3, got {env.autoreset_mode.value!r}"
            )
        self.env = env
        self.render_mode = env.render_mode
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self._actions: Array = np.zeros(0)
        self._return, self._length = np.zeros(env.num_envs), np.zeros(env.num_envs, dtype=int)
        self._began = time.time()

    def reset(self) -> VecEnvObs:
        """Begin a trial in all rows, with the seeds of `seed` and the options of `set_options`, if any."""
        seeds: list[int | None] | None = self._seeds if any(s is not None for s in self._seeds) else None
        observation, info = self.env.reset(seed=seeds, options=self._row_options())
        self._reset_seeds()
        self._reset_options()
        self._return[:], self._length[:] = 0.0, 0
        for row, told in enumerate(_rows(info, range(self.num_envs))):
            self.reset_infos[row] = told
        return observation

    def step_async(self, actions: Array) -> None:
        """Take the (n, actuators) actions of the next step."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Do the step. The arrays returned are nobody else's."""
        observation, reward, _, truncated, info = self.env.step(self._actions)
        self._return += reward
        self._length += 1
        told: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        ended = np.flatnonzero(truncated).tolist()
        if ended:
            for row, end in zip(ended, _rows(info["final_info"], ended), strict=True):
                told[row] = end | self._end(row, info["final_obs"][row])
            for row, start in zip(ended, _rows(info, ended), strict=True):
                self.reset_infos[row] = start
            self._return[ended], self._length[ended] = 0.0, 0
        return observation, reward.astype(np.float32), truncated, told

    def close(self) -> None:
        """Free the environment."""
        self.env.close()

    def get_images(self) -> Sequence[Array | None]:
        """A picture a row; see `ReachVectorEnv.render`."""
        frames = self.env.render()
        return [None] * self.num_envs if frames is None else list(frames)

    def has_attr(self, attr_name: str) -> bool:
        """Whether the vector environment has an attribute."""
        return hasattr(self.env, attr_name)

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """An attribute of the vector environment, repeated for every index."""
        return [getattr(self.env, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of the vector environment."""
        setattr(self.env, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of the vector environment once; its answer, repeated for every index."""
        answer = getattr(self.env, method_name)(*method_args, **method_kwargs)
        return [answer] * len(list(self._get_indices(indices)))

    def env_is_wrapped(self, wrapper_class: type[gym.Wrapper], indices: VecEnvIndices = None) -> list[bool]:
        """False a row, but True for SB3's `Monitor`: episode infos are those of a monitor."""
        from stable_baselines3.common.monitor import Monitor

        is_monitor = isinstance(wrapper_class, type) and issubclass(wrapper_class, Monitor)
        return [is_monitor] * len(list(self._get_indices(indices)))

    def _row_options(self) -> dict[str, Any] | None:
        """The options of `set_options`, one dict a row, as one dict with a list for every option."""
        names = set(self._options[0])
        if any(set(options) != names for options in self._options):
            raise ValueError(f"all rows need the same names of options, got {self._options}")
        return {name: [options[name] for options in self._options] for name in names} or None

    def _end(self, row: int, observation: Array) -> dict[str, Any]:
        """What stable-baselines3 wants to know in the last step of a row's trial."""
        seconds = time.time() - self._began
        return {
            "terminal_observation": observation,
            "TimeLimit.truncated": True,
            "episode": {
                "r": round(float(self._return[row]), 6),
                "l": int(self._length[row]),
                "t": round(seconds, 6),
            },
        }


def _rows(info: dict[str, Any], rows: Sequence[int]) -> Iterator[dict[str, Any]]:
    """The info of each of `rows`, in plain numbers where they are single ones, as of `ReachEnv`."""
    columns = {
        name: values[rows].copy() if values.ndim > 1 else values[rows].tolist()
        for name, values in info.items()
        if f"_{name}" in info and name not in FINAL and info[f"_{name}"][rows].all()
    }
    for i in range(len(rows)):
        yield {name: column[i] for name, column in columns.items()}
