"""Arguments of the analysis, and what they say about the files that they name."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import tyro

from experiments.runs.command_line import choices, command_text
from experiments.theories.command import ALL_UNITS, pairs, perturbation_sizes
from experiments.theories.prediction import THEORIES
from savings_gym.arrays import as_choice, as_seed, as_whole_number
from savings_gym.files import file_digest
from savings_gym.trials import KEYS, OPTIONAL, UNITS, TrialTable, read_trials

COLUMNS: Final = (*KEYS, *OPTIONAL)


@dataclass(frozen=True)
class People:
    """Arguments of the command."""

    table: tyro.conf.Positional[Path]
    """Trial table (.csv, .tsv, .txt or .parquet) with the phases FF1 and FF2."""
    out: Path = Path("runs/people")
    """Run folder: a new one, or that of the same analysis."""
    columns: tuple[str, ...] = ()
    """Columns that have other names in the file, such as participant=subj."""
    phases: tuple[str, ...] = ()
    """Phases that have other names in the file, such as baseline=NF1."""
    unit: Annotated[tuple[str, ...], choices(ALL_UNITS)] = ()
    """Unit of the measure; one of lengths and one of angles if the table has both."""
    sham: Path | None = None
    """Second table, in the same format, of participants who practised as much but met no field in FF1."""
    models: Annotated[tuple[str, ...], choices(THEORIES)] = ()
    """Models of learning that are fitted up to the end of NF2 and then forecast FF2."""
    perturbation: tuple[str, ...] = ()
    """For models, of a table without such a column: sizes other than FF1=1 and FF2=1, such as B=-1."""
    start: int = 1
    """Trials that count as the start of a phase."""
    block: int | None = None
    """Trials per point of a learning curve; by default as many as there are targets."""
    starts: int = 3
    """Starts of each search for the maximum of a model's likelihood."""
    seed: int = 0
    """Seed of the starts."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        for unit in self.unit:
            as_choice("unit", unit, ALL_UNITS)
        self.units()
        for model in self.models:
            as_choice("model", model, THEORIES)
        for column in pairs("columns", self.columns):
            as_choice("column", column, COLUMNS)
        pairs("phases", self.phases)
        perturbation_sizes(self.perturbation)
        for name in ("start", "starts", *(["block"] if self.block is not None else [])):
            as_whole_number(name, getattr(self, name), least=1)
        as_seed("seed", self.seed)
        if self.sham == self.table:
            raise ValueError(f"sham is the table itself, {self.table}: give that of other participants")
        if self.out.is_file():
            raise FileExistsError(f"--out {self.out} is a file, expected a folder")

    def units(self) -> dict[str, str]:
        """Return the unit of every measure that has one."""
        given = {name: [unit for unit in self.unit if unit in valid] for name, valid in UNITS.items()}
        for name, its in given.items():
            if len(its) > 1:
                raise ValueError(f"{name} has one unit, got {' and '.join(its)}")
        return {name: its[0] for name, its in given.items() if its}

    def read(self, path: Path) -> TrialTable:
        """Return the trials in a file; see `read_trials` for what it refuses."""
        columns, phases = pairs("columns", self.columns), pairs("phases", self.phases)
        others = [table for table in (self.table, self.sham) if table is not None and table != path]
        return read_trials(path, columns, self.units(), phases, others)


def identity(config: People) -> dict[str, Any]:
    """Return the arguments that decide the results, with the digests of the tables."""
    values = dataclasses.asdict(config)
    del values["out"]
    for name in ("table", "sham"):
        path = getattr(config, name)
        if path is not None:
            values |= {name: str(path), f"{name}_sha256": file_digest(path)}
    return values


def command(config: People) -> str:
    """Return the command line that has these arguments."""
    return command_text("experiments.people", config, People(config.table), config.table)
