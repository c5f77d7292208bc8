"""Forecasts of relearning: learners whose theory is planted, runs of networks, and what is refused."""

import csv
import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from planted_runs import planted_folder

from experiments.savings.phases import PhaseChanges
from experiments.theories import rebound, recovery
from experiments.theories.command import PRESETS, command, main, source_of
from experiments.theories.learners import networks
from experiments.theories.prediction import THEORIES, Outcome, Verdict, outcomes_of, verdicts
from experiments.theories.report import FORECASTS, PAGE, TABLE, fits_worse, in_short, page, sentence
from savings_gym.metrics.statistics import Estimate
from savings_gym.models.design import Design
from savings_gym.models.memory_of_errors import MemoryOfErrors
from savings_gym.models.state_space import OneRate

BLOCKS = {"NF1": (0.0, 16), "FF1": (1.0, 60), "NF2": (0.0, 60), "FF2": (1.0, 40)}
ONE = OneRate(
    retention=0.97, learning=0.12, process_noise=0.01, motor_noise=0.04, measure="error", scale=25.0
)
ERRORS = MemoryOfErrors(
    retention=0.97, sensitivity=0.05, sensitivity_gain=0.01, motor_noise=0.04, measure="error", scale=25.0
)


def people(path, model, count=5, side=1.0, blocks=BLOCKS):
    """A trial table in mm of learners of a model; a field that pushes to the left has side -1."""
    design = Design.of_blocks(*blocks.values())
    phases = [phase for phase, (_, trials) in blocks.items() for _ in range(trials)]
    with path.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["participant", "phase", "trial", "lateral_deviation"])
        for person in range(count):
            observed = side * model.simulate(design, person).observed
            rows.writerows([f"S{person}", phases[t], t, f"{observed[t]:.4f}"] for t in range(design.trials))
    return path


def source(path, **changes):
    config = dataclasses.replace(PRESETS["smoke"], sources=(path,), unit="mm", most=None, **changes)
    return source_of(config, path)


def test_savings_that_one_rate_cannot_forecast_are_found_and_their_theory_explains_them(tmp_path):
    names = ("one-rate", "memory-of-errors")
    its = verdicts(outcomes_of(source(people(tmp_path / "people.csv", ERRORS)), names, 1, 0), seed=0)
    one, errors = (its[name] for name in names)
    assert one.beyond["early"].mean > 0.001 and one.p_holm["early"] < 0.05
    assert errors.p_holm["early"] > 0.05 and abs(errors.beyond["early"].mean) < one.beyond["early"].mean / 2.0
    assert errors.gain.mean > 0.0 and one.gain is None and errors.best + one.best == 5


def test_a_theory_forecasts_learners_of_its_own(tmp_path):
    its = verdicts(outcomes_of(source(people(tmp_path / "people.csv", ONE, 6)), ("one-rate",), 1, 0), seed=0)
    low, high = its["one-rate"].beyond["early"].ci
    assert low < 0.0 < high and high - low < 0.005


def test_a_baseline_is_not_needed(tmp_path):
    blocks = {phase: BLOCKS[phase] for phase in ("FF1", "NF2", "FF2")}
    learners = source(people(tmp_path / "people.csv", ONE, 2, blocks=blocks))
    found = outcomes_of(learners, ("one-rate",), 1, 0)["one-rate"]
    assert all(learner.bias == 0.0 and learner.held_out == 120 for learner in learners.learners)
    assert all(abs(o.beyond("early")) < 0.01 for o in found)


def test_an_opposite_field_first_leaves_the_sign_of_savings(tmp_path):
    """A learner that met -A first, and starts A from the after-effect, saves less than nothing."""
    blocks = {**BLOCKS, "FF1": (-1.0, 60), "NF2": (0.0, 4)}
    path = people(tmp_path / "people.csv", ONE, 2, blocks=blocks)
    learners = source(path, perturbation=("FF1=-1",), start=2)
    assert all(learner.start("FF1", 2) < 0.0 < learner.start("FF2", 2) for learner in learners.learners)
    for o in outcomes_of(learners, ("one-rate",), 1, 0)["one-rate"]:
        assert o.saved["start"] < -0.005 and abs(o.beyond("start")) < 0.008


def test_a_field_to_the_other_side_changes_nothing(tmp_path):
    sides = [source(people(tmp_path / f"{side}.csv", ONE, 2, side)).learners for side in (1.0, -1.0)]
    for right, left in zip(*sides, strict=True):
        np.testing.assert_allclose(right.observed, left.observed, atol=1e-9)


def test_the_command_can_be_copied():
    config = dataclasses.replace(
        PRESETS["smoke"], sources=(Path("runs/mine"), Path("my people.csv")), unit="mm"
    )
    expected = "python -m experiments.theories runs/mine 'my people.csv' --preset smoke --unit mm"
    assert command(config) == expected


def test_the_command_writes_every_fit_and_a_sentence_for_each_theory(tmp_path):
    path, out = people(tmp_path / "people.csv", ONE, 2), tmp_path / "out"
    command = [
        str(path),
        "--preset",
        "smoke",
        "--unit",
        "mm",
        "--out",
        str(out),
        "--theories",
        "one-rate",
        "memory-of-errors",
    ]
    assert main(command) == 0
    table, forecasts = pd.read_parquet(out / TABLE), pd.read_parquet(out / FORECASTS)
    assert len(table) == 4 and set(table["theory"]) == {"one-rate", "memory-of-errors"}
    assert len(forecasts) == 4 * 40 and np.isfinite(forecasts["forecast"]).all()
    text = (out / PAGE).read_text()
    assert "- One rate: " in text and "- Memory of errors: " in text and "2 people" in text
    assert "A trial of the models is a trial of the learner." in text.split("## Methods")[0]
    assert "fit before FF2, against one rate (nats per datum)" in text and "b and c, savings beyond" in text
    assert all((out / name).stat().st_size > 1000 for name in ("theories.png", "theories.svg"))
    assert main([*command, "--seed", "1"]) == 2  # the folder holds another test


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return planted_folder(tmp_path_factory.mktemp("runs") / "planted", networks=3, updates=121)


def test_networks_of_a_run_are_learners(run):
    its = networks(run, every=12)
    assert its.kind == "networks" and "experiments.savings" in its.origin and len(its.learners) == 3
    learner = its.learners[0]
    assert learner.phase.tolist() == [phase for phase in ("NF1", "FF1", "NF2", "FF2") for _ in range(10)]
    assert learner.design.perturbation.tolist() == [0.0] * 10 + [1.0] * 10 + [0.0] * 10 + [1.0] * 10
    probes = pd.read_parquet(run / "probes.parquet").query(
        "network == 0 and phase == 'FF2' and update % 12 == 0"
    )
    means = probes.groupby("update")["lateral_deviation"].mean().to_numpy()[:-1]  # the last is left out
    np.testing.assert_allclose(learner.observed[learner.held_out :], means)


def test_a_field_that_grows_is_refused(run, tmp_path):
    config = json.loads((run / "config.json").read_text())
    config["arguments"]["ff1_ramp"] = 0.5
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="has a field that grows over FF1"):
        networks(tmp_path, every=12)


def test_one_rate_forecasts_the_savings_that_the_washout_has_left(run):
    its = networks(run, every=12)
    found = outcomes_of(its, ("one-rate",), 1, 0)["one-rate"]
    assert np.mean([o.saved["start"] for o in found]) == pytest.approx(0.001, abs=3e-4)
    for o, learner in zip(found, its.learners, strict=True):
        washed_out = learner.observed[learner.held_out - 1]  # of the after-effect
        assert o.forecast["start"] == pytest.approx(-washed_out, abs=1e-3)


def test_a_coin_forecasts_too(run):
    its = networks(run, every=60)
    fast = THEORIES["coin"].replace(particles=10, runs=2)
    learner = its.learners[0]
    prediction = learner.naive(fast).forecast(learner.design, learner.observed, learner.held_out)
    assert prediction.mean.shape == (2,) and np.isfinite(prediction.log_density).all()


def estimate(mean, low, high, p):
    return Estimate(mean, (low, high), p, 1.0, p, 8)


@pytest.mark.parametrize(
    ("mean", "p", "gain", "words"),
    [
        (0.002, 0.001, 1.0, "savings exceed the forecast by 2.00 mm [1.00, 3.00] at the start of FF2"),
        (
            -0.002,
            0.001,
            1.0,
            "savings fall short of the forecast by 2.00 mm [1.00, 3.00] at the start of FF2",
        ),
        (
            0.002,
            0.2,
            1.0,
            "savings beyond the forecast are undecided, 2.00 mm [1.00, 3.00] at the start of FF2 (single "
            "learners -1.00 to 4.00 mm)",
        ),
        (0.002, np.nan, 1.0, "savings beyond the forecast, without an interval, are 2.00 mm [1.00, 3.00] at"),
        (0.002, 0.2, 0.01, "FF2 is more probable than under one rate."),
    ],
)
def test_a_sentence_claims_what_its_interval_allows(run, tmp_path, mean, p, gain, words):
    its = verdicts(outcomes_of(networks(run, every=60), ("one-rate",), 1, 0), seed=0)["one-rate"]
    ends = sorted((mean - 0.001 * np.sign(mean), mean + 0.001 * np.sign(mean)))
    beyond = {when: estimate(mean, *ends, p) for when in ("start", "early")}
    verdict = dataclasses.replace(
        its,
        beyond=beyond,
        p_holm=dict.fromkeys(beyond, p),
        extremes=dict.fromkeys(beyond, (-0.001, 0.004)),
        gain=estimate(0.5, 0.1, 0.9, gain),
        gain_p_holm=gain,
    )
    assert words in sentence(networks(run, every=60), verdict)


def planted_verdicts(**changes):
    """Verdicts of one rate and, with changes, of another theory; forecasts of both are off by 1 mm."""
    off = {when: estimate(0.001, 0.0005, 0.0015, 1e-4) for when in ("start", "early")}
    one = Verdict(
        "one rate", dict.fromkeys(off, 0.0), off, dict.fromkeys(off, 1e-4), dict.fromkeys(off, (0.0, 0.002)),
        None, np.nan, None, np.nan, 8, 5,
    )  # fmt: skip
    level = estimate(0.0, -0.1, 0.1, 1.0)
    other = dataclasses.replace(one, theory="memory of errors", fit=level, fit_p_holm=1.0, gain=level,
                                gain_p_holm=1.0, best=0)  # fmt: skip
    return {"one-rate": one, "memory-of-errors": dataclasses.replace(other, **changes)}


def short(run, its, every=60):
    """What is said of savings of 1 mm in a run."""
    outcome = Outcome("0", None, 0.0, {"start": 0.001}, {}, np.zeros(1), np.zeros(1))
    outcomes = {name: [outcome, dataclasses.replace(outcome, saved={"start": 0.0011})] for name in its}
    return in_short(networks(run, every=every), outcomes, its)


def test_the_short_answer_follows_the_tests_and_says_what_a_trial_is(run):
    both = short(run, planted_verdicts())
    assert "*planted*, 2 networks of 8 units: savings at the start" in both
    nor = "nor does memory of errors, which fits the trials before FF2 no worse: they predict"
    assert f"One rate forecasts no savings; {nor}" in both
    assert "They include what practice alone changes, since no sham was given (`--sham`)." in both
    some = short(run, planted_verdicts(forecast={"start": 0.0004, "early": 0.0}))
    assert f"One rate does not forecast these savings; {nor} 0.00 to 0.40 mm." in some
    assert "A trial of the models is 60 updates of 8 reaches, 480 reaches in all." in both
    held = short(run, planted_verdicts(p_holm={"start": 0.5, "early": 0.5}), every=12)
    assert "not ruled out: memory of errors; ruled out: one rate." in held and "is 12 updates" in held
    worse = short(run, planted_verdicts(fit=estimate(-0.4, -0.5, -0.3, 1e-5), fit_p_holm=1e-5))
    assert "One rate forecasts no savings: it predicts 0 mm." in worse
    assert "Memory of errors fits the trials before FF2 worse than one rate, by 0.4 nats" in worse
    assert "by 0.4 nats per datum, so this is no test of it at this time scale (it predicts" in worse
    contexts = planted_verdicts() | {"coin": planted_verdicts()["one-rate"]}
    assert "mean retention is fixed at 0.9425 per trial, the value fitted to people" in short(run, contexts)
    schedule = "phases of 120 (NF1), 120 (FF1), 120 (NF2) and 120 (FF2) updates, shorter than those of the"
    assert schedule in both and "(10 000 (NF1), 3 200 (FF1), 10 000 (NF2) and 3 200 (FF2))" in both


def test_savings_beyond_practice_need_the_sham_of_the_run(run, tmp_path, caplog):
    """Its networks are those of the run, in any order; some may be missing."""
    sham = planted_folder(tmp_path / "sham", networks=3, updates=121, seed=7)
    config = json.loads((sham / "config.json").read_text())
    with pytest.raises(ValueError, match="is not the run .* with an FF1 that has no field"):
        networks(run, 12, sham)
    config["arguments"]["change"] = dataclasses.asdict(PhaseChanges(ff1_b=0.0))
    (sham / "config.json").write_text(json.dumps(config))
    table = pd.read_parquet(sham / "probes.parquet").query("network != 1")
    table.to_parquet(sham / "probes.parquet")
    source = networks(run, 12, sham)
    starts = table.query("phase == 'FF2' and update == 0").groupby("network")["lateral_deviation"].mean()
    assert source.sham[[0, 2]] == pytest.approx(starts.to_numpy()) and np.isnan(source.sham[1])
    assert source.first(2).sham.shape == (2,) and len(source.first(2).learners) == 2
    outcome = Outcome("0", None, 0.0, {"start": 0.001}, {}, np.zeros(1), np.zeros(1))
    its = planted_verdicts()
    said = in_short(source, {name: [outcome, outcome] for name in its}, its)
    own = [source.learners[i].start("FF2", 1) for i in (0, 2)]
    beyond = 1e3 * np.mean(starts.to_numpy() - own)
    assert f"FF2 begins at {1e3 * starts.mean():.1f} mm" in said and "(2 networks)" in said
    assert float(re.search(r"beyond practice, savings are (\S+) mm", said)[1]) == pytest.approx(
        beyond, abs=0.06
    )
    with_sham = dataclasses.replace(PRESETS["smoke"], sources=(run,), sham=sham)
    assert command(with_sham).endswith(f"{run} --preset smoke --sham {sham}")
    assert main([str(run), str(run), "--sham", str(sham), "--out", str(tmp_path / "out")]) == 2
    assert "needs exactly one run folder among the sources" in caplog.text


def test_a_page_says_whether_people_were_tested(run):
    its = planted_verdicts()
    outcome = Outcome("0", None, 0.0, {"start": 0.001, "early": 0.001}, {}, np.zeros(1), np.zeros(1))
    tested = networks(run, every=60)
    part = (tested, {name: [outcome, outcome] for name in its}, its)
    none = "No data of people were tested, and none ship with this package."
    assert none in page("a command", [part])
    people = (dataclasses.replace(tested, kind="people", units=None), *part[1:])
    assert none not in page("a command", [part, people])


def test_a_better_fit_before_the_forecast_is_no_finding_and_a_worse_one_is(run):
    """A theory that has all that one rate has, and more, cannot fit worse."""
    source = networks(run, every=60)
    fits = [estimate(mean, mean - 0.1, mean + 0.1, 1e-5) for mean in (0.4, -0.4)]
    better, worse = (planted_verdicts(fit=fit, fit_p_holm=1e-5)["memory-of-errors"] for fit in fits)
    assert not fits_worse(better) and fits_worse(worse)
    assert "probable" not in sentence(source, better)
    assert "The trials before FF2 are less probable than under one" in sentence(source, worse)


def test_intervals_that_hold_too_little_are_named():
    def fits(held, samples=40):
        return pd.DataFrame({
            "theory": "two-rate", "parameter": "slow_retention", "sample": np.arange(samples), "planted": 0.9,
            "estimate": 0.91, "low": np.where(np.arange(samples) < held, 0.8, 0.905), "high": 1.0,
        })  # fmt: skip

    good, bad = recovery.recovered(fits(37)), recovery.recovered(fits(32))
    assert not good["two-rate"][0].too_narrow and bad["two-rate"][0].too_narrow
    assert "No intervals are measurably too narrow." in recovery.in_short(good)
    said = recovery.in_short(bad)
    assert "of two rates (32 of 40 hold the planted value)" in said and "recovered" not in said
    assert "| **32 of 40** |" in recovery.page(fits(32), "a command")
    few = recovery.recovered(fits(4, 5))["two-rate"][0]  # 80 % of five says nothing
    assert not few.too_narrow


def test_recovery_finds_what_was_planted(tmp_path):
    assert recovery.main(["--preset", "smoke", "--theories", "one-rate", "--out", str(tmp_path / "out")]) == 0
    table = pd.read_parquet(tmp_path / "out" / recovery.TABLE)
    rates = table[table["parameter"].isin(["retention", "learning", "scale"])]
    assert np.all(np.abs(rates["estimate"] / rates["planted"] - 1.0) < 0.35) and len(rates) == 6
    assert np.all(
        (table["low"] < table["estimate"]) & (table["estimate"] < table["high"]) | table["low"].isna()
    )
    assert "| one rate | learning | 0.1 |" in (tmp_path / "out" / recovery.PAGE).read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "no file 'nowhere'"),
        (["{run}", "--every", "7"], "phase NF1 of 120 updates has no probe at every 7-th of them"),
        (["{people}"], "unit of lateral_deviation is not given"),
        (["{people}", "--unit", "mm", "--phases", "FF2=FF3"], "participant S0 has no trials of FF2"),
    ],
)
def test_sources_that_do_not_fit_are_refused_before_any_work(run, tmp_path, caplog, arguments, message):
    names = {"run": run, "people": people(tmp_path / "people.csv", ONE, 1)}
    given = [text.format(**names) for text in arguments]
    assert main([*given, "--preset", "smoke", "--out", str(tmp_path / "out")]) == 2
    assert message in caplog.text and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sources": ()}, "sources must name one or more run folders or trial tables"),
        ({"theories": ("bayes",)}, r"theory must be one of \('one-rate'.*, got 'bayes'"),
        ({"theories": ()}, "no theories; choose from: one-rate"),
        ({"measure": "force"}, r"measure must be one of \('lateral_deviation'.*, got 'force'"),
        ({"unit": "inch"}, r"unit must be one of \('m', 'cm', 'mm', 'rad', 'deg'\), got 'inch'"),
        ({"columns": ("participant",)}, "columns must be pairs such as NAME=VALUE, got 'participant'"),
        ({"perturbation": ("FF1=A",)}, "perturbation of FF1 must be a number, got 'A'"),
        ({"starts": 0}, "starts must be a whole number of at least 1, got 0"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(PRESETS["smoke"], **arguments)


def test_theories_with_two_memories_come_back_and_others_fade(tmp_path):
    config = rebound.Rebound(out=tmp_path / "out", theories=("one-rate", "two-rate", "memory-of-errors"))
    assert rebound.run(config) == 0
    page = (tmp_path / "out" / rebound.PAGE).read_text()
    assert "Two rates predicts that adaptation to A comes back" in page.split("## Methods")[0]
    assert "One rate and memory of errors predict no recovery" in page and "nothing" not in page
    assert "![Expectations" in page and (tmp_path / "out" / rebound.FIGURE).is_file()
    assert "two rates are those that Smith et al. fitted to people" in page and "values of people" not in page
    found = {t: rebound.moments(config, rebound.expectation(config, t)[0]) for t in config.theories}
    two = found["two-rate"]
    assert two["end of A"] > 0.6 and two["end of the opposite"] < 0.0 < 0.2 < two["largest in the channel"]
    assert two["largest in the channel"] > two["end of the channel"]
    for fading in ("one-rate", "memory-of-errors"):
        its = found[fading]
        last = max(its["end of the opposite"], 0.0)
        assert its["largest in the channel"] <= last + 1e-12


def test_the_rebound_refuses_bad_input_first(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        rebound.main(["--lengths", "0", "5", "5", "5", "--out", str(tmp_path / "x")])
    told = " ".join(capsys.readouterr().err.split())
    assert "lengths: baseline must be" in told and not (tmp_path / "x").exists()
    assert rebound.main(["--preset", "smoke", "--out", str(tmp_path / "y")]) == 0
