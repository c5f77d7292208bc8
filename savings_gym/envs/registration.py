"""The environments that Gymnasium makes by name."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from savings_gym.perturbations.fields import CurlField
from savings_gym.task.schedule import four_phase
from savings_gym.task.settings import TRIAL_STEPS

_CURL = CurlField(8.0).to_dict()

# Arguments of `ReachEnv` and `ReachVectorEnv`, as JSON-able values.
_ENVS: dict[str, dict[str, Any]] = {
    "ForceFieldReach-v0": {"field": _CURL},
    "NullFieldReach-v0": {"field": None},
    "RandomReach-v0": {"field": None, "targets": "random"},
    "ForceFieldReachTorque-v0": {"field": _CURL, "actuation": "torque"},
    "SavingsReach-v0": {"schedule": four_phase().to_dict()},
}
_SESSION_ENVS: dict[str, dict[str, Any]] = {  # of `ReachSessionEnv` and `ReachSessionVectorEnv`
    "ReachSession-v0": {"session": "savings"},
}

ENV_IDS = (*_ENVS, *_SESSION_ENVS)  # of the arm
BCI_ENV_IDS = ("BCIReach-v0",)  # of the cursor, see `envs.bci`


def register_envs() -> None:
    """Register all environments with Gymnasium, unless they are registered already."""
    for env_id, kwargs in _ENVS.items():
        if env_id not in gym.registry:
            gym.register(
                id=env_id,
                entry_point="savings_gym.envs.single:ReachEnv",
                vector_entry_point="savings_gym.envs.vector:ReachVectorEnv",
                max_episode_steps=TRIAL_STEPS,
                kwargs=kwargs,
            )
    for env_id, kwargs in _SESSION_ENVS.items():
        if env_id not in gym.registry:
            gym.register(
                id=env_id,
                entry_point="savings_gym.envs.session:ReachSessionEnv",
                vector_entry_point="savings_gym.envs.session:ReachSessionVectorEnv",
                kwargs=kwargs,
            )
    for env_id in BCI_ENV_IDS:
        if env_id not in gym.registry:
            gym.register(
                id=env_id,
                entry_point="savings_gym.envs.bci:BCIReachEnv",
                vector_entry_point="savings_gym.envs.bci:BCIReachVectorEnv",
                max_episode_steps=TRIAL_STEPS,
            )
