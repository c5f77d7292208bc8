"""Small learners of stable-baselines3, and a probe written by hand, for tests."""

import gymnasium as gym
import numpy as np
from sb3_contrib import RecurrentPPO
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv

from savings_gym import CurlField, Phase, ReachVectorEnv, Schedule
from savings_gym.metrics.kinematics import kinematic_measures
from savings_gym.task.settings import TRIAL_STEPS

CURL = CurlField(8.0)
TWO = Schedule((Phase("NF1", None, 2), Phase("FF1", CURL, 2)))
STEPS = 4 * TRIAL_STEPS  # of TWO


def single(**task):
    return lambda: gym.make("savings_gym:ForceFieldReach-v0", **task)


def arms(n=1, **task):
    return DummyVecEnv([single(**task)] * n)


def small(**policy):
    return {"policy_kwargs": {"net_arch": [8], **policy}, "seed": 0, "device": "cpu"}


def ppo(env, n_steps=TRIAL_STEPS, **more):
    return PPO("MlpPolicy", env, n_steps=n_steps, batch_size=50, n_epochs=1, **small(), **more)


def recurrent(env):
    settings = {"n_steps": TRIAL_STEPS, "batch_size": 100, "n_epochs": 1}
    return RecurrentPPO("MlpLstmPolicy", env, **settings, **small(lstm_hidden_size=8))


def table_rows(table, phase, update):
    chosen = (table["phase"] == phase) & (table["update"] == update)
    return {name: column[chosen] for name, column in table.items()}


def hand_written(model, field, see=lambda observation, first: observation):
    """A probe of a model, written as a plain loop, in a task without noise."""
    env = ReachVectorEnv(8, field=field, noise=False, go_time=0.44, catch_fraction=0.0, nthread=1)
    observation, info = env.reset(seed=0, options={"target": np.arange(8)})
    path, state, start = [info["hand_position"]], None, np.ones(8, dtype=bool)
    for step in range(TRIAL_STEPS):
        seen = see(observation, step == 0)
        action, state = model.predict(seen, state=state, episode_start=start, deterministic=True)
        observation, _, _, _, info = env.step(action)
        start = np.zeros(8, dtype=bool)
        path.append(info["hand_position"])
    return kinematic_measures(np.stack(path, 1), info["target_position"])


def assert_same(actual, expected):
    for name, values in expected.items():
        assert np.allclose(actual[name], values, rtol=1e-6, equal_nan=True), name


class Stop(BaseCallback):
    """Ends training after a number of steps."""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def _on_step(self):
        return self.num_timesteps < self.steps
