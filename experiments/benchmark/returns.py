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
        every: Trials of a phase, at least, that make a mean.
    """

    def __init__(self, network: int, every: int) -> None:
        self._network, self._every = network, every
        self._latest: list[float] = []
        self._closed = 0  # trials of the phase before the latest
        self._rows: list[tuple[str, int, int, float]] = []

    def add(self, value: float) -> None:
        """Add the return of a trial."""
        self._latest.append(value)

    def extend(self, values: list[float]) -> None:
        """Add the returns of trials."""
        self._latest += values

    def close(self, phase: str) -> None:
        """Make a mean if a multiple of `every` trials of the phase has passed since the last one."""
        trial = self._closed + len(self._latest)
        if trial // self._every > self._closed // self._every:
            self._rows.append((phase, trial, len(self._latest), float(np.mean(self._latest))))
            self._closed, self._latest = trial, []

    def end(self, phase: str) -> None:
        """End a phase: what is left of it makes a mean, and the next trial is the first of another."""
        if self._latest:
            trial = self._closed + len(self._latest)
            self._rows.append((phase, trial, len(self._latest), float(np.mean(self._latest))))
        self._closed, self._latest = 0, []

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
