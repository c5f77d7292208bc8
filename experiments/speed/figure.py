"""The figure of the speed benchmark: cost against networks and units, and the parts of an update."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from experiments.drawing import style
from experiments.speed.bench import Section
from experiments.speed.work import PIECES

log = logging.getLogger(__name__)
MS = 1e3  # milliseconds per second
PROJECT, FLOOR, MOTORNET = style.PHASE_COLOUR["FF1"], style.QUIET, style.PHASE_COLOUR["FF2"]
SERIES = {"seconds": ("this project", PROJECT, "o"), "floor_seconds": ("matrix products", FLOOR, "s")}


def write_figure(results: Section, path: Path) -> None:
    """Draw cost against networks and units, and the parts of an update; nothing without the part growth."""
    if "growth" not in results:
        log.info("no figure: growth was not measured")
        return
    with style.house_style():
        figure = style.new_figure(2.6)
        left, middle, right = figure.subplots(1, 3, width_ratios=[1.2, 1.2, 1.0])
        for axes, axis, label in ((left, "networks", "Networks"), (middle, "units", "Units per network")):
            _growth(axes, results["growth"][axis], label)
        left.set_ylabel("Update, per network (ms)")
        motornet = results.get("update_seconds", {}).get("motornet")
        if motornet is not None:
            left.axhline(MS * motornet, color=MOTORNET, linewidth=1.2, label="MotorNet, one process per core")
        _slope(middle, results)
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=len(handles), borderaxespad=0.2)
        _parts_bars(right, results.get("parts_seconds"))
        style.save_picture(figure, path)


def _growth(axes: Axes, points: list[dict[str, float]], label: str) -> None:
    """Draw one growth curve, log-log, with that of the products."""
    x = [point["value"] for point in points]
    for key, (meaning, colour, marker) in SERIES.items():
        y = [MS * point[key] for point in points]
        axes.loglog(x, y, marker, linestyle="-", markersize=3.0, color=colour, linewidth=1.2, label=meaning)
    axes.set_xlabel(label)
    ticks: list[float] = []  # from the right, as many as do not overlap
    for value in reversed(x):
        if not ticks or ticks[-1] >= 1.9 * value:
            ticks.append(value)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _slope(axes: Axes, results: Section) -> None:
    """Draw a guide of square growth, and write the fitted exponents."""
    points, slopes = results["growth"]["units"], results["growth_slopes"]["units"]
    x = np.array([points[-1]["value"] / 4, points[-1]["value"]])
    y = MS * min(points[-1]["seconds"], points[-1]["floor_seconds"]) * (x / x[-1]) ** 2 / 2
    axes.plot(x, y, color=style.INK, linewidth=0.7, linestyle=(0, (4, 3)))
    axes.annotate("units²", (x[0], y[0]), ha="center", va="top", fontsize=style.SMALL)
    text = f"exponents:\nproject {slopes['seconds']:.2f}\nproducts {slopes['floor_seconds']:.2f}"
    axes.text(0.03, 0.97, text, transform=axes.transAxes, va="top", fontsize=style.SMALL)


def _parts_bars(axes: Axes, seconds: dict[str, float] | None) -> None:
    """Draw the milliseconds of the parts, the share of the arm darker."""
    if seconds is None:
        axes.set_axis_off()
        return
    y = np.arange(len(PIECES))[::-1]
    axes.barh(
        y,
        [MS * seconds[name] for name in PIECES],
        color=PROJECT,
        alpha=0.45,
        height=0.7,
        label="everything else",
    )
    arm = [MS * seconds.get(f"arm_{name}", 0.0) for name in PIECES]
    axes.barh(y, arm, color=PROJECT, height=0.7, label="arm")
    axes.set_yticks(y, PIECES)
    axes.tick_params(axis="y", left=False)
    axes.set_xlabel("Update of all networks (ms)")
    axes.legend(loc="lower right")
