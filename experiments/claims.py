"""Claims of a table of measures: how an entry is shown, and what corrected tests allow to state.

An effect is stated if its corrected test shows it. If only its interval, which is not corrected, excludes 0,
it is stated as a possibility, followed by `UNCORRECTED`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from experiments.runs.tables import format_value
from experiments.study import LEVEL, Quantity
from savings_gym.arrays import Floats
from savings_gym.metrics.statistics import holm

UNCORRECTED: Final = "though that does not survive the correction"  # ends a sentence with "may"
YES, NO, OPEN = "yes", "no", "not shown"  # whether an effect has the same direction as in people
NOT_CONTRADICTED: Final = "not contradicted"


def is_shown(entry: Quantity) -> bool:
    """Return whether a corrected test tells an entry from 0."""
    return entry.value is not None and entry.p_holm is not None and entry.p_holm < LEVEL


def sign(entry: Quantity) -> int:
    """Return the sign of an effect if it is shown, 0 otherwise."""
    if entry.value is None or not is_shown(entry):
        return 0
    return 1 if entry.value > 0.0 else -1


def side_of_interval(entry: Quantity) -> int:
    """Return the side of 0 on which the interval, which is not corrected, lies; 0 if it includes 0."""
    low, high = entry.ci
    if low is None or high is None or low <= 0.0 <= high:
        return 0
    return 1 if low > 0.0 else -1


def suggested(entry: Quantity) -> int:
    """Return the sign of an effect that only its interval shows, not its corrected test; 0 otherwise."""
    return 0 if entry.p_holm is None or is_shown(entry) else side_of_interval(entry)


def size_of(entry: Quantity) -> str:
    """Return value and interval without the sign, for a text that states the direction in words."""
    its = opposite(entry) if entry.value is not None and entry.value < 0.0 else entry
    return format_value(its.value, its.ci, its.unit)


def opposite(entry: Quantity) -> Quantity:
    """Return a difference the other way round."""
    low, high = entry.ci
    return dataclasses.replace(
        entry,
        value=None if entry.value is None else -entry.value,
        ci=(None if high is None else -high, None if low is None else -low),
        values=tuple(-value for value in entry.values),
    )


def positive(directions: Sequence[int]) -> str:
    """Judge a finding in people that is the same if all measures are positive.

    Args:
        directions: What `sign` says of every measure.
    """
    return NO if -1 in directions else YES if all(directions) else OPEN


def absent(directions: Sequence[int]) -> str:
    """Judge a finding that nothing differs, which tests can contradict, but not show."""
    return NO if any(directions) else NOT_CONTRADICTED


def number(entry: Quantity, digits: int = 3) -> str:
    """Return value and interval, with the unit."""
    return format_value(entry.value, entry.ci, entry.unit, digits)


def cell(entry: Quantity) -> str:
    """Return value and interval, in bold if a corrected test tells it from 0."""
    text = number(entry)
    return f"**{text}**" if is_shown(entry) else text


def bold_means(family: str) -> str:
    """Return the sentence that stands above a table of cells.

    Args:
        family: The tests that are corrected together, as "all tests of this table".
    """
    return (
        f"Bold: differs from 0, with p < {LEVEL:g} in a t test after Holm's correction over {family}. "
        "Intervals are 95 % t intervals over networks, not corrected."
    )


def stated(found: Mapping[str, Quantity], claimed: Iterable[str]) -> str:
    """Return which of the claimed effects, which are positive, are shown, reversed, or not shown."""
    shown: list[str] = []
    opposite: list[str] = []
    open_: list[str] = []
    for name in claimed:
        entry = found[name]
        if entry.value is None or entry.p_holm is None or entry.p_holm >= LEVEL:
            open_.append(name)
        else:
            (shown if entry.value > 0.0 else opposite).append(name)
    words = {"Shown": shown, "Reversed": opposite, "Not shown": open_}
    return " ".join(f"{begins}: {'; '.join(names)}." for begins, names in words.items() if names)


def corrected(
    found: dict[str, dict[str, Quantity]], claimed: Iterable[str]
) -> dict[str, dict[str, Quantity]]:
    """Return the groups of measures with the p of all claimed tests that they have corrected (Holm)."""
    names = tuple(claimed)
    tests = {(group, name): its[name].p for group, its in found.items() for name in names if name in its}
    tested = {key: p for key, p in tests.items() if p is not None}
    result = {group: dict(its) for group, its in found.items()}
    for (group, name), p in zip(tested, holm(list(tested.values())), strict=True):
        result[group][name] = dataclasses.replace(result[group][name], p_holm=float(p))
    return result


def as_summary(
    numbers: Mapping[str, Mapping[str, Quantity]], values: Mapping[str, Mapping[str, Floats]]
) -> dict[str, Any]:
    """Return all measures of every group, and the values of its networks in SI units, JSON-able."""
    return {
        "measures": {
            group: {name: dataclasses.asdict(entry) for name, entry in found.items()}
            for group, found in numbers.items()
        },
        "networks": {
            group: {name: [float(f"{value:.6g}") for value in its] for name, its in found.items()}
            for group, found in values.items()
        },
    }
