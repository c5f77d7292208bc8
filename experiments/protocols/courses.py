"""Networks through one protocol, or its sham, and the file of what came of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from agents.supervised.course import pretrained_learner, take_course
from experiments.protocols.config import Protocols
from experiments.runs.command_line import Stopped
from savings_gym.files import read_table, verified, write_table


def course_file(out: Path, course: str, sham: bool) -> Path:
    """Return the file of the probes of a course."""
    return out / f"{course}{'-sham' if sham else ''}.parquet"


def probes_of(
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

    def stop() -> None:
        if stopped():
            raise Stopped

    learner = pretrained_learner(weights, config.networks, config.learning(course))
    table = pd.DataFrame(
        take_course(
            learner, config.schedule(course, sham), config.field(), seed=config.seed,
            probe_every=config.probe_every, noise=config.noise, delays=config.delays,
            training_go=config.training_go, before_update=stop,
        )
    )  # fmt: skip
    write_table(file, table)
    return table
