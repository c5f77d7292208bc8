"""What a person sees of the benchmark: benchmark.json, a table, a figure."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from experiments.benchmark.protocol import Job
from experiments.benchmark.rows import Row, rows
from experiments.runs.folder import versions
from savings_gym.files import write_atomically, write_json

log = logging.getLogger(__name__)
HEADINGS = (
    "agent", "memory", "seeds", "trials to reach", "error NF", "start FF1", "start FF2", "initial savings",
    "against sham", "rate FF1", "rate FF2", "rate FF2/FF1", "after-effect", "residual", "channel FF1",
    "steps/s", "min", "verdict",
)  # fmt: skip
SHOWN = (
    ("agent", "memory", "seeds", "trials to reach", "error NF", "channel FF1", "steps/s", "min", "verdict"),
    ("agent", "memory", "start FF1", "start FF2", "initial savings", "against sham"),
    ("agent", "memory", "rate FF1", "rate FF2", "rate FF2/FF1", "after-effect", "residual"),
)  # of the headings, as printed
WIDTH = 135  # characters that the printed table needs
UNITS = (
    "error, deviations, savings, after-effect, residual in mm; rates per 1000 trials; steps/s of one core; "
    "95 % intervals over seeds"
)


def report(out: Path, jobs: list[Job], protocol: dict[str, Any]) -> None:
    """Writes benchmark.json, .md and .png of the jobs that are done, and shows the table."""
    found = rows(jobs)
    content = {"protocol": protocol, "rows": found, "versions": versions()}
    write_json(out / "benchmark.json", content)
    text = "\n\n".join([readme_tables(found), UNITS, commands(found)])
    write_atomically(out / "benchmark.md", (text + "\n").encode())
    _draw(out, jobs, found)
    show(found)
    log.info("wrote %s", out / "benchmark.json")


def show(found: list[Row]) -> None:
    """Prints the table in parts, so that it fits into a window."""
    console = Console()
    console.width = max(console.width, WIDTH)
    for part in SHOWN:
        table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for heading in part:
            table.add_column(heading, no_wrap=True)
        for row in found:
            told = dict(zip(HEADINGS, cells(row), strict=True))
            table.add_row(*(told[heading] for heading in part))
        console.print(table)
    console.print(UNITS)


def markdown(found: list[Row], headings: tuple[str, ...] = HEADINGS) -> str:
    """The table as Markdown, or those columns of it."""
    lines = [f"| {' | '.join(headings)} |", "|---" * len(headings) + "|"]
    for row in found:
        told = dict(zip(HEADINGS, cells(row), strict=True))
        lines.append(f"| {' | '.join(told[heading] for heading in headings)} |")
    return "\n".join(lines)


def readme_tables(found: list[Row]) -> str:
    """The table in parts, for the README."""
    return "\n\n".join(markdown(found, part) for part in SHOWN)


def commands(found: list[Row]) -> str:
    """What every agent is and what makes its rows again."""
    lines = ["| agent | what it is | command |", "|---|---|---|"]
    for row in found:
        if row["memory"] == "reset":
            lines.append(f"| {row['agent']} | {row['about']} | `{row['command']}` |")
    return "\n".join(lines)


def cells(row: Row) -> tuple[str, ...]:
    """A row of the table, as texts."""
    learning, initial, rate = row["learning_trials"], row["initial_savings"], row["rate_savings"]
    if learning["reached"] is None:
        trials = "-"
    elif learning["reached"] < row["seeds"]:
        trials = f"{learning['reached']} of {row['seeds']}"
    else:
        trials = f"{learning['median']:.0f}"
    return (
        row["agent"],
        row["memory"],
        str(row["seeds"]),
        trials,
        _mm(row["endpoint_error"]),
        _mm(row["ff1_initial"]),
        _mm(row["ff2_initial"]),
        "-" if initial is None else _mm({"mean": initial["difference"], "ci": initial["ci"]}),
        _mm((row["against_sham"] or {}).get("initial")),
        *(_rate(rate, phase) for phase in ("ff1", "ff2")),
        "-" if rate is None else _number({"mean": rate["ratio"], "ci": rate["ci"]}, 1.0, ".2f"),
        _mm(row["after_effect"]),
        _mm(row["washout_residual"]),
        "-" if row["verdict"] == "does not reach" else _number(row["channel"]["FF1"], 100.0, ".0f") + " %",
        "-" if row["steps_per_second"] is None else f"{row['steps_per_second']:.0f}",
        f"{row['wall_time_s'] / 60:.1f}",
        row["verdict"],
    )


def _mm(found: Row | None) -> str:
    return "-" if found is None else _number(found, 1e3, ".1f")


def _rate(found: Row | None, phase: str) -> str:
    value = None if found is None else found[phase]
    return "-" if value is None else f"{1e3 * value:.2f}"


def _number(found: Row, scale: float, form: str) -> str:
    """A mean and its interval, such as 1.5 [1.4, 1.6]."""
    if found["mean"] is None:
        return "-"
    low, high = found["ci"]
    shown = f"{scale * found['mean']:{form}}"
    return shown if low is None else f"{shown} [{scale * low:{form}}, {scale * high:{form}}]"


def _draw(out: Path, jobs: list[Job], found: list[Row]) -> None:
    """Draws the figure. It is extra: a failure to draw must not lose a run."""
    from experiments.benchmark.figure import draw  # matplotlib takes a second

    try:
        log.info("wrote %s", draw(jobs, found, out / "benchmark.png"))
    except Exception:
        log.exception("the figure of %s could not be drawn", out)
