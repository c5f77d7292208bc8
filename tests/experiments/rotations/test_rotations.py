"""Abrupt against gradual learning of a rotation: the runs, their numbers and their page."""

import dataclasses
import itertools
import json

import numpy as np
import pandas as pd
import pytest
from planted_probes import plant

from experiments.controls.rows import ControlRows
from experiments.rotations.command import PRESETS, Rotations, command
from experiments.rotations.measures import (
    ABRUPT,
    AFTER,
    ENCOUNTER,
    GRADUAL,
    LARGEST,
    POINTS,
    PRACTICE,
    RESIDUAL,
    RESIDUAL_BEYOND,
    SHAM,
    START,
    START_KINDS,
    TRIALS,
    TRIALS_KINDS,
    comparison,
    quantities,
)
from experiments.rotations.report import UNDECIDED, beside_people, in_short, lengths, write_results
from experiments.savings.command import run
from experiments.study import Quantity
from savings_gym import VisuomotorRotation
from savings_gym.metrics.curves import phase_curves
from savings_gym.metrics.statistics import holm
from savings_gym.metrics.trials_saved import HALF, trials_to_half

TURN = VisuomotorRotation(30.0, onset="cue")


def test_the_page_of_something_else_is_not_replaced(tmp_path):
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(FileExistsError, match=r"has a README\.md but no rotations\.json"):
        Rotations(out=tmp_path)
    (tmp_path / "rotations.json").touch()
    Rotations(out=tmp_path)


def test_the_runs_differ_in_ff1_alone():
    every = Rotations().conditions()
    assert list(every) == [ABRUPT, GRADUAL, SHAM]
    phases = {name: each.config.phases() for name, each in every.items()}
    for its in phases.values():
        assert its[3].field == TURN and its[3].ramp == 0.0
        assert [its[0], *its[2:]] == [phases[ABRUPT][0], *phases[ABRUPT][2:]]
    assert phases[ABRUPT][1].field_at(0) == TURN
    assert phases[GRADUAL][1].field_at(0).is_null and phases[GRADUAL][1].field_at(480) == TURN
    assert all(phases[SHAM][1].field_at(k).is_null for k in (0, 300, 599))
    assert all(each.naive == ABRUPT for each in every.values())


def test_the_page_has_every_comparison(tmp_path, capsys):
    config = dataclasses.replace(PRESETS["smoke"], out=tmp_path, angle_deg=60.0)
    short = {"nf1_updates": 2, "ff1_updates": 4, "nf2_updates": 2, "ff2_updates": 4}
    done = {}
    for name, each in config.conditions().items():
        done[name] = dataclasses.replace(each, config=dataclasses.replace(each.config, **short))
        assert run(done[name].config) == 0
    text = write_results(tmp_path, done, config.angle_deg, command(config))
    assert text == (tmp_path / "README.md").read_text() and "rotation of 60 degrees" in text
    assert "--angle-deg 60.0" in text and "--jobs" not in text
    stored = json.loads((tmp_path / "rotations.json").read_text())
    measures = {entry["name"]: entry for entry in stored["measures"]}
    assert {f"{AFTER}, {name}" for name in (ABRUPT, GRADUAL)} <= set(measures)
    tested = [name for name in measures if name.startswith("initial savings")]
    assert len(tested) == 5 and TRIALS_KINDS in measures
    assert all(measures[name]["p_holm"] is not None for name in tested)
    assert "## Beside people" in text and "Only directions are compared" in text
    assert "Trials of training: NF1 16, FF1 32, NF2 16 and FF2 32. In the gradual run" in text
    left = json.loads((tmp_path / "abrupt" / "summary.json").read_text())["washout_residual"]
    residual = measures[f"{RESIDUAL}, {ABRUPT}"]
    assert abs(residual["value"]) == pytest.approx(1e3 * abs(left["mean"]))
    assert residual["p"] == pytest.approx(left["p"]) and residual["p_holm"] is None
    beyond = measures[f"{RESIDUAL_BEYOND}, {GRADUAL}"]["value"]
    parts = [measures[f"{RESIDUAL}, {name}"]["value"] for name in (GRADUAL, SHAM)]
    assert beyond == pytest.approx(parts[0] - parts[1])
    first = measures["initial savings, abrupt learning, against first encounter"]["value"]
    assert first == pytest.approx(
        json.loads((tmp_path / "abrupt" / "summary.json").read_text())["savings"]["initial"]["difference"]
        * 1e3
    )
    assert (tmp_path / "rotations.png").stat().st_size > 1000


def test_numbers_are_of_the_networks_that_have_them(tmp_path):
    done, summaries = Rotations(out=tmp_path).conditions(), {}
    for seed, name in enumerate(done):
        table = pd.DataFrame(plant(updates=120, seed=seed))
        fails = (table["phase"] == "FF2") & (table["network"] == 3)
        table.loc[fails, "lateral_deviation"] = 0.04  # it is never down to half
        if name == ABRUPT:
            table = table[table["network"] != 1]  # which diverged
        done[name].config.out.mkdir(parents=True)
        table.to_parquet(done[name].config.out / "probes.parquet")
        summaries[name] = {"adaptation_networks": {"FF1": [0.5] * 12}}
    summaries[ABRUPT]["adaptation_networks"]["FF1"][1] = -40.0
    summaries[ABRUPT]["stopped"] = {"1": {"phase": "FF1", "update": 7}}
    rows = ControlRows(done)
    curves = {name: phase_curves(rows.table(name)) for name in done}
    found = {entry.name: entry for entry in quantities(rows, curves, summaries)}
    learned = {name: found[f"rotation learned in FF1, {name}"] for name in (ABRUPT, GRADUAL)}
    assert [(its.value, its.networks) for its in learned.values()] == [(50.0, 11), (50.0, 12)]
    label = "gradual learning, against equal practice"
    assert found[f"initial savings, {label}"].networks == 12
    assert found[f"trials saved, {label}"].networks == 12
    assert found[START_KINDS].networks == found[TRIALS_KINDS].networks == 11
    assert found[f"{RESIDUAL}, {ABRUPT}"].networks == found[f"{RESIDUAL_BEYOND}, {ABRUPT}"].networks == 11
    assert found[TRIALS_KINDS].unit == POINTS and found[f"{RESIDUAL}, {SHAM}"].networks == 12
    tests = [entry for entry in found.values() if entry.p_holm is not None]
    every = itertools.product((START, TRIALS), (ABRUPT, GRADUAL), (ENCOUNTER, PRACTICE))
    assert {entry.name for entry in tests} == {
        START_KINDS,
        TRIALS_KINDS,
        *(comparison(*its) for its in every),
    }
    assert [entry.p_holm for entry in tests] == pytest.approx(holm([entry.p for entry in tests]).tolist())
    shares = {}
    criterion = HALF * curves[SHAM]["FF2"].deviation[:, 0].mean()
    for name in (ABRUPT, GRADUAL, SHAM):
        its = curves[name]["FF2"]
        shares[name] = dict(
            zip(its.networks, trials_to_half(its, criterion, 1.0, last=its.trials[-1]), strict=True)
        )
    assert shares[GRADUAL][3] == shares[SHAM][3] == its.trials[-1]
    both = list(shares[ABRUPT])
    differences = [(shares[ABRUPT][n] - shares[GRADUAL][n]) / shares[SHAM][n] for n in both]
    assert found[TRIALS_KINDS].value == pytest.approx(100.0 * np.mean(differences))


def measured(name, value, p, half=1.0, unit="%"):
    """A quantity with an interval, whose corrected p is that of the test."""
    return Quantity(name, value, (value - half, value + half), 8, unit, p=p, p_holm=p)


def trials(abrupt, gradual, difference):
    """Trials saved against equal practice, and their difference, each as (value, p)."""
    return [
        measured(comparison(TRIALS, ABRUPT, PRACTICE), *abrupt),
        measured(comparison(TRIALS, GRADUAL, PRACTICE), *gradual),
        measured(TRIALS_KINDS, *difference, unit=POINTS),
    ]


def test_the_answer_follows_the_corrected_tests():
    both = in_short(trials((21.3, 1e-3), (16.6, 1e-3), (-4.7, 0.2, 5.0)))
    assert both == (
        "Networks relearn the rotation in fewer trials than after equal practice without it, whether they "
        "met it at once (by 21.3 % [20.3, 22.3]) or gradually (by 16.6 % [15.6, 17.6]). A difference between "
        "gradual and abrupt learning is not shown (-4.70 percentage points [-9.70, 0.30]). "
        "n = 8 networks in every test."
    )
    one = in_short(trials((21.3, 1e-3), (-6.0, 1e-3), (-4.7, 0.2)))
    assert "Networks that met it at once relearn the rotation in fewer trials" in one
    assert "Networks that met it gradually relearn the rotation in more trials than after" in one
    assert (
        "They may save fewer trials after gradual than after abrupt learning, by 4.70 percentage "
        "points [3.70, 5.70], " in one
    )
    none = in_short(trials((0.5, 0.6), (0.5, 0.6), (4.7, 1e-3)))
    assert "That networks that met it at once relearn the rotation in fewer trials" in none
    assert "is not shown (0.50 % [-0.50, 1.50])" in none
    assert "They save more trials after gradual than after abrupt learning, by 4.70 percentage points" in none


def test_where_ff2_begins_follows_the_corrected_tests():
    begins = [
        measured(comparison(START, ABRUPT, PRACTICE), 2.0, 0.2),
        measured(comparison(START, GRADUAL, PRACTICE), -2.0, 1e-3),
        measured(comparison(START, ABRUPT, ENCOUNTER), 2.0, 1e-3),
        measured(comparison(START, GRADUAL, ENCOUNTER), 3.0, 1e-3),
    ]
    assert in_short(begins) == (
        "Networks that met it at once may begin nearer to the line than after equal practice, by 2.00 % "
        "[1.00, 3.00], though that does not survive the correction. Networks that met it gradually begin "
        "farther from the line than after equal practice, by 2.00 % [1.00, 3.00]. Networks begin nearer to "
        "the line than at their first encounter, whether they met it at once (by 2.00 % [1.00, 3.00]) or "
        "gradually (by 3.00 % [2.00, 4.00]). n = 8 networks in every test."
    )


def washout(abrupt, gradual):
    """The residual of either run, each as (value, half of its interval), and the first error [mm]."""
    left = {ABRUPT: abrupt, GRADUAL: gradual}
    return [
        Quantity(f"{LARGEST}, {ABRUPT}", 50.0, (49.0, 51.0), 8, "mm"),
        *(
            Quantity(f"{RESIDUAL}, {name}", value, (value - half, value + half), 8, "mm", p=0.02)
            for name, (value, half) in left.items()
        ),
    ]


def test_an_incomplete_washout_is_said_with_what_it_means_for_savings():
    saved = trials((21.3, 1e-3), (16.6, 1e-3), (-4.7, 1e-3))
    both = in_short([*washout((1.0, 0.5), (0.5, 0.2)), *saved])
    assert "has moved to the side of the after-effect, by 1.00 mm [0.50, 1.50] after abrupt learning" in both
    assert "(p = 0.02 and 0.02, t tests, not corrected)" in both
    assert "so the initial savings cannot be told from what is left of the washout." in both
    assert "The faster relearning stands by itself: the residual is at most 6 % of the way" in both
    one = in_short([*washout((1.0, 0.5), (0.1, 0.2)), *saved])
    assert "so the initial savings after abrupt learning cannot be told" in one
    large = in_short([*washout((6.0, 0.5), (0.1, 0.2)), *saved])
    assert "cannot be told" in large and "stands by itself" not in large
    other = in_short([*washout((-1.0, 0.5), (0.1, 0.2)), *saved])
    assert "washout is not complete" in other and "cannot be told" not in other
    complete = in_short([*washout((0.1, 0.5), (0.1, 0.2)), *saved])
    assert "No residual of the washout is shown" in complete and "not complete" not in complete


def test_savings_after_an_incomplete_washout_say_nothing_of_those_that_it_abolishes():
    saved = trials((21.3, 1e-3), (16.6, 1e-3), (-4.7, 1e-3))
    incomplete, complete = (
        beside_people([*washout((1.0, 0.5), (0.5, half)), *saved]).splitlines()[-1] for half in (0.2, 0.6)
    )
    assert incomplete.endswith(f"| {UNDECIDED} |") and complete.endswith("| no |")


def test_the_lengths_of_the_phases_are_those_of_the_runs():
    gradual = Rotations(ramp=0.5).conditions()[GRADUAL].config
    assert lengths(gradual) == (
        "Trials of training: NF1 4 800, FF1 4 800, NF2 9 600 and FF2 4 800. In the gradual run the rotation "
        "grows over the first 50 % of FF1."
    )


@pytest.mark.parametrize(
    ("abrupt", "gradual", "verdicts"),
    [
        ((21.0, 1e-3), (16.0, 1e-3), ("yes", "no", "no")),
        ((-21.0, 1e-3), (-16.0, 1e-3), ("no", "yes", "no")),
        ((21.0, 1e-3), (0.5, 0.6), ("not shown", "no", "not contradicted")),
        ((0.5, 0.6), (0.5, 0.6), ("not shown", "not shown", "not contradicted")),
    ],
)
def test_directions_beside_people_are_those_of_the_corrected_tests(abrupt, gradual, verdicts):
    table = beside_people(trials(abrupt, gradual, (0.0, 0.9))).splitlines()[2:]
    assert tuple(row.split(" | ")[-1].removesuffix(" |") for row in table) == verdicts
    assert all("doi 10." in row for row in table)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preset": "paper"}, r"preset must be one of \('quick', 'smoke'\), got 'paper'"),
        ({"ramp": 0.0}, "ramp must be above 0"),
        ({"angle_deg": 0.0}, "nothing to learn"),
        ({"networks": 0}, "networks must be a whole number"),
    ],
)
def test_bad_values_are_named_before_any_work(changes, message):
    with pytest.raises(ValueError, match=message):
        Rotations(**changes)
