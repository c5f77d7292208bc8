"""Networks that are run by themselves join the committed figures of size as if all had been run together."""

import json
import shutil
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest

from experiments.figures import added_runs
from experiments.figures import more_networks as command
from experiments.figures.by_size import at
from experiments.figures.more_networks import FIRST, STUDY, MoreNetworks, join, values_of, with_networks
from experiments.figures.practice import SAVED
from experiments.figures.results_page import INDEX, LEFT_OUT, REFERENCE, RESULTS, stored_findings
from experiments.figures.runs import make_missing
from experiments.figures.size import END_ERROR, SAVINGS, saved, step
from experiments.savings.config import PRESETS, SIZE_WEIGHTS
from experiments.study import fraction

NAMES = ("size", "practice", "relation", "fading")
UNITS = 256
WORDS = "20000 batches, hand 60 ms, muscles 20 ms, cue 70 ms late"


@pytest.fixture
def results(tmp_path):
    """The committed figures, without networks that were added."""
    folder = tmp_path / "results"
    folder.mkdir()
    for path in RESULTS.iterdir():
        if path.suffix in (".json", ".csv"):
            shutil.copyfile(path, folder / path.name)
    for name in NAMES:
        table = pd.read_csv(folder / f"{name}.csv")
        table[table["units"] != UNITS].to_csv(folder / f"{name}.csv", index=False)
    index = json.loads((folder / INDEX).read_text())
    index["runs"] = [row for row in index["runs"] if FIRST not in row]
    (folder / INDEX).write_text(json.dumps(index))
    return folder


def planted(networks=4, seed=0):
    """Values of networks of 256 units: those of as many of 128, a little changed."""
    rng, measured = np.random.default_rng(seed), {}
    for name in NAMES:
        table = pd.read_csv(RESULTS / f"{name}.csv")
        rows = table[table["units"] == 128].iloc[:networks].reset_index(drop=True)
        values = rows.columns.difference(["units", "network"])
        rows[values] *= 1.0 + 0.1 * rng.standard_normal(rows[values].shape)
        measured[name] = {column: rows[column].to_numpy() for column in rows} | {
            "units": np.full(networks, UNITS), "network": np.arange(networks),
        }  # fmt: skip
    return measured


def run_nothing(monkeypatch, failed=(), signalled=0):
    made = []

    def make(planned):
        made.extend(planned)
        return list(failed), signalled

    def row(run):
        about = {"networks": run.config.networks, "units": run.config.units, "seed": run.config.seed}
        return {"name": run.name, "kind": run.kind, "pretrained": None, "pretraining": {WORDS: 4}} | about

    monkeypatch.setattr(added_runs, "make_missing", make)
    monkeypatch.setattr(added_runs, "check", lambda planned: None)
    monkeypatch.setattr(command, "values_of", lambda units, run, sham: planted())
    monkeypatch.setattr(added_runs, "describe", lambda planned: [row(run) for run in planned])
    return made


def call(results, tmp_path, *arguments):
    return command.main([str(UNITS), *arguments, "--results", str(results), "--out", str(tmp_path / "runs")])


def test_the_stored_values_give_the_stored_numbers(tmp_path):
    """So that a figure to which networks are added says of the others what it said before."""
    stored = stored_findings()
    nothing = {name: {key: its[:0] for key, its in stored[name].networks.items()} for name in NAMES}
    again = with_networks(stored, nothing, 0, WORDS, tmp_path)
    for name in NAMES:
        for column, values in stored[name].networks.items():
            np.testing.assert_allclose(again[name].networks[column], values, rtol=1e-12, err_msg=column)
        assert set(again[name].by_name) == set(stored[name].by_name)
        for entry in again[name].quantities:
            before = stored[name].by_name[entry.name]
            for ours, theirs in zip((entry.value, *entry.ci), (before.value, *before.ci), strict=True):
                assert ours == (theirs if theirs is None else pytest.approx(theirs, rel=1e-3, abs=1e-4)), (
                    entry
                )
        assert again[name].tables.keys() == stored[name].tables.keys()
        assert again[name].text == stored[name].text


def test_networks_join_the_figures_the_comparison_and_the_list_of_runs(monkeypatch, results, tmp_path):
    made = run_nothing(monkeypatch)
    assert call(results, tmp_path) == 0
    run, sham = made
    assert (run.name, sham.name) == ("units-256-seed-0", "units-256-seed-0-sham")
    assert sham.begins_as == run.config.out and sham.config.change.ff1_b == 0.0
    after = stored_findings(results)
    assert after["size"].by_name[saved("rate", UNITS)].networks == 4
    assert after["size"].by_name[step(SAVINGS["rate"], 128, UNITS)].networks == 44
    assert after["practice"].by_name[at(SAVED, UNITS)].networks == 4
    assert f"shift retained in NF2, {UNITS} units" in after["relation"].by_name
    rows = json.loads((results / REFERENCE).read_text())["rows"]
    (row,) = (row for row in rows if row["name"] == fraction("rate", UNITS))
    assert row["networks"] == 4 and row["verdict"] != "not testable"
    added = [row for row in json.loads((results / INDEX).read_text())["runs"] if FIRST in row]
    assert [row["name"] for row in added] == [run.name, sham.name]
    assert added[0]["added_by"].endswith("experiments.figures.more_networks 256 --networks 4 --seed 0")


def test_another_seed_adds_others_and_the_same_replaces_its_own(monkeypatch, results, tmp_path):
    run_nothing(monkeypatch)
    others = {name: len(pd.read_csv(results / f"{name}.csv")) for name in NAMES}
    for seed in (0, 5, 0):
        assert call(results, tmp_path, "--seed", str(seed)) == 0
    for name in NAMES:
        table = pd.read_csv(results / f"{name}.csv")
        assert table[table["units"] == UNITS]["network"].tolist() == list(range(8))
        assert len(table) == others[name] + 8
    firsts = {
        row["seed"]: row[FIRST] for row in json.loads((results / INDEX).read_text())["runs"] if FIRST in row
    }
    assert firsts == {0: 0, 5: 4}


def test_networks_that_never_learned_to_reach_are_left_out_and_counted(
    monkeypatch, results, tmp_path, caplog
):
    run_nothing(monkeypatch)
    measured = planted()
    measured["size"][END_ERROR] = np.array([1.2, 98.0, 9.9, 10.1])
    monkeypatch.setattr(command, "values_of", lambda units, run, sham: measured)
    assert call(results, tmp_path) == 0
    for name in NAMES:
        table = pd.read_csv(results / f"{name}.csv")
        assert table[table["units"] == UNITS]["network"].tolist() == [0, 2]
    assert "above 10 mm at the end of NF1: 2 of 4 networks" in caplog.text
    (row, _) = (row for row in json.loads((results / INDEX).read_text())["runs"] if FIRST in row)
    assert row[LEFT_OUT] == [1, 3]
    assert call(results, tmp_path, "--seed", "1") == 0  # further ones get numbers that none has had
    assert pd.read_csv(results / "size.csv").query("units == 256")["network"].tolist() == [0, 2, 4, 6]


def test_a_command_that_is_killed_half_way_adds_its_networks_once(monkeypatch, results, tmp_path):
    run_nothing(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(command, "write_reference", Mock(side_effect=KeyboardInterrupt))
        assert call(results, tmp_path) == 130
    assert call(results, tmp_path) == 0
    for name in NAMES:
        table = pd.read_csv(results / f"{name}.csv")
        assert table[table["units"] == UNITS]["network"].tolist() == list(range(4))


def test_values_join_in_the_order_of_size_and_number():
    before = {
        "units": np.array([32, 256, 32]),
        "network": np.array([0, 4, 1]),
        "x": np.array([1.0, 2.0, 3.0]),
    }
    added = {"units": np.array([256, 256]), "network": np.array([0, 1]), "x": np.array([8.0, 9.0])}
    joined = join(before, added, first=3)
    assert joined["network"].tolist() == [0, 1, 3, 4]
    assert joined["x"].tolist() == [1.0, 3.0, 8.0, 9.0]


def test_its_networks_are_those_of_the_study_s_protocol():
    run, _ = MoreNetworks(UNITS, seed=3).runs()
    for name in ("nf1_updates", "ff1_updates", "nf2_updates", "ff2_updates", "delays", "onset", "noise"):
        assert getattr(run.config, name) == getattr(STUDY, name)
    assert (run.config.pretrained, run.config.units, run.config.seed) == (None, UNITS, 3)


@pytest.mark.parametrize(("failed", "signalled", "status"), [(("x",), 0, 1), ((), 143, 143)])
def test_nothing_changes_without_both_runs(monkeypatch, results, tmp_path, failed, signalled, status):
    run_nothing(monkeypatch, failed, signalled)
    before = {path.name: path.read_bytes() for path in results.iterdir()}
    assert call(results, tmp_path) == status
    assert {path.name: path.read_bytes() for path in results.iterdir()} == before


def test_what_cannot_join_is_refused_before_any_run(monkeypatch, results, tmp_path):
    with pytest.raises(ValueError, match=f"networks of 32 units ship.*{', '.join(map(str, SIZE_WEIGHTS))}"):
        MoreNetworks(32)
    with pytest.raises(ValueError, match="networks must be a whole number of at least 1, got 0"):
        MoreNetworks(UNITS, networks=0)
    run_nothing(monkeypatch)
    assert call(results, tmp_path) == 0
    with pytest.raises(
        ValueError, match="256 units and seed 0 are in the figures, by .*--networks 4 --seed 0"
    ):
        MoreNetworks(UNITS, networks=3, results=results)
    index = json.loads((results / INDEX).read_text())
    for row in index["runs"]:
        row["pretraining"] = {"9 batches": 4}
    (results / INDEX).write_text(json.dumps(index))
    with pytest.raises(
        ValueError, match=r"pre-trained in different ways are not pooled \(units-32: 4 with 9"
    ):
        MoreNetworks(UNITS, results=results, seed=1)


@pytest.mark.slow
def test_a_small_run_is_measured_as_the_figures_measure(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "STUDY", PRESETS["smoke"])
    monkeypatch.setattr(command, "check_alike", lambda pretrainings: None)
    run, sham = MoreNetworks(6, networks=2, out=tmp_path).runs()
    assert make_missing((run, sham)) == ([], 0)
    measured, stored = values_of(6, run.config.out, sham.config.out), stored_findings()
    for name in NAMES:
        assert list(measured[name]) == list(stored[name].networks)
        assert measured[name]["network"].tolist() == [0, 1]
