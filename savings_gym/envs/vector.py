"""The reaching task for many arms at once, as a Gymnasium vector environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from savings_gym.arm.changes import ArmLike
from savings_gym.arrays import Array, Indices, Info
from savings_gym.envs.render import ReachRenderer
from savings_gym.envs.single import RENDER_FPS, checked_actions, checked_render_mode
from savings_gym.fields import Field
from savings_gym.task.reach import ReachTask
from savings_gym.task.schedule import Phase, Schedule, as_schedule
from savings_gym.task.settings import TRIAL_STEPS, Delays, Noise, RewardWeights, TaskSettings, task_settings
from savings_gym.task.trials import TrialOptions

INFOS = ("full", "trial")


class ReachVectorEnv(gym.vector.VectorEnv[Array, Array, Array]):
    """`num_envs` arms on one thread pool. See `envs.ReachEnv` for the task and its arguments.

    Row i, seeded with seed + i, lives through the same trials as a `ReachEnv` with that seed.
    `reset(options=...)` takes one value for all rows or a list with one a row (a position or
    a list of positions); "reset_mask", a boolean array, restricts the reset to some rows. Infos are
    dicts of arrays with a mask "_name" for each "name".

    Args:
        num_envs: Number of arms.
        field: See `envs.ReachEnv`.
        schedule: See `envs.ReachEnv`. Trials are counted row by row, unless `shared_trials`.
        actuation: See `envs.ReachEnv`.
        arm: See `envs.ReachEnv`.
        targets: See `envs.ReachEnv`.
        go_time: See `envs.ReachEnv`.
        catch_fraction: See `envs.ReachEnv`.
        noise: See `envs.ReachEnv`.
        delays: See `envs.ReachEnv`.
        reward_weights: See `envs.ReachEnv`.
        render_mode: See `envs.ReachEnv`; `render` returns one picture a row.
        shared_trials: Count the trials of all rows together, so that phases last as many trials
            for one learner on many arms as on one. Indices then differ from single envs in their phase.
        autoreset_mode: "NextStep", "SameStep" or "Disabled", as in Gymnasium.
        max_episode_steps: Control steps until truncation, at most 100.
        nthread: Threads; 0 is one per CPU. The results do not depend on it.
        info: "full", or "trial": then the infos of `step` are empty, except in steps in which the trial
            of some row ends or begins. That is a little faster.
    """

    metadata: dict[str, Any] = {
        "render_modes": ["rgb_array"],
        "render_fps": RENDER_FPS,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        num_envs: int = 1,
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
        render_mode: str | None = None,
        shared_trials: bool = False,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        max_episode_steps: int = TRIAL_STEPS,
        nthread: int = 0,
        info: str = "full",
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs must be at least 1, got {num_envs!r}")
        if not 1 <= max_episode_steps <= TRIAL_STEPS:
            raise ValueError(f"max_episode_steps must lie in 1..{TRIAL_STEPS}, got {max_episode_steps!r}")
        if info not in INFOS:
            raise ValueError(f"info must be one of {INFOS}, got {info!r}")
        settings = task_settings(
            field=field,
            schedule=schedule,
            actuation=actuation,
            arm=arm,
            targets=targets,
            go_time=go_time,
            catch_fraction=catch_fraction,
            noise=noise,
            delays=delays,
            reward_weights=reward_weights,
        )
        self.num_envs, self.shared_trials = num_envs, shared_trials
        self.task = ReachTask(num_envs, settings, nthread, shared_trials)
        self.single_observation_space = self.task.observation_space
        self.single_action_space = self.task.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.render_mode = checked_render_mode(render_mode)
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {**type(self).metadata, "autoreset_mode": self.autoreset_mode}
        self._steps, self._tells_all = max_episode_steps, info == "full"
        self._rngs: list[np.random.Generator] = []
        self._all = np.arange(num_envs)
        self._over = np.zeros(num_envs, dtype=bool)
        self._renderer: ReachRenderer | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Copy and pickle without the renderer; a copy makes its own when it renders."""
        return {**self.__dict__, "_renderer": None}

    @property
    def trial_fields(self) -> tuple[Field, ...]:
        """The field of the current trial of each row."""
        return tuple(self.task.trials.fields)

    @property
    def trial_phases(self) -> tuple[Phase | None, ...]:
        """The phase of the current trial of each row; None without a schedule."""
        return tuple(self.task.trials.phases)

    @property
    def settings(self) -> TaskSettings:
        """What defines the task; `ReachVectorEnv(n, **env.settings.arguments())` has the same."""
        return self.task.settings

    def set_schedule(self, schedule: Schedule | Mapping[str, Any] | None) -> None:
        """Go by another schedule from the next trial of each row on. See `envs.ReachEnv.set_schedule`."""
        self.task.set_schedule(as_schedule(schedule))

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, Info]:
        """Begin the next trial in all rows, or in those of "reset_mask". See `envs.ReachEnv`."""
        given = dict(options or {})
        mask = self._checked_mask(given.pop("reset_mask", None))
        rows = self._all if mask is None else np.flatnonzero(mask)
        seeds = self._row_seeds(seed)
        chosen = self.task.trials.options(given)
        anew = np.array([row for row in rows if seeds[row] is not None], dtype=np.intp)
        rngs = [seeding.np_random(seeds[row])[0] for row in anew]  # whatever is refused is refused up to here
        if isinstance(seed, (int, np.integer)):
            super().reset(seed=int(seed))
        if not self._rngs:
            self._rngs = [seeding.np_random()[0] for _ in range(self.num_envs)]
        for row, rng in zip(anew, rngs, strict=True):
            self._rngs[row] = rng
        self.task.restart(anew)
        self._begin(rows, chosen)
        return self.task.observe(), self._spread(self.task.info(), mask)

    def step(
        self, actions: ArrayLike
    ) -> tuple[Array, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], Info]:
        """Advance all rows by one control step; rows whose trial was over begin the next one instead."""
        actions = checked_actions(actions, (self.num_envs, *self.task.action_space.shape))
        begins = self.autoreset_mode is AutoresetMode.NEXT_STEP and bool(self._over.any())
        if not begins:
            self.task.step(actions)
        else:
            if not self._over.all():
                self.task.step(actions, np.flatnonzero(~self._over))
            self._begin(np.flatnonzero(self._over))
        reward = np.asarray(sum(self.task.reward_terms.values()))  # 0 in rows that begin
        self._over = self.task.t >= self._steps
        observation, truncated = self.task.observe(), self._over.copy()
        ends = bool(truncated.any())
        info: Info = {}
        if self._tells_all or begins or ends:
            info = self._spread(self.task.info())
        if self.autoreset_mode is AutoresetMode.SAME_STEP and ends:
            observation, info = self._next_trials(observation, info)
        return observation, reward, np.zeros(self.num_envs, dtype=bool), truncated, info

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """One picture a row, see `envs.ReachEnv.render`."""
        if self.render_mode is None:
            return None
        if self._renderer is None:
            self._renderer = ReachRenderer(self.task)
        return tuple(self._renderer.frame(row) for row in range(self.num_envs))

    def close_extras(self, **kwargs: Any) -> None:
        """Free the renderer."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _begin(self, rows: Indices, chosen: TrialOptions | None = None) -> None:
        self.task.begin(rows, [self._rngs[row] for row in rows], chosen)
        self._over[rows] = False

    def _next_trials(self, observation: Array, info: Info) -> tuple[Array, Info]:
        """SAME_STEP: begin the next trial in rows that are over, and hand the last one on as final."""
        ended, rows = self._over.copy(), np.flatnonzero(self._over)
        final = np.full(self.num_envs, None, dtype=object)
        for row in rows:
            final[row] = observation[row]
        self._begin(rows)
        after = self._spread(self.task.info())
        last = {k: v & ended if k.startswith("_") else v for k, v in info.items()}
        after |= {"final_obs": final, "_final_obs": ended, "final_info": last, "_final_info": ended.copy()}
        return self.task.observe(), after

    def _spread(self, values: Mapping[str, NDArray[Any]], mask: NDArray[np.bool_] | None = None) -> Info:
        """Values of all rows with a mask for each: all True, or `mask` and zeros where it is False."""
        info: Info = {}
        for name, value in values.items():
            if mask is None:
                info[name], info[f"_{name}"] = value, np.ones(self.num_envs, dtype=bool)
            else:
                info[name], info[f"_{name}"] = np.zeros_like(value), mask.copy()
                info[name][mask] = value[mask]
        return info

    def _checked_mask(self, mask: Any) -> NDArray[np.bool_] | None:
        if mask is None:
            return None
        mask = np.asarray(mask)
        if mask.shape != (self.num_envs,) or mask.dtype != bool or not mask.any():
            raise ValueError(
                f"option 'reset_mask' must be {self.num_envs} booleans, one of them True, got {mask!r}"
            )
        return mask

    def _row_seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, (int, np.integer)):
            return [int(seed) + i for i in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise ValueError(f"got {len(seed)} seeds for num_envs={self.num_envs}")
        return list(seed)
