"""Numbers and tables as Markdown, for every report."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

Ends = tuple[float | None, float | None]
NO_INTERVAL: Final[Ends] = (None, None)
MISSING: Final = "-"  # in a cell that has no value
SMALLEST_MM: Final = 5e-4  # mm, below which a length prints as 0.000
LONGEST_LINE: Final = 1000  # characters of a printed table


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as Markdown; bars in cells are escaped.

    Raises:
        ValueError: If a row and the headings differ in length.
    """
    lines = [headings, ["---"] * len(headings), *rows]
    wrong = [list(line) for line in lines if len(line) != len(headings)]
    if wrong:
        raise ValueError(f"row {wrong[0]} has {len(wrong[0])} cells, expected {len(headings)}")
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def print_table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table in the terminal; if it is too narrow, lines break but no cell is cut."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console = Console()
    needed = console.measure(table, options=console.options.update(max_width=LONGEST_LINE)).maximum
    console.width = max(console.width, needed)
    console.print(table)


def grouped(number: int) -> str:
    """Return a whole number with its thousands apart, such as ``13 440``."""
    return f"{number:,}".replace(",", " ")


def listed(words: Sequence[str], last: str = "and") -> str:
    """Return words as a list in a sentence, such as "32, 64 and 128"; empty without any."""
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else "".join(words)


def capitalised(text: str) -> str:
    """Return a text that begins with a capital letter."""
    return text[:1].upper() + text[1:]


def format_value(value: float | None, ci: Ends = NO_INTERVAL, unit: str = "", digits: int = 3) -> str:
    """Return a value with its interval, such as ``1.50 mm [1.41, 1.64]``; ``-`` for None.

    A value and its interval have the same number of decimals: `digits` significant ones of the largest.
    Lengths that all round to 0.000 mm print so, and zeros as 0 mm.
    """
    if value is None:
        return MISSING
    suffix = "" if unit in ("", "1") else f" {unit}"
    low, high = (finite_or_none(end) for end in ci)
    numbers = [value] if low is None or high is None else [value, low, high]
    if unit == "mm" and 0.0 < max(map(abs, numbers)) < SMALLEST_MM:
        texts = [f"{0.0:.3f}"] * len(numbers)
    elif len(numbers) == 1:
        texts = [f"{value:.{digits}g}"]
    else:
        texts = _alike(numbers, digits)
    return f"{texts[0]}{suffix}" + (f" [{texts[1]}, {texts[2]}]" if len(texts) > 1 else "")


def format_interval(ci: Iterable[float | None], digits: int = 3) -> str:
    """Return an interval such as ``1.41 to 1.64``; ``-`` if it has no ends."""
    low, high = ci
    return MISSING if low is None or high is None else " to ".join(_alike((low, high), digits))


def format_p(p: float | None) -> str:
    """Return a p value with two digits; ``-`` for None."""
    return MISSING if p is None else f"{p:.2g}"


def finite_or_none(value: Any) -> float | None:
    """Return a finite Python float, or None."""
    number = None if value is None else float(value)
    return number if number is not None and math.isfinite(number) else None


def _alike(values: Sequence[float], digits: int) -> list[str]:
    """Numbers with equal decimals, as many as the largest of them needs."""
    largest = max(abs(value) for value in values)
    if largest == 0.0:
        return ["0"] * len(values)
    decimals = digits - 1 - math.floor(math.log10(largest))
    if decimals > 6:
        return [f"{value:.{digits}g}" for value in values]
    texts = [f"{value:.{max(decimals, 0)}f}" for value in values]
    return [text.removeprefix("-") if float(text) == 0.0 else text for text in texts]
