"""A run that takes phases over ends like one that makes them all."""

import dataclasses

import pandas as pd
import pytest
import torch

from agents.supervised.checkpoints import load_ensemble, save_ensemble
from agents.supervised.networks import make_ensemble
from experiments.runs.folder import RunFolder
from experiments.savings import report
from experiments.savings.command import run
from experiments.savings.config import PRESETS, Savings
from experiments.savings.phases import PhaseChanges
from experiments.savings.shared_phases import begin_from, shared_phases, stored_arguments


@pytest.fixture(scope="module", autouse=True)
def no_figures():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "draw", lambda *arguments: None)
        yield


@pytest.fixture(scope="module")
def source(no_figures, tmp_path_factory):
    """A complete small run, its weights in a file of their own."""
    folder = tmp_path_factory.mktemp("source")
    save_ensemble(folder / "gru8.safetensors", make_ensemble("gru", 2, 8, seed=0))
    counts = {f"{phase}_updates": 5 for phase in ("nf1", "ff1", "nf2", "ff2")}
    config = dataclasses.replace(
        PRESETS["smoke"], pretrained=folder / "gru8.safetensors", out=folder / "run", keep_every=3, **counts
    )
    assert run(config) == 0
    return config


def change(config: Savings, out="other", **values):
    changed = dataclasses.replace(config.change, **values)
    return dataclasses.replace(config, change=changed, out=config.out.with_name(out))


@pytest.mark.parametrize(
    ("changes", "taken"),
    [({"ff2_b": -8.0}, ["NF1", "FF1", "NF2"]), ({"cue": 1.0, "ff1_b": 0.0}, ["NF1"])],
    ids=["opposite", "cue"],
)
def test_a_run_that_takes_phases_over_has_the_results_of_one_that_makes_them(
    source, tmp_path, changes, taken
):
    whole, begun = (
        dataclasses.replace(source, change=PhaseChanges(**changes), out=tmp_path / name) for name in "ab"
    )
    assert run(whole) == 0
    assert begin_from(source.out, begun) == taken
    assert run(begun) == 0
    names = {path.name for path in whole.out.iterdir()}
    assert names == {path.name for path in begun.out.iterdir()}
    for name in names - {"summary.json", "manifest.json"}:  # which has the digest of the other
        if not name.endswith(".png"):
            assert (whole.out / name).read_bytes() == (begun.out / name).read_bytes(), name


def test_fewer_networks_take_over_what_the_first_ones_did(source, tmp_path):
    one = dataclasses.replace(source, networks=1, out=tmp_path / "one", change=PhaseChanges(ff2_b=-8.0))
    assert begin_from(source.out, one) == ["NF1", "FF1", "NF2"]
    theirs, ours = (load_ensemble(run.out / "networks_NF2.safetensors", 1) for run in (source, one))
    for before, after in zip(theirs.parameters(), ours.parameters(), strict=True):
        assert torch.equal(before, after)
    assert run(one) == 0
    table, whole = (pd.read_parquet(run.out / "probes.parquet") for run in (one, source))
    whole = whole[(whole["network"] == 0) & (whole["phase"] != "FF2")].reset_index(drop=True)
    pd.testing.assert_frame_equal(table[table["phase"] != "FF2"], whole)
    summaries = (RunFolder.read_summary(run.out)["adaptation_networks"] for run in (one, source))
    adapted, of_both = summaries
    assert adapted["FF1"] == of_both["FF1"][:1] and len(adapted["FF2"]) == 1


def test_arguments_of_a_folder_are_those_of_the_run(source):
    held = stored_arguments(source.out)
    assert held == dataclasses.replace(source, keep_every=held.keep_every)


def test_what_two_runs_share_ends_where_they_first_differ(source):
    assert shared_phases(source, change(source)) == 4
    assert shared_phases(source, change(source, ff2_b=-8.0)) == 3
    assert shared_phases(source, dataclasses.replace(source, nf2_updates=4)) == 2
    assert shared_phases(source, change(source, ff1_targets=(1,))) == 1
    assert shared_phases(source, change(dataclasses.replace(source, networks=1), ff1_b=0.0)) == 1
    assert shared_phases(dataclasses.replace(source, networks=1), source) == 0
    for other in ({"seed": 1}, {"rule": "eprop"}, {"b": 4.0}, {"learning_rate": 1e-3}):
        assert shared_phases(source, dataclasses.replace(source, **other)) == 0
    assert shared_phases(source, dataclasses.replace(source, pretrained=None)) == 0


def test_a_run_that_has_begun_or_shares_nothing_is_left_alone(source, tmp_path):
    other = dataclasses.replace(source, seed=1, out=tmp_path / "other")
    assert begin_from(source.out, other) == []
    assert not (other.out / "state.pt").exists()
    begun = change(dataclasses.replace(source, out=tmp_path / "x"), "begun", ff2_b=-8.0)
    assert begin_from(source.out, begun)
    before = (begun.out / "state.pt").stat().st_mtime_ns
    assert begin_from(source.out, begun) == []
    assert (begun.out / "state.pt").stat().st_mtime_ns == before
