"""A row of the benchmark from any folder with probe tables, and the check of a row.

    python -m experiments.benchmark.row runs/mine --description "PPO, ..." --code https://...
    python -m experiments.benchmark.row check experiments/results/benchmark/rows/mine/row.json

The first makes a row, see `experiments.benchmark.row_file`, of a folder that `SavingsCallback`,
`ProbeRecorder.save` or a job of the benchmark wrote, or of a folder with one such folder per seed. Shams are
recognised by their configuration, by folder names that begin with "sham", or given with ``--sham``. The
second computes every number again from the tables and refuses, by its name, what does not agree.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from experiments.benchmark.outside import folder_name
from experiments.benchmark.row_file import KINDS, ROW, check_row, tables_of, write_row
from experiments.benchmark.row_source import check_seeds_differ, find_folders, known_about
from experiments.runs.command_line import choice, command_main
from savings_gym.arrays import as_choice

log = logging.getLogger(__name__)
CHECK = "check"
OUT = Path("runs/rows")


@dataclass(frozen=True)
class MakeRow:
    """Arguments of a new row."""

    folder: tyro.conf.Positional[Path]
    """Folder with probe tables, or with one folder per seed."""
    out: Path | None = None
    """Folder of the row; by default runs/rows/AGENT."""
    sham: Path | None = None
    """The same for seeds that met no field in FF1."""
    agent: str | None = None
    """Name of the row; by default that of the job or the algorithm."""
    kind: Annotated[str | None, choice(KINDS)] = None
    """learner (learns to reach in NF1, the default), pre-trained (reaches before), fixed (never learns)."""
    description: str | None = None
    """One line for the page; needed unless the folder is a job of the benchmark."""
    code: str | None = None
    """Link to the code of the agent, likewise."""
    commit: str | None = None
    """Commit of that code."""
    command: str | None = None
    """What makes the tables again."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        if self.kind is not None:
            as_choice("kind", self.kind, KINDS)


@dataclass(frozen=True)
class CheckRow:
    """Arguments of a check."""

    file: tyro.conf.Positional[Path]
    """The row.json, or its folder."""


def make_row(config: MakeRow) -> int:
    """Make a row; return the exit status."""
    folders = find_folders(config.folder)
    jobs, shams = ([f for f in folders if f.is_sham is sham] for sham in (False, True))
    if config.sham is not None:
        shams += find_folders(config.sham)
        check_seeds_differ(shams)
    if not jobs:
        raise ValueError(f"{config.folder} holds shams only: a row needs seeds that met the field in FF1")
    about = known_about(
        jobs, agent=config.agent, kind=config.kind, description=config.description, code=config.code,
        commit=config.commit, command=config.command,
    )  # fmt: skip
    out = config.out or OUT / folder_name(about.agent)
    content = write_row(out, about, tables_of(jobs, shams))
    seeds, steps = len(content["seeds"]), content["control_steps"]
    log.info("wrote %s: seeds %d, shams %d, control steps %d", out / ROW, seeds, len(shams), steps)
    return 0


def check(config: CheckRow) -> int:
    """Check a row; return the exit status."""
    file = config.file / ROW if config.file.is_dir() else config.file
    content = check_row(file)
    log.info("%s: every number of %s follows from its tables", file, content["agent"])
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    name = "experiments.benchmark.row"
    if given[:1] == [CHECK]:
        return command_main(f"{name} {CHECK}", CheckRow, check, given[1:], __doc__)
    return command_main(name, MakeRow, make_row, given, __doc__)


if __name__ == "__main__":
    sys.exit(main())
