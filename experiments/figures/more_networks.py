"""Networks of a size: run with their shams, and added to the committed figures that compare sizes.

    python -m experiments.figures.more_networks 256 --networks 4 --seed 0 [--out runs/sizes]

Networks are pre-trained in their run, as those of other sizes were, and follow the study's schedule; the
sham is the same without a field in FF1. Nothing of other runs is needed: the figures of size, of practice,
of the relation between shift and savings and of fading displacements store one value per network, to which
those of the new networks are added. So a size can grow by a few networks at a time, each time with another
seed, on any machine. Networks that have not learned to reach by the end of NF1 (`MOST_ERROR`) are left out,
and counted on the page. The command makes the two runs in ``--out``, or goes on with them, and changes
``experiments/results/figures``; ``python -m experiments.figures.results_page`` then writes the page.
"""

from __future__ import annotations

import dataclasses
import logging
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import tyro

from experiments.figures import fading, practice, relation, size
from experiments.figures.added_runs import PATIENCE, add_to_list, listed_runs, make_runs
from experiments.figures.comparison import write_reference
from experiments.figures.fading import FADING
from experiments.figures.findings import Findings
from experiments.figures.persistence import measure
from experiments.figures.practice import BEYOND
from experiments.figures.results_page import LEFT_OUT, RESULTS, stored_findings
from experiments.figures.runs import SIZE, PlannedRun, check_alike, plan_size_shams
from experiments.runs.command_line import command_main
from experiments.savings.config import PRESETS, SIZE_WEIGHTS, Savings
from experiments.stored.runs import StoredRuns, pretraining
from savings_gym.arrays import MM, Columns, as_seed, as_whole_number
from savings_gym.files import sole_writer
from savings_gym.metrics.statistics import Sampling
from savings_gym.probes.criterion import ReachCriterion

log = logging.getLogger(__name__)
MODULE: Final = "experiments.figures.more_networks"
STUDY: Final = PRESETS["paper"]
MOST_ERROR: Final = ReachCriterion().error  # m, mean end-point error at the end of NF1
FIRST: Final = "first_network"  # in the list of runs: number of a run's first network in the figures


@dataclass(frozen=True)
class MoreNetworks:
    """Arguments of the command."""

    units: tyro.conf.Positional[int]
    """Recurrent units of the networks: a size of which no weights ship."""
    networks: int = 4
    """How many networks are added."""
    seed: int = 0
    """Seed of the two runs: with another seed, a size gets other networks."""
    out: Path = Path("runs/sizes")
    """Folder of the runs."""
    results: Path = RESULTS
    """Folder of the figures to which the networks are added."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        as_whole_number("units", self.units, 1)
        as_whole_number("networks", self.networks, 1)
        as_seed("seed", self.seed)
        if self.units in SIZE_WEIGHTS:
            raise ValueError(
                f"networks of {self.units} units ship and are in the figures, as are those of "
                f"{', '.join(map(str, SIZE_WEIGHTS))}: choose another size"
            )
        rows = [row for row in listed_runs(self.results) if row["kind"] == SIZE]
        other = next(
            (row for row in rows if row["name"] == self.name and row["added_by"] != self.command), None
        )
        if other is not None:
            raise ValueError(
                f"networks of {self.units} units and seed {self.seed} are in the figures, by "
                f"{other['added_by']!r}: repeat it, or choose another seed"
            )
        pretrainings = {row["name"]: list(Counter(row["pretraining"]).elements()) for row in rows}
        check_alike(pretrainings | {self.name: pretraining(self.run())})

    @property
    def name(self) -> str:
        """Name of the run."""
        return f"units-{self.units}-seed-{self.seed}"

    @property
    def command(self) -> str:
        """The command that adds these networks, on any machine."""
        return f"python -m {MODULE} {self.units} --networks {self.networks} --seed {self.seed}"

    def run(self) -> Savings:
        """Return the arguments of the run."""
        return dataclasses.replace(
            STUDY, out=self.out / self.name, units=self.units, networks=self.networks, seed=self.seed,
            pretrained=None,
        )  # fmt: skip

    def runs(self) -> tuple[PlannedRun, PlannedRun]:
        """Return the run, and its sham, which takes over what they share."""
        planned = PlannedRun(self.name, SIZE, self.run())
        (sham,) = plan_size_shams([planned])
        return planned, sham


def run(config: MoreNetworks) -> int:
    """Make the runs, measure them and add them; return the exit status.

    Returns:
        0; 1 if a run failed; if interrupted, 130 after Ctrl-C and 143 after SIGTERM.
    """
    planned = config.runs()
    if status := make_runs(planned):
        return status
    measured, left_out = reaching(values_of(config.units, *(each.config.out for each in planned)))
    if left_out:
        log.warning(
            "left out, with end-point errors above %g mm at the end of NF1: %d of %d networks",
            MM * MOST_ERROR, len(left_out), config.networks,
        )  # fmt: skip
    with sole_writer(config.results, PATIENCE):
        findings = stored_findings(config.results)
        first = _first_network(config, findings["size"].networks)
        # Listed first: if this command is killed, the next one gives the networks the same numbers.
        add_to_list(config.results, planned, config.command, **{FIRST: first, LEFT_OUT: left_out})
        (words,) = dict.fromkeys(pretraining(config.run()))
        findings |= with_networks(findings, measured, first, words, config.results)
        for name in measured:
            findings[name].save(config.results, name)
            log.info("%s", findings[name].text)
        write_reference(config.results, findings)
    return 0


def values_of(units: int, run: Path, sham: Path) -> dict[str, Columns]:
    """Return the values of every network of a run that the figures store, by figure."""
    runs = StoredRuns(run, {units: run}, {}, STUDY.seed, sham, {units: sham})
    return {
        "size": size.columns_of({units: size.networks_of(runs, run)}),
        "practice": BEYOND.columns({units: practice.beyond_practice(runs, run, sham)}),
        "relation": relation.columns_of({units: relation.networks_of(runs, run)}),
        "fading": FADING.columns({units: fading.values_of(measure(runs, run))}),
    }


def reaching(measured: Mapping[str, Columns]) -> tuple[dict[str, Columns], list[int]]:
    """Return the values of the networks that have learned to reach, by figure, and the numbers of the others.

    Args:
        measured: What `values_of` returns.
    """
    its = measured["size"]
    reach = its[size.END_ERROR] <= MM * MOST_ERROR
    numbers = its["network"][reach]
    kept = {
        name: {column: values[np.isin(columns["network"], numbers)] for column, values in columns.items()}
        for name, columns in measured.items()
    }
    return kept, its["network"][~reach].tolist()


def with_networks(
    findings: Mapping[str, Findings], measured: Mapping[str, Columns], first: int, pretraining: str, out: Path
) -> dict[str, Findings]:
    """Return the figures of size with further networks, by name; their pictures are drawn.

    Args:
        findings: The figures as they are.
        measured: What `values_of` returns.
        first: Number that the first of the networks gets.
        pretraining: How all networks were pre-trained, in words.
        out: Folder of the pictures.
    """
    joined = {name: join(findings[name].networks, its, first) for name, its in measured.items()}
    sampling = Sampling(STUDY.seed)
    return {
        "size": size.findings_of(size.networks_in(joined["size"]), pretraining, sampling, out),
        "practice": practice.findings_of(BEYOND.read(joined["practice"]), sampling, out),
        "relation": relation.findings_of(relation.networks_in(joined["relation"]), sampling, out),
        "fading": fading.findings_of(FADING.read(joined["fading"]), sampling, out),
    }


def join(before: Columns, added: Columns, first: int) -> Columns:
    """Return values of every network with those of further ones, in the order of size and number.

    Networks of the same size and number are replaced.

    Args:
        before: Columns, with units and network.
        added: The same columns, of networks that are numbered from 0.
        first: Number that network 0 of them gets.
    """
    numbers = added["network"] + first
    new = {*zip(added["units"].tolist(), numbers.tolist(), strict=True)}
    old = zip(before["units"].tolist(), before["network"].tolist(), strict=True)
    kept = np.array([key not in new for key in old], dtype=bool)
    joined = {
        name: np.concatenate([values[kept], numbers if name == "network" else added[name]])
        for name, values in before.items()
    }
    order = np.lexsort((joined["network"], joined["units"]))
    return {name: values[order] for name, values in joined.items()}


def _first_network(config: MoreNetworks, stored: Columns) -> int:
    """Number that the first network gets: that from before, or the next after those of its size.

    Networks that were left out keep their numbers.
    """
    rows = [row for row in listed_runs(config.results) if FIRST in row and row["units"] == config.units]
    own = [row[FIRST] for row in rows if row["name"] == config.name]
    if own:
        return int(own[0])
    known = stored["network"][stored["units"] == config.units].tolist()
    return max([0, *(number + 1 for number in known), *(row[FIRST] + row["networks"] for row in rows)])


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return command_main(MODULE, MoreNetworks, run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
