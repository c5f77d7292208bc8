"""The exploration noise of learners: which of them learn it, and how much it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Space
from sb3_contrib import TQC, CrossQ
from stable_baselines3 import SAC, TD3
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from torch import Tensor

from agents.ppo.plain_ppo import PlainPPO
from savings_gym.arrays import as_number
from savings_gym.task.settings import TRIAL_STEPS

ACTION_NOISE = "action_noise"  # in settings a number, to algorithms an object
ENTROPY_TUNED = (SAC, TQC, CrossQ)


@dataclass(frozen=True)
class LearnedNoise:
    """A parameter that decides how much a learner explores, and that it learns.

    Attributes:
        parameter: The logarithm of the standard deviation of actions, or of SAC's entropy coefficient.
        optimiser: Learns it.
        level: Returns the mean standard deviation of actions, in the units of the policy's normal
            distribution (before it is squashed or clipped); None before there are observations.
    """

    parameter: Tensor
    optimiser: torch.optim.Optimizer
    level: Callable[[], float | None]


def learned_noise(learner: Any) -> LearnedNoise | None:
    """Return the learned noise of a learner; None for one that has none.

    PPO, A2C, TRPO, RecurrentPPO and `PlainPPO` have one standard deviation per action. The noise of SAC, TQC
    and CrossQ depends on what they observe, and their entropy coefficient sets the scale.
    """
    if isinstance(learner, PlainPPO):
        deviation = learner.log_deviation
        return LearnedNoise(deviation, learner.optimiser, lambda: _mean_deviation(deviation))
    if isinstance(learner, ENTROPY_TUNED):
        if learner.ent_coef_optimizer is None or learner.log_ent_coef is None:  # a declared constant
            return None
        return LearnedNoise(learner.log_ent_coef, learner.ent_coef_optimizer, lambda: _sac_level(learner))
    policy: Any = getattr(learner, "policy", None)
    log_std = getattr(policy, "log_std", None)
    if not isinstance(log_std, Tensor):
        return None
    return LearnedNoise(log_std, policy.optimizer, lambda: _mean_deviation(log_std))


def has_known_noise(learner: Any) -> bool:
    """Return whether the noise of a learner is learned and known here, or constant like that of TD3."""
    return learned_noise(learner) is not None or isinstance(learner, (TD3, *ENTROPY_TUNED))


def arguments(settings: Mapping[str, Any], actions: Space[Any]) -> dict[str, Any]:
    """Return the arguments of an algorithm: its settings, with action noise as the object that it wants.

    Args:
        settings: Settings of the algorithm. Their "action_noise" is the standard deviation of normal noise on
            every action, which reaches from -1 to 1.
        actions: Action space of one arm.
    """
    result = deepcopy(dict(settings))  # algorithms write into policy_kwargs
    if result.get(ACTION_NOISE) is not None:
        deviation = as_number(ACTION_NOISE, result[ACTION_NOISE], 0.0)
        shape = actions.shape or ()
        result[ACTION_NOISE] = NormalActionNoise(np.zeros(shape), np.full(shape, deviation))
    return result


def _mean_deviation(log_deviation: Tensor) -> float:
    return float(log_deviation.detach().exp().mean())


def _sac_level(model: SAC | TQC | CrossQ) -> float | None:
    """Mean standard deviation at the observations of the last trial of every arm."""
    observations = _last_observations(model)
    if observations is None:
        return None
    with torch.no_grad():
        _, log_std, _ = model.actor.get_action_dist_params(observations)
    return float(log_std.exp().mean())


def _last_observations(model: OffPolicyAlgorithm) -> Tensor | None:
    """The last `TRIAL_STEPS` observations of every arm as the policy sees them, (m, channels)."""
    buffer = model.replay_buffer
    if buffer is None or buffer.size() == 0:
        return None
    steps = min(TRIAL_STEPS, buffer.size())
    rows = range(buffer.pos - steps, buffer.pos)  # negative ones are the end of a full buffer
    observations: Any = buffer.observations[list(rows)].reshape(-1, *buffer.obs_shape)
    normalisation = model.get_vec_normalize_env()
    if normalisation is not None:
        observations = normalisation.normalize_obs(observations)
    return torch.as_tensor(observations, dtype=torch.float32, device=model.device)
