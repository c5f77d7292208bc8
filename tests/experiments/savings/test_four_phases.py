"""The main experiment: one seed, one result; interruptions change nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from agents.supervised.reaches import Reaches
from experiments.savings import pretrain, report
from experiments.savings.command import main
from experiments.savings.config import PRESETS
from experiments.savings.experiment import FourPhases
from experiments.savings.phases import TrainingPhase

SMOKE = ["--preset", "smoke"]
UNDRAWN = [*SMOKE, "--no-figures"]  # pictures take most of the time of so short a run
SMALL = [*UNDRAWN, "--nf1-updates", "3", "--ff1-updates", "3", "--nf2-updates", "3", "--ff2-updates", "3"]


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole smoke run."""
    out = tmp_path_factory.mktemp("smoke") / "run"
    assert main([*SMOKE, "--out", str(out)]) == 0
    return out


def test_a_run_leaves_every_file_and_nothing_else(smoke: Path) -> None:
    networks = {f"networks_{phase}.safetensors" for phase in ("NF1", "FF1", "NF2", "FF2")}
    drawn = ("learning_curves", "ff1_ff2", "hand_paths")
    figures = {f"{name}.{kind}" for name in drawn for kind in ("png", "svg")}
    results = {
        "config.json",
        "manifest.json",
        "probes.parquet",
        "summary.json",
        "paths.nc",
        "pretrained.safetensors",
    }
    assert {file.name for file in smoke.glob("[!.]*")} == networks | figures | results
    assert {file.name for file in smoke.glob(".*")} == {".lock", ".manifest.json.lock"}


def test_the_probe_table_has_a_row_a_network_probe_and_target(smoke: Path) -> None:
    table = pd.read_parquet(smoke / "probes.parquet")
    config = PRESETS["smoke"]
    probes = sum(getattr(config, f"{phase}_updates") + 1 for phase in ("nf1", "ff1", "nf2", "ff2"))
    assert len(table) == config.networks * probes * 8
    assert not table.duplicated(["network", "phase", "update", "target"]).any()
    assert (table.trial == 8 * table["update"]).all()
    assert {"lateral_deviation", "endpoint_error", "peak_speed"} <= set(table.columns)


def test_the_distance_to_the_goal_is_that_of_the_kept_paths(smoke: Path) -> None:
    table = pd.read_parquet(smoke / "probes.parquet").query("phase == 'FF1' and update == 0")
    with xr.open_dataset(smoke / "paths.nc") as paths:
        hand = paths["first_hand"].sel(phase="FF1").to_numpy().astype(float)  # (network, target, T + 1, 2)
        goal = np.repeat(hand[:, :, :1], 100, axis=2)
        goal[:, :, 50:] = paths["target_position"].to_numpy()[:, None]  # go, 0.44 s, is seen at 0.51 s
    expected = np.abs(hand[:, :, 1:] - goal).sum(-1).mean(-1)
    assert table["goal_distance"].to_numpy().reshape(2, 8) == pytest.approx(expected, rel=1e-5)


def test_the_summary_holds_what_it_promises(smoke: Path) -> None:
    summary = json.loads((smoke / "summary.json").read_text())
    assert summary["complete"] and {"networks", "units", "seed", "wall_time_s"} <= set(summary)
    for phase in ("NF1", "FF1", "NF2", "FF2"):
        assert {"trials", "initial_deviation", "final_deviation"} <= set(summary["phases"][phase])
        assert summary["phases"][phase]["trials"] == 8 * PRESETS["smoke"].nf1_updates
    keys = {"ff1", "ff2", "ci", "p", "paired_fraction", "all_pairs_fraction"}
    assert keys | {"difference"} <= set(summary["savings"]["initial"])
    assert keys | {"ratio"} <= set(summary["savings"]["rate"])
    assert {"mean", "ci", "p"} <= set(summary["washout_residual"])
    assert set(summary["adaptation"]) == {"NF1", "FF1", "NF2", "FF2"}


def test_hand_paths_start_at_the_start_and_are_labelled(smoke: Path) -> None:
    with xr.open_dataset(smoke / "paths.nc") as paths:
        assert paths.hand.dims == ("network", "phase", "field", "target", "time", "axis")
        start = paths.hand.isel(time=0).to_numpy()
        assert np.allclose(start, [-0.1337, 0.4344], atol=5e-4)
        assert list(paths.phase.to_numpy()) == ["NF1", "FF1", "NF2", "FF2"]


def test_one_seed_writes_the_same_bytes_and_another_seed_others(smoke: Path, tmp_path: Path) -> None:
    assert main([*UNDRAWN, "--out", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again/probes.parquet").read_bytes() == (smoke / "probes.parquet").read_bytes()
    assert main([*SMALL, "--out", str(tmp_path / "small")]) == 0
    assert main([*SMALL, "--seed", "1", "--out", str(tmp_path / "other")]) == 0
    one, other = (pd.read_parquet(tmp_path / name / "probes.parquet") for name in ("small", "other"))
    assert (one.lateral_deviation != other.lateral_deviation).all()


def _stopped_by(run: Any, answers: Iterator[bool]) -> Any:
    """A ``FourPhases.run`` that stops when the answers have run out."""
    return lambda experiment, watch, _: run(experiment, watch, lambda: next(answers, True))


def test_an_interrupted_run_goes_on_to_the_same_bytes(
    smoke: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = ["--out", str(tmp_path / "run")]
    run = FourPhases.run
    for stop_after in (13, 30, 7):  # probes: not at the boundaries of parts or phases
        answers = iter([False] * stop_after)
        monkeypatch.setattr(FourPhases, "run", _stopped_by(run, answers))
        assert main([*UNDRAWN, *out]) == 130
        unfinished = json.loads((tmp_path / "run/summary.json").read_text())
        assert not unfinished["complete"]
        assert len(pd.read_parquet(tmp_path / "run/probes.parquet")) % 16 == 0
    monkeypatch.setattr(FourPhases, "run", run)
    assert main([*UNDRAWN, *out]) == 0
    assert (tmp_path / "run/probes.parquet").read_bytes() == (smoke / "probes.parquet").read_bytes()
    one, other = (json.loads((folder / "summary.json").read_text()) for folder in (smoke, tmp_path / "run"))
    for summary in (one, other):
        summary.pop("wall_time_s")
    assert one == other


def test_a_baseline_that_a_criterion_ends_is_like_one_of_that_length_also_if_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    criterion = [*SMALL, "--no-figures", "--criterion", "1.0", "--criterion-probes", "2", "--out"]
    assert main([*criterion, str(tmp_path / "ended")]) == 0
    planned = ["--nf1-updates", "1", "--no-figures", "--out", str(tmp_path / "planned")]
    assert main([*SMALL, *planned]) == 0
    run = FourPhases.run
    for stop_after in (1, 3):  # within the baseline, and after it
        monkeypatch.setattr(FourPhases, "run", _stopped_by(run, iter([False] * stop_after)))
        assert main([*criterion, str(tmp_path / "interrupted")]) == 130
    monkeypatch.setattr(FourPhases, "run", run)
    assert main([*criterion, str(tmp_path / "interrupted")]) == 0
    ended, *others = (
        (tmp_path / name / "probes.parquet").read_bytes() for name in ("ended", "planned", "interrupted")
    )
    assert others == [ended, ended]
    for name in ("ended", "interrupted"):
        summary = json.loads((tmp_path / name / "summary.json").read_text())
        assert summary["first_phase"] == {"error": 1.0, "probes": 2, "met": True, "trials": 8}


def test_an_interrupted_run_with_adam_goes_on_with_its_moments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adam = [*SMALL, "--optimiser", "adam", "--out"]
    assert main([*adam, str(tmp_path / "whole")]) == 0
    run = FourPhases.run
    monkeypatch.setattr(FourPhases, "run", _stopped_by(run, iter([False] * 7)))
    assert main([*adam, str(tmp_path / "parts")]) == 130
    monkeypatch.setattr(FourPhases, "run", run)
    assert main([*adam, str(tmp_path / "parts")]) == 0
    whole, parts = ((tmp_path / name / "probes.parquet").read_bytes() for name in ("whole", "parts"))
    assert whole == parts


def test_networks_that_diverge_in_pretraining_are_not_replaced_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make = pretrain.random_reaches

    def broken(*arguments: Any, **options: Any) -> Reaches:
        reaches = make(*arguments, **options)
        reaches.observation_noise[0, 30] = float("nan")
        return reaches

    monkeypatch.setattr(pretrain, "random_reaches", broken)
    out = tmp_path / "run"
    for _ in range(2):
        assert main([*SMALL, "--out", str(out)]) == 2
        assert "holds 1 networks: 0 of 2 diverged in pre-training; go on with the others" in caplog.text
    weights = str(out / "pretrained.safetensors")
    assert main([*SMALL, "--out", str(tmp_path / "rest"), "--networks", "1", "--pretrained", weights]) == 0


def test_a_network_that_diverges_is_left_out_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*SMALL, "--networks", "3", "--keep-every", "1"]
    assert main([*arguments, "--out", str(tmp_path / "whole")]) == 0
    make_batch, begun = FourPhases._batch, []

    def batch(self: FourPhases, phase: TrainingPhase) -> Reaches:
        """The batch, with a broken sensor of network 1 from update 1 of FF1 on; stops once after that."""
        reaches = make_batch(self, phase)
        if (phase.name, self.update) >= ("FF1", 1) and phase.name.startswith("FF"):
            reaches.observation_noise[1, 30] = float("nan")
            begun.append(phase.name)
            if len(begun) == 2:
                raise KeyboardInterrupt  # resumed below: the stop is remembered
        return reaches

    monkeypatch.setattr(FourPhases, "_batch", batch)
    out = tmp_path / "run"
    assert main([*arguments, "--out", str(out)]) == 130
    assert main([*arguments, "--out", str(out)]) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["stopped"] == {"1": {"phase": "FF1", "update": 1}} and summary["networks"] == 2
    assert "network 1 diverged in update 1 of FF1, and is left out" in capsys.readouterr().out
    table, whole = (pd.read_parquet(tmp_path / name / "probes.parquet") for name in ("run", "whole"))
    assert sorted(table["network"].unique()) == [0, 2]
    left = pd.read_parquet(out / "probes_stopped.parquet")
    assert set(left["network"]) == {1} and len(left) + len(table) == len(whole)
    for measure in ("lateral_deviation", "endpoint_error"):
        expected = whole[whole["network"] != 1][measure].to_numpy()
        np.testing.assert_allclose(table[measure].to_numpy(), expected, rtol=1e-3, atol=1e-5)


def test_a_killed_process_loses_nothing_that_was_kept(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "experiments.savings",
        *SMOKE,
        "--ff1-updates",
        "100000",
        "--out",
        str(out),
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    root = Path(__file__).parents[3]
    for how, status in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)):
        with subprocess.Popen(command, cwd=root, env=environment, stderr=subprocess.DEVNULL) as process:
            kept = len(list((out / "parts").glob("*"))) if out.exists() else 0
            for _ in range(600):
                time.sleep(0.1)
                if len(list((out / "parts").glob("[0-9]*"))) > kept + 2:
                    break
            process.send_signal(how)
            assert process.wait(60) == status
    table = pd.read_parquet(out / "probes.parquet")
    assert not table.duplicated(["network", "phase", "update", "target"]).any()
    updates = table[(table.phase == "FF1") & (table.network == 0) & (table.target == 0)]["update"]
    assert list(updates) == list(range(len(updates))) and len(updates) > 20


def test_a_complete_run_is_only_shown_again(smoke: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {file: file.stat().st_mtime_ns for file in smoke.iterdir()}
    assert main([*SMOKE, "--out", str(smoke)]) == 0
    assert "after-effect" in capsys.readouterr().out
    assert before == {file: file.stat().st_mtime_ns for file in smoke.iterdir()}


def test_no_number_is_cut_off_in_a_narrow_terminal(
    smoke: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    report.show_report(smoke)
    text = capsys.readouterr().out
    assert "…" not in text and max(map(len, text.splitlines())) <= 80
    summary = json.loads((smoke / "summary.json").read_text())
    assert all(cell in text for row in report.report_rows(summary) for cell in row[1:])


def test_a_folder_with_another_run_is_left_alone(smoke: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = (smoke / "config.json").read_bytes()
    assert main([*SMOKE, "--b", "-4", "--out", str(smoke)]) == 2
    assert "b: 8.0 there, -4.0 now" in caplog.text
    assert (smoke / "config.json").read_bytes() == before


def test_the_table_shows_missing_results_as_missing(smoke: Path) -> None:
    summary = json.loads((smoke / "summary.json").read_text())
    whole = report.report_rows(summary)
    summary["savings"] = {"initial": None, "rate": None, "missing": "no phase named FF2"}
    summary |= {"after_effect": None, "washout_residual": None, "adaptation": {}}
    summary["phases"]["FF2"] = None
    assert 0 < len(report.report_rows(summary)) < len(whole)


def test_the_table_has_the_numbers_of_the_summary_beside_those_of_the_study(smoke: Path) -> None:
    summary = json.loads((smoke / "summary.json").read_text())
    saved = {
        "paired_fraction": 0.75,
        "paired_ci": [0.3, 0.9],
        "all_pairs_fraction": 0.6,
        "all_pairs_ci": None,
    }
    saved |= {"difference": 0.002, "ci": [0.001, 0.003], "p": 0.02, "p_holm": 0.04}
    summary["savings"]["initial"] = saved | {"all_pairs_ci": [None, None]}
    summary["washout_residual"] = {"mean": -0.001, "ci": [-0.004, 0.002], "p": 0.5}
    summary |= {"adaptation": {"FF1": 0.5}, "adaptation_networks": {"FF1": [0.4, 0.6]}}
    rows = {row[0].strip(): row[1:] for row in report.report_rows(summary)[2:5]}
    assert rows == {
        "savings, FF1 - FF2": ("2 mm", "1.00 to 3.00", "0.02", "0.04", "0.9 mm"),
        "share of networks": ("75 %", "30.0 to 90.0", "", "", "-"),
        "share of pairs": ("60 %", "-", "", "", "66.5 %"),
    }
    residual, force = report.report_rows(summary)[-2:]  # the study gives NF1 - NF2
    assert residual[1:] == ("1 mm", "-2.00 to 4.00", "0.5", "", "0.111 mm")
    assert force[:3] == ("channel force, FF1", "50 %", "-77 to 177")
