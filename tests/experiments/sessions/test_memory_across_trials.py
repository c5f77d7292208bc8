"""The sessions experiment: resumable, paired with its sham, and blind where nothing was learned."""

import dataclasses
import json
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.sessions import command, training
from experiments.sessions.config import PRESETS, REGIMES, Sessions
from experiments.sessions.decoding import side_read
from experiments.sessions.measures import (
    ADAPTED,
    AFTER_EFFECT,
    DESPITE,
    INTERFERED,
    SAVED_EARLY,
    SAVED_FIRST,
    SHIFT_BEYOND,
    Curves,
    block_deviations,
    curves,
    network_values,
)
from experiments.sessions.protocol import SAVINGS, SHAM, TESTS, UNTRAINED, sham_of, washout_test
from experiments.sessions.shift import shift_length
from experiments.sessions.testing import Outcome
from experiments.sessions.washouts import (
    LEFT,
    SAVED,
    washout_claims,
    washout_measures,
    washout_values,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("sessions") / "run"
    assert command.main(["--preset", "smoke", "--out", str(out)]) == 0
    return out


def test_the_run_is_whole_and_shown_again_without_work(run, caplog):
    summary = json.loads((run / "summary.json").read_text())
    assert summary["complete"] and set(summary["measures"]) == {UNTRAINED, *REGIMES}
    files = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    assert {"README.md", "curves.npz", "probes.parquet", "sessions.png"} <= set(files)
    assert command.main(["--preset", "smoke", "--out", str(run)]) == 0
    assert files == {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}


def test_sessions_and_shams_are_alike_until_the_field(run):
    table = pd.read_parquet(run / "probes.parquet")
    keys = ["trained_in", "sign", "session", "session_trial", "network", "target"]
    for kind in (SAVINGS, SHAM):
        assert len(table[table.test == kind]) == 4 * 2 * 2 * 8 * 2 * 8
    main, sham = (
        table[table.test == kind].set_index(keys)["lateral_deviation"].unstack("session_trial").to_numpy()
        for kind in (SAVINGS, SHAM)
    )
    assert (main[:, :2] == sham[:, :2]).all() and (main[:, 2] != sham[:, 2]).any()


def test_a_run_that_was_interrupted_ends_like_one_that_was_not(run, tmp_path, monkeypatch):
    updates = []

    class Stopping(training.SupervisedLearner):
        def update(self, *trials, extra=None):
            updates.append(1)
            if len(updates) == 3:
                signal.raise_signal(signal.SIGTERM)
            return super().update(*trials, extra=extra)

    arguments = ["--preset", "smoke", "--out", str(tmp_path / "run")]
    with monkeypatch.context() as patch:
        patch.setattr(training, "SupervisedLearner", Stopping)
        assert command.main(arguments) == 143
    assert (tmp_path / "run/state_adaptation.pt").is_file()
    assert command.main(arguments) == 0
    for name in ("probes.parquet", "networks_adaptation.safetensors", "networks_relearning.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == (run / name).read_bytes(), name
    assert not list((tmp_path / "run").glob("state*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--regimes", "adaption"], "regimes must be some of adaptation, relearning, alone"),
        (["--reading", "-1"], "reading must be a finite number of at least 0"),
        (["--reading-share", "2"], "reading_share must be a finite number of at least 0 and at most 1"),
        (["--networks", "9"], "holds 8 networks, --networks is 9"),
        (["--b", "0"], "b must not be 0"),
        (["--tests", "1"], "tests must be a whole number of at least 2"),
        (["--washouts", "4", "2"], "washouts must be in rising order, each once, got (4, 2)"),
        (["--washouts", "0"], "a washout must be a whole number of at least 1, got 0"),
        (["--pretrained", "nowhere.safetensors"], "nowhere.safetensors"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(arguments, message, tmp_path, caplog, capsys):
    try:
        status = command.main(["--preset", "smoke", "--out", str(tmp_path / "run"), *arguments])
    except SystemExit as end:
        status = end.code
    said = " ".join(f"{caplog.text} {capsys.readouterr().err}".replace("│", " ").split())
    assert status == 2 and message in said and not (tmp_path / "run").exists()


def planted(kind: str, memory: float, networks: int = 6, trials: int = 8, units: int = 12) -> Outcome:
    """Networks that meet a field with 30 mm, halve it in every trial, and keep a share of it over NF2."""
    rng = np.random.default_rng(0)
    field = {"NF1": 0.0, "FF1": 0.0 if "sham" in kind else 30.0, "NF2": 0.0, "FF2": 30.0}
    if kind.startswith("interference"):
        field = {"FF1": field["FF1"], "B": -30.0, "FF2": 30.0}
    rows, prepared, learned = [], [], 0.0
    tuned, axis = rng.standard_normal((8, 2)), rng.standard_normal(units)
    tuning = rng.standard_normal((2, units))
    for block, push in field.items():
        for trial in range(trials):
            rows += [
                {
                    "sign": sign, "session": 0, "phase": block, "network": network, "update": trial,
                    "target": target, "lateral_deviation": sign * 1e-3 * (push - learned),
                }
                for sign in (1, -1) for network in range(networks) for target in range(8)
            ]  # fmt: skip
            prepared.append(tuned @ tuning + learned * axis)
            learned += 0.5 * (push - learned)
            if block == "NF2" and trial == trials - 1:
                learned = 0.0 if "sham" in kind else memory * 30.0
    shape = (2, 1, networks, len(prepared), 8)
    activity = np.broadcast_to(np.stack(prepared)[None, None, None], (*shape, units))
    return Outcome(pd.DataFrame(rows), activity, np.broadcast_to(tuned, (*shape, 2)))


def test_planted_savings_are_found():
    names = {kind: session.names for kind, session in Sessions().test_sessions().items()}
    found = curves({kind: planted(kind, memory=0.2) for kind in TESTS}, names)
    values = network_values(found, {})
    assert np.allclose(values[SAVED_FIRST], 6e-3)
    assert np.allclose(values[SAVED_EARLY], 6e-3 * np.mean(0.5 ** np.arange(1, 5)))
    assert np.allclose(values[DESPITE], 0.0, atol=1e-4)
    learned = 30e-3 * (1 - 0.5**8)  # at the end of FF1, and in the way of its opposite
    assert np.allclose(values[INTERFERED], learned * np.mean(0.5 ** np.arange(1, 5)))
    assert np.allclose(values[ADAPTED], 30e-3 * (1 - np.mean(0.5 ** np.arange(4, 8))))
    assert np.allclose(values[AFTER_EFFECT], -30e-3 * (1 - 0.5**8))
    assert np.allclose(values[SHIFT_BEYOND], 0.0, atol=0.1)


def test_short_washouts_are_told_from_what_they_leave():
    def outcome(kind: str, trials: int) -> Outcome:
        field = {"NF1": 0.0, "FF1": 0.0 if "sham" in kind else 30.0, "NF2": 0.0, "FF2": 30.0}
        learned = 0.0 if "sham" in kind else 20.0
        rows = [
            {"sign": sign, "session": 0, "phase": block, "network": network, "update": trial, "target": 0,
             "lateral_deviation": sign * 1e-3 * (push - learned * 0.5 ** (trial + 1) * (block == "NF2")
                                                 - learned * 0.5**trials * (block == "FF2"))}
            for block, push in field.items() for trial in range(trials if block == "NF2" else 1)
            for network in range(3) for sign in (1, -1)
        ]  # fmt: skip
        return Outcome(pd.DataFrame(rows), np.empty(0), np.empty(0))

    found = {}
    for trials in (1, 3):
        for kind in (washout_test(trials), sham_of(washout_test(trials))):
            table = outcome(kind, trials).table
            found[kind] = Curves(block_deviations(table, ("NF1", "FF1", "NF2", "FF2")), {})
    values = washout_values(found, (1, 3))
    assert tuple(values) == washout_measures((1, 3))
    for trials in (1, 3):
        assert np.allclose(values[f"{LEFT} {trials}"], -20e-3 * 0.5**trials)
        assert np.allclose(values[f"{SAVED} {trials}"], 20e-3 * 0.5**trials)
    assert set(washout_claims((1, 3))) < set(values)


def test_presets_are_what_they_say():
    assert {config.preset for config in PRESETS.values()} == set(PRESETS)
    with pytest.raises(ValueError, match=r"preset must be one of \('quick', 'paper', 'smoke'\), got 'fast'"):
        dataclasses.replace(Sessions(), preset="fast")


@pytest.mark.parametrize(("size", "least", "most"), [(0.0, 0.3, 0.7), (3.0, 0.97, 1.0)])
def test_the_side_of_a_field_is_read_where_it_is_known(size, least, most):
    rng = np.random.default_rng(0)
    activity = rng.standard_normal((2, 4, 5, 6, 8, 20))  # side, session, network, trial, target, unit
    axis = rng.standard_normal(20) / np.sqrt(20)
    known = activity + size * np.array([1.0, -1.0])[:, None, None, None, None, None] * axis
    read = side_read(known, (1, -1))
    assert read.shape == (5,) and (least <= read).all() and (read <= most).all()
    with pytest.raises(ValueError, match="at least two sessions"):
        side_read(known[:, :1], (1, -1))


@pytest.mark.parametrize(("length", "noise"), [(0.0, 0.3), (0.5, 0.01), (2.0, 0.01)])
def test_a_planted_shift_has_its_length_and_noise_has_none(length, noise):
    """Activity has a length of 4; the shift is orthogonal to it and to the tuning, opposite by sign."""
    rng, lengths = np.random.default_rng(0), {"NF1": 4, "FF1": 4, "NF2": 4, "FF2": 4}
    shape, units = (2, 4, 100, 16, 8), 12  # sign, session, network, trial, target
    frame = np.linalg.qr(rng.standard_normal((units, units)))[0]
    angles = np.pi / 4.0 * np.arange(8)
    force = np.broadcast_to(np.stack([np.cos(angles), np.sin(angles)], axis=-1), (*shape, 2))
    main, sham = (
        4.0 * frame[0] + force @ frame[1:3] + noise * rng.standard_normal((*shape, units)) for _ in range(2)
    )
    main[:, :, :, 4:8] += length * frame[3] * np.array([1.0, -1.0])[:, None, None, None, None, None]
    found = shift_length(*(Outcome(pd.DataFrame(), each, force) for each in (main, sham)), lengths)
    assert found.shape == (100,)
    assert abs(found.mean() - length / 4.0) < 4.0 * found.std(ddof=1) / np.sqrt(100) + 0.005 * length
    with pytest.raises(ValueError, match="at least 2 sessions, got 1"):
        shift_length(planted(SAVINGS, 0.2), planted(SHAM, 0.2), lengths)
