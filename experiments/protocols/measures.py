"""What every protocol says: one value per network and measure, beyond the sham where practice could do it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from experiments.claims import corrected
from experiments.protocols.config import Protocols
from experiments.protocols.generalisation import distance, generalisation, ideals
from experiments.protocols.pairs import Course, Pair, mean, share
from experiments.study import Quantity, quantity
from savings_gym.arrays import MM, PERCENT, Floats
from savings_gym.metrics.savings import field_side
from savings_gym.metrics.statistics import Sampling

LEARNED: Final = "compensation at the end of A, beyond practice"
LARGEST: Final = "largest deviation in A"
GRADUAL_LEARNED: Final = "compensation at the end of A: gradual minus abrupt"
AFTER: Final = "after-effect, beyond practice"
GRADUAL_AFTER: Final = "after-effect: gradual minus abrupt"
ONE_TARGET: Final = "compensation of one target at the end of A: learned alone minus with the seven others"
AT_FIRST, AGAIN, AFTER_B = BLOCKS = ("A at first", "A after A and B", "A after B alone")
START: Final = "compensation at the start"
FIRST: Final = "first deviation"
GAINED: Final = "share of the missing compensation gained"
END_OF_B: Final = "compensation at the end of B, beyond practice"
END_OF_CLAMP: Final = "compensation at the end of the clamp, beyond practice"
RISE: Final = "rise of compensation in the clamp, beyond practice"
KEPT: Final = "share kept through the clamp"
WASHED: Final = "share kept through a washout of the same length"
MORE_KEPT: Final = "share kept: clamp minus washout"
LOST: Final = "share lost through the clamp"
FALLING: Final = "learned / size: smallest size minus largest"
Values = dict[str, dict[str, Floats]]  # course to measure to (n,), in m or as a share


def of_size(size: float) -> str:
    """Return the name of what a single update in A of some size teaches, in % of A."""
    return f"learned from one update in A of size {size:g}"


def per_size(size: float) -> str:
    """Return the name of what a single update in A of some size teaches, in % of what it met."""
    return f"learned / size, from one update in A of size {size:g}"


def of_block(measure: str, block: str) -> str:
    """Return the name of a measure of one of the three blocks of A."""
    return f"{measure}, {block}"


def than(measure: str, block: str) -> str:
    """Return the name of the difference of a measure between A after A and B and another block."""
    return f"{measure}: {AGAIN} minus {block}"


IN_MM: Final = (
    LARGEST, AFTER, GRADUAL_AFTER, *(of_block(FIRST, block) for block in BLOCKS), than(FIRST, AT_FIRST),
    than(FIRST, AFTER_B),
)  # fmt: skip
DESCRIBED: Final = frozenset(  # measures that no sentence tests
    (
        LARGEST, END_OF_B, KEPT, WASHED,
        *(of_block(its, block) for its in (START, FIRST, GAINED) for block in BLOCKS),
    )
)  # fmt: skip


def relearning_updates(config: Protocols) -> int:
    """Return the updates over which the three blocks of A are compared: the last probe that all have."""

    def probed(updates: int) -> set[int]:
        return {*range(0, updates, config.probe_every), updates}

    return max(probed(config.adaptation) & probed(config.relearning))


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
    return {
        LARGEST: pushed.max(axis=1),
        LEARNED: pair.beyond("A", -1),
        AFTER: side * (sham[:, 0] - ours[:, 0]),
    }


def _interference(pair: Pair, config: Protocols) -> dict[str, Floats]:
    """Of A at first, after A and B, and after B alone, which is what the sham learned."""
    side, updates = _first_side(pair), relearning_updates(config)
    blocks = {AT_FIRST: pair.run["FF1"], AGAIN: pair.run["FF2"], AFTER_B: pair.sham["FF2"]}
    values = {}
    for block, probes in blocks.items():
        level = mean(probes.adaptation)
        start, end = level[:, 0], level[:, int(np.searchsorted(probes.updates, updates))]
        values[of_block(START, block)] = start
        values[of_block(FIRST, block)] = side * mean(probes.deviation)[:, 0]
        if updates:
            values[of_block(GAINED, block)] = share(end - start, 1.0 - start)
    differences = {
        than(name, other): values[of_block(name, AGAIN)] - values[of_block(name, other)]
        for name in (FIRST, GAINED)
        for other in (AT_FIRST, AFTER_B)
        if of_block(name, AGAIN) in values
    }
    return values | differences


def _recovery(pair: Pair, config: Protocols) -> dict[str, Floats]:
    """Of the clamp; a memory of B that fades could raise the compensation to zero, but not above."""
    first, last = (pair.beyond("clamp", probe) for probe in (0, -1))
    return {END_OF_B: first, END_OF_CLAMP: last, RISE: last - first}


def _clamps(pair: Pair, config: Protocols) -> dict[str, Floats]:
    kept = _kept(pair, "clamp")
    return {KEPT: kept, LOST: 1.0 - kept}


def _kept(pair: Pair, phase: str) -> Floats:
    """Share of the compensation of A that is left at the end of a phase."""
    return share(pair.beyond(phase, -1), pair.beyond("A", -1))


def _single(pair: Pair, config: Protocols) -> dict[str, Floats]:
    def taught(course: Course, k: int) -> Floats:
        after, before = (mean(course[f"{name} {k}"].adaptation)[:, 0] for name in ("after", "before"))
        change: Floats = after - before
        return change

    count = len(config.sizes)
    singles = range(1, count * config.rounds + 1)
    beyond = np.array([taught(pair.run, k) - taught(pair.sham, k) for k in singles])
    means = beyond.reshape(config.rounds, count, -1).mean(axis=0)  # (sizes, n)
    learned = dict(sorted(zip(config.sizes, means, strict=True)))
    values = {of_size(size): its for size, its in learned.items()}
    values |= {per_size(size): its / size for size, its in learned.items()}
    smallest, largest = min(learned), max(learned)
    return values | {FALLING: values[per_size(smallest)] - values[per_size(largest)]}


MEASURES: Final[Mapping[str, Callable[[Pair, Protocols], dict[str, Floats]]]] = {
    "abrupt": _in_a,
    "gradual": _in_a,
    "interference": _interference,
    "spontaneous-recovery": _recovery,
    "error-clamps": _clamps,
    "single-trials": _single,
    "generalisation": generalisation,
}


def course_values(pairs: Mapping[str, Pair], config: Protocols) -> Values:
    """Return every measure of every protocol, one value per network [m or share].

    Args:
        pairs: Name of the protocol to its course and sham.
        config: The arguments.
    """
    values = {name: MEASURES[name](pair, config) for name, pair in pairs.items()}
    if {"abrupt", "gradual"} <= set(values):
        for name, of in ((GRADUAL_LEARNED, LEARNED), (GRADUAL_AFTER, AFTER)):
            values["gradual"][name] = values["gradual"][of] - values["abrupt"][of]
    if {"abrupt", "error-clamps"} <= set(values):
        kept, washed = values["error-clamps"][KEPT], _kept(pairs["abrupt"], "washout")
        lost = values["error-clamps"].pop(LOST)
        values["error-clamps"] |= {WASHED: washed, MORE_KEPT: kept - washed, LOST: lost}
    if {"abrupt", "generalisation"} <= set(values):
        alone, others = (_of_trained(pairs[name]) for name in ("generalisation", "abrupt"))
        values["abrupt"][ONE_TARGET] = alone - others
    return {
        course: {name: its[np.isfinite(its)] for name, its in found.items() if np.isfinite(its).any()}
        for course, found in values.items()
    }


def _of_trained(pair: Pair) -> Floats:
    """Compensation at the end of A of the target that generalisation is trained on, beyond the sham."""
    ours, sham = (course["A"].adaptation[:, -1, 0] for course in (pair.run, pair.sham))
    beyond: Floats = ours - sham
    return beyond


def tested(name: str, config: Protocols) -> bool:
    """Return whether a measure is tested against 0; the others describe."""
    sizes = (name_of(size) for size in config.sizes for name_of in (of_size, per_size))
    return name not in DESCRIBED and name not in {*sizes, *map(distance, ideals(config))}


def quantities(values: Values, config: Protocols) -> dict[str, dict[str, Quantity]]:
    """Return all measures by protocol; all tests are corrected together (Holm)."""
    sampling = Sampling(config.seed)

    def as_quantity(name: str, of_networks: Floats) -> Quantity:
        unit, scale = ("mm", MM) if name in IN_MM else ("%", PERCENT)
        return quantity(name, of_networks, unit, sampling, scale=scale, test=tested(name, config))

    found = {
        course: {name: as_quantity(name, of_networks) for name, of_networks in its.items()}
        for course, its in values.items()
    }
    return corrected(found, dict.fromkeys(name for its in found.values() for name in its))
