"""When in the first reach of FF2 savings arise, and what comes with them: a plan, or an arm that resists.

A memory of the field helps in that field and hinders in its opposite as much, and shows in reaches without
a field. What helps in either field is half the sum of what is saved in both; what helps in the learned field
alone is half the difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.drawing import style as look
from experiments.figures.comparison import further_numbers
from experiments.figures.findings import Findings, correct, effect, p_text
from experiments.runs.tables import format_value, listed
from experiments.stored.first_reach import FirstReach, contraction_means, cue_seen, with_sham
from experiments.stored.runs import StoredRuns
from experiments.study import Quantity, quantity
from savings_gym.arrays import MM, PERCENT, Columns, Floats
from savings_gym.metrics.curves import shared_networks
from savings_gym.metrics.statistics import Sampling
from savings_gym.task.settings import CONTROL_STEP, PROBE_GO

SAVED, OPPOSITE, EITHER, ONLY, PLAN, BEYOND_PLAN = SIZES = (
    "saved in the learned field", "saved in the opposite field", "saved in either field",
    "saved in the learned field only", "further against the field in reaches without it",
    "saved in the learned field only, less what shows without a field",
)  # fmt: skip
PARTS: Final = (0.25, 0.5, 1.0)  # of the largest deviation, at which the saved share is measured
GROWS: Final = "saved share of the deviation, at its largest less at a quarter of that"
STIFF, YIELDS, BEFORE, DURING = RESISTING = (
    "stiffness of the moving hand", "yielding of the moving hand", "co-contraction before go",
    "co-contraction in the reach",
)  # fmt: skip
UNIT: Final = {STIFF: "N/m", YIELDS: "mm/N", BEFORE: "N", DURING: "N"}
PEAK: Final = "time of the largest deviation, after the cue is seen"
DRAWN_FROM: Final = 0.4  # s


def share_at(part: float) -> str:
    """Return the name of the saved share when the deviation is a part of its largest."""
    return f"saved share of the deviation, at {PERCENT * part:g} % of its largest"


def beyond_sham(kind: str) -> str:
    """Return the name of a measure of resistance, less that of the sham."""
    return f"{kind}, beyond the sham"


CLAIMED: Final = (SAVED, OPPOSITE, EITHER, ONLY, PLAN, BEYOND_PLAN, GROWS, *map(beyond_sham, RESISTING))


def timing(runs: StoredRuns, out: Path) -> Findings:
    """Savings beyond practice over the course of the first reach of FF2, and how the hand resists.

    Raises:
        ValueError: If there is no sham, or the run learned another field than a curl field.
    """
    if runs.sham is None:
        raise ValueError("no run of the sham, expected StoredRuns.sham")
    ours, practised = with_sham(runs, runs.main, runs.sham)
    numbers, _ = shared_networks(runs.networks(runs.main), runs.networks(runs.sham))
    seen = cue_seen(runs, runs.main)
    values = network_values(ours, practised, seen)
    sampling, quantities = Sampling(runs.seed), []
    for name, its in values.items():
        quantities.append(quantity(name, its, unit_of(name), sampling, test=name in CLAIMED))
    quantities = correct(quantities, CLAIMED)
    with look.house_style():
        picture = look.save_picture(_figure(ours, practised, seen), out / "timing.png")
    columns: Columns = {"network": runs.networks(runs.main)[numbers]}
    columns |= {f"{name} ({unit_of(name)})": its for name, its in values.items()}
    tables = further_numbers("The first reach after the washout", quantities)
    return Findings(quantities, tables, [picture], text_of({q.name: q for q in quantities}), columns)


def unit_of(name: str) -> str:
    """Return the unit of a quantity of the figure."""
    kind = next((kind for kind in RESISTING if name.startswith(kind)), None)
    if kind is not None:
        return UNIT[kind]
    return "mm" if name in SIZES else "s" if name == PEAK else "%"


def network_values(ours: FirstReach, practised: FirstReach, seen: float) -> dict[str, Floats]:
    """Return every measure of n networks, (n,), in the units of `unit_of`.

    Args:
        ours: Reaches of the run.
        practised: Reaches of its sham.
        seen: Time at which the cue is seen [s].
    """
    learned, opposite = practised.learned - ours.learned, practised.opposite - ours.opposite
    peak = np.argmax(practised.learned, axis=1)
    at_peak = (np.arange(len(peak)), peak)
    against = (np.arange(len(peak)), np.argmax(practised.opposite, axis=1))
    only = 0.5 * (learned - opposite)
    plan = practised.free - ours.free
    shares = {share_at(part): PERCENT * _share_when(part, learned, practised.learned, peak) for part in PARTS}
    resisting = dict(
        zip(RESISTING, zip(_resisting(ours, seen), _resisting(practised, seen), strict=True), strict=True)
    )
    return {
        SAVED: MM * learned[at_peak],
        OPPOSITE: MM * opposite[against],
        EITHER: MM * 0.5 * (learned + opposite)[at_peak],
        ONLY: MM * only[at_peak],
        PLAN: MM * plan[at_peak],
        BEYOND_PLAN: MM * (only - plan)[at_peak],
        PEAK: CONTROL_STEP * peak - seen,
        **shares,
        GROWS: shares[share_at(PARTS[-1])] - shares[share_at(PARTS[0])],
        **{kind: its for kind, (its, _) in resisting.items()},
        **{beyond_sham(kind): its - other for kind, (its, other) in resisting.items()},
    }


def _resisting(reach: FirstReach, seen: float) -> tuple[Floats, ...]:
    """The measures of `RESISTING`."""
    return reach.stiffness, MM * reach.yielding, *contraction_means(reach, seen)


def _share_when(part: float, saved: Floats, deviation: Floats, peak: Floats) -> Floats:
    """Saved share of the deviation, when that is first a part of its largest, (n,)."""
    shares = []
    for its, saving, last in zip(deviation, saved, peak, strict=True):
        first = int(np.argmax(its >= part * its[last]))
        shares.append(saving[first] / its[first])
    return np.array(shares)


def text_of(found: Mapping[str, Quantity]) -> str:
    """Return when savings arise and what they come with, from the tests."""
    return " ".join((_sizes(found), _plan(found), _course(found), _resistance(found)))


def _sizes(found: Mapping[str, Quantity]) -> str:
    """What is saved in the learned field and in its opposite, and in which part it is the same."""
    return (
        f"The deviation of the first reach of FF2 is largest {found[PEAK].value:.2f} s after the cue is seen."
        f" It is then less than the sham's by {_claim(found[SAVED])}, and in the opposite field by "
        f"{_claim(found[OPPOSITE])}. Half the sum of the two, {_claim(found[EITHER])}, is saved in either "
        f"field; half their difference, {_claim(found[ONLY])}, in the learned field only."
    )


def _plan(found: Mapping[str, Quantity]) -> str:
    """Whether what is saved in the learned field only shows without a field, as a plan would."""
    compared = {1: "less than", 0: "not measurably different from", -1: "more than"}[
        effect(found[BEYOND_PLAN])
    ]
    return (
        f"In reaches without a field the hand is then further to the side against it by "
        f"{_claim(found[PLAN])}, {compared} what is saved in the learned field only "
        f"({p_text(found[BEYOND_PLAN])})."
    )


def _course(found: Mapping[str, Quantity]) -> str:
    """Whether the saved share of the deviation grows until that is largest, as feedback would make it."""
    shares = listed([format_value(found[share_at(part)].value, unit="%") for part in PARTS])
    when = listed([f"{PERCENT * part:g} %" for part in PARTS])
    words = {1: "grows", 0: "does not measurably change", -1: "falls"}[effect(found[GROWS])]
    return (
        f"Until then the saved share of the deviation {words}: it is {shares} when the deviation is {when} "
        f"of its largest ({p_text(found[GROWS])})."
    )


def _resistance(found: Mapping[str, Quantity]) -> str:
    """In which measures the arm resists more than that of the sham, or less, or neither."""
    words = {1: "larger than the sham's", 0: "not measurably different", -1: "smaller than the sham's"}
    parts = [
        f"{kind}: {words[effect(entry)]} (of {format_value(found[kind].value, unit=entry.unit)}, by "
        f"{_claim(entry)})"
        for kind in RESISTING
        for entry in (found[beyond_sham(kind)],)
    ]
    return f"How the arm resists: {'; '.join(parts)}."


def _claim(entry: Quantity) -> str:
    """Value, interval and p of a test, within a sentence."""
    return f"{format_value(entry.value, entry.ci, entry.unit)} ({p_text(entry)})"


def _figure(ours: FirstReach, practised: FirstReach, seen: float) -> Figure:
    figure = look.new_figure(4.4, gap=0.04)
    deviation, saved, contraction, yields = figure.subplots(2, 2).flat
    time = ours.time
    drawn = time >= DRAWN_FROM
    for reach, colour, label in ((practised, look.QUIET, "sham"), (ours, look.OURS, "run")):
        look.draw_band(deviation, time[drawn], MM * reach.learned[:, drawn], colour, label)
        look.draw_band(contraction, time[1:][drawn[1:]], reach.contraction[:, drawn[1:]], colour, label)
    courses = {
        "learned field": (practised.learned - ours.learned, look.OURS, "-"),
        "opposite field": (practised.opposite - ours.opposite, look.SECOND, "-"),
        "no field": (practised.free - ours.free, look.INK, look.DASHED),
    }
    for label, (course, colour, line) in courses.items():
        look.draw_band(saved, time[drawn], MM * course[:, drawn], colour, label, line)
    saved.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
    for axes in (deviation, saved, contraction):
        look.mark_times(axes, {"go": PROBE_GO, "seen": seen}, labels=axes is deviation)
        axes.set(xlim=(DRAWN_FROM, time[-1]), xlabel="Time in the trial (s)")
        axes.legend(borderaxespad=0.1)
    deviation.set_ylabel("Deviation in the field (mm)")
    saved.set_ylabel("Nearer to the line than the sham (mm)")
    contraction.set_ylabel("Co-contraction in the field (N)")
    _yields(yields, ours, practised)
    look.letter_panels((deviation, saved, contraction, yields))
    return figure


def _yields(axes: Axes, ours: FirstReach, practised: FirstReach) -> None:
    """How far a push moves the hand of every network, in the sham and in the run."""
    both = MM * np.stack([practised.yielding, ours.yielding])
    axes.plot((0, 1), both, color=look.QUIET, linewidth=0.5, alpha=0.6, zorder=2)
    for place, (values, colour) in enumerate(zip(both, (look.QUIET, look.OURS), strict=True)):
        look.draw_dots(axes, place, values, colour)
    axes.set(xticks=(0, 1), xticklabels=("sham", "run"), xlim=(-0.5, 1.5))
    axes.set_ylabel("Hand moved by a push (mm/N)")
