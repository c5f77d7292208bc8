"""Networks that went through a course meet a curl field, are washed out, and meet it again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from experiments.rehabilitation.config import INTACT, Rehabilitation, identity
from experiments.rehabilitation.courses import learner_of, networks_file, start_networks
from experiments.runs.command_line import Stopped
from experiments.runs.folder import RunFolder, digest
from experiments.savings.experiment import FourPhases, RunProgress
from savings_gym.files import sole_writer, write_json
from savings_gym.metrics.savings import savings

log = logging.getLogger(__name__)
FOLDER: Final = "relearning"


def folder_of(out: Path, units: int, course: str, sham: bool) -> Path:
    """Return the run folder of four phases after a course."""
    return out / FOLDER / f"{units}-{course}{'-sham' if sham else ''}"


def relearn(
    config: Rehabilitation,
    weights: Path,
    units: int,
    course: str,
    sham: bool,
    stopped: Callable[[], bool] = lambda: False,
) -> Path:
    """Go through the four phases, from a saved state if there is one; return the run folder.

    The lesion and the impaired arm stay, the robot is gone. A sham has no field in FF1.

    Raises:
        Stopped: If asked to stop; what was done is kept.
        FloatingPointError: If a network diverged.
    """
    out = folder_of(config.out, units, course, sham)
    run = config.relearning(units, sham, out)
    start = weights if course == INTACT else networks_file(config.out, units, course)
    about = {"course": course, "units": units, "sham": sham, "start_sha256": digest([start])}
    values = identity(config, {units: weights}) | about
    for name in ("preset", "sizes", "therapies", "relearn"):  # which other runs there are
        del values[name]
    with sole_writer(out):
        folder = RunFolder(out, values)
        if folder.complete:
            return out
        folder.check()
        learner = learner_of(config, start_networks(config, weights, units, course), course)
        experiment = FourPhases(learner, run.phases(), run.task(), folder, run.field())
        if not experiment.run(_silent, stopped):
            raise Stopped
        table = folder.table(before=experiment.part)
        folder.write_probes(table)
        summary = savings(table, seed=config.seed, partial=True).to_dict()
        write_json(folder.summary_file, summary | {"complete": True})
        folder.finish()
    log.info("%d units, %s%s: four phases are done", units, course, ", sham" if sham else "")
    return out


def _silent(progress: RunProgress) -> None:
    """Show nothing: there are many short runs."""
