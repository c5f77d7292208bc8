"""The state of a training of stable-baselines3, whole: a run that goes on from it is that run, bit for bit.

Taken at the start of a rollout, when no rollout buffer holds anything. It has the parameters of all networks
and optimisers, every other attribute of the model that its own ``save`` keeps, the replay buffer as far as it
is filled, the environment with its random numbers in the middle of its trials, and what its wrappers know.
The generators of Python, NumPy and PyTorch are separate: `random_state` is to be taken with the state, and
set again at the start of the first rollout, after everything that begins a training has drawn from them.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.save_util import recursive_getattr, recursive_setattr
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from savings_gym.sb3.training_env import TrainingEnv
from savings_gym.sb3.vec_env import ReachVecEnv

NOT_KEPT = {"venv", "class_attributes"}  # of a wrapper: what it wraps
ALIASES = "batch_norm_stats"  # attributes with this in their name are parameters of a network once more


def training_state(model: BaseAlgorithm) -> dict[str, Any]:
    """Return the state of a model and its environment, to be pickled by cloudpickle at once.

    Raises:
        ValueError: If the innermost environment is no `ReachVecEnv`.
    """
    env = _training_env(model)
    _, variables = model._get_torch_save_params()
    buffer = getattr(model, "replay_buffer", None)
    return {
        "attributes": _attributes(model),
        "parameters": model.get_parameters(),
        "variables": {name: recursive_getattr(model, name) for name in variables},
        "replay_buffer": None if buffer is None else _filled(buffer),
        "environments": [_contents(part) for part in (env.base, *env.wrappers)],
    }


def restore_training(model: BaseAlgorithm, state: dict[str, Any]) -> None:
    """Give a state to a new model, made by the same arguments in a new environment.

    The training goes on with ``model.learn(more_steps, reset_num_timesteps=False)``.
    """
    env = _training_env(model)
    model.set_parameters(state["parameters"], exact_match=True, device=model.device)
    for name, value in state["variables"].items():
        recursive_setattr(model, f"{name}.data", value.data)
    if state["replay_buffer"] is not None:
        _refill(model.replay_buffer, state["replay_buffer"])  # type: ignore[attr-defined]
    for part, contents in zip((env.base, *env.wrappers), state["environments"], strict=True):
        vars(part).update(contents)
    vars(model).update(state["attributes"])


def random_state() -> dict[str, Any]:
    """Return the states of the generators that all algorithms share."""
    return {"python": random.getstate(), "numpy": np.random.get_state(), "torch": torch.get_rng_state()}


def set_random_state(state: dict[str, Any]) -> None:
    """Set the generators to the states that `random_state` returned."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])


def _training_env(model: BaseAlgorithm) -> TrainingEnv:
    env = model.get_env()
    assert env is not None
    training_env = TrainingEnv.of(env)
    if not isinstance(training_env.base, ReachVecEnv):
        raise ValueError(f"only the state of a ReachVecEnv can be kept, got {training_env.base!r}")
    return training_env


def _attributes(model: BaseAlgorithm) -> dict[str, Any]:
    """Return what a model's own ``save`` keeps beside its parameters."""
    networks, variables = model._get_torch_save_params()
    left_out = {*model._excluded_save_params(), *(name.partition(".")[0] for name in networks + variables)}
    return {
        name: value for name, value in vars(model).items() if name not in left_out and ALIASES not in name
    }


def _contents(part: VecEnv | VecEnvWrapper) -> dict[str, Any]:
    return {name: value for name, value in vars(part).items() if name not in NOT_KEPT}


def _filled(buffer: ReplayBuffer) -> dict[str, Any]:
    """Return the attributes of a replay buffer, with its arrays as far as they are filled."""
    end = buffer.buffer_size if buffer.full else buffer.pos
    return {name: value[:end] if _is_series(buffer, value) else value for name, value in vars(buffer).items()}


def _refill(buffer: ReplayBuffer, contents: dict[str, Any]) -> None:
    for name, value in contents.items():
        present = getattr(buffer, name)
        if _is_series(buffer, present):
            present[: len(value)] = value
        else:
            setattr(buffer, name, value)


def _is_series(buffer: ReplayBuffer, value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim > 1 and len(value) == buffer.buffer_size
