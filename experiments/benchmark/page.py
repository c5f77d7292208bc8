"""The page of the benchmark: page.md, filled with the numbers of benchmark.json.

    python -m experiments.benchmark.page [--folder experiments/results/benchmark]

``python -m experiments.benchmark`` writes the page into its folder as README.md. This command computes all
statistics again from the values of every seed in benchmark.json, and from the row files in ``rows``, which it
checks, then writes the page and the figure of savings, and that of learning curves if every row has its
files. Rows of older files, which lack these values, keep their numbers.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from experiments.benchmark.agents import AGENTS, SupervisedAgent
from experiments.benchmark.columns import COMMAND, COST, PERCENT, markdown, name, tables
from experiments.benchmark.figure import draw_curves, draw_savings
from experiments.benchmark.protocol import AS_TRAINED, CONTENT, FIXED_NOISE, OWN_NOISE, RESET_NOISE
from experiments.benchmark.row_file import ROWS, read_rows, row_tables
from experiments.benchmark.rows import statistics
from experiments.benchmark.verdicts import UNDECIDED, Row, add_verdicts, reaches, reaches_on_average, sentence
from experiments.runs.command_line import command_main
from experiments.runs.out import PAGE
from experiments.runs.tables import grouped, listed
from savings_gym.arrays import MM
from savings_gym.files import write_atomically, write_json

log = logging.getLogger(__name__)
CURVES, SAVINGS = "curves.png", "savings.png"
COMMITTED = Path(__file__).resolve().parents[1] / "results" / "benchmark"
NOISE_IN_WORDS = {
    FIXED_NOISE: "Learned exploration noise stays as it was at the end of NF1, the same in FF1 and FF2",
    RESET_NOISE: "Learned exploration noise returns to that at the end of NF1 when a phase starts",
    AS_TRAINED: "Exploration noise goes on changing as the algorithms change it",
}
TERMS_COLUMNS = (
    "- *Met the criterion*: seeds whose NF1 ended because they reach well enough. *Noise*: mean standard "
    "deviation of actions, before they are squashed or clipped.\n"
)
OLDER_ROWS = (
    "These are the terms of the command as it is. What differs in rows that kept no values of single seeds "
    "is said above.\n"
)
TEMPLATE = Path(__file__).with_name("page.md")


@dataclass(frozen=True)
class Page:
    """Arguments of the page."""

    folder: Path = COMMITTED
    """Folder with benchmark.json, where the page is written."""


def render(content: dict[str, Any]) -> str:
    """Return the page for the content of benchmark.json."""
    rows = content["rows"]
    agents = [row for row in rows if row["memory"] == "reset"]
    shown = tables(rows)
    headings = {heading for columns in shown.values() for heading, _ in columns}
    older = any("values" not in row for row in rows)
    page = Template(TEMPLATE.read_text()).substitute(
        of_curves=_of_curves(content),
        phases=_phases(content["protocol"]),
        terms=_terms(content["protocol"], [name(row) for row in agents if explores_by_itself(row)]),
        findings=findings(rows),
        tables="\n\n".join(f"**{title}**\n\n{markdown(rows, columns)}" for title, columns in shown.items()),
        exceptions=" (other intervals are named below)" if older else "",
        present=OLDER_ROWS if older else "",
        terms_columns=TERMS_COLUMNS if "met the criterion" in headings else "",
        notes="\n\n".join(
            [*content.get("notes", ()), *_other_terms(rows, content["protocol"]), *_failed_fits(rows)]
        ),
        hours=f"{sum(row['wall_time_s'] * _jobs(row) for row in agents) / 3600:.1f}",
        commands=markdown(agents, (*COST, COMMAND)),
        versions=", ".join(f"{package} {version}" for package, version in content["versions"].items()),
    )
    return re.sub(r"\n{3,}", "\n\n", page)


def _of_curves(content: dict[str, Any]) -> str:
    """Whose learning curves are drawn: those of rows with files, where any are."""
    agents = {row["agent"] for row in content["rows"]}
    files = content.get("with_files", [])
    return "every agent" if not files or agents <= set(files) else listed(files)


def _range(values: list[float]) -> str:
    """Whole numbers from the smallest to the largest; one if they are equal."""
    low, high = (f"{pick(values):.0f}" for pick in (min, max))
    return low if low == high else f"{low} to {high}"


def findings(rows: list[Row]) -> str:
    """Return what the rows show: all of them together, then each that has a verdict on savings."""
    learners = [row for row in rows if not row["fixed"] and row["memory"] == "reset"]
    reaching = [row for row in learners if reaches(row)]
    otherwise = "" if all(map(reaches_on_average, reaching)) else " or met the criterion of NF1"
    sentences = [
        f"{len(reaching)} of {len(learners)} learning agents reach within 10 mm on average{otherwise}."
    ]
    adapting = [row for row in rows if row["verdict"] not in UNDECIDED]
    if adapting:
        force = [PERCENT * row["channel"]["FF1"]["mean"] for row in adapting]
        after = [MM * abs(row["after_effect"]["mean"]) for row in adapting]
        who, have = "Those that are found to adapt compensate", "have"
        if len(adapting) == 1:
            who, have = "The one that is found to adapt compensates", "has"
        sentences.append(
            f"{who} {_range(force)} % of the field in an error clamp and {have} after-effects of "
            f"{_range(after)} mm."
        )
    return " ".join(sentences) + "\n" + "".join(f"\n- **{name(row)}**: {sentence(row)}" for row in adapting)


def with_row_files(content: dict[str, Any], row_files: Sequence[Row]) -> dict[str, Any]:
    """Return the content of benchmark.json with rows from files of their own, as the page shows it.

    They replace those of the same agents. What the notes say then holds for the other rows, which are named.

    Raises:
        ValueError: If two files have rows of one agent.
    """
    names = [(row["agent"], row["memory"]) for row in row_files]
    if twice := sorted({agent for agent, memory in names if names.count((agent, memory)) > 1}):
        raise ValueError(f"more than one row file of {', '.join(twice)}: one of them needs another --agent")
    agents = dict.fromkeys(agent for agent, _ in names)
    rows: list[Row] = []
    for agent in dict.fromkeys([*(row["agent"] for row in content["rows"]), *agents]):
        source = row_files if agent in agents else content["rows"]
        rows += [row for row in source if row["agent"] == agent]
    others = dict.fromkeys(row["agent"] for row in content["rows"] if row["agent"] not in agents)
    notes = content.get("notes", [])
    if not others:
        notes = []
    elif notes and len(others) < len({row["agent"] for row in content["rows"]}):
        notes = [
            f"What follows holds for the rows without files of their own, {listed(list(others))}:",
            *notes,
        ]
    return recomputed(content | {"rows": rows, "notes": notes, "with_files": list(agents)})


def recomputed(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of benchmark.json with its statistics and verdicts computed again from its seeds."""
    rows = [row | statistics(row["values"]) if "values" in row else dict(row) for row in content["rows"]]
    add_verdicts(rows)
    return content | {"rows": rows}


def _phases(protocol: dict[str, Any]) -> str:
    phases = [grouped(protocol[phase]) for phase in ("nf1", "ff1", "nf2", "ff2")]
    return f"{', '.join(phases[:-1])} and {phases[-1]}"


def _terms(protocol: dict[str, Any], own: Sequence[str] = ()) -> str:
    """How NF1 ends and what becomes of exploration noise; older protocols lack such terms.

    Args:
        protocol: The protocol of the page.
        own: Agents whose exploration noise the protocol does not reach.
    """
    error, probes = protocol.get("criterion"), protocol.get("criterion_probes")
    end = (
        "NF1 has a fixed length, so agents enter FF1 with different errors"
        if error is None
        else f"NF1 ends when {probes} probes in a row have a mean end-point error of at most "
        f"{MM * error:g} mm, or after {grouped(protocol['nf1'])} trials at the latest"
    )
    noise = protocol.get("exploration", AS_TRAINED)
    text = f"{end}. {NOISE_IN_WORDS[noise]}."
    if noise != AS_TRAINED and own:
        text += f" The exploration of {' and '.join(own)} is the agent's own, and no noise is matched there."
    if (catch := protocol.get("catch_fraction", 0.5)) != 0.5:
        text += f" A share of {catch:g} of the training trials has no go cue, instead of 0.5."
    if lateral := protocol.get("lateral", 0.0):
        text += f" The reward has a lateral term of weight {lateral:g}."
    return text


def explores_by_itself(row: Row) -> bool:
    """Return whether the exploration of a row's agent is its own, which no protocol reaches."""
    exploration = row.get("exploration") or (row.get("protocol") or {}).get("exploration")
    return bool(exploration == OWN_NOISE)


def _other_terms(rows: list[Row], protocol: dict[str, Any]) -> list[str]:
    """Rows from files that were made on other terms than those of the page; nothing if there are none."""
    lines = []
    for row in [row for row in rows if "trials" in row and row["memory"] == "reset"]:
        terms = {
            phase: trials
            for phase, trials in row["trials"].items()
            if phase != "NF1" and trials != protocol[phase.lower()]
        }
        terms |= {
            key: value
            for key, value in (row["protocol"] or {}).items()
            if key not in ("ff1", "nf2", "ff2") and value != protocol.get(key, value)
        }
        if terms:
            lines.append(f"- {name(row)}: {', '.join(f'{key} {value}' for key, value in terms.items())}")
    return ["Rows on other terms than the rest:\n\n" + "\n".join(lines)] if lines else []


def _failed_fits(rows: list[Row]) -> list[str]:
    """Learning agents with rates that could not be fitted, and the reasons; nothing if all could."""
    lines = []
    for row in [row for row in rows if not row["fixed"]]:
        reasons = Counter(reason.partition(": ")[2] for reason in row["rate_failures"])
        if reasons:
            text = ", ".join(f"{message} ({count})" for message, count in reasons.items())
            lines.append(f"- {name(row)}: {text}")
    return (
        ["Learning rates that could not be fitted, FF1 and FF2 together:\n\n" + "\n".join(lines)]
        if lines
        else []
    )


def _jobs(row: Row) -> int:
    """Jobs behind a row, shams included; the networks of an ensemble are the seeds of a single one."""
    seeds = 1 if isinstance(AGENTS.get(row["agent"]), SupervisedAgent) else int(row["seeds"])
    return 2 * seeds if row["against_sham"] else seeds


def run(config: Page) -> int:
    """Compute the statistics again, then write file, page and figure; return the exit status."""
    file = config.folder / CONTENT
    row_files = read_rows(config.folder / ROWS)
    try:
        stored = recomputed(json.loads(file.read_text()))
        content = with_row_files(stored, row_files)
        page = render(content)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{file} does not hold the results of experiments.benchmark: {error!r}") from error
    write_json(file, stored)
    write_atomically(config.folder / PAGE, page.encode())
    draw_savings(content["rows"], config.folder / SAVINGS)
    if drawn := [row for row in content["rows"] if row["agent"] in content["with_files"]]:
        draw_curves(drawn, row_tables(config.folder / ROWS, drawn), config.folder / CURVES)
    log.info("wrote %s", config.folder / PAGE)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return command_main("experiments.benchmark.page", Page, run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
