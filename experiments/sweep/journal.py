"""What happened to every cell, written down by each process that runs some.

A process appends lines to a file of its own in ``journal/``, so that no two ever write the same one, on
whatever machine they are. The journal is for people and for the list of failures; whether a cell is finished,
its folder says.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from experiments.sweep.cell_run import Outcome

JOURNAL: Final = "journal"  # folder in the folder of a sweep


@dataclass(frozen=True)
class Event:
    """The start or the end of an attempt at a cell.

    Attributes:
        cell: Name of the cell.
        outcome: State ("started" at the start), error, and seconds.
        time: Seconds since 1970.
        where: Name of the machine.
    """

    cell: str
    outcome: Outcome
    time: float
    where: str


class JournalWriter:
    """Appends what happens in this process."""

    def __init__(self, sweep: Path) -> None:
        """Choose a new file; it is created with the first line."""
        self._where = socket.gethostname()
        self._path = sweep / JOURNAL / f"{self._where}-{os.getpid()}-{time.time_ns()}.jsonl"
        self._file: IO[str] | None = None

    def write(self, cell: str, outcome: Outcome) -> Event:
        """Append a line; return it as the event that a reader will see."""
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a", buffering=1)
        event = Event(cell, outcome, time.time(), self._where)
        line = {
            "cell": cell, "state": outcome.state, "time": event.time, "where": event.where,
            "seconds": outcome.seconds, "error": outcome.error,
        }  # fmt: skip
        try:
            self._file.write(json.dumps(line) + "\n")
        except OSError as error:  # of a full disk, it names no file
            raise OSError(error.errno, error.strerror, str(self._path)) from error
        return event

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


class JournalReader:
    """Reads the lines that were added since it last looked."""

    def __init__(self, sweep: Path) -> None:
        """Start from the beginning of every file."""
        self._folder, self._read = sweep / JOURNAL, dict[str, int]()

    def new(self) -> list[Event]:
        """Return the events since the last call, in the order of their times."""
        files = sorted(self._folder.glob("*.jsonl")) if self._folder.is_dir() else []
        return sorted((event for file in files for event in self._lines(file)), key=lambda event: event.time)

    def _lines(self, file: Path) -> Iterator[Event]:
        """Return the new whole lines of a file; a torn one, of a process that was killed, is passed over."""
        with file.open("rb") as source:
            source.seek(self._read.get(file.name, 0))
            data = source.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read[file.name] = self._read.get(file.name, 0) + len(whole)
        for line in whole.splitlines():
            try:
                content = json.loads(line)
                outcome = Outcome(content["state"], content["error"], float(content["seconds"]))
                yield Event(content["cell"], outcome, float(content["time"]), content["where"])
            except (ValueError, KeyError, TypeError):
                continue


def last_failures(events: list[Event]) -> dict[str, Event]:
    """Return, for every cell whose last attempt failed, how it ended."""
    last = {event.cell: event for event in events if event.outcome.state in ("finished", "failed")}
    return {cell: event for cell, event in last.items() if event.outcome.state == "failed"}
