"""How figures look: one palette, one set of sizes, and what several figures draw alike.

Figures are `matplotlib.figure.Figure` objects on the Agg canvas, never pyplot's, so that a run leaves no
global state and needs no display.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image
from scipy.special import stdtrit

from savings_gym.arrays import Floats
from savings_gym.files import write_atomically

PHASE_COLOUR = {"NF1": "#868686", "FF1": "#0072b2", "NF2": "#3c3c3c", "FF2": "#d55e00"}  # blue, vermilion
PHASE_MEANING = {"NF1": "baseline", "FF1": "field", "NF2": "washout", "FF2": "field again"}
INK = "#222222"  # text, axes
QUIET = "#9a9a9a"  # reference lines, pairs, secondary marks
FIELD_SHADE = "#eef1f6"  # background while a field acts

WIDTH = 7.2  # in, two columns of a journal
DPI = 200
COLOURS = 192  # in a picture: a third of the bytes, no difference to the eye
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
    "legend.handlelength": 1.6,
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
}


@contextmanager
def house_style() -> Iterator[None]:
    """The settings of every figure, from matplotlib's defaults, whatever the reader's own settings are."""
    kept = {key: value for key, value in matplotlib.rcParamsDefault.items() if not key.startswith("backend")}
    settings: dict[Any, Any] = {**kept, **STYLE}
    with matplotlib.rc_context(settings):
        yield


def new_figure(height: float, margin: float = 0.04, gap: float = 0.02) -> Figure:
    """An empty figure of the full width.

    Args:
        height: In inches.
        margin: About every panel with its labels, in inches.
        gap: Between panels, as a share of a panel.
    """
    layout = ConstrainedLayoutEngine(w_pad=margin, h_pad=margin, wspace=gap, hspace=gap)
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout=layout)
    FigureCanvasAgg(figure)
    return figure


def save_png(figure: Figure, path: Path) -> Path:
    """Writes the figure whole or not at all; equal figures give equal bytes."""
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="raw", dpi=DPI)
    width, height = (round(side * DPI) for side in figure.get_size_inches())
    image = Image.frombytes("RGBA", (width, height), drawn.getvalue()).convert("RGB")
    image.quantize(COLOURS).save(small, format="png", optimize=True, dpi=(DPI, DPI))
    write_atomically(path, small.getvalue())
    return path


def t_interval(values: Floats, confidence: float = 0.95) -> tuple[Floats, Floats, Floats]:
    """Mean over networks and its t interval.

    Args:
        values: (n, ...) one row a network.
        confidence: Of the interval.

    Returns:
        Mean, lower and upper end, (...); both ends are NaN for a single network.
    """
    n = values.shape[0]
    mean = values.mean(axis=0)
    if n < 2:
        nothing = np.full_like(mean, np.nan)
        return mean, nothing, nothing
    half = stdtrit(n - 1, 0.5 + confidence / 2.0) * values.std(axis=0, ddof=1) / np.sqrt(n)
    return mean, mean - half, mean + half


def draw_band(axes: Axes, x: Floats, values: Floats, colour: str, label: str | None = None) -> None:
    """Mean over networks, (n, x) values, with its 95 % interval as a band."""
    mean, low, high = t_interval(values)
    axes.fill_between(x, low, high, color=colour, alpha=0.25, linewidth=0.0, zorder=2)
    axes.plot(x, mean, color=colour, linewidth=1.5, label=label, zorder=4)


def trial_unit(largest: float) -> tuple[float, str]:
    """Trials a unit of the axis, and what to add to its label."""
    return (1000.0, " (thousands)") if largest >= 2000 else (1.0, "")
