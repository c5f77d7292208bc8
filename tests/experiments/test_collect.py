"""Collecting many runs in one table."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from planted_probes import plant

from experiments import collect
from experiments.collect import Collect, finished_runs, main, network_rows, run_row
from savings_gym.files import CONFIG, PROBES, SUMMARY, open_folder, write_json, write_table
from savings_gym.metrics.savings import savings


def planted_run(folder, seed, versions=None, complete=True, networks=6, side=1.0):
    """A run folder with planted probes, as the experiments write them; the field pushes to a side."""
    table = plant(networks, 120)
    table["lateral_deviation"] *= side
    arguments = {"units": 8 * (1 + seed), "seed": seed, "noise": {"vision": 1e-4}, "frozen": ["input_bias"]}
    open_folder(folder, arguments)
    if versions is not None:
        content = json.loads((folder / CONFIG).read_text())
        write_json(folder / CONFIG, content | {"versions": versions})
    write_table(folder / PROBES, table)
    summary = savings(table, resamples=200).to_dict() | {
        "complete": complete, "adaptation_networks": {"FF1": [0.5] * networks},
    }  # fmt: skip
    write_json(folder / SUMMARY, summary)
    return folder


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    top = tmp_path_factory.mktemp("runs")
    for seed in range(3):
        planted_run(top / f"group-{seed % 2}" / f"run-{seed}", seed)
    planted_run(top / "unfinished", 9, complete=False)
    return top


@pytest.fixture
def runs(stored, tmp_path):
    return shutil.copytree(stored, tmp_path / "runs")


def table(runs, level):
    out = runs.parent / f"{level}.parquet"
    assert main([str(runs), "--out", str(out), "--level", level]) == 0
    return pd.read_parquet(out)


def test_a_row_per_run_holds_arguments_and_every_number_of_the_summary(runs):
    frame = table(runs, "runs")
    assert frame["run"].tolist() == ["group-0/run-0", "group-0/run-2", "group-1/run-1"]
    assert frame["units"].tolist() == [8, 24, 16] and set(frame["noise.vision"]) == {1e-4}
    for row in frame.to_dict("records"):
        summary = json.loads((runs / row["run"] / SUMMARY).read_text())["savings"]["initial"]
        assert row["summary.savings.initial.difference"] == summary["difference"]
        assert [row["summary.savings.initial.ci.low"], row["summary.savings.initial.ci.high"]] == summary[
            "ci"
        ]
    assert set(frame["frozen"]) == {'["input_bias"]'}


def test_a_row_per_network_agrees_with_the_summary(runs):
    frame = table(runs, "networks")
    assert len(frame) == 18
    for name, rows in frame.groupby("run"):
        summary = json.loads((runs / name / SUMMARY).read_text())
        initial, rate = summary["savings"]["initial"], summary["savings"]["rate"]
        np.testing.assert_allclose(rows["initial_savings"].mean(), initial["difference"])
        np.testing.assert_allclose(rows["FF1_rate"].mean(), rate["ff1"])
        np.testing.assert_allclose(rows["FF2_final"].mean(), summary["phases"]["FF2"]["final_deviation"])
        assert set(rows["FF1_channel"]) == {0.5}


def test_the_end_of_nf1_is_that_of_its_criterion(tmp_path):
    run = planted_run(tmp_path / "runs" / "one", 0)
    summary = json.loads((run / SUMMARY).read_text())
    write_json(run / SUMMARY, summary | {"first_phase": {"error": 0.01, "probes": 1}})
    found = table(tmp_path / "runs", "networks")["NF1_final"]
    probes = pd.read_parquet(run / PROBES)
    last = probes[(probes["phase"] == "NF1") & (probes["update"] == probes["update"].max())]
    expected = last.groupby("network")["lateral_deviation"].mean()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_savings_are_positive_on_either_side(tmp_path):
    rows = {}
    for side in (1.0, -1.0):
        folder = planted_run(tmp_path / str(side), 0, side=side)
        rows[side] = pd.DataFrame(network_rows(collect.read_run(folder)))
        summary = json.loads((folder / SUMMARY).read_text())["savings"]["initial"]
        assert summary["difference"] > 0.0
        np.testing.assert_allclose(rows[side]["initial_savings"].mean(), summary["difference"])
    for name in ("initial_savings", "rate_ratio"):
        np.testing.assert_allclose(rows[1.0][name], rows[-1.0][name], rtol=1e-6)
    np.testing.assert_array_equal(rows[1.0]["FF1_initial"], -rows[-1.0]["FF1_initial"])


def test_networks_that_diverged_have_no_row(runs):
    folder = runs / "group-1" / "run-1"
    probes = pd.read_parquet(folder / PROBES)
    write_table(folder / PROBES, probes[probes["network"] != 2].reset_index(drop=True))
    summary = json.loads((folder / SUMMARY).read_text())
    channel = [0.1 * i for i in range(6)]
    write_json(folder / SUMMARY, summary | {"adaptation_networks": {"FF1": channel}})
    frame = table(runs, "networks")
    rows = frame[frame["run"] == "group-1/run-1"]
    assert rows["network"].tolist() == [0, 1, 3, 4, 5]
    np.testing.assert_allclose(rows["FF1_channel"], [channel[i] for i in rows["network"]])


def test_probes_are_all_there_with_what_differs_between_runs(runs):
    frame = table(runs, "probes")
    one = pd.read_parquet(runs / "group-0" / "run-2" / PROBES)
    part = frame[frame["run"] == "group-0/run-2"].reset_index(drop=True)
    pd.testing.assert_frame_equal(part[list(one.columns)], one)
    mode = (runs.parent / "probes.parquet").stat().st_mode
    assert mode == (runs / "group-0" / "run-2" / PROBES).stat().st_mode, "others must be able to read it"
    assert set(part["units"]) == {24} and "noise.vision" not in frame and len(frame) == 3 * len(one)


def test_a_csv_holds_the_same_rows(runs):
    expected = table(runs, "runs")
    assert main([str(runs), "--out", str(runs.parent / "runs.csv")]) == 0
    frame = pd.read_csv(runs.parent / "runs.csv")
    assert list(frame.columns) == list(expected.columns)
    np.testing.assert_allclose(
        frame["summary.savings.initial.p"], expected["summary.savings.initial.p"], rtol=1e-12
    )


def test_processes_and_one_process_agree(runs, monkeypatch):
    alone = table(runs, "networks")
    monkeypatch.setattr(collect, "WORTH_PROCESSES", 1)
    pd.testing.assert_frame_equal(table(runs, "networks"), alone)


def test_runs_of_different_versions_are_not_mixed_unless_told(runs, caplog):
    planted_run(runs / "old", 5, versions={"savings_gym": "0.0.9", "commit": "abc"})
    out = runs.parent / "all.parquet"
    assert main([str(runs), "--out", str(out)]) == 2
    assert "2 versions of the code" in caplog.text and f"0.0.9 abc: {runs / 'old'}" in caplog.text
    assert "--mix-versions" in caplog.text and not out.exists()
    assert main([str(runs), "--out", str(out), "--mix-versions"]) == 0
    assert pd.read_parquet(out)["version"].nunique() == 2


def test_a_run_that_went_on_with_another_version_is_not_mixed_with_others(runs, caplog):
    file = runs / "group-0" / "run-2" / SUMMARY
    ended = {"versions": {"savings_gym": "9.9.9", "commit": "abc"}}
    write_json(file, json.loads(file.read_text()) | ended)
    assert main([str(runs), "--out", str(runs.parent / "all.parquet")]) == 2
    assert "2 versions of the code" in caplog.text and "then 9.9.9 abc" in caplog.text


@pytest.mark.parametrize("level", ["runs", "networks"])
@pytest.mark.parametrize("name", [SUMMARY, CONFIG, "manifest.json", PROBES])
def test_a_changed_file_is_named_and_no_table_is_written(runs, caplog, name, level):
    file = runs / "group-1" / "run-1" / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    out = runs.parent / "table.parquet"
    assert main([str(runs), "--out", str(out), "--level", level]) == 2
    assert str(file.parent) in caplog.text and name in caplog.text and not out.exists()
    assert not [path for path in runs.parent.iterdir() if path.name.startswith(".")]


def test_unfinished_runs_are_left_out_and_named(runs, caplog):
    caplog.set_level("INFO")
    found, unfinished = finished_runs(runs)
    assert len(found) == 3 and unfinished == [runs / "unfinished"]
    table(runs, "runs")
    assert f"1 unfinished runs are left out, such as {runs / 'unfinished'}" in caplog.text


def test_what_a_sweep_declares_is_compared_with_what_is_there(runs, caplog):
    write_json(runs / "sweep.json", {"grid": {}, "cells": ["run-0", "run-1", "run-7"]})
    table(runs, "runs")
    assert "1 of the 3 cells of the sweep are not finished" in caplog.text
    assert "1 runs are not among the cells" in caplog.text and str(runs / "group-0" / "run-2") in caplog.text


def test_runs_that_lie_elsewhere_are_found_by_their_links_and_circles_end(runs, tmp_path):
    (runs / "group-0" / "run-0").rename(tmp_path / "moved")
    (runs / "group-0" / "run-0").symlink_to(tmp_path / "moved")
    (runs / "group-0" / "back").symlink_to(runs)
    assert table(runs, "runs")["run"].tolist() == ["group-0/run-0", "group-0/run-2", "group-1/run-1"]


def test_a_folder_without_runs_is_refused(tmp_path, caplog):
    (tmp_path / "empty").mkdir()
    assert main([str(tmp_path / "empty"), "--out", str(tmp_path / "t.csv")]) == 2
    assert "holds no finished run" in caplog.text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"level": "cells"}, r"level must be one of \('runs', 'networks', 'probes'\), got 'cells'"),
        ({"out": "t.xlsx"}, "must end in .parquet or .csv"),
        ({"level": "probes", "out": "t.csv"}, "too many rows for a .csv"),
        ({"workers": 0}, "workers must be a whole number of at least 1"),
        ({"folder": "none"}, "no folder"),
    ],
)
def test_bad_arguments_are_refused(tmp_path, changes, words):
    arguments = {"folder": tmp_path, "out": tmp_path / "t.parquet"}
    arguments |= {name: tmp_path / value if name in arguments else value for name, value in changes.items()}
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        Collect(**arguments)


def test_measures_of_one_run(runs):
    found, _ = finished_runs(runs)
    row, rows = run_row(found[0]), network_rows(found[0])
    assert row["summary.networks"] == 6 == len(rows) and "summary.savings.missing" not in row
