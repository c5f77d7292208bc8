"""Every cell is torch's cell, every network of an ensemble is its own."""

import numpy as np
import pytest
import torch

from agents.supervised.checkpoints import load_ensemble, save_ensemble
from agents.supervised.learner import PRETRAINING, Learning, SupervisedLearner
from agents.supervised.local_rule import describe_rule
from agents.supervised.networks import (
    CELLS,
    INPUTS,
    OUTPUTS,
    READOUT_BIAS,
    Ensemble,
    GRUEnsemble,
    check_device,
    make_ensemble,
    register_cell,
)
from agents.supervised.reaches import random_reaches
from experiments.savings.pretrain import Pretraining, main
from savings_gym.perturbations.fields import NullField

CELL = pytest.mark.parametrize("cell", list(CELLS))
TORCH_CELLS = {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM, "rnn": torch.nn.RNN}
NETWORKS, UNITS, TRIALS, STEPS = 3, 12, 4, 7


def ensemble_of(cell, networks=NETWORKS, units=UNITS, seed=0, dtype=torch.float64):
    return make_ensemble(cell, networks, units, seed=seed, dtype=dtype)


def shaken(cell):
    """An ensemble whose biases and initial states are not zero."""
    ensemble = ensemble_of(cell)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in ensemble.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
    return ensemble


def run(ensemble, inputs):
    """(n, STEPS, m, units) activity and (n, STEPS, m, outputs) read-out."""
    state, hidden = ensemble.initial_state(inputs.shape[2]), []
    for t in range(inputs.shape[1]):
        state = ensemble.step(inputs[:, t], state)
        hidden.append(state[0])
    return torch.stack(hidden, 1), torch.stack([ensemble.readout(h) for h in hidden], 1)


def random_inputs(n=NETWORKS):
    return torch.tensor(np.random.default_rng(2).normal(size=(n, STEPS, TRIALS, INPUTS)))


@CELL
def test_a_cell_is_that_of_torch(cell):
    ensemble, inputs = shaken(cell), random_inputs()
    if cell == "rnn":
        ensemble.leak = 1.0  # torch's has no leak
    hidden, action = run(ensemble, inputs)
    for i in range(NETWORKS):
        theirs = TORCH_CELLS[cell](INPUTS, UNITS, dtype=torch.float64)
        theirs.load_state_dict(
            {
                "weight_ih_l0": ensemble.input_weight[i],
                "weight_hh_l0": ensemble.recurrent_weight[i],
                "bias_ih_l0": ensemble.input_bias[i],
                "bias_hh_l0": ensemble.recurrent_bias[i],
            }
        )
        start = ensemble.initial[i].expand(1, TRIALS, UNITS).contiguous()
        state = (start, torch.zeros_like(start)) if cell == "lstm" else start
        expected, _ = theirs(inputs[i], state)
        assert hidden[i].detach().numpy() == pytest.approx(expected.detach().numpy(), abs=1e-12)
        read = torch.sigmoid(expected @ ensemble.readout_weight[i].T + ensemble.readout_bias[i])
        assert action[i].detach().numpy() == pytest.approx(read.detach().numpy(), abs=1e-12)


def test_the_leaky_unit_moves_a_fifth_of_the_way():
    ensemble, inputs = shaken("rnn"), random_inputs()[:, 0]
    (old,) = ensemble.initial_state(TRIALS)
    (leaky,) = ensemble.step(inputs, (old,))
    ensemble.leak = 1.0
    (goal,) = ensemble.step(inputs, (old,))
    assert leaky.detach().numpy() == pytest.approx((0.8 * old + 0.2 * goal).detach().numpy(), abs=1e-14)


@CELL
def test_a_network_is_the_same_in_every_ensemble_of_its_seed(cell):
    small, large = ensemble_of(cell, 2), ensemble_of(cell, 5)
    for (name, some), (_, more) in zip(small.named_parameters(), large.named_parameters(), strict=True):
        assert torch.equal(some, more[:2]), name
    other = ensemble_of(cell, 2, seed=1)
    assert not torch.equal(small.input_weight, other.input_weight)
    assert not torch.equal(small.recurrent_weight[0], small.recurrent_weight[1])


@CELL
def test_networks_do_not_hear_each_other(cell):
    ensemble, inputs = shaken(cell), random_inputs()
    before, _ = run(ensemble, inputs)
    inputs[1] += 1.0
    with torch.no_grad():
        ensemble.recurrent_weight[1] += 0.1
    after, _ = run(ensemble, inputs)
    assert torch.equal(before[[0, 2]], after[[0, 2]]) and not torch.equal(before[1], after[1])


@CELL
def test_initialisation_is_that_of_the_study(cell):
    ensemble, units = ensemble_of(cell, units=64), 64
    drives = ensemble.gates * units
    for i in range(NETWORKS):
        stack = ensemble.recurrent_weight[i].detach()
        assert (stack.T @ stack).numpy() == pytest.approx(np.eye(units), abs=1e-12)
        assert torch.linalg.matrix_norm(stack).item() == pytest.approx(np.sqrt(units))
        weights, bound = ensemble.input_weight[i].detach(), np.sqrt(6 / (INPUTS + drives))
        assert 0.95 * bound < weights.abs().max() <= bound and abs(weights.mean()) < 0.1 * bound
    bound = np.sqrt(6 / (units + OUTPUTS))
    assert 0.95 * bound < ensemble.readout_weight.detach().abs().max() <= bound
    assert (ensemble.readout_bias == READOUT_BIAS).all() and READOUT_BIAS == -5.0
    for name in ("initial", "input_bias", "recurrent_bias"):
        assert not getattr(ensemble, name).any(), name


@CELL
def test_at_first_muscles_are_nearly_silent(cell):
    _, action = run(ensemble_of(cell), torch.zeros(NETWORKS, STEPS, TRIALS, INPUTS, dtype=torch.float64))
    assert ((action > 0) & (action < 0.02)).all()


def test_freezing_names_what_rests_and_lets_the_rest_learn():
    ensemble = ensemble_of("gru")
    ensemble.freeze("input_weight", "readout_bias")
    resting = {name for name, p in ensemble.named_parameters() if not p.requires_grad}
    assert resting == {"input_weight", "readout_bias"}
    ensemble.freeze()
    assert all(parameter.requires_grad for parameter in ensemble.parameters())


def test_freezing_an_unknown_parameter_lists_them():
    names = (
        "'initial', 'input_weight', 'input_bias', 'recurrent_weight', 'recurrent_bias', 'readout_weight', "
        "'readout_bias'"
    )
    with pytest.raises(ValueError, match=rf"parameter must be one of \({names}\), got 'inputs'"):
        ensemble_of("gru").freeze("inputs")


@CELL
def test_selected_networks_are_copies(cell):
    ensemble = shaken(cell)
    ensemble.freeze("input_weight")
    chosen = ensemble.select(2, 0)
    assert chosen.networks == 2 and type(chosen) is type(ensemble)
    for (name, one), (_, all_) in zip(chosen.named_parameters(), ensemble.named_parameters(), strict=True):
        assert torch.equal(one, all_[[2, 0]]), name
        assert one.requires_grad == all_.requires_grad == (name != "input_weight")
    with torch.no_grad():
        chosen.initial += 1.0
    assert not torch.equal(chosen.initial, ensemble.initial[[2, 0]])
    inputs = random_inputs()
    assert torch.equal(run(ensemble.select(1), inputs[[1]])[0], run(ensemble, inputs)[0][[1]])


@pytest.mark.parametrize("networks", [[3], [-1], [0, 7], []])
def test_selecting_a_network_that_is_not_there_lists_them(networks):
    with pytest.raises(ValueError, match="0 to 2"):
        ensemble_of("gru").select(*networks)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("transformer", 1, 4), "'transformer'.*gru, lstm, rnn"), (("gru", 0, 4), "networks.*0"),
     (("gru", 1, 0), "units.*0")],
)  # fmt: skip
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_ensemble(*arguments, seed=0)


def test_a_device_that_is_not_there_is_refused_with_the_choices():
    check_device("cpu")
    for device in ("meta", "quantum", "cpu:3", "cuda:99", "xla"):
        with pytest.raises(ValueError, match=f"device must be one of .*'cpu'.*, got '{device}'"):
            check_device(device)


class DampedEnsemble(Ensemble):
    """A cell of one's own: rectified units that decay, with a slow trace as a second part of the state."""

    cell, gates = "damped", 2

    def initial_state(self, trials):
        (hidden,) = super().initial_state(trials)
        return hidden, torch.zeros_like(hidden)

    def step(self, inputs, state):
        hidden, trace = state
        drive, gate = sum(self._drive(inputs, hidden)).chunk(2, -1)
        trace = 0.9 * trace + 0.1 * hidden
        return 0.8 * hidden + 0.2 * torch.sigmoid(gate) * torch.tanh(drive - trace), trace


@pytest.fixture
def damped():
    """The cell, registered for one test."""
    yield register_cell(DampedEnsemble)
    CELLS.pop("damped")


def test_a_registered_cell_learns_is_saved_and_loaded(damped, tmp_path):
    ensemble = make_ensemble("damped", 2, 6, seed=0)
    learner = SupervisedLearner(ensemble, PRETRAINING)
    reaches = random_reaches(2, 3, NullField(), np.random.default_rng(0))
    before = ensemble.recurrent_weight.detach().clone()
    learner.update(reaches)
    assert not torch.equal(ensemble.recurrent_weight, before)
    save_ensemble(tmp_path / "damped.safetensors", ensemble)
    loaded = load_ensemble(tmp_path / "damped.safetensors")
    assert type(loaded) is damped
    theirs, ours = (SupervisedLearner(one, PRETRAINING).probe(reaches) for one in (loaded, ensemble))
    assert torch.equal(theirs.hidden, ours.hidden)


def test_a_registered_cell_learns_by_the_local_rule(damped):
    ensemble = make_ensemble("damped", 1, 6, seed=0)
    learner = SupervisedLearner(ensemble, Learning("sgd", rule="eprop"))
    learner.update(random_reaches(1, 2, NullField(), np.random.default_rng(0)))
    assert ensemble.recurrent_weight.grad.abs().max() > 0
    assert "what the cell carries over" in describe_rule("eprop", "damped")


def test_command_lines_take_a_registered_cell(damped, tmp_path):
    out = tmp_path / "damped.safetensors"
    arguments = ["--cell", "damped", "--networks", "1", "--units", "4", "--updates", "1", "--trials", "2"]
    assert main([*arguments, "--out", str(out)]) == 0
    assert load_ensemble(out).cell == "damped"


def test_a_cell_that_is_not_registered_is_refused_with_the_way_to_register_it(tmp_path):
    ensemble = DampedEnsemble(1, 4, seed=0)
    save_ensemble(tmp_path / "damped.safetensors", ensemble)
    choices = "unknown cell 'damped'; choose from: gru, lstm, rnn.*register_cell"
    with pytest.raises(ValueError, match=f"damped.safetensors.*{choices}"):
        load_ensemble(tmp_path / "damped.safetensors")
    with pytest.raises(ValueError, match=choices):
        Pretraining(tmp_path / "out", cell="damped")


def test_a_cell_needs_a_name_of_its_own_and_gates():
    with pytest.raises(TypeError, match="a subclass of Ensemble"):
        register_cell(torch.nn.GRU)
    with pytest.raises(TypeError, match="Nameless must have a cell"):
        register_cell(type("Nameless", (Ensemble,), {}))
    with pytest.raises(ValueError, match="cell 'gru' is registered already"):
        register_cell(type("Copy", (GRUEnsemble,), {}))
    assert register_cell(GRUEnsemble) is CELLS["gru"]  # again, as after a reload


def test_a_gru_of_ones_own_is_not_run_as_the_usual_one():
    fused = pytest.importorskip("agents.supervised.fused", reason="the fused rollout needs numba")

    class SlowGRU(GRUEnsemble):
        cell = "slow-gru"

        def step(self, inputs, state):
            (new,) = super().step(inputs, state)
            return (0.5 * (state[0] + new),)

    assert fused.supports(make_ensemble("gru", 1, 4, seed=0))
    assert not fused.supports(SlowGRU(1, 4, seed=0))


def test_a_gru_begins_with_weights_as_large_as_the_study_s():
    ensemble = make_ensemble("gru", 1, 128, seed=0)
    assert ensemble.input_weight.std().item() == pytest.approx(0.0708, abs=0.001)
    for gate in ensemble.recurrent_weight[0].detach().chunk(3):
        assert torch.linalg.svdvals(gate).mean().item() == pytest.approx(0.51, abs=0.02)
