"""Tables and numbers as Markdown, for every report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Ends = tuple[float | None, float | None]
NO_INTERVAL: Ends = (None, None)


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
    low, high = (finite_or_none(end) for end in ci)
    return text if low is None or high is None else f"{text} [{low:.{digits}g}, {high:.{digits}g}]"


def finite_or_none(value: Any) -> float | None:
    """A finite Python float, or None."""
    found = None if value is None else float(value)
    return found if found is not None and abs(found) < float("inf") else None
