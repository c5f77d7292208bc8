"""Actions squashed into a Box: the same for arrays and tensors, and for both policies that squash."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from hypothesis import given
from hypothesis import strategies as st

from agents.ppo.bounds import check_squashing, squashed, squashed_bias
from agents.ppo.recurrent_policy import RecurrentPolicy
from agents.ppo.squashed_policy import SquashedMlpPolicy

SEEN = Box(-1.0, 1.0, (3,), np.float32)
ACTIONS = Box(np.array([0.0, -2.0], np.float32), np.array([1.0, 6.0], np.float32))
RAW = np.random.default_rng(0).normal(0.0, 3.0, (500, 2)).astype(np.float32)


def policies(**arguments: Any) -> tuple[SquashedMlpPolicy, RecurrentPolicy]:
    torch.manual_seed(0)
    stock = SquashedMlpPolicy(SEEN, ACTIONS, lambda _: 1e-3, **arguments)
    return stock, RecurrentPolicy(SEEN, ACTIONS, lambda _: 1e-3, bounds="squash", **arguments)


def test_arrays_and_tensors_are_squashed_alike() -> None:
    array, tensor = squashed(RAW, ACTIONS), squashed(torch.from_numpy(RAW), ACTIONS)
    assert array.dtype == np.float32 and tensor.dtype == torch.float32
    np.testing.assert_allclose(array, tensor.numpy(), rtol=0.0, atol=2e-6)
    assert ((ACTIONS.low < array) & (array < ACTIONS.high)).all()


def test_extreme_actions_are_the_bounds() -> None:
    raw = np.array([[-1e30, 1e30], [1e30, -1e30]], np.float32)
    ends = [[0.0, 6.0], [1.0, -2.0]]
    np.testing.assert_array_equal(squashed(raw, ACTIONS), ends)
    np.testing.assert_array_equal(squashed(torch.from_numpy(raw), ACTIONS), ends)


@given(st.floats(0.01, 0.99))
def test_the_bias_is_squashed_into_the_first_action(first: float) -> None:
    bias = squashed_bias(first, ACTIONS, torch.zeros(2))
    np.testing.assert_allclose(squashed(bias, ACTIONS), first, atol=1e-5)


def test_both_policies_squash_as_ever_to_the_last_bit() -> None:
    stock, recurrent = policies()
    low, high = ACTIONS.low, ACTIONS.high
    share = 0.5 * (1.0 + np.tanh(0.5 * RAW))
    np.testing.assert_array_equal(stock.unscale_action(RAW), (low + (high - low) * share).astype(np.float32))
    ends, raw = (torch.from_numpy(low), torch.from_numpy(high)), torch.from_numpy(RAW)
    assert torch.equal(recurrent.into_bounds(raw), ends[0] + (ends[1] - ends[0]) * torch.sigmoid(raw))


@pytest.mark.parametrize("first", [0.02, 0.25, 0.9])
def test_both_policies_begin_with_the_same_bias(first: float) -> None:
    stock, recurrent = policies(action_init=first)
    assert torch.equal(stock.action_net.bias, recurrent.action_net.bias)
    expected = torch.logit(torch.as_tensor((first - ACTIONS.low) / (ACTIONS.high - ACTIONS.low)))
    assert torch.equal(stock.action_net.bias.detach(), expected)


@pytest.mark.parametrize(
    ("space", "first", "message"),
    [
        (Discrete(3), None, "need a bounded Box of actions, got Discrete"),
        (Box(-np.inf, np.inf, (2,)), 0.5, "need a bounded Box of actions, got Box"),
        (ACTIONS, 0.0, "action_init must lie within the Box .* got 0.0"),
        (ACTIONS, 1.5, "action_init must lie within the Box .* got 1.5"),
        (ACTIONS, float("nan"), "action_init must lie within the Box .* got nan"),
    ],
)
def test_what_cannot_be_squashed_is_refused(space: gym.Space, first: float | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_squashing(space, first)
