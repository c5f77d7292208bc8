"""The results of a benchmark: benchmark.json, its page and figures, and the tables in the terminal."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

from experiments.benchmark.columns import COST, tables
from experiments.benchmark.figure import draw_curves, draw_savings
from experiments.benchmark.page import CONTENT, CURVES, PAGE, SAVINGS, render
from experiments.benchmark.protocol import Job, Protocol
from experiments.benchmark.rows import table_rows
from experiments.benchmark.verdicts import Row
from experiments.runs.folder import versions
from experiments.runs.tables import print_table
from savings_gym.files import write_atomically, write_json

log = logging.getLogger(__name__)


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
    for title, columns in (*tables(rows).items(), ("Cost", COST)):
        cells = ([cell(row) for _, cell in columns] for row in rows)
        print_table(title, [heading for heading, _ in columns], cells)
