"""The speed benchmark runs at tiny sizes, writes what it promises and refuses bad values.

Nothing is asserted about how long anything takes.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agents.supervised.learner import SupervisedLearner
from agents.supervised.reaches import centre_out
from experiments.savings.config import PRESETS
from experiments.speed import bench as speed_bench
from experiments.speed import command as speed
from experiments.speed import growth as speed_growth
from experiments.speed import motornet as speed_motornet
from experiments.speed import projection as speed_projection
from experiments.speed.report import render
from experiments.speed.work import PIECES, Floor, Work, ratio, repeated, set_substeps, take_turns, threads
from savings_gym.perturbations.fields import CurlField

TINY = ["--quick", "--networks", "2", "--units", "4"]
PROMISED = {
    "throughput_vs_motornet", "time_vs_floor", "single_network_vs_motornet", "paper_hours", "quick_minutes",
    "peak_memory_gb", "device", "threads", "cpu", "sizes", "origins",
}  # fmt: skip


@pytest.fixture
def without_motornet(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (speed, speed_bench):
        monkeypatch.setattr(module, "motornet_version", lambda: None)


@pytest.fixture
def short_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    short = {"networks": (1, 3), "units": (2, 4), "trials": (2, 8), "physics_steps": (1, 2), "threads": (1,)}
    monkeypatch.setattr(speed_growth, "axes", lambda quick, device: short)


def test_a_run_without_motornet_writes_everything(
    tmp_path: Path, without_motornet: None, short_axes: None, caplog: pytest.LogCaptureFixture
) -> None:
    parts = ["--part", "update", "probe", "parts", "growth"]
    assert speed.main([*TINY, *parts, "--out", str(tmp_path / "new" / "speed")]) == 0
    out = tmp_path / "new" / "speed"
    assert {file.name for file in out.iterdir()} == {"speed.json", "README.md", "speed.png", "speed.svg"}
    results = json.loads((out / "speed.json").read_text())
    assert set(results) >= PROMISED
    assert results["throughput_vs_motornet"] is None and results["paper_hours"] is None
    assert results["time_vs_floor"] > 0 and results["origins"]["update"]["versions"]["motornet"] is None
    assert set(results["growth"]) == {"networks", "units", "trials", "physics_steps", "threads"}
    assert speed_motornet.HOW_TO_GET in caplog.text
    page = (out / "README.md").read_text()
    assert page == render(results) and "not measured" in page


def test_the_committed_page_is_made_from_the_committed_results() -> None:
    folder = Path(speed.__file__).parents[1] / "results/speed"
    results = json.loads((folder / "speed.json").read_text())
    assert (folder / "README.md").read_text() == render(results)


def test_parts_are_measured_one_by_one_in_one_setting(
    tmp_path: Path, without_motornet: None, caplog: pytest.LogCaptureFixture
) -> None:
    for part in ("parts", "probe"):
        assert speed.main([*TINY, "--part", part, "--out", str(tmp_path)]) == 0
    results = json.loads((tmp_path / "speed.json").read_text())
    assert list(results["origins"]) == ["parts", "probe"]
    assert results["parts_seconds"] and results["probe_seconds"]
    other = ["--quick", "--networks", "3", "--units", "4", "--part", "probe"]
    assert speed.main([*other, "--out", str(tmp_path)]) == 0
    assert "it is replaced" in caplog.text
    assert list(json.loads((tmp_path / "speed.json").read_text())["origins"]) == ["probe"]


def test_one_part_leaves_the_others_null(tmp_path: Path, without_motornet: None) -> None:
    assert speed.main([*TINY, "--part", "parts", "--out", str(tmp_path)]) == 0
    results = json.loads((tmp_path / "speed.json").read_text())
    assert set(results) >= PROMISED and results["time_vs_floor"] is None
    assert set(PIECES) | {"arm_forward", "arm_backward"} == set(results["parts_seconds"])
    assert not (tmp_path / "speed.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"part": ("fun",)}, r"part must be one of \('update', 'probe', 'parts'.*, got 'fun'"),
        ({"part": ()}, "part must name one or more of: update, probe"),
        ({"networks": 0}, "networks must be a whole number of at least 1, got 0"),
        ({"units": -2}, "units must be a whole number of at least 1, got -2"),
        ({"rollout": "swift"}, r"rollout must be one of \('auto', 'fused', 'plain'\), got 'swift'"),
        ({"device": "abacus"}, "device must be one of .*'cpu'"),
        ({"device": f"cuda:{torch.cuda.device_count()}"}, "device must be one of .*'cpu'"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        speed.Speed(**arguments)


def test_a_bad_command_line_ends_with_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        speed.main(["--part", "fun", "--out", str(tmp_path / "out")])
    assert stopped.value.code == 2
    assert "'fun'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_out_must_not_be_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "taken").touch()
    assert speed.main(["--out", str(tmp_path / "taken")]) == 2
    assert "expected a folder" in caplog.text


@pytest.mark.parametrize("path", ["fused", "plain"])
def test_the_parts_together_are_an_update(path: str) -> None:
    pytest.importorskip("numba")
    work, same = Work(2, units=4, rollout=path), Work(2, units=4, rollout=path)
    work.parts()
    same.batch_seconds()  # both have drawn one batch more
    same.update()
    for one, other in zip(
        work.learner.ensemble.parameters(), same.learner.ensemble.parameters(), strict=True
    ):
        assert torch.equal(one, other)


@pytest.mark.parametrize("path", ["fused", "plain"])
def test_more_physics_steps_are_nearly_the_same_arm(path: str) -> None:
    pytest.importorskip("numba")
    hands = []
    for substeps in (5, 10):
        work = Work(1, units=4, rollout=path, substeps=substeps)
        hands.append(work.learner.probe(work.probes).hand)
    assert not torch.equal(*hands)
    assert torch.allclose(*hands, atol=2e-3)


def test_physics_steps_are_counted_from_one() -> None:
    with pytest.raises(ValueError, match="substeps must be at least 1, got 0"):
        set_substeps(Work(1, units=2, rollout="plain").learner, 0)


def test_the_floor_is_the_recurrent_products() -> None:
    floor = Floor(2, trials=3, units=4)
    assert floor() > 0
    assert floor.operations == 2 * 2 * 3 * 4 * 12 * 100 * 3
    assert torch.allclose(floor.ahead, floor.h @ floor.weight, rtol=1e-4, atol=1e-5)
    assert torch.allclose(floor.back, floor.d @ floor.weight_t, rtol=1e-4, atol=1e-5)
    assert torch.allclose(floor.gradient, floor.all_d.mT @ floor.all_h, rtol=1e-3, atol=1e-3)


def test_tasks_take_turns_after_one_warm_up_each() -> None:
    calls: list[str] = []

    def task(name: str) -> Any:
        def run() -> float:
            calls.append(name)
            return float(len(calls))

        return run

    results = take_turns({"a": task("a"), "b": task("b")}, 2)
    assert calls == ["a", "b"] * 3
    assert results == {"a": [3.0, 5.0], "b": [4.0, 6.0]}
    assert repeated(lambda: 2.0, 3)() == 2.0
    assert ratio([2.0, 6.0, 100.0], [1.0, 2.0, 1.0]) == 3.0
    with pytest.raises(ValueError, match="rounds must be at least 1"):
        take_turns({}, 0)


def test_threads_are_put_back() -> None:
    before = torch.get_num_threads()
    with threads(1):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_axes_have_the_wanted_ends() -> None:
    full = speed_growth.axes(quick=False)
    assert (full["networks"][0], full["networks"][-1]) == (1, 200)
    assert (full["units"][0], full["units"][-1]) == (32, 512)
    gpu = speed_growth.axes(quick=True, device="cuda")
    assert gpu["networks"][-1] == 400 and "threads" not in gpu
    with pytest.raises(ValueError, match=r"axis must be one of \('networks', 'units'"):
        speed_growth.curve("colour", [1], lambda networks: None, speed.Speed(), 1)


def test_slopes_are_exponents() -> None:
    points = [{"value": n, "seconds": 3.0 * n, "floor_seconds": 2.0 * n**2} for n in (1, 4, 16)]
    results = speed_growth.slopes({"units": points, "networks": points[:1]})
    assert set(results) == {"units"}
    assert results["units"] == pytest.approx({"seconds": 1.0, "floor_seconds": 2.0})


def test_the_projection_measures_the_experiment_itself() -> None:
    results = speed_projection.measure(PRESETS["smoke"], 2, "cpu")
    assert results.pretraining is not None and results.pretraining > 0 and results.phase > 0
    assert results.hours == pytest.approx((4 * results.pretraining + 4 * 24 * results.phase) / 3600)


def test_hours_follow_the_schedule() -> None:
    assert speed_projection.schedule_hours(PRESETS["paper"], 1.8, 0.36) == pytest.approx(10.0 + 2.64)
    assert speed_projection.schedule_hours(PRESETS["quick"], None, 1.2) == pytest.approx(1.0)


def test_a_failing_projection_says_what_failed() -> None:
    bad = dataclasses.replace(PRESETS["smoke"], pretraining_updates=1)
    object.__setattr__(bad, "cell", "abacus")
    with pytest.raises(RuntimeError, match="unknown cell 'abacus'"):
        speed_projection.project(1, presets={"smoke": bad})


@pytest.fixture
def motornet() -> None:
    pytest.importorskip("motornet", reason="motornet is not installed: pip install motornet")


def test_motornet_does_the_same_task_and_learns(motornet: None) -> None:
    learner = speed_motornet.MotorNetLearner(4, 8, seed=0)
    reaches = centre_out(1, CurlField(speed_motornet.CURL), np.random.default_rng(0), probe=False)
    ours = Work(1, units=4).learner
    assert isinstance(ours, SupervisedLearner)
    theirs, expected = learner.rollout(reaches), ours.probe(reaches)
    for name in ("hand", "velocity", "force", "excitation", "hidden"):
        assert getattr(theirs, name).shape == getattr(expected, name).shape
    assert torch.allclose(theirs.hand[:, 0], reaches.start, atol=1e-3)
    before = [parameter.detach().clone() for parameter in learner.policy.parameters()]
    learner.update(reaches)
    learner.probe(reaches)
    changed = {
        name
        for (name, now), then in zip(learner.policy.named_parameters(), before, strict=True)
        if not torch.equal(now, then)
    }
    assert changed == {"gru.weight_hh_l0", "gru.bias_hh_l0"}
    assert bool(learner.initial.any())


@pytest.mark.slow
def test_motornet_workers_answer_and_stop(motornet: None) -> None:
    with speed_motornet.MotorNetWorkers(units=4, processes=2) as workers:
        assert len(workers.seconds("update", 1, 2)) == 2
        assert len(workers.seconds("probe", 1, 1)) == 1
    assert not any(process.is_alive() for process in workers.processes)
    assert workers.peak_memory is None or workers.peak_memory > 0.05


def test_a_failing_worker_says_what_failed(motornet: None) -> None:
    with pytest.raises(RuntimeError, match="a MotorNet process failed"):
        with speed_motornet.MotorNetWorkers(units=-1, processes=1):
            pass


@pytest.mark.gpu
def test_on_a_gpu_the_plain_path_runs(tmp_path: Path, without_motornet: None) -> None:
    assert speed.main([*TINY, "--device", "cuda", "--part", "update", "parts", "--out", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "speed.json").read_text())["device"] != "cpu"
