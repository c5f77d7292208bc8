"""Activity by phase: the checks and the few array operations that every analysis of activity shares.

Activity is a mapping of phase names to arrays whose last axis is the units: (..., targets, units) at one time
or (..., targets, time, units) over trials. The leading axes are networks, if there are several; any number of
them will do. Every unit of measurement is that of the activity (for a GRU, a number in -1..1).
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arrays import Floats, as_finite

Activity = Mapping[str, ArrayLike]
"""Phase name to activity."""

AT_ONE_TIME = ("targets", "units")
OVER_TRIALS = ("targets", "time", "units")
NEGLIGIBLE = 1e-12
"""Singular values and lengths that are rounding error, against the largest of their kind."""


def as_activity(activity: Activity, needed: tuple[str, ...], axes: tuple[str, ...]) -> dict[str, Floats]:
    """Activity of all phases as finite float64 arrays of one shape.

    Args:
        activity: Phase name to (..., *axes).
        needed: Phases that must be there.
        axes: Names of the last axes, `AT_ONE_TIME` or `OVER_TRIALS`.

    Raises:
        ValueError: If it is no mapping, lacks a phase, has an axis too few or an empty one, differs in shape
            between phases, or is not finite.
    """
    if not isinstance(activity, Mapping):
        raise ValueError(
            f"activity is a {type(activity).__name__}, expected a mapping of phase names to arrays "
            f"{shape_of(axes)}"
        )
    missing = [phase for phase in needed if phase not in activity]
    if missing:
        found = ", ".join(str(phase) for phase in activity) or "no phase"
        raise ValueError(f"activity lacks {', '.join(missing)}; it has {found}")
    arrays = {str(phase): as_samples(f"activity of {phase}", x, axes) for phase, x in activity.items()}
    if len({array.shape for array in arrays.values()}) > 1:
        listed = ", ".join(f"{phase} {array.shape}" for phase, array in arrays.items())
        raise ValueError(f"activity differs in shape between phases: {listed}; expected one {shape_of(axes)}")
    return arrays


def as_samples(name: str, values: ArrayLike, axes: tuple[str, ...]) -> Floats:
    """Finite float64 array (..., *axes) without an empty axis."""
    array = as_finite(name, values)
    if array.ndim < len(axes) or 0 in array.shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape_of(axes)} with no empty axis")
    return array


def shape_of(axes: tuple[str, ...]) -> str:
    """How a shape is written in errors: ``(..., targets, units)``."""
    return f"(..., {', '.join(axes)})"


def per_network(activity: ArrayLike, matrix: Floats) -> Floats:
    """Product of activity with one matrix a network, whatever axes lie between.

    Args:
        activity: (*networks, ..., units).
        matrix: (*networks, units, k).

    Returns:
        (*networks, ..., k).
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


def minus_per_network(activity: ArrayLike, centre: Floats) -> Floats:
    """Activity (*networks, ..., units) minus one vector a network, (*networks, units)."""
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


def which(networks: np.ndarray) -> str:
    """Names the networks at which a boolean array is true, for errors; nothing for a single network."""
    if networks.ndim == 0:
        return ""
    places = [tuple(int(i) for i in place) for place in np.argwhere(networks)]
    shown = ", ".join(str(place[0]) if len(place) == 1 else str(place) for place in places[:5])
    return f" in network {shown}" + (f" and {len(places) - 5} more" if len(places) > 5 else "")


def orthonormal_basis(axes: Floats) -> Floats:
    """Orthonormal basis of the space that columns span, (..., units, k) to (..., units, min(units, k)).

    Where columns depend on each other the basis has fewer vectors; zero columns fill it up, so that batches
    keep one shape and the projector is the basis times its transpose all the same.
    """
    if axes.shape[-1] == 0:
        return axes
    left, values, _ = np.linalg.svd(axes, full_matrices=False)
    kept = (values > NEGLIGIBLE * values[..., :1]) & (values > 0.0)
    return np.where(kept[..., None, :], left, 0.0)


def orthogonal_to(vector: Floats, axes: Floats) -> Floats:
    """Vector (..., units) less its projection on the space of axes (..., units, k)."""
    basis = orthonormal_basis(axes)
    for _ in range(2):  # the second time takes away the rounding error of the first
        vector = vector - (basis @ (np.swapaxes(basis, -1, -2) @ vector[..., None]))[..., 0]
    return vector
