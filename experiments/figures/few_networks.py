"""One figure of the study's protocol from a few of its networks, added to the committed figures.

    python -m experiments.figures.few_networks timing [--networks 8] [--out runs/few-networks]

A figure that needs no more than the main run and its sham can thus be made without the 40 networks of
``experiments.figures --preset paper``, in one or two hours of one core. The command runs the first networks
of the main run anew, as *main-8* and *main-8-sham*, or goes on with these runs, and adds the figure to
``experiments/results/figures``; ``python -m experiments.figures.results_page`` then writes the page. A figure
that is there from all networks is not replaced.
"""

from __future__ import annotations

import dataclasses
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import tyro

from experiments.controls.conditions import SHAM as SHAM_CONDITION
from experiments.controls.conditions import conditions
from experiments.figures.added_runs import PATIENCE, add_to_list, listed_runs, make_runs
from experiments.figures.command import FIGURES, run_kinds
from experiments.figures.comparison import write_reference
from experiments.figures.results_page import RESULTS, stored_findings
from experiments.figures.runs import FEW, MAIN, SHAM, PlannedRun
from experiments.runs.command_line import choice, command_main
from experiments.savings.config import PRESETS
from experiments.stored.runs import StoredRuns
from savings_gym.arrays import as_choice, as_whole_number
from savings_gym.files import sole_writer

log = logging.getLogger(__name__)
MODULE: Final = "experiments.figures.few_networks"
STUDY: Final = PRESETS["paper"]
NAMES: Final = tuple(name for name, kinds in run_kinds().items() if set(kinds) <= {MAIN, SHAM})
NETWORKS: Final = 8


@dataclass(frozen=True)
class FewNetworks:
    """Arguments of the command."""

    figure: Annotated[tyro.conf.Positional[str], choice(NAMES)]
    """Name of the figure."""
    networks: int = NETWORKS
    """Networks of the two runs, the first ones of the study's protocol."""
    out: Path = Path("runs/few-networks")
    """Folder of the runs."""
    results: Path = RESULTS
    """Folder of the figures to which this one is added."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        as_choice("figure", self.figure, NAMES)
        as_whole_number("networks", self.networks, 1)
        self.check_results()

    def check_results(self) -> None:
        """Raise a ValueError if the results have the figure from all networks of the main run."""
        mine = [row for row in listed_runs(self.results) if row.get("figure") == self.figure]
        if self.figure in stored_findings(self.results) and not mine:
            raise ValueError(f"figure {self.figure} is in {self.results}, from all networks of the main run")

    def runs(self) -> tuple[PlannedRun, PlannedRun]:
        """Return the run, and its sham, which takes over what they share."""
        name = f"{MAIN}-{self.networks}"
        main = dataclasses.replace(STUDY, networks=self.networks, out=self.out / name)
        without = conditions(main)[SHAM_CONDITION].config
        sham = dataclasses.replace(without, out=self.out / f"{name}-{SHAM}")
        return PlannedRun(name, FEW, main), PlannedRun(f"{name}-{SHAM}", FEW, sham, begins_as=main.out)


def run(config: FewNetworks) -> int:
    """Make the runs, draw the figure and add it; return the exit status.

    Returns:
        0; 1 if a run failed; if interrupted, 130 after Ctrl-C and 143 after SIGTERM.
    """
    planned = config.runs()
    if status := make_runs(planned):
        return status
    main, sham = (each.config.out for each in planned)
    with sole_writer(config.results, PATIENCE):
        config.check_results()  # another command may have brought it meanwhile
        made = FIGURES[config.figure](StoredRuns(main, {}, {}, STUDY.seed, sham), config.results)
        made.save(config.results, config.figure)
        networks = "" if config.networks == NETWORKS else f" --networks {config.networks}"
        command = f"python -m {MODULE} {config.figure}{networks}"
        add_to_list(config.results, planned, command, figure=config.figure)
        known = stored_findings(config.results) | {config.figure: made}
        write_reference(config.results, {name: known[name] for name in FIGURES if name in known})
    log.info("%s", made.text)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return command_main(MODULE, FewNetworks, run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
