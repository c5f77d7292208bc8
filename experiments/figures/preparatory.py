"""Preparatory activity: the ring of targets in the plane of forces, the shift, and what washout leaves of it.

The analysis is `experiments.figures.preparation`; formulas are in `savings_gym.preparatory`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from experiments import figure_style as look
from experiments.figures.comparison import beside_study
from experiments.figures.kit import Found, Quantity, Runs, markdown_table, quantity, shown
from experiments.figures.preparation import (
    CODE_FORCE_TIME,
    PREPARATORY_TIME,
    Preparation,
    preparation,
    sham_trials,
    step_at,
)
from experiments.figures.preparatory_drawings import ring_figure, shift_figure, trial_figure
from experiments.figures.reference import SHIFT_FF2, SHIFT_NF2
from savings_gym.arrays import Floats
from savings_gym.phase_change import common_share, ring_turn
from savings_gym.preparatory import shift_projections, trial_projections, uniform_shift
from savings_gym.statistics import Estimate, Sampling, estimate

SHIFT = {"NF2": SHIFT_NF2, "FF2": SHIFT_FF2}
LEVEL = 0.05
CODE, RAW = "force at 0.25 s", "no force axes"
FORCE_FIT, COMMON, OFF_AXES, LENGTH = (
    "NF1 force explained by preparatory activity",
    "share of the change NF1 to FF1 common to all targets",
    "share of the shift's length off the force axes",
    "length of the shift",
)
SHAM, BEYOND_SHAM = (
    "shift in NF2 of the sham control, on the main run's shift",
    "shift in NF2 beyond the sham",
)


def preparatory(runs: Runs, out: Path) -> Found:
    """Ring of targets, shift in every phase, and the whole trial on the shift, of the main run."""
    dataset, sampling = runs.activity(runs.main), Sampling(runs.seed)
    found = preparation(dataset)
    shifts = shift_projections(found.activity, found.shift)
    other = preparation(dataset, CODE_FORCE_TIME)
    bare = uniform_shift(found.activity, np.zeros((*found.shift.raw.shape, 0)))
    variants = {
        CODE: shift_projections(other.activity, other.shift),
        RAW: shift_projections(found.activity, bare),
    }
    largest = np.abs(other.force).max()
    notes = {CODE: f"time of the study's code, before go: the hand force is {largest:.2g} N at most", RAW: ""}
    quantities = [
        *(_told(name, shifts[phase], sampling) for phase, name in SHIFT.items()),
        *(
            _told(f"{name}, {variant}", values[phase], sampling, notes[variant])
            for variant, values in variants.items()
            for phase, name in SHIFT.items()
        ),
        *_descriptions(found, sampling),
    ]
    sham = sham_projection(runs, found)
    if sham is not None:
        quantities.append(_told(SHAM, sham, sampling))
        bound = "at most: the axis was found in the main run's own FF1, whose drift NF2 shares"
        quantities.append(_told(BEYOND_SHAM, shifts["NF2"][: sham.size] - sham, sampling, bound))
    curves = trial_projections(found.trials, found.shift)
    with look.house_style():
        drawings = {
            "preparatory_ring.png": ring_figure(found),
            "preparatory_shift.png": shift_figure(shifts, sham),
            "preparatory_trial.png": trial_figure(curves, found),
        }
        figures = [look.save_png(figure, out / name) for name, figure in drawings.items()]
    tables = {
        "Preparatory activity beside the study": beside_study(quantities),
        "Shift by network": _network_table(shifts, sham),
    }
    return Found(quantities, tables, figures, _text(quantities)).save(out, "preparatory")


def sham_projection(runs: Runs, found: Preparation) -> Floats | None:
    """NF2 of the sham control on the shift of the main run, (m,): what practice alone moves along it."""
    trials = sham_trials(runs, found)
    if trials is None:
        return None
    mean = trials["NF2"][:, :, step_at(found.time, PREPARATORY_TIME)].mean(axis=1)
    m = len(mean)
    along = np.sum((mean - found.shift.origin[:m]) * found.shift.vector[:m], axis=-1)
    return along / found.shift.scale[:m]


def _told(name: str, values: Floats, sampling: Sampling, about: str = "") -> Quantity:
    """A projection over networks, with its t in the note as the study prints it."""
    found = estimate(values, sampling)
    return quantity(name, found, "1", note="; ".join(part for part in (_t(found), about) if part))


def _t(found: Estimate) -> str:
    return f"t({found.networks - 1}) = {found.t:.2f}" if np.isfinite(found.t) else ""


def _descriptions(found: Preparation, sampling: Sampling) -> list[Quantity]:
    """How good the force axes are, how common and how long the shift is, how far the ring turns."""
    read = found.axes.predicted_force(found.activity["NF1"])
    spread = found.force - found.force.mean(axis=1, keepdims=True)
    missed = (read - read.mean(axis=1, keepdims=True)) - spread
    fit = 1.0 - np.sum(missed**2, axis=(1, 2)) / np.sum(spread**2, axis=(1, 2))
    raw = np.linalg.norm(found.shift.raw, axis=-1)
    rings = {phase: found.axes.predicted_force(x) for phase, x in found.activity.items()}
    size = np.linalg.norm(found.shift.origin, axis=-1)
    values = {
        FORCE_FIT: fit,
        COMMON: common_share(found.activity),
        OFF_AXES: found.shift.length / raw,
        LENGTH: found.shift.length,
        LENGTH + " / mean activity of NF1": found.shift.length / size,
    }
    turns = {turned(p): np.degrees(ring_turn(rings[p], rings["NF1"])) for p in ("FF1", "NF2", "FF2")}
    return [
        *(quantity(name, estimate(x, sampling), "1", test=False) for name, x in values.items()),
        *(quantity(name, estimate(x, sampling), "deg") for name, x in turns.items()),
    ]


def turned(phase: str) -> str:
    """Name of the angle by which the ring of a phase is turned against NF1."""
    return f"turn of the ring in {phase}"


def _network_table(shifts: dict[str, Floats], sham: Floats | None) -> str:
    """A row a network."""
    headings = ["network", *SHIFT, *([] if sham is None else ["NF2 of the sham"])]
    rows = []
    for i in range(shifts["NF2"].size):
        row = [str(i), *(f"{shifts[phase][i]:.3f}" for phase in SHIFT)]
        if sham is not None:
            row.append(f"{sham[i]:.3f}" if i < sham.size else "-")
        rows.append(row)
    return markdown_table(headings, rows)


def _text(quantities: list[Quantity]) -> str:
    """What is left of the shift, and whether practice alone leaves as much."""
    found = {entry.name: entry for entry in quantities}
    left = found[SHIFT_NF2]
    coded = found[f"{SHIFT_NF2}, {CODE}"]
    sentences = [
        f"After washout {shown(left.value, left.ci)} of the shift is left{_against(left)}. With the force at "
        f"the time that the study's code takes, before go, it is {shown(coded.value, coded.ci)}: there is "
        "hardly any force then, and its axes are noise."
    ]
    if BEYOND_SHAM in found:
        sham, more = found[SHAM], found[BEYOND_SHAM]
        sentences.append(
            f"Networks that never met the field stand at {shown(sham.value, sham.ci)} on the same shift "
            f"after as many updates; the field leaves {shown(more.value, more.ci)} beyond that"
            f"{_against(more)}."
        )
    return " ".join(sentences)


def _against(found: Quantity) -> str:
    """Whether a number can be told from 0, by its t test."""
    if found.p is None:
        return ", of one network"
    return f" (p = {found.p:.2g}{', which cannot be told from 0' if found.p >= LEVEL else ''})"
