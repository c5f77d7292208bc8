"""Trend over sizes and groups of pre-training: planted numbers come back."""

import numpy as np
import pytest

from agents.checkpoints import join_ensembles, pretraining_updates, save_ensemble
from agents.networks import make_ensemble
from experiments.figures.size_checks import by_pretraining, per_doubling
from savings_gym.statistics import Sampling

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
    savings = {
        64: 1e-3 + 1e-7 * rng.normal(size=4),
        128: np.repeat([1e-3, 2e-3], 5) + 1e-7 * rng.normal(size=10),
    }
    updates = {64: [4000] * 4, 128: [10_500] * 5 + [4000] * 5}
    lines = by_pretraining(savings, updates, Sampling()).splitlines()
    assert len(lines) == 5 and lines[2].startswith("| 64 | 4000 | 4 | 1 mm")
    assert lines[3].startswith("| 128 | 4000 | 5 | 2 mm") and lines[4].startswith("| 128 | 10500 | 5 | 1 mm")
    assert float(lines[3].split("|")[-2]) < 1e-6
    assert by_pretraining(savings, {64: [7] * 4, 128: [7] * 10}, Sampling()) is None


def test_a_joined_file_says_of_every_network_how_long_it_was_pretrained(tmp_path):
    for name, networks, about in (("a", 2, {"updates": 9}), ("b", 1, {"updates": 4}), ("c", 1, None)):
        more = {} if about is None else {"pretraining": about}
        save_ensemble(tmp_path / name, make_ensemble("gru", networks, 4, seed=0), **more)
    join_ensembles([tmp_path / name for name in "abc"], tmp_path / "all")
    assert pretraining_updates(tmp_path / "all") == [9, 9, 4, None]
    assert pretraining_updates(tmp_path / "a") == [9, 9]
