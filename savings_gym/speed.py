"""Speed of the hand and the times that are read off it: peak, onset, offset.

Paths are as in ``savings_gym.metrics``, ``(..., T + 1, 2)`` in metres every ``dt`` seconds. Speeds are
central differences of the path, one-sided at its two ends.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from savings_gym.arrays import Floats, as_path, as_positive


def hand_speed(path: ArrayLike, dt: float = 0.01) -> Floats:
    """Speed along a path by central differences, (..., T + 1) [m/s].

    Args:
        path: (..., T + 1, 2) hand path [m].
        dt: Sampling interval [s].
    """
    velocity = np.gradient(as_path(path), as_positive("dt", dt), axis=-2)
    return np.linalg.norm(velocity, axis=-1)


def peak_speed(path: ArrayLike, dt: float = 0.01) -> Floats:
    """Largest speed of the hand over the trial, (...) [m/s].

    Args:
        path: (..., T + 1, 2) hand path [m].
        dt: Sampling interval [s].
    """
    return np.max(hand_speed(path, dt), axis=-1)


def movement_interval(
    path: ArrayLike, dt: float = 0.01, fraction: float = 0.1, still_speed: float = 0.01
) -> tuple[Floats, Floats]:
    """Onset and offset of the movement around the peak speed.

    The onset is the last time before the peak at which the speed rises through `fraction` of the peak, the
    offset the first time after it at which the speed falls through; between samples by linear interpolation.

    Args:
        path: (..., T + 1, 2) hand path [m].
        dt: Sampling interval [s].
        fraction: Threshold as a fraction of the peak speed, between 0 and 1.
        still_speed: Peak speed under which there is no movement [m/s].

    Returns:
        Onset and offset, (...) each [s]; NaN without a movement, and where the trial starts too late or ends
        too early to see the crossing.
    """
    if not 0.0 < fraction < 1.0:
        raise ValueError(f"fraction is {fraction}, expected a number between 0 and 1")
    speed = hand_speed(path, dt)
    steps = np.arange(speed.shape[-1])
    peak = np.argmax(speed, axis=-1)[..., None]
    top = np.take_along_axis(speed, peak, axis=-1)
    below = speed < fraction * top
    before = np.max(np.where(below & (steps < peak), steps, -1), axis=-1)
    after = np.min(np.where(below & (steps > peak), steps, steps.size), axis=-1)
    moves = top[..., 0] >= still_speed
    level = fraction * top[..., 0]
    onset = _crossing(speed, level, before, moves & (before >= 0))
    offset = _crossing(speed, level, after - 1, moves & (after < steps.size))
    return onset * dt, offset * dt


def movement_time(
    path: ArrayLike, dt: float = 0.01, fraction: float = 0.1, still_speed: float = 0.01
) -> Floats:
    """Time from the onset to the offset of the movement, (...) [s].

    NaN without a movement, and when the movement has not ended by the end of the trial: leaving those out
    makes a mean too short, so report how many there are. Arguments as in `movement_interval`.
    """
    onset, offset = movement_interval(path, dt, fraction, still_speed)
    return offset - onset


def first_peak(speed: Floats) -> NDArray[np.intp]:
    """Index of the first local maximum with at least half the largest speed, (..., T) to (...)."""
    around = np.pad(speed, [(0, 0)] * (speed.ndim - 1) + [(1, 1)], constant_values=-1.0)
    local = (speed >= around[..., :-2]) & (speed >= around[..., 2:])
    return np.argmax(local & (speed >= 0.5 * np.max(speed, axis=-1, keepdims=True)), axis=-1)


def take(values: Floats, index: NDArray[np.intp]) -> Floats:
    """One value a row: (..., T) and (...) indices to (...)."""
    return np.take_along_axis(values, index[..., None], axis=-1)[..., 0]


def _crossing(speed: Floats, level: Floats, index: NDArray[np.intp], valid: NDArray[np.bool_]) -> Floats:
    """Sample position, with fraction, at which the speed crosses `level` between `index` and the next."""
    low = np.clip(index, 0, speed.shape[-1] - 2)
    before, after = take(speed, low), take(speed, low + 1)
    step = np.where(after == before, 1.0, after - before)
    return np.where(valid, low + (level - before) / step, np.nan)
