"""What a person sees of a sweep while it runs: cells done, running and failed, and the time left."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.table import Table

from experiments.runs.tables import grouped
from experiments.sweep.cell_run import BUSY, FAILED, FINISHED, INTERRUPTED, STARTED, Outcome, Task
from experiments.sweep.grid import describe

log = logging.getLogger(__name__)
LINE_EVERY: Final = 30.0  # s between lines of progress without a terminal
SHOWN: Final = 8  # running and failed cells in the live view


class Progress:
    """Counts cells as they start and end, and shows them: live in a terminal, a line now and then elsewhere.

    Attributes:
        running: Cells that run, with the time at which they started.
        failed: Cells that failed, with the error of the last attempt.
    """

    def __init__(
        self,
        tasks: list[Task],
        finished: int,
        varied: list[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin to count.

        Args:
            tasks: Cells to run.
            finished: Cells of the sweep that were finished before.
            varied: Names of the arguments in which cells differ.
            clock: Returns the time [s].
        """
        self.total, self.before, self.varied, self.clock = len(tasks) + finished, finished, varied, clock
        self.tasks = {task.cell.name: task for task in tasks}
        self.running: dict[str, float] = {}
        self.failed: dict[str, str] = {}
        self.done: set[str] = set()
        self.busy: set[str] = set()
        self._began, self._last_line = clock(), clock()
        self._console = Console()
        self._live = Live(console=self._console, get_renderable=self.table, refresh_per_second=2)

    def __enter__(self) -> Progress:
        """Start the live view."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the live view."""
        if self._console.is_terminal:
            self._live.stop()

    def note(self, name: str, outcome: Outcome) -> None:
        """Count the start or the end of an attempt at a cell; cells of other sweeps are passed over."""
        if name not in self.tasks:
            return
        if outcome.state == STARTED:
            self.running[name] = self.clock()
            self.busy.discard(name)
            return
        self.running.pop(name, None)
        if outcome.state == FINISHED:
            self.done.add(name)
            self.failed.pop(name, None)
        elif outcome.state == FAILED:
            self.failed[name] = outcome.error
            log.error("failed: %s: %s", self.describe(name), outcome.error)
        elif outcome.state == BUSY:
            self.busy.add(name)
        elif outcome.state == INTERRUPTED:
            log.info("interrupted: %s", self.describe(name))

    def tick(self) -> None:
        """Print a line if it is time for one and there is no terminal."""
        if not self._console.is_terminal and self.clock() - self._last_line >= LINE_EVERY:
            self._last_line = self.clock()
            log.info("%s", self.line())

    def describe(self, name: str) -> str:
        """Return the arguments in which a cell differs from others, in words."""
        arguments = self.tasks[name].cell.arguments
        return describe({key: arguments[key] for key in self.varied if key in arguments})

    def line(self) -> str:
        """Return the state of the sweep in one line."""
        finished = self.before + len(self.done)
        words = [
            f"{grouped(finished)} of {grouped(self.total)} cells finished",
            f"{grouped(len(self.running))} running",
        ]
        if self.failed:
            words.append(f"{grouped(len(self.failed))} failed")
        left = self.seconds_left()
        return ", ".join(words) + ("" if left is None else f", {duration(left)} left")

    def seconds_left(self) -> float | None:
        """Estimate the time until the end from the work done since the start; None if none is done yet."""
        ended = self.done | set(self.failed) | self.busy
        done = sum(self.tasks[name].work for name in ended)
        left = sum(task.work for name, task in self.tasks.items() if name not in ended)
        if not done:
            return None
        return (self.clock() - self._began) * left / done

    def table(self) -> Table:
        """Return the live view."""
        table = Table(title=self.line(), title_justify="left", box=None, show_header=False, pad_edge=False)
        for name, began in list(self.running.items())[:SHOWN]:
            table.add_row("running", self.describe(name), duration(self.clock() - began))
        for name, error in list(self.failed.items())[-SHOWN:]:
            table.add_row("[red]failed", self.describe(name), error)
        return table


def duration(seconds: float) -> str:
    """Return a time such as "40 s", "12 min", "3.5 h" or "2.1 days"."""
    for unit, length, least in (("days", 86_400, 2), ("h", 3_600, 2), ("min", 60, 2)):
        if seconds >= least * length:
            return f"{seconds / length:.{0 if unit == 'min' else 1}f} {unit}"
    return f"{seconds:.0f} s"
