"""The page of the experiment: answers, a figure, and a section for every protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from experiments.claims import bold_means, cell
from experiments.protocols.beside_people import beside_people
from experiments.protocols.config import RAMP_SHARE, Protocols
from experiments.protocols.figure import FIGURE, caption, unit_of_size
from experiments.protocols.generalisation import VECTOR, angles, at_angle, constant, distance, ideals, signed
from experiments.protocols.in_short import in_short
from experiments.protocols.measures import (
    AFTER_B,
    AGAIN,
    AT_FIRST,
    BLOCKS,
    FIRST,
    GAINED,
    PERCENT,
    START,
    of_block,
    of_size,
    per_size,
    than,
)
from experiments.protocols.published import PEOPLE
from experiments.protocols.reading import READING, Found, nearest_for
from experiments.runs.tables import MISSING, markdown_table
from experiments.study import Quantity

MEANING: Final = {  # format strings
    "abrupt": "A at once, then a washout.",
    "gradual": "A grows evenly from zero over {ramp} updates and stays for {rest}; a washout follows.",
    "interference": "A for {adaptation} updates, then B, its opposite, for as long, then A again for "
    "{relearning}. The sham learns B alone before A.",
    "spontaneous-recovery": "A, then B for {b} updates in every network{chosen}, then error clamps. The "
    "sham practises without A and B. Recovery is a rise in the clamp that ends above zero, so both have to "
    "be shown; a memory of B that fades could raise the compensation to zero, but not above.",
    "error-clamps": "A, then a block of error clamps, compared with a washout of the same length.",
    "single-trials": "Single updates in A of several sizes, each between two error clamps.",
    "generalisation": "A towards one target only, the one to the right, then error clamps towards all of "
    "them; angles are counter-clockwise.",
}
CHOSEN: Final = ", about as many as bring the mean compensation of the quick run back to zero"
TITLE: Final = "Protocols of motor learning"
SUBTITLES: Final = {"curl": "curl field", "rotation": "rotation"}
ESTIMATE: Final = "mean [95 % interval]"


def page(numbers: Mapping[str, Mapping[str, Quantity]], config: Protocols, command: str) -> str:
    """Return the page as Markdown.

    Args:
        numbers: What `quantities` returned.
        config: The arguments.
        command: The command line.
    """
    kind = "a curl field of" if config.perturbation == "curl" else "a rotation of the cursor by"
    of_what = "" if config.perturbation == "curl" else ", of the cursor"
    sections = "\n\n".join(_section(course, found, config) for course, found in numbers.items())
    return f"""# {TITLE}: {SUBTITLES[config.perturbation]}

## In short

{in_short(numbers, config)}

## Beside people

{bold_means("all tests of this page")}

{beside_people(numbers, config.perturbation)}

What agrees in direction need not have the same cause. Sources are given with each protocol below.

## Methods

A is {kind} {unit_of_size(config)}. Each protocol starts from the same {config.networks} networks of
{config.units} units, which reach well without it. They learn from batches of 8 reaches, half of them without
a go cue; only the recurrent layer learns, by plain gradient descent. A lasts {config.adaptation} updates, a
washout or a block of error clamps {config.washout}.

*Deviation* is the largest distance from the straight line to the target, signed{of_what}. *Compensation* is
the share of A that is made up for, measured from time to time in reaches in an error clamp, from which
networks do not learn; in a block of error clamps they do, though not from errors to the side. The
*after-effect* is the first deviation without A. It is opposite in sign to A; tables give its magnitude. A
sham practises as much without A, and *beyond practice* is the difference from it. Command: `{command}`

![The protocols]({FIGURE})

{caption(config)}

{sections}

## Limits

An update is a gradient step on 8 reaches that knows the arm and the loss, not a trial of a person, and how
many of them a protocol lasts is our choice. Gradients are clipped, as in Shahbazi et al. (2026), to less than
their length: every update is a step of one length, whatever the error, except in single updates of several
sizes. In error clamps networks go on learning, from effort and from errors along the reach.
"""


def _section(course: str, found: Found, config: Protocols) -> str:
    """What one protocol is, what was found in people, its measures, and what the tests here allow to say."""
    ramp = round(RAMP_SHARE * config.adaptation)
    meaning = MEANING[course].format(
        ramp=ramp, rest=config.adaptation - ramp, adaptation=config.adaptation, relearning=config.relearning,
        b=config.updates_in_b, chosen=CHOSEN if config.reversal is None else "",
    )  # fmt: skip
    table = TABLES.get(course, _measures)(found, config)
    said = READING[course](found, config) if course in READING else ""
    parts = [f"{meaning} {PEOPLE[config.perturbation][course]}", table, said]
    text = "\n\n".join(part for part in parts if part)
    return f"## {course.replace('-', ' ').capitalize()}\n\n{text}"


def _measures(found: Found, config: Protocols) -> str:
    return markdown_table(("measure", ESTIMATE), [[name, cell(entry)] for name, entry in found.items()])


def _cell(found: Found, name: str) -> str:
    return cell(found[name]) if name in found else MISSING


def _blocks(found: Found, config: Protocols) -> str:
    """One column for every block of A, and one for what A after A and B has more than each of the others."""
    others = (AT_FIRST, AFTER_B)
    headings = ("measure", *BLOCKS, *(f"{AGAIN} minus {other}" for other in others))
    rows = [
        [
            name,
            *(_cell(found, of_block(name, block)) for block in BLOCKS),
            *(_cell(found, than(name, other)) for other in others),
        ]
        for name in (START, FIRST, GAINED)
    ]
    return markdown_table(headings, rows)


def _sizes(found: Found, config: Protocols) -> str:
    headings = (f"size of A (1 is {unit_of_size(config)})", "learned (% of A of size 1)", "learned / size")
    rows = [
        [f"{size:g}", _cell(found, of_size(size)), _cell(found, per_size(size))]
        for size in sorted(config.sizes)
    ]
    return markdown_table(headings, rows)


def _angles(found: Found, config: Protocols) -> str:
    """Compensation by angle beside that of a constant vector, and the distances from all ideals."""
    vector = VECTOR[config.perturbation]
    rows = [
        [signed(angle) if angle else "0, trained", _cell(found, at_angle(angle)),
         f"{PERCENT * constant(config, angle):.0f} %"]
        for angle in angles().values()
    ]  # fmt: skip
    by_angle = markdown_table(("angle (degrees)", "compensation", vector), rows)
    counts, networks = nearest_for(found, config), config.networks
    apart = [
        [name, _cell(found, distance(name)), f"{counts[name]} of {networks} networks"]
        for name in ideals(config)
    ]
    what = markdown_table(("ideal", "mean distance from it (% of A)", "nearest for"), apart)
    cosine = "the cosine of the angle" if config.perturbation == "curl" else "about the cosine of the angle"
    return (
        f"{by_angle}\n\nThe last column is for networks that learned {vector}, all of A at the trained "
        f"target, and add the same vector to every reach: {cosine}.\n\n{what}"
    )


TABLES: Final[Mapping[str, Callable[[Found, Protocols], str]]] = {
    "interference": _blocks,
    "single-trials": _sizes,
    "generalisation": _angles,
}
