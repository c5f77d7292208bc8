"""Do networks that keep more of the shift also save more? Latent against behavioural savings, per network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.drawing import style as look
from experiments.figures.kit import Found
from experiments.runs.tables import NO_INTERVAL, markdown_table, shown
from experiments.stored.preparation import preparation
from experiments.stored.runs import Runs
from experiments.study import Quantity, quantity
from savings_gym.activity.preparatory import retained_fraction
from savings_gym.arrays import MM, Floats
from savings_gym.metrics.curves import phase_curves
from savings_gym.metrics.savings import fitted_rates
from savings_gym.metrics.statistics import (
    CONFIDENCE,
    INTERVALS,
    Correlation,
    Sampling,
    correlation,
    estimate,
    heterogeneity,
)

INITIAL, RATE = "initial savings", "rate savings"
LABEL: Final = {INITIAL: "FF1 − FF2, initial deviation (mm)", RATE: "FF2 / FF1, learning rate"}
LEVEL: Final = 1.0 - CONFIDENCE
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


@dataclass(frozen=True, eq=False)
class Networks:
    """Latent and behavioural savings of the n networks of one size.

    Attributes:
        retained: (n,) fraction of the shift that is left in NF2.
        saved: Measure to (n,): FF1 - FF2 initial deviation [mm], and FF2 / FF1 learning rate, NaN where no
            rate could be fitted.
    """

    retained: Floats
    saved: dict[str, Floats]


def relation(runs: Runs, out: Path) -> Found:
    """Correlation over networks of the shift that is left in NF2 with savings, size by size."""
    sampling = Sampling(runs.seed)
    found = {units: networks_of(runs, run) for units, run in sorted(runs_by_units(runs).items())}
    quantities = [
        quantity(f"shift left in NF2, {units} units", estimate(one.retained, sampling), "1")
        for units, one in found.items()
    ]
    for measure in LABEL:
        related = {units: _related(one, measure, sampling) for units, one in found.items()}
        quantities += [_quantity(correlated(measure, units), related[units]) for units in found]
        if len(found) > 1:
            quantities.append(_difference(measure, related))
    with look.house_style():
        path = look.save_png(_figure(found), out / "relation.png")
    tables = {"Shift left in NF2 and savings, over networks": _table(quantities)}
    return Found(quantities, tables, [path], _text(quantities, tuple(found))).save(out, "relation")


def correlated(measure: str, units: int) -> str:
    """Name of the correlation of the retained shift with a measure, at a size."""
    return f"correlation of shift left in NF2 with {measure}, {units} units"


def differing(measure: str) -> str:
    """Name of the test that the correlation with a measure differs between sizes."""
    return f"correlation of shift left in NF2 with {measure}, Cochran's Q between sizes"


def runs_by_units(runs: Runs) -> dict[int, Path]:
    """Runs of all sizes; the main run stands for its own."""
    return {**runs.sizes, int(runs.arguments(runs.main)["units"]): runs.main}


def networks_of(runs: Runs, run: Path) -> Networks:
    """Retained shift and savings of every network of a run.

    Raises:
        ValueError: If the probe table and the activity hold different numbers of networks.
    """
    found, curves = preparation(runs.activity(run)), phase_curves(runs.table(run))
    ff1, ff2 = (curves[phase].deviation[:, 0] for phase in ("FF1", "FF2"))
    if ff1.size != found.networks:
        raise ValueError(f"{run} has probes of {ff1.size} networks, and activity of {found.networks}")
    side = -1.0 if ff1.mean() < 0.0 else 1.0
    rate1, rate2, _ = fitted_rates(curves["FF1"], curves["FF2"])
    saved = {INITIAL: MM * side * (ff1 - ff2), RATE: rate2 / rate1}
    return Networks(retained_fraction(found.activity, found.shift), saved)


def _related(one: Networks, measure: str, sampling: Sampling) -> Correlation:
    known = np.isfinite(one.saved[measure])
    return correlation(one.retained[known], one.saved[measure][known], sampling)


def _difference(measure: str, related: dict[int, Correlation]) -> Quantity:
    """Whether correlations differ between sizes."""
    test, networks = heterogeneity(related.values()), sum(entry.networks for entry in related.values())
    note = f"heterogeneity of {test.groups} correlations"
    return Quantity(differing(measure), test.q, NO_INTERVAL, networks, "1", test.p, note)


def _quantity(name: str, found: Correlation) -> Quantity:
    if not np.isfinite(found.r):
        note = "too few networks, or values that do not vary"
        return Quantity(name, None, NO_INTERVAL, found.networks, "1", note=note)
    return Quantity(
        name,
        found.r,
        found.ci,
        found.networks,
        "1",
        found.p,
        f"Pearson's r, {INTERVALS['correlation']} interval",
    )


def _figure(found: dict[int, Networks]) -> Figure:
    """A dot a network: savings against the retained shift."""
    figure = look.new_figure(2.7)
    panels = figure.subplots(1, len(LABEL))
    for axes, (measure, label) in zip(panels, LABEL.items(), strict=True):
        for (units, one), colour in zip(found.items(), _colours(len(found)), strict=True):
            _dots(axes, one, measure, colour, f"{units} units")
        axes.axvline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
        axes.axhline(0.0 if measure == INITIAL else 1.0, color=look.QUIET, linewidth=0.6, zorder=1)
        axes.set(xlabel="Shift left in NF2 (FF1 = 1)", ylabel=label)
    if len(found) > 1:
        panels[0].legend(loc="best")
    return figure


def _dots(axes: Axes, one: Networks, measure: str, colour: str, label: str) -> None:
    """The networks of a size, with the line of least squares."""
    known = np.isfinite(one.saved[measure])
    x, y = one.retained[known], one.saved[measure][known]
    axes.scatter(x, y, s=13.0, color=colour, linewidths=0.0, label=label, zorder=3)
    slope = correlation(x, y).slope
    if np.isfinite(slope):
        ends = np.array([x.min(), x.max()])
        axes.plot(ends, y.mean() + slope * (ends - x.mean()), color=colour, linewidth=0.9, zorder=2)


def _colours(count: int) -> list[str]:
    return [COLOURS[k % len(COLOURS)] for k in range(count)]


def _table(quantities: list[Quantity]) -> str:
    rows = []
    for entry in quantities:
        p = "-" if entry.p is None else f"{entry.p:.2g}"
        rows.append((entry.name, shown(entry.value, entry.ci), p, str(entry.networks)))
    return markdown_table(("quantity", "ours, with 95 % interval", "p", "networks"), rows)


def _text(quantities: list[Quantity], sizes: tuple[int, ...]) -> str:
    """Whether networks that keep more save more, size by size."""
    found, sentences = {entry.name: entry for entry in quantities}, []
    for measure in LABEL:
        sentences += [_sentence(found[correlated(measure, units)], measure, units) for units in sizes]
        test = found.get(differing(measure))
        if test is not None and test.value is not None:
            words = "differ" if test.p is not None and test.p < LEVEL else "do not measurably differ"
            sentences.append(
                f"These correlations {words} between sizes (Q = {shown(test.value)}, p = {shown(test.p)})."
            )
    return " ".join(sentences)


def _sentence(entry: Quantity, measure: str, units: int) -> str:
    low, high = entry.ci
    if entry.value is None or low is None or high is None:
        return f"Whether the shift that is left goes with {measure} at {units} units is open ({entry.note})."
    words = "do not measurably save more or less"
    if low > 0.0 or high < 0.0:
        words = f"save {'more' if low > 0.0 else 'less'}"
    return (
        f"Networks of {units} units that keep more of the shift {words} ({measure}, r = "
        f"{shown(entry.value, entry.ci)}, {entry.networks} networks)."
    )
