"""The main experiment: networks learn a force field, lose it, and relearn it faster.

    python -m experiments.savings --preset quick

Four phases, as in the study (eLife 107423): NF1 (no field), FF1 (curl field), NF2 (washout), FF2 (the field
again). The networks get no cue. The run folder and its files are described in ``experiments.runs.folder``; an
interrupted run goes on where it stopped when the same command is given again.
"""

from __future__ import annotations

import logging
from pathlib import Path

from agents.supervised.checkpoints import load_ensemble
from agents.supervised.learner import SupervisedLearner
from experiments.runs.command_line import StopFlag, preset_main
from experiments.runs.folder import RunFolder
from experiments.savings.config import PRESETS, Savings, identity, start_weights
from experiments.savings.experiment import FourPhases
from experiments.savings.pretrain import Pretraining, pretrain
from experiments.savings.report import Watch, finish_report, show_report
from savings_gym.fields import CurlField
from savings_gym.tracking import mirror

log = logging.getLogger(__name__)


def run(config: Savings) -> int:
    """Runs the experiment or goes on with it; returns the exit status: 0, or 130 when it was interrupted."""
    weights = start_weights(config)
    folder = RunFolder(config.out, identity(config, weights))
    if folder.complete:
        log.info("%s is complete: showing its results", config.out)
        folder.finish()
        show_report(folder.path)
        if config.track:
            mirror(folder.path)
        return 0
    stop = StopFlag()
    if weights is None:
        weights = folder.path / "pretrained.safetensors"
        if not weights.is_file():
            log.info("pre-training %d networks with %d updates", config.networks, config.pretraining_updates)
            done = pretrain(
                Pretraining(
                    weights, config.networks, config.units, config.cell, config.pretraining_updates,
                    seed=config.seed, device=config.device, noise=config.noise, delays=config.delays,
                    actuation=config.actuation,
                ),
                stop,
            )  # fmt: skip
            if not done:
                return _interrupted(config.out)
    ensemble = load_ensemble(weights, config.networks, device=config.device)
    ensemble.freeze(*config.frozen)
    learner = SupervisedLearner(ensemble, config.learning(), config.rollout, config.actuation)
    experiment = FourPhases(learner, config.phases(), config.task(), folder, CurlField(config.b))
    updates = sum(phase.updates for phase in config.phases())
    log.info("four phases, %d updates; a first run compiles for half a minute", updates)
    with Watch() as watch:
        complete = experiment.run(watch, stop)
    about = {"units": ensemble.units, "seed": config.seed, "b": config.b, "cell": ensemble.cell}
    finish_report(folder, experiment, complete, about | {"device": config.device, "rollout": config.rollout})
    if not complete:
        return _interrupted(config.out)
    if config.track:
        mirror(folder.path)
    return 0


def _interrupted(out: Path) -> int:
    log.warning("interrupted: %s holds what was done so far; the same command goes on from there", out)
    return 130


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    try:
        return preset_main(arguments, PRESETS, "quick", run, __doc__)
    except FloatingPointError as error:
        log.error("the learning diverged: %s; try a lower --learning-rate", error)
        return 1
