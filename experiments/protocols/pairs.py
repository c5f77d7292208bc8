"""The probes of a course and of its sham, as arrays by phase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from savings_gym.arrays import Floats
from savings_gym.task.settings import N_TARGETS

DEVIATION, ADAPTATION = "lateral_deviation", "adaptation"
LEAST: Final = 0.05  # share of A below which nothing is divided by it


@dataclass(frozen=True, eq=False)
class Probes:
    """Probes of one phase of a course, of n networks and 8 targets.

    Attributes:
        updates: (p,) of the phase.
        deviation: (n, p, 8) lateral deviation in the field of the phase [m].
        adaptation: (n, p, 8) share of A that is made up for in an error clamp.
    """

    updates: Floats
    deviation: Floats
    adaptation: Floats


Course = Mapping[str, Probes]  # by phase, in order


@dataclass(frozen=True, eq=False)
class Pair:
    """A course and its sham."""

    run: Course
    sham: Course

    def beyond(self, phase: str, probe: int) -> Floats:
        """Return the adaptation at a probe of a phase, less that of the sham, (n,)."""
        return mean(self.run[phase].adaptation)[:, probe] - mean(self.sham[phase].adaptation)[:, probe]

    def deviations(self, phase: str) -> tuple[Floats, Floats]:
        """Return the mean deviation at all probes of a phase and of the same one of the sham, (n, p) each."""
        return mean(self.run[phase].deviation), mean(self.sham[phase].deviation)


def read(table: pd.DataFrame) -> Course:
    """Return the probes of a course by phase."""
    networks = table["network"].nunique()
    phases = {}
    for name, its in table.groupby("phase", sort=False):
        ordered = its.sort_values(["network", "update", "target"])
        deviation, adaptation = (
            ordered[column].to_numpy(dtype=np.float64).reshape(networks, -1, N_TARGETS)
            for column in (DEVIATION, ADAPTATION)
        )
        phases[str(name)] = Probes(np.sort(its["update"].unique()).astype(float), deviation, adaptation)
    return phases


def mean(values: Floats) -> Floats:
    """Return the mean over targets, (n, p)."""
    average: Floats = values.mean(axis=-1)
    return average


def share(values: Floats, whole: Floats) -> Floats:
    """Return values as a share of something, (n,); NaN for networks with hardly any of it."""
    ratio = np.full_like(values, np.nan)
    return np.divide(values, whole, out=ratio, where=whole > LEAST)
