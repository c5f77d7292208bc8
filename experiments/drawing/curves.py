"""Learning curves: the four phases side by side, and FF2 over FF1."""

import logging
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from experiments.drawing import style as look
from savings_gym.arrays import MM, Floats
from savings_gym.metrics.curves import PhaseCurves
from savings_gym.metrics.learning import WINDOW, ExponentialFit, learning_rate, windowed_mean
from savings_gym.metrics.savings import fitted_rates

log = logging.getLogger(__name__)

SINGLE_LINES = 16  # most networks whose own curves are drawn
FIELDS = ("FF1", "FF2")
Curves = dict[str, PhaseCurves]
Section = dict[str, Any] | None  # of a summary


def learning_curves(curves: Curves) -> Figure:
    """Draw lateral deviation over the trials of the phases, side by side.

    Args:
        curves: Of the phases that the run reached [m]; a panel is as wide as the square root of its trials.
    """
    figure = look.new_figure(2.9, margin=0.03, gap=0.02)
    spans = [max(float(curve.trials[-1]), 1.0) for curve in curves.values()]
    panels = figure.subplots(
        1, len(spans), sharey=True, squeeze=False, width_ratios=[span**0.5 for span in spans]
    )[0]
    scale, unit = look.trial_unit(max(spans))
    for axes, (phase, curve), span in zip(panels, curves.items(), spans, strict=True):
        x, values = thinned(curve)
        colour = look.PHASE_COLOUR[phase]
        if phase in FIELDS:
            axes.set_facecolor(look.FIELD_SHADE)
        axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
        if len(values) <= SINGLE_LINES:
            axes.plot(x / scale, values.T, color=colour, linewidth=0.5, alpha=0.4, zorder=3)
        look.draw_band(axes, x / scale, values, colour)
        axes.set_title(f"{phase}  {look.PHASE_MEANING[phase]}", color=colour, loc="left", fontweight="bold")
        axes.set_xlim(0.0 - 0.02 * span / scale, 1.0 * span / scale)
        axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 4, 5, 10]))
        axes.tick_params(axis="y", left=axes is panels[0])
        axes.spines["left"].set_visible(axes is panels[0])
        if phase == "NF2" and "FF1" in curves:
            _name_after_effect(axes, values[:, 0].mean(), curves["FF1"].deviation[:, 0].mean())
    panels[0].set_ylabel("Lateral deviation (mm)")
    figure.supxlabel(f"Trials in phase{unit}", fontsize=look.STYLE["axes.labelsize"])
    _explain_lines(figure, len(next(iter(curves.values())).networks))
    return figure


def _name_after_effect(axes: Axes, deviation: float, ff1: float) -> None:
    """Names the deviation [mm] at the start of NF2 if its sign is opposite to FF1's."""
    if deviation * ff1 >= 0.0:
        return
    axes.annotate(
        "after-effect",
        (0.02, deviation),
        (0.2, deviation),
        xycoords=("axes fraction", "data"),
        textcoords=("axes fraction", "data"),
        va="center",
        fontsize=look.SMALL,
        arrowprops={"arrowstyle": "-", "color": look.QUIET, "linewidth": 0.6, "shrinkB": 4.0},
    )


def _explain_lines(figure: Figure, networks: int) -> None:
    """A legend of line, band and shading above the panels."""
    grey = look.PHASE_COLOUR["NF2"]
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=grey, linewidth=1.5, label=f"mean of {networks} networks")
    ]
    if networks > 1:
        handles.append(Patch(color=grey, alpha=0.25, linewidth=0.0, label="95 % t interval"))
    if networks <= SINGLE_LINES:
        handles.append(Line2D([], [], color=grey, linewidth=0.5, alpha=0.6, label="single network"))
    handles.append(Patch(color=look.FIELD_SHADE, label="field on"))
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles), borderaxespad=0.2)


def thinned(curve: PhaseCurves) -> tuple[Floats, Floats]:
    """Return trials (k,) and deviation (n, k) [mm]: update 0, then windows of probes."""
    starts = np.append(0, np.arange(1, curve.trials.size, WINDOW))
    probes = np.diff(np.append(starts, curve.trials.size))
    x: Floats = np.add.reduceat(curve.trials, starts) / probes
    return x, MM * np.add.reduceat(curve.deviation, starts, axis=1) / probes


def ff1_over_ff2(curves: Curves, initial_savings: Section, rate_savings: Section) -> Figure | None:
    """Draw FF2 over FF1 with what exponentials leave of them, and initial deviation and rate per network.

    Args:
        curves: Of the phases that the run reached [m].
        initial_savings: Section savings.initial of the summary, if it has one.
        rate_savings: Section savings.rate of the summary, if it has one.

    Returns:
        The figure, its panels labelled overlay, left over, initial and rate; None if the run has not reached
        both phases.
    """
    lacking = [phase for phase in FIELDS if phase not in curves]
    if lacking:
        log.warning("no figure ff1_ff2.png: the run has not reached %s", " and ".join(lacking))
        return None
    figure = look.new_figure(3.5)
    panels = figure.subplot_mosaic(
        [["overlay", "initial", "rate"], ["left over", "initial", "rate"]], width_ratios=[2.4, 1.0, 1.0],
        height_ratios=[3.2, 1.0],
    )  # fmt: skip
    shared = int(min(curves[phase].trials[-1] for phase in FIELDS))
    initial = [MM * curves[phase].deviation[:, 0] for phase in FIELDS]
    rate1, rate2, _ = fitted_rates(curves["FF1"], curves["FF2"], WINDOW)
    fits = {phase: _fit_of_mean(curves[phase], shared) for phase in FIELDS}
    _overlay(panels["overlay"], curves, fits, shared)
    _left_over(panels["left over"], curves, fits, shared)
    panels["overlay"].set_title(
        f"Mean of {len(initial[0])} networks, bands: 95 % t intervals", fontsize=look.SMALL, loc="left"
    )
    _paired_dots(panels["initial"], *initial)
    panels["initial"].set_ylabel("Initial deviation (mm)")
    panels["initial"].set_title(_initial_text(initial_savings), fontsize=look.SMALL, loc="left")
    _paired_dots(panels["rate"], MM * rate1, MM * rate2)
    panels["rate"].set_ylabel("Learning rate (per 1000 trials)")
    panels["rate"].set_title(_rate_text(rate_savings), fontsize=look.SMALL, loc="left")
    look.letter_panels(panels[name] for name in ("overlay", "left over", "initial", "rate"))
    return figure


def _fit_of_mean(curve: PhaseCurves, last_trial: int) -> ExponentialFit:
    """The exponential that fits the mean of the networks [mm], over the windows that rates are fitted to."""
    use = curve.trials <= last_trial
    trials, windows = (windowed_mean(values[..., use], WINDOW) for values in (curve.trials, curve.deviation))
    return learning_rate(trials, MM * windows.mean(axis=0))


def _overlay(axes: Axes, curves: Curves, fits: dict[str, ExponentialFit], shared: int) -> None:
    """Both curves over the trials that they share, each with the exponential of its mean if it has one."""
    scale, _ = look.trial_unit(shared)
    for phase in FIELDS:
        x, values = thinned(curves[phase])
        x, values = x[x <= shared], values[:, x <= shared]
        look.draw_band(axes, x / scale, values, look.PHASE_COLOUR[phase], phase)
    label: str | None = "one exponential"
    for phase, fit in fits.items():
        if fit.success:
            x, _ = thinned(curves[phase])
            x = x[x <= shared]
            axes.plot(
                x / scale, fit.at(x), color=look.INK, linewidth=0.8, linestyle=look.DASHED,
                zorder=5, label=label,
            )  # fmt: skip
            label = None
    axes.set_ylabel("Lateral deviation (mm)")
    axes.set_xlim(-0.02 * max(shared, 1) / scale, None)
    axes.legend(loc="upper right")
    axes.tick_params(axis="x", labelbottom=False)


def _left_over(axes: Axes, curves: Curves, fits: dict[str, ExponentialFit], shared: int) -> None:
    """Mean less its exponential: one rate does not describe the first trials."""
    scale, unit = look.trial_unit(shared)
    axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
    for phase, fit in fits.items():
        x, values = thinned(curves[phase])
        x, values = x[x <= shared], values[:, x <= shared]
        if fit.success:
            axes.plot(
                x / scale, values.mean(axis=0) - fit.at(x), color=look.PHASE_COLOUR[phase],
                linewidth=1.2, zorder=3,
            )  # fmt: skip
    axes.set(xlabel=f"Trials in phase{unit}", ylabel="Residual (mm)")
    axes.set_xlim(-0.02 * max(shared, 1) / scale, None)


def _paired_dots(axes: Axes, ff1: Floats, ff2: Floats) -> None:
    """One line per network from FF1 to FF2, and beside the dots the means with their 95 % t intervals."""
    pairs = np.stack([ff1, ff2])[:, np.isfinite(ff1) & np.isfinite(ff2)]
    axes.plot([0.0, 1.0], pairs, color=look.QUIET, linewidth=0.6, alpha=0.7, zorder=1)
    for phase, at, beside, values in zip(FIELDS, (0.0, 1.0), (-0.3, 0.3), pairs, strict=True):
        look.draw_dots(axes, at, values, look.PHASE_COLOUR[phase], look.PHASE_MARKER[phase], beside)
    if not pairs.size:
        axes.set_yticks([])
    axes.set(xlim=(-0.6, 1.6), xticks=[0, 1], xticklabels=list(FIELDS))


def _initial_text(section: Section) -> str:
    """Difference of the initial deviations in words."""
    if section is None:
        return ""
    name = "FF1 − FF2" if section["ff1"] >= 0.0 else "FF2 − FF1"
    lower = section["paired_fraction"] * section["networks"]
    difference = f"{name} = {MM * section['difference']:.2f} mm\n{_brackets(section['ci'], MM)}"
    return f"{difference.replace('-', '−')}\nlower in {lower:g} of {section['networks']}"


def _rate_text(section: Section) -> str:
    """Ratio of the rates in words."""
    if section is None:
        return ""
    if not section["networks"]:
        return "no rate determined"
    faster = section["paired_fraction"] * section["networks"]
    ratio = f"FF2 / FF1 = {section['ratio']:.2f}\n{_brackets(section['ci'], 1.0)}"
    return f"{ratio}\nfaster in {faster:g} of {section['networks']}"


def _brackets(interval: list[float | None], unit: float) -> str:
    """An interval in brackets, or nothing if there is none."""
    low, high = interval
    return "" if low is None or high is None else f"[{unit * low:.2f}, {unit * high:.2f}]"
