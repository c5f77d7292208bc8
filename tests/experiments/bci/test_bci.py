"""The experiment with a brain-computer interface: paired with its shams, and true to its tests."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from agents.supervised.cursor import cursor_targets
from experiments.bci import command
from experiments.bci.config import CONDITIONS, PRESETS, SHAM, Bci, identity
from experiments.bci.measures import (
    CLAIMED,
    COMPARED,
    DIFFERENCE,
    KEPT,
    MEAN,
    MEASURES,
    SAVED_FIRST,
    TRACE,
    TRACE_BEYOND,
    TRACE_SHAM,
    network_values,
    quantities,
    unit_of,
)
from experiments.bci.phases import Experiment, Outcome
from experiments.bci.report import in_short, page
from experiments.runs.command_line import Stopped, command_text
from savings_gym import Decoder
from savings_gym.bci.decoder import as_decoder, make_decoder
from savings_gym.bci.perturbations import KINDS, Perturbation
from savings_gym.metrics.statistics import holm
from savings_gym.task.schedule import PHASES

SMOKE = PRESETS["smoke"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("bci") / "run"
    assert command.main(["--preset", "smoke", "--out", str(out)]) == 0
    return out


def test_the_run_is_whole_and_shown_again_without_work(run):
    summary = json.loads((run / "summary.json").read_text())
    assert summary["complete"] and set(summary["measures"]) == {*KINDS, DIFFERENCE}
    assert all(set(MEASURES) - {KEPT} <= set(its) <= set(MEASURES) for its in summary["measures"].values())
    files = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    assert {"README.md", "bci.png", "bci.svg", "config.json", "decoders.json", "probes.parquet"} <= set(files)
    assert command.main(["--preset", "smoke", "--out", str(run)]) == 0
    assert files == {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}


def test_the_decoders_of_every_network_are_there_to_be_used(run):
    stored = json.loads((run / "decoders.json").read_text())
    assert set(stored) == {"intuitive", *KINDS}
    for decoders in stored.values():
        assert len(decoders) == SMOKE.networks
        assert all(as_decoder(decoder).units == SMOKE.units for decoder in decoders)


def test_a_condition_and_its_sham_are_alike_until_the_perturbation(run):
    table = pd.read_parquet(run / "probes.parquet")
    assert len(table) == 4 * SMOKE.networks * 8 * (2 + 3 + 3 + 3)
    errors = table.set_index(["condition", "phase", "update", "network", "target"])[
        "endpoint_error"
    ].sort_index()
    for kind in KINDS:
        assert (errors[kind, "NF1"] == errors[SHAM[kind], "NF1"]).all()
        assert (errors[kind, "FF1"] != errors[SHAM[kind], "FF1"]).any()
    assert (errors[SHAM["within"], "FF1"] == errors[SHAM["outside"], "FF1"]).all()
    first = errors[SHAM["within"], "FF1", 0]  # the intuitive decoder goes on
    assert np.allclose(first, errors["within", "NF1", SMOKE.nf1_updates], atol=1e-6)


def test_equal_seeds_give_equal_probes():
    config = dataclasses.replace(SMOKE, ff1_updates=1, nf2_updates=1, ff2_updates=1)
    left, right = (Experiment(config).run().rows for _ in range(2))
    assert all(
        np.array_equal(a["endpoint_error"], b["endpoint_error"]) for a, b in zip(left, right, strict=True)
    )


def test_a_run_that_is_stopped_leaves_nothing_half_done(tmp_path, monkeypatch):
    with pytest.raises(Stopped):
        Experiment(SMOKE, lambda: True).run()
    monkeypatch.setattr(command.StopFlag, "__call__", lambda self: True)
    out = tmp_path / "run"
    assert command.main(["--preset", "smoke", "--out", str(out)]) == 130
    left = {path.name for path in out.iterdir() if not path.name.startswith(".")}
    assert left == {"config.json", "manifest.json"}


GAIN = 0.1  # m/s of progress, planted in FF1


def planted(trace=0.05, saved=0.02, n=6):
    """An outcome in which activity of NF2 makes more progress through the perturbed decoders."""
    rng = np.random.default_rng(0)
    perturbations = {}
    activity = {condition: {} for condition in CONDITIONS}
    for kind in KINDS:
        decoders = [make_decoder(rng.standard_normal((2, 9)), (0.1, -0.1), 0.5) for _ in range(n)]
        perturbations[kind] = [Perturbation(decoder, kind, np.arange(9), 1.1) for decoder in decoders]
        towards = cursor_targets() / np.linalg.norm(cursor_targets(), axis=1, keepdims=True)
        for condition in (kind, SHAM[kind]):
            for phase in PHASES:
                activity[condition][phase] = np.full((n, 8, 5, 9), 0.1)
        shift = np.stack([trace * towards @ np.linalg.pinv(d.accumulation @ d.matrix).T for d in decoders])
        activity[kind]["NF2"] = activity[kind]["NF1"] + shift[:, :, None]
        gain = np.stack([GAIN * towards @ np.linalg.pinv(d.accumulation @ d.matrix).T for d in decoders])
        activity[kind]["FF1"] = activity[kind]["NF1"] + gain[:, :, None]
    curves = {
        condition: {phase: 0.1 + 0.001 * rng.standard_normal((n, 7)) for phase in PHASES}
        for condition in CONDITIONS
    }
    for kind in KINDS:
        curves[kind]["FF2"] = curves[kind]["FF2"] - saved
    return Outcome([], activity, [], perturbations), curves


def test_planted_savings_and_a_planted_trace_are_found_and_none_in_shams():
    values = network_values(*planted())
    for kind in KINDS:
        assert values[kind][TRACE] == pytest.approx(np.full(6, 0.05)) == values[kind][TRACE_BEYOND]
        assert values[kind][TRACE_SHAM] == pytest.approx(np.zeros(6), abs=1e-12)
        assert values[kind][SAVED_FIRST].mean() == pytest.approx(0.02, abs=0.002)
        assert values[kind][KEPT] == pytest.approx(np.full(6, 0.05 / GAIN))
        assert values[kind][MEAN].mean() == pytest.approx(0.1, abs=0.002)
    assert values[DIFFERENCE][TRACE] == pytest.approx(np.zeros(6), abs=1e-12)


def test_there_is_no_share_of_a_progress_that_was_not_gained():
    outcome, curves = planted()
    activity = outcome.activity["outside"]
    activity["FF1"][2] = activity["NF1"][2]
    values = network_values(outcome, curves)
    assert all(set(its) == set(MEASURES) - {KEPT} for its in values.values())
    numbers = quantities(values, 0)
    assert f"| {KEPT} |" not in page(numbers, Bci(), "a command", 0.9)
    assert "Still, progress through the perturbed decoder is left, 50.0 mm/s" in in_short(numbers)


def test_the_short_answer_follows_the_tests():
    found = in_short(quantities(network_values(*planted()), 0))
    assert "Still, 50.0 % [50.0, 50.0] (within) and 50.0 % [50.0, 50.0] (outside)" in found
    assert "the first error of FF2 is" in found and "is shown in the mean error in FF1 (" in found
    for effects in ((0.0, 0.0), (-0.05, -0.02)):
        nothing = in_short(quantities(network_values(*planted(*effects)), 0))
        assert "No memory of the perturbed decoder" in nothing and "FF2 are not found" in nothing
    outcome, curves = planted()
    curves["within"]["FF1"] = curves["within"]["FF1"] - 0.03
    curves["outside"]["NF2"] = curves["outside"]["NF2"] + 0.01
    differ = in_short(quantities(network_values(outcome, curves), 0))
    assert "The mean error in FF1 is smaller within the manifold than outside, by " in differ
    assert "The after-effect is smaller within the manifold than outside, by " in differ
    assert "No difference is shown in the share" in differ and "is not the same as before" in differ


def test_a_difference_that_only_its_interval_shows_is_a_possibility():
    numbers = quantities(network_values(*planted()), 0)
    values = {"value": -10.7, "ci": (-19.2, -2.2), "p": 0.02, "p_holm": 0.06}
    numbers[DIFFERENCE][MEAN] = dataclasses.replace(numbers[DIFFERENCE][MEAN], **values)
    assert (
        "The mean error in FF1 may be smaller within the manifold than outside, by 10.7 mm [2.2, 19.2], "
        "though that does not survive the correction. No difference is shown in the after-effect ("
    ) in in_short(numbers)


def test_planned_tests_and_the_comparison_are_corrected_apart():
    """Neither family makes the p of the other larger."""
    outcome, curves = planted()
    rng = np.random.default_rng(3)
    curves["within"]["FF1"] = curves["within"]["FF1"] - 0.001 * rng.standard_normal((6, 1))
    found = quantities(network_values(outcome, curves), 0)
    for groups, names in ((KINDS, CLAIMED), ((DIFFERENCE,), COMPARED)):
        entries = [found[group][name] for group in groups for name in names]
        assert [entry.p_holm for entry in entries] == pytest.approx(holm([entry.p for entry in entries]))
    tested = {(group, name) for group, its in found.items() for name in its if its[name].p is not None}
    assert tested == {(k, n) for k in KINDS for n in CLAIMED} | {(DIFFERENCE, n) for n in COMPARED}


def test_every_row_has_a_definition_with_its_unit_and_every_panel_a_caption():
    text = page(quantities(network_values(*planted()), 0), Bci(), "a command", 0.9)
    for name in MEASURES:
        unit = {"1": "no unit"}.get(unit_of(name), unit_of(name))
        assert f"| {name} | " in text and f"- *{name}* ({unit}): " in text
    assert "the 6 planned tests" in text and "The 3 tests of the last column" in text
    caption = text.split("(bci.png)")[1].split("## Methods")[0]
    assert all(panel in caption for panel in ("a and b, ", "c, savings, mean of FF2", "d, memory trace"))
    assert "p = " not in text and "Shown" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"networks": 1}, "networks must be a whole number of at least 2"),
        ({"factors": 60}, "factors must be a whole number of at least 2 and at most 59"),
        ({"change": (1.3, 0.9)}, "change must be two values of at least 0, the lower first"),
        ({"cell": "none"}, "unknown cell 'none'"),
        ({"rate": 0.0}, "rate must be positive"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        Bci(**arguments)


def test_the_preset_and_the_identity_say_all():
    made_by = command_text("experiments.bci", dataclasses.replace(Bci(), units=30), PRESETS)
    assert made_by == "python -m experiments.bci --preset quick --units 30"
    assert json.dumps(identity(SMOKE)) and isinstance(as_decoder(Decoder([[1.0], [0.0]]).to_dict()), Decoder)
