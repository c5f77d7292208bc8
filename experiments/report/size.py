"""Savings against the size of the networks, from the summaries of several runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from experiments.report.finished import FinishedRun
from experiments.study import REFERENCE, SIZES, fraction
from savings_gym.arrays import MM

MEASURES = {"initial": "initial deviation", "rate": "rate"}  # sections of a summary, names in the study


def size_data(runs: Sequence[FinishedRun]) -> dict[str, Any] | None:
    """Return the savings of runs against their numbers of units; None for fewer than two sizes.

    Returns:
        ``runs``: one entry per run and measure with both fractions and the savings (mm, or FF2 / FF1), each
        as (value, low, high); ``study``: measure to (units, fraction); ``note``: what a reader must know.
    """
    sized = [run for run in runs if run.units is not None]
    if len({run.units for run in sized}) < 2:
        return None
    entries = [
        entry
        for run in sorted(sized, key=lambda run: (run.units, run.name))
        for section in MEASURES
        if (entry := _entry(run, section)) is not None
    ]
    study = {
        section: [(units, REFERENCE[fraction(measure, units)].value) for units in SIZES]
        for section, measure in MEASURES.items()
    }
    ways = dict.fromkeys(way for run in sized for way in run.pretraining)
    note = (
        ""
        if len(ways) == 1
        else f"These networks were pre-trained in different ways ({'; '.join(ways)}): what differs between "
        "sizes may come from that."
    )
    return {"runs": entries, "study": study, "note": note}


def _entry(run: FinishedRun, section: str) -> dict[str, Any] | None:
    """Both fractions and the savings of one run in one measure; None if it has none."""
    saved = run.summary["savings"][section]
    if not saved or saved["all_pairs_fraction"] is None:
        return None
    scale, name = (MM, "difference") if section == "initial" else (1.0, "ratio")
    return {
        "measure": section, "run": run.name, "units": run.units, "networks": saved["networks"],
        "pairs": [saved["all_pairs_fraction"], *saved["all_pairs_ci"]],
        "paired": [saved["paired_fraction"], *saved["paired_ci"]],
        "saved": [None if value is None else scale * value for value in (saved[name], *saved["ci"])],
    }  # fmt: skip
