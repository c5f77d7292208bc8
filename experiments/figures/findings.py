"""The findings of a figure, and the files that hold them.

A figure is a function ``(runs, out) -> Findings``: it reads stored runs, draws its pictures into ``out`` and
returns its numbers, which `Findings.save` writes as ``NAME.json``, with the values of every network behind
them as ``NAME.csv``. ``experiments.figures`` makes the runs, calls the figures, and compares the numbers with
``experiments.study``.
"""

from __future__ import annotations

import dataclasses
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.study import LEVEL, Quantity
from savings_gym.arrays import Columns, Floats
from savings_gym.files import jsonable, write_atomically
from savings_gym.metrics.statistics import holm

FLOOR = 1e-4  # of shares on a logarithmic axis
DIGITS = "%.6g"  # of the values per network
TESTED_BY_PRACTICE = "tested in [practice](#practice)"  # what a run leaves beyond its sham
PICTURES = (".png", ".svg")  # the formats in which every picture is written


@dataclass(frozen=True)
class Findings:
    """The findings of one figure.

    Attributes:
        quantities: Its numbers.
        tables: Markdown by title.
        pictures: The PNG files that it drew; an SVG of the same name is beside each.
        text: Plain sentences that follow from the numbers.
        networks: Column name to one entry per network: the values from which the numbers were computed.
    """

    quantities: list[Quantity]
    tables: dict[str, str] = field(default_factory=dict)
    pictures: list[Path] = field(default_factory=list)
    text: str = ""
    networks: Columns = field(default_factory=dict)

    def save(self, out: Path, name: str) -> Findings:
        """Write ``out/NAME.json``, and ``out/NAME.csv`` if there are values per network; return itself.

        Raises:
            ValueError: If two quantities have one name.
        """
        names = [quantity.name for quantity in self.quantities]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"figure {name!r} has more than one quantity named {', '.join(twice)}")
        content = {
            "quantities": [jsonable(dataclasses.asdict(quantity)) for quantity in self.quantities],
            "tables": self.tables,
            "pictures": [path.relative_to(out).as_posix() for path in self.pictures],
            "text": self.text,
        }
        write_atomically(out / f"{name}.json", _compact_json(content).encode())
        csv = out / f"{name}.csv"
        if self.networks:
            text = io.StringIO()
            pd.DataFrame(self.networks).to_csv(text, index=False, float_format=DIGITS)
            write_atomically(csv, text.getvalue().encode())
        else:
            csv.unlink(missing_ok=True)
        return self

    @staticmethod
    def load(out: Path, name: str) -> Findings:
        """Return what `save` wrote.

        Raises:
            FileNotFoundError, ValueError: If the file is missing or does not hold the findings of a figure.
        """
        path, csv = out / f"{name}.json", out / f"{name}.csv"
        try:
            stored: dict[str, Any] = json.loads(path.read_text())
            quantities = [
                Quantity(**{**entry, "ci": tuple(entry["ci"]), "values": tuple(entry["values"])})
                for entry in stored["quantities"]
            ]
            pictures = [out / file for file in stored["pictures"]]
            table = pd.read_csv(csv) if csv.is_file() else pd.DataFrame()
            networks = {str(name): column.to_numpy() for name, column in table.items()}
            return Findings(quantities, stored["tables"], pictures, stored["text"], networks)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{str(path)!r} does not hold the findings of a figure: {error!r}") from error

    @cached_property
    def by_name(self) -> dict[str, Quantity]:
        """Quantities by name."""
        return {quantity.name: quantity for quantity in self.quantities}

    def files(self, out: Path, name: str) -> list[Path]:
        """Return all files of the figure in its folder."""
        pictures = [path.with_suffix(suffix) for path in self.pictures for suffix in PICTURES]
        return [out / f"{name}.json", *([out / f"{name}.csv"] if self.networks else []), *pictures]


def correct(quantities: Iterable[Quantity], claimed: Iterable[str]) -> list[Quantity]:
    """Return quantities with `p_holm` for those of which a text claims an effect.

    Args:
        quantities: Of one figure.
        claimed: Names of those that the text says to differ, or not to differ, from no effect.
    """
    everything, wanted = list(quantities), set(claimed)
    tested = {e.name: e.p for e in everything if e.name in wanted and e.p is not None}
    corrected = dict(zip(tested, holm(list(tested.values())), strict=True))
    return [
        dataclasses.replace(entry, p_holm=corrected[entry.name]) if entry.name in corrected else entry
        for entry in everything
    ]


def effect(entry: Quantity, null: float = 0.0) -> int:
    """Return 1 if a quantity lies above no effect, -1 if below, 0 if its test cannot tell.

    Args:
        entry: With the p of its test; the corrected one counts if it has one.
        null: Value that means no effect.
    """
    p = entry.p if entry.p_holm is None else entry.p_holm
    if entry.value is None or p is None or p >= LEVEL:
        return 0
    return 1 if entry.value > null else -1


def p_text(entry: Quantity) -> str:
    """Return the p value of a claim in words, corrected if it was."""
    if entry.p_holm is not None:
        return f"p = {entry.p_holm:.2g}"
    return "no test with one network" if entry.p is None else f"p = {entry.p:.2g}, not corrected"


def farthest(values: Floats) -> int:
    """Return which network's value, of (n,), lies farthest from the median."""
    return int(np.abs(values - np.median(values)).argmax())


def geometric_mean(shares: Floats) -> Floats:
    """Return the geometric mean over networks of shares (n, ...), (...); those below `FLOOR` count as it."""
    return np.asarray(np.exp(np.log(np.maximum(shares, FLOOR)).mean(axis=0)))


def finite(values: Floats) -> Floats:
    """Return the values that could be measured: a rate may have no fit, and a sham may lack a network."""
    return values[np.isfinite(values)]


def failed_fits(failures: Sequence[str]) -> str:
    """Return a note on failures such as "network 3, FF1: reason": their number, and every reason once."""
    if not failures:
        return ""
    reasons = dict.fromkeys(failure.partition(": ")[2] for failure in failures)
    return f"{len(failures)} fits of a rate failed: {', '.join(reasons)}"


def _compact_json(content: Mapping[str, Any]) -> str:
    """JSON with one line per list of numbers."""
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    return re.sub(r"\[\s+([^\[\]{}\"]+?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", text)
