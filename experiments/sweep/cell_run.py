"""Run one cell in this process, whatever comes of it."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from experiments.runs.command_line import interrupted
from experiments.runs.side_by_side import ONE_THREAD
from experiments.sweep.grid import Cell
from savings_gym.files import BusyFolderError

FINISHED, FAILED, INTERRUPTED, BUSY, STARTED = "finished", "failed", "interrupted", "busy", "started"
LONGEST_ERROR: Final = 400  # characters


@dataclass(frozen=True)
class Task:
    """A cell to run, and what it will need.

    Attributes:
        cell: The cell.
        sweep: Folder of the sweep.
        memory: Estimate of the memory of its process [bytes].
        work: How long it takes beside other cells, in any unit.
    """

    cell: Cell
    sweep: Path
    memory: int
    work: float


@dataclass(frozen=True)
class Outcome:
    """How a cell ended.

    Attributes:
        state: "finished", "failed", "interrupted" by a signal, or "busy": another process is at it.
        error: One line about a failure.
        seconds: How long this attempt lasted.
    """

    state: str
    error: str = ""
    seconds: float = 0.0


def run_cell(cell: Cell, sweep: Path) -> Outcome:
    """Run a cell, or go on with it; return how it ended.

    What it prints goes to its log file, which stays only if it fails.
    """
    began, file = time.monotonic(), cell.log_file(sweep)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with _output_to(file):
            state, error = _attempt(cell, sweep)
        if state == FAILED:
            error = error or last_line(file) or "it failed without a word"
        else:
            file.unlink(missing_ok=True)
    except OSError as problem:  # the log cannot be written: a full disk, or a read-only folder
        state, error = FAILED, f"{file}: {problem.strerror or problem}"
    return Outcome(state, error[:LONGEST_ERROR], round(time.monotonic() - began, 1))


def last_line(file: Path) -> str:
    """Return the last line of a log that says something."""
    lines = file.read_text(errors="replace").splitlines() if file.is_file() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def thread_limits(threads: int) -> Mapping[str, str]:
    """Return the environment of a process that computes with a number of threads."""
    return {name: str(threads) for name in ONE_THREAD} | {"PYTHONUNBUFFERED": "1"}


def _attempt(cell: Cell, sweep: Path) -> tuple[str, str]:
    from experiments.sweep.subjects import SUBJECTS  # torch too: not for processes that start others

    subject = SUBJECTS[cell.experiment]
    try:
        config: Any = subject.config(cell.arguments, cell.folder(sweep))
        status = 0 if subject.finished(config) else subject.run(config)
    except BusyFolderError:
        return BUSY, ""
    except KeyboardInterrupt:
        return INTERRUPTED, ""
    except (ValueError, OSError, ImportError) as error:
        logging.getLogger(__name__).error("error: %s", error)
        return FAILED, " ".join(str(error).split())
    except Exception as error:
        traceback.print_exc()
        return FAILED, f"{type(error).__name__}: {' '.join(str(error).split())}"
    if status == 0:
        return FINISHED, ""
    return (INTERRUPTED, "") if interrupted(status) else (FAILED, "")


@contextlib.contextmanager
def _output_to(file: Path) -> Iterator[None]:
    """Send what this process prints and logs to a file, also from C."""
    handler = logging.StreamHandler(sys.stderr)
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    saved = [os.dup(stream) for stream in (1, 2)]
    with file.open("ab") as output:
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        for stream, copy in zip((1, 2), saved, strict=True):
            (sys.stdout, sys.stderr)[stream - 1].flush()
            os.dup2(copy, stream)
            os.close(copy)
