"""Checks that a training run can go through a schedule, and what a result should say of its algorithm."""

from __future__ import annotations

import inspect
import json
import warnings
from math import ceil
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit

from savings_gym.task.schedule import Schedule
from savings_gym.task.settings import TRIAL_STEPS

NOT_HYPER = {"self", "env", "policy", "verbose", "device", "tensorboard_log", "_init_setup_model"}


def check_training(model: BaseAlgorithm, schedule: Schedule, rows: int) -> None:
    """Refuse what cannot work before any step is made.

    Args:
        model: About to learn.
        schedule: To go through.
        rows: Training environments.

    Raises:
        TypeError: For an algorithm that collects no rollouts.
        ValueError: When the training is too short, a rollout longer than a phase, or the model in the middle
            of a training.
    """
    if not isinstance(model, OnPolicyAlgorithm | OffPolicyAlgorithm):
        raise TypeError(
            "SavingsCallback works with on-policy and off-policy algorithms of stable-baselines3, which "
            f"collect rollouts; {type(model).__name__} is neither"
        )
    if model.num_timesteps:
        raise ValueError(
            "the schedule of SavingsCallback begins with a new trial in every environment: call "
            "learn(reset_num_timesteps=True), the default; what was learnt before is kept"
        )
    total = model._total_timesteps
    available = total // rows // TRIAL_STEPS * rows
    if available < schedule.trials:
        enough = ceil(schedule.trials / rows) * rows * TRIAL_STEPS
        raise ValueError(
            f"the schedule needs {schedule.trials} trials of {TRIAL_STEPS} steps, total_timesteps={total} "
            f"has {available} on {rows} environments: total_timesteps={enough} would do"
        )
    _check_rollout(schedule, rollout_steps(model), rows)


def rollout_steps(model: BaseAlgorithm) -> int:
    """Steps of every environment between two updates."""
    if isinstance(model, OnPolicyAlgorithm):
        return model.n_steps
    freq = getattr(model, "train_freq", 1)
    if isinstance(freq, TrainFreq):
        return freq.frequency * (TRIAL_STEPS if freq.unit == TrainFrequencyUnit.EPISODE else 1)
    return int(freq)


def _check_rollout(schedule: Schedule, steps: int, rows: int) -> None:
    trials = steps * rows / TRIAL_STEPS
    for phase in schedule.phases:
        if phase.trials < trials:
            raise ValueError(
                f"phase {phase.name!r} of {phase.trials} trials would pass within one rollout of {trials:g} "
                f"trials ({steps} steps of {rows} environments): choose shorter rollouts or longer phases"
            )
    uneven = steps % TRIAL_STEPS or any(phase.trials % trials for phase in schedule.phases)
    if steps >= TRIAL_STEPS and uneven:
        warnings.warn(
            f"phases of {[phase.trials for phase in schedule.phases]} trials do not end with a rollout of "
            f"{trials:g} trials ({steps} steps of {rows} environments): the probes at their ends come up to "
            f"a rollout late; n_steps a multiple of {TRIAL_STEPS} that divides them makes them exact",
            stacklevel=2,
        )


def describe(model: BaseAlgorithm) -> dict[str, Any]:
    """Name, policy and hyper-parameters of an algorithm, JSON-able: constructor arguments that it keeps."""
    names: set[str] = set()
    for cls in type(model).__mro__:
        if issubclass(cls, BaseAlgorithm):
            names |= set(inspect.signature(cls.__init__).parameters)
    kept = {name: getattr(model, name) for name in sorted(names - NOT_HYPER) if hasattr(model, name)}
    return {
        "algorithm": type(model).__name__,
        "policy": type(model.policy).__name__,
        "hyperparameters": {name: _plain(value) for name, value in kept.items() if _lasting(value)},
    }


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=repr))


def _lasting(value: Any) -> bool:
    """Whether a value can be written, and is written alike in every run (no address in memory)."""
    try:
        return " at 0x" not in json.dumps(value, default=repr, allow_nan=False)
    except (TypeError, ValueError):
        return False
