"""Networks of one size through one course of therapy, with a probe every few updates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from agents.supervised.checkpoints import load_ensemble, save_ensemble
from agents.supervised.learner import FROZEN, SupervisedLearner
from agents.supervised.lesions import lesioned
from agents.supervised.networks import Ensemble
from agents.supervised.reaches import Reaches, centre_out, centre_out_targets, random_reaches
from experiments.rehabilitation.config import INTACT, Rehabilitation
from experiments.rehabilitation.therapy import EVERYDAY, PRACTICE, THERAPIES, Robot
from experiments.runs.command_line import Stopped
from savings_gym.arrays import Columns
from savings_gym.files import read_table, verified, write_table
from savings_gym.metrics.kinematics import kinematic_measures
from savings_gym.perturbations.fields import NullField
from savings_gym.task.settings import CONTROL_STEP, N_TARGETS

TRAIN, PROBE = range(2)  # second key of the generators
BEFORE: Final = -1  # "update" of the probe before the lesion


def networks_file(out: Path, units: int, therapy: str) -> Path:
    """Return the file of the networks at the end of a course."""
    return out / f"networks_{units}_{therapy}.safetensors"


def probes_file(out: Path, units: int, therapy: str) -> Path:
    """Return the file of the probes of a course."""
    return out / f"probes_{units}_{therapy}.parquet"


def start_networks(config: Rehabilitation, weights: Path, units: int, course_name: str) -> Ensemble:
    """Return the networks as they are before four phases: intact, or lesioned at the end of a course."""
    if course_name == INTACT:
        ensemble = load_ensemble(weights, config.networks)
        ensemble.freeze(*FROZEN)
        return ensemble
    ensemble = load_ensemble(networks_file(config.out, units, course_name))
    ensemble.freeze(*FROZEN)
    return lesioned(ensemble, config.lesion, config.seed)


def learner_of(config: Rehabilitation, ensemble: Ensemble, course_name: str) -> SupervisedLearner:
    """Return the learner of these networks, with the arm that they then have."""
    if course_name == INTACT:
        return SupervisedLearner(ensemble, config.learning())
    return SupervisedLearner(ensemble, config.learning(), arm=config.arm(), impairments=config.impairments())


def course_probes(
    config: Rehabilitation,
    weights: Path,
    units: int,
    therapy: str,
    stopped: Callable[[], bool] = lambda: False,
) -> pd.DataFrame:
    """Return the probes of a course, which is taken if its files are not there yet.

    Update i of a kind of block draws the same reaches in every therapy.

    Raises:
        Stopped: If asked to stop; the course begins anew the next time.
        FloatingPointError: If a network diverged.
    """
    file, probes = networks_file(config.out, units, therapy), probes_file(config.out, units, therapy)
    if verified(file).is_file() and verified(probes).is_file():
        return read_table(probes)
    ensemble = load_ensemble(weights, config.networks)
    ensemble.freeze(*FROZEN)
    rows = [_probe(config, learner_of(config, ensemble, INTACT), BEFORE, INTACT)]
    learner = learner_of(config, lesioned(ensemble, config.lesion, config.seed), therapy)
    taken = dict.fromkeys(THERAPIES, 0)  # updates of every kind
    update = 0
    blocks = config.blocks(therapy)
    for block in blocks:
        robot = Robot(block.kind, config.networks, config.assistance, config.forgetting, config.augmentation)
        for _ in range(block.updates):
            if stopped():
                raise Stopped
            if update % config.probe_every == 0:
                rows.append(_probe(config, learner, update, block.kind))
            kind = EVERYDAY if block.kind == EVERYDAY else PRACTICE
            terms = learner.update(_batch(config, kind, taken[kind], robot))
            robot.learn(terms["position"].double().cpu().numpy())
            taken[kind] += 1
            update += 1
    rows.append(_probe(config, learner, update, blocks[-1].kind))
    table = pd.DataFrame({name: np.concatenate([row[name] for row in rows]) for name in rows[0]})
    write_table(probes, table)
    lost = {"units": config.lesion.units, "weights": config.lesion.weights, "seed": config.seed}
    save_ensemble(file, learner.ensemble, therapy=therapy, lesion=lost)
    return table


def _batch(config: Rehabilitation, kind: str, number: int, robot: Robot) -> Reaches:
    """Return the trials of the update of this number among those of its kind."""
    rng = np.random.default_rng((config.seed, TRAIN, THERAPIES.index(kind), number))
    common = {
        "go_time": config.training_go, "noise": config.noise, "delays": config.delays,
        "signal_noise": config.signal_noise,
    }  # fmt: skip
    if kind == EVERYDAY:
        return random_reaches(config.networks, N_TARGETS, NullField(), rng, **common)  # type: ignore[arg-type]
    return centre_out(config.networks, robot.fields(), rng, probe=False, **common)  # type: ignore[arg-type]


def _probe(config: Rehabilitation, learner: SupervisedLearner, update: int, block: str) -> Columns:
    """Return the rows of a probe without any robot, with the same noise every time."""
    rng = np.random.default_rng((config.seed, PROBE))
    reaches = centre_out(
        config.networks, NullField(), rng, probe=True, noise=config.noise, delays=config.delays,
        signal_noise=learner.arm.impairments.signal_noise,
    )  # fmt: skip
    path = learner.probe(reaches).path(reaches.start)
    measures = kinematic_measures(path, centre_out_targets(), CONTROL_STEP)
    n, m = path.shape[:2]
    index: Columns = {
        "network": np.repeat(np.arange(n, dtype=np.int32), m),
        "update": np.full(n * m, update, dtype=np.int32),
        "block": np.full(n * m, block, dtype=object),
        "target": np.tile(np.arange(m, dtype=np.int32), n),
    }
    return index | {name: values.ravel().astype(np.float32) for name, values in measures.items()}
