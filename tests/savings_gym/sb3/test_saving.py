"""An agent that is saved after `learn` and loaded again gives the last probe of its training."""

import numpy as np
import pytest
from small_learners import CURL, STEPS, TWO, Stop, arms, ppo, small, table_rows
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.vec_env import VecFrameStack, VecNormalize

from savings_gym.metrics.kinematics import KINEMATIC_COLUMNS
from savings_gym.sb3.callback import SavingsCallback
from savings_gym.sb3.training_env import TrainingEnv
from savings_gym.sb3.vec_env import ReachVecEnv


def reloaded(model, folder, env):
    """The agent and its environment, by way of files."""
    model.save(folder / "agent.zip")
    model.get_vec_normalize_env().save(str(folder / "normalisation.pkl"))
    return type(model).load(folder / "agent.zip"), VecNormalize.load(str(folder / "normalisation.pkl"), env)


def assert_last_probe(result, expected, update):
    for name in KINEMATIC_COLUMNS:
        stored = table_rows(result.table, "FF1", update)[name]
        assert np.array_equal(expected.columns[name].astype(np.float32), stored, equal_nan=True), name


def test_a_reloaded_agent_gives_the_last_probe_again(tmp_path):
    model, callback = ppo(VecNormalize(ReachVecEnv(2))), SavingsCallback(TWO, 2, seed=3)
    model.learn(10 * STEPS, callback)
    agent, env = reloaded(model, tmp_path, ReachVecEnv(1))
    last = len(callback.result.table["trial"]) // 8 - 1
    probe = TrainingEnv.of(env).probe(seed=callback.seed)
    assert_last_probe(callback.result, probe(agent, CURL, number=last), update=1)


def test_a_reloaded_off_policy_agent_with_stacked_frames_does_so_too(tmp_path):
    settings = {"learning_starts": 50, "train_freq": 7, "batch_size": 8, "buffer_size": 1000}
    model = SAC("MlpPolicy", VecNormalize(VecFrameStack(arms(), 2)), **settings, **small())
    callback = SavingsCallback(TWO, 2)
    model.learn(2 * STEPS, callback)
    agent, env = reloaded(model, tmp_path, VecFrameStack(ReachVecEnv(1), 2))
    probe = TrainingEnv.of(env).probe()
    update = int(callback.result.table["update"][-1])
    assert_last_probe(callback.result, probe(agent, CURL, number=3), update)


def test_so_does_one_whose_training_was_cut_short(tmp_path):
    model, callback = ppo(VecNormalize(arms())), SavingsCallback(TWO, 4)
    model.learn(STEPS, [callback, Stop(350)])
    agent, env = reloaded(model, tmp_path, ReachVecEnv(1))
    last = len(callback.result.table["trial"]) // 8 - 1
    assert not callback.result.complete
    assert_last_probe(callback.result, TrainingEnv.of(env).probe()(agent, CURL, number=last), update=1)


@pytest.mark.parametrize("norm_obs", [True, False])
def test_training_can_go_on_with_the_statistics(norm_obs):
    model = ppo(VecNormalize(ReachVecEnv(2), norm_obs=norm_obs))
    model.learn(STEPS, SavingsCallback(TWO, 2))
    count = model.get_vec_normalize_env().ret_rms.count
    model.learn(STEPS)
    assert isinstance(model, PPO) and model.get_vec_normalize_env().training
    assert model.get_vec_normalize_env().ret_rms.count == count + STEPS
