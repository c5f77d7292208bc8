"""A row of the benchmark from any folder with probe tables, and the check of a row.

    python -m experiments.benchmark.row runs/mine --agent mine --out OUT --description "PPO, ..." --code URL
    python -m experiments.benchmark.row add runs/more experiments/results/benchmark/rows/mine
    python -m experiments.benchmark.row check experiments/results/benchmark/rows/mine/row.json

The first, short for ``row make runs/mine``, makes a row, see `experiments.benchmark.row_file`, of a folder
that `SavingsCallback`, `ProbeRecorder.save` or a job of the benchmark wrote, or of a folder with one such
folder per seed. Shams are recognised by their configuration, by folder names that begin with "sham", or given
with ``--sham``. The second adds more seeds of the same agent on the same terms to a row. The third computes
every number again from the tables and refuses, by its name, what does not agree. ``row make --help`` lists
all arguments.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from experiments.benchmark.outside import folder_name
from experiments.benchmark.row_add import add_seeds
from experiments.benchmark.row_file import KINDS, ROW, check_row, read_row, tables_of, write_row
from experiments.benchmark.row_source import TableFolder, check_seeds_differ, find_folders, known_about
from experiments.runs.command_line import choice, command_main
from savings_gym.arrays import as_choice

log = logging.getLogger(__name__)
COMMANDS = MAKE, ADD, CHECK = "make", "add", "check"
OUT = Path("runs/rows")


@dataclass(frozen=True)
class MakeRow:
    """Arguments of a new row."""

    folder: tyro.conf.Positional[Path]
    """Folder with probe tables, or with one folder per seed."""
    out: Path | None = None
    """Folder of the row; by default runs/rows/AGENT."""
    sham: Path | None = None
    """Folder like it, of seeds that met no field in FF1."""
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
class AddSeeds:
    """Arguments of more seeds."""

    folder: tyro.conf.Positional[Path]
    """Folder with the probe tables of the new seeds, as for a new row."""
    row: tyro.conf.Positional[Path]
    """The row.json that gets them, or its folder."""
    sham: Path | None = None
    """Folder like it, of seeds that met no field in FF1."""
    command: str | None = None
    """What makes all tables again; by default that of the row, with all seeds, if it names any."""


@dataclass(frozen=True)
class CheckRow:
    """Arguments of a check."""

    file: tyro.conf.Positional[Path]
    """The row.json, or its folder."""


def make_row(config: MakeRow) -> int:
    """Make a row; return the exit status."""
    jobs, shams = _jobs_and_shams(config.folder, config.sham)
    about = known_about(
        jobs, agent=config.agent, kind=config.kind, description=config.description, code=config.code,
        commit=config.commit, command=config.command,
    )  # fmt: skip
    out = config.out or OUT / folder_name(about.agent)
    if (out / ROW).is_file() and (there := read_row(out / ROW)["agent"]) != about.agent:
        raise FileExistsError(f"{out} has the row of {there}, not of {about.agent}: choose another --out")
    _log_written(out / ROW, write_row(out, about, tables_of(jobs, shams)))
    return 0


def add(config: AddSeeds) -> int:
    """Add seeds to a row; return the exit status."""
    jobs, shams = _jobs_and_shams(config.folder, config.sham)
    file = _row_file(config.row)
    _log_written(file, add_seeds(file, jobs, shams, config.command))
    return 0


def check(config: CheckRow) -> int:
    """Check a row; return the exit status."""
    file = _row_file(config.file)
    content = check_row(file)
    log.info("%s: every number of %s follows from its tables", file, content["agent"])
    return 0


def _jobs_and_shams(folder: Path, sham: Path | None) -> tuple[list[TableFolder], list[TableFolder]]:
    """Return the seeds with a field in FF1, and those without."""
    folders = find_folders(folder)
    jobs, shams = ([f for f in folders if f.is_sham is its] for its in (False, True))
    if sham is not None:
        shams += find_folders(sham)
        check_seeds_differ(shams)
    if not jobs:
        raise ValueError(f"{folder} holds shams only: a row needs seeds that met the field in FF1")
    return jobs, shams


def _row_file(path: Path) -> Path:
    return path / ROW if path.is_dir() else path


def _log_written(file: Path, content: Mapping[str, Any]) -> None:
    seeds, shams, steps = len(content["seeds"]), len(content["sham_seeds"]), content["control_steps"]
    log.info("wrote %s: seeds %d, shams %d, control steps %d", file, seeds, shams, steps)


Command = (
    Annotated[MakeRow, tyro.conf.subcommand(MAKE, description="Make a row of a folder with probe tables.")]
    | Annotated[AddSeeds, tyro.conf.subcommand(ADD, description="Add seeds of the same agent to a row.")]
    | Annotated[CheckRow, tyro.conf.subcommand(CHECK, description="Compute every number of a row again.")]
)


def run(config: MakeRow | AddSeeds | CheckRow) -> int:
    """Make a row, add to it, or check it; return the exit status."""
    if isinstance(config, MakeRow):
        return make_row(config)
    return add(config) if isinstance(config, AddSeeds) else check(config)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line, on which the command `make` may be left out; return the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    if given and _begins_make(given[0]):
        given = [MAKE, *given]
    return command_main("experiments.benchmark.row", Command, run, given, __doc__)


def _begins_make(word: str) -> bool:
    """Return whether the first word is an argument of `make`: an option, or a folder, there or not."""
    if word in (*COMMANDS, "-h", "--help"):
        return False
    return word.startswith("-") or "/" in word or Path(word).exists()


if __name__ == "__main__":
    sys.exit(main())
