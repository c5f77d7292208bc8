"""Preparatory activity: the ring of targets in the plane of forces, the shift, and what NF2 retains of it.

The analysis is in `experiments.stored.preparation`, its formulas in `savings_gym.activity.preparatory`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.drawing import style as look
from experiments.figures.comparison import further_numbers
from experiments.figures.findings import (
    TESTED_BY_PRACTICE,
    Findings,
    correct,
    effect,
    finite,
    p_text,
)
from experiments.runs.tables import format_value
from experiments.stored.preparation import PREPARATORY_TIME, Preparation, preparation, sham_trials, step_at
from experiments.stored.runs import StoredRuns
from experiments.study import REFERENCE, SHIFT_FF2, SHIFT_NF2, Quantity, quantity
from savings_gym.activity.preparatory import (
    common_share,
    ring_turn,
    shift_projections,
    trial_projections,
    uniform_shift,
)
from savings_gym.arrays import Columns, Floats, Indices
from savings_gym.metrics.statistics import Sampling, t_test
from savings_gym.task.schedule import PHASES

SHIFT = {"NF2": SHIFT_NF2, "FF2": SHIFT_FF2}
RAW = "not made orthogonal to the force axes"
FORCE_FIT, COMMON, OFF_AXES, LENGTH = (
    "NF1 force explained by preparatory activity",
    "share of the change NF1 to FF1 common to all targets",
    "share of the shift's length orthogonal to the force axes",
    "length of the shift",
)
SHAM, BEYOND_SHAM = (
    "shift in NF2 of the sham, on the main run's shift",
    "shift in NF2 beyond the sham",
)
BEYOND_NOTE = f"{TESTED_BY_PRACTICE}; an upper bound, see the text"
EXAMPLE = 0  # place of the network that is drawn beside the mean


def preparatory(runs: StoredRuns, out: Path) -> Findings:
    """Ring of targets, shift in every phase, and the whole trial projected on the shift, of the main run."""
    prepared, sampling = preparation(runs.activity(runs.main)), Sampling(runs.seed)
    shifts = shift_projections(prepared.activity, prepared.shift)
    bare = uniform_shift(prepared.activity, np.zeros((*prepared.shift.raw.shape, 0)))
    raw = shift_projections(prepared.activity, bare)
    quantities = [
        *(_projection(name, shifts[phase], sampling) for phase, name in SHIFT.items()),
        *(_projection(f"{name}, {RAW}", raw[phase], sampling) for phase, name in SHIFT.items()),
        *_descriptions(prepared, sampling),
    ]
    sham = sham_projection(runs, prepared)
    if sham is not None:
        quantities.append(_projection(SHAM, finite(sham), sampling))
        beyond = finite(shifts["NF2"] - sham)
        quantities.append(quantity(BEYOND_SHAM, beyond, "1", sampling, test=False, note=BEYOND_NOTE))
    quantities = correct(quantities, (SHIFT_NF2, SHAM))
    with look.house_style():
        drawings = {
            "preparatory_ring.png": ring_figure(prepared),
            "preparatory_shift.png": shift_figure(shifts, sham),
            "preparatory_trial.png": trial_figure(
                trial_projections(prepared.trials, prepared.shift), prepared
            ),
        }
        pictures = [look.save_picture(figure, out / name) for name, figure in drawings.items()]
    tables = further_numbers("Preparatory activity: further numbers", quantities)
    return Findings(
        quantities, tables, pictures, _text(quantities), _networks(prepared.numbers, shifts, sham)
    )


def sham_projection(runs: StoredRuns, prepared: Preparation) -> Floats | None:
    """Return NF2 of the sham on the shift of the main run, (n,): how far practice alone moves along it.

    Networks that the sham lacks have NaN. None without a sham of the same networks.
    """
    sham, shift = sham_trials(runs, prepared), prepared.shift
    if sham is None:
        return None
    mean = sham.trials["NF2"][:, :, step_at(prepared.time, PREPARATORY_TIME)].mean(axis=1)
    projection = np.full(prepared.networks, np.nan)
    along = np.sum((mean - shift.origin[sham.places]) * shift.vector[sham.places], axis=-1)
    projection[sham.places] = along / shift.scale[sham.places]
    return projection


def _projection(name: str, values: Floats, sampling: Sampling, note: str = "") -> Quantity:
    """A projection over networks, with its t in the note as the study prints it."""
    t = t_test(values)[0]
    t_text = f"t({values.size - 1}) = {t:.2f}" if np.isfinite(t) else ""
    return quantity(name, values, "1", sampling, note="; ".join(part for part in (t_text, note) if part))


def _descriptions(prepared: Preparation, sampling: Sampling) -> list[Quantity]:
    """How good the force axes are, how common and how long the shift is, how far the ring turns."""
    read = prepared.axes.predicted_force(prepared.activity["NF1"])
    spread = prepared.force - prepared.force.mean(axis=1, keepdims=True)
    missed = (read - read.mean(axis=1, keepdims=True)) - spread
    rings = {phase: prepared.axes.predicted_force(x) for phase, x in prepared.activity.items()}
    values = {
        FORCE_FIT: 1.0 - np.sum(missed**2, axis=(1, 2)) / np.sum(spread**2, axis=(1, 2)),
        COMMON: common_share(prepared.activity),
        OFF_AXES: prepared.shift.length / np.linalg.norm(prepared.shift.raw, axis=-1),
        LENGTH: prepared.shift.length,
        f"{LENGTH} / mean activity of NF1": prepared.shift.length
        / np.linalg.norm(prepared.shift.origin, axis=-1),
    }
    turns = {turn(p): np.degrees(ring_turn(rings[p], rings["NF1"])) for p in ("FF1", "NF2", "FF2")}
    return [
        *(quantity(name, x, "1", sampling, test=False) for name, x in values.items()),
        *(quantity(name, x, "deg", sampling) for name, x in turns.items()),
    ]


def turn(phase: str) -> str:
    """Return the name of the angle by which the ring of a phase is turned against NF1."""
    return f"turn of the ring in {phase}"


def _networks(numbers: Indices, shifts: dict[str, Floats], sham: Floats | None) -> Columns:
    """Projections of every network; NaN for networks that the sham lacks."""
    columns: Columns = {"network": numbers, **{name: shifts[p] for p, name in SHIFT.items()}}
    return columns if sham is None else columns | {SHAM: sham}


def _text(quantities: list[Quantity]) -> str:
    """What NF2 retains of the shift, and whether practice alone leaves as much."""
    by_name = {entry.name: entry for entry in quantities}
    retained = by_name[SHIFT_NF2]
    text = (
        f"After washout {format_value(retained.value, retained.ci)} of the shift is left{_against(retained)}."
    )
    if BEYOND_SHAM not in by_name:
        return text
    sham, beyond = by_name[SHAM], by_name[BEYOND_SHAM]
    return (
        f"{text} Networks that never met the field stand at {format_value(sham.value, sham.ci)} on the same "
        f"shift after as many updates{_against(sham)}; the field leaves "
        f"{format_value(beyond.value, beyond.ci)} beyond that, {TESTED_BY_PRACTICE}. This is an upper bound: "
        "the shift comes from FF1 of the networks with the field, whose drift their own NF2 shares."
    )


def _against(entry: Quantity) -> str:
    """Whether a number differs from 0, by its t test."""
    words = "" if effect(entry) or entry.p is None else ", not measurably different from 0"
    return f" ({p_text(entry)}{words})"


def ring_figure(prepared: Preparation) -> Figure:
    """Draw preparatory activity on the force axes, phase by phase: mean, one network, and the force.

    The third panel has the force that activity predicts, whose second component is not made orthogonal to
    the first, beside the force of NF1 on which activity was regressed.
    """
    rings = {phase: prepared.axes.project(x) for phase, x in prepared.activity.items()}
    predicted = {phase: prepared.axes.predicted_force(x) for phase, x in prepared.activity.items()}
    figure = look.new_figure(2.9)
    panels = mean, example, force = figure.subplots(1, 3)
    _rings(mean, {phase: x.mean(axis=0) for phase, x in rings.items()})
    _rings(example, {phase: x[EXAMPLE] for phase, x in rings.items()})
    actual = (prepared.force - prepared.force.mean(axis=1, keepdims=True)).mean(axis=0)
    force.plot(*_closed(actual).T, color=look.QUIET, linewidth=1.2, linestyle=look.DOTTED, zorder=1)
    _rings(force, {phase: x.mean(axis=0) for phase, x in predicted.items()})
    titles = (f"Mean of {prepared.networks} networks", f"Network {prepared.numbers[EXAMPLE]}")
    for axes, title in zip((mean, example), titles, strict=True):
        axes.set(title=title, xlabel="First force axis (N)", ylabel="Second force axis (N)")
    force.set(title="Mean", xlabel="Predicted force x (N)", ylabel="Predicted force y (N)")
    handles = [
        Line2D(
            [], [], color=look.PHASE_COLOUR[phase], linestyle=look.PHASE_LINE[phase], markersize=3.5,
            marker=look.PHASE_MARKER[phase], label=_name(phase),
        )
        for phase in PHASES
    ]  # fmt: skip
    handles += [
        Line2D([], [], color=look.QUIET, linestyle=look.DOTTED, linewidth=1.2, label="force of NF1, centred"),
        Line2D([], [], color=look.INK, marker="o", markersize=6.0, linestyle="none", label="target at 0°"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=6, columnspacing=1.2)
    look.letter_panels(panels)
    return figure


def shift_figure(shifts: dict[str, Floats], sham: Floats | None) -> Figure:
    """Draw every network's projection on its shift, NF1 = 0 and FF1 = 1; the study's as diamonds.

    Args:
        shifts: Phase to (n,).
        sham: (n,) NF2 of networks that never met the field, NaN for those that the sham lacks; or None.
    """
    figure = look.new_figure(2.9)
    axes = figure.subplots()
    places = {phase: float(number) for number, phase in enumerate(PHASES)}
    axes.plot(
        list(places.values()), np.stack([shifts[phase] for phase in PHASES]), color=look.QUIET, linewidth=0.5,
        alpha=0.6, zorder=1,
    )  # fmt: skip
    for phase, x in places.items():
        look.draw_dots(axes, x, shifts[phase], look.PHASE_COLOUR[phase], look.PHASE_MARKER[phase])
    ticks, labels = list(places.values()), [_name(phase).replace(", ", "\n") for phase in PHASES]
    if sham is not None:
        look.draw_dots(axes, 4.2, finite(sham), look.FOURTH)
        ticks, labels = [*ticks, 4.2], [*labels, "NF2 of the sham:\nnever met the field"]
    for phase, name in SHIFT.items():
        reference = REFERENCE[name]
        axes.errorbar(
            places[phase] + 0.34, reference.value, reference.error, **look.STUDY, linewidth=0.9,
            label=look.STUDY_LABEL if phase == "NF2" else None,
        )  # fmt: skip
    for level in (0.0, 1.0):
        axes.axhline(level, color=look.QUIET, linewidth=0.6, zorder=0)
    axes.set(ylabel="Projection on the shift", xticks=ticks, xticklabels=labels, xlim=(-0.5, ticks[-1] + 0.6))
    axes.legend(loc="upper left")
    return figure


def trial_figure(curves: dict[str, Floats], prepared: Preparation) -> Figure:
    """Draw the whole trial projected on the shift: means above; less NF1, with intervals, below."""
    figure = look.new_figure(4.3)
    panels = whole, less = figure.subplots(2, 1, sharex=True)
    for phase in PHASES:
        colour, line = look.PHASE_COLOUR[phase], look.PHASE_LINE[phase]
        whole.plot(
            prepared.time, curves[phase].mean(axis=0), color=colour, linestyle=line, linewidth=1.5,
            label=_name(phase),
        )  # fmt: skip
        if phase != "NF1":
            difference = curves[phase] - curves["NF1"]
            look.draw_band(less, prepared.time, difference, colour, phase, line)
    less.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
    look.mark_times(whole, prepared.events)
    look.mark_times(less, prepared.events, labels=False)
    whole.set(ylabel="Projection on the shift")
    less.set(
        xlabel="Time in the trial (s)", ylabel="The same, less NF1",
        xlim=(prepared.time[0], prepared.time[-1]),
    )  # fmt: skip
    whole.legend(loc="lower right", ncols=2)
    less.set_title("Less NF1 network by network, bands: 95 % t intervals", fontsize=look.SMALL, loc="left")
    look.letter_panels(panels)
    return figure


def _rings(axes: Axes, rings: dict[str, Floats]) -> None:
    """The ring (8, 2) of every phase; the target at 0 degrees is larger."""
    for phase in PHASES:
        ring, colour = rings[phase], look.PHASE_COLOUR[phase]
        axes.plot(*_closed(ring).T, color=colour, linewidth=0.9, linestyle=look.PHASE_LINE[phase], zorder=2)
        axes.scatter(
            ring[:, 0], ring[:, 1], s=[30.0, *[10.0] * (len(ring) - 1)], color=colour, linewidth=0.0,
            marker=look.PHASE_MARKER[phase], zorder=3,
        )  # fmt: skip
    axes.set_aspect("equal", adjustable="datalim")


def _closed(ring: Floats) -> Floats:
    """The points of a ring, the first once more at the end."""
    return np.concatenate([ring, ring[:1]])


def _name(phase: str) -> str:
    return f"{phase}, {look.PHASE_MEANING[phase]}"
