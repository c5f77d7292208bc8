"""Displaced preparatory activity: does a displacement along the shift matter more than one of equal length?

The study adds m times a network's own shift to its activity 0.16 s into the trial, once, in networks at the
end of washout that meet the field. The control adds vectors of the same length in random directions that are
orthogonal to the shift and to the force axes; every draw is reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments.drawing import style as look
from experiments.figures.comparison import further_numbers
from experiments.figures.findings import FLOOR, Findings, correct, effect, farthest, geometric_mean, p_text
from experiments.runs.tables import format_p, format_value, markdown_table
from experiments.stored.preparation import PREPARATORY_TIME, Preparation, preparation, step_at
from experiments.stored.probes import DisplacedProbes, slopes_over
from experiments.stored.runs import StoredRuns
from experiments.study import DISPLACED_FF1, DISPLACEMENTS, REFERENCE, SLOPE, Quantity, displaced, quantity
from savings_gym.activity.displacement import random_orthogonal
from savings_gym.arrays import MM, Columns, Floats
from savings_gym.metrics.statistics import Sampling, mean_interval, t_test
from savings_gym.task.settings import CONTROL_STEP

DRAWS: Final = 8  # random directions at the study's time
TIME_DRAWS: Final = 3  # of them, at every time of the table
TIME_DISPLACEMENTS: Final = (-1.0, 1.0)  # shifts, at every time of the table
TIMES: Final = (0.0, 0.08, 0.16, 0.30, 0.40, 0.44, 0.48, 0.51, 0.54)  # s
UNIT = "mm per unit of shift"
RANDOM = "displacement slope, random directions"
SIZE, RANDOM_SIZE = f"magnitude of the {SLOPE}, shift", f"magnitude of the {RANDOM}"
LARGER = f"magnitude of the {SLOPE}, shift less random"
MORE_NEGATIVE = f"{SLOPE}, shift less random"
REMAINDER = "remainder of a displacement when go is seen"
WITHOUT_STEEPEST: Final = f"{SLOPE}, without the steepest network"
TIME_NOTE: Final = (
    f"Slopes from displacements by -1 and 1; the slope above is from {DISPLACEMENTS[0]} to "
    f"{DISPLACEMENTS[-1]}.\n\n"
)
AT_CUE: Final = 0.51  # s, the time in the table at which the cue is seen; there a displacement cannot fade
SLOPE_AT_CUE: Final = f"{SLOPE}, displaced at {AT_CUE} s"
LARGER_AT_CUE: Final = f"{LARGER}, displaced at {AT_CUE} s"
SHIFT_COLOUR, RANDOM_COLOUR = look.SECOND, "#868686"
CLAIMED: Final = (SLOPE, MORE_NEGATIVE, LARGER, SLOPE_AT_CUE, LARGER_AT_CUE)


@dataclass(frozen=True, eq=False)
class Slopes:
    """Slopes of the initial deviation against m at one time, of n networks [m per unit of shift].

    Attributes:
        shift: (n,) along the shift.
        random: (draws, n) along random directions.
    """

    shift: Floats
    random: Floats

    @property
    def larger(self) -> Floats:
        """By how much the shift's slope exceeds that of random directions in magnitude, (n,)."""
        return np.abs(self.shift) - np.abs(self.random).mean(axis=0)


@dataclass(frozen=True, eq=False)
class Displaced:
    """Effects of displacements on n networks.

    Attributes:
        m: (k,) magnitudes.
        deviation: (1 + draws, k, n) along the shift first [m].
        slopes: At the preparatory time.
        by_time: Time of the displacement [s] to slopes.
        remainder: (2, n, T) share of a displacement, along the shift and along the first draw, at every time.
        before: (n,) deviation of the networks of NF1, without a displacement [m].
        preparation: Preparation of the networks.
    """

    m: Floats
    deviation: Floats
    slopes: Slopes
    by_time: dict[float, Slopes]
    remainder: Floats
    before: Floats
    preparation: Preparation


def displacement(runs: StoredRuns, out: Path) -> Findings:
    """Initial deviation of the main run's networks after washout and a displacement of their activity."""
    sampling, result = Sampling(runs.seed), displace(runs, runs.main)
    quantities = [
        *(
            _deviation(displaced(int(m)), x, sampling)
            for m, x in zip(result.m, result.deviation[0], strict=True)
        ),
        _deviation(DISPLACED_FF1, result.before, sampling),
        *_slope_quantities(result, sampling),
        *_at_cue(result.by_time[AT_CUE], sampling),
        *_remainder_quantities(result, sampling),
    ]
    quantities = correct(quantities, CLAIMED)
    with look.house_style():
        picture = look.save_picture(displacement_figure(result), out / "displacement.png")
    tables = {
        **further_numbers("Displacement: further numbers", quantities),
        "Displacements at other times": TIME_NOTE + _time_table(result.by_time, sampling),
    }
    networks: Columns = {"network": result.preparation.numbers}
    networks |= {f"{SLOPE}, shift ({UNIT})": MM * result.slopes.shift}
    networks |= {
        f"{SLOPE}, random direction {k} ({UNIT})": MM * x for k, x in enumerate(result.slopes.random)
    }
    text = _text(quantities, result)
    return Findings(quantities, tables, [picture], text, networks)


def displace(runs: StoredRuns, run: Path) -> Displaced:
    """Displace the networks of a run's NF2 along the shift and along random directions, at several times."""
    prepared, probes = preparation(runs.activity(run)), DisplacedProbes.of_run(runs, run)
    shift = prepared.shift.vector
    draws = [
        random_orthogonal(shift, seed=DRAWS * runs.seed + k, avoid=prepared.axes.axes) for k in range(DRAWS)
    ]
    m = np.array(DISPLACEMENTS, dtype=np.float64)
    step = step_at(prepared.time, PREPARATORY_TIME)
    moves = [k * vector for vector in (shift, *draws) for k in m if k != 0.0]
    deviations = probes.deviation([0.0 * shift, *moves], step)
    deviation = np.insert(
        deviations[1:].reshape(1 + DRAWS, -1, prepared.networks), DISPLACEMENTS.index(0), deviations[0], 1
    )
    slope = slopes_over(m, deviation)
    by_time = {}
    for time in TIMES:
        moved = np.stack([shift, *draws[:TIME_DRAWS]])
        slopes = probes.slopes(moved, step_at(prepared.time, time), TIME_DISPLACEMENTS)
        by_time[time] = Slopes(slopes[0], slopes[1:])
    remainder = probes.remainder(np.stack([shift, draws[0]]), step)
    before = probes.deviation([0.0 * shift], step, phase="NF1")[0]
    return Displaced(m, deviation, Slopes(slope[0], slope[1:]), by_time, remainder, before, prepared)


def _deviation(name: str, values: Floats, sampling: Sampling) -> Quantity:
    return quantity(name, values, "mm", sampling, scale=MM, test=False)


def _slope_quantities(result: Displaced, sampling: Sampling) -> list[Quantity]:
    """Slopes along the shift and along every draw, and how they compare in magnitude."""
    slopes, numbers = result.slopes, result.preparation.numbers

    def entry(name: str, values: Floats, *, test: bool = True, note: str = "") -> Quantity:
        t = t_test(values)[0]
        t_text = f"t({values.size - 1}) = {t:.2f}" if test and np.isfinite(t) else ""
        note = "; ".join(part for part in (t_text, note) if part)
        return quantity(name, values, UNIT, sampling, scale=MM, test=test, note=note)

    steepest = farthest(slopes.shift)
    across = MM * slopes.random.mean(axis=1)
    spread = (
        f"means of {DRAWS} draws from {across.min():.3g} to {across.max():.3g}, SD {across.std(ddof=1):.2g}"
    )
    return [
        entry(SLOPE, slopes.shift),
        entry(
            WITHOUT_STEEPEST,
            np.delete(slopes.shift, steepest),
            note=f"without network {numbers[steepest]}, whose slope is farthest from the median",
        ),
        entry(RANDOM, slopes.random.mean(axis=0), note=spread),
        *(entry(f"{SLOPE}, random direction {k}", x) for k, x in enumerate(slopes.random)),
        entry(MORE_NEGATIVE, slopes.shift - slopes.random.mean(axis=0)),
        entry(SIZE, np.abs(slopes.shift), test=False),
        entry(RANDOM_SIZE, np.abs(slopes.random).mean(axis=0), test=False),
        entry(LARGER, slopes.larger, note="absolute slopes, paired over networks"),
    ]


def _at_cue(slopes: Slopes, sampling: Sampling) -> list[Quantity]:
    """Slope of a displacement made when the cue is seen, and how it compares with random directions."""
    return [
        quantity(SLOPE_AT_CUE, slopes.shift, UNIT, sampling, scale=MM),
        quantity(LARGER_AT_CUE, slopes.larger, UNIT, sampling, scale=MM),
    ]


def _remainder_quantities(result: Displaced, sampling: Sampling) -> list[Quantity]:
    """How much of a displacement is left when the go cue reaches the network."""
    last = step_at(result.preparation.time, result.preparation.seen) - 1  # before the cue arrives
    return [
        quantity(f"{REMAINDER}, {name}", 100.0 * share[:, last], "%", sampling, test=False)
        for name, share in zip(("shift", "random direction"), result.remainder, strict=True)
    ]


def _time_table(by_time: dict[float, Slopes], sampling: Sampling) -> str:
    """One row per time of the displacement."""
    headings = (
        "displaced at", f"slope, shift ({UNIT})", "p", "magnitude, shift",
        f"magnitude, {TIME_DRAWS} random directions", "difference of magnitudes", "p",
    )  # fmt: skip
    rows = []
    for time, slopes in by_time.items():
        along = quantity("along", slopes.shift, UNIT, sampling, scale=MM)
        larger = quantity("larger", slopes.larger, UNIT, sampling, scale=MM)
        sizes = [float(MM * np.abs(x).mean()) for x in (slopes.shift, slopes.random)]
        rows.append(
            (
                f"{time:.2f} s", format_value(along.value, along.ci), format_p(along.p),
                format_value(sizes[0]), format_value(sizes[1]), format_value(larger.value, larger.ci),
                format_p(larger.p),
            )
        )  # fmt: skip
    return markdown_table(headings, rows)


def _text(quantities: list[Quantity], result: Displaced) -> str:
    """What a displacement along the shift does, and whether others of the same length do less."""
    by_name, by_time = {entry.name: entry for entry in quantities}, result.by_time
    slope, larger, remainder = by_name[SLOPE], by_name[LARGER], by_name[f"{REMAINDER}, shift"]
    rest, random = by_name[WITHOUT_STEEPEST], by_name[RANDOM]
    words = {
        1: "has the smaller effect",
        0: "does not have a measurably smaller effect",
        -1: "has the larger effect",
    }
    strongest = max(by_time, key=lambda time: float(np.abs(by_time[time].shift).mean()))
    there, negative = by_time[strongest], int((result.slopes.shift < 0.0).sum())
    sizes = [float(MM * np.abs(x).mean()) for x in (there.shift, there.random)]
    late = (
        ", when the cue is seen and the field acts"
        if strongest > result.preparation.seen - CONTROL_STEP
        else ""
    )
    typical = 100.0 * geometric_mean(np.array(remainder.values) / 100.0)
    share = (slope.value or 0.0) / REFERENCE[SLOPE].value
    return (
        f"A displacement at {PREPARATORY_TIME} s changes the initial deviation by "
        f"{format_value(slope.value, slope.ci)} {UNIT} ({p_text(slope)}), "
        f"{share:.2g} times the study's slope, and by {format_value(rest.value, rest.ci)} without the "
        f"network that responds most; {negative} of {result.slopes.shift.size} slopes are negative. Random "
        f"directions of equal length change it by {format_value(random.value, random.ci)} on average; "
        f"{_with_sign(by_name[MORE_NEGATIVE])}; within a network a random direction "
        f"{words[effect(larger)]} (difference in magnitude, shift less random, "
        f"{format_value(larger.value, larger.ci)}, {p_text(larger)}). When the go cue is seen, "
        f"{format_value(remainder.value, remainder.ci, '%')} of "
        f"that displacement is left ({typical:.2g} % as a geometric mean, which panel d "
        f"shows). Of the {len(by_time)} times tried, the slope is largest at "
        f"{strongest:.2f} s{late}: {MM * there.shift.mean():.3g} {UNIT}, in magnitude {sizes[0]:.3g} against "
        f"{sizes[1]:.3g} for random directions.{_afterwards(by_time, strongest)}"
    )


def _with_sign(difference: Quantity) -> str:
    """Whether the slope along the shift differs from that along random directions, their signs kept."""
    words = {-1: "is more negative than", 0: "does not measurably differ from", 1: "is more positive than"}
    number = f"difference {format_value(difference.value, difference.ci)}, {p_text(difference)}"
    return f"with their signs, the slope along the shift {words[effect(difference)]} theirs ({number})"


def _afterwards(by_time: Mapping[float, Slopes], strongest: float) -> str:
    """That the slope has the other sign soon after it was largest, if it has; begins with a space."""
    side = np.sign(by_time[strongest].shift.mean())
    for time in (time for time in by_time if time > strongest):
        its = mean_interval(by_time[time].shift)
        if side * its[0] < 0.0 and side * its[1] < 0.0:
            low, high = (MM * end for end in its)
            number = format_value(MM * by_time[time].shift.mean(), (low, high), UNIT)
            return f" Later, at {time:.2f} s, its effect has the other sign: {number}."
    return ""


def displacement_figure(result: Displaced) -> Figure:
    """Draw deviation against m, slopes of every network, the time of the displacement, and its decay."""
    figure = look.new_figure(5.3, gap=0.05)
    panels = figure.subplots(2, 2)
    (dose, size), (when, decay) = panels
    _dose(dose, result)
    _sizes(size, result)
    _when(when, result)
    _decay(decay, result)
    handles = dose.get_legend_handles_labels()[0]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, borderaxespad=0.2)
    look.letter_panels(panels.flat)
    return figure


def _dose(axes: Axes, result: Displaced) -> None:
    """Change of the initial deviation with m: along the shift, along every random draw, and the study's."""
    middle = DISPLACEMENTS.index(0)
    change = MM * (result.deviation - result.deviation[:, middle : middle + 1])  # (1 + draws, k, n)
    look.draw_band(axes, result.m, change[0].T, SHIFT_COLOUR, "along the shift")
    for k, draw in enumerate(change[1:]):
        label = "along random directions" if k == 0 else None
        axes.plot(result.m, draw.mean(axis=-1), color=RANDOM_COLOUR, linewidth=0.7, label=label, zorder=2)
    theirs = [REFERENCE[displaced(m)].value - REFERENCE[displaced(0)].value for m in DISPLACEMENTS]
    axes.plot(DISPLACEMENTS, theirs, **look.STUDY, label="along the shift, the study")
    axes.set(
        xlabel="Displacement m (shifts)", ylabel="Change of initial deviation (mm)", xticks=DISPLACEMENTS
    )
    axes.set_title(f"Displaced at {PREPARATORY_TIME} s, means", loc="left", fontsize=look.SMALL)


def _sizes(axes: Axes, result: Displaced) -> None:
    """Slope of every network, along the shift beside all draws."""
    numbers = result.preparation.numbers
    for number, draws in zip(numbers, MM * result.slopes.random.T, strict=True):
        axes.scatter(
            np.full(draws.shape, number), draws, s=8.0, color=RANDOM_COLOUR, linewidths=0.0, zorder=2
        )
    axes.scatter(
        numbers,
        MM * result.slopes.shift,
        s=20.0,
        color=SHIFT_COLOUR,
        marker="s",
        linewidths=0.0,
        zorder=3,
    )
    axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
    axes.set(xlabel="Network", ylabel="Slope (mm per shift)")
    axes.set_title(f"Displaced at {PREPARATORY_TIME} s, every network", loc="left", fontsize=look.SMALL)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _when(axes: Axes, result: Displaced) -> None:
    """Slopes along the shift and along random directions against the time of the displacement."""
    times = np.array(list(result.by_time))
    shift = MM * np.stack([slopes.shift for slopes in result.by_time.values()], axis=1)  # (n, times)
    random = MM * np.stack([slopes.random.mean(axis=0) for slopes in result.by_time.values()], axis=1)
    look.draw_band(axes, times, random, RANDOM_COLOUR)
    look.draw_band(axes, times, shift, SHIFT_COLOUR)
    axes.plot(times, shift.mean(axis=0), "s", color=SHIFT_COLOUR, markersize=3.0, zorder=5)
    axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
    look.mark_times(axes, result.preparation.events)
    axes.set(xlabel="Time of the displacement (s)", ylabel="Slope (mm per shift)")


def _decay(axes: Axes, result: Displaced) -> None:
    """What is left of a displacement over the trial."""
    time = result.preparation.time
    later = time >= PREPARATORY_TIME - 1e-9
    for share, colour in zip(result.remainder, (SHIFT_COLOUR, RANDOM_COLOUR), strict=True):
        lines = np.maximum(share[:, later], FLOOR)
        axes.semilogy(time[later], lines.T, color=colour, linewidth=0.5, alpha=0.5)
        axes.semilogy(time[later], geometric_mean(lines), color=colour, linewidth=1.8)
    look.mark_times(axes, result.preparation.events)
    label = f"Share left of a displacement\nat {PREPARATORY_TIME} s"
    axes.set(xlabel="Time in the trial (s)", ylabel=label, xlim=(0.1, time[-1]))
    axes.annotate(
        "thick: geometric means;\nfirst point: a control\nstep later", (1.0, 1.0), xycoords="axes fraction",
        ha="right", va="top", fontsize=look.SMALL,
    )  # fmt: skip
