"""Abrupt against gradual learning of a rotation: the runs, their numbers and their page."""

import dataclasses
import json

import pytest

from experiments.rotations.command import PRESETS, Rotations, command
from experiments.rotations.measures import ABRUPT, AFTER, GRADUAL, SHAM, write_results
from experiments.savings.command import run
from savings_gym import VisuomotorRotation

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
