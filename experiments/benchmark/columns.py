"""The columns of the benchmark's tables: a heading, and what a row shows below it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from experiments.benchmark.rows import NO_REACH, Row
from experiments.runs.tables import MISSING, format_p, markdown_table
from savings_gym.arrays import MM

PER_THOUSAND = 1000.0  # rates are stored per trial and shown per 1000 trials
PERCENT = 100.0
Column = tuple[str, Callable[[Row], str]]


def name(row: Row) -> str:
    """Return the name of a row: the agent, and its memory if that is carried across trials."""
    return str(row["agent"]) if row["memory"] == "reset" else f"{row['agent']} (carried)"


def markdown(rows: list[Row], columns: tuple[Column, ...]) -> str:
    """Return a table of the rows as Markdown."""
    return markdown_table(
        [heading for heading, _ in columns], ([cell(row) for _, cell in columns] for row in rows)
    )


def number(row: Row, mean: float | None, ci: Any, networks: int, scale: float, decimals: int) -> str:
    """Return a cell such as ``1.5 [1.4, 1.6]``, with ``(n = 4)`` if it rests on fewer seeds than its row.

    Args:
        row: The row of the cell.
        mean: In SI units; None gives ``-``.
        ci: Lower and upper end, or None instead of either.
        networks: Seeds behind the value.
        scale: From SI units to those of the table.
        decimals: Digits after the point.
    """
    if mean is None:
        return MISSING
    text = _fixed(scale * mean, decimals)
    low, high = ci
    if low is not None and high is not None:
        text += f" [{_fixed(scale * low, decimals)}, {_fixed(scale * high, decimals)}]"
    return text if networks == row["seeds"] else f"{text} (n = {networks})"


def _fixed(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0.0 else text


def _estimate(key: str, scale: float, decimals: int) -> Callable[[Row], str]:
    """Cell of an estimate; "a.b" is entry b of entry a."""

    def cell(row: Row) -> str:
        test = _entry(row, key)
        return (
            MISSING
            if test is None
            else number(row, test["mean"], test["ci"], test["networks"], scale, decimals)
        )

    return cell


def _p(key: str) -> Callable[[Row], str]:
    """Cell of a corrected p value; ``-`` if the test is not part of the table's family."""

    def cell(row: Row) -> str:
        p = (_entry(row, key) or {}).get("p_holm")
        return format_p(p)

    return cell


def _entry(row: Row, key: str) -> Any:
    entry: Any = row
    for part in key.split("."):
        entry = None if entry is None else entry[part]
    return entry


def _trials_to_reach(row: Row) -> str:
    trials = row["trials_to_reach"]
    if not row["learns_to_reach"]:
        return MISSING
    if trials["reached"] < row["seeds"]:
        return f"{trials['reached']} of {row['seeds']} seeds"
    return f"{trials['median']:.0f}"


def _channel_force(row: Row) -> str:
    return MISSING if row["verdict"] == NO_REACH else _estimate("channel.FF1", PERCENT, 0)(row)


def _rate(phase: str) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        savings = row["rate_savings"]
        return number(row, savings[phase], (None, None), savings["networks"], PER_THOUSAND, 2)

    return cell


def _ratio(row: Row) -> str:
    savings = row["rate_savings"]
    return number(row, savings["ratio"], savings["ratio_ci"], savings["networks"], 1.0, 2)


def _speed(row: Row) -> str:
    return MISSING if row["steps_per_second"] is None else f"{row['steps_per_second']:.0f}"


AGENT: Column = ("agent", name)
TABLES: dict[str, tuple[Column, ...]] = {
    "Learning and adaptation": (
        AGENT,
        ("seeds", lambda row: str(row["seeds"])),
        ("trials to reach", _trials_to_reach),
        ("error NF1 (mm)", _estimate("endpoint_error", MM, 1)),
        ("channel force FF1 (%)", _channel_force),
        ("verdict", lambda row: str(row["verdict"])),
    ),
    "Initial deviation": (
        AGENT,
        ("FF1 (mm)", _estimate("ff1_initial", MM, 1)),
        ("FF2 (mm)", _estimate("ff2_initial", MM, 1)),
        ("FF1 - FF2 (mm)", _estimate("initial_savings", MM, 1)),
        ("p", _p("initial_savings")),
        ("sham - FF2 (mm)", _estimate("against_sham.initial", MM, 1)),
        ("p", _p("against_sham.initial")),
    ),
    "Learning rate (per 1000 trials)": (
        AGENT,
        ("FF1", _rate("ff1")),
        ("FF2", _rate("ff2")),
        ("FF2 / FF1", _ratio),
        ("FF2 - FF1", _estimate("rate_savings", PER_THOUSAND, 2)),
        ("p", _p("rate_savings")),
        ("FF2 - sham", _estimate("against_sham.rate", PER_THOUSAND, 2)),
        ("p", _p("against_sham.rate")),
    ),
    "Washout": (
        AGENT,
        ("after-effect (mm)", _estimate("after_effect", MM, 1)),
        ("residual (mm)", _estimate("washout_residual", MM, 1)),
    ),
}
COST: tuple[Column, ...] = (
    AGENT,
    ("description", lambda row: str(row["description"])),
    ("steps/s", _speed),
    ("min per job", lambda row: f"{row['wall_time_s'] / 60:.1f}"),
)
COMMAND: Column = ("command", lambda row: f"`{row['command']}`")
