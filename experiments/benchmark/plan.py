"""How many seeds the next benchmark needs, planned from the spread of the last one before anything is run.

    python -m experiments.benchmark.plan --folder experiments/results/benchmark --core-hours 48

It asks for a t interval of initial savings of a given half width. It writes PLAN.md into the folder, with the
seeds and core-hours of every learner, and what fits into a number of core-hours.
"""

from __future__ import annotations

import json
import logging
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from experiments.benchmark.agents import AGENTS, Sb3Agent, SupervisedAgent
from experiments.benchmark.columns import name
from experiments.benchmark.page import COMMITTED
from experiments.benchmark.protocol import CONTENT, Protocol
from experiments.benchmark.verdicts import Row, deviation
from experiments.runs.command_line import command_main
from experiments.runs.tables import MISSING, markdown_table
from savings_gym.arrays import MM, as_number
from savings_gym.files import write_atomically
from savings_gym.metrics.power import POWER, largest_deviation, networks_for_interval
from savings_gym.metrics.statistics import CONFIDENCE, t_quantile

log = logging.getLogger(__name__)
PLAN = "PLAN.md"
TEMPLATE = Path(__file__).with_name("plan.md")
FEWEST = 10  # seeds of every learner


@dataclass(frozen=True)
class Plan:
    """Arguments of the plan."""

    folder: Path = COMMITTED
    """Folder with the benchmark.json of an earlier benchmark, where PLAN.md is written."""
    half_width: float = 1.5e-3
    """Largest half width of the 95 % interval of initial savings of recurrent agents [m]."""
    core_hours: float = 48.0
    """Core-hours that there are."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        for key in ("half_width", "core_hours"):
            if as_number(key, getattr(self, key)) <= 0.0:
                raise ValueError(f"{key} must be above 0, got {getattr(self, key)!r}")


@dataclass(frozen=True)
class Need:
    """What an agent needs.

    Attributes:
        agent: Its name.
        row: Name of its row, with its memory.
        networks: Seeds that the spread comes from.
        spread: Standard deviation of initial savings over seeds [m].
        seeds: Seeds for the half width, if the spread is right.
        safe_seeds: The same for the upper 80 % limit of the spread.
        hours: Core-hours of one seed, sham included; None for carried memory, whose probes cost little.
        recurrent: Whether the half width is asked of it; others get `FEWEST` seeds.
    """

    agent: str
    row: str
    networks: int
    spread: float
    seeds: int
    safe_seeds: int
    hours: float | None
    recurrent: bool


def needs(content: dict[str, Any], half_width: float) -> list[Need]:
    """Return what every learner needs that has a spread.

    Args:
        content: Of benchmark.json.
        half_width: Of the interval [m].
    """
    result = []
    for row in content["rows"]:
        test = row["initial_savings"]
        spread, n = deviation(test), test["networks"]
        if row["fixed"] or spread is None:
            continue
        agent = AGENTS.get(row["agent"])
        safe = largest_deviation(spread, n)
        seeds, safe_seeds = (networks_for_interval(half_width / s) or 0 for s in (spread, safe))
        recurrent = isinstance(agent, Sb3Agent) and agent.recurrent
        hours = _hours(row, content["protocol"]) if row["memory"] == "reset" else None
        need = Need(row["agent"], name(row), n, spread, seeds, safe_seeds, hours, recurrent)
        result.append(need)
    return result


def planned_seeds(needed: list[Need], agent: str) -> int:
    """Return the planned seeds of an agent: enough for each of its rows if it is recurrent, else `FEWEST`.

    The seeds of an ensemble are its networks.
    """
    declared = AGENTS.get(agent)
    if isinstance(declared, SupervisedAgent):
        return declared.networks
    return max([FEWEST, *(need.seeds for need in needed if need.agent == agent and need.recurrent)])


def seeds_that_fit(needed: list[Need], core_hours: float) -> int:
    """Return the seeds of each recurrent agent in the core-hours that `FEWEST` seeds of the others leave."""
    others = sum(
        planned_seeds(needed, need.agent) * need.hours for need in needed if need.hours and not need.recurrent
    )
    pair = sum(need.hours for need in needed if need.hours and need.recurrent)
    return max(math.floor((core_hours - others) / pair), 0) if pair else 0


def render(content: dict[str, Any], config: Plan) -> str:
    """Return the plan as Markdown."""
    needed = needs(content, config.half_width)
    cells = [
        [
            need.row,
            f"{MM * need.spread:.1f} (n = {need.networks})",
            str(need.seeds),
            str(need.safe_seeds),
            str(planned_seeds(needed, need.agent)),
            MISSING if need.hours is None else f"{60 * need.hours:.0f}",
            MISSING if need.hours is None else f"{planned_seeds(needed, need.agent) * need.hours:.1f}",
        ]
        for need in needed
    ]
    headings = (
        "agent", "SD of initial savings (mm)", f"seeds for {MM * config.half_width:g} mm",
        "if the SD is at its 80 % limit", "planned seeds", "core-minutes per seed", "core-hours",
    )  # fmt: skip
    fit = seeds_that_fit(needed, config.core_hours)
    recurrent = [need for need in needed if need.recurrent]
    widths = [MM * _half_width(need.spread, fit) for need in recurrent]
    return Template(TEMPLATE.read_text()).substitute(
        half_width=f"{MM * config.half_width:g}",
        table=markdown_table(headings, cells),
        fewest=str(FEWEST),
        hours=f"{sum(planned_seeds(needed, need.agent) * need.hours for need in needed if need.hours):.0f}",
        budget=f"{config.core_hours:g}",
        fit=str(fit),
        reached=f"{min(widths):.1f} to {max(widths):.1f}" if widths and fit > 1 else MISSING,
        confidence=f"{100 * CONFIDENCE:g}",
        limit=f"{100 * POWER:g}",
        command=f"python -m experiments.benchmark.plan --core-hours {config.core_hours:g}",
    )


def _half_width(spread: float, seeds: int) -> float:
    return spread * t_quantile(seeds - 1, CONFIDENCE) / math.sqrt(seeds) if seeds > 1 else math.inf


def _hours(row: Row, protocol: dict[str, Any]) -> float:
    """Core-hours of one seed with its sham, if NF1 ends when the median seed has met the criterion.

    The sham goes on from NF1 of its job, except that of an ensemble, which makes its own. The networks of an
    ensemble are computed together; its hours are divided among them.
    """
    phases = {phase: protocol[phase] for phase in ("nf1", "ff1", "nf2", "ff2")}
    reached, probes = row["trials_to_reach"]["median"], Protocol().criterion_probes
    nf1 = phases["nf1"] if reached is None else reached + (probes - 1) * protocol["probe_every"]
    ensemble = isinstance(AGENTS.get(row["agent"]), SupervisedAgent)
    trials = (2 if ensemble else 1) * min(nf1, phases["nf1"]) + 2 * (sum(phases.values()) - phases["nf1"])
    share, together = trials / sum(phases.values()), row["seeds"] if ensemble else 1
    return float(share * row["wall_time_s"] / 3600 / together)


def run(config: Plan) -> int:
    """Write the plan; return the exit status."""
    file = config.folder / CONTENT
    try:
        text = render(json.loads(file.read_text()), config)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{file} does not hold the results of experiments.benchmark: {error!r}") from error
    write_atomically(config.folder / PLAN, text.encode())
    log.info("wrote %s", config.folder / PLAN)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return command_main("experiments.benchmark.plan", Plan, run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
