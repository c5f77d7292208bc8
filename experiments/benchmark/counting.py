"""The environment of an agent from elsewhere, which counts its trials: they have to be those asked for."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import Any

import numpy as np

from experiments.benchmark.protocol import Protocol
from savings_gym.arrays import Info, as_whole_number
from savings_gym.envs.vector import ReachVectorEnv
from savings_gym.task.settings import TRIAL_STEPS


class CountingEnv(ReachVectorEnv):
    """The environment in which an agent learns, which counts what the agent does there.

    Args:
        num_envs: Number of arms.
        autoreset_mode: See `ReachVectorEnv`.
        protocol: The phases, whose trials the arms share.
        seed: Seeds the first `reset` if the agent does not; None leaves that to chance.

    Attributes:
        finished: Trials that have ended.
        steps: Control steps of all arms together.
    """

    def __init__(
        self, num_envs: int, autoreset_mode: str, protocol: Protocol, seed: int | None = None
    ) -> None:
        super().__init__(
            num_envs, schedule=protocol.schedule(), shared_trials=True, autoreset_mode=autoreset_mode,
            nthread=1, **protocol.task,
        )  # fmt: skip
        self.finished = self.steps = 0
        self._seed, self._phases = seed, set[str]()
        self._return = np.zeros(num_envs)
        self._returns: list[float] = []

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, Info]:
        """Begin the next trial as the vector environment does.

        Raises:
            ValueError: If it is seeded after the first step, which would restart the schedule.
        """
        if self.steps and seed is not None:
            raise ValueError(
                f"reset(seed={seed!r}) after {self.steps} control steps would restart the schedule at its "
                "first trial: call reset(seed=seed) once, in __init__, and plain reset() later"
            )
        if seed is None and not self._rngs:  # the first reset
            seed = self._seed
        return super().reset(seed=seed, options=options)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, Info]:
        """Advance as the vector environment does, and count."""
        moving = self.num_envs - int(self._over.sum())  # the others begin a trial instead
        phases = self.trial_phases
        result = super().step(actions)
        _, reward, _, truncated, _ = result
        self.steps += moving
        self._return += reward
        self.finished += int(truncated.sum())
        self._phases |= {phase.name for phase, ends in zip(phases, truncated, strict=True) if phase and ends}
        self._returns += self._return[truncated].tolist()
        self._return[truncated] = 0.0
        return result

    def take_returns(self) -> list[float]:
        """Return the sums of rewards of the trials that have ended since the last call."""
        taken, self._returns = self._returns, []
        return taken

    def take_phases(self) -> set[str]:
        """Return the names of the phases whose trials have ended since the last call."""
        taken, self._phases = self._phases, set()
        return taken


class EnvMaker:
    """Makes the environment of an agent, once: the `make_env` that an agent is given.

    Args:
        protocol: The phases, whose trials the arms share.
        name: Name of the agent, for errors.
        seed: See `CountingEnv`.
    """

    def __init__(self, protocol: Protocol, name: str, seed: int | None = None) -> None:
        self._protocol, self._name, self._seed = protocol, name, seed
        self._calls = trials_between_probes(protocol)
        self.env: CountingEnv | None = None

    def __call__(self, num_envs: int, autoreset_mode: str = "NextStep") -> CountingEnv:
        """Return the environment; see `experiments.benchmark.outside.MakeVectorEnv`.

        Raises:
            ValueError: If the arms cannot share the trials between two probes evenly, or at the second call.
        """
        if self.env is not None:
            raise ValueError(f"{self._name} called make_env twice: an agent learns in one environment")
        num_envs, common = as_whole_number("num_envs", num_envs, least=1), gcd(*self._calls)
        if common % num_envs:
            fitting = [str(n) for n in range(1, common + 1) if common % n == 0]
            raise ValueError(
                f"{self._name}: make_env({num_envs}) makes arms that cannot share the "
                f"{' or '.join(map(str, sorted(self._calls)))} trials between probes evenly; choose one of "
                f"{', '.join(fitting)}"
            )
        self.env = CountingEnv(num_envs, autoreset_mode, self._protocol, self._seed)
        return self.env

    def made(self) -> CountingEnv:
        """Return the environment.

        Raises:
            ValueError: If the agent has not called for it.
        """
        if self.env is None:
            raise ValueError(
                f"{self._name} did not call make_env when it was made: it has no environment to learn in"
            )
        return self.env


def trials_between_probes(protocol: Protocol) -> set[int]:
    """Return the numbers of trials with which an agent may be asked to learn."""
    every = protocol.probe_every
    parts = [(min(phase.trials, every), phase.trials % every) for phase in protocol.schedule().phases]
    return {trials for part in parts for trials in part if trials}


class UnequalTrialsError(ValueError):
    """An agent learned from more or fewer trials than it was asked for, or from those of another phase."""


def learn_and_check(learner: Any, env: CountingEnv, trials: int, name: str, phase: str | None = None) -> None:
    """Let an agent learn, and check by its environment what it did.

    Args:
        learner: The agent.
        env: Its environment.
        trials: Trials of all arms together.
        name: Name of the agent, for errors.
        phase: Name of the phase to which the trials belong; None leaves that unchecked.

    Raises:
        UnequalTrialsError: If it did not make these trials, whole, and nothing else.
    """
    finished, steps = env.finished, env.steps
    env.take_phases()
    learner.learn(trials)
    finished, steps = env.finished - finished, env.steps - steps
    if finished != trials or steps != trials * TRIAL_STEPS:
        raise UnequalTrialsError(
            f"{name}: learn({trials}) made {finished} whole trials and {steps} control steps, expected "
            f"{trials} trials and {trials * TRIAL_STEPS} steps: learn must end with the last of its trials"
        )
    phases = env.take_phases()
    if phase is not None and phases != {phase}:
        raise UnequalTrialsError(
            f"{name}: learn({trials}) made trials of {' and '.join(sorted(phases))}, expected {phase} only"
        )
