"""The controls side by side: savings against the first encounter with the field, and against practice."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.controls.conditions import MAIN
from experiments.controls.meaning import effect
from experiments.controls.table import COMPARISONS, TABLE, sections
from experiments.drawing import style as look
from experiments.figures.explanations import explanations
from experiments.figures.findings import TESTED_BY_PRACTICE, Findings
from experiments.figures.muscles import smallest_co_contraction
from experiments.runs.tables import NO_INTERVAL, Ends, format_value, listed
from experiments.stored.runs import StoredRuns
from experiments.study import Quantity
from savings_gym.arrays import MM

Estimate = tuple[float | None, Ends, float | None]  # value, interval, p
NOTHING: Final[Estimate] = (None, NO_INTERVAL, None)
FIRST, PRACTICE, MIRRORED, SELF, OF_SHAM = "first", "practice", "mirrored", "itself", "of the sham"
MEANING: Final = {
    FIRST: "against the first encounter with the field",
    PRACTICE: "against equal practice without a field in FF1",
    MIRRORED: "FF1 against the mirrored FF2",
    OF_SHAM: "the sham: practice alone",
}
LOOK: Final[dict[str, dict[str, Any]]] = {
    FIRST: {"color": look.OURS, "marker": "o"},
    PRACTICE: {"color": look.SECOND, "marker": "s"},
    MIRRORED: {"color": look.INK, "marker": "D"},
    SELF: {"color": look.INK, "marker": "s"},
    OF_SHAM: {"color": look.QUIET, "marker": "o", "markerfacecolor": "white"},
}
OFFSET: Final = {FIRST: 0.27, PRACTICE: 0.0, SELF: 0.0, MIRRORED: -0.27, OF_SHAM: -0.27}  # in a row
SHIFT: Final = "nf2_on_main"
MEANT, DEVIATION, SHIFTS = "What it means", "Initial deviation", "Preparatory activity"  # titles of tables
OF_SHAMS: Final = (
    "Networks without a field in FF1 have no shift of their own that they could keep: their activity drifts, "
    "in NF2 for longer than in FF1."
)
INSIDE: Final = 0.93  # of all interval ends lie inside the axis; the others are clipped and marked


def controls(runs: StoredRuns, out: Path) -> Findings:
    """Savings and shift of every control, paired over networks with what it is compared with.

    Raises:
        ValueError: If there is no run of a control.
        FileNotFoundError: If the table of the controls is not beside their runs.
    """
    if not runs.controls:
        raise ValueError("no run of any control, expected at least one in StoredRuns.controls")
    rows = read_rows(runs)
    quantities = [entry for row in rows.values() for entry in _quantities(row)]
    with look.house_style():
        picture = look.save_picture(_figure(rows), out / "controls.png")
    floor = smallest_co_contraction(runs.arguments(runs.main).get("actuation", "muscle"))
    return Findings(quantities, tables_of(rows), [picture], _text(rows, floor))


def read_rows(runs: StoredRuns) -> dict[str, dict[str, Any]]:
    """Return the rows of the table of controls, by condition."""
    paths = list(dict.fromkeys(run.parent / TABLE for run in runs.controls.values()))
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        named = ", ".join(str(path) for path in paths)
        raise FileNotFoundError(f"no table of controls, looked for {named}: run experiments.controls first")
    rows = json.loads(path.read_text())["conditions"]
    return {row["name"]: row for row in rows}


def tables_of(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the tables of the controls without what other figures own.

    The tests of the main run against practice stand in the figure of practice, its stiffness in that of
    muscles. The shams have no field in FF1, so that the drift of their activity is no shift that is kept.
    """
    shown = [_without_owned(row, rows.get(MAIN)) for row in rows.values()]
    tables = sections(shown)
    tables |= {MEANT: sections([row for row in shown if row["name"] != MAIN])[MEANT]}
    del tables["Stiffness"]
    tables[DEVIATION] = f"{COMPARISONS}\n\n{tables[DEVIATION]}"
    tables[SHIFTS] += f"\n\n{OF_SHAMS}"
    return {f"Controls: {title.lower()}": text for title, text in tables.items()}


def _without_owned(row: Mapping[str, Any], main: Mapping[str, Any] | None) -> dict[str, Any]:
    """A row without p values that stand elsewhere, and without a shift that is kept if there was no field."""
    shown, shift = dict(row), dict(row.get("shift") or {})
    if row["sham"] is None:
        shift.pop("retained", None)
    beyond = shift.get("beyond_sham")
    if beyond and main is not None and beyond == (main.get("shift") or {}).get("beyond_sham"):
        shift["beyond_sham"] = beyond | {"p": None}  # the same networks: a condition may differ in FF2 alone
    if row["name"] == MAIN and row.get(PRACTICE):
        shown[PRACTICE] = {
            measure: test | {"p": None, "p_holm": None} if test else test
            for measure, test in row[PRACTICE].items()
        }
    return shown | {"shift": shift or None}


def comparison(row: Mapping[str, Any], against: str, measure: str) -> Estimate:
    """Return a comparison: mm of ``initial`` savings, ratio of ``rate``; None without one."""
    entry = (row.get(against) or {}).get(measure)
    key, scale = ("difference", MM) if measure == "initial" else ("ratio", 1.0)
    if not entry or entry[key] is None:
        return NOTHING
    low, high = entry["ci"]
    if low is None or high is None:  # the interval of a ratio is unbounded if its denominator may be 0
        ends: Ends = (-math.inf, math.inf) if entry["networks"] > 1 else NO_INTERVAL
    else:
        ends = (scale * low, scale * high)
    return scale * entry[key], ends, entry.get("p_holm", entry["p"])


def _shift(row: Mapping[str, Any]) -> Estimate:
    """NF2 along the main run's shift, whose FF1 is 1."""
    entry = (row.get("shift") or {}).get(SHIFT)
    return (entry["mean"], tuple(entry["ci"]), entry["p"]) if entry else NOTHING


def less_main(name: str) -> str:
    """Return the name of a condition's initial savings beyond practice, less those of the main run."""
    return f"{name}: initial savings beyond practice, less the main run's"


def _quantities(row: Mapping[str, Any]) -> list[Quantity]:
    name, n = row["name"], int(row["networks"])
    quantities = []
    for measure, unit in (("initial", "mm"), ("rate", "1")):
        for against in (FIRST, PRACTICE, MIRRORED):
            value, ci, _ = comparison(row, against, measure)
            if value is not None:
                entry = row[against][measure]
                count = int(entry["networks"])
                label = f"{name}: {measure} savings, {MEANING[against]}"
                quantities.append(
                    Quantity(label, value, ci, count, unit, entry["p"], p_holm=entry.get("p_holm"))
                )
    versus = row.get("versus_main")
    if versus and versus["mean"] is not None:
        low, high = (None if end is None else MM * end for end in versus["ci"])
        quantities.append(
            Quantity(
                less_main(name), MM * versus["mean"], (low, high), int(versus["networks"]), "mm",
                versus["p"], p_holm=versus.get("p_holm"),
            )
        )  # fmt: skip
    value, ci, p = _shift(row)
    note = "" if value is not None else "no shift"
    return [*quantities, Quantity(f"{name}: shift in NF2", value, ci, n, "1", p, note)]


def _figure(rows: Mapping[str, Mapping[str, Any]]) -> Figure:
    """One row per condition that has a sham: initial savings, rate savings, shift."""
    drawn = [row for row in rows.values() if row["sham"] is not None]
    marks = {
        measure: [_marks(row, rows, measure) for row in drawn] for measure in ("initial", "rate", "shift")
    }
    figure = look.new_figure(1.4 + 0.29 * len(drawn), gap=0.02)
    panels = figure.subplots(1, 3, sharey=True)
    places = np.arange(len(drawn), dtype=np.float64)[::-1]
    for axes, (measure, null, label) in zip(
        panels,
        (
            ("initial", 0.0, "Initial savings (mm)"),
            ("rate", 1.0, "Rate savings (ratio)"),
            ("shift", 0.0, "NF2 on the main run's shift\n(black: condition, grey: its sham)"),
        ),
        strict=True,
    ):
        limits = _limits(marks[measure], null)
        axes.axvline(null, color=look.QUIET, linewidth=0.6, zorder=1)
        for place in places:
            axes.axhline(place - 0.5, color="#ececec", linewidth=0.5, zorder=0)
        for place, entries in zip(places, marks[measure], strict=True):
            for kind, estimate in entries.items():
                _mark(axes, estimate, place + OFFSET[kind], limits, LOOK[kind])
        axes.set(xlabel=label, xlim=limits, ylim=(-0.6, len(drawn) - 0.4))
    panels[0].set_yticks(places, [f"{row['name']} ({row['networks']})" for row in drawn])
    kinds = [kind for kind in MEANING if any(kind in entries for entries in marks["initial"])]
    handles = [
        Line2D([], [], **LOOK[kind], markersize=4.0, linewidth=1.2, label=MEANING[kind]) for kind in kinds
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=2, borderaxespad=0.2)
    look.letter_panels(panels)
    return figure


def _marks(
    row: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]], measure: str
) -> dict[str, Estimate]:
    """What is drawn of one condition: its comparisons, and that of its sham."""
    sham = rows.get(row["sham"])
    if measure == "shift":
        marks = {SELF: _shift(row), OF_SHAM: NOTHING if sham is None else _shift(sham)}
    else:
        marks = {kind: comparison(row, kind, measure) for kind in (FIRST, PRACTICE, MIRRORED)}
        if sham is not None and marks[MIRRORED][0] is None:
            marks[OF_SHAM] = comparison(sham, FIRST, measure)
    return {kind: estimate for kind, estimate in marks.items() if estimate[0] is not None}


def _limits(marks: list[dict[str, Estimate]], null: float) -> tuple[float, float]:
    """Ends of an axis that show nearly all intervals; the largest ones are clipped."""
    ends = [
        end
        for entries in marks
        for value, interval, _ in entries.values()
        for end in (value, *interval)
        if end is not None and math.isfinite(end)
    ]
    low, high = np.quantile([*ends, null], [(1.0 - INSIDE) / 2.0, (1.0 + INSIDE) / 2.0])
    margin = 0.12 * max(high - low, 1e-9)
    return float(low - margin), float(high + margin)


def _mark(
    axes: Axes, estimate: Estimate, y: float, limits: tuple[float, float], style: Mapping[str, Any]
) -> None:
    """A value with its interval; an arrow at the edge of the axis, and the number, if it lies outside."""
    value, (low, high), _ = estimate
    assert value is not None
    colour, (left, right) = style["color"], limits
    if low is not None and high is not None:
        axes.plot([max(low, left), min(high, right)], [y, y], color=colour, linewidth=1.0, zorder=3)
        for end, edge, arrow in ((low, left, "<"), (high, right, ">")):
            if (end < edge) == (arrow == "<") and end != edge:
                axes.plot(edge, y, arrow, color=colour, markersize=3.0, clip_on=False, zorder=5)
    if left <= value <= right:
        axes.plot(value, y, **style, markersize=3.5, zorder=4)
        return
    edge, side = (right, "right") if value > right else (left, "left")
    axes.plot(edge, y, ">" if side == "right" else "<", color=colour, markersize=3.5, clip_on=False, zorder=5)
    axes.annotate(
        f"{value:.1f}", (edge, y), (-4.0 if side == "right" else 4.0, 0.0), textcoords="offset points",
        ha=side, va="center", fontsize=6.0, color=colour, zorder=6,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
    )  # fmt: skip


def _text(rows: Mapping[str, Mapping[str, Any]], floor: float | None) -> str:
    """What practice alone does, and what the field adds to it, in the main run."""
    main = rows.get(MAIN)
    if main is None:
        return ""
    first, ends, _ = comparison(main, FIRST, "initial")
    text = (
        f"FF2 of the main run ({main['networks']} networks) starts {format_value(first, ends, 'mm')} below "
        "its first encounter with the field"
    )
    beyond, its, _ = comparison(main, PRACTICE, "initial")
    if beyond is None:
        return f"{text}; without a sham it is open how much of this is practice."
    return (
        f"{text}, and {format_value(beyond, its, 'mm')} below networks with equal practice and no field in "
        f"FF1 ({TESTED_BY_PRACTICE}). {_others(rows)} {explanations(rows, floor)}"
    ).strip()


def _others(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Which other conditions save beyond practice, by corrected tests."""
    words = {
        1: "FF2 begins closer to the line than with equal practice",
        0: "it does not measurably differ from practice",
        -1: "it begins further from the line than with equal practice",
    }
    by_effect: dict[int, list[str]] = {key: [] for key in words}
    for name, row in rows.items():
        if name != MAIN and row.get(PRACTICE):
            by_effect[effect(row[PRACTICE]["initial"])].append(f"`{name}`")
    parts = [f"{words[key]} in {listed(names)}" for key, names in by_effect.items() if names]
    return f"By corrected tests, {'; '.join(parts)}." if parts else ""
