"""Figures of the savings experiment, from the tables of a run folder.

    python -m experiments.drawing.run RUN_FOLDER

draws again what the run itself drew: learning curves of the four phases, FF1 over FF2, and hand paths.
"""

import json
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.drawing import style as look
from experiments.drawing.curves import ff1_over_ff2, learning_curves
from experiments.drawing.hand_paths import hand_paths
from savings_gym.metrics.curves import PhaseCurves, phase_curves
from savings_gym.metrics.savings import savings
from savings_gym.task.schedule import PHASES

COLUMNS = ["network", "phase", "update", "trial", "target", "lateral_deviation"]


@dataclass(frozen=True)
class Run:
    """What the figures need of a run folder.

    Attributes:
        curves: Learning curves of the phases that the run reached [m], in order.
        initial: Section savings.initial of the summary; None where FF1 or FF2 lacks.
        rate: Section savings.rate of the summary; None likewise.
    """

    curves: dict[str, PhaseCurves]
    initial: dict[str, Any] | None
    rate: dict[str, Any] | None


def draw_figures(folder: Path) -> list[Path]:
    """Draws learning_curves.png, ff1_ff2.png and hand_paths.png into a run folder.

    A figure whose data are not there, as after an interruption, is left out with a warning in the log.

    Args:
        folder: Run folder with probes.parquet; summary.json and paths.nc where the run has got so far.

    Returns:
        The files written.

    Raises:
        FileNotFoundError: When the folder has no probes.parquet.
        ValueError: When a file cannot be read or lacks what the figures need; the message names the file.
    """
    run = read_run(folder)
    drawings = {
        "learning_curves.png": lambda: learning_curves(run.curves),
        "ff1_ff2.png": lambda: ff1_over_ff2(run.curves, run.initial, run.rate),
        "hand_paths.png": lambda: hand_paths(folder / "paths.nc"),
    }
    written = []
    for name, draw in drawings.items():
        with look.house_style():
            figure = draw()
            if figure is not None:
                written.append(look.save_png(figure, folder / name))
    return written


def read_run(folder: Path) -> Run:
    """Reads the tables of a run folder; computes the numbers where its summary lacks or is of fewer probes.

    Raises:
        FileNotFoundError, ValueError: As `draw_figures`.
    """
    probes, summary = folder / "probes.parquet", folder / "summary.json"
    if not probes.is_file():
        raise FileNotFoundError(f"no probe table {str(probes)!r}, expected a run folder with probes.parquet")
    try:
        table = pd.read_parquet(probes, columns=COLUMNS)
        curves = phase_curves(table)
        known = {phase: curves[phase] for phase in PHASES if phase in curves}
        if not known:
            raise ValueError(f"it has the phases {list(curves)}, expected some of {list(PHASES)}")
    except (ValueError, OSError) as error:
        raise ValueError(f"cannot draw from {str(probes)!r}: {error}") from error
    try:
        found = json.loads(summary.read_text(encoding="utf-8")) if summary.is_file() else None
        if found is None or not _of_these_probes(found, known):
            found = savings(table, partial=True).to_dict()
        return Run(known, found["savings"]["initial"], found["savings"]["rate"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"cannot draw from {str(summary)!r}: {error!r}") from error


def _of_these_probes(summary: dict[str, Any], curves: dict[str, PhaseCurves]) -> bool:
    """Whether a summary is of this table, not of the same run when it had got less far."""
    found = {phase: entry["trials"] for phase, entry in summary["phases"].items() if entry is not None}
    return found == {phase: int(curve.trials[-1]) for phase, curve in curves.items()}


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")
    draw_figures(Path(sys.argv[1]))
