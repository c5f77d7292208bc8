"""What every figure of the study's results shares: where stored runs are, and what a figure found in them.

A figure is a function ``(runs, out) -> Found``: it reads stored runs, writes its pictures into ``out`` and
returns its numbers, which `Found.save` keeps as ``NAME.json`` beside them. ``experiments.figures`` makes the
runs, calls the figures, and compares the numbers with ``experiments.figures.reference``.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from savings_gym.files import write_json
from savings_gym.statistics import Estimate
from savings_gym.summary import PHASES, jsonable

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from agents.networks import Ensemble

Ends = tuple[float | None, float | None]
NO_INTERVAL: Ends = (None, None)


@dataclass(frozen=True)
class Quantity:
    """One number that a figure found.

    Attributes:
        name: As in `experiments.figures.reference` where the study has this number; unique in a figure.
        value: In `unit`; None where it could not be determined, and `note` says why.
        ci: Its 95 % interval over networks, None where there is none.
        networks: Networks behind the value.
        unit: mm, m/s, 1, ...; 1 for a pure number.
        p: Two-sided p of its own test, where it has one; `note` names the test if it is not the t test.
        note: What a reader must know besides.
    """

    name: str
    value: float | None
    ci: Ends
    networks: int
    unit: str
    p: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        """NaN and infinity, also of NumPy, become None, so that every quantity goes through JSON."""
        for name in ("value", "p"):
            object.__setattr__(self, name, _number(getattr(self, name)))
        low, high = self.ci
        object.__setattr__(self, "ci", (_number(low), _number(high)))
        object.__setattr__(self, "networks", int(self.networks))


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


@dataclass(frozen=True)
class Runs:
    """Where the stored runs are; every run is a folder of `experiments.savings`.

    Attributes:
        main: The main experiment.
        sizes: Units to the run with networks of that size.
        controls: Name of a control to its run.
        seed: Of bootstrap, noise and random directions in the figures.
        sham: The main experiment without a field in FF1, with the same networks.
    """

    main: Path
    sizes: dict[int, Path]
    controls: dict[str, Path]
    seed: int
    sham: Path | None = None

    def table(self, run: Path) -> pd.DataFrame:
        """Probe table of a run.

        Raises:
            FileNotFoundError: When it has none.
        """
        import pandas as pd

        return pd.read_parquet(_present(run / "probes.parquet"))

    def summary(self, run: Path) -> dict[str, Any]:
        """Summary of a run: measures, networks, units, seed, wall time."""
        return dict(json.loads(_present(run / "summary.json").read_text()))

    def arguments(self, run: Path) -> dict[str, Any]:
        """Arguments with which a run was made."""
        return dict(json.loads(_present(run / "config.json").read_text())["arguments"])

    def pretraining(self, run: Path) -> list[str]:
        """How every network of a run was pre-trained, in words."""
        from agents.checkpoints import pretraining_of
        from experiments.run_identity import start_weights
        from experiments.shared_phases import stored_arguments

        networks = int(self.summary(run)["networks"])
        try:
            path = start_weights(stored_arguments(run))
            assert path is not None  # where networks were pre-trained in the run, it is a file of the run
            return pretraining_of(path)[:networks]
        except (OSError, ValueError):  # the weights it began with are not where they were
            return ["not known"] * networks

    def activity(self, run: Path, field: str = "null") -> xr.Dataset:
        """Activity of the networks at the end of every phase, probed in the null or the curl field."""
        from experiments.activity import activity_of_run

        return activity_of_run(run, field)

    def ensembles(self, run: Path) -> dict[str, Ensemble]:
        """Networks at the end of every phase, by phase."""
        from agents.checkpoints import load_ensemble

        return {phase: load_ensemble(run / f"networks_{phase}.safetensors") for phase in PHASES}


def quantity(
    name: str, found: Estimate, unit: str, scale: float = 1.0, *, test: bool = True, note: str = ""
) -> Quantity:
    """A quantity from an estimate over networks.

    Args:
        name: Of the quantity.
        found: Mean, interval and test in SI units.
        unit: Of the quantity.
        scale: From SI to `unit`, 1000 for mm.
        test: Whether the p of the t test against zero means something here.
        note: As in `Quantity`.
    """
    low, high = found.ci
    return Quantity(
        name, scale * found.mean, (scale * low, scale * high), found.networks, unit,
        found.p if test else None, note,
    )  # fmt: skip


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table as Markdown; bars in cells are escaped.

    Raises:
        ValueError: When a row has another length than the headings.
    """
    lines = [headings, ["---"] * len(headings), *rows]
    wrong = [list(line) for line in lines if len(line) != len(headings)]
    if wrong:
        raise ValueError(f"row {wrong[0]} has {len(wrong[0])} cells, expected {len(headings)}")
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def shown(value: float | None, ci: Ends = NO_INTERVAL, unit: str = "", digits: int = 3) -> str:
    """A value as a reader sees it, such as ``1.52 mm [1.41, 1.64]``; ``-`` for None."""
    if value is None:
        return "-"
    text = f"{value:.{digits}g}{'' if unit in ('', '1') else ' ' + unit}"
    low, high = (_number(end) for end in ci)
    return text if low is None or high is None else f"{text} [{low:.{digits}g}, {high:.{digits}g}]"


def failed_fits(failures: Sequence[str]) -> str:
    """Failures such as "network 3, FF1: reason" as one note: how many, and every reason once."""
    if not failures:
        return ""
    reasons = dict.fromkeys(failure.partition(": ")[2] for failure in failures)
    return f"{len(failures)} fits of a rate failed: {', '.join(reasons)}"


def _number(value: Any) -> float | None:
    """A finite Python float, or None."""
    found = None if value is None else float(value)
    return found if found is not None and abs(found) < float("inf") else None


def _present(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(f"no file {str(path)!r}: {str(path.parent)!r} is not a finished run folder")
    return path
