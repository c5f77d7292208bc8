"""The page of the experiment: tables, one figure, and what the tests allow to say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from experiments.claims import cell, stated
from experiments.drawing import style as look
from experiments.rehabilitation.config import INTACT, Rehabilitation
from experiments.rehabilitation.measures import (
    DEFICIT,
    LEFT,
    OVER_PRACTICE,
    SAVED,
    Values,
    after,
    claimed,
    errors,
)
from experiments.rehabilitation.therapy import AUGMENTED, MEANING, SPACED, THERAPIES
from experiments.runs.tables import format_p, format_value, markdown_table
from experiments.study import LEVEL, Quantity
from savings_gym.arrays import MM

FIGURE: Final = "rehabilitation.png"
COLOURS: Final = dict(
    zip(THERAPIES, (look.QUIET, look.OURS, "#7fb2dd", look.SECOND, look.THIRD, look.FOURTH), strict=True)
)
LINES: Final = {AUGMENTED: look.DASHED}  # it lies on practice
BELOW: Final = 0.8  # lower end of the axis of errors, as a share of the smallest mean
LIMITS: Final = """\
What this cannot tell a clinic: the networks learn by gradients that know the arm and the loss, every trial
teaches them, they do not tire, hurt, give up or forget between sessions, and after the lesion nothing heals,
sprouts or takes over but the weights that are left. A unit is not a neuron, an update is not a day, and a few
networks that were trained alike are not patients. The tables compare schedules for these networks; none of
them is a reason to treat anyone in one way rather than another."""


def page(
    numbers: Mapping[str, Mapping[str, Quantity]],
    changes: Sequence[Quantity],
    config: Rehabilitation,
    command: str,
) -> str:
    """Return the page as Markdown.

    Args:
        numbers: What `quantities` returned.
        changes: What `trends` returned.
        config: The arguments.
        command: The command line.
    """
    names = list(next(iter(numbers.values())))
    rows = [(name, *(cell(found[name]) for found in numbers.values())) for name in names]
    slopes = [
        (entry.name, format_value(entry.value, entry.ci, entry.unit), format_p(entry.p)) for entry in changes
    ]
    least = config.everyday + config.dose
    courses = "\n".join(f"- *{name}*: {MEANING[name]}" for name in config.therapies)
    return f"""# Rehabilitation: lesion, therapy, relearning

{impaired(config)} They then go through a course of therapy, each of
them through every course. The dose is {config.dose} updates of practice on the 8 reaches of the probes;
everyday life is {config.everyday} updates of 8 reaches from anywhere to anywhere. Only the recurrent layer
learns. Command: `{command}`

{courses}

Everyday life alone is {config.everyday} updates, courses with practice are {least} or more: what they gain
includes that networks learned for longer. Intact networks, with whose savings others are compared, went
through no course.

After some courses the networks meet a curl field of {config.b:g} N s/m ({config.ff1_updates} updates), are
washed out ({config.nf2_updates}) and meet it again ({config.ff2_updates}); a sham has no field the first
time.

{config.networks} networks of every size, the same in every course. Means over networks with 95 % t intervals,
which are not corrected; p values of t tests, corrected (Holm) for all tests of the table. The error is the
distance of the hand from the target at the end of a probe, without a robot.

![Errors over the courses, and savings after them]({FIGURE})

{markdown_table(("measure", *numbers), rows)}

{_sentences(numbers)}

{_spacing(numbers)}

## With the size of the networks

The first row is how well networks reach before the lesion, which differs between sizes, too.

{markdown_table(("measure", "change with every doubling of units", "p, not corrected"), slopes)}

## Limits

{LIMITS}
"""


def impaired(config: Rehabilitation) -> str:
    """Return a sentence or two on what happens to networks that reach well."""
    lost = [
        f"{100.0 * share:g} % of their {what}"
        for share, what in (
            (config.lesion.units, "units"), (config.lesion.weights, "recurrent weights"),
        )
        if share
    ]  # fmt: skip
    if config.weak:
        lost.append(f"{100.0 * (1.0 - config.strength):g} % of the force of {', '.join(config.weak)}")
    gained = []
    if config.spastic:
        muscles = ", ".join(config.spastic)
        gained.append(f"a stretch reflex in {muscles} (a gain of {config.reflex:g})")
    if config.signal_noise:
        gained.append(f"noise of {100.0 * config.signal_noise:g} % of every excitation")
    happens = [f"{verb} {' and '.join(parts)}" for verb, parts in (("lose", lost), ("get", gained)) if parts]
    return f"Networks that reach well {' and '.join(happens)}, for good."


def _sentences(numbers: Mapping[str, Mapping[str, Quantity]]) -> str:
    """One sentence per size: which of the claimed effects its tests show."""
    return "\n".join(
        f"- Networks of {size}. {stated(found, [name for name in found if claimed(name)])}"
        for size, found in numbers.items()
    )


def _spacing(numbers: Mapping[str, Mapping[str, Quantity]]) -> str:
    """Say at which sizes spaced practice is shown to leave smaller errors than the same dose at once."""
    name = after(OVER_PRACTICE, SPACED)
    compared = {size: found[name] for size, found in numbers.items() if name in found}
    shown = [
        size
        for size, entry in compared.items()
        if entry.value is not None and entry.value > 0.0 and entry.p_holm is not None and entry.p_holm < LEVEL
    ]
    if not compared:
        return ""
    where = f"is shown at {', '.join(shown)}" if shown else "is not shown at any size"
    return (
        f"That spacing a dose out leaves smaller errors than the same dose at once {where}. Besides, the "
        "last part of a spaced dose is nearer to the end."
    )


def draw(
    tables: Mapping[int, Mapping[str, pd.DataFrame]], values: Values, config: Rehabilitation, out: Path
) -> Path:
    """Draw the errors over every course, size by size, and below them what is left, and savings."""
    with look.house_style():
        return look.save_picture(_figure(tables, values, config), out / FIGURE)


def _figure(
    tables: Mapping[int, Mapping[str, pd.DataFrame]], values: Values, config: Rehabilitation
) -> Figure:
    figure = look.new_figure(4.8, gap=0.03)
    columns = math.lcm(len(tables), 3)
    grid = figure.add_gridspec(2, columns)

    def row(number: int, count: int) -> list[Axes]:
        width = columns // count
        return [figure.add_subplot(grid[number, k * width : (k + 1) * width]) for k in range(count)]

    panels, below = row(0, len(tables)), row(1, 3)
    lowest = math.inf
    for axes, (units, by_therapy) in zip(panels, tables.items(), strict=True):
        for therapy, table in by_therapy.items():
            updates, its = errors(table)
            line = LINES.get(therapy, "-")
            look.draw_band(axes, updates[1:], MM * its[:, 1:], COLOURS[therapy], therapy, line, alpha=0.12)
            lowest = min(lowest, MM * float(its.mean(axis=0).min()))
        axes.axhline(MM * float(its[:, 0].mean()), color=look.INK, linewidth=0.7, linestyle=look.DOTTED)
        axes.set(title=f"{units} units", xlabel="Update", yscale="log")
    for axes in panels[1:]:
        axes.sharey(panels[0])
    panels[0].set_ylim(bottom=BELOW * lowest)
    panels[0].set_ylabel("Error (mm), dotted: before")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), borderaxespad=0.2)
    _by_size(below[0], values, {DEFICIT: look.INK}, "Error after the lesion,\nless that before (mm)")
    left = {after(LEFT, therapy): COLOURS[therapy] for therapy in config.therapies}
    _by_size(below[1], values, left, "Error at the end (mm)")
    saved = {
        after(SAVED, course): look.INK if course == INTACT else COLOURS[course] for course in config.relearn
    }
    _by_size(below[2], values, saved, "Savings beyond practice (mm)", labelled=True)
    look.letter_panels([*panels, *below])
    return figure


def _by_size(
    axes: Axes, values: Values, colours: Mapping[str, str], label: str, labelled: bool = False
) -> None:
    """Draw networks and means of some measures against size, side by side."""
    sizes = list(values)
    for number, (name, colour) in enumerate(colours.items()):
        beside = 0.7 * ((number + 0.5) / len(colours) - 0.5)
        for place, units in enumerate(sizes):
            if name in values[units]:
                look.draw_dots(axes, place + beside, MM * values[units][name], colour, beside=0.05)
        if labelled:
            axes.plot([], [], "s", color=colour, markersize=4.0, label=name.rpartition(", ")[2])
    axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
    axes.set(ylabel=label, xlabel="Recurrent units", xlim=(-0.6, len(sizes) - 0.4))
    axes.set_xticks(range(len(sizes)), [str(units) for units in sizes])
    axes.xaxis.set_minor_locator(NullLocator())
    if labelled and colours:
        axes.legend(loc="best")
