"""`max_episode_steps` ends a session sooner, in a vector environment as in Gymnasium's wrapper."""

import gymnasium as gym
import numpy as np
import pytest

from savings_gym import Block, Session, spawn_seeds

SESSION = Session((Block("NF1", None, 1), Block("FF1", "A", (1, 2))))


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
@pytest.mark.parametrize("limit", [30, 100, 130, 200, 900])
def test_a_row_ends_like_a_single_environment_with_a_limit(mode, limit):
    arguments = {"session": SESSION, "max_episode_steps": limit}
    env = gym.make_vec("ReachSession-v0", num_envs=2, autoreset_mode=mode, nthread=1, **arguments)
    singles = [gym.make("ReachSession-v0", **arguments) for _ in range(2)]
    observations, infos = env.reset(seed=2)
    for one, seed in zip(singles, spawn_seeds(2, 2), strict=True):
        one.reset(seed=seed)
    rng, over, lengths, steps = np.random.default_rng(0), [False] * 2, set(), [0, 0]
    for _ in range(420):
        actions = rng.uniform(0.0, 0.3, (2, 6))
        observations, rewards, _, truncations, infos = env.step(actions)
        for row, one in enumerate(singles):
            if mode == "NextStep" and over[row]:
                (observation, info), reward, end = one.reset(), 0.0, False
            else:
                observation, reward, _, end, info = one.step(actions[row])
                steps[row] += 1
            assert rewards[row] == pytest.approx(reward, abs=1e-12) and truncations[row] == end
            over[row] = end
            if end:
                lengths.add(steps[row])
                steps[row] = 0
                if mode == "SameStep":
                    assert infos["final_obs"][row] == pytest.approx(observation, abs=1e-12)
                    assert infos["final_info"]["trial"][row] == info["trial"]
                    assert infos["final_info"]["trial_ended"][row] == info["trial_ended"]
                    observation, info = one.reset()
            assert observations[row] == pytest.approx(observation, abs=1e-12)
            assert all(infos[name][row] == info[name] for name in ("trial", "session", "phase", "target"))
    assert lengths == ({limit} if limit <= 200 else {200, 300})


@pytest.mark.parametrize("limit", [0, 1.5, True, "all"])
def test_a_limit_is_a_number_of_steps(limit):
    with pytest.raises(ValueError, match="max_episode_steps must be a whole number of at least 1, got"):
        gym.make_vec("ReachSession-v0", num_envs=1, max_episode_steps=limit)


@pytest.mark.parametrize("env_id", ["ForceFieldReach-v0", "BCIReach-v0"])
def test_a_limit_beyond_the_end_of_a_trial_has_no_effect(env_id):
    env = gym.make(env_id, max_episode_steps=500)
    env.reset(seed=0)
    ends = [env.step(np.zeros(env.action_space.shape))[3] for _ in range(100)]
    assert ends == [False] * 99 + [True]
    envs = gym.make_vec(env_id, num_envs=2, max_episode_steps=500)
    envs.reset(seed=0)
    every = [envs.step(np.zeros(envs.action_space.shape))[3] for _ in range(100)]
    assert np.array_equal(every, [[False] * 2] * 99 + [[True] * 2])
