"""Learning does what it says: the loss, the clipping, the update, and one network at a time."""

import dataclasses

import numpy as np
import pytest
import torch

from agents.supervised.learner import (
    ADAPTATION,
    FROZEN,
    PRETRAINING,
    Learning,
    SupervisedLearner,
    clip_per_network,
)
from agents.supervised.losses import LossWeights, loss_terms, total_loss
from agents.supervised.networks import make_ensemble
from agents.supervised.reaches import centre_out
from agents.supervised.rollout import Trajectory
from savings_gym.activity.displacement import Displacement
from savings_gym.perturbations.fields import CurlField, NullField

UNITS = 8


def lively(cell="rnn", networks=2, dtype=torch.float64):
    ensemble = make_ensemble(cell, networks, UNITS, seed=0, dtype=dtype)
    with torch.no_grad():
        ensemble.readout_bias += 2.5
    return ensemble


def batch(networks=2, seed=0, probe=False, field=CurlField(8.0), dtype=torch.float64):  # noqa: B008
    return centre_out(networks, field, np.random.default_rng(seed), probe=probe, dtype=dtype)


def weights_of(ensemble):
    return {name: parameter.detach().clone() for name, parameter in ensemble.named_parameters()}


def test_loss_terms_are_the_sums_of_the_study():
    rng, n, steps, m = np.random.default_rng(0), 2, 100, 8
    shapes = {"hand": 2, "velocity": 2, "force": 6, "excitation": 6, "hidden": 5}
    series = {name: rng.normal(size=(n, steps, m, width)) for name, width in shapes.items()}
    reaches = batch()
    terms = loss_terms(Trajectory(**{k: torch.tensor(v) for k, v in series.items()}), reaches)
    goal = reaches.goal().numpy()
    for i in range(n):
        sums = dict.fromkeys(terms, 0.0)
        for trial in range(m):
            hand, velocity, force, hidden = (
                series[name][i, :, trial] for name in ("hand", "velocity", "force", "hidden")
            )
            for t in range(steps):
                sums["position"] += np.abs(hand[t] - goal[i, t, trial]).sum() / (steps * m)
                sums["muscle"] += force[t].sum() / (steps * m)
                sums["activity"] += (hidden[t] ** 2).mean() / (steps * m)
            for t in range(1, steps):
                sums["muscle_change"] += ((force[t] - force[t - 1]) ** 2).sum() / ((steps - 1) * m)
                sums["activity_change"] += ((hidden[t] - hidden[t - 1]) ** 2).mean() / ((steps - 1) * m)
            for t in range(2, steps):
                second = velocity[t] - 2 * velocity[t - 1] + velocity[t - 2]
                sums["jerk"] += (second**2).sum() / ((steps - 2) * m)
        for name, value in sums.items():
            assert terms[name][i].item() == pytest.approx(value, rel=1e-10), name
    study = {"position": 1e3, "jerk": 1e5, "muscle": 0.1, "muscle_change": 3e-4, "activity": 1e-5,
             "activity_change": 1e-3}  # fmt: skip
    expected = sum(weight * terms[name] for name, weight in study.items())
    assert total_loss(terms, LossWeights()).numpy() == pytest.approx(expected.numpy(), rel=1e-12)


def test_every_network_is_clipped_by_its_own_norm():
    parameters = [torch.nn.Parameter(torch.zeros(3, *shape)) for shape in ((4, 5), (2,))]
    generator = torch.Generator().manual_seed(0)
    scale = torch.tensor([0.01, 1.0, 100.0])
    for parameter in parameters:
        grad = torch.randn(parameter.shape, generator=generator)
        parameter.grad = grad * scale.view(3, *[1] * (grad.ndim - 1))
    before = [parameter.grad.clone() for parameter in parameters]
    for i in range(3):
        alone = [torch.nn.Parameter(torch.zeros_like(g[i])) for g in before]
        for parameter, grad in zip(alone, before, strict=True):
            parameter.grad = grad[i].clone()
        torch.nn.utils.clip_grad_norm_(alone, 1.0)
        if i == 0:
            norms = clip_per_network(parameters, 1.0)
        for ours, theirs in zip(parameters, alone, strict=True):
            assert ours.grad[i].numpy() == pytest.approx(theirs.grad.numpy(), rel=1e-5)
    assert torch.equal(parameters[0].grad[0], before[0][0])  # a small gradient is left alone
    expected = torch.stack([g.flatten(1).square().sum(1) for g in before]).sum(0).sqrt()
    assert norms.numpy() == pytest.approx(expected.numpy(), rel=1e-5)


@pytest.mark.parametrize("clip", [1e-3, 1e6])
def test_an_sgd_update_is_rate_times_clipped_gradient(clip):
    ensemble, reaches = lively(), batch()
    ensemble.freeze(*FROZEN)
    before = weights_of(ensemble)
    learner = SupervisedLearner(ensemble, Learning("sgd", rate=1e-5, clip=clip))
    plastic = {name: p for name, p in ensemble.named_parameters() if p.requires_grad}
    assert set(plastic) == {"initial", "recurrent_weight", "recurrent_bias"}
    total = total_loss(loss_terms(learner.run(ensemble, reaches), reaches), LossWeights())
    grads = torch.autograd.grad(total.sum(), list(plastic.values()))
    norm = torch.stack([grad.flatten(1).square().sum(1) for grad in grads]).sum(0).sqrt()
    assert (norm > 1e-3).all() and (norm < 1e6).all()
    factor = (clip / norm).clamp(max=1.0)
    shown = learner.update(reaches)
    assert shown["total"].numpy() == pytest.approx(total.detach().numpy())
    after = weights_of(ensemble)
    for name, grad in zip(plastic, grads, strict=True):
        step = 1e-5 * grad * factor.view(-1, *[1] * (grad.ndim - 1))
        assert (before[name] - after[name]).numpy() == pytest.approx(step.numpy(), rel=2e-3, abs=1e-14), name
        assert step.any()
    for name in FROZEN:
        assert torch.equal(after[name], before[name]), name


def test_the_named_ways_of_learning_are_those_of_the_study():
    assert (PRETRAINING.optimiser, PRETRAINING.rate, PRETRAINING.decay) == ("adam", 3e-3, 0.9999)
    assert (ADAPTATION.optimiser, ADAPTATION.rate, ADAPTATION.decay) == ("sgd", 5e-3, 1.0)
    assert PRETRAINING.clip == ADAPTATION.clip == 1.0
    assert set(FROZEN) == {"input_weight", "input_bias", "readout_weight", "readout_bias"}


def test_the_rate_decays_after_every_update_and_a_phase_starts_afresh():
    learner = SupervisedLearner(lively("gru", dtype=torch.float32), Learning("adam", rate=1e-3, decay=0.5))
    for update in range(2):
        assert learner.optimiser.param_groups[0]["lr"] == 1e-3 * 0.5**update
        learner.update(batch(dtype=torch.float32))
    assert learner.optimiser.state
    learner.start_phase(ADAPTATION)
    assert isinstance(learner.optimiser, torch.optim.SGD) and not learner.optimiser.state
    assert learner.optimiser.param_groups[0]["lr"] == 5e-3
    assert learner.optimiser.param_groups[0]["momentum"] == 0


def test_learning_lowers_the_loss_of_every_network():
    ensemble = make_ensemble("gru", 2, 16, seed=0)
    learner, probe = (
        SupervisedLearner(ensemble, PRETRAINING),
        batch(probe=True, field=NullField(), dtype=torch.float32),
    )

    def loss():
        return total_loss(loss_terms(learner.probe(probe), probe), LossWeights())

    before = loss()
    for update in range(40):
        learner.update(batch(seed=update, field=NullField(), dtype=torch.float32))
    assert (loss() < 0.9 * before).all()


def test_one_seed_one_result():
    results = []
    for _ in range(2):
        learner = SupervisedLearner(make_ensemble("gru", 2, 16, seed=3), PRETRAINING)
        for update in range(3):
            learner.update(batch(seed=update, dtype=torch.float32))
        results.append(weights_of(learner.ensemble))
    assert all(torch.equal(results[0][name], results[1][name]) for name in results[0])


@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_what_one_network_is_does_not_change_what_another_learns(cell):
    results = []
    for change in (0.0, 0.5):
        ensemble = make_ensemble(cell, 2, UNITS, seed=0)
        with torch.no_grad():
            ensemble.recurrent_weight[1] += change
            ensemble.readout_bias[1] += 4 * change
        learner = SupervisedLearner(ensemble, PRETRAINING)
        learner.update(batch(dtype=torch.float32))
        results.append(weights_of(ensemble))
    for name, one in results[0].items():
        assert torch.equal(one[0], results[1][name][0]), name
    assert not torch.equal(results[0]["recurrent_bias"][1], results[1]["recurrent_bias"][1])


def test_a_probe_teaches_nothing():
    ensemble = lively()
    learner, before = SupervisedLearner(ensemble), weights_of(ensemble)
    trajectory = learner.probe(batch(probe=True))
    assert not trajectory.hand.requires_grad
    assert all(torch.equal(before[name], now) for name, now in weights_of(ensemble).items())
    assert all(parameter.grad is None for parameter in ensemble.parameters())


def test_a_displacement_before_the_first_step_is_another_initial_state():
    ensemble, reaches = lively(), batch(probe=True)
    vector = torch.tensor(np.random.default_rng(0).normal(size=(2, UNITS)))
    learner = SupervisedLearner(ensemble)
    displaced = learner.probe(reaches, Displacement(0, vector[:, None]))
    with torch.no_grad():
        ensemble.initial += vector
    moved = learner.probe(reaches)
    for name in ("hand", "hidden", "force"):
        ours, theirs = getattr(displaced, name), getattr(moved, name)
        assert ours.numpy() == pytest.approx(theirs.numpy(), abs=1e-12), name


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_displacement_comes_once_at_its_step_and_in_its_trials_only(cell):
    ensemble, reaches = lively(cell), batch(probe=True)
    vector = torch.zeros(2, 8, UNITS, dtype=torch.float64)
    vector[1, 3] = 0.5
    learner = SupervisedLearner(ensemble)
    still, displaced = learner.probe(reaches), learner.probe(reaches, Displacement(16, vector))
    differs = (still.hidden != displaced.hidden).any(-1)  # (n, T, m)
    assert not differs[:, :16].any() and differs[1, 16, 3]
    others = torch.ones(2, 8, dtype=torch.bool)
    others[1, 3] = False
    assert not differs.transpose(1, 2)[others].any()
    if cell == "rnn":  # h' = 0.8 (h + d) + 0.2 tanh(drive + W d)
        change = displaced.hidden[1, 16, 3] - still.hidden[1, 16, 3]
        assert (change - 0.8 * vector[1, 3]).abs().max() <= 0.2 * 2
        assert torch.equal(still.hand[:, :16], displaced.hand[:, :16])


def test_a_gradient_that_is_not_finite_is_named_and_changes_nothing():
    ensemble, reaches = lively(), batch()
    reaches.observation_noise[1, 50] = float("nan")
    learner, before = SupervisedLearner(ensemble), weights_of(ensemble)
    with pytest.raises(FloatingPointError, match=r"\[1\]"):
        learner.update(reaches)
    assert all(torch.equal(before[name], now) for name, now in weights_of(ensemble).items())


@pytest.mark.parametrize("learning", [ADAPTATION, PRETRAINING])
def test_a_diverging_network_stops_alone(learning):
    """The others learn as if it were not there, and its weights stay those before the update."""
    pair, alone, reaches = lively("gru"), lively("gru").select(0), batch()  # whose rollout is the fast one
    learner = SupervisedLearner(pair, learning, stop_diverging=True)
    reference = SupervisedLearner(alone, learning)
    for update in range(3):
        if update == 1:
            before = weights_of(pair)
            reaches.observation_noise[1, 50] = float("nan")
        first = dataclasses.replace(
            reaches,
            **{
                name: getattr(reaches, name)[:1]
                for name in ("q0", "start", "target", "go_step", "observation_noise", "excitation_noise")
            },
            fields=tuple(tuple(part[:1] for part in field) for field in reaches.fields),
        )
        learner.update(reaches)
        reference.update(first)
    assert learner.stopped.tolist() == [False, True]
    for name, now in weights_of(pair).items():
        assert torch.equal(now[1], before[name][1]), name
        torch.testing.assert_close(now[:1], weights_of(alone)[name], rtol=1e-5, atol=1e-7)
    reaches.observation_noise[0, 50] = float("nan")
    with pytest.raises(FloatingPointError, match="not finite"):
        learner.update(reaches)


def test_nothing_plastic_is_an_error():
    ensemble = lively()
    ensemble.requires_grad_(False)
    with pytest.raises(ValueError, match="frozen"):
        SupervisedLearner(ensemble)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"optimiser": "rmsprop"}, r"optimiser must be one of \('adam', 'sgd'\), got 'rmsprop'"),
     ({"rate": 0.0}, "rate.*0.0"), ({"clip": -1.0}, "clip.*-1"), ({"decay": float("nan")}, "decay.*nan")],
)  # fmt: skip
def test_bad_ways_of_learning_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Learning(**arguments)
