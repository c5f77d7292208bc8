"""The stored runs that figures are drawn from, and what each of them holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from agents.supervised.checkpoints import (
    UNKNOWN,
    load_ensemble,
    pretraining_of,
    pretraining_text,
    read_metadata,
)
from agents.supervised.networks import Ensemble
from experiments.runs.folder import RunFolder
from experiments.runs.networks import kept_networks
from experiments.savings.config import PRETRAINED, Savings, start_weights
from experiments.savings.pretrain import stored
from experiments.savings.shared_phases import stored_arguments
from experiments.stored.activity import activity_of_run
from savings_gym.arrays import Indices
from savings_gym.files import PROBES, read_config, read_table
from savings_gym.task.schedule import PHASES

if TYPE_CHECKING:
    import xarray as xr


def pretraining(config: Savings) -> list[str]:
    """Return how every network of a run was pre-trained, or will be, in words."""
    own = config.out / PRETRAINED
    if config.pretrained in (None, own) and not own.is_file():
        return [pretraining_text(stored(config.pretraining(own)))] * config.networks
    try:
        return pretraining_of(start_weights(config) or own)[: config.networks]
    except (OSError, ValueError):
        return [UNKNOWN] * config.networks


@dataclass(frozen=True)
class StoredRuns:
    """Folders of finished runs of `experiments.savings`.

    Attributes:
        main: The main experiment.
        sizes: Units to the run with networks of that size, all pre-trained alike.
        controls: Name of a control to its run.
        seed: Seed of sign flips, noise and random directions in the figures.
        sham: The main experiment without a field in FF1, with the same networks.
        size_shams: Units to the run of that size without a field in FF1.
    """

    main: Path
    sizes: dict[int, Path]
    controls: dict[str, Path]
    seed: int
    sham: Path | None = None
    size_shams: dict[int, Path] = field(default_factory=dict)

    def table(self, run: Path) -> pd.DataFrame:
        """Return the probe table of a run.

        Raises:
            FileNotFoundError: If it has none.
        """
        return read_table(run / PROBES)

    def summary(self, run: Path) -> dict[str, Any]:
        """Return the summary of a run: measures, networks, units, seed, wall time."""
        return RunFolder.read_summary(run)

    def arguments(self, run: Path) -> dict[str, Any]:
        """Return the arguments with which a run was made."""
        return read_config(run)

    def pretraining(self, run: Path) -> list[str]:
        """Return how every network of a run was pre-trained, in words."""
        return pretraining(stored_arguments(run))

    def activity(self, run: Path, field: str = "null") -> xr.Dataset:
        """Return activity at the end of every phase, probed in the null or the curl field."""
        return activity_of_run(run, field)

    def networks(self, run: Path) -> Indices:
        """Return the numbers of the networks of a run, without those that diverged, (n,)."""
        return np.array(kept_networks(run, read_metadata(_weights(run, PHASES[0]))["networks"]))

    def ensembles(self, run: Path) -> dict[str, Ensemble]:
        """Return these networks at the end of every phase, by phase."""
        return {phase: kept_ensemble(run, phase) for phase in PHASES}


def kept_ensemble(run: Path, phase: str) -> Ensemble:
    """Return the networks of a run at the end of a phase, without those that diverged.

    Raises:
        FileNotFoundError, ValueError: If the run has no such networks.
    """
    ensemble = load_ensemble(_weights(run, phase))
    kept = kept_networks(run, ensemble.networks)
    return ensemble if len(kept) == ensemble.networks else ensemble.select(*kept)


def _weights(run: Path, phase: str) -> Path:
    return run / f"networks_{phase}.safetensors"
