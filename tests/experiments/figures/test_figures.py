"""All figures by one command: a tiny run end to end, resuming, failing, and numbers with known answers."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from planted_probes import TRUE_RATE, TRUE_START, plant

from experiments import study
from experiments.figures import command as figures
from experiments.figures.channel import channel_force
from experiments.figures.command import FIGURES, PRESETS, Figures, command, run
from experiments.figures.kit import Found
from experiments.figures.learning import _initial, _rates
from experiments.figures.size import paired, pairs_of, saved, size
from experiments.savings.command import run as run_savings
from experiments.savings.config import PRESETS as RUNS
from experiments.stored.runs import Runs
from savings_gym.files import write_json
from savings_gym.metrics.curves import phase_curves
from savings_gym.metrics.savings import savings
from savings_gym.metrics.statistics import Sampling
from savings_gym.task.settings import Noise

COPIED = ("behaviour", "learning", "channel", "size")


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


def planted_run(folder, networks=12, updates=120, **how):
    folder.mkdir()
    table = plant(networks, updates, **how)
    pd.DataFrame(table | {"endpoint_error": np.full(len(table["target"]), 2e-3)}).to_parquet(
        folder / "probes.parquet"
    )
    write_json(folder / "summary.json", savings(table, resamples=200).to_dict())
    write_json(folder / "config.json", {"arguments": {"b": 8.0}})
    return folder


@pytest.mark.slow
def test_one_command_makes_every_figure(smoke):
    config, status = smoke
    assert status == 0
    for name in FIGURES:
        found = Found.load(config.out, name)
        assert found.quantities and found.tables and found.figures, name
        for path in found.figures:
            with Image.open(path) as image:
                assert image.convert("L").getextrema()[0] < 100, path  # something is drawn
    rows = json.loads((config.out / "reference.json").read_text())["rows"]
    assert {"name", "reference", "ours", "ci", "networks", "verdict"} <= rows[0].keys()
    assert [row["name"] for row in rows] == [row.name for row in study.REFERENCES]
    page = (config.out / "comparison.md").read_text()
    assert all(f"| {row['name']} |" in page for row in rows)
    index = json.loads((config.out / "runs.json").read_text())
    assert index["command"].startswith("python -m experiments.figures --preset smoke --out")
    assert [row["name"] for row in index["runs"]] == ["main", "units-4", "sham"]


@pytest.mark.slow
def test_what_is_there_is_not_made_again(copied, monkeypatch):
    def never(*arguments):
        raise AssertionError("made again")

    monkeypatch.setattr(figures, "FIGURES", dict.fromkeys(COPIED, never))
    before = {path: path.stat().st_mtime_ns for path in copied.out.rglob("*.png")}
    assert run(copied) == 0
    assert before == {path: path.stat().st_mtime_ns for path in copied.out.rglob("*.png")}
    (copied.out / "channel.png").unlink()
    assert run(copied) == 1  # this one was to be made


@pytest.mark.slow
def test_a_failing_figure_does_not_lose_the_others(copied, monkeypatch, caplog):
    def broken(runs, out):
        raise ArithmeticError("no such number")

    def quick(runs, out):
        return Found([], {}, [])

    broken_one = {name: broken if name == "learning" else quick for name in COPIED}
    monkeypatch.setattr(figures, "FIGURES", broken_one)
    assert run(dataclasses.replace(copied, again=True)) == 1
    assert "no such number" in caplog.text and "failed: learning" in caplog.text
    assert not Found.load(copied.out, "size").quantities  # made after the one that failed


@pytest.mark.slow
def test_figures_of_other_runs_are_made_again_and_never_compared(copied, monkeypatch):
    summary = copied.out / "runs" / "main" / "summary.json"
    write_json(summary, json.loads(summary.read_text()) | {"wall_time_s": 1234.5})
    made = []

    def quick(runs, out):
        made.append(runs.main.name)
        return Found([], {}, [])

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
    found = channel_force(Runs(config.out, {}, {}, 0), config.out)
    held = json.loads((config.out / "summary.json").read_text())["adaptation_networks"]
    for phase, force in found.items():
        assert force.slope == pytest.approx(held[phase], rel=1e-9), phase
        assert force.across.shape == force.ideal.shape == (2, 100)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--only", "nothing"], "choose from: behaviour"),
        (["--preset", "huge"], "choose from: quick, paper, smoke"),
        (["--networks", "0"], "networks must be at least 1"),
        (["--sizes", "32", "0"], "sizes must be at least 1"),
        (["--seed", "-1"], "seed must not be negative"),
        (["--controls", "none"], "choose from: main, sham"),
        (["--networks", "4000"], "--no-ship"),
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
    with pytest.raises(FileExistsError, match="holds another run"):
        run(dataclasses.replace(PRESETS["smoke"], out=tmp_path))


def test_the_command_says_what_differs():
    config = dataclasses.replace(PRESETS["quick"], networks=5, sizes=(32, 64), ship=False, only=("size",))
    expected = "python -m experiments.figures --preset quick --networks 5 --sizes 32 64 --no-ship"
    assert command(config) == expected
    assert command(Figures()) == "python -m experiments.figures --preset quick"


def test_sizes_run_once_each_and_the_main_run_is_its_own_size():
    planned = PRESETS["paper"].runs()
    assert [(run.name, run.config.units, run.config.networks) for run in planned] == [
        ("main", 128, 40), *((f"units-{units}", units, 40) for units in (16, 32, 64, 256, 512)),
    ]  # fmt: skip
    assert {run.config.pretraining_updates for run in planned} == {20_000}
    assert len({run.config.out for run in planned}) == len(planned)


def test_the_controls_have_a_main_run_of_their_own_where_they_have_other_networks():
    every = dataclasses.replace(PRESETS["quick"], ship=False)
    planned = {each.name: each for each in every.runs()}
    assert (every.networks, planned["main-8"].config.networks, planned["main-8"].kind) == (16, 8, "control")
    assert every.conditions().main == planned["main-8"].config.out
    alike = dataclasses.replace(every, control_networks=16)
    assert alike.conditions().main == alike.out / "runs" / "main"
    assert "main-8" not in {each.name for each in alike.runs()}


def test_learning_finds_what_is_planted_and_what_the_summary_says():
    table = plant(12, 120, rate_spread=0.1)
    curves, summary = phase_curves(table), savings(table).to_dict()["savings"]
    found = {entry.name: entry for entry in _initial(curves, Sampling()) + _rates(curves, Sampling())}
    saved = found[study.INITIAL_SAVINGS]
    assert saved.value == pytest.approx(1e3 * summary["initial"]["difference"])
    assert saved.value == pytest.approx(1e3 * (TRUE_START["FF1"] - TRUE_START["FF2"]), abs=0.2)
    assert found[study.RATE_RATIO].value == pytest.approx(summary["rate"]["ratio"])
    assert found[study.RATE_RATIO].value == pytest.approx(TRUE_RATE["FF2"] / TRUE_RATE["FF1"], rel=0.05)
    assert found[study.RATE_FF1].value == pytest.approx(40 * TRUE_RATE["FF1"], rel=0.1)


def test_a_mirrored_field_saves_as_much():
    table = plant(8, 60)
    mirrored = table | {"lateral_deviation": -table["lateral_deviation"]}
    straight, turned = ({q.name: q for q in _initial(phase_curves(t), Sampling())} for t in (table, mirrored))
    for name in (study.INITIAL_SAVINGS, study.INITIAL_SHARE):
        assert turned[name].value == pytest.approx(straight[name].value)
    assert turned[study.INITIAL_FF1].value == pytest.approx(-straight[study.INITIAL_FF1].value)


def test_sizes_keep_the_two_fractions_apart(tmp_path):
    alike = planted_run(tmp_path / "alike", spread=5e-3)  # every network saves 1 mm, and they differ by 5 mm
    none = planted_run(
        tmp_path / "none", start=TRUE_START | {"FF2": 0.035}, rate=dict.fromkeys(("FF1", "FF2"), 2e-3)
    )
    runs = Runs(alike, {64: alike, 32: none}, {}, 0)
    found = size(runs, tmp_path).by_name
    own, everyone = (found[name("initial deviation", 64)] for name in (paired, study.fraction))
    assert own.value == 1.0 and own.ci[0] == pytest.approx(0.025 ** (1 / 12))
    assert 0.5 < everyone.value < 0.8
    assert found[saved("initial deviation", 64)].value == pytest.approx(1.0, abs=0.2)
    assert found[saved("rate", 64)].value == pytest.approx(1.2, abs=0.05)
    low, high = found[saved("rate", 32)].ci
    assert low < 1.0 < high
    pairs = pairs_of(runs, alike)["initial deviation"]
    assert np.all(pairs.better > pairs.worse)


def test_no_size_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no run of any network size"):
        size(Runs(tmp_path, {}, {}, 0), tmp_path)
