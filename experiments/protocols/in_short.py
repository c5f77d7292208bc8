"""The sentences at the top of the page: one for every question that a run can answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from experiments.claims import number, size_of
from experiments.protocols.config import Protocols
from experiments.protocols.generalisation import NEIGHBOUR, at_angle, signed
from experiments.protocols.measures import (
    AFTER,
    AT_FIRST,
    GAINED,
    GRADUAL_AFTER,
    GRADUAL_LEARNED,
    KEPT,
    LEARNED,
    MORE_KEPT,
    RISE,
    WASHED,
    than,
)
from experiments.protocols.reading import (
    Found,
    confounded,
    direction,
    generalised,
    left_by_b,
    mean_of,
    relearning,
    returns,
    sensitivity,
)
from experiments.runs.tables import capitalised, listed
from experiments.study import Quantity


def in_short(numbers: Mapping[str, Mapping[str, Quantity]], config: Protocols) -> str:
    """Return up to five sentences with the main numbers; what they say follows from the corrected tests.

    Args:
        numbers: What `measures.quantities` returned.
        config: The arguments.
    """
    clause = {course: CLAUSES[course](found, config) for course, found in numbers.items() if found}
    sentences = ["; ".join(clause[name] for name in names if clause.get(name)) for names in SENTENCES]
    return " ".join(f"{capitalised(text)}." for text in sentences if text)


def _learned(found: Found, config: Protocols) -> str:
    learned, after = number(found[LEARNED]), number(found[AFTER])
    if direction(found, LEARNED) <= 0:
        return f"networks are not shown to learn A in {config.adaptation} updates ({learned} of A)"
    text = f"in {config.adaptation} updates networks make up for {learned} of A"
    if direction(found, AFTER) <= 0:
        return f"{text}; an after-effect is not shown ({after})"
    return f"{text}, with an after-effect of {after}"


def _gradually(found: Found, config: Protocols) -> str:
    if GRADUAL_LEARNED not in found:
        return ""
    learned, after = found[GRADUAL_LEARNED], found[GRADUAL_AFTER]
    how_much = {
        -1: f"they learn {size_of(learned)} of A less",
        0: f"they are not shown to learn more or less ({number(learned)} of A)",
        1: f"they learn {size_of(learned)} of A more",
    }[direction(found, GRADUAL_LEARNED)]
    effect = {
        -1: f"the after-effect is {size_of(after)} smaller",
        0: f"the after-effect is not shown to differ ({number(after)})",
        1: f"the after-effect is {size_of(after)} larger",
    }[direction(found, GRADUAL_AFTER)]
    return f"if A grows gradually, {how_much}, and {effect}"


def _relearned(found: Found, config: Protocols) -> str:
    return relearning(found, config) if than(GAINED, AT_FIRST) in found else ""


def _generalised(found: Found, config: Protocols) -> str:
    beside = [f"{mean_of(found[at_angle(angle)])} at {signed(angle)}" for angle in (NEIGHBOUR, -NEIGHBOUR)]
    return f"{generalised(found, config)}; compensation is {listed(beside)} degrees from that target"


def _kept(found: Found, config: Protocols) -> str:
    if MORE_KEPT not in found:
        return ""
    shares = f"{mean_of(found[KEPT])} through {config.washout} updates in a clamp"
    washed = f"{mean_of(found[WASHED])} through a washout of the same length"
    return {
        -1: f"of what they learned, networks keep less in an error clamp: {shares}, {washed}",
        0: f"networks are not shown to keep more in an error clamp than in a washout: {shares}, {washed}",
        1: f"of what they learned, networks keep {shares}, but only {washed}",
    }[direction(found, MORE_KEPT)]


def _recovered(found: Found, config: Protocols) -> str:
    if returns(found):
        text = f"after A and B, compensation rises again by {number(found[RISE])} of A in a clamp"
        return f"{text}, but decay is not ruled out" if confounded(found) else text
    text = f"spontaneous recovery is not shown ({number(found[RISE])} of A)"
    low, high = left_by_b(found)
    return f"{text}, but B left between {low:.0f} and {high:.0f} %" if confounded(found) else text


CLAUSES: Final[Mapping[str, Callable[[Found, Protocols], str]]] = {
    "abrupt": _learned,
    "gradual": _gradually,
    "interference": _relearned,
    "error-clamps": _kept,
    "spontaneous-recovery": _recovered,
    "single-trials": sensitivity,
    "generalisation": _generalised,
}
SENTENCES: Final = (
    ("abrupt", "gradual"), ("interference",), ("error-clamps", "spontaneous-recovery"), ("single-trials",),
    ("generalisation",),
)  # fmt: skip
