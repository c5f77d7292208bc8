"""Stored runs that are planted activity, for the tests of the figures that read activity."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from planted_activity import planted

from agents.supervised.reaches import centre_out_targets
from experiments.stored.runs import Runs
from savings_gym.activity.recording import Recording, activity_dataset
from savings_gym.arm.model import load_arm

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
    reach = centre_out_targets() - load_arm("muscle").hand_position(load_arm("muscle").start)
    progress = np.clip(2.0 * (np.arange(STEPS + 1) / STEPS - 0.5), 0.0, 1.0)
    smooth = progress**2 * (3.0 - 2.0 * progress)
    start = load_arm("muscle").hand_position(load_arm("muscle").start)
    hand = start + np.broadcast_to(reach[None, :, None] * smooth[:, None], (n, targets, STEPS + 1, 2))
    velocity = np.gradient(hand, 0.01, axis=2)
    forces = np.zeros((n, targets, STEPS, 2))
    forces[:, :, FORCE_STEP] = force
    forces[:, :, 25] = 0.01 * force[:, ::-1]
    zero = np.zeros((n, targets, STEPS, 6))
    return Recording(hidden, zero, zero, forces, hand, velocity)


def dataset(data, **changes):
    """Data set of planted activity; `changes` replaces phases."""
    phases = {**data.activity, **changes}
    return activity_dataset({phase: recording(x, data.force) for phase, x in phases.items()})


@dataclass(frozen=True)
class PlantedRuns(Runs):
    """Runs whose activity is given."""

    held: dict = field(default_factory=dict)
    said: dict = field(default_factory=lambda: {"units": 40, "b": 8.0})

    def activity(self, run, field="null"):
        return self.held[run]

    def arguments(self, run):
        return self.said


def runs(data=None, sham=None, seed=0):
    """The main run, and a sham control if its activity by phase is given."""
    data = data or planted((4,), noise=0.003)
    held = {MAIN: dataset(data)}
    if sham is not None:
        held[SHAM] = dataset(data, **sham)
    return PlantedRuns(MAIN, {}, {}, seed, None if sham is None else SHAM, held)
