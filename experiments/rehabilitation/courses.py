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
from agents.supervised.reaches import Reaches, centre_out, random_reaches
from experiments.rehabilitation.config import INTACT, Rehabilitation, is_intact
from experiments.rehabilitation.therapy import EVERYDAY, PRACTICE, THERAPIES, Robot
from experiments.runs.command_line import Stopped
from savings_gym.arrays import Columns, joined
from savings_gym.files import read_table, verified, write_table
from savings_gym.metrics.kinematics import kinematic_measures
from savings_gym.perturbations.fields import NullField
from savings_gym.task.settings import CONTROL_STEP, N_TARGETS

TRAIN, PROBE, UNPRACTISED_PROBE = range(3)  # second key of the generators
BEFORE: Final = -1  # "update" of the probe before the lesion
PRACTISED_REACHES, UNPRACTISED_REACHES = REACHES = ("practised", "unpractised")  # of every probe
UNPRACTISED: Final = 16  # reaches of a probe that no therapy practises


def networks_file(out: Path, units: int, course_name: str) -> Path:
    """Return the file of the networks at the end of a course."""
    return out / f"networks_{units}_{course_name}.safetensors"


def probes_file(out: Path, units: int, course_name: str) -> Path:
    """Return the file of the probes of a course."""
    return out / f"probes_{units}_{course_name}.parquet"


def start_networks(config: Rehabilitation, weights: Path, units: int, course_name: str) -> Ensemble:
    """Return the networks as they are before four phases: intact, or lesioned at the end of a course."""
    if course_name == INTACT:
        ensemble = load_ensemble(weights, config.networks)
        ensemble.freeze(*FROZEN)
        return ensemble
    ensemble = load_ensemble(networks_file(config.out, units, course_name))
    ensemble.freeze(*FROZEN)
    return ensemble if is_intact(course_name) else lesioned(ensemble, config.lesion, config.seed)


def learner_of(config: Rehabilitation, ensemble: Ensemble, course_name: str) -> SupervisedLearner:
    """Return the learner of these networks, with the arm that they then have."""
    if is_intact(course_name):
        return SupervisedLearner(ensemble, config.learning())
    return SupervisedLearner(ensemble, config.learning(), arm=config.arm(), impairments=config.impairments())


def course_probes(
    config: Rehabilitation,
    weights: Path,
    units: int,
    course_name: str,
    stopped: Callable[[], bool] = lambda: False,
) -> pd.DataFrame:
    """Return the probes of a course, which is taken if its files are not there yet.

    Update i of a kind of block draws the same reaches in every course, of intact and lesioned networks alike.

    Raises:
        Stopped: If asked to stop; the course begins anew the next time.
        FloatingPointError: If a network diverged.
    """
    file, probes = networks_file(config.out, units, course_name), probes_file(config.out, units, course_name)
    if verified(file).is_file() and verified(probes).is_file():
        return read_table(probes)
    ensemble = load_ensemble(weights, config.networks)
    ensemble.freeze(*FROZEN)
    rows = _probe(config, learner_of(config, ensemble, INTACT), BEFORE, INTACT)
    if not is_intact(course_name):
        ensemble = lesioned(ensemble, config.lesion, config.seed)
    learner = learner_of(config, ensemble, course_name)
    taken = dict.fromkeys(THERAPIES, 0)  # updates of every kind
    update = 0
    blocks = config.blocks(course_name)
    for block in blocks:
        robot = Robot(block.kind, config.networks, config.assistance, config.forgetting, config.augmentation)
        for _ in range(block.updates):
            if stopped():
                raise Stopped
            if update % config.probe_every == 0:
                rows += _probe(config, learner, update, block.kind)
            kind = EVERYDAY if block.kind == EVERYDAY else PRACTICE
            terms = learner.update(_batch(config, kind, taken[kind], robot))
            robot.learn(terms["position"].double().cpu().numpy())
            taken[kind] += 1
            update += 1
    rows += _probe(config, learner, update, blocks[-1].kind)
    table = pd.DataFrame(joined(rows))
    write_table(probes, table)
    lost = {"units": config.lesion.units, "weights": config.lesion.weights, "seed": config.seed}
    about = {} if is_intact(course_name) else {"lesion": lost}
    save_ensemble(file, learner.ensemble, course=course_name, **about)
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


def _probe(config: Rehabilitation, learner: SupervisedLearner, update: int, block: str) -> list[Columns]:
    """Return the rows of a probe without any robot: of the practised reaches, and of unpractised ones.

    The reaches and the noise are the same in every probe.
    """
    common = {
        "probe": True, "noise": config.noise, "delays": config.delays,
        "signal_noise": learner.arm.impairments.signal_noise,
    }  # fmt: skip
    rng = np.random.default_rng((config.seed, PROBE))
    practised = centre_out(config.networks, NullField(), rng, **common)  # type: ignore[arg-type]
    rng = np.random.default_rng((config.seed, UNPRACTISED_PROBE))
    unpractised = random_reaches(config.networks, UNPRACTISED, NullField(), rng, **common)  # type: ignore[arg-type]
    return [
        _rows(learner, reaches, name, update, block)
        for name, reaches in zip(REACHES, (practised, unpractised), strict=True)
    ]


def _rows(learner: SupervisedLearner, reaches: Reaches, name: str, update: int, block: str) -> Columns:
    """Return one row for every network and reach."""
    path = learner.probe(reaches).path(reaches.start)
    measures = kinematic_measures(path, reaches.target.double().cpu().numpy(), CONTROL_STEP)
    n, m = path.shape[:2]
    index: Columns = {
        "network": np.repeat(np.arange(n, dtype=np.int32), m),
        "update": np.full(n * m, update, dtype=np.int32),
        "block": np.full(n * m, block, dtype=object),
        "reaches": np.full(n * m, name, dtype=object),
        "target": np.tile(np.arange(m, dtype=np.int32), n),
    }
    return index | {key: values.ravel().astype(np.float32) for key, values in measures.items()}
