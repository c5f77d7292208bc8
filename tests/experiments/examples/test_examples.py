"""Every example runs in small, fits on a page, is listed, and shows what it promises."""

import ast
import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from experiments import examples

FOLDER = Path(examples.__file__).parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")
MOST_LINES = {"cleanrl_style_ppo": 151}  # an algorithm and its agent; all others have less than 60


def run(name, **arguments):
    example = import_module(f"experiments.examples.{name}")
    if hasattr(example, "Args"):
        return example.main(example.Args(quick=True, **arguments))
    return example.main(quick=True, **arguments)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_a_page_with_a_quick_mode_and_a_place_in_the_readme(name):
    text = (FOLDER / f"{name}.py").read_text()
    assert len(text.splitlines()) < MOST_LINES.get(name, 60)
    assert f"python -m experiments.examples.{name}" in ast.get_docstring(ast.parse(text))
    assert re.search(r"(def main\(.*|^    )quick: bool = False", text, re.MULTILINE)
    assert f', prog="python -m experiments.examples.{name}")' in text
    assert f"`experiments.examples.{name}`" in (FOLDER.parent / "README.md").read_text()


def test_every_example_is_tested():
    tested = set(re.findall(r'run\("(\w+)"', Path(__file__).read_text()))
    assert tested == set(NAMES) and len(NAMES) == 10


def test_it_pays_to_know_a_field_of_ones_own():
    deviations = run("own_field")
    assert deviations["expected"] < 0.5 * deviations["unexpected"]


def test_a_learner_of_stable_baselines3_gets_its_savings(tmp_path):
    result = run("own_learner", out=str(tmp_path / "run"))
    assert result.complete and np.isfinite(result.summary["savings"]["initial"]["difference"])
    assert (tmp_path / "run" / "probes.parquet").is_file()


def test_a_supervised_ensemble_meets_the_field_twice():
    table = run("supervised_phases", networks=1).table()
    first = {name: table["lateral_deviation"][table["phase"] == name][:8].mean() for name in ("NF1", "FF1")}
    assert first["FF1"] > 0.02 > 0.01 > abs(first["NF1"])
    assert (np.unique(table["phase"], return_counts=True)[1] == 16).all()


def test_displaced_preparation_changes_the_reach():
    deviations = run("displaced_preparation")
    assert set(deviations) == {"none", "shift", "random"}
    assert len(set(deviations.values())) == 3 and min(deviations.values()) > 0.02


def test_recorded_activity_predicts_force(tmp_path):
    measures = run("recorded_activity", out=tmp_path / "activity.nc")
    assert 0.5 < measures["explained"] <= 1.0 and measures["r"] > 0.9


def test_two_rates_of_learning_show_savings():
    measures = run("own_controller").measures()
    assert measures["savings"]["initial"]["difference"] > 1e-3
    assert measures["phases"]["FF1"]["initial_deviation"] > 0.02


def test_networks_miss_the_target_with_arms_they_do_not_know():
    errors = run("other_arms")
    own = errors.pop("the arm of training")
    assert own < 0.01 and all(error > 1.2 * own for error in errors.values())


def test_the_tables_of_a_run_show_that_the_field_is_relearned_faster():
    needed = run("finished_run")
    assert 0 == needed["NF1"] <= needed["FF2"] < needed["FF1"]


def test_ppo_in_one_file_acts_within_bounds_and_repeats_itself_after_loading(tmp_path, capsys):
    agent, other = (run("cleanrl_style_ppo", seed=seed, out=tmp_path / f"{seed}.pt") for seed in (0, 1))
    lines = capsys.readouterr().out.splitlines()
    trial, end = r"trial \d+: return -?[\d.]+, [\d.]+ mm from the target", r"finally -?[\d.]+ mm off the line"
    assert [bool(re.fullmatch(trial, line)) for line in lines] == [True, True, False] * 2
    assert re.fullmatch(end, lines[2]) and re.fullmatch(end, lines[5]) and lines[:3] != lines[3:]
    observation = agent.observation[:8]
    actions, _ = agent.predict(observation)
    assert actions.shape == (8, 6) and actions.min() >= 0.0 and actions.max() <= 1.0
    assert not np.allclose(other.predict(observation)[0], actions)
    other.load(tmp_path / "0.pt")
    assert np.array_equal(other.predict(observation)[0], actions)


def test_a_reinforcement_learner_goes_through_decoders_and_a_sham():
    found = run("own_decoder")
    assert set(found) == {"run", "sham"} and set(found["run"]) == {"NF1", "FF1", "NF2", "FF2"}
    assert np.array_equal(found["run"]["NF1"], found["sham"]["NF1"])
    assert not np.array_equal(found["run"]["NF2"], found["sham"]["NF2"])
    assert all(np.isfinite(its).all() for its in found["run"].values())
