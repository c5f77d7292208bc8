"""Activity of a finished run: that of its networks at the end of every phase, in probes of one field.

    python -m experiments.activity runs/savings-quick

Writes activity.nc (no field) or activity_curl.nc (``--field curl``, the run's own curl field) into the
folder: a data set as in ``savings_gym.activity.recording``, over the phases NF1, FF1, NF2 and FF2. With
``--nwb`` there is also a file of Neurodata Without Borders for every network, in nwb_null or nwb_curl. The
folder belongs to ``experiments.savings``, to a recurrent PPO job of ``experiments.benchmark``, or to several
such jobs (``runs/benchmark/recurrent-ppo-gru``; every seed is a network). A file that was recorded with other
weights is replaced. Networks that diverged in the run are left out; the others keep their numbers.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import numpy as np
import tyro

from agents.supervised.checkpoints import load_ensemble
from agents.supervised.record import record
from experiments.runs.command_line import choice, command_main
from experiments.runs.folder import digest
from experiments.runs.networks import kept_networks
from experiments.savings.phases import stored_field
from experiments.stored.nwb import MISSING, write_nwb, written_at
from savings_gym.activity.recording import load_activity, save_activity
from savings_gym.arrays import as_choice
from savings_gym.files import read_config
from savings_gym.perturbations.fields import NullField
from savings_gym.task.schedule import PHASES
from savings_gym.task.settings import Delays, Noise

if TYPE_CHECKING:
    import xarray as xr


log = logging.getLogger(__name__)
FILES = {"null": "activity.nc", "curl": "activity_curl.nc"}


@dataclass(frozen=True)
class Activity:
    """Arguments of the command."""

    run: tyro.conf.Positional[Path]
    """Folder of a finished run."""
    field: Annotated[str, choice(FILES)] = "null"
    """Field of the probes: null (none) or curl (the run's own)."""
    nwb: bool = False
    """Also write a file of Neurodata Without Borders for every network; needs pynwb."""

    def __post_init__(self) -> None:
        """Check the values before any work starts."""
        as_choice("field", self.field, FILES)
        if not self.run.is_dir():
            raise FileNotFoundError(f"{self.run} is not a folder")
        if self.nwb and find_spec("pynwb") is None:
            raise ImportError(MISSING)

    @property
    def file(self) -> Path:
        """File of the activity."""
        return self.run / FILES[self.field]


def activity_of_run(run: Path, field: str = "null", *, save: bool = True) -> xr.Dataset:
    """Return activity at the end of a run's phases; load it if it was recorded with the same weights.

    It is that of the networks that did not diverge, by their numbers.

    Args:
        run: Run folder, see the module.
        field: ``"null"`` or ``"curl"``.
        save: Whether to keep a new recording in the folder, if that can be written.

    Raises:
        ValueError, FileNotFoundError: If the field is unknown, the folder is of another kind, or phases are
            missing.
    """
    arguments = Activity(Path(run), field)
    dataset, is_kept = _loaded_or_recorded(arguments)
    if save and not is_kept:
        try:
            save_activity(arguments.file, dataset)
        except OSError as error:  # a folder that may only be read
            why = error.strerror or error
            log.warning("%s cannot be kept, so it is recorded every time: %s", arguments.file, why)
    return dataset


def _loaded_or_recorded(arguments: Activity) -> tuple[xr.Dataset, bool]:
    """Return the activity of a run, and whether its folder has it already."""
    source = source_of(arguments.run)
    path, weights = arguments.file, source.digest()
    if path.is_file():
        try:
            stored = load_activity(path)
        except ValueError as error:
            log.warning("%s; it is recorded again", error)
        else:
            if stored.attrs.get("weights") == weights:
                return _of_kept_networks(stored, arguments.run), True  # older files have all
            log.info("%s was recorded with other weights; it is recorded again", path)
    recorded = _of_kept_networks(source.record(arguments.field), arguments.run)
    return recorded.assign_attrs(weights=weights), False


def _of_kept_networks(dataset: xr.Dataset, run: Path) -> xr.Dataset:
    """Leave out the networks that diverged."""
    numbers = dataset["network"].to_numpy()
    kept = np.isin(numbers, kept_networks(run, 1 + int(numbers.max())))
    return dataset if kept.all() else dataset.isel(network=np.flatnonzero(kept))


class Source(Protocol):
    """Networks whose activity can be recorded."""

    def digest(self) -> str:
        """Return a digest of the weights."""

    def record(self, field: str) -> xr.Dataset:
        """Return activity of all phases in the null or the curl field."""


def source_of(run: Path) -> Source:
    """Return the networks in a run folder: an ensemble, or jobs of recurrent PPO.

    Raises:
        FileNotFoundError, ValueError: If it holds neither, or not all phases.
    """
    if any((run / f"networks_{phase}.safetensors").is_file() for phase in PHASES):
        return supervised_source(run)
    from experiments.stored import activity_jobs  # stable-baselines3 takes seconds to import

    if folders := activity_jobs.job_folders(run):
        return activity_jobs.jobs_source(folders)
    raise FileNotFoundError(
        f"{run} holds no networks of a finished phase: neither networks_NF1.safetensors, like a run of "
        "experiments.savings, nor NF1/model.zip or seed-*/NF1/model.zip, like jobs of experiments.benchmark"
    )


@dataclass(frozen=True)
class SupervisedSource:
    """A run folder of ``experiments.savings``.

    Attributes:
        weights: Phase to the file of the networks at its end.
        arguments: Arguments of the run.
    """

    weights: dict[str, Path]
    arguments: dict[str, Any]

    def digest(self) -> str:
        """Return a digest of the weights."""
        return digest(self.weights.values())

    def record(self, field: str) -> xr.Dataset:
        """Return activity of all phases, with the noise and the delays of the run."""
        arguments = self.arguments
        ensembles = {phase: load_ensemble(path) for phase, path in self.weights.items()}
        return record(
            ensembles,
            stored_field(arguments) if field == "curl" else NullField(),
            seed=arguments["seed"],
            noise=Noise(**arguments["noise"]),
            delays=Delays(**arguments["delays"]),
            actuation=arguments.get("actuation", "muscle"),
        )


def supervised_source(run: Path) -> SupervisedSource:
    """Return the networks in a folder of ``experiments.savings``.

    Raises:
        FileNotFoundError: If some are missing.
    """
    weights = {phase: run / f"networks_{phase}.safetensors" for phase in PHASES}
    if missing := [path.name for path in weights.values() if not path.is_file()]:
        raise FileNotFoundError(f"{run} lacks {', '.join(missing)}: is the run complete?")
    return SupervisedSource(weights, read_config(run, ("b", "seed", "noise", "delays")))


def write_activity(config: Activity) -> int:
    """Write the activity of a run; return the exit status."""
    dataset, is_kept = _loaded_or_recorded(config)
    if not is_kept:
        save_activity(config.file, dataset)
    sizes = ", ".join(f"{name} {size}" for name, size in dataset.sizes.items())
    log.info("%s: %s", config.file, sizes)
    if config.nwb:
        start = written_at(config.file)
        identifier = f"{dataset.attrs['weights'][:12]}-{config.field}"
        files = write_nwb(dataset, config.run / f"nwb_{config.field}", start, identifier)
        log.info("%s: %d files", files[0].parent, len(files))
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return command_main("experiments.activity", Activity, write_activity, arguments, __doc__)
