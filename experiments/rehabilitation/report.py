"""The page of the experiment: what it found in short, the picture, tables, and what was not measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from experiments.claims import bold_means, cell
from experiments.rehabilitation.config import INTACT, Rehabilitation
from experiments.rehabilitation.figure import FIGURE, caption
from experiments.rehabilitation.in_short import Found, in_short
from experiments.rehabilitation.measures import (
    CHANGED,
    COURSE,
    DEFICIT,
    DOUBLING,
    FIRST,
    LEFT,
    PRACTISED,
    SAVED,
    SAVINGS,
    SIZE,
    THERAPY,
    WAITED,
    after,
    at_size,
    doubling,
    practice_and_rest,
    sized,
)
from experiments.rehabilitation.therapy import EVERYDAY, MEANING, PRACTICE, SPACED
from experiments.runs.tables import MISSING, markdown_table
from experiments.study import Quantity

LIMITS: Final = """\
What this cannot tell a clinic: the networks learn by gradients that know the arm and the loss, every trial
teaches them, they do not tire, hurt, give up or forget between sessions, and after the lesion nothing heals,
sprouts or takes over but the weights that are left. A unit is not a neuron, an update is not a day, and a few
networks that were trained alike are not patients. The tables compare schedules for these networks; none of
them is a reason to treat anyone in one way rather than another."""


def page(numbers: Mapping[str, Found], config: Rehabilitation, command: str) -> str:
    """Return the page as Markdown.

    Args:
        numbers: What `quantities` returned.
        config: The arguments.
        command: The command line.
    """
    courses = "\n".join(f"- *{name}*: {MEANING[name]}" for name in config.therapies)
    sections = [
        _recovery(numbers[COURSE], config),
        _beside_practice(numbers[THERAPY], config),
        _sizes(numbers[SIZE], config),
        _savings(numbers[SAVINGS], config),
        _not_measured(config),
        f"## Limits\n\n{LIMITS}",
    ]
    return f"""# Rehabilitation: lesion, therapy, relearning

{impaired(config)} They then go through a course of practice and everyday life, the same
networks through every course, in which only the recurrent layer learns. Command: `{command}`

## In short

{in_short(numbers, config)}

Brackets hold 95 % intervals; the courses are explained below the picture.

![Errors over the courses, relative to those before the lesion; therapies beside practice; savings]({FIGURE})

{caption(config)}

## Courses

{courses}

The dose is {config.dose} updates of practice on the eight reaches that the probes test; everyday life is
{config.everyday} updates of eight reaches from anywhere to anywhere. So the error tells how well a
practised task is kept, not how well the networks reach in general. The error is the distance of the hand
from the target at the end of a probe, without a robot, averaged over the eight reaches.

There are {config.networks} networks of every size. Errors are compared as ratios within a network, since the
spread of errors grows with their size; means are geometric, tests and intervals those of the logarithms.
Network i of every size draws the same reaches and noise in a course, so it is averaged over the sizes first,
and tests and intervals run over the {config.networks} averages.

{chr(10).join(f"{section}{chr(10)}" for section in sections if section).strip()}
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


def _recovery(found: Found, config: Rehabilitation) -> str:
    """Errors over the courses, as multiples of those before the lesion."""
    rows = [
        (f"*{therapy}*", *(_cell(found, after(name, therapy)) for name in (PRACTISED, LEFT, CHANGED)))
        for therapy in config.therapies
    ]
    headings = ("course", "at the end of practice", "at the end of the course", "change after practice")
    rest = practice_and_rest(config, SPACED)[1]
    shorter = f", {rest} in *{SPACED}*" if SPACED in config.therapies and rest < config.everyday else ""
    lengths = ""
    if EVERYDAY in config.therapies:
        lengths = (
            f" *{EVERYDAY}* ends after {config.everyday} updates, the others after "
            f"{config.dose + config.everyday} or more, so it is not compared with them."
        )
    return f"""## The course of recovery

Error as a multiple of the same network's error before the lesion. Right after the lesion it is
{cell(found[DEFICIT])}. The last column is the change of the error in the everyday life that follows the last
practice: {config.everyday} updates{shorter}.{lengths}

{bold_means("the changes of this table")}

{markdown_table(headings, rows)}"""


def _beside_practice(found: Found, config: Rehabilitation) -> str:
    """Errors of other courses beside those of practice at once."""
    others = [therapy for therapy in config.therapies if therapy not in (EVERYDAY, PRACTICE)]
    if not others:
        return ""
    rows = [
        (
            f"*{therapy}*", *(_cell(found, after(name, therapy)) for name in (PRACTISED, LEFT)),
            found[after(LEFT, therapy)].note,
        )
        for therapy in others
    ]  # fmt: skip
    headings = ("course", "at the end of practice", "at the end of the course", "networks at the end")
    spread = config.everyday - practice_and_rest(config, SPACED)[1] if SPACED in others else 0
    between = (
        f" At the end of practice, *{SPACED}* has had {spread} updates of everyday life between its parts."
        if spread
        else ""
    )
    return f"""## Other courses beside the dose at once

How much larger or smaller the error is than that of *{PRACTICE}*.{between}

{bold_means("all tests of this section")}

{markdown_table(headings, rows)}{_equal_time(found, config)}"""


def _equal_time(found: Found, config: Rehabilitation) -> str:
    """Spaced and massed practice as long after the last of it."""
    waited = found.get(after(WAITED, SPACED))
    if waited is None:
        return ""
    rest = practice_and_rest(config, SPACED)[1]
    return f"""

At the end of *{SPACED}* the last practice is {rest} updates ago, at the end of *{PRACTICE}*
{config.everyday}. At equal time, {rest} updates after the last practice of both, the error of *{SPACED}*
differs from that of *{PRACTICE}* by {cell(waited)} ({waited.note}). By then, *{SPACED}* has had
{config.everyday} updates of everyday life, *{PRACTICE}* {rest}. So neither comparison keeps all else equal:
at the end of the courses the time since practice differs, at equal time since practice the amount of
everyday life."""


def _sizes(found: Found, config: Rehabilitation) -> str:
    """Errors against size."""
    if len(config.sizes) < 2:
        return ""
    rows = [
        (
            name, *(cell(found[at_size(name, units)]) for units in config.sizes), cell(found[doubling(name)]),
        )
        for name in sized(config.therapies)
    ]  # fmt: skip
    headings = ("measure", *(f"{units} units" for units in config.sizes), DOUBLING)
    return f"""## Size of the networks

Errors after the lesion are multiples of the same network's error before it. The last column is the slope of a
line through the sizes.

{bold_means("the changes of this table")}

{markdown_table(headings, rows)}"""


def _savings(found: Found, config: Rehabilitation) -> str:
    """Savings after courses, size by size."""
    if not config.relearn:
        return ""
    rows = [
        (
            f"*{course}*",
            cell(found[after(FIRST, course)]),
            *(cell(found[at_size(after(SAVED, course), units)]) for units in config.sizes),
            cell(found[after(SAVED, course)]),
            _cell(found, doubling(after(SAVED, course))),
        )
        for course in config.relearn
    ]
    headings = (
        "course", "first deviation, all sizes", *(f"savings, {units} units" for units in config.sizes),
        "savings, all sizes", "with every doubling of units",
    )  # fmt: skip
    intact = (
        f" *{INTACT.capitalize()}* networks had no lesion and no course, so the difference between their "
        "savings and those of the others cannot be put down to the lesion."
        if INTACT in config.relearn
        else ""
    )
    return f"""## Savings after the courses

After some courses the networks meet a curl field of {config.b:g} N s/m ({config.ff1_updates} updates), are
washed out ({config.nf2_updates}) and meet it again ({config.ff2_updates}). A sham meets no field the first
time. Savings are how much nearer to the straight line the second encounter begins than that of the
sham.{intact}

{bold_means("the savings of all sizes and their changes with size")}

{markdown_table(headings, rows)}"""


def _not_measured(config: Rehabilitation) -> str:
    """What a reader may look for and will not find."""
    points = ["Reaches that were not practised: they would tell how far recovery generalises."]
    if EVERYDAY in config.therapies:
        points.append(
            f"Everyday life alone for {config.dose + config.everyday} updates: it would tell how much of the "
            "recovery is due to practice."
        )
    if INTACT in config.relearn:
        points.append(
            "Savings of intact networks after the same courses: they would tell whether a lesion changes "
            "savings."
        )
    return "## Not measured\n\n" + "\n".join(f"- {point}" for point in points)


def _cell(found: Mapping[str, Quantity], name: str) -> str:
    """Return the cell of a quantity, if there is one of this name."""
    return cell(found[name]) if name in found else MISSING
