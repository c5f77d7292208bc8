"""What a figure found, and its file.

A figure is a function ``(runs, out) -> Found``: it reads stored runs, writes its pictures into ``out`` and
returns its numbers, which `Found.save` keeps as ``NAME.json`` beside them. ``experiments.figures`` makes the
runs, calls the figures, and compares the numbers with ``experiments.study``.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from experiments.study import Quantity
from savings_gym.files import write_json
from savings_gym.metrics.savings import jsonable


@dataclass(frozen=True)
class Found:
    """What one figure found.

    Attributes:
        quantities: Its numbers.
        tables: Markdown by title.
        figures: The pictures it wrote.
        text: Plain sentences that follow from the numbers.
    """

    quantities: list[Quantity]
    tables: dict[str, str] = field(default_factory=dict)
    figures: list[Path] = field(default_factory=list)
    text: str = ""

    def save(self, out: Path, name: str) -> Found:
        """Writes ``out/NAME.json``; pictures are named relative to ``out``. Returns itself.

        Raises:
            ValueError: When two quantities have one name.
        """
        names = [quantity.name for quantity in self.quantities]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"figure {name!r} has more than one quantity named {', '.join(twice)}")
        content = {
            "quantities": [jsonable(dataclasses.asdict(quantity)) for quantity in self.quantities],
            "tables": self.tables,
            "figures": [path.relative_to(out).as_posix() for path in self.figures],
            "text": self.text,
        }
        write_json(out / f"{name}.json", content)
        return self

    @staticmethod
    def load(out: Path, name: str) -> Found:
        """What `save` wrote.

        Raises:
            FileNotFoundError, ValueError: When the file is missing or not that of a figure.
        """
        path = out / f"{name}.json"
        try:
            held: dict[str, Any] = json.loads(path.read_text())
            quantities = [Quantity(**{**row, "ci": tuple(row["ci"])}) for row in held["quantities"]]
            return Found(quantities, held["tables"], [out / file for file in held["figures"]], held["text"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{str(path)!r} is not what a figure found: {error!r}") from error

    @cached_property
    def by_name(self) -> dict[str, Quantity]:
        """Quantities by name."""
        return {quantity.name: quantity for quantity in self.quantities}


def failed_fits(failures: Sequence[str]) -> str:
    """Failures such as "network 3, FF1: reason" as one note: how many, and every reason once."""
    if not failures:
        return ""
    reasons = dict.fromkeys(failure.partition(": ")[2] for failure in failures)
    return f"{len(failures)} fits of a rate failed: {', '.join(reasons)}"
