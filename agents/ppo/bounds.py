"""Gaussian actions that a sigmoid brings into a bounded Box, for policies of stable-baselines3."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch
from gymnasium import spaces

from savings_gym.arrays import Array

Tensor = torch.Tensor
Actions = TypeVar("Actions", Array, Tensor)


def check_squashing(action_space: spaces.Space, action_init: float | None) -> None:
    """Refuse an action space that a sigmoid does not fit, or a first action outside it.

    Args:
        action_space: Must be a bounded Box.
        action_init: Median action before learning, the same in every dimension; None is the centre.

    Raises:
        ValueError: If the action space is not a bounded Box, or `action_init` is not inside its bounds.
    """
    if not isinstance(action_space, spaces.Box) or not action_space.is_bounded():
        raise ValueError(f"squashing and action_init need a bounded Box of actions, got {action_space}")
    low, high = action_space.low, action_space.high
    if action_init is not None and not ((low < action_init) & (action_init < high)).all():
        raise ValueError(f"action_init must lie within the Box {action_space}, got {action_init!r}")


def box_ends(action_space: spaces.Space, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return the lower and upper bounds of a Box as tensors of the type and device of another."""
    space: Any = action_space
    low, high = (
        torch.as_tensor(end, dtype=like.dtype, device=like.device) for end in (space.low, space.high)
    )
    return low, high


def squashed(actions: Actions, action_space: spaces.Space) -> Actions:
    """Return low + (high - low) · sigmoid(actions).

    Args:
        actions: (n, ...) of the Gaussian, an array or a tensor.
        action_space: A bounded Box.

    Returns:
        (n, ...) in the Box; an array has the type of the Box, a tensor that of the actions.
    """
    if isinstance(actions, torch.Tensor):
        low, high = box_ends(action_space, actions)
        return low + (high - low) * torch.sigmoid(actions)
    space: Any = action_space
    share = 0.5 * (1.0 + np.tanh(0.5 * actions))  # the sigmoid, without overflow
    inside: Array = (space.low + (space.high - space.low) * share).astype(space.dtype)
    return inside


def squashed_bias(action_init: float, action_space: spaces.Space, like: Tensor) -> Tensor:
    """Return the bias of a last layer that `squashed` turns into a given action, (actions,).

    Args:
        action_init: Action within the Box, the same in every dimension.
        action_space: A bounded Box.
        like: (actions,) the bias as it is.
    """
    low, high = (end.flatten() for end in box_ends(action_space, like))
    return torch.logit((torch.full_like(low, action_init) - low) / (high - low))
