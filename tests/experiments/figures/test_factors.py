"""The figure of factors tells which condition changes the slope of the displacement."""

import numpy as np
import pytest
from scipy.stats import ttest_ind

from experiments.figures import factors as figure
from experiments.figures.factors import KEPT, MEASURES, RESIDUAL, RESPONSE, SAVED, Factor, factors
from experiments.stored.runs import StoredRuns
from savings_gym.metrics.statistics import Sampling

N = 8


def planted(slope, seed, sham=True):
    """A condition with this slope [mm per shift], the networks' own offsets and a little noise."""
    offsets = np.random.default_rng(0).standard_normal(N)
    noise = np.random.default_rng(seed).standard_normal((len(MEASURES), N))
    values = {kind: 0.1 + 0.01 * row for kind, row in zip(MEASURES, noise, strict=True)}
    values[RESIDUAL] = 0.01 * (noise[1] - noise[1].mean()) + (0.1 if slope else 0.0)
    values[RESPONSE] = 1e-3 * (slope + offsets + 0.05 * noise[0])
    if not sham:
        del values[KEPT], values[SAVED]
    return Factor(f"Does {slope} matter?", np.arange(N), values)


@pytest.fixture
def findings(monkeypatch, tmp_path):
    found = {
        "main": planted(-0.5, 1), "same": planted(-0.5, 2), "steeper": planted(-1.0, 3, sham=False),
        "flat": planted(0.0, 4),
    }  # fmt: skip
    monkeypatch.setattr(figure, "_folders", lambda runs: {name: (its,) for name, its in found.items()})
    monkeypatch.setattr(figure, "measured", lambda runs, its: its)
    return factors(StoredRuns(tmp_path, {}, {}, 0), tmp_path)


def test_slopes_are_compared_network_by_network(findings):
    """The networks' own offsets, ten times the effect, do not hide it."""
    numbers = findings.by_name
    assert numbers["steeper: displacement slope, less the main run's"].value == pytest.approx(-0.5, abs=0.05)
    assert numbers["flat: displacement slope, less the main run's"].value == pytest.approx(0.5, abs=0.05)
    assert "displacement slope: higher with `flat`; displacement slope: lower with `steeper`" in findings.text
    compared, washout = findings.text.split(" NF2 does not end where NF1 does in ")
    assert (
        "The study's slope lies in the interval of `same` (-0." in compared and compared.count("alone") == 1
    )
    assert "Network 6, the steepest of the main run, weighs much among few" in compared
    assert compared.count(" in place of ") == 3  # the main run's own is in the figure of displacement
    assert all(f"`{name}` (" in washout for name in ("main", "same", "steeper")) and "`flat`" not in washout
    assert numbers["flat: shift left in NF2, beyond the sham's, less the main run's"].p_holm > 0.05
    assert "steeper: shift left in NF2, beyond the sham's, less the main run's" not in numbers


def test_networks_that_a_condition_lacks_do_not_move_the_pairs(monkeypatch, tmp_path):
    main = planted(-0.5, 1)
    kept = np.array([0, 2, 3, 5, 6, 7])
    lacking = Factor("Does it matter?", kept, {kind: values[kept] for kind, values in main.values.items()})
    lacking.values[KEPT][2] = np.nan  # of a network that its sham lacks
    monkeypatch.setattr(figure, "_folders", lambda runs: {"main": (main,), "lacking": (lacking,)})
    monkeypatch.setattr(figure, "measured", lambda runs, its: its)
    findings = factors(StoredRuns(tmp_path, {}, {}, 0), tmp_path)
    for kind, count in ((RESPONSE, 6), (SAVED, 6), (KEPT, 5)):
        entry = findings.by_name[f"lacking: {kind}, less the main run's"]
        assert entry.values == (0.0,) * count, kind
    rows = findings.networks["condition"] == "lacking"
    assert findings.networks["network"][rows].tolist() == kept.tolist()


def test_networks_that_were_pretrained_anew_are_compared_with_all_of_the_main_run(tmp_path):
    main, quiet = planted(-0.5, 1), planted(-1.5, 2)
    few = Factor("", np.arange(4), {kind: values[:4] for kind, values in quiet.values.items()})
    entry = figure.findings_of({"main": main, "quiet": few}, Sampling(0), tmp_path).by_name[
        "quiet: displacement slope, less the main run's"
    ]
    theirs, ours = (1e3 * its.values[RESPONSE] for its in (main, few))
    test = ttest_ind(ours, theirs, equal_var=False)
    assert (entry.value, entry.p) == pytest.approx((ours.mean() - theirs.mean(), test.pvalue))
    assert entry.ci == pytest.approx(tuple(test.confidence_interval())) and entry.note == "4 and 8"


def test_what_needs_a_sham_is_left_out_without_one(findings):
    assert f"steeper: {SAVED}" not in findings.by_name
    table, less_main = findings.tables.values()
    assert f"| steeper | {RESPONSE} |" in less_main and f"| steeper | {SAVED} |" not in less_main
    row = next(line for line in table.splitlines() if line.startswith("| steeper |"))
    assert row.count("| - ") == 2
    assert len(findings.networks["condition"]) == 4 * N
    saved = findings.networks[f"{SAVED} (mm)"][findings.networks["condition"] == "steeper"]
    assert np.all(np.isnan(saved))


def test_of_the_main_run_the_networks_that_others_have_are_shown_beside_them(tmp_path):
    main, few = planted(-0.5, 1), np.arange(3)
    other = Factor("Does it matter?", few, {kind: 2.0 * values[few] for kind, values in main.values.items()})
    findings = figure.findings_of({"main": main, "other": other}, Sampling(0), tmp_path)
    for kind in (RESPONSE, SAVED):
        same = findings.by_name[f"{figure.SAME}: {kind}"]
        assert same.values == findings.by_name[f"main: {kind}"].values[:3]
        less = findings.by_name[f"other: {kind}, less the main run's"]
        assert less.value == pytest.approx(findings.by_name[f"other: {kind}"].value - same.value)
    assert set(findings.networks["condition"]) == {"main", "other"}  # stored once
    assert "1 other condition was run" in findings.text
    assert "in the 3 of its networks whose numbers all conditions have)" in findings.text
