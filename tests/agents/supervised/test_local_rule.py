"""The local rule is eligibility traces, run forwards, times a learning signal; and nothing else."""

import dataclasses
import re

import numpy as np
import pytest
import torch

from agents.supervised.learner import FROZEN, Learning, SupervisedLearner
from agents.supervised.local_rule import RULES, describe_rule, draw_feedback, local_rollout
from agents.supervised.losses import LossWeights, loss_terms, total_loss
from agents.supervised.networks import PARAMETERS, make_ensemble
from agents.supervised.reaches import centre_out
from agents.supervised.rollout import Trajectory, combined_field, observation, plain_rollout
from agents.supervised.torch_arm import TorchArm
from savings_gym.perturbations.fields import CurlField

UNITS = 6
ACTIVITY = ("activity", "activity_change")  # terms of the loss that a unit's own activity costs
WEIGHTS = LossWeights(activity=30.0, activity_change=300.0)  # so that these count here
ARM = TorchArm(dtype=torch.float64)


def lively(cell="gru", networks=2, units=UNITS):
    ensemble = make_ensemble(cell, networks, units, seed=0, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        ensemble.readout_bias += 2.5
        for name in ("recurrent_bias", "input_bias", "initial"):
            parameter = getattr(ensemble, name)
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return ensemble


def batch(networks=2, steps=25):
    """Reaches that last ``steps`` control steps; go comes at 10 to 30."""
    rng = np.random.default_rng(0)
    reaches = centre_out(networks, CurlField(8.0), rng, probe=False, dtype=torch.float64)
    names = ("observation_noise", "excitation_noise")
    return dataclasses.replace(reaches, **{name: getattr(reaches, name)[:, :steps] for name in names})


def gradients(ensemble, trajectory, reaches):
    total = total_loss(loss_terms(trajectory, reaches), WEIGHTS).sum()
    parameters = [getattr(ensemble, name) for name in PARAMETERS]
    found = torch.autograd.grad(total, parameters, materialize_grads=True)
    return dict(zip(PARAMETERS, found, strict=True))


def open_loop(logits, reaches):
    """The arm alone, driven by logits (n, T, m, 6)."""
    state, series = ARM.at_rest(reaches.q0), []
    for t in range(reaches.steps):
        length, speed, _ = ARM.muscle_state(state.q, state.v)
        force = ARM.muscle_force(length, speed, state.activation)
        excitation = torch.sigmoid(logits[:, t])
        field = combined_field(reaches.fields, reaches.begun(t))
        state = ARM.control_step(state, excitation + reaches.excitation_noise[:, t], field)
        hand, velocity, _ = ARM.hand(state.q, state.v)
        series.append((hand, velocity, force, excitation))
    return (torch.stack(values, 1) for values in zip(*series, strict=True))


def learning_signal(ensemble, trajectory, reaches, feedback):
    """L (n, T, m, units) and s (n, T, m, 6), from the arm without any network."""
    hidden = trajectory.hidden.detach().requires_grad_()
    logits = torch.logit(trajectory.excitation.detach()).requires_grad_()
    terms = loss_terms(Trajectory(*open_loop(logits, reaches), hidden), reaches)
    cost = sum(getattr(WEIGHTS, name) * term for name, term in terms.items()).sum()
    s, own = torch.autograd.grad(cost, [logits, hidden])
    return torch.einsum("ntmk,nku->ntmu", s, feedback) + own, s


def inputs_of(trajectory, reaches):
    """(n, T, m, 17) what the networks got, from the muscles and hand of the trial itself."""
    state, seen, felt, inputs = ARM.at_rest(reaches.q0), [reaches.start], [], []
    for t in range(reaches.steps):
        felt.append(torch.cat(ARM.muscle_state(state.q, state.v)[:2], -1))
        inputs.append(observation(reaches, t, seen, felt))
        field = combined_field(reaches.fields, reaches.begun(t))
        state = ARM.control_step(state, trajectory.excitation[:, t] + reaches.excitation_noise[:, t], field)
        seen.append(ARM.hand(state.q, state.v)[0])
    return torch.stack(inputs, 1)


def gru_derivatives(ensemble, x, h):
    """z, and dh / d(drive) of r, z and n from the input and from the state, with h held fixed."""
    wi, wh = (weight.chunk(3, 1) for weight in (ensemble.input_weight, ensemble.recurrent_weight))
    bi, bh = (part.chunk(3, 1) for part in (ensemble.input_bias, ensemble.recurrent_bias))
    drive = [x @ w.mT + b[:, None] for w, b in zip(wi, bi, strict=True)]
    back = [h @ w.mT + b[:, None] for w, b in zip(wh, bh, strict=True)]
    r, z = (torch.sigmoid(drive[gate] + back[gate]) for gate in (0, 1))
    n = torch.tanh(drive[2] + r * back[2])
    of_n = (1 - z) * (1 - n**2)
    of_r, of_z = of_n * back[2] * r * (1 - r), (h - n) * z * (1 - z)
    return z, (of_r, of_z, of_n), (of_r, of_z, of_n * r)


def rnn_derivatives(ensemble, x, h):
    drive = sum(part for part in ensemble._drive(x, h))
    slope = ensemble.leak * (1 - torch.tanh(drive) ** 2)
    return torch.full_like(h, 1 - ensemble.leak), (slope,), (slope,)


def lstm_derivatives(ensemble, x, h, cell):
    """The new cell, f, dh / d(cell), d(cell) / d(drive) of i, f and g, and dh / d(drive) of o."""
    i, f, g, o = sum(ensemble._drive(x, h)).chunk(4, -1)
    i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
    new = f * cell + i * g
    of_cell = (g * i * (1 - i), cell * f * (1 - f), i * (1 - g**2))
    return new, f, o * (1 - torch.tanh(new) ** 2), of_cell, torch.tanh(new) * o * (1 - o)


def lstm_traces(ensemble, trajectory, reaches, signal):
    """As `forward_traces`: traces are of the memory cell, and the output gate has none."""
    x, (h, cell) = inputs_of(trajectory, reaches), ensemble.initial_state(8)
    one = torch.ones(*h.shape[:2], 1, dtype=torch.float64)
    traces, sums = {}, {}
    for t in range(trajectory.hidden.shape[1]):
        cell, keep, through, of_cell, of_output = lstm_derivatives(ensemble, x[:, t], h, cell)
        for name, source in (
            ("input_weight", x[:, t]), ("input_bias", one), ("recurrent_weight", h), ("recurrent_bias", one)
        ):  # fmt: skip
            for gate, slope in enumerate(of_cell):
                direct = slope[..., None] * source[:, :, None]
                traces[name, gate] = keep[..., None] * traces.get((name, gate), 0.0) + direct
            eligible = [through[..., None] * traces[name, gate] for gate in range(3)]
            eligible.append(of_output[..., None] * source[:, :, None])
            change = torch.cat([(signal[:, t][..., None] * trace).sum(1) for trace in eligible], 1)
            sums[name] = sums.get(name, 0.0) + change
        h = trajectory.hidden[:, t]
    return {name: value[..., 0] if name.endswith("bias") else value for name, value in sums.items()}


def forward_traces(ensemble, trajectory, reaches, signal):
    """Gradients as sums over time of eligibility times learning signal, time running forwards.

    A trace of a synapse is (n, m, units, sources): synapses of unit j know unit j and their source only.
    """
    derivatives = {"gru": gru_derivatives, "rnn": rnn_derivatives}[ensemble.cell]
    x, h = inputs_of(trajectory, reaches), ensemble.initial_state(8)[0]
    n, steps, m, units = trajectory.hidden.shape
    one = torch.ones(n, m, 1, dtype=torch.float64)
    traces, sums, carried = {}, {}, torch.ones(n, m, units, dtype=torch.float64)
    initial = torch.zeros(n, units, dtype=torch.float64)
    for t in range(steps):
        keep, by_input, by_state = derivatives(ensemble, x[:, t], h)
        carried = carried * keep
        initial += (carried * signal[:, t]).sum(1)
        for gate in range(ensemble.gates):
            for name, slope, source in (
                ("input_weight", by_input, x[:, t]), ("input_bias", by_input, one),
                ("recurrent_weight", by_state, h), ("recurrent_bias", by_state, one),
            ):  # fmt: skip
                direct = slope[gate][..., None] * source[:, :, None]
                trace = keep[..., None] * traces.get((name, gate), 0.0) + direct
                traces[name, gate] = trace
                change = (signal[:, t][..., None] * trace).sum(1)
                sums[name, gate] = sums.get((name, gate), 0.0) + change
        h = trajectory.hidden[:, t]
    found = {"initial": initial}
    for name in PARAMETERS[1:5]:
        whole = torch.cat([sums[name, gate] for gate in range(ensemble.gates)], 1)
        found[name] = whole[..., 0] if name.endswith("bias") else whole
    return found


@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_gradients_are_forward_eligibility_traces_times_the_learning_signal(cell):
    ensemble, reaches = lively(cell), batch()
    feedback = draw_feedback(ensemble, seed=4)
    trajectory = local_rollout(ensemble, ARM, reaches, feedback)
    found = gradients(ensemble, trajectory, reaches)
    with torch.no_grad():
        trajectory = plain_rollout(ensemble, ARM, reaches)
    signal, s = learning_signal(ensemble, trajectory, reaches, feedback)
    with torch.no_grad():
        expected = forward_traces(ensemble, trajectory, reaches, signal)
    expected["readout_weight"] = torch.einsum("ntmk,ntmu->nku", s, trajectory.hidden)
    expected["readout_bias"] = s.sum((1, 2))
    for name in PARAMETERS:
        largest = expected[name].abs().max()
        assert largest > 0 and (found[name] - expected[name]).abs().max() <= 1e-9 * largest, name


def test_gradients_of_an_lstm_are_traces_of_its_memory_cells():
    ensemble, reaches = lively("lstm"), batch()
    feedback = draw_feedback(ensemble, seed=4)
    found = gradients(ensemble, local_rollout(ensemble, ARM, reaches, feedback), reaches)
    with torch.no_grad():
        trajectory = plain_rollout(ensemble, ARM, reaches)
    signal, _ = learning_signal(ensemble, trajectory, reaches, feedback)
    with torch.no_grad():
        expected = lstm_traces(ensemble, trajectory, reaches, signal)
    for name, gradient in expected.items():
        largest = gradient.abs().max()
        assert largest > 0 and (found[name] - gradient).abs().max() <= 1e-9 * largest, name
    assert not found["initial"].any()  # it acts through the gates alone


@pytest.mark.parametrize(
    ("rule", "cell", "text"),
    [("bptt", "lstm", "backpropagation through time"),
     ("eprop", "lstm", "forget gate.*read-out's own weights"), ("eprop", "gru", "update gate"),
     ("eprop-random", "rnn", "1 - leak.*fixed random weights")],
)  # fmt: skip
def test_a_rule_is_described_for_every_cell(rule, cell, text):
    assert re.search(text, describe_rule(rule, cell))


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_only_the_gradients_differ_from_the_plain_rollout(cell):
    ensemble, reaches = lively(cell), batch()
    local = local_rollout(ensemble, ARM, reaches, draw_feedback(ensemble, 0))
    plain = plain_rollout(ensemble, ARM, reaches)
    for name in ("hand", "velocity", "force", "excitation", "hidden"):
        assert torch.equal(getattr(local, name), getattr(plain, name)), name
    assert all(torch.equal(*parts) for parts in zip(local.memory, plain.memory, strict=True))
    ours, theirs = (gradients(ensemble, trajectory, reaches) for trajectory in (local, plain))
    for name in PARAMETERS[:5]:
        assert not torch.allclose(ours[name], theirs[name], rtol=0.01), name
    if cell == "lstm":  # its state is carried over by the memory alone
        assert not ours["initial"].any()


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_where_nothing_recurs_symmetric_feedback_gives_the_true_gradient(cell):
    """After a single step there is no influence to leave out; random feedback is still another thing."""
    ensemble, reaches = lively(cell), batch(steps=3)
    reaches.go_step[:] = 0

    def of(feedback=None):
        local = local_rollout(ensemble, ARM, reaches, feedback) if feedback is not None else None
        trajectory = plain_rollout(ensemble, ARM, reaches) if local is None else local
        first = (trajectory.excitation[:, 0] * torch.arange(1.0, 7.0)).sum()
        return torch.autograd.grad(first, [getattr(ensemble, name) for name in PARAMETERS[1:]])

    true, symmetric, random = of(), of(ensemble.readout_weight), of(draw_feedback(ensemble, 0))
    for name, one, two, three in zip(PARAMETERS[1:], true, symmetric, random, strict=True):
        assert torch.allclose(one, two, rtol=1e-12), name
        assert torch.allclose(one, three) == name.startswith("readout"), name


@pytest.mark.parametrize("symmetric", [False, True])
def test_the_fused_rollout_has_the_same_local_gradients(symmetric):
    fused = pytest.importorskip("agents.supervised.fused", reason="the fused rollout needs numba")
    ensemble, reaches = lively(units=33), batch(steps=100)
    feedback = ensemble.readout_weight if symmetric else draw_feedback(ensemble, 0)
    plain = gradients(ensemble, local_rollout(ensemble, ARM, reaches, feedback), reaches)
    ours = gradients(ensemble, fused.FusedRollout()(ensemble, reaches, feedback), reaches)
    for name in PARAMETERS:
        assert (ours[name] - plain[name]).abs().max() <= 1e-5 * plain[name].abs().max(), (
            name
        )  # tanh is fitted


def test_feedback_is_drawn_like_a_read_out_from_the_seed_and_the_network():
    ensemble = make_ensemble("gru", 3, 128, seed=0)
    drawn, bound = draw_feedback(ensemble, 7), (6 / (6 + 128)) ** 0.5
    assert drawn.shape == ensemble.readout_weight.shape and drawn.abs().max() <= bound
    assert drawn.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
    assert torch.equal(drawn[:1], draw_feedback(make_ensemble("gru", 1, 128, seed=5), 7))
    assert not torch.equal(drawn, draw_feedback(ensemble, 8)) and not torch.equal(drawn[0], drawn[1])


@pytest.mark.parametrize("path", ["plain", "fused"])
def test_an_update_follows_the_rule_it_was_given(path):
    pytest.importorskip("agents.supervised.fused", reason="the fused rollout needs numba")
    reaches, steps = batch(), {}
    for rule in RULES:
        ensemble = lively()
        ensemble.freeze(*FROZEN)
        learner = SupervisedLearner(ensemble, Learning("sgd", rate=1e-3, rule=rule, feedback_seed=3), path)
        before = ensemble.recurrent_weight.detach().clone()
        feedback = {"eprop-random": draw_feedback(ensemble, 3), "eprop": ensemble.readout_weight}
        trajectory = (
            plain_rollout(ensemble, ARM, reaches) if rule == "bptt"
            else local_rollout(ensemble, ARM, reaches, feedback[rule])
        )  # fmt: skip
        total = total_loss(loss_terms(trajectory, reaches), LossWeights()).sum()
        grad = torch.autograd.grad(total, ensemble.recurrent_weight)[0]
        learner.update(reaches)
        steps[rule] = before - ensemble.recurrent_weight.detach()
        for i in range(2):  # clipped together with bias and initial state: the direction is what counts
            cosine = torch.cosine_similarity(steps[rule][i].flatten(), grad[i].flatten(), dim=0)
            assert cosine.item() == pytest.approx(1.0, abs=1e-6), rule
        for name in FROZEN:
            assert torch.equal(getattr(ensemble, name), getattr(lively(), name))
    assert not torch.allclose(steps["bptt"], steps["eprop"], rtol=0.1)


def test_an_unknown_rule_is_named():
    with pytest.raises(
        ValueError, match="rule must be one of .*'bptt', 'eprop', 'eprop-random'.*, got 'hebb'"
    ):
        Learning(rule="hebb")
