"""Checks of a training with `SavingsCallback`, before it begins and while it runs."""

from __future__ import annotations

import inspect
import json
import re
import warnings
from collections.abc import Iterator, Sequence
from math import ceil
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit
from stable_baselines3.common.vec_env import VecEnvWrapper

from savings_gym.arrays import Array, Info
from savings_gym.sb3.training_env import TrainingEnv
from savings_gym.task.schedule import Schedule
from savings_gym.task.settings import TRIAL_STEPS

ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
# Constructor arguments that are no hyper-parameters
NO_HYPERPARAMETERS = {"self", "env", "policy", "verbose", "device", "tensorboard_log", "_init_setup_model"}


def check_training(model: BaseAlgorithm, schedule: Schedule, arms: int) -> None:
    """Refuse a training that cannot work, before its first step.

    Args:
        model: About to learn.
        schedule: Phases to go through.
        arms: Number of training environments.

    Raises:
        TypeError: If the algorithm collects no rollouts.
        ValueError: If the training is too short for the schedule, a rollout longer than a phase, or the model
            in the middle of a training.
    """
    if not isinstance(model, OnPolicyAlgorithm | OffPolicyAlgorithm):
        raise TypeError(
            "SavingsCallback works with on-policy and off-policy algorithms of stable-baselines3, which "
            f"collect rollouts; {type(model).__name__} is neither"
        )
    if model.num_timesteps:
        raise ValueError(
            "the schedule of SavingsCallback begins with a new trial in every environment: call "
            "learn(reset_num_timesteps=True), the default; what was learned before is kept"
        )
    total = model._total_timesteps
    available = total // arms // TRIAL_STEPS * arms
    if available < schedule.trials:
        enough = ceil(schedule.trials / arms) * arms * TRIAL_STEPS
        raise ValueError(
            f"the schedule needs {schedule.trials} trials of {TRIAL_STEPS} steps, total_timesteps={total} "
            f"has {available} on {arms} environments: total_timesteps={enough} would do"
        )
    _check_rollout(schedule, rollout_steps(model), arms)


def check_length(trial_steps: int) -> None:
    """Refuse training trials that are shorter than those of a probe, since go may never come in them.

    Raises:
        ValueError: If they are.
    """
    if trial_steps < TRIAL_STEPS:
        raise ValueError(
            f"trials end after {trial_steps} steps in training, and after {TRIAL_STEPS} in a probe: leave "
            "max_episode_steps (or TimeLimit) out"
        )


def check_criterion(model: BaseAlgorithm) -> None:
    """Refuse a criterion for the end of a phase if rollouts and trials never begin together.

    Args:
        model: About to learn.

    Raises:
        ValueError: If no whole number of rollouts makes a trial, or the other way round.
    """
    steps = rollout_steps(model)
    if steps % TRIAL_STEPS and TRIAL_STEPS % steps:
        raise ValueError(
            f"a criterion ends a phase where a rollout and a trial of {TRIAL_STEPS} steps begin together, "
            f"which rollouts of {steps} steps rarely do: choose a multiple or a divisor of {TRIAL_STEPS}"
        )


def check_evaluation(callback: BaseCallback, env: TrainingEnv) -> None:
    """Refuse an `EvalCallback` that makes its trials in the training environment.

    Args:
        callback: The callbacks of the training, as one.
        env: The training environment.

    Raises:
        ValueError: If one evaluates there.
    """
    for part in _callbacks(callback):
        if isinstance(part, EvalCallback):
            evaluation = part.eval_env
            while isinstance(evaluation, VecEnvWrapper):
                evaluation = evaluation.venv
            if evaluation is env.base:
                raise ValueError(
                    f"{type(part).__name__} evaluates in the training environment, whose trials "
                    "SavingsCallback counts: give it an environment of its own"
                )


def _callbacks(callback: BaseCallback | None) -> Iterator[BaseCallback]:
    """Yield a callback and those inside it."""
    if callback is not None:
        yield callback
        for part in (*getattr(callback, "callbacks", ()), getattr(callback, "callback", None)):
            yield from _callbacks(part)


def rollout_steps(model: BaseAlgorithm) -> int:
    """Return the steps of every environment between two updates."""
    if isinstance(model, OnPolicyAlgorithm):
        return model.n_steps
    freq = getattr(model, "train_freq", 1)
    if isinstance(freq, TrainFreq):
        return freq.frequency * (TRIAL_STEPS if freq.unit == TrainFrequencyUnit.EPISODE else 1)
    return int(freq)


def _check_rollout(schedule: Schedule, steps: int, arms: int) -> None:
    trials = steps * arms / TRIAL_STEPS
    for phase in schedule.phases:
        if phase.trials < trials:
            raise ValueError(
                f"phase {phase.name!r} of {phase.trials} trials would pass within one rollout of {trials:g} "
                f"trials ({steps} steps of {arms} environments): choose shorter rollouts or longer phases"
            )
    uneven = steps % TRIAL_STEPS or any(phase.trials % trials for phase in schedule.phases)
    if steps >= TRIAL_STEPS and uneven:
        warnings.warn(
            f"phases of {[phase.trials for phase in schedule.phases]} trials do not end with a rollout of "
            f"{trials:g} trials ({steps} steps of {arms} environments): the probes at their ends come up to "
            f"a rollout late; n_steps a multiple of {TRIAL_STEPS} that divides them makes them exact",
            stacklevel=2,
        )


class TrialCount:
    """Counts the finished trials of training, and checks that the environment has counted the same.

    Trials that somebody else makes in the training environment, such as an evaluation, move it on through the
    schedule without any learning.

    Args:
        env: The training environment.
        schedule: The schedule that its arms go by.

    Attributes:
        trials: Finished trials of all arms together.
    """

    def __init__(self, env: TrainingEnv, schedule: Schedule) -> None:
        self._schedule, self._together = schedule, env.shares_trials
        self._by_arm = np.zeros(env.arms, dtype=int)
        self._first = np.zeros(env.arms, dtype=int)  # finished trials of each arm when its schedule began

    def restart(self, schedule: Schedule) -> None:
        """Expect the trials of another schedule, which the environment counts from 0 again; see `trials`.

        Args:
            schedule: The schedule that the arms go by from now on.
        """
        self._schedule, self._first = schedule, self._by_arm.copy()

    def replan(self, schedule: Schedule) -> None:
        """Expect another schedule from the present trial on, and go on counting."""
        self._schedule = schedule

    @property
    def trials(self) -> int:
        """Finished trials of all arms together, since the start of the training."""
        return int(self._by_arm.sum())

    def add(self, dones: Array, infos: Sequence[Info]) -> None:
        """Count the trials that end in a step.

        Args:
            dones: (n,) whether the trial of each arm ends.
            infos: n infos of the step.

        Raises:
            RuntimeError: If a trial has another number or phase than the schedule has for it.
        """
        of_schedule = self._by_arm - self._first
        before = int(of_schedule.sum())
        for i, arm in enumerate(np.flatnonzero(dones)):
            number = before + i if self._together else int(of_schedule[arm])
            expected = {"trial": number, "phase": self._schedule.phase_index(number)}
            actual = {name: infos[int(arm)].get(name) for name in expected}
            if actual != expected:
                raise RuntimeError(
                    f"environment {arm} of the training has finished trial {actual['trial']} of its schedule "
                    f"(phase {actual['phase']}), SavingsCallback has counted to trial {number} (phase "
                    f"{expected['phase']}): something else makes trials in the training environment, such as "
                    "an evaluation, or sets its schedule; give it an environment of its own"
                )
        self._by_arm += np.asarray(dones, dtype=bool)


def describe(model: BaseAlgorithm) -> dict[str, Any]:
    """Return name, policy and hyper-parameters of an algorithm, JSON-able.

    Hyper-parameters are the constructor arguments that the algorithm keeps as attributes. A function, such as
    a learning rate that falls, is written by its name, without what it holds.
    """
    names: set[str] = set()
    for cls in type(model).__mro__:
        if issubclass(cls, BaseAlgorithm):
            names |= set(inspect.signature(cls.__init__).parameters)
    values = {
        name: getattr(model, name) for name in sorted(names - NO_HYPERPARAMETERS) if hasattr(model, name)
    }
    return {
        "algorithm": type(model).__name__,
        "policy": type(model.policy).__name__,
        "hyperparameters": {name: _plain(value) for name, value in values.items()},
    }


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; what JSON lacks, in words."""
    try:
        return json.loads(json.dumps(value, default=_words, allow_nan=False))
    except (TypeError, ValueError):  # keys that are no strings, or numbers that are not finite
        return _words(value)


def _words(value: Any) -> str:
    """Return a value in words that are the same in every run: without an address in memory."""
    return ADDRESS.sub("", repr(value))
