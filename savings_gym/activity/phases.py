"""Activity by phase: the checks and array operations that all analyses of activity share.

Activity is a mapping of phase names to arrays whose last axis is the units of the network: (..., targets,
units) at one time, or (..., targets, time, units) over trials. Any number of leading axes counts networks.
Lengths are in the unit of the activity (for a GRU, a number in -1..1).
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from savings_gym.arrays import Floats, as_finite

Activity = Mapping[str, ArrayLike]
"""Phase name to activity."""

AT_ONE_TIME = ("targets", "units")
OVER_TRIALS = ("targets", "time", "units")
NEGLIGIBLE = 1e-12
"""Singular values and lengths below this share of the largest are rounding error."""


def as_activity(activity: Activity, needed: tuple[str, ...], axes: tuple[str, ...]) -> dict[str, Floats]:
    """Return the activity of all phases as finite float64 arrays of one shape.

    Args:
        activity: Phase name to (..., *axes).
        needed: Phases that must be present.
        axes: Names of the last axes, `AT_ONE_TIME` or `OVER_TRIALS`.

    Raises:
        ValueError: If the activity is not a mapping, lacks a phase, has too few axes or an empty one, differs
            in shape between phases, or is not finite.
    """
    if not isinstance(activity, Mapping):
        raise ValueError(
            f"activity is a {type(activity).__name__}, expected a mapping of phase names to arrays "
            f"{shape_text(axes)}"
        )
    missing = [phase for phase in needed if phase not in activity]
    if missing:
        present = ", ".join(str(phase) for phase in activity) or "no phase"
        raise ValueError(f"activity lacks {', '.join(missing)}; it has {present}")
    arrays = {str(phase): as_samples(f"activity of {phase}", x, axes) for phase, x in activity.items()}
    if len({array.shape for array in arrays.values()}) > 1:
        listed = ", ".join(f"{phase} {array.shape}" for phase, array in arrays.items())
        raise ValueError(
            f"activity differs in shape between phases: {listed}; expected one {shape_text(axes)}"
        )
    return arrays


def as_samples(name: str, values: ArrayLike, axes: tuple[str, ...]) -> Floats:
    """Return a finite float64 array (..., *axes) without an empty axis; ValueError for anything else."""
    array = as_finite(name, values)
    if array.ndim < len(axes) or 0 in array.shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape_text(axes)} with no empty axis")
    return array


def shape_text(axes: tuple[str, ...]) -> str:
    """Return a shape as errors write it, ``(..., targets, units)``."""
    return f"(..., {', '.join(axes)})"


def matmul_per_network(activity: ArrayLike, matrix: Floats) -> Floats:
    """Return the product of activity with one matrix per network, whatever axes lie between.

    Args:
        activity: (*networks, ..., units).
        matrix: (*networks, units, k).

    Returns:
        (*networks, ..., k).

    Raises:
        ValueError: If networks or units of the activity are not those of the matrix, or it is not finite.
    """
    array, leading, units = as_finite("activity", activity), matrix.shape[:-2], matrix.shape[-2]
    if array.ndim <= len(leading) or array.shape[: len(leading)] != leading or array.shape[-1] != units:
        expected = ", ".join([*(str(n) for n in leading), "...", str(units)])
        raise ValueError(
            f"activity has shape {array.shape}, expected ({expected}): networks first, units last"
        )
    between = array.shape[len(leading) : -1]
    product = array.reshape(*leading, int(np.prod(between)), units) @ matrix
    return product.reshape(*leading, *between, matrix.shape[-1])


def subtract_per_network(activity: ArrayLike, centre: Floats) -> Floats:
    """Return activity, (*networks, ..., units), less one vector per network, (*networks, units).

    Raises:
        ValueError: If networks or units of the activity are not those of the vectors, or it is not finite.
    """
    array = as_finite("activity", activity)
    if array.shape[: centre.ndim - 1] != centre.shape[:-1] or array.ndim < centre.ndim:
        expected = ", ".join([*(str(n) for n in centre.shape[:-1]), "...", str(centre.shape[-1])])
        raise ValueError(
            f"activity has shape {array.shape}, expected ({expected}): networks first, units last"
        )
    if array.shape[-1] != centre.shape[-1]:
        raise ValueError(f"activity has {array.shape[-1]} units, expected {centre.shape[-1]}")
    between = (1,) * (array.ndim - centre.ndim)
    difference: Floats = array - centre.reshape(*centre.shape[:-1], *between, centre.shape[-1])
    return difference


def name_networks(networks: NDArray[np.bool_]) -> str:
    """Return the networks for which an array is true, as errors name them; "" if the array has no axis."""
    if networks.ndim == 0:
        return ""
    places = [tuple(int(i) for i in place) for place in np.argwhere(networks)]
    listed = ", ".join(str(place[0]) if len(place) == 1 else str(place) for place in places[:5])
    return f" in network {listed}" + (f" and {len(places) - 5} more" if len(places) > 5 else "")


def orthonormal_basis(axes: Floats) -> Floats:
    """Return an orthonormal basis of the span of columns, (..., units, k) to (..., units, min(units, k)).

    If columns depend on each other, the basis has fewer vectors and is filled up with zero columns, so that
    batches keep one shape. The projector is the basis times its transpose in any case.
    """
    if axes.shape[-1] == 0:
        return axes
    left, values, _ = np.linalg.svd(axes, full_matrices=False)
    kept = (values > NEGLIGIBLE * values[..., :1]) & (values > 0.0)
    return np.where(kept[..., None, :], left, 0.0)


def orthogonal_to(vector: Floats, axes: Floats) -> Floats:
    """Return a vector, (..., units), less its projection on the span of axes, (..., units, k)."""
    basis = orthonormal_basis(axes)
    for _ in range(2):  # the second pass removes the rounding error of the first
        vector = vector - (basis @ (np.swapaxes(basis, -1, -2) @ vector[..., None]))[..., 0]
    return vector
