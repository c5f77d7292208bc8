"""Trend over sizes and groups of pre-training: planted numbers come back."""

import numpy as np
import pytest

from agents.supervised.checkpoints import actuation_of, join_ensembles, pretraining_of, save_ensemble
from agents.supervised.networks import make_ensemble
from experiments.figures.size import by_pretraining, per_doubling, pretrained_alike
from savings_gym.metrics.statistics import Sampling

SIZES = (32, 64, 128, 256)


def planted(slope, networks=40, spread=0.5, seed=0):
    rng = np.random.default_rng(seed)
    return {units: slope * np.log2(units) + spread * rng.normal(size=networks) for units in SIZES}


def test_a_slope_per_doubling_is_recovered_with_an_honest_interval():
    inside = 0
    for seed in range(200):
        found = per_doubling("slope", planted(0.3, 12, seed=seed), 1.0, "mm")
        inside += found.ci[0] < 0.3 < found.ci[1]
    assert 180 <= inside <= 198  # 95 % of 200, within three standard deviations
    assert per_doubling("slope", planted(0.3), 1000.0, "mm").value == pytest.approx(300.0, abs=100.0)
    assert per_doubling("slope", planted(0.3), 1.0, "mm").p < 1e-4
    assert per_doubling("slope", planted(0.0), 1.0, "mm").p > 0.01


def test_one_size_has_no_trend():
    found = per_doubling("slope", {128: np.arange(5.0)}, 1.0, "mm")
    assert found.value is None and "two sizes" in found.note


def test_groups_of_pretraining_are_told_apart():
    rng = np.random.default_rng(0)
    mean = {64: np.full(4, 1e-3), 128: np.repeat([1e-3, 2e-3], 5)}
    savings = {units: x + 1e-7 * rng.normal(size=len(x)) for units, x in mean.items()}
    how = {64: ["4 batches"] * 4, 128: ["10 batches"] * 5 + ["4 batches"] * 5}
    errors = {units: np.stack([5.0 * x, x]) for units, x in mean.items()}
    lines = by_pretraining(savings, errors, how, Sampling()).splitlines()
    cells = [[cell.strip().split(" [")[0] for cell in line.split("|")[1:-1]] for line in lines[2:]]
    assert [row[:6] for row in cells] == [
        ["64", "4 batches", "4", "5 mm", "1 mm", "1 mm"],
        ["128", "10 batches", "5", "5 mm", "1 mm", "1 mm"],
        ["128", "4 batches", "5", "10 mm", "2 mm", "2 mm"],
    ]
    assert cells[0][6] == "-" and float(cells[1][6]) < 1e-6
    alike = pretrained_alike(how)
    assert alike[64].all() and alike[128].tolist() == [False] * 5 + [True] * 5
    assert all(kept.all() for kept in pretrained_alike({64: ["a"] * 4, 128: ["b"] * 10}).values())


def test_a_joined_file_says_of_every_network_how_it_was_pretrained(tmp_path):
    made = {"a": {"updates": 9}, "b": {"updates": 4, "anneal": 2}, "c": None}
    for name, about in made.items():
        more = {} if about is None else {"pretraining": about}
        save_ensemble(tmp_path / name, make_ensemble("gru", 2 if name == "a" else 1, 4, seed=0), **more)
    join_ensembles([tmp_path / "a", tmp_path / "b"], tmp_path / "ab")
    join_ensembles([tmp_path / "ab", tmp_path / "c"], tmp_path / "all")
    falling = "4 batches, the last 2 with a falling rate"
    assert pretraining_of(tmp_path / "all") == ["9 batches", "9 batches", falling, "not known"]
    assert pretraining_of(tmp_path / "a") == ["9 batches"] * 2


def test_networks_of_different_arms_are_not_joined(tmp_path):
    for name in ("muscle", "motor"):
        about = {"pretraining": {"updates": 1, "actuation": name}}
        save_ensemble(tmp_path / name, make_ensemble("gru", 1, 4, seed=0), **about)
    assert actuation_of(tmp_path / "motor") == "motor"
    with pytest.raises(ValueError, match="actuations motor, muscle"):
        join_ensembles([tmp_path / "muscle", tmp_path / "motor"], tmp_path / "all")
