"""The page about a trial table: a section and a row of panels for every measure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes

from experiments.claims import stated
from experiments.drawing import style as look
from experiments.people.config import People
from experiments.people.groups import FORCE_INDEX, Group, Measured
from experiments.people.measures import (
    FORCE_SAVED,
    INITIAL,
    RATIO,
    TESTED,
    Numbers,
    Values,
    finite,
    quarter_of,
    rate_of,
    start_of,
    trials_in_window,
)
from experiments.runs.tables import format_p, format_value, markdown_table
from experiments.study import Quantity
from savings_gym.arrays import Floats
from savings_gym.metrics.savings import FIELD_PHASES
from savings_gym.metrics.statistics import t_band

FIGURE: Final = "people.png"
TITLES: Final = {
    "lateral_deviation": "Lateral deviation",
    "angle": "Angular error",
    FORCE_INDEX: "Force index",
}
SHAM: Final = "FF2, sham"
SMALL: Final[dict[str, Any]] = {"fontsize": look.SMALL, "loc": "left"}  # of titles
FORCE_WORDS: Final = (
    "- *Savings in the force index*: its mean over the first quarter of FF2 less that of FF1."
)
SHAM_WORDS: Final = (
    "- *Beyond practice*: FF2 compared with FF2 of the sham, other people, whose FF1 had no field, with\n"
    "  Welch's t test and interval."
)


@dataclass(frozen=True, eq=False)
class Analysis:
    """What the page is about.

    Attributes:
        config: The arguments.
        group: The participants.
        sham: Those who met no field in FF1, or None.
        block: Trials per point of a learning curve.
        points: Points of the curves to which learning rates are fitted.
        values: Of the participants.
        sham_values: Of the sham.
        left_out: What was left out, and why, in words.
    """

    config: People
    group: Group
    sham: Group | None
    block: int
    points: int
    values: Values
    sham_values: Values | None
    left_out: tuple[str, ...]


def page(analysis: Analysis, numbers: Numbers, models: str, command: str) -> str:
    """Return the page as Markdown.

    Args:
        analysis: What it is about.
        numbers: What `quantities` returned.
        models: Section about models; empty without.
        command: What makes the page.
    """
    sections = "\n\n".join(
        [*(_section(analysis, measure, found) for measure, found in numbers.items()), models.rstrip()]
    ).rstrip()
    left_out = "\n".join(f"- {reason}" for reason in analysis.left_out) or "Nothing."
    return f"""# Savings in {analysis.config.table.name}

{_participants(analysis)}

{_definitions(analysis)}

Command: `{command}`

![Learning curves, FF1 and FF2, and savings of every participant]({FIGURE})

{sections}

## Left out

{left_out}

## Limits

{_limits(analysis)}
"""


def _participants(analysis: Analysis) -> str:
    """Who did what, and how the values are signed."""
    group, count = analysis.group, len(analysis.group.participants)
    measured = next(iter(group.measures.values()))
    phases = ", ".join(f"{phase} ({trials})" for phase, trials in _longest(measured).items())
    people = f"{count} participant{'' if count == 1 else 's'}"
    text = f"{people}, phases (trials): {phases}."
    if analysis.sham is not None:
        text += f" Sham: {len(analysis.sham.participants)} participants of `{analysis.config.sham}`."
    sides = [_side(group, its) for its in group.measures.values() if its.name != FORCE_INDEX]
    return f"{text} {' '.join(sides)}".strip()


def _longest(measured: Measured) -> dict[str, int]:
    return {phase: values.shape[1] for phase, values in measured.phases.items()}


def _side(group: Group, measured: Measured) -> str:
    """What a positive value of a measure means."""
    title = TITLES[measured.name]
    if group.signs is not None and np.ptp(group.signs) > 0.0:
        return f"{title}: positive to the side to which the perturbation of FF1 pushes the participant."
    sign = measured.side * (1.0 if group.signs is None else float(group.signs[0]))
    which = "positive" if sign > 0.0 else "negative"
    return f"{title}: positive to the side to which FF1 pushes, the {which} one of the table."


def _definitions(analysis: Analysis) -> str:
    """What the quantities are."""
    start, block = analysis.config.start, analysis.block
    first = "its first trial" if start == 1 else f"the mean of its first {start} trials"
    points = "trials" if block == 1 else f"means of {block} trials"
    shared = "FF1 and FF2 share" if analysis.sham is None else "FF1, FF2 and FF2 of the sham share"
    of_errors = f"""- *Start of a phase*: {first}. *After-effect*: start of NF2, to the other side.
- *Washout residual*: last quarter of NF2 less that of NF1.
- *Learning rate*: k of a exp(-k n) + c, fitted to each participant's {points} over the first
  {block * analysis.points} trials, which {shared}.
- *Initial savings*: start of FF1 less that of FF2. *Rate savings*: learning rate in FF2 less that in FF1.
- *Trials to half*: trials until the deviation, in means of {trials_in_window(block)} trials after the first
  point, is half of the mean start of FF1; {block * analysis.points} if it is not within the trials above.
  *Trials saved*: those in FF1 less those in FF2; if anything, they are understated."""
    measures = analysis.group.measures
    definitions = [
        *([of_errors] if set(measures) != {FORCE_INDEX} else []),
        *([FORCE_WORDS] if FORCE_INDEX in measures else []),
        *([SHAM_WORDS] if analysis.sham is not None else []),
    ]
    listed = "\n".join(definitions)
    return f"""{listed}

Means over participants with 95 % t intervals, which are not corrected; Fieller's for the ratio, Clopper and
Pearson's for shares of participants. p of t tests, corrected (Holm) for all tests of the tables below: an
effect is shown if its p is below 0.05."""


def _section(analysis: Analysis, measure: str, found: Mapping[str, Quantity]) -> str:
    """The table of a measure, and what its tests allow to say."""
    headings = ("quantity", "participants", "mean [95 % interval]", "p (Holm)")
    rows = [
        (name, entry.note or str(entry.networks), format_value(entry.value, entry.ci, entry.unit),
         format_p(entry.p_holm))
        for name, entry in found.items()
    ]  # fmt: skip
    if len(analysis.group.participants) < 2:
        shown = "One participant: no intervals and no tests."
    else:
        shown = stated(found, [name for name in found if name in TESTED])
    return f"## {TITLES[measure]}\n\n{markdown_table(headings, rows)}\n\n{shown}".rstrip()


def _limits(analysis: Analysis) -> str:
    if analysis.sham is None:
        return (
            "Practice without a field changes how a field is met and learned, too. Without participants who "
            "practised as much and met no field in FF1 (`--sham`), savings cannot be told from practice."
        )
    return (
        "Savings beyond practice compare different people: that nothing else differs between the two tables "
        "is for whoever assigned the participants to say."
    )


def draw(analysis: Analysis, numbers: Numbers, out: Path) -> Path:
    """Draw learning curves, FF1 and FF2, and savings of every participant; a row for every measure."""
    measures = analysis.group.measures
    with look.house_style():
        figure = look.new_figure(2.5 * len(measures) + 0.2, gap=0.03)
        rows = figure.subplots(len(measures), 4, squeeze=False, width_ratios=[2.3, 1.7, 1.0, 1.0])
        for axes, (name, measured) in zip(rows, measures.items(), strict=True):
            _all_phases(axes[0], analysis, measured)
            _both_fields(axes[1], analysis, measured)
            if name == FORCE_INDEX:
                _of_participants(axes[2], analysis, name, quarter_of, f"{TITLES[name]}, first quarter")
                axes[2].set_title(_saved(numbers[name].get(FORCE_SAVED), "FF2 − FF1"), **SMALL)
                axes[3].set_axis_off()
                continue
            _of_participants(axes[2], analysis, name, start_of, f"Start of the phase ({measured.unit})")
            axes[2].set_title(_saved(numbers[name][INITIAL], "FF1 − FF2"), **SMALL)
            _of_participants(axes[3], analysis, name, rate_of, "Learning rate (per trial)")
            axes[3].set_title(_saved(numbers[name][RATIO], "FF2 / FF1"), **SMALL)
        look.letter_panels(axes for axes in rows.ravel() if axes.axison)
        return look.save_picture(figure, out / FIGURE)


def _label(measured: Measured) -> str:
    """Label of an axis with the measure and its unit."""
    unit = "" if measured.unit == "1" else f" ({measured.unit})"
    return f"{TITLES[measured.name]}{unit}"


def _all_phases(axes: Axes, analysis: Analysis, measured: Measured) -> None:
    """The phases one after the other, as means over participants with their intervals."""
    begun = 0
    axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
    for phase, trials in _longest(measured).items():
        middles, means = measured.blocks(phase, analysis.block)
        _band(axes, begun + middles, means, look.PHASE_COLOUR.get(phase, look.QUIET))
        if phase in FIELD_PHASES:
            axes.axvspan(begun + 0.5, begun + trials + 0.5, color=look.FIELD_SHADE, zorder=0)
        axes.annotate(
            phase, (begun + 0.5 + trials / 2.0, 1.0), (0.0, 2.0), xycoords=("data", "axes fraction"),
            textcoords="offset points", ha="center", va="bottom", fontsize=look.SMALL,
            color=look.PHASE_COLOUR.get(phase, look.QUIET),
        )  # fmt: skip
        begun += trials
    axes.set(xlabel="Trial", ylabel=_label(measured), xlim=(0.5, begun + 0.5))


def _both_fields(axes: Axes, analysis: Analysis, measured: Measured) -> None:
    """FF2 over FF1, and FF2 of the sham, over the trials that they share."""
    curves = {phase: (measured, phase, look.PHASE_COLOUR[phase]) for phase in FIELD_PHASES}
    if analysis.sham is not None and measured.name in analysis.sham.measures:
        curves[SHAM] = (analysis.sham.measures[measured.name], FIELD_PHASES[1], look.QUIET)
    axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
    for label, (of, phase, colour) in curves.items():
        middles, means = of.blocks(phase, analysis.block)
        _band(axes, middles[: analysis.points], means[:, : analysis.points], colour, label)
    axes.set(xlabel="Trial of the phase", ylabel=_label(measured))
    axes.legend(loc="best")
    count = len(analysis.group.participants)
    words = f"Means of {count} participants,\nbands: 95 % t intervals" if count > 1 else "One participant"
    axes.set_title(words, **SMALL)


def _band(axes: Axes, x: Floats, values: Floats, colour: str, label: str | None = None) -> None:
    """Mean over participants with its 95 % t interval, of those who have a value at each x."""
    kept = np.isfinite(values).any(axis=0)
    columns = [finite(column) for column in values[:, kept].T]
    ends = np.array([t_band(column) for column in columns]).reshape(-1, 2)
    axes.fill_between(x[kept], *ends.T, color=colour, alpha=0.22, linewidth=0.0, zorder=2)
    marker = "o" if len(columns) < 3 else None
    axes.plot(
        x[kept], [column.mean() for column in columns], color=colour, linewidth=1.5, label=label, zorder=4,
        marker=marker, markersize=3.0,
    )  # fmt: skip


def _of_participants(
    axes: Axes, analysis: Analysis, measure: str, what: Callable[[str], str], label: str
) -> None:
    """A line for every participant from FF1 to FF2, dots with means and intervals, and FF2 of the sham."""
    values = analysis.values[measure]
    names = [what(phase) for phase in FIELD_PHASES]
    axes.set_ylabel(label)
    if any(name not in values for name in names):
        axes.set_xticks([])
        return
    pairs = np.stack([values[name] for name in names])
    axes.plot([0.0, 1.0], pairs, color=look.QUIET, linewidth=0.6, alpha=0.7, zorder=1)
    for phase, at, beside, its in zip(FIELD_PHASES, (0.0, 1.0), (-0.3, 0.3), pairs, strict=True):
        look.draw_dots(axes, at, its, look.PHASE_COLOUR[phase], look.PHASE_MARKER[phase], beside)
    ticks = list(FIELD_PHASES)
    sham = None if analysis.sham_values is None else analysis.sham_values.get(measure, {}).get(names[1])
    if sham is not None:
        look.draw_dots(axes, 2.0, sham, look.QUIET, look.PHASE_MARKER["FF2"], 0.3)
        ticks.append("FF2\nsham")
    axes.set(xlim=(-0.6, len(ticks) - 0.4), xticks=range(len(ticks)), xticklabels=ticks)
    if not finite(pairs.ravel()).size:
        axes.set_yticks([])


def _saved(entry: Quantity | None, what: str) -> str:
    """Savings in words, in two lines."""
    if entry is None or entry.value is None:
        return ""
    unit = "" if entry.unit == "1" else f" {entry.unit}"
    value, _, ends = format_value(entry.value, entry.ci).partition(" [")
    text = f"{what} = {value}{unit}" if not ends else f"{what} = {value}\n[{ends}{unit}"
    return text.replace("-", "−")
