"""One condition of the study's protocol: run with its sham, and added to the committed figure of factors.

    python -m experiments.figures.condition NAME [--out runs/conditions]

A condition differs from the main run in one thing, see ``experiments.controls.conditions``. To compare it,
nothing of the main run is needed but its arguments, which are those of the preset *paper*, and the values of
its networks, which are committed. So conditions can be run one by one, on any machine. The command makes the
two runs in ``--out``, or goes on with them, and adds them to ``experiments/results/figures``;
``python -m experiments.figures.results_page`` then writes the page.
"""

from __future__ import annotations

import dataclasses
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import tyro

from experiments.controls.conditions import FACTOR_NETWORKS, MAIN, SHAM, Condition, conditions
from experiments.figures.added_runs import PATIENCE, add_to_list, make_runs
from experiments.figures.factors import factors_in, findings_of, is_factor, measured
from experiments.figures.findings import Findings
from experiments.figures.results_page import RESULTS
from experiments.figures.runs import FACTOR, PlannedRun
from experiments.runs.command_line import choice, command_main
from experiments.savings.config import PRESETS, Savings
from experiments.stored.runs import StoredRuns
from savings_gym.arrays import as_choice
from savings_gym.files import sole_writer
from savings_gym.metrics.statistics import Sampling

log = logging.getLogger(__name__)
FIGURE: Final = "factors"
MODULE: Final = "experiments.figures.condition"


def factor_conditions(main: Savings) -> dict[str, Condition]:
    """Return the conditions that the figure of factors has beside the main run, by name."""
    return {name: each for name, each in conditions(main).items() if is_factor(each)}


STUDY: Final = PRESETS["paper"]
NAMES: Final = tuple(factor_conditions(STUDY))


@dataclass(frozen=True)
class AddCondition:
    """Arguments of the command."""

    name: Annotated[tyro.conf.Positional[str], choice(NAMES)]
    """Name of the condition."""
    out: Path = Path("runs/conditions")
    """Folder of the runs of all conditions."""
    results: Path = RESULTS
    """Folder of the figure to which the condition is added."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        as_choice("condition", self.name, NAMES)
        self.known()

    def known(self) -> Findings:
        """Return the figure as it is.

        Raises:
            FileNotFoundError, ValueError: If there is none.
        """
        return Findings.load(self.results, FIGURE)

    def runs(self) -> tuple[PlannedRun, PlannedRun]:
        """Return the run of the condition, and that of its sham, which takes over what they share."""
        condition = conditions(STUDY)[self.name]
        networks = min(FACTOR_NETWORKS, condition.config.networks)
        sham = f"{self.name}-{SHAM}"
        run = dataclasses.replace(condition.config, networks=networks, out=self.out / self.name)
        practice = dataclasses.replace(run.change, ff1_b=0.0)
        without = dataclasses.replace(run, change=practice, out=self.out / sham)
        return PlannedRun(self.name, FACTOR, run), PlannedRun(sham, FACTOR, without, begins_as=run.out)


def run(config: AddCondition) -> int:
    """Make the runs, measure them and add them; return the exit status.

    Returns:
        0; 1 if a run failed; if interrupted, 130 after Ctrl-C and 143 after SIGTERM.
    """
    planned = config.runs()
    if status := make_runs(planned):
        return status
    every = factor_conditions(STUDY)
    questions = {MAIN: "As in the main run"} | {name: each.tests for name, each in every.items()}
    folders = [each.config.out for each in planned]
    added = measured(StoredRuns(folders[0], {}, {}, STUDY.seed), questions[config.name], *folders)
    with sole_writer(config.results, PATIENCE):
        found = factors_in(config.known().networks, questions) | {config.name: added}
        found = {name: found[name] for name in questions if name in found}
        findings = findings_of(found, Sampling(STUDY.seed), config.results).save(config.results, FIGURE)
        add_to_list(config.results, planned, f"python -m {MODULE} {config.name}")
    log.info("%s", findings.text)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return command_main(MODULE, AddCondition, run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
