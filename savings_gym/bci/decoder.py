"""Decoders, as data: the linear map by which the activity of n units moves a cursor.

In every control step the velocity of the cursor follows the activity u,

    v_t = A v_(t−1) + K u_t + b        [m/s]

which is the form of a velocity Kalman filter in its steady state, and the one that is used to study learning
with a brain-computer interface (Sadtler et al. 2014, doi 10.1038/nature13665; Golub et al. 2018, doi
10.1038/s41593-018-0095-3; Losey et al. 2024, doi 10.1016/j.cub.2024.03.003). Activity that stays the same
brings the cursor to the velocity

    v = (I − A)⁻¹ (K u + b)

A decoder is a small frozen object that prints, pickles, hashes and goes through JSON, as a force field does.
`bci.calibration` makes one from activity, and `bci.perturbations` changes it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.activity.memory_trace import VelocityReadout
from savings_gym.arrays import Floats, as_finite, as_number, as_numbers, as_whole_number

LARGEST: Final = 1e6  # magnitude of the numbers of a decoder
MOST_UNITS: Final = 10_000
SMOOTHING: Final = 0.8  # of the velocity is kept in a control step of 10 ms: a time constant of 45 ms
GAIN: Final = 0.5  # m/s, speed of the cursor when activity is tuned to its direction, with peaks of 1
GOLDEN_ANGLE: Final = math.pi * (3.0 - math.sqrt(5.0))  # rad; spreads any number of directions evenly

Pair = tuple[float, float]


@dataclass(frozen=True)
class Decoder:
    """Linear map from activity to the velocity of a cursor; see the module.

    Attributes:
        weights: (2, units) K [m/s per unit of activity].
        offset: (2,) b [m/s].
        smoothing: (2, 2) A, or one number from 0 to less than 1 for A = number · I. All eigenvalues must be
            smaller than 1, so that a velocity that is not driven dies out.
    """

    weights: tuple[tuple[float, ...], ...]
    offset: Pair = (0.0, 0.0)
    smoothing: tuple[Pair, Pair] | float = SMOOTHING

    def __post_init__(self) -> None:
        """Check the values, and store them as tuples of floats."""
        shape = np.shape(self.weights) if _is_rectangular(self.weights) else ()
        if len(shape) != 2 or shape[0] != 2 or not 1 <= shape[1] <= MOST_UNITS:
            raise ValueError(
                f"Decoder: weights must be numbers of shape (2, units), with 1 to {MOST_UNITS} units, got "
                f"{_shape_or_value(self.weights, shape)}"
            )
        weights = as_numbers("Decoder: weights", self.weights, shape, largest=LARGEST)
        offset = as_numbers("Decoder: offset", self.offset, (2,), largest=LARGEST)
        smoothing = as_numbers("Decoder: smoothing", self.smoothing, (), (2, 2), largest=LARGEST)
        if smoothing.shape == ():
            smoothing = smoothing * np.eye(2)
        if np.abs(np.linalg.eigvals(smoothing)).max() >= 1.0:
            raise ValueError(
                "Decoder: smoothing must be a number of magnitude below 1, or a (2, 2) matrix whose "
                f"eigenvalues are, got {self.smoothing!r}"
            )
        object.__setattr__(self, "weights", tuple(map(tuple, weights.tolist())))
        object.__setattr__(self, "offset", tuple(offset.tolist()))
        object.__setattr__(self, "smoothing", tuple(map(tuple, smoothing.tolist())))

    @property
    def units(self) -> int:
        """Number of units."""
        return len(self.weights[0])

    @cached_property
    def matrix(self) -> Floats:
        """(2, units) K as an array."""
        return np.array(self.weights)

    @cached_property
    def decay(self) -> Floats:
        """(2, 2) A as an array."""
        return np.array(self.smoothing)

    @cached_property
    def accumulation(self) -> Floats:
        """(2, 2) (I − A)⁻¹, velocity in steady state per drive K u + b."""
        accumulation: Floats = np.asarray(np.linalg.inv(np.eye(2) - self.decay), dtype=np.float64)
        return accumulation

    @cached_property
    def constant(self) -> Floats:
        """(2,) b as an array."""
        return np.array(self.offset)

    def step(self, velocity: ArrayLike, activity: ArrayLike) -> Floats:
        """Return the velocity after one control step, (..., 2) [m/s].

        Args:
            velocity: (..., 2) before it [m/s].
            activity: (..., units) in it.
        """
        return as_finite("velocity", velocity) @ self.decay.T + self._drive(activity)

    def steady_velocity(self, activity: ArrayLike) -> Floats:
        """Return the velocity to which constant activity brings the cursor, (..., 2) [m/s].

        Args:
            activity: (..., units).
        """
        return self._drive(activity) @ self.accumulation.T

    def rotated(self, angle_deg: float) -> Decoder:
        """Return the decoder whose cursor moves in directions turned by an angle, a visuomotor rotation.

        Args:
            angle_deg: Degrees; positive is counter-clockwise.
        """
        radians = math.radians(as_number("angle_deg", angle_deg))
        turn = np.array([[math.cos(radians), -math.sin(radians)], [math.sin(radians), math.cos(radians)]])
        return make_decoder(turn @ self.matrix, turn @ self.constant, turn @ self.decay @ turn.T)

    def to_dict(self) -> dict[str, Any]:
        """Return the decoder as JSON-able values; `as_decoder` is the inverse."""
        return dataclasses.asdict(self)

    def _drive(self, activity: ArrayLike) -> Floats:
        u = as_finite("activity", activity)
        if u.ndim < 1 or u.shape[-1] != self.units:
            raise ValueError(f"activity has shape {u.shape}, expected (..., {self.units})")
        return u @ self.matrix.T + self.constant


def _is_rectangular(values: Any) -> bool:
    try:
        np.shape(values)
    except ValueError:
        return False
    return True


def _shape_or_value(values: Any, shape: tuple[int, ...]) -> str:
    return f"shape {shape}" if shape else repr(values)


def make_decoder(weights: ArrayLike, offset: ArrayLike, smoothing: ArrayLike) -> Decoder:
    """Return the decoder of arrays: K (2, units), b (2,) and A (2, 2), or one number for A = number · I."""
    arrays = (np.asarray(values, dtype=np.float64).tolist() for values in (weights, offset, smoothing))
    return Decoder(*arrays)


def as_decoder(value: Decoder | Mapping[str, Any]) -> Decoder:
    """Return a decoder, given as itself or as its dict.

    Raises:
        ValueError: If it is neither, a name is unknown, or "weights" is missing.
    """
    if isinstance(value, Decoder):
        return value
    names = [field.name for field in dataclasses.fields(Decoder)]
    if not isinstance(value, Mapping) or "weights" not in value or not set(value) <= set(names):
        raise ValueError(
            f"a decoder must be a Decoder, or a dict of {names}, of which weights is needed; got {value!r}"
        )
    return Decoder(**value)


def population_vector(units: int, gain: float = GAIN, smoothing: float = SMOOTHING) -> Decoder:
    """Return the decoder of a population vector: each unit pulls the cursor in a direction of its own.

    Unit i pulls in the direction i · 137.5° (the golden angle, which spreads any number of directions
    evenly). If activity is cos(direction of the target − direction of the unit), the cursor goes to the
    target with a speed of `gain`, in steady state and for many units (Georgopoulos, Schwartz & Kettner 1986,
    doi 10.1126/science.3749885).

    Args:
        units: Number of units.
        gain: Speed [m/s].
        smoothing: A = smoothing · I.
    """
    units = as_whole_number("units", units, 1, MOST_UNITS)
    kept = as_number("smoothing", smoothing)
    angle = GOLDEN_ANGLE * np.arange(units)
    size = 2.0 / units * (1.0 - kept) * as_number("gain", gain)
    return make_decoder(size * np.stack([np.cos(angle), np.sin(angle)]), (0.0, 0.0), kept)


def readout_of(decoders: Sequence[Decoder]) -> VelocityReadout:
    """Return the steady velocities of the decoders of n networks as a read-out, for the memory trace.

    `memory_trace(activity, readout_of(perturbed), direction)` is then the trace of Losey et al. (2024): the
    progress that activity under the intuitive decoder would make if it went through the perturbed one, after
    that has been learned less before.

    Args:
        decoders: n decoders of equally many units.

    Raises:
        ValueError: If there is none, or they differ in their number of units.
    """
    units = {decoder.units for decoder in decoders}
    if len(units) != 1:
        raise ValueError(f"a read-out needs decoders of one number of units, got {sorted(units)}")
    weights = np.stack([(decoder.accumulation @ decoder.matrix).T for decoder in decoders])
    offset = np.stack([decoder.accumulation @ decoder.constant for decoder in decoders])
    return VelocityReadout(weights, np.zeros(weights.shape[:2]), offset, np.ones(len(decoders)))
