"""The results of a benchmark: benchmark.json, its page and figures, and the tables in the terminal."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from experiments.benchmark.columns import COST, TABLES
from experiments.benchmark.figure import draw_curves, draw_savings
from experiments.benchmark.page import CONTENT, CURVES, PAGE, SAVINGS, render
from experiments.benchmark.protocol import Job, Protocol
from experiments.benchmark.rows import Row, table_rows
from experiments.runs.folder import versions
from savings_gym.files import write_atomically, write_json

log = logging.getLogger(__name__)
WIDTH = 150  # characters that the widest table needs


def report(out: Path, jobs: list[Job], protocol: Protocol) -> None:
    """Write benchmark.json, the page and the figures of the finished jobs, and print the tables."""
    rows = table_rows(jobs)
    content = {"protocol": dataclasses.asdict(protocol), "rows": rows, "versions": versions()}
    write_json(out / CONTENT, content)
    write_atomically(out / PAGE, render(content).encode())
    try:
        draw_curves(jobs, rows, out / CURVES)
        draw_savings(rows, out / SAVINGS)
    except Exception:  # the numbers are written: a failure to draw does not lose them
        log.exception("the figures of %s could not be drawn", out)
    show(rows)
    log.info("wrote %s and the page of the results, %s", CONTENT, out / PAGE)


def show(rows: list[Row]) -> None:
    """Print the tables."""
    console = Console()
    console.width = max(console.width, WIDTH)
    for title, columns in (*TABLES.items(), ("Cost", COST)):
        table = Table(
            title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
        )
        for heading, _ in columns:
            table.add_column(heading, no_wrap=True)
        for row in rows:
            table.add_row(*(cell(row) for _, cell in columns))
        console.print(table)
