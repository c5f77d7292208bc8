"""The drawing of `experiments.figures.displacement`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments import figure_style as look
from experiments.figures.preparation import PREPARATORY_TIME
from experiments.figures.reference import DISPLACEMENTS, REFERENCES, displaced
from savings_gym.arrays import Floats

if TYPE_CHECKING:
    from experiments.figures.displacement import Displaced

MM = 1000.0
SHIFT, RANDOM = "#d55e00", "#868686"


def displacement_figure(result: Displaced) -> Figure:
    """Deviation against m, slopes of every network, the time of the displacement, and its decay."""
    figure = look.new_figure(4.9, gap=0.05)
    (dose, size), (when, decay) = figure.subplots(2, 2)
    _dose(dose, result)
    _sizes(size, result)
    _when(when, result)
    _decay(decay, result)
    return figure


def _dose(axes: Axes, result: Displaced) -> None:
    """Change of the initial deviation with m: along the shift, along every random draw, and the study's."""
    middle = DISPLACEMENTS.index(0)
    change = MM * (result.deviation - result.deviation[:, middle : middle + 1])  # (1 + draws, k, n)
    for k, draw in enumerate(change[1:]):
        label = "random directions, mean of each draw" if k == 0 else None
        axes.plot(result.m, draw.mean(axis=-1), color=RANDOM, linewidth=0.7, label=label, zorder=2)
    look.draw_band(axes, result.m, change[0].T, SHIFT, "along the shift, mean and 95 % interval")
    study = {row.name: row.value for row in REFERENCES}
    theirs = [study[displaced(m)] - study[displaced(0)] for m in DISPLACEMENTS]
    axes.plot(
        DISPLACEMENTS, theirs, "D", color=look.INK, markerfacecolor="white", markersize=4.0, zorder=5,
        label="along the shift, the study",
    )  # fmt: skip
    axes.set(
        xlabel="Displacement m (shifts)", ylabel="Change of initial deviation (mm)", xticks=DISPLACEMENTS
    )
    low, high = axes.get_ylim()
    axes.set_ylim(low - 0.35 * (high - low), high)
    axes.legend(loc="lower left")
    axes.set_title(f"Displaced at {PREPARATORY_TIME} s", loc="left")


def _sizes(axes: Axes, result: Displaced) -> None:
    """Slope of every network, along the shift beside all draws."""
    n = result.slopes.shift.size
    for i, draws in enumerate(MM * result.slopes.random.T):
        label = "random directions" if i == 0 else None
        axes.scatter(
            np.full(draws.shape, i), draws, s=8.0, color=RANDOM, linewidths=0.0, label=label, zorder=2
        )
    axes.scatter(
        np.arange(n), MM * result.slopes.shift, s=16.0, color=SHIFT, linewidths=0.0, label="shift", zorder=3
    )
    axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
    axes.set(xlabel="Network", ylabel="Slope (mm per shift)")
    axes.set_title(f"Every network, displaced at {PREPARATORY_TIME} s", loc="left")
    axes.legend(loc="best")


def _when(axes: Axes, result: Displaced) -> None:
    """Slope along the shift against the time of the displacement, and how large random slopes are."""
    times = np.array(list(result.by_time))
    shift = MM * np.stack([slopes.shift for slopes in result.by_time.values()], axis=1)  # (n, times)
    random = MM * np.stack([np.abs(slopes.random).mean(axis=0) for slopes in result.by_time.values()], axis=1)
    size = random.mean(axis=0)
    axes.fill_between(
        times, -size, size, color=RANDOM, alpha=0.3, linewidth=0.0, label="± mean size of random directions"
    )
    look.draw_band(axes, times, shift, SHIFT, "along the shift, mean and 95 % interval")
    axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
    _mark(axes, result)
    axes.set(xlabel="Time of the displacement (s)", ylabel="Slope (mm per shift)")
    axes.legend(loc="lower left")


def _decay(axes: Axes, result: Displaced) -> None:
    """What is left of a displacement over the trial."""
    time, floor = result.preparation.time, 1e-3
    for share, colour, name in zip(
        result.left, (SHIFT, RANDOM), ("shift", "a random direction"), strict=True
    ):
        later = time >= PREPARATORY_TIME - 1e-9
        axes.semilogy(
            time[later], np.maximum(share[:, later], floor).T, color=colour, linewidth=0.5, alpha=0.5
        )
        axes.semilogy(
            time[later], _geometric(share[:, later], floor), color=colour, linewidth=1.6, label=name
        )
    _mark(axes, result)
    label = f"Left of a displacement at {PREPARATORY_TIME} s"
    axes.set(xlabel="Time in the trial (s)", ylabel=label, xlim=(0.1, time[-1]))
    axes.legend(loc="upper right")


def _geometric(share: Floats, floor: float) -> Floats:
    """Geometric mean over networks."""
    return np.exp(np.log(np.maximum(share, floor)).mean(axis=0))


def _mark(axes: Axes, result: Displaced) -> None:
    """Lines at the preparatory time, at go and where go is seen."""
    found = result.preparation
    for x in (PREPARATORY_TIME, found.go, found.seen):
        axes.axvline(x, color=look.QUIET, linewidth=0.6, zorder=0)
    for x, text, side in ((found.go, "go ", "right"), (found.seen, " seen", "left")):
        axes.text(
            x, 1.01, text, transform=axes.get_xaxis_transform(), ha=side, va="bottom", fontsize=look.SMALL
        )
