"""Networks act in MuJoCo as they do in the torch rollout."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from lively_networks import SILENCE, lively

from agents.supervised.learner import SupervisedLearner
from agents.supervised.networks import CELLS, INPUTS
from agents.supervised.policy import NetworkPolicy, mujoco_probe
from agents.supervised.reaches import STUDY_DELAYS, centre_out, centre_out_targets
from savings_gym import ChannelField, CurlField, Delays, ElasticField, NullField, ReachEnv
from savings_gym.metrics.kinematics import kinematic_measures

SOFT_CHANNEL = ChannelField(stiffness=50.0, damping=20.0)
CELL = pytest.mark.parametrize("cell", list(CELLS))


def torch_probe(ensemble, field, delays):
    reaches = centre_out(
        ensemble.networks, field, np.random.default_rng(0), probe=True, noise=SILENCE, delays=delays,
        dtype=ensemble.initial.dtype,
    )  # fmt: skip
    return SupervisedLearner(ensemble, rollout="plain").probe(reaches).path(reaches.start)


@pytest.mark.parametrize(
    ("cell", "field", "delays"),
    [("gru", NullField(), Delays()), ("gru", CurlField(8.0), Delays()), ("lstm", CurlField(-8.0), Delays()),
     ("rnn", SOFT_CHANNEL, Delays()), ("gru", ElasticField(30.0, onset="start"), Delays(0.03, 0.0)),
     ("gru", CurlField(8.0, onset="cue"), STUDY_DELAYS),
     ("gru", CurlField(8.0, onset="cue") + ElasticField(30.0), Delays(0.03, cue=0.11))],
    ids=["null", "curl", "lstm", "rnn in a channel", "other delays", "as the study's code", "late cue"],
)  # fmt: skip
def test_the_probe_in_mujoco_is_the_probe_in_torch(cell, field, delays):
    ensemble = lively(cell)
    here, there = (
        mujoco_probe(ensemble, field, noise=SILENCE, delays=delays),
        torch_probe(ensemble, field, delays),
    )
    assert here.shape == there.shape == (2, 8, 101, 2)
    assert np.ptp(here, axis=2).max() > 0.05  # m, they move
    assert np.abs(here[0] - here[1]).max() > 0.01 and np.abs(here[:, 0] - here[:, 4]).max() > 1e-3
    assert np.linalg.norm(here, axis=-1).max() < 0.63  # m; the two arms are the same until they are straight
    assert np.abs(here - there).max() < 1e-6  # m; observations and actions are float32


def test_a_field_changes_the_probe():
    ensemble = lively("gru")
    paths = [mujoco_probe(ensemble, field, noise=SILENCE) for field in (NullField(), CurlField(8.0))]
    assert np.array_equal(paths[0][:, :, :45], paths[1][:, :, :45])  # go, and the field, come at 0.44 s
    assert np.abs(paths[0] - paths[1]).max() > 1e-3


def test_a_probe_can_be_measured_and_its_seed_rules_the_noise():
    ensemble = lively("gru", dtype=torch.float32)
    first, again, other = (mujoco_probe(ensemble, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    measures = kinematic_measures(first, centre_out_targets())
    assert {value.shape for value in measures.values()} == {(2, 8)}


@CELL
def test_one_network_acts_alone_as_it_does_among_all(cell):
    ensemble, rng = lively(cell, networks=3), np.random.default_rng(0)
    seen = rng.normal(0, 0.3, (5, 6, INPUTS)).astype(np.float32)  # 5 steps, 2 rows a network
    everyone, one, single = (NetworkPolicy(ensemble, i) for i in (None, 1, 1))
    states = [None, None, None]
    for rows in seen:
        all_actions, states[0] = everyone.predict(rows, states[0])
        actions, states[1] = one.predict(rows[2:4], states[1])
        action, states[2] = single.predict(rows[2], states[2])
        assert all_actions.shape == (6, 6) and actions.shape == (2, 6) and action.shape == (6,)
        assert all_actions.dtype == np.float32 and ((action > 0) & (action < 1)).all()
        assert actions == pytest.approx(all_actions[2:4], abs=1e-7)
        assert action == pytest.approx(all_actions[2], abs=1e-7)
    assert all(part.shape == (6, 16) for part in states[0])
    assert all(part.shape == (1, 16) for part in states[2])


@CELL
def test_a_state_begins_anew_where_an_episode_starts(cell):
    ensemble, rng = lively(cell), np.random.default_rng(0)
    policy, seen = NetworkPolicy(ensemble, None), rng.normal(0, 0.3, (2, 4, INPUTS))
    first, _ = policy.predict(seen[1])
    _, state = policy.predict(seen[0])
    kept = [part.copy() for part in state]
    later, _ = policy.predict(seen[1], state)
    assert np.abs(later - first).max(-1).min() > 1e-6
    starts = np.array([True, False, False, True])
    mixed, _ = policy.predict(seen[1], state, episode_start=starts)
    assert np.array_equal(mixed, np.where(starts[:, None], first, later))
    assert all(np.array_equal(part, old) for part, old in zip(state, kept, strict=True))  # left alone


def test_it_acts_in_the_single_environment_and_is_deterministic():
    env = gym.make("ForceFieldReach-v0", field=CurlField(8.0))
    assert isinstance(env.unwrapped, ReachEnv)
    policy, actions = NetworkPolicy(lively("gru")), []
    for deterministic in (True, False):
        observation, _ = env.reset(seed=5)
        state, truncated, start = None, False, True
        while not truncated:
            action, state = policy.predict(observation, state, np.array([start]), deterministic)
            assert env.action_space.contains(action)
            observation, _, _, truncated, _ = env.step(action)
            actions.append(action)
            start = False
    assert np.array_equal(actions[:100], actions[100:])


def test_a_policy_keeps_the_weights_it_was_made_with():
    ensemble = lively("gru")
    policy, seen = NetworkPolicy(ensemble), np.zeros(INPUTS)
    before, _ = policy.predict(seen)
    with torch.no_grad():
        ensemble.readout_bias += 1.0
    assert np.array_equal(policy.predict(seen)[0], before)
    assert all(parameter.requires_grad for parameter in ensemble.parameters())


@pytest.mark.parametrize(
    ("observation", "arguments", "message"),
    [(np.zeros(9), {}, r"\(17,\).*\(9,\)"), (np.zeros((1, 2, 17)), {}, r"\(1, 2, 17\)"),
     (np.zeros((3, 17)), {}, "multiple of 2 environments, got 3"), (np.zeros((0, 17)), {}, "got 0"),
     (np.zeros((2, 17)), {"state": (np.zeros((2, 5)),)}, r"\(2, 16\).*\(2, 5\)"),
     (np.zeros((2, 17)), {"episode_start": np.array([True] * 3)}, r"\(2,\).*\(3,\)")],
)  # fmt: skip
def test_a_shape_that_does_not_fit_is_named(observation, arguments, message):
    with pytest.raises(ValueError, match=message):
        NetworkPolicy(lively("gru"), None).predict(observation, **arguments)


def test_the_initial_state_is_what_it_begins_with():
    policy, seen = NetworkPolicy(lively("lstm"), None), np.zeros((4, INPUTS))
    begun, state = policy.predict(seen), policy.initial_state(4)
    assert np.array_equal(policy.predict(seen, state)[0], begun[0]) and len(state) == 2
    with pytest.raises(ValueError, match="multiple of 2 environments, got 3"):
        policy.initial_state(3)


def test_a_network_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="2.*0 to 1"):
        NetworkPolicy(lively("gru"), 2)
