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
from savings_gym.metrics.learning import learning_rate, windowed_mean

log = logging.getLogger(__name__)

WINDOW = 5  # probes a point, as in the study
SINGLE_LINES = 16  # most networks drawn one by one
Curves = dict[str, PhaseCurves]
Found = dict[str, Any] | None  # a section of the summary


def learning_curves(curves: Curves) -> Figure:
    """Lateral deviation over the trials of the phases, side by side.

    Args:
        curves: Of the phases that the run reached [m]; a panel is as wide as the root of its trials.
    """
    figure = look.new_figure(2.9, margin=0.03, gap=0.02)
    spans = [max(float(curve.trials[-1]), 1.0) for curve in curves.values()]
    panels = figure.subplots(
        1, len(spans), sharey=True, squeeze=False, width_ratios=[span**0.5 for span in spans]
    )[0]
    scale, unit = look.trial_unit(max(spans))
    for axes, (phase, curve), span in zip(panels, curves.items(), spans, strict=True):
        x, values = _thinned(curve)
        colour = look.PHASE_COLOUR[phase]
        if phase.startswith("FF"):
            axes.set_facecolor(look.FIELD_SHADE)
        axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
        if len(values) <= SINGLE_LINES:
            axes.plot(x / scale, values.T, color=colour, linewidth=0.5, alpha=0.35, zorder=3)
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
    """Names the deviation [mm] at the start of NF2, if it is on the other side than that of FF1."""
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
    """Says above the panels what line, band and shading are."""
    grey = look.PHASE_COLOUR["NF2"]
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=grey, linewidth=1.5, label=f"mean of {networks} networks")
    ]
    if networks > 1:
        handles.append(Patch(color=grey, alpha=0.25, linewidth=0.0, label="95 % interval"))
    if networks <= SINGLE_LINES:
        handles.append(Line2D([], [], color=grey, linewidth=0.5, alpha=0.6, label="single network"))
    handles.append(Patch(color=look.FIELD_SHADE, label="field on"))
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles), borderaxespad=0.2)


def _thinned(curve: PhaseCurves) -> tuple[Floats, Floats]:
    """Trials (k,) and deviation (n, k) [mm]: update 0 alone, then windows of probes, the last maybe short."""
    starts = np.append(0, np.arange(1, curve.trials.size, WINDOW))
    probes = np.diff(np.append(starts, curve.trials.size))
    x: Floats = np.add.reduceat(curve.trials, starts) / probes
    return x, MM * np.add.reduceat(curve.deviation, starts, axis=1) / probes


def ff1_over_ff2(curves: Curves, initial_savings: Found, rate_savings: Found) -> Figure | None:
    """FF2 laid over FF1, and beside it the initial deviation and the rate of every network in both.

    Args:
        curves: Of the phases that the run reached [m].
        initial_savings: Section savings.initial of the summary, if it has one.
        rate_savings: Section savings.rate of the summary, if it has one.

    Returns:
        The figure; None when the run has not reached both phases.
    """
    lacking = [phase for phase in ("FF1", "FF2") if phase not in curves]
    if lacking:
        log.warning("no figure ff1_ff2.png: the run has not reached %s", " and ".join(lacking))
        return None
    figure = look.new_figure(2.9)
    left, start, pace = figure.subplots(1, 3, width_ratios=[2.4, 1.0, 1.0])
    side = 1.0 if curves["FF1"].deviation[:, 0].mean() >= 0.0 else -1.0
    shared = int(min(curves[phase].trials[-1] for phase in ("FF1", "FF2")))
    initial = [MM * curves[phase].deviation[:, 0] for phase in ("FF1", "FF2")]
    rates = [1000.0 * _rates(*_windows(curves[phase], shared), side) for phase in ("FF1", "FF2")]
    _overlay(left, curves, shared)
    explained = f"{len(initial[0])} networks\nBands, bars and brackets: 95 % intervals"
    left.set_title(explained, fontsize=look.SMALL, loc="left")
    _paired_dots(start, *initial)
    start.set_ylabel("Initial deviation (mm)")
    start.set_title(_initial_text(initial_savings), fontsize=look.SMALL, loc="left")
    _paired_dots(pace, *rates)
    pace.set_ylabel("Learning rate (per 1000 trials)")
    pace.set_title(_rate_text(rate_savings), fontsize=look.SMALL, loc="left")
    return figure


def _overlay(axes: Axes, curves: Curves, shared: int) -> None:
    """Both curves over the trials that they share, each with the exponential of its mean if it has one."""
    scale, unit = look.trial_unit(shared)
    fit_label: str | None = "exponential fit of the mean"
    dashes: dict[str, Any] = {"color": look.INK, "linewidth": 0.8, "linestyle": (0, (4, 3)), "zorder": 5}
    for phase in ("FF2", "FF1"):  # the legend is read backwards
        x, values = _thinned(curves[phase])
        x, values = x[x <= shared], values[:, x <= shared]
        trials, windows = _windows(curves[phase], shared)
        fit = learning_rate(trials, windows.mean(axis=0))
        if fit.success:
            y = fit.amplitude * np.exp(-fit.rate * x) + fit.asymptote
            axes.plot(x / scale, y, label=fit_label, **dashes)
            fit_label = None
        look.draw_band(axes, x / scale, values, look.PHASE_COLOUR[phase], f"{phase}, mean")
    axes.set(xlabel=f"Trials in phase{unit}", ylabel="Lateral deviation (mm)")
    axes.set_xlim(-0.02 * max(shared, 1) / scale, None)
    axes.legend(loc="upper right", reverse=True)


def _windows(curve: PhaseCurves, last_trial: int) -> tuple[Floats, Floats]:
    """Trials (k,) and deviation (n, k) [mm] that rates are fitted to, as in `savings_gym.metrics.savings`."""
    use = curve.trials <= last_trial
    trials: Floats = windowed_mean(curve.trials[use], WINDOW)
    return trials, MM * windowed_mean(curve.deviation[:, use], WINDOW)


def _rates(trials: Floats, windows: Floats, side: float) -> Floats:
    """Rate of every network, (n,) [1/trial]; NaN where the fit failed or the deviation grows on its side."""
    fits = [learning_rate(trials, deviation) for deviation in windows]
    return np.array([fit.rate if fit.amplitude * side > 0.0 else np.nan for fit in fits])


def _paired_dots(axes: Axes, ff1: Floats, ff2: Floats) -> None:
    """A line a network from FF1 to FF2, and beside the dots the means with their 95 % intervals."""
    pairs = np.stack([ff1, ff2])[:, np.isfinite(ff1) & np.isfinite(ff2)]
    axes.plot([0.0, 1.0], pairs, color=look.QUIET, linewidth=0.6, alpha=0.7, zorder=1)
    for phase, at, beside, values in zip(("FF1", "FF2"), (0.0, 1.0), (-0.3, 1.3), pairs, strict=True):
        colour = look.PHASE_COLOUR[phase]
        axes.scatter(np.full(values.shape, at), values, s=9.0, color=colour, linewidths=0.0, zorder=3)
        if values.size:
            mean, low, high = look.t_interval(values)
            axes.plot([beside, beside], [low, high], color=colour, linewidth=1.5, zorder=3)
            axes.plot(beside, mean, "s", color=colour, markersize=4.5, zorder=4)
    if not pairs.size:
        axes.set_yticks([])
    axes.set(xlim=(-0.6, 1.6), xticks=[0, 1], xticklabels=["FF1", "FF2"])


def _initial_text(found: Found) -> str:
    """Difference of the initial deviations in words."""
    if found is None:
        return ""
    name = "FF1 − FF2" if found["ff1"] >= 0.0 else "FF2 − FF1"
    lower = found["paired_fraction"] * found["networks"]
    difference = f"{name} = {MM * found['difference']:.2f} mm{_brackets(found['ci'], MM)}"
    return f"{difference.replace('-', '−')}\nlower in {lower:g} of {found['networks']}"


def _rate_text(found: Found) -> str:
    """Ratio of the rates in words."""
    if found is None:
        return ""
    if not found["networks"]:
        return "no rate determined"
    faster = found["paired_fraction"] * found["networks"]
    ratio = f"FF2/FF1 = {found['ratio']:.2f}{_brackets(found['ci'], 1.0)}"
    return f"{ratio}\nfaster in {faster:g} of {found['networks']} fitted"


def _brackets(interval: list[float | None], unit: float) -> str:
    """An interval in brackets, or nothing where there is none."""
    low, high = interval
    return "" if low is None or high is None else f" [{unit * low:.2f}, {unit * high:.2f}]"
