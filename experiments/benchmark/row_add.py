"""More seeds for a row of the benchmark, from jobs of the same agent on the same terms."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import pandas as pd

from experiments.benchmark.row_file import PRETRAINED, About, Tables, check_row, tables_of, write_row
from experiments.benchmark.row_source import known_about
from experiments.benchmark.values import Finished
from savings_gym.files import PROBES, read_table

TOLD: Final = ("agent", "kind", "description", "code")  # by the row, whatever the new seeds say
TERMS: Final = ("protocol", "hyper_parameters")  # the same of all seeds
MEANS: Final = ("wall_time_s", "steps_per_second")  # over seeds
SEEDS_GIVEN: Final = re.compile(r"--seeds( \d+)+")


def add_seeds(
    file: Path, jobs: Sequence[Finished], shams: Sequence[Finished], command: str | None = None
) -> dict[str, Any]:
    """Write a row with the seeds that it has and those of further jobs; return the content of row.json.

    Args:
        file: The row.json, which is checked first and then replaced.
        jobs: Finished jobs of the same agent with the field in FF1.
        shams: Its finished jobs without.
        command: What makes all tables again; None is that of the row, with all seeds, or none if it names
            no seeds.

    Raises:
        FileNotFoundError, ValueError: If the row does not follow from its tables or is that of an ensemble,
            the jobs have other terms or hyper-parameters, or a seed is there already; nothing is written.
    """
    content = check_row(file)
    if content["kind"] == PRETRAINED:
        raise ValueError(f"{file} is the row of an ensemble, whose networks are made together: make it anew")
    new = known_about(jobs, **{name: content[name] for name in TOLD})
    for name in TERMS:
        _check_same(name, content[name] or {}, getattr(new, name) or {}, file)
    before = {name: read_table(file.with_name(name)) for name in content["tables"]}
    more = tables_of(jobs, shams)
    tables = _together(before, more)
    numbers = [int(number) for number in tables[PROBES].query("not sham")["network"].unique()]
    counts = len(content["seeds"]), len(numbers)
    about = {name: content[name] for name in asdict(new)}
    about |= {name: _mean(content[name], getattr(new, name), *counts) for name in MEANS}
    about["commit"] = _both(content["commit"], new.commit)
    about["versions"] = {
        name: _both(content["versions"].get(name), new.versions.get(name))
        for name in dict.fromkeys([*content["versions"], *new.versions])
    }
    if command is None:
        command = _with_seeds(content["command"], sorted(numbers))
    return write_row(file.parent, About(**about | {"command": command}), tables)


def _check_same(name: str, stated: Mapping[str, Any], new: Mapping[str, Any], file: Path) -> None:
    """Refuse new seeds with another entry than the row; it is named."""
    for key in dict.fromkeys([*stated, *new]):
        if stated.get(key) != new.get(key):
            raise ValueError(
                f"{file}: {name}.{key} is {stated.get(key)!r}, that of the new seeds {new.get(key)!r}"
            )


def _together(before: Tables, more: Tables) -> Tables:
    """Return the tables of a row with those of new seeds, in the order of a row made at once."""
    if lacking := sorted(before.keys() ^ more.keys()):
        raise ValueError(f"of the row and the new seeds, only one has {', '.join(lacking)}")
    tables = {}
    for name, table in more.items():
        keys = ["sham", "network"]
        known, new = (set(its[keys].itertuples(index=False, name=None)) for its in (before[name], table))
        if twice := sorted({int(seed) for _, seed in known & new}):
            raise ValueError(f"the row has seed {', '.join(map(str, twice))} already")
        order = {"sham": True, "memory": False, "network": True}  # reset before carried
        order = {column: ascending for column, ascending in order.items() if column in table}
        tables[name] = pd.concat([before[name], table], ignore_index=True).sort_values(
            list(order), ascending=list(order.values()), kind="stable", ignore_index=True
        )
    return tables


def _mean(before: float | None, new: float | None, seeds_before: int, seeds: int) -> float | None:
    """Mean over all seeds from those of the first and of the others; None if one of them is not known."""
    if before is None or new is None:
        return None
    return (seeds_before * before + (seeds - seeds_before) * new) / seeds


def _with_seeds(command: str | None, seeds: Sequence[int]) -> str | None:
    """Return the command of a row with other seeds; None if it names none, and would make others."""
    if command is None or not SEEDS_GIVEN.search(command):
        return None
    return SEEDS_GIVEN.sub(f"--seeds {' '.join(map(str, seeds))}", command)


def _both(before: str | None, new: str | None) -> str | None:
    """Return what two parts of a row say, with commas between; once what both say."""
    said = (word for value in (before, new) if value for word in value.split(", "))
    return ", ".join(dict.fromkeys(said)) or None
