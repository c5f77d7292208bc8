"""Protocols of motor learning on networks that reach: each with its sham, beside what was found in people.

    python -m experiments.protocols --preset quick|smoke [--perturbation rotation]

takes copies of the same networks through the protocols of ``savings_gym.task.protocols``: a perturbation A at
once and gradually, A-B-A, A-B-clamp, A and a block of error clamps, single updates in A, and A towards one
target. In the sham of each, networks practise as much without A. Writes the probes of every course,
summary.json, protocols.png and README.md. The same command goes on with what is missing; a kill loses one
course at most.
"""

from __future__ import annotations

import logging
import sys

from experiments.claims import as_summary
from experiments.protocols.config import PRESETS, Protocols, identity
from experiments.protocols.courses import probes_of
from experiments.protocols.figure import draw
from experiments.protocols.measures import course_values, quantities
from experiments.protocols.pairs import Pair, read
from experiments.protocols.report import page
from experiments.runs.command_line import StopFlag, command_text, preset_main, refuse_unused
from experiments.runs.folder import RunFolder
from experiments.runs.page import run_to_page, write_report

log = logging.getLogger(__name__)


def check_given(config: Protocols) -> None:
    """Refuse arguments of a command line that change nothing.

    Raises:
        ValueError: If there are such arguments.
    """
    other, name = {"curl": ("rotation", "angle_deg"), "rotation": ("curl", "b")}[config.perturbation]
    refuse_unused(config, PRESETS[config.preset], {name: f"without --perturbation {other}"})


def run(config: Protocols) -> int:
    """Take every course and report; return the exit status, see `run_to_page`."""
    weights = config.check()

    def work(folder: RunFolder, stop: StopFlag) -> None:
        pairs = {}
        for course in config.only:
            log.info("%s, and its sham", course)
            run, sham = (read(probes_of(config, weights, course, which, stop)) for which in (False, True))
            pairs[course] = Pair(run, sham)
        values = course_values(pairs, config)
        numbers = quantities(values, config)
        draw(pairs, values, config, config.out)
        made_by = command_text("experiments.protocols", config, PRESETS)
        write_report(config.out, page(numbers, config, made_by), made_by, as_summary(numbers, values))

    return run_to_page(config.out, identity(config, weights), work, "--learning-rate")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return preset_main("experiments.protocols", PRESETS, "quick", run, arguments, __doc__, check_given)


if __name__ == "__main__":
    sys.exit(main())
