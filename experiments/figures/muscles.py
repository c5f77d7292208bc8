"""Muscles: their excitations in a reach, and how stiff and co-contracted the arm is after every phase.

Stiffness and damping are those of the held hand. If its muscles are as good as relaxed (`is_relaxed`), they
say little about an arm that resists in the movement.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from experiments.drawing import style as look
from experiments.figures.findings import Findings, correct, effect, p_text
from experiments.runs.tables import MISSING, format_p, format_value, markdown_table
from experiments.stored.activity import activity_of_run
from experiments.stored.preparation import cue_seen, four_phases
from experiments.stored.resistance import (
    DAMPING,
    DAMPING_FED,
    HOLD,
    KINDS,
    REACH,
    STIFFNESS,
    STIFFNESS_FED,
    UNITS,
    resistance,
)
from experiments.stored.runs import StoredRuns
from experiments.study import Quantity, quantity
from savings_gym.arm.model import load_arm
from savings_gym.arrays import Columns, Floats
from savings_gym.metrics.cocontraction import co_contraction
from savings_gym.metrics.curves import shared_networks
from savings_gym.metrics.statistics import Sampling
from savings_gym.task.schedule import PHASES
from savings_gym.task.settings import N_TARGETS

TARGET: Final = 2  # straight ahead
DRAWN_FROM: Final = 0.3  # s
# Label, phase whose networks move, and whether the field is on.
REACHES: Final = (
    ("no field", "NF1", "null"),
    ("first in the field", "NF1", "curl"),
    ("learned", "FF1", "curl"),
)
LINES: Final = {"no field": look.PHASE_COLOUR["NF1"], "first in the field": look.QUIET, "learned": look.OURS}
CHANGES: Final = (("FF1", "NF1"), ("NF2", "NF1"), ("FF2", "FF1"))  # later, earlier
CLAIMED: Final = CHANGES[1]  # what is left after the washout
LEARNED: Final = CHANGES[0]  # what learning the field changes
TRACES: Final = (
    f"The traces are excitations in the reach straight ahead (target {TARGET} of {N_TARGETS}), means over "
    "networks; the lines mark go and the moment at which it is seen."
)
RELAXED: Final = 1.5  # a held arm is as good as relaxed below so many times its floor; noise alone adds some
TITLES: Final = {
    HOLD: "co-contraction,\nhold\n(N)", REACH: "co-contraction,\nreach\n(N)",
    STIFFNESS: "stiffness,\nmuscles\n(N/m)", STIFFNESS_FED: "stiffness,\nwith feedback\n(N/m)",
    DAMPING: "damping,\nmuscles\n(N s/m)", DAMPING_FED: "damping,\nwith feedback\n(N s/m)",
}  # fmt: skip


def muscles(runs: StoredRuns, out: Path) -> Findings:
    """Excitations of a reach; co-contraction, stiffness and damping of the hand at the end of every phase."""
    sampling, numbers = Sampling(runs.seed), runs.networks(runs.main)
    values = {phase: resistance(runs.main, phase) for phase in PHASES}
    quantities = [
        *(
            quantity(at(kind, phase), values[phase][kind], UNITS[kind], sampling, test=False)
            for kind in KINDS
            for phase in PHASES
        ),
        *(
            quantity(change(kind, b, a), values[b][kind] - values[a][kind], UNITS[kind], sampling)
            for kind in KINDS
            for b, a in CHANGES
        ),
    ]
    claimed = [change(kind, *CLAIMED) for kind in KINDS]
    if runs.sham is not None:
        practised, phase = resistance(runs.sham, CLAIMED[0]), CLAIMED[0]
        claimed = [beyond_sham(kind) for kind in KINDS]
        ours, theirs = shared_networks(numbers, runs.networks(runs.sham))
        for kind, name in zip(KINDS, claimed, strict=True):
            difference = values[phase][kind][ours] - practised[kind][theirs]
            quantities.append(quantity(name, difference, UNITS[kind], sampling))
    quantities = correct(quantities, [*claimed, change(REACH, *LEARNED)])
    floor = smallest_co_contraction(runs.arguments(runs.main).get("actuation", "muscle"))
    with look.house_style():
        picture = look.save_picture(_figure(runs, values), out / "muscles.png")
    tables = {"Co-contraction, stiffness and damping": _table(quantities)}
    networks: Columns = {"network": numbers}
    networks |= {
        f"{at(kind, phase)} ({UNITS[kind]})": values[phase][kind] for kind in KINDS for phase in PHASES
    }
    return Findings(quantities, tables, [picture], _text(quantities, floor), networks)


def at(kind: str, phase: str) -> str:
    """Return the name of a measure at the end of a phase."""
    return f"{kind}, end of {phase}"


def change(kind: str, later: str, earlier: str) -> str:
    """Return the name of the change of a measure between the ends of two phases."""
    return f"{kind}, {later} - {earlier}"


def beyond_sham(kind: str) -> str:
    """Return the name of a measure at the end of the washout, less that of networks without the field."""
    return f"{kind}, end of {CLAIMED[0]}, beyond the sham"


def _figure(runs: StoredRuns, values: dict[str, dict[str, Floats]]) -> Figure:
    figure = look.new_figure(4.2, gap=0.04)
    parts = figure.subfigures(2, 1, squeeze=False)[:, 0]
    traces = _traces(parts[0], runs)
    panels = parts[1].subplots(1, len(KINDS))
    for axes, kind in zip(panels, KINDS, strict=True):
        series = np.stack([values[phase][kind] for phase in PHASES])
        axes.plot(range(len(PHASES)), series, color=look.QUIET, linewidth=0.5, alpha=0.6, zorder=2)
        for place, phase in enumerate(PHASES):
            colour, marker = look.PHASE_COLOUR[phase], look.PHASE_MARKER[phase]
            look.draw_dots(axes, place, values[phase][kind], colour, marker, 0.27)
        axes.set(xticks=range(len(PHASES)), xticklabels=PHASES, xlim=(-0.5, len(PHASES) - 0.5))
        axes.set_title(TITLES[kind], loc="left")
    look.letter_panels((traces, panels[0]))
    return figure


def _traces(figure: SubFigure, runs: StoredRuns) -> Axes:
    """Draw the excitation of every muscle in the reach straight ahead; return the first panel."""
    recorded = {field: activity_of_run(runs.main, field) for field in ("null", "curl")}
    data = recorded["null"]
    names, time = [str(name) for name in data["muscle"].to_numpy()], data["time"].to_numpy()
    drawn = time >= DRAWN_FROM
    panels = figure.subplots(1, len(names), sharey=True)
    marks = {"go": float(data.attrs["go_time"]), "seen": cue_seen(data)}
    for label, phase, field in REACHES:
        excitation = four_phases(recorded[field], "excitation")[phase][:, TARGET]  # (n, T, muscles)
        for axes, number in zip(panels, range(len(names)), strict=True):
            trace = excitation[:, drawn, number]
            look.draw_band(axes, time[drawn], trace, LINES[label], label if number == 0 else None)
    for axes, name in zip(panels, names, strict=True):
        axes.set_title(name.replace("_", "\n"), loc="left")
        look.mark_times(axes, marks, labels=False)
        axes.set(xlim=(DRAWN_FROM, time[drawn][-1]), ylim=(0.0, None))
        axes.tick_params(axis="y", left=axes is panels[0])
        axes.spines["left"].set_visible(axes is panels[0])
    panels[0].set_ylabel("Excitation")
    figure.supxlabel("Time in the trial (s)", fontsize=look.STYLE["axes.labelsize"])
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=len(REACHES), borderaxespad=0.2)
    return panels[0]


def smallest_co_contraction(actuation: str) -> float | None:
    """Return the co-contraction of an arm at the start with all muscles at their smallest activation [N].

    No network can go below it there. None if the arm has no muscles.

    Args:
        actuation: As in ``savings_gym.arm.model.load_arm``.
    """
    arm = load_arm(actuation)
    if not arm.pulls:
        return None
    at_rest = arm.muscle_force(arm.start, np.zeros_like(arm.start), arm.control_range[:, 0])
    return float(co_contraction(at_rest))


def is_relaxed(hold: float, floor: float | None) -> bool:
    """Return whether an arm with this co-contraction in the hold [N] is as good as relaxed.

    Args:
        hold: Co-contraction while the hand is held.
        floor: What `smallest_co_contraction` returned.
    """
    return floor is not None and hold < RELAXED * floor


def relaxed_text(hold: float, floor: float | None) -> str:
    """Return what a relaxed hold means for the measures, in a sentence; empty if the arm is not relaxed."""
    if not is_relaxed(hold, floor):
        return ""
    return (
        f"Before go the arm is as good as relaxed: co-contraction is {format_value(hold)} N, and would be "
        f"{format_value(floor)} N with every muscle at its smallest activation. So the measures of the held "
        "hand, all except co-contraction in the reach, say little; how the moving arm resists is the matter "
        "of [timing](#timing)."
    )


def _table(quantities: list[Quantity]) -> str:
    """One row per measure: its value at the end of every phase, and what is left beyond practice."""
    found = {entry.name: entry for entry in quantities}
    rows = []
    for kind in KINDS:
        ends = [found[at(kind, phase)] for phase in PHASES]
        beyond = found.get(beyond_sham(kind))
        rows.append(
            (
                f"{kind} ({UNITS[kind]})", *(format_value(entry.value, entry.ci) for entry in ends),
                MISSING if beyond is None else format_value(beyond.value, beyond.ci),
                MISSING if beyond is None else format_p(beyond.p_holm),
            )
        )  # fmt: skip
    phases = (f"end of {phase}" for phase in PHASES)
    return markdown_table(("measure", *phases, f"end of {CLAIMED[0]}, beyond the sham", "p (Holm)"), rows)


def _text(quantities: list[Quantity], floor: float | None) -> str:
    """What is left of co-contraction, stiffness and damping after the washout, and what learning changes."""
    found = {entry.name: entry for entry in quantities}
    sham = beyond_sham(HOLD) in found
    left = {kind: found[beyond_sham(kind) if sham else change(kind, *CLAIMED)] for kind in KINDS}
    than = "networks that never met the field" if sham else f"the end of {CLAIMED[1]}"
    shown = [
        f"{kind} ({'larger' if effect(entry) > 0 else 'smaller'}: "
        f"{format_value(entry.value, entry.ci, UNITS[kind])}, {p_text(entry)})"
        for kind, entry in left.items()
        if effect(entry)
    ]
    tested = [entry.p if entry.p_holm is None else entry.p_holm for entry in left.values()]
    smallest = min((p for p in tested if p is not None), default=None)
    if shown:
        text = f"After washout, these measures differ from {than}: {'; '.join(shown)}."
    elif smallest is None:
        text = "With one network nothing can be tested."
    else:
        text = (
            f"After washout, none of the {len(KINDS)} measures of co-contraction, stiffness and damping "
            f"differs measurably from {than} (smallest corrected p: {format_p(smallest)})."
        )
    held = relaxed_text(found[at(HOLD, CLAIMED[0])].value or 0.0, floor)
    return " ".join(part for part in (text, _learned(found), held, TRACES) if part)


def _learned(found: Mapping[str, Quantity]) -> str:
    """Whether learning the field changes co-contraction in reaches without a field."""
    gain, before = found[change(REACH, *LEARNED)], found[at(REACH, LEARNED[1])]
    if gain.p is None:
        return ""
    words = {1: "rises", 0: "does not measurably change", -1: "falls"}[effect(gain)]
    return (
        f"While the field is learned, co-contraction in reaches without it {words} from "
        f"{format_value(before.value, unit='N')} (by {format_value(gain.value, gain.ci, 'N')}, "
        f"{p_text(gain)}); after FF1 these reaches have the after-effect, whose correction is part of it."
    )
