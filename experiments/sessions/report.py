"""The page of the sessions experiment: one table, one figure, and what the tests allow to say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.claims import cell, stated
from experiments.drawing import style as look
from experiments.figures.controls import MEANING, PRACTICE
from experiments.figures.findings import Findings
from experiments.figures.preparatory import BEYOND_SHAM
from experiments.figures.results_page import RESULTS
from experiments.runs.tables import format_value, markdown_table
from experiments.sessions.config import ADAPTATION, ALONE, RELEARNING, SAVINGS, SHAM, UNTRAINED
from experiments.sessions.measures import (
    ADAPTED,
    CLAIMED,
    MEASURES,
    SAVED_EARLY,
    SAVED_FIRST,
    SHIFT,
    SHIFT_BEYOND,
    Curves,
)
from experiments.sessions.washouts import washout_section
from experiments.study import SHIFT_NF2, Quantity
from savings_gym.arrays import MM, Floats

FIGURE: Final = "sessions.png"
WORDS: Final = {
    UNTRAINED: "not trained in sessions",
    ADAPTATION: "trained in sessions in one field",
    RELEARNING: "trained in sessions in which the field comes back",
    ALONE: "trained in sessions in one field, on reaching alone",
}
HEADINGS: Final = {
    UNTRAINED: "Not trained in sessions", ADAPTATION: "One field a session",
    RELEARNING: "The field comes back", ALONE: "One field, reaching alone",
}  # fmt: skip
LEAST_SCALE: Final = 2.0  # mm, of the axis of savings, so that none do not look like some
IN_WEIGHTS: Final = {  # measure: figure of the four-phase experiment that has it, and its name there
    SAVED_FIRST: ("controls", f"main: initial savings, {MEANING[PRACTICE]}"),
    SHIFT: ("preparatory", SHIFT_NF2),
    SHIFT_BEYOND: ("preparatory", BEYOND_SHAM),
}


def page(
    numbers: Mapping[str, Mapping[str, Quantity]], command: str, networks: int, washouts: tuple[int, ...]
) -> str:
    """Return the page as Markdown.

    Args:
        numbers: Measures by what the networks were trained in.
        command: What made them.
        networks: Networks of each kind.
        washouts: Trials of the shorter washouts.
    """
    rows = [(measure, *(cell(found[measure]) for found in numbers.values())) for measure in MEASURES]
    table = markdown_table(("measure", *(WORDS[regime] for regime in numbers)), rows)
    return f"""# Sessions: learning in activity

Networks that were pre-trained on single reaches, then trained by backpropagation through sessions of eight
trials, with memory carried from trial to trial, and tested with fixed weights. Whatever they learn in a test,
they learn in activity. Command: `{command}`

{networks} networks each, the same at first. Means over networks with 95 % t intervals; p values of t tests,
corrected (Holm) for all tests of the table. A sham is the same session without a field in FF1. Deviations are
on the side to which the field of FF1 pushes.

![Deviation and preparatory activity over sessions, with fixed weights]({FIGURE})

{table}

{sentences(numbers)}
{washout_section(numbers, WORDS, washouts)}{beside_weights(RESULTS)}"""


def beside_weights(results: Path) -> str:
    """Return the same measures of networks that learn in their weights, from the results of the four phases.

    Args:
        results: Folder of committed figures; if a figure is missing there, the text is empty.
    """
    rows = []
    for measure, (figure, name) in IN_WEIGHTS.items():
        try:
            found = {entry.name: entry for entry in Findings.load(results, figure).quantities}[name]
        except (FileNotFoundError, KeyError):
            return ""
        rows.append((measure, format_value(found.value, found.ci, found.unit), str(found.networks)))
    table = markdown_table(("measure", "learned in weights", "networks"), rows)
    return f"""
## Beside learning in weights

The same measures of networks whose memory is reset in every trial and whose recurrent weights learn from
update to update, in the four phases of `experiments.savings`; from the page of all results, `RESULTS.md`.

{table}
"""


def sentences(numbers: Mapping[str, Mapping[str, Quantity]]) -> str:
    """Return one sentence per kind of training: which of the claimed effects its tests show."""
    lines = []
    for regime, found in numbers.items():
        adapted = found[ADAPTED]
        by = format_value(adapted.value, adapted.ci, adapted.unit)
        lines.append(f"- Networks {WORDS[regime]}. They adapt within FF1 by {by}. {stated(found, CLAIMED)}")
    return "\n".join(lines)


def draw(
    found: Mapping[str, Mapping[str, Curves]], values: Mapping[str, Mapping[str, Floats]], out: Path
) -> Path:
    """Draw deviation and shift over the trials of the savings test, and savings beyond the sham."""
    with look.house_style():
        return look.save_picture(_figure(found, values), out / FIGURE)


def _figure(found: Mapping[str, Mapping[str, Curves]], values: Mapping[str, Mapping[str, Floats]]) -> Figure:
    figure = look.new_figure(0.6 + 1.75 * len(found), gap=0.03)
    panels = figure.subplots(
        len(found), 3, squeeze=False, width_ratios=[1.6, 1.6, 0.8], sharex="col", sharey="col"
    )
    saved = [MM * its[name] for its in values.values() for name in (SAVED_FIRST, SAVED_EARLY)]
    most = max(LEAST_SCALE, 1.2 * float(np.abs(saved).max()))
    for number, ((regime, its), row) in enumerate(zip(found.items(), panels, strict=True)):
        for axes, series, label in (
            (row[0], "deviation", "Lateral deviation (mm)"), (row[1], "shift", "Activity on the shift")
        ):  # fmt: skip
            _over_trials(axes, its, series)
            axes.set_ylabel(label)
        row[0].set_title(HEADINGS[regime], loc="left")
        for x, name in enumerate((SAVED_FIRST, SAVED_EARLY)):
            look.draw_dots(row[2], float(x), MM * values[regime][name], look.OURS)
        row[2].axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
        row[2].set(xlim=(-0.5, 1.6), xticks=[0, 1], xticklabels=["first", "2 to 5"], ylim=(-most, most))
        row[2].set_ylabel("Savings (mm)")
        if number == len(found) - 1:
            row[0].set_xlabel("Trial of the session")
            row[1].set_xlabel("Trial of the session")
            row[2].set_xlabel("Trials of FF2")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2, borderaxespad=0.2)
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
