"""All figures by one command: a tiny run end to end, resuming, failing, and numbers with known answers."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from planted_probes import TRUE_RATE, TRUE_START, plant
from planted_runs import planted_folder

from experiments import study
from experiments.figures import command as figures
from experiments.figures.behaviour import position_losses
from experiments.figures.channel import channel_force
from experiments.figures.command import FIGURES, PRESETS, Figures, command, run
from experiments.figures.findings import Findings
from experiments.figures.learning import learning, learning_quantities
from experiments.figures.runs import CONTROL, MAIN, SIZE, SIZE_SHAM
from experiments.savings.command import run as run_savings
from experiments.savings.config import PRESETS as RUNS
from experiments.savings.experiment import GOAL_DISTANCE
from experiments.stored.runs import StoredRuns, pretraining
from savings_gym.files import write_json
from savings_gym.metrics.curves import phase_curves
from savings_gym.metrics.savings import savings
from savings_gym.metrics.statistics import Sampling
from savings_gym.task.settings import Noise

COPIED = ("behaviour", "learning", "persistence", "size")  # none of which needs the sham


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    out = tmp_path_factory.mktemp("figures")
    config = dataclasses.replace(PRESETS["smoke"], out=out / "all")
    return config, run(config)


@pytest.fixture
def copied(smoke, tmp_path):
    """The same folder elsewhere, without controls, which belong to the place where they were run."""
    config = dataclasses.replace(smoke[0], out=tmp_path / "all", only=COPIED)
    shutil.copytree(smoke[0].out, config.out, ignore=shutil.ignore_patterns("controls"))
    return config


@pytest.mark.slow
def test_one_command_makes_every_figure(smoke):
    config, status = smoke
    assert status == 0
    for name in FIGURES:
        findings = Findings.load(config.out, name)
        assert findings.quantities and findings.pictures, name
        known = all(entry.name in study.REFERENCE for entry in findings.quantities)
        assert findings.tables or known, name  # the comparison has what the study has
        assert all(path.is_file() for path in findings.files(config.out, name))
        for path in findings.pictures:
            with Image.open(path) as image:
                assert image.convert("L").getextrema()[0] < 100, path  # something is drawn
    rows = json.loads((config.out / "reference.json").read_text())["rows"]
    assert {"name", "reference", "ours", "ci", "networks", "verdict"} <= rows[0].keys()
    assert [row["name"] for row in rows] == [row.name for row in study.REFERENCES]
    page = (config.out / "comparison.md").read_text()
    assert all(f"| {row['name']} |" in page for row in rows)
    index = json.loads((config.out / "runs.json").read_text())
    assert index["command"].startswith("python -m experiments.figures --preset smoke --out")
    assert [row["name"] for row in index["runs"]] == ["main", "units-4", "units-4-sham", "sham"]


@pytest.mark.slow
def test_figures_that_are_up_to_date_are_not_drawn_again(copied, monkeypatch):
    def never(*arguments):
        raise AssertionError("drawn again")

    monkeypatch.setattr(figures, "FIGURES", dict.fromkeys(COPIED, never))
    before = {path: path.stat().st_mtime_ns for path in copied.out.rglob("*.png")}
    assert run(copied) == 0
    assert before == {path: path.stat().st_mtime_ns for path in copied.out.rglob("*.png")}
    (copied.out / "persistence.png").unlink()
    assert run(copied) == 1  # this one was to be drawn


@pytest.mark.slow
def test_a_failing_figure_does_not_lose_the_others(copied, monkeypatch, caplog):
    def broken(runs, out):
        raise ArithmeticError("no such number")

    def quick(runs, out):
        return Findings([], {}, [])

    broken_one = {name: broken if name == "learning" else quick for name in COPIED}
    monkeypatch.setattr(figures, "FIGURES", broken_one)
    assert run(dataclasses.replace(copied, again=True)) == 1
    assert "no such number" in caplog.text and "failed: learning" in caplog.text
    assert not Findings.load(copied.out, "size").quantities  # drawn after the one that failed


@pytest.mark.slow
def test_figures_of_other_runs_are_drawn_again_and_never_compared(copied, monkeypatch):
    summary = copied.out / "runs" / "main" / "summary.json"
    write_json(summary, json.loads(summary.read_text()) | {"wall_time_s": 1234.5})
    made = []

    def quick(runs, out):
        made.append(runs.main.name)
        return Findings([], {}, [])

    monkeypatch.setattr(figures, "FIGURES", dict.fromkeys(COPIED, quick))
    assert run(dataclasses.replace(copied, only=("learning",))) == 0
    assert made == ["main"]
    content = json.loads((copied.out / "reference.json").read_text())
    assert content["figures"] == ["learning"]


@pytest.mark.slow
def test_without_noise_the_channel_is_that_of_the_run_itself(tmp_path):
    quiet = Noise(excitation=0.0, proprioception=0.0, vision=0.0)
    short = dict.fromkeys(("nf1_updates", "ff1_updates", "nf2_updates", "ff2_updates"), 4)
    config = dataclasses.replace(RUNS["smoke"], out=tmp_path / "run", noise=quiet, **short)
    assert run_savings(config) == 0
    forces = channel_force(StoredRuns(config.out, {}, {}, 0), config.out)
    stored = json.loads((config.out / "summary.json").read_text())["adaptation_networks"]
    for phase, force in forces.items():
        assert force.slope == pytest.approx(stored[phase], rel=1e-9), phase
        assert force.across.shape == force.ideal.shape == (2, 100)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--only", "nothing"], "figure must be one of ('behaviour'"),
        (["--preset", "huge"], "preset must be one of ('quick', 'paper', 'smoke'), got 'huge'"),
        (["--networks", "0"], "networks must be at least 1"),
        (["--sizes", "32", "0"], "sizes must be at least 1"),
        (["--seed", "-1"], "seed"),
        (["--controls", "none"], "condition must be one of ('main', 'sham'"),
        (["--networks", "41"], "gru128-paper.safetensors holds 40 networks, 41 are wanted"),
        (["--size-networks", "41"], "holds 40 networks, 41 are wanted"),
        (["--sizes", "16", "32"], "no networks of 16 units ship"),
        (["--control-networks", "9"], "--control-networks is 9, but the main run has 8 networks"),
        (["--main", "no/such/run"], "has no config.json"),
    ],
)
def test_bad_input_is_refused_before_any_work(given, words, tmp_path, capsys, caplog):
    try:
        status = figures.main([*given, "--out", str(tmp_path / "out")])
    except SystemExit as exit_:
        status = exit_.code
    told = " ".join((capsys.readouterr().err + caplog.text).replace("│", " ").split())
    assert status == 2
    assert words in told
    assert not (tmp_path / "out").exists()


def test_a_folder_of_another_run_is_refused(tmp_path):
    other = tmp_path / "runs" / "main"
    other.mkdir(parents=True)
    write_json(other / "config.json", {"arguments": {"seed": 5}})
    with pytest.raises(FileExistsError, match="another"):
        run(dataclasses.replace(PRESETS["smoke"], out=tmp_path))


@pytest.mark.parametrize("status", [130, 143])
def test_a_signal_stops_everything_and_is_the_exit_status(tmp_path, monkeypatch, caplog, status):
    begun = []

    def interrupted_run(config):
        begun.append(config.out.name)
        return status

    monkeypatch.setattr("experiments.figures.runs.run_savings", interrupted_run)
    assert run(dataclasses.replace(PRESETS["smoke"], out=tmp_path / "out")) == status
    assert begun == ["main"] and "failed" not in caplog.text


@pytest.mark.parametrize(("status", "drawn"), [(143, False), (1, True)])
def test_interrupted_controls_stop_the_figures_and_failed_ones_do_not(tmp_path, monkeypatch, status, drawn):
    main = planted_folder(tmp_path / "main", networks=3, updates=20)
    monkeypatch.setattr(figures, "run_controls", lambda config: status)
    monkeypatch.setitem(figures.NEEDS, "learning", (MAIN, CONTROL))
    config = dataclasses.replace(PRESETS["smoke"], out=tmp_path / "out", main=main, only=("learning",))
    assert run(config) == status
    assert (config.out / "learning.png").is_file() == drawn


def test_the_command_names_what_differs():
    config = dataclasses.replace(PRESETS["quick"], networks=5, sizes=(32, 64), ship=False, only=("size",))
    expected = "python -m experiments.figures --preset quick --networks 5 --sizes 32 64 --no-ship"
    assert command(config) == expected
    assert command(Figures()) == "python -m experiments.figures --preset quick"
    spaced = command(dataclasses.replace(config, out=Path("my figures"), again=True))
    assert spaced == expected.replace(" --networks", " --out 'my figures' --networks")


def test_sizes_run_once_each_and_the_main_run_is_its_own_size():
    planned = PRESETS["paper"].runs()
    assert [(run.name, run.config.units, run.config.networks) for run in planned] == [
        ("main", 128, 40), ("units-32", 32, 24), ("units-64", 64, 24), ("units-32-sham", 32, 24),
        ("units-64-sham", 64, 24),
    ]  # fmt: skip
    assert {run.config.pretrained.name for run in planned} == {
        f"gru{units}-paper.safetensors" for units in (32, 64, 128)
    }
    assert len({run.config.out for run in planned}) == len(planned)


def test_the_quick_preset_compares_sizes_of_networks_that_were_pretrained_alike():
    planned = PRESETS["quick"].runs()
    assert [(run.name, run.kind, run.config.networks) for run in planned] == [
        ("main", MAIN, 8), ("units-32", SIZE, 12), ("units-64", SIZE, 12),
        ("units-32-sham", SIZE_SHAM, 12), ("units-64-sham", SIZE_SHAM, 12),
    ]  # fmt: skip
    assert len({words for run in planned for words in pretraining(run.config)}) == 1


def test_the_sham_is_one_of_the_controls_only_if_they_have_the_networks_of_the_main_run(tmp_path):
    main = planted_folder(tmp_path / "main", networks=3, updates=20)
    config = dataclasses.replace(PRESETS["smoke"], out=tmp_path / "out", main=main)
    assert config.sham().config.out == tmp_path / "out/runs/controls/sham"
    fewer = dataclasses.replace(config, control_networks=2)
    assert fewer.sham().config.out == tmp_path / "out/runs/sham" and fewer.sham().config.networks == 3
    assert fewer.conditions().networks == 2 and fewer.conditions().main == main


def test_a_main_run_that_exists_is_drawn_and_decides_the_other_runs(tmp_path):
    main = planted_folder(tmp_path / "elsewhere", networks=3, updates=20)
    config = dataclasses.replace(PRESETS["smoke"], out=tmp_path / "out", main=main, only=("learning",))
    planned = {each.name: each for each in config.runs()}
    assert planned["main"].config.out == main and planned["main"].config.networks == 3
    assert planned["units-4"].config.nf1_updates == planned["main"].config.nf1_updates
    assert run(config) == 0
    index = json.loads((tmp_path / "out/runs.json").read_text())
    assert [row["name"] for row in index["runs"]] == ["main"] and f"--main {main}" in index["command"]
    entry = Findings.load(tmp_path / "out", "learning").by_name[study.INITIAL_FF1]
    assert entry.networks == len(entry.values) == 3 and not (tmp_path / "out/runs/main").exists()


def test_a_main_run_that_is_not_finished_or_has_other_networks_is_refused(tmp_path):
    main = planted_folder(tmp_path / "main", networks=3, updates=20)
    with pytest.raises(ValueError, match=r"--networks is 5, but --main .* has 3"):
        Figures(main=main, networks=5)
    write_json(main / "summary.json", {"complete": False})
    with pytest.raises(ValueError, match="is not finished"):
        Figures(main=main)


def test_learning_recovers_what_is_planted_and_agrees_with_the_summary():
    table = plant(12, 120, rate_spread=0.1)
    curves, summary = phase_curves(table), savings(table).to_dict()["savings"]
    numbers = {entry.name: entry for entry in learning_quantities(curves, Sampling())}
    saved = numbers[study.INITIAL_SAVINGS]
    assert saved.value == pytest.approx(1e3 * summary["initial"]["difference"])
    assert saved.value == pytest.approx(1e3 * (TRUE_START["FF1"] - TRUE_START["FF2"]), abs=0.2)
    assert numbers[study.RATE_RATIO].value == pytest.approx(summary["rate"]["ratio"])
    assert numbers[study.RATE_RATIO].value == pytest.approx(TRUE_RATE["FF2"] / TRUE_RATE["FF1"], rel=0.05)
    assert numbers[study.RATE_FF1].value == pytest.approx(40 * TRUE_RATE["FF1"], rel=0.1)


def test_claims_of_both_kinds_of_savings_are_corrected_together(tmp_path):
    run = planted_folder(tmp_path / "run", updates=60)
    findings = learning(StoredRuns(run, {}, {}, 0), tmp_path)
    for name in (study.INITIAL_SAVINGS, study.RATE_RATIO):
        entry = findings.by_name[name]
        assert entry.p_holm >= entry.p and f"p = {entry.p_holm:.2g}" in findings.text
    ff1 = findings.networks[f"{study.INITIAL_FF1} (mm)"]
    assert ff1 == pytest.approx(findings.by_name[study.INITIAL_FF1].values, rel=1e-5)


def test_a_mirrored_field_saves_as_much():
    table = plant(8, 60)
    mirrored = table | {"lateral_deviation": -table["lateral_deviation"]}
    straight, turned = (
        {entry.name: entry for entry in learning_quantities(phase_curves(t), Sampling())}
        for t in (table, mirrored)
    )
    for name in (study.INITIAL_SAVINGS, study.INITIAL_SHARE):
        assert turned[name].value == pytest.approx(straight[name].value)
    assert turned[study.INITIAL_FF1].value == pytest.approx(-straight[study.INITIAL_FF1].value)


def test_a_position_loss_is_the_mean_of_the_hundred_tests_before_its_batch():
    table = plant(4, 601)
    batch = table["update"].astype(float)
    table[GOAL_DISTANCE] = np.where(
        table["phase"] == "NF1", 0.02, 0.03 - 1e-5 * batch
    )  # falls 0.01 per batch
    losses = {entry.name: entry for entry in position_losses(pd.DataFrame(table), Sampling())}
    for at in (100, 500):
        mean = 30.0 - 0.01 * (at - 50.5)  # of the tests at - 100 ... at - 1
        assert losses[study.position_loss("FF1", at)].value == pytest.approx(mean)
    assert losses[study.position_loss("FF1", 3200)].value is None
    assert "FF1 lasts 600 batches" in losses[study.position_loss("FF1", 3200)].note
    assert losses[study.position_loss("NF2")].value == pytest.approx(30.0 - 0.01 * 600)  # the last test alone
    assert losses[study.position_loss("NF1")].value == pytest.approx(20.0)


def test_without_distances_to_the_goal_there_are_no_losses():
    assert position_losses(pd.DataFrame(plant(2, 5)), Sampling()) == []
