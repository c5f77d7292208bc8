"""When in the first reach of FF2 savings arise, and what comes with them: a plan, or an arm that resists.

A memory of the field helps in that field, hinders in its opposite as much, and shows without a field. What
helps in both fields alike is half the sum of what is saved in them; what helps in the learned field and
hinders in the other is half the difference. A curl field pushes in proportion to speed, so that speed is
compared, too, and deviations are compared at equal parts of the way rather than at equal times.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.claims import size_of
from experiments.drawing import style as look
from experiments.figures.comparison import further_numbers
from experiments.figures.findings import Findings, correct, effect, finite, p_text
from experiments.runs.tables import format_value, listed
from experiments.stored.first_reach import WAY, FirstReach, cue_seen, with_sham
from experiments.stored.resistance import before_go, in_reach
from experiments.stored.runs import StoredRuns
from experiments.study import Quantity, quantity
from savings_gym.arrays import MM, PERCENT, Columns, Floats
from savings_gym.metrics.statistics import Sampling
from savings_gym.task.settings import PROBE_GO

SAVED, OPPOSITE, ALIKE, ONLY, PLAN, BEYOND_PLAN = SIZES = (
    "saved in the learned field", "saved in the opposite field", "saved in both fields alike",
    "saved in the learned field and lost in the opposite one",
    "farther to the side against the field in reaches without it", "the latter two, difference",
)  # fmt: skip
LARGEST: Final = "saved share of the largest deviation"
GROWS: Final = "saved share of the deviation, from a quarter of the way to its largest"
SPEED, SPEED_TIME, YIELDS, BEFORE, FREE, DURING = RESISTING = (
    "peak speed without a field", "time of the peak speed, after the cue is seen",
    "motion of the hand by a push without a field", "co-contraction before go",
    "co-contraction in reaches without a field", "co-contraction in reaches in the field",
)  # fmt: skip
UNIT: Final = {SPEED: "m/s", SPEED_TIME: "s", YIELDS: "mm/N", BEFORE: "N", FREE: "N", DURING: "N"}
DRAWN_FROM: Final = 0.4  # s


def share_at(part: float) -> str:
    """Return the name of the saved share of the deviation at a part of the way."""
    return f"saved share of the deviation at {PERCENT * part:g} % of the way"


def beyond_sham(kind: str) -> str:
    """Return the name of a measure of `RESISTING`, less that of the sham."""
    return f"{kind}, beyond the sham"


CLAIMED: Final = (SAVED, OPPOSITE, ALIKE, ONLY, PLAN, BEYOND_PLAN, GROWS, *map(beyond_sham, RESISTING))


def timing(runs: StoredRuns, out: Path) -> Findings:
    """Savings beyond practice over the course of the first reach of FF2, and how the arm resists.

    Raises:
        ValueError: If there is no sham, or the run learned another field than a curl field.
    """
    if runs.sham is None:
        raise ValueError("no run of the sham, expected StoredRuns.sham")
    ours, practised, numbers = with_sham(runs, runs.main, runs.sham)
    seen = cue_seen(runs, runs.main)
    values, sampling = network_values(ours, practised, seen), Sampling(runs.seed)
    quantities = correct(
        [
            quantity(name, finite(its), unit_of(name), sampling, test=name in CLAIMED)
            for name, its in values.items()
        ],
        CLAIMED,
    )
    with look.house_style():
        picture = look.save_picture(_figure(ours, practised, seen), out / "timing.png")
    columns: Columns = {"network": numbers}
    columns |= {f"{name} ({unit_of(name)})": its for name, its in values.items()}
    tables = further_numbers("The first reach after the washout", quantities)
    return Findings(quantities, tables, [picture], text_of({q.name: q for q in quantities}), columns)


def unit_of(name: str) -> str:
    """Return the unit of a quantity of the figure."""
    kind = next((kind for kind in RESISTING if name.startswith(kind)), None)
    return UNIT[kind] if kind is not None else "mm" if name in SIZES else "%"


def network_values(ours: FirstReach, practised: FirstReach, seen: float) -> dict[str, Floats]:
    """Return every measure of n networks, (n,), in the units of `unit_of`.

    Args:
        ours: Reaches of the run.
        practised: Reaches of its sham.
        seen: Time at which the cue is seen [s].
    """
    saved = practised.learned_most - ours.learned_most
    opposite = practised.opposite_most - ours.opposite_most
    only = 0.5 * (saved - opposite)
    when = np.argmax(practised.learned + ours.learned, axis=1)  # the deviation is largest
    plan = (practised.free - ours.free)[np.arange(len(when)), when]
    on_the_way = PERCENT * (1.0 - ours.on_the_way / practised.on_the_way)
    largest = PERCENT * saved / practised.learned_most
    here, there = _resisting(ours, seen), _resisting(practised, seen)
    return {
        SAVED: MM * saved,
        OPPOSITE: MM * opposite,
        ALIKE: MM * 0.5 * (saved + opposite),
        ONLY: MM * only,
        PLAN: MM * plan,
        BEYOND_PLAN: MM * (only - plan),
        **{share_at(part): on_the_way[:, place] for place, part in enumerate(WAY)},
        LARGEST: largest,
        GROWS: largest - on_the_way[:, 0],
        **here,
        **{beyond_sham(kind): here[kind] - there[kind] for kind in RESISTING},
    }


def _resisting(reach: FirstReach, seen: float) -> dict[str, Floats]:
    """The measures of `RESISTING`, (n,) each."""
    return {
        SPEED: reach.speed,
        SPEED_TIME: reach.speed_time - seen,
        YIELDS: MM * reach.yielding,
        BEFORE: before_go(reach.contraction),
        FREE: in_reach(reach.contraction_free, seen),
        DURING: in_reach(reach.contraction, seen),
    }


def text_of(found: Mapping[str, Quantity]) -> str:
    """Return when savings arise and what they come with, from the tests."""
    return " ".join((_sizes(found), _plan(found), _course(found), _resistance(found)))


def in_short(found: Mapping[str, Quantity]) -> str:
    """Return when savings arise, what is the same in both fields, and whether the arm resists more."""
    first, largest = (format_value(found[name].value, unit="%") for name in (share_at(WAY[0]), LARGEST))
    grows = "grows" if effect(found[GROWS]) > 0 else "is not shown to grow"
    alike, saved = (format_value(found[name].value, unit="mm") for name in (ALIKE, SAVED))
    both = f"{alike} of {saved} is" if effect(found[ALIKE]) > 0 else "nothing is shown to be"
    plan = "shows" if effect(found[PLAN]) > 0 else "is not shown"
    stiffer = effect(found[beyond_sham(YIELDS)]) < 0 or any(
        effect(found[beyond_sham(kind)]) > 0 for kind in (BEFORE, FREE, DURING)
    )
    return (
        f"In the first reach of FF2, the saved share of the deviation {grows} along the reach, from {first} "
        f"at a quarter of the way to {largest} of the largest deviation; {both} saved in the opposite field, "
        f"too. A plan against the field {plan} in reaches without it, and the arm "
        f"{'resists more' if stiffer else 'is not shown to resist more'} than the sham's "
        f"({found[SAVED].networks} networks; [timing](#timing))."
    )


def _sizes(found: Mapping[str, Quantity]) -> str:
    """What is saved in the learned field and in its opposite, and what is the same in both."""
    return (
        f"In the first reach of FF2, the largest deviation is {_less(found[SAVED])} than the sham's; in the "
        f"opposite field, it is {_less(found[OPPOSITE])}. Half the sum of what is saved in the two, "
        f"{_claim(found[ALIKE])}, is saved in both fields alike; half their difference, "
        f"{_claim(found[ONLY])}, is saved in the learned field and lost in the opposite one."
    )


def _plan(found: Mapping[str, Quantity]) -> str:
    """Whether what is saved in the learned field alone shows without a field, as a plan would."""
    words = {1: "less than", 0: "not measurably different from", -1: "more than"}[effect(found[BEYOND_PLAN])]
    return (
        f"Without a field, when that deviation would be largest, the hand is farther to the side against it "
        f"than the sham's by {_claim(found[PLAN])}: {words} the latter ({p_text(found[BEYOND_PLAN])})."
    )


def _course(found: Mapping[str, Quantity]) -> str:
    """Whether the saved share of the deviation grows until that is largest."""
    shares = [format_value(found[share_at(part)].value, unit="%") for part in WAY]
    parts = listed([f"{PERCENT * part:g} %" for part in WAY])
    words = {1: "grows", 0: "does not measurably change", -1: "falls"}[effect(found[GROWS])]
    return (
        f"The saved share of the deviation {words} along the reach ({p_text(found[GROWS])}): it is "
        f"{listed(shares)} at {parts} of the way, and {format_value(found[LARGEST].value, unit='%')} of the "
        f"largest deviation."
    )


def _resistance(found: Mapping[str, Quantity]) -> str:
    """What of the arm differs from that of the sham, and what is not shown to."""
    differs, alike = [], []
    for kind in RESISTING:
        entry = found[beyond_sham(kind)]
        whole = format_value(found[kind].value, unit=entry.unit)
        if effect(entry):
            more = "larger" if effect(entry) > 0 else "smaller"
            differs.append(f"{kind}, {whole}, is {more} by {size_of(entry)} ({p_text(entry)})")
        else:
            by = format_value(entry.value, entry.ci, entry.unit)
            alike.append(f"{kind}, {whole} (by {by}, {p_text(entry)})")
    text = f"Compared with the sham, {'; '.join(differs)}." if differs else ""
    if alike:
        text += f"{' ' if text else ''}Not measurably different from the sham's: {'; '.join(alike)}."
    return text


def _less(saved: Quantity) -> str:
    """What is saved of a deviation, as how much smaller that is, or larger."""
    words = "larger" if saved.value is not None and saved.value < 0.0 else "smaller"
    return f"{size_of(saved)} ({p_text(saved)}) {words}"


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
        look.draw_band(contraction, time[:-1][drawn[:-1]], reach.contraction[:, drawn[:-1]], colour, label)
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
    saved.set_ylabel("Nearer to the line\nthan the sham (mm)")
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
