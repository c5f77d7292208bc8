"""The figures of displacement, relation and latent measures recover what was planted."""

import numpy as np
import pytest
import torch
from planted_activity import planted
from planted_runs import MAIN, runs

from agents.supervised.networks import make_ensemble
from experiments.figures import displacement as figure_displacement
from experiments.figures import latent as figure_latent
from experiments.figures import relation as figure_relation
from experiments.figures.displacement import DRAWS, LARGER, RANDOM, TIMES, displacement
from experiments.figures.latent import BEYOND_SHAM, FIT, SEEN, SHAM_TRACE, TRACE, latent
from experiments.figures.relation import INITIAL, RATE, Networks, correlated, differing, relation
from experiments.study import DISPLACED_FF1, SLOPE, displaced


class LinearProbes:
    """Probes whose deviation is linear in what is added: -1 mm per unit of shift, and a gain beside it."""

    def __init__(self, direction, gain_off):
        self.direction, self.gain_off = direction, gain_off

    def deviation(self, vectors, step, phase="NF2"):
        moves = np.asarray(vectors)
        along = np.sum(moves * self.direction, axis=-1) / np.sum(self.direction**2, axis=-1)
        off = self.gain_off * (moves[..., 0] - along * self.direction[:, 0])
        start = 0.034 if phase == "NF1" else 0.033
        return start + np.arange(moves.shape[1]) * 1e-4 - (3e-3 if step == 51 else 1e-3) * along + off

    def left(self, vectors, step):
        return np.full((*np.asarray(vectors).shape[:2], 100), 0.25)


def displaced_figure(monkeypatch, out, gain_off):
    stored = runs()
    shift = figure_displacement.preparation(stored.activity(MAIN)).shift.vector
    fake = LinearProbes(shift, gain_off)
    monkeypatch.setattr(figure_displacement.DisplacedProbes, "of_run", staticmethod(lambda *_: fake))
    return displacement(stored, out), shift


def test_a_planted_slope_along_the_shift_is_found_and_random_directions_have_none(monkeypatch, tmp_path):
    found, _ = displaced_figure(monkeypatch, tmp_path, 0.0)
    numbers = found.by_name
    assert numbers[SLOPE].value == pytest.approx(-1.0)
    assert numbers[SLOPE].ci == pytest.approx((-1.0, -1.0))
    assert numbers[displaced(0)].value == pytest.approx(33.15)
    assert numbers[displaced(-2)].value == pytest.approx(35.15)
    assert numbers[displaced(2)].value == pytest.approx(31.15)
    assert numbers[DISPLACED_FF1].value == pytest.approx(34.15)
    for k in range(DRAWS):
        assert numbers[f"{SLOPE}, random direction {k}"].value == pytest.approx(0.0, abs=1e-9)
    assert numbers[LARGER].value == pytest.approx(1.0)
    assert "a random direction of equal length moves it less" in found.text
    assert "at 0.51 s, when the cue is seen and the field acts: -3" in found.text
    table = found.tables["When activity is displaced"]
    assert table.count("\n") == 1 + len(TIMES) and "| 0.51 s | -3 [-3, -3]" in table


def test_random_directions_that_move_more_are_said_to_move_more(monkeypatch, tmp_path):
    found, _ = displaced_figure(monkeypatch, tmp_path, 1.0)
    numbers = found.by_name
    assert numbers[LARGER].ci[1] < 0.0
    assert "moves it more, not less" in found.text
    assert "means of 8 draws from" in numbers[RANDOM].note


def related(monkeypatch, out, sizes):
    rng = np.random.default_rng(0)
    held = {}
    for units in sizes:
        kept = rng.uniform(0.0, 0.4, 12)
        saved = {INITIAL: units * 0.1 + 2.0 * kept, RATE: 1.2 + 0.05 * rng.standard_normal(12)}
        saved[RATE][3] = np.nan
        held[units] = Networks(kept - 0.01 * units, saved)
    monkeypatch.setattr(figure_relation, "runs_by_units", lambda _: {u: u for u in sizes})
    monkeypatch.setattr(figure_relation, "networks_of", lambda _, units: held[units])
    return relation(runs(), out)


def test_networks_that_keep_more_and_save_more_are_reported_by_size(monkeypatch, tmp_path):
    found = related(monkeypatch, tmp_path, (32, 64))
    numbers = found.by_name
    for units in (32, 64):
        assert numbers[correlated(INITIAL, units)].value == pytest.approx(1.0)
        assert numbers[correlated(RATE, units)].ci[0] < 0.0 < numbers[correlated(RATE, units)].ci[1]
        assert numbers[correlated(RATE, units)].networks == 11  # one without a rate
        assert f"of {units} units that keep more of the shift save more (initial savings, r = 1" in found.text
    assert "do not measurably save more or less (rate savings" in found.text
    assert numbers[differing(RATE)].p > 0.05 and "do not measurably differ between sizes" in found.text


def test_one_size_has_nothing_to_differ_from(monkeypatch, tmp_path):
    numbers = related(monkeypatch, tmp_path, (32,)).by_name
    assert differing(INITIAL) not in numbers and correlated(INITIAL, 32) in numbers


def with_readout(monkeypatch, stored, weight):
    """The read-out of every network of the planted run."""
    n, units = len(weight), weight.shape[-1]
    ensemble = make_ensemble("gru", n, units, seed=0)
    with torch.no_grad():
        ensemble.readout_weight.copy_(torch.as_tensor(weight))
    monkeypatch.setattr(type(stored), "ensembles", lambda self, run: {"NF1": ensemble}, raising=False)


@pytest.fixture
def data():
    return planted((3,), noise=0.003)


def test_a_shift_along_the_readout_is_seen_and_one_beside_it_is_not(monkeypatch, tmp_path, data):
    rng = np.random.default_rng(0)
    stored = runs(data)
    shift = figure_latent.preparation(stored.activity(MAIN)).shift.vector
    along = np.concatenate([shift[:, None], rng.standard_normal((3, 5, 40))], axis=1)
    with_readout(monkeypatch, stored, along)
    numbers = latent(stored, tmp_path).by_name
    assert numbers[SEEN].value == pytest.approx(1.0, abs=1e-6)
    assert numbers["share of a random direction that the read-out sees"].value == pytest.approx(6 / 40)
    unit = shift / np.linalg.norm(shift, axis=-1, keepdims=True)
    beside = along[:, 1:] - np.einsum("nou,nu->no", along[:, 1:], unit)[..., None] * unit[:, None]
    with_readout(monkeypatch, stored, np.concatenate([beside, beside[:, :1]], axis=1))
    assert latent(stored, tmp_path).by_name[SEEN].value == pytest.approx(0.0, abs=1e-6)


def test_no_trace_where_nothing_changed_and_the_sham_is_taken_off(monkeypatch, tmp_path, data):
    data.activity["NF2"] = data.activity["NF1"]
    drifted = {"NF2": planted((3,), noise=0.003).activity["NF2"]}
    stored = runs(data, sham=drifted)
    with_readout(monkeypatch, stored, np.random.default_rng(0).standard_normal((3, 6, 40)))
    found = latent(stored, tmp_path)
    numbers = found.by_name
    assert numbers[TRACE].value == pytest.approx(0.0, abs=1e-6)
    assert abs(numbers[SHAM_TRACE].value) > 1e-6
    assert numbers[BEYOND_SHAM].value == pytest.approx(-numbers[SHAM_TRACE].value, abs=1e-6)
    assert 0.0 < numbers[FIT].value <= 1.0
    assert numbers["share of what NF2 keeps that the read-out sees"].value is None
    assert numbers["distance of NF2 from NF1 before go, in units of the tuning to targets"].value == 0.0
    assert numbers["alignment of NF2 with NF1, 10 components"].value == pytest.approx(1.0)
