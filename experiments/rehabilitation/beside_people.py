"""What was found in people after a stroke beside what the networks show: directions, not sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from experiments.claims import cell, sign
from experiments.rehabilitation.config import Rehabilitation
from experiments.rehabilitation.in_short import Found
from experiments.rehabilitation.measures import LEFT, after
from experiments.rehabilitation.therapy import ASSISTED, AUGMENTED, DOUBLE, SPACED
from experiments.runs.tables import markdown_table

OPEN: Final = None


@dataclass(frozen=True)
class Published:
    """A finding in people.

    Attributes:
        text: The finding, with its source.
        effect: Of the error that is left, relative to the same dose of plain practice: -1 less, 0 no
            difference shown, `OPEN` if studies disagree.
    """

    text: str
    effect: int | None


REVIEW: Final = "a review of 13 studies, Liu, Li & Lamontagne 2018, doi 10.1186/s12984-018-0408-5"
PUBLISHED: Final = {
    DOUBLE: Published(
        "no evidence that more repetitions help (85 people, 3 200 to 9 600 repetitions; Lang et al. 2016, "
        "doi 10.1002/ana.24734)",
        0,
    ),
    SPACED: Published(
        "spaced mental practice helps more (27 people; Page et al. 2016, doi 10.1007/s00221-016-4686-5); "
        "with spaced physical practice no difference is shown (32 people; Kate et al. 2024, doi "
        "10.25259/JNRP_416_2023)",
        OPEN,
    ),
    ASSISTED: Published(f"robots that reduce errors are no better than plain repetition ({REVIEW})", 0),
    AUGMENTED: Published(
        "robots that make errors larger are better than plain repetition, by moderate evidence and with "
        "modest effects (the same review)",
        -1,
    ),
}


def beside_people(found: Found, config: Rehabilitation) -> str:
    """Return a section with a table, as Markdown; nothing if no course has a counterpart.

    Args:
        found: Courses compared with practice at once, see `experiments.rehabilitation.measures`.
        config: The arguments.
    """
    rows = [
        (
            f"*{therapy}*", PUBLISHED[therapy].text, cell(found[after(LEFT, therapy)]),
            same_direction(PUBLISHED[therapy].effect, sign(found[after(LEFT, therapy)])),
        )
        for therapy in config.therapies
        if therapy in PUBLISHED
    ]  # fmt: skip
    if not rows:
        return ""
    headings = ("course", "in people after a stroke", "error of the networks at the end", "same direction?")
    return f"""## Beside people

Compared with the same dose of plain practice (*double*: with half of it). Clinical scores and an error in mm
have no common scale, so only directions are compared; the networks' are those that the tests above show.

{markdown_table(headings, rows)}"""


def same_direction(people: int | None, networks: int) -> str:
    """Return whether networks differ from practice at once as people do.

    Args:
        people: As in `Published.effect`.
        networks: -1, 0 or 1, see `experiments.claims.sign`.
    """
    if people is OPEN:
        return "open: studies disagree"
    if people == 0 and networks == 0:
        return "no difference shown in either"
    if people == 0:
        return "no: a difference in networks only"
    if networks == 0:
        return "no difference shown in networks"
    return "yes" if people == networks else "no: the opposite"
