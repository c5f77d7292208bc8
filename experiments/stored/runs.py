"""The stored runs that figures are made of, and what each of them holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from agents.supervised.checkpoints import UNKNOWN, load_ensemble, pretraining_of
from agents.supervised.networks import Ensemble
from experiments.runs.folder import RunFolder
from experiments.savings.config import start_weights
from experiments.savings.shared_phases import stored_arguments
from experiments.stored.activity import activity_of_run
from savings_gym.files import read_config
from savings_gym.task.schedule import PHASES

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Runs:
    """Where the stored runs are; every run is a folder of `experiments.savings`.

    Attributes:
        main: The main experiment.
        sizes: Units to the run with networks of that size.
        controls: Name of a control to its run.
        seed: Of bootstrap, noise and random directions in the figures.
        sham: The main experiment without a field in FF1, with the same networks.
    """

    main: Path
    sizes: dict[int, Path]
    controls: dict[str, Path]
    seed: int
    sham: Path | None = None

    def table(self, run: Path) -> pd.DataFrame:
        """Probe table of a run.

        Raises:
            FileNotFoundError: When it has none.
        """
        return pd.read_parquet(_present(run / "probes.parquet"))

    def summary(self, run: Path) -> dict[str, Any]:
        """Return the summary of a run: measures, networks, units, seed, wall time."""
        return RunFolder.read_summary(run)

    def arguments(self, run: Path) -> dict[str, Any]:
        """Return the arguments of a run."""
        return read_config(run)

    def pretraining(self, run: Path) -> list[str]:
        """How every network of a run was pre-trained, in words."""
        networks = int(self.summary(run)["networks"])
        try:
            path = start_weights(stored_arguments(run))
            assert path is not None  # where networks were pre-trained in the run, it is a file of the run
            return pretraining_of(path)[:networks]
        except (OSError, ValueError):  # the weights it began with are not where they were
            return [UNKNOWN] * networks

    def activity(self, run: Path, field: str = "null") -> xr.Dataset:
        """Activity of the networks at the end of every phase, probed in the null or the curl field."""
        return activity_of_run(run, field)

    def ensembles(self, run: Path) -> dict[str, Ensemble]:
        """Networks at the end of every phase, by phase."""
        return {phase: load_ensemble(run / f"networks_{phase}.safetensors") for phase in PHASES}


def _present(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(f"no file {str(path)!r}: {str(path.parent)!r} is not a finished run folder")
    return path
