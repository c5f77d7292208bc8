"""Displaced preparatory activity: does a push along the shift make or break savings, and any other push less?

The study adds m times a network's own shift to its activity 0.16 s into the trial, once, in networks at the
end of washout that meet the field. The control adds vectors of the same length in random directions that are
orthogonal to the shift and to the force axes; each draw is reported by itself.

The drawing of `experiments.figures.displacement`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.drawing import style as look
from experiments.figures.comparison import beside_study
from experiments.figures.kit import Found
from experiments.runs.tables import markdown_table, shown
from experiments.stored.preparation import PREPARATORY_TIME, Preparation, preparation, step_at
from experiments.stored.probes import DisplacedProbes
from experiments.stored.runs import Runs
from experiments.study import DISPLACED_FF1, DISPLACEMENTS, REFERENCES, SLOPE, Quantity, displaced, quantity
from savings_gym.activity.displacement import random_orthogonal
from savings_gym.arrays import MM, Floats
from savings_gym.metrics.statistics import Sampling, estimate
from savings_gym.task.settings import CONTROL_STEP

DRAWS: Final = 8  # random directions at the study's time
TIME_DRAWS: Final = 3  # of them, at every time of the table
TIMES: Final = (0.0, 0.08, 0.16, 0.30, 0.40, 0.44, 0.48, 0.51, 0.54)  # s
UNIT = "mm per unit of shift"
RANDOM = "displacement slope, random directions"
SIZE, RANDOM_SIZE = f"size of the {SLOPE}, shift", f"size of the {RANDOM}"
LARGER = f"size of the {SLOPE}, shift less random"
MORE_NEGATIVE = f"{SLOPE}, shift less random"
LEFT = "displacement left when go is seen"


@dataclass(frozen=True, eq=False)
class Slopes:
    """Slopes of the initial deviation on m at one time, of n networks [m per unit of shift].

    Attributes:
        shift: (n,) along the shift.
        random: (draws, n) along random directions.
    """

    shift: Floats
    random: Floats

    @property
    def larger(self) -> Floats:
        """By how much the shift's slope exceeds that of random directions in size, (n,)."""
        return np.abs(self.shift) - np.abs(self.random).mean(axis=0)


@dataclass(frozen=True, eq=False)
class Displaced:
    """What displacements do to n networks.

    Attributes:
        m: (k,) magnitudes.
        deviation: (1 + draws, k, n) along the shift first [m].
        slopes: At the preparatory time.
        by_time: Time of the displacement [s] to slopes.
        left: (2, n, T) share of a displacement, along the shift and along the first draw, at every time.
        before: (n,) deviation of the networks of NF1, without a displacement [m].
        preparation: Of the networks.
    """

    m: Floats
    deviation: Floats
    slopes: Slopes
    by_time: dict[float, Slopes]
    left: Floats
    before: Floats
    preparation: Preparation


def displacement(runs: Runs, out: Path) -> Found:
    """Initial deviation of the main run's washed-out networks against a displacement of their activity."""
    sampling, result = Sampling(runs.seed), displace(runs, runs.main)
    quantities = [
        *(
            _deviation(displaced(int(m)), x, sampling)
            for m, x in zip(result.m, result.deviation[0], strict=True)
        ),
        _deviation(DISPLACED_FF1, result.before, sampling),
        *_slope_quantities(result.slopes, sampling),
        *_left_quantities(result, sampling),
    ]
    with look.house_style():
        path = look.save_png(displacement_figure(result), out / "displacement.png")
    tables = {
        "Displacement beside the study": beside_study(quantities),
        "When activity is displaced": _time_table(result.by_time, sampling),
    }
    text = _text(quantities, result.by_time, result.preparation.seen)
    return Found(quantities, tables, [path], text).save(out, "displacement")


def displace(runs: Runs, run: Path) -> Displaced:
    """Displaces the networks of a run's NF2 along the shift and along random directions, at several times."""
    found, probes = preparation(runs.activity(run)), DisplacedProbes.of_run(runs, run)
    shift = found.shift.vector
    draws = [
        random_orthogonal(shift, seed=DRAWS * runs.seed + k, avoid=found.axes.axes) for k in range(DRAWS)
    ]
    m = np.array(DISPLACEMENTS, dtype=np.float64)
    step = step_at(found.time, PREPARATORY_TIME)
    pushed = [k * vector for vector in (shift, *draws) for k in m if k != 0.0]
    every = probes.deviation([0.0 * shift, *pushed], step)
    deviation = np.insert(
        every[1:].reshape(1 + DRAWS, -1, found.networks), DISPLACEMENTS.index(0), every[0], 1
    )
    slope = np.tensordot(deviation, (m - m.mean()) / np.sum((m - m.mean()) ** 2), (1, 0))
    by_time = {}
    for time in TIMES:
        pair = [k * vector for vector in (shift, *draws[:TIME_DRAWS]) for k in (-1.0, 1.0)]
        low, high = (
            probes.deviation(pair, step_at(found.time, time)).reshape(-1, 2, found.networks).swapaxes(0, 1)
        )
        by_time[time] = Slopes((high[0] - low[0]) / 2.0, (high[1:] - low[1:]) / 2.0)
    left = probes.left(np.stack([shift, draws[0]]), step)
    before = probes.deviation([0.0 * shift], step, phase="NF1")[0]
    return Displaced(m, deviation, Slopes(slope[0], slope[1:]), by_time, left, before, found)


def _deviation(name: str, values: Floats, sampling: Sampling) -> Quantity:
    return quantity(name, estimate(values, sampling), "mm", MM, test=False)


def _slope_quantities(slopes: Slopes, sampling: Sampling) -> list[Quantity]:
    """Slopes along the shift and along every draw, and how they compare in size."""

    def told(name: str, values: Floats, *, test: bool = True, note: str = "") -> Quantity:
        found = estimate(values, sampling)
        t = f"t({found.networks - 1}) = {found.t:.2f}" if test and np.isfinite(found.t) else ""
        note = "; ".join(part for part in (t, note) if part)
        return quantity(name, found, UNIT, MM, test=test, note=note)

    across = MM * slopes.random.mean(axis=1)
    spread = (
        f"means of {DRAWS} draws from {across.min():.3g} to {across.max():.3g}, SD {across.std(ddof=1):.2g}"
    )
    return [
        told(SLOPE, slopes.shift),
        told(RANDOM, slopes.random.mean(axis=0), note=spread),
        *(told(f"{SLOPE}, random direction {k}", x) for k, x in enumerate(slopes.random)),
        told(MORE_NEGATIVE, slopes.shift - slopes.random.mean(axis=0)),
        told(SIZE, np.abs(slopes.shift), test=False),
        told(RANDOM_SIZE, np.abs(slopes.random).mean(axis=0), test=False),
        told(LARGER, slopes.larger, note="absolute slopes, paired over networks"),
    ]


def _left_quantities(result: Displaced, sampling: Sampling) -> list[Quantity]:
    """How much of a displacement is left when the go cue reaches the network."""
    last = step_at(result.preparation.time, result.preparation.seen) - 1  # before the cue arrives
    return [
        quantity(f"{LEFT}, {name}", estimate(100.0 * share[:, last], sampling), "%", test=False)
        for name, share in zip(("shift", "random direction"), result.left, strict=True)
    ]


def _time_table(by_time: dict[float, Slopes], sampling: Sampling) -> str:
    """A row a time of the displacement."""
    headings = (
        "displaced at", f"slope, shift ({UNIT})", "p", "size, shift", f"size, {TIME_DRAWS} random directions",
        "difference of sizes", "p",
    )  # fmt: skip
    rows = []
    for time, slopes in by_time.items():
        along, larger = estimate(MM * slopes.shift, sampling), estimate(MM * slopes.larger, sampling)
        sizes = [float(MM * np.abs(x).mean()) for x in (slopes.shift, slopes.random)]
        rows.append(
            (
                f"{time:.2f} s", shown(along.mean, along.ci), f"{along.p:.2g}", shown(sizes[0]),
                shown(sizes[1]), shown(larger.mean, larger.ci), f"{larger.p:.2g}",
            )
        )  # fmt: skip
    return markdown_table(headings, rows)


def _late(time: float, seen: float) -> str:
    """What is to be known of a time that is no longer one of preparation."""
    return ", when the cue is seen and the field acts" if time > seen - CONTROL_STEP else ""


def _text(quantities: list[Quantity], by_time: dict[float, Slopes], seen: float) -> str:
    """What a push along the shift does, and whether other pushes of the same length do less."""
    found = {entry.name: entry for entry in quantities}
    slope, larger, left = found[SLOPE], found[LARGER], found[f"{LEFT}, shift"]
    low, high = larger.ci
    if low is None or high is None:
        words = "whether a random direction of equal length moves it less, one network cannot tell"
    elif low > 0.0:
        words = "a random direction of equal length moves it less"
    elif high < 0.0:
        words = "a random direction of equal length moves it more, not less"
    else:
        words = "a random direction of equal length does not move it measurably less"
    strongest = max(by_time, key=lambda time: float(np.abs(by_time[time].shift).mean()))
    there = by_time[strongest]
    sizes = [float(MM * np.abs(x).mean()) for x in (there.shift, there.random)]
    share = (slope.value or 0.0) / next(row.value for row in REFERENCES if row.name == SLOPE)
    return (
        f"Displaced at {PREPARATORY_TIME} s, initial deviation changes by {shown(slope.value, slope.ci)} "
        f"{UNIT}, {share:.2g} times the study's slope; "
        f"in absolute slope, paired over networks, {words} ({shown(larger.value, larger.ci)}). "
        f"Of that displacement {shown(left.value, left.ci, '%')} is left when the go cue is seen. "
        f"Of the {len(by_time)} times it does most at {strongest:.2f} s{_late(strongest, seen)}: "
        f"{MM * there.shift.mean():.3g} {UNIT}, in size {sizes[0]:.3g} against {sizes[1]:.3g} of random "
        "directions."
    )


SHIFT_COLOUR, RANDOM_COLOUR = "#d55e00", "#868686"


def displacement_figure(result: Displaced) -> Figure:
    """Deviation against m, slopes of every network, the time of the displacement, and its decay."""
    figure = look.new_figure(4.9, gap=0.05)
    (dose, size), (when, decay) = figure.subplots(2, 2)
    _dose(dose, result)
    _sizes(size, result)
    _when(when, result)
    _decay(decay, result)
    return figure


def _dose(axes: Axes, result: Displaced) -> None:
    """Change of the initial deviation with m: along the shift, along every random draw, and the study's."""
    middle = DISPLACEMENTS.index(0)
    change = MM * (result.deviation - result.deviation[:, middle : middle + 1])  # (1 + draws, k, n)
    for k, draw in enumerate(change[1:]):
        label = "random directions, mean of each draw" if k == 0 else None
        axes.plot(result.m, draw.mean(axis=-1), color=RANDOM_COLOUR, linewidth=0.7, label=label, zorder=2)
    look.draw_band(axes, result.m, change[0].T, SHIFT_COLOUR, "along the shift, mean and 95 % interval")
    study = {row.name: row.value for row in REFERENCES}
    theirs = [study[displaced(m)] - study[displaced(0)] for m in DISPLACEMENTS]
    axes.plot(
        DISPLACEMENTS, theirs, "D", color=look.INK, markerfacecolor="white", markersize=4.0, zorder=5,
        label="along the shift, the study",
    )  # fmt: skip
    axes.set(
        xlabel="Displacement m (shifts)", ylabel="Change of initial deviation (mm)", xticks=DISPLACEMENTS
    )
    low, high = axes.get_ylim()
    axes.set_ylim(low - 0.35 * (high - low), high)
    axes.legend(loc="lower left")
    axes.set_title(f"Displaced at {PREPARATORY_TIME} s", loc="left")


def _sizes(axes: Axes, result: Displaced) -> None:
    """Slope of every network, along the shift beside all draws."""
    n = result.slopes.shift.size
    for i, draws in enumerate(MM * result.slopes.random.T):
        label = "random directions" if i == 0 else None
        axes.scatter(
            np.full(draws.shape, i), draws, s=8.0, color=RANDOM_COLOUR, linewidths=0.0, label=label, zorder=2
        )
    axes.scatter(
        np.arange(n),
        MM * result.slopes.shift,
        s=16.0,
        color=SHIFT_COLOUR,
        linewidths=0.0,
        label="shift",
        zorder=3,
    )
    axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
    axes.set(xlabel="Network", ylabel="Slope (mm per shift)")
    axes.set_title(f"Every network, displaced at {PREPARATORY_TIME} s", loc="left")
    axes.legend(loc="best")


def _when(axes: Axes, result: Displaced) -> None:
    """Slope along the shift against the time of the displacement, and how large random slopes are."""
    times = np.array(list(result.by_time))
    shift = MM * np.stack([slopes.shift for slopes in result.by_time.values()], axis=1)  # (n, times)
    random = MM * np.stack([np.abs(slopes.random).mean(axis=0) for slopes in result.by_time.values()], axis=1)
    size = random.mean(axis=0)
    axes.fill_between(
        times,
        -size,
        size,
        color=RANDOM_COLOUR,
        alpha=0.3,
        linewidth=0.0,
        label="± mean size of random directions",
    )
    look.draw_band(axes, times, shift, SHIFT_COLOUR, "along the shift, mean and 95 % interval")
    axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
    _mark(axes, result)
    axes.set(xlabel="Time of the displacement (s)", ylabel="Slope (mm per shift)")
    axes.legend(loc="lower left")


def _decay(axes: Axes, result: Displaced) -> None:
    """What is left of a displacement over the trial."""
    time, floor = result.preparation.time, 1e-3
    for share, colour, name in zip(
        result.left, (SHIFT_COLOUR, RANDOM_COLOUR), ("shift", "a random direction"), strict=True
    ):
        later = time >= PREPARATORY_TIME - 1e-9
        axes.semilogy(
            time[later], np.maximum(share[:, later], floor).T, color=colour, linewidth=0.5, alpha=0.5
        )
        axes.semilogy(
            time[later], _geometric(share[:, later], floor), color=colour, linewidth=1.6, label=name
        )
    _mark(axes, result)
    label = f"Left of a displacement at {PREPARATORY_TIME} s"
    axes.set(xlabel="Time in the trial (s)", ylabel=label, xlim=(0.1, time[-1]))
    axes.legend(loc="upper right")


def _geometric(share: Floats, floor: float) -> Floats:
    """Geometric mean over networks."""
    return np.exp(np.log(np.maximum(share, floor)).mean(axis=0))


def _mark(axes: Axes, result: Displaced) -> None:
    """Lines at the preparatory time, at go and where go is seen."""
    found = result.preparation
    for x in (PREPARATORY_TIME, found.go, found.seen):
        axes.axvline(x, color=look.QUIET, linewidth=0.6, zorder=0)
    for x, text, side in ((found.go, "go ", "right"), (found.seen, " seen", "left")):
        axes.text(
            x, 1.01, text, transform=axes.get_xaxis_transform(), ha=side, va="bottom", fontsize=look.SMALL
        )
