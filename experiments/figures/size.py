"""Savings against the size of the networks: two fractions that must not be mixed up, and the savings.

Paired: networks whose own FF2 is better than their own FF1. All pairs: of FF1 of one network and FF2 of
another, which is what the study plots.

What stands behind savings against size: a trend over networks, their pre-training, how well they reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray
from scipy import stats

from experiments.drawing import style as look
from experiments.figures.comparison import beside_study
from experiments.figures.kit import Found, failed_fits
from experiments.runs.tables import NO_INTERVAL, markdown_table, shown
from experiments.stored.runs import Runs
from experiments.study import REFERENCES, SIZES, Quantity, fraction, quantity
from savings_gym.arrays import MM, Floats
from savings_gym.metrics.curves import phase_curves
from savings_gym.metrics.fractions import (
    all_pairs_fraction,
    all_pairs_interval,
    paired_fraction,
    paired_fraction_interval,
)
from savings_gym.metrics.savings import fitted_rates
from savings_gym.metrics.statistics import CONFIDENCE, Sampling, estimate, ratio_interval, t_test

MEASURES = ("initial deviation", "rate")
TRENDS = (
    "initial savings, change with every doubling of units",
    "log2 of rate savings, change with every doubling of units",
)
OURS, OTHER, STUDY = "#0072b2", "#009e73", "#222222"
APART = 1.05  # the two fractions of a size stand beside each other by this factor
PAIRED, ALL = "paired fraction", "all-pairs fraction"


@dataclass(frozen=True, eq=False)
class Pairs:
    """One measure of every network of a size, so that `better` > `worse` is savings.

    Attributes:
        better: (n,) FF1's deviation [m], or FF2's rate [1/trial].
        worse: (n,) FF2's deviation, or FF1's rate.
        kept: Of all networks, those that are not left out.
        failures: Networks left out, and why.
    """

    better: Floats
    worse: Floats
    kept: NDArray[np.bool_]
    failures: tuple[str, ...] = ()


def pairs_of(runs: Runs, run: Path) -> dict[str, Pairs]:
    """Initial deviations and rates of every network of a run, by measure."""
    curves = phase_curves(runs.table(run))
    ff1, ff2 = (curves[phase].deviation[:, 0] for phase in ("FF1", "FF2"))
    side = -1.0 if ff1.mean() < 0.0 else 1.0
    rate1, rate2, failures = fitted_rates(curves["FF1"], curves["FF2"])
    both = np.isfinite(rate1) & np.isfinite(rate2)
    return {
        "initial deviation": Pairs(side * ff1, side * ff2, np.ones(len(ff1), dtype=np.bool_)),
        "rate": Pairs(rate2[both], rate1[both], both, failures),
    }


def size(runs: Runs, out: Path) -> Found:
    """Fractions with savings and savings against network size, beside the study's.

    Raises:
        ValueError: When there is no run of any size.
    """
    if not runs.sizes:
        raise ValueError("no run of any network size, expected at least one in Runs.sizes")
    sampling = Sampling(runs.seed)
    pairs = {units: pairs_of(runs, run) for units, run in sorted(runs.sizes.items())}
    quantities = [
        entry
        for measure in MEASURES
        for units, found in pairs.items()
        for entry in _quantities(measure, units, found[measure], sampling)
    ]
    initial = {units: found[MEASURES[0]].better - found[MEASURES[0]].worse for units, found in pairs.items()}
    pretraining = {units: runs.pretraining(run) for units, run in sorted(runs.sizes.items())}
    quantities += _trends(pairs, pretraining)
    by_name = {entry.name: entry for entry in quantities}
    with look.house_style():
        path = look.save_png(_figure(by_name, tuple(pairs)), out / "size.png")
    studied = [entry for entry in quantities if entry.name in {row.name for row in REFERENCES}]
    tables = {
        "Savings by network size": _table(by_name, pairs),
        "All-pairs fractions beside the study": beside_study(studied),
    }
    errors = {units: _reaching(runs, run) for units, run in sorted(runs.sizes.items())}
    tables["How networks were pre-trained, and how they reach"] = by_pretraining(
        initial, errors, pretraining, sampling
    )
    return Found(quantities, tables, [path], _text(by_name, tuple(pairs))).save(out, "size")


def paired(measure: str, units: int) -> str:
    """Name of the paired fraction with savings at a size."""
    return f"paired fraction with savings, {measure}, {units} units"


def saved(measure: str, units: int) -> str:
    """Name of the mean savings at a size."""
    return f"savings, {measure}, {units} units"


def _quantities(measure: str, units: int, found: Pairs, sampling: Sampling) -> list[Quantity]:
    """All-pairs fraction, paired fraction and mean savings of one size."""
    better, worse, n = found.better, found.worse, found.better.size
    note = failed_fits(found.failures)
    unit = "mm" if measure == MEASURES[0] else "1"
    if not n:
        names = {fraction(measure, units): "1", paired(measure, units): "1", saved(measure, units): unit}
        return [Quantity(name, None, NO_INTERVAL, 0, its, note=note) for name, its in names.items()]
    everyone = all_pairs_fraction(better, worse), all_pairs_interval(better, worse, sampling)
    own = paired_fraction(better, worse), paired_fraction_interval(better, worse, sampling)
    if measure == MEASURES[0]:
        mean = quantity(saved(measure, units), estimate(better - worse, sampling), unit, 1000.0)
    else:
        ratio, ends = better.mean() / worse.mean(), ratio_interval(better, worse, sampling)
        mean = Quantity(saved(measure, units), ratio, ends, n, unit, t_test(better - worse)[1], note)
    return [
        Quantity(fraction(measure, units), *everyone, n, "1", note=note),
        Quantity(paired(measure, units), *own, n, "1", note=note),
        mean,
    ]


def _reaching(runs: Runs, run: Path) -> Floats:
    """(2, n) end-point error at the beginning and at the end of NF1 [m]."""
    curve = phase_curves(runs.table(run), "endpoint_error")["NF1"].deviation
    return np.stack([curve[:, 0], curve[:, -1]])


def _trends(pairs: dict[int, dict[str, Pairs]], pretraining: dict[int, list[str]]) -> list[Quantity]:
    """Savings against size over networks that were pre-trained alike."""
    alike = pretrained_alike(pretraining)
    initial, ratios = {}, {}
    for units, found in pairs.items():
        one, rate = found[MEASURES[0]], found[MEASURES[1]]
        initial[units] = (one.better - one.worse)[alike[units]]
        kept = alike[units][rate.kept]
        ratios[units] = np.log2(rate.better / rate.worse)[kept]
    return [per_doubling(TRENDS[0], initial, 1e3, "mm"), per_doubling(TRENDS[1], ratios, 1.0, "1")]


def _figure(found: dict[str, Quantity], sizes: tuple[int, ...]) -> Figure:
    """Fractions above, savings below; initial deviation left, rate right."""
    figure = look.new_figure(4.4, gap=0.04)
    panels = figure.subplots(2, 2, sharex=True, height_ratios=[1.25, 1.0])
    study = {row.name: row.value for row in REFERENCES}
    for column, measure in enumerate(MEASURES):
        top, bottom = panels[:, column]
        top.axhline(0.5, color=look.QUIET, linewidth=0.6, zorder=1)
        own, everyone = ({units: name(measure, units) for units in sizes} for name in (paired, fraction))
        _line(top, found, own, PAIRED + ", ours", OTHER, 1.0 / APART)
        _line(top, found, everyone, ALL + ", ours", OURS, APART)
        theirs = [study[fraction(measure, units)] for units in SIZES]
        top.plot(SIZES, theirs, "D--", color=STUDY, markerfacecolor="white", markersize=4.0, linewidth=0.9,
                 label=ALL + ", the study", zorder=5)  # fmt: skip
        top.set(title=measure[0].upper() + measure[1:], ylim=(-0.02, 1.04), xscale="log")
        bottom.axhline(0.0 if column == 0 else 1.0, color=look.QUIET, linewidth=0.6, zorder=1)
        _line(bottom, found, {units: saved(measure, units) for units in sizes}, "ours", OURS)
        ticks = sorted({*sizes, *SIZES})
        bottom.set(xlabel="Recurrent units", xticks=ticks, xticklabels=ticks)
        bottom.xaxis.set_minor_locator(NullLocator())
    panels[0, 0].set_ylabel("Fraction with savings")
    panels[1, 0].set_ylabel("FF1 − FF2, mean (mm)")
    panels[1, 1].set_ylabel("FF2 / FF1")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=3, borderaxespad=0.2)
    return figure


def _line(
    axes: Axes, found: dict[str, Quantity], names: dict[int, str], label: str, colour: str, shift: float = 1.0
) -> None:
    """Values over size, with intervals; sizes without a value are left out."""
    known = {units: found[name] for units, name in names.items() if found[name].value is not None}
    x = [shift * units for units in known]
    y = [float(entry.value or 0.0) for entry in known.values()]
    axes.plot(x, y, "s-", color=colour, markersize=4.0, linewidth=1.2, label=label, zorder=4)
    for at, entry in zip(x, known.values(), strict=True):
        low, high = entry.ci
        if low is not None and high is not None:
            axes.plot([at, at], [low, high], color=colour, linewidth=1.0, zorder=3)


def _table(found: dict[str, Quantity], pairs: dict[int, dict[str, Pairs]]) -> str:
    """One row a size and measure."""
    headings = ("measure", "units", "networks", PAIRED, ALL, "savings", "p (paired t)")
    rows = []
    for measure in MEASURES:
        for units in pairs:
            own, everyone, mean = (found[name(measure, units)] for name in (paired, fraction, saved))
            p = "-" if mean.p is None else f"{mean.p:.2g}"
            cells = [shown(entry.value, entry.ci, entry.unit) for entry in (own, everyone, mean)]
            rows.append((measure, str(units), str(own.networks), *cells, p))
    return markdown_table(headings, rows)


def _text(found: dict[str, Quantity], sizes: tuple[int, ...]) -> str:
    """Whether the all-pairs fraction, the study's, grows with every step of size."""
    sentences = []
    for measure in MEASURES:
        values = [found[fraction(measure, units)].value for units in sizes]
        known = [value for value in values if value is not None]
        if len(known) == len(sizes) >= 2:
            grows = all(later > earlier for earlier, later in zip(known[:-1], known[1:], strict=True))
            steps = ", ".join(f"{units}: {value:.2f}" for units, value in zip(sizes, known, strict=True))
            words = "grows" if grows else "does not grow"
            sentences.append(
                f"The all-pairs fraction of {measure} {words} with every step of size ({steps})."
            )
    for name in TRENDS:
        trend = found[name]
        if trend.value is not None and trend.p is not None:
            words = "" if trend.p < 0.05 else ", which cannot be told from 0"
            told = shown(trend.value, trend.ci, trend.unit)
            who = f"Of the {trend.networks} networks that were pre-trained alike"
            sentences.append(f"{who}, {name}: {told} (p = {trend.p:.2g}{words}).")
    return " ".join(sentences)


def per_doubling(name: str, values: Mapping[int, Floats], scale: float, unit: str) -> Quantity:
    """Change of a value with every doubling of size: least squares over networks, on log2 of the units.

    Args:
        name: Of the quantity.
        values: Units to one value a network.
        scale: From the values' unit to `unit`.
        unit: Of the quantity.

    Returns:
        Slope, its t interval and test; without a value for fewer than two sizes or three networks.
    """
    x = np.concatenate([np.full(len(found), np.log2(units)) for units, found in values.items()])
    y = scale * np.concatenate(list(values.values()))
    if len(x) < 3 or np.ptp(x) == 0.0:
        return Quantity(name, None, NO_INTERVAL, len(x), unit, note="fewer than two sizes, or three networks")
    fit = stats.linregress(x, y)
    reach = stats.t.ppf(0.5 + CONFIDENCE / 2, len(x) - 2) * fit.stderr
    note = f"least squares over {len(x)} networks"
    return Quantity(name, fit.slope, (fit.slope - reach, fit.slope + reach), len(x), unit, fit.pvalue, note)


def by_pretraining(
    savings: Mapping[int, Floats],
    errors: Mapping[int, Floats],
    pretraining: Mapping[int, list[str]],
    sampling: Sampling,
) -> str:
    """A table of how well networks reach, and of their initial savings, by size and pre-training.

    Args:
        savings: Units to initial savings of every network [m].
        errors: Units to (2, n), mean end-point error at the beginning and at the end of NF1 [m].
        pretraining: Units to how every network was pre-trained, in words.
        sampling: Of the intervals.
    """
    rows = []
    for units, saved in savings.items():
        how = np.array(pretraining[units])
        groups = {words: how == words for words in sorted(set(pretraining[units]))}
        apart, p = [saved[members] for members in groups.values()], "-"
        if len(apart) == 2 and min(map(len, apart)) > 1:
            p = f"{stats.ttest_ind(*apart, equal_var=False).pvalue:.2g}"
        for words, members in groups.items():
            cells = [_mm(values, sampling) for values in (*errors[units][:, members], saved[members])]
            rows.append((str(units), words, str(members.sum()), *cells, p))
    headings = (
        "units", "pre-training", "networks", "end-point error, start of NF1", "end of NF1", "initial savings",
        "difference between kinds of pre-training, p (Welch)",
    )  # fmt: skip
    return markdown_table(headings, rows)


def _mm(values: Floats, sampling: Sampling) -> str:
    mean = estimate(values, sampling)
    return shown(MM * mean.mean, (MM * mean.ci[0], MM * mean.ci[1]), "mm")


def pretrained_alike(pretraining: Mapping[int, list[str]]) -> dict[int, NDArray[np.bool_]]:
    """Which networks of every size had one and the same pre-training; all, if no kind of it is in every size.

    Args:
        pretraining: Units to how every network was pre-trained, in words.
    """
    shared = set.intersection(*(set(how) for how in pretraining.values()))
    if not shared:
        return {units: np.ones(len(how), dtype=np.bool_) for units, how in pretraining.items()}
    every = [words for how in pretraining.values() for words in how]
    chosen = max(sorted(shared), key=every.count)
    return {units: np.array(how) == chosen for units, how in pretraining.items()}
