"""The look of every figure: palette, sizes, and marks that several figures share.

Figures are `matplotlib.figure.Figure` objects on the Agg canvas, never pyplot's, so that a run leaves no
global state and needs no display. Every picture is written as PNG and as SVG.

Phases differ in hue, in lightness and in line style, so that they can be told apart in grey and by
colour-blind readers.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

from savings_gym.arrays import Floats
from savings_gym.files import write_atomically
from savings_gym.metrics.statistics import t_band

PHASE_COLOUR = {"NF1": "#44aa99", "FF1": "#0a5aa0", "NF2": "#2f2f2f", "FF2": "#e0620d"}
PHASE_LINE: dict[str, Any] = {"NF1": (0, (4, 1.5)), "FF1": "-", "NF2": (0, (4, 1.5)), "FF2": "-"}
PHASE_MARKER = {"NF1": "o", "FF1": "s", "NF2": "^", "FF2": "v"}
PHASE_MEANING = {"NF1": "baseline", "FF1": "field", "NF2": "washout", "FF2": "field again"}
OURS, SECOND, THIRD, FOURTH = "#0a5aa0", "#e0620d", "#44aa99", "#7b3f8c"  # data that are no phases
INK = "#222222"  # text, axes, the study
QUIET = "#9a9a9a"  # reference lines, pairs, secondary marks
FIELD_SHADE = "#eef1f6"  # background while a field acts
STUDY: Mapping[str, Any] = {  # marks of the study's numbers
    "marker": "D", "color": INK, "markerfacecolor": "white", "linestyle": "none", "markersize": 4.0,
    "zorder": 6,
}  # fmt: skip
STUDY_LABEL = "the study (40 networks)"
DASHED, DOTTED = (0, (4, 3)), (0, (1, 1.5))

WIDTH = 7.2  # in, two columns of a journal
DPI = 200
COLOURS = 192  # in a PNG: a third of the bytes, no difference to the eye
SMALL = 7.0  # pt
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 8.0,
    "axes.labelsize": 8.0,
    "axes.titlesize": 8.0,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "legend.handlelength": 2.0,
    "axes.linewidth": 0.7,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "lines.solid_capstyle": "round",
    "path.simplify": True,
    "savefig.facecolor": "white",
    "svg.hashsalt": "savings_gym",  # equal figures give equal files
}


@contextmanager
def house_style() -> Iterator[None]:
    """Apply the settings of every figure to matplotlib's defaults, whatever the reader's own settings are."""
    kept = {key: value for key, value in matplotlib.rcParamsDefault.items() if not key.startswith("backend")}
    settings: dict[Any, Any] = {**kept, **STYLE}
    with matplotlib.rc_context(settings):
        yield


def new_figure(height: float, margin: float = 0.04, gap: float = 0.02) -> Figure:
    """Return an empty figure of the full width.

    Args:
        height: In inches.
        margin: Around every panel with its labels, in inches.
        gap: Between panels, as a share of a panel.
    """
    layout = ConstrainedLayoutEngine(w_pad=margin, h_pad=margin, wspace=gap, hspace=gap)
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout=layout)
    FigureCanvasAgg(figure)
    return figure


def save_picture(figure: Figure, path: Path) -> Path:
    """Write the figure as PNG and, beside it, as SVG; equal figures give equal bytes.

    Args:
        figure: The figure.
        path: PNG file.

    Returns:
        The PNG file.
    """
    write_atomically(path, png(figure))
    layout, vector = figure.get_layout_engine(), io.BytesIO()
    figure.set_layout_engine("none")  # the panels are where the PNG has them
    try:
        FigureCanvasSVG(figure).print_svg(vector, metadata={"Date": None})
    finally:
        figure.set_layout_engine(layout)
        FigureCanvasAgg(figure)
    write_atomically(path.with_suffix(".svg"), vector.getvalue())
    return path


def png(figure: Figure, dpi: int | None = None) -> bytes:
    """Return the figure as a small PNG, by default of `DPI` dots per inch; equal figures give equal bytes."""
    dpi = DPI if dpi is None else dpi
    own, small = figure.get_dpi(), io.BytesIO()
    figure.set_dpi(dpi)
    try:
        canvas = FigureCanvasAgg(figure)
        canvas.draw()  # once; `savefig` draws twice
        image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    finally:
        figure.set_dpi(own)
    image.quantize(COLOURS).save(small, format="png", optimize=True, dpi=(dpi, dpi))
    return small.getvalue()


def letter_panels(panels: Iterable[Axes]) -> None:
    """Letter panels a, b, c, ... above their upper left corners."""
    for number, axes in enumerate(panels):
        axes.annotate(
            chr(ord("a") + number), (0.0, 1.0), (-4.0, 7.0), xycoords="axes fraction",
            textcoords="offset points", ha="right", va="bottom", fontsize=10.0, fontweight="bold",
            annotation_clip=False,
        )  # fmt: skip


def draw_band(
    axes: Axes,
    x: Floats,
    values: Floats,
    colour: str,
    label: str | None = None,
    line: Any = "-",
    alpha: float = 0.22,
) -> None:
    """Draw the mean over networks of (n, x) values with its 95 % t interval as a band."""
    axes.fill_between(x, *t_band(values), color=colour, alpha=alpha, linewidth=0.0, zorder=2)
    axes.plot(x, values.mean(axis=0), color=colour, linewidth=1.5, linestyle=line, label=label, zorder=4)


def draw_dots(
    axes: Axes, x: float, values: Floats, colour: str, marker: str = "o", beside: float = 0.17
) -> None:
    """Draw one dot per network, and beside them the mean with its 95 % t interval; NaN is left out."""
    values = values[np.isfinite(values)]
    axes.scatter(
        np.full(values.shape, x), values, s=11.0, color=colour, marker=marker, linewidths=0.0, alpha=0.75,
        zorder=3,
    )  # fmt: skip
    if values.size:
        low, high = t_band(values)
        draw_estimate(axes, x + beside, float(values.mean()), (float(low), float(high)), colour)


def draw_estimate(
    axes: Axes,
    x: float,
    value: float | None,
    interval: tuple[float | None, float | None],
    colour: str,
    label: str | None = None,
    marker: str = "s",
) -> None:
    """Draw a value with a vertical interval; nothing for None."""
    if value is None:
        return
    low, high = interval
    if low is not None and high is not None:
        axes.plot([x, x], [low, high], color=colour, linewidth=1.3, zorder=4)
    axes.plot(x, value, marker, color=colour, markersize=4.0, label=label, zorder=5)


def mark_times(axes: Axes, times: Mapping[str, float], labels: bool = True) -> None:
    """Draw vertical lines at named times of the trial, in order, the names above the panel."""
    for number, (name, time) in enumerate(times.items()):
        axes.axvline(time, color=QUIET, linewidth=0.6, zorder=0)
        if labels:
            middle = 0 < number < len(times) - 1
            axes.annotate(
                name, (time, 1.0), (-1.0 if middle else 1.0, 2.0), xycoords=("data", "axes fraction"),
                textcoords="offset points", va="bottom", ha="right" if middle else "left", fontsize=SMALL,
            )  # fmt: skip


def trial_unit(largest: float) -> tuple[float, str]:
    """Return trials per unit of an axis, and what to add to its label."""
    return (1000.0, " (thousands)") if largest >= 2000 else (1.0, "")
