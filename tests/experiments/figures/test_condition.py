"""A condition that is run by itself joins the committed figure as if all had been run together."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from experiments.controls.conditions import MAIN, conditions
from experiments.figures import added_runs
from experiments.figures import condition as command
from experiments.figures.condition import STUDY, AddCondition, factor_conditions
from experiments.figures.factors import MEASURES, UNIT, Factor, factors_in, findings_of
from experiments.figures.results_page import INDEX, MAIN_RUN, RESULTS
from experiments.savings.config import identity, start_weights
from savings_gym.metrics.statistics import Sampling

NAME = "pretrained-quarter"


@pytest.fixture
def results(tmp_path):
    """The committed figure, with the main run and one condition."""
    folder = tmp_path / "results"
    folder.mkdir()
    for name in ("factors.json", "factors.csv", INDEX):
        shutil.copyfile(RESULTS / name, folder / name)
    return folder


def planted(n=8):
    rng = np.random.default_rng(0)
    values = {kind: rng.standard_normal(n) for kind in MEASURES}
    return Factor("Does it matter?", np.arange(n), values)


def run_nothing(monkeypatch, failed=(), signalled=0):
    made = []

    def make(planned):
        made.extend(planned)
        return list(failed), signalled

    monkeypatch.setattr(added_runs, "make_missing", make)
    monkeypatch.setattr(added_runs, "check", lambda planned: None)
    monkeypatch.setattr(command, "measured", lambda runs, question, run, sham: planted())
    monkeypatch.setattr(added_runs, "describe", lambda planned: [{"name": each.name} for each in planned])
    return made


def test_values_come_back_as_they_were_stored(results):
    stored = AddCondition(NAME, results=results).known()
    names = list(dict.fromkeys(stored.networks["condition"]))
    questions = dict.fromkeys(names, "?")
    again = findings_of(factors_in(stored.networks, questions), Sampling(0), results)
    for name, column in stored.networks.items():
        if column.dtype == object:
            assert np.array_equal(again.networks[name], column)
        else:
            np.testing.assert_allclose(again.networks[name], column, rtol=1e-12)
    for entry in again.quantities:
        before = stored.by_name[entry.name]
        assert entry.value == pytest.approx(before.value, rel=1e-4, abs=1e-6), entry.name
        assert entry.ci == pytest.approx(before.ci, rel=1e-3, abs=1e-5), entry.name


def test_a_condition_joins_the_others_and_the_list_of_runs(monkeypatch, results, tmp_path):
    made = run_nothing(monkeypatch)
    before = AddCondition(NAME, results=results).known()
    assert command.main([NAME, "--results", str(results), "--out", str(tmp_path / "runs")]) == 0
    run, sham = made
    assert (run.name, sham.name, sham.begins_as) == (NAME, f"{NAME}-sham", run.config.out)
    after = AddCondition(NAME, results=results).known()
    others = {entry.name for entry in before.quantities if not entry.name.startswith(NAME)}
    assert others <= set(after.by_name)
    for kind in MEASURES:
        assert after.by_name[f"{NAME}: {kind}"].networks == 8 and UNIT[kind]
    rows = json.loads((results / INDEX).read_text())["runs"]
    added = [row for row in rows if row.get("added_by", "").endswith(f"experiments.figures.condition {NAME}")]
    assert [row["name"] for row in added] == [NAME, f"{NAME}-sham"]
    assert command.main([NAME, "--results", str(results), "--out", str(tmp_path / "runs")]) == 0
    assert json.loads((results / INDEX).read_text())["runs"] == rows  # again: in place


def test_its_runs_are_those_of_the_controls():
    every, found = conditions(STUDY), factor_conditions(STUDY)
    for name, declared in found.items():
        expected = (declared, every[declared.sham])
        for planned, condition in zip(AddCondition(name).runs(), expected, strict=True):
            fewer = dataclasses.replace(condition.config, networks=8)
            assert dataclasses.replace(planned.config, out=STUDY.out) == dataclasses.replace(
                fewer, out=STUDY.out
            )
    assert MAIN not in found and {"motor", "double", "quiet"} <= set(found)


def test_the_main_run_was_made_with_the_preset():
    """So that conditions, which differ from the preset in one thing, differ from the main run in it alone."""
    stored = json.loads((MAIN_RUN / "config.json").read_text())["arguments"]
    usual = json.loads(json.dumps(identity(STUDY, start_weights(STUDY)), default=str))
    assert {name: usual[name] for name in stored if name != "pretrained"} == {
        name: value for name, value in stored.items() if name != "pretrained"
    }


@pytest.mark.parametrize(("failed", "signalled", "status"), [(("x",), 0, 1), ((), 143, 143)])
def test_nothing_is_added_without_both_runs(monkeypatch, results, tmp_path, failed, signalled, status):
    run_nothing(monkeypatch, failed, signalled)
    content = (results / "factors.json").read_bytes()
    assert command.main([NAME, "--results", str(results), "--out", str(tmp_path / "runs")]) == status
    assert (results / "factors.json").read_bytes() == content


@pytest.mark.parametrize("name", ["opposite", "nothing"])
def test_other_names_are_refused_with_the_choices(name, results, capsys):
    with pytest.raises(SystemExit):
        command.main([name, "--results", str(results)])
    text = capsys.readouterr().err
    assert NAME in text and name in text


def test_findings_of_something_else_are_refused():
    with pytest.raises(ValueError, match="no columns condition"):
        factors_in({"network": np.arange(3)}, {MAIN: "?"})
