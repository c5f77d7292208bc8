"""Hand paths of every phase, in and out of the field."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from experiments.drawing import style as look
from experiments.runs.networks import kept_networks
from savings_gym.arrays import Floats
from savings_gym.files import verified
from savings_gym.task.schedule import PHASES

log = logging.getLogger(__name__)

ROWS = ("Before learning,\nphase's own field", "After learning,\nno field", "After learning,\nfield on")
TARGET_RADIUS = 0.008  # m, as drawn
BAR = 0.05  # m
NEEDED = {
    "hand": ("network", "phase", "field", "target", "time", "axis"),
    "first_hand": ("network", "phase", "target", "time", "axis"),
    "target_position": ("target", "axis"),
}


def hand_paths(path: Path) -> Figure | None:
    """Draw paths to all targets: one column per phase, before learning and after it without and in the field.

    Networks that diverged, by the summary beside the file, are left out.

    Args:
        path: netCDF file with `hand`, `first_hand` and `target_position` [m]; phases that the run has not
            reached may be missing or NaN.

    Returns:
        The figure; None if there is no file, or no path in it.

    Raises:
        ValueError: If the file cannot be read, or lacks a variable, dimension or field.
    """
    if not path.is_file():
        log.warning("no figure hand_paths.png: no file %s", path)
        return None
    cells, targets = _read(path)
    phases = [phase for phase in PHASES if any(key[0] == phase for key in cells)]
    if not phases:
        log.warning("no figure hand_paths.png: %s has no whole path of any phase", path)
        return None
    figure = look.new_figure(0.3 + 1.62 * len(ROWS), margin=0.03, gap=0.0)
    panels = figure.subplots(len(ROWS), len(PHASES), squeeze=False)
    start = next(iter(cells.values()))[:, :, 0].mean(axis=(0, 1))
    reach = half_width(np.concatenate([hand.reshape(-1, 2) for hand in cells.values()]) - start)
    for column, phase in enumerate(PHASES):
        for row in range(len(ROWS)):
            axes = panels[row, column]
            square_window(axes, start, reach)
            if (phase, row) in cells:
                in_field = row == 2 or (row == 0 and phase.startswith("FF"))
                draw_reaches(axes, cells[phase, row], targets, look.PHASE_COLOUR[phase], in_field)
        if phase in phases:
            name = f"{phase}  {look.PHASE_MEANING[phase]}"
            panels[0, column].set_title(name, color=look.PHASE_COLOUR[phase], fontweight="bold")
    for axes, label in zip(panels[:, 0], ROWS, strict=True):
        axes.set_ylabel(label)
    scale_bar(panels[-1, 0], start, reach)
    return figure


def _read(path: Path) -> tuple[dict[tuple[str, int], Floats], Floats]:
    """Paths (n, targets, time, 2) by phase and row, if all are finite; and the targets (targets, 2)."""
    try:
        data = xr.load_dataset(verified(path), engine="h5netcdf")
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"cannot draw from {str(path)!r}: {error}") from error
    for name, dims in NEEDED.items():
        if name not in data or set(data[name].dims) != set(dims):
            dimensions = data[name].dims if name in data else "nothing"
            raise ValueError(f"{str(path)!r} has {dimensions} as {name}, expected the dimensions {dims}")
    fields = [str(name) for name in data["field"].values]
    if not {"null", "curl"} <= set(fields):
        raise ValueError(f"{str(path)!r} has the fields {fields}, expected null and curl")
    cells, kept = {}, kept_networks(path.parent, data.sizes["network"])
    data = data if len(kept) == data.sizes["network"] else data.isel(network=kept)
    first, hand = data["first_hand"].transpose(*NEEDED["first_hand"]), data["hand"].transpose(*NEEDED["hand"])
    for phase in (str(name) for name in data["phase"].values):
        rows = (first.sel(phase=phase), *(hand.sel(phase=phase, field=field) for field in ("null", "curl")))
        for row, paths in enumerate(rows):
            if paths.size and np.isfinite(paths.values).all():
                cells[phase, row] = paths.values.astype(float)
    return cells, data["target_position"].transpose(*NEEDED["target_position"]).values.astype(float)


def half_width(offsets: Floats) -> float:
    """Return half the side of a panel that holds all paths, unless they run wild.

    Args:
        offsets: (n, 2) positions of the hand from the middle of the panel [m].
    """
    return float(np.clip(1.06 * np.abs(offsets).max(), 0.115, 0.25))


def square_window(axes: Axes, start: Floats, reach: float) -> None:
    """Make a panel a square of half width `reach` around `start` [m], without ticks."""
    axes.set(
        xlim=(start[0] - reach, start[0] + reach), ylim=(start[1] - reach, start[1] + reach), aspect="equal"
    )
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def draw_reaches(axes: Axes, hand: Floats, targets: Floats, colour: str, in_field: bool) -> None:
    """Draw single networks faint, their mean bold, targets as circles, and a tint if the field acts.

    Args:
        axes: The panel.
        hand: (networks, targets, time, 2) hand paths [m].
        targets: (targets, 2) [m].
        colour: Of the paths.
        in_field: Whether the field acts.
    """
    if in_field:
        axes.set_facecolor(look.FIELD_SHADE)
    for centre in targets:
        axes.add_patch(
            Circle(tuple(centre), TARGET_RADIUS, fill=False, color=look.QUIET, linewidth=0.7, zorder=1)
        )
    faint = float(np.clip(2.5 / len(hand), 0.08, 0.4))
    singles = hand.reshape(-1, *hand.shape[2:])
    axes.add_collection(LineCollection(list(singles), colors=colour, linewidths=0.5, alpha=faint, zorder=2))
    axes.add_collection(LineCollection(list(hand.mean(axis=0)), colors=colour, linewidths=1.3, zorder=3))


def scale_bar(axes: Axes, start: Floats, reach: float) -> None:
    """Draw a bar of `BAR` in the lower left corner of a `square_window`."""
    x, y = start[0] - 0.94 * reach, start[1] - 0.95 * reach
    axes.plot([x, x + BAR], [y, y], color=look.INK, linewidth=1.5, solid_capstyle="butt", zorder=4)
    axes.text(x + BAR / 2, y + 0.03 * reach, "5 cm", ha="center", va="bottom", fontsize=look.SMALL)
