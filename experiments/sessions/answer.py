"""The answer of the sessions experiment, from its tests: where savings and the preparatory shift appear."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from experiments.claims import UNCORRECTED, sign, suggested
from experiments.figures.findings import effect
from experiments.runs.tables import finite_or_none, format_value, grouped
from experiments.sessions.measures import (
    ADAPTED,
    AFTER_EFFECT,
    CHANCE,
    DESPITE,
    EARLY,
    FIRST,
    INTERFERED,
    LENGTH,
    READ,
    SAVED_EARLY,
    SAVED_FIRST,
    SHIFT_BEYOND,
)
from experiments.sessions.protocol import UNTRAINED, SessionTests
from experiments.sessions.washouts import LEFT, SAVED, in_trials
from experiments.sessions.weights import AGAIN, UPPER_BOUND, InWeights
from experiments.study import Quantity
from savings_gym.metrics.statistics import ratio_interval
from savings_gym.task.settings import N_TARGETS

Numbers = Mapping[str, Mapping[str, Quantity]]
SAVED_MAIN: Final = (SAVED_FIRST, SAVED_EARLY)
NOBODY: Final = "no kind of network is shown to adapt"


def answer(numbers: Numbers, weights: InWeights | None, config: SessionTests) -> str:
    """Return what the tests say, as Markdown: of all networks that adapt in activity, and in weights.

    An effect is found if its corrected test finds it positive. If it is not, the text says what the interval
    excludes.

    Args:
        numbers: Measures by what the networks were trained in.
        weights: What `weights.learned_in_weights` returned.
        config: The arguments.
    """
    adapting = {regime: its for regime, its in numbers.items() if sign(its[ADAPTED]) > 0}
    points = [_adaptation(numbers, adapting, config), *_resistance(numbers, adapting, config)]
    points.append(_savings(adapting, config))
    if adapting:
        points.append(_interference(adapting, config))
    if adapting and config.washouts:
        points.append(_shorter(adapting, config))
    points += [_shift(numbers, config), _shift_after(adapting, config)]
    if weights is not None:
        points.append(_shift_in_weights(weights))
    bullets = "\n".join(f"- {point}" for point in points)
    return f"{_verdict(numbers, adapting, weights, config)}\n\n{bullets}"


def _verdict(numbers: Numbers, adapting: Numbers, weights: InWeights | None, config: SessionTests) -> str:
    """Where each of the three effects is found, and savings with the washout after which they were tested."""
    savings = [_saved_in_activity(adapting, config)]
    left = _where(
        _any(adapting, (SHIFT_BEYOND,)), None if weights is None else sign(weights.measures[SHIFT_BEYOND]) > 0
    )
    if weights is not None and sign(weights.measures[SHIFT_BEYOND]) > 0:
        left += ", where it is an upper bound" if left.endswith("only") else ", in weights as an upper bound"
    if weights is not None:
        savings.append(_saved_in_weights(weights))
    savings.sort(reverse=True)  # what is found comes first
    where = ", ".join(text for _, text in savings)
    return (
        f"**Savings after the washout: {where}. A preparatory shift in FF1: "
        f"{_tested_shift(numbers, adapting, weights, config)}. "
        f"A shift that outlasts the washout: {left}.**"
    )


def _saved_in_activity(adapting: Numbers, config: SessionTests) -> tuple[bool, str]:
    found = _any(adapting, SAVED_MAIN)
    if not adapting:
        return False, "not found in networks with fixed weights, none of which is shown to adapt"
    excluded = "" if found else f"no more than {_excluded(adapting, SAVED_MAIN)}; "
    return found, (
        f"{_finding(found)} in networks that learn in their activity ({excluded}washout of "
        f"{config.nf2_trials} trials)"
    )


def _saved_in_weights(weights: InWeights) -> tuple[bool, str]:
    saved = weights.measures[SAVED_FIRST]
    updates = grouped(weights.washout)
    return sign(saved) > 0, (
        f"{_finding(sign(saved) > 0)} in networks that learn in their weights ({_number(saved)}; washout of "
        f"{updates} updates of {N_TARGETS} reaches)"
    )


def _tested_shift(
    numbers: Numbers, adapting: Numbers, weights: InWeights | None, config: SessionTests
) -> str:
    """Whether there is a shift in FF1, with what was tested: its length, or in weights its return in FF2."""
    which, found = "in activity", _any(numbers, (LENGTH,))
    if found and not _any(adapting, (LENGTH,)):
        which += ", but not of networks that are shown to adapt"
    elif found and all(config.taught(regime) for regime, its in numbers.items() if sign(its[LENGTH]) > 0):
        which += " of networks that were taught to report the field, and of no others"
    in_activity = f"{_finding(found)} {which} (t test of its length)"
    if weights is None:
        return in_activity
    again = weights.measures[AGAIN]
    test = "t test" if again.p_holm is not None else "t test, not corrected"
    returns = "returns" if effect(again) > 0 else "is not shown to return"
    return (
        f"{in_activity}; in weights, its length has no test, but the shift {returns} in FF2 "
        f"({_number(again)}, where 1 is all of it; {test})"
    )


def _where(in_activity: bool, in_weights: bool | None) -> str:
    """Where an effect is found; None if learning in weights is not known."""
    if in_weights is None:
        return f"{_finding(in_activity)} in activity"
    if in_activity == in_weights:
        return "found in both" if in_activity else "found in neither"
    return f"found in {'activity' if in_activity else 'weights'} only"


def _finding(found: bool) -> str:
    return "found" if found else "not found"


def _any(numbers: Numbers, names: Sequence[str]) -> bool:
    return any(sign(its[name]) > 0 for its in numbers.values() for name in names)


def _adaptation(numbers: Numbers, adapting: Numbers, config: SessionTests) -> str:
    """Which networks adapt, and which share of their first deviation they remove."""
    text = "Adaptation in activity: "
    if not adapting:
        most = _excluded(numbers, (ADAPTED,))
        return f"{text}{NOBODY}{f'; the intervals exclude more than {most}' if most else ''}."
    parts: list[str] = []
    for regime, its in adapting.items():
        share, interval = _share(its[ADAPTED], its[FIRST])
        what = " of its first deviation" if not parts else ""
        parts.append(
            f"*{config.name(regime)}* removes {format_value(share, interval, '%')}{what} "
            f"({its[ADAPTED].value:.3g} of {_number(its[FIRST], False)})"
        )
    others = [regime for regime in numbers if regime not in adapting]
    text += f"{', '.join(parts)}."
    return f"{text} Not found in {_of(others, config)}." if others else text


def _share(part: Quantity, whole: Quantity) -> tuple[float, tuple[float | None, float | None]]:
    """Ratio of two means over the same networks, with its interval (Fieller) [%]."""
    low, high = ratio_interval(part.values, whole.values)
    ratio = sum(part.values) / sum(whole.values)
    return 100.0 * ratio, (finite_or_none(100.0 * low), finite_or_none(100.0 * high))


def _resistance(numbers: Numbers, adapting: Numbers, config: SessionTests) -> list[str]:
    """Networks that were trained, do not adapt, and still deviate less than untrained ones.

    The two kinds are told apart if their 95 % intervals do not overlap, which asks for more than a test of
    the difference at 5 % does and adds none to the tests that are corrected together. An after-effect counts
    as absent if its interval holds 0.
    """
    if UNTRAINED not in numbers:
        return []
    untrained, points = numbers[UNTRAINED][FIRST], []
    for regime, its in numbers.items():
        high, low = its[FIRST].ci[1], untrained.ci[0]
        if regime in adapting or regime == UNTRAINED or high is None or low is None or high >= low:
            continue
        text = (
            f"Resistance without adaptation: *{config.name(regime)}* deviates less from the first trial on "
            f"({_number(its[FIRST], False)}, {config.name(UNTRAINED)} {_number(untrained, False)}) but is "
            f"not shown to adapt ({_number(its[ADAPTED])})"
        )
        after = its[AFTER_EFFECT]
        start, end = after.ci
        if start is not None and end is not None and start <= 0.0 <= end:
            text += (
                f" and has no measurable after-effect ({_number(after)}): these networks resist the field "
                "rather than learn it"
            )
        points.append(f"{text}.")
    return points


def _savings(adapting: Numbers, config: SessionTests) -> str:
    text = f"Savings in activity after a washout of {config.nf2_trials} trials: "
    if not adapting:
        return f"{text}{NOBODY}, so there is nothing to save."
    found = [regime for regime, its in adapting.items() if _any({regime: its}, SAVED_MAIN)]
    text += f"found in {_of(found, config)}." if found else (
        "not found in any of the networks that adapt; the intervals exclude savings of more than "
        f"{_excluded(adapting, SAVED_MAIN)}, in the first trial of FF2 and in trials 2 to {EARLY}."
    )  # fmt: skip
    return f"{text} After as many trials of the opposite field: {_finding(_any(adapting, (DESPITE,)))}."


def _interference(adapting: Numbers, config: SessionTests) -> str:
    """Whether what was learned in one field is in the way of learning its opposite."""
    entries = {_of((regime,), config): its[INTERFERED] for regime, its in adapting.items()}
    shown = [f"{_number(entry)} in {name}" for name, entry in entries.items() if sign(entry) > 0]
    maybe = [f"{_number(entry)} in {name}" for name, entry in entries.items() if suggested(entry) > 0]
    text = f"Interference in activity, in trials 2 to {EARLY} of the opposite field right after FF1: "
    text += f"found, {' and '.join(shown)}" if shown else "not found"
    if maybe:
        text += f"; perhaps {' and '.join(maybe)}, {UNCORRECTED}"
    elif not shown:
        text += f"; the intervals exclude more than {_excluded(adapting, (INTERFERED,))}"
    return f"{text}."


def _shorter(adapting: Numbers, config: SessionTests) -> str:
    """Savings after shorter washouts, with the after-effect that is still there, and where they end."""
    parts, last = [], config.washouts[-1]
    for regime, its in adapting.items():
        found = [trials for trials in config.washouts if sign(its[f"{SAVED} {trials}"]) > 0]
        if found:
            left = its[f"{LEFT} {found[-1]}"]
            parts.append(
                f"in {_of((regime,), config)} after {in_trials(found)}, "
                f"in {'the last of ' * (len(found) > 1)}which the after-effect was still {_number(left)}"
            )
    text = "Savings in activity after shorter washouts: "
    text += f"found {', and '.join(parts)}." if parts else "not found."
    if not _any(adapting, (f"{SAVED} {last}",)):
        text += (
            f" After {in_trials((last,))}, not found; the intervals exclude savings of more than "
            f"{_excluded(adapting, (f'{SAVED} {last}',))}."
        )
    return text


def _shift(numbers: Numbers, config: SessionTests) -> str:
    found = {regime: its for regime, its in numbers.items() if sign(its[LENGTH]) > 0}
    lengths = " and ".join(f"{_number(its[LENGTH])} in {_of((r,), config)}" for r, its in found.items())
    text = "Preparatory shift in FF1, in activity: "
    text += f"found; its length, relative to activity in NF1, is {lengths}." if found else "not found."
    read = {regime: its for regime, its in numbers.items() if sign(its[READ]) > 0}
    if read:
        shares = ", ".join(
            f"{100.0 * (CHANCE + (its[READ].value or 0.0)):.0f} % of trials of {_of((regime,), config)}"
            for regime, its in read.items()
        )
        text += f" A read-out of activity before go tells the side of the field in {shares}."
    return text


def _shift_after(adapting: Numbers, config: SessionTests) -> str:
    text = "Shift left after the washout, in activity: "
    if not adapting:
        return f"{text}{NOBODY}."
    found = [regime for regime, its in adapting.items() if sign(its[SHIFT_BEYOND]) > 0]
    if found:
        return f"{text}found in {_of(found, config)}."
    return (
        f"{text}not found in any of the networks that adapt; beyond the sham, the intervals exclude more "
        f"than {_excluded(adapting, (SHIFT_BEYOND,))} of it."
    )


def _shift_in_weights(weights: InWeights) -> str:
    length, again, left = (weights.measures[name] for name in (LENGTH, AGAIN, SHIFT_BEYOND))
    return (
        f"Preparatory shift in weights: its length is {_number(length)} of activity in NF1, and "
        f"{_number(again)} of it is there again in FF2. What is left of it after the washout, beyond the "
        f"sham, is {_number(left)} ({_finding(sign(left) > 0)}), {UPPER_BOUND}."
    )


def _number(entry: Quantity, interval: bool = True) -> str:
    """A value with its unit, and with its interval if that is asked for."""
    return format_value(entry.value, entry.ci if interval else (None, None), entry.unit)


def _of(regimes: Iterable[str], config: SessionTests) -> str:
    return " and ".join(f"*{config.name(regime)}*" for regime in regimes)


def _excluded(numbers: Numbers, names: Sequence[str]) -> str:
    """The largest upper end of intervals, rounded up to one digit, with its unit; empty if all lack it."""
    entries = [its[name] for its in numbers.values() for name in names]
    ends = [high for entry in entries if (high := entry.ci[1]) is not None]
    if not ends:
        return ""
    highest = max(ends)
    unit = "" if entries[0].unit == "1" else f" {entries[0].unit}"
    if highest <= 0.0:
        return f"0{unit}"
    digit = 10.0 ** math.floor(math.log10(highest))
    return f"{math.ceil(highest / digit) * digit:.1g}{unit}"
