"""Which theory of savings predicts relearning?

    python -m experiments.theories runs/savings-quick people.csv --unit mm [--sham RUN] [--out runs/theories]

fits models of learning to every learner up to the end of NF2, lets them forecast FF2, and compares the
forecasts with what happened. Sources are folders of finished runs of experiments.savings, and trial tables of
people (.csv, .tsv, .txt or .parquet, see ``savings_gym.trials``) with the phases FF1, NF2 and FF2, and NF1 if
there is one. Writes theories.parquet (every fit), forecasts.parquet, theories.png and README.md.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import tyro

from experiments.runs.command_line import choice, choices, command_text, preset_main
from experiments.theories.learners import SIZES, Source, networks, people
from experiments.theories.prediction import THEORIES, check_theories, outcomes_of, verdicts
from experiments.theories.report import write
from savings_gym.arrays import as_choice, as_number, as_seed, as_whole_number
from savings_gym.files import open_folder
from savings_gym.trials import MEASURES, UNITS, read_trials

log = logging.getLogger(__name__)
ALL_UNITS: Final = tuple(unit for units in UNITS.values() for unit in units)


@dataclass(frozen=True)
class Theories:
    """Arguments of the command; the preset sets the defaults."""

    sources: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of finished runs, and trial tables."""
    preset: Annotated[str, choice(("quick", "smoke"))] = "quick"
    """quick (every theory from three starts), smoke (two theories from one start, at most two learners)."""
    out: Path = Path("runs/theories")
    """Folder of the results."""
    theories: Annotated[tuple[str, ...], choices(THEORIES)] = tuple(THEORIES)
    """Theories to test."""
    every: int = 10
    """Updates of a run per trial of the models; it must divide the lengths of the phases (runs only)."""
    sham: Path | None = None
    """Run folder of the sham: the same networks without a field in FF1 (runs only)."""
    start: int = 8
    """Trials that count as the start of a phase (trial tables only)."""
    measure: str | None = None
    """Measure: lateral_deviation, angle or force_index; None takes the first there is (trial tables only)."""
    unit: Annotated[str, choice(ALL_UNITS)] | None = None
    """Unit of the measure (trial tables only)."""
    columns: tuple[str, ...] = ()
    """Names of columns, such as participant=subj (trial tables only)."""
    phases: tuple[str, ...] = ()
    """Names of phases in the file and here, such as baseline=NF1 (trial tables only)."""
    perturbation: tuple[str, ...] = ()
    """Sizes other than FF1=1 and FF2=1, such as FF2=-1 (trial tables without such a column)."""
    most: int | None = None
    """Largest number of learners per source; None takes all."""
    starts: int = 3
    """Starts of each search for a maximum."""
    seed: int = 0
    """Seed of the starts and of the sign flips."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        if not self.sources:
            raise ValueError("sources must name one or more run folders or trial tables")
        check_theories(self.theories)
        if self.measure is not None:
            as_choice("measure", self.measure, MEASURES)
        if self.unit is not None:
            as_choice("unit", self.unit, ALL_UNITS)
        for name in ("every", "start", "starts", *(["most"] if self.most is not None else [])):
            as_whole_number(name, getattr(self, name), least=1)
        as_seed("seed", self.seed)
        for name in ("columns", "phases", "perturbation"):
            pairs(name, getattr(self, name))
        perturbation_sizes(self.perturbation)


def pairs(name: str, texts: Sequence[str]) -> dict[str, str]:
    """Return the pairs of an argument, such as a=b.

    Raises:
        ValueError: If a text is no such pair.
    """
    if wrong := [text for text in texts if not all(text.partition("="))]:
        raise ValueError(f"{name} must be pairs such as NAME=VALUE, got {wrong[0]!r}")
    return dict(text.partition("=")[::2] for text in texts)


def perturbation_sizes(texts: Sequence[str]) -> dict[str, float]:
    """Return the size of the perturbation of every phase of a trial table without such a column.

    Args:
        texts: Sizes other than those of `SIZES`, such as B=-1.

    Raises:
        ValueError: If a text is no such pair, or a size no number.
    """
    sizes = dict(SIZES)
    for phase, text in pairs("perturbation", texts).items():
        try:
            sizes[phase] = as_number(f"perturbation of {phase}", float(text))
        except ValueError:
            raise ValueError(f"perturbation of {phase} must be a number, got {text!r}") from None
    return sizes


PRESETS: Final = {
    "quick": Theories((Path("runs/savings-quick"),)),
    "smoke": Theories(
        (Path("runs/savings-smoke"),),
        preset="smoke",
        out=Path("runs/theories-smoke"),
        theories=("one-rate", "two-rate"),
        every=1,
        most=2,
        starts=1,
    ),
}


def source_of(config: Theories, path: Path) -> Source:
    """Return the learners of a run folder or a trial table."""
    if path.is_dir():
        source = networks(path, config.every, config.sham)
    else:
        table = read_trials(
            path,
            pairs("columns", config.columns),
            {}
            if config.unit is None
            else {name: config.unit for name in UNITS if config.unit in UNITS[name]},
            pairs("phases", config.phases),
            others=[source for source in config.sources if source != path and not source.is_dir()],
        )
        measure = config.measure or table.measures[0]
        source = people(path.stem, table, measure, perturbation_sizes(config.perturbation), config.start)
    return source.first(config.most)


def run(config: Theories) -> int:
    """Test the theories and write what comes out; return the exit status."""
    if config.sham is not None and sum(path.is_dir() for path in config.sources) != 1:
        raise ValueError(f"sham {config.sham} needs exactly one run folder among the sources")
    made_by = command(config)
    sources = [source_of(config, path) for path in config.sources]  # all are read before any is fitted
    names = tuple(name for name in THEORIES if name in config.theories)
    folder = config.out
    identity = {
        **dataclasses.asdict(config), "sources": [str(p) for p in config.sources], "out": str(folder),
        "sham": None if config.sham is None else str(config.sham),
    }  # fmt: skip
    open_folder(folder, identity)
    parts = []
    for source in sources:
        log.info("%s: %d %s, %d theories", source.name, len(source.learners), source.kind, len(names))
        outcomes = outcomes_of(source, names, config.starts, config.seed)
        parts.append((source, outcomes, verdicts(outcomes, config.seed)))
    log.info("%s", write(folder, made_by, parts))
    return 0


def command(config: Theories) -> str:
    """Return the command line that makes all this."""
    flagged = dataclasses.replace(config, sources=PRESETS[config.preset].sources)
    return command_text("experiments.theories", flagged, PRESETS, *config.sources)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return preset_main("experiments.theories", PRESETS, "quick", run, arguments, __doc__)
