"""What all vector environments of trials share: seeds, masks, the next trial after the last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from savings_gym.arrays import Array, Floats, Indices, Info, as_choice, as_flag, as_whole_number
from savings_gym.envs.pictures import PICTURE_SIZE, TILE_SIZE, grid_columns, tile_pictures
from savings_gym.envs.single import as_actions
from savings_gym.task.schedule import Phase, Schedule
from savings_gym.task.settings import RENDER_FPS
from savings_gym.task.trials import ScheduledTrials

INFOS = ("full", "trial")
MOST_ENVS = 1_000_000  # a million arms need some 30 GB


def spawn_seeds(seed: int, n: int) -> list[int]:
    """Return the seeds that `ReachVectorEnv.reset(seed=seed)` gives to its n environments.

    `numpy.random.SeedSequence` makes them, so that environments of different seeds are independent, also if
    the seeds are neighbours. The first seeds are the same for every n.

    Args:
        seed: Any whole number of at least 0.
        n: Number of environments.
    """
    sequence = np.random.SeedSequence(as_whole_number("seed", seed))
    return sequence.generate_state(as_whole_number("n", n), np.uint64).tolist()


class TrialTask(Protocol):
    """n trials at once, as `task.reach.ReachTask` and `bci.task.CursorTask` have them.

    Attributes:
        t: (n,) control steps done in each trial.
        reward_terms: (n,) of each term of the reward in the last control step.
        observation_space: Of one trial.
        action_space: Of one trial.
    """

    t: Indices
    reward_terms: dict[str, Floats]
    observation_space: gym.spaces.Box
    action_space: gym.spaces.Box

    @property
    def trials(self) -> ScheduledTrials:
        """The trials that the rows are in."""

    def restart(self, rows: Indices | None = None, /) -> None:
        """Restart the experiment of some rows; None is all."""

    def begin(self, rows: Indices, rngs: Sequence[np.random.Generator], chosen: Any = None, /) -> None:
        """Begin the next trial of some rows."""

    def set_schedule(self, schedule: Any, rngs: Sequence[np.random.Generator], restart: bool, /) -> None:
        """Follow another schedule."""

    def step(self, actions: Floats, rows: Indices | None = None, /) -> None:
        """Advance some rows by one control step; None is all."""

    def observe(self) -> NDArray[np.float32]:
        """Return the observations."""

    def info(self) -> dict[str, Array]:
        """Return what an experimenter wants to know."""


class TrialVectorEnv(gym.vector.VectorEnv[Array, Array, Array]):
    """`num_envs` environments whose episodes are trials of one task.

    A subclass makes the task, gives it to `_take`, checks the options of `reset` in `_options`, and draws one
    environment in `_picture`.
    """

    metadata: dict[str, Any] = {
        "render_modes": ["rgb_array"],
        "render_fps": RENDER_FPS,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }
    task: TrialTask

    def _take(self, task: TrialTask, mode: AutoresetMode, max_episode_steps: int, full_info: bool) -> None:
        """Take over a task of `num_envs` trials; arguments as in `ReachVectorEnv`, checked."""
        self.autoreset_mode, self.max_episode_steps, self._full_info = mode, max_episode_steps, full_info
        self.task = task
        self.single_observation_space = task.observation_space
        self.single_action_space = task.action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.metadata = {**type(self).metadata, "autoreset_mode": self.autoreset_mode}
        self._rngs: list[np.random.Generator] = []
        self._over = np.zeros(self.num_envs, dtype=bool)

    @property
    def trial_phases(self) -> tuple[Phase | None, ...]:
        """The phase of the current trial of each environment; None without a schedule."""
        return tuple(self.task.trials.phases)

    def set_schedule(self, schedule: Schedule | Mapping[str, Any] | None, *, restart: bool = True) -> None:
        """Follow another schedule from the next trials on, as the single environment does."""
        self.task.set_schedule(schedule, self._rngs, as_flag("restart", restart))

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Return one picture per environment, see the single one; None without a render mode."""
        if self.render_mode is None:
            gym.logger.warn("render() needs gym.make_vec(..., render_mode='rgb_array')")
            return None
        return tuple(self._picture(i, PICTURE_SIZE) for i in range(self.num_envs))

    def render_grid(self, *, tile: int = TILE_SIZE, columns: int | None = None) -> NDArray[np.uint8] | None:
        """Return one picture of all environments, row by row, (rows * tile, columns * tile, 3).

        Args:
            tile: Width and height of the picture of one environment, 16 to 640 pixels.
            columns: Environments side by side; None is the smallest square that holds all.

        Returns:
            The picture; None without a render mode.
        """
        if self.render_mode is None:
            return None
        across = grid_columns(self.num_envs, columns)
        return tile_pictures([self._picture(i, tile) for i in range(self.num_envs)], across)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, Info]:
        """Begin the next trial, in all environments or in those of the option "reset_mask".

        Args:
            seed: One seed, see `spawn_seeds`; or one per environment, of which None goes on with the random
                numbers. A seed begins the experiment of its environment anew, with trial 0; trials that are
                counted together begin anew only if every environment gets a seed.
            options: See the class.
        """
        seeds, mask = self._as_seeds(seed), self._as_mask(None)
        if isinstance(options, Mapping) and "reset_mask" in options:
            mask = self._as_mask(options["reset_mask"])
            options = {name: value for name, value in options.items() if name != "reset_mask"}
        chosen = self._options(options)
        seeded = np.array([i for i in np.flatnonzero(mask) if seeds[i] is not None], dtype=np.intp)
        rngs = [seeding.np_random(seeds[i])[0] for i in seeded]
        if isinstance(seed, (int, np.integer)):  # from here on nothing is refused
            super().reset(seed=int(seed))
        if not self._rngs:
            self._rngs = [seeding.np_random()[0] for _ in range(self.num_envs)]
        for i, rng in zip(seeded, rngs, strict=True):
            self._rngs[i] = rng
        self.task.restart(seeded)
        self._begin(np.flatnonzero(mask), chosen)
        return self.task.observe(), self._masked(self._info(), mask)

    def step(
        self, actions: ArrayLike
    ) -> tuple[Array, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], Info]:
        """Advance by one control step; with "NextStep", environments that were over begin a trial instead."""
        actions = as_actions(actions, (self.num_envs, *self.task.action_space.shape))
        if self.autoreset_mode is not AutoresetMode.NEXT_STEP or not self._over.any():
            self.task.step(actions)
        else:
            if not self._over.all():
                self.task.step(actions, np.flatnonzero(~self._over))
            self._begin(np.flatnonzero(self._over))
        reward = np.asarray(sum(self.task.reward_terms.values()))  # 0 in trials that begin
        self._over = self._finish_trials()
        observation, truncated = self.task.observe(), self._over.copy()
        ends = bool(truncated.any())
        info: Info = {}
        if self._full_info or ends or not self.task.t.all():
            info = self._masked(self._info())
        if self.autoreset_mode is AutoresetMode.SAME_STEP and ends:
            observation, info = self._next_trials(observation, info)
        return observation, reward, np.zeros(self.num_envs, dtype=bool), truncated, info

    def _options(self, options: Mapping[str, Any] | None) -> Any:
        """Return the `options` of `reset`, checked."""
        raise NotImplementedError

    def _picture(self, environment: int, size: int) -> NDArray[np.uint8]:
        """Return a picture of one environment, (size, size, 3)."""
        raise NotImplementedError

    @property
    def full_info(self) -> bool:
        """Whether `step` returns an info in every step, not only where a trial ends or begins."""
        return self._full_info

    @property
    def _trial_limit(self) -> int:
        """Control steps after which a trial ends."""
        return self.max_episode_steps

    def _finish_trials(self) -> NDArray[np.bool_]:
        """Return which environments have ended their episode with this step."""
        return self.task.t >= self._trial_limit

    def _info(self) -> dict[str, Array]:
        return self.task.info()

    def _begin(self, environments: Indices, chosen: Any = None) -> None:
        """Begin an episode of some environments."""
        self.task.begin(environments, [self._rngs[i] for i in environments], chosen)
        self._over[environments] = False

    def _next_trials(self, observation: Array, info: Info) -> tuple[Array, Info]:
        """Begin the next trials, and keep the last observation and info of those that ended ("SameStep")."""
        ended = self._over.copy()
        final_obs = np.full(self.num_envs, None, dtype=object)
        for i in np.flatnonzero(ended):
            final_obs[i] = observation[i]
        final_info = {name: v & ended if name.startswith("_") else v for name, v in info.items()}
        self._begin(np.flatnonzero(ended))
        return self.task.observe(), self._masked(self._info()) | {
            "final_obs": final_obs,
            "_final_obs": ended,
            "final_info": final_info,
            "_final_info": ended.copy(),
        }

    def _masked(self, values: Mapping[str, Array], mask: NDArray[np.bool_] | None = None) -> Info:
        """Return an info with a mask for each value; where the mask is False, the value is 0."""
        info: Info = {}
        for name, value in values.items():
            if mask is None or mask.all():
                info[name], info[f"_{name}"] = value, np.ones(self.num_envs, dtype=bool)
            else:
                info[name], info[f"_{name}"] = np.zeros_like(value), mask.copy()
                info[name][mask] = value[mask]
        return info

    def _as_mask(self, mask: Any) -> NDArray[np.bool_]:
        """Return the option "reset_mask"; None means all environments."""
        try:
            array = np.ones(self.num_envs, dtype=bool) if mask is None else np.asarray(mask)
        except ValueError:  # of a ragged nest
            array = np.array(None)
        if array.shape != (self.num_envs,) or array.dtype != bool or not array.any():
            raise ValueError(
                f"option 'reset_mask' must be {self.num_envs} booleans, one of them True, got {mask!r}"
            )
        return array

    def _as_seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        """Return one seed per environment, of the argument of `reset`."""
        if seed is None:
            return [None] * self.num_envs
        if not isinstance(seed, (list, tuple, np.ndarray)) or np.ndim(np.array(seed, dtype=object)) == 0:
            return list(spawn_seeds(seed, self.num_envs))  # type: ignore[arg-type]
        seeds = list(seed)
        if len(seeds) != self.num_envs:
            raise ValueError(f"got {len(seeds)} seeds for num_envs={self.num_envs}: {seed!r}")
        return [None if each is None else as_whole_number("seed", each) for each in seeds]


def as_autoreset_mode(mode: str | AutoresetMode) -> AutoresetMode:
    """Return what follows the end of an episode; ValueError if it is none of Gymnasium's modes."""
    if isinstance(mode, AutoresetMode):
        return mode
    return AutoresetMode(as_choice("autoreset_mode", mode, [choice.value for choice in AutoresetMode]))
