"""The controls side by side: savings against the first meeting with the field, and against practice alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.controls.conditions import MAIN
from experiments.controls.table import page
from experiments.controls.words import side
from experiments.drawing import style as look
from experiments.figures.kit import Found
from experiments.figures.state import TABLE
from experiments.runs.tables import NO_INTERVAL, Ends, shown
from experiments.stored.runs import Runs
from experiments.study import Quantity

Told = tuple[float | None, Ends, float | None]  # value, interval, p
FIRST, PRACTICE = "first", "practice"  # in its rows: against the first meeting, against the sham's FF2
COLOUR = {FIRST: "#0072b2", PRACTICE: "#d55e00"}
MEANING = {FIRST: "the first meeting with the field", PRACTICE: "as much practice without a field in FF1"}
SHIFT: Final = "nf2_on_main"
PAGE_PARTS: Final = ("Initial deviation", "Learning rate", "Washout", "Preparatory activity", "What it means")


def controls(runs: Runs, out: Path) -> Found:
    """Savings and shift of every control, paired over networks with what it is compared with.

    Raises:
        ValueError: When there is no run of a control.
        FileNotFoundError: When the table of the controls is not beside their runs.
    """
    if not runs.controls:
        raise ValueError("no run of any control, expected at least one in Runs.controls")
    rows = read_rows(runs)
    quantities = [entry for row in rows.values() for entry in _quantities(row)]
    with look.house_style():
        path = look.save_png(_figure(list(rows.values())), out / "controls.png")
    parts = dict(_parts(page(list(rows.values()))))
    tables = {f"Controls: {title.lower()}": parts[title] for title in PAGE_PARTS}
    return Found(quantities, tables, [path], _text(rows)).save(out, "controls")


def read_rows(runs: Runs) -> dict[str, dict[str, Any]]:
    """Rows of the table of controls, by condition."""
    paths = list(dict.fromkeys(run.parent / TABLE for run in runs.controls.values()))
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        named = ", ".join(str(path) for path in paths)
        raise FileNotFoundError(f"no table of controls, looked for {named}: run experiments.controls first")
    rows = json.loads(path.read_text())["conditions"]
    return {row["name"]: row for row in rows}


def compared(row: dict[str, Any], against: str, measure: str) -> Told:
    """Value, interval and p of a comparison, mm of ``initial``, ratio of ``rate``; None without one."""
    found = (row.get(against) or {}).get(measure)
    key, scale = ("difference", 1000.0) if measure == "initial" else ("ratio", 1.0)
    if not found or found[key] is None:
        return None, NO_INTERVAL, None
    low, high = found["ci"]
    ends = NO_INTERVAL if low is None or high is None else (scale * low, scale * high)
    return scale * found[key], ends, found["p"]


def _shift(row: dict[str, Any]) -> Told:
    """What NF2 keeps along the main run's shift, whose FF1 is 1."""
    found = (row.get("shift") or {}).get(SHIFT)
    return (found["mean"], tuple(found["ci"]), found["p"]) if found else (None, NO_INTERVAL, None)


def _quantities(row: dict[str, Any]) -> list[Quantity]:
    name, n = row["name"], int(row["networks"])
    found = []
    for measure, unit in (("initial", "mm"), ("rate", "1")):
        for against in (FIRST, PRACTICE):
            value, ci, p = compared(row, against, measure)
            if value is not None:
                found.append(Quantity(f"{name}: {measure} savings against {against}", value, ci, n, unit, p))
    value, ci, p = _shift(row)
    return [
        *found,
        Quantity(f"{name}: shift in NF2", value, ci, n, "1", p, "" if value is not None else "no shift"),
    ]


def _figure(rows: list[dict[str, Any]]) -> Figure:
    """A row a condition; initial savings, rate savings, shift."""
    figure = look.new_figure(0.9 + 0.17 * len(rows), gap=0.02)
    initial, rate, shift = figure.subplots(1, 3, sharey=True)
    places = np.arange(len(rows))[::-1]
    for place, row in zip(places, rows, strict=True):
        for against, offset in ((FIRST, 0.15), (PRACTICE, -0.15)):
            _mark(initial, compared(row, against, "initial"), place + offset, COLOUR[against])
            _mark(rate, compared(row, against, "rate"), place + offset, COLOUR[against])
        _mark(shift, _shift(row), float(place), look.INK)
    for axes, null, label in (
        (initial, 0.0, "Initial savings (mm)"),
        (rate, 1.0, "Rate / rate compared with"),
        (shift, 0.0, "Shift in NF2 (main FF1 = 1)"),
    ):
        axes.axvline(null, color=look.QUIET, linewidth=0.6, zorder=1)
        axes.set(xlabel=label, ylim=(-0.6, len(rows) - 0.4))
    initial.set_yticks(places, [f"{row['name']} ({row['networks']})" for row in rows])
    for label, row in zip(initial.get_yticklabels(), rows, strict=True):
        label.set_color(look.INK if row["name"] == MAIN or row.get(PRACTICE) else look.QUIET)
    handles = [
        Line2D(
            [],
            [],
            color=COLOUR[key],
            marker="s",
            markersize=3.5,
            linewidth=1.2,
            label=f"against {MEANING[key]}",
        )
        for key in (FIRST, PRACTICE)
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=2, borderaxespad=0.2)
    return figure


def _mark(axes: Axes, found: Told, at: float, colour: str) -> None:
    value, (low, high), _ = found
    if value is None:
        return
    if low is not None and high is not None:
        axes.plot([low, high], [at, at], color=colour, linewidth=1.0, zorder=3)
    axes.plot(value, at, "s", color=colour, markersize=3.0, zorder=4)


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """Title and content of the sections of a page."""
    for section in text.split("\n## ")[1:]:
        title, _, content = section.partition("\n")
        yield title.strip(), content.strip()


def _text(rows: dict[str, dict[str, Any]]) -> str:
    """What practice alone does, and what the field adds to it, in the main run."""
    main = rows.get(MAIN)
    if main is None:
        return ""
    first, ends, _ = compared(main, FIRST, "initial")
    more, its, p = compared(main, PRACTICE, "initial")
    who = f"the main run of the controls ({main['networks']} networks)"
    text = f"FF2 of {who} starts {shown(first, ends, 'mm')} below its first meeting with the field"
    if more is None:
        return f"{text}; without a sham nothing tells how much of this is practice."
    tested = "" if p is None else f", p = {p:.2g}"
    practised = "networks with as much practice and no field in FF1"
    return f"{text}, and {shown(more, its, 'mm')} below {practised}{tested}. {_others(rows)}".strip()


def _others(rows: dict[str, dict[str, Any]]) -> str:
    """Which other conditions save beyond practice, by corrected tests."""
    told = (
        "begin FF2 nearer to the line than with as much practice",
        "cannot be told from practice",
        "begin FF2 further from the line than with as much practice",
    )
    found: dict[int, list[str]] = {0: [], 1: [], 2: []}
    for name, row in rows.items():
        if name != MAIN and row.get(PRACTICE):
            found[side(row[PRACTICE]["initial"])].append(name)
    parts = [f"{', '.join(names)} {told[which]}" for which, names in found.items() if names]
    return f"By tests that are corrected for their number, {'; '.join(parts)}." if parts else ""
