"""Kinematic measures of a reach: arrays in, numbers out.

A hand path is ``(..., T + 1, 2)`` in metres in the world plane (x right, y forward), sampled every ``dt``
seconds from the start of the trial; a target is ``(..., 2)`` in metres. Leading axes broadcast, and every
measure has the broadcast leading shape. Speeds are central differences of the path, one-sided at its ends.

**Positive is to the right** of the direction from the start to the target, seen from above; positive angles
are clockwise. A curl field ``f = b (v_y, -v_x)`` with b > 0 pushes the hand to its right, so errors in it are
positive and after-effects negative.

Measures that need a movement are NaN if there is none: if the hand never reaches ``still_speed`` or, for the
straightness, if the path has no length.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from savings_gym.arrays import Floats, Indices, as_path, as_points, as_positive, broadcast_leading
from savings_gym.task.settings import CONTROL_STEP

SETTLED = 0.25  # s, before the go signal of a probe: the hand has settled, and the line of its reach begins
STILL_SPEED = 0.01  # m/s, peak speed below which there is no movement

KINEMATIC_COLUMNS = (
    "lateral_deviation",
    "initial_direction_error",
    "endpoint_error",
    "peak_speed",
    "movement_time",
    "path_straightness",
)
"""Measures in a probe table, in the order of its columns."""


def lateral_component(vector: ArrayLike, direction: ArrayLike) -> Floats:
    """Return the component of planar vectors to the right of a direction, seen from above.

    Args:
        vector: (..., 2) displacements, velocities or forces.
        direction: (..., 2) direction of the reach, of any length but zero.

    Returns:
        (...), in the unit of `vector`; positive to the right.

    Raises:
        ValueError: If a direction has no length, shapes do not fit, or a value is not finite.
    """
    vectors, along = as_points("vector", vector), as_points("direction", direction)
    broadcast_leading(vector=vectors.shape[:-1], direction=along.shape[:-1])
    length = np.linalg.norm(along, axis=-1)
    if np.any(length == 0.0):
        raise ValueError("direction has zero length, expected a target that differs from the start")
    return (vectors[..., 0] * along[..., 1] - vectors[..., 1] * along[..., 0]) / length


def lateral_deviation(
    path: ArrayLike, target: ArrayLike, dt: float = CONTROL_STEP, from_time: float = SETTLED
) -> Floats:
    """Return the largest distance of the hand, over the trial, from the straight line to the target, signed.

    The line runs from the hand's position at `from_time`, before the go signal, to the target; distances are
    perpendicular to it. Of two equal distances the earlier one gives the side.

    Args:
        path: (..., T + 1, 2) hand path [m].
        target: (..., 2) target [m].
        dt: Sampling interval [s].
        from_time: Time of the hand position at which the line starts [s].

    Returns:
        (...) [m], positive to the right.
    """
    hand, goal, start = _reach(path, target, dt, from_time)
    deviation = lateral_component(hand - start[..., None, :], (goal - start)[..., None, :])
    return _pick(deviation, np.argmax(np.abs(deviation), axis=-1))


def initial_direction_error(
    path: ArrayLike,
    target: ArrayLike,
    dt: float = CONTROL_STEP,
    from_time: float = SETTLED,
    still_speed: float = STILL_SPEED,
) -> Floats:
    """Return the angle between the directions of the hand, at its first peak of speed, and of the target.

    Both directions start at the hand's position at `from_time`. The peak is the first after that time with at
    least half the largest speed, so that a large correction does not pass for the initial movement. The angle
    at peak velocity is the usual directional error of adaptation studies (Krakauer et al. 2000,
    doi 10.1523/JNEUROSCI.20-23-08916.2000).

    Args:
        path: (..., T + 1, 2) hand path [m].
        target: (..., 2) target [m].
        dt: Sampling interval [s].
        from_time: Time of the hand position at which both directions start [s].
        still_speed: Peak speed below which there is no movement [m/s].

    Returns:
        (...) [rad] in [-pi, pi], positive clockwise (to the right); NaN without a movement.
    """
    hand, goal, start = _reach(path, target, dt, from_time)
    along = goal - start
    speed = hand_speed(hand, dt)
    speed[..., np.arange(speed.shape[-1]) * dt < from_time - 1e-9] = -1.0
    peak = _first_peak(speed)
    moved = np.take_along_axis(hand, peak[..., None, None], axis=-2)[..., 0, :] - start
    length = np.linalg.norm(along, axis=-1)
    angle = np.arctan2(lateral_component(moved, along) * length, np.sum(moved * along, axis=-1))
    return np.where((_pick(speed, peak) >= still_speed) & np.any(moved != 0.0, axis=-1), angle, np.nan)


def endpoint_error(path: ArrayLike, target: ArrayLike) -> Floats:
    """Return the distance of the hand from the target at the end of the trial, (...) [m].

    Args:
        path: (..., T + 1, 2) hand path [m].
        target: (..., 2) target [m].
    """
    hand, goal = as_path(path), as_points("target", target)
    broadcast_leading(path=hand.shape[:-2], target=goal.shape[:-1])
    return np.linalg.norm(hand[..., -1, :] - goal, axis=-1)


def path_straightness(path: ArrayLike) -> Floats:
    """Return the distance from first to last position over the length of the path, (...), 0 to 1.

    1 is a straight line; NaN if the path has no length.

    Args:
        path: (..., T + 1, 2) hand path [m].
    """
    hand = as_path(path)
    length = np.sum(np.linalg.norm(np.diff(hand, axis=-2), axis=-1), axis=-1)
    distance = np.linalg.norm(hand[..., -1, :] - hand[..., 0, :], axis=-1)
    ratio = np.divide(distance, length, out=np.full(length.shape, np.nan), where=length > 0.0)
    return np.minimum(ratio, 1.0)


def kinematic_measures(
    path: ArrayLike, target: ArrayLike, dt: float = CONTROL_STEP, from_time: float = SETTLED
) -> dict[str, Floats]:
    """Return all measures of `KINEMATIC_COLUMNS` of a batch of paths; other settings are their defaults.

    Args:
        path: (..., T + 1, 2) hand paths [m].
        target: (..., 2) targets [m], broadcast against the leading axes of `path`.
        dt: Sampling interval [s].
        from_time: Time of the hand position at which the line of the reach starts [s].

    Returns:
        Column name to (...) values in the units of the probe table, all of one shape.
    """
    measures = {
        "lateral_deviation": lateral_deviation(path, target, dt, from_time),
        "initial_direction_error": initial_direction_error(path, target, dt, from_time),
        "endpoint_error": endpoint_error(path, target),
        "peak_speed": peak_speed(path, dt),
        "movement_time": movement_time(path, dt),
        "path_straightness": path_straightness(path),
    }
    shape = measures["endpoint_error"].shape
    return {name: np.array(np.broadcast_to(values, shape)) for name, values in measures.items()}


def _reach(path: ArrayLike, target: ArrayLike, dt: float, from_time: float) -> tuple[Floats, Floats, Floats]:
    """Path, target and position at `from_time`, checked and broadcast to one leading shape."""
    hand, goal = as_path(path), as_points("target", target)
    last = (hand.shape[-2] - 1) * as_positive("dt", dt)
    if not 0.0 <= from_time <= last + 1e-9:
        raise ValueError(f"from_time is {from_time} s, expected a time on the path, 0 to {last:g} s")
    leading = broadcast_leading(path=hand.shape[:-2], target=goal.shape[:-1])
    hand, goal = np.broadcast_to(hand, leading + hand.shape[-2:]), np.broadcast_to(goal, (*leading, 2))
    return hand, goal, _position_at(hand, from_time / dt)


def _position_at(hand: Floats, step: float) -> Floats:
    """Position at a time in sampling intervals, linear between samples; rounding error does not count."""
    nearest = round(step)
    if abs(step - nearest) < 1e-6:
        return hand[..., nearest, :]
    low = int(step)
    return hand[..., low, :] + (step - low) * (hand[..., low + 1, :] - hand[..., low, :])


def hand_speed(path: ArrayLike, dt: float = CONTROL_STEP) -> Floats:
    """Return the speed along a path, by central differences, (..., T + 1) [m/s].

    Args:
        path: (..., T + 1, 2) hand path [m].
        dt: Sampling interval [s].
    """
    velocity = np.gradient(as_path(path), as_positive("dt", dt), axis=-2)
    return np.linalg.norm(velocity, axis=-1)


def peak_speed(path: ArrayLike, dt: float = CONTROL_STEP) -> Floats:
    """Return the largest speed of the hand over the trial, (...) [m/s].

    Args:
        path: (..., T + 1, 2) hand path [m].
        dt: Sampling interval [s].
    """
    return np.max(hand_speed(path, dt), axis=-1)


def movement_interval(
    path: ArrayLike, dt: float = CONTROL_STEP, fraction: float = 0.1, still_speed: float = STILL_SPEED
) -> tuple[Floats, Floats]:
    """Return onset and offset of the movement around the peak speed.

    The onset is the last time before the peak at which the speed rises through `fraction` of the peak, the
    offset the first time after it at which the speed falls through it, interpolated between samples.

    Args:
        path: (..., T + 1, 2) hand path [m].
        dt: Sampling interval [s].
        fraction: Threshold as a fraction of the peak speed, between 0 and 1.
        still_speed: Peak speed below which there is no movement [m/s].

    Returns:
        Onset and offset, (...) each [s]; NaN without a movement, or if the trial starts too late or ends too
        early to see the crossing.

    Raises:
        ValueError: If `fraction` is not between 0 and 1, or `path` or `dt` is refused by `hand_speed`.
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
    path: ArrayLike, dt: float = CONTROL_STEP, fraction: float = 0.1, still_speed: float = STILL_SPEED
) -> Floats:
    """Return the time from onset to offset of the movement, (...) [s].

    NaN without a movement, or if it has not ended by the end of the trial. Leaving such trials out makes a
    mean too short, so report their number. Arguments are as in `movement_interval`.
    """
    onset, offset = movement_interval(path, dt, fraction, still_speed)
    return offset - onset


def _first_peak(speed: Floats) -> Indices:
    """Index of the first local maximum of at least half the largest speed, (..., T) to (...)."""
    around = np.pad(speed, [(0, 0)] * (speed.ndim - 1) + [(1, 1)], constant_values=-1.0)
    local = (speed >= around[..., :-2]) & (speed >= around[..., 2:])
    return np.argmax(local & (speed >= 0.5 * np.max(speed, axis=-1, keepdims=True)), axis=-1)


def _pick(values: Floats, index: Indices) -> Floats:
    """Pick one value per row, (..., T) and (...) indices to (...)."""
    return np.take_along_axis(values, index[..., None], axis=-1)[..., 0]


def _crossing(speed: Floats, level: Floats, index: Indices, valid: NDArray[np.bool_]) -> Floats:
    """Fractional sample at which the speed crosses `level`, between `index` and the next."""
    low = np.clip(index, 0, speed.shape[-1] - 2)
    before, after = _pick(speed, low), _pick(speed, low + 1)
    step = np.where(after == before, 1.0, after - before)
    return np.where(valid, low + (level - before) / step, np.nan)
