"""Muscles: their excitations in a reach, and how stiff and co-contracted the arm is after every phase."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from experiments.drawing import style as look
from experiments.figures.comparison import beside_study
from experiments.figures.findings import Findings, correct, effect, p_text
from experiments.runs.tables import format_value
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
from savings_gym.arrays import Columns, Floats
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
TITLES: Final = {
    HOLD: "co-contraction,\nhold (N)", REACH: "co-contraction,\nreach (N)",
    STIFFNESS: "stiffness,\nmuscles (N/m)", STIFFNESS_FED: "stiffness, with\nfeedback (N/m)",
    DAMPING: "damping,\nmuscles (N s/m)", DAMPING_FED: "damping, with\nfeedback (N s/m)",
}  # fmt: skip


def muscles(runs: StoredRuns, out: Path) -> Findings:
    """Excitations of a reach; co-contraction, stiffness and damping of the hand at the end of every phase."""
    sampling = Sampling(runs.seed)
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
        for kind, name in zip(KINDS, claimed, strict=True):
            n = min(values[phase][kind].size, practised[kind].size)
            difference = values[phase][kind][:n] - practised[kind][:n]
            quantities.append(quantity(name, difference, UNITS[kind], sampling))
    quantities = correct(quantities, claimed)
    with look.house_style():
        picture = look.save_picture(_figure(runs, values), out / "muscles.png")
    tables = {"Co-contraction, stiffness and damping": beside_study(quantities)}
    networks: Columns = {"network": np.arange(values["NF1"][HOLD].size)}
    networks |= {
        f"{at(kind, phase)} ({UNITS[kind]})": values[phase][kind] for kind in KINDS for phase in PHASES
    }
    return Findings(quantities, tables, [picture], _text(quantities), networks)


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


def _text(quantities: list[Quantity]) -> str:
    """What is left of co-contraction, stiffness and damping after the washout."""
    found = {entry.name: entry for entry in quantities}
    sham, sentences = beyond_sham(HOLD) in found, []
    words = {1: "rises", 0: "does not measurably change", -1: "falls"}
    if sham:
        words = {1: "is larger", 0: "does not measurably differ", -1: "is smaller"}
    for kind in KINDS:
        left = found[beyond_sham(kind) if sham else change(kind, *CLAIMED)]
        numbers = f"{format_value(left.value, left.ci, UNITS[kind])}, {p_text(left)}"
        sentences.append(f"{kind} {words[effect(left)]} ({numbers})")
    begins = (
        "At the end of NF2, before the field returns, beside networks that never met it, "
        if sham
        else "From the end of NF1 to the end of NF2, before the field returns, "
    )
    return (
        begins + "; ".join(sentences) + ". The "
        "traces are commands to the muscles, as an electromyogram would show them, in the reach straight "
        f"ahead (target {TARGET} of {N_TARGETS}), means over networks; the lines are go, and when it is seen."
    )
