"""A declared grid of runs on this machine, a SLURM partition or a Ray cluster.

    python -m experiments.sweep GRID.toml --out DIR [--executor local|slurm|submitit-local|ray]

``experiments.sweep.grid`` describes the file. Repeated, the command does what is missing, with any executor:
finished cells are passed over, interrupted ones go on. Cells that failed are listed with their last error at
the end, and the exit status is 1 then. ``python -m experiments.collect`` makes one table of the results.
"""

from __future__ import annotations

import dataclasses
import logging
import shlex
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from agents.supervised.machine_memory import GB
from experiments.collect import DECLARATION
from experiments.runs.command_line import StopFlag, choice, command_main, differing_flags, refuse_unused
from experiments.sweep.cell_run import Outcome, Task
from experiments.sweep.executors import EXECUTORS, LOCAL, RAY, SLURM, SUBMITIT_LOCAL, check_executor, execute
from experiments.sweep.grid import Cell, Grid, describe, read_grid
from experiments.sweep.journal import JournalReader, JournalWriter, last_failures
from experiments.sweep.progress import Progress
from experiments.sweep.resources import Resources, Slurm
from experiments.sweep.subjects import SUBJECTS
from savings_gym.arrays import as_whole_number
from savings_gym.files import is_busy, versions, write_json

log = logging.getLogger(__name__)
POLL = 1.0  # s between looks at cells that another process runs
HERE = ("workers", "memory_gb")  # what may be used on this machine


@dataclass(frozen=True)
class Sweep:
    """Arguments of a sweep."""

    grid: tyro.conf.Positional[Path]
    """TOML file that declares the grid."""
    out: Path
    """Folder of the sweep: a new one, or one to go on with."""
    executor: Annotated[str, choice(EXECUTORS)] = LOCAL
    """Where cells run: processes on this machine, an array of SLURM jobs, submitit without SLURM, or Ray."""
    workers: int | None = None
    """Cells that run at a time on this machine; by default one per core."""
    threads: int = 1
    """Computing threads of each cell."""
    memory_gb: float | None = None
    """Memory for all cells that run at a time on this machine [GB]; by default most of what is free."""
    slurm: Slurm = Slurm()
    """What to ask SLURM for."""
    ray_address: str | None = None
    """Address of a running Ray cluster, or "auto"; by default one is started on this machine."""
    failed: bool = False
    """Run only the cells whose last attempt failed."""
    status: bool = False
    """Only say how far the sweep is, and which cells failed."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        if self.workers is not None:
            as_whole_number("workers", self.workers, 1)
        as_whole_number("threads", self.threads, 1)
        if self.memory_gb is not None and not self.memory_gb > 0:
            raise ValueError(f"memory_gb must be above 0, got {self.memory_gb}")
        if self.failed and self.status:
            raise ValueError("--failed runs cells and --status runs none: choose one of them")
        if self.out.is_file():
            raise FileExistsError(f"--out {self.out} is a file, expected a folder")
        check_executor(self.executor)

    def resources(self) -> Resources:
        """Return what the executor may use."""
        memory = None if self.memory_gb is None else self.memory_gb * GB
        return Resources(self.workers, self.threads, memory, self.slurm, self.ray_address)


def check_given(config: Sweep) -> None:
    """Refuse arguments of a command line that change nothing with the executor.

    Raises:
        ValueError: If there are such arguments.
    """
    unused: dict[str, str] = {}
    if config.executor == SLURM:
        unused |= dict.fromkeys(HERE, f"with --executor {SLURM}: give --slurm.cpus and --slurm.memory-gb")
    else:
        of_slurm = [field.name for field in dataclasses.fields(Slurm)]
        if config.executor == SUBMITIT_LOCAL:
            of_slurm.remove("requeues")
        unused |= dict.fromkeys((f"slurm.{name}" for name in of_slurm), f"without --executor {SLURM}")
    if config.executor != RAY:
        unused["ray_address"] = f"without --executor {RAY}"
    elif config.ray_address is not None:
        unused |= dict.fromkeys(HERE, "with --ray-address: a running cluster has its own")
    refuse_unused(config, Sweep(config.grid, config.out), unused)


def run(config: Sweep) -> int:
    """Run what is missing; return the exit status: 0; 1 if cells failed; if interrupted, 130 after Ctrl-C."""
    grid = read_grid(config.grid)
    cells = grid.cells()
    log.info("%d cells; looking for those that are finished", len(cells))
    missing = missing_tasks(cells, config.out)
    failures = _failures(config.out, missing)
    if config.status:
        log.info("%d of %d cells finished, %d failed", len(cells) - len(missing), len(cells), len(failures))
        _list_failures(grid, missing, failures, config)
        return 1 if failures else 0
    if config.failed:
        missing = [task for task in missing if task.cell.name in failures]
    if not missing:
        log.info("nothing to do: no cell has failed" if config.failed else "all cells are finished")
        return 0
    config.out.mkdir(parents=True, exist_ok=True)
    declared = {"grid": grid.as_dict(), "cells": [cell.name for cell in cells], "versions": versions()}
    write_json(config.out / DECLARATION, declared)
    return _execute(config, grid, missing, 0 if config.failed else len(cells) - len(missing))


def _execute(config: Sweep, grid: Grid, tasks: list[Task], finished: int) -> int:
    """Run cells and report; return the exit status."""
    journal = JournalWriter(config.out)
    with StopFlag() as stop, Progress(tasks, finished, grid.varied()) as progress:

        def note(task: Task, outcome: Outcome) -> None:
            journal.write(task.cell.name, outcome)
            progress.note(task.cell.name, outcome)

        def stopped() -> bool:
            progress.tick()
            return stop()

        free = tasks
        while free:
            execute(config.executor, free, config.resources(), note, progress.note, stopped)
            free = _wait_for_others([task for task in tasks if task.cell.name in progress.busy], stopped)
    journal.close()
    log.info("%s", progress.line())
    _list_failures(grid, tasks, progress.failed, config)
    if stop():
        log.warning("interrupted: %s keeps what was done; the same command goes on from there", config.out)
        return stop.status
    return 0 if len(progress.done) == len(tasks) else 1


def _wait_for_others(busy: list[Task], stopped: Callable[[], bool]) -> list[Task]:
    """Wait until another process lets go of a cell; return those that it left, finished or not.

    Args:
        busy: Cells that another process was running.
        stopped: Called all the time; True ends the waiting.
    """
    if busy and not stopped():
        log.info("%d cells are being run by another process: waiting for them", len(busy))
    while busy and not stopped():
        if left := [task for task in busy if not is_busy(task.cell.folder(task.sweep))]:
            return left
        time.sleep(POLL)
    return []


def missing_tasks(cells: Iterable[Cell], sweep: Path) -> list[Task]:
    """Return the cells that are not finished; every cell's arguments are checked.

    Raises:
        ValueError, OSError: If the arguments of a cell are not valid, or make the same run as another cell;
            the message names the cell.
    """
    # Other arguments may make the same run: 8 and 8.0, or a default.
    tasks, by_config = [], dict[str, Cell]()
    for cell in cells:
        subject = SUBJECTS[cell.experiment]
        try:
            config = subject.config(cell.arguments, cell.folder(sweep))
        except (ValueError, OSError) as error:
            raise ValueError(f"cell {describe(cell.arguments)}: {error}") from error
        values = {name: value for name, value in vars(config).items() if name != "out"}
        alike = by_config.setdefault(f"{cell.experiment} {values}", cell)
        if alike is not cell:
            both = f"{describe(alike.arguments)}; {describe(cell.arguments)}"
            raise ValueError(f"two cells of the grid are the same run: {both}")
        try:
            if subject.finished(config):
                continue
        except (ValueError, OSError):
            pass  # a damaged folder: the attempt says what is wrong with it
        tasks.append(Task(cell, sweep, subject.memory(config), subject.work(config)))
    return tasks


def _failures(sweep: Path, tasks: list[Task]) -> dict[str, str]:
    """Return the error of every cell whose last attempt failed."""
    failures = last_failures(JournalReader(sweep).new())
    names = [task.cell.name for task in tasks if task.cell.name in failures]
    return {name: failures[name].outcome.error for name in names}


def _list_failures(grid: Grid, tasks: list[Task], failures: dict[str, str], config: Sweep) -> None:
    """Print the cells that failed, and how to run just them."""
    if not failures:
        return
    cells = {task.cell.name: task.cell for task in tasks}
    log.error("%d cells failed:", len(failures))
    for name, error in failures.items():
        arguments = cells[name].arguments
        differing = {key: arguments[key] for key in grid.varied() if key in arguments}
        log.error("  %s: %s\n    see %s", describe(differing), error, cells[name].log_file(config.out))
    again = dataclasses.replace(config, failed=True, status=False)
    options = differing_flags(again, Sweep(config.grid, config.out))
    log.error(
        "run just them: python -m experiments.sweep %s",
        shlex.join([str(config.grid), "--out", str(config.out), *options]),
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return command_main("experiments.sweep", Sweep, run, arguments, __doc__, check=check_given)
