"""Processes on this machine that run cells, each with few threads, as many as cores and memory allow.

A worker (``python -m experiments.sweep.workers``) reads a cell per line and answers with how it ended. It
runs many cells, since a new process takes seconds to import torch. One that dies is replaced, and its cell
tried again. All end with the process that started them, however that ends.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final

from agents.supervised.machine_memory import GB, free_memory
from experiments.runs.command_line import end_with_parent
from experiments.sweep.cell_run import (
    FAILED,
    INTERRUPTED,
    STARTED,
    Outcome,
    Task,
    run_cell,
    thread_limits,
)
from experiments.sweep.grid import Cell
from experiments.sweep.resources import Resources

POLL: Final = 0.2  # s
GRACE: Final = 25.0  # s that a worker has to save the state of its cell
DEATHS: Final = 3  # of processes that ran the same cell, from outside, until it counts as failed
FAR_END: Final = ("-m", "experiments.sweep.workers")  # of a worker: what Python runs
SHARE_OF_MEMORY: Final = 0.9  # of what is free, that cells may take
Note = Callable[[Task, Outcome], None]


def run_local(tasks: list[Task], resources: Resources, note: Note, stopped: Callable[[], bool]) -> None:
    """Run tasks in processes on this machine."""
    memory = resources.memory or SHARE_OF_MEMORY * (free_memory() or float("inf"))
    fitting = []
    for task in tasks:
        if task.memory > memory:
            needed = f"needs about {task.memory / GB:.1f} GB of memory"
            note(task, Outcome(FAILED, f"{needed}, {memory / GB:.1f} GB may be used"))
        else:
            fitting.append(task)
    Workers(resources.at_a_time(), memory, resources.threads).run(fitting, note, stopped)


class Workers:
    """Runs tasks in processes of their own.

    Attributes:
        count: How many run at a time.
        memory: Bytes that all of them may need together.
        threads: Computing threads of each.
    """

    def __init__(self, count: int, memory: float, threads: int = 1) -> None:
        """Start no process yet."""
        self.count, self.memory, self.threads = count, memory, threads
        self._idle: list[_Worker] = []
        self._busy: dict[_Worker, Task] = {}
        self._deaths: Counter[str] = Counter()
        self._selector = selectors.DefaultSelector()

    def run(self, tasks: Iterable[Task], note: Note, stopped: Callable[[], bool]) -> None:
        """Run all tasks, or those that end before ``stopped()``.

        Args:
            tasks: In the order in which to start them; one that does not fit into memory now lets later ones
                pass.
            note: Called when a cell starts (state "started") and ends.
            stopped: Called all the time; True makes the cells that run save their state and end.
        """
        waiting = list(tasks)
        try:
            while (waiting or self._busy) and not stopped():
                while (task := self._next(waiting)) is not None:
                    self._start(task, note)
                self._dismiss_idle()
                for key, _ in self._selector.select(POLL):
                    self._receive(key.data, waiting, note)
        finally:
            self.end(note)

    def end(self, note: Note) -> None:
        """End all processes, by force those that do not save their state within `GRACE`, one for all."""
        for worker in self._busy:
            worker.ask_to_end()
        until = time.monotonic() + GRACE
        self._dismiss_idle()
        while self._busy:
            worker, task = self._busy.popitem()
            self._selector.unregister(worker.results)
            outcome = worker.last_outcome(until - time.monotonic())
            worker.wait()
            note(task, outcome or Outcome(INTERRUPTED))

    def _dismiss_idle(self) -> None:
        """End the processes that have nothing to do, whose memory the others may need."""
        for worker in self._idle:
            worker.ask_to_end()
        while self._idle:
            self._idle.pop().wait()

    def _next(self, waiting: list[Task]) -> Task | None:
        """Take the first waiting task for which there is a process and memory."""
        if len(self._busy) >= self.count:
            return None
        free = self.memory - sum(task.memory for task in self._busy.values())
        for i, task in enumerate(waiting):
            if task.memory <= free or not self._busy:
                return waiting.pop(i)
        return None

    def _start(self, task: Task, note: Note) -> None:
        worker = self._idle.pop() if self._idle else _Worker(self.threads)
        self._busy[worker] = task
        self._selector.register(worker.results, selectors.EVENT_READ, worker)
        note(task, Outcome(STARTED))
        worker.begin(task)

    def _receive(self, worker: _Worker, waiting: list[Task], note: Note) -> None:
        """Take the answer of a worker, or its death; one that a signal interrupted ends, too."""
        outcome, task = worker.outcome(), self._busy.pop(worker)
        self._selector.unregister(worker.results)
        if outcome is not None and outcome.state != INTERRUPTED:
            self._idle.append(worker)
            note(task, outcome)
            return
        status = worker.wait()
        self._deaths[task.cell.name] += 1
        if self._deaths[task.cell.name] < DEATHS:
            waiting.insert(0, task)
            note(task, Outcome(INTERRUPTED))
        else:
            how = f"signal {-status}" if status < 0 else f"status {status}" if status else "a signal"
            note(task, Outcome(FAILED, f"its process ended {DEATHS} times, the last time by {how}"))


@dataclass(eq=False)
class _Worker:
    """The near end of a worker process."""

    threads: int

    def __post_init__(self) -> None:
        reading, writing = os.pipe()
        self.results: IO[str] = os.fdopen(reading)
        self.process = subprocess.Popen(
            [sys.executable, *FAR_END, str(writing), str(os.getpid())],
            stdin=subprocess.PIPE, pass_fds=[writing], text=True, start_new_session=True,
            env={**os.environ, **thread_limits(self.threads)},
        )  # fmt: skip
        os.close(writing)

    def begin(self, task: Task) -> None:
        """Send a cell; a process that is dead already shows as one that answers nothing."""
        line = {"cell": asdict(task.cell), "sweep": str(task.sweep)}
        try:
            self._input.write(json.dumps(line) + "\n")
            self._input.flush()
        except BrokenPipeError:
            pass

    def outcome(self) -> Outcome | None:
        """Return the answer, or None if the process ended without one."""
        line = self.results.readline()
        return Outcome(**json.loads(line)) if line.endswith("\n") else None

    def ask_to_end(self) -> None:
        """Ask the process to save the state of its cell, if it has one, and to end."""
        self.process.terminate()

    def last_outcome(self, seconds: float) -> Outcome | None:
        """Return the answer of a process that was asked to end; one that gives none in time is killed."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.results, selectors.EVENT_READ)
            if selector.select(max(seconds, 0.0)):
                return self.outcome()
        self.process.kill()
        return None

    def wait(self) -> int:
        """Return the exit status, of a process that ends by itself or by force."""
        try:
            self._input.close()
        except BrokenPipeError:
            pass
        try:
            return self.process.wait(timeout=2.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            self.results.close()

    @property
    def _input(self) -> IO[str]:
        assert self.process.stdin is not None
        return self.process.stdin


def serve(results: int, parent: int) -> None:
    """Run the cells that standard input names, until it ends; the far end of a worker.

    Args:
        results: File descriptor for the answers.
        parent: Process that started this one.
    """
    end_with_parent(parent)
    with os.fdopen(results, "w", buffering=1) as answers:
        for line in sys.stdin:
            request: dict[str, Any] = json.loads(line)
            outcome = run_cell(Cell(**request["cell"]), Path(request["sweep"]))
            answers.write(json.dumps(asdict(outcome)) + "\n")
            if outcome.state == INTERRUPTED:
                return


if __name__ == "__main__":
    serve(*map(int, sys.argv[1:]))
