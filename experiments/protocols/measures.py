"""What every protocol says: one value per network and measure, beyond the sham where practice could do it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from experiments.claims import corrected
from experiments.protocols.config import Protocols
from experiments.study import Quantity, quantity
from savings_gym.arrays import MM, Floats
from savings_gym.metrics.savings import field_side
from savings_gym.metrics.statistics import Sampling
from savings_gym.task.settings import N_TARGETS

PERCENT: Final = 100.0
LEAST: Final = 0.05  # compensation below which nothing is divided by it
LEARNED: Final = "compensation at the end of A, beyond practice"
LARGEST: Final = "largest deviation in A"
LESS_LEARNED: Final = "compensation at the end of A, gradual less abrupt"
AFTER: Final = "size of the after-effect (opposite to A), beyond practice"
MORE_AFTER: Final = "size of the after-effect, gradual less abrupt"
AFTER_PER: Final = "size of the after-effect per full compensation"
MORE_AFTER_PER: Final = "size of the after-effect per full compensation, gradual less abrupt"
ENDED: Final = "compensation of A at the end of B, after A and B"
ENDED_ALONE: Final = "compensation of A at the end of B, after B alone"
LESS_OF_B: Final = "compensation of A at the end of B, after A and B less B alone"
WORSE_START: Final = "A after B starts farther from the line than at first"
WORSE: Final = "more deviation in A again than at first"
BETTER_START: Final = "A after B starts nearer to the line than after B alone"
BETTER: Final = "less deviation in A again than after B alone"
GAINED: Final = "compensation gained in A again, after A and B less B alone"
END_OF_B: Final = "compensation at the end of B, beyond practice"
END_OF_CLAMP: Final = "compensation at the end of the clamp, beyond practice"
RISE: Final = "rise of compensation in the clamp, beyond practice"
KEPT: Final = "share kept through the clamp"
WASHED: Final = "share kept through as long a washout"
MORE_KEPT: Final = "share kept, clamp less washout"
FALLING: Final = "learned per size, smallest size less largest"
IN_MM: Final = (
    LARGEST, AFTER, MORE_AFTER, AFTER_PER, MORE_AFTER_PER, WORSE_START, WORSE, BETTER_START, BETTER,
)  # fmt: skip
UNITS: Final = dict.fromkeys(IN_MM, "mm") | {FALLING: "% of A per unit of size"}  # the others in %
DEVIATION, ADAPTATION = "lateral_deviation", "adaptation"
Values = dict[str, dict[str, Floats]]  # course to measure to (n,), in m or as a share


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


def of_size(size: float) -> str:
    """Return the name of what a single update in A of some size teaches."""
    return f"learned from one update in A of size {size:g}"


def at_angle(degrees: float) -> str:
    """Return the name of the compensation at an angle from the trained target, counter-clockwise."""
    return f"compensation at {degrees:+g} degrees" if degrees else "compensation at the trained target"


def _first_side(pair: Pair) -> float:
    """Side to which A pushes at first, or as it grows."""
    learned = next(name for name in ("FF1", "ramp", "A") if name in pair.run)
    deviation = mean(pair.run[learned].deviation)
    return field_side(deviation[:, int(np.argmax(np.abs(deviation.mean(axis=0))))])


def _in_a(pair: Pair, config: Protocols) -> dict[str, Floats]:
    """Of A at once or by steps, and a washout."""
    side = _first_side(pair)
    pushed = np.concatenate(
        [side * mean(pair.run[phase].deviation) for phase in ("ramp", "A") if phase in pair.run], axis=1
    )
    ours, sham = pair.deviations("washout")
    learned, after = pair.beyond("A", -1), side * (sham[:, 0] - ours[:, 0])
    return {LARGEST: pushed.max(axis=1), LEARNED: learned, AFTER: after, AFTER_PER: _per(after, learned)}


def _interference(pair: Pair, config: Protocols) -> dict[str, Floats]:
    """Of A after B; the sham, which learned B alone, ends B farther from A."""
    ended, alone = (mean(course["B"].adaptation)[:, -1] for course in (pair.run, pair.sham))
    relearned = [mean(course["FF2"].adaptation) for course in (pair.run, pair.sham)]
    gained, gained_alone = (its[:, -1] - its[:, 0] for its in relearned)
    side = _first_side(pair)
    first, again = (side * mean(pair.run[phase].deviation) for phase in ("FF1", "FF2"))
    sham = side * pair.deviations("FF2")[1]
    most = min(first.shape[1], again.shape[1])
    return {
        ENDED: ended,
        ENDED_ALONE: alone,
        LESS_OF_B: ended - alone,
        WORSE_START: again[:, 0] - first[:, 0],
        WORSE: again[:, :most].mean(axis=1) - first[:, :most].mean(axis=1),
        BETTER_START: sham[:, 0] - again[:, 0],
        BETTER: sham.mean(axis=1) - again.mean(axis=1),
        GAINED: gained - gained_alone,
    }


def _recovery(pair: Pair, config: Protocols) -> dict[str, Floats]:
    """Of the clamp; a memory of B that fades could raise the compensation, but not above nothing."""
    first, last = (pair.beyond("clamp", probe) for probe in (0, -1))
    return {END_OF_B: first, END_OF_CLAMP: last, RISE: last - first}


def _clamps(pair: Pair, config: Protocols) -> dict[str, Floats]:
    return {KEPT: _share(pair, "clamp")}


def _share(pair: Pair, phase: str) -> Floats:
    """Share of the compensation of A that is left at the end of a phase; NaN if there was hardly any."""
    return _per(pair.beyond(phase, -1), pair.beyond("A", -1))


def _per(values: Floats, learned: Floats) -> Floats:
    """Values per full compensation of A; NaN for networks that compensated for hardly any of it."""
    ratio: Floats = np.where(learned > LEAST, values / learned, np.nan)
    return ratio


def _single(pair: Pair, config: Protocols) -> dict[str, Floats]:
    def taught(course: Course, k: int) -> Floats:
        after, before = (mean(course[f"{name} {k}"].adaptation)[:, 0] for name in ("after", "before"))
        change: Floats = after - before
        return change

    count = len(config.sizes)
    singles = range(1, count * config.rounds + 1)
    beyond = np.array([taught(pair.run, k) - taught(pair.sham, k) for k in singles])
    learned = beyond.reshape(config.rounds, count, -1).mean(axis=0)  # (sizes, n)
    smallest, largest = int(np.argmin(config.sizes)), int(np.argmax(config.sizes))
    values = {of_size(size): its for size, its in zip(config.sizes, learned, strict=True)}
    per_size = [its / size for size, its in zip(config.sizes, learned, strict=True)]
    return values | {FALLING: per_size[smallest] - per_size[largest]}


def _generalisation(pair: Pair, config: Protocols) -> dict[str, Floats]:
    rounds = range(1, config.rounds + 1)
    ours, sham = (
        np.mean([course[f"probe {k}"].adaptation[:, 0] for k in rounds], axis=0)
        for course in (pair.run, pair.sham)
    )
    beyond = ours - sham  # (n, 8), the trained target first
    return {at_angle(angle): beyond[:, target] for target, angle in angles().items()}


def angles() -> dict[int, float]:
    """Return the angle of every target from the first one, from -135 to 180 degrees, the nearest first."""
    every = [360.0 / N_TARGETS * target for target in range(N_TARGETS)]
    signed = {target: angle - 360.0 * (angle > 180.0) for target, angle in enumerate(every)}
    return dict(sorted(signed.items(), key=lambda item: abs(item[1])))


MEASURES: Final[Mapping[str, Callable[[Pair, Protocols], dict[str, Floats]]]] = {
    "abrupt": _in_a,
    "gradual": _in_a,
    "interference": _interference,
    "spontaneous-recovery": _recovery,
    "error-clamps": _clamps,
    "single-trials": _single,
    "generalisation": _generalisation,
}
NOT_CLAIMED: Final = (LARGEST, AFTER_PER, ENDED, ENDED_ALONE, END_OF_B, KEPT, WASHED)


def course_values(pairs: Mapping[str, Pair], config: Protocols) -> Values:
    """Return every measure of every protocol, one value per network [m or share].

    Args:
        pairs: Name of the protocol to its course and sham.
        config: The arguments.
    """
    values = {name: MEASURES[name](pair, config) for name, pair in pairs.items()}
    if {"abrupt", "gradual"} <= set(values):
        for name, of in ((LESS_LEARNED, LEARNED), (MORE_AFTER, AFTER), (MORE_AFTER_PER, AFTER_PER)):
            values["gradual"][name] = values["gradual"][of] - values["abrupt"][of]
    if {"abrupt", "error-clamps"} <= set(values):
        kept, washed = values["error-clamps"][KEPT], _share(pairs["abrupt"], "washout")
        values["error-clamps"] |= {WASHED: washed, MORE_KEPT: kept - washed}
    return {
        course: {name: its[np.isfinite(its)] for name, its in found.items() if np.isfinite(its).any()}
        for course, found in values.items()
    }


def claimed(name: str) -> bool:
    """Return whether the page says of a measure that it differs, or does not differ, from none."""
    return name not in NOT_CLAIMED


def quantities(values: Values, seed: int) -> dict[str, dict[str, Quantity]]:
    """Return all measures by protocol; the tests of those that are claimed are corrected together (Holm)."""
    sampling = Sampling(seed)
    found = {
        course: {name: _quantity(name, of_networks, sampling) for name, of_networks in its.items()}
        for course, its in values.items()
    }
    return corrected(found, dict.fromkeys(name for its in found.values() for name in its if claimed(name)))


def _quantity(name: str, values: Floats, sampling: Sampling) -> Quantity:
    scale = MM if name in IN_MM else PERCENT
    return quantity(name, values, UNITS.get(name, "%"), sampling, scale=scale, test=claimed(name))
