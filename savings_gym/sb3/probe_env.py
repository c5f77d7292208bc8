"""What a training `VecEnv` is made of, and how its agent would see a probe."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
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
)
from stable_baselines3.common.vec_env.stacked_observations import StackedObservations

from savings_gym.arrays import Array
from savings_gym.probes.probe import Probe
from savings_gym.task.schedule import Phase, Schedule
from savings_gym.task.settings import N_TARGETS, TaskSettings

MakeEnv = Callable[[], gym.Env[Any, Any]]

SEE_THROUGH = (VecMonitor, VecCheckNan)  # they leave observations as they are
HARMLESS = {"Monitor", "TimeLimit", "OrderEnforcing", "PassiveEnvChecker", "RecordEpisodeStatistics"} | {
    "RecordTrials"
}
SETS_FIELD = {"ForceField", "PhaseSchedule"}


@dataclass(frozen=True, eq=False)
class TrainingEnv:
    """The parts of a training environment.

    Attributes:
        base: The environment inside all wrappers.
        wrappers: Of the base, innermost first.
        settings: The task.
    """

    base: VecEnv
    wrappers: tuple[VecEnvWrapper, ...]
    settings: TaskSettings

    @classmethod
    def of(cls, env: VecEnv) -> TrainingEnv:
        """Take an environment apart.

        Raises:
            ValueError: When there is no reaching task in it.
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
                f"ReachEnv (gymnasium.make('ForceFieldReach-v0')), wrapped or not; got {base!r}"
            )
        return cls(base, tuple(reversed(wrappers)), settings)

    @property
    def rows(self) -> int:
        """Number of arms."""
        return self.base.num_envs

    @property
    def counts_together(self) -> bool:
        """Whether all rows share one count of trials."""
        return self.base.has_attr("shared_trials") and bool(self.base.get_attr("shared_trials")[0])

    def row_schedule(self, schedule: Schedule) -> Schedule:
        """The schedule that the environment has to go by, so that `schedule` counts the trials of all rows.

        Raises:
            ValueError: When rows that count on their own cannot share a phase evenly.
        """
        if self.counts_together or self.rows == 1:
            return schedule
        for phase in schedule.phases:
            if phase.trials % self.rows:
                raise ValueError(
                    f"phase {phase.name!r} has {phase.trials} trials, which {self.rows} environments that "
                    f"count on their own cannot share: choose a multiple of {self.rows}, or ReachVecEnv, "
                    "whose rows count together"
                )
        return Schedule(
            tuple(
                Phase(phase.name, phase.field, phase.trials // self.rows, phase.catch_fraction)
                for phase in schedule.phases
            )
        )

    def probe(self, seed: int, carried_trials: int, probe_env: MakeEnv | None) -> Probe:
        """A probe that shows the agent what training shows it.

        Observations go through the statistics that `VecNormalize` has at that moment, without changing
        them, and through a stack like that of `VecFrameStack`. Wrappers that only count are left out.

        Args:
            seed: Of the probe.
            carried_trials: See `probing.Probe`.
            probe_env: Makes one environment as the agent's, with everything but the two above; needed for
                wrappers that are not known here.

        Raises:
            ValueError: For wrappers that are not known, without `probe_env`; and when what `probe_env`
                makes has other observations than training.
        """
        self._check_wrappers(probe_env is not None)
        view = View(self.wrappers)
        if probe_env is None:
            return Probe(self.settings, seed, carried_trials, view=view)
        try:
            probe = Probe(None, seed, carried_trials, view=view, make_env=probe_env)
        except ValueError as error:
            raise ValueError(f"probe_env: {error}") from error
        made, trained = probe.observation_shape, self.base.observation_space.shape
        if made != trained:
            raise ValueError(f"probe_env makes observations of shape {made}, training has {trained}")
        return probe

    def _check_wrappers(self, covered: bool) -> None:
        inside = _single_wrappers(self.base) if isinstance(self.base, DummyVecEnv | SubprocVecEnv) else set()
        if inside & SETS_FIELD:
            raise ValueError(
                f"the training environment is wrapped in {sorted(inside & SETS_FIELD)}, which would overrule "
                "the phases of SavingsCallback: leave it out"
            )
        unknown = [type(w).__name__ for w in self.wrappers if not isinstance(w, (*SEE_THROUGH, *Seen.kinds))]
        unknown += sorted(inside - HARMLESS)
        if unknown and not covered:
            raise ValueError(
                f"SavingsCallback does not know what {unknown} make of an observation; give it probe_env=, "
                "a function that makes one environment as the agent sees it (VecNormalize and VecFrameStack "
                "are added as in training)"
            )


class Seen:
    """One wrapper's share of `View`."""

    kinds = (VecNormalize, VecFrameStack)

    def __init__(self, wrapper: VecEnvWrapper) -> None:
        self._normalise = wrapper if isinstance(wrapper, VecNormalize) else None
        self._stack: StackedObservations[Any] | None = None
        if isinstance(wrapper, VecFrameStack):
            like = wrapper.stacked_obs
            self._stack = StackedObservations(
                N_TARGETS,
                like.n_stack,
                wrapper.venv.observation_space,  # type: ignore[arg-type]
                "first" if like.channels_first else "last",
            )

    def __call__(self, observation: Array, first: bool) -> Array:
        """(8, n) observations, the first of a trial or not, behind the wrapper."""
        if self._normalise is not None:
            return np.asarray(self._normalise.normalize_obs(observation))
        assert self._stack is not None
        if first:
            return np.array(self._stack.reset(observation))
        quiet: list[dict[str, Any]] = [{} for _ in range(N_TARGETS)]
        return np.array(self._stack.update(observation, np.zeros(N_TARGETS, dtype=bool), quiet)[0])


class View:
    """What an agent sees of a probe: the observations behind the wrappers of its training environment."""

    def __init__(self, wrappers: tuple[VecEnvWrapper, ...]) -> None:
        self._parts = [Seen(wrapper) for wrapper in wrappers if isinstance(wrapper, Seen.kinds)]

    def __call__(self, observation: Array, first: bool) -> Array:
        """(8, n) observations as (8, m), see `Seen`."""
        for part in self._parts:
            observation = part(observation, first)
        return observation


def _single_wrappers(base: VecEnv) -> set[str]:
    """Names of the Gymnasium wrappers around the environments of a `DummyVecEnv` or `SubprocVecEnv`."""
    names: set[str] = set()
    for text in base.env_method("__str__"):
        around, found, _ = str(text).partition("<ReachEnv")
        names |= set(re.findall(r"<(\w+)", around)) if found else {str(text)}
    return names
