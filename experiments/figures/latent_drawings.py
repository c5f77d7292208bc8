"""The drawing of `experiments.figures.latent`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments import figure_style as look
from experiments.figures.preparation import PREPARATORY_TIME
from savings_gym.arrays import Floats
from savings_gym.summary import PHASES

if TYPE_CHECKING:
    from experiments.figures.latent import Latent

EXAMPLE = 0
SHOWN = (0, 4)  # targets whose trajectories are drawn, on opposite sides
LATER = ("FF1", "NF2", "FF2")


def latent_figure(result: Latent) -> Figure:
    """Trajectories of one network, distance from NF1, alignment, and what the read-out sees."""
    figure = look.new_figure(5.0, gap=0.05)
    (paths, distance), (alignment, seen) = figure.subplots(2, 2)
    _paths(paths, result)
    _distance(distance, result)
    _alignment(alignment, result)
    _seen(seen, result)
    return figure


def _paths(axes: Axes, result: Latent) -> None:
    """First two components of one network's activity towards two targets, every phase."""
    found = result.preparation
    start, go = (int(np.searchsorted(found.time, t - 1e-9)) for t in (PREPARATORY_TIME, found.seen))
    for phase in PHASES:
        for target in SHOWN:
            path = result.paths[phase][EXAMPLE, target, start:, :2]
            label = phase if target == SHOWN[0] else None
            axes.plot(*path.T, color=look.PHASE_COLOUR[phase], linewidth=0.9, label=label, zorder=2)
            axes.plot(*path[go - 1 - start], "o", color=look.PHASE_COLOUR[phase], markersize=3.0, zorder=3)
    axes.set(xlabel="First component", ylabel="Second component")
    axes.set_title(f"Network {EXAMPLE}, targets at 0° and 180° (dot: go is seen)", loc="left")
    axes.legend(loc="best", ncols=2)


def _distance(axes: Axes, result: Latent) -> None:
    """Distance of later phases from NF1, beside how far targets are from each other."""
    found = result.preparation
    time = found.time
    axes.plot(time, result.tuning.mean(axis=0), color=look.INK, linewidth=0.9, linestyle=(0, (4, 3)),
              label="targets from their mean, NF1")  # fmt: skip
    for phase in LATER:
        look.draw_band(axes, time, result.distance[phase], look.PHASE_COLOUR[phase], f"{phase} from NF1")
    for x in (PREPARATORY_TIME, found.go, found.seen):
        axes.axvline(x, color=look.QUIET, linewidth=0.6, zorder=0)
    axes.set(xlabel="Time in the trial (s)", ylabel="Distance", xlim=(time[0], time[-1]))
    axes.set_ylim(0.0, 1.45 * float(result.tuning.mean(axis=0).max()))
    axes.legend(loc="upper left", ncols=2)


def _alignment(axes: Axes, result: Latent) -> None:
    """Alignment with NF1's subspace, and with random subspaces."""
    for x, phase in enumerate(LATER):
        _dots(axes, float(x), result.alignment[phase], look.PHASE_COLOUR[phase])
        for level, style, name in (
            (result.random[phase], (0, (4, 2)), "random subspaces of the dimensions used"),
            (result.chance[phase], (0, (1, 1.5)), "random subspaces of all dimensions"),
        ):
            axes.plot(
                [x - 0.3, x + 0.45], [level.mean()] * 2, color=look.INK, linewidth=0.9, linestyle=style,
                label=name if x == 0 else None,
            )  # fmt: skip
    axes.set(xticks=range(len(LATER)), xticklabels=LATER, ylabel="Alignment with NF1", ylim=(0.0, 1.05))
    axes.legend(loc="center", bbox_to_anchor=(0.5, 0.55))


def _seen(axes: Axes, result: Latent) -> None:
    """Share of the square length that the read-out sees."""
    n = result.preparation.networks
    names = {
        "the shift": "the\nshift", "what NF2 keeps": "what NF2\nkeeps",
        "differences between targets at the preparatory time": "targets,\nprepared",
        "all activity of the trial": "whole\ntrial",
    }  # fmt: skip
    for x, name in enumerate(names):
        _dots(axes, float(x), np.broadcast_to(result.seen[name], (n,)), "#0072b2")
    chance = float(np.mean(result.seen["a random direction"]))
    axes.axhline(chance, color=look.INK, linewidth=0.9, linestyle=(0, (1, 1.5)), label="a random direction")
    axes.set(
        xticks=range(len(names)), xticklabels=list(names.values()), ylabel="Share that the read-out sees",
        ylim=(0.0, None),
    )  # fmt: skip
    axes.legend(loc="best")


def _dots(axes: Axes, x: float, values: Floats, colour: str) -> None:
    """A dot a network, and beside them the mean with its 95 % interval."""
    axes.scatter(np.full(values.shape, x), values, s=9.0, color=colour, linewidths=0.0, zorder=3)
    mean, low, high = look.t_interval(values)
    axes.plot([x + 0.17, x + 0.17], [low, high], color=colour, linewidth=1.5, zorder=3)
    axes.plot(x + 0.17, mean, "s", color=colour, markersize=4.0, zorder=4)
