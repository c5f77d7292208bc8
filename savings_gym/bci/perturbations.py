"""Perturbed decoders: changes of an intuitive one within and outside the manifold of the activity.

After Sadtler et al. (2014, doi 10.1038/nature13665). With the intuitive steady velocity ``W R u'`` of
z-scored activity u' (see `bci.calibration`), a permutation P reorders

- within the manifold, the factors, ``W P R u'``: the patterns of activity that count are the same, but move
  the cursor elsewhere;
- outside the manifold, the units, ``W R P u'``: the cursor listens to patterns that the population does not
  show by itself.

Some permutations hardly change anything and some turn the cursor back. To compare the two kinds, one draws
many and takes those of similar difficulty: the change of open-loop velocities, which are what the perturbed
decoder makes of the mean activity for each target under the intuitive one. The measure of change and its
default range are our own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.activity.phases import AT_ONE_TIME, as_samples
from savings_gym.arrays import Array, Floats, as_choice, as_whole_number
from savings_gym.bci.calibration import FactorDecoder
from savings_gym.bci.decoder import Decoder

WITHIN, OUTSIDE = KINDS = ("within", "outside")
CANDIDATES: Final = 2000  # permutations that are drawn
CHANGE: Final = (0.9, 1.3)  # range of the change of open-loop velocities


@dataclass(frozen=True, eq=False)
class Perturbation:
    """A perturbed decoder that was chosen.

    Attributes:
        decoder: The decoder.
        kind: "within" or "outside".
        permutation: (factors,) or (units,) indices: place i is read as place `permutation[i]`.
        change: Of open-loop velocities, see `open_loop_change`.
    """

    decoder: Decoder
    kind: str
    permutation: Array
    change: float


def within_manifold(intuitive: FactorDecoder, permutation: ArrayLike) -> Decoder:
    """Return the decoder in which factor `permutation[i]` moves the cursor as factor i did.

    Args:
        intuitive: The calibrated decoder.
        permutation: (factors,) every index once.
    """
    order = _as_permutation(permutation, intuitive.weights.shape[1], "factors")
    return intuitive.decoder_of(_reorder_factors(intuitive, order))


def outside_manifold(intuitive: FactorDecoder, permutation: ArrayLike) -> Decoder:
    """Return the decoder in which unit `permutation[i]` counts for the factors as unit i did.

    Args:
        intuitive: The calibrated decoder.
        permutation: (units,) every index once.
    """
    order = _as_permutation(permutation, len(intuitive.model.mean), "units")
    return intuitive.decoder_of(_reorder_units(intuitive, order))


def open_loop_change(intuitive: Decoder, perturbed: Decoder, activity: ArrayLike) -> float:
    """Return how much a decoder changes the velocities of given activity, relative to their size.

    ``mean_k |v'_k − v_k| / mean_k |v_k|`` over targets k, with v and v' the steady velocities under both. It
    is 0 for no change, 1 if the cursor stands still, 2 sin(angle / 2) for a rotation, and 2 if the cursor
    goes the opposite way.

    Args:
        intuitive: The decoder under which activity was recorded.
        perturbed: The other decoder.
        activity: (targets, units) mean activity on the way to each target.

    Raises:
        ValueError: If the activity does not move the cursor under the intuitive decoder.
    """
    mean = as_samples("activity", activity, AT_ONE_TIME)
    return _change(intuitive.steady_velocity(mean), perturbed.steady_velocity(mean))


def outside_share(intuitive: FactorDecoder, decoder: Decoder) -> Floats:
    """Return the share of each row of a decoder's weights that lies outside the manifold, (2,) 0 to 1.

    Weights on z-scored activity are compared with the span of what reads the factors.
    """
    standard = decoder.matrix * intuitive.model.sd
    basis = np.linalg.qr(intuitive.model.reading.T)[0]
    outside = standard - (standard @ basis) @ basis.T
    share: Floats = np.linalg.norm(outside, axis=1) / np.linalg.norm(standard, axis=1)
    return share


def choose_perturbation(
    kind: str,
    intuitive: FactorDecoder,
    activity: ArrayLike,
    rng: np.random.Generator,
    change: tuple[float, float] = CHANGE,
    candidates: int = CANDIDATES,
) -> Perturbation:
    """Return the perturbation, of many that are drawn, whose change is nearest to the middle of a range.

    So perturbations of both kinds that are chosen with one range are alike in difficulty.

    Args:
        kind: "within" or "outside".
        intuitive: The calibrated decoder.
        activity: (targets, units) mean activity on the way to each target, under the intuitive decoder.
        rng: Draws the permutations.
        change: Lowest and highest change, see `open_loop_change`.
        candidates: Permutations that are drawn.

    Raises:
        ValueError: If no candidate lies in the range; it names the nearest.
    """
    reorder = {WITHIN: _reorder_factors, OUTSIDE: _reorder_units}[as_choice("kind", kind, KINDS)]
    places = intuitive.weights.shape[1] if kind == WITHIN else len(intuitive.model.mean)
    standard = intuitive.model.standardise(as_samples("activity", activity, AT_ONE_TIME))
    before = standard @ (intuitive.weights @ intuitive.model.reading).T
    orders = [rng.permutation(places) for _ in range(as_whole_number("candidates", candidates, 1))]
    found = [_change(before, standard @ reorder(intuitive, order).T) for order in orders]
    best = int(np.argmin(np.abs(np.array(found) - sum(change) / 2.0)))
    if not change[0] <= found[best] <= change[1]:
        raise ValueError(
            f"no {kind}-manifold permutation of {candidates} changes open-loop velocities by {change[0]} to "
            f"{change[1]}; the nearest has {found[best]:.3f}"
        )
    decoder = intuitive.decoder_of(reorder(intuitive, orders[best]))
    return Perturbation(decoder, kind, orders[best], found[best])


def _reorder_factors(intuitive: FactorDecoder, order: Array) -> Floats:
    """(2, units) steady velocity of z-scored activity, ``W P R``."""
    return intuitive.weights @ intuitive.model.reading[order]


def _reorder_units(intuitive: FactorDecoder, order: Array) -> Floats:
    """(2, units) steady velocity of z-scored activity, ``W R P``."""
    standard = np.empty((2, len(order)))
    standard[:, order] = intuitive.weights @ intuitive.model.reading
    return standard


def _change(before: Floats, after: Floats) -> float:
    """Mean change of velocities (targets, 2), relative to their mean size."""
    size = float(np.linalg.norm(before, axis=-1).mean())
    if size == 0.0:
        raise ValueError("the activity does not move the cursor, expected activity on the way to targets")
    return float(np.linalg.norm(after - before, axis=-1).mean()) / size


def _as_permutation(permutation: ArrayLike, places: int, name: str) -> Array:
    order = np.asarray(permutation)
    if order.shape != (places,) or order.dtype.kind not in "iu" or set(order.tolist()) != set(range(places)):
        raise ValueError(f"the permutation of {name} must have every index from 0 to {places - 1} once")
    return order
