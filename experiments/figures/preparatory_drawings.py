"""The drawings of `experiments.figures.preparatory`."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments import figure_style as look
from experiments.figures.preparation import PREPARATORY_TIME, Preparation
from experiments.figures.reference import REFERENCES, SHIFT_FF2, SHIFT_NF2
from savings_gym.arrays import Floats
from savings_gym.summary import PHASES

EXAMPLE = 0  # network that is shown beside the mean


def ring_figure(found: Preparation) -> Figure:
    """Preparatory activity on the force axes, phase by phase: mean over networks, one network, and the force.

    The third panel has the force that activity predicts, whose second component is not made orthogonal to
    the first, beside the force of NF1 that was regressed on.
    """
    rings = {phase: found.axes.project(x) for phase, x in found.activity.items()}
    predicted = {phase: found.axes.predicted_force(x) for phase, x in found.activity.items()}
    figure = look.new_figure(2.7)
    mean, example, force = figure.subplots(1, 3)
    _rings(mean, {phase: x.mean(axis=0) for phase, x in rings.items()})
    _rings(example, {phase: x[EXAMPLE] for phase, x in rings.items()})
    actual = (found.force - found.force.mean(axis=1, keepdims=True)).mean(axis=0)
    force.plot(*_closed(actual).T, color=look.QUIET, linewidth=0.9, linestyle=(0, (3, 3)), zorder=1)
    _rings(force, {phase: x.mean(axis=0) for phase, x in predicted.items()})
    for axes, title in ((mean, f"Mean of {found.networks} networks"), (example, f"Network {EXAMPLE}")):
        axes.set(title=title, xlabel="First force axis (N)", ylabel="Second force axis (N)")
    force.set(title="Mean", xlabel="Predicted force x (N)", ylabel="Predicted force y (N)")
    handles = [
        Line2D([], [], color=look.PHASE_COLOUR[phase], marker="o", markersize=3.5, label=_name(phase),
               markerfacecolor="white" if phase in ("NF2", "FF2") else look.PHASE_COLOUR[phase])
        for phase in PHASES
    ]  # fmt: skip
    handles.append(
        Line2D([], [], color=look.QUIET, linestyle=(0, (3, 3)), linewidth=0.7, label="force of NF1, centred")
    )
    handles.append(
        Line2D([], [], color=look.INK, marker="o", markersize=5.2, linestyle="none", label="target at 0°")
    )
    figure.legend(handles=handles, loc="outside lower center", ncols=6, columnspacing=1.2)
    return figure


def shift_figure(shifts: dict[str, Floats], sham: Floats | None) -> Figure:
    """Every network's projection on its shift, NF1 = 0 and FF1 = 1; the study's as diamonds.

    Args:
        shifts: Phase to (n,).
        sham: (m,) NF2 of networks that never met the field, or None.
    """
    figure = look.new_figure(2.9)
    axes = figure.subplots()
    columns = [("NF1", shifts["NF1"]), ("FF1", shifts["FF1"]), ("NF2", shifts["NF2"]), ("FF2", shifts["FF2"])]
    x_of = {"NF1": 0.0, "FF1": 1.0, "NF2": 2.0, "FF2": 3.0}
    axes.plot(
        list(x_of.values()), np.stack([values for _, values in columns]), color=look.QUIET, linewidth=0.5,
        alpha=0.6, zorder=1,
    )  # fmt: skip
    for phase, values in columns:
        _dots(axes, x_of[phase], values, look.PHASE_COLOUR[phase])
    ticks, labels = list(x_of.values()), [_name(phase).replace(", ", "\n") for phase in PHASES]
    if sham is not None:
        _dots(axes, 4.2, sham, look.QUIET)
        ticks, labels = [*ticks, 4.2], [*labels, "NF2 of sham:\nnever met the field"]
    study = {row.name: row for row in REFERENCES}
    for name, x in ((SHIFT_NF2, 2.0), (SHIFT_FF2, 3.0)):
        axes.errorbar(
            x + 0.34, study[name].value, study[name].error, fmt="D", color=look.INK, markerfacecolor="white",
            markersize=4.0, linewidth=0.9, zorder=5, label="the study (40 networks)" if x == 2.0 else None,
        )  # fmt: skip
    for level in (0.0, 1.0):
        axes.axhline(level, color=look.QUIET, linewidth=0.6, zorder=0)
    axes.set(ylabel="Projection on the shift", xticks=ticks, xticklabels=labels, xlim=(-0.5, ticks[-1] + 0.6))
    axes.legend(loc="upper left")
    return figure


def trial_figure(curves: dict[str, Floats], found: Preparation) -> Figure:
    """The whole trial projected on the shift, above; less NF1's curve, below."""
    figure = look.new_figure(4.2)
    whole, apart = figure.subplots(2, 1, sharex=True)
    for phase in PHASES:
        look.draw_band(whole, found.time, curves[phase], look.PHASE_COLOUR[phase], _name(phase))
        look.draw_band(apart, found.time, curves[phase] - curves["NF1"], look.PHASE_COLOUR[phase])
    for axes in (whole, apart):
        for x in (PREPARATORY_TIME, found.go, found.seen):
            axes.axvline(x, color=look.QUIET, linewidth=0.6, zorder=0)
    marks = {PREPARATORY_TIME: "preparatory time", found.go: "go ", found.seen: " go is seen"}
    for x, text in marks.items():
        whole.text(
            x, 1.01, text, transform=whole.get_xaxis_transform(), fontsize=look.SMALL, va="bottom",
            ha="right" if text == "go " else "left" if x == found.seen else "center",
        )  # fmt: skip
    whole.set(ylabel="Projection on the shift")
    apart.set(
        xlabel="Time in the trial (s)", ylabel="The same, less NF1", xlim=(found.time[0], found.time[-1])
    )
    whole.legend(loc="lower right", ncols=2)
    return figure


def _rings(axes: Axes, rings: dict[str, Floats]) -> None:
    """The ring (8, 2) of every phase; the target at 0 degrees is larger."""
    for phase in PHASES:
        ring, colour = rings[phase], look.PHASE_COLOUR[phase]
        axes.plot(*_closed(ring).T, color=colour, linewidth=0.8, zorder=2)
        axes.scatter(
            ring[:, 0], ring[:, 1], s=[26.0, *[11.0] * (len(ring) - 1)], edgecolor=colour, linewidth=0.8,
            zorder=3, facecolor="white" if phase in ("NF2", "FF2") else colour,
        )  # fmt: skip
    axes.set_aspect("equal", adjustable="datalim")


def _dots(axes: Axes, x: float, values: Floats, colour: str) -> None:
    """A dot a network, and beside them the mean with its 95 % interval."""
    axes.scatter(np.full(values.shape, x), values, s=9.0, color=colour, linewidths=0.0, zorder=3)
    mean, low, high = look.t_interval(values)
    axes.plot([x + 0.17, x + 0.17], [low, high], color=colour, linewidth=1.5, zorder=3)
    axes.plot(x + 0.17, mean, "s", color=colour, markersize=4.0, zorder=4)


def _closed(ring: Floats) -> Floats:
    """The points of a ring, the first once more at the end."""
    return np.concatenate([ring, ring[:1]])


def _name(phase: str) -> str:
    return f"{phase}, {look.PHASE_MEANING[phase]}"
