"""Savings and memory beyond practice at every network size: runs less their shams, network by network.

The figure owns the tests of what is left beyond practice: others print the estimates and refer to it.

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

from experiments.drawing import style as look
from experiments.figures.by_size import BySize, OfSize
from experiments.figures.findings import Findings, finite
from experiments.figures.latent import CM, COMPONENTS
from experiments.figures.preparatory import sham_projection
from experiments.figures.size import steps_table
from experiments.runs.tables import format_value, markdown_table
from experiments.stored.memory_trace import stored_trace
from experiments.stored.preparation import preparation
from experiments.stored.runs import StoredRuns
from experiments.study import Quantity
from savings_gym.activity.preparatory import retained_fraction
from savings_gym.arrays import MM, PERCENT
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
BEYOND: Final = BySize(
    {SAVED: "mm", FASTER: "1", SHIFT: "1", TRACE: "cm/s"}, {SAVED: MM, TRACE: CM}, MEASURES
)


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


def findings_of(measured: Mapping[int, OfSize], sampling: Sampling, out: Path) -> Findings:
    """Return the findings of the networks of every size.

    Args:
        measured: Units, in their order, to what `beyond_practice` returns.
        sampling: Of the intervals.
        out: Folder of the picture.
    """
    quantities = BEYOND.quantities(measured, sampling)
    by_name = {entry.name: entry for entry in quantities}
    labels = {}
    for measure, unit in BEYOND.unit.items():
        words = measure.removesuffix(" beyond practice")
        unit = "" if unit == "1" else f" ({unit})"
        labels[measure] = f"{words[0].upper()}{words[1:]}{unit},\nbeyond practice"
    with look.house_style():
        picture = look.save_picture(BEYOND.figure(measured, by_name, labels), out / "practice.png")
    tables = {
        "Beyond practice, by network size": BEYOND.table(by_name, measured, "run less sham"),
        "Networks that do better than their sham": _shares_table(measured, sampling),
        "Beyond practice, neighbouring sizes": steps_table(by_name, MEASURES, measured),
    }
    text, columns = BEYOND.text(by_name, measured), BEYOND.columns(measured)
    return Findings(quantities, tables, [picture], text, columns)


def beyond_practice(runs: StoredRuns, run: Path, sham: Path) -> OfSize:
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


def as_ratio(entry: Quantity) -> Quantity:
    """Return a mean log2 of ratios as their geometric mean, with its interval; its test stays what it is."""
    low, high = (None if end is None else 2.0**end for end in entry.ci)
    value = None if entry.value is None else 2.0**entry.value
    return dataclasses.replace(entry, value=value, ci=(low, high), values=())


def _shares_table(measured: Mapping[int, OfSize], sampling: Sampling) -> str:
    """How many networks of every size start nearer, or learn faster, than their sham (Clopper-Pearson)."""
    rows = []
    for measure in (SAVED, FASTER):
        for units, (_, its) in measured.items():
            values = finite(its.get(measure, np.empty(0)))
            if values.size:
                none = np.zeros(values.size)
                low, high = paired_fraction_interval(values, none, sampling)
                share = PERCENT * paired_fraction(values, none)
                shown = format_value(share, (PERCENT * low, PERCENT * high), "%")
                rows.append((measure, str(units), f"{int((values > 0.0).sum())} of {values.size}", shown))
    return markdown_table(("measure", "units", "above 0", "share"), rows)
