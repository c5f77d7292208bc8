"""Recurrent agents in sessions: memory lasts from trial to trial, and goes with the session."""

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sb3_contrib")

from agents.ppo.recurrent_ppo import RecurrentPPO  # noqa: E402
from savings_gym import Block, CurlField, FieldPair, Session, run_sessions  # noqa: E402
from savings_gym.sb3.vec_env import ReachVecEnv  # noqa: E402
from savings_gym.task.settings import TRIAL_STEPS  # noqa: E402

SESSION = Session((Block("NF1", None, 1), Block("FF1", "A", 1)), (FieldPair(CurlField(8.0)),))
STEPS = 2 * TRIAL_STEPS


def session_env(n: int = 2) -> ReachVecEnv:
    envs = gym.make_vec(
        "ReachSession-v0", num_envs=n, session=SESSION, trial_cue=True, autoreset_mode="SameStep",
        info="trial", nthread=1,
    )  # fmt: skip
    assert isinstance(envs, gym.vector.VectorEnv)
    return ReachVecEnv(envs)


def test_only_the_end_of_a_session_is_done() -> None:
    env = session_env()
    env.seed(0)
    env.reset()
    assert [info["session"] for info in env.reset_infos] == [0, 0]
    dones = []
    for _ in range(STEPS + 1):
        observation, _, done, infos = env.step(np.full((2, 6), 0.1))
        dones.append(done.all())
        if done.any():
            assert [info["episode"]["l"] for info in infos] == [STEPS] * 2
            assert all(info["TimeLimit.truncated"] and info["trial"] == 1 for info in infos)
            assert all(info["terminal_observation"][-1] == 0.0 for info in infos)
            assert (observation[:, -1] == 1.0).all()
            assert [info["session"] for info in env.reset_infos] == [1, 1]
    assert np.flatnonzero(dones).tolist() == [STEPS - 1]


def test_recurrent_ppo_learns_with_memory_through_the_session() -> None:
    model = RecurrentPPO(
        "LstmPolicy", session_env(), n_steps=STEPS, batch_size=2 * STEPS, n_epochs=1, minibatches="sequences",
        seed=0, device="cpu", policy_kwargs={"net_arch": [8], "lstm_hidden_size": 8},
    )  # fmt: skip
    before = torch.cat([parameter.detach().flatten() for parameter in model.policy.parameters()])
    model.learn(2 * 2 * STEPS)
    after = torch.cat([parameter.detach().flatten() for parameter in model.policy.parameters()])
    assert torch.isfinite(after).all() and not torch.equal(before, after)
    buffer = model.rollout_buffer
    starts = buffer.episode_starts.reshape(2, STEPS)  # by environment, then time
    assert (np.flatnonzero(starts.any(0)) == 0).all() and starts[:, 0].all()
    hidden = buffer.hidden_states_pi
    assert np.abs(hidden[TRIAL_STEPS::TRIAL_STEPS]).min(axis=(1, 2, 3)).all()
    table = run_sessions(model, model.get_env().get_attr("settings")[0], SESSION)
    assert np.isfinite(table["lateral_deviation"]).all() and len(table["trial"]) == 2 * 8
