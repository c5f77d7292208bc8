"""The field's protocols on networks that reach: each with its sham, beside what was found in people.

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

from experiments.claims import PAGE, as_summary, write_report
from experiments.protocols.config import PRESETS, Protocols, identity
from experiments.protocols.courses import probes_of
from experiments.protocols.measures import Pair, course_values, quantities, read
from experiments.protocols.report import draw, page
from experiments.runs.command_line import StopFlag, Stopped, command_text, preset_main
from experiments.runs.folder import RunFolder
from savings_gym.files import sole_writer

log = logging.getLogger(__name__)


def run(config: Protocols) -> int:
    """Take every course and report; return the exit status.

    Returns:
        0; 1 if the learning diverged; if interrupted, 130 after Ctrl-C and 143 after SIGTERM.
    """
    weights = config.check()
    with StopFlag() as stop, sole_writer(config.out):
        folder = RunFolder(config.out, identity(config, weights))
        if folder.complete:
            log.info("%s is complete:\n%s", config.out, (config.out / PAGE).read_text())
            return 0
        folder.check()
        pairs = {}
        try:
            for course in config.only:
                log.info("%s, and its sham", course)
                pairs[course] = Pair(
                    *(read(probes_of(config, weights, course, sham, stop)) for sham in (False, True))
                )
        except Stopped:
            log.warning("interrupted: the same command goes on from there")
            return stop.status
        except FloatingPointError as error:
            log.error("the learning diverged: %s; try a lower --learning-rate", error)
            return 1
        values = course_values(pairs, config)
        numbers = quantities(values, config.seed)
        draw(pairs, values, config, config.out)
        made_by = command_text("experiments.protocols", config, PRESETS)
        write_report(config.out, page(numbers, config, made_by), made_by, as_summary(numbers, values))
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return preset_main("experiments.protocols", PRESETS, "quick", run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
