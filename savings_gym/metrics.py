"""Kinematic and force measures of a reach: arrays in, numbers out.

A hand path is ``(..., T + 1, 2)`` in metres in the world plane (x right, y forward), sampled every ``dt``
seconds from the start of the trial; a target is ``(..., 2)`` in metres. Leading axes broadcast, and every
measure has the broadcast leading shape.

Side: **positive is to the right** of the direction from the start to the target, seen from above, and for
angles positive is clockwise. A curl field ``f = b (v_y, -v_x)`` with b > 0 pushes the hand to its right, so
errors in it are positive and after-effects negative.

A measure that needs a movement is NaN where there is none: where the hand never reaches ``still_speed``, or,
for the straightness, where the path has no length.

Measures of the speed (``savings_gym.speed``), of a force channel (``savings_gym.channel``) and of a whole
learning curve (``savings_gym.learning``) are imported from here too.
"""

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arrays import Floats, as_path, as_points, as_positive, broadcast_leading
from savings_gym.channel import channel_adaptation_index, ideal_channel_force, lateral_component
from savings_gym.learning import ExponentialFit, learning_rate, trials_to_criterion, windowed_mean
from savings_gym.speed import first_peak, hand_speed, movement_interval, movement_time, peak_speed, take

__all__ = [
    "KINEMATIC_COLUMNS",
    "ExponentialFit",
    "channel_adaptation_index",
    "endpoint_error",
    "hand_speed",
    "ideal_channel_force",
    "initial_direction_error",
    "kinematic_measures",
    "lateral_component",
    "lateral_deviation",
    "learning_rate",
    "movement_interval",
    "movement_time",
    "path_straightness",
    "peak_speed",
    "trials_to_criterion",
    "windowed_mean",
]

KINEMATIC_COLUMNS = (
    "lateral_deviation",
    "initial_direction_error",
    "endpoint_error",
    "peak_speed",
    "movement_time",
    "path_straightness",
)
"""Measures of a probe table, in its column order."""


def lateral_deviation(
    path: ArrayLike, target: ArrayLike, dt: float = 0.01, from_time: float = 0.25
) -> Floats:
    """Largest distance of the hand, over the trial, from the straight line to the target, with its side.

    The line runs from the hand's position at `from_time` (before the go cue, when it has settled) to the
    target; distances are perpendicular to it. Of two equal distances the earlier gives the side.

    Args:
        path: (..., T + 1, 2) hand path [m].
        target: (..., 2) target [m].
        dt: Sampling interval [s].
        from_time: Time at which the hand's position starts the line [s].

    Returns:
        (...) [m], positive to the right.
    """
    hand, goal, start = _reach(path, target, dt, from_time)
    deviation = lateral_component(hand - start[..., None, :], (goal - start)[..., None, :])
    return take(deviation, np.argmax(np.abs(deviation), axis=-1))


def initial_direction_error(
    path: ArrayLike, target: ArrayLike, dt: float = 0.01, from_time: float = 0.25, still_speed: float = 0.01
) -> Floats:
    """Angle between the direction of the hand at its first peak of speed and the direction of the target.

    Both directions are from the hand's position at `from_time`; the peak is the first after that time with at
    least half the largest speed, so that a large correction does not pass for the initial movement. The angle
    at peak velocity is the usual directional error of adaptation studies (Krakauer et al. 2000,
    doi 10.1523/JNEUROSCI.20-23-08916.2000).

    Args:
        path: (..., T + 1, 2) hand path [m].
        target: (..., 2) target [m].
        dt: Sampling interval [s].
        from_time: Time of the position that both directions start from [s].
        still_speed: Peak speed under which there is no movement [m/s].

    Returns:
        (...) [rad] in [-pi, pi], positive clockwise (to the right); NaN without a movement.
    """
    hand, goal, start = _reach(path, target, dt, from_time)
    along = goal - start
    speed = hand_speed(hand, dt)
    speed[..., np.arange(speed.shape[-1]) * dt < from_time - 1e-9] = -1.0
    peak = first_peak(speed)
    moved = np.take_along_axis(hand, peak[..., None, None], axis=-2)[..., 0, :] - start
    length = np.linalg.norm(along, axis=-1)
    angle = np.arctan2(lateral_component(moved, along) * length, np.sum(moved * along, axis=-1))
    return np.where((take(speed, peak) >= still_speed) & np.any(moved != 0.0, axis=-1), angle, np.nan)


def endpoint_error(path: ArrayLike, target: ArrayLike) -> Floats:
    """Distance of the hand from the target at the end of the trial, (...) [m].

    Args:
        path: (..., T + 1, 2) hand path [m].
        target: (..., 2) target [m].
    """
    hand, goal = as_path(path), as_points("target", target)
    broadcast_leading(path=hand.shape[:-2], target=goal.shape[:-1])
    return np.linalg.norm(hand[..., -1, :] - goal, axis=-1)


def path_straightness(path: ArrayLike) -> Floats:
    """Straight distance from first to last position over the length of the path, (...), 0 to 1.

    1 is a straight line; NaN where the path has no length.

    Args:
        path: (..., T + 1, 2) hand path [m].
    """
    hand = as_path(path)
    length = np.sum(np.linalg.norm(np.diff(hand, axis=-2), axis=-1), axis=-1)
    distance = np.linalg.norm(hand[..., -1, :] - hand[..., 0, :], axis=-1)
    ratio = np.divide(distance, length, out=np.full(length.shape, np.nan), where=length > 0.0)
    return np.minimum(ratio, 1.0)


def kinematic_measures(path: ArrayLike, target: ArrayLike, dt: float = 0.01) -> dict[str, Floats]:
    """All measures of `KINEMATIC_COLUMNS` for a batch of probe paths, with their default settings.

    Args:
        path: (..., T + 1, 2) hand paths [m].
        target: (..., 2) targets [m], broadcast against the leading axes of `path`.
        dt: Sampling interval [s].

    Returns:
        Column name to (...) values in the units of the probe table, all of one shape.
    """
    measures = {
        "lateral_deviation": lateral_deviation(path, target, dt),
        "initial_direction_error": initial_direction_error(path, target, dt),
        "endpoint_error": endpoint_error(path, target),
        "peak_speed": peak_speed(path, dt),
        "movement_time": movement_time(path, dt),
        "path_straightness": path_straightness(path),
    }
    shape = measures["endpoint_error"].shape
    return {name: np.array(np.broadcast_to(values, shape)) for name, values in measures.items()}


def _reach(path: ArrayLike, target: ArrayLike, dt: float, from_time: float) -> tuple[Floats, Floats, Floats]:
    """Path, target and the position at `from_time`, checked and broadcast to one leading shape."""
    hand, goal = as_path(path), as_points("target", target)
    last = (hand.shape[-2] - 1) * as_positive("dt", dt)
    if not 0.0 <= from_time <= last + 1e-9:
        raise ValueError(f"from_time is {from_time} s, expected a time on the path, 0 to {last:g} s")
    leading = broadcast_leading(path=hand.shape[:-2], target=goal.shape[:-1])
    hand, goal = np.broadcast_to(hand, leading + hand.shape[-2:]), np.broadcast_to(goal, (*leading, 2))
    return hand, goal, _position_at(hand, from_time / dt)


def _position_at(hand: Floats, step: float) -> Floats:
    """Position at a time in sampling intervals, linear between samples; rounding error is no fraction."""
    nearest = round(step)
    if abs(step - nearest) < 1e-6:
        return hand[..., nearest, :]
    low = int(step)
    return hand[..., low, :] + (step - low) * (hand[..., low + 1, :] - hand[..., low, :])
