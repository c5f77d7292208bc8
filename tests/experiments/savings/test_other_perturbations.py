"""The experiment under other perturbations than the curl field, and gradually."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from lively_networks import SILENCE

from experiments.controls.conditions import conditions
from experiments.controls.rows import opposite
from experiments.savings.command import run
from experiments.savings.config import PRESETS, Savings, arguments, identity
from experiments.savings.phases import resistive, stored_field
from experiments.savings.report import report_rows
from experiments.savings.shared_phases import shared_phases, stored_arguments
from savings_gym import CurlField, NullField, Pulse, Scaled, VisualGain, VisuomotorRotation
from savings_gym.files import PROBES, read_table
from savings_gym.metrics.rotation import rotation_adaptation

SMOKE = dataclasses.replace(
    PRESETS["smoke"], figures=False, nf1_updates=2, ff1_updates=4, nf2_updates=2, ff2_updates=2
)
GAIN = '{"kind": "gain", "gain": 1.5}'


def fields(**changes):
    return [phase.field for phase in dataclasses.replace(SMOKE, **changes).phases()]


def test_the_perturbation_takes_the_place_of_the_curl_field():
    assert fields() == [NullField(), CurlField(8.0)] * 2
    turn = VisuomotorRotation(20.0, onset="go")
    assert fields(perturbation="rotation", angle_deg=20.0) == [NullField(), turn] * 2
    assert fields(perturbation=GAIN) == [NullField(), VisualGain(1.5, onset="go")] * 2


@pytest.mark.parametrize("preset", PRESETS)
def test_a_perturbation_in_json_takes_the_onset_of_the_run_where_it_states_none(preset):
    usual = PRESETS[preset]

    def field(**values):
        return dataclasses.replace(usual, perturbation=json.dumps(values)).field()

    gain, stated = {"kind": "gain", "gain": 1.5}, {"kind": "gain", "gain": 1.5, "onset": "start"}
    assert field(**gain) == VisualGain(1.5, onset=usual.onset)
    assert field(**stated) == VisualGain(1.5, onset="start")
    pulse = {"kind": "pulse", "at": 0.1, "duration": 0.2}
    curl = CurlField(8.0, onset=usual.onset)
    for inner in (gain, stated):
        whole = VisualGain(1.5, onset=inner.get("onset", usual.onset))
        both = field(kind="sum", fields=[pulse | {"field": inner}, {"kind": "curl", "b": 8.0}])
        assert both == Pulse(whole, 0.1, 0.2) + curl
        again = dataclasses.replace(usual, perturbation=json.dumps(both.to_dict()), onset="start")
        assert again.field() == both  # which states all its onsets


def test_a_run_with_a_perturbation_in_json_is_read_back_with_the_same_field():
    config = dataclasses.replace(PRESETS["quick"], perturbation=GAIN, onset="start")
    assert stored_field(identity(config, None)) == config.field() == VisualGain(1.5, onset="start")
    usual = dataclasses.replace(PRESETS["quick"], perturbation=GAIN)
    assert stored_field(identity(usual, None)) == usual.field() == VisualGain(1.5, onset="cue")


def test_identities_of_usual_runs_know_nothing_of_it():
    assert not {"perturbation", "angle_deg", "ff1_ramp"} & set(identity(PRESETS["smoke"], None))
    turned = identity(dataclasses.replace(SMOKE, perturbation="rotation"), None)
    assert turned["perturbation"] == "rotation" and "angle_deg" not in turned
    assert stored_field({"b": 8.0}) == CurlField(8.0)
    assert stored_field(turned) == VisuomotorRotation(30.0, onset="go")
    assert "--perturbation" in arguments(dataclasses.replace(SMOKE, perturbation="rotation"))


def test_controls_change_it_as_they_change_the_curl_field():
    every = conditions(dataclasses.replace(SMOKE, perturbation="rotation"))

    def of(name):
        return [phase.field for phase in every[name].config.phases()]

    turn, back = (VisuomotorRotation(angle, onset="go") for angle in (30.0, -30.0))
    assert of("sham")[1].is_null and of("sham")[3] == turn
    assert of("opposite")[1] == turn and of("opposite")[3] == back and opposite(turn, back)
    assert of("double")[1] == VisuomotorRotation(60.0, onset="go")
    assert of("other-field")[1] == resistive(8.0)
    gain = conditions(dataclasses.replace(SMOKE, perturbation=GAIN))["opposite"].config.phases()
    assert gain[3].field == Scaled(VisualGain(1.5, onset="go"), -1.0) and opposite(
        gain[1].field, gain[3].field
    )


def test_a_gradual_phase_grows_by_update_and_shares_its_baseline():
    gradual = dataclasses.replace(SMOKE, ff1_ramp=0.5, ff1_updates=8)
    first = gradual.phases()[1]
    assert [getattr(first.field_at(k), "size", 1.0) for k in range(6)] == [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    weights = dataclasses.replace(PRESETS["quick"], networks=1)
    assert shared_phases(weights, dataclasses.replace(weights, ff1_ramp=0.5)) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"perturbation": "tilt"}, "unknown perturbation 'tilt'; choose from: curl, rotation, or JSON"),
        ({"perturbation": '{"kind": "tilt"}'}, "unknown field kind 'tilt'"),
        ({"perturbation": GAIN, "onset": "late"}, "onset must be one of .* got 'late'"),
        ({"angle_deg": float("nan"), "perturbation": "rotation"}, "angle_deg must be a finite number"),
        ({"ff1_ramp": 1.5}, "ff1_ramp must be at least 0 and at most 1"),
    ],
)
def test_bad_values_are_named_before_any_work(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMOKE, **changes)


def test_a_run_under_a_rotation_measures_its_cursor(tmp_path):
    config = dataclasses.replace(
        SMOKE, perturbation="rotation", angle_deg=90.0, ff1_ramp=0.5, noise=SILENCE, out=tmp_path / "run"
    )
    assert run(config) == 0
    summary = json.loads((config.out / "summary.json").read_text())
    assert summary["perturbation"]["angle_deg"] == 90.0 and set(summary["adaptation"]) == set(
        ("NF1", "FF1", "NF2", "FF2")
    )
    assert {row[-1] for row in report_rows(summary)} == {"-"}  # the study has no such numbers
    table: pd.DataFrame = read_table(config.out / PROBES)
    last, first = (
        table[(table["phase"] == phase) & (table["update"] == update)]["lateral_deviation"].to_numpy()
        for phase, update in (("NF1", 2), ("FF1", 0))
    )
    assert last == pytest.approx(first, abs=1e-6)  # FF1 begins without a rotation
    assert isinstance(stored_arguments(config.out), Savings)


def test_the_adaptation_to_a_rotation_is_the_angle_of_the_hand():
    time = np.clip((np.arange(101) - 44) / 40.0, 0.0, 1.0)
    share = 10.0 * time**3 - 15.0 * time**4 + 6.0 * time**5
    angles = np.deg2rad([90.0, 75.0, 60.0])  # of a hand that is to go straight ahead
    path = 0.1 * share[None, :, None] * np.stack([np.cos(angles), np.sin(angles)], -1)[:, None]
    adapted = rotation_adaptation(path, np.array([0.0, 0.1]), 30.0)
    assert adapted == pytest.approx([0.0, 0.5, 1.0], abs=1e-9)
    with pytest.raises(ValueError, match="angle_deg must be a finite number other than 0"):
        rotation_adaptation(path, np.array([0.0, 0.1]), 0.0)
