"""The answer of the sessions experiment, from its tests: where savings and the preparatory shift appear."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from experiments.figures.findings import effect, p_text
from experiments.runs.tables import format_value
from experiments.sessions.config import Sessions
from experiments.sessions.measures import (
    ADAPTED,
    CHANCE,
    DESPITE,
    EARLY,
    LENGTH,
    READ,
    SAVED_EARLY,
    SAVED_FIRST,
    SHIFT_BEYOND,
)
from experiments.sessions.washouts import LEFT, SAVED, listed
from experiments.sessions.weights import AGAIN
from experiments.study import Quantity

Numbers = Mapping[str, Mapping[str, Quantity]]
SAVED_MAIN: Final = (SAVED_FIRST, SAVED_EARLY)
NOBODY: Final = "no kind of network adapts"


def answer(numbers: Numbers, weights: Mapping[str, Quantity], config: Sessions) -> str:
    """Return what the tests say, as Markdown: of all networks that adapt in activity, and in weights.

    An effect is shown if its corrected test finds it positive. If it is not, the text says what the interval
    excludes.

    Args:
        numbers: Measures by what the networks were trained in.
        weights: What `weights.learned_in_weights` returned.
        config: The arguments.
    """
    adapting = {regime: its for regime, its in numbers.items() if effect(its[ADAPTED]) > 0}
    points = [_adaptation(numbers, adapting, config), _savings(adapting, config)]
    if adapting and config.washouts:
        points.append(_shorter(adapting, config))
    points += [_shift(numbers, config), _shift_after(adapting, config)]
    if weights:
        points.insert(-2, _savings_in_weights(weights))
        points += [_shift_in_weights(weights)]
    bullets = "\n".join(f"- {point}" for point in points)
    return f"{_verdict(adapting, weights, config)}\n\n{bullets}"


def _verdict(adapting: Numbers, weights: Mapping[str, Quantity], config: Sessions) -> str:
    """Where each of the three effects is shown."""
    effects = {
        f"Savings after a washout of {config.nf2_trials} trials": (SAVED_MAIN, SAVED_FIRST),
        "the preparatory shift in FF1": ((LENGTH,), AGAIN),
        "a shift that is left after the washout": ((SHIFT_BEYOND,), SHIFT_BEYOND),
    }
    parts = [
        f"{words}: {_where(_any(adapting, names), effect(weights[other]) > 0 if weights else None)}"
        for words, (names, other) in effects.items()
    ]
    return f"**{'; '.join(parts)}.**"


def _where(in_activity: bool, in_weights: bool | None) -> str:
    """Where an effect is shown; None if learning in weights is not known."""
    if in_weights is None:
        return "shown in activity" if in_activity else "not shown in activity"
    if in_activity:
        return "shown in activity and in weights" if in_weights else "shown in activity, not in weights"
    return "shown in weights, not in activity" if in_weights else "shown in neither"


def _any(numbers: Numbers, names: Sequence[str]) -> bool:
    return any(effect(its[name]) > 0 for its in numbers.values() for name in names)


def _adaptation(numbers: Numbers, adapting: Numbers, config: Sessions) -> str:
    others = [regime for regime in numbers if regime not in adapting]
    text = "Adaptation in activity: "
    text += f"shown in {_each(adapting, ADAPTED, config)}." if adapting else f"{NOBODY}."
    return text if not others else f"{text} Not shown in {_of(others, config)}."


def _savings(adapting: Numbers, config: Sessions) -> str:
    text = f"Savings in activity after a washout of {config.nf2_trials} trials: "
    if not adapting:
        return f"{text}{NOBODY}, so there is nothing to save."
    shown = [regime for regime, its in adapting.items() if _any({regime: its}, SAVED_MAIN)]
    text += f"shown in {_of(shown, config)}." if shown else (
        "not shown in any networks that adapt; the intervals exclude savings of more than "
        f"{_excluded(adapting, SAVED_MAIN)}, in the first trial of FF2 and in trials 2 to {EARLY}."
    )  # fmt: skip
    opposite = _any(adapting, (DESPITE,))
    return f"{text} After as many trials of the opposite field: {'shown' if opposite else 'not shown'}."


def _shorter(adapting: Numbers, config: Sessions) -> str:
    """Savings after shorter washouts, with what is left of the after-effect, and where they end."""
    parts, last = [], config.washouts[-1]
    for regime, its in adapting.items():
        shown = [trials for trials in config.washouts if effect(its[f"{SAVED} {trials}"]) > 0]
        if shown:
            left = its[f"{LEFT} {shown[-1]}"]
            parts.append(
                f"in {_of((regime,), config)} after {listed(shown)}, where "
                f"{format_value(left.value, left.ci, left.unit)} of the after-effect is left"
            )
    text = "Savings in activity after shorter washouts: "
    text += f"shown {', and '.join(parts)}." if parts else "not shown."
    if not _any(adapting, (f"{SAVED} {last}",)):
        text += (
            f" After {listed((last,))}, not shown; the intervals exclude savings of more than "
            f"{_excluded(adapting, (f'{SAVED} {last}',))}."
        )
    return text


def _shift(numbers: Numbers, config: Sessions) -> str:
    shown = {regime: its for regime, its in numbers.items() if effect(its[LENGTH]) > 0}
    text = "Preparatory shift in FF1, in activity: "
    text += (
        f"shown in {_each(shown, LENGTH, config)}; in brackets its length relative to activity in NF1."
        if shown
        else "not shown."
    )
    read = {regime: its for regime, its in numbers.items() if effect(its[READ]) > 0}
    if read:
        shares = ", ".join(
            f"{100.0 * (CHANCE + (its[READ].value or 0.0)):.0f} % of trials of {_of((regime,), config)}"
            for regime, its in read.items()
        )
        text += f" Activity before go tells the side of the field in {shares}."
    return text


def _shift_after(adapting: Numbers, config: Sessions) -> str:
    text = "Shift left after the washout, in activity: "
    if not adapting:
        return f"{text}{NOBODY}."
    shown = [regime for regime, its in adapting.items() if effect(its[SHIFT_BEYOND]) > 0]
    if shown:
        return f"{text}shown in {_of(shown, config)}."
    return (
        f"{text}not shown in any networks that adapt; beyond the sham, the intervals exclude more than "
        f"{_excluded(adapting, (SHIFT_BEYOND,))} of it."
    )


def _savings_in_weights(weights: Mapping[str, Quantity]) -> str:
    saved = weights[SAVED_FIRST]
    return f"Savings in weights, beyond the sham: {_tested(saved)}, {saved.networks} networks."


def _shift_in_weights(weights: Mapping[str, Quantity]) -> str:
    length, again, left = (weights[name] for name in (LENGTH, AGAIN, SHIFT_BEYOND))
    return (
        f"Preparatory shift in weights: its length is {format_value(length.value, length.ci)} of activity in "
        f"NF1, and in FF2 {format_value(again.value, again.ci)} of it is there again ({p_text(again)}). Left "
        f"after the washout, beyond the sham: {_tested(left)}{_caveat(left)}."
    )


def _tested(entry: Quantity) -> str:
    shown = "shown" if effect(entry) > 0 else "not shown"
    return f"{shown}, {format_value(entry.value, entry.ci, entry.unit)} ({p_text(entry)})"


def _caveat(entry: Quantity) -> str:
    """The part of a note that is no statistic."""
    notes = [note for note in entry.note.split("; ") if note and not note.startswith("t(")]
    return f", {'; '.join(notes)}" if notes else ""


def _each(numbers: Numbers, name: str, config: Sessions) -> str:
    """Networks of every kind with their value of a measure."""
    return " and ".join(
        f"*{config.name(regime)}* ({format_value(its[name].value, its[name].ci, its[name].unit)})"
        for regime, its in numbers.items()
    )


def _of(regimes: Iterable[str], config: Sessions) -> str:
    return " and ".join(f"*{config.name(regime)}*" for regime in regimes)


def _excluded(numbers: Numbers, names: Sequence[str]) -> str:
    """The largest upper end of intervals, rounded up to one digit, with its unit."""
    entries = [its[name] for its in numbers.values() for name in names]
    highest = max(high for entry in entries if (high := entry.ci[1]) is not None)
    unit = "" if entries[0].unit == "1" else f" {entries[0].unit}"
    if highest <= 0.0:
        return f"0{unit}"
    digit = 10.0 ** math.floor(math.log10(highest))
    return f"{math.ceil(highest / digit) * digit:.1g}{unit}"
