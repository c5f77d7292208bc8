"""The `options` of `reset`: what to choose for a trial instead of drawing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from savings_gym.arrays import Floats, as_flag, as_numbers
from savings_gym.perturbations.fields import Field, as_field
from savings_gym.task.settings import whole_steps

OPTIONS = ("target", "start", "go_time", "catch", "catch_fraction", "field")


@dataclass
class TrialOptions:
    """Choices for n trials; None leaves a value as drawn.

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
    target_position: Floats | None = None
    start: Floats | None = None
    go_step: NDArray[np.int64] | None = None
    catch: NDArray[np.bool_] | None = None
    catch_fraction: Floats | None = None
    field: list[Field] | None = None


AS_DRAWN: Final = TrialOptions()  # the same object for all trials of which nothing is chosen


def trial_options(options: Mapping[str, Any] | None, n: int, targets: int) -> TrialOptions:
    """Check the `options` of `reset`.

    Args:
        options: See `envs.single.ReachEnv`; a value is for all trials, a list has one for each.
        n: Number of trials.
        targets: Number of centre-out targets, 0 for random reaches.

    Raises:
        ValueError: If a name is unknown or a value is bad; it lists the valid ones.
    """
    if not options and isinstance(options, Mapping | None):
        return AS_DRAWN
    if not isinstance(options, Mapping):
        raise ValueError(f"the options of reset must be a dict or None, got {options!r}")
    unknown = sorted(set(options) - set(OPTIONS), key=str)
    if unknown:
        raise ValueError(f"unknown reset options {unknown}; the options are {list(OPTIONS)}")
    chosen = TrialOptions()
    given = {name: value for name, value in options.items() if value is not None}
    if "target" in given:
        _choose_target(chosen, given["target"], n, targets)
    if "start" in given:
        chosen.start = _positions("start", given["start"], n)
    if "go_time" in given:
        times = _numbers("go_time", given["go_time"], n)
        chosen.go_step = np.array([whole_steps("go_time", time) for time in times.tolist()])
    if "catch" in given:
        chosen.catch = _flags("catch", given["catch"], n)
    if "catch_fraction" in given:
        chosen.catch_fraction = _numbers("catch_fraction", given["catch_fraction"], n)
        if not ((chosen.catch_fraction >= 0.0) & (chosen.catch_fraction <= 1.0)).all():
            raise ValueError(f"option 'catch_fraction' must lie in 0..1, got {given['catch_fraction']!r}")
    if "field" in options:  # None means no field, as everywhere
        chosen.field = _fields(options["field"], n)
    return chosen


def _choose_target(chosen: TrialOptions, value: Any, n: int, targets: int) -> None:
    """Choose the targets: an integer is the index of a centre-out target, two floats are a position."""
    kind = _kind(value)
    if kind == "f" and np.ndim(value) >= 1:
        chosen.target_position = _positions("target", value, n)
        return
    is_index = kind in "iu" and np.shape(value) in ((), (n,))
    indices = _numbers("target", value, n) if is_index else np.array([-1.0])
    if not targets or not ((indices >= 0) & (indices < targets)).all():
        each = f", one or {n} of them," if n > 1 else ""
        index = f"an index from 0 to {targets - 1}{each} or " if targets else ""
        raise ValueError(
            f"option 'target' must be {index}a position (x, y) in m, as floats such as (0.0, 0.5); "
            f"got {value!r}"
        )
    chosen.target = indices.astype(np.int64)


def _kind(value: Any) -> str:
    """Return the kind of NumPy's type of a value; "O" if it is a ragged nest."""
    try:
        return np.asarray(value).dtype.kind
    except ValueError:
        return "O"


def _fields(value: Any, n: int) -> list[Field]:
    """Return n fields, given as one for all trials or as a list."""
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    fields = list(value) if is_list else [value] * n
    if len(fields) != n:
        raise ValueError(f"option 'field': {len(fields)} fields were given for {n} trials")
    return [as_field(field) for field in fields]


def _positions(name: str, value: Any, n: int) -> Floats:
    """Return (n, 2) positions, given as (2,) or (n, 2)."""
    positions = as_numbers(f"option {name!r}, a position (x, y) in m,", value, (2,), (n, 2))
    return np.broadcast_to(positions, (n, 2))


def _numbers(name: str, value: Any, n: int) -> Floats:
    """Return (n,) numbers, given as one or as (n,)."""
    return np.broadcast_to(as_numbers(f"option {name!r}", value, (), (n,)), (n,))


def _flags(name: str, value: Any, n: int) -> NDArray[np.bool_]:
    """Return (n,) booleans, given as one or as (n,)."""
    values = np.array(value, dtype=object)
    if values.shape not in ((), (n,)):
        raise ValueError(f"option {name!r} must be one boolean or {n} of them, got {value!r}")
    flags = [as_flag(f"option {name!r}", flag) for flag in values.flat]
    return np.broadcast_to(np.array(flags).reshape(values.shape), (n,))
