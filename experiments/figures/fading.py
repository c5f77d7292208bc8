"""Displacements of preparatory activity at every network size: how much of one is left, and what it does.

The measures of `experiments.figures.persistence`, one value per network, compared by size.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from experiments.drawing import style as look
from experiments.figures.by_size import BySize, OfSize
from experiments.figures.findings import Findings
from experiments.figures.persistence import RANDOM, SHIFT, Persistence, measure
from experiments.figures.size import steps_table
from experiments.runs.tables import listed
from experiments.stored.runs import StoredRuns
from experiments.study import SIZES, SLOPE
from savings_gym.arrays import MM, PERCENT
from savings_gym.metrics.statistics import Sampling

LEFT_SHIFT: Final = "left of the shift when the cue is seen"
LEFT_RANDOM: Final = "left of a random direction when the cue is seen"
RATE: Final = "slowest decay rate of the networks"
FADING: Final = BySize(
    {LEFT_SHIFT: "%", LEFT_RANDOM: "%", SLOPE: "mm per unit of shift", RATE: "1/s"},
    {LEFT_SHIFT: PERCENT, LEFT_RANDOM: PERCENT, SLOPE: MM},
    (SLOPE,),
)
LABELS: Final = {
    LEFT_SHIFT: "Left of the shift\nwhen the cue is seen (%)",
    LEFT_RANDOM: "Left of a random direction\nwhen the cue is seen (%)",
    SLOPE: "Slope (mm per shift)",
    RATE: "Slowest decay rate (1/s)",
}


def fading(runs: StoredRuns, out: Path) -> Findings:
    """What is left of displacements, and what they do, in the networks of every size.

    Raises:
        ValueError: If there is no run of any network size.
    """
    if not runs.sizes:
        raise ValueError("no run of any network size, expected at least one in StoredRuns.sizes")
    measured = {units: values_of(measure(runs, run)) for units, run in sorted(runs.sizes.items())}
    return findings_of(measured, Sampling(runs.seed), out)


def values_of(result: Persistence) -> OfSize:
    """Return the numbers of networks, and every measure, (n,) in SI units."""
    return result.preparation.numbers, {
        LEFT_SHIFT: result.simulated[SHIFT][:, result.waited],
        LEFT_RANDOM: result.simulated[RANDOM][:, result.waited],
        SLOPE: result.slope,
        RATE: result.slowest[:, 0],
    }


def findings_of(measured: Mapping[int, OfSize], sampling: Sampling, out: Path) -> Findings:
    """Return the findings of the networks of every size.

    Args:
        measured: Units, in their order, to what `values_of` returns.
        sampling: Of the intervals.
        out: Folder of the picture.
    """
    quantities = FADING.quantities(measured, sampling)
    by_name = {entry.name: entry for entry in quantities}
    with look.house_style():
        picture = look.save_picture(FADING.figure(measured, by_name, LABELS), out / "fading.png")
    tables = {
        "Displacements, by network size": FADING.table(by_name, measured, "mean [95 % interval]"),
        "Displacements, neighbouring sizes": steps_table(by_name, FADING.unit, measured),
    }
    lacking = [str(units) for units in SIZES if units not in measured]
    text = f"{FADING.text(by_name, measured)} {_most_slopes(measured)}"
    text += f" Not measured at {listed(lacking)} units." if lacking else ""
    return Findings(quantities, tables, [picture], text, FADING.columns(measured))


def _most_slopes(measured: Mapping[int, OfSize]) -> str:
    """Medians and signs of the slopes of every size, which one odd network cannot move."""
    slopes = {units: its[SLOPE] for units, (_, its) in measured.items()}
    medians = listed([f"{MM * np.median(its):.3f}" for its in slopes.values()])
    negative = listed([f"{np.sum(its < 0.0)} of {len(its)}" for its in slopes.values()])
    return f"The medians of the slopes are {medians}; {negative} are negative."
