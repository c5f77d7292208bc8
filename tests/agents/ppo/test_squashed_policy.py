"""The squashed policy of PPO: actions within the Box, the stock policy before the sigmoid."""

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from stable_baselines3 import PPO

from agents.ppo.squashed_policy import SquashedMlpPolicy
from savings_gym.sb3.vec_env import ReachVecEnv

SEEN = Box(-1.0, 1.0, (3,), np.float32)
ACTIONS = Box(np.array([0.0, -2.0], np.float32), np.array([1.0, 6.0], np.float32))


def policy(**arguments: object) -> SquashedMlpPolicy:
    torch.manual_seed(0)
    return SquashedMlpPolicy(SEEN, ACTIONS, lambda _: 1e-3, **arguments)


def test_actions_are_the_sigmoid_of_the_gaussian_in_the_box() -> None:
    raw = np.array([[0.0, 0.0], [-100.0, 100.0], [1.3, -0.7]], dtype=np.float32)
    share = torch.sigmoid(torch.from_numpy(raw)).numpy()
    expected = ACTIONS.low + (ACTIONS.high - ACTIONS.low) * share
    np.testing.assert_allclose(policy().unscale_action(raw), expected, rtol=1e-6, atol=1e-6)


def test_action_init_is_the_first_median_action() -> None:
    squashed = policy(action_init=0.25, ortho_init=False)
    squashed.action_net.weight.data.zero_()
    action, _ = squashed.predict(np.zeros(3, np.float32), deterministic=True)
    np.testing.assert_allclose(action, 0.25, atol=1e-6)


def test_deterministic_action_is_the_median_of_the_random_ones() -> None:
    squashed, observation = policy(action_init=0.5, log_std_init=0.0), np.zeros((4001, 3), np.float32)
    median, _ = squashed.predict(observation[0], deterministic=True)
    torch.manual_seed(1)
    sampled, _ = squashed.predict(observation)
    below = (sampled < median).mean(0)
    np.testing.assert_allclose(below, 0.5, atol=0.03)  # SD of the share is 0.008


def test_learning_sees_the_gaussian_actions() -> None:
    model = PPO(SquashedMlpPolicy, ReachVecEnv(4, nthread=1), n_steps=20, batch_size=40, n_epochs=1, seed=0)
    model.learn(80)
    actions = model.rollout_buffer.actions
    assert (actions < 0).any() and (actions > 1).any()  # before the sigmoid; the Box is 0 to 1


def test_the_same_policy_after_save_and_load(tmp_path: Path) -> None:
    settings = {"n_steps": 10, "batch_size": 20, "policy_kwargs": {"action_init": 0.05}}
    model = PPO(SquashedMlpPolicy, ReachVecEnv(2, nthread=1), seed=0, **settings)
    observation = np.linspace(-1, 1, 17, dtype=np.float32)
    expected, _ = model.predict(observation, deterministic=True)
    model.save(tmp_path / "model")
    model.policy.save(str(tmp_path / "policy"))
    for again in (PPO.load(tmp_path / "model"), SquashedMlpPolicy.load(str(tmp_path / "policy"))):
        np.testing.assert_array_equal(again.predict(observation, deterministic=True)[0], expected)


@pytest.mark.parametrize("space", [Discrete(3), Box(-np.inf, np.inf, (2,))])
def test_other_action_spaces_are_refused(space: gym.Space) -> None:
    with pytest.raises(ValueError, match="bounded Box"):
        SquashedMlpPolicy(SEEN, space, lambda _: 1e-3)


def test_an_action_init_outside_of_the_box_is_refused() -> None:
    with pytest.raises(ValueError, match="action_init.*1.5"):
        policy(action_init=1.5)
