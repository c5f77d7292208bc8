"""The package's type aliases, and checks of arrays: early, specific errors instead of NaN and odd shapes."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]
Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Columns = dict[str, Array]  # of a table, all of one length
Info = dict[str, Any]  # what an environment reports beside the observation


def as_finite(name: str, values: ArrayLike) -> Floats:
    """Values as a float64 array; ValueError if they are not numbers or not all finite.

    Args:
        name: What the caller calls them, for the error.
        values: Any shape.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is not an array of numbers: {error}") from None
    finite = np.isfinite(array)
    if not finite.all():
        where = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise ValueError(
            f"{name} has {int(np.sum(~finite))} values that are not finite, the first {array[where]} at "
            f"index {where}; expected finite numbers only"
        )
    return array


def as_points(name: str, values: ArrayLike) -> Floats:
    """Finite vectors in the plane, (..., 2)."""
    array = as_finite(name, values)
    if array.ndim < 1 or array.shape[-1] != 2:
        raise ValueError(f"{name} has shape {array.shape}, expected (..., 2)")
    return array


def as_path(values: ArrayLike) -> Floats:
    """Finite hand path, (..., T + 1, 2) with at least two samples."""
    array = as_finite("path", values)
    if array.ndim < 2 or array.shape[-1] != 2 or array.shape[-2] < 2:
        raise ValueError(f"path has shape {array.shape}, expected (..., T + 1, 2) with T at least 1")
    return array


def as_positive(name: str, value: float) -> float:
    """A finite number above zero."""
    if not (np.isfinite(value) and value > 0.0):
        raise ValueError(f"{name} is {value}, expected a finite number above 0")
    return float(value)


def broadcast_leading(**shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Common leading shape; ValueError naming every argument when there is none."""
    try:
        return np.broadcast_shapes(*shapes.values())
    except ValueError:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"leading axes do not broadcast: {listed}") from None
