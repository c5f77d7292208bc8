"""Figures of the savings experiment: learning curves of the four phases, FF1 over FF2, and hand paths."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.drawing import style as look
from experiments.drawing.curves import ff1_over_ff2, learning_curves
from experiments.drawing.hand_paths import hand_paths
from experiments.runs.folder import FIGURES
from savings_gym.files import PROBES, read_table
from savings_gym.metrics.curves import PhaseCurves, phase_curves
from savings_gym.metrics.savings import savings
from savings_gym.task.schedule import PHASES

COLUMNS = ["network", "phase", "update", "trial", "target", "lateral_deviation"]


@dataclass(frozen=True)
class Run:
    """The contents of a run folder that its figures show.

    Attributes:
        curves: Learning curves of the phases that the run reached [m], in order.
        initial: Initial savings as in a summary; None if FF1 or FF2 is missing.
        rate: Rate savings likewise.
    """

    curves: dict[str, PhaseCurves]
    initial: dict[str, Any] | None
    rate: dict[str, Any] | None


def draw_figures(
    folder: Path, stopped: Callable[[], bool] = lambda: False, names: Collection[str] | None = None
) -> list[Path]:
    """Draw learning_curves, ff1_ff2 and hand_paths into a run folder, as PNG and SVG.

    A figure whose data are missing, as after an interruption, is left out with a warning in the log.

    Args:
        folder: Run folder with probes.parquet, and paths.nc if the run has got that far.
        stopped: Called before every figure; True leaves it and the next ones out.
        names: Only these of the figures; None draws all.

    Returns:
        The PNG files.

    Raises:
        FileNotFoundError: If the folder has no probes.parquet.
        ValueError: If a file cannot be read or lacks what the figures need; the message names the file.
    """
    run = read_run(folder)
    drawings = (
        lambda: learning_curves(run.curves),
        lambda: ff1_over_ff2(run.curves, run.initial, run.rate),
        lambda: hand_paths(folder / "paths.nc"),
    )
    written: list[Path] = []
    for name, draw in zip(FIGURES, drawings, strict=True):
        if names is not None and name not in names:
            continue
        if stopped():
            return written
        with look.house_style():
            figure = draw()
            if figure is not None:
                written.append(look.save_picture(figure, folder / name))
    return written


def read_run(folder: Path) -> Run:
    """Read the probes of a run folder, and compute its savings.

    Raises:
        FileNotFoundError, ValueError: As `draw_figures`.
    """
    probes = folder / PROBES
    if not probes.is_file():
        raise FileNotFoundError(f"no probe table {str(probes)!r}, expected a run folder with probes.parquet")
    try:
        table = read_table(probes, COLUMNS)
        curves = phase_curves(table)
        known = {phase: curves[phase] for phase in PHASES if phase in curves}
        if not known:
            raise ValueError(f"it has the phases {list(curves)}, expected some of {list(PHASES)}")
        numbers = savings(table, partial=True).to_dict()["savings"]
    except (ValueError, OSError) as error:
        raise ValueError(f"cannot draw from {str(probes)!r}: {error}") from error
    return Run(known, numbers["initial"], numbers["rate"])
