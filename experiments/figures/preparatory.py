"""Preparatory activity: the ring of targets in the plane of forces, the shift, and what washout leaves of it.

The analysis is `experiments.stored.preparation`; formulas are in `savings_gym.activity.preparatory`.

The drawings of `experiments.figures.preparatory`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.drawing import style as look
from experiments.figures.comparison import beside_study
from experiments.figures.kit import Found
from experiments.runs.tables import markdown_table, shown
from experiments.stored.preparation import (
    CODE_FORCE_TIME,
    PREPARATORY_TIME,
    Preparation,
    preparation,
    sham_trials,
    step_at,
)
from experiments.stored.runs import Runs
from experiments.study import REFERENCES, SHIFT_FF2, SHIFT_NF2, Quantity, quantity
from savings_gym.activity.preparatory import (
    common_share,
    ring_turn,
    shift_projections,
    trial_projections,
    uniform_shift,
)
from savings_gym.arrays import Floats
from savings_gym.metrics.statistics import Estimate, Sampling, estimate
from savings_gym.task.schedule import PHASES

SHIFT = {"NF2": SHIFT_NF2, "FF2": SHIFT_FF2}
LEVEL = 0.05
CODE, RAW = "force at 0.25 s", "no force axes"
FORCE_FIT, COMMON, OFF_AXES, LENGTH = (
    "NF1 force explained by preparatory activity",
    "share of the change NF1 to FF1 common to all targets",
    "share of the shift's length off the force axes",
    "length of the shift",
)
SHAM, BEYOND_SHAM = (
    "shift in NF2 of the sham control, on the main run's shift",
    "shift in NF2 beyond the sham",
)


def preparatory(runs: Runs, out: Path) -> Found:
    """Ring of targets, shift in every phase, and the whole trial on the shift, of the main run."""
    dataset, sampling = runs.activity(runs.main), Sampling(runs.seed)
    found = preparation(dataset)
    shifts = shift_projections(found.activity, found.shift)
    other = preparation(dataset, CODE_FORCE_TIME)
    bare = uniform_shift(found.activity, np.zeros((*found.shift.raw.shape, 0)))
    variants = {
        CODE: shift_projections(other.activity, other.shift),
        RAW: shift_projections(found.activity, bare),
    }
    largest = np.abs(other.force).max()
    notes = {CODE: f"time of the study's code, before go: the hand force is {largest:.2g} N at most", RAW: ""}
    quantities = [
        *(_told(name, shifts[phase], sampling) for phase, name in SHIFT.items()),
        *(
            _told(f"{name}, {variant}", values[phase], sampling, notes[variant])
            for variant, values in variants.items()
            for phase, name in SHIFT.items()
        ),
        *_descriptions(found, sampling),
    ]
    sham = sham_projection(runs, found)
    if sham is not None:
        quantities.append(_told(SHAM, sham, sampling))
        bound = "at most: the axis was found in the main run's own FF1, whose drift NF2 shares"
        quantities.append(_told(BEYOND_SHAM, shifts["NF2"][: sham.size] - sham, sampling, bound))
    curves = trial_projections(found.trials, found.shift)
    with look.house_style():
        drawings = {
            "preparatory_ring.png": ring_figure(found),
            "preparatory_shift.png": shift_figure(shifts, sham),
            "preparatory_trial.png": trial_figure(curves, found),
        }
        figures = [look.save_png(figure, out / name) for name, figure in drawings.items()]
    tables = {
        "Preparatory activity beside the study": beside_study(quantities),
        "Shift by network": _network_table(shifts, sham),
    }
    return Found(quantities, tables, figures, _text(quantities)).save(out, "preparatory")


def sham_projection(runs: Runs, found: Preparation) -> Floats | None:
    """NF2 of the sham control on the shift of the main run, (m,): what practice alone moves along it."""
    trials = sham_trials(runs, found)
    if trials is None:
        return None
    mean = trials["NF2"][:, :, step_at(found.time, PREPARATORY_TIME)].mean(axis=1)
    m = len(mean)
    along = np.sum((mean - found.shift.origin[:m]) * found.shift.vector[:m], axis=-1)
    return along / found.shift.scale[:m]


def _told(name: str, values: Floats, sampling: Sampling, about: str = "") -> Quantity:
    """A projection over networks, with its t in the note as the study prints it."""
    found = estimate(values, sampling)
    return quantity(name, found, "1", note="; ".join(part for part in (_t(found), about) if part))


def _t(found: Estimate) -> str:
    return f"t({found.networks - 1}) = {found.t:.2f}" if np.isfinite(found.t) else ""


def _descriptions(found: Preparation, sampling: Sampling) -> list[Quantity]:
    """How good the force axes are, how common and how long the shift is, how far the ring turns."""
    read = found.axes.predicted_force(found.activity["NF1"])
    spread = found.force - found.force.mean(axis=1, keepdims=True)
    missed = (read - read.mean(axis=1, keepdims=True)) - spread
    fit = 1.0 - np.sum(missed**2, axis=(1, 2)) / np.sum(spread**2, axis=(1, 2))
    raw = np.linalg.norm(found.shift.raw, axis=-1)
    rings = {phase: found.axes.predicted_force(x) for phase, x in found.activity.items()}
    size = np.linalg.norm(found.shift.origin, axis=-1)
    values = {
        FORCE_FIT: fit,
        COMMON: common_share(found.activity),
        OFF_AXES: found.shift.length / raw,
        LENGTH: found.shift.length,
        LENGTH + " / mean activity of NF1": found.shift.length / size,
    }
    turns = {turned(p): np.degrees(ring_turn(rings[p], rings["NF1"])) for p in ("FF1", "NF2", "FF2")}
    return [
        *(quantity(name, estimate(x, sampling), "1", test=False) for name, x in values.items()),
        *(quantity(name, estimate(x, sampling), "deg") for name, x in turns.items()),
    ]


def turned(phase: str) -> str:
    """Name of the angle by which the ring of a phase is turned against NF1."""
    return f"turn of the ring in {phase}"


def _network_table(shifts: dict[str, Floats], sham: Floats | None) -> str:
    """A row a network."""
    headings = ["network", *SHIFT, *([] if sham is None else ["NF2 of the sham"])]
    rows = []
    for i in range(shifts["NF2"].size):
        row = [str(i), *(f"{shifts[phase][i]:.3f}" for phase in SHIFT)]
        if sham is not None:
            row.append(f"{sham[i]:.3f}" if i < sham.size else "-")
        rows.append(row)
    return markdown_table(headings, rows)


def _text(quantities: list[Quantity]) -> str:
    """What is left of the shift, and whether practice alone leaves as much."""
    found = {entry.name: entry for entry in quantities}
    left = found[SHIFT_NF2]
    coded = found[f"{SHIFT_NF2}, {CODE}"]
    sentences = [
        f"After washout {shown(left.value, left.ci)} of the shift is left{_against(left)}. With the force at "
        f"the time that the study's code takes, before go, it is {shown(coded.value, coded.ci)}: there is "
        "hardly any force then, and its axes are noise."
    ]
    if BEYOND_SHAM in found:
        sham, more = found[SHAM], found[BEYOND_SHAM]
        sentences.append(
            f"Networks that never met the field stand at {shown(sham.value, sham.ci)} on the same shift "
            f"after as many updates; the field leaves {shown(more.value, more.ci)} beyond that"
            f"{_against(more)}."
        )
    return " ".join(sentences)


def _against(found: Quantity) -> str:
    """Whether a number can be told from 0, by its t test."""
    if found.p is None:
        return ", of one network"
    return f" (p = {found.p:.2g}{', which cannot be told from 0' if found.p >= LEVEL else ''})"


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
