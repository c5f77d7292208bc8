"""One HTML file about finished runs: what they show, and plots to explore it.

    python -m experiments.report runs/savings-quick

Prints the table of every run as Markdown, and writes one file that needs no network: the summary in plain
words, learning curves, reaches that play back with muscles and units, preparatory activity, and what made the
run. Several runs of different sizes are compared. Nothing else is written; equal runs give equal bytes.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import tyro

from experiments.benchmark.page import COMMITTED
from experiments.report.finished import FinishedRun, read_finished
from experiments.report.page import benchmark_tables, render
from experiments.runs.command_line import command_main
from experiments.savings.report import markdown_report
from savings_gym.files import check_writable, write_atomically

log = logging.getLogger(__name__)
FILE: Final = "report.html"


@dataclass(frozen=True)
class Report:
    """Arguments of the command."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of finished runs."""
    out: Path | None = None
    """File to write; by default report.html in the folder of a single run, or beside the first of several."""
    benchmark: Path | None = COMMITTED
    """Folder of a benchmark whose tables are shown; None for none."""

    def __post_init__(self) -> None:
        """Check the values before any work starts."""
        if not self.runs:
            raise ValueError("name at least one run: python -m experiments.report RUN")
        seen: set[Path] = set()
        for run in self.runs:
            if run.resolve() in seen:
                raise ValueError(f"{run} is named twice")
            seen.add(run.resolve())
        if self.out is not None and self.out.is_dir():
            raise IsADirectoryError(
                f"--out {self.out} is a folder, expected a file such as {self.out / FILE}"
            )

    @property
    def file(self) -> Path:
        """File to write."""
        if self.out is not None:
            return self.out
        return (self.runs[0] if len(self.runs) == 1 else self.runs[0].parent) / FILE


def run(config: Report) -> int:
    """Print the tables, and write the page; return the exit status."""
    runs = [read_finished(folder) for folder in config.runs]
    if config.benchmark is not None:
        benchmark_tables(config.benchmark)
    check_writable(config.file)
    print("\n\n".join(_table(its, named=len(runs) > 1) for its in runs))
    sys.stdout.flush()
    page = render(runs, config.benchmark, arguments(config)).encode()
    write_atomically(config.file, page)
    log.info("wrote %s (%.1f MB): open it in a browser", config.file, len(page) / 1e6)
    return 0


def _table(its: FinishedRun, named: bool) -> str:
    """The table of a run as Markdown, under its name if there are several."""
    return (f"**{its.folder}**\n\n" if named else "") + markdown_report(its.summary)


def arguments(config: Report) -> list[str]:
    """Return the command line of a report."""
    flags = [str(folder) for folder in config.runs]
    flags += [] if config.out is None else ["--out", str(config.out)]
    return flags + ([] if config.benchmark == COMMITTED else ["--benchmark", str(config.benchmark)])


def main(command_line: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return command_main("experiments.report", Report, run, command_line, __doc__)
