"""What a sweep runs: a grid of arguments, declared in a TOML file.

    experiment = "savings"              # or "benchmark"

    [arguments]                         # of every cell, by the names of the command line
    preset = "smoke"

    [grid]                              # every combination of these
    units = [8, 16]
    b = [8.0, -8.0]
    seed = {first = 0, last = 2}

    [[cases]]                           # optional: each of these with every combination
    change.ff1_b = 0.0

A cell is one combination. Its name is a digest of its arguments, so a grid that grows or is written in
another order keeps the folders of the cells that it had.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from experiments.runs.tables import grouped
from savings_gym.arrays import as_choice

EXPERIMENTS: Final = ("savings", "benchmark")
KEYS: Final = ("experiment", "arguments", "grid", "cases")
MOST_CELLS: Final = 1_000_000
RANGE: Final = {"first", "last"}
CHOSEN_BY_SWEEP: Final = ("out", "device", "track")
CELLS: Final = "cells"  # folder in the folder of a sweep
Values = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One run of a sweep.

    Attributes:
        experiment: Which command it is a run of.
        arguments: Its arguments; those of nested groups have dotted names, such as "noise.vision".
    """

    experiment: str
    arguments: Mapping[str, Any]

    @cached_property
    def name(self) -> str:
        """A digest of the experiment and its arguments, 16 letters."""
        text = json.dumps([self.experiment, self.arguments], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def folder(self, sweep: Path) -> Path:
        """Return the run folder in the folder of a sweep; no folder holds more than a few hundred others."""
        return sweep / CELLS / self.name[:2] / self.name

    def log_file(self, sweep: Path) -> Path:
        """Return the file for what the cell prints; only a failed cell leaves one."""
        return self.folder(sweep).with_suffix(".log")


@dataclass(frozen=True)
class Grid:
    """The declaration of a sweep, see the head of this module.

    Attributes:
        experiment: Which command the cells are runs of.
        arguments: Arguments of every cell.
        grid: Values by argument.
        cases: Arguments that go together.
    """

    experiment: str
    arguments: Values
    grid: dict[str, list[Any]]
    cases: tuple[Values, ...] = ({},)

    def __post_init__(self) -> None:
        """Refuse a grid that names an argument twice, or that is too large."""
        as_choice("experiment", self.experiment, EXPERIMENTS)
        for case in self.cases:
            names = [*self.arguments, *self.grid, *case]
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{', '.join(twice)} is given more than once")
            if chosen := [name for name in names if name in CHOSEN_BY_SWEEP]:
                raise ValueError(f"{', '.join(chosen)} cannot be given: the sweep chooses it for every cell")
        self._refuse_times()
        if self.size > MOST_CELLS:
            raise ValueError(
                f"the grid has {grouped(self.size)} cells, at most {grouped(MOST_CELLS)} are allowed"
            )

    def _refuse_times(self) -> None:
        """Refuse the dates and times of TOML, which no argument takes."""
        for group in (self.arguments, self.grid, *self.cases):
            for name, value in group.items():
                try:
                    json.dumps(value)
                except TypeError as error:
                    raise ValueError(f"{name} must hold numbers, texts or lists, got {value!r}") from error

    @property
    def size(self) -> int:
        """Number of cells."""
        count = len(self.cases)
        for values in self.grid.values():
            count *= len(values)
        return count

    def cells(self) -> list[Cell]:
        """Return all cells, the last argument of the grid changing fastest.

        Raises:
            ValueError: If two cells are equal.
        """
        cells = {}
        for case in self.cases:
            for values in itertools.product(*self.grid.values()):
                cell = Cell(
                    self.experiment, self.arguments | case | dict(zip(self.grid, values, strict=True))
                )
                if cell.name in cells:
                    raise ValueError(f"two cells of the grid are equal: {describe(cell.arguments)}")
                cells[cell.name] = cell
        return list(cells.values())

    def varied(self) -> list[str]:
        """Return the names of the arguments in which cells differ."""
        return [*self.grid, *dict.fromkeys(name for case in self.cases for name in case)]

    def as_dict(self) -> Values:
        """Return the declaration, JSON-able."""
        return {
            "experiment": self.experiment, "arguments": self.arguments, "grid": self.grid,
            "cases": list(self.cases),
        }  # fmt: skip


def read_grid(path: Path) -> Grid:
    """Return the grid that a TOML file declares.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no TOML, or declares no grid; the message names the file and what is wrong.
    """
    try:
        content = tomllib.loads(path.read_text())
    except FileNotFoundError as error:
        raise FileNotFoundError(f"no file {str(path)!r} that declares a grid") from error
    except ValueError as error:
        raise ValueError(f"{path} is not a TOML file: {error}") from error
    try:
        return _grid(content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def describe(arguments: Mapping[str, Any]) -> str:
    """Return arguments as one line, such as "units 8, b -8.0"."""
    return ", ".join(f"{name} {value}" for name, value in arguments.items()) or "no arguments"


def _grid(content: Mapping[str, Any]) -> Grid:
    for key in content:
        as_choice("key", key, KEYS)
    if "experiment" not in content:
        raise ValueError(f"it does not name an experiment; choose from: {', '.join(EXPERIMENTS)}")
    tables = {key: content.get(key, {}) for key in ("arguments", "grid")}
    for key, table in tables.items():
        if not isinstance(table, dict):
            raise ValueError(f"[{key}] must be a table, got {table!r}")
    cases = content.get("cases", [{}])
    if not isinstance(cases, list) or not cases or not all(isinstance(case, dict) for case in cases):
        raise ValueError(f"[[cases]] must be one or more tables, got {cases!r}")
    grid = {name: _values(name, value) for name, value in _flat(tables["grid"], leaves=RANGE).items()}
    return Grid(content["experiment"], _flat(tables["arguments"]), grid, tuple(map(_flat, cases)))


def _flat(table: Mapping[str, Any], prefix: str = "", leaves: set[str] | None = None) -> Values:
    """Return nested tables as one with dotted names; tables with the keys `leaves` are values."""
    flat: Values = {}
    for key, value in table.items():
        name = prefix + key.replace("-", "_")
        nested = isinstance(value, dict) and set(value) != leaves
        for inner, its in (_flat(value, f"{name}.", leaves) if nested else {name: value}).items():
            if inner in flat:
                raise ValueError(f"{inner} is given more than once")
            flat[inner] = its
    return flat


def _values(name: str, value: Any) -> list[Any]:
    """Return the values of an argument of the grid."""
    if isinstance(value, dict):
        first, last = value["first"], value["last"]
        if type(first) is not int or type(last) is not int or last < first:
            raise ValueError(f"{name} must run from a whole number to one not below it, got {value}")
        if last - first >= MOST_CELLS:
            raise ValueError(
                f"{name} has {grouped(last - first + 1)} values, at most {grouped(MOST_CELLS)} are allowed"
            )
        return list(range(first, last + 1))
    if not isinstance(value, list) or not value:
        raise ValueError(f"{name} must be a list of values or {{first = A, last = B}}, got {value!r}")
    return value
