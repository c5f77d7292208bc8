"""The page of the experiment: what the tests say, one figure, one table, and what every row means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.bci.config import SHAM, Bci
from experiments.bci.measures import (
    AFTER_EFFECT,
    CHANGE,
    CLAIMED,
    COMPARED,
    DIFFERENCE,
    END,
    GAINED,
    KEPT,
    LEARNED,
    MEAN,
    MEASURES,
    PERTURBED,
    RESIDUAL,
    SAVED_ALL,
    SAVED_FIRST,
    TRACE,
    TRACE_BEYOND,
    TRACE_SHAM,
    Curves,
    unit_of,
)
from experiments.bci.phases import MOVEMENT
from experiments.claims import UNCORRECTED, bold_means, cell, number, sign, size_of, suggested
from experiments.drawing import style as look
from experiments.runs.tables import format_value, listed, markdown_table
from experiments.study import Quantity
from savings_gym.arrays import MM, Floats
from savings_gym.bci.perturbations import KINDS

FIGURE: Final = "bci.png"
Numbers = Mapping[str, Mapping[str, Quantity]]


def page(numbers: Numbers, config: Bci, command: str, fit: float) -> str:
    """Return the page as Markdown.

    Args:
        numbers: What `quantities` returned; measures that it lacks have no row.
        config: The arguments.
        command: The command line.
        fit: Mean R² of the calibrated decoders.
    """
    measures = [measure for measure in MEASURES if measure in numbers[DIFFERENCE]]
    rows = [(measure, *(cell(its[measure]) for its in numbers.values())) for measure in measures]
    table = markdown_table(("measure", *numbers), rows)
    return f"""# Brain-computer interface: perturbed decoders

The activity of all {config.units} units of a recurrent network moves a cursor through a linear decoder. The
phases are an intuitive decoder (NF1), a perturbed one (FF1), the intuitive one again (NF2, the washout) and
the perturbed one again (FF2). Perturbations reorder factors of the activity (within its manifold) or units
(outside it), after Sadtler et al. (2014, doi 10.1038/nature13665). Command: `{command}`

## In short

{in_short(numbers)}

![Errors over the phases, savings and memory traces]({FIGURE})

{caption(config)}

## Methods

{config.networks} networks, each in every condition. The intuitive decoder of each was calibrated from
{config.factors} factors of its activity (R² {fit:.2f}). Networks learn by plain gradient descent,
{config.ff1_updates} updates in FF1, {config.nf2_updates} in NF2 and {config.ff2_updates} in FF2; a probe is
one reach to each of 8 targets. A *sham* practises the intuitive decoder in FF1, in the same trials.

{families(measures)}

{table}

{definitions(measures, config)}

## In monkeys

After a new decoder had been learned, activity under the familiar one was changed in a way that was specific
to what had been learned, while control under the familiar one was proficient: the change lay mostly in
dimensions of activity that do not move the cursor (Losey et al. 2024, doi 10.1016/j.cub.2024.03.003). Monkeys
readily learned perturbations within the manifold, and were less able to learn those outside it (Sadtler et
al. 2014). The networks here learn by gradients through time, which know the decoder; so what is easy for them
need not be easy for a brain, which has to discover the decoder.
"""


def in_short(numbers: Numbers) -> str:
    """Return what the tests say: whether control came back, what is kept, savings, and the two kinds.

    Memory, savings and a difference between the kinds are findings if their corrected tests find them. That
    control came back is none: the text says what is left of the error, and whether its intervals hold 0.
    """
    return " ".join((_control(numbers), _kept(numbers), _saved(numbers), _compared(numbers[DIFFERENCE])))


def _control(numbers: Numbers) -> str:
    """How well networks control the cursor at the end of the washout."""
    restored = all(_holds_zero(numbers[kind][RESIDUAL]) for kind in KINDS)
    text = "not measurably worse than" if restored else "not the same as"
    return (
        f"After the washout, control under the intuitive decoder is {text} before: the error is "
        f"{_each(numbers, RESIDUAL, KINDS)} above that of NF1."
    )


def _kept(numbers: Numbers) -> str:
    """Whether what was learned is still in the activity after the washout, and which share of it."""
    found = [kind for kind in KINDS if sign(numbers[kind][TRACE_BEYOND]) > 0]
    if not found:
        return "No memory of the perturbed decoder is found in the activity of the washout."
    lacking = "".join(f" None is found {kind} the manifold." for kind in KINDS if kind not in found)
    if all(KEPT in numbers[kind] for kind in found):
        left = f"{_each(numbers, KEPT, found)} of the progress learned through the perturbed decoder is left"
    else:
        left = f"progress through the perturbed decoder is left, {_each(numbers, TRACE_BEYOND, found)},"
    return (
        f"Still, {left} in the activity, which has more dimensions than the cursor and can change without "
        f"moving it.{lacking}"
    )


def _saved(numbers: Numbers) -> str:
    """How much nearer to the target the cursor ends when the perturbed decoder comes back."""
    found = [kind for kind in KINDS if sign(numbers[kind][SAVED_FIRST]) > 0]
    if not found:
        return "Savings in the first probe of FF2 are not found."
    first = " and ".join(format_value(numbers[kind][PERTURBED].value, unit="mm") for kind in found)
    lacking = "".join(f" Savings are not found {kind} the manifold." for kind in KINDS if kind not in found)
    return (
        f"Relearning starts from there: the first error of FF2 is {_each(numbers, SAVED_FIRST, found)} "
        f"smaller than that of the sham; when the decoder was new, it was {first}.{lacking}"
    )


def _compared(difference: Mapping[str, Quantity]) -> str:
    """Where perturbations within and outside the manifold differ, may differ, or are not shown to."""
    words = {MEAN: "mean error in FF1", AFTER_EFFECT: "after-effect", KEPT: "share of the progress kept"}
    parts, open_ = [], []
    for name in (name for name in COMPARED if name in difference):
        entry = difference[name]
        size = "larger" if (entry.value or 0.0) > 0.0 else "smaller"
        if sign(entry):
            parts.append(
                f"The {words[name]} is {size} within the manifold than outside, by {size_of(entry)}."
            )
        elif suggested(entry):
            parts.append(
                f"The {words[name]} may be {size} within the manifold than outside, by {size_of(entry)}, "
                f"{UNCORRECTED}."
            )
        else:
            open_.append(f"the {words[name]} ({number(entry)})")
    if open_:
        whose = "" if parts else " between perturbations within and outside the manifold"
        parts.append(f"No difference{whose} is shown in {listed(open_, 'or')}.")
    return " ".join(parts)


def _holds_zero(entry: Quantity) -> bool:
    low, high = entry.ci
    return low is not None and high is not None and low <= 0.0 <= high


def _each(numbers: Numbers, measure: str, kinds: Sequence[str]) -> str:
    return " and ".join(f"{number(numbers[kind][measure])} ({kind})" for kind in kinds)


def families(measures: Sequence[str]) -> str:
    """Return which tests are corrected together; see `CLAIMED` and `COMPARED` for the reasons.

    Args:
        measures: Those of the table.
    """
    compared = [measure for measure in COMPARED if measure in measures]
    count = len(KINDS) * len(CLAIMED)
    planned = bold_means(f"the {count} planned tests: savings and trace beyond the sham, for either kind")
    if len(compared) > 1:
        tests, are = f"{len(compared)} tests", "are corrected among themselves; they were"
    else:
        tests, are = "test", "stands by itself; it was"
    return (
        f"{planned} The {tests} of the last column ({'; '.join(compared)}) {are} declared when the results "
        "of the quick preset with seed 0 were known, so there the comparison of the kinds is exploratory."
    )


def definitions(measures: Sequence[str], config: Bci) -> str:
    """Return what every measure is, with its unit, as a list in Markdown.

    Args:
        measures: Those of the table.
        config: The arguments.
    """
    low, high = config.change
    change = (
        "how much the perturbed decoder changes the velocities decoded from the activity of NF1, "
        "relative to their size: 0, no change; 1, a cursor that stands still; 2, the opposite way. "
        f"Perturbations of both kinds were chosen with a change near {(low + high) / 2.0:.3g}, the middle of "
        f"the allowed {low:g} to {high:g}, so that they are alike in difficulty."
    )
    what = meanings() | {CHANGE: change}
    return "\n".join(f"- *{measure}* ({_unit_words(measure)}): {what[measure]}" for measure in measures)


def meanings(learner: str = "network") -> dict[str, str]:
    """Return what every measure is that does not depend on the arguments.

    Args:
        learner: What learns, of which there are several.
    """
    error = "distance of the cursor from the target at the end of the trial, mean over targets"
    end = f"(mean of its last {END} probes)"
    return {
        PERTURBED: f"{error}, in the first probe of FF1, before any learning.",
        LEARNED: f"that, minus the same error at the end of FF1 {end}.",
        MEAN: "the same error, mean over all probes of FF1; the smaller, the faster the decoder is learned.",
        AFTER_EFFECT: f"the same error in the first probe of NF2, minus the end of NF1 {end}.",
        RESIDUAL: f"the same error at the end of NF2, minus the end of NF1 {end}.",
        SAVED_FIRST: "the same error in the first probe of FF2, of the sham minus that after a perturbed "
        "FF1; positive for savings.",
        SAVED_ALL: "the same, mean over all probes of FF2; the larger, the slower the sham learns.",
        GAINED: "progress is the velocity towards the target that activity would make through the perturbed "
        f"decoder, averaged over targets and over the {MOVEMENT:g} s after the cue is seen; the last probe "
        "of FF1, minus that of NF1.",
        TRACE: "progress in the last probe of NF2, under the intuitive decoder, minus that of NF1 (as in "
        "Losey et al. 2024).",
        TRACE_SHAM: "the same of the sham, through the decoder that it has not met.",
        TRACE_BEYOND: "the one minus the other.",
        KEPT: "the trace beyond the sham as a share of the progress gained, computed for each "
        f"{learner}, then averaged.",
    }


def _unit_words(measure: str) -> str:
    return "no unit" if unit_of(measure) == "1" else unit_of(measure)


def caption(config: Bci) -> str:
    """Return what the panels show."""
    return (
        f"Means over {config.networks} networks; bands and bars are 95 % t intervals, dots networks. a and "
        "b, distance of the cursor from the target at the end of the trial, with perturbations within (a) "
        "and outside (b) the manifold; blue, perturbed in FF1; grey, the sham, whose decoder of FF1 is the "
        "intuitive one; shaded, FF1 and FF2. c, savings, mean of FF2: the error of the sham minus that of "
        "perturbed networks. d, memory trace of perturbed networks (blue) and of shams (grey)."
    )


def draw(curves: Curves, values: Mapping[str, Mapping[str, Floats]], config: Bci, out: Path) -> Path:
    """Draw the errors of each kind and its sham, savings and memory traces."""
    with look.house_style():
        return look.save_picture(_figure(curves, values, config), out / FIGURE)


def _figure(curves: Curves, values: Mapping[str, Mapping[str, Floats]], config: Bci) -> Figure:
    figure = look.new_figure(2.6, gap=0.03)
    panels = figure.subplots(1, 4, width_ratios=[1.7, 1.7, 1.1, 1.1])
    for axes, kind in zip(panels[:2], KINDS, strict=True):
        _over_updates(axes, curves, kind, config)
        axes.set_title(f"{kind.capitalize()} the manifold", loc="left")
    panels[1].sharey(panels[0])
    panels[0].set_ylabel("Error (mm)")
    for x, kind in enumerate(KINDS):
        look.draw_dots(panels[2], float(x), MM * values[kind][SAVED_ALL], look.OURS)
        look.draw_dots(panels[3], x - 0.2, MM * values[kind][TRACE_SHAM], look.QUIET)
        look.draw_dots(panels[3], x + 0.2, MM * values[kind][TRACE], look.OURS)
    for axes, label in ((panels[2], "Savings, mean of FF2 (mm)"), (panels[3], "Memory trace (mm/s)")):
        axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
        axes.set(xlim=(-0.6, 1.7), xticks=[0, 1], xticklabels=KINDS, ylabel=label)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2, borderaxespad=0.2)
    look.letter_panels(panels.flat)
    return figure


def _over_updates(axes: Axes, curves: Curves, kind: str, config: Bci) -> None:
    """Draw a condition and its sham over all updates, with the perturbed phases shaded."""
    for condition, colour, label in ((SHAM[kind], look.QUIET, "sham"), (kind, look.OURS, "perturbed in FF1")):
        first = 0
        for phase, errors in curves[condition].items():
            count = config.updates(phase)
            updates = first + np.minimum(np.arange(errors.shape[1]) * config.probe_every, count).astype(float)
            if condition == kind and phase.startswith("FF"):
                axes.axvspan(first, first + count, color=look.FIELD_SHADE, zorder=0)
            look.draw_band(axes, updates, MM * errors, colour, label if first == 0 else None)
            first += count
    axes.set_xlabel("Update")
