"""A mirror of runs in Weights & Biases, for who asks for it. The files of a run are the record, not this.

Runs are offline unless WANDB_API_KEY is set (or WANDB_MODE says otherwise); `wandb sync` sends them later.
Probes are logged over "trial", the training trials since the beginning of the first phase. Nothing here stops
a run: without wandb, or when it fails, there is a warning and the mirror stays empty.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from savings_gym.metrics.kinematics import KINEMATIC_COLUMNS

PROJECT = "savings_gym"
FILES = ("config.json", "summary.json", "probes.parquet", "probes_carried.parquet")


class Tracker:
    """One run in the mirror.

    Args:
        track: The project; True is "savings_gym"; None and False are no mirror.
        config: Arguments of the run, JSON-able.
        folder: Where wandb keeps its files, in a folder "wandb"; None is the working directory.
        name: Of the run; None lets wandb choose.
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
        """Whether there is a mirror."""
        return self._run is not None

    def log(self, trial: int, values: Mapping[str, Any]) -> None:
        """Log values of a probe as savings/name, at a number of training trials."""
        if self.active:
            line = {"trial": trial} | {f"savings/{name}": value for name, value in values.items()}
            self._safely(lambda: self._run.log(line))

    def finish(self, summary: Mapping[str, Any], folder: Path | None = None) -> None:
        """End the run.

        Args:
            summary: As in summary.json; its numbers become the summary of the run, as "savings/rate/ratio".
            folder: Run folder, whose tables and figures are taken along.
        """
        if self.active:
            self._safely(lambda: self._end(summary, folder))
        self._run = None

    def _begin(self, project: str, config: Mapping[str, Any], folder: Path | None, name: str | None) -> None:
        try:
            import wandb  # seconds of import, only who asks for it pays them
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
        for name, value in _numbers(summary):
            run.summary[name] = value
        if folder is not None:
            figures = sorted(folder.glob("*.png"))
            if figures:
                run.log({f"figures/{figure.stem}": wandb.Image(str(figure)) for figure in figures})
            artifact = wandb.Artifact(f"probes-{run.id}", type="probes")
            for file in FILES:
                if (folder / file).is_file():
                    artifact.add_file(str(folder / file))
            run.log_artifact(artifact)
        run.finish()

    def _safely(self, action: Callable[[], None]) -> None:
        """Do it; a mirror that breaks must not break the run."""
        try:
            action()
        except Exception as error:
            self._run = None
            warnings.warn(f"nothing more is mirrored, wandb failed: {error!r}", stacklevel=3)


def _mode() -> Any:
    """Mode of wandb: None leaves it to WANDB_MODE."""
    if "WANDB_MODE" in os.environ:
        return None
    return "online" if os.environ.get("WANDB_API_KEY") else "offline"


def mirror(folder: str | Path, project: str = PROJECT, name: str | None = None) -> bool:
    """Mirror a run folder that is finished, of any experiment: config, probes, summary and figures.

    Args:
        folder: With config.json, probes.parquet and summary.json.
        project: In Weights & Biases.
        name: Of the run; None is the folder's name.

    Returns:
        Whether it was mirrored: False without wandb.

    Raises:
        FileNotFoundError: When a file is missing; it names the file.
    """
    path = Path(folder)
    missing = [file for file in FILES[:3] if not (path / file).is_file()]
    if missing:
        raise FileNotFoundError(f"{path} has no {missing[0]}, so it is no finished run")
    config, summary = (json.loads((path / file).read_text()) for file in FILES[:2])
    tracker = Tracker(project, config, path, name or path.resolve().name)
    if tracker.active:
        for trial, values in _probes(path / FILES[2]):
            tracker.log(trial, values)
    done = tracker.active
    tracker.finish(summary, path)
    return done


def _probes(file: Path) -> Iterator[tuple[int, dict[str, float]]]:
    """Trials since the beginning, and means over networks and targets, of every probe of a table."""
    import pandas as pd

    table = pd.read_parquet(file)
    before = 0
    for index, (_, rows) in enumerate(table.groupby("phase", sort=False)):
        means = rows.groupby(["update", "trial"])[list(KINEMATIC_COLUMNS)].mean()
        for (_, trial), values in means.iterrows():
            yield before + int(trial), {"phase": index, "phase_trial": int(trial), **values.to_dict()}
        before += int(rows["trial"].max())


def _numbers(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Numbers, truths and texts of nested dictionaries, with the path to them as the name."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{name}/")
        elif isinstance(value, list):
            yield from _numbers({str(i): entry for i, entry in enumerate(value)}, f"{prefix}{name}/")
        elif value is not None:
            yield f"{prefix}{name}", value
