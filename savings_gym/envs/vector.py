"""The reaching task for many arms at once, as a Gymnasium vector environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from savings_gym.arm.changes import ArmLike
from savings_gym.arrays import as_choice, as_flag, as_whole_number
from savings_gym.envs.single import as_render_mode
from savings_gym.envs.trials import INFOS, MOST_ENVS, TrialVectorEnv, as_autoreset_mode
from savings_gym.perturbations.fields import Field
from savings_gym.task.impairments import ImpairmentsLike
from savings_gym.task.options import TrialOptions
from savings_gym.task.reach import ReachTask
from savings_gym.task.schedule import Schedule
from savings_gym.task.settings import (
    CATCH_FRACTION,
    GO_TIMES,
    N_TARGETS,
    TRIAL_STEPS,
    Delays,
    DelaysLike,
    NoiseLike,
    RewardWeights,
    RewardWeightsLike,
    TaskSettings,
    task_settings,
)

if TYPE_CHECKING:  # imported when something is drawn
    from savings_gym.envs.render import ReachRenderer

MOST_THREADS = 1024


class ReachVectorEnv(TrialVectorEnv):
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
        render_mode: "rgb_array" or None; `render` returns one picture per environment, and `render_grid`
            one of all.
        shared_trials: Count the trials of all environments together, so that a phase lasts the same number
            of trials for one learner on many arms as on one.
        autoreset_mode: "NextStep", "SameStep" or "Disabled", as in Gymnasium.
        max_episode_steps: Control steps until truncation, at least 1; a trial ends after 100 in any case. It
            stands here, not in ``spec.max_episode_steps``, which `gym.make_vec` leaves at 100.
        nthread: Threads; 0 means one per CPU. Results do not depend on it.
        info: "full", or "trial": then `step` returns an empty info unless a trial ends or begins in that
            step, which is a little faster.
    """

    task: ReachTask
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
        go_time: float | Sequence[float] = GO_TIMES,
        catch_fraction: float = CATCH_FRACTION,
        noise: NoiseLike = True,
        delays: DelaysLike = Delays(),  # noqa: B008, frozen
        reward_weights: RewardWeightsLike = RewardWeights(),  # noqa: B008, frozen
        trial_cue: bool = False,
        impairments: ImpairmentsLike = None,
        render_mode: str | None = None,
        shared_trials: bool = False,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        max_episode_steps: int = TRIAL_STEPS,
        nthread: int = 0,
        info: str = "full",
    ) -> None:
        num_envs = as_whole_number("num_envs", num_envs, 1, MOST_ENVS)
        nthread = as_whole_number("nthread", nthread, 0, MOST_THREADS)
        max_episode_steps = min(as_whole_number("max_episode_steps", max_episode_steps, 1), TRIAL_STEPS)
        shared_trials, mode = as_flag("shared_trials", shared_trials), as_autoreset_mode(autoreset_mode)
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
        self.render_mode = as_render_mode(render_mode, self.metadata)
        self._take(self._make_task(settings, nthread), mode, max_episode_steps, info == "full")

    def __getstate__(self) -> dict[str, Any]:
        """Copy and pickle without the renderer; a copy makes its own when it renders."""
        return {**self.__dict__, "_renderer": None}

    @property
    def trial_fields(self) -> tuple[Field, ...]:
        """The field of the current trial of each environment."""
        return tuple(self.task.trials.fields)

    @property
    def settings(self) -> TaskSettings:
        """What defines the task; `ReachVectorEnv(n, **env.settings.arguments())` has the same task."""
        return self.task.settings

    def close_extras(self, **kwargs: Any) -> None:
        """Free the renderer."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _picture(self, environment: int, size: int) -> NDArray[np.uint8]:
        if self._renderer is None:
            from savings_gym.envs.render import ReachRenderer

            self._renderer = ReachRenderer(self.task)
        return self._renderer.frame(environment, size)

    def _make_task(self, settings: TaskSettings, nthread: int) -> ReachTask:
        return ReachTask(self.num_envs, settings, nthread, self.shared_trials)

    def _options(self, options: Mapping[str, Any] | None) -> TrialOptions:
        return self.task.trials.options(options)
