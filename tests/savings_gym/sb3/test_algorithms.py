"""The algorithms of stable-baselines3 and sb3-contrib train on every id, through the adapter and callback."""

import json
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
import torch
from sb3_contrib import ARS, TQC, TRPO, CrossQ
from small_learners import TWO, small
from stable_baselines3 import A2C, DDPG, PPO, SAC, TD3

from savings_gym import BCI_ENV_IDS, ENV_IDS
from savings_gym.sb3.callback import SavingsCallback
from savings_gym.sb3.training import describe
from savings_gym.sb3.vec_env import ReachVecEnv
from savings_gym.task.settings import TRIAL_STEPS

TRIAL_IDS = [env_id for env_id in (*ENV_IDS, *BCI_ENV_IDS) if env_id != "ReachSession-v0"]
OFF_POLICY = {"learning_starts": 20, "train_freq": 25, "batch_size": 8, "buffer_size": 500}
ON_POLICY = {"n_steps": TRIAL_STEPS}
ALGORITHMS = {
    A2C: ON_POLICY, PPO: ON_POLICY | {"batch_size": 50}, TRPO: ON_POLICY | {"batch_size": 50},
    CrossQ: OFF_POLICY, DDPG: OFF_POLICY, SAC: OFF_POLICY, TD3: OFF_POLICY, TQC: OFF_POLICY,
}  # fmt: skip


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.policy.parameters()])


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.__name__)
def test_algorithms_go_through_the_phases_on_a_vector_environment(algorithm):
    model, callback = (
        algorithm("MlpPolicy", ReachVecEnv(2), **ALGORITHMS[algorithm], **small()),
        SavingsCallback(TWO, 2),
    )
    before = weights(model)
    model.learn(10_000, callback)
    after = weights(model)
    assert torch.isfinite(after).all() and not torch.equal(before, after)
    assert callback.result.complete and callback.result.table["trial"][::8].tolist() == [0, 2, 0, 2]


@pytest.mark.parametrize("env_id", TRIAL_IDS)
@pytest.mark.parametrize("algorithm", [TD3, TRPO], ids=lambda algorithm: algorithm.__name__)
def test_algorithms_train_on_every_id(env_id, algorithm):
    env = gym.make(f"savings_gym:{env_id}")
    model = algorithm("MlpPolicy", env, **ALGORITHMS[algorithm], **small())
    before = weights(model)
    model.learn(2 * TRIAL_STEPS)
    after = weights(model)
    assert torch.isfinite(after).all() and not torch.equal(before, after)
    assert [episode["l"] for episode in model.ep_info_buffer] == [TRIAL_STEPS] * 2


def test_ars_is_refused_because_it_collects_no_rollouts():
    model = ARS("LinearPolicy", ReachVecEnv(2), n_delta=1, seed=0)
    before = weights(model)
    with pytest.raises(TypeError, match="which collect rollouts; ARS is neither"):
        model.learn(10_000, SavingsCallback(TWO, 2))
    assert np.array_equal(before, weights(model)) and model.num_timesteps == 0


def falling(progress):
    return 1e-3 * progress


@pytest.mark.parametrize(
    ("settings", "written"),
    [
        ({"learning_rate": falling}, "<function falling>"),
        ({"learning_rate": partial(pow, 2.0)}, "functools.partial(<built-in function pow>, 2.0)"),
        ({"target_kl": float("inf")}, "inf"),
        ({"policy_kwargs": {"net_arch": [8]}}, {"net_arch": [8]}),
    ],
)
def test_every_hyperparameter_is_written_alike_in_every_run(settings, written):
    model = PPO("MlpPolicy", ReachVecEnv(2), n_steps=TRIAL_STEPS, batch_size=TRIAL_STEPS, **settings)
    (name,) = settings
    assert json.loads(json.dumps(describe(model), allow_nan=False))["hyperparameters"][name] == written
