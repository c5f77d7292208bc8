"""The page of the experiment: a table, a figure, and what was found in people beside every protocol."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from experiments.claims import cell, stated
from experiments.drawing import style as look
from experiments.protocols.config import Protocols
from experiments.protocols.measures import (
    PERCENT,
    Course,
    Pair,
    Values,
    angles,
    at_angle,
    claimed,
    mean,
    of_size,
)
from experiments.protocols.published import PEOPLE
from experiments.protocols.reading import CONSTANT, READING, constant
from experiments.runs.tables import markdown_table
from experiments.study import Quantity
from savings_gym.arrays import MM, Floats

FIGURE: Final = "protocols.png"
COMPENSATION: Final = "Compensation (% of A)"
HEADROOM: Final = 0.35  # share of a panel above its curves, for a legend
MEANING: Final = {
    "abrupt": "A at once, then a washout.",
    "gradual": "A grows from nothing, update by update, then stays; a washout follows.",
    "interference": "A, then B, its opposite, for as long, then A again. The sham learns B alone before A.",
    "spontaneous-recovery": "A, then B until about nothing is left of the compensation, then error clamps. "
    "The sham practises without A and B. Recovery is a rise in the clamp that ends above nothing, so that "
    "both have to be shown; a memory of B that fades could raise the compensation to nothing, but not above.",
    "error-clamps": "A, then a block of error clamps, compared with as long a washout.",
    "single-trials": "Single updates in A, of several sizes, each between two error clamps.",
    "generalisation": "A towards one target only, the one to the right, then error clamps towards all of "
    "them; angles are counter-clockwise.",
}
TITLE: Final = "Protocols of motor learning"
SUBTITLES: Final = {"curl": "curl field", "rotation": "rotation"}


def page(numbers: Mapping[str, Mapping[str, Quantity]], config: Protocols, command: str) -> str:
    """Return the page as Markdown.

    Args:
        numbers: What `quantities` returned.
        config: The arguments.
        command: The command line.
    """
    what = (
        f"a curl field of {config.b:g} N s/m"
        if config.perturbation == "curl"
        else f"a rotation of the cursor by {config.angle_deg:g} degrees"
    )
    of_what = "" if config.perturbation == "curl" else ", of the cursor"
    sections = "\n\n".join(_section(course, found, config) for course, found in numbers.items())
    return f"""# {TITLE}: {SUBTITLES[config.perturbation]}

A is {what}. Each protocol starts from the same {config.networks} networks of {config.units} units, which
reach well without it. They learn from batches of 8 reaches, half of them without a go cue; only the recurrent
layer learns, by plain gradient descent. A lasts {config.adaptation} updates, a washout or a block of error
clamps {config.washout}.

*Deviation* is the largest distance from the straight line to the target, signed{of_what}. *Compensation* is
the share of A that is made up for, measured from time to time in reaches in an error clamp, from which
networks do not learn; in a block of error clamps they do, though not from errors to the side. The
*after-effect* is the first deviation without A. Its sign is opposite to that of A; its size is given. A sham
practises as much without A, and *beyond practice* is the difference from it. Means over networks with 95 % t
intervals, which are not corrected; p values of t tests, corrected (Holm) for all tests of the page: an effect
is shown if its p is below 0.05. Command: `{command}`

![The protocols]({FIGURE})

{sections}

## Limits

An update is a gradient step on 8 reaches that knows the arm and the loss, not a trial of a person, and how
many of them a protocol lasts is our choice. Gradients are clipped, as in the study, to less than their
length: every update is a step of one length, whatever the error, except in single updates of several sizes,
where they are not clipped; but the position term of the loss is an L1 distance, whose gradient hardly grows
with the error. In error clamps networks go on learning, from effort and from errors along the
reach. What agrees with people in direction need not have their cause.
"""


def _section(course: str, found: Mapping[str, Quantity], config: Protocols) -> str:
    """What one protocol is, its measures, what was found in people, and what the tests here allow to say."""
    headings = ["measure", "mean [95 % interval]"]
    rows = [[name, cell(entry)] for name, entry in found.items()]
    if course == "generalisation":
        ideals = {at_angle(angle): constant(config, angle) for angle in angles().values()}
        headings.append(CONSTANT[config.perturbation])
        rows = [[*row, f"{PERCENT * ideals[row[0]]:.0f} %"] for row in rows]
    said = [stated(found, [name for name in found if claimed(name)])]
    if course in READING:
        said.append(READING[course](found, config))
    text = "\n\n".join(part for part in said if part)
    return f"""## {course.replace("-", " ").capitalize()}

{MEANING[course]} {PEOPLE[config.perturbation][course]}

{markdown_table(headings, rows)}

{text}"""


def draw(pairs: Mapping[str, Pair], values: Values, config: Protocols, out: Path) -> Path:
    """Draw a panel for every protocol."""
    drawn = {  # title to what draws it, and the protocols that it needs one of
        "A at once or gradually": (_learning, ("abrupt", "gradual")),
        "A again after B": (_again, ("interference",)),
        "A, B, clamp": (_clamped, ("spontaneous-recovery",)),
        "Clamp or washout": (_forgetting, ("error-clamps", "abrupt")),
        "Single updates": (_sizes, ("single-trials",)),
        "Generalisation": (_angles, ("generalisation",)),
    }
    with look.house_style():
        figure = look.new_figure(4.4, gap=0.04)
        panels = figure.subplots(2, 3).ravel()
        for axes, (title, (fill, needed)) in zip(panels, drawn.items(), strict=True):
            axes.set_title(title)
            axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
            have = {name: pairs[name] for name in needed if name in pairs}
            if have:
                fill(axes, have, values, config)
            if axes.get_legend_handles_labels()[1] and axes.get_legend() is None:
                axes.legend(loc="best")
        look.letter_panels(panels)
        return look.save_picture(figure, out / FIGURE)


def _line(course: Course, of: str, phases: tuple[str, ...] | None = None) -> tuple[Floats, Floats]:
    """Return updates, counted on from phase to phase, and the mean of a measure over targets, (n, p)."""
    at, series, begun = [], [], 0.0
    for phase in phases or tuple(course):
        probes = course[phase]
        at.append(begun + probes.updates)
        series.append(mean(getattr(probes, of)))
        begun += probes.updates[-1]
    return np.concatenate(at), np.concatenate(series, axis=1)


def _draw(axes: Axes, course: Course, of: str, colour: str, label: str, *phases: str) -> None:
    updates, series = _line(course, of, phases or None)
    scaled: Floats = {"deviation": MM, "adaptation": PERCENT}[of] * series
    look.draw_band(axes, updates, scaled, colour, label)
    axes.set(xlabel="Update", ylabel={"deviation": "Deviation (mm)", "adaptation": COMPENSATION}[of])


def _learning(axes: Axes, pairs: Mapping[str, Pair], values: Values, config: Protocols) -> None:
    for (name, pair), colour in zip(pairs.items(), (look.OURS, look.SECOND), strict=False):
        _draw(axes, pair.run, "deviation", colour, {"abrupt": "at once"}.get(name, name))
    _draw(axes, next(iter(pairs.values())).sham, "deviation", look.QUIET, "sham")


def _again(axes: Axes, pairs: Mapping[str, Pair], values: Values, config: Protocols) -> None:
    pair = pairs["interference"]
    _draw(axes, pair.run, "deviation", look.PHASE_COLOUR["FF1"], "A at first", "FF1")
    _draw(axes, pair.run, "deviation", look.PHASE_COLOUR["FF2"], "A after A and B", "FF2")
    _draw(axes, pair.sham, "deviation", look.QUIET, "A after B alone", "FF2")
    axes.set_xlim(0, config.relearning)


def _clamped(axes: Axes, pairs: Mapping[str, Pair], values: Values, config: Protocols) -> None:
    pair = pairs["spontaneous-recovery"]
    for course, colour, label in ((pair.run, look.OURS, "A, B, clamp"), (pair.sham, look.QUIET, "sham")):
        _draw(axes, course, "adaptation", colour, label)
    ends = np.cumsum([probes.updates[-1] for probes in pair.run.values()])
    axes.axvspan(ends[-2], ends[-1], color=look.FIELD_SHADE, zorder=0)
    _legend_above(axes)


def _legend_above(axes: Axes) -> None:
    """Put the legend above the curves."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + HEADROOM * (high - low))
    axes.legend(loc="upper left")


def _forgetting(axes: Axes, pairs: Mapping[str, Pair], values: Values, config: Protocols) -> None:
    for name, phase, colour in (
        ("error-clamps", "clamp", look.OURS), ("abrupt", "washout", look.SECOND),
    ):  # fmt: skip
        if name in pairs:
            _draw(axes, pairs[name].run, "adaptation", colour, phase, phase)


def _sizes(axes: Axes, pairs: Mapping[str, Pair], values: Values, config: Protocols) -> None:
    sizes = sorted(config.sizes)
    learned = np.stack([PERCENT * values["single-trials"][of_size(size)] for size in sizes], axis=1)
    look.draw_band(axes, np.array(sizes), learned, look.OURS, "networks")
    slope = learned.mean(axis=0)[0] / sizes[0]
    axes.plot([0.0, sizes[-1]], [0.0, slope * sizes[-1]], color=look.QUIET, linestyle=look.DOTTED,
              label="in proportion")  # fmt: skip
    axes.set(xlabel="Size of A in one update", ylabel="Learned (% of A)")


def _angles(axes: Axes, pairs: Mapping[str, Pair], values: Values, config: Protocols) -> None:
    by_angle = {angle: values["generalisation"][at_angle(angle)] for angle in sorted(angles().values())}
    by_angle = {-180.0: by_angle[180.0]} | by_angle
    places, found = np.array(list(by_angle)), PERCENT * np.stack(list(by_angle.values()), axis=1)
    look.draw_band(axes, places, found, look.OURS, "networks")
    axes.plot(places, found.mean(axis=0), "o", color=look.OURS, markersize=3.5, zorder=5)
    every = np.linspace(-180.0, 180.0, 181)
    ideal = [PERCENT * constant(config, angle) for angle in every]
    axes.plot(every, ideal, color=look.QUIET, linestyle=look.DOTTED, label=CONSTANT[config.perturbation])
    axes.set(xlabel="Angle from the target (degrees)", ylabel=COMPENSATION, xticks=[-180, -90, 0, 90, 180])
    _legend_above(axes)
