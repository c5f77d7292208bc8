"""The decisive test on people: models that were fitted up to the end of NF2 forecast FF2."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from experiments.people.config import People
from experiments.people.groups import Group
from experiments.runs.command_line import StopFlag, Stopped
from experiments.theories.command import perturbation_sizes
from experiments.theories.learners import Source, people
from experiments.theories.prediction import EARLY, THEORIES, Outcome, outcome, verdicts
from experiments.theories.report import FIGURE, PAGE, sentence, write
from savings_gym.files import jsonable
from savings_gym.metrics.savings import FIELD_PHASES

log = logging.getLogger(__name__)
FOLDER: Final = "models"  # in the run folder
Outcomes = Mapping[str, list[Outcome]]


def learners(group: Group, config: People) -> Source:
    """Return the participants as learners, with the first measure of the table in its unit.

    Raises:
        ValueError: If a participant lacks NF2, rows of trials, the size of a perturbation, or values at the
            start of FF1 or FF2.
    """
    measure, measured = next(iter(group.measures.items()))
    shortest = min(int(measured.lengths[field].min()) for field in FIELD_PHASES)
    first = min(config.start, math.ceil(EARLY * shortest))  # the verdicts are about both
    for phase in FIELD_PHASES:
        for person, value in zip(group.participants, measured.start(phase, first), strict=True):
            if np.isnan(value):
                raise ValueError(
                    f"participant {person} has no {measure} in the first {first} trial(s) of {phase}, which "
                    "models need; use a larger --start, or no --models"
                )
    source = people(
        config.table.stem, group.table, measure, perturbation_sizes(config.perturbation), config.start
    )
    unit = "" if measured.unit == "1" else measured.unit
    return dataclasses.replace(source, origin=f"`{config.table}`", unit=unit, factor=measured.factor)


def outcomes_of(source: Source, config: People, stop: StopFlag) -> dict[str, list[Outcome]]:
    """Fit the models to every learner, and let them forecast FF2.

    Raises:
        Stopped: If asked to stop.
    """
    outcomes: dict[str, list[Outcome]] = {}
    for name in (name for name in THEORIES if name in config.models):
        log.info("%s, participants: %d", THEORIES[name].name, len(source.learners))
        outcomes[name] = []
        for learner in source.learners:
            if stop():
                raise Stopped
            outcomes[name].append(outcome(learner, THEORIES[name], config.start, config.starts, config.seed))
    return outcomes


def report(
    folder: Path, source: Source, outcomes: Outcomes, config: People, command: str
) -> tuple[str, dict[str, Any]]:
    """Write tables, figure and page of the models; return a section, and verdicts (SI) for the summary."""
    found = verdicts(dict(outcomes), config.seed)
    write(folder / FOLDER, command, [(source, outcomes, found)])
    sentences = "\n".join(f"- {sentence(source, verdict)}" for verdict in found.values())
    text = f"""## Models

Each model is fitted to each participant up to the end of NF2 and then says what happens in FF2; what it does
not say is *beyond the forecast*. p values of models are corrected (Holm) among themselves.
[The table, and what it means]({FOLDER}/{PAGE}).

{sentences}

![Forecasts of FF2]({FOLDER}/{FIGURE})
"""
    return text, {name: jsonable(dataclasses.asdict(verdict)) for name, verdict in found.items()}
