"""Activity of a finished run: what its networks did at the end of every phase, in probes of one field.

    python -m experiments.activity --run runs/savings-quick

Writes activity.nc (no field) or activity_curl.nc (``--field curl``, the run's own curl field) into the
folder: a data set as in ``savings_gym.activity.recording``, over the phases NF1, FF1, NF2 and FF2. The folder
is one of ``experiments.savings``, or of a recurrent PPO's job of ``experiments.benchmark``, or of several of
its jobs (``runs/benchmark/recurrent-ppo-gru``; every seed is a network). A file that was made of other
weights is made anew.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from agents.supervised.checkpoints import load_ensemble
from agents.supervised.record import record
from experiments.runs.command_line import choice, command_main
from experiments.runs.folder import digest
from savings_gym.activity.recording import load_activity, save_activity
from savings_gym.fields import CurlField, Field, NullField
from savings_gym.files import read_config
from savings_gym.task.schedule import PHASES
from savings_gym.task.settings import Delays, Noise

if TYPE_CHECKING:
    import xarray as xr


log = logging.getLogger(__name__)
FILES = {"null": "activity.nc", "curl": "activity_curl.nc"}


@dataclass(frozen=True)
class Activity:
    """Arguments of the command."""

    run: Path
    """Run folder, complete."""
    field: Annotated[str, choice(FILES)] = "null"
    """Field of the probes: null (none) or curl (that of the run)."""

    def __post_init__(self) -> None:
        """Checks the values before any work starts."""
        if self.field not in FILES:
            raise ValueError(f"unknown field {self.field!r}; choose from: {', '.join(FILES)}")
        if not self.run.is_dir():
            raise FileNotFoundError(f"--run {self.run} is no folder")


def activity_of_run(run: Path, field: str = "null", *, save: bool = True) -> xr.Dataset:
    """Activity at the end of a run's phases: loaded where it was recorded of the same weights, or recorded.

    Args:
        run: run folder, see the module.
        field: ``"null"`` or ``"curl"``.
        save: whether a new recording is kept in the folder.

    Raises:
        ValueError, FileNotFoundError: for an unknown field, a folder of another kind, or missing phases.
    """
    asked = Activity(Path(run), field)
    source = source_of(asked.run)
    path, mark = asked.run / FILES[field], source.mark()
    if path.is_file():
        try:
            held = load_activity(path)
        except ValueError as error:
            log.warning("%s; it is made anew", error)
        else:
            if held.attrs.get("weights") == mark:
                return held
            log.info("%s is of other weights; it is made anew", path)
    dataset = source.record(field).assign_attrs(weights=mark)
    if save:
        save_activity(path, dataset)
    return dataset


class Source(Protocol):
    """Where activity comes from."""

    def mark(self) -> str:
        """Of these weights and no others."""

    def record(self, field: str) -> xr.Dataset:
        """Activity of all phases in the null or the curl field."""


def source_of(run: Path) -> Source:
    """What a run folder holds: an ensemble, or jobs of recurrent PPO.

    Raises:
        FileNotFoundError, ValueError: when it holds neither, or not all phases.
    """
    if any((run / f"networks_{phase}.safetensors").is_file() for phase in PHASES):
        return supervised_source(run)
    from experiments.stored import activity_jobs  # stable-baselines3: seconds of import

    if folders := activity_jobs.job_folders(run):
        return activity_jobs.jobs_source(folders)
    raise FileNotFoundError(
        f"{run} holds no networks of a finished phase: neither networks_NF1.safetensors, as a run of "
        "experiments.savings, nor NF1/model.zip or seed-*/NF1/model.zip, as jobs of experiments.benchmark"
    )


@dataclass(frozen=True)
class SupervisedSource:
    """A run folder of ``experiments.savings``.

    Attributes:
        weights: phase to the networks at its end.
        arguments: of the run.
    """

    weights: dict[str, Path]
    arguments: dict[str, Any]

    def mark(self) -> str:
        """Of these weights and no others."""
        return digest(self.weights.values())

    def record(self, field: str) -> xr.Dataset:
        """Activity of all phases, with the noise and the delays of the run."""
        given = self.arguments
        ensembles = {phase: load_ensemble(path) for phase, path in self.weights.items()}
        chosen: Field = CurlField(given["b"]) if field == "curl" else NullField()
        noise, delays = Noise(**given["noise"]), Delays(**given["delays"])
        actuation = given.get("actuation", "muscle")
        return record(ensembles, chosen, seed=given["seed"], noise=noise, delays=delays, actuation=actuation)


def supervised_source(run: Path) -> SupervisedSource:
    """The weights in a run folder.

    Raises:
        FileNotFoundError: when some are missing.
    """
    weights = {phase: run / f"networks_{phase}.safetensors" for phase in PHASES}
    if missing := [path.name for path in weights.values() if not path.is_file()]:
        raise FileNotFoundError(f"{run} lacks {', '.join(missing)}: is the run complete?")
    return SupervisedSource(weights, read_config(run, ("b", "seed", "noise", "delays")))


def write_activity(config: Activity) -> int:
    """Write the activity of a run; return the exit status."""
    dataset = activity_of_run(config.run, config.field)
    sizes = ", ".join(f"{name} {size}" for name, size in dataset.sizes.items())
    log.info("%s: %s", config.run / FILES[config.field], sizes)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return command_main("experiments.activity", Activity, write_activity, arguments, __doc__)
