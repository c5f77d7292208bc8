"""The picture of the experiment, and what its panels show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from experiments.drawing import style as look
from experiments.rehabilitation.config import INTACT, Rehabilitation, is_intact, therapy_of
from experiments.rehabilitation.courses import (
    BEFORE,
    PRACTISED_REACHES,
    REACHES,
    UNPRACTISED,
    UNPRACTISED_REACHES,
)
from experiments.rehabilitation.measures import (
    LEFT,
    OTHER_THERAPY,
    SAVED,
    THERAPY,
    Numbers,
    Values,
    after,
    error_at,
    errors,
    practice_and_rest,
    unpractised,
)
from experiments.rehabilitation.therapy import AUGMENTED, DOUBLE, EVERYDAY, PRACTICE, SPACED, THERAPIES
from savings_gym.arrays import MM, Floats
from savings_gym.metrics.statistics import t_band

FIGURE: Final = "rehabilitation.png"
COLOURS: Final = dict(
    zip(THERAPIES, (look.QUIET, look.OURS, "#7fb2dd", look.SECOND, look.THIRD, look.FOURTH), strict=True)
)
LINES: Final = {AUGMENTED: look.DASHED}  # it lies on practice
TICKS: Final = (0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)  # of errors as multiples of those before the lesion
NEAR_TICKS: Final = (0.25, 0.35, 0.5, 0.7, 1, 1.4, 2, 2.8, 4)  # of those relative to another course
MARKERS: Final = dict(zip(REACHES, "s^", strict=True))
Tables = Mapping[int, Mapping[str, pd.DataFrame]]  # units to name of a course to its probes


def caption(config: Rehabilitation) -> str:
    """Return what every panel shows, as Markdown."""
    curves = [chr(ord("a") + k) for k in range(len(config.sizes))]
    others, since, left, saved = (chr(ord("a") + len(curves) + k) for k in range(4))
    names = curves[0] if len(curves) == 1 else f"{curves[0]} to {curves[-1]}"
    lines = [
        f"**{names}**, error in the eight practised reaches divided by each network's own error before the "
        "lesion (dotted: 1), on a logarithmic axis; geometric means over the "
        f"{config.networks} networks of a size, with 95 % t intervals of the logarithms as bands. "
        f"{_times(config)} What follows is everyday life.",
        f"**{others}**, the same in the {UNPRACTISED} reaches that were not practised, over networks of all "
        "sizes.",
        f"**{since}**, that in the practised reaches in the everyday life after the last practice, over "
        "networks of all sizes.",
        f"**{left}**, error at the end of a course divided by that at the end of *{PRACTICE}* (dotted: 1), "
        "in practised reaches (squares) and in those that were not practised (triangles): small, networks "
        "of all sizes; beside them means and 95 % intervals, as in the tables.",
    ]
    if config.relearn:
        lines.append(
            f"**{saved}**, savings beyond the sham of lesioned networks after some courses"
            f"{_intact_words(config)}: networks one by one; beside them, as squares, means and 95 % t "
            "intervals over the networks of a size."
        )
    return " ".join(lines)


def _intact_words(config: Rehabilitation) -> str:
    """Return which intact networks the savings are beside, in a few words."""
    without = ["without a course"] if INTACT in config.relearn else []
    named = [f"after *{therapy_of(name)}* (triangles)" for name in config.intact_courses]
    words = " and ".join(without + named)
    return f", and of intact ones {words}" if words else ""


def _times(config: Rehabilitation) -> str:
    """Return when practice takes place, in one sentence."""
    others = [
        f"*{therapy}*: {words}{practice_and_rest(config, therapy)[0]}"
        for therapy, words in ((DOUBLE, ""), (SPACED, f"{config.sessions} parts, the last ends at "))
        if therapy in config.therapies
    ]
    return f"Practice ends at update {config.dose}" + (f" ({'; '.join(others)})." if others else ".")


def draw(tables: Tables, values: Values, numbers: Numbers, config: Rehabilitation, out: Path) -> Path:
    """Draw the courses, size by size; unpractised reaches and what follows practice; comparison and savings.

    Args:
        tables: Probes of all courses.
        values: One value per network.
        numbers: What `quantities` returned.
        config: The arguments.
        out: Folder of the picture.

    Returns:
        The PNG file.
    """
    with look.house_style():
        return look.save_picture(_figure(tables, values, numbers, config), out / FIGURE)


def _figure(tables: Tables, values: Values, numbers: Numbers, config: Rehabilitation) -> Figure:
    figure = look.new_figure(7.0, gap=0.03)
    columns = math.lcm(len(tables), 2)
    grid = figure.add_gridspec(3, columns)

    def row(number: int, count: int) -> list[Axes]:
        width = columns // count
        return [figure.add_subplot(grid[number, k * width : (k + 1) * width]) for k in range(count)]

    panels, (others, since), last = row(0, len(tables)), row(1, 2), row(2, 2 if config.relearn else 1)
    for axes, (units, by_course) in zip(panels, tables.items(), strict=True):
        for therapy in config.therapies:
            updates, logs = _relative(by_course[therapy])
            _draw_logs(axes, updates[1:], logs[:, 1:], therapy)
        axes.set(title=f"{units} units", xlabel="Update")
    for axes in panels[1:]:
        axes.sharey(panels[0])
    panels[0].set_ylabel("Error / error before the lesion")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), borderaxespad=0.2)
    _unpractised(others, tables, config)
    _since_practice(since, tables, config)
    _beside_practice(last[0], values, numbers, config)
    for axes in (*panels, others, since):
        _log_axis(axes, TICKS)
    _log_axis(last[0], NEAR_TICKS)
    if config.relearn:
        _savings(last[1], values, config)
    look.letter_panels([*panels, others, since, *last])
    return figure


def _relative(table: pd.DataFrame, reaches: str = PRACTISED_REACHES) -> tuple[Floats, Floats]:
    """Return updates, and logarithms of the error relative to that before the lesion, (n, probes)."""
    updates, its = errors(table, reaches)
    return updates, np.log(its / error_at((updates, its), BEFORE)[:, None])


def _over_sizes(tables: Tables, therapy: str, reaches: str = PRACTISED_REACHES) -> tuple[Floats, Floats]:
    """Return updates, and those logarithms averaged over the sizes, (n, probes)."""
    curves = [_relative(by_course[therapy], reaches) for by_course in tables.values()]
    return curves[0][0], np.mean([logs for _, logs in curves], axis=0)


def _draw_logs(axes: Axes, x: Floats, logs: Floats, therapy: str) -> None:
    """Draw the geometric mean over (n, x) logarithms of ratios, with the t intervals of the logarithms."""
    low, high = t_band(logs)
    colour, line = COLOURS[therapy], LINES.get(therapy, "-")
    axes.fill_between(x, np.exp(low), np.exp(high), color=colour, alpha=0.12, linewidth=0.0, zorder=2)
    axes.plot(
        x, np.exp(logs.mean(axis=0)), color=colour, linewidth=1.5, linestyle=line, label=therapy, zorder=4
    )  # fmt: skip


def _log_axis(axes: Axes, ticks: Sequence[float]) -> None:
    """Give an axis of ratios plain numbers, and a dotted line at 1."""
    axes.axhline(1.0, color=look.INK, linewidth=0.7, linestyle=look.DOTTED, zorder=1)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def _unpractised(axes: Axes, tables: Tables, config: Rehabilitation) -> None:
    """Draw the errors in unpractised reaches over the courses, over networks of all sizes."""
    for therapy in config.therapies:
        updates, logs = _over_sizes(tables, therapy, UNPRACTISED_REACHES)
        _draw_logs(axes, updates[1:], logs[:, 1:], therapy)
    axes.set(
        title="Reaches that were not practised", xlabel="Update", ylabel="Error / error before the lesion"
    )  # fmt: skip


def _since_practice(axes: Axes, tables: Tables, config: Rehabilitation) -> None:
    """Draw the errors of everyday life after practice, over networks of all sizes."""
    for therapy in config.therapies:
        if therapy == EVERYDAY:
            continue
        end, _ = practice_and_rest(config, therapy)
        updates, logs = _over_sizes(tables, therapy)
        _draw_logs(axes, updates[updates >= end] - end, logs[:, updates >= end], therapy)
    axes.set(
        title="Practised reaches", xlabel="Updates since practice", ylabel="Error / error before the lesion"
    )  # fmt: skip


def _beside_practice(axes: Axes, values: Values, numbers: Numbers, config: Rehabilitation) -> None:
    """Draw networks and means of the errors at the end relative to those after practice at once."""
    therapies = [therapy for therapy in config.therapies if therapy != PRACTICE]
    for place, therapy in enumerate(therapies):
        for reaches, family, beside in zip(REACHES, (THERAPY, OTHER_THERAPY), (-0.25, 0.15), strict=True):
            its, reference = after(LEFT, therapy), after(LEFT, PRACTICE)
            entry, colour, marker = numbers[family][its], COLOURS[therapy], MARKERS[reaches]
            if reaches == UNPRACTISED_REACHES:
                its, reference = unpractised(its), unpractised(reference)
            ratios = np.stack([of[its] / of[reference] for of in values.values()]).ravel()
            x = np.full(ratios.size, place + beside)
            axes.scatter(
                x, ratios, s=9.0, color=colour, marker=marker, linewidths=0.0, alpha=0.5, zorder=3
            )  # fmt: skip
            value, low, high = (None if x is None else 1.0 + x / 100.0 for x in (entry.value, *entry.ci))
            look.draw_estimate(axes, place + beside + 0.14, value, (low, high), colour, marker=marker)
    for reaches, marker in MARKERS.items():
        axes.plot([], [], marker, color=look.INK, markersize=4.0, label=reaches)
    axes.set(ylabel="Error / error after practice,\nat the end", xlim=(-0.6, len(therapies) - 0.4))
    axes.set_xticks(range(len(therapies)), therapies)
    if therapies:
        axes.legend(loc="best", ncols=2)


def _savings(axes: Axes, values: Values, config: Rehabilitation) -> None:
    """Draw networks and means of savings against size, side by side."""
    sizes = list(values)
    for number, course in enumerate(config.relearn):
        colour = look.INK if course == INTACT else COLOURS[therapy_of(course)]
        marker = "^" if is_intact(course) and course != INTACT else "o"
        beside = 0.8 * ((number + 0.5) / len(config.relearn) - 0.5)
        for place, units in enumerate(sizes):
            its = MM * values[units][after(SAVED, course)]
            look.draw_dots(axes, place + beside, its, colour, marker, beside=0.07)
        axes.plot([], [], marker, color=colour, markersize=4.0, label=course)
    axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
    axes.set(ylabel="Savings beyond the sham (mm)", xlabel="Units", xlim=(-0.6, len(sizes) - 0.4))
    axes.set_xticks(range(len(sizes)), [str(units) for units in sizes])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.legend(loc="best")
