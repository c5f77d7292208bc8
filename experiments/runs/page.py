"""The life of a run that ends in a page: its work is done once, and its report makes the folder complete."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from experiments.runs.command_line import StopFlag, Stopped
from experiments.runs.folder import RunFolder, versions
from experiments.runs.out import PAGE
from savings_gym.files import SUMMARY, sole_writer, verified, write_atomically, write_json

log = logging.getLogger(__name__)


def run_to_page(
    out: Path,
    identity: dict[str, Any],
    work: Callable[[RunFolder, StopFlag], None],
    remedy: str | None = None,
    again: str = "goes on from there",
) -> int:
    """Do the work of an experiment that ends with its page, unless its folder is complete.

    Args:
        out: Run folder; nobody else may write into it.
        identity: The arguments that decide the results.
        work: Does it, in the folder, to the call of `write_report`; raises `Stopped` if the flag is set.
        remedy: Argument whose value should be lower if the learning diverges; None for work without learning.
        again: What the same command does after an interruption.

    Returns:
        0; 1 if the learning diverged; if interrupted, 130 after Ctrl-C and 143 after SIGTERM.
    """
    with StopFlag() as stop, sole_writer(out):
        folder = RunFolder(out, identity)
        folder.check()
        if folder.complete:
            log.info("%s is complete:\n%s", out, verified(out / PAGE).read_text())
            return 0
        try:
            work(folder, stop)
        except Stopped:
            log.warning("interrupted: the same command %s", again)
            return stop.status
        except FloatingPointError as error:
            if remedy is None:
                raise
            log.error("the learning diverged: %s; try a lower %s", error, remedy)
            return 1
    return 0


def write_report(out: Path, text: str, command: str, claims: Mapping[str, Any], **more: Any) -> None:
    """Write and show the page of an experiment, then the summary that makes its folder complete.

    Args:
        out: Run folder.
        text: The page.
        command: What made it.
        claims: What `experiments.claims.as_summary` returned.
        **more: Further entries of the summary.
    """
    write_atomically(out / PAGE, text.encode())
    about = {"complete": True, "command": command, "versions": versions()}
    write_json(out / SUMMARY, about | more | dict(claims))
    log.info("%s", text)
