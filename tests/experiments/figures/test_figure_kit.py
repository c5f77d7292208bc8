"""What figures share: quantities and findings go through JSON, tables and commands say what they mean."""

import dataclasses
import json

import numpy as np
import pytest
import tyro

from experiments.figures.comparison import beside_study, compare, tally
from experiments.figures.kit import Found, failed_fits
from experiments.runs.tables import markdown_table, shown
from experiments.savings.config import PRESETS, Savings, arguments
from experiments.stored.runs import Runs
from experiments.study import INITIAL_SAVINGS, REFERENCES, Quantity

SAVED = Quantity(INITIAL_SAVINGS, 1.5, (1.4, 1.6), 8, "mm", 1e-6)


def test_what_a_figure_found_comes_back(tmp_path):
    picture = tmp_path / "a.png"
    found = Found(
        [SAVED, Quantity("b", None, (None, None), 0, "1", note="why")], {"t": "| x |"}, [picture], "Words."
    )
    assert found.save(tmp_path, "a") is found
    assert Found.load(tmp_path, "a") == found
    assert json.loads((tmp_path / "a.json").read_text())["figures"] == ["a.png"]


def test_numbers_that_json_has_not_become_none():
    found = Quantity("x", np.nan, (-np.inf, np.float32(1.0)), np.int64(3), "mm", np.nan)
    assert (found.value, found.ci, found.p) == (None, (None, 1.0), None)
    assert type(found.networks) is int
    json.dumps(dataclasses.asdict(found), allow_nan=False)


def test_a_name_twice_and_a_broken_file_are_refused(tmp_path):
    with pytest.raises(ValueError, match="more than one quantity named x"):
        Found([dataclasses.replace(SAVED, name="x")] * 2).save(tmp_path, "a")
    (tmp_path / "a.json").write_text('{"quantities": [')
    with pytest.raises(ValueError, match=r"a\.json"):
        Found.load(tmp_path, "a")


def test_an_unfinished_run_is_an_error_that_names_it(tmp_path):
    runs = Runs(tmp_path, {}, {}, 0)
    for read in (runs.table, runs.summary, runs.arguments):
        with pytest.raises(FileNotFoundError, match="not a finished run folder"):
            read(tmp_path)


def test_the_comparison_has_a_row_a_reference():
    rows = compare({"learning": Found([SAVED])})
    assert [row["name"] for row in rows] == [row.name for row in REFERENCES]
    known = next(row for row in rows if row["name"] == INITIAL_SAVINGS)
    assert (known["ours"], known["ci"], known["networks"], known["figure"]) == (
        1.5,
        [1.4, 1.6],
        8,
        "learning",
    )
    assert known["verdict"] == "same sign"
    assert tally(rows) == f"1 same sign, {len(REFERENCES) - 1} not testable"
    json.dumps(rows, allow_nan=False)


def test_one_number_of_the_study_from_two_figures_is_an_error():
    with pytest.raises(ValueError, match=r"a and b both have 'initial savings"):
        compare({"a": Found([SAVED]), "b": Found([SAVED])})


def test_a_table_shows_the_study_where_it_has_the_number():
    table = beside_study([SAVED, Quantity("of ours", 2.0, (None, None), 8, "1")]).splitlines()
    assert table[2] == f"| {INITIAL_SAVINGS} | ~0.9 mm | 1.5 mm | 1.4 to 1.6 | 1e-06 | 8 | same sign |"
    assert table[3] == "| of ours | - | 2 | - | - | 8 | - |"


def test_cells_keep_their_table():
    assert markdown_table(["a"], [["x | y"]]).splitlines()[2] == r"| x \| y |"
    with pytest.raises(ValueError, match="has 2 cells, expected 1"):
        markdown_table(["a"], [["x", "y"]])
    assert shown(0.12345, (0.1, 0.2), "mm") == "0.123 mm [0.1, 0.2]"
    assert shown(None) == "-"


def test_failed_fits_are_counted_and_every_reason_said_once():
    assert failed_fits(["network 0, FF1: flat", "network 1, FF1: flat"]) == "2 fits of a rate failed: flat"
    assert failed_fits([]) == ""


@pytest.mark.parametrize("preset", list(PRESETS))
def test_the_command_of_a_run_makes_that_run(preset, tmp_path):
    usual = PRESETS[preset]
    config = dataclasses.replace(
        usual, out=tmp_path, networks=5, pretrained=None, b=-8.0, frozen=("readout_bias",),
        loss=dataclasses.replace(usual.loss, jerk=3.0), change=dataclasses.replace(usual.change, ff1_b=0.0),
        delays=dataclasses.replace(usual.delays, vision=0.05), track=True,
    )  # fmt: skip
    assert tyro.cli(Savings, args=arguments(config), default=usual) == config
    assert arguments(usual) == ["--preset", preset]
