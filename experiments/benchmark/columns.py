"""The columns of the benchmark's tables: a heading, and what a row shows below it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from experiments.benchmark.verdicts import (
    MEASURES,
    NO_REACH,
    PER_THOUSAND,
    UNITS,
    Row,
    fixed,
    savings_test,
)
from experiments.runs.tables import MISSING, format_p, grouped, markdown_table
from savings_gym.arrays import MM, PERCENT

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
    text = fixed(scale * mean, decimals)
    low, high = ci
    if low is not None and high is not None:
        text += f" [{fixed(scale * low, decimals)}, {fixed(scale * high, decimals)}]"
    return text if networks == row["seeds"] else f"{text} (n = {networks})"


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


def _tested(measure: str, key: str, scale: float, decimals: int) -> Callable[[Row], str]:
    """Cell of an entry of the test of savings, see `verdicts.savings_test`; ``-`` if it was not made."""

    def cell(row: Row) -> str:
        value = savings_test(row, measure).get(key)
        return MISSING if value is None else fixed(scale * value, decimals)

    return cell


def _p(measure: str) -> Callable[[Row], str]:
    """Cell of the corrected p value of savings; ``-`` if the test is not part of the table's family."""
    return lambda row: format_p(savings_test(row, measure).get("p_holm"))


def _effect_size(measure: str) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        test = savings_test(row, measure)
        size, ends = test.get("effect_size"), test.get("effect_size_ci")
        return number(row, size, ends, row["seeds"], 1.0, 2)

    return cell


def _tested_seeds(measure: str) -> Callable[[Row], str]:
    """Cell of the number of seeds behind the test of savings."""

    def cell(row: Row) -> str:
        networks = savings_test(row, measure)["networks"]
        return str(networks) if networks == row["seeds"] else f"{networks} of {row['seeds']}"

    return cell


def _entry(row: Row, key: str) -> Any:
    entry: Any = row
    for part in key.split("."):
        entry = None if entry is None else entry.get(part)
    return entry


def _trials_to_reach(row: Row) -> str:
    trials = row["trials_to_reach"]
    if not row["learns_to_reach"]:
        return MISSING
    if trials["reached"] < row["seeds"]:
        return f"{trials['reached']} of {row['seeds']} seeds"
    return f"{trials['median']:.0f}"


def _pretraining(row: Row) -> str:
    cost = row.get("pretraining")
    if cost is None or cost["mean"] is None:
        return MISSING
    some = "" if cost["networks"] == row["seeds"] else f" (n = {cost['networks']})"
    return f"{grouped(round(cost['mean']))}{some}"


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


def _seeds_needed(measure: str) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        test = savings_test(row, measure)
        seeds, most = test.get("seeds_needed"), test.get("most_seeds")
        return MISSING if seeds is None else str(seeds) if most is None else f"{seeds} ({most})"

    return cell


def _criterion(row: Row) -> str:
    nf1 = row.get("nf1")
    if not nf1 or not nf1["with_criterion"]:
        return MISSING
    return f"{nf1['met']} of {nf1['with_criterion']}"


AGENT: Column = ("agent", name)


def _savings_columns(measure: str) -> tuple[Column, ...]:
    """The columns of both tables of savings that follow from the test of savings."""
    scale, decimals, _ = UNITS[measure]
    return (
        ("n", _tested_seeds(measure)),
        ("d_z", _effect_size(measure)),
        ("p", _p(measure)),
        ("smallest visible", _tested(measure, "smallest", scale, decimals)),
        ("seeds needed", _seeds_needed(measure)),
    )


INITIAL, RATE = MEASURES
TABLES: dict[str, tuple[Column, ...]] = {
    "Learning and adaptation": (
        AGENT,
        ("seeds", lambda row: str(row["seeds"])),
        ("trials to reach", _trials_to_reach),
        ("error NF1 (mm)", _estimate("endpoint_error", MM, 1)),
        ("channel force FF1 (%)", _channel_force),
        ("verdict", lambda row: str(row["verdict"])),
    ),
    "Initial deviation (mm)": (
        AGENT,
        ("FF1", _estimate("ff1_initial", MM, 1)),
        ("FF2", _estimate("ff2_initial", MM, 1)),
        ("beyond practice: sham - FF2", _estimate("against_sham.initial", MM, 1)),
        ("FF1 - FF2", _estimate("initial_savings", MM, 1)),
        *_savings_columns(INITIAL),
    ),
    "Peak speed in the first probe (m/s): slower reaches deviate less": (
        AGENT,
        ("FF1", _estimate("speed.ff1_speed", 1.0, 2)),
        ("FF2", _estimate("speed.ff2_speed", 1.0, 2)),
        ("FF2 of the sham", _estimate("speed.sham_ff2_speed", 1.0, 2)),
    ),
    "Learning rate (per 1000 trials)": (
        AGENT,
        ("FF1", _rate("ff1")),
        ("FF2", _rate("ff2")),
        ("FF2 / FF1", _ratio),
        ("beyond practice: FF2 - sham", _estimate("against_sham.rate", PER_THOUSAND, 2)),
        ("FF2 - FF1", _estimate("rate_savings", PER_THOUSAND, 2)),
        *_savings_columns(RATE),
    ),
    "Terms: how agents enter FF1, and their exploration noise": (
        AGENT,
        ("trials of pre-training", _pretraining),
        ("met the criterion", _criterion),
        ("trials of NF1", _estimate("nf1.trials", 1.0, 0)),
        ("noise FF1, first", _estimate("noise.noise_FF1_start", 1.0, 3)),
        ("last", _estimate("noise.noise_FF1_end", 1.0, 3)),
        ("noise FF2, first", _estimate("noise.noise_FF2_start", 1.0, 3)),
        ("last", _estimate("noise.noise_FF2_end", 1.0, 3)),
    ),
    "Washout": (
        AGENT,
        ("after-effect (mm)", _estimate("after_effect", MM, 1)),
        ("residual (mm)", _estimate("washout_residual", MM, 1)),
    ),
}


def tables(rows: list[Row]) -> dict[str, tuple[Column, ...]]:
    """Return the tables of `TABLES` in which any row has a value."""
    return {
        title: columns
        for title, columns in TABLES.items()
        if any(cell(row) != MISSING for row in rows for _, cell in columns[1:])
    }


COST: tuple[Column, ...] = (
    AGENT,
    ("description", lambda row: str(row["description"])),
    ("steps/s", _speed),
    ("min per job", lambda row: f"{row['wall_time_s'] / 60:.1f}"),
)
COMMAND: Column = ("command", lambda row: f"`{row['command']}`")
