"""Savings of the main run: initial deviation and learning rate of FF2 against FF1, network by network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.drawing import style as look
from experiments.drawing.curves import ff1_over_ff2
from experiments.drawing.run import read_run
from experiments.figures.comparison import further_numbers
from experiments.figures.findings import Findings, correct, effect, failed_fits, p_text
from experiments.runs.tables import NO_INTERVAL, format_value
from experiments.stored.runs import StoredRuns
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
    RATE_WINDOW,
    REFERENCE,
    Quantity,
    curve,
    quantity,
)
from savings_gym.arrays import MM, Columns
from savings_gym.metrics.curves import PhaseCurves, phase_curves
from savings_gym.metrics.savings import fitted_rates
from savings_gym.metrics.statistics import Sampling, effect_size, ratio_interval, t_test
from savings_gym.task.settings import N_TARGETS

RATE_UNIT = "per 5 batches"
FIELDS = ("FF1", "FF2")


def learning(runs: StoredRuns, out: Path) -> Findings:
    """Initial deviation and learning rate in FF1 and FF2 of every network, beside the study's."""
    curves, sampling = phase_curves(runs.table(runs.main)), Sampling(runs.seed)
    quantities = correct(learning_quantities(curves, sampling), (INITIAL_SAVINGS, RATE_RATIO))
    run = read_run(runs.main)
    with look.house_style():
        figure = ff1_over_ff2(run.curves, run.initial, run.rate)
        if figure is None:
            raise ValueError(f"{runs.main} has not reached FF1 and FF2")
        arguments = runs.arguments(runs.main)
        if arguments["b"] > 0.0 and "perturbation" not in arguments:  # the study's field turns this way
            _add_study(figure, int(min(curves[phase].trials[-1] for phase in FIELDS)))
        picture = look.save_picture(figure, out / "learning.png")
    by_name = {entry.name: entry for entry in quantities}
    text = f"{_sentence('Initial savings', by_name[INITIAL_SAVINGS], 0.0)} " + _sentence(
        "Rate savings, FF2 / FF1", by_name[RATE_RATIO], 1.0
    )
    tables = further_numbers("Initial deviation and learning rate: further numbers", quantities)
    return Findings(quantities, tables, [picture], text, _networks(curves))


def learning_quantities(curves: dict[str, PhaseCurves], sampling: Sampling) -> list[Quantity]:
    """Return initial deviations and learning rates of FF1 and FF2, and the savings in both."""
    return [*_initial(curves, sampling), *_rates(curves, sampling)]


def _initial(curves: dict[str, PhaseCurves], sampling: Sampling) -> list[Quantity]:
    """Initial deviations, and how much lower that of FF2 is, on the side of FF1."""
    ff1, ff2 = (curves[phase].deviation[:, 0] for phase in FIELDS)
    side = -1.0 if ff1.mean() < 0.0 else 1.0
    saved, start = side * (ff1 - ff2), side * ff1
    low, high = ratio_interval(saved, start, sampling)
    share = 100.0 * saved.mean() / start.mean()
    return [
        quantity(INITIAL_FF1, ff1, "mm", sampling, scale=MM, test=False),
        quantity(INITIAL_FF2, ff2, "mm", sampling, scale=MM, test=False),
        quantity(INITIAL_SAVINGS, saved, "mm", sampling, scale=MM),
        Quantity(INITIAL_SHARE, share, (100.0 * low, 100.0 * high), saved.size, "%"),
    ]


def _rates(curves: dict[str, PhaseCurves], sampling: Sampling) -> list[Quantity]:
    """Learning rates, their ratio, and their difference in standard deviations over networks."""
    rate1, rate2, failures = fitted_rates(curves["FF1"], curves["FF2"])
    both = np.isfinite(rate1) & np.isfinite(rate2)
    ff1, ff2, note = rate1[both], rate2[both], failed_fits(failures)
    if not ff1.size:
        units = {RATE_FF1: RATE_UNIT, RATE_FF2: RATE_UNIT, RATE_RATIO: "1", RATE_EFFECT: "1"}
        return [Quantity(name, None, NO_INTERVAL, 0, unit, note=note) for name, unit in units.items()]
    size, ends = effect_size(ff2 - ff1, sampling)
    ratio, p = float(ff2.mean() / ff1.mean()), t_test(ff2 - ff1)[1]
    return [
        quantity(RATE_FF1, ff1, RATE_UNIT, sampling, scale=RATE_WINDOW, test=False, note=note),
        quantity(RATE_FF2, ff2, RATE_UNIT, sampling, scale=RATE_WINDOW, test=False, note=note),
        Quantity(RATE_RATIO, ratio, ratio_interval(ff2, ff1, sampling), ff1.size, "1", p, note),
        Quantity(RATE_EFFECT, size, ends, ff1.size, "1", p, note),
    ]


def _networks(curves: dict[str, PhaseCurves]) -> Columns:
    """Values of every network; no rate where none could be fitted."""
    rate1, rate2, _ = fitted_rates(curves["FF1"], curves["FF2"])
    return {
        "network": curves["FF1"].networks,
        f"{INITIAL_FF1} (mm)": MM * curves["FF1"].deviation[:, 0],
        f"{INITIAL_FF2} (mm)": MM * curves["FF2"].deviation[:, 0],
        f"{RATE_FF1} ({RATE_UNIT})": RATE_WINDOW * rate1,
        f"{RATE_FF2} ({RATE_UNIT})": RATE_WINDOW * rate2,
    }


def _add_study(figure: Figure, last_trial: int) -> None:
    """Adds the study's curves, initial deviations and rates as diamonds to the panels of `ff1_over_ff2`."""
    panels = {str(axes.get_label()): axes for axes in figure.axes}
    overlay, initial, rate = (panels[name] for name in ("overlay", "initial", "rate"))
    scale, _ = look.trial_unit(last_trial)
    batches = [batch for batch in BATCHES if batch * N_TARGETS <= last_trial]
    for phase in FIELDS:
        x = [batch * N_TARGETS / scale for batch in batches]
        y = [REFERENCE[curve(phase, batch)].value for batch in batches]
        overlay.plot(x, y, **{**look.STUDY, "color": look.PHASE_COLOUR[phase], "clip_on": False})
    for axes, names, unit in (
        (initial, (INITIAL_FF1, INITIAL_FF2), 1.0), (rate, (RATE_FF1, RATE_FF2), MM / RATE_WINDOW)
    ):  # fmt: skip
        for phase, x_at, name in zip(FIELDS, (-0.45, 1.45), names, strict=True):
            axes.plot(x_at, unit * REFERENCE[name].value, **{**look.STUDY, "color": look.PHASE_COLOUR[phase]})
    handle = Line2D([], [], **look.STUDY, label=look.STUDY_LABEL)
    handles, labels = overlay.get_legend_handles_labels()
    overlay.legend([*handles, handle], [*labels, look.STUDY_LABEL], loc="upper right")


def _sentence(name: str, saved: Quantity, null: float) -> str:
    """Whether savings differ from none, in words."""
    if saved.p is None:
        return f"{name} could not be determined."
    numbers = f"{format_value(saved.value, saved.ci, saved.unit)}, {p_text(saved)}"
    words = {1: "", 0: "; they do not measurably differ from none", -1: "; FF2 is worse than FF1"}
    return f"{name}: {numbers}, {saved.networks} networks{words[effect(saved, null)]}."
