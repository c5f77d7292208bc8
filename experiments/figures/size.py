"""Savings against the size of the networks: two fractions that must not be confused, and the savings.

Sizes are compared with their neighbours, not by a trend over all of them, since savings may come in a step.

The paired fraction counts networks whose own FF2 is better than their own FF1. The all-pairs fraction counts
pairs of FF1 of one network and FF2 of another; the study plots this one.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from experiments.drawing import style as look
from experiments.figures.findings import Findings, correct, effect, p_text
from experiments.figures.runs import check_alike
from experiments.runs.tables import NO_INTERVAL, format_p, format_value, listed, markdown_table
from experiments.stored.runs import StoredRuns
from experiments.study import REFERENCE, SIZES, Quantity, fraction, quantity, unpaired
from savings_gym.arrays import MM, Columns, Floats, Indices
from savings_gym.metrics.curves import phase_curves
from savings_gym.metrics.fractions import (
    all_pairs_fraction,
    all_pairs_interval,
    paired_fraction,
    paired_fraction_interval,
)
from savings_gym.metrics.savings import field_side, fitted_rates
from savings_gym.metrics.statistics import Sampling, ratio_interval, t_test

INITIAL, RATE = MEASURES = ("initial deviation", "rate")
SAVINGS: Final = {INITIAL: "initial savings", RATE: "log2 of rate savings"}  # of which sizes are compared
END_ERROR: Final = "end-point error, end of NF1 (mm)"
COLUMNS: Final = (  # of the values of every network
    "units", "network", "initial deviation FF1 (mm)", "initial deviation FF2 (mm)",
    "learning rate FF1 (1/trial)", "learning rate FF2 (1/trial)",
    "end-point error, start of NF1 (mm)", END_ERROR,
)  # fmt: skip
APART = 1.05  # the two fractions of a size stand beside each other by this factor
PAIRED, ALL_PAIRS = "paired fraction", "all-pairs fraction"


@dataclass(frozen=True, eq=False)
class Networks:
    """The n networks of one size.

    Attributes:
        numbers: (n,) numbers of the networks.
        ff1: (n,) initial deviation in FF1, on the side to which the field pushes [m].
        ff2: (n,) the same in FF2 [m].
        rate1: (n,) learning rate in FF1, NaN if none could be fitted [1/trial].
        rate2: (n,) the same in FF2 [1/trial].
        endpoint_error: (2, n) at the beginning and at the end of NF1 [m].
    """

    numbers: Indices
    ff1: Floats
    ff2: Floats
    rate1: Floats
    rate2: Floats
    endpoint_error: Floats

    @property
    def fitted(self) -> NDArray[np.bool_]:
        """Which networks have both rates, (n,)."""
        return np.isfinite(self.rate1) & np.isfinite(self.rate2)

    @property
    def unfitted(self) -> str:
        """How many rates could not be fitted, in words; empty if all could."""
        count = int(np.isnan(self.rate1).sum() + np.isnan(self.rate2).sum())
        return f"{count} rates could not be fitted" if count else ""

    def pairs(self, measure: str) -> tuple[Floats, Floats]:
        """Return two values per network, of which the first is the larger if it saves."""
        if measure == INITIAL:
            return self.ff1, self.ff2
        return self.rate2[self.fitted], self.rate1[self.fitted]


def networks_of(runs: StoredRuns, run: Path) -> Networks:
    """Return initial deviations, rates and end-point errors of every network of a run."""
    table = runs.table(run)
    curves, errors = phase_curves(table), phase_curves(table, "endpoint_error")["NF1"].deviation
    ff1, ff2 = (curves[phase].deviation[:, 0] for phase in ("FF1", "FF2"))
    side = field_side(ff1)
    rate1, rate2, _ = fitted_rates(curves["FF1"], curves["FF2"])
    ends = np.stack([errors[:, 0], errors[:, -1]])
    return Networks(curves["FF1"].networks, side * ff1, side * ff2, rate1, rate2, ends)


def size(runs: StoredRuns, out: Path) -> Findings:
    """Fractions with savings and savings against network size, beside the study's.

    Raises:
        ValueError: If there is no run of any size, or networks were pre-trained in different ways.
    """
    if not runs.sizes:
        raise ValueError("no run of any network size, expected at least one in StoredRuns.sizes")
    folders = dict(sorted(runs.sizes.items()))
    pretrainings = {f"{units} units": runs.pretraining(run) for units, run in folders.items()}
    check_alike(pretrainings)
    networks = {units: networks_of(runs, run) for units, run in folders.items()}
    return findings_of(networks, next(iter(pretrainings.values()))[0], Sampling(runs.seed), out)


def findings_of(
    networks: Mapping[int, Networks], pretraining: str, sampling: Sampling, out: Path
) -> Findings:
    """Return the findings of the networks of every size.

    Args:
        networks: Units to the networks, in the order of sizes.
        pretraining: How all of them were pre-trained, in words.
        sampling: Of the intervals.
        out: Folder of the picture.
    """
    quantities = [
        entry
        for measure in MEASURES
        for units, its in networks.items()
        for entry in _quantities(measure, units, its, sampling)
    ]
    steps = _steps(networks)
    means = [saved(measure, units) for measure in MEASURES for units in networks]
    quantities = correct([*quantities, *steps], [*(entry.name for entry in steps), *means])
    by_name = {entry.name: entry for entry in quantities}
    with look.house_style():
        picture = look.save_picture(_figure(by_name, networks), out / "size.png")
    tables = {
        "Savings by network size": _table(by_name, networks),
        "Savings of neighbouring sizes": steps_table(by_name, SAVINGS.values(), tuple(networks)),
        f"How well networks reach, pre-trained with {pretraining}": _reaching(networks, sampling),
    }
    return Findings(quantities, tables, [picture], _text(by_name, tuple(networks)), columns_of(networks))


def paired(measure: str, units: int) -> str:
    """Return the name of the paired fraction with savings at a size."""
    return f"paired fraction with savings, {measure}, {units} units"


def saved(measure: str, units: int) -> str:
    """Return the name of the mean savings at a size."""
    return f"savings, {measure}, {units} units"


def _quantities(measure: str, units: int, networks: Networks, sampling: Sampling) -> list[Quantity]:
    """All-pairs fraction, paired fraction and mean savings of one size."""
    better, worse = networks.pairs(measure)
    n, note = better.size, networks.unfitted if measure == RATE else ""
    unit = "mm" if measure == INITIAL else "1"
    if not n:
        names = {fraction(measure, units): "1", paired(measure, units): "1", saved(measure, units): unit}
        return [Quantity(name, None, NO_INTERVAL, 0, its, note=note) for name, its in names.items()]
    pairs = all_pairs_fraction(better, worse), all_pairs_interval(better, worse, sampling)
    own = paired_fraction(better, worse), paired_fraction_interval(better, worse, sampling)
    if measure == INITIAL:
        mean = quantity(saved(measure, units), better - worse, unit, sampling, scale=MM)
    else:
        ratio, ends = float(better.mean() / worse.mean()), ratio_interval(better, worse, sampling)
        mean = Quantity(saved(measure, units), ratio, ends, n, unit, t_test(better - worse)[1], note)
    return [
        Quantity(fraction(measure, units), *pairs, n, "1", note=note),
        Quantity(paired(measure, units), *own, n, "1", note=note),
        mean,
    ]


def _steps(networks: Mapping[int, Networks]) -> list[Quantity]:
    """Savings of every size less those of the next smaller one."""
    initial = {units: MM * (its.ff1 - its.ff2) for units, its in networks.items()}
    ratios = {}
    for units, its in networks.items():
        faster, slower = its.pairs(RATE)
        ratios[units] = np.log2(faster / slower)
    return [*neighbours(SAVINGS[INITIAL], initial, "mm"), *neighbours(SAVINGS[RATE], ratios, "1")]


def step(measure: str, smaller: int, larger: int) -> str:
    """Return the name of the difference of a measure between two sizes."""
    return f"{measure}, {larger} units less {smaller} units"


def neighbours(measure: str, values: Mapping[int, Floats], unit: str) -> list[Quantity]:
    """Return the difference of a measure between every size and the next smaller one.

    Args:
        measure: Name of the measure.
        values: Units to one value per network, in `unit`.
        unit: Unit of the measure.

    Returns:
        Differences of means with interval and p of Welch's t test, which lets sizes differ in their
        spread; without them for fewer than two networks, or values without spread.
    """
    steps = []
    for smaller, larger in pairwise(sorted(values)):
        entry = unpaired(step(measure, smaller, larger), values[larger], values[smaller], unit)
        note = "no test" if entry.p is None else f"Welch's t test of {entry.note} networks"
        note = "a size has no values" if entry.value is None else note
        steps.append(dataclasses.replace(entry, note=note))
    return steps


def steps_table(numbers: Mapping[str, Quantity], measures: Iterable[str], sizes: Iterable[int]) -> str:
    """Return a table of the differences between neighbouring sizes, one row per measure and pair."""
    rows = [
        (
            entry.name, format_value(entry.value, entry.ci, entry.unit), format_p(entry.p_holm),
            str(entry.networks),
        )
        for measure in measures
        for pair in pairwise(sorted(sizes))
        if (entry := numbers.get(step(measure, *pair))) is not None
    ]  # fmt: skip
    return markdown_table(("difference", "mean [95 % interval]", "p (Holm)", "networks"), rows)


def in_steps(numbers: Mapping[str, Quantity], measure: str, sizes: Iterable[int]) -> str:
    """Return which of neighbouring sizes differ in a measure, in words; empty if nothing was tested."""
    found = {pair: numbers.get(step(measure, *pair)) for pair in pairwise(sorted(sizes))}
    tested = {pair: entry for pair, entry in found.items() if entry is not None and entry.p is not None}
    if len(tested) > 1 and not any(effect(entry) for entry in tested.values()):
        return f"neighbouring sizes do not measurably differ ({' and '.join(map(p_text, tested.values()))})"
    parts = []
    for (smaller, larger), entry in reversed(tested.items()):
        words = {
            1: f"larger at {larger} than at {smaller} units",
            0: f"not measurably different between {smaller} and {larger} units",
            -1: f"smaller at {larger} than at {smaller} units",
        }[effect(entry)]
        parts.append(f"{words} ({p_text(entry)})")
    return ", ".join(parts)


def _figure(numbers: Mapping[str, Quantity], networks: Mapping[int, Networks]) -> Figure:
    """Fractions above, savings below; initial deviation left, rate right."""
    figure = look.new_figure(4.6, gap=0.04)
    panels = figure.subplots(2, 2, sharex=True, height_ratios=[1.1, 1.0])
    ticks = sorted({*networks, *SIZES})
    for column, measure in enumerate(MEASURES):
        top, bottom = panels[:, column]
        _fractions(top, numbers, tuple(networks), measure)
        _savings(bottom, numbers, networks, measure)
        bottom.set(xlabel="Recurrent units", xticks=ticks, xticklabels=ticks)
        bottom.xaxis.set_minor_locator(NullLocator())
    panels[0, 0].set_ylabel("Fraction with savings")
    panels[1, 0].set_ylabel("FF1 − FF2, initial deviation (mm)")
    panels[1, 1].set_ylabel("FF2 / FF1, learning rate")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=3, borderaxespad=0.2)
    look.letter_panels(panels.flat)
    return figure


def _fractions(axes: Axes, numbers: Mapping[str, Quantity], sizes: tuple[int, ...], measure: str) -> None:
    """Both fractions with their intervals, and the study's; sizes are not joined."""
    axes.axhline(0.5, color=look.QUIET, linewidth=0.6, zorder=1)
    for name, label, colour, marker, shift in (
        (paired, f"{PAIRED}, ours", look.THIRD, "o", 1.0 / APART),
        (fraction, f"{ALL_PAIRS}, ours", look.OURS, "s", APART),
    ):
        for number, units in enumerate(sizes):
            entry = numbers[name(measure, units)]
            look.draw_estimate(
                axes, shift * units, entry.value, entry.ci, colour, label if number == 0 else None, marker
            )
    theirs = [REFERENCE[fraction(measure, units)].value for units in SIZES]
    axes.plot(SIZES, theirs, **look.STUDY, label=f"{ALL_PAIRS}, the study")
    axes.set(title=measure[0].upper() + measure[1:], ylim=(-0.02, 1.04), xscale="log")


def _savings(
    axes: Axes, numbers: Mapping[str, Quantity], networks: Mapping[int, Networks], measure: str
) -> None:
    """Savings of every network, and beside them those of the size with their interval."""
    axes.axhline(0.0 if measure == INITIAL else 1.0, color=look.QUIET, linewidth=0.6, zorder=1)
    for units, its in networks.items():
        better, worse = its.pairs(measure)
        values = MM * (better - worse) if measure == INITIAL else better / worse
        axes.scatter(
            np.full(values.shape, units / APART), values, s=9.0, color=look.OURS, linewidths=0.0, alpha=0.5,
            zorder=2,
        )  # fmt: skip
        entry = numbers[saved(measure, units)]
        look.draw_estimate(axes, units * APART, entry.value, entry.ci, look.OURS)


def _table(numbers: Mapping[str, Quantity], networks: Mapping[int, Networks]) -> str:
    """One row per size and measure."""
    headings = ("measure", "units", "networks", PAIRED, ALL_PAIRS, "savings", "p (paired t)")
    rows = []
    for measure in MEASURES:
        for units in networks:
            own, pairs, mean = (numbers[name(measure, units)] for name in (paired, fraction, saved))
            cells = [format_value(entry.value, entry.ci, entry.unit) for entry in (own, pairs, mean)]
            rows.append((measure, str(units), str(own.networks), *cells, format_p(mean.p)))
    return markdown_table(headings, rows)


def _reaching(networks: Mapping[int, Networks], sampling: Sampling) -> str:
    """One row per size: end-point error before and after the baseline."""
    rows = []
    for units, its in networks.items():
        errors = [quantity("error", values, "mm", sampling, scale=MM) for values in its.endpoint_error]
        cells = [format_value(error.value, error.ci, error.unit) for error in errors]
        rows.append((str(units), str(its.ff1.size), *cells))
    return markdown_table(
        ("units", "networks", "end-point error, start of NF1", "end-point error, end of NF1"), rows
    )


def columns_of(networks: Mapping[int, Networks]) -> Columns:
    """Return the values of every network of every size, as they are stored; NaN where no rate was fitted."""
    parts = [
        (
            np.full(its.ff1.shape, units), its.numbers, MM * its.ff1, MM * its.ff2, its.rate1, its.rate2,
            *(MM * its.endpoint_error),
        )
        for units, its in networks.items()
    ]  # fmt: skip
    return {name: np.concatenate(values) for name, *values in zip(COLUMNS, *parts, strict=True)}


def networks_in(columns: Columns) -> dict[int, Networks]:
    """Return the networks of every size whose values the figure has stored, see `Findings.networks`.

    Raises:
        ValueError: If there are no such columns.
    """
    rows = rows_by_size(columns, COLUMNS)
    found = {}
    for units, its in rows.items():
        numbers, ff1, ff2, rate1, rate2, *ends = (columns[name][its] for name in COLUMNS[1:])
        found[units] = Networks(numbers, ff1 / MM, ff2 / MM, rate1, rate2, np.stack(ends) / MM)
    return found


def rows_by_size(columns: Columns, names: Iterable[str]) -> dict[int, Indices]:
    """Return the rows of every size, by units in their order, in values of networks that a figure stored.

    Raises:
        ValueError: If a column of these names is lacking.
    """
    if lacking := [name for name in names if name not in columns]:
        raise ValueError(f"there are no columns {', '.join(lacking)}: these are no values by network size")
    return {int(units): np.flatnonzero(columns["units"] == units) for units in np.unique(columns["units"])}


def _text(numbers: Mapping[str, Quantity], sizes: tuple[int, ...]) -> str:
    """The all-pairs fractions, which the study plots; the savings, and which sizes differ in them."""
    sentences, units = [], f"at {listed([str(size) for size in sizes])} units"
    for measure in MEASURES:
        fractions = values_at([numbers[fraction(measure, size)] for size in sizes], digits=2)
        if fractions:
            sentences.append(f"All-pairs fraction with savings in {measure} {units}: {fractions}.")
    for measure, saved_as in ((INITIAL, "Initial savings"), (RATE, "Rate savings, FF2 / FF1")):
        means = values_at([numbers[saved(measure, size)] for size in sizes])
        compared = in_steps(numbers, SAVINGS[measure], sizes)
        if means:
            sentences.append(f"{saved_as} {units}: {means}{f'; {compared}' if compared else ''}.")
    return " ".join(sentences)


def values_at(entries: Sequence[Quantity], digits: int = 3) -> str:
    """Return the values of quantities of one unit as a list in a sentence; empty if one has none.

    They have equal decimals: `digits` significant ones of the largest.
    """
    values = [entry.value for entry in entries if entry.value is not None]
    if not values or len(values) < len(entries):
        return ""
    largest = max(map(abs, values))
    decimals = max(digits - 1 - math.floor(math.log10(largest)), 0) if largest else 0
    texts = [f"{value:.{decimals}f}" for value in values]
    return f"{listed(texts)}{'' if entries[0].unit == '1' else f' {entries[0].unit}'}"
