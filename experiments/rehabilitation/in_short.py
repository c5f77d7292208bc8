"""The sentences at the top of the page, from the numbers and the corrected tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from experiments.figures.findings import effect
from experiments.rehabilitation.config import INTACT, Rehabilitation
from experiments.rehabilitation.measures import (
    CHANGED,
    COURSE,
    DEFICIT,
    LEFT,
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
from experiments.runs.tables import format_value
from experiments.study import Quantity

Found = Mapping[str, Quantity]
WITH: Final = {
    DOUBLE: "twice the dose",
    ASSISTED: "assistance as needed",
    AUGMENTED: "error augmentation",
}
DIGITS: Final = 2  # of the numbers in a sentence


def in_short(numbers: Mapping[str, Found], config: Rehabilitation) -> str:
    """Return up to five sentences as a Markdown list: the course, spacing, other therapies, size, savings.

    A sentence states an effect only if its corrected test shows it, and says so otherwise.
    """
    sentences = [
        _course(numbers[COURSE], config),
        _spacing(numbers[THERAPY], config),
        _others(numbers[THERAPY], config),
        _size(numbers[SIZE], config),
        _savings(numbers[SAVINGS], config),
    ]
    return "\n".join(f"- {sentence}" for sentence in sentences if sentence)


def _course(found: Found, config: Rehabilitation) -> str:
    """How far practice brings the error down, and how far everyday life undoes it."""
    change = found[after(CHANGED, PRACTICE)]
    end = number(found[after(LEFT, PRACTICE)])
    then = f"{config.everyday} updates of everyday life"
    later = {
        1: f"{then} then raise it to {end} times",
        0: f"that {then} then change it is not shown ({end} times at the end)",
        -1: f"{then} then lower it to {end} times",
    }[effect(change)]
    return (
        f"Right after the lesion, the error in the eight practised reaches is {number(found[DEFICIT])} times "
        f"what it was before; after {config.dose} updates of practice it is "
        f"{number(found[after(PRACTISED, PRACTICE)])} times; {later}."
    )


def _spacing(found: Found, config: Rehabilitation) -> str:
    """Whether a spaced dose leaves another error than the dose at once, at the end and as long after it."""
    if SPACED not in config.therapies:
        return ""
    end = found[after(LEFT, SPACED)]
    text = (
        f"The same dose spaced out leaves {than(end)} at the end than the dose at once ({end.note})"
        if effect(end)
        else "That a dose spaced out leaves another error at the end than the same dose at once is not "
        f"shown ({number(end)})"
    )
    waited = found.get(after(WAITED, SPACED))
    if waited is not None:
        rest = practice_and_rest(config, SPACED)[1]
        text += (
            f"; at equal time, {rest} updates after the last practice, by when it has had more everyday "
            "life, "
        ) + (than(waited) if effect(waited) else f"a difference is not shown ({number(waited)})")
    return f"{text}."


def _others(found: Found, config: Rehabilitation) -> str:
    """What doses that are larger, or come with a robot, do by the end of practice and of the course."""
    others = [therapy for therapy in config.therapies if therapy not in (EVERYDAY, PRACTICE, SPACED)]
    if not others:
        return ""
    parts = []
    for measure, time in ((PRACTISED, "at the end of practice"), (LEFT, "at the end of the course")):
        entries = {therapy: found[after(measure, therapy)] for therapy in others}
        shown = [f"{than(its)} with {WITH[name]}" for name, its in entries.items() if effect(its)]
        open_ = [WITH[name] for name, its in entries.items() if not effect(its)]
        if open_:
            shown.append(f"no difference shown with {listed(open_, 'or')}")
        parts.append(f"{time}, {listed(shown)}")
    return f"Compared with the dose at once: {'; '.join(parts)}."


def _size(found: Found, config: Rehabilitation) -> str:
    """Which of the errors change with size."""
    if len(config.sizes) < 2:
        return ""
    prior = found[doubling(PRIOR)]
    before = (
        f"networks have {than(prior)} before the lesion"
        if effect(prior)
        else f"the error before the lesion is not shown to change ({number(prior)})"
    )
    shown = [
        f"{name} ({number(found[doubling(name)])})"
        for name in sized(config.therapies)[1:]
        if effect(found[doubling(name)])
    ]
    relative = (
        f"relative to that, these change: {listed(shown)}"
        if shown
        else "relative to that, neither the deficit nor recovery is shown to change"
    )
    return f"With every doubling of units, {before}; {relative}."


def _savings(found: Found, config: Rehabilitation) -> str:
    """After which courses networks save."""
    entries = {course: found[after(SAVED, course)] for course in config.relearn if course != INTACT}
    if not entries:
        return ""
    shown = [f"{number(its)} after *{name}*" for name, its in entries.items() if effect(its) > 0]
    open_ = [f"*{name}* ({number(its)})" for name, its in entries.items() if effect(its) <= 0]
    if not shown:
        return f"Lesioned networks are not shown to save in a curl field after {listed(open_, 'or')}."
    text = (
        "Lesioned networks save: they begin a second encounter with a curl field nearer to the line than "
        f"their sham, by {listed(shown)}"
    )
    return f"{text}; not shown after {listed(open_, 'or')}." if open_ else f"{text}."


def number(entry: Quantity) -> str:
    """Return value and interval as a sentence has them."""
    return format_value(entry.value, entry.ci, entry.unit, DIGITS)


def than(entry: Quantity) -> str:
    """Return a change in per cent as "29 % less error [23, 35]"."""
    low, high = entry.ci
    if entry.value is None or low is None or high is None:
        return "an error that was not determined"
    if entry.value < 0.0:
        value, ends, word = -entry.value, (-high, -low), "less"
    else:
        value, ends, word = entry.value, (low, high), "more"
    amount, _, interval = format_value(value, ends, "%", DIGITS).partition(" [")
    return f"{amount} {word} error [{interval}"


def listed(words: list[str], last: str = "and") -> str:
    """Return words as a list in prose."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
