"""Stored runs whose activity or probes are planted, for the tests of the figures."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from planted_activity import planted
from planted_probes import plant

from agents.supervised.checkpoints import save_ensemble
from agents.supervised.networks import make_ensemble
from agents.supervised.reaches import centre_out_targets
from experiments.savings.config import PRESETS, identity
from experiments.stored.runs import StoredRuns
from savings_gym.activity.recording import Recording, activity_dataset
from savings_gym.arm.model import load_arm
from savings_gym.files import write_json
from savings_gym.metrics.savings import savings

STEPS, PREPARED, FORCE_STEP = 100, 16, 60
MAIN, SHAM = Path("main"), Path("sham")


def recording(activity, force, seed=0):
    """Trials in which activity holds still from the preparatory time to go, and moves smoothly afterwards."""
    n, targets, units = activity.shape
    rng = np.random.default_rng(seed)
    time = np.arange(STEPS) / STEPS
    grow = np.minimum(np.arange(STEPS) / PREPARED, 1.0)
    latent = np.stack([np.sin(np.pi * k * np.clip(time - 0.5, 0.0, 1.0)) for k in range(1, 13)], axis=-1)
    moves = latent @ (0.1 * rng.standard_normal((n, targets, 12, units)))  # (n, 8, T, units)
    hidden = activity[:, :, None] * grow[:, None] + moves
    start = load_arm("muscle").hand_position(load_arm("muscle").start)
    reach = centre_out_targets() - start
    progress = np.clip(2.0 * (np.arange(STEPS + 1) / STEPS - 0.5), 0.0, 1.0)
    smooth = progress**2 * (3.0 - 2.0 * progress)
    hand = start + np.broadcast_to(reach[None, :, None] * smooth[:, None], (n, targets, STEPS + 1, 2))
    velocity = np.gradient(hand, 0.01, axis=2)
    forces = np.zeros((n, targets, STEPS, 2))
    forces[:, :, FORCE_STEP] = force
    zero = np.zeros((n, targets, STEPS, 6))
    return Recording(hidden, zero, zero, forces, hand, velocity)


def dataset(data, **changes):
    """Data set of planted activity; `changes` replaces phases."""
    phases = {**data.activity, **changes}
    return activity_dataset({phase: recording(x, data.force) for phase, x in phases.items()})


@dataclass(frozen=True)
class PlantedRuns(StoredRuns):
    """Runs whose activity is given."""

    datasets: dict = field(default_factory=dict)

    def activity(self, run, field="null"):
        return self.datasets[run]

    def arguments(self, run):
        return {"units": 40, "b": 8.0}

    def pretraining(self, run):
        return ["4 batches"]


def planted_runs(data=None, sham=None, seed=0):
    """The main run, and a sham if its activity by phase is given."""
    data = data or planted((4,), noise=0.003)
    datasets = {MAIN: dataset(data)}
    if sham is not None:
        datasets[SHAM] = dataset(data, **sham)
    return PlantedRuns(MAIN, {}, {}, seed, None if sham is None else SHAM, datasets=datasets)


def planted_folder(folder, networks=12, updates=120, pretraining_updates=4, **probes):
    """A run folder with planted probes, as if its networks had been pre-trained in the run."""
    folder.mkdir()
    table = plant(networks, updates, **probes)
    pd.DataFrame(table | {"endpoint_error": np.full(len(table["target"]), 2e-3)}).to_parquet(
        folder / "probes.parquet"
    )
    weights = make_ensemble("gru", networks, PRESETS["smoke"].units, seed=0)
    about = {"updates": pretraining_updates, "initial_weights": "stack"}
    save_ensemble(folder / "pretrained.safetensors", weights, pretraining=about)
    config = dataclasses.replace(
        PRESETS["smoke"], networks=networks, pretraining_updates=pretraining_updates, out=folder
    )
    write_json(
        folder / "summary.json",
        savings(table, resamples=200).to_dict() | {"complete": True, "wall_time_s": 60.0},
    )
    write_json(folder / "config.json", {"arguments": identity(config, None)})
    return folder
