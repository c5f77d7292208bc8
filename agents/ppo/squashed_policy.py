"""A policy without memory for stable-baselines3's PPO and A2C whose actions fit into a bounded Box."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import nn


class SquashedMlpPolicy(ActorCriticPolicy):
    """The stock ``MlpPolicy`` whose Gaussian actions go through a sigmoid instead of being cut off.

    Cut-off noise makes the deterministic policy another one than the policy that was trained, where the best
    action is at a bound, as muscle excitations are at 0 (see `agents.ppo.recurrent_policy`). The probability of
    an action is that of the Gaussian, before the sigmoid: the ratio of PPO is the same for both.

    Args:
        observation_space: As of the stock policy.
        action_space: A bounded Box.
        lr_schedule: Learning rate by remaining progress.
        action_init: Median action before learning, the same in every dimension; None is the Box's centre.
        kwargs: Further arguments of the stock policy.

    Raises:
        ValueError: For another action space, or an ``action_init`` outside of it.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        lr_schedule: Any,
        *args: Any,
        action_init: float | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(action_space, spaces.Box) or not action_space.is_bounded():
            raise ValueError(f"SquashedMlpPolicy needs a bounded Box of actions, got {action_space}")
        low, high = action_space.low, action_space.high
        if action_init is not None and not ((low < action_init) & (action_init < high)).all():
            raise ValueError(f"action_init must lie within the Box {action_space}, got {action_init!r}")
        self.action_init = action_init
        super().__init__(observation_space, action_space, lr_schedule, *args, **kwargs)
        if action_init is not None:
            share = torch.as_tensor((action_init - low) / (high - low))
            action_net: Any = self.action_net
            assert isinstance(action_net, nn.Linear)
            with torch.no_grad():
                action_net.bias.copy_(torch.logit(share).flatten())

    @property
    def squash_output(self) -> bool:
        """Makes the stock code ask `unscale_action` instead of cutting off."""
        return True

    def unscale_action(self, scaled_action: NDArray[Any]) -> NDArray[Any]:
        """Actions (n, ...) in the Box, of those that the distribution gives."""
        space: Any = self.action_space
        share = 0.5 * (1.0 + np.tanh(0.5 * scaled_action))  # the sigmoid, without overflow
        action: NDArray[Any] = (space.low + (space.high - space.low) * share).astype(space.dtype)
        return action

    def _get_constructor_parameters(self) -> dict[str, Any]:
        """What ``save`` of the policy alone keeps."""
        return super()._get_constructor_parameters() | {"action_init": self.action_init}
