"""Sessions of ensembles are those that the environments play."""

import numpy as np
import pytest
import torch

from agents.supervised.learner import SupervisedLearner
from agents.supervised.networks import make_ensemble
from agents.supervised.policy import NetworkPolicy
from agents.supervised.session_reaches import probed_session, training_sessions
from savings_gym.envs.vector import ReachVectorEnv
from savings_gym.perturbations.fields import CurlField, NullField
from savings_gym.task.session import (
    Block,
    FieldPair,
    Session,
    adaptation_session,
    curl_pairs,
    savings_session,
)
from savings_gym.task.settings import N_TARGETS, PROBE_GO, TRIAL_STEPS, Noise
from savings_gym.task.trials import NO_GO

SILENT = Noise(0.0, 0.0, 0.0)
MIXED = Session(
    (Block("NF1", None, (1, 3)), Block("A", "A", 2, catch_fraction=1.0), Block("B", "B", (4, 8))),
    curl_pairs(),
)


def damping(session, trial, network, place):
    """The force of the field at go per velocity, of one trial [N s/m]."""
    return session.trials[trial].fields[1][0][network, place, 0, 1].item()


def test_a_session_is_that_of_mujoco_with_the_memory_carried():
    ensemble = make_ensemble("gru", 2, 24, seed=3, dtype=torch.float64)
    with torch.no_grad():
        ensemble.readout_bias += 2.5
    session = savings_session(1, 2, 1, 1, pairs=[FieldPair(CurlField(8.0))])
    rng = np.random.default_rng(0)
    batch = probed_session(2, session, rng, noise=SILENT, dtype=torch.float64)
    trajectories = SupervisedLearner(ensemble, rollout="plain").probe_sessions(batch.trials)
    policy, state = NetworkPolicy(ensemble, network=None), None
    for trial, trajectory in enumerate(trajectories):
        field = CurlField(8.0) if trial in (1, 2, 4) else NullField()
        env = ReachVectorEnv(16, field=field, go_time=PROBE_GO, catch_fraction=0.0, noise=SILENT, nthread=1)
        observation, _ = env.reset(seed=0, options={"target": batch.target[trial].ravel()})
        for step in range(TRIAL_STEPS):
            action, state = policy.predict(observation, state)
            observation, _, _, _, info = env.step(action)
            hand = trajectory.hand[:, step].reshape(16, 2).numpy()
            assert np.abs(info["hand_position"] - hand).max() < 1e-6  # m, actions are float32
        env.close()
    assert (trajectories[1].hidden[:, 0] - trajectories[0].hidden[:, 0]).abs().max() > 1e-3


def test_fields_and_blocks_are_those_that_were_drawn():
    batch = training_sessions(3, 40, MIXED, np.random.default_rng(1))
    count = MIXED.trials[0]
    assert len(batch.trials) == count == 7 and batch.block.shape == (count, 3, 40)
    for place in range(40):
        pair = MIXED.pairs[batch.pair[1, place]]
        for trial in range(count):
            block = MIXED.blocks[batch.block[trial, 1, place]]
            field = NullField() if block.field is not None and not isinstance(block.field, str) else None
            field = field or pair.field(block.field)
            expected = -field.b if isinstance(field, CurlField) else 0.0
            assert abs(damping(batch, trial, 1, place)) == abs(expected)
    signs = {np.sign(damping(batch, count - 1, 0, place)) for place in range(40)}
    assert signs == {-1.0, 0.0, 1.0}  # either sign, and none
    assert (batch.in_block[0] == 0).all() and set(np.unique(batch.block[1])) == {0, 1}


def test_catch_trials_are_those_of_the_block_or_of_the_training():
    batch = training_sessions(2, 200, MIXED, np.random.default_rng(2), catch_fraction=0.25)
    go = np.stack([reaches.go_step.numpy() for reaches in batch.trials])
    declared = batch.block == 1
    assert (go[declared] == NO_GO).all()
    caught = (go[~declared] == NO_GO).mean()
    assert abs(caught - 0.25) < 4 * np.sqrt(0.25 * 0.75 / (~declared).sum())
    assert set(np.unique(go[go != NO_GO])) == set(range(10, 31))


def test_eight_trials_in_a_row_have_all_targets():
    batch = training_sessions(2, 5, adaptation_session(16), np.random.default_rng(3))
    for first in (0, 8):
        block = np.sort(batch.target[first : first + 8], axis=0)
        assert (block == np.arange(N_TARGETS)[:, None, None]).all()
    probed = probed_session(2, adaptation_session(3), np.random.default_rng(3))
    assert (np.sort(probed.target, axis=2) == np.arange(N_TARGETS)).all()


def test_one_seed_gives_one_batch():
    one, two, other = (
        training_sessions(2, 3, MIXED, np.random.default_rng(seed), noise=SILENT) for seed in (5, 5, 6)
    )
    assert all(torch.equal(a.go_step, b.go_step) for a, b in zip(one.trials, two.trials, strict=True))
    assert (one.target == two.target).all() and (one.target != other.target).any()


def test_an_update_moves_every_parameter_and_batches_must_be_alike():
    session = adaptation_session(3, [FieldPair(CurlField(20.0)), FieldPair(CurlField(-20.0))])
    ensemble = make_ensemble("gru", 1, 16, seed=0)
    learner = SupervisedLearner(ensemble)
    batch = training_sessions(1, 4, session, np.random.default_rng(0), catch_fraction=0.0)
    learner.update(*batch.trials)
    norms = [parameter.grad.norm() for parameter in ensemble.parameters()]
    with pytest.raises(ValueError, match="one size"):
        learner.update(*batch.trials, training_sessions(1, 5, session, np.random.default_rng(0)).trials[0])
    assert all(torch.isfinite(norm) and norm > 0 for norm in norms)
