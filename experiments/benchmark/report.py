"""The results of a benchmark: benchmark.json, its page and figures, and the tables in the terminal."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

from experiments.benchmark.columns import COST, tables
from experiments.benchmark.figure import draw_curves, draw_savings
from experiments.benchmark.outside import folder_name
from experiments.benchmark.page import CURVES, SAVINGS, render
from experiments.benchmark.protocol import CONTENT, Job, Protocol
from experiments.benchmark.row_file import ROWS, read_rows, row_tables, tables_of, write_row
from experiments.benchmark.row_source import known_about
from experiments.benchmark.rows import table_rows
from experiments.benchmark.verdicts import Row, add_verdicts
from experiments.runs.folder import versions
from experiments.runs.out import PAGE
from experiments.runs.tables import print_table
from savings_gym.files import write_atomically, write_json

log = logging.getLogger(__name__)


def report(out: Path, jobs: list[Job], protocol: Protocol) -> bool:
    """Write benchmark.json, the page and the figures of the finished jobs, and print the tables.

    Returns:
        Whether the figures could be drawn; numbers and page are there in any case.
    """
    drawn = False
    rows = table_rows(jobs)
    write_rows(out / ROWS, jobs, rows)
    rows += read_rows(out / ROWS, besides=[row["agent"] for row in rows])
    add_verdicts(rows)
    content = {"protocol": dataclasses.asdict(protocol), "rows": rows, "versions": versions()}
    write_json(out / CONTENT, content)
    write_atomically(out / PAGE, render(content).encode())
    try:
        draw_curves(rows, row_tables(out / ROWS, rows), out / CURVES)
        draw_savings(rows, out / SAVINGS)
        drawn = True
    except Exception:  # the numbers are written: a failure to draw does not lose them
        log.exception("the figures of %s could not be drawn", out)
    show(rows)
    log.info("wrote %s and the page of the results, %s", CONTENT, out / PAGE)
    return drawn


def write_rows(folder: Path, jobs: list[Job], rows: list[Row]) -> None:
    """Write the files of every agent's row, from which others can check its numbers."""
    for row in rows:
        if row["memory"] != "reset":
            continue
        of_agent = [job for job in jobs if job.agent == row["agent"]]
        with_field, shams = ([job for job in of_agent if job.protocol.sham is sham] for sham in (False, True))
        about = known_about(with_field, command=row["command"])
        write_row(folder / folder_name(row["agent"]), about, tables_of(with_field, shams))


def show(rows: list[Row]) -> None:
    """Print the tables."""
    for title, columns in (*tables(rows).items(), ("Cost", COST)):
        cells = ([cell(row) for _, cell in columns] for row in rows)
        print_table(title, [heading for heading, _ in columns], cells)
