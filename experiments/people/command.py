"""The analysis of people's trials: learning curves, savings with intervals and tests, forecasts of models.

    python -m experiments.people TABLE.csv --unit mm|cm|m|deg|rad [--out runs/people]
        [--columns participant=subj ...] [--phases baseline=NF1 ...] [--sham CSV] [--models one-rate ...]

reads a trial table (see ``savings_gym.trials``) with the phases FF1 and FF2, and any others. Writes
README.md, people.png and summary.json; with models, also what experiments.theories writes, in the folder
models. The same command on a finished folder shows the page again.
"""

from __future__ import annotations

import sys
from typing import Any

from experiments.claims import as_summary
from experiments.people.config import People, command, identity
from experiments.people.forecasts import learners, outcomes_of
from experiments.people.forecasts import report as report_models
from experiments.people.groups import main_group, sham_group
from experiments.people.measures import Numbers, group_values, half_starts, quantities, shared_points
from experiments.people.report import Analysis, draw, page
from experiments.runs.command_line import StopFlag, command_main
from experiments.runs.folder import RunFolder
from experiments.runs.page import run_to_page, write_report
from experiments.runs.tables import finite_or_none
from savings_gym.metrics.savings import FIELD_PHASES


def analyse(config: People) -> Analysis:
    """Read the tables, and return what they say of every participant.

    Raises:
        FileNotFoundError, ValueError: If a table is refused, see `main_group` and `sham_group`, or a block is
            longer than FF1 or FF2.
    """
    group = main_group(config)
    sham = None if config.sham is None else sham_group(config, config.sham, group)
    block = group.block if config.block is None else config.block
    points = shared_points([group] if sham is None else [group, sham], block)
    if points < 1:
        raise ValueError(f"a block of {block} trials is longer than FF1 or FF2; use a smaller --block")
    criteria = half_starts(group, config.start)
    values, reasons = group_values(group, config.start, block, points, criteria)
    left_out, sham_values = [*group.left_out, *reasons], None
    if sham is not None:
        sham_values, reasons = group_values(sham, config.start, block, points, criteria, FIELD_PHASES[1:])
        left_out += [f"sham: {reason}" for reason in (*sham.left_out, *reasons)]
    return Analysis(config, group, sham, block, points, values, sham_values, tuple(left_out))


def run(config: People) -> int:
    """Analyse the tables and report; return the exit status, see `run_to_page`."""
    analysis = analyse(config)
    source = learners(analysis.group, config) if config.models else None

    def work(folder: RunFolder, stop: StopFlag) -> None:
        made_by, section = command(config), ""
        models: dict[str, Any] = {}
        if source is not None:
            outcomes = outcomes_of(source, config, stop)
            section, models = report_models(config.out, source, outcomes, config, made_by)
        units = {name: measured.unit for name, measured in analysis.group.measures.items()}
        numbers = quantities(analysis.values, analysis.sham_values, units)
        draw(analysis, numbers, config.out)
        text = page(analysis, numbers, section, made_by)
        write_report(config.out, text, made_by, _summary(analysis, numbers), models=models)

    return run_to_page(config.out, identity(config), work, again="begins anew")


def _summary(analysis: Analysis, numbers: Numbers) -> dict[str, Any]:
    """All quantities, the values of every participant in their units, and what was left out; JSON-able."""
    people = analysis.group.participants
    return {
        "measures": as_summary(numbers, {})["measures"],
        "participants": {
            measure: {
                name: dict(zip(people, map(finite_or_none, its), strict=True)) for name, its in found.items()
            }
            for measure, found in analysis.values.items()
        },
        "left_out": list(analysis.left_out),
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return command_main("experiments.people", People, run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
