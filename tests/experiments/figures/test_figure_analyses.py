"""The figures of displacement, relation and latent measures recover what was planted."""

import numpy as np
import pytest
import torch
from planted_activity import planted
from planted_runs import MAIN, planted_runs

from agents.supervised.networks import make_ensemble
from experiments.figures import displacement as figure_displacement
from experiments.figures import latent as figure_latent
from experiments.figures.displacement import DRAWS, LARGER, RANDOM, TIMES, WITHOUT_STEEPEST, displacement
from experiments.figures.findings import TESTED_BY_PRACTICE
from experiments.figures.latent import BEYOND_SHAM, FIT, KEPT, SEEN, SHAM_TRACE, TRACE, latent, read_share
from experiments.figures.latent import RANDOM as RANDOM_DIRECTION
from experiments.figures.relation import (
    INITIAL,
    RATE,
    Networks,
    correlated,
    heterogeneous,
    relation_quantities,
)
from experiments.study import DISPLACED_FF1, SLOPE, displaced
from savings_gym.metrics.statistics import Sampling


class LinearProbes:
    """Probes whose deviation is linear in what is added: -1 mm per shift, more at go, and a gain off it."""

    def __init__(self, direction, gain_off, late=-1e-3):
        self.direction, self.gain_off = direction, gain_off
        self.slope = {51: -3e-3, 54: late}

    def deviation(self, vectors, step, phase="NF2"):
        moves = np.asarray(vectors)
        along = np.sum(moves * self.direction, axis=-1) / np.sum(self.direction**2, axis=-1)
        off = self.gain_off * (moves - along[..., None] * self.direction)[..., 0]
        start = 0.034 if phase == "NF1" else 0.033
        return start + np.arange(moves.shape[1]) * 1e-4 + self.slope.get(step, -1e-3) * along + off

    slopes = figure_displacement.DisplacedProbes.slopes  # of `deviation`

    def remainder(self, vectors, step):
        return np.full((*np.asarray(vectors).shape[:2], 100), 0.25)


def displaced_figure(monkeypatch, out, gain_off, late=-1e-3):
    stored = planted_runs()
    shift = figure_displacement.preparation(stored.activity(MAIN)).shift.vector
    fake = LinearProbes(shift, gain_off, late)
    monkeypatch.setattr(figure_displacement.DisplacedProbes, "of_run", staticmethod(lambda *_: fake))
    return displacement(stored, out)


def test_a_planted_slope_along_the_shift_is_found_and_random_directions_have_none(monkeypatch, tmp_path):
    findings = displaced_figure(monkeypatch, tmp_path, 0.0)
    numbers = findings.by_name
    assert numbers[SLOPE].value == pytest.approx(-1.0)
    assert numbers[SLOPE].ci == pytest.approx((-1.0, -1.0))
    assert numbers[SLOPE].values == pytest.approx([-1.0] * 4)
    assert numbers[displaced(0)].value == pytest.approx(33.15)
    assert numbers[displaced(-2)].value == pytest.approx(35.15)
    assert numbers[displaced(2)].value == pytest.approx(31.15)
    assert numbers[DISPLACED_FF1].value == pytest.approx(34.15)
    for k in range(DRAWS):
        assert numbers[f"{SLOPE}, random direction {k}"].value == pytest.approx(0.0, abs=1e-9)
    assert numbers[LARGER].value == pytest.approx(1.0)
    assert "4 of 4 slopes are negative" in findings.text
    assert "within a network a random direction has the smaller effect" in findings.text
    assert "is left (25 % as a geometric mean" in findings.text
    assert numbers[WITHOUT_STEEPEST].value == pytest.approx(-1.0) and numbers[WITHOUT_STEEPEST].networks == 3
    assert "at 0.51 s, when the cue is seen and the field acts: -3" in findings.text
    table = findings.tables["Displacements at other times"]
    assert table.count("\n") == 3 + len(TIMES) and "| 0.51 s | -3.00 [-3.00, -3.00]" in table


def test_a_slope_that_changes_its_sign_after_go_is_told(monkeypatch, tmp_path):
    assert "other sign" not in displaced_figure(monkeypatch, tmp_path, 0.0).text
    text = displaced_figure(monkeypatch, tmp_path, 0.0, late=2e-3).text
    assert text.endswith("at 0.54 s, its effect has the other sign: 2.00 mm per unit of shift [2.00, 2.00].")


def test_random_directions_that_move_more_are_said_to_move_more(monkeypatch, tmp_path):
    findings = displaced_figure(monkeypatch, tmp_path, 1.0)
    assert findings.by_name[LARGER].ci[1] < 0.0
    assert "a random direction has the larger effect" in findings.text
    assert "means of 8 draws from" in findings.by_name[RANDOM].note


def planted_networks(units, slope, seed=0, count=12):
    """Networks whose initial savings follow the retained shift, and whose rates do not."""
    rng = np.random.default_rng([seed, units])
    retained = rng.uniform(0.0, 0.4, count)
    saved = {INITIAL: slope * retained + 0.02 * rng.standard_normal(count)}
    saved[RATE] = 1.2 + 0.05 * rng.standard_normal(count)
    saved[RATE][3] = np.nan
    return Networks(np.arange(count), retained - 0.01 * units, saved)


def test_correlations_of_opposite_sign_are_reported_by_size_and_as_different():
    networks = {32: planted_networks(32, 2.0), 64: planted_networks(64, -2.0)}
    numbers = {entry.name: entry for entry in relation_quantities(networks, Sampling())}
    assert numbers[correlated(INITIAL, 32)].value > 0.9 and numbers[correlated(INITIAL, 64)].value < -0.9
    assert numbers[heterogeneous(INITIAL)].p_holm < 1e-6
    assert numbers[correlated(RATE, 32)].networks == 11  # one has no rate
    assert numbers[heterogeneous(RATE)].p > 0.01
    pooled = [name for name in numbers if name.startswith("correlation") and "units" not in name]
    assert not pooled


def test_correlations_of_one_sign_do_not_differ():
    networks = {32: planted_networks(32, 2.0), 64: planted_networks(64, 2.0)}
    numbers = {entry.name: entry for entry in relation_quantities(networks, Sampling())}
    assert numbers[heterogeneous(INITIAL)].p > 0.01


def test_one_size_has_nothing_to_differ_from():
    numbers = {entry.name for entry in relation_quantities({32: planted_networks(32, 2.0)}, Sampling())}
    assert heterogeneous(INITIAL) not in numbers and correlated(INITIAL, 32) in numbers


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


def test_a_shift_along_the_readout_is_read_and_one_beside_it_is_not(monkeypatch, tmp_path, data):
    rng = np.random.default_rng(0)
    stored = planted_runs(data)
    shift = figure_latent.preparation(stored.activity(MAIN)).shift.vector
    along = np.concatenate([shift[:, None], rng.standard_normal((3, 5, 40))], axis=1)
    with_readout(monkeypatch, stored, along)
    numbers = latent(stored, tmp_path).by_name
    assert numbers[SEEN].value == pytest.approx(1.0, abs=1e-6)
    assert numbers[read_share(RANDOM_DIRECTION)].value == pytest.approx(6 / 40)
    unit = shift / np.linalg.norm(shift, axis=-1, keepdims=True)
    beside = along[:, 1:] - np.einsum("nou,nu->no", along[:, 1:], unit)[..., None] * unit[:, None]
    with_readout(monkeypatch, stored, np.concatenate([beside, beside[:, :1]], axis=1))
    assert latent(stored, tmp_path).by_name[SEEN].value == pytest.approx(0.0, abs=1e-6)


def test_no_trace_if_nothing_changed_and_the_sham_is_subtracted(monkeypatch, tmp_path, data):
    data.activity["NF2"] = data.activity["NF1"]
    drifted = {"NF2": planted((3,), noise=0.003).activity["NF2"]}
    stored = planted_runs(data, sham=drifted)
    with_readout(monkeypatch, stored, np.random.default_rng(0).standard_normal((3, 6, 40)))
    findings = latent(stored, tmp_path)
    numbers = findings.by_name
    assert numbers[TRACE].value == pytest.approx(0.0, abs=1e-6)
    assert abs(numbers[SHAM_TRACE].value) > 1e-6
    assert numbers[BEYOND_SHAM].value == pytest.approx(-numbers[SHAM_TRACE].value, abs=1e-6)
    assert numbers[BEYOND_SHAM].p is None and numbers[BEYOND_SHAM].note == TESTED_BY_PRACTICE
    assert numbers[SHAM_TRACE].p_holm >= numbers[SHAM_TRACE].p
    assert f"beyond that, {TESTED_BY_PRACTICE}." in findings.text
    assert "the linear map from activity to hand velocity, which reads it" in findings.text
    assert 0.0 < numbers[FIT].value <= 1.0
    assert numbers[read_share(KEPT)].value is None
    assert numbers["distance of NF2 from NF1 before go, in units of the tuning to targets"].value == 0.0
    assert numbers["alignment of NF2 with NF1, 10 components"].value == pytest.approx(1.0)
