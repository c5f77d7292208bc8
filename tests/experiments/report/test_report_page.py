"""The report of runs: its numbers are the run's, its words follow from them, and bad input is one line."""

from __future__ import annotations

import base64
import copy
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finished_run import foreign_run, small_run
from hypothesis import given
from hypothesis import strategies as st

from experiments.report import command, reaches
from experiments.report.command import main
from experiments.report.finished import FinishedRun, read_finished
from experiments.report.measures import measures
from experiments.report.reaches import HAND_UNIT, LEVELS, UNIT_STEP, by_peak, shown
from experiments.report.words import headline
from experiments.savings.report import markdown_report
from experiments.stored.activity import activity_of_run
from experiments.study import VERDICTS
from savings_gym.activity.recording import by_phase, hand_paths
from savings_gym.arrays import MM
from savings_gym.task.schedule import PHASES

MOST_BYTES = 8_000_000


class Page(HTMLParser):
    """The rows of the table of measures, the data of the plots, and everything that would be fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: dict[str, dict[str, str | None]] = {}
        self.fetched: list[str] = []
        self.tags: list[str] = []
        self.feed(text)
        (data,) = re.findall(
            r'<script type="application/json" id="report-data">(.*?)</script>', text, re.DOTALL
        )
        self.data = json.loads(data)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.tags.append(tag)
        if "data-key" in values:
            self.rows[str(values["data-key"])] = values
        if address := values.get("src") or (values.get("href") if tag == "link" else None):
            self.fetched.append(address)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_run(tmp_path_factory.mktemp("runs") / "small")


@pytest.fixture(scope="module")
def text(run: Path) -> str:
    assert main([str(run)]) == 0
    return (run / "report.html").read_text()


def entry_of(summary: dict[str, Any], key: str) -> Any:
    """The number of a summary at a key such as ``savings.rate.ratio``."""
    entry: Any = summary
    for part in key.split("."):
        entry = entry[part]
    return entry


def test_every_number_of_the_table_is_that_of_the_summary(run: Path, text: str) -> None:
    summary, rows = json.loads((run / "summary.json").read_text()), Page(text).rows
    scales = {"mm": MM, "1": 1.0, "per 5 batches": 40.0}
    compared = 0
    for key, row in rows.items():
        if key.startswith("shift"):
            continue
        value = entry_of(summary, key)
        if value is None:
            assert row["data-value"] == "None"
            continue
        sign = -1.0 if key.startswith("washout_residual") else 1.0  # NF1 - NF2, as in the study
        assert float(str(row["data-value"])) == pytest.approx(
            sign * scales[str(row["data-unit"])] * value, rel=1e-12
        )
        compared += 1
    assert compared >= 10 and {"savings.initial.difference", "after_effect.mean", "adaptation.FF2"} <= set(
        rows
    )


def test_the_page_is_one_file_of_limited_size_that_fetches_nothing(text: str) -> None:
    page = Page(text)
    assert len(text.encode()) < MOST_BYTES
    assert all(address.startswith("data:") for address in page.fetched)
    assert not re.search(
        r"@import|url\((?!#)|importScripts|fetch\(\s*[\"'`]http", text.partition("<body>")[0]
    )


def test_equal_runs_give_equal_bytes_and_nothing_else_is_written(
    run: Path, text: str, tmp_path: Path
) -> None:
    before = {file.name: file.read_bytes() for file in run.glob("[!.]*") if file.name != "manifest.json"}
    assert main([str(run)]) == 0
    after = {file.name: file.read_bytes() for file in run.glob("[!.]*") if file.name != "manifest.json"}
    assert after == before


def test_the_command_prints_the_table_and_ends_by_naming_the_file(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "page.html"
    with caplog.at_level("INFO"):
        assert main([str(run), "--out", str(out), "--benchmark", "None"]) == 0
    assert markdown_report(json.loads((run / "summary.json").read_text())) in capsys.readouterr().out
    assert str(out) in caplog.records[-1].getMessage()
    assert f"python -m experiments.report {run} --out {out} --benchmark None" in out.read_text()


def test_packed_reaches_are_the_recorded_ones(run: Path, text: str) -> None:
    packed, dataset = Page(text).data["runs"][0]["reaches"], activity_of_run(run, save=False)
    in_field = activity_of_run(run, "curl", save=False)
    n, phases, times = len(packed["networks"]), len(PHASES), packed["times"]
    hand = np.frombuffer(base64.b64decode(packed["hand"]), "<i2").reshape(n, phases, 2, 8, times, 2)
    excitation = np.frombuffer(base64.b64decode(packed["excitation"]), "i1").reshape(n, phases, 2, 8, -1, 6)
    units = len(packed["units"][0])
    hidden = np.frombuffer(base64.b64decode(packed["hidden"]), "i1").reshape(n, phases, 2, 8, -1, units)
    for f, recorded in enumerate((dataset, in_field)):
        for p, phase in enumerate(PHASES):
            away = HAND_UNIT * hand[:, p, f] - MM * hand_paths(recorded)[phase]
            assert np.abs(away).max() <= 0.51 * HAND_UNIT
            muscles, activity = by_phase(recorded, "excitation")[phase], by_phase(recorded)[phase]
            assert np.abs(excitation[:, p, f] / LEVELS - muscles).max() <= 0.51 / LEVELS
            for i, order in enumerate(packed["units"]):
                found = hidden[i, p, f] / LEVELS
                assert np.abs(found - activity[i, :, ::UNIT_STEP][..., order]).max() <= 0.51 / LEVELS


@given(st.integers(1, 60), st.integers(1, 600), st.integers(10_000, 3_000_000))
def test_shown_activity_keeps_to_its_limit(networks: int, units: int, limit: int) -> None:
    n, kept = shown((networks, 8, 100, units), limit)
    per_unit = 2 * len(PHASES) * 8 * 50
    assert 1 <= n <= networks and 1 <= kept <= units
    assert n * kept * per_unit <= limit
    assert kept == units or n == 1  # networks are left out before units


def test_units_are_in_the_order_of_their_peaks() -> None:
    times = np.random.default_rng(0).permutation(40)[:12]
    hidden = np.exp(-(((np.arange(40)[:, None] - times) / 2.0) ** 2))
    assert np.array_equal(times[by_peak(np.stack([hidden, 0.5 * hidden]))], np.sort(times))


def with_savings(run: FinishedRun, **changes: float | None) -> FinishedRun:
    """A run whose savings have other numbers; ``initial_p_holm=0.2``, ``rate_ratio=1.1`` ..."""
    summary = copy.deepcopy(run.summary)
    summary["savings"]["rate"] |= {"ratio": 1.2, "p": 0.01, "p_holm": 0.01}
    for name, value in changes.items():
        section, _, entry = name.partition("_")
        summary["savings"][section][entry] = value
    return FinishedRun(run.folder, summary, run.config, run.arguments)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"initial_difference": 1e-3, "initial_p_holm": 0.01}, "err less from the start, and learn faster"),
        ({"initial_difference": 1e-3, "initial_p_holm": 0.2}, "That they err less at first is not shown"),
        (
            {"initial_difference": 1e-3, "initial_p_holm": 0.01, "rate_p_holm": 0.06},
            "learn faster is not shown",
        ),
        ({"initial_difference": 1e-3, "initial_p_holm": 0.2, "rate_p_holm": 0.2}, "no measurable savings"),
        ({"initial_difference": -1e-3, "initial_p_holm": 0.01, "rate_p_holm": 0.2}, "did worse"),
        (
            {"initial_p": None, "initial_p_holm": None, "rate_p": None, "rate_p_holm": None},
            "claim nothing",
        ),
    ],
)
def test_the_headline_follows_the_corrected_tests(run: Path, changes: dict[str, Any], words: str) -> None:
    assert words in headline(with_savings(read_finished(run), **changes))


def test_only_runs_like_the_study_are_compared_with_it(run: Path) -> None:
    its = read_finished(run)
    assert not any(line.verdict for line in measures(its))  # 8 units
    object.__setattr__(its.arguments, "units", 128)
    verdicts = [line.verdict for line in measures(its) if line.verdict]
    assert len(verdicts) > 5 and set(verdicts) <= set(VERDICTS)
    object.__setattr__(its.arguments, "b", -8.0)
    assert not any(line.verdict for line in measures(its))


def test_a_learner_without_networks_gets_what_it_has(run: Path, tmp_path: Path) -> None:
    other = foreign_run(run, tmp_path / "<i>ppo")
    assert main([str(other)]) == 0
    text = (other / "report.html").read_text()
    page = Page(text)
    (its,) = page.data["runs"]
    assert its["learning"] and its["reaches"] is None and its["ring"] is None
    assert text.count("This folder keeps no networks") == 2 and "3 agents (PPO)" in text
    assert "i" not in page.tags  # the name of a folder is text


def test_several_runs_are_compared_and_sizes_pooled_with_a_warning(run: Path, tmp_path: Path) -> None:
    larger = small_run(tmp_path / "larger", "--units", "12", "--pretraining-updates", "5")
    assert main([str(run), str(larger), "--out", str(tmp_path / "both.html")]) == 0
    data = Page((tmp_path / "both.html").read_text()).data
    assert [its["name"] for its in data["runs"]] == ["small", "larger"]
    assert "pre-trained in different ways" in data["size"]["note"]
    for entry in data["size"]["runs"]:
        folder = {8: run, 12: larger}[entry["units"]]
        saved = json.loads((folder / "summary.json").read_text())["savings"][entry["measure"]]
        assert entry["pairs"] == [saved["all_pairs_fraction"], *saved["all_pairs_ci"]]


def changed_summary(run: Path, out: Path, **changes: Any) -> Path:
    """A run folder without manifest whose summary differs."""
    shutil.copytree(run, out, ignore=shutil.ignore_patterns("manifest.json", "config.json", ".*"))
    summary = json.loads((out / "summary.json").read_text()) | changes
    kept = {name: value for name, value in summary.items() if value is not None}
    (out / "summary.json").write_text(json.dumps(kept))
    return out


def test_bad_input_is_one_line_and_writes_nothing(
    run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "benchmark").mkdir()
    (tmp_path / "benchmark/benchmark.json").write_text("{}")
    begun = tmp_path / "begun"
    begun.mkdir()
    shutil.copy(run / "config.json", begun / "config.json")
    incomplete = changed_summary(run, tmp_path / "incomplete", complete=False)
    other = changed_summary(run, tmp_path / "other", phases=None)
    cases = [
        ([str(tmp_path / "none")], "there is no folder"),
        ([str(tmp_path / "empty")], "is not the folder of a finished run"),
        ([str(tmp_path / "file")], "is a file"),
        ([str(tmp_path / "benchmark")], "holds a benchmark, not a run: name it with --benchmark"),
        ([str(begun)], "has no summary.json yet"),
        ([str(incomplete)], "is not complete"),
        ([str(other)], "it lacks phases"),
        ([str(run), str(run)], "is named twice"),
        ([str(run), str(tmp_path / "none")], "there is no folder"),
        ([str(run), "--benchmark", str(tmp_path / "empty")], "holds no benchmark"),
        ([str(run), "--benchmark", str(tmp_path / "benchmark")], "does not hold the results"),
        ([str(run), "--out", str(tmp_path / "empty")], "is a folder"),
    ]
    usual = ("--out", str(tmp_path / "page.html"))
    for arguments, words in cases:
        caplog.clear()
        try:
            status = main([*arguments, *(() if "--out" in arguments else usual)])
        except SystemExit as end:  # tyro refuses arguments before the command runs
            status = int(str(end.code))
        assert status == 2, arguments
        lines = [record.getMessage() for record in caplog.records]
        if lines:  # otherwise tyro has said it
            assert len(lines) == 1 and words in lines[0] and "\n" not in lines[0], lines
    assert not list(tmp_path.glob("**/page.html"))


def test_a_report_that_fails_leaves_the_older_one(
    run: Path, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> dict[str, Any]:
        raise ValueError("no reaches")

    out = tmp_path / "page.html"
    out.write_text("older")
    monkeypatch.setattr("experiments.report.page.reach_data", fail)
    assert main([str(run), "--out", str(out)]) == 2
    assert out.read_text() == "older" and [file.name for file in tmp_path.iterdir()] == ["page.html"]
    assert reaches.reach_data is not fail and command.FILE == "report.html"
