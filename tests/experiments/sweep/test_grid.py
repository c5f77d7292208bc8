"""Grids: which cells a file declares, and what is refused."""

from pathlib import Path

import pytest
from tiny_grids import FIXED, LEARNING, grid_file

from experiments.savings.config import PRESETS
from experiments.sweep.command import missing_tasks
from experiments.sweep.grid import Cell, Grid, read_grid
from experiments.sweep.subjects import SUBJECTS
from savings_gym.perturbations.fields import CurlField

SHIPPED = ("smoke", "size_and_field", "algorithms")
SHIPPED_FOLDER = Path(__file__).parents[3] / "experiments" / "sweeps"


def test_cells_are_all_combinations(tmp_path):
    cells = read_grid(grid_file(tmp_path, FIXED)).cells()
    assert len(cells) == 4 == len({cell.name for cell in cells})
    assert {(cell.arguments["agent"], cell.arguments["seed"]) for cell in cells} == {
        (agent, seed) for agent in ("zero", "random") for seed in range(2)
    }
    assert all(cell.arguments["protocol.nf1"] == 8 for cell in cells)


def test_cells_of_one_run_are_refused_whatever_their_arguments_look_like(tmp_path):
    default = PRESETS["smoke"].nf1_updates
    for values in ({"b": [8, 8.0]}, {"nf1_updates": [default]}):
        grid = Grid("savings", {"preset": "smoke"}, values, ({}, {"seed": 0}))
        with pytest.raises(ValueError, match="two cells of the grid are the same run: preset smoke"):
            missing_tasks(grid.cells(), tmp_path)
    other = Grid("savings", {"preset": "smoke"}, {"b": [8, -8.0]}, ({}, {"seed": 1}))
    assert len(missing_tasks(other.cells(), tmp_path)) == 4


def test_a_name_that_is_given_in_two_spellings_is_refused(tmp_path):
    text = LEARNING.replace("[grid]", "pretraining-updates = 2\n[grid]")
    with pytest.raises(ValueError, match="pretraining_updates is given more than once"):
        read_grid(grid_file(tmp_path, text))


def test_cases_go_with_every_combination():
    grid = Grid("savings", {}, {"b": [4.0, 8.0]}, ({}, {"change.ff1_b": 0.0}))
    assert [dict(cell.arguments) for cell in grid.cells()] == [
        {"b": 4.0}, {"b": 8.0}, {"change.ff1_b": 0.0, "b": 4.0}, {"change.ff1_b": 0.0, "b": 8.0},
    ]  # fmt: skip
    assert grid.varied() == ["b", "change.ff1_b"]


def test_a_cell_keeps_its_name_when_the_grid_grows_or_is_reordered():
    small = Grid("savings", {"preset": "smoke"}, {"seed": [0, 1], "b": [8.0]})
    large = Grid("savings", {}, {"b": [4.0, 8.0], "preset": ["smoke"], "seed": [2, 1, 0]})
    assert {cell.name for cell in small.cells()} < {cell.name for cell in large.cells()}


def test_names_depend_on_every_value():
    names = {Cell("savings", {"b": b, "seed": seed}).name for b in (8, 8.0, -8.0) for seed in (0, 1)}
    assert len(names | {Cell("benchmark", {"b": 8.0, "seed": 0}).name}) == 7


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("experiment = 'saving'", "experiment must be one of ('savings', 'benchmark'), got 'saving'"),
        ("[grid]\nb = [1.0]", "does not name an experiment"),
        (
            "experiment = 'savings'\ngrids = 1",
            "key must be one of ('experiment', 'arguments', 'grid', 'cases'), got 'grids'",
        ),
        ("experiment = 'savings'\n[grid]\nb = []", "b must be a list of values or"),
        ("experiment = 'savings'\n[grid]\nb = 8.0", "b must be a list of values or"),
        ("experiment = 'savings'\n[grid]\nseed = {first = 3, last = 1}", "seed must run from a whole number"),
        ("experiment = 'savings'\n[grid]\nseed = [0, 0]", "two cells of the grid are equal: seed 0"),
        ("experiment = 'savings'\n[arguments]\nb = 1.0\n[grid]\nb = [1.0]", "b is given more than once"),
        ("experiment = 'savings'\n[arguments]\nout = 'x'", "out cannot be given: the sweep chooses it"),
        ("experiment = 'savings'\n[grid]\nseed = {first = 0, last = 2000000}", "2 000 001 values, at most"),
        (
            "experiment = 'savings'\n[grid]\nb = [1979-05-27]",
            "b must hold numbers, texts or lists, got [datetime.date",
        ),
        ("experiment = ", "is not a TOML file"),
        ("experiment = 'savings'\ncases = 3", "[[cases]] must be one or more tables"),
    ],
)
def test_bad_grids_are_refused_with_the_file_and_the_value(tmp_path, text, words):
    file = grid_file(tmp_path, text)
    with pytest.raises(ValueError) as error:
        read_grid(file).cells()
    assert words in str(error.value)


def test_a_missing_grid_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file .*none.toml"):
        read_grid(tmp_path / "none.toml")


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_grids_have_valid_cells(tmp_path, name):
    cells = read_grid(SHIPPED_FOLDER / f"{name}.toml").cells()
    for cell in cells[:2] + cells[-2:]:
        subject = SUBJECTS[cell.experiment]
        config = subject.config(cell.arguments, cell.folder(tmp_path))
        assert subject.memory(config) > 1e8 and subject.work(config) > 0
        assert not subject.finished(config)


def test_the_sham_of_the_shipped_grid_has_no_field(tmp_path):
    shams = [cell for cell in read_grid(SHIPPED_FOLDER / "size_and_field.toml").cells()
             if "change.ff1_b" in cell.arguments]  # fmt: skip
    config = SUBJECTS["savings"].config(shams[0].arguments, tmp_path)
    assert len(shams) == 45 and config.phases()[1].field == CurlField(0.0, onset="cue")


@pytest.mark.parametrize(
    ("experiment", "arguments", "words"),
    [
        ("savings", {"unit": 8}, "unknown argument 'unit'; choose from: preset, out"),
        ("savings", {"noise.visions": 0.1}, "unknown argument 'visions' in noise; choose from: excitation"),
        ("savings", {"noise": 0.1}, "noise is a group of arguments"),
        ("savings", {"units": "many"}, "--units many"),
        ("savings", {"b": True}, "--b"),
        ("savings", {"preset": "fast"}, "preset must be one of ('quick', 'paper', 'smoke'), got 'fast'"),
        ("savings", {"units": 32}, "holds networks of 128 units"),
        ("benchmark", {"agent": "zero"}, "needs the argument seed"),
        ("benchmark", {"agent": "dqn", "seed": 0}, "unknown agent 'dqn'; choose from"),
    ],
)
def test_bad_arguments_are_refused(tmp_path, experiment, arguments, words):
    with pytest.raises(ValueError) as error:
        SUBJECTS[experiment].config(arguments, tmp_path / "run")
    assert words in str(error.value)


def test_values_arrive_as_on_the_command_line(tmp_path):
    arguments = {"pretrained": "None", "b": 4, "frozen": ["input_weight"], "noise.vision": 0.5, "units": 16}
    config = SUBJECTS["savings"].config(arguments, tmp_path)
    assert config.pretrained is None and config.frozen == ("input_weight",)
    assert (config.b, config.noise.vision, config.units) == (4.0, 0.5, 16) and isinstance(config.b, float)
