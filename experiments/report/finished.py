"""A finished run as a report reads it: of `experiments.savings`, or of any learner with a summary."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from experiments.benchmark.page import CONTENT
from experiments.drawing.run import COLUMNS
from experiments.runs.folder import RunFolder
from experiments.savings.config import Savings, command
from experiments.savings.phases import PhaseChanges
from experiments.savings.shared_phases import stored_arguments
from experiments.stored.runs import pretraining
from savings_gym.files import CONFIG, PROBES, SUMMARY, read_config, read_table
from savings_gym.metrics.curves import PhaseCurves, phase_curves
from savings_gym.task.schedule import PHASES

NEEDED: Final = ("phases", "savings", "networks", "complete", "after_effect", "washout_residual")
STUDY_UNITS: Final = 128


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """The contents of a run folder.

    Attributes:
        folder: The folder, as it was named.
        summary: Its summary.json.
        config: Its config.json; empty if it has none.
        arguments: Arguments of ``experiments.savings``; None for a run of another learner.
    """

    folder: Path
    summary: dict[str, Any]
    config: dict[str, Any]
    arguments: Savings | None

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.resolve().name

    @property
    def units(self) -> int | None:
        """Recurrent units of the networks, if it is known."""
        return None if self.arguments is None else self.arguments.units

    @property
    def learner(self) -> str:
        """What learned, in words: "8 networks of 128 units (GRU)"."""
        count = self.summary["networks"]
        if self.arguments is not None:
            noun = "network" if count == 1 else "networks"
            return f"{count} {noun} of {self.arguments.units} units ({self.arguments.cell.upper()})"
        noun = "agent" if count == 1 else "agents"
        kind = self.summary.get("algorithm")
        return f"{count} {noun}" + (f" ({kind})" if kind else "")

    @property
    def follows_study(self) -> bool:
        """Whether the study's numbers are of such a run: its field, 128 units, no changed phase."""
        its = self.arguments
        return its is not None and its.units == STUDY_UNITS and its.b > 0.0 and self.standard

    @property
    def standard(self) -> bool:
        """Whether no phase differs from the four phases of the main experiment."""
        its = self.arguments
        return its is not None and (its.change, its.perturbation, its.ff1_ramp) == (
            PhaseChanges(),
            "curl",
            0.0,
        )

    @property
    def pretraining(self) -> list[str]:
        """How the networks were pre-trained, every way once."""
        return [] if self.arguments is None else list(dict.fromkeys(pretraining(self.arguments)))

    @property
    def command(self) -> str | None:
        """The command that made the run; None for a run of another learner, which was made by a script."""
        return None if self.arguments is None else command(self.arguments)

    @property
    def stopped(self) -> list[int]:
        """Numbers of the networks that diverged, which no measure includes."""
        return [int(number) for number in self.summary.get("stopped", {})]

    @cached_property
    def curves(self) -> dict[str, PhaseCurves]:
        """Learning curves of the four phases [m]; empty without a probe table."""
        if not (self.folder / PROBES).is_file():
            return {}
        curves = phase_curves(read_table(self.folder / PROBES, COLUMNS))
        return {phase: curves[phase] for phase in PHASES if phase in curves}


def read_finished(folder: Path) -> FinishedRun:
    """Read a run folder.

    Raises:
        FileNotFoundError, NotADirectoryError: If it is not a folder, or that of no run.
        ValueError: If the run is not complete, is a benchmark, or its files are damaged; one line says which.
    """
    if folder.is_file():
        raise NotADirectoryError(f"{folder} is a file, expected the folder of a run")
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    if not (folder / SUMMARY).is_file():
        _explain(folder)
    summary = RunFolder.read_summary(folder)
    if lacking := [name for name in NEEDED if name not in summary]:
        raise ValueError(f"{folder / SUMMARY} is not the summary of a run: it lacks {', '.join(lacking)}")
    if not summary["complete"]:
        raise ValueError(f"{folder} is not complete: repeat the command that began it, then report")
    config: dict[str, Any] = {}
    arguments = None
    if (folder / CONFIG).is_file():
        stored = read_config(folder)
        config = json.loads((folder / CONFIG).read_text())
        if "preset" in stored:
            arguments = _arguments(folder, stored)
    return FinishedRun(folder, summary, config, arguments)


def _explain(folder: Path) -> None:
    """Say what a folder without a summary is, if that is known."""
    if (folder / CONTENT).is_file():
        raise ValueError(f"{folder} holds a benchmark, not a run: name it with --benchmark {folder}")
    if (folder / CONFIG).is_file():
        raise ValueError(f"{folder} has no {SUMMARY} yet: repeat the command that began it, then report")


def _arguments(folder: Path, stored: dict[str, Any]) -> Savings:
    """The arguments of ``experiments.savings``, with the weights that were named on its command line."""
    arguments = stored_arguments(folder)
    return arguments if stored["pretrained"] is not None else dataclasses.replace(arguments, pretrained=None)
