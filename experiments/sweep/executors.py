"""Where the cells of a sweep run: on this machine, in jobs of submitit, or on a Ray cluster.

An executor takes tasks and says what becomes of them, and nothing else: whatever runs a cell, it does the
same in the same folder, so a sweep may go on with another executor than it began with, or with two at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from shutil import which
from typing import Final

from experiments.sweep.cell_run import Outcome, Task
from experiments.sweep.resources import Resources
from experiments.sweep.workers import Note, run_local
from savings_gym.arrays import as_choice

LOCAL, SLURM, SUBMITIT_LOCAL, RAY = "local", "slurm", "submitit-local", "ray"
EXECUTORS: Final = (LOCAL, SLURM, SUBMITIT_LOCAL, RAY)
PACKAGES: Final = {SLURM: "submitit", SUBMITIT_LOCAL: "submitit", RAY: "ray"}
Seen = Callable[[str, Outcome], None]


def check_executor(name: str) -> None:
    """Refuse an executor that is unknown, or whose package or commands are not installed.

    Raises:
        ValueError, ImportError, FileNotFoundError: The message says what to choose, to install, or where to
            start.
    """
    as_choice("executor", name, EXECUTORS)
    package = PACKAGES.get(name)
    if package is not None and find_spec(package) is None:
        raise ImportError(f"--executor {name} needs {package}: pip install 'savings_gym[sweep]'")
    missing = [command for command in ("sbatch", "srun") if name == SLURM and which(command) is None]
    if missing:
        raise FileNotFoundError(f"no command {missing[0]!r}: start --executor {SLURM} where SLURM takes jobs")


def execute(
    name: str, tasks: list[Task], resources: Resources, note: Note, seen: Seen, stopped: Callable[[], bool]
) -> None:
    """Run tasks with an executor until all have ended, or until ``stopped()``.

    Args:
        name: One of `EXECUTORS`.
        tasks: What to run, at least one.
        resources: What may be used.
        note: Called whenever a cell starts or ends; it writes that into the journal.
        seen: Called when other processes have written into the journal.
        stopped: Called all the time; True ends the cells that run, after they have saved their state. Jobs
            of SLURM go on.
    """
    if name == LOCAL:
        run_local(tasks, resources, note, stopped)
    elif name == RAY:
        from experiments.sweep.ray_cluster import run_ray

        run_ray(tasks, resources, note, stopped)
    else:
        from experiments.sweep.submitit_jobs import run_submitit

        run_submitit(name == SLURM, tasks, resources, note, seen, stopped)
