"""What a sweep costs beside its cells: finding, checking and collecting many of them.

    python -m experiments.sweep.scale --cells 100000 --out DIR

It runs one cell for real, writes that many synthetic ones into DIR, which differ from it in the seed, and
times what a sweep and a collection do with them. ``scale.json`` holds the result; the cells are removed.
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from experiments import collect
from experiments.runs.command_line import command_main
from experiments.runs.folder import versions
from experiments.sweep.cell_run import FINISHED, STARTED, Outcome, run_cell
from experiments.sweep.command import missing_tasks
from experiments.sweep.grid import Cell, Grid
from experiments.sweep.journal import JOURNAL, JournalReader, JournalWriter
from savings_gym.arrays import as_whole_number
from savings_gym.files import CONFIG, MANIFEST, PROBES, SUMMARY, is_empty, manifest_bytes, write_json

log = logging.getLogger(__name__)
WITH_PROBES: Final = 1000  # cells that get a probe table, to time reading it
RESULT: Final = "scale.json"


@dataclass(frozen=True)
class Scale:
    """Arguments of the command."""

    out: Path
    """Folder for the cells, new or empty, and for scale.json."""
    cells: int = 100_000
    """Number of synthetic cells."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        as_whole_number("cells", self.cells, 1)
        if self.out.is_file() or not is_empty(self.out):
            raise FileExistsError(f"--out {self.out} must be a new or an empty folder")


def run(config: Scale) -> int:
    """Write synthetic cells and time what is done with them; return the exit status."""
    grid = Grid("savings", {"preset": "smoke"}, {"seed": list(range(config.cells))})
    sweep = config.out / "sweep"
    seconds: dict[str, dict[str, float]] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        began, began_core = time.perf_counter(), time.process_time()
        result = work()
        wall, core = time.perf_counter() - began, time.process_time() - began_core
        seconds[name] = {"wall": round(wall, 2), "core": round(core, 2)}
        log.info("%s: %.1f s, %.1f s of one core", name, wall, core)
        return result

    cells = timed("make the grid", grid.cells)
    outcome = run_cell(cells[0], sweep)
    if outcome.state != FINISHED:
        log.error("the first cell %s: %s", outcome.state, outcome.error)
        return 1
    real = [file for file in cells[0].folder(sweep).iterdir() if file.is_file()]
    sizes = {"files": len(real), "bytes": sum(file.stat().st_size for file in real)}
    timed("write the cells", lambda: _write_copies(cells, sweep))
    tasks = timed("look which cells are finished", lambda: missing_tasks(cells, sweep))
    if tasks:
        log.error("%d cells do not count as finished", len(tasks))
        return 1
    timed("write the journal", lambda: _write_journal(cells, sweep))
    timed("read the journal", JournalReader(sweep).new)
    for level, folder in {"runs": sweep, "networks": config.out / "probes"}.items():
        table = config.out / f"{level}.parquet"
        timed(
            f"collect {level}", partial(collect.run, collect.Collect(folder, table, level=level, workers=1))
        )
        sizes[f"{level} table bytes"] = table.stat().st_size
    measured = {
        "cells": config.cells, "cells_with_probes": min(config.cells, WITH_PROBES), "cell": sizes,
        "seconds": seconds, "versions": versions(),
    }  # fmt: skip
    write_json(config.out / RESULT, measured)
    for name in ("sweep", "probes"):
        shutil.rmtree(config.out / name)
    log.info("wrote %s", config.out / RESULT)
    return 0


def _write_copies(cells: list[Cell], sweep: Path) -> None:
    """Write the small files of all cells but the first as copies of it with another seed."""
    first = cells[0].folder(sweep)
    config, summary = (json.loads((first / name).read_text()) for name in (CONFIG, SUMMARY))
    probes = (first / PROBES).read_bytes()
    for i, cell in enumerate(cells):
        seed = cell.arguments["seed"]
        arguments = config["arguments"] | {"seed": seed}
        contents = {
            CONFIG: json.dumps(config | {"arguments": arguments}, indent=2).encode(),
            SUMMARY: json.dumps(summary | {"seed": seed}, indent=2).encode(),
        }
        if i:
            _write_run(cell.folder(sweep), arguments, contents)
        if i < WITH_PROBES:
            folder = sweep.with_name("probes") / cell.name
            _write_run(folder, arguments, contents | {PROBES: probes})


def _write_run(folder: Path, arguments: dict[str, Any], contents: dict[str, bytes]) -> None:
    folder.mkdir(parents=True)
    for name, data in {**contents, MANIFEST: manifest_bytes(arguments, contents)}.items():
        (folder / name).write_bytes(data)


def _write_journal(cells: list[Cell], sweep: Path) -> None:
    shutil.rmtree(sweep / JOURNAL, ignore_errors=True)
    journal = JournalWriter(sweep)
    for cell in cells:
        journal.write(cell.name, Outcome(STARTED))
        journal.write(cell.name, Outcome(FINISHED, seconds=1.0))
    journal.close()


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return command_main("experiments.sweep.scale", Scale, run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
