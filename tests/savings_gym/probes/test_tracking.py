"""The mirror in Weights & Biases: off by default, offline without a key, and never in the way of a run."""

import json
import sys
import time
import types
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from planted_probes import plant

from savings_gym.files import open_folder, write_json, write_table
from savings_gym.metrics.kinematics import KINEMATIC_COLUMNS
from savings_gym.metrics.savings import savings
from savings_gym.probes.tracking import Tracker, mirror


class FakeRun:
    id = "abc"

    def __init__(self, arguments):
        self.arguments, self.lines, self.metrics, self.summary = arguments, [], [], {}
        self.artifacts, self.finished = [], False

    def define_metric(self, *names, **more):
        self.metrics.append((names, more))

    def log(self, line):
        self.lines.append(line)

    def log_artifact(self, artifact):
        self.artifacts.append(artifact)

    def finish(self):
        self.finished = True


class FakeArtifact:
    def __init__(self, name, type):
        self.name, self.files = name, []

    def add_file(self, path):
        self.files.append(Path(path).name)


@pytest.fixture
def fake(monkeypatch):
    """A module in place of wandb that records its calls."""
    module = types.ModuleType("wandb")
    module.runs = []

    def init(**arguments):
        module.runs.append(FakeRun(arguments))
        return module.runs[-1]

    module.init, module.Artifact, module.Image = init, FakeArtifact, str
    module.Settings = lambda **settings: settings
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    return module


@pytest.fixture
def folder(tmp_path):
    """The folder of a finished run."""
    table = plant(networks=2, updates=6)
    table |= {name: table["lateral_deviation"] for name in KINEMATIC_COLUMNS}
    open_folder(tmp_path / "run", {"seed": 3})
    write_table(tmp_path / "run/probes.parquet", table)
    write_json(tmp_path / "run/summary.json", savings(table).to_dict())
    (tmp_path / "run/curves.png").write_bytes(b"png")
    return tmp_path / "run"


def test_the_mirror_is_off_unless_asked_for(fake):
    for off in (None, False, ""):
        tracker = Tracker(off, {})
        tracker.log(0, {"x": 1.0})
        tracker.finish({})
        assert not tracker.active
    assert fake.runs == []


def test_a_run_is_offline_unless_there_is_a_key(fake, monkeypatch, tmp_path):
    Tracker(True, {"seed": 1}, tmp_path / "new")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    Tracker("mine", {})
    monkeypatch.setenv("WANDB_MODE", "disabled")
    Tracker("mine", {})
    arguments = [run.arguments for run in fake.runs]
    assert [a["mode"] for a in arguments] == ["offline", "online", None]
    assert [a["project"] for a in arguments] == ["savings_gym", "mine", "mine"]
    assert arguments[0]["config"] == {"seed": 1} and arguments[0]["dir"] == str(tmp_path / "new")


def test_probes_are_logged_over_trials_and_the_summary_by_its_names(fake):
    tracker = Tracker(True, {})
    tracker.log(8, {"lateral_deviation": 0.03})
    tracker.finish({"savings": {"rate": {"ratio": 1.2, "ci": [1.1, None]}}, "complete": True})
    run = fake.runs[0]
    assert (("savings/*",), {"step_metric": "trial"}) in run.metrics
    assert run.lines == [{"trial": 8, "savings/lateral_deviation": 0.03}]
    assert run.summary == {"savings/rate/ratio": 1.2, "savings/rate/ci/0": 1.1, "complete": True}
    assert run.finished and not tracker.active


def test_a_finished_folder_is_mirrored_with_everything_in_it(fake, folder):
    assert mirror(folder, project="mine")
    run, table = fake.runs[0], pd.read_parquet(folder / "probes.parquet")
    assert run.arguments["name"] == "run" and run.arguments["config"] == {"seed": 3}
    probes, figures = run.lines[:-1], run.lines[-1]
    assert [line["trial"] for line in probes] == [40 * phase + 8 * i for phase in range(4) for i in range(6)]
    assert [line["savings/phase"] for line in probes] == np.repeat(range(4), 6).tolist()
    means = table.groupby(["phase", "update"], sort=False)["lateral_deviation"].mean()
    assert np.allclose([line["savings/lateral_deviation"] for line in probes], means)
    assert figures == {"figures/curves": str(folder / "curves.png")}
    assert run.artifacts[0].files == ["config.json", "summary.json", "probes.parquet"]
    expected = json.loads((folder / "summary.json").read_text())["savings"]["initial"]["difference"]
    assert run.summary["savings/initial/difference"] == expected


def test_a_folder_that_is_not_finished_is_named(fake, folder):
    (folder / "summary.json").unlink()
    with pytest.raises(FileNotFoundError, match="has no summary.json"):
        mirror(folder)
    assert fake.runs == []


def test_without_wandb_there_is_one_warning_and_nothing_fails(monkeypatch, folder):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.warns(UserWarning, match=r"savings_gym\[wandb\]") as caught:
        assert mirror(folder) is False
    assert len(caught) == 1


def test_a_mirror_that_breaks_does_not_break_the_run(fake, monkeypatch):
    tracker = Tracker(True, {})
    monkeypatch.setattr(FakeRun, "log", lambda *_: (_ for _ in ()).throw(OSError("no network")))
    with pytest.warns(UserWarning, match="no network"):
        tracker.log(0, {})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tracker.log(1, {})
        tracker.finish({})


def test_the_callback_mirrors_its_probes_and_ends_the_run(fake, tmp_path):
    pytest.importorskip("stable_baselines3")
    from stable_baselines3 import PPO

    from savings_gym import CurlField, Phase, Schedule
    from savings_gym.sb3.callback import SavingsCallback
    from savings_gym.sb3.vec_env import ReachVecEnv

    callback = SavingsCallback(
        Schedule((Phase("NF1", None, 2), Phase("FF1", CurlField(8.0), 2))), 2, tmp_path, track="mine"
    )
    model = PPO("MlpPolicy", ReachVecEnv(2), n_steps=100, batch_size=100, n_epochs=1, device="cpu")
    model.learn(400, callback)
    run, table = fake.runs[0], callback.result.table
    assert run.finished and run.arguments["config"]["algorithm"] == "PPO"
    assert [line["trial"] for line in run.lines] == [0, 2, 2, 4]
    assert [line["savings/phase"] for line in run.lines] == [0, 0, 1, 1]
    means = table["lateral_deviation"].reshape(4, 8).mean(1)
    assert np.allclose([line["savings/lateral_deviation"] for line in run.lines], means)
    assert run.summary["adaptation/FF1"] == callback.result.summary["adaptation"]["FF1"]


@pytest.mark.slow
def test_the_real_wandb_writes_an_offline_run_without_an_account(folder, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    (folder / "curves.png").unlink()
    assert mirror(folder)
    runs = list((folder / "wandb").glob("offline-run-*/*.wandb"))
    assert len(runs) == 1
    patience = time.monotonic() + 20.0  # its own process writes the last lines when it likes
    while runs[0].stat().st_size < 10_000 and time.monotonic() < patience:
        time.sleep(0.1)
    assert b"savings/lateral_deviation" in runs[0].read_bytes()
