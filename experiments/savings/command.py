"""The main experiment: networks learn a force field, lose it, and relearn it faster.

    python -m experiments.savings --preset quick

Four phases, as in the study (eLife 107423): NF1 (no field), FF1 (curl field), NF2 (washout), FF2 (the field
again). Nothing tells the networks which field is on. ``experiments.runs.folder`` describes the run folder and
its files; an interrupted run goes on from where it stopped if the same command is repeated.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from agents.supervised.checkpoints import delays_of, delays_text, load_ensemble, read_metadata
from agents.supervised.learner import SupervisedLearner
from agents.supervised.local_rule import describe_rule
from agents.supervised.reaches import Timing
from experiments.runs.command_line import StopFlag, preset_main
from experiments.runs.folder import RunFolder
from experiments.savings.config import (
    PRESETS,
    PRETRAINED,
    Savings,
    check_memory,
    finished,
    identity,
    start_weights,
)
from experiments.savings.experiment import FourPhases
from experiments.savings.pretrain import pretrain
from experiments.savings.report import ProgressDisplay, draw, finish_report, missing_figures, show_report
from experiments.savings.unused import check_given
from savings_gym.files import sole_writer
from savings_gym.probes.tracking import mirror
from savings_gym.task.settings import N_TARGETS

log = logging.getLogger(__name__)


def run(config: Savings) -> int:
    """Run the experiment or resume it; return the exit status.

    Returns:
        0; 1 if the learning diverged; if the run was interrupted, 130 after Ctrl-C and 143 after SIGTERM.
    """
    with StopFlag() as stop:
        try:
            complete = _show(config, stop) if finished(config) else _run_phases(config, stop)
        except FloatingPointError as error:
            log.error("the learning diverged: %s; try a lower --learning-rate", error)
            return 1
        if not complete:
            log.warning(
                "interrupted: %s keeps what was done; the same command goes on from there", config.out
            )
            return stop.status
    if config.track:
        mirror(config.out)
    return 0


def _show(config: Savings, stop: StopFlag) -> bool:
    """Show a complete run, and draw the figures that it lacks; return whether the end was reached."""
    log.info("%s is complete: showing its results", config.out)
    RunFolder(config.out, identity(config, start_weights(config))).finish()
    show_report(config.out)
    if config.figures and (lacking := missing_figures(config.out)):
        with sole_writer(config.out):
            draw(config.out, stop, lacking)
    return not stop()


def _run_phases(config: Savings, stop: StopFlag) -> bool:
    """Pre-train if asked, run the four phases and report; return whether the end was reached."""
    check_memory(config)
    weights = start_weights(config)
    with sole_writer(config.out):
        return _run_in(RunFolder(config.out, identity(config, weights), config.device), config, weights, stop)


def _run_in(folder: RunFolder, config: Savings, weights: Path | None, stop: StopFlag) -> bool:
    """Do the work of `_run_phases` in its folder, which no other process writes."""
    folder.check()
    if weights is not None:
        _compare_delays(weights, config)
    weights = weights or folder.path / PRETRAINED
    if not weights.is_file():
        log.info("pre-training %d networks with %d updates", config.networks, config.pretraining_updates)
        if not pretrain(config.pretraining(weights), stop):
            return False
    _check_pretrained(weights, config)
    ensemble = load_ensemble(weights, config.networks, device=config.device)
    ensemble.freeze(*config.frozen)
    learner = SupervisedLearner(
        ensemble, config.learning(), config.rollout, config.actuation, stop_diverging=True
    )
    experiment = FourPhases(learner, config.phases(), config.task(), folder, config.field())
    log.info("%s", describe_rule(config.rule, config.cell))
    updates = sum(phase.updates for phase in config.phases())
    log.info("four phases, %d updates; the first run on a machine compiles its kernels first", updates)
    with ProgressDisplay() as display:
        complete = experiment.run(display, stop)
    metadata: dict[str, Any] = {
        "units": ensemble.units, "seed": config.seed, "b": config.b, "cell": ensemble.cell,
        "device": config.device, "rollout": config.rollout,
    }  # fmt: skip
    if config.perturbation != "curl":
        metadata["perturbation"] = config.field().to_dict()
    if config.criterion is not None:
        metadata["first_phase"] = {
            "error": config.criterion, "probes": config.criterion_probes, "met": experiment.criterion_met,
            "trials": experiment.phases[0].updates * N_TARGETS,
        }  # fmt: skip
    return finish_report(folder, experiment, complete, metadata, stop, config.figures)


def _check_pretrained(weights: Path, config: Savings) -> None:
    """Refuse to go on with fewer networks than asked for, because others diverged in their pre-training."""
    metadata = read_metadata(weights)
    if "diverged" in metadata and metadata["networks"] < config.networks:
        raise ValueError(
            f"{weights} holds {metadata['networks']} networks: {', '.join(metadata['diverged'])} of "
            f"{config.networks} diverged in pre-training; go on with the others in a new folder, --networks "
            f"{metadata['networks']} --pretrained {weights}, or pre-train with another seed"
        )


def _compare_delays(weights: Path, config: Savings) -> None:
    """Warn if networks were pre-trained with other delays than those of the run."""
    trained = delays_of(weights)
    if Timing.of(trained) != Timing.of(config.delays):
        log.warning(
            "%s holds networks that were pre-trained with %s; in this run it is %s",
            weights, delays_text(trained), delays_text(config.delays),
        )  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return preset_main("experiments.savings", PRESETS, "quick", run, arguments, __doc__, check_given)
