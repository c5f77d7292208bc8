"""A mirror of runs in Weights & Biases, on request only. The record of a run is its files, not the mirror.

Runs are offline unless WANDB_API_KEY is set, or WANDB_MODE decides otherwise; `wandb sync` uploads them
later. Probes are logged over "trial", the training trials since the start of the first phase. A mirror never
stops a run: if wandb is missing or fails, there is a warning, and nothing more is mirrored.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from savings_gym.files import CONFIG, PROBES, PROBES_CARRIED, SUMMARY, read_config, read_table
from savings_gym.metrics.kinematics import KINEMATIC_COLUMNS

PROJECT = "savings_gym"


class Tracker:
    """One run in the mirror.

    Args:
        track: Project of Weights & Biases; True means "savings_gym", None and False mean no mirror.
        config: Arguments of the run, JSON-able.
        folder: Folder for the files of wandb, in a subfolder "wandb"; None is the working directory.
        name: Name of the run; None lets wandb choose.
    """

    def __init__(
        self,
        track: str | bool | None,
        config: Mapping[str, Any],
        folder: Path | None = None,
        name: str | None = None,
    ) -> None:
        self._wandb: Any = None
        self._run: Any = None
        if track:
            project = PROJECT if track is True else track
            self._safely(lambda: self._begin(project, config, folder, name))

    @property
    def active(self) -> bool:
        """Whether the run is mirrored."""
        return self._run is not None

    def log(self, trial: int, values: Mapping[str, Any]) -> None:
        """Log the values of a probe as "savings/name".

        Args:
            trial: Training trials so far.
            values: Name to number.
        """
        if self.active:
            line = {"trial": trial} | {f"savings/{name}": value for name, value in values.items()}
            self._safely(lambda: self._run.log(line))

    def finish(self, summary: Mapping[str, Any], folder: Path | None = None) -> None:
        """End the run.

        Args:
            summary: As in summary.json; its values become the summary of the run, such as
                "savings/rate/ratio".
            folder: Run folder, whose tables and figures are mirrored too.
        """
        if self.active:
            self._safely(lambda: self._end(summary, folder))
        self._run = None

    def _begin(self, project: str, config: Mapping[str, Any], folder: Path | None, name: str | None) -> None:
        try:
            import wandb  # takes seconds to import
        except ImportError:
            warnings.warn(
                "wandb is not installed, so nothing is mirrored: pip install 'savings_gym[wandb]'",
                stacklevel=4,
            )
            return
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        run = wandb.init(
            project=project,
            name=name,
            config=dict(config),
            dir=None if folder is None else str(folder),
            mode=_mode(),
            reinit="create_new",
            settings=wandb.Settings(silent=True, console="off"),
        )
        run.define_metric("trial")
        run.define_metric("savings/*", step_metric="trial")
        self._wandb, self._run = wandb, run

    def _end(self, summary: Mapping[str, Any], folder: Path | None) -> None:
        run, wandb = self._run, self._wandb
        for name, value in _flat(summary):
            run.summary[name] = value
        if folder is not None:
            figures = sorted(folder.glob("*.png"))
            if figures:
                run.log({f"figures/{figure.stem}": wandb.Image(str(figure)) for figure in figures})
            artifact = wandb.Artifact(f"probes-{run.id}", type="probes")
            for file in (CONFIG, SUMMARY, PROBES, PROBES_CARRIED):
                if (folder / file).is_file():
                    artifact.add_file(str(folder / file))
            run.log_artifact(artifact)
        run.finish()

    def _safely(self, action: Callable[[], None]) -> None:
        """Run an action; if it fails, the mirror ends and the run goes on."""
        try:
            action()
        except Exception as error:
            self._run = None
            warnings.warn(f"nothing more is mirrored, wandb failed: {error!r}", stacklevel=3)


def _mode() -> Any:
    """Return the mode of wandb; None leaves it to WANDB_MODE."""
    if "WANDB_MODE" in os.environ:
        return None
    return "online" if os.environ.get("WANDB_API_KEY") else "offline"


def mirror(folder: str | Path, project: str = PROJECT, name: str | None = None) -> bool:
    """Mirror the folder of a finished run: configuration, probes, summary and figures.

    Args:
        folder: Folder with config.json, probes.parquet and summary.json.
        project: Project of Weights & Biases.
        name: Name of the run; None is that of the folder.

    Returns:
        Whether the run was mirrored: False without wandb.

    Raises:
        FileNotFoundError: If a file is missing; it names the file.
        ValueError: If config.json is not the configuration of a run.
    """
    path = Path(folder)
    arguments = read_config(path)
    for file in (SUMMARY, PROBES):
        if not (path / file).is_file():
            raise FileNotFoundError(f"{path} has no {file}: it is not the folder of a finished run")
    summary = json.loads((path / SUMMARY).read_text())
    tracker = Tracker(project, arguments, path, name or path.resolve().name)
    if tracker.active:
        for trial, values in _probes(path / PROBES):
            tracker.log(trial, values)
    mirrored = tracker.active
    tracker.finish(summary, path)
    return mirrored


def _probes(file: Path) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield the trials since the start, and means over networks and targets, of every probe of a table."""
    table = read_table(file)
    before = 0
    for index, (_, rows) in enumerate(table.groupby("phase", sort=False)):
        means = rows.groupby(["update", "trial"])[list(KINEMATIC_COLUMNS)].mean()
        for (_, trial), values in means.iterrows():
            yield before + int(trial), {"phase": index, "phase_trial": int(trial), **values.to_dict()}
        before += int(rows["trial"].max())


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the numbers, booleans and strings in nested dictionaries and lists, named by their path."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}/")
        elif isinstance(value, list):
            yield from _flat({str(i): entry for i, entry in enumerate(value)}, f"{prefix}{name}/")
        elif value is not None:
            yield f"{prefix}{name}", value
