"""Trial tables of people: planted savings are found in any unit, missing values are left out and named."""

import dataclasses
import json

import numpy as np
import pytest
from people_tables import (
    AFTER_EFFECT,
    AMPLITUDE,
    FLOOR,
    LENGTHS,
    PHASES,
    RATES,
    SAVED,
    arguments_of,
    config,
    numbers_of,
    trial_table,
    write,
)
from scipy import stats

from experiments.people import command, report
from experiments.people.command import analyse, main
from experiments.people.config import command as command_line
from experiments.people.measures import (
    AFTER,
    BEYOND,
    FORCE_SAVED,
    INITIAL,
    RATE,
    RATIO,
    RESIDUAL,
    TRIALS_SAVED,
    finite,
    half_of,
    quarter_of,
    rate_of,
    share_of,
    start_of,
    trials_in_window,
)
from experiments.study import unpaired
from experiments.theories.learners import SIZES, people
from experiments.theories.prediction import outcomes_of, verdicts
from savings_gym.metrics.curves import phase_curves
from savings_gym.metrics.savings import savings
from savings_gym.metrics.statistics import holm, mean_interval
from savings_gym.metrics.trials_saved import trials_saved


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize(
    ("unit", "column", "measure"),
    [("mm", "max dev", "lateral_deviation"), ("cm", "max dev", "lateral_deviation"),
     ("deg", "turn", "angle"), ("rad", "turn", "angle")],
)  # fmt: skip
def test_planted_savings_are_found_in_the_unit_of_the_table(tmp_path, side, unit, column, measure):
    _, gains = trial_table(tmp_path / "lab.csv", side=side, column=column)
    analysis = analyse(config(tmp_path / "lab.csv", unit, block=1))
    found = analysis.values[measure]
    np.testing.assert_allclose(found[INITIAL], gains, atol=1e-5)
    np.testing.assert_allclose(found[start_of("FF1")], AMPLITUDE + FLOOR, atol=1e-5)
    np.testing.assert_allclose(found[AFTER], AFTER_EFFECT, atol=1e-5)
    for phase, rate in zip(("FF1", "FF2"), RATES, strict=True):
        np.testing.assert_allclose(found[rate_of(phase)], rate, rtol=1e-4)
    entry = numbers_of(analysis)[measure][INITIAL]
    assert entry.unit == {"deg": "degrees"}.get(unit, unit) and not analysis.left_out
    low, high = stats.t.interval(0.95, 5, gains.mean(), stats.sem(gains))
    assert entry.value == pytest.approx(gains.mean(), abs=1e-5)
    assert entry.ci == pytest.approx((low, high), abs=1e-5)


def test_intervals_hold_the_truth_of_noisy_people(tmp_path):
    truth = {INITIAL: SAVED, AFTER: AFTER_EFFECT, rate_of("FF1"): RATES[0], rate_of("FF2"): RATES[1]}
    held = dict.fromkeys(truth, 0)
    for seed in range(1000, 1040):
        trial_table(tmp_path / "lab.csv", noise=1.0, seed=seed)
        values = analyse(config(tmp_path / "lab.csv", block=1)).values["lateral_deviation"]
        for name, true in truth.items():
            low, high = mean_interval(finite(values[name]))
            held[name] += low < true < high
    assert min(held.values()) >= 34  # of 40: fewer come once in 300 times


def test_savings_are_those_of_the_package_if_nothing_is_missing(tmp_path):
    trial_table(tmp_path / "lab.csv", noise=1.0, side=-1.0)
    lab = config(tmp_path / "lab.csv", start=4)
    ours = numbers_of(analyse(lab))["lateral_deviation"]
    theirs = savings(lab.read(lab.table).probe_table(block=4, start=4), window=1)
    initial, rate = theirs.initial, theirs.rate
    assert ours[INITIAL].value == pytest.approx(1e3 * initial.difference)
    assert ours[INITIAL].ci == pytest.approx([1e3 * end for end in initial.ci])
    assert (ours[INITIAL].p, ours[RATE].p) == pytest.approx((initial.p, rate.p))
    assert [ours[rate_of(phase)].value for phase in ("FF1", "FF2")] == pytest.approx([rate.ff1, rate.ff2])
    assert ours[RATE].ci == pytest.approx(rate.difference_ci) and ours[RATIO].ci == pytest.approx(rate.ci)
    assert ours[RATIO].value == pytest.approx(rate.ratio)
    assert ours[share_of(RATE)].value == pytest.approx(100.0 * rate.paired_fraction)
    assert ours[AFTER].value == pytest.approx(1e3 * theirs.after_effect.mean)  # this field pushes to the left


def test_trials_saved_are_those_of_the_package_and_who_never_gets_there_counts_as_all_trials(tmp_path):
    trial_table(tmp_path / "lab.csv", noise=1.0)
    lab = config(tmp_path / "lab.csv", start=4)
    found = numbers_of(analyse(lab))["lateral_deviation"]
    curves = phase_curves(lab.read(lab.table).probe_table(block=4, start=4))
    theirs = trials_saved(curves["FF1"], curves["FF2"], 1.0, window=2)
    assert trials_in_window(4) == 8 and trials_in_window(1) == 5 and trials_in_window(8) == 8
    ours = [found[name].value for name in (half_of("FF1"), half_of("FF2"), TRIALS_SAVED)]
    assert ours == pytest.approx([theirs.ff1, theirs.ff2, theirs.difference], rel=1e-5)
    assert found[TRIALS_SAVED].ci == pytest.approx(theirs.difference_ci, rel=1e-4)
    assert found[TRIALS_SAVED].unit == "trials" and found[TRIALS_SAVED].p_holm < 0.05
    assert found[share_of(TRIALS_SAVED)].value == pytest.approx(100.0 * theirs.paired_fraction)
    rows, _ = trial_table(tmp_path / "lab.csv")
    for row in rows:
        if row["subj"] == "P2" and row["block"] == "field 2":
            row["max dev"] = "20.0"
    analysis = analyse(config(write(tmp_path / "lab.csv", rows)))
    values = analysis.values["lateral_deviation"]
    assert np.isfinite(values[TRIALS_SAVED]).all()
    assert values[half_of("FF2")][2] == analysis.points * analysis.block > values[half_of("FF2")].min()
    last = max(row["trial"] for row in rows)
    short = [row for row in rows if row["subj"] != "P2" or row["trial"] < last]  # without the last trial
    analysis = analyse(config(write(tmp_path / "lab.csv", short)))
    values = analysis.values["lateral_deviation"]
    assert np.flatnonzero(np.isnan(values[TRIALS_SAVED])).tolist() == [2]
    assert "lateral_deviation, trials to half in FF2 of participant P2: the phase ends before it" in (
        analysis.left_out
    )


def test_trials_saved_beyond_practice_count_to_one_criterion(tmp_path):
    trial_table(tmp_path / "lab.csv")
    trial_table(tmp_path / "sham.csv", n=5, sham=True, saved=0.0, seed=1)
    analysis = analyse(config(tmp_path / "lab.csv", sham=tmp_path / "sham.csv", block=1))
    ours, sham = (its["lateral_deviation"] for its in (analysis.values, analysis.sham_values))
    entry = numbers_of(analysis)["lateral_deviation"][f"{TRIALS_SAVED} {BEYOND}"]
    assert entry.value == pytest.approx(sham[half_of("FF2")].mean() - ours[half_of("FF2")].mean())
    assert entry.value > 0.0 and entry.p_holm is not None and entry.unit == "trials"
    assert half_of("FF1") not in sham


def test_a_missing_trial_leaves_out_what_needs_it_and_nothing_else(tmp_path):
    rows, gains = trial_table(tmp_path / "lab.csv")
    for row in rows:
        first = row["subj"] == "P2" and row["block"] == "field 1" and row["trial"] == LENGTHS["baseline"]
        if first or (row["subj"] == "P4" and row["trial"] in (30, 40, 41)):
            row["max dev"] = "nan"
    analysis = analyse(config(write(tmp_path / "lab.csv", rows), block=1))
    found = analysis.values["lateral_deviation"]
    np.testing.assert_allclose(found[INITIAL], np.where(np.arange(6) == 2, np.nan, gains), atol=1e-5)
    np.testing.assert_allclose(found[rate_of("FF1")], RATES[0], rtol=1e-4)
    assert analysis.left_out == (
        "lateral_deviation: 4 trials without a value",
        "lateral_deviation, start of FF1 of participant P2: no value in the first trial",
    )
    numbers = numbers_of(analysis)["lateral_deviation"]
    assert (numbers[INITIAL].networks, numbers[start_of("FF2")].networks) == (5, 6)
    assert numbers[INITIAL].value == pytest.approx(np.delete(gains, 2).mean(), abs=1e-5)


def test_who_lacks_a_field_phase_is_left_out_and_who_stops_early_is_not(tmp_path):
    rows, gains = trial_table(tmp_path / "lab.csv")
    rows = [
        row
        for row in rows
        if not (row["subj"] == "P0" and row["block"] == "field 2")
        and not (row["subj"] == "P3" and row["trial"] >= 16 + 80 + 40 + 60)
    ]
    analysis = analyse(config(write(tmp_path / "lab.csv", rows), block=1))
    assert analysis.group.participants == ("P1", "P2", "P3", "P4", "P5")
    assert analysis.left_out[0] == "participant P0: no trials of FF2"
    assert (
        analysis.left_out[1].startswith("FF2: participants have 60 to 80 trials")
        and not analysis.left_out[2:]
    )
    np.testing.assert_allclose(analysis.values["lateral_deviation"][INITIAL], gains[1:], atol=1e-5)
    np.testing.assert_allclose(analysis.values["lateral_deviation"][rate_of("FF2")], RATES[1], rtol=1e-4)


def test_errors_in_channels_and_clamps_are_not_the_learners(tmp_path):
    rows, gains = trial_table(tmp_path / "lab.csv")
    for row in rows:
        row["channel"], row["clamp"] = int(row["trial"] % 8 == 5), "1.0" if row["trial"] % 8 == 6 else ""
        if row["trial"] % 8 in (5, 6):
            row["max dev"] = "1e3"
    analysis = analyse(config(write(tmp_path / "lab.csv", rows), block=1))
    np.testing.assert_allclose(analysis.values["lateral_deviation"][INITIAL], gains, atol=1e-5)
    phases = analysis.group.measures["lateral_deviation"].phases
    assert all(np.nanmax(values) < AMPLITUDE + FLOOR + 1e-5 for values in phases.values())
    held = sum(row["trial"] % 8 in (5, 6) for row in rows)
    assert analysis.left_out[0].startswith(f"lateral_deviation: {held} trials in a channel or clamp")


def test_a_field_that_pushes_half_of_the_people_to_the_other_side_changes_nothing(tmp_path):
    rows, gains = trial_table(tmp_path / "lab.csv")
    for row in rows:
        sign = -1.0 if row["subj"] in ("P1", "P4", "P5") else 1.0
        row["max dev"] = sign * float(row["max dev"])
        row["perturbation"] = sign * row["block"].startswith("field")
    analysis = analyse(config(write(tmp_path / "lab.csv", rows), block=1))
    np.testing.assert_allclose(analysis.values["lateral_deviation"][INITIAL], gains, atol=1e-5)
    np.testing.assert_allclose(analysis.values["lateral_deviation"][AFTER], AFTER_EFFECT, atol=1e-5)
    for row in rows:
        row["perturbation"] *= 1.0 if row["block"] == "field 1" else -1.0
    with pytest.raises(ValueError, match="participant P0 has perturbations of different signs"):
        analyse(config(write(tmp_path / "lab.csv", rows)))


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_savings_beyond_practice_compare_two_groups(tmp_path, side):
    _, gains = trial_table(tmp_path / "lab.csv", side=side)
    _, practised = trial_table(tmp_path / "sham.csv", n=5, side=side, sham=True, saved=1.0, seed=1)
    analysis = analyse(config(tmp_path / "lab.csv", sham=tmp_path / "sham.csv", block=1))
    entry = numbers_of(analysis)["lateral_deviation"][f"{INITIAL} {BEYOND}"]
    assert entry.value == pytest.approx(gains.mean() - practised.mean(), abs=1e-5)
    variances = gains.var(ddof=1) / 6, practised.var(ddof=1) / 5
    freedom = sum(variances) ** 2 / (variances[0] ** 2 / 5 + variances[1] ** 2 / 4)  # Welch and Satterthwaite
    half = stats.t.ppf(0.975, freedom) * np.sqrt(sum(variances))
    assert entry.ci == pytest.approx((entry.value - half, entry.value + half), abs=1e-4)
    assert entry.p < 0.05 and entry.note == "6 and 5"
    rate = numbers_of(analysis)["lateral_deviation"][f"{RATE} {BEYOND}"]
    assert rate.value == pytest.approx(0.0, abs=1e-5)  # both relearn at one rate
    assert not analysis.left_out


def signed(rows, signs):
    """The same rows with a column perturbation, turned for participants with sign -1."""
    for row in rows:
        sign = signs[int(row["subj"][1:])]
        row["max dev"] = sign * float(row["max dev"])
        row["perturbation"] = sign * (row["block"] == "field 2" or row["block"] == "field 1")
    return rows


@pytest.mark.parametrize("of_sham", [None, (1, -1, -1, 1, -1)])
@pytest.mark.parametrize("of_lab", [(-1, -1, -1), (1, -1, 1)])
def test_a_sham_is_turned_as_the_others(tmp_path, of_lab, of_sham):
    """Without a column perturbation of its own, only if the others were all pushed to one side."""
    lab, gains = trial_table(tmp_path / "lab.csv", n=3)
    write(tmp_path / "lab.csv", signed(lab, of_lab))
    side = 1.0 if of_sham else -1.0
    sham, practised = trial_table(tmp_path / "sham.csv", n=5, side=side, sham=True, saved=1.0, seed=1)
    if of_sham:
        rows = signed(sham, of_sham)
        for row in rows:
            row["perturbation"] *= row["block"] != "field 1"
        write(tmp_path / "sham.csv", rows)
    both = config(tmp_path / "lab.csv", sham=tmp_path / "sham.csv", block=1)
    if not of_sham and len(set(of_lab)) > 1:
        with pytest.raises(ValueError, match="has no column perturbation, which .*lab.csv needs"):
            analyse(both)
        return
    entry = numbers_of(analyse(both))["lateral_deviation"][f"{INITIAL} {BEYOND}"]
    assert entry.value == pytest.approx(gains.mean() - practised.mean(), abs=1e-5)


def test_one_value_has_no_interval_against_others():
    entry = unpaired("x", np.array([2.0]), np.array([1.0, 1.5]), "mm")
    assert entry.value == 0.75 and entry.ci == (None, None) and entry.p is None
    assert unpaired("x", np.array([]), np.array([1.0]), "mm").value is None


def with_force(path, **changes):
    """The table with a force index in every eighth trial, in a channel."""
    rows, gains = trial_table(path, **changes)
    index = {"baseline": 0.0, "field 1": 0.3, "washout": 0.1, "field 2": 0.5}
    for row in rows:
        held = row["trial"] % 8 == 5
        row["channel"], row["force_index"] = int(held), ""
        if held:
            row["max dev"], row["force_index"] = "", index[row["block"]] + 0.01 * int(row["subj"][1:])
    write(path, rows)
    return gains


def test_a_force_index_of_few_trials_is_a_measure_of_its_own(tmp_path):
    with_force(tmp_path / "lab.csv", noise=1.0)
    analysis = analyse(config(tmp_path / "lab.csv"))
    found, numbers = analysis.values["force_index"], numbers_of(analysis)
    np.testing.assert_allclose(found[quarter_of("FF2", last=True)], 0.5 + 0.01 * np.arange(6))
    np.testing.assert_allclose(found[FORCE_SAVED], 0.2)
    tests = [entry for its in numbers.values() for entry in its.values() if entry.p is not None]
    assert {entry.name for entry in tests} == {AFTER, INITIAL, RATE, TRIALS_SAVED, FORCE_SAVED}
    assert [entry.p_holm for entry in tests] == pytest.approx(holm([entry.p for entry in tests]).tolist())


def test_a_table_of_deviations_and_angles_has_a_section_and_axes_for_each(tmp_path, monkeypatch):
    rows, _ = trial_table(tmp_path / "lab.csv")
    for row in rows:
        row["turn"] = -2.0 * float(row["max dev"])
    write(tmp_path / "lab.csv", rows)
    figures = []
    monkeypatch.setattr(report.look, "save_picture", lambda figure, path: figures.append(figure))
    both = dataclasses.replace(config(tmp_path / "lab.csv"), unit=("cm", "deg"))
    assert main(arguments_of(both)) == 0
    page = (both.out / "README.md").read_text()
    deviation, angle = page.split("## Angular error")
    assert " cm [" in deviation and "degrees" not in deviation.split("## Lateral deviation")[1]
    assert " degrees [" in angle and " cm" not in angle and " mm" not in page
    labels = [axes.get_ylabel() for axes in figures[0].axes]
    assert labels[0] == labels[1] == "Lateral deviation (cm)" and labels[4] == "Angular error (degrees)"
    assert labels[2] == "Start of the phase (cm)" and labels[6] == "Start of the phase (degrees)"
    assert not any("mm" in label for label in labels)


def test_the_command_shows_a_finished_page_again_and_refuses_another_table(tmp_path, caplog, monkeypatch):
    trial_table(tmp_path / "lab.csv", noise=1.0)
    lab = config(tmp_path / "lab.csv")
    assert main(arguments_of(lab)) == 0
    page, summary = (lab.out / "README.md").read_text(), json.loads((lab.out / "summary.json").read_text())
    assert command_line(lab) in page and summary["complete"] and summary["command"] == command_line(lab)
    assert (
        "Shown: after-effect; initial savings; rate savings; trials saved." in page and "(`--sham`)" in page
    )
    sizes = {kind: (lab.out / f"people.{kind}").stat().st_size for kind in ("png", "svg")}
    assert sizes["svg"] > 5000 and sizes["png"] > 1000  # a coarse one, see conftest.py
    stored = summary["measures"]["lateral_deviation"][INITIAL]
    own = summary["participants"]["lateral_deviation"][INITIAL]
    assert list(own) == [f"P{i}" for i in range(6)]
    assert np.mean(list(own.values())) == pytest.approx(stored["value"])
    monkeypatch.setattr(command, "draw", lambda *_: pytest.fail("nothing is to be done"))
    caplog.set_level("INFO")
    assert main(arguments_of(lab)) == 0 and "is complete" in caplog.text and page in caplog.text
    trial_table(tmp_path / "lab.csv", noise=1.0, seed=5)
    assert main(arguments_of(lab)) == 2 and "table_sha256" in caplog.text
    assert (lab.out / "README.md").read_text() == page


def test_one_participant_has_numbers_without_intervals(tmp_path):
    with_force(tmp_path / "lab.csv", n=1)
    lab = config(tmp_path / "lab.csv")
    assert main(arguments_of(lab)) == 0
    page = (lab.out / "README.md").read_text()
    assert "One participant: no intervals and no tests." in page
    assert " [" not in page.split("## Lateral deviation")[1].replace("mean [95 % interval]", "")
    summary = json.loads((lab.out / "summary.json").read_text())
    entries = [entry for its in summary["measures"].values() for entry in its.values()]
    assert all(entry["ci"] == [None, None] and entry["p"] is None for entry in entries)


def test_models_forecast_people_as_in_the_test_of_theories(tmp_path):
    trial_table(tmp_path / "lab.csv", n=3, noise=1.0, column="turn")
    lab = config(tmp_path / "lab.csv", "deg", models=("one-rate",), start=4, starts=1)
    assert main(arguments_of(lab)) == 0
    source = people("lab", lab.read(lab.table), "angle", SIZES, 4)
    its = verdicts(outcomes_of(source, ("one-rate",), 1, 0), 0)["one-rate"]
    summary = json.loads((lab.out / "summary.json").read_text())["models"]["one-rate"]
    assert summary["beyond"]["early"]["mean"] == pytest.approx(its.beyond["early"].mean)
    page = (lab.out / "README.md").read_text()
    assert "## Models" in page and "- One rate: " in page and "(models/README.md)" in page
    section = page.split("## Models")[1]
    assert " degrees [" in section and " mm" not in section
    assert (lab.out / "models" / "theories.parquet").is_file()


def test_models_refuse_people_of_whom_the_start_is_unknown(tmp_path):
    rows, _ = trial_table(tmp_path / "lab.csv", n=2)
    rows[LENGTHS["baseline"]]["max dev"] = ""
    lab = config(write(tmp_path / "lab.csv", rows), models=("one-rate",))
    with pytest.raises(
        ValueError, match="participant P0 has no lateral_deviation in the first 1 trial.* of FF1"
    ):
        command.run(lab)
    assert not lab.out.exists()


def test_phases_of_other_names_are_drawn_and_tabulated(tmp_path):
    rows, _ = trial_table(tmp_path / "lab.csv", n=3)
    lab = config(tmp_path / "lab.csv", phases=PHASES[1::2])
    analysis = analyse(lab)
    found = analysis.values["lateral_deviation"]
    assert {start_of("baseline"), start_of("washout")} <= set(found)
    assert AFTER not in found and RESIDUAL not in found
    assert finite(found[INITIAL]).size == 3
    assert main(arguments_of(lab)) == 0
