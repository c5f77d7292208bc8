"""What the analysis of people's tables refuses, and how its command line is told."""

import dataclasses
import inspect

import pytest
from people_tables import (
    AMPLITUDE,
    FLOOR,
    PHASES,
    arguments_of,
    config,
    trial_table,
    write,
)

from experiments.people import command
from experiments.people.command import analyse, main
from experiments.people.config import People
from experiments.people.measures import INITIAL
from experiments.theories.learners import SIZES, people


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"table": "nowhere.csv"}, "no file 'nowhere.csv'"),
        ({"sham": "nowhere.csv"}, "no file 'nowhere.csv'"),
        ({"columns": ("participant=who",)}, "has no column 'who'; it has subj, block, trial"),
        ({"unit": ()}, "the unit of lateral_deviation is not given; choose from: m, cm, mm"),
        ({"unit": ("deg",)}, "the unit of lateral_deviation is not given; choose from: m, cm, mm"),
        ({"phases": ()}, "has no phase FF1; it has baseline, field 1, washout, field 2"),
        ({"phases": ("field 1=FF1",)}, "has no phase FF2; it has baseline, FF1, washout, field 2"),
        ({"phases": (*PHASES, "feild 1=FF1")}, "a name in phases must be one of ('baseline', 'field 1'"),
        ({"phases": PHASES[1::2], "models": ("one-rate",)}, "participant P0 has no trials of NF2"),
        ({"block": 100}, "a block of 100 trials is longer than FF1 or FF2"),
    ],
)
def test_bad_tables_are_refused_before_any_work(tmp_path, caplog, changes, message):
    trial_table(tmp_path / "lab.csv", n=2)
    lab = config(tmp_path / "lab.csv")
    flags = {"table": lab.table, "sham": None, "columns": lab.columns, "phases": lab.phases, "unit": lab.unit}
    given = flags | {"models": (), "block": None, "out": lab.out} | changes
    words = [str(given.pop("table"))]
    for name, value in given.items():
        if value:
            words += [f"--{name}", *(map(str, value) if isinstance(value, tuple) else [str(value)])]
    assert main(words) == 2
    assert message in caplog.text and not lab.out.exists()


def test_a_gap_in_the_trials_is_refused(tmp_path):
    rows, _ = trial_table(tmp_path / "lab.csv", n=2)
    del rows[40]
    with pytest.raises(ValueError, match="trial 40 is missing; keep the rows of excluded trials"):
        analyse(config(write(tmp_path / "lab.csv", rows)))


def test_a_phase_may_be_one_of_the_sham_alone(tmp_path):
    trial_table(tmp_path / "lab.csv", n=2)
    rows, _ = trial_table(tmp_path / "sham.csv", n=2, sham=True)
    write(tmp_path / "sham.csv", [row | {"block": row["block"].replace("field 1", "null 1")} for row in rows])
    both = config(tmp_path / "lab.csv", sham=tmp_path / "sham.csv", phases=(*PHASES, "null 1=FF1"))
    assert all("FF1" in both.read(path).phases for path in (both.table, both.sham))
    with pytest.raises(ValueError, match="a name in phases must be one of .*'null 1'.*, got 'null 2'"):
        analyse(dataclasses.replace(both, phases=(*PHASES, "null 2=FF1")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"perturbation": "1"}, "participant P0 has a perturbation in FF1, expected none"),
        ({"perturbation": "0"}, "participant P0 has no perturbation in FF2"),
        ({"max dev": "inf"}, "row 2, column 'max dev': 'inf' is not a finite number"),
    ],
)
def test_a_sham_that_is_none_is_refused(tmp_path, change, message):
    trial_table(tmp_path / "lab.csv", n=2)
    rows, _ = trial_table(tmp_path / "sham.csv", n=2, sham=True)
    write(tmp_path / "sham.csv", [row | change for row in rows])
    with pytest.raises(ValueError, match=message):
        analyse(config(tmp_path / "lab.csv", sham=tmp_path / "sham.csv"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"unit": ("inch",)}, r"unit must be one of \('m', 'cm', 'mm', 'rad', 'deg'\), got 'inch'"),
        ({"unit": ("mm", "cm")}, "lateral_deviation has one unit, got mm and cm"),
        ({"models": ("bayes",)}, r"model must be one of \('one-rate'.*, got 'bayes'"),
        (
            {"columns": ("error=dev",)},
            "column must be one of .*'participant', 'phase', 'trial'.* got 'error'",
        ),
        ({"columns": ("participant",)}, "columns must be pairs such as NAME=VALUE, got 'participant'"),
        ({"phases": ("=FF1",)}, "phases must be pairs such as NAME=VALUE, got '=FF1'"),
        ({"perturbation": ("B=x",)}, "perturbation of B must be a number, got 'x'"),
        ({"start": 0}, "start must be a whole number of at least 1, got 0"),
        ({"block": 0}, "block must be a whole number of at least 1, got 0"),
        ({"seed": -1}, "seed must be"),
        ({"sham": "lab.csv"}, "sham is the table itself"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        People("lab.csv", **arguments)


def test_the_command_on_the_page_has_the_same_arguments(tmp_path, monkeypatch):
    trial_table(tmp_path / "lab.csv")
    lab = config(tmp_path / "lab.csv", sham=tmp_path / "sham.csv", models=("one-rate", "coin"), start=3)
    seen = []
    monkeypatch.setattr(command, "run", lambda given: seen.append(given) or 0)
    assert main(arguments_of(lab)) == 0 and seen == [lab]


def test_every_argument_has_a_help_line(capsys):
    source = inspect.getsource(People)
    for field in dataclasses.fields(People):
        declared = source.split(f"\n    {field.name}: ", 1)[1]
        assert declared.split("\n")[1].strip().startswith('"""'), field.name
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert text.startswith("usage: python -m experiments.people") and "one-rate" in text and "deg" in text


def test_people_pushed_to_both_sides_need_a_column_that_says_who(tmp_path):
    rows, gains = trial_table(tmp_path / "lab.csv", n=8, noise=1.0)
    for row in rows:
        sign = -1 if row["subj"] in ("P1", "P4", "P6") else 1
        row["max dev"] = f"{sign * float(row['max dev']):.6f}"
        row["size"] = sign if row["block"].startswith("field") else 0
    lab = config(write(tmp_path / "lab.csv", rows))
    with pytest.raises(ValueError, match=r"FF1 begins .* \(P0, P2, P3, ...\).*\(P1, P4, P6\).* perturbation"):
        analyse(lab)
    with pytest.raises(ValueError, match="FF1 begins with errors to the positive side of some"):
        people("lab", lab.read(lab.table), None, SIZES, 1)
    signed = dataclasses.replace(lab, columns=(*lab.columns, "perturbation=size"))
    found = analyse(signed).values["lateral_deviation"][INITIAL]
    trial_table(tmp_path / "one side.csv", n=8, noise=1.0)
    one_side = analyse(config(tmp_path / "one side.csv")).values["lateral_deviation"][INITIAL]
    assert found == pytest.approx(one_side, abs=1e-5) and gains.size == 8


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_the_angle_of_the_hand_is_not_taken_for_an_error(tmp_path, side):
    rows, _ = trial_table(tmp_path / "lab.csv", noise=1.0, side=side, column="turn")
    assert analyse(config(tmp_path / "lab.csv", "deg")).values["angle"]
    for row in rows:
        rotation = side * (AMPLITUDE + FLOOR if row["block"].startswith("field") else 0.0)
        row["turn"] = f"{rotation - float(row['turn']):.6f}"
    with pytest.raises(ValueError, match="angle grows in FF1, from .* degrees .*: .* angle of the hand"):
        analyse(config(write(tmp_path / "hand.csv", rows), "deg"))
