"""The page of the experiment: what it found in short, the picture, tables, and what was not measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from experiments.claims import bold_means, cell
from experiments.rehabilitation.beside_people import beside_people
from experiments.rehabilitation.config import INTACT, INTACT_COURSES, Rehabilitation, is_intact
from experiments.rehabilitation.courses import UNPRACTISED
from experiments.rehabilitation.figure import FIGURE, caption
from experiments.rehabilitation.in_short import Found, in_short
from experiments.rehabilitation.measures import (
    CAUSES,
    CHANGED,
    COURSE,
    DEFICIT,
    DOUBLING,
    FIRST,
    GENERALISED,
    LEFT,
    OF_COURSE,
    OF_LESION,
    OTHER_COURSE,
    OTHER_THERAPY,
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
    meaning = {name: MEANING[name] for name in config.therapies} | {
        name: f"*{INTACT_COURSES[name]}* by intact networks, without a lesion or an impaired arm"
        for name in config.intact_courses
    }
    courses = "\n".join(f"- *{name}*: {words}" for name, words in meaning.items())
    sections = [
        _recovery(numbers[COURSE], config),
        _beside_practice(numbers[THERAPY], config),
        _unpractised(numbers, config),
        _sizes(numbers[SIZE], config),
        _savings(numbers[SAVINGS], config),
        _causes(numbers[CAUSES], config),
        beside_people(numbers[THERAPY], config),
        _not_measured(config),
        f"## Limits\n\n{LIMITS}",
    ]
    return f"""# Rehabilitation: lesion, therapy, relearning

{impaired(config)} They then go through a course of practice and everyday life, the same
networks through every course; only the recurrent layer learns. Command: `{command}`

## In short

{in_short(numbers, config)}

Brackets hold 95 % intervals; the courses are explained below the picture.

![Errors over the courses, in practised and other reaches; therapies beside practice; savings]({FIGURE})

{caption(config)}

## Courses

{courses}

The dose is {config.dose} updates of practice on eight centre-out reaches; everyday life is
{config.everyday} updates of eight reaches from anywhere to anywhere. Probes test the eight practised reaches,
and {UNPRACTISED} from anywhere to anywhere that are the same for all networks, courses and times. No course
practises these, but everyday life consists of reaches like them. The error is the distance of the hand from
the target at the end of a probe, without a robot, averaged over the reaches: those that are practised, unless
stated otherwise.

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
        (f"*{course}*", *(_cell(found, after(name, course)) for name in (PRACTISED, LEFT, CHANGED)))
        for course in config.courses
    ]
    headings = ("course", "at the end of practice", "at the end of the course", "change after practice")
    rest = practice_and_rest(config, SPACED)[1]
    shorter = f", {rest} in *{SPACED}*" if SPACED in config.therapies and rest < config.everyday else ""
    intact = (
        f" *{'* and *'.join(config.intact_courses)}* shows what the course does to the same networks intact."
        if config.intact_courses
        else ""
    )
    return f"""## The course of recovery

Error as a multiple of the same network's error before the lesion. Right after the lesion it is
{cell(found[DEFICIT])}. The last column is the change of the error in the everyday life that follows the last
practice: {config.everyday} updates{shorter}.{intact}

{bold_means("the changes of this table")}

{markdown_table(headings, rows)}"""


def _beside_practice(found: Found, config: Rehabilitation) -> str:
    """Errors of other courses beside those of practice at once."""
    others = [therapy for therapy in config.therapies if therapy != PRACTICE]
    if not others:
        return ""
    spread = config.everyday - practice_and_rest(config, SPACED)[1] if SPACED in others else 0
    between = (
        f" At the end of practice, *{SPACED}* has had {spread} updates of everyday life between its parts."
        if spread
        else ""
    )
    if EVERYDAY in others:
        between += (
            f" *{EVERYDAY}* has as many updates as *{PRACTICE}*: at the end, the two differ by what practice "
            "does and as much everyday life does not."
        )
    return f"""## Other courses beside the massed dose

How much larger or smaller the error is than that of *{PRACTICE}*.{between}

{bold_means("all tests of this section")}

{_table_beside_practice(found, others)}{_equal_time(found, config)}"""


def _table_beside_practice(found: Found, others: list[str]) -> str:
    """Errors of other courses relative to those of practice at once, as a table."""
    rows = [
        (
            f"*{therapy}*", *(_cell(found, after(name, therapy)) for name in (PRACTISED, LEFT)),
            found[after(LEFT, therapy)].note,
        )
        for therapy in others
    ]  # fmt: skip
    headings = ("course", "at the end of practice", "at the end of the course", "networks at the end")
    return markdown_table(headings, rows)


def _equal_time(found: Found, config: Rehabilitation) -> str:
    """Spaced and massed practice as long after the last of it."""
    waited = found.get(after(WAITED, SPACED))
    if waited is None:
        return ""
    rest = practice_and_rest(config, SPACED)[1]
    return f"""

At the end of *{SPACED}* the last practice was {rest} updates ago, at the end of *{PRACTICE}*
{config.everyday}. At equal time, {rest} updates after the last practice of both, the error of *{SPACED}*
differs from that of *{PRACTICE}* by {cell(waited)} ({waited.note}). By then, *{SPACED}* has had
{config.everyday} updates of everyday life, *{PRACTICE}* {rest}. So neither comparison keeps all else equal:
at the end of the courses the time since practice differs, at equal time since practice the amount of
everyday life."""


def _unpractised(numbers: Mapping[str, Found], config: Rehabilitation) -> str:
    """Errors in reaches that were not practised, over the courses and beside those of practice at once."""
    found = numbers[OTHER_COURSE]
    rows = [
        (
            f"*{course}*",
            *(_cell(found, after(name, course)) for name in (PRACTISED, LEFT, GENERALISED, CHANGED)),
        )
        for course in config.courses
    ]
    headings = (
        "course", "at the end of practice", "at the end of the course", "change in practice",
        "change after practice",
    )  # fmt: skip
    mixed = (
        f" In *{SPACED}* it is not tested, since everyday life, which consists of such reaches, lies between "
        "the parts of the dose."
        if SPACED in config.therapies
        else ""
    )
    text = f"""## Reaches that were not practised

Error in the {UNPRACTISED} other reaches of the probes as a multiple of the same network's error in them
before the lesion. Right after the lesion it is {cell(found[DEFICIT])}. *Change in practice* is that from
right after the lesion to the end of practice: if the error falls, recovery generalises.{mixed}

{bold_means("the changes of this table")}

{markdown_table(headings, rows)}"""
    others = [therapy for therapy in config.therapies if therapy != PRACTICE]
    if not others:
        return text
    return f"""{text}

How much larger or smaller the error in these reaches is than that of *{PRACTICE}*:

{bold_means("the tests of this table")}

{_table_beside_practice(numbers[OTHER_THERAPY], others)}"""


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
    intact = f" *{INTACT}* networks had no lesion and no course." if INTACT in config.relearn else ""
    return f"""## Savings after the courses

After some courses the networks meet a curl field of {config.b:g} N s/m ({config.ff1_updates} updates), are
washed out ({config.nf2_updates}) and meet it again ({config.ff2_updates}). A sham meets no field the first
time. Savings are how much nearer to the straight line the second encounter begins than that of the
sham.{intact}

{bold_means("the savings of all sizes and their changes with size")}

{markdown_table(headings, rows)}"""


def _causes(found: Found, config: Rehabilitation) -> str:
    """How much of the difference in savings is due to the lesion, and how much to the course."""
    rows = []
    for name, therapy in INTACT_COURSES.items():
        pairs = ((OF_LESION, "lesion", therapy, name), (OF_COURSE, "course", name, INTACT))
        for measure, what, its, reference in pairs:
            if (key := after(measure, therapy)) in found:
                sizes = (cell(found[at_size(key, units)]) for units in config.sizes)
                rows.append((what, f"*{its}* - *{reference}*", *sizes, cell(found[key])))
    if not rows:
        return ""
    headings = ("cause", "difference", *(f"{units} units" for units in config.sizes), "all sizes")
    return f"""## Savings: lesion and course

Differences between the savings of the same networks. Lesioned and intact networks that took the same course
differ by the lesion; intact networks with and without the course differ by the course.

{bold_means("the differences of all sizes")}

{markdown_table(headings, rows)}"""


def _not_measured(config: Rehabilitation) -> str:
    """What a reader may look for and will not find; nothing if that is nothing."""
    points = []
    if EVERYDAY not in config.therapies:
        points.append(
            "Everyday life alone for as many updates: it would tell how much of the recovery is due to "
            "practice."
        )
    measured = {INTACT_COURSES[name] for name in config.intact_courses}
    lacking = [name for name in config.relearn if not is_intact(name) and name not in measured]
    if lacking:
        names = " and ".join(f"*{name}*" for name in lacking)
        points.append(
            f"Savings of intact networks after {names}: they would tell whether the lesion changes savings "
            "there, too."
        )
    return "## Not measured\n\n" + "\n".join(f"- {point}" for point in points) if points else ""


def _cell(found: Mapping[str, Quantity], name: str) -> str:
    """Return the cell of a quantity, if there is one of this name."""
    return cell(found[name]) if name in found else MISSING
