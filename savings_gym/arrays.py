"""Type aliases of the package, and checks of numbers and arrays that name the value they refuse."""

import math
from collections.abc import Collection, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

MM = 1000.0  # millimetres per metre
PERCENT = 100.0
LARGEST_SEED = 2**63 - 1  # what numpy, torch and a column of 64-bit integers all take

Array = NDArray[Any]
Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Columns = dict[str, Array]  # of a table, all of one length
Info = dict[str, Any]  # what an environment reports beside the observation


def joined(rows: Sequence[Mapping[str, Array]]) -> Columns:
    """Return tables of the same columns, one below the other; there must be at least one."""
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def as_real(name: str, values: ArrayLike) -> Floats:
    """Return real numbers as a float64 array.

    Args:
        name: Name of the values in the error.
        values: Any shape.

    Raises:
        ValueError: If they are complex, strings or other objects. Booleans are 0 and 1.
    """
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is not an array of real numbers: {error}") from None
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} is not an array of real numbers, got {values!r} of dtype {array.dtype}")
    return array.astype(np.float64, copy=False)


def short(value: Any, longest: int = 200) -> str:
    """Return the text of a value for an error, cut off if it is long."""
    text = repr(value)
    return text if len(text) <= longest else f"{type(value).__name__}: {text[:longest]}..."


def as_finite(name: str, values: ArrayLike) -> Floats:
    """Return finite real numbers as a float64 array.

    Args:
        name: Name of the values in the error.
        values: Any shape.

    Raises:
        ValueError: If they are not real numbers, or not all finite.
    """
    array = as_real(name, values)
    finite = np.isfinite(array)
    if not finite.all():
        where = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise ValueError(
            f"{name} has {int(np.sum(~finite))} values that are not finite, the first {array[where]} at "
            f"index {where}; expected finite numbers only"
        )
    return array


def as_points(name: str, values: ArrayLike) -> Floats:
    """Return finite vectors in the plane, (..., 2); ValueError for anything else."""
    array = as_finite(name, values)
    if array.ndim < 1 or array.shape[-1] != 2:
        raise ValueError(f"{name} has shape {array.shape}, expected (..., 2)")
    return array


def as_path(values: ArrayLike) -> Floats:
    """Return a finite hand path, (..., T + 1, 2) with at least two samples; ValueError for anything else."""
    array = as_finite("path", values)
    if array.ndim < 2 or array.shape[-1] != 2 or array.shape[-2] < 2:
        raise ValueError(f"path has shape {array.shape}, expected (..., T + 1, 2) with T at least 1")
    return array


def as_positive(name: str, value: float) -> float:
    """Return a finite number above zero; ValueError for anything else."""
    if not (np.isfinite(value) and value > 0.0):
        raise ValueError(f"{name} is {value}, expected a finite number above 0")
    return float(value)


def as_number(name: str, value: Any, least: float = -math.inf, most: float = math.inf) -> float:
    """Return a finite number from `least` to `most`; booleans and strings are refused.

    Args:
        name: What the caller calls it, for the error.
        value: A number of Python or NumPy, in any precision.
        least: The smallest valid value.
        most: The largest valid value.

    Raises:
        ValueError: For anything else; it names the value and the range.
    """
    number = _as_float(value)
    if not math.isfinite(number) or not least <= number <= most:
        ends = [f"at least {least:g}"] * (least > -math.inf) + [f"at most {most:g}"] * (most < math.inf)
        valid = f" of {' and '.join(ends)}" if ends else ""
        raise ValueError(f"{name} must be a finite number{valid}, got {value!r}")
    return number


def as_numbers(name: str, values: Any, *shapes: tuple[int, ...], largest: float = math.inf) -> Floats:
    """Return finite numbers in one of the given shapes; booleans and strings are refused.

    For arguments, which are few; `as_finite` is for data.

    Args:
        name: What the caller calls them, for the error.
        values: A number, nested sequences of numbers, or an array.
        *shapes: The valid shapes.
        largest: The largest valid magnitude.

    Raises:
        ValueError: For anything else; it names the values and the shapes.
    """
    try:
        objects = np.array(values, dtype=object)  # keeps booleans and strings apart from numbers
    except ValueError:  # of a ragged nest
        objects = np.array(None)
    floats = np.array([_as_float(value) for value in objects.flat]).reshape(objects.shape)
    if objects.shape in shapes and np.isfinite(floats).all():
        if (np.abs(floats) > largest).any():
            raise ValueError(f"{name} must be at most {largest:g} in magnitude, got {values!r}")
        return floats
    several = [f"finite numbers of shape {shape}" for shape in shapes if shape]
    valid = " or ".join(["a finite number"] * (() in shapes) + several)
    raise ValueError(f"{name} must be {valid}, got {values!r}")


def _as_float(value: Any) -> float:
    """A real number as a float; NaN for anything else, booleans and strings included."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf


def as_flag(name: str, value: object) -> bool:
    """Return True or False; numbers and strings are refused.

    Args:
        name: What the caller calls it, for the error.
        value: A truth value of Python or NumPy.

    Raises:
        ValueError: For anything else; it names the value.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def as_whole_number(name: str, value: object, least: int = 0, most: int | None = None) -> int:
    """Return a whole number from `least` to `most`; booleans, floats and strings are refused.

    Args:
        name: Name of the value in the error.
        value: A Python or NumPy integer.
        least: The smallest valid value.
        most: The largest valid value; None is no limit.

    Raises:
        ValueError: For anything else; it names the value and the range.
    """
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):  # type: ignore[operator]
        limit = "" if most is None else f" and at most {most}"
        raise ValueError(f"{name} must be a whole number of at least {least}{limit}, got {value!r}")
    return int(value)  # type: ignore[call-overload]


def as_choice(name: str, value: object, choices: Collection[str]) -> str:
    """Return one of several words.

    Args:
        name: What the caller calls it, for the error.
        value: The word.
        choices: The valid ones.

    Raises:
        ValueError: For anything else; it names the value and lists the choices.
    """
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {tuple(choices)}, got {value!r}")
    return value


def as_seed(name: str, value: object) -> int:
    """Return a seed, a whole number from 0 to `LARGEST_SEED`.

    Args:
        name: What the caller calls it, for the error.
        value: A Python or NumPy integer.

    Raises:
        ValueError: For anything else; it names the value.
    """
    seed = as_whole_number(name, value)
    if seed > LARGEST_SEED:
        raise ValueError(f"{name} must be at most {LARGEST_SEED} (63 bits), got {seed}")
    return seed


def broadcast_leading(**shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the common leading shape; ValueError, with the shape of every argument, if there is none."""
    try:
        return np.broadcast_shapes(*shapes.values())
    except ValueError:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"leading axes do not broadcast: {listed}") from None
