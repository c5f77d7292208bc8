"""Controls change one thing each, are paired with the right runs, and say what their numbers say."""

import copy
import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tyro
from planted_activity import planted as activity_planted
from planted_probes import plant
from planted_runs import dataset, planted_folder

from experiments.controls import command as controls
from experiments.controls import rows as control_rows
from experiments.controls.conditions import FACTOR, MAIN, SHAM, chosen, conditions
from experiments.controls.meaning import MEANINGS, claims, correct, effect, meaning
from experiments.controls.rows import ControlRows
from experiments.controls.table import page, write_table
from experiments.runs.side_by_side import Command, run_side_by_side
from experiments.savings.config import PRESETS, Savings, arguments
from savings_gym.files import write_json
from savings_gym.metrics.savings import savings
from savings_gym.perturbations.fields import CurlField

EVERY = conditions(PRESETS["quick"])
UPDATES = 120


def no_field(phase):
    return phase.field.is_null


@pytest.mark.parametrize("name", list(EVERY))
def test_a_condition_is_compared_with_the_runs_that_it_says(name):
    condition, order = EVERY[name], list(EVERY)
    phases = condition.config.phases()
    naive = EVERY[condition.naive].config.phases()
    assert naive[1].field == phases[3].field  # where the field of FF2 was met first
    assert naive[0] == phases[0] and naive[1].cue == phases[3].cue
    if condition.sham is not None:
        sham = EVERY[condition.sham].config
        assert no_field(sham.phases()[1]) and sham.phases()[2:] == phases[2:]
        assert sham.phases()[1].updates == phases[1].updates
        apart = {"change": condition.config.change}
        assert dataclasses.replace(sham, **apart) == condition.config
    else:
        assert no_field(phases[1])
    assert condition.shares is None or order.index(condition.shares) < order.index(name)
    assert condition.control in MEANINGS or condition.control == "sham"


def test_every_control_of_the_list_is_there_with_enough_networks():
    controls = {condition.control for condition in EVERY.values()}
    assert controls == {*MEANINGS, "sham"} - {FACTOR}
    factors = {
        name: condition
        for name, condition in conditions(PRESETS["paper"]).items()
        if condition.control == FACTOR
    }
    assert {condition.config.networks for condition in factors.values()} == {8}
    study = conditions(PRESETS["paper"])
    assert [study[name].config.networks for name in ("opposite", "double", "assistive")] == [40, 16, 16]
    assert factors["pretrained-half"].config.pretraining_updates == 10_500
    short = factors["pretrained-quarter"].config
    assert (short.pretraining_updates, short.pretraining_anneal) == (4500, 1500)
    assert factors["baseline-short"].config.nf1_updates == 600
    assert factors["washout-short"].config.nf2_updates == 1200
    for condition in EVERY.values():
        later = condition.control in ("learning rule", "noise and delay", "actuation")
        assert condition.config.networks == (4 if later else 8)
    assert conditions(PRESETS["quick"], few=8)["motor"].config.networks == 4  # no more ship
    fewer = conditions(PRESETS["quick"], networks=3)
    assert {condition.config.networks for name, condition in fewer.items() if name != MAIN} == {3}
    assert fewer[MAIN].config.networks == 8
    smoke = conditions(PRESETS["smoke"], few=1)["motor"].config
    assert (smoke.pretrained, smoke.networks, smoke.actuation) == (None, 1, "motor")
    mirrored = conditions(dataclasses.replace(PRESETS["quick"], b=-5.0))["opposite"].config.phases()
    assert (mirrored[1].field, mirrored[3].field) == (
        CurlField(-5.0, onset="cue"),
        CurlField(5.0, onset="cue"),
    )


@pytest.mark.parametrize("name", list(EVERY))
def test_the_command_line_of_a_condition_is_the_condition(name):
    config = EVERY[name].config
    assert tyro.cli(Savings, args=arguments(config), default=PRESETS[config.preset]) == config


def test_chosen_conditions_bring_those_they_are_compared_with():
    assert list(chosen(EVERY, ("opposite",))) == [MAIN, SHAM, "mirror", "mirror-sham", "opposite"]
    assert set(chosen(EVERY, ("adam",))) == {MAIN, SHAM, "adam", "adam-sham"}
    assert chosen(EVERY, ()) == EVERY
    with pytest.raises(ValueError, match=r"condition must be one of \('main', 'sham'.*, got 'placebo'"):
        chosen(EVERY, ("placebo",))


def start(ff1, ff2):
    return {"NF1": 0.0, "FF1": ff1, "NF2": -0.03, "FF2": ff2}


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """Main run, sham and others, whose savings are known: run folders with probes and summary alone."""
    monkeypatch.setattr(
        control_rows, "activity_of_run", lambda run: (_ for _ in ()).throw(ValueError("none"))
    )
    every = conditions(dataclasses.replace(PRESETS["quick"], networks=12))
    tables = {
        MAIN: plant(updates=UPDATES, spread=0.0, start=start(0.035, 0.031)),
        SHAM: plant(updates=UPDATES, spread=0.0, start=start(0.0, 0.033), rate={"FF2": 2.2e-3}, seed=1),
        "few-four": plant(updates=UPDATES, spread=0.0, start=start(0.035, 0.032), seed=2),
        "few-four-sham": plant(updates=UPDATES, spread=0.0, start=start(0.0, 0.033), seed=3),
        "mirror": plant(updates=UPDATES, spread=0.0, start=start(-0.036, -0.033), seed=4),
        "mirror-sham": plant(updates=UPDATES, spread=0.0, start=start(0.0, -0.034), seed=5),
        "opposite": plant(updates=UPDATES, spread=0.0, start=start(0.035, -0.037), seed=6),
    }
    for rows in tables.values():  # networks differ alike everywhere
        own = np.random.default_rng(9).normal(0.0, 1e-3, 12)
        rows["lateral_deviation"] = rows["lateral_deviation"] + own[rows["network"]]
    late = (tables[MAIN]["phase"] == "NF2") & (tables[MAIN]["network"] >= 8)
    tables[MAIN]["lateral_deviation"][late] += 0.02  # these do not come back to baseline
    few = (tables["few-four"]["phase"] == "FF2") & (tables["few-four"]["target"] % 2 == 1)
    tables["few-four"]["lateral_deviation"][few] += 1e-3
    done = {}
    for name, rows in tables.items():
        folder = tmp_path / name
        folder.mkdir()
        table = pd.DataFrame(rows)
        table.to_parquet(folder / "probes.parquet")
        summary = savings(table, resamples=200).to_dict() | {"wall_time_s": 60.0, "complete": True}
        write_json(folder / "summary.json", summary)
        done[name] = dataclasses.replace(
            every[name], config=dataclasses.replace(every[name].config, out=folder)
        )
    return done


def test_comparisons_find_what_was_planted(planted):
    rows = ControlRows(planted)
    main = rows.row(MAIN)
    for against, expected in (("within", 4e-3), ("first", 4e-3), ("practice", 2e-3)):
        initial = main[against]["initial"]
        assert initial["difference"] == pytest.approx(expected, abs=5e-4) and initial["p"] < 0.05
        assert initial["ci"][0] < expected < initial["ci"][1] or abs(initial["difference"] - expected) < 4e-4
    assert main["practice"]["rate"]["ratio"] == pytest.approx(2.4 / 2.2, rel=0.05)
    sham = rows.row(SHAM)
    assert sham["within"] is None and sham["practice"] is None  # another field in FF1 than in FF2
    assert sham["first"]["initial"]["difference"] == pytest.approx(2e-3, abs=5e-4)
    opposite = rows.row("opposite")  # against networks that met the opposite field as such, on its own side
    assert opposite["within"] is None
    assert opposite["first"]["initial"]["difference"] == pytest.approx(-1e-3, abs=5e-4)
    assert opposite["practice"]["initial"]["difference"] == pytest.approx(-3e-3, abs=5e-4)
    # FF1 at 35 mm against the mirrored FF2 at 37 mm, both on the field's own side
    assert opposite["mirrored"]["initial"]["difference"] == pytest.approx(-2e-3, abs=1e-3)
    assert main["mirrored"] is None and sham["mirrored"] is None
    assert json.loads(json.dumps(main)) == main


def test_networks_that_do_not_come_back_are_left_out_of_the_matched_comparison(planted):
    table = planted[MAIN].config.out / "probes.parquet"
    rows = pd.read_parquet(table)
    last = (rows["phase"] == "NF2") & (rows["update"] >= UPDATES - 5)
    rows.loc[last & (rows["network"] < 8), "lateral_deviation"] = rows[
        (rows["phase"] == "NF1") & (rows["update"] >= UPDATES - 5) & (rows["network"] < 8)
    ]["lateral_deviation"].to_numpy()
    rows.to_parquet(table)
    matched = ControlRows(planted).matched(MAIN)
    assert matched["networks"] == matched["initial"]["networks"] == 8
    assert matched["initial"]["difference"] == pytest.approx(4e-3, abs=5e-4)


def without_network(condition, number):
    """Take the probes of a network that diverged out of a run."""
    table = pd.read_parquet(condition.config.out / "probes.parquet")
    table[table["network"] != number].to_parquet(condition.config.out / "probes.parquet")


@pytest.mark.parametrize("lacking", ["few-four", "few-four-sham", MAIN, SHAM])
def test_a_network_that_diverged_in_one_run_does_not_move_the_pairs(planted, lacking):
    without_network(planted[lacking], 1)
    rows = ControlRows(planted).row("few-four")
    for name in set(planted) - {lacking}:
        without_network(planted[name], 1)
    assert rows["versus_main"] == ControlRows(planted).row("few-four")["versus_main"]
    assert rows["versus_main"]["networks"] == 11


def test_the_shift_of_a_run_that_lacks_a_network_is_compared_by_number(planted, monkeypatch):
    data = activity_planted((4,), noise=0.003)
    recorded = {name: dataset(data) for name in (MAIN, SHAM)}
    recorded["few-four"] = dataset(data).isel(network=[0, 2, 3])
    recorded["few-four-sham"] = dataset(data).isel(network=[0, 1, 2])
    monkeypatch.setattr(control_rows, "activity_of_run", lambda run: recorded[run.name])
    rows = ControlRows({name: planted[name] for name in recorded})
    shift, main = rows.shift("few-four"), rows.shift(MAIN)
    assert shift["length"]["mean"] == pytest.approx(1.0, abs=1e-6) and shift["length"]["networks"] == 3
    assert shift["ff1_on_main"]["mean"] == pytest.approx(1.0, abs=1e-6)
    assert shift["beyond_sham"]["networks"] == 2
    assert shift["beyond_sham"]["mean"] == pytest.approx(0.0, abs=1e-6)
    assert main["nf2_on_main"]["networks"] == 4


def test_stiffness_beyond_the_sham_is_paired_by_number(planted, monkeypatch):
    own = np.arange(12.0) ** 2
    stop = {"phase": "FF1", "update": 0}
    for name, number in (("few-four", 1), ("few-four-sham", 4)):
        file = planted[name].config.out / "summary.json"
        write_json(file, json.loads(file.read_text()) | {"stopped": {str(number): stop}})
    values = {"few-four": np.delete(own, 1), "few-four-sham": np.delete(own, 4) - 1.0}
    monkeypatch.setattr(control_rows, "resistance", lambda run, phase: {"stiffness": values[run.name]})
    beyond = ControlRows(planted).resistance("few-four")["stiffness, beyond sham"]
    assert (beyond["mean"], beyond["networks"]) == (1.0, 10)


def test_trained_targets_and_others_are_told_apart(planted):
    found = ControlRows(planted).row("few-four")["by_target"]
    assert found["trained"] == [0, 2, 4, 6]
    for which, first, practice in (("on_trained", 3e-3, 1e-3), ("on_others", 2e-3, 0.0)):
        assert found[which]["first"]["initial"]["difference"] == pytest.approx(first, abs=5e-4)
        assert found[which]["practice"]["initial"]["difference"] == pytest.approx(practice, abs=5e-4)


def test_the_table_has_a_row_a_condition_and_a_sentence_each(planted, tmp_path):
    files = write_table(tmp_path, planted)
    content = json.loads(files[0].read_text())
    rows = content["conditions"]
    assert [row["name"] for row in rows] == list(planted)
    assert all(row["meaning"] for row in rows)
    assert "exceed practice" in rows[0]["meaning"] and "hinders" in rows[-1]["meaning"]
    assert "With the sign of FF2 changed" in rows[-1]["meaning"]
    text = files[1].read_text()
    assert text == page(rows)
    tests = [(kind, test) for row in rows for kind, test in claims(row).items()]
    assert sum(content["tests"].values()) == len(tests)
    assert all(test["p_holm"] >= test["p"] for _, test in tests)
    rates = sorted(test["p"] for kind, test in tests if kind == "rate savings beyond practice")
    smallest = min(test["p_holm"] for kind, test in tests if kind == "rate savings beyond practice")
    assert smallest == pytest.approx(min(1.0, len(rates) * rates[0]))
    for name in planted:
        assert text.count(f"| {name} |") == 5
        assert (f"- **{name}**" in text) == (name != "few-four-sham")  # a reference


def test_a_sentence_follows_the_sign_of_what_is_left_beyond_practice(planted):
    row = ControlRows(planted).row(MAIN)
    for sign, p, expected in ((1, 0.01, 1), (1, 0.2, 0), (-1, 0.01, -1)):
        initial = row["practice"]["initial"] | {"difference": sign * 1e-3, "p_holm": p, "p": 1e-9}
        changed = row | {"practice": row["practice"] | {"initial": initial}}
        assert effect(initial) == expected
        sentence = MEANINGS["main experiment"][expected].removesuffix(".")
        assert meaning(changed, row).startswith(f"{sentence} (")
        assert f"p = {p:.2g})" in meaning(changed, row)
    assert meaning(row | {"networks": 1}, row).startswith("One network")


def test_a_rate_that_is_not_significant_after_correction_is_not_claimed(planted):
    row = ControlRows(planted).row(MAIN)
    rate = row["practice"]["rate"] | {"p": 0.01, "p_holm": 0.2}
    assert "not measurably learned faster" in meaning(
        row | {"practice": row["practice"] | {"rate": rate}}, row
    )


def test_savings_are_compared_with_the_main_runs_in_the_same_networks(planted):
    rows = ControlRows(planted)
    assert rows.versus_main(MAIN) is None and rows.versus_main(SHAM) is None
    few = rows.versus_main("few-four")  # its FF2 begins at 32.5 mm in the mean, the main run's at 31
    assert few["mean"] == pytest.approx(-1.5e-3, abs=5e-4) and few["p"] < 0.01
    assert rows.versus_main("opposite") is None  # whose FF2 is another field


def test_what_is_missing_is_said(planted):
    without = {name: each for name, each in planted.items() if name not in (SHAM, "few-four-sham")}
    row = ControlRows(without).row(MAIN)
    assert meaning(row, row).startswith("Not compared with practice")


@pytest.mark.parametrize(
    ("residual", "words"),
    [
        ((-1e-3, -2e-3, -5e-4), "NF2 ends 1.00 [0.50, 2.00] mm from NF1, on the side of the after-effect."),
        ((1e-3, 5e-4, 2e-3), "NF2 ends 1.00 [0.50, 2.00] mm from NF1, on the side opposite to the after-eff"),
        ((-1e-3, -2e-3, 1e-6), ""),
    ],
)
def test_a_washout_is_incomplete_as_soon_as_its_interval_excludes_zero(planted, residual, words):
    mean, low, high = residual
    row = ControlRows(planted).row(MAIN)
    row |= {
        "washout_residual": {"mean": mean, "ci": (low, high), "p": 0.04},
        "after_effect": {"mean": -0.03, "ci": (-0.031, -0.029), "p": 0.0},
    }
    correct([row, copy.deepcopy(row), copy.deepcopy(row)])  # a correction over three would hide it
    assert (words in meaning(row, row)) if words else "Washout" not in meaning(row, row)


def test_commands_run_in_order_and_failures_are_named(tmp_path, caplog):
    caplog.set_level("INFO")
    prepared = []
    commands = [
        Command(
            "last", ["calendar", "2026"], tmp_path / "last.log", "first", lambda: prepared.append("last")
        ),
        Command("wrong", ["no_such_module"], tmp_path / "wrong.log"),
        Command("first", ["calendar", "2025"], tmp_path / "first.log", "elsewhere"),
    ]
    assert run_side_by_side(commands, 2, lambda: False) == {"wrong": 1}
    said = [record.getMessage().split(",")[0] for record in caplog.records]
    assert said.index("finished: first") < said.index("started: last") and "FAILED: wrong" in said
    assert prepared == ["last"] and "2025" in (tmp_path / "first.log").read_text()
    assert "No module named no_such_module" in (tmp_path / "wrong.log").read_text()


def test_a_group_whose_first_command_fails_is_not_tried_again(tmp_path, caplog):
    def command(name, group, after=None, works=False):
        module = ["calendar", "2026"] if works else ["no_such_module"]
        return Command(name, module, tmp_path / f"{name}.log", after, group=group)

    commands = [
        command("bad one", "bad"), command("bad two", "bad"), command("bad sham", "bad", "bad two"),
        command("good one", "good", works=True), command("good two", "good"), command("good three", "good"),
    ]  # fmt: skip
    failed = run_side_by_side(commands, 1, lambda: False)
    assert list(failed) == ["bad one", "good two", "good three"]
    assert "not started: 2 more of bad, whose first has failed" in caplog.text
    assert (
        "FAILED: bad one, 0.0 min (5 to go): " in caplog.text
        and "No module named no_such_module" in caplog.text
    )


def test_a_command_that_was_interrupted_says_nothing_of_its_group(tmp_path):
    ended = ["timeit", "-n1", "-r1", "import os; os._exit(143)"]
    commands = [
        Command("ended", ended, tmp_path / "ended.log", group="mine"),
        Command("other", ["calendar", "2026"], tmp_path / "other.log", group="mine"),
    ]
    assert run_side_by_side(commands, 1, lambda: False) == {"ended": 143}
    assert "2026" in (tmp_path / "other.log").read_text()


def test_a_command_that_cannot_start_does_not_stop_the_others(tmp_path, caplog):
    def fail():
        raise ValueError("a damaged file")

    commands = [
        Command("one", ["calendar", "2026"], tmp_path / "one.log", prepare=fail),
        Command("other", ["calendar", "2025"], tmp_path / "other.log"),
    ]
    assert run_side_by_side(commands, 1, lambda: False) == {"one": 1}
    assert "FAILED: one, before it started: a damaged file" in caplog.text
    assert "2025" in (tmp_path / "other.log").read_text()


def test_commands_end_with_a_parent_that_is_killed(tmp_path):
    (tmp_path / "endless.py").write_text(
        "import dataclasses, os, pathlib, sys, time\n"
        "from experiments.runs.command_line import command_main\n"
        "@dataclasses.dataclass\n"
        "class Nothing: pass\n"
        "def run(config):\n"
        f"    pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\n"
        "    time.sleep(100)\n"
        "sys.exit(command_main('endless', Nothing, run, [], None))\n"
    )
    start = (
        "from pathlib import Path; from experiments.runs.side_by_side import Command, run_side_by_side; "
        f"run_side_by_side([Command('one', ['endless'], Path({str(tmp_path / 'log')!r}))], 1, lambda: False)"
    )
    path = os.pathsep.join([str(tmp_path), str(Path(controls.__file__).parents[2])])
    parent = subprocess.Popen([sys.executable, "-c", start], env=os.environ | {"PYTHONPATH": path})
    until = time.monotonic() + 60.0
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < until and parent.poll() is None, (tmp_path / "log").read_text()
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    child = Path("/proc", (tmp_path / "pid").read_text(), "stat")
    while child.exists() and child.read_text().rsplit(")", 1)[1].split()[0] != "Z":
        assert time.monotonic() < until
        time.sleep(0.05)


def test_stopping_ends_what_runs_and_begins_nothing_more(tmp_path):
    asked, began = [], time.monotonic()

    def stopped():
        asked.append(None)
        return len(asked) > 2

    sleep = ["timeit", "-n1", "-r1", "import time; time.sleep(60)"]
    commands = [Command(name, sleep, tmp_path / f"{name}.log") for name in ("one", "two")]
    assert run_side_by_side(commands, 1, stopped) == {} and time.monotonic() - began < 30
    assert not (tmp_path / "two.log").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--preset", "fast"], "preset must be one of ('quick', 'paper', 'smoke'), got 'fast'"),
        (["--only", "placebo"], "condition must be one of ('main', 'sham'"),
        (["--jobs", "0"], "jobs must be at least 1, got 0"),
        (["--main", __file__], "is a file, expected a folder"),
        (["--networks", "0"], "networks must be at least 1, got 0"),
    ],
)
def test_bad_arguments_are_named_before_anything_is_made(arguments, said, tmp_path, caplog, capsys):
    try:
        status = controls.main(["--preset", "smoke", "--out", str(tmp_path / "out"), *arguments])
    except SystemExit as error:  # the parser's own refusal
        status = int(error.code or 0)
    shown = " ".join((caplog.text + capsys.readouterr().err).replace("│", " ").split())
    assert status == 2 and said in shown and not (tmp_path / "out").exists()


def test_more_networks_than_the_main_run_has_are_refused(tmp_path):
    main = planted_folder(tmp_path / "main", networks=3, updates=5)
    assert controls.Controls("smoke", tmp_path / "out", main, networks=2).networks == 2
    with pytest.raises(ValueError, match=r"--networks is 4, but --main .* has 3"):
        controls.Controls("smoke", tmp_path / "out", main, networks=4)
    absent = controls.Controls("smoke", tmp_path / "out", tmp_path / "none", networks=4)
    assert absent.main_run().networks == 4


@pytest.mark.slow
def test_the_command_makes_main_run_conditions_and_table_and_goes_on_with_what_is_missing(tmp_path, caplog):
    caplog.set_level("INFO")
    command = ["--preset", "smoke", "--out", str(tmp_path / "out"), "--main", str(tmp_path / "main")]
    assert controls.main([*command, "--only", "sham"]) == 0
    assert "takes over NF1 of main" in caplog.text
    names = {"controls.json", "controls.md", "main.log", "sham", "sham.log"}
    assert {path.name for path in (tmp_path / "out").iterdir() if path.name != ".lock"} == names
    assert controls.is_complete(tmp_path / "out/sham")
    before = (tmp_path / "out/sham/summary.json").stat().st_mtime_ns
    (tmp_path / "out/opposite").mkdir()
    (tmp_path / "out/opposite/notes.txt").write_text("mine")
    assert controls.main([*command, "--only", "sham"]) == 0
    assert controls.main([*command, "--only", "opposite"]) == 2  # a folder of somebody else
    assert (tmp_path / "out/sham/summary.json").stat().st_mtime_ns == before
