"""Runs that are added to the committed figures one by one, without the others: made, and listed."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from experiments.figures.results_page import INDEX
from experiments.figures.runs import PlannedRun, check, describe, make_missing
from experiments.runs.folder import versions
from savings_gym.files import write_json

log = logging.getLogger(__name__)
PATIENCE: Final = 600.0  # s that a command waits for another one that is changing the figures


def make_runs(planned: Iterable[PlannedRun]) -> int:
    """Make runs, or go on with them; return the exit status.

    Returns:
        0; 1 if a run failed; if interrupted, 130 after Ctrl-C and 143 after SIGTERM.
    """
    versions()  # they are kept: what is written later changes the checkout
    runs = list(planned)
    check(runs)
    failed, signalled = make_missing(runs)
    if signalled:
        log.warning("interrupted: the same command resumes from there")
        return signalled
    return 1 if failed else 0


def listed_runs(results: Path) -> list[dict[str, Any]]:
    """Return the rows of the list of runs behind the figures.

    Raises:
        FileNotFoundError: If there is no list.
    """
    return list(json.loads((results / INDEX).read_text())["runs"])


def add_to_list(results: Path, planned: Iterable[PlannedRun], command: str, **about: Any) -> None:
    """Add runs to the list of runs behind the figures, in place of those of these names, or of their figure.

    Args:
        results: Folder of the figures.
        planned: The runs, complete.
        command: The command that adds them.
        **about: What else the rows shall say.
    """
    added = [row | {"added_by": command, "versions": versions()} | about for row in describe(planned)]
    names = {row["name"] for row in added}
    index = json.loads((results / INDEX).read_text())
    own = about.get("figure")
    kept = [
        row for row in index["runs"]
        if row["name"] not in names and (own is None or row.get("figure") != own)
    ]  # fmt: skip
    index["runs"] = kept + added
    write_json(results / INDEX, index)
