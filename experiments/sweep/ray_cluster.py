"""Cells as tasks on a Ray cluster: a running one by its address, or one that is started on this machine."""

from __future__ import annotations

import logging
import os
import signal
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when Ray is imported

import ray

from agents.supervised.machine_memory import GB
from experiments.sweep.cell_run import FAILED, INTERRUPTED, LONGEST_ERROR, STARTED, Outcome, Task, run_cell
from experiments.sweep.grid import Cell
from experiments.sweep.resources import Resources
from experiments.sweep.workers import DEATHS, GRACE, Note, thread_limits

POLL: Final = 1.0  # s


def run_ray(tasks: list[Task], resources: Resources, note: Note, stopped: Callable[[], bool]) -> None:
    """Run tasks on a Ray cluster until all have ended, or until ``stopped()``.

    The nodes of a cluster need the same checkout at the same path, and the folder of the sweep.

    Args:
        tasks: What to run.
        resources: What may be used.
        note: Called when a cell starts and ends.
        stopped: Called all the time; True interrupts the cells that run, which save their state.
    """
    _connect(resources)
    try:
        _run(tasks, resources, note, stopped)
    finally:
        ray.shutdown()


def _connect(resources: Resources) -> None:
    """Start Ray or join a cluster; SIGTERM, which Ray takes over, still goes to whoever heard it before."""
    path = os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")]))
    settings: dict[str, Any] = {
        "runtime_env": {"env_vars": {**thread_limits(resources.threads), "PYTHONPATH": path}},
        "log_to_driver": False, "logging_level": logging.ERROR,
    }  # fmt: skip
    if resources.ray_address is None:
        settings |= {
            "address": "local", "num_cpus": resources.at_a_time() * resources.threads,
            "include_dashboard": False,
        }  # fmt: skip
        if resources.memory is not None:
            settings["_memory"] = resources.memory
    else:
        settings["address"] = resources.ray_address
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(**settings)
    finally:
        signal.signal(signal.SIGTERM, handler)


def _run(tasks: list[Task], resources: Resources, note: Note, stopped: Callable[[], bool]) -> None:
    """Keep as many tasks running as there are cores; one that a signal interrupts is tried again."""
    remote = ray.remote(max_retries=DEATHS - 1)(_run_in)
    here = Path.cwd()
    largest = max((node["Resources"].get("memory", 0.0) for node in ray.nodes()), default=0.0)
    waiting, running, interruptions = deque(tasks), dict[Any, Task](), Counter[str]()
    while (waiting or running) and not stopped():
        limit = max(int(ray.cluster_resources().get("CPU", 1)) // resources.threads, 1)  # nodes come and go
        while waiting and len(running) < limit:
            task = waiting.popleft()
            if task.memory > largest:
                needed = f"needs about {task.memory / GB:.1f} GB of memory"
                note(task, Outcome(FAILED, f"{needed}, no node has more than {largest / GB:.1f} GB for it"))
                continue
            options = remote.options(num_cpus=resources.threads, memory=task.memory)
            running[options.remote(here, task.cell, task.sweep)] = task
            note(task, Outcome(STARTED))
        if running:
            for done in ray.wait(list(running), timeout=POLL)[0]:
                task, outcome = running.pop(done), _outcome(done)
                if outcome.state == INTERRUPTED:
                    interruptions[task.cell.name] += 1
                    if interruptions[task.cell.name] < DEATHS:
                        waiting.append(task)
                    else:
                        outcome = Outcome(FAILED, f"it was interrupted {DEATHS} times", outcome.seconds)
                note(task, outcome)
    _interrupt(running, note)


def _run_in(folder: Path, cell: Cell, sweep: Path) -> Outcome:
    """Run a cell in the folder of the command, from which the paths of its arguments are meant."""
    try:
        os.chdir(folder)
    except OSError as error:
        return Outcome(FAILED, f"{folder} of the command is not there on this node: {error.strerror}")
    return run_cell(cell, sweep)


def _interrupt(running: dict[Any, Task], note: Note) -> None:
    """Interrupt tasks, as Ctrl-C would, and wait until they have saved their state."""
    for reference in running:
        ray.cancel(reference)
    ended = ray.wait(list(running), num_returns=len(running), timeout=GRACE)[0] if running else []
    for reference, task in running.items():
        note(task, _outcome(reference) if reference in ended else Outcome(INTERRUPTED))


def _outcome(reference: Any) -> Outcome:
    """Return how a task ended, also if its process died or its node went away."""
    try:
        outcome: Outcome = ray.get(reference)
    except ray.exceptions.TaskCancelledError:
        return Outcome(INTERRUPTED)
    except ray.exceptions.RayError as error:
        words = str(error).strip().splitlines() or [type(error).__name__]
        return Outcome(FAILED, words[0][:LONGEST_ERROR])
    return outcome
