"""A policy without memory for PPO and A2C of stable-baselines3, whose actions stay within a bounded Box."""

from __future__ import annotations

from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import nn

from agents.ppo.bounds import check_squashing, squashed, squashed_bias
from savings_gym.arrays import Array


class SquashedMlpPolicy(ActorCriticPolicy):
    """The stock `MlpPolicy`, with Gaussian actions that go through a sigmoid instead of being clipped.

    If the best action is at a bound, as muscle excitations are at 0, clipped noise makes the deterministic
    policy differ from the one that was trained (see `agents.ppo.recurrent_policy`). The probability of an
    action is that of the Gaussian before the sigmoid: the ratio of PPO is the same for both.

    Args:
        observation_space: See the stock policy.
        action_space: A bounded Box.
        lr_schedule: Learning rate as a function of the remaining progress, 1 to 0.
        action_init: Median action before learning, the same in every dimension; None is the centre of the
            Box.
        kwargs: Further arguments of the stock policy.

    Raises:
        ValueError: If the action space is not a bounded Box, or `action_init` lies outside it.
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
        check_squashing(action_space, action_init)
        self.action_init = action_init
        super().__init__(observation_space, action_space, lr_schedule, *args, **kwargs)
        if action_init is not None:
            action_net: Any = self.action_net
            assert isinstance(action_net, nn.Linear)
            with torch.no_grad():
                action_net.bias.copy_(squashed_bias(action_init, action_space, action_net.bias))

    @property
    def squash_output(self) -> bool:
        """True, so that the stock code calls `unscale_action` instead of clipping."""
        return True

    def unscale_action(self, scaled_action: Array) -> Array:
        """Return actions (n, ...) in the Box, from those of the distribution."""
        return squashed(scaled_action, self.action_space)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        """Return what ``policy.save`` stores of the constructor's arguments."""
        return super()._get_constructor_parameters() | {"action_init": self.action_init}
