"""Networks on the cursor: the torch plant is the environment, its gradients are right, and networks learn."""

import numpy as np
import pytest
import torch

from agents.supervised.cursor import (
    CursorLearner,
    cursor_ensemble,
    cursor_loss_terms,
    cursor_reaches,
    cursor_rollout,
    cursor_targets,
    decoded,
    own_readout,
)
from agents.supervised.learner import FROZEN, Learning
from agents.supervised.policy import ActivityPolicy
from savings_gym import BCIReachVectorEnv, Delays
from savings_gym.bci.decoder import make_decoder

QUIET = {"noise": False, "catch_fraction": 0.0}


def lively(cell="gru", networks=2, units=6):
    ensemble = cursor_ensemble(cell, networks, units, seed=0).double()
    with torch.no_grad():
        ensemble.initial.normal_(0.0, 0.3, generator=torch.Generator().manual_seed(1))
    return ensemble


def decoders(n=2, units=6):
    rng = np.random.default_rng(0)
    return [
        make_decoder(
            rng.normal(0.0, 0.05, (2, units)), rng.normal(0.0, 0.01, 2), rng.uniform(0.0, 0.4, (2, 2))
        )
        for _ in range(n)
    ]


def without_noise(reaches):
    for noise in (reaches.vision_noise, reaches.activity_noise):
        noise.zero_()
    return reaches


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_the_torch_plant_is_the_environment(cell):
    """To the precision of observations and actions, which are float32 in the environment."""
    ensemble, plants, delays = lively(cell), decoders(), Delays(vision=0.05, cue=0.03)
    rng = np.random.default_rng(0)
    reaches = without_noise(cursor_reaches(ensemble, rng, probe=False, catch_fraction=0.0, delays=delays))
    trajectory = cursor_rollout(ensemble, reaches, decoded(plants, ensemble.initial))
    env = BCIReachVectorEnv(16, decoder=plants[0], delays=delays, **QUIET)
    policy = ActivityPolicy(ensemble, network=None)
    options = {
        "target": np.tile(np.arange(8), 2),
        "go_time": 0.01 * reaches.go_step.numpy().ravel(),
        "decoder": [plant for plant in plants for _ in range(8)],
    }
    observation, info = env.reset(seed=0, options=options)
    state, path, velocity = None, [info["cursor_position"]], []
    for _ in range(100):
        action, state = policy.predict(observation, state)
        observation, _, _, _, info = env.step(action)
        path.append(info["cursor_position"])
        velocity.append(info["cursor_velocity"])
    expected = np.stack(path, 1).reshape(2, 8, 101, 2)
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(trajectory.path(), expected, atol=1e-6)
    moved = trajectory.velocity.detach().numpy().swapaxes(1, 2).reshape(16, 100, 2)
    np.testing.assert_allclose(moved, np.stack(velocity, 1), atol=1e-6)


@pytest.mark.parametrize("own", [False, True], ids=["decoder", "own read-out"])
def test_gradients_are_those_of_finite_differences(own):
    ensemble = lively(units=4)
    plants = decoders(units=4)
    reaches = cursor_reaches(ensemble, np.random.default_rng(0), probe=False)

    def loss():
        plant = own_readout(ensemble) if own else decoded(plants, ensemble.initial)
        terms = cursor_loss_terms(cursor_rollout(ensemble, reaches, plant), reaches)
        return sum(term.sum() for term in terms.values())

    loss().backward()
    names = ["recurrent_weight", "initial"] + ["readout_weight"] * own
    rng = np.random.default_rng(1)
    for name in names:
        parameter = getattr(ensemble, name)
        direction = torch.as_tensor(rng.standard_normal(parameter.shape))
        slope = float((parameter.grad * direction).sum())
        with torch.no_grad():
            values = []
            for step in (1e-6, -2e-6):
                parameter += step * direction
                values.append(float(loss()))
            parameter += 1e-6 * direction
        assert (values[0] - values[1]) / 2e-6 == pytest.approx(slope, rel=1e-4, abs=1e-8), name


def test_constant_activity_reaches_the_closed_form_velocity():
    ensemble = lively("rnn")
    with torch.no_grad():  # h' = h if the drive is what tanh makes h of
        for name in ("input_weight", "recurrent_weight", "input_bias"):
            getattr(ensemble, name).zero_()
        ensemble.recurrent_bias.copy_(torch.atanh(ensemble.initial))
    plants = decoders()
    reaches = without_noise(cursor_reaches(ensemble, np.random.default_rng(0), probe=True))
    velocity = cursor_rollout(ensemble, reaches, decoded(plants, ensemble.initial)).velocity[:, -1]
    for i, decoder in enumerate(plants):
        steady = decoder.steady_velocity(ensemble.initial[i].detach().numpy())
        np.testing.assert_allclose(velocity[i].detach().numpy(), np.broadcast_to(steady, (8, 2)), atol=1e-9)


def test_networks_learn_a_decoder_with_their_recurrent_layer_alone():
    ensemble = cursor_ensemble("gru", 2, 16, seed=0)
    ensemble.freeze(*FROZEN)
    kept = {name: value.detach().clone() for name, value in ensemble.named_parameters()}
    rng = np.random.default_rng(0)
    plant = decoded(
        [make_decoder(rng.normal(0.0, 0.1, (2, 16)), (0, 0), 0.8) for _ in range(2)], ensemble.initial
    )
    learner = CursorLearner(ensemble, Learning("adam", rate=1e-2))
    errors = [
        learner.update(cursor_reaches(ensemble, np.random.default_rng(i), probe=False), plant)[
            "position"
        ].mean()
        for i in range(12)
    ]
    assert min(errors[-3:]) < 0.7 * errors[0]
    for name, value in ensemble.named_parameters():
        assert torch.equal(value, kept[name]) == (name in FROZEN)


def test_copies_of_networks_get_the_same_trials_and_learn_the_same():
    ensemble = cursor_ensemble("gru", 2, 8, seed=0).select(0, 1, 0, 1)
    learner = CursorLearner(ensemble)
    reaches = cursor_reaches(ensemble, np.random.default_rng(0), probe=False, copies=2)
    assert torch.equal(reaches.activity_noise[:2], reaches.activity_noise[2:])
    assert not torch.equal(reaches.activity_noise[0], reaches.activity_noise[1])
    learner.update(reaches)
    assert torch.allclose(ensemble.recurrent_weight[:2], ensemble.recurrent_weight[2:], atol=1e-7)
    assert (reaches.go_step > 10**5).sum(1).tolist() == [4] * 4  # half of every batch without go


def test_probes_go_to_the_targets_of_the_environment():
    env = BCIReachVectorEnv(8, units=3)
    _, info = env.reset(seed=0, options={"target": np.arange(8)})
    np.testing.assert_allclose(cursor_targets(), info["target_position"], atol=1e-12)


def test_what_cannot_learn_is_refused():
    ensemble = cursor_ensemble("gru", 3, 4, seed=0)
    with pytest.raises(ValueError, match="3 networks are not 2 copies of fewer"):
        cursor_reaches(ensemble, np.random.default_rng(0), probe=True, copies=2)
    with pytest.raises(ValueError, match="by bptt only, got the rule 'eprop'"):
        CursorLearner(ensemble, Learning(rule="eprop"))
    with pytest.raises(ValueError, match="unknown cell 'none'"):
        cursor_ensemble("none", 1, 1, seed=0)
    with torch.no_grad():
        ensemble.recurrent_weight[1] = torch.nan
    with pytest.raises(FloatingPointError, match=r"network\(s\) \[1\]"):
        CursorLearner(ensemble).update(cursor_reaches(ensemble, np.random.default_rng(0), probe=True))
