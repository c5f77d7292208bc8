"""The `options` of `reset`: what to choose in a trial instead of drawing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savings_gym.field_dicts import as_field
from savings_gym.fields import Field
from savings_gym.settings import whole_steps

FloatArray = NDArray[np.float64]

OPTIONS = ("target", "start", "go_time", "catch", "catch_fraction", "field")


@dataclass
class TrialOptions:
    """Choices for n trials; None is "as drawn".

    Attributes:
        target: (n,) index of the centre-out target.
        target_position: (n, 2) m.
        start: (n, 2) hand position, m.
        go_step: (n,) control step of go.
        catch: (n,) whether there is no go.
        catch_fraction: (n,) probability of a catch trial.
        field: n fields.
    """

    target: NDArray[np.int64] | None = None
    target_position: FloatArray | None = None
    start: FloatArray | None = None
    go_step: NDArray[np.int64] | None = None
    catch: NDArray[np.bool_] | None = None
    catch_fraction: FloatArray | None = None
    field: list[Field] | None = None


def trial_options(options: Mapping[str, Any] | None, n: int, targets: int) -> TrialOptions:
    """Check the `options` of `reset`.

    Args:
        options: See `envs.ReachEnv`; each value serves all trials, or there is one a trial.
        n: Number of trials.
        targets: Number of centre-out targets, 0 for random reaches.

    Raises:
        ValueError: For an unknown name or a bad value; it lists the valid ones.
    """
    options = options or {}
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise ValueError(f"unknown reset options {unknown}; the options are {list(OPTIONS)}")
    chosen = TrialOptions()
    if options.get("target") is not None:
        _choose_target(chosen, options["target"], n, targets)
    if options.get("start") is not None:
        chosen.start = _positions("start", options["start"], n)
    if options.get("go_time") is not None:
        times = _each("go_time", options["go_time"], n, float)
        chosen.go_step = np.array([whole_steps("go_time", float(t)) for t in times])
    if options.get("catch") is not None:
        if np.asarray(options["catch"]).dtype != bool:
            raise ValueError(f"option 'catch' must be one bool or {n} of them, got {options['catch']!r}")
        chosen.catch = _each("catch", options["catch"], n, bool)
    if options.get("catch_fraction") is not None:
        chosen.catch_fraction = _each("catch_fraction", options["catch_fraction"], n, float)
        if not ((chosen.catch_fraction >= 0.0) & (chosen.catch_fraction <= 1.0)).all():
            raise ValueError(f"option 'catch_fraction' must lie in 0..1, got {options['catch_fraction']!r}")
    if "field" in options:  # None is no field, as everywhere
        fields = options["field"]
        listed = isinstance(fields, Sequence) and not isinstance(fields, str)
        each = list(fields) if listed else [fields] * n
        if len(each) != n:
            raise ValueError(f"option 'field': {len(each)} fields were given for {n} trials")
        chosen.field = [as_field(field) for field in each]
    return chosen


def _choose_target(chosen: TrialOptions, value: Any, n: int, targets: int) -> None:
    """An integer is the index of a centre-out target, two floats are a position."""
    array = np.asarray(value)
    if array.dtype.kind in "iu" and array.ndim <= 1:
        indices = _each("target", value, n, np.int64)
        if targets and ((indices >= 0) & (indices < targets)).all():
            chosen.target = indices
            return
    elif array.dtype.kind == "f" and array.ndim >= 1:
        chosen.target_position = _positions("target", value, n)
        return
    indices_text = f"an index from 0 to {targets - 1} or " if targets else ""
    raise ValueError(
        f"option 'target' must be {indices_text}a position (x, y) in m, as floats; got {value!r}"
    )


def _positions(name: str, value: Any, n: int) -> FloatArray:
    """(2,) or (n, 2) as (n, 2)."""
    try:
        array = np.asarray(value, dtype=float)
        positions = np.broadcast_to(array, (n, 2)) if array.shape in ((2,), (n, 2)) else None
    except (TypeError, ValueError):
        positions = None
    if positions is None or not np.isfinite(positions).all():
        raise ValueError(f"option {name!r} must be a finite position (x, y) in m, got {value!r}")
    return positions


def _each(name: str, value: Any, n: int, dtype: type) -> NDArray[Any]:
    """() or (n,) as (n,)."""
    try:
        array: NDArray[Any] = np.asarray(value, dtype=dtype)
        valid = array.shape in ((), (n,))
    except (TypeError, ValueError):
        valid = False
    if not valid:
        raise ValueError(f"option {name!r} must be one {dtype.__name__} or {n} of them, got {value!r}")
    return np.broadcast_to(array, (n,))
