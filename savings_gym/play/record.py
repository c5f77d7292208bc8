"""What a game amounts to: learning curves, savings, and the run folder that keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from savings_gym.arrays import MM, Columns
from savings_gym.files import (
    PROBES,
    SUMMARY,
    check_tables,
    holds_run,
    versions,
    write_json,
    write_table,
)
from savings_gym.metrics.curves import PhaseCurves, phase_curves
from savings_gym.metrics.savings import SavingsSummary, field_side, savings

ROUND = 1  # windows of the measures are single rounds: a game has few


@dataclass(frozen=True, eq=False)
class Score:
    """Learning curves and savings of one player.

    Attributes:
        curves: Phase to its curve, a point per round of trials.
        summary: Savings by the measures of `metrics.savings`; intervals over players are NaN.
        retention: Fraction of what was learned in FF1 that is left in the first round of FF2, as
            (FF1 start - FF2 start) / (FF1 start - FF1 end); None if FF2 is missing or nothing was learned.
    """

    curves: dict[str, PhaseCurves]
    summary: SavingsSummary
    retention: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the score as JSON-able values: those of a summary.json, and the retention."""
        return self.summary.to_dict() | {"retention": self.retention}

    def lines(self) -> list[str]:
        """Return the score in words: a line per phase, and what it says about savings."""
        lines = [
            f"{name}  " + " ".join(f"{MM * value:5.1f}" for value in curve.deviation[0])
            for name, curve in self.curves.items()
        ]
        initial, rate = self.summary.initial, self.summary.rate
        if initial is None or rate is None:
            return [*lines, f"no savings: {self.summary.missing}"]
        lines.append(
            f"savings at the start of FF2: {MM * initial.difference:.1f} mm less deviation than in FF1"
        )
        if self.retention is not None:
            lines.append(f"retained from FF1: {self.retention:.0%} of what was learned")
        if rate.failures:
            lines += [f"no learning rate: {failure.partition(', ')[2]}" for failure in rate.failures]
        else:
            lines.append(f"learning rate: {rate.ratio:.2f} times that of FF1")
        return lines


def score(table: Columns) -> Score:
    """Return the score of a table of finished rounds, see `Game.table`."""
    curves, summary = phase_curves(table), savings(table, window=ROUND, partial=True)
    return Score(curves, summary, retention(curves))


def retention(curves: dict[str, PhaseCurves]) -> float | None:
    """Return the fraction of what was learned in FF1 that is left when FF2 starts, see `Score`.

    None if a phase is missing, or if the deviation of FF1 does not fall below its start.
    """
    if not {"FF1", "FF2"} <= curves.keys():
        return None
    first, second = curves["FF1"].deviation[0], curves["FF2"].deviation[0]
    side = field_side(first[:1])
    learned = side * float(first[0] - first[-1])
    return side * float(first[0] - second[0]) / learned if learned > 0.0 else None


def check_folder(folder: Path, arguments: dict[str, Any]) -> None:
    """Refuse a run folder that cannot take a game; nothing is changed.

    Args:
        folder: New, empty, or that of a game with the same arguments that ended before its first round.
        arguments: What defines the game, JSON-able.

    Raises:
        FileExistsError: If it holds a run: a game cannot be played again.
        ImportError: If pandas or pyarrow is missing.
    """
    check_tables()
    if holds_run(folder, arguments) and (folder / PROBES).is_file():
        raise FileExistsError(f"{folder} holds a game already: choose another folder")


def save(folder: Path, table: Columns, complete: bool, **extra: Any) -> None:
    """Write probes.parquet and summary.json.

    Args:
        folder: A run folder, see `files.open_folder`.
        table: The finished rounds.
        complete: Whether all phases were played.
        **extra: Further entries of the summary, JSON-able.
    """
    write_table(folder / PROBES, table)
    entries = score(table).to_dict() | extra | {"complete": complete, "versions": versions()}
    write_json(folder / SUMMARY, entries)
