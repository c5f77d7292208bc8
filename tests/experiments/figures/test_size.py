"""Savings against size: fractions stay apart, a trend is recovered, unlike networks are never pooled."""

import dataclasses

import numpy as np
import pytest
from planted_probes import TRUE_START
from planted_runs import planted_folder

from agents.supervised.checkpoints import save_ensemble
from agents.supervised.networks import make_ensemble
from experiments import study
from experiments.figures.runs import check_alike
from experiments.figures.size import networks_of, paired, per_doubling, saved, size
from experiments.savings.config import PRESETS, start_weights
from experiments.stored.runs import StoredRuns
from savings_gym.metrics.fractions import all_pairs_fraction

SIZES = (32, 64, 128, 256)


def planted(slope, networks=40, spread=0.5, seed=0):
    rng = np.random.default_rng(seed)
    return {units: slope * np.log2(units) + spread * rng.normal(size=networks) for units in SIZES}


def test_sizes_keep_the_two_fractions_apart(tmp_path):
    alike = planted_folder(tmp_path / "alike", spread=5e-3)  # all save 1 mm, and they differ by 5 mm
    none = planted_folder(
        tmp_path / "none", start=TRUE_START | {"FF2": 0.035}, rate=dict.fromkeys(("FF1", "FF2"), 2e-3)
    )
    runs = StoredRuns(alike, {64: alike, 32: none}, {}, 0)
    findings = size(runs, tmp_path)
    numbers = findings.by_name
    own, pairs = (numbers[name("initial deviation", 64)] for name in (paired, study.fraction))
    assert own.value == 1.0 and own.ci[0] == pytest.approx(0.025 ** (1 / 12))
    assert 0.5 < pairs.value < 0.8
    assert numbers[saved("initial deviation", 64)].value == pytest.approx(1.0, abs=0.2)
    assert numbers[saved("rate", 64)].value == pytest.approx(1.2, abs=0.05)
    low, high = numbers[saved("rate", 32)].ci
    assert low < 1.0 < high
    networks = networks_of(runs, alike)
    assert np.all(networks.ff1 > networks.ff2)
    rows = findings.networks["units"] == 64
    ff1, ff2 = (findings.networks[f"initial deviation {phase} (mm)"][rows] for phase in ("FF1", "FF2"))
    assert all_pairs_fraction(ff1, ff2) == pairs.value


def test_no_size_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no run of any network size"):
        size(StoredRuns(tmp_path, {}, {}, 0), tmp_path)


def test_sizes_that_were_pretrained_in_different_ways_are_not_compared(tmp_path):
    runs = {
        units: planted_folder(tmp_path / str(units), networks=3, pretraining_updates=updates)
        for units, updates in ((32, 4500), (64, 10500))
    }
    with pytest.raises(
        ValueError, match=r"not pooled \(32 units: 3 with 4500 batches; 64 units: 3 with 10500"
    ):
        size(StoredRuns(runs[32], runs, {}, 0), tmp_path)


def test_a_run_that_mixes_networks_is_refused():
    check_alike({"main": ["4 batches"] * 3})
    with pytest.raises(ValueError, match=r"main: 1 with 4 batches, 2 with 9 batches"):
        check_alike({"main": ["4 batches", "9 batches", "9 batches"]})


def test_a_slope_per_doubling_is_recovered_with_an_honest_interval():
    inside = 0
    for seed in range(200):
        trend = per_doubling("slope", planted(0.3, 12, seed=seed), "mm")
        inside += trend.ci[0] < 0.3 < trend.ci[1]
    assert 180 <= inside <= 198  # 95 % of 200, within three standard deviations
    assert per_doubling("slope", planted(0.3), "mm").value == pytest.approx(0.3, abs=0.1)
    assert per_doubling("slope", planted(0.3), "mm").p < 1e-4
    assert per_doubling("slope", planted(0.0), "mm").p > 0.01


def test_one_size_has_no_trend():
    trend = per_doubling("slope", {128: np.arange(5.0)}, "mm")
    assert trend.value is None and "two sizes" in trend.note


def test_a_file_of_networks_that_were_pretrained_in_different_ways_starts_no_run(tmp_path):
    about = [{"updates": n, "initial_weights": "stack"} for n in (4, 9)]
    parts = [{"networks": 1, "pretraining": each, "cell": "gru", "units": 8} for each in about]
    path = tmp_path / "mixed.safetensors"
    save_ensemble(path, make_ensemble("gru", 2, 8, seed=0), joined=parts)
    config = dataclasses.replace(PRESETS["smoke"], out=tmp_path / "run", pretrained=path)
    with pytest.raises(ValueError, match=r"different ways \(4 batches; 9 batches\)"):
        start_weights(config)
    assert start_weights(dataclasses.replace(config, networks=1)) == path
