"""The figure of the benchmark: what each agent does in FF1 and FF2, and what it has saved."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure

from experiments.benchmark.protocol import Job
from experiments.benchmark.rows import Row, probe_table
from experiments.drawing import style as look
from savings_gym.metrics.curves import phase_curves

COLUMNS = 4
ROW_HEIGHT = 1.35  # in
FOREST_ROW = 0.2  # in
SHOWN = (-25.0, 50.0)  # mm of lateral deviation; agents that do not reach go beyond


def draw(jobs: list[Job], found: list[Row], path: Path) -> Path:
    """Draws curves of every row above, savings of all rows below.

    Args:
        jobs: Jobs that are done.
        found: Rows of the table.
        path: PNG to write.
    """
    lines = math.ceil(len(found) / COLUMNS)
    top, bottom = ROW_HEIGHT * lines, 0.9 + FOREST_ROW * len(found)
    with look.house_style():
        figure = look.new_figure(top + bottom)
        parts: Any = figure.subfigures(2, 1, height_ratios=(top, bottom))
        upper, lower = parts
        _curves(upper, jobs, found, lines)
        _forest(lower, found)
        return look.save_png(figure, path)


def _curves(figure: SubFigure, jobs: list[Job], found: list[Row], lines: int) -> None:
    """Lateral deviation in FF1 and FF2, a panel a row of the table."""
    panels = figure.subplots(lines, COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, row in zip(panels, found, strict=False):
        mine = [job for job in jobs if job.agent == row["agent"] and not job.protocol.sham]
        curves = phase_curves(probe_table(mine, row["memory"]))
        largest = max(int(curves[phase].trials[-1]) for phase in ("FF1", "FF2"))
        scale, _ = look.trial_unit(largest)
        for phase in ("FF1", "FF2"):
            curve = curves[phase]
            look.draw_band(axes, curve.trials / scale, 1e3 * curve.deviation, look.PHASE_COLOUR[phase], phase)
        axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
        axes.set_title(_name(row), pad=2)
    for axes in panels[len(found) :]:
        axes.set_visible(False)
    for axes in panels[: len(found)]:
        axes.label_outer()
    first = panels[0]
    first.set_ylim(*SHOWN)
    first.legend(loc="upper right", handlelength=1.0)
    figure.supylabel("lateral deviation (mm)", fontsize=8)
    unit = "trials in the phase" + look.trial_unit(largest)[1]
    figure.supxlabel(unit, fontsize=8)


def _forest(figure: SubFigure, found: list[Row]) -> None:
    """Initial savings, rate savings and after-effect with intervals over seeds, of agents that reach."""
    found = [row for row in found if row["verdict"] != "does not reach"]
    left, middle, right = figure.subplots(1, 3, sharey=True)
    height = np.arange(len(found))[::-1]
    for y, row in zip(height, found, strict=True):
        initial, rate = row["initial_savings"], row["rate_savings"]
        if initial is not None:
            _mark(left, y, initial["difference"], initial["ci"], 1e3)
        if rate is not None:
            _mark(middle, y, rate["ratio"], rate["ci"], 1.0)
        _mark(right, y, row["after_effect"]["mean"], row["after_effect"]["ci"], 1e3)
    for axes, nothing, label in (
        (left, 0.0, "initial savings, FF1 - FF2 (mm)"),
        (middle, 1.0, "rate savings, FF2 / FF1"),
        (right, 0.0, "after-effect (mm)"),
    ):
        axes.axvline(nothing, color=look.QUIET, linewidth=0.8, zorder=1)
        axes.set_xlabel(label)
    left.set_yticks(height, [_name(row) for row in found])
    left.set_ylim(-0.6, len(found) - 0.4)


def _mark(axes: Axes, y: float, value: float | None, ends: list[float | None], scale: float) -> None:
    if value is None:
        return
    if ends[0] is not None and ends[1] is not None:
        axes.plot([scale * ends[0], scale * ends[1]], [y, y], color=look.INK, linewidth=1.2, zorder=3)
    axes.plot(scale * value, y, "o", color=look.INK, markersize=3.5, zorder=4)


def _name(row: Row) -> str:
    return str(row["agent"]) if row["memory"] == "reset" else f"{row['agent']}, carried"
