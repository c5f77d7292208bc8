"""The sentences at the top of the page, from the numbers and the corrected tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from experiments.claims import UNCORRECTED, number, sign, suggested
from experiments.rehabilitation.config import INTACT_COURSES, Rehabilitation, is_intact
from experiments.rehabilitation.courses import UNPRACTISED
from experiments.rehabilitation.measures import (
    CAUSES,
    CHANGED,
    COURSE,
    DEFICIT,
    GENERALISED,
    LEFT,
    OF_COURSE,
    OF_LESION,
    OTHER_COURSE,
    OTHER_THERAPY,
    PRACTISED,
    PRIOR,
    SAVED,
    SAVINGS,
    SIZE,
    THERAPY,
    WAITED,
    after,
    doubling,
    practice_and_rest,
    sized,
)
from experiments.rehabilitation.therapy import ASSISTED, AUGMENTED, DOUBLE, EVERYDAY, PRACTICE, SPACED
from experiments.runs.tables import format_value, listed
from experiments.study import Quantity

Found = Mapping[str, Quantity]
WITH: Final = {
    DOUBLE: "twice the dose",
    ASSISTED: "assistance as needed",
    AUGMENTED: "error augmentation",
}
DIGITS: Final = 2  # of the numbers in a sentence


def in_short(numbers: Mapping[str, Found], config: Rehabilitation) -> str:
    """Return the findings as a Markdown list: recovery, what it generalises to, therapies, size, savings.

    A sentence states an effect only if its corrected test shows it, and says so otherwise.
    """
    sentences = [
        _course(numbers[COURSE], config),
        _generalisation(numbers[OTHER_COURSE], config),
        _everyday(numbers, config),
        _spacing(numbers[THERAPY], config),
        _others(numbers[THERAPY], config),
        _size(numbers[SIZE], config),
        _savings(numbers[SAVINGS], config),
        *_causes(numbers[CAUSES]),
    ]
    return "\n".join(f"- {sentence}" for sentence in sentences if sentence)


def _course(found: Found, config: Rehabilitation) -> str:
    """How far practice brings the error down, and how far everyday life undoes it."""
    return (
        f"Right after the lesion, the error in the eight practised reaches is {brief(found[DEFICIT])} times "
        f"what it was before; after {config.dose} updates of practice it is "
        f"{brief(found[after(PRACTISED, PRACTICE)])} times; {_later(found, config)}."
    )


def _later(found: Found, config: Rehabilitation) -> str:
    """What everyday life does to the error after practice."""
    end = brief(found[after(LEFT, PRACTICE)])
    then = f"{config.everyday} updates of everyday life"
    return {
        1: f"{then} then raise it to {end} times",
        0: f"that {then} then change it is not shown ({end} times at the end)",
        -1: f"{then} then lower it to {end} times",
    }[sign(found[after(CHANGED, PRACTICE)])]


def _generalisation(found: Found, config: Rehabilitation) -> str:
    """Whether practice changes the error in reaches that it does not consist of."""
    deficit, end = brief(found[DEFICIT]), brief(found[after(PRACTISED, PRACTICE)])
    others = f"{UNPRACTISED} reaches that were not practised"
    change = sign(found[after(GENERALISED, PRACTICE)])
    if change:
        generalises, verb = ("generalises", "lowers") if change < 0 else ("does not generalise", "raises")
        text = (
            f"Recovery by practice {generalises}: in {others}, it {verb} the error from {deficit} to {end} "
            "times what it was before the lesion"
        )
    else:
        text = (
            f"That practice changes the error in {others} is not shown ({deficit} times what it was before, "
            f"right after the lesion; {end} times at the end of practice)"
        )
    return f"{text}; {_later(found, config)}."


def _everyday(numbers: Mapping[str, Found], config: Rehabilitation) -> str:
    """Whether everyday life alone leaves another error than practice with everyday life after it."""
    if EVERYDAY not in config.therapies:
        return ""
    shown, open_ = [], []
    for family, reaches in (
        (THERAPY, "in the practised reaches"),
        (OTHER_THERAPY, "in reaches that were not practised"),
    ):
        its = numbers[family][after(LEFT, EVERYDAY)]
        if sign(its):
            shown.append(f"{than(its)} {reaches}")
        else:
            open_.append(f"{reaches} ({brief(its)})")
    text = f"{config.dose + config.everyday} updates of everyday life alone"
    course = f"{config.dose} of practice with {config.everyday} of everyday life after them"
    if not shown:
        return f"{text} are not shown to leave another error than {course}: {listed(open_, 'or')}."
    text += f" leave {listed(shown)} than {course}"
    return f"{text}; a difference {open_[0]} is not shown." if open_ else f"{text}."


def _spacing(found: Found, config: Rehabilitation) -> str:
    """Whether a spaced dose leaves another error than the massed dose, at the end and as long after it."""
    if SPACED not in config.therapies:
        return ""
    end = found[after(LEFT, SPACED)]
    text = (
        f"The same dose spaced out leaves {than(end)} at the end than the massed dose ({end.note})"
        if sign(end)
        else "That a dose spaced out leaves another error at the end than the same dose massed is not "
        f"shown ({brief(end)})"
    )
    waited = found.get(after(WAITED, SPACED))
    if waited is not None:
        rest = practice_and_rest(config, SPACED)[1]
        text += (
            f"; at equal time, {rest} updates after the last practice, by when it has had more everyday "
            "life, "
        ) + (than(waited) if sign(waited) else f"a difference is not shown ({brief(waited)})")
    return f"{text}."


def _others(found: Found, config: Rehabilitation) -> str:
    """What doses that are larger, or come with a robot, do by the end of practice and of the course."""
    others = [therapy for therapy in config.therapies if therapy in WITH]
    if not others:
        return ""
    parts = []
    for measure, time in ((PRACTISED, "at the end of practice"), (LEFT, "at the end of the course")):
        entries = {therapy: found[after(measure, therapy)] for therapy in others}
        shown = [f"{than(its)} with {WITH[name]}" for name, its in entries.items() if sign(its)]
        perhaps = {name: its for name, its in entries.items() if suggested(its)}
        open_ = [WITH[name] for name, its in entries.items() if not sign(its) and name not in perhaps]
        if perhaps:
            by = listed([f"{than(its, digits=3)} with {WITH[name]}" for name, its in perhaps.items()])
            shown.append(f"perhaps {by} ({UNCORRECTED})")
        if open_:
            shown.append(f"no difference shown with {listed(open_, 'or')}")
        parts.append(f"{time}, {listed(shown)}")
    return f"Compared with the massed dose: {'; '.join(parts)}."


def _size(found: Found, config: Rehabilitation) -> str:
    """Which of the errors change with size."""
    if len(config.sizes) < 2:
        return ""
    prior = found[doubling(PRIOR)]
    before = (
        f"networks have {than(prior)} before the lesion"
        if sign(prior)
        else f"the error before the lesion is not shown to change ({brief(prior)})"
    )
    shown = [
        f"{name} ({brief(found[doubling(name)])})"
        for name in sized(config.therapies)[1:]
        if sign(found[doubling(name)])
    ]
    relative = (
        f"relative to that, these change: {listed(shown)}"
        if shown
        else "relative to that, neither the deficit nor recovery is shown to change"
    )
    return f"With every doubling of units, {before}; {relative}."


def _savings(found: Found, config: Rehabilitation) -> str:
    """After which courses networks save."""
    entries = {name: found[after(SAVED, name)] for name in config.relearn if not is_intact(name)}
    if not entries:
        return ""
    shown = [f"{brief(its)} after *{name}*" for name, its in entries.items() if sign(its) > 0]
    open_ = [f"*{name}* ({brief(its)})" for name, its in entries.items() if sign(its) <= 0]
    if not shown:
        return f"Lesioned networks are not shown to save in a curl field after {listed(open_, 'or')}."
    text = (
        "Lesioned networks save: they begin a second encounter with a curl field nearer to the line than "
        f"their sham, by {listed(shown)}"
    )
    return f"{text}; not shown after {listed(open_, 'or')}." if open_ else f"{text}."


def _causes(found: Found) -> list[str]:
    """Whether the lesion, and whether the course, changes savings; one sentence per course."""
    words = {
        OF_LESION: (
            "lesioned networks save {} than intact ones",
            "savings are not shown to differ between lesioned and intact networks ({})",
        ),
        OF_COURSE: (
            "intact networks save {} than without that course",
            "savings of intact networks are not shown to differ from those without that course ({})",
        ),
    }
    sentences = []
    for therapy in INTACT_COURSES.values():
        parts = []
        for measure, (shown, open_) in words.items():
            entry = found.get(after(measure, therapy))
            if entry is not None:
                parts.append(shown.format(than(entry, "")) if sign(entry) else open_.format(brief(entry)))
        if parts:
            sentences.append(f"After *{therapy}*, {listed(parts)}.")
    return sentences


def brief(entry: Quantity) -> str:
    """Return value and interval as a sentence has them."""
    return number(entry, DIGITS)


def than(entry: Quantity, what: str = " error", digits: int = DIGITS) -> str:
    """Return a change as "29 % less error [23, 35]".

    Args:
        entry: The change.
        what: Of what, after a space.
        digits: Significant ones; more if an end of the interval is close to 0.
    """
    low, high = entry.ci
    if entry.value is None or low is None or high is None:
        return f"an amount{' of' if what else ''}{what} that was not determined"
    if entry.value < 0.0:
        value, ends, word = -entry.value, (-high, -low), "less"
    else:
        value, ends, word = entry.value, (low, high), "more"
    amount, _, interval = format_value(value, ends, entry.unit, digits).partition(" [")
    return f"{amount} {word}{what} [{interval}"
