"""The returns of training trials of a job, as means between probes: what a learning curve of RL shows."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from savings_gym.files import write_table

RETURNS: Final = "returns.parquet"


class Returns:
    """Collects the returns of trials; a return is the sum of a trial's rewards.

    Args:
        network: Number of the agent, for the column of that name.
    """

    def __init__(self, network: int) -> None:
        self._network = network
        self._rows: list[tuple[str, int, int, float]] = []

    def add(self, phase: str, trial: int, returns: list[float]) -> None:
        """Add a row; nothing if no trial has ended.

        Args:
            phase: Name of the phase.
            trial: Trials of the phase so far.
            returns: Of the trials since the row before.
        """
        if returns:
            self._rows.append((phase, trial, len(returns), float(np.mean(returns))))

    def save(self, folder: Path) -> None:
        """Write returns.parquet: network, phase, trial, trials (of the mean) and return, one row per mean."""
        phases, trial, trials, mean = zip(*self._rows, strict=True) if self._rows else ((), (), (), ())
        write_table(
            folder / RETURNS,
            {
                "network": np.full(len(self._rows), self._network, dtype=np.int32),
                "phase": np.array(phases, dtype=object),
                "trial": np.array(trial, dtype=np.int32),
                "trials": np.array(trials, dtype=np.int32),
                "return": np.array(mean, dtype=np.float32),
            },
        )
