"""Whether networks differ in the direction in which people do: a table that follows from tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from experiments.claims import NO, NOT_CONTRADICTED, OPEN, YES, absent, cell, positive
from experiments.protocols.generalisation import NEIGHBOUR, SECOND_PEAK, at_angle
from experiments.protocols.measures import (
    AFTER,
    AT_FIRST,
    FALLING,
    GAINED,
    GRADUAL_AFTER,
    LEARNED,
    LOST,
    MORE_KEPT,
    ONE_TARGET,
    RISE,
    than,
)
from experiments.protocols.reading import confounded, direction, returns
from experiments.runs.tables import MISSING, markdown_table
from experiments.study import Quantity

Numbers = Mapping[str, Mapping[str, Quantity]]
UNTESTED: Final = "not tested here"
UNDECIDED: Final = "cannot tell: B left some networks away from zero"
DEPENDS: Final = "open: in people it depends on the measure"
MORE_REACHES: Final = "open: a target that is learned alone gets eight times the reaches"
HEADINGS: Final = ("protocol", "in people", "networks", "same direction?")
Judge = Callable[[Sequence[int]], str]  # from the directions of all measures


def not_positive(directions: Sequence[int]) -> str:
    """Judge a finding that nothing is larger."""
    return NO if 1 in directions else YES if all(directions) else NOT_CONTRADICTED


@dataclass(frozen=True)
class Finding:
    """What was found in people, and what would show the same in networks.

    Attributes:
        people: In short; the text of the protocol in `published` has the source.
        measures: Of the networks.
        judge: What their tests say, or a fixed verdict if no test can tell.
    """

    people: str
    measures: tuple[str, ...] = ()
    judge: Judge | str = positive


SINGLE: Final = Finding("a smaller share of a larger error is learned (Marko et al. 2012)", (FALLING,))
FINDINGS: Final[Mapping[str, Mapping[str, Finding]]] = {
    "curl": {
        "abrupt": Finding(
            "reaches come to be straight, and err to the other side when A ends (Shadmehr & Mussa-Ivaldi "
            "1994)", (LEARNED, AFTER),
        ),
        "gradual": Finding(
            "more of the after-effect transfers to reaches without the robot (Kluzik et al. 2008)",
            judge=UNTESTED,
        ),
        "interference": Finding(
            "A does not consolidate if B follows at once, as a test a day later shows (Brashers-Krug et al. "
            "1996)", (than(GAINED, AT_FIRST),), not_positive,
        ),
        "spontaneous-recovery": Finding("adaptation comes back in the clamp (Smith et al. 2006)", (RISE,)),
        "error-clamps": Finding(
            "adaptation persists longer through clamps than through a washout (Scheidt et al. 2000)",
            (MORE_KEPT,),
        ),
        "single-trials": SINGLE,
        "generalisation": Finding(
            "two peaks over directions, or hardly a second one (Donchin et al. 2003)", (SECOND_PEAK,),
            DEPENDS,
        ),
    },
    "rotation": {
        "abrupt": Finding(
            "one target is learned faster and more completely than several (Krakauer et al. 2000)",
            (ONE_TARGET,), MORE_REACHES,
        ),
        "gradual": Finding(
            "the after-effect is larger than after a rotation at once (Kagerer et al. 1997)", (GRADUAL_AFTER,)
        ),
        "interference": Finding(
            "A is not relearned faster a day later if B came 5 minutes after it (Krakauer et al. 2005)",
            (than(GAINED, AT_FIRST),), not_positive,
        ),
        "spontaneous-recovery": Finding(
            "adaptation comes back in the clamp, after force fields (Smith et al. 2006) and in saccades "
            "(Ethier et al. 2008)", (RISE,),
        ),
        "error-clamps": Finding("what was learned fades in clamps (Kitago et al. 2013)", (LOST,)),
        "single-trials": SINGLE,
        "generalisation": Finding(
            "no generalisation to other directions (Krakauer et al. 2000)",
            (at_angle(NEIGHBOUR), at_angle(-NEIGHBOUR)), absent,
        ),
    },
}  # fmt: skip


def beside_people(numbers: Numbers, perturbation: str) -> str:
    """Return the table of findings in people with the verdicts of the networks' tests, as Markdown.

    Args:
        numbers: What `measures.quantities` returned.
        perturbation: Name of A.
    """
    rows = []
    for course, found in numbers.items():
        its = FINDINGS[perturbation][course]
        networks = [f"{name}: {cell(found[name])}" for name in its.measures if name in found]
        title = course.replace("-", " ").capitalize()
        rows.append([title, its.people, "; ".join(networks) or MISSING, verdict(course, found, its)])
    return markdown_table(HEADINGS, rows)


def verdict(course: str, found: Mapping[str, Quantity], finding: Finding) -> str:
    """Return whether networks differ in the direction of a finding in people."""
    if isinstance(finding.judge, str):
        return finding.judge
    if not set(finding.measures) <= set(found):
        return UNTESTED
    if course == "spontaneous-recovery":
        return UNDECIDED if confounded(found) else YES if returns(found) else OPEN
    return finding.judge([direction(found, name) for name in finding.measures])
