"""Perturbations with another size, in a part of the trial, or for some targets.

Each takes any perturbation, also a sum, of which every part then changes alike and keeps its onset:

    Ramp(CurlField(8.0), duration=0.2)                       # sets on slowly
    Pulse(VisualShift((0.02, 0.0)), at=0.1, duration=0.15)   # a cursor jump and back
    ForTargets(CurlField(8.0), (0.0, 90.0)) + ForTargets(CurlField(-8.0), (180.0, 270.0))
    Scaled(VisuomotorRotation(30.0), 0.5)                    # by 15 degrees
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from savings_gym.arrays import Floats, as_number, as_numbers
from savings_gym.perturbations.fields import LARGEST, ONSETS, Field, as_field
from savings_gym.perturbations.linear_fields import LinearFields
from savings_gym.perturbations.visual_maps import VisualMaps

LONGEST: Final = 1.0  # s, a trial
TOLERANCE_DEG: Final = 0.5  # between the direction of a target and that of a perturbation for it


@dataclass(frozen=True)
class ModifiedField(Field, kind=None):
    """Base of perturbations that are others, changed.

    Attributes:
        field: What is changed, or its dict. It keeps its onset; none is given here.
    """

    field: Field

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        object.__setattr__(self, "field", as_field(self.field))
        own = {part.onset for part in self.field.parts()}
        if self.onset not in {"go", *own}:  # "go" is the default
            name = type(self).__name__
            raise ValueError(f"{name}: what it changes keeps its onset; give onset={self.onset!r} to that")
        object.__setattr__(self, "onset", next(iter(own)) if len(own) == 1 else ONSETS[1])

    @property
    def scored(self) -> str | None:  # type: ignore[override]
        """What is scored, see `Field`."""
        return next((part.scored for part in self.field.parts() if part.scored is not None), None)

    @property
    def is_null(self) -> bool:
        """Whether what is changed does nothing."""
        return self.field.is_null

    def parts(self) -> tuple[Field, ...]:
        """Return the changed parts."""
        parts = self.field.parts()
        if parts == (self.field,):
            return (self,)
        return tuple(dataclasses.replace(self, field=part, onset=part.onset) for part in parts)

    def coefficients(self, start: Floats, target: Floats) -> LinearFields:
        """Return the forces, see `Field.coefficients`."""
        return self.field.coefficients(start, target)

    def view(self, start: Floats, target: Floats, size: Floats) -> VisualMaps | None:
        """Return what is seen, see `Field.view`."""
        return self.field.view(start, target, size)

    def course(self, time: Floats) -> Floats | None:
        """Return the size over time, see `Field.course`."""
        return self.field.course(time)


@dataclass(frozen=True)
class Scaled(ModifiedField, kind="scaled"):
    """A perturbation of another size.

    Attributes:
        size: Factor of the force, angle, or change of what is seen; −1 is the opposite, 0 none.
    """

    size: float

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        self._store("size", ())

    @property
    def is_null(self) -> bool:
        """Whether nothing changes."""
        return self.size == 0.0 or self.field.is_null

    def coefficients(self, start: Floats, target: Floats) -> LinearFields:
        """Return the forces, see `Field.coefficients`."""
        return self.field.coefficients(start, target).scaled(np.full(len(start), self.size))

    def view(self, start: Floats, target: Floats, size: Floats) -> VisualMaps | None:
        """Return what is seen, see `Field.view`."""
        return self.field.view(start, target, self.size * size)


@dataclass(frozen=True)
class Ramp(ModifiedField, kind="ramp"):
    """A perturbation that grows from nothing to its full size after its onset, evenly.

    It changes once in a control step, to what it would be in the middle of that step.

    Attributes:
        duration: Time until it is full, s, above 0 and up to 1.
    """

    duration: float

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        _store_time(self, "duration", positive=True)

    def course(self, time: Floats) -> Floats:
        """Return the size over time, see `Field.course`."""
        return _product(np.clip(time / self.duration, 0.0, 1.0), self.field.course(time))


@dataclass(frozen=True)
class Pulse(ModifiedField, kind="pulse"):
    """A perturbation in a part of the trial: full from `at` on, for a while, and none before and after.

    Attributes:
        at: Time after the onset at which it begins, s, up to 1.
        duration: How long it lasts, s, above 0 and up to 1.
    """

    at: float
    duration: float

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        _store_time(self, "at")
        _store_time(self, "duration", positive=True)

    def course(self, time: Floats) -> Floats:
        """Return the size over time, see `Field.course`."""
        during = (time >= self.at) & (time < self.at + self.duration)
        return _product(during.astype(np.float64), self.field.course(time))


@dataclass(frozen=True)
class ForTargets(ModifiedField, kind="for_targets"):
    """A perturbation in trials to some targets only; sums of these give each target its own.

    Attributes:
        directions_deg: Directions of these targets from the start, degrees, counter-clockwise from the right;
            a target may be off by half a degree.
    """

    directions_deg: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        given: Any = self.directions_deg
        if (
            isinstance(given, (str, Mapping))
            or not isinstance(given, (Sequence, np.ndarray))
            or not len(given)
        ):
            raise ValueError(f"ForTargets: directions_deg must be one or more directions, got {given!r}")
        numbers = as_numbers("ForTargets: directions_deg", given, (len(given),), largest=LARGEST)
        object.__setattr__(self, "directions_deg", tuple(numbers.tolist()))

    def coefficients(self, start: Floats, target: Floats) -> LinearFields:
        """Return the forces, see `Field.coefficients`."""
        chosen = self._chosen(start, target).astype(np.float64)
        return self.field.coefficients(start, target).scaled(chosen)

    def view(self, start: Floats, target: Floats, size: Floats) -> VisualMaps | None:
        """Return what is seen, see `Field.view`."""
        maps = self.field.view(start, target, size)
        return None if maps is None else maps.where(self._chosen(start, target))

    def _chosen(self, start: Floats, target: Floats) -> NDArray[np.bool_]:
        """(n,) whether the targets lie in one of the directions."""
        line = target - start
        degrees = np.rad2deg(np.arctan2(line[:, 1], line[:, 0]))[:, None] - np.array(self.directions_deg)
        return (np.abs((degrees + 180.0) % 360.0 - 180.0) <= TOLERANCE_DEG).any(axis=1)


def _store_time(field: Field, name: str, positive: bool = False) -> None:
    """Check a time of a course, and store it as a float."""
    label = f"{type(field).__name__}: {name} (s)"
    time = as_number(label, getattr(field, name), 0.0, LONGEST)
    if positive and time == 0.0:
        raise ValueError(f"{label} must be above 0, got {time!r}")
    object.__setattr__(field, name, time)


def _product(sizes: Floats, others: Floats | None) -> Floats:
    return sizes if others is None else sizes * others
