"""No measure of a finished run includes networks that diverged in it."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from agents.supervised.checkpoints import load_ensemble, save_ensemble
from agents.supervised.networks import make_ensemble
from experiments.benchmark.values import recorded_values, values_of_tables
from experiments.drawing import hand_paths as drawing
from experiments.figures import channel as channel_figure
from experiments.figures import muscles as muscles_figure
from experiments.figures.relation import networks_of
from experiments.film.trials import check_run, load_trials
from experiments.report.finished import read_finished
from experiments.report.measures import measures
from experiments.savings.command import run as run_savings
from experiments.savings.config import PRESETS
from experiments.savings.experiment import FourPhases
from experiments.savings.phases import PhaseChanges
from experiments.savings.report import report_rows
from experiments.stored.activity import activity_of_run
from experiments.stored.preparation import preparation
from experiments.stored.probes import DisplacedProbes
from experiments.stored.resistance import HOLD, resistance
from experiments.stored.runs import StoredRuns
from savings_gym.activity.recording import by_phase, hand_paths, load_activity, save_activity
from savings_gym.files import read_table
from savings_gym.metrics.curves import phase_curves
from savings_gym.metrics.statistics import mean_interval
from savings_gym.task.schedule import PHASES

KEPT = [0, 2]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A run of three small networks of which number 1 diverged in FF1, and its sham, in which none did."""
    folder = tmp_path_factory.mktemp("diverged")
    save_ensemble(folder / "gru8.safetensors", make_ensemble("gru", 3, 8, seed=0))
    counts = {f"{phase.lower()}_updates": 5 for phase in PHASES}
    config = dataclasses.replace(
        PRESETS["smoke"], networks=3, pretrained=folder / "gru8.safetensors", out=folder / "run",
        figures=False, **counts,
    )  # fmt: skip
    sham = dataclasses.replace(config, change=PhaseChanges(ff1_b=0.0), out=folder / "sham")
    make_batch = FourPhases._batch

    def batch(self, phase):
        reaches = make_batch(self, phase)
        if (self.folder.path.name, phase.name, self.update) == ("run", "FF1", 2):
            reaches.observation_noise[1, 30] = float("nan")
        return reaches

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FourPhases, "_batch", batch)
        assert run_savings(config) == run_savings(sham) == 0
    assert list(json.loads((config.out / "summary.json").read_text())["stopped"]) == ["1"]
    return StoredRuns(config.out, {8: config.out}, {}, 0, sham.out)


def test_activity_is_that_of_the_others_by_their_numbers(stored):
    recorded = activity_of_run(stored.main)
    assert recorded["network"].to_numpy().tolist() == KEPT
    assert load_activity(stored.main / "activity.nc").identical(recorded)
    assert preparation(recorded).numbers.tolist() == stored.networks(stored.main).tolist() == KEPT
    assert preparation(stored.activity(stored.sham)).numbers.tolist() == [0, 1, 2]


def test_a_recording_of_all_networks_is_not_taken_as_it_is(stored, tmp_path):
    recorded = activity_of_run(stored.main)
    folder = tmp_path / "run"
    folder.mkdir()
    for file in (*stored.main.glob("networks_*.safetensors"), stored.main / "summary.json"):
        (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((stored.main / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({"arguments": config["arguments"]}))
    whole = xr.concat([recorded.isel(network=[0]).assign_coords(network=[1]), recorded], "network")
    save_activity(folder / "activity.nc", whole.sortby("network"))
    assert activity_of_run(folder).identical(recorded)


def test_networks_that_are_probed_again_are_the_others(stored):
    for phase, ensemble in stored.ensembles(stored.main).items():
        whole = load_ensemble(stored.main / f"networks_{phase}.safetensors")
        for ours, theirs in zip(ensemble.parameters(), whole.select(*KEPT).parameters(), strict=True):
            np.testing.assert_array_equal(ours.detach(), theirs.detach())
    probes = DisplacedProbes.of_run(stored, stored.main)
    shift = preparation(activity_of_run(stored.main)).shift.vector
    assert probes.deviation([0.0 * shift], 16).shape == (1, len(KEPT))


def test_shift_and_savings_are_related_network_by_network(stored):
    related = networks_of(stored, stored.main)
    assert related.numbers.tolist() == KEPT and related.retained.shape == (len(KEPT),)


@pytest.mark.slow
def test_stiffness_and_channel_force_are_paired_with_those_of_the_sham(stored, tmp_path):
    muscles = muscles_figure.muscles(stored, tmp_path)
    ours, theirs = (resistance(run, "NF2")[HOLD] for run in (stored.main, stored.sham))
    assert muscles.by_name[muscles_figure.beyond_sham(HOLD)].values == pytest.approx(
        ours - theirs[KEPT], rel=1e-4
    )
    channel = channel_figure.channel(stored, tmp_path)
    ours, theirs = (
        channel_figure.channel_force(stored, run)["NF2"].slope for run in (stored.main, stored.sham)
    )
    assert channel.by_name[channel_figure.BEYOND_SHAM].values == pytest.approx(
        100.0 * (ours - theirs[KEPT]), rel=1e-4
    )
    assert muscles.networks["network"].tolist() == channel.networks["network"].tolist() == KEPT


def test_intervals_of_the_reports_are_of_the_others(stored):
    summary = json.loads((stored.main / "summary.json").read_text())
    shares = [summary["adaptation_networks"]["FF1"][number] for number in KEPT]
    assert summary["adaptation"]["FF1"] == pytest.approx(np.mean(shares))
    (line,) = (its for its in measures(read_finished(stored.main)) if its.key == "adaptation.FF1")
    assert line.quantity.ci == pytest.approx(mean_interval(shares))
    (row,) = (cells for cells in report_rows(summary) if cells[0] == "channel force, FF1")
    low, high = (100.0 * end for end in mean_interval(shares))
    assert row[2].startswith(f"{low:.3g}") and f"{high:.3g}" in row[2]


def test_drawn_paths_and_films_are_those_of_the_others(stored, monkeypatch):
    drawn = []
    monkeypatch.setattr(drawing, "draw_reaches", lambda axes, hand, *more: drawn.append(len(hand)))
    drawing.hand_paths(stored.main / "paths.nc")
    assert set(drawn) == {len(KEPT)}
    with pytest.raises(ValueError, match="network 1 of .* diverged; choose from: 0, 2"):
        check_run(stored.main, 1)
    (trial,) = load_trials(stored.main, ("washout",), network=2, target=3)
    recorded = activity_of_run(stored.main).sel(network=[2])
    np.testing.assert_array_equal(trial.hand, hand_paths(recorded)["NF2"][0, 3])
    np.testing.assert_array_equal(trial.hidden, by_phase(recorded)["NF2"][0, 3])


@dataclass(frozen=True)
class Ensemble:
    """A finished job of the benchmark."""

    out: Path
    seed: int = 0
    record: None = None


def test_the_benchmark_has_one_channel_force_for_every_other_network(stored):
    values, _ = values_of_tables(
        pd.DataFrame(read_table(stored.main / "probes.parquet")), None,
        recorded_values([Ensemble(stored.main)], "reset"),
    )  # fmt: skip
    summary = json.loads((stored.main / "summary.json").read_text())
    assert values["seed"] == KEPT
    assert values["channel_NF2"] == [summary["adaptation_networks"]["NF2"][number] for number in KEPT]
    curves = phase_curves(read_table(stored.main / "probes.parquet"))
    assert values["ff1_initial"] == curves["FF1"].deviation[:, 0].tolist()
