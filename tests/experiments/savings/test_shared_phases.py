"""A run that takes phases over ends like one that makes them all."""

import dataclasses
import json

import pandas as pd
import pytest
import torch

from agents.supervised.checkpoints import load_ensemble, save_ensemble
from agents.supervised.networks import make_ensemble
from experiments.runs.folder import RunFolder
from experiments.savings import command, report
from experiments.savings.command import run
from experiments.savings.config import PRESETS, Savings
from experiments.savings.experiment import FourPhases
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
    assert_same_results(whole.out, begun.out)


def assert_same_results(whole, begun):
    """Every file of two run folders has the same bytes; their summaries may differ in the time they took."""
    names = {path.name for path in whole.iterdir()}
    assert names == {path.name for path in begun.iterdir()}
    for name in names - {"summary.json", "manifest.json"}:  # which has the digest of the other
        if not name.endswith(".png"):
            assert (whole / name).read_bytes() == (begun / name).read_bytes(), name
    ours, theirs = (json.dumps(RunFolder.read_summary(out) | {"wall_time_s": 0.0}) for out in (whole, begun))
    assert ours == theirs


def test_a_run_that_would_pretrain_in_the_same_way_takes_the_networks_over(source, tmp_path, monkeypatch):
    base = dataclasses.replace(source, pretrained=None, out=tmp_path / "source")
    assert run(base) == 0
    whole, begun = (
        dataclasses.replace(base, change=PhaseChanges(ff1_b=0.0), out=tmp_path / name) for name in "ab"
    )
    assert run(whole) == 0
    assert begin_from(base.out, begun) == ["NF1"]
    with monkeypatch.context() as patch:
        patch.setattr(command, "pretrain", lambda *arguments: pytest.fail("pre-trained again"))
        assert run(begun) == 0
    assert_same_results(whole.out, begun.out)
    for number, changes in enumerate(
        ({"pretraining_updates": 3}, {"seed": 1}, {"networks": 1}, {"initial_weights": "gates"})
    ):
        other = dataclasses.replace(base, out=tmp_path / f"other {number}", **changes)
        assert begin_from(base.out, other) == []


@pytest.fixture
def broken_sensors(monkeypatch):
    """Run folder, phase and update to the network whose sensors break then; for tests to fill."""
    broken, make_batch = {}, FourPhases._batch

    def batch(self, phase):
        reaches = make_batch(self, phase)
        network = broken.get((self.folder.path.name, phase.name, self.update))
        if network is not None:
            reaches.observation_noise[network, 30] = float("nan")
        return reaches

    monkeypatch.setattr(FourPhases, "_batch", batch)
    return broken


def three_networks(source, folder):
    """The arguments of a main run of three networks, and of two runs with the opposite field in FF2."""
    weights = folder / "gru8.safetensors"
    save_ensemble(weights, make_ensemble("gru", 3, 8, seed=0))
    main = dataclasses.replace(source, networks=3, pretrained=weights, out=folder / "main")
    other = PhaseChanges(ff2_b=-8.0)
    return main, *(dataclasses.replace(main, change=other, out=folder / name) for name in ("whole", "begun"))


def test_networks_that_diverged_in_phases_that_are_taken_over_have_diverged(source, tmp_path, broken_sensors):
    main, whole, begun = three_networks(source, tmp_path)
    broken_sensors |= {(name, "FF1", 2): 1 for name in ("main", "whole")} | {("main", "FF2", 1): 2}
    assert run(main) == run(whole) == 0
    assert list(RunFolder.read_summary(main.out)["stopped"]) == ["1", "2"]
    assert begin_from(main.out, begun) == ["NF1", "FF1", "NF2"]
    assert run(begun) == 0
    assert RunFolder.read_summary(begun.out)["stopped"] == {"1": {"phase": "FF1", "update": 2}}
    assert sorted(pd.read_parquet(begun.out / "probes.parquet")["network"].unique()) == [0, 2]
    assert_same_results(whole.out, begun.out)


def test_phases_in_which_all_networks_diverged_are_not_taken_over(source, tmp_path, broken_sensors):
    main, first, second = three_networks(source, tmp_path)
    broken_sensors["main", "FF1", 2] = 0
    assert run(main) == 0
    assert begin_from(main.out, dataclasses.replace(first, networks=1)) == []
    assert begin_from(main.out, dataclasses.replace(second, networks=2)) == ["NF1", "FF1", "NF2"]


def test_a_baseline_that_met_its_criterion_ends_there_in_runs_that_take_it_over(source, tmp_path):
    main, whole, begun = three_networks(source, tmp_path)
    main, whole, begun = (
        dataclasses.replace(each, nf1_updates=20, criterion=0.5, criterion_probes=2)
        for each in (main, whole, begun)
    )
    assert run(main) == run(whole) == 0
    first = RunFolder.read_summary(main.out)["first_phase"]
    assert first["met"] and first["trials"] < 8 * 20
    assert begin_from(main.out, begun) == ["NF1", "FF1", "NF2"]
    assert run(begun) == 0
    assert_same_results(whole.out, begun.out)


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
