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
from experiments.runs.tables import markdown_table
from experiments.study import Quantity
from savings_gym.arrays import MM, Floats

FIGURE: Final = "protocols.png"
COMPENSATION: Final = "Compensation (% of A)"
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
PEOPLE: Final = {
    "abrupt": "In people, the force learnt cancels most of a curl field, and leaves an after-effect to the "
    "other side (Shadmehr & Mussa-Ivaldi 1994, doi 10.1523/JNEUROSCI.14-05-03208.1994).",
    "gradual": "People who learn a rotation gradually have larger after-effects than those who learn it at "
    "once (Kagerer, Contreras-Vidal & Stelmach 1997, doi 10.1007/PL00005727).",
    "interference": "People who learn B right after A show no savings of A "
    "(Brashers-Krug, Shadmehr & Bizzi 1996, doi 10.1038/382252a0).",
    "spontaneous-recovery": "In people, adaptation to A comes back in the clamp, which two memories of "
    "different speed explain (Smith, Ghazizadeh & Shadmehr 2006, doi 10.1371/journal.pbio.0040179).",
    "error-clamps": "In people, after-effects outlast a block of clamps much longer than a washout "
    "(Scheidt et al. 2000, doi 10.1152/jn.2000.84.2.853).",
    "single-trials": "People learn a smaller share of a larger error "
    "(Marko et al. 2012, doi 10.1152/jn.00177.2012).",
    "generalisation": "A rotation learnt towards one target hardly generalises beyond 45 degrees "
    "(Krakauer et al. 2000, doi 10.1523/JNEUROSCI.20-23-08916.2000); that of force fields may have a "
    "second peak in the opposite direction (Donchin, Francis & Shadmehr 2003, doi "
    "10.1523/JNEUROSCI.23-27-09032.2003).",
}


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
    sections = "\n\n".join(_section(course, found) for course, found in numbers.items())
    return f"""# The field's protocols on networks

A is {what}. Each protocol starts from the same {config.networks} networks of {config.units} units, which
reach well without it. They learn from batches of 8 reaches, half of them without a go cue; only the recurrent
layer learns, by plain gradient descent. A lasts {config.adaptation} updates, a washout or a block of error
clamps {config.washout}.

*Deviation* is the largest distance from the straight line to the target, signed{of_what}. *Compensation* is
the share of A that is made up for, measured from time to time in reaches in an error clamp, from which
networks do not learn; in a block of error clamps they do, though not from errors to the side. A sham
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


def _section(course: str, found: Mapping[str, Quantity]) -> str:
    """What one protocol is, its measures, what was found in people, and what the tests here allow to say."""
    table = markdown_table(
        ("measure", "mean [95 % interval]"), [(name, cell(entry)) for name, entry in found.items()]
    )
    shown = stated(found, [name for name in found if claimed(name)])
    return f"""## {course.replace("-", " ").capitalize()}

{MEANING[course]} {PEOPLE[course]}

{table}

{shown}"""


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
            if axes.get_legend_handles_labels()[1]:
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


def _forgetting(axes: Axes, pairs: Mapping[str, Pair], values: Values, config: Protocols) -> None:
    for name, phase, colour in (
        ("error-clamps", "clamp", look.OURS), ("abrupt", "washout", look.SECOND),
    ):  # fmt: skip
        if name in pairs:
            _draw(axes, pairs[name].run, "adaptation", colour, phase, phase)


def _sizes(axes: Axes, pairs: Mapping[str, Pair], values: Values, config: Protocols) -> None:
    sizes = sorted(config.sizes)
    learnt = np.stack([PERCENT * values["single-trials"][of_size(size)] for size in sizes], axis=1)
    look.draw_band(axes, np.array(sizes), learnt, look.OURS, "networks")
    slope = learnt.mean(axis=0)[0] / sizes[0]
    axes.plot([0.0, sizes[-1]], [0.0, slope * sizes[-1]], color=look.QUIET, linestyle=look.DOTTED,
              label="in proportion")  # fmt: skip
    axes.set(xlabel="Size of A in one update", ylabel="Learnt (% of A)")


def _angles(axes: Axes, pairs: Mapping[str, Pair], values: Values, config: Protocols) -> None:
    places = sorted(angles().values())
    found = np.stack([PERCENT * values["generalisation"][at_angle(angle)] for angle in places], axis=1)
    look.draw_band(axes, np.array(places), found, look.OURS)
    axes.set(xlabel="Angle from the target (degrees)", ylabel=COMPENSATION, xticks=[-90, 0, 90, 180])
