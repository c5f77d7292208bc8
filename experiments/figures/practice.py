"""Savings and memory beyond practice at every network size: runs less their shams, network by network.

The figure owns the tests of what is left beyond practice: others print the estimates and refer to it.

A sham trains as much and never meets the field before FF2, so what it shows is practice. The shift of
preparatory activity and the memory trace of a sham are read on the axes of its run, which flatters the run
(`experiments.figures.preparatory`): what is left beyond the sham is an upper bound.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from experiments.drawing import style as look
from experiments.figures.findings import Findings, correct, effect, finite
from experiments.figures.latent import CM, COMPONENTS
from experiments.figures.preparatory import sham_projection
from experiments.figures.size import APART, in_steps, neighbours, rows_by_size, steps_table, values_at
from experiments.runs.tables import format_p, format_value, listed, markdown_table
from experiments.stored.memory_trace import stored_trace
from experiments.stored.preparation import preparation
from experiments.stored.runs import StoredRuns
from experiments.study import Quantity, quantity
from savings_gym.activity.preparatory import retained_fraction
from savings_gym.arrays import MM, Columns, Floats, Indices
from savings_gym.metrics.curves import phase_curves, shared_networks
from savings_gym.metrics.fractions import paired_fraction, paired_fraction_interval
from savings_gym.metrics.savings import field_side, fitted_rates
from savings_gym.metrics.statistics import Sampling

SAVED, FASTER, SHIFT, TRACE = MEASURES = (
    "initial savings beyond practice",
    "log2 of rate savings beyond practice",
    "shift left in NF2 beyond practice",
    "memory trace beyond practice",
)
UNIT: Final = {SAVED: "mm", FASTER: "1", SHIFT: "1", TRACE: "cm/s"}
SCALE: Final = {SAVED: MM, FASTER: 1.0, SHIFT: 1.0, TRACE: CM}
Beyond = tuple[Indices, dict[str, Floats]]  # numbers of n networks, and measure to (n,) values


def practice(runs: StoredRuns, out: Path) -> Findings:
    """What savings, preparatory shift and memory trace leave beyond equal practice, by network size.

    Raises:
        ValueError: If no run of any size has a sham.
    """
    pairs = {u: (run, runs.size_shams[u]) for u, run in sorted(runs.sizes.items()) if u in runs.size_shams}
    if not pairs:
        raise ValueError("no run of any network size has a sham, expected at least one")
    measured = {units: beyond_practice(runs, *folders) for units, folders in pairs.items()}
    return findings_of(measured, Sampling(runs.seed), out)


def findings_of(measured: Mapping[int, Beyond], sampling: Sampling, out: Path) -> Findings:
    """Return the findings of the networks of every size.

    Args:
        measured: Units, in their order, to what `beyond_practice` returns.
        sampling: Of the intervals.
        out: Folder of the picture.
    """
    found = {units: values for units, (_, values) in measured.items()}
    quantities = [
        quantity(
            beyond(measure, units),
            finite(its[measure]),
            UNIT[measure],
            sampling,
            scale=SCALE[measure],
        )  # fmt: skip
        for measure in MEASURES
        for units, its in found.items()
        if measure in its
    ]
    for measure in MEASURES:
        values = {u: SCALE[measure] * finite(its[measure]) for u, its in found.items() if measure in its}
        quantities += neighbours(measure, values, UNIT[measure])
    quantities = correct(quantities, [entry.name for entry in quantities])
    by_name = {entry.name: entry for entry in quantities}
    with look.house_style():
        picture = look.save_picture(practice_figure(found, by_name), out / "practice.png")
    tables = {
        "Beyond practice, by network size": _table(found, by_name),
        "Networks that do better than their sham": _shares_table(found, sampling),
        "Beyond practice, neighbouring sizes": steps_table(by_name, MEASURES, found),
    }
    return Findings(quantities, tables, [picture], _text(found, by_name), columns_of(measured))


def beyond_practice(runs: StoredRuns, run: Path, sham: Path) -> Beyond:
    """Return what a run shows beyond its sham, network by network.

    Shift and trace are left out if the networks of the sham are not those of the run.

    Returns:
        Numbers of the networks that both have, (n,); and measure to (n,) values in SI units, NaN where there
        is none.
    """
    own, theirs = (phase_curves(runs.table(each)) for each in (run, sham))
    ours, of_sham = shared_networks(own["FF2"].networks, theirs["FF2"].networks)
    networks = own["FF2"].networks[ours]
    slower, faster, _ = fitted_rates(theirs["FF2"], own["FF2"])
    nearer = theirs["FF2"].deviation[of_sham, 0] - own["FF2"].deviation[ours, 0]
    values = {
        SAVED: field_side(own["FF1"].deviation[:, 0]) * nearer,
        FASTER: np.log2(faster[ours] / slower[of_sham]),
    }
    paired = dataclasses.replace(runs, main=run, sham=sham)
    prepared = preparation(runs.activity(run))
    practised = sham_projection(paired, prepared)
    if practised is not None:
        kept = retained_fraction(prepared.activity, prepared.shift)
        most = min(COMPONENTS, prepared.shift.vector.shape[-1])
        trace = stored_trace(paired, run, prepared, most)
        assert trace.sham is not None
        _, places = shared_networks(networks, prepared.numbers)
        values |= {SHIFT: (kept - practised)[places], TRACE: (trace.trace - trace.sham)[places]}
    return networks, values


def beyond(measure: str, units: int) -> str:
    """Return the name of a measure at a size."""
    return f"{measure}, {units} units"


def as_ratio(entry: Quantity) -> Quantity:
    """Return a mean log2 of ratios as their geometric mean, with its interval; its test stays what it is."""
    low, high = (None if end is None else 2.0**end for end in entry.ci)
    value = None if entry.value is None else 2.0**entry.value
    return dataclasses.replace(entry, value=value, ci=(low, high), values=())


def practice_figure(found: Mapping[int, Mapping[str, Floats]], by_name: Mapping[str, Quantity]) -> Figure:
    """Draw one panel per measure: networks, and their mean with its interval, against units."""
    figure = look.new_figure(4.6, gap=0.04)
    panels = figure.subplots(2, 2, sharex=True)
    for axes, measure in zip(panels.flat, MEASURES, strict=True):
        axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
        for units, its in found.items():
            values = SCALE[measure] * finite(its.get(measure, np.empty(0)))
            axes.scatter(
                np.full(values.shape, units / APART), values, s=9.0, color=look.OURS, linewidths=0.0,
                alpha=0.5, zorder=2,
            )  # fmt: skip
            entry = by_name.get(beyond(measure, units))
            if entry is not None:
                look.draw_estimate(axes, units * APART, entry.value, entry.ci, look.OURS)
        unit = "" if UNIT[measure] == "1" else f" ({UNIT[measure]})"
        words = measure.removesuffix(" beyond practice")
        axes.set(ylabel=f"{words[0].upper()}{words[1:]}{unit},\nbeyond practice", xscale="log")
        axes.set_xticks(list(found), [str(units) for units in found])
        axes.xaxis.set_minor_locator(NullLocator())
    for axes in panels[1]:
        axes.set_xlabel("Recurrent units")
    look.letter_panels(panels.flat)
    return figure


def _table(found: Mapping[int, Mapping[str, Floats]], by_name: Mapping[str, Quantity]) -> str:
    """One row per measure and size."""
    rows = []
    for measure in MEASURES:
        for units in found:
            entry = by_name.get(beyond(measure, units))
            if entry is not None:
                number = format_value(entry.value, entry.ci, entry.unit)
                rows.append((measure, str(units), str(entry.networks), number, format_p(entry.p_holm)))
    return markdown_table(("measure", "units", "networks", "run less sham", "p (Holm)"), rows)


def _shares_table(found: Mapping[int, Mapping[str, Floats]], sampling: Sampling) -> str:
    """How many networks of every size start nearer, or learn faster, than their sham (Clopper-Pearson)."""
    rows = []
    for measure in (SAVED, FASTER):
        for units, its in found.items():
            values = finite(its.get(measure, np.empty(0)))
            if values.size:
                none = np.zeros(values.size)
                low, high = paired_fraction_interval(values, none, sampling)
                share = format_value(100.0 * paired_fraction(values, none), (100.0 * low, 100.0 * high), "%")
                rows.append((measure, str(units), f"{int((values > 0.0).sum())} of {values.size}", share))
    return markdown_table(("measure", "units", "above 0", "share"), rows)


def _text(found: Mapping[int, Mapping[str, Floats]], by_name: Mapping[str, Quantity]) -> str:
    """For every measure: its values, at which sizes it is shown, and which sizes differ in it."""
    return " ".join(filter(None, (sentence(by_name, measure, found) for measure in MEASURES)))


def sentence(by_name: Mapping[str, Quantity], measure: str, sizes: Iterable[int]) -> str:
    """Return the values of a measure, at which sizes it is shown, and which sizes differ; empty without any.

    Args:
        by_name: Quantities of the figure.
        measure: One of `MEASURES`.
        sizes: Units.
    """
    entries = {u: by_name[beyond(measure, u)] for u in sizes if beyond(measure, u) in by_name}
    if not entries:
        return ""
    units = f"at {listed([str(u) for u in entries])} units"
    compared = in_steps(by_name, measure, entries)
    return (
        f"{measure[0].upper()}{measure[1:]}: {values_at(list(entries.values()))} {units}, {_shown(entries)}"
        f"{f'; {compared}' if compared else ''}."
    )


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


def columns_of(measured: Mapping[int, Beyond]) -> Columns:
    """Return the values of every network of every size, as they are stored; NaN where there is none."""
    columns: Columns = {
        "units": np.concatenate([np.full(len(numbers), units) for units, (numbers, _) in measured.items()]),
        "network": np.concatenate([numbers for numbers, _ in measured.values()]),
    }
    for measure in MEASURES:
        parts = [
            SCALE[measure] * its.get(measure, np.full(len(numbers), np.nan))
            for numbers, its in measured.values()
        ]
        columns[_column(measure)] = np.concatenate(parts)
    return columns


def beyond_in(columns: Columns) -> dict[int, Beyond]:
    """Return what networks of every size show beyond practice, of values that the figure has stored.

    Raises:
        ValueError: If there are no such columns.
    """
    found = {}
    for units, rows in rows_by_size(columns, ("units", "network", *map(_column, MEASURES))).items():
        values = {measure: columns[_column(measure)][rows] / SCALE[measure] for measure in MEASURES}
        known = {measure: its for measure, its in values.items() if not np.isnan(its).all()}
        found[units] = columns["network"][rows], known
    return found


def _column(measure: str) -> str:
    return measure if UNIT[measure] == "1" else f"{measure} ({UNIT[measure]})"
