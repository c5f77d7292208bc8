"""The figure of the sessions experiment: deviation, preparatory activity, and savings by washout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.drawing import style as look
from experiments.sessions.measures import Curves
from experiments.sessions.protocol import SAVINGS, SHAM, SessionTests, washout_test
from experiments.sessions.washouts import after_washout
from savings_gym.arrays import MM
from savings_gym.metrics.statistics import t_band

FIGURE: Final = "sessions.png"
SHIFT_AXIS: Final = (-1.0, 2.0)  # of activity on the shift, which is noise where networks have none


def draw(config: SessionTests, found: Mapping[str, Mapping[str, Curves]]) -> Path:
    """Draw deviation and shift over the trials of the savings test, and savings by the length of the washout.

    Args:
        config: The arguments.
        found: Curves by kind of test, by what the networks were trained in.
    """
    with look.house_style():
        return look.save_picture(_figure(config, found), config.out / FIGURE)


def caption(networks: Sequence[str], count: int) -> str:
    """Return what the panels show.

    Args:
        networks: Names of the kinds of networks, in the order of the rows.
        count: Networks of each kind.
    """
    letters = [chr(ord("a") + number) for number in range(3 * len(networks))]
    rows = "; ".join(
        f"{first} to {last}, {name}"
        for first, last, name in zip(letters[::3], letters[2::3], networks, strict=True)
    )
    left, middle, right = (", ".join(letters[column::3]) for column in range(3))
    return (
        f"Means over {count} networks of each kind; bands and bars are 95 % t intervals. One row for each "
        f"kind: {rows}. Left ({left}): lateral deviation in every trial of the session, to the side to which "
        "the field of FF1 pushes; blue, with the field in FF1; grey, the sham, without it; shaded, trials "
        f"in the field. Middle ({middle}): activity before go along the shift, 0 at the end of NF1 and 1 at "
        "the end of FF1. The scale is the shift itself, so activity without a shift is noise; the axis "
        f"is cut at {SHIFT_AXIS[0]:g} and {SHIFT_AXIS[1]:g}. Right ({right}): what washouts of several "
        "lengths leave of the after-effect (triangles), and savings in the trial that follows (squares), "
        "both beyond the sham."
    )


def _figure(config: SessionTests, found: Mapping[str, Mapping[str, Curves]]) -> Figure:
    figure = look.new_figure(0.6 + 1.75 * len(found), gap=0.03)
    panels = figure.subplots(
        len(found), 3, squeeze=False, width_ratios=[1.5, 1.5, 1.0], sharex="col", sharey="col"
    )
    for (regime, its), row in zip(found.items(), panels, strict=True):
        for axes, series, label in (
            (row[0], "deviation", "Lateral deviation (mm)"), (row[1], "shift", "Activity on the shift")
        ):  # fmt: skip
            _over_trials(axes, its, series)
            axes.set_ylabel(label)
        _over_washouts(row[2], config, its)
        row[1].set_ylim(*SHIFT_AXIS)
        row[0].set_title(config.name(regime).capitalize(), loc="left")
    for axes in panels[-1, :2]:
        axes.set_xlabel("Trial of the session")
    panels[-1, 2].set_xlabel("Trials of the washout")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    more, names = panels[0, 2].get_legend_handles_labels()
    figure.legend([*handles, *more], [*labels, *names], loc="outside upper right", ncols=4, borderaxespad=0.2)
    look.letter_panels(panels.flat)
    return figure


def _over_trials(axes: Axes, its: Mapping[str, Curves], series: str) -> None:
    """Draw the savings test and its sham, with the blocks in the field shaded."""
    axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
    for kind, colour, label in ((SHAM, look.QUIET, "no field in FF1"), (SAVINGS, look.OURS, "field in FF1")):
        first = 1
        for block, values in getattr(its[kind], series).items():
            trials = first + np.arange(values.shape[1], dtype=np.float64)
            if kind == SAVINGS and block in ("FF1", "FF2"):
                axes.axvspan(trials[0] - 0.5, trials[-1] + 0.5, color=look.FIELD_SHADE, zorder=0)
            scale = MM if series == "deviation" else 1.0
            look.draw_band(axes, trials, scale * values, colour, label if first == 1 else None)
            first += values.shape[1]


def _over_washouts(axes: Axes, config: SessionTests, its: Mapping[str, Curves]) -> None:
    """Draw what every washout leaves of the after-effect, and savings after it, with 95 % t intervals."""
    kinds = {washout_test(trials): trials for trials in config.washouts} | {SAVINGS: config.nf2_trials}
    kinds = dict(sorted(kinds.items(), key=lambda entry: entry[1]))
    x = np.array(list(kinds.values()), dtype=np.float64)
    outcomes = [after_washout(its, kind) for kind in kinds]
    left, saved = (MM * np.stack(each, axis=1) for each in zip(*outcomes, strict=True))
    axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
    for values, colour, marker, label in (
        (left, look.SECOND, "^", "after-effect left"), (saved, look.THIRD, "s", "savings")
    ):  # fmt: skip
        low, high = t_band(values)
        axes.vlines(x, low, high, color=colour, linewidth=1.2, zorder=3)
        axes.plot(x, values.mean(axis=0), marker, color=colour, markersize=3.5, linestyle="-", linewidth=0.8,
                  label=label, zorder=4)  # fmt: skip
    axes.set(xscale="log", xticks=x, xticklabels=[str(trials) for trials in kinds.values()])
    axes.set_ylabel("Beyond the sham (mm)")
    axes.minorticks_off()
