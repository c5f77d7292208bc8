"""Abrupt against gradual learning of a rotation: the runs, their numbers and their page."""

import dataclasses
import json

import pandas as pd
import pytest
from planted_probes import plant

from experiments.controls.rows import ControlRows
from experiments.rotations.command import PRESETS, Rotations, command
from experiments.rotations.measures import (
    ABRUPT,
    AFTER,
    GRADUAL,
    SHAM,
    START,
    TRIALS,
    comparison,
    in_short,
    quantities,
    write_results,
)
from experiments.savings.command import run
from experiments.study import Quantity
from savings_gym import VisuomotorRotation
from savings_gym.metrics.curves import phase_curves

TURN = VisuomotorRotation(30.0, onset="cue")


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
    assert len(tested) == 5 and all(measures[name]["p_holm"] is not None for name in tested)
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
    assert found[f"trials saved, {label}"].networks == 11
    assert found["initial savings, gradual less abrupt"].networks == 11


def test_the_sentences_follow_the_corrected_tests():
    def tested(measure, value, p):
        name = comparison(measure, ABRUPT, "first encounter")
        return Quantity(name, value, (value - 1.0, value + 1.0), 8, "", p=p, p_holm=p)

    shown = in_short([tested(START, 2.0, 1e-3), tested(TRIALS, 20.0, 1e-3)])
    assert shown == (
        "Abrupt learning, against first encounter: FF2 begins nearer to the line (2.00 [1.00, 3.00]), "
        "and reaches half of the first deviation in fewer trials (20.0 [19.0, 21.0])."
    )
    other = in_short([tested(START, -2.0, 1e-3), tested(TRIALS, -20.0, 0.2)])
    assert (
        "begins farther from the line" in other
        and "is not shown to reach half of the first deviation sooner" in other
    )
    assert "is not shown to begin elsewhere" in in_short([tested(START, 2.0, 0.2), tested(TRIALS, 9.0, 0.2)])


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
