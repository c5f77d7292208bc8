"""The page of results follows from the committed results, which anybody can compute again."""

import json
import re
import shutil
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from planted_runs import planted_folder

from experiments import study
from experiments.figures.captions import CAPTIONS
from experiments.figures.command import FIGURES, NEEDS
from experiments.figures.findings import Findings
from experiments.figures.practice import SAVED
from experiments.figures.results_page import (
    FRONT_PICTURES,
    INDEX,
    MAIN_RUN,
    PAGE,
    QUICK,
    RESULTS,
    render,
    small_p,
    stored_findings,
    take,
    take_run,
)
from experiments.figures.runs import KINDS
from experiments.figures.size import INITIAL, SAVINGS, neighbours, step
from experiments.runs.folder import RunFolder
from experiments.savings.report import markdown_report
from experiments.study import Quantity
from savings_gym.files import write_json
from savings_gym.metrics.fractions import all_pairs_fraction, all_pairs_interval
from savings_gym.metrics.statistics import correlation, mean_interval, ratio_interval, t_test

COMMITTED = list(json.loads((RESULTS / "reference.json").read_text())["figures"])


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
        picture.with_suffix(".svg").write_bytes(b"svg")
        numbers = [Quantity("x", 1.0, (0.0, 2.0), 8, "mm")]
        findings = Findings(numbers, {"Numbers": "| x |"}, [picture], "So it is.", {"x": np.ones(8)})
        findings.save(folder, name)
    return folder


def test_the_page_is_that_of_the_committed_results():
    assert PAGE.read_text() == render(), "run python -m experiments.figures.results_page"


@pytest.mark.parametrize("folder", [MAIN_RUN, QUICK], ids=["main", "quick"])
def test_the_table_of_a_run_is_that_of_its_committed_summary(folder):
    summary = RunFolder.read_summary(folder)
    assert small_p(markdown_report(summary)) in PAGE.read_text()
    assert "not installed" not in json.dumps(summary["versions"])


def test_every_picture_has_a_caption_and_every_caption_a_picture():
    pictures = {path.stem for findings in stored_findings().values() for path in findings.pictures}
    assert set(CAPTIONS) == pictures
    lettered = {name: re.findall(r"\*\*([a-z])\*\*", text) for name, text in CAPTIONS.items()}
    assert all(letters == list("abcdef")[: len(letters)] for letters in lettered.values())


def test_its_pictures_are_there_and_none_is_unused():
    shown = set(re.findall(r"\]\(results/([^)]+\.png)\)", PAGE.read_text()))
    assert shown == {
        f"{folder.name}/{path.name}" for folder in (RESULTS, QUICK) for path in folder.glob("*.png")
    }
    assert {path.name for path in MAIN_RUN.glob("*.png")} == set(FRONT_PICTURES)
    index = (PAGE.parents[1] / "docs" / "index.md").read_text()
    assert all(f"](../experiments/results/{MAIN_RUN.name}/{name})" in index for name in FRONT_PICTURES)


@pytest.mark.parametrize("name", COMMITTED)
def test_committed_intervals_follow_from_the_committed_values_of_every_network(name):
    findings = Findings.load(RESULTS, name)
    for entry in findings.quantities:
        values = np.array(entry.values)
        if not values.size:
            continue
        assert values.size == entry.networks
        spread = max(float(np.ptp(values)), 1e-5 * float(np.abs(values).max()))  # kept to six digits
        assert values.mean() == pytest.approx(entry.value, abs=1e-3 * spread + 1e-12), entry.name
        if values.size > 1:
            assert mean_interval(values) == pytest.approx(entry.ci, abs=5e-3 * spread + 1e-12), entry.name
        if entry.p is not None and spread > 1e-4 * float(np.abs(values).max()):
            assert t_test(values)[1] == pytest.approx(entry.p, rel=0.02), entry.name


def test_the_committed_rate_savings_follow_from_the_rates_of_every_network():
    findings = Findings.load(RESULTS, "learning")
    rates = [np.array(findings.by_name[name].values) for name in (study.RATE_FF2, study.RATE_FF1)]
    ratio = findings.by_name[study.RATE_RATIO]
    assert rates[0].mean() / rates[1].mean() == pytest.approx(ratio.value, rel=1e-4)
    assert ratio_interval(*rates) == pytest.approx(ratio.ci, rel=1e-3)


def test_the_committed_fractions_and_correlations_follow_from_the_tables_of_networks():
    sizes, relation = (pd.read_csv(RESULTS / f"{name}.csv") for name in ("size", "relation"))
    numbers = Findings.load(RESULTS, "size").by_name
    related = Findings.load(RESULTS, "relation").by_name
    for units, rows in sizes.groupby("units"):
        pairs = [rows[f"initial deviation {phase} (mm)"].to_numpy() for phase in ("FF1", "FF2")]
        entry = numbers[study.fraction(INITIAL, units)]
        assert all_pairs_fraction(*pairs) == pytest.approx(entry.value)
        assert all_pairs_interval(*pairs) == pytest.approx(entry.ci, rel=1e-4)
        kept = relation[relation["units"] == units]
        r = correlation(kept["shift retained in NF2"], kept["initial savings (mm)"])
        name = f"correlation of shift retained in NF2 with initial savings, {units} units"
        assert r.r == pytest.approx(related[name].value, abs=1e-4)


def test_the_committed_steps_between_sizes_follow_from_the_tables_of_networks():
    table, found = pd.read_csv(RESULTS / "practice.csv"), Findings.load(RESULTS, "practice").by_name
    of_size, saved = pd.read_csv(RESULTS / "size.csv"), Findings.load(RESULTS, "size").by_name
    gain = of_size["initial deviation FF1 (mm)"] - of_size["initial deviation FF2 (mm)"]
    for measure, units, values, entries in (
        (SAVED, table["units"], table[f"{SAVED} (mm)"], found),
        (SAVINGS[INITIAL], of_size["units"], gain, saved),
    ):
        by_size = {size: its.to_numpy() for size, its in values.groupby(units)}
        steps = neighbours(measure, by_size, "mm")
        assert [entry.name for entry in steps] == [step(measure, *pair) for pair in pairwise(sorted(by_size))]
        assert {32, 64, 128} <= set(by_size)
        for entry in steps:
            committed = entries[entry.name]
            assert (entry.value, *entry.ci) == pytest.approx((committed.value, *committed.ci), rel=1e-3)
            assert entry.p == pytest.approx(committed.p, rel=0.02) and committed.p_holm >= committed.p


def test_a_test_stands_in_one_figure():
    """What is left beyond the sham is tested in practice, the stiffness of the arm in muscles."""
    for figure, name in (
        ("latent", "memory trace beyond the sham"),
        ("preparatory", "shift in NF2 beyond the sham"),
    ):
        entry = Findings.load(RESULTS, figure).by_name[name]
        assert entry.value is not None and entry.p is None and entry.p_holm is None
        assert "[practice](#practice)" in Findings.load(RESULTS, figure).text
    assert not [title for title in Findings.load(RESULTS, "controls").tables if "stiffness" in title]


def test_small_p_values_are_printed_as_small():
    page = "\n".join(
        [
            "So it is (p = 2.3e-09, not corrected; p = 1e-04. p = 0.0001, p = 0, p = 0.02, z = 1e-09).",
            "",
            "| a | p | p (Holm) | share |",
            "| --- | --- | --- | --- |",
            "| 1e-09 | 1e-09 | 0.02 | 1e-09 |",
            r"| x \| y | - | 0 | 2 |",
            "",
            "| p of it |",
            "| --- |",
            "| 1e-09 |",
        ]
    )
    expected = page.replace("p = 2.3e-09", "p < 0.0001").replace("p = 1e-04", "p < 0.0001")
    expected = expected.replace("p = 0,", "p < 0.0001,").replace("| 1e-09 | 1e-09 |", "| 1e-09 | < 0.0001 |")
    assert small_p(page) == expected.replace("| - | 0 | 2 |", "| - | < 0.0001 | 2 |")
    assert small_p(small_p(page)) == small_p(page)


def test_a_figure_of_factors_without_conditions_is_left_out(tmp_path):
    folder = finished(tmp_path / "some", ("learning", "factors"))
    assert "## Factors" not in render(folder) and "--only factors" not in render(folder)
    assert [path.name for path in take(folder, tmp_path / "taken") if "factors" in path.name] == [
        "factors.json", "factors.csv",
    ]  # fmt: skip
    compared = Quantity("flat: displacement slope, less the main run's", 1.0, (0.0, 2.0), 8, "mm")
    picture = folder / "factors.png"
    Findings([compared], {}, [picture], "Flat differs.").save(folder, "factors")
    assert "## Factors" in render(folder) and "results/figures/factors.png" in render(folder)


def test_everything_is_told_once_and_what_lacks_is_named(tmp_path):
    page = render(finished(tmp_path / "results"))
    told = (
        "So it is.", "<summary>Numbers</summary>", "results/figures/learning.png",
        "Made from [main](#runs); alone with `--only learning`", "2.0 min", "`python -m that`",
        "7 batches (in the run", "*Does FF2 start lower, and is it learned faster?*",
        "`results/figures/learning.csv`",
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
        "runs.json", "reference.json", "made.json", "learning.json", "learning.csv", "learning.png",
        "learning.svg",
    }  # fmt: skip
    assert Findings.load(results, "learning").text == "So it is."


def test_unfinished_results_are_refused_and_nothing_is_lost(tmp_path):
    results = tmp_path / "results"
    take(finished(tmp_path / "first"), results)
    broken = shutil.copytree(tmp_path / "first", tmp_path / "broken")
    (broken / "reference.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"no reference\.json"):
        take(broken, results)
    assert json.loads((results / "reference.json").read_text())["figures"] == ["learning"]


def test_runs_that_were_added_one_by_one_are_dropped_only_if_meant(tmp_path):
    results = tmp_path / "results"
    take(finished(tmp_path / "first"), results)
    index = json.loads((results / INDEX).read_text())
    index["runs"].append({"name": "units-256-seed-0", "added_by": "python -m x 256"})
    (results / INDEX).write_text(json.dumps(index))
    before = {path.name: path.read_bytes() for path in results.iterdir()}
    source = finished(tmp_path / "second")
    with pytest.raises(ValueError, match=r"added by python -m x 256.*--drop-added"):
        take(source, results)
    assert {path.name: path.read_bytes() for path in results.iterdir()} == before
    take(source, results, drop_added=True)
    assert "units-256" not in (results / INDEX).read_text()


def test_a_figure_of_few_networks_gives_way_to_that_of_all(tmp_path):
    results, source = tmp_path / "results", finished(tmp_path / "source")
    take(source, results)
    index = json.loads((results / INDEX).read_text())
    (figure, *_) = json.loads((source / "reference.json").read_text())["figures"]
    few = {"name": "main-8", "kind": "few", "figure": figure, "added_by": "python -m few"}
    (results / INDEX).write_text(json.dumps(index | {"runs": [*index["runs"], few]}))
    take(source, results)
    assert "main-8" not in (results / INDEX).read_text()
    other = few | {"figure": "another"}
    (results / INDEX).write_text(json.dumps(index | {"runs": [*index["runs"], other]}))
    with pytest.raises(ValueError, match="added by python -m few"):
        take(source, results)


def test_a_run_is_taken_with_a_summary_of_its_probes(tmp_path):
    run = planted_folder(tmp_path / "run", networks=3, updates=20)
    stale = json.loads((run / "summary.json").read_text())
    initial = stale["savings"]["initial"]
    stale["savings"] = {"initial": None, "rate": None}
    write_json(run / "summary.json", stale | {"seed": 0})
    take_run(run, tmp_path / "quick")
    summary = json.loads((tmp_path / "quick/summary.json").read_text())
    assert summary["savings"]["initial"]["difference"] == pytest.approx(initial["difference"])
    assert (tmp_path / "quick/ff1_ff2.png").is_file() and (tmp_path / "quick/config.json").is_file()
    take_run(run, tmp_path / "quick", FRONT_PICTURES)
    assert {path.name for path in (tmp_path / "quick").glob("*.png")} == set(FRONT_PICTURES)


def test_every_figure_says_what_it_is_and_needs_known_runs():
    for name, figure in FIGURES.items():
        assert (figure.__doc__ or "").strip(), name
        assert set(NEEDS.get(name, ())) <= set(KINDS)
    assert set(NEEDS) <= set(FIGURES)
