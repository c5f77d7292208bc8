"""Commands that run side by side, each in its own process with one thread."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from experiments.runs.command_line import PARENT, interrupted

log = logging.getLogger(__name__)
LINE_EVERY = 30.0  # s between lines of progress
POLL = 0.2  # s
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Command:
    """A module to run, with arguments.

    Attributes:
        name: Unique among the commands that run together.
        arguments: Arguments of ``python -m``.
        log_file: File for its output.
        after: Name of the command that must have ended first, if that is among those to run.
        prepare: Called in this process right before the command starts.
        group: Name of commands that will all fail if the first one does: once one of them has failed with
            an error, and none has succeeded, the others are not started. None is no group.
    """

    name: str
    arguments: list[str]
    log_file: Path
    after: str | None = None
    prepare: Callable[[], object] | None = None
    group: str | None = None


def run_side_by_side(commands: list[Command], at_once: int, stopped: Callable[[], bool]) -> dict[str, int]:
    """Run commands to their end; return the exit statuses of those that failed, by name.

    Args:
        commands: Commands in the order in which to start them, as far as ``after`` allows.
        at_once: How many run at a time.
        stopped: Called all the time; True ends the commands that run.
    """
    waiting, failed, last_line = list(commands), {}, time.monotonic()
    works: dict[str | None, bool] = {None: True}  # whether any command of a group has succeeded
    running: dict[subprocess.Popen[bytes], tuple[Command, float]] = {}
    try:
        while (waiting or running) and not stopped():
            unfinished = {command.name for command in waiting}
            unfinished |= {command.name for command, _ in running.values()}
            ready = [command for command in waiting if command.after not in unfinished]
            for command in ready[: at_once - len(running)]:
                waiting.remove(command)
                try:
                    running[_start(command)] = command, time.monotonic()
                except (OSError, ValueError, RuntimeError) as error:  # the others can do without it
                    log.error("FAILED: %s, before it started: %s", command.name, error)
                    failed[command.name] = 1
                else:
                    log.info("started: %s", command.name)
            time.sleep(POLL)
            for process in [process for process in running if process.poll() is not None]:
                command, began = running.pop(process)
                status, minutes = process.returncode, (time.monotonic() - began) / 60
                works[command.group] = works.get(command.group, False) or status == 0
                left = len(waiting) + len(running)
                if not status:
                    log.info("finished: %s, %.1f min (%d to go)", command.name, minutes, left)
                    continue
                failed[command.name], why = status, _last_line(command.log_file)
                log.error("FAILED: %s, %.1f min (%d to go): %s", command.name, minutes, left, why)
                if status > 0 and not interrupted(status) and not works[command.group]:
                    waiting = _without(waiting, command.group)
            if time.monotonic() - last_line >= LINE_EVERY:
                last_line = time.monotonic()
                for command, _ in running.values():
                    log.info("  %s: %s", command.name, _last_line(command.log_file))
    finally:
        _end(list(running))
    return failed


def _without(waiting: list[Command], group: str | None) -> list[Command]:
    """Return the commands that are not of a group, and say that the others are not started."""
    left = [command for command in waiting if command.group != group]
    if len(left) < len(waiting):
        log.error("not started: %d more of %s, whose first has failed", len(waiting) - len(left), group)
    return left


def _start(command: Command) -> subprocess.Popen[bytes]:
    if command.prepare is not None:
        command.prepare()
    command.log_file.parent.mkdir(parents=True, exist_ok=True)
    output: IO[bytes] = command.log_file.open("ab")
    with output:
        return subprocess.Popen(
            [sys.executable, "-m", *command.arguments], stdout=output, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, start_new_session=True,
            env={**os.environ, **ONE_THREAD, "PYTHONUNBUFFERED": "1", PARENT: str(os.getpid())},
        )  # fmt: skip


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    """End processes, by force if they do not react."""
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines() if path.is_file() else []
    return lines[-1] if lines else "nothing in its log yet"
