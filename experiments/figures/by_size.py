"""Measures of every network, compared by network size: numbers, sentences, table, picture and storage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from experiments.drawing import style as look
from experiments.figures.findings import correct, effect, finite
from experiments.figures.size import APART, in_steps, neighbours, rows_by_size, values_at
from experiments.runs.tables import format_p, format_value, listed, markdown_table
from experiments.study import Quantity, quantity
from savings_gym.arrays import Columns, Floats, Indices
from savings_gym.metrics.statistics import Sampling

OfSize = tuple[Indices, dict[str, Floats]]  # numbers of n networks, and measure to (n,) values in SI units


def at(measure: str, units: int) -> str:
    """Return the name of a measure at a size."""
    return f"{measure}, {units} units"


@dataclass(frozen=True)
class BySize:
    """Measures that every network of every size has.

    Attributes:
        unit: Measure to its unit, in the order in which they are shown.
        scale: Measure to what turns SI into that unit; 1 if it is not named.
        tested: Measures that are tested against 0; all are tested between neighbouring sizes.
    """

    unit: Mapping[str, str]
    scale: Mapping[str, float]
    tested: tuple[str, ...]

    def quantities(self, measured: Mapping[int, OfSize], sampling: Sampling) -> list[Quantity]:
        """Return every measure at every size and the differences of neighbouring sizes, tests corrected."""
        found = {units: values for units, (_, values) in measured.items()}
        entries = [
            quantity(
                at(measure, units),
                finite(its[measure]),
                unit,
                sampling,
                scale=self.scale.get(measure, 1.0),
                test=measure in self.tested,
            )  # fmt: skip
            for measure, unit in self.unit.items()
            for units, its in found.items()
            if measure in its
        ]
        for measure, unit in self.unit.items():
            values = {u: self._scaled(measure, its) for u, its in found.items() if measure in its}
            entries += neighbours(measure, values, unit)
        return correct(entries, [entry.name for entry in entries])

    def sizes(self, by_name: Mapping[str, Quantity]) -> list[int]:
        """Return the sizes that have the first measure, in their order."""
        begin, end = at(next(iter(self.unit)), 0).split("0")
        found = (name.removeprefix(begin).removesuffix(end) for name in by_name if name.startswith(begin))
        return sorted(int(units) for units in found if units.isdigit())

    def text(self, by_name: Mapping[str, Quantity], sizes: Iterable[int]) -> str:
        """Return for every measure its values, at which sizes it is shown, and which sizes differ in it."""
        wanted = list(sizes)
        return " ".join(filter(None, (self.sentence(by_name, measure, wanted) for measure in self.unit)))

    def sentence(self, by_name: Mapping[str, Quantity], measure: str, sizes: Iterable[int]) -> str:
        """Return the values of a measure, at which sizes it is shown, and which sizes differ.

        Args:
            by_name: Quantities of the figure.
            measure: One of `unit`.
            sizes: Units.

        Returns:
            A sentence; empty if there is no value.
        """
        entries = {u: by_name[at(measure, u)] for u in sizes if at(measure, u) in by_name}
        if not entries:
            return ""
        units = f"at {listed([str(u) for u in entries])} units"
        shown = f", {_shown(entries)}" if measure in self.tested else ""
        compared = in_steps(by_name, measure, entries)
        return (
            f"{measure[0].upper()}{measure[1:]}: {values_at(list(entries.values()))} {units}{shown}"
            f"{f'; {compared}' if compared else ''}."
        )

    def table(self, by_name: Mapping[str, Quantity], sizes: Iterable[int], heading: str) -> str:
        """Return one row per measure and size; the heading is that of the values."""
        rows = []
        for measure in self.unit:
            for units in sizes:
                entry = by_name.get(at(measure, units))
                if entry is not None:
                    number = format_value(entry.value, entry.ci, entry.unit)
                    middle = format_value(float(np.median(entry.values)) if entry.values else None)
                    rows.append(
                        (measure, str(units), str(entry.networks), number, middle, format_p(entry.p_holm))
                    )
        return markdown_table(("measure", "units", "networks", heading, "median", "p (Holm)"), rows)

    def figure(
        self, measured: Mapping[int, OfSize], by_name: Mapping[str, Quantity], labels: Mapping[str, str]
    ) -> Figure:
        """Draw one panel per measure, of four: networks, and their mean with its interval, against units."""
        figure = look.new_figure(4.6, gap=0.04)
        panels = figure.subplots(2, 2, sharex=True)
        for axes, measure in zip(panels.flat, self.unit, strict=True):
            axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
            for units, (_, its) in measured.items():
                values = self._scaled(measure, its)
                axes.scatter(
                    np.full(values.shape, units / APART), values, s=9.0, color=look.OURS, linewidths=0.0,
                    alpha=0.5, zorder=2,
                )  # fmt: skip
                entry = by_name.get(at(measure, units))
                if entry is not None:
                    look.draw_estimate(axes, units * APART, entry.value, entry.ci, look.OURS)
            axes.set(ylabel=labels[measure], xscale="log")
            axes.set_xticks(list(measured), [str(units) for units in measured])
            axes.xaxis.set_minor_locator(NullLocator())
        for axes in panels[1]:
            axes.set_xlabel("Recurrent units")
        look.letter_panels(panels.flat)
        return figure

    def columns(self, measured: Mapping[int, OfSize]) -> Columns:
        """Return the values of every network of every size, as they are stored; NaN where there is none."""
        columns: Columns = {
            "units": np.concatenate(
                [np.full(len(numbers), units) for units, (numbers, _) in measured.items()]
            ),
            "network": np.concatenate([numbers for numbers, _ in measured.values()]),
        }
        for measure in self.unit:
            parts = [
                self.scale.get(measure, 1.0) * its.get(measure, np.full(len(numbers), np.nan))
                for numbers, its in measured.values()
            ]
            columns[self._column(measure)] = np.concatenate(parts)
        return columns

    def read(self, columns: Columns) -> dict[int, OfSize]:
        """Return what `columns` stored.

        Raises:
            ValueError: If there are no such columns.
        """
        found = {}
        names = ("units", "network", *map(self._column, self.unit))
        for units, rows in rows_by_size(columns, names).items():
            values = {
                measure: columns[self._column(measure)][rows] / self.scale.get(measure, 1.0)
                for measure in self.unit
            }
            known = {measure: its for measure, its in values.items() if not np.isnan(its).all()}
            found[units] = columns["network"][rows], known
        return found

    def _scaled(self, measure: str, values: Mapping[str, Floats]) -> Floats:
        return self.scale.get(measure, 1.0) * finite(values.get(measure, np.empty(0)))

    def _column(self, measure: str) -> str:
        unit = self.unit[measure]
        return measure if unit == "1" else f"{measure} ({unit})"


def _shown(entries: Mapping[int, Quantity]) -> str:
    """At which sizes a measure is above 0, or below, or neither."""
    words = {1: "above 0", 0: "not measurably different from 0", -1: "below 0"}
    groups: dict[int, list[str]] = {}
    for units, entry in entries.items():
        groups.setdefault(effect(entry), []).append(str(units))
    if len(groups) == 1:
        (key,) = groups
        where = f" at {'any' if key == 0 else 'every'} size" if len(entries) > 1 else ""
        return f"{words[key]}{where}"
    return ", ".join(f"{words[key]} at {listed(sizes)}" for key, sizes in groups.items())
