"""How long a washout a memory in activity outlasts: savings after washouts of a few trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from experiments.claims import cell
from experiments.runs.tables import markdown_table
from experiments.sessions.measures import Curves
from experiments.sessions.protocol import sham_of, washout_test
from experiments.study import Quantity
from savings_gym.arrays import Floats

LEFT, SAVED = (
    "after-effect in the last trial of a washout of", "savings beyond the sham after a washout of",
)  # fmt: skip


def washout_measures(washouts: Sequence[int]) -> tuple[str, ...]:
    """Return the names of the measures: of what is left, and, with a test, of savings."""
    return tuple(f"{what} {trials}" for trials in washouts for what in (LEFT, SAVED))


def washout_claims(washouts: Sequence[int]) -> tuple[str, ...]:
    """Return the names of those with a test."""
    return tuple(f"{SAVED} {trials}" for trials in washouts)


def after_washout(found: Mapping[str, Curves], kind: str) -> tuple[Floats, Floats]:
    """Return the after-effect at the end of a washout, and savings after it, (n,) each, beyond the sham [m].

    The after-effect is the deviation in the last trial of the washout, negative to the side opposite to that
    of the field. Savings are how much closer to the line the first trial of FF2 is than in the sham.

    Args:
        found: Curves by kind of test.
        kind: The test, with a sham.
    """
    main, sham = found[kind].deviation, found[sham_of(kind)].deviation
    return main["NF2"][:, -1] - sham["NF2"][:, -1], sham["FF2"][:, 0] - main["FF2"][:, 0]


def washout_values(found: Mapping[str, Curves], washouts: Sequence[int]) -> dict[str, Floats]:
    """Return one value per network for each of `washout_measures`, see `after_washout`.

    Args:
        found: Curves by kind of test.
        washouts: Numbers of trials.
    """
    values: dict[str, Floats] = {}
    for trials in washouts:
        left, saved = after_washout(found, washout_test(trials))
        values |= {f"{LEFT} {trials}": left, f"{SAVED} {trials}": saved}
    return values


def washout_section(
    numbers: Mapping[str, Mapping[str, Quantity]], networks: Mapping[str, str], washouts: Sequence[int]
) -> str:
    """Return the section of the page as Markdown; none without washouts.

    Args:
        numbers: Measures by what the networks were trained in.
        networks: What they are called.
        washouts: Numbers of trials.
    """
    if not washouts:
        return ""
    names = washout_measures(washouts)
    rows = [(name, *(cell(found[name]) for found in numbers.values())) for name in names]
    table = markdown_table(("measure", *(networks[regime] for regime in numbers)), rows)
    return f"""
## Shorter washouts

The same sessions with a washout of {in_trials(washouts)}, up to the first trial of FF2. *After-effect in the
last trial*: deviation in it, less that of the sham; negative to the side opposite to that of the field. Less
is left after that trial. *Savings*: as above, in the first trial of FF2. While an after-effect is left, so
is part of what was learned in FF1, and a better first trial may be no more than that.

{table}
"""


def in_trials(washouts: Sequence[int]) -> str:
    """Return numbers of trials in words, such as "1, 2 and 4 trials"."""
    *first, last = (str(trials) for trials in washouts)
    ending = "trial" if last == "1" else "trials"
    return f"{', '.join(first)} and {last} {ending}" if first else f"{last} {ending}"
