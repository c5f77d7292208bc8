"""The page of results is what the committed results make, and leaves nothing out silently."""

import json
import re
import shutil

import pytest

from experiments.figures.command import FIGURES, NEEDS
from experiments.figures.kit import Found
from experiments.figures.results_page import PAGE, RESULTS, render, take
from experiments.figures.runs import KINDS
from experiments.study import Quantity
from savings_gym.files import write_json


def finished(folder, figures=("learning",)):
    folder.mkdir()
    run = {
        "name": "main", "kind": "main", "networks": 8, "units": 128, "seed": 0, "updates": [1, 2, 3, 4],
        "pretrained": None, "pretraining": {"7 batches": 8}, "wall_time_s": 120.0,
        "command": "python -m that",
    }  # fmt: skip
    write_json(
        folder / "runs.json", {"command": "python -m this", "runs": [run], "versions": {"python": "3"}}
    )
    write_json(folder / "reference.json", {"figures": list(figures), "rows": []})
    write_json(folder / "made.json", {name: {"runs": "", "seconds": 3.0} for name in figures})
    for name in figures:
        picture = folder / f"{name}.png"
        picture.write_bytes(b"png")
        Found([Quantity("x", 1.0, (0.0, 2.0), 8, "mm")], {"Numbers": "| x |"}, [picture], "So it is.").save(
            folder, name
        )
    return folder


def test_the_page_is_that_of_the_committed_results():
    assert PAGE.read_text() == render(), "run python -m experiments.figures.results_page"


def test_its_pictures_are_there_and_none_is_unused():
    shown = set(re.findall(r"\]\(results/figures/([^)]+)\)", PAGE.read_text()))
    assert shown == {path.name for path in RESULTS.glob("*.png")}


def test_everything_is_told_once_and_what_lacks_is_named(tmp_path):
    page = render(finished(tmp_path / "results"))
    told = (
        "So it is.", "**Numbers**", "results/figures/learning.png", "main (8 networks, seed 0)", "2.0 min",
        "`python -m that`", "1, 2, 3, 4", "8 with 7 batches",
    )  # fmt: skip
    for words in told:
        assert page.count(words) == 1, words
    for name in FIGURES:
        lacks = f"`python -m this --only {name}` makes it" in page
        assert lacks == (name != "learning")


def test_results_are_replaced_as_a_whole(tmp_path):
    results = tmp_path / "results"
    take(finished(tmp_path / "first", ("learning", "size")), results)
    take(finished(tmp_path / "second"), results)
    assert {path.name for path in results.iterdir()} == {
        "runs.json", "reference.json", "made.json", "learning.json", "learning.png",
    }  # fmt: skip
    assert Found.load(results, "learning").text == "So it is."


def test_unfinished_results_are_refused_and_nothing_is_lost(tmp_path):
    results = tmp_path / "results"
    take(finished(tmp_path / "first"), results)
    broken = shutil.copytree(tmp_path / "first", tmp_path / "broken")
    (broken / "reference.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"no reference\.json"):
        take(broken, results)
    assert json.loads((results / "reference.json").read_text())["figures"] == ["learning"]


def test_every_figure_says_what_it_is_and_needs_known_runs():
    for name, figure in FIGURES.items():
        assert (figure.__doc__ or "").strip(), name
        assert set(NEEDS.get(name, ())) <= set(KINDS)
    assert set(NEEDS) <= set(FIGURES)
