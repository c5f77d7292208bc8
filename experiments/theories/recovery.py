"""Can the models be told from data? Parameters that are planted, and how often their intervals hold them.

    python -m experiments.theories.recovery [--preset smoke] [--out runs/recovery]

simulates learners of every theory through the four phases, with other parameters than those that fits start
from, and fits each of them. Writes recovery.parquet (every estimate) and README.md: median, error and
coverage of 95 % intervals.
"""

from __future__ import annotations

import dataclasses
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import pandas as pd

from experiments.runs.command_line import choice, choices, command_text, preset_main
from experiments.runs.tables import MISSING, markdown_table
from experiments.theories.learners import PEOPLE_NOISE
from experiments.theories.prediction import THEORIES, check_theories
from savings_gym.arrays import as_seed, as_whole_number
from savings_gym.files import open_folder, write_atomically, write_table
from savings_gym.models.design import Design
from savings_gym.models.fitting import fit

log = logging.getLogger(__name__)
DESIGN: Final = Design.of_blocks((0.0, 20), (1.0, 100), (0.0, 60), (1.0, 60))  # NF1, FF1, NF2, FF2
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
    """Of the first learner; the next have the next seeds."""

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
        "theory",
        "parameter",
        "planted",
        "median estimate",
        "median error",
        "coverage",
        "no interval",
    )
    rows = [
        _row(THEORIES[name].name, parameter, its)
        for (name, parameter), its in table.groupby(["theory", "parameter"], sort=False)
    ]
    counts = table.groupby("theory", sort=False)["sample"].nunique()
    learners = ", ".join(f"{count} of {THEORIES[name].name}" for name, count in counts.items())
    return f"""# Recovery of planted parameters

Learners whose parameters are known ({learners})
go through 20 trials of NF1, 100 of FF1, 60 of NF2 and 60 of FF2, and are fitted by maximum likelihood, from
other first guesses. *Median error*: of the estimate, relative to the planted value. *Coverage*: 95 %
intervals that hold the planted value. *No interval*: fits that end at a bound, or whose likelihood does not
curve, so that the data do not determine the parameter.

Intervals with a coverage far below 95 % are too narrow and say little: those of the slowest states of three
rates, and of contextual inference, whose likelihood is itself an estimate from a few particles.

Command: `{command}`

{markdown_table(headings, rows)}
"""


def _row(theory: str, parameter: str, its: pd.DataFrame) -> tuple[str, ...]:
    """One parameter of one theory."""
    with_interval = its[np.isfinite(its["low"]) & np.isfinite(its["high"])]
    held = (with_interval["low"] <= with_interval["planted"]) & (
        with_interval["planted"] <= with_interval["high"]
    )
    error = np.median(np.abs(its["estimate"] / its["planted"] - 1.0))
    return (
        theory, parameter.replace("_", " "),
        f"{its['planted'].iloc[0]:.3g}", f"{its['estimate'].median():.3g}",
        f"{error:.1%}", f"{held.sum()} of {len(held)}" if len(held) else MISSING,
        f"{len(its) - len(with_interval)} of {len(its)}",
    )  # fmt: skip


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
