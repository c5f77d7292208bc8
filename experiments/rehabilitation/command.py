"""Rehabilitation: lesion, courses of therapy, and relearning of a force field, against network size.

    python -m experiments.rehabilitation --preset quick|smoke [--out runs/rehabilitation-quick]

takes networks that reach, lesions them, and takes each through several courses of practice and everyday life:
more or less of it, at once or spaced out, with a robot that helps as needed or makes errors larger. Probes
test the practised reaches, and others that no therapy practises. After some courses the networks, and intact
ones that took the same course, meet a curl field twice, with a washout between, and with shams. Writes probes
and networks of every course, run folders in ``relearning``, summary.json, rehabilitation.png and README.md.
The same command goes on with what is missing; a kill loses one course at most.
"""

from __future__ import annotations

import logging
import sys

import pandas as pd

from experiments.claims import as_summary
from experiments.rehabilitation.config import PRESETS, Rehabilitation, identity
from experiments.rehabilitation.courses import course_probes
from experiments.rehabilitation.figure import draw
from experiments.rehabilitation.measures import Values, course_values, quantities, relearning_values
from experiments.rehabilitation.relearning import relearn
from experiments.rehabilitation.report import page
from experiments.runs.command_line import StopFlag, command_text, preset_main
from experiments.runs.folder import RunFolder
from experiments.runs.page import run_to_page, write_report
from savings_gym.files import PROBES, read_table

log = logging.getLogger(__name__)
Courses = dict[int, dict[str, pd.DataFrame]]  # units to name of the course to probes


def run(config: Rehabilitation) -> int:
    """Lesion, treat, relearn and report; return the exit status, see `run_to_page`."""
    weights = config.check()

    def work(folder: RunFolder, stop: StopFlag) -> None:
        courses: Courses = {units: {} for units in config.sizes}
        for units in config.sizes:
            for course in config.courses:
                log.info("%d units, %s", units, course)
                courses[units][course] = course_probes(config, weights[units], units, course, stop)
        values = {units: course_values(tables, config) for units, tables in courses.items()}
        for units in config.sizes:
            found = {
                course: tuple(
                    read_table(relearn(config, weights[units], units, course, sham, stop) / PROBES)
                    for sham in (False, True)
                )
                for course in config.relearn
            }
            values[units] |= relearning_values(found)
        _report(config, courses, values)

    return run_to_page(config.out, identity(config, weights), work, "--learning-rate")


def _report(config: Rehabilitation, courses: Courses, values: Values) -> None:
    """Write figure, page and summary."""
    numbers = quantities(values, config)
    draw(courses, values, numbers, config, config.out)
    made_by = command_text("experiments.rehabilitation", config, PRESETS)
    text = page(numbers, config, made_by)
    by_size = {f"{units} units": its for units, its in values.items()}
    write_report(config.out, text, made_by, as_summary(numbers, by_size))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return preset_main("experiments.rehabilitation", PRESETS, "quick", run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
