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
    DIFFERENCE,
    MEASURES,
    SAVED_FIRST,
    TRACE,
    TRACE_BEYOND,
    TRACE_SHAM,
    network_values,
    quantities,
)
from experiments.bci.phases import Experiment, Outcome
from experiments.bci.report import sentences
from experiments.runs.command_line import Stopped, command_text
from savings_gym import Decoder
from savings_gym.bci.decoder import as_decoder, make_decoder
from savings_gym.bci.perturbations import KINDS, Perturbation
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
    assert all(set(its) == set(MEASURES) for its in summary["measures"].values())
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
    assert values[DIFFERENCE][TRACE] == pytest.approx(np.zeros(6), abs=1e-12)


def test_sentences_follow_the_tests():
    shown = sentences(quantities(network_values(*planted()), 0))
    assert shown.count("Shown: ") == 2 and all(shown.count(name) == 2 for name in CLAIMED)
    nothing = sentences(quantities(network_values(*planted(0.0, 0.0)), 0))
    assert "Shown" not in nothing and nothing.count("Not shown") == 2
    opposite = sentences(quantities(network_values(*planted(-0.05, -0.02)), 0))
    assert opposite.count("Reversed") == 2 and "Shown" not in opposite


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"networks": 1}, "networks must be a whole number of at least 2"),
        ({"factors": 60}, "factors must be a whole number of at least 2 and at most 59"),
        ({"change": (1.3, 0.9)}, "change must be a lowest and a higher highest value"),
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
