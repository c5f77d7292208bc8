"""Savings of the main run: initial deviation and learning rate of FF2 against FF1, network by network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.drawing import style as look
from experiments.drawing.curves import ff1_over_ff2
from experiments.drawing.run import read_run
from experiments.figures.comparison import beside_study
from experiments.figures.kit import Found, failed_fits
from experiments.runs.tables import NO_INTERVAL
from experiments.stored.runs import Runs
from experiments.study import (
    BATCHES,
    INITIAL_FF1,
    INITIAL_FF2,
    INITIAL_SAVINGS,
    INITIAL_SHARE,
    RATE_EFFECT,
    RATE_FF1,
    RATE_FF2,
    RATE_RATIO,
    REFERENCES,
    Quantity,
    curve,
    quantity,
)
from savings_gym.arrays import MM
from savings_gym.metrics.curves import PhaseCurves, phase_curves
from savings_gym.metrics.savings import fitted_rates
from savings_gym.metrics.statistics import Sampling, effect_size, estimate, ratio_interval, t_test
from savings_gym.task.settings import N_TARGETS

PER_BATCHES = 5 * N_TARGETS  # trials in a window of 5 batches, the study's unit of the rate
RATE_UNIT = "per 5 batches"
PHASES = ("FF1", "FF2")


def learning(runs: Runs, out: Path) -> Found:
    """Initial deviation and learning rate in FF1 and FF2 of every network, beside the study's."""
    curves, sampling = phase_curves(runs.table(runs.main)), Sampling(runs.seed)
    quantities = [*_initial(curves, sampling), *_rates(curves, sampling)]
    run = read_run(runs.main)
    with look.house_style():
        figure = ff1_over_ff2(run.curves, run.initial, run.rate)
        if figure is None:
            raise ValueError(f"{runs.main} has not reached FF1 and FF2")
        last = int(min(curves[phase].trials[-1] for phase in PHASES))
        if runs.arguments(runs.main).get("b", 8.0) > 0.0:  # the study's field turns this way
            _add_study(figure, last)
        path = look.save_png(figure, out / "learning.png")
    found = {entry.name: entry for entry in quantities}
    text = " ".join(
        (
            _sentence("Initial savings", found[INITIAL_SAVINGS]),
            _sentence("Rate savings", found[RATE_RATIO], 1.0),
        )
    )
    table = {"Initial deviation and learning rate beside the study": beside_study(quantities)}
    return Found(quantities, table, [path], text).save(out, "learning")


def _initial(curves: dict[str, PhaseCurves], sampling: Sampling) -> list[Quantity]:
    """Initial deviations, and how much lower that of FF2 is, on the side of FF1."""
    ff1, ff2 = (curves[phase].deviation[:, 0] for phase in PHASES)
    side = -1.0 if ff1.mean() < 0.0 else 1.0
    saved, start = side * (ff1 - ff2), side * ff1
    low, high = ratio_interval(saved, start, sampling)
    share = 100.0 * saved.mean() / start.mean()
    return [
        quantity(INITIAL_FF1, estimate(ff1, sampling), "mm", MM, test=False),
        quantity(INITIAL_FF2, estimate(ff2, sampling), "mm", MM, test=False),
        quantity(INITIAL_SAVINGS, estimate(saved, sampling), "mm", MM),
        Quantity(INITIAL_SHARE, share, (100.0 * low, 100.0 * high), saved.size, "%"),
    ]


def _rates(curves: dict[str, PhaseCurves], sampling: Sampling) -> list[Quantity]:
    """Learning rates, their ratio, and their difference in standard deviations over networks."""
    rates1, rates2, failures = fitted_rates(curves["FF1"], curves["FF2"])
    both = np.isfinite(rates1) & np.isfinite(rates2)
    ff1, ff2 = rates1[both], rates2[both]
    note = failed_fits(failures)
    if not ff1.size:
        units = {RATE_FF1: RATE_UNIT, RATE_FF2: RATE_UNIT, RATE_RATIO: "1", RATE_EFFECT: "1"}
        return [Quantity(name, None, NO_INTERVAL, 0, unit, note=note) for name, unit in units.items()]
    effect, ends = effect_size(ff2 - ff1, sampling)
    ratio, p = float(ff2.mean() / ff1.mean()), t_test(ff2 - ff1)[1]
    return [
        quantity(RATE_FF1, estimate(ff1, sampling), RATE_UNIT, PER_BATCHES, test=False, note=note),
        quantity(RATE_FF2, estimate(ff2, sampling), RATE_UNIT, PER_BATCHES, test=False, note=note),
        Quantity(RATE_RATIO, ratio, ratio_interval(ff2, ff1, sampling), ff1.size, "1", p, note),
        Quantity(RATE_EFFECT, effect, ends, ff1.size, "1", p, note),
    ]


def _add_study(figure: Figure, last_trial: int) -> None:
    """The study's curves, initial deviations and rates as diamonds in the three panels of `ff1_over_ff2`."""
    study = {reference.name: reference.value for reference in REFERENCES}
    overlay, start, pace = figure.axes
    scale, _ = look.trial_unit(last_trial)
    batches = [batch for batch in BATCHES if batch * N_TARGETS <= last_trial]
    mark: dict[str, Any] = {
        "marker": "D",
        "markerfacecolor": "white",
        "linestyle": "none",
        "zorder": 6,
        "clip_on": False,
    }
    for phase in PHASES:
        x = [batch * N_TARGETS / scale for batch in batches]
        y = [study[curve(phase, batch)] for batch in batches]
        overlay.plot(x, y, color=look.PHASE_COLOUR[phase], markersize=3.5, **mark)
    rates = [1000.0 / PER_BATCHES * study[name] for name in (RATE_FF1, RATE_FF2)]  # per 1000 trials
    for axes, values in ((start, [study[INITIAL_FF1], study[INITIAL_FF2]]), (pace, rates)):
        for phase, x_at, value in zip(PHASES, (-0.3, 1.3), values, strict=True):
            axes.plot(x_at, value, color=look.PHASE_COLOUR[phase], markersize=4.5, **mark)
    handle = Line2D([], [], color=look.INK, markersize=4.0, label="the study (40 networks)", **mark)
    handles, labels = overlay.get_legend_handles_labels()
    overlay.legend([*handles[::-1], handle], [*labels[::-1], str(handle.get_label())], loc="upper right")


def _sentence(what: str, found: Quantity, null: float = 0.0) -> str:
    """Whether savings differ from none, in words."""
    low, high = found.ci
    if found.value is None or low is None or high is None:
        return f"{what} could not be determined."
    unit = "" if found.unit == "1" else f" {found.unit}"
    numbers = f"{found.value:.3g}{unit} ({low:.3g} to {high:.3g})"
    if low > null:
        return f"{what}: {numbers}, of {found.networks} networks."
    words = "FF2 is worse than FF1" if high < null else "cannot be told from none"
    return f"{what}: {numbers}, {words}, with {found.networks} networks."
