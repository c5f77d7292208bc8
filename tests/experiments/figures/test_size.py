"""Savings against size: fractions stay apart, a step is found where it is, unlike networks are not pooled."""

import dataclasses

import numpy as np
import pytest
from planted_probes import TRUE_START
from planted_runs import planted_folder

from agents.supervised.checkpoints import save_ensemble
from agents.supervised.networks import make_ensemble
from experiments import study
from experiments.figures.findings import correct
from experiments.figures.runs import check_alike
from experiments.figures.size import (
    SAVINGS,
    in_steps,
    neighbours,
    networks_of,
    paired,
    saved,
    size,
    step,
    steps_table,
    values_at,
)
from experiments.savings.config import PRESETS, start_weights
from experiments.stored.runs import StoredRuns
from experiments.study import Quantity
from savings_gym.metrics.fractions import all_pairs_fraction

MEANS = {32: 0.7, 64: 0.7, 128: 1.2}  # a step


def planted(seed=0, networks=(24, 24, 40), spread=(0.7, 0.4, 0.35)):
    """Networks of every size, the smaller ones more different from each other."""
    rng = np.random.default_rng(seed)
    about = zip(MEANS.items(), networks, spread, strict=True)
    return {units: mean + sd * rng.normal(size=n) for (units, mean), n, sd in about}


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
    (initial,) = (numbers[name] for name in numbers if name == step(SAVINGS["initial deviation"], 32, 64))
    assert initial.value == pytest.approx(
        numbers[saved("initial deviation", 64)].value - numbers[saved("initial deviation", 32)].value
    )
    assert (
        f"at 32 and 64 units: {values_at([numbers[saved('rate', u)] for u in (32, 64)])}; " in findings.text
    )
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


def test_a_step_is_found_between_its_sizes_and_not_between_the_others():
    steps = {entry.name: entry for entry in correct(neighbours("x", planted(), "mm"), [
        step("x", 32, 64), step("x", 64, 128)])}  # fmt: skip
    flat, high = steps[step("x", 32, 64)], steps[step("x", 64, 128)]
    assert high.value == pytest.approx(0.5, abs=0.2) and high.networks == 64
    assert high.ci[0] < high.value < high.ci[1] and high.p_holm < 1e-3 < flat.p_holm
    words = in_steps(steps, "x", MEANS)
    assert words.startswith("larger at 128 than at 64 units (p = ")
    assert "not measurably different between 32 and 64 units (p = " in words
    assert [line.split(" | ")[0] for line in steps_table(steps, ["x"], MEANS).splitlines()[2:]] == [
        "| x, 64 units less 32 units", "| x, 128 units less 64 units",
    ]  # fmt: skip


def test_sizes_that_do_not_differ_are_said_so_once():
    alike = {
        units: values - mean for (units, values), mean in zip(planted(1).items(), MEANS.values(), strict=True)
    }
    steps = {entry.name: entry for entry in neighbours("x", alike, "mm")}
    assert in_steps(steps, "x", MEANS).startswith("neighbouring sizes do not measurably differ (p = ")
    fallen = {units: -values for units, values in planted().items()}
    assert in_steps({e.name: e for e in neighbours("x", fallen, "mm")}, "x", MEANS).startswith(
        "smaller at 128"
    )


def test_intervals_of_steps_hold_what_was_planted_in_19_of_20_cases():
    inside = 0
    for seed in range(400):
        (entry,) = neighbours("x", {u: x for u, x in planted(seed).items() if u < 128}, "mm")
        inside += entry.ci[0] < 0.0 < entry.ci[1]
        assert (entry.p > 0.05) == (entry.ci[0] < 0.0 < entry.ci[1])
    assert 367 <= inside <= 393  # 95 % of 400, within three standard deviations


def test_steps_without_enough_networks_have_no_test():
    (one,) = neighbours("x", {32: np.ones(1), 64: np.arange(3.0)}, "mm")
    assert one.value == 0.0 and one.p is None and one.ci == (None, None)
    (none,) = neighbours("x", {32: np.empty(0), 64: np.arange(3.0)}, "mm")
    assert none.value is None and in_steps({none.name: none}, "x", (32, 64)) == ""
    assert neighbours("x", {128: np.arange(5.0)}, "mm") == []


def test_values_in_a_sentence_have_equal_decimals():
    entries = [Quantity(str(x), x, (None, None), 3, "mm") for x in (0.6819, 0.6549, 1.1981)]
    assert values_at(entries) == "0.68, 0.65 and 1.20 mm"
    assert values_at([*entries, dataclasses.replace(entries[0], value=None)]) == values_at([]) == ""


def test_a_file_of_networks_that_were_pretrained_in_different_ways_starts_no_run(tmp_path):
    about = [{"updates": n, "initial_weights": "stack"} for n in (4, 9)]
    parts = [{"networks": 1, "pretraining": each, "cell": "gru", "units": 8} for each in about]
    path = tmp_path / "mixed.safetensors"
    save_ensemble(path, make_ensemble("gru", 2, 8, seed=0), joined=parts)
    config = dataclasses.replace(PRESETS["smoke"], out=tmp_path / "run", pretrained=path)
    with pytest.raises(ValueError, match=r"different ways \(4 batches; 9 batches\)"):
        start_weights(config)
    assert start_weights(dataclasses.replace(config, networks=1)) == path
