"""The reaching task for many arms at once, as a Gymnasium vector environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from savings_gym.arm.changes import ArmLike
from savings_gym.arrays import Array, Indices, Info, as_choice, as_flag, as_whole_number
from savings_gym.envs.single import as_actions, as_render_mode
from savings_gym.fields import Field
from savings_gym.task.impairments import Impairments
from savings_gym.task.options import TrialOptions
from savings_gym.task.reach import ReachTask
from savings_gym.task.schedule import Phase, Schedule, as_schedule
from savings_gym.task.settings import (
    N_TARGETS,
    RENDER_FPS,
    TRIAL_STEPS,
    Delays,
    Noise,
    RewardWeights,
    TaskSettings,
    task_settings,
)

if TYPE_CHECKING:  # imported when something is drawn
    from savings_gym.envs.render import ReachRenderer

INFOS = ("full", "trial")
TILE_SIZE = 240  # pixels, width and height of one environment in a grid
MOST_ENVS, MOST_THREADS = 1_000_000, 1024  # a million arms need some 30 GB


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


class ReachVectorEnv(gym.vector.VectorEnv[Array, Array, Array]):
    """`num_envs` arms on one thread pool; see `envs.single.ReachEnv` for the task and its arguments.

    Environment i of `reset(seed=seed)` goes through the same trials as a `ReachEnv` that is seeded with
    `spawn_seeds(seed, num_envs)[i]`; `reset(seed=[...])` takes one seed per environment as it is.
    `reset(options=...)` takes one value for all environments, or a list with one value for each;
    "reset_mask", an array of booleans, restricts the reset to some of them. Infos are dicts of arrays, with a
    mask "_name" for each "name". With autoreset "SameStep", "final_obs" is an array of objects, as in
    Gymnasium; everything else is an array of numbers.

    Fields, schedules and the context cue need no wrapper for single environments: `field` and `schedule` are
    arguments (and `set_schedule` and the option "field" change them later), and
    `envs.wrappers.VectorContextCue` adds the cue.

    A schedule counts the trials of each environment by itself, so that the 211 200 trials of
    `SavingsReach-v0` are 1.35e9 steps of 64 environments. For one learner on many arms, let them share the
    trials, of a schedule that a laptop finishes:

        schedule = four_phase(nf1=6400, ff1=3200, nf2=6400, ff2=3200)  # 1.92e6 steps of one arm
        envs = gym.make_vec("SavingsReach-v0", 64, schedule=schedule, shared_trials=True)

    Args:
        num_envs: Number of arms.
        field: See `ReachEnv`.
        schedule: See `ReachEnv`.
        actuation: See `ReachEnv`.
        arm: See `ReachEnv`.
        targets: See `ReachEnv`.
        go_time: See `ReachEnv`.
        catch_fraction: See `ReachEnv`.
        noise: See `ReachEnv`.
        delays: See `ReachEnv`.
        reward_weights: See `ReachEnv`.
        trial_cue: See `ReachEnv`.
        impairments: See `ReachEnv`.
        render_mode: See `ReachEnv`; `render` returns one picture per environment, and
            `render_grid` one of all.
        shared_trials: Count the trials of all environments together, so that a phase lasts the same number
            of trials for one learner on many arms as on one.
        autoreset_mode: "NextStep", "SameStep" or "Disabled", as in Gymnasium.
        max_episode_steps: Control steps until truncation, 1 to 100.
        nthread: Threads; 0 means one per CPU. Results do not depend on it.
        info: "full", or "trial": then `step` returns an empty info unless a trial ends or begins in that
            step, which is a little faster.
    """

    metadata: dict[str, Any] = {
        "render_modes": ["rgb_array"],
        "render_fps": RENDER_FPS,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }
    _renderer: ReachRenderer | None = None

    def __init__(
        self,
        num_envs: int = 1,
        *,
        field: Field | Mapping[str, Any] | None = None,
        schedule: Schedule | Mapping[str, Any] | None = None,
        actuation: str = "muscle",
        arm: ArmLike = None,
        targets: int | str | Sequence[float] = N_TARGETS,
        go_time: float | Sequence[float] = (0.10, 0.30),
        catch_fraction: float = 0.5,
        noise: Noise | Mapping[str, Any] | bool | None = True,
        delays: Delays | Mapping[str, Any] | None = Delays(),  # noqa: B008, frozen
        reward_weights: RewardWeights | Mapping[str, Any] = RewardWeights(),  # noqa: B008, frozen
        trial_cue: bool = False,
        impairments: Impairments | Mapping[str, Any] | None = None,
        render_mode: str | None = None,
        shared_trials: bool = False,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        max_episode_steps: int = TRIAL_STEPS,
        nthread: int = 0,
        info: str = "full",
    ) -> None:
        num_envs = as_whole_number("num_envs", num_envs, 1, MOST_ENVS)
        nthread = as_whole_number("nthread", nthread, 0, MOST_THREADS)
        max_episode_steps = as_whole_number("max_episode_steps", max_episode_steps, 1, TRIAL_STEPS)
        shared_trials, autoreset_mode = as_flag("shared_trials", shared_trials), _as_mode(autoreset_mode)
        info = as_choice("info", info, INFOS)
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
            trial_cue=trial_cue,
            impairments=impairments,
        )
        self.num_envs, self.shared_trials = num_envs, shared_trials
        self.task = self._make_task(settings, nthread)
        self.single_observation_space = self.task.observation_space
        self.single_action_space = self.task.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.render_mode = as_render_mode(render_mode, self.metadata)
        self.autoreset_mode = autoreset_mode
        self.metadata = {**type(self).metadata, "autoreset_mode": self.autoreset_mode}
        self._steps, self._full_info = max_episode_steps, info == "full"
        self._rngs: list[np.random.Generator] = []
        self._over = np.zeros(num_envs, dtype=bool)

    def __getstate__(self) -> dict[str, Any]:
        """Copy and pickle without the renderer; a copy makes its own when it renders."""
        return {**self.__dict__, "_renderer": None}

    @property
    def trial_fields(self) -> tuple[Field, ...]:
        """The field of the current trial of each environment."""
        return tuple(self.task.trials.fields)

    @property
    def trial_phases(self) -> tuple[Phase | None, ...]:
        """The phase of the current trial of each environment; None without a schedule."""
        return tuple(self.task.trials.phases)

    @property
    def settings(self) -> TaskSettings:
        """What defines the task; `ReachVectorEnv(n, **env.settings.arguments())` has the same task."""
        return self.task.settings

    def set_schedule(self, schedule: Schedule | Mapping[str, Any] | None) -> None:
        """Follow another schedule from the next trials on; see `ReachEnv.set_schedule`."""
        self.task.set_schedule(as_schedule(schedule))

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, Info]:
        """Begin the next trial, in all environments or in those of the option "reset_mask".

        Args:
            seed: One seed, see `spawn_seeds`; or one per environment, of which None goes on with the random
                numbers. A seed begins the experiment of its environment anew, with trial 0.
            options: See the class.
        """
        seeds, mask = self._as_seeds(seed), self._as_mask(None)
        if isinstance(options, Mapping) and "reset_mask" in options:
            mask = self._as_mask(options["reset_mask"])
            options = {name: value for name, value in options.items() if name != "reset_mask"}
        chosen = self.task.trials.options(options)
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

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Return one picture per environment, see `ReachEnv.render`."""
        if self.render_mode is None:
            return None
        renderer = self._drawing()
        return tuple(renderer.frame(i) for i in range(self.num_envs))

    def render_grid(self, *, tile: int = TILE_SIZE, columns: int | None = None) -> NDArray[np.uint8] | None:
        """Return one picture of all environments, row by row, (rows * tile, columns * tile, 3).

        Args:
            tile: Width and height of the picture of one environment, 16 to 640 pixels.
            columns: Environments side by side; None is the smallest square that holds all.

        Returns:
            The picture; None without a render mode.
        """
        return None if self.render_mode is None else self._drawing().grid(tile, columns)

    def close_extras(self, **kwargs: Any) -> None:
        """Free the renderer."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _drawing(self) -> ReachRenderer:
        if self._renderer is None:
            from savings_gym.envs.render import ReachRenderer

            self._renderer = ReachRenderer(self.task)
        return self._renderer

    def _make_task(self, settings: TaskSettings, nthread: int) -> ReachTask:
        return ReachTask(self.num_envs, settings, nthread, self.shared_trials)

    def _finish_trials(self) -> NDArray[np.bool_]:
        """Return which environments have ended their episode with this step."""
        return self.task.t >= self._steps

    def _info(self) -> dict[str, Array]:
        return self.task.info()

    def _begin(self, environments: Indices, chosen: TrialOptions | None = None) -> None:
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


def _as_mode(mode: str | AutoresetMode) -> AutoresetMode:
    if isinstance(mode, AutoresetMode):
        return mode
    return AutoresetMode(as_choice("autoreset_mode", mode, [choice.value for choice in AutoresetMode]))
