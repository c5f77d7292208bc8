"""Can the models be told from data? Parameters that are planted, and how often their intervals hold them.

    python -m experiments.theories.recovery [--preset smoke] [--out runs/recovery]

simulates learners of every theory through the four phases, with other parameters than those that fits start
from, and fits each of them. Writes recovery.parquet (every estimate) and README.md: median, error and
coverage of 95 % intervals.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import pandas as pd

from experiments.runs.command_line import choice, choices, command_text, preset_main
from experiments.runs.tables import MISSING, capitalised, markdown_table
from experiments.theories.learners import PEOPLE_NOISE
from experiments.theories.prediction import THEORIES, check_theories
from experiments.theories.report import listed
from savings_gym.arrays import as_seed, as_whole_number
from savings_gym.files import open_folder, write_atomically, write_table
from savings_gym.metrics.statistics import CONFIDENCE
from savings_gym.models.design import Design
from savings_gym.models.fitting import fit

log = logging.getLogger(__name__)
BLOCKS: Final = {"NF1": (0.0, 20), "FF1": (1.0, 100), "NF2": (0.0, 60), "FF2": (1.0, 60)}  # size, trials
DESIGN: Final = Design.of_blocks(*BLOCKS.values())
NOISE: Final = {"motor_noise": 0.04, "measure": "error", "scale": 0.03}  # deviations in m, learned from
PLANTED: Final[dict[str, dict[str, float]]] = {
    "one-rate": {"retention": 0.97, "learning": 0.1, "process_noise": 0.01},
    "two-rate": {
        "fast_retention": 0.7, "fast_learning": 0.15, "slow_retention": 0.985, "slow_learning": 0.04,
        "process_noise": 0.01,
    },
    "three-rate": {
        "fast_retention": 0.4, "fast_learning": 0.3, "slow_retention": 0.95, "slow_learning": 0.05,
        "ultraslow_retention": 0.998, "ultraslow_learning": 0.01, "process_noise": 0.01,
    },
    "memory-of-errors": {"retention": 0.98, "sensitivity": 0.08, "sensitivity_gain": 0.008},
    "coin": {"process_noise": 0.015},
}  # fmt: skip
TABLE, PAGE = "recovery.parquet", "README.md"


@dataclass(frozen=True)
class Recovery:
    """Arguments of the command; the preset sets the defaults."""

    preset: Annotated[str, choice(("quick", "smoke"))] = "quick"
    """quick (6 minutes of one core), smoke (two learners of two theories)."""
    out: Path = Path("runs/recovery")
    """Folder of the results."""
    theories: Annotated[tuple[str, ...], choices(THEORIES)] = tuple(THEORIES)
    """Theories to recover."""
    samples: int = 40
    """Learners of each theory."""
    coin_samples: int = 6
    """Learners of COIN, whose fit takes half a minute."""
    starts: int = 2
    """Starts of each search for a maximum."""
    seed: int = 0
    """Seed of the first learner; the next have the next seeds."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        check_theories(self.theories)
        for name in ("samples", "coin_samples", "starts"):
            as_whole_number(name, getattr(self, name), least=1)
        as_seed("seed", self.seed)


PRESETS: Final = {
    "quick": Recovery(),
    "smoke": Recovery(
        preset="smoke",
        out=Path("runs/recovery-smoke"),
        theories=("one-rate", "memory-of-errors"),
        samples=2,
        starts=1,
    ),
}


def estimates(name: str, samples: int, starts: int, seed: int) -> pd.DataFrame:
    """Return one row per learner and parameter: planted value, estimate and interval.

    Args:
        name: Of the theory.
        samples: Number of learners.
        starts: Of each search.
        seed: Of the first learner.
    """
    planted = THEORIES[name].replace(**PLANTED[name], **NOISE)
    first_guess = THEORIES[name].replace(measure="error", **PEOPLE_NOISE)
    table: list[dict[str, Any]] = []
    for sample in range(samples):
        observed = planted.simulate(DESIGN, seed + sample).observed
        result = fit(first_guess, DESIGN, observed, starts=starts)
        table += [
            {
                "theory": name, "sample": sample, "parameter": parameter,
                "planted": getattr(planted, parameter), "estimate": fitted.value,
                "low": fitted.ci[0], "high": fitted.ci[1], "converged": result.converged,
            }
            for parameter, fitted in result.fitted.items()
        ]  # fmt: skip
    return pd.DataFrame(table)


def page(table: pd.DataFrame, command: str) -> str:
    """Return the page as Markdown."""
    headings = (
        "theory", "parameter", "planted", "median estimate", "median error", "coverage", "no interval",
    )  # fmt: skip
    found = recovered(table)
    rows = [each.row() for its in found.values() for each in its]
    counts = table.groupby("theory", sort=False)["sample"].nunique()
    learners = ", ".join(f"{count} of {THEORIES[str(name)].name}" for name, count in counts.items())
    blocks = listed([f"{trials} trials of {phase}" for phase, (_, trials) in BLOCKS.items()])
    return f"""# Recovery of planted parameters

Command: `{command}`

## In short

{in_short(found)}

## Methods

Learners whose parameters are known ({learners})
go through {blocks}, and are fitted by maximum likelihood,
from other first guesses.

- *Median error*: distance of the estimate from the planted value, relative to it.
- *Coverage*: fits whose 95 % interval holds the planted value, of those that have an interval; bold, too
  narrow: below 95 % by more than three standard errors of such a coverage.
- *No interval*: fits that end at a bound, or whose likelihood does not curve. Either the data do not
  determine the parameter, or the likelihood is rough, as that of {THEORIES["coin"].name} is. Only the
  parameters below were fitted; others of {THEORIES["coin"].name} were not tried.

Retention, learning and sensitivity are shares per trial, noises are relative to the perturbation, whose size
is 1, and the scale is the deviation that it makes [m].

{markdown_table(headings, rows)}
"""


@dataclass(frozen=True)
class Recovered:
    """How well the fits of all learners recover one parameter of a theory.

    Attributes:
        theory: Name of the model.
        parameter: Its name.
        planted: The value that was planted.
        median: Of the estimates.
        error: Median of their distance from the planted value, relative to it.
        held: Intervals that hold it.
        intervals: Fits that have an interval.
        fits: All of them.
    """

    theory: str
    parameter: str
    planted: float
    median: float
    error: float
    held: int
    intervals: int
    fits: int

    @property
    def too_narrow(self) -> bool:
        """Whether the coverage lies below 95 % by more than three standard errors of a coverage of 95 %.

        Three rather than two, since about 30 coverages are looked at together.
        """
        if not self.intervals:
            return False
        error = math.sqrt(CONFIDENCE * (1.0 - CONFIDENCE) / self.intervals)
        return self.held / self.intervals < CONFIDENCE - 3.0 * error

    def row(self) -> tuple[str, ...]:
        """Return the line of the table."""
        mark = "**" if self.too_narrow else ""
        return (
            self.theory, self.parameter, f"{self.planted:.3g}", f"{self.median:.3g}",
            f"{percent(self.error, 1)} %",
            f"{mark}{self.held} of {self.intervals}{mark}" if self.intervals else MISSING,
            f"{self.fits - self.intervals} of {self.fits}",
        )  # fmt: skip


def recovered(table: pd.DataFrame) -> dict[str, list[Recovered]]:
    """Return the parameters of every theory, in the order of the table of `estimates`."""
    found: dict[str, list[Recovered]] = {}
    for (name, parameter), its in table.groupby(["theory", "parameter"], sort=False):
        inside = its[np.isfinite(its["low"]) & np.isfinite(its["high"])]
        held = (inside["low"] <= inside["planted"]) & (inside["planted"] <= inside["high"])
        error = float(np.median(np.abs(its["estimate"] / its["planted"] - 1.0)))
        found.setdefault(name, []).append(
            Recovered(
                THEORIES[name].name, str(parameter).replace("_", " "), float(its["planted"].iloc[0]),
                float(its["estimate"].median()), error, int(held.sum()), len(inside), len(its),
            )
        )  # fmt: skip
    return found


def in_short(found: Mapping[str, list[Recovered]]) -> str:
    """Return which theories are recovered, and which of their intervals are too narrow."""
    narrow = {name: [each for each in its if each.too_narrow] for name, its in found.items()}
    sound = [its for name, its in found.items() if not narrow[name]]
    parts = [_sound(sound)] if sound else []
    which = []
    for name, its in narrow.items():
        if not its:
            continue
        held, intervals = sum(each.held for each in its), sum(each.intervals for each in its)
        number = "all" if len(its) == len(found[name]) else f"{len(its)} of the"
        which.append(
            f"{number} {len(found[name])} parameters of {its[0].theory} ({held} of {intervals} hold the "
            "planted value)"
        )
    if not which:
        return " ".join([*parts, "No intervals are measurably too narrow."])
    parts.append(f"Intervals are too narrow to be trusted for {listed(which)}.")
    if narrow.get("coin"):
        parts.append(
            f"The likelihood of {THEORIES['coin'].name} is itself an estimate from a few particles: use the "
            "estimates, not the intervals."
        )
    return " ".join(parts)


def _sound(sound: list[list[Recovered]]) -> str:
    """How far estimates lie off, and what intervals hold, in theories without one that is too narrow."""
    every = [each for its in sound for each in its]
    errors = [each.error for each in every]
    shares = [each.held / each.intervals for each in every if each.intervals]
    text = (
        f"{capitalised(listed([its[0].theory for its in sound]))} {'are' if len(sound) > 1 else 'is'} "
        f"recovered, with median errors of {percent(min(errors), 1)} to {percent(max(errors), 1)} %"
    )
    if shares:
        span = f"{percent(min(shares))} to {percent(max(shares))} %"
        text += f", and their 95 % intervals hold the planted value in {span} of fits"
    return f"{text}."


def percent(share: float, decimals: int = 0) -> str:
    """Return a share as a number of per cent."""
    return f"{100.0 * share:.{decimals}f}"


def run(config: Recovery) -> int:
    """Recover the parameters of every theory; return the exit status."""
    open_folder(config.out, {**dataclasses.asdict(config), "out": str(config.out)})
    tables = []
    for name in (name for name in THEORIES if name in config.theories):
        samples = config.coin_samples if name == "coin" else config.samples
        log.info("%s: %d learners", name, samples)
        tables.append(estimates(name, samples, config.starts, config.seed))
    table = pd.concat(tables, ignore_index=True)
    write_table(config.out / TABLE, {str(column): table[column] for column in table.columns})
    text = page(table, command_text("experiments.theories.recovery", config, PRESETS))
    write_atomically(config.out / PAGE, text.encode())
    log.info("%s", text)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return preset_main("experiments.theories.recovery", PRESETS, "quick", run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
