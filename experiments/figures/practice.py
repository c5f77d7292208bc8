"""Savings and memory beyond practice at every network size: runs less their shams, network by network.

A sham trains as much and never meets the field before FF2, so what it shows is practice. The shift of
preparatory activity and the memory trace of a sham are read on the axes of its run, which flatters the run
(`experiments.figures.preparatory`): what is left beyond the sham is an upper bound.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from experiments.drawing import style as look
from experiments.figures.findings import Findings, correct, effect, p_text
from experiments.figures.latent import CM, COMPONENTS
from experiments.figures.preparatory import sham_projection
from experiments.figures.size import APART, per_doubling
from experiments.runs.tables import format_p, format_value, markdown_table
from experiments.stored.memory_trace import stored_trace
from experiments.stored.preparation import preparation
from experiments.stored.runs import StoredRuns
from experiments.study import Quantity, quantity
from savings_gym.activity.preparatory import retained_fraction
from savings_gym.arrays import MM, Columns, Floats
from savings_gym.metrics.curves import phase_curves
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


def practice(runs: StoredRuns, out: Path) -> Findings:
    """What savings, preparatory shift and memory trace leave beyond equal practice, by network size.

    Raises:
        ValueError: If no run of any size has a sham.
    """
    pairs = {u: (run, runs.size_shams[u]) for u, run in sorted(runs.sizes.items()) if u in runs.size_shams}
    if not pairs:
        raise ValueError("no run of any network size has a sham, expected at least one")
    sampling = Sampling(runs.seed)
    found = {units: beyond_practice(runs, *folders) for units, folders in pairs.items()}
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
    claimed = [entry.name for entry in quantities]
    for measure in MEASURES:
        values = {u: SCALE[measure] * finite(its[measure]) for u, its in found.items() if measure in its}
        if values:
            quantities.append(per_doubling(trend(measure), values, UNIT[measure]))
            claimed.append(trend(measure))
    quantities = correct(quantities, claimed)
    by_name = {entry.name: entry for entry in quantities}
    with look.house_style():
        picture = look.save_picture(practice_figure(found, by_name), out / "practice.png")
    tables = {"Beyond practice, by network size": _table(found, by_name)}
    return Findings(quantities, tables, [picture], _text(found, by_name), _columns(found))


def beyond_practice(runs: StoredRuns, run: Path, sham: Path) -> dict[str, Floats]:
    """Return what a run shows beyond its sham, network by network, by measure, in SI units.

    Shift and trace are left out if the networks of the sham are not those of the run.
    """
    own, theirs = (phase_curves(runs.table(each)) for each in (run, sham))
    m = min(len(own["FF2"].networks), len(theirs["FF2"].networks))
    ours, practised_only = own["FF2"].deviation[:m, 0], theirs["FF2"].deviation[:m, 0]
    slower, faster, _ = fitted_rates(theirs["FF2"], own["FF2"])
    values = {
        SAVED: field_side(own["FF1"].deviation[:, 0]) * (practised_only - ours),
        FASTER: np.log2(faster[:m] / slower[:m]),
    }
    paired = dataclasses.replace(runs, main=run, sham=sham)
    prepared = preparation(runs.activity(run))
    practised = sham_projection(paired, prepared)
    if practised is not None:
        kept = retained_fraction(prepared.activity, prepared.shift)
        values[SHIFT] = kept[: len(practised)] - practised
        most = min(COMPONENTS, prepared.shift.vector.shape[-1])
        trace = stored_trace(paired, run, prepared, most)
        assert trace.sham is not None
        values[TRACE] = trace.trace[: len(trace.sham)] - trace.sham
    return values


def beyond(measure: str, units: int) -> str:
    """Return the name of a measure at a size."""
    return f"{measure}, {units} units"


def trend(measure: str) -> str:
    """Return the name of the change of a measure with size."""
    return f"{measure}, change with every doubling of units"


def finite(values: Floats) -> Floats:
    """Return the values that could be measured: a rate may have no fit."""
    return values[np.isfinite(values)]


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


def _text(found: Mapping[int, Mapping[str, Floats]], by_name: Mapping[str, Quantity]) -> str:
    """For every measure: at which sizes it is shown, and whether it changes with size."""
    sentences = []
    for measure in MEASURES:
        entries = {u: by_name[beyond(measure, u)] for u in found if beyond(measure, u) in by_name}
        if not entries:
            continue
        words = {-1: "below 0", 0: "not measurably different from 0", 1: "above 0"}
        groups: dict[int, list[str]] = {}
        for units, entry in entries.items():
            groups.setdefault(effect(entry), []).append(str(units))
        parts = [f"{words[key]} at {_listed(sizes)} units" for key, sizes in groups.items()]
        change = by_name.get(trend(measure))
        more = ""
        if change is not None and change.value is not None:
            shown = "" if effect(change) else ", not measurably different from 0"
            number = format_value(change.value, change.ci, change.unit)
            more = f"; its change with every doubling of units is {number} ({p_text(change)}{shown})"
        sentences.append(f"{measure[0].upper()}{measure[1:]}: {', '.join(parts)}{more}.")
    return " ".join(sentences)


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _columns(found: Mapping[int, Mapping[str, Floats]]) -> Columns:
    """Values of every network of every size; NaN where there is none."""
    counts = {units: len(its[SAVED]) for units, its in found.items()}
    columns: Columns = {
        "units": np.concatenate([np.full(n, units) for units, n in counts.items()]),
        "network": np.concatenate([np.arange(n) for n in counts.values()]),
    }
    for measure in MEASURES:
        parts = [
            SCALE[measure] * its.get(measure, np.full(counts[units], np.nan)) for units, its in found.items()
        ]
        columns[measure if UNIT[measure] == "1" else f"{measure} ({UNIT[measure]})"] = np.concatenate(parts)
    return columns
