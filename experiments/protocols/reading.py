"""What the numbers of a protocol say, in sentences that follow from their tests."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

from experiments.claims import UNCORRECTED, number, opposite, sign, size_of, suggested
from experiments.protocols.config import Protocols
from experiments.protocols.generalisation import (
    ALONE,
    ASYMMETRY,
    NEIGHBOUR,
    VECTOR,
    angles,
    at_angle,
    constant,
    distance,
    farther,
    ideals,
    signed,
)
from experiments.protocols.measures import (
    AFTER_B,
    AGAIN,
    AT_FIRST,
    BLOCKS,
    END_OF_B,
    END_OF_CLAMP,
    FALLING,
    FIRST,
    GAINED,
    GRADUAL_AFTER,
    GRADUAL_LEARNED,
    PERCENT,
    RISE,
    START,
    of_block,
    per_size,
    relearning_updates,
    than,
)
from experiments.protocols.pairs import LEAST
from experiments.runs.tables import MISSING, capitalised, listed
from experiments.study import Quantity

Found = Mapping[str, Quantity]  # the measures of one protocol by name


def direction(found: Found, name: str) -> int:
    """Return 1 or -1 if an effect is shown, with its sign, and 0 if it is not, or was not tested."""
    return sign(found[name]) if name in found else 0


def mean_of(entry: Quantity) -> str:
    """Return the value alone, with two significant digits."""
    if entry.value is None:
        return MISSING
    decimals = 1 - math.floor(math.log10(abs(entry.value))) if entry.value else 0
    return f"{entry.value:.{max(decimals, 0)}f} {entry.unit}"


def _gradual(found: Found, config: Protocols) -> str:
    if GRADUAL_LEARNED not in found:
        return ""
    learned, after = found[GRADUAL_LEARNED], found[GRADUAL_AFTER]
    first = {
        -1: f"Networks learn less of A gradually than at once, by {size_of(learned)} of A",
        0: "Networks are not shown to learn more or less of A gradually than at once "
        f"(difference {number(learned)})",
        1: f"Networks learn more of A gradually than at once, by {size_of(learned)} of A",
    }[direction(found, GRADUAL_LEARNED)]
    second = {
        -1: f"The after-effect is smaller, by {size_of(after)}",
        0: f"The after-effect is not shown to differ (by {number(after)})",
        1: f"The after-effect is larger, by {size_of(after)}",
    }[direction(found, GRADUAL_AFTER)]
    return f"{first}. {second}."


def relearning(found: Found, config: Protocols) -> str:
    """Return how fast A is learned after A and B, against at first, without a full stop."""
    again, first = (mean_of(found[of_block(GAINED, block)]) for block in (AGAIN, AT_FIRST))
    difference = found[than(GAINED, AT_FIRST)]
    shown, perhaps = sign(difference), suggested(difference)
    speed = {-1: "more slowly than at first", 1: "faster than at first"}
    if shown:
        verdict = f"A is learned {speed[shown]}"
    elif perhaps:
        verdict = f"A may be learned {speed[perhaps]}, {UNCORRECTED}"
    else:
        verdict = "A is not shown to be learned faster, or more slowly, than at first"
    return (
        f"after A and B, {verdict}: {again} against {first} of the missing compensation in "
        f"{relearning_updates(config)} updates"
    )


def _interference(found: Found, config: Protocols) -> str:
    parts = _shares(found, config) if than(GAINED, AT_FIRST) in found else []
    first, alone = (than(FIRST, block) for block in (AT_FIRST, AFTER_B))
    if direction(found, first) > 0:
        parts.append(
            f"A begins farther from the line than at first, by {size_of(found[first])}, as it would if B "
            "were still in force; that does not show that A was forgotten."
        )
    if direction(found, alone) < 0:
        parts.append(
            f"It begins nearer to the line than after B alone, by {size_of(found[alone])}; after A, B starts "
            "from what was learned of A and is learned less far, so this does not show a memory of A."
        )
    return " ".join(parts)


def _shares(found: Found, config: Protocols) -> list[str]:
    """What A gains in its three blocks, as a share of what was missing."""
    levels = listed([f"{found[of_block(START, block)].value or 0.0:.0f}" for block in BLOCKS])
    than_first, than_alone = (found[than(GAINED, block)] for block in (AT_FIRST, AFTER_B))
    alone = {
        -1: "This share is smaller than after B alone",
        0: "This share is not shown to differ from that after B alone",
        1: "This share is larger than after B alone",
    }[sign(than_alone)]
    return [
        f"The three blocks of A start with compensation of {levels} % of A, so what they gain is given "
        "as a share of what was missing.",
        f"{capitalised(relearning(found, config))} (difference {number(than_first)}).",
        f"{alone} (difference {number(than_alone)}).",
        "Since networks take steps of one length, such a share may itself depend on the level from which a "
        "block starts.",
    ]


def returns(found: Found) -> bool:
    """Return whether recovery is shown: a rise in the clamp that ends above zero."""
    return direction(found, RISE) > 0 and direction(found, END_OF_CLAMP) > 0


def left_by_b(found: Found) -> tuple[float, float]:
    """Return the smallest and the largest compensation of a network at the end of B [% of A]."""
    values = found[END_OF_B].values
    return min(values), max(values)


def confounded(found: Found) -> bool:
    """Return whether B left some network so far from zero that decay could hide, or mimic, recovery."""
    return max(map(abs, left_by_b(found))) > PERCENT * LEAST


def _recovery(found: Found, config: Protocols) -> str:
    rise, end = number(found[RISE]), number(found[END_OF_CLAMP])
    low, high = left_by_b(found)
    verdict = (
        f"Adaptation to A comes back in the clamp: compensation rises by {rise} of A, to {end}."
        if returns(found)
        else f"Recovery is not shown: compensation changes by {rise} of A in the clamp, to {end}."
    )
    left = (
        f"B lasts {config.updates_in_b} updates in every network, and leaves compensation between {low:.0f} "
        f"and {high:.0f} % of A"
    )
    if confounded(found):
        return (
            f"{verdict} {left}. From such levels decay towards zero alone changes compensation, up or down, "
            "so this run cannot tell recovery from decay."
        )
    return f"{verdict} {left}, near zero in all of them."


def sensitivity(found: Found, config: Protocols) -> str:
    """Return how what one update teaches depends on the size of A, without a full stop."""
    smallest, largest = min(config.sizes), max(config.sizes)
    small, large = (found[per_size(size)] for size in (smallest, largest))
    change = {
        -1: "the share that one update teaches of what it met grows with the size of A",
        0: "the share that one update teaches of what it met is not shown to change with the size of A",
        1: "one update teaches a smaller share of a larger A",
    }[direction(found, FALLING)]
    return f"{change} ({mean_of(small)} at size {smallest:g}, {mean_of(large)} at size {largest:g})"


def _single(found: Found, config: Protocols) -> str:
    return (
        f"{capitalised(sensitivity(found, config))}; difference {number(found[FALLING])}. Here gradients "
        f"are not clipped and the learning rate is {config.single_rate:g}, against {config.learning_rate:g} "
        "in the other protocols, so only ratios between sizes mean something. The position term of the "
        "loss is an L1 distance, whose gradient hardly grows with the error, which makes a fall nearly "
        "inevitable."
    )


def nearest(found: Found, config: Protocols) -> tuple[str, list[str]]:
    """Return the ideal with the smallest mean distance, and those that it is shown to be nearer than."""
    apart = {name: found[distance(name)].value or 0.0 for name in ideals(config)}
    best = min(apart, key=lambda name: apart[name])
    others = [name for name in apart if name != best]
    return best, [name for name in others if sign(distance_between(found, name, best)) > 0]


def distance_between(found: Found, ideal: str, other: str) -> Quantity:
    """Return how much farther networks are from one ideal than from another."""
    name = farther(ideal, other)
    return found[name] if name in found else opposite(found[farther(other, ideal)])


def nearest_for(found: Found, config: Protocols) -> dict[str, int]:
    """Return for how many networks each ideal is the nearest."""
    apart = {name: found[distance(name)].values for name in ideals(config)}
    best = [min(apart, key=lambda name: apart[name][k]) for k in range(len(found[ASYMMETRY].values))]
    return {name: best.count(name) for name in apart}


def generalised(found: Found, config: Protocols) -> str:
    """Return which ideal the networks are nearest to, without a full stop."""
    best, beaten = nearest(found, config)
    count, networks = nearest_for(found, config)[best], found[distance(best)].networks
    open_ = [name for name in ideals(config) if name != best and name not in beaten]
    verdict = f"what is learned towards one target is nearest to {best} ({count} of {networks} networks)"
    return f"{verdict}, but not shown to be nearer than to {listed(open_)}" if open_ else verdict


def _generalisation(found: Found, config: Protocols) -> str:
    best, _ = nearest(found, config)
    others = [name for name in ideals(config) if name != best]
    by = listed([f"{number(distance_between(found, name, best))} ({name})" for name in others])
    parts = [
        f"{capitalised(generalised(found, config))}. The mean distance from the others is larger, by {by}."
    ]
    beside = [angle for angle in (NEIGHBOUR, -NEIGHBOUR) if direction(found, at_angle(angle)) > 0]
    if best == ALONE and beside:
        there = listed([f"{mean_of(found[at_angle(angle)])} at {signed(angle)} degrees" for angle in beside])
        parts.append(f"Yet generalisation is broader than that: {there}.")
    parts.append(_asymmetry(found, config))
    against = [angle for angle in angles().values() if direction(found, at_angle(angle)) < 0]
    if against:
        parts.append(
            f"At {listed([signed(angle) for angle in against])} degrees compensation is negative: there, "
            "what was learned adds to A, which no generalisation of A itself would do, however narrow."
        )
    return " ".join(parts)


def _asymmetry(found: Found, config: Protocols) -> str:
    plus, minus = (signed(angle) for angle in (NEIGHBOUR, -NEIGHBOUR))
    side = direction(found, ASYMMETRY)
    if not side:
        return (
            f"Compensation is not shown to differ between {plus} and {minus} degrees "
            f"({number(found[ASYMMETRY])} of A)."
        )
    more, less = (plus, minus) if side > 0 else (minus, plus)
    expected = PERCENT * side * (constant(config, NEIGHBOUR) - constant(config, -NEIGHBOUR))
    would = f"; {VECTOR[config.perturbation]} would make it {expected:.0f} %" if abs(expected) >= 0.5 else ""
    return (
        f"Generalisation is asymmetric: compensation at {more} degrees is larger than at {less} degrees, by "
        f"{size_of(found[ASYMMETRY])} of A{would}."
    )


READING: Final[Mapping[str, Callable[[Found, Protocols], str]]] = {
    "gradual": _gradual,
    "interference": _interference,
    "spontaneous-recovery": _recovery,
    "single-trials": _single,
    "generalisation": _generalisation,
}
