"""Where the cells of a sweep run: on this machine, in jobs of submitit, or on a Ray cluster.

An executor takes tasks and says what becomes of them, and nothing else: whatever runs a cell, it does the
same in the same folder, so a sweep may go on with another executor than it began with, or with two at a time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from agents.supervised.memory import GB, available_memory
from experiments.sweep.cell_run import FAILED, Outcome, Task
from experiments.sweep.workers import Note, Workers

LOCAL, SLURM, SUBMITIT_LOCAL, RAY = "local", "slurm", "submitit-local", "ray"
EXECUTORS: Final = (LOCAL, SLURM, SUBMITIT_LOCAL, RAY)
PACKAGES: Final = {SLURM: "submitit", SUBMITIT_LOCAL: "submitit", RAY: "ray"}
SHARE_OF_MEMORY: Final = 0.9  # of what is free, that cells may take
Seen = Callable[[str, Outcome], None]


@dataclass(frozen=True)
class Slurm:
    """What to ask SLURM for."""

    partition: str | None = None
    """Partition; None leaves it to the cluster."""
    account: str | None = None
    """Account to charge."""
    minutes: int = 240
    """Time limit of a job; a job that reaches it is queued again and goes on."""
    jobs: int = 10
    """Jobs of the array, among which the cells are dealt out."""
    cpus: int = 8
    """Cores of a job, which runs as many cells at a time."""
    memory_gb: float = 16.0
    """Memory of a job [GB]."""
    requeues: int = 100
    """How often a job may be queued again after it was preempted or ran out of time."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        for name in ("minutes", "jobs", "cpus"):
            if getattr(self, name) < 1:
                raise ValueError(f"slurm.{name} must be at least 1, got {getattr(self, name)}")
        if not self.memory_gb > 0:
            raise ValueError(f"slurm.memory_gb must be above 0, got {self.memory_gb}")
        if self.requeues < 0:
            raise ValueError(f"slurm.requeues must not be negative, got {self.requeues}")


@dataclass(frozen=True)
class Resources:
    """What an executor may use.

    Attributes:
        workers: Cells that run at a time on this machine; None is one per core.
        threads: Computing threads of each cell.
        memory: Bytes for all cells that run at a time; None is most of what is free.
        slurm: What to ask SLURM for.
        ray_address: Address of a running cluster; None starts one on this machine.
    """

    workers: int | None
    threads: int
    memory: float | None
    slurm: Slurm
    ray_address: str | None

    def at_a_time(self) -> int:
        """Return how many cells run at a time on this machine."""
        return self.workers or max((os.cpu_count() or 1) // self.threads, 1)


def check_executor(name: str) -> None:
    """Refuse an executor that is unknown, or whose package is not installed.

    Raises:
        ValueError, ImportError: The message says what to choose or to install.
    """
    if name not in EXECUTORS:
        raise ValueError(f"unknown executor {name!r}; choose from: {', '.join(EXECUTORS)}")
    package = PACKAGES.get(name)
    if package is not None and find_spec(package) is None:
        raise ImportError(f"--executor {name} needs {package}: pip install 'savings_gym[sweep]'")


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


def run_local(tasks: list[Task], resources: Resources, note: Note, stopped: Callable[[], bool]) -> None:
    """Run tasks in processes on this machine."""
    memory = resources.memory or SHARE_OF_MEMORY * (available_memory() or float("inf"))
    fitting = []
    for task in tasks:
        if task.memory > memory:
            needed = f"needs about {task.memory / GB:.1f} GB of memory"
            note(task, Outcome(FAILED, f"{needed}, {memory / GB:.1f} GB may be used"))
        else:
            fitting.append(task)
    Workers(resources.at_a_time(), memory, resources.threads).run(fitting, note, stopped)
