"""What the cells of a sweep may use: processes, threads, memory, and what to ask a cluster for."""

from __future__ import annotations

import os
from dataclasses import dataclass


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
        return self.workers or max(usable_cores() // self.threads, 1)


def usable_cores() -> int:
    """Return the cores that this process may use: in a job of a cluster, fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
