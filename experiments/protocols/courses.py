"""Networks through one protocol, or its sham, with probes and error clamps on the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from agents.supervised.checkpoints import load_ensemble
from agents.supervised.learner import FROZEN, SupervisedLearner
from agents.supervised.reaches import Reaches, centre_out, centre_out_targets
from agents.supervised.rollout import scored_path, wall_forces
from experiments.protocols.config import Protocols
from savings_gym.arrays import Columns, Floats
from savings_gym.files import read_table, verified, write_table
from savings_gym.metrics.kinematics import kinematic_measures
from savings_gym.metrics.rotation import rotation_adaptation
from savings_gym.perturbations.fields import ChannelField, Field
from savings_gym.perturbations.visual import VisualClamp, VisuomotorRotation
from savings_gym.task.schedule import Phase
from savings_gym.task.settings import CONTROL_STEP, N_TARGETS

TRAIN, PROBE = range(2)  # second key of the generators
TESTS: Final = ("probe ", "before ", "after ")  # beginnings of phases that only measure


class Stopped(Exception):
    """The process was asked to stop."""


def course_file(out: Path, course: str, sham: bool) -> Path:
    """Return the file of the probes of a course."""
    return out / f"{course}{'-sham' if sham else ''}.parquet"


def take_course(
    config: Protocols, weights: Path, course: str, sham: bool, stopped: Callable[[], bool] = lambda: False
) -> pd.DataFrame:
    """Return the probes of a course, which is taken if its file is not there yet.

    Raises:
        Stopped: If asked to stop; the course begins anew the next time.
        FloatingPointError: If a network diverged.
    """
    file = course_file(config.out, course, sham)
    if verified(file).is_file():
        return read_table(file)
    ensemble = load_ensemble(weights, config.networks)
    ensemble.freeze(*FROZEN)
    learner, made, rows = SupervisedLearner(ensemble, config.learning()), 0, []
    for phase in config.schedule(course, sham).phases:
        updates = 0 if phase.name.startswith(TESTS) else phase.trials
        for update in range(updates):
            if stopped():
                raise Stopped
            if update % config.probe_every == 0:
                rows.append(measured(config, learner, phase, update))
            learner.update(batch(config, phase, update, made))
            made += 1
        rows.append(measured(config, learner, phase, updates))
    table = pd.DataFrame({name: np.concatenate([row[name] for row in rows]) for name in rows[0]})
    write_table(file, table)
    return table


def batch(config: Protocols, phase: Phase, update: int, made: int) -> Reaches:
    """Return the training trials of an update of a phase, after so many updates of the course."""
    rng = np.random.default_rng((config.seed, TRAIN, made))
    aims = np.resize(range(N_TARGETS) if phase.targets is None else phase.targets, N_TARGETS)
    return centre_out(
        config.networks, phase.field_at(update), rng, probe=False, go_time=config.training_go,
        noise=config.noise, delays=config.delays, targets=centre_out_targets()[aims],
    )  # fmt: skip


def measured(config: Protocols, learner: SupervisedLearner, phase: Phase, update: int) -> Columns:
    """Return the rows of a probe in the field of a phase and of one in an error clamp, with equal noise."""
    reaches = _probe(config, phase.field_at(update))
    deviation = kinematic_measures(
        scored_path(learner.probe(reaches), reaches), centre_out_targets(), CONTROL_STEP
    )["lateral_deviation"]
    n, m = config.networks, N_TARGETS
    return {
        "network": np.repeat(np.arange(n, dtype=np.int32), m),
        "phase": np.full(n * m, phase.name, dtype=object),
        "update": np.full(n * m, update, dtype=np.int32),
        "target": np.tile(np.arange(m, dtype=np.int32), n),
        "lateral_deviation": deviation.ravel().astype(np.float32),
        "adaptation": _adaptation(config, learner).ravel().astype(np.float32),
    }


def _adaptation(config: Protocols, learner: SupervisedLearner) -> Floats:
    """Share of A that the networks make up for in an error clamp, (n, 8)."""
    field = config.field()
    if isinstance(field, VisuomotorRotation):
        reaches = _probe(config, VisualClamp())
        path = learner.probe(reaches).path(reaches.start)
        return rotation_adaptation(path, centre_out_targets(), field.angle_deg, CONTROL_STEP)
    walls = ChannelField()
    reaches = _probe(config, walls)
    share: Floats = wall_forces(learner.probe(reaches), reaches, walls, field).adaptation
    return share.reshape(config.networks, N_TARGETS)


def _probe(config: Protocols, field: Field) -> Reaches:
    rng = np.random.default_rng((config.seed, PROBE))
    return centre_out(config.networks, field, rng, probe=True, noise=config.noise, delays=config.delays)
