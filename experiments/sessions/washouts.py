"""How long a washout a memory in activity outlasts: savings after washouts of a few trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from experiments.claims import cell
from experiments.drawing import style as look
from experiments.runs.tables import markdown_table
from experiments.sessions.config import sham_of, washout_test
from experiments.sessions.measures import Curves
from experiments.study import Quantity
from savings_gym.arrays import MM, Floats

FIGURE: Final = "washouts.png"
COLOURS: Final = (look.QUIET, look.OURS, look.SECOND, look.THIRD)
LEFT, SAVED = "after-effect left after a washout of", "savings beyond the sham after a washout of"


def washout_measures(washouts: Sequence[int]) -> tuple[str, ...]:
    """Return the names of the measures: of what is left, and, with a test, of savings."""
    return tuple(f"{what} {trials}" for trials in washouts for what in (LEFT, SAVED))


def washout_claims(washouts: Sequence[int]) -> tuple[str, ...]:
    """Return the names of those with a test."""
    return tuple(f"{SAVED} {trials}" for trials in washouts)


def washout_values(found: Mapping[str, Curves], washouts: Sequence[int]) -> dict[str, Floats]:
    """Return one value per network for each of `washout_measures`, beyond the sham [m].

    What is left is the deviation in the last trial of the washout, to the side opposite to that of the field.

    Args:
        found: Curves by kind of test.
        washouts: Numbers of trials.
    """
    values = {}
    for trials in washouts:
        kind = washout_test(trials)
        main, sham = found[kind].deviation, found[sham_of(kind)].deviation
        values[f"{LEFT} {trials}"] = sham["NF2"][:, -1] - main["NF2"][:, -1]
        values[f"{SAVED} {trials}"] = sham["FF2"][:, 0] - main["FF2"][:, 0]
    return values


def washout_section(
    numbers: Mapping[str, Mapping[str, Quantity]], words: Mapping[str, str], washouts: Sequence[int]
) -> str:
    """Return the section of the page as Markdown; none without washouts.

    Args:
        numbers: Measures by what the networks were trained in.
        words: For what they were trained in.
        washouts: Numbers of trials.
    """
    if not washouts:
        return ""
    names = washout_measures(washouts)
    rows = [(name, *(cell(found[name]) for found in numbers.values())) for name in names]
    table = markdown_table(("measure", *(words[regime] for regime in numbers)), rows)
    return f"""
## Shorter washouts

The same sessions with a washout of {_listed(washouts)}, beyond their shams: the after-effect that is
left in its last trial, and how much closer to the line the first trial of FF2 is. As long as an after-effect
is left, so is what was learnt in FF1, and a better first trial need not be more than that.

![Savings and after-effects left, by the length of the washout]({FIGURE})

{table}
"""


def _listed(washouts: Sequence[int]) -> str:
    *first, last = (str(trials) for trials in washouts)
    ending = "trial" if last == "1" else "trials"
    return f"{', '.join(first)} and {last} {ending}" if first else f"{last} {ending}"


def draw_washouts(
    values: Mapping[str, Mapping[str, Floats]],
    headings: Mapping[str, str],
    washouts: Sequence[int],
    out: Path,
) -> Path:
    """Draw savings, and the after-effect that is left, over the length of the washout."""
    with look.house_style():
        figure = look.new_figure(2.4)
        panels = figure.subplots(1, 2, sharex=True)
        x = np.array(washouts, dtype=np.float64)
        for axes, what, label in zip(
            panels, (LEFT, SAVED), ("After-effect left (mm)", "Savings (mm)"), strict=True
        ):
            axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
            for (regime, its), colour in zip(values.items(), COLOURS, strict=False):
                series = MM * np.stack([its[f"{what} {trials}"] for trials in washouts], axis=1)
                look.draw_band(axes, x, series, colour, headings[regime])
            axes.set(xscale="log", xticks=x, xticklabels=[str(trials) for trials in washouts], ylabel=label)
            axes.minorticks_off()
            axes.set_xlabel("Trials of the washout")
        panels[1].legend(loc="upper right")
        look.letter_panels(panels)
        return look.save_picture(figure, out / FIGURE)
