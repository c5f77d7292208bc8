"""The two figures of the benchmark: learning curves of each agent, and savings of those that reach."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from experiments.benchmark.columns import name
from experiments.benchmark.values import later_curves
from experiments.benchmark.verdicts import NO_REACH, PER_THOUSAND, Row
from experiments.drawing import style
from savings_gym.arrays import MM
from savings_gym.metrics.curves import ProbeTable
from savings_gym.metrics.savings import FIELD_PHASES

COLUMNS = 4
PANEL_HEIGHT = 1.35  # in
FOREST_LINE = 0.2  # in
MARGIN = 0.6  # in, labels and margins around the panels
LIMITS = (-25.0, 50.0)  # mm; agents that do not reach go beyond

FOREST = (  # key of a row, key of its test against the sham, scale, label
    ("initial_savings", "initial", MM, "initial savings (mm)"),
    ("rate_savings", "rate", PER_THOUSAND, "rate savings (per 1000 trials)"),
    ("after_effect", None, MM, "after-effect (mm)"),
)
APART = 0.3  # of a line, between savings beyond practice and those that include it


def draw_curves(rows: list[Row], tables: list[ProbeTable], path: Path) -> Path:
    """Draw the lateral deviation in FF1 and FF2, one panel per row.

    Args:
        rows: Rows of the tables.
        tables: Probes of each row, with the field in FF1.
        path: PNG to write.
    """
    lines = math.ceil(len(rows) / COLUMNS)
    with style.house_style():
        figure = style.new_figure(MARGIN + PANEL_HEIGHT * lines)
        panels = figure.subplots(lines, COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
        largest = 0
        for axes, row, table in zip(panels, rows, tables, strict=False):
            curves = later_curves(table)
            largest = max(int(curves[phase].trials[-1]) for phase in FIELD_PHASES)
            scale, _ = style.trial_unit(largest)
            for phase in FIELD_PHASES:
                trials, deviation = curves[phase].trials / scale, MM * curves[phase].deviation
                style.draw_band(axes, trials, deviation, style.PHASE_COLOUR[phase], phase)
            axes.axhline(0.0, color=style.QUIET, linewidth=0.6, zorder=1)
            axes.set_title(name(row), pad=2)
            axes.label_outer()
        for axes in panels[len(rows) :]:
            axes.set_visible(False)
        panels[0].set_ylim(*LIMITS)
        panels[0].legend(loc="upper right", handlelength=1.0)
        figure.supylabel("lateral deviation (mm)", fontsize=8)
        figure.supxlabel("trials in the phase" + style.trial_unit(largest)[1], fontsize=8)
        return style.save_picture(figure, path)


def draw_savings(rows: list[Row], path: Path) -> Path:
    """Draw initial savings, rate savings and after-effect of the agents that reach, with their intervals.

    Savings stand beyond practice where shams were run, and below that, or alone, with practice included.

    Args:
        rows: Rows of the tables, with verdicts.
        path: PNG to write.
    """
    rows = [row for row in rows if row["verdict"] != NO_REACH]
    heights = np.arange(len(rows))[::-1]
    with style.house_style():
        figure = style.new_figure(1.5 * MARGIN + FOREST_LINE * max(len(rows), 1))
        panels = figure.subplots(1, len(FOREST), sharey=True)
        for axes, (key, beyond, scale, label) in zip(panels, FOREST, strict=True):
            axes.axvline(0.0, color=style.QUIET, linewidth=0.8, zorder=1)
            axes.set_xlabel(label)
            for y, row in zip(heights, rows, strict=True):
                with_sham = beyond is not None and bool(row["against_sham"])
                if with_sham:
                    _mark(axes, y, row["against_sham"][beyond], scale, style.OURS)
                colour = style.INK if beyond is None else style.QUIET
                _mark(axes, y - APART * with_sham, row[key], scale, colour)
        marks = {"beyond practice": style.OURS, "practice included": style.QUIET}
        handles = [Line2D([], [], color=its, marker="o", markersize=3.5) for its in marks.values()]
        figure.legend(handles, list(marks), loc="outside upper right", ncols=len(marks), borderaxespad=0.2)
        panels[0].set_yticks(heights, [name(row) for row in rows])
        panels[0].set_ylim(-0.6, max(len(rows), 1) - 0.4)
        return style.save_picture(figure, path)


def _mark(axes: Axes, y: float, estimate: Row, scale: float, colour: str) -> None:
    """Draw one estimate with its interval; nothing if it has no value."""
    if estimate["mean"] is None:
        return
    low, high = estimate["ci"]
    if low is not None and high is not None:
        axes.plot([scale * low, scale * high], [y, y], color=colour, linewidth=1.2, zorder=3)
    axes.plot(scale * estimate["mean"], y, "o", color=colour, markersize=3.5, zorder=4)
