"""The training environment of an agent of stable-baselines3, and what the agent sees in a probe."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecCheckNan,
    VecEnv,
    VecEnvWrapper,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
    VecVideoRecorder,
)
from stable_baselines3.common.vec_env.stacked_observations import StackedObservations

from savings_gym.arrays import Array, Info
from savings_gym.probes.environments import MakeEnv
from savings_gym.probes.policy import View
from savings_gym.probes.probe import Probe
from savings_gym.sb3.vec_env import ReachVecEnv
from savings_gym.task.schedule import Schedule
from savings_gym.task.settings import N_TARGETS, TRIAL_STEPS, TaskSettings

TRANSPARENT = (VecMonitor, VecCheckNan, VecVideoRecorder)  # wrappers that leave observations as they are
TRANSPARENT_SINGLE = {
    "Monitor", "OrderEnforcing", "PassiveEnvChecker", "RecordEpisodeStatistics", "RecordTrials",
    "RecordVideo", "TimeLimit",
}  # fmt: skip
SETS_FIELD = {"ForceField", "PhaseSchedule"}  # wrappers of single environments that choose the field


@dataclass(frozen=True, eq=False)
class TrainingEnv:
    """A training environment, taken apart: ``TrainingEnv.of(model.get_env())``.

    Attributes:
        base: The `VecEnv` inside all wrappers.
        wrappers: Wrappers of the base, innermost first.
        settings: The task.
    """

    base: VecEnv
    wrappers: tuple[VecEnvWrapper, ...]
    settings: TaskSettings

    @classmethod
    def of(cls, env: VecEnv) -> TrainingEnv:
        """Take an environment apart.

        Raises:
            ValueError: If there is no reaching task in it.
        """
        wrappers: list[VecEnvWrapper] = []
        base = env
        while isinstance(base, VecEnvWrapper):
            wrappers.append(base)
            base = base.venv
        settings = base.get_attr("settings")[0] if base.has_attr("settings") else None
        if not isinstance(settings, TaskSettings):
            raise ValueError(
                "SavingsCallback needs a training environment that reaches, a ReachVecEnv or a VecEnv of "
                f"ReachEnv (gymnasium.make('ForceFieldReach-v0')), wrapped or not; got {base!r}. Agents of "
                "BCIReach-v0 are probed by CursorProbe"
            )
        return cls(base, tuple(reversed(wrappers)), settings)

    @property
    def arms(self) -> int:
        """Number of arms."""
        return self.base.num_envs

    @property
    def shares_trials(self) -> bool:
        """Whether the trials of all arms are counted together."""
        return self.base.has_attr("shared_trials") and bool(self.base.get_attr("shared_trials")[0])

    @property
    def trial_steps(self) -> int:
        """Control steps after which a trial ends."""
        if self.base.has_attr("max_episode_steps"):
            return int(self.base.get_attr("max_episode_steps")[0])
        spec = self.base.get_attr("spec")[0]
        limit = None if spec is None else spec.max_episode_steps
        return TRIAL_STEPS if limit is None else min(limit, TRIAL_STEPS)

    def schedule_of_arm(self, schedule: Schedule) -> Schedule:
        """Return the schedule of each arm, by which all arms together make the trials of `schedule`.

        Raises:
            ValueError: If arms that count separately cannot share a phase evenly.
        """
        if self.shares_trials or self.arms == 1:
            return schedule
        for phase in schedule.phases:
            if phase.trials % self.arms:
                raise ValueError(
                    f"phase {phase.name!r} has {phase.trials} trials, which {self.arms} environments that "
                    f"count separately cannot share evenly: choose a multiple of {self.arms}, or "
                    "ReachVecEnv, whose arms count together"
                )
        return Schedule(tuple(replace(phase, trials=phase.trials // self.arms) for phase in schedule.phases))

    def probe(self, seed: int = 0, carried_trials: int = 0, probe_env: MakeEnv | None = None) -> Probe:
        """Return a probe in which the agent sees what it sees in training.

        Observations are normalised by the current statistics of `VecNormalize`, without changing them, and
        stacked as by `VecFrameStack`. Wrappers that only count are left out.

        Args:
            seed: Seed of the probe.
            carried_trials: See `probes.probe.Probe`.
            probe_env: Makes one environment in the wrappers of the agent's own, except the two above. Needed
                only for wrappers that are unknown here.

        Raises:
            ValueError: If a wrapper is unknown and `probe_env` is not given, or if `probe_env` makes
                environments with other observations than the training environment.
        """
        self._check_wrappers(probe_env is not None)
        view = AgentView(self.wrappers)
        if probe_env is None:
            return Probe(self.settings, seed, carried_trials, view=view)
        try:
            probe = Probe(None, seed, carried_trials, view=view, make_env=probe_env)
        except ValueError as error:
            raise ValueError(f"probe_env: {error}") from error
        shape, expected = probe.observation_shape, self.base.observation_space.shape
        if shape != expected:
            raise ValueError(f"probe_env makes observations of shape {shape}, training has {expected}")
        return probe

    def _check_wrappers(self, covered: bool) -> None:
        inside = _inner_wrappers(self.base)
        if inside & SETS_FIELD:
            raise ValueError(
                f"the training environment is wrapped in {sorted(inside & SETS_FIELD)}, which would overrule "
                "the phases of SavingsCallback: leave it out"
            )
        known = (*TRANSPARENT, VecNormalize, VecFrameStack)
        unknown = [type(wrapper).__name__ for wrapper in self.wrappers if not isinstance(wrapper, known)]
        unknown += sorted(inside - TRANSPARENT_SINGLE)
        if unknown and not covered:
            raise ValueError(
                f"SavingsCallback does not know what {unknown} make of an observation or an action; give it "
                "probe_env=, a function that makes one environment as the agent sees it, in wrappers for "
                "single environments (VecNormalize and VecFrameStack are added as in training)"
            )


class AgentView:
    """Turns the observations of a probe into what an agent sees, as its wrappers do in training.

    Args:
        wrappers: Wrappers of the training environment, innermost first; those other than `VecNormalize` and
            `VecFrameStack` change nothing here.
    """

    def __init__(self, wrappers: tuple[VecEnvWrapper, ...]) -> None:
        self._views: list[View] = []
        for wrapper in wrappers:
            if isinstance(wrapper, VecNormalize):
                self._views.append(_NormalisedView(wrapper))
            elif isinstance(wrapper, VecFrameStack):
                self._views.append(_StackedView(wrapper))

    def __call__(self, observation: Array, first: bool) -> Array:
        """Return what the agent sees, (8, m), of observations (8, n).

        Args:
            observation: One row per target.
            first: Whether these are the first observations of a trial.
        """
        for view in self._views:
            observation = view(observation, first)
        return observation


class _NormalisedView:
    """Observations, normalised by the current statistics of a wrapper."""

    def __init__(self, wrapper: VecNormalize) -> None:
        self._wrapper = wrapper

    def __call__(self, observation: Array, first: bool) -> Array:
        return np.asarray(self._wrapper.normalize_obs(observation))


class _StackedView:
    """The last observations of a trial, stacked like those of a wrapper."""

    def __init__(self, wrapper: VecFrameStack) -> None:
        stacked = wrapper.stacked_obs
        order = "first" if stacked.channels_first else "last"
        space: Any = wrapper.venv.observation_space
        self._stack: StackedObservations[Any] = StackedObservations(N_TARGETS, stacked.n_stack, space, order)

    def __call__(self, observation: Array, first: bool) -> Array:
        if first:
            return np.array(self._stack.reset(observation))
        infos: list[Info] = [{} for _ in range(N_TARGETS)]
        return np.array(self._stack.update(observation, np.zeros(N_TARGETS, dtype=bool), infos)[0])


def _inner_wrappers(base: VecEnv) -> set[str]:
    """Return the names of the Gymnasium wrappers inside a `VecEnv`, around one or many environments."""
    names: set[str] = set()
    if isinstance(base, ReachVecEnv):
        return {type(wrapper).__name__ for wrapper in base.wrappers}
    if not isinstance(base, DummyVecEnv | SubprocVecEnv):
        return names
    for text in base.env_method("__str__"):
        wrappers, env, _ = str(text).partition("<ReachEnv")
        names |= set(re.findall(r"<(\w+)", wrappers)) if env else {str(text)}
    return names
