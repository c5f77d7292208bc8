"""Do networks that keep more of the shift save more? Latent against behavioural savings, size by size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.drawing import style as look
from experiments.figures.findings import Findings, correct, effect, p_text
from experiments.figures.runs import check_alike
from experiments.figures.size import rows_by_size
from experiments.runs.tables import NO_INTERVAL, format_p, format_value, markdown_table
from experiments.stored.preparation import preparation
from experiments.stored.runs import StoredRuns
from experiments.study import Quantity, quantity
from savings_gym.activity.preparatory import retained_fraction
from savings_gym.arrays import MM, Columns, Floats, Indices
from savings_gym.metrics.curves import phase_curves
from savings_gym.metrics.savings import field_side, fitted_rates
from savings_gym.metrics.statistics import Correlation, Sampling, correlation, heterogeneity

INITIAL, RATE = "initial savings", "rate savings"
LABEL: Final = {INITIAL: "FF1 − FF2, initial deviation (mm)", RATE: "FF2 / FF1, learning rate"}
COLUMNS: Final = (  # of the values of every network
    "units", "network", "shift retained in NF2", f"{INITIAL} (mm)", f"{RATE}, FF2 / FF1"
)  # fmt: skip
COLOURS: Final = (look.OURS, look.SECOND, look.THIRD, look.FOURTH, "#c9a227", look.INK)
MARKERS: Final = ("o", "s", "^", "v", "P", "X")


@dataclass(frozen=True, eq=False)
class Networks:
    """Latent and behavioural savings of the n networks of one size.

    Attributes:
        numbers: (n,) numbers of the networks.
        retained: (n,) fraction of the shift that NF2 retains.
        saved: Measure to (n,): FF1 - FF2 initial deviation [mm], and FF2 / FF1 learning rate, NaN if no rate
            could be fitted.
    """

    numbers: Indices
    retained: Floats
    saved: dict[str, Floats]

    def pairs(self, measure: str) -> tuple[Floats, Floats]:
        """Return retained shift and savings of the networks that have both."""
        known = np.isfinite(self.saved[measure])
        return self.retained[known], self.saved[measure][known]


def relation(runs: StoredRuns, out: Path) -> Findings:
    """Correlation of the shift that NF2 retains with savings, over the networks of each size.

    Raises:
        ValueError: If there is no run of any size, or networks were pre-trained in different ways.
    """
    if not runs.sizes:
        raise ValueError("no run of any network size, expected at least one in StoredRuns.sizes")
    check_alike({f"{units} units": runs.pretraining(run) for units, run in runs.sizes.items()})
    networks = {units: networks_of(runs, run) for units, run in sorted(runs.sizes.items())}
    return findings_of(networks, Sampling(runs.seed), out)


def findings_of(networks: Mapping[int, Networks], sampling: Sampling, out: Path) -> Findings:
    """Return the findings of the networks of every size.

    Args:
        networks: Units, in their order, to the networks.
        sampling: Of the intervals.
        out: Folder of the picture.
    """
    quantities = relation_quantities(networks, sampling)
    with look.house_style():
        picture = look.save_picture(_figure(networks), out / "relation.png")
    tables = {"Shift retained in NF2 and savings, over networks": _table(quantities)}
    text = _text(quantities, tuple(networks))
    return Findings(quantities, tables, [picture], text, columns_of(networks))


def relation_quantities(networks: Mapping[int, Networks], sampling: Sampling) -> list[Quantity]:
    """Return the retained shift, its correlations with savings by size, and whether these differ."""
    quantities = [
        quantity(f"shift retained in NF2, {units} units", its.retained, "1", sampling)
        for units, its in networks.items()
    ]
    claimed = []
    for measure in LABEL:
        by_size = {u: correlation(*its.pairs(measure), sampling) for u, its in networks.items()}
        quantities += [_quantity(correlated(measure, units), its) for units, its in by_size.items()]
        claimed += [correlated(measure, units) for units in by_size]
        if len(networks) > 1:
            test = heterogeneity(by_size.values())
            name, count = heterogeneous(measure), sum(its.networks for its in by_size.values())
            note = f"Cochran's Q of {test.groups} sizes, on Fisher's z"
            quantities.append(Quantity(name, test.q, NO_INTERVAL, count, "1", test.p, note))
            claimed.append(name)
    return correct(quantities, claimed)


def correlated(measure: str, units: int) -> str:
    """Return the name of the correlation of the retained shift with a measure at a size."""
    return f"correlation of shift retained in NF2 with {measure}, {units} units"


def heterogeneous(measure: str) -> str:
    """Return the name of the test whether the correlations differ between sizes."""
    return f"difference between sizes of the correlation with {measure}"


def networks_of(runs: StoredRuns, run: Path) -> Networks:
    """Return retained shift and savings of every network of a run.

    Raises:
        ValueError: If the probe table and the activity are not of the same networks.
    """
    prepared, curves = preparation(runs.activity(run)), phase_curves(runs.table(run))
    ff1, ff2 = (curves[phase].deviation[:, 0] for phase in ("FF1", "FF2"))
    numbers = curves["FF1"].networks
    if numbers.tolist() != prepared.numbers.tolist():
        raise ValueError(
            f"{run} has probes of the networks {numbers.tolist()}, but activity of "
            f"{prepared.numbers.tolist()}"
        )
    rate1, rate2, _ = fitted_rates(curves["FF1"], curves["FF2"])
    saved = {INITIAL: MM * field_side(ff1) * (ff1 - ff2), RATE: rate2 / rate1}
    return Networks(numbers, retained_fraction(prepared.activity, prepared.shift), saved)


def _quantity(name: str, its: Correlation) -> Quantity:
    if not np.isfinite(its.r):
        note = "too few networks, or values that do not vary"
        return Quantity(name, None, NO_INTERVAL, its.networks, "1", note=note)
    return Quantity(name, its.r, its.ci, its.networks, "1", its.p, "Pearson's r")


def _figure(networks: Mapping[int, Networks]) -> Figure:
    """One dot per network: savings against the retained shift."""
    figure = look.new_figure(2.9)
    panels = figure.subplots(1, len(LABEL))
    for axes, (measure, label) in zip(panels, LABEL.items(), strict=True):
        for number, (units, its) in enumerate(networks.items()):
            style = (COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)])
            _dots(axes, *its.pairs(measure), *style, f"{units} units")
        axes.axvline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
        axes.axhline(0.0 if measure == INITIAL else 1.0, color=look.QUIET, linewidth=0.6, zorder=1)
        axes.set(xlabel="Shift retained in NF2 (FF1 = 1)", ylabel=label)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=len(labels), borderaxespad=0.2)
    look.letter_panels(panels)
    return figure


def _dots(axes: Axes, x: Floats, y: Floats, colour: str, marker: str, label: str) -> None:
    """The networks of a size, with the line of least squares."""
    axes.scatter(x, y, s=15.0, color=colour, marker=marker, linewidths=0.0, label=label, zorder=3)
    slope = correlation(x, y).slope
    if np.isfinite(slope):
        ends = np.array([x.min(), x.max()])
        axes.plot(ends, y.mean() + slope * (ends - x.mean()), color=colour, linewidth=0.9, zorder=2)


def _table(quantities: list[Quantity]) -> str:
    rows = [
        (
            entry.name, format_value(entry.value, entry.ci), format_p(entry.p), format_p(entry.p_holm),
            str(entry.networks), entry.note,
        )
        for entry in quantities
    ]  # fmt: skip
    return markdown_table(("quantity", "ours [95 % interval]", "p", "p (Holm)", "networks", "note"), rows)


def columns_of(networks: Mapping[int, Networks]) -> Columns:
    """Return the values of every network of every size, as they are stored; NaN where no rate was fitted."""
    parts = [
        (np.full(its.retained.shape, units), its.numbers, its.retained, its.saved[INITIAL], its.saved[RATE])
        for units, its in networks.items()
    ]
    return {name: np.concatenate(values) for name, *values in zip(COLUMNS, *parts, strict=True)}


def networks_in(columns: Columns) -> dict[int, Networks]:
    """Return the networks of every size whose values the figure has stored, see `Findings.networks`.

    Raises:
        ValueError: If there are no such columns.
    """
    found = {}
    for units, rows in rows_by_size(columns, COLUMNS).items():
        numbers, retained, initial, rate = (columns[name][rows] for name in COLUMNS[1:])
        found[units] = Networks(numbers, retained, {INITIAL: initial, RATE: rate})
    return found


def _text(quantities: list[Quantity], sizes: tuple[int, ...]) -> str:
    """Whether networks that keep more save more, size by size."""
    by_name, sentences = {entry.name: entry for entry in quantities}, []
    for measure in LABEL:
        entries = {units: by_name[correlated(measure, units)] for units in sizes}
        listed = ", ".join(
            f"{entry.value:.2f} at {units} units ({p_text(entry)})"
            for units, entry in entries.items()
            if entry.value is not None
        )
        if not listed:
            sentences.append(f"The correlation with {measure} cannot be determined.")
            continue
        sentences.append(
            f"The shift that networks retain correlates with {measure} at r = {listed}; {_which(entries)}"
            f"{_difference(by_name.get(heterogeneous(measure)))}."
        )
    return " ".join(sentences)


def _which(entries: Mapping[int, Quantity]) -> str:
    """At which sizes networks that keep more save more, or less."""
    signs = {units: effect(entry) for units, entry in entries.items() if effect(entry)}
    if not signs:
        return "at no size is this measurably different from 0"
    words = ", ".join(f"{'more' if sign > 0 else 'less'} at {units}" for units, sign in signs.items())
    return f"networks that keep more of it save {words} units"


def _difference(test: Quantity | None) -> str:
    """Whether the correlations differ between sizes."""
    if test is None or test.p is None:
        return ""
    differ = "differ" if effect(test) else "do not measurably differ"
    return f", and the sizes {differ} (Q = {format_value(test.value)}, {p_text(test)})"
