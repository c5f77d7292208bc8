"""What a change of preparatory activity between two phases is like: common to all targets, or a turn.

With d[k] (N,) the change of activity before the reach to target k, the uniform part is its mean over targets;
what is left differs between targets, such as the turn of the ring of targets in the plane of predicted force
that aims against a field.
"""

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arrays import Floats, as_points
from savings_gym.phase_activity import AT_ONE_TIME, Activity, as_activity, which


def common_share(activity: Activity, *, before: str = "NF1", after: str = "FF1") -> Floats:
    """Share of a change that all targets have in common, ``|mean_k d[k]|**2 / mean_k |d[k]|**2``.

    Unrelated changes of n targets have 1 / n in common on average, by chance.

    Args:
        activity: Phase name to preparatory activity (..., targets, units).
        before: Phase from which activity changes.
        after: Phase to which it changes.

    Returns:
        (...), 0 to 1; 1 = the same change before every target.

    Raises:
        ValueError: If a phase is missing, shapes do not match, or nothing changes.
    """
    phases = as_activity(activity, (before, after), AT_ONE_TIME)
    change = phases[after] - phases[before]
    every = np.mean(np.sum(change**2, axis=-1), axis=-1)
    none = every == 0.0
    if np.any(none):
        raise ValueError(f"activity{which(none)} is the same in {before} and {after}, expected a change")
    common: Floats = np.sum(change.mean(axis=-2) ** 2, axis=-1) / every
    return common


def ring_turn(ring: ArrayLike, reference: ArrayLike) -> Floats:
    """Angle by which a ring of points turned about its centre, counterclockwise.

    The rotation that brings the centred reference nearest to the centred ring, by least squares:
    ``atan2(sum_k r[k] x p[k], sum_k r[k] . p[k])``. Its size and where its centre is do not matter.

    Args:
        ring: (..., targets, 2).
        reference: (..., targets, 2), the same targets before.

    Returns:
        (...) [rad], -pi to pi.

    Raises:
        ValueError: If shapes do not match, or a ring is a point.
    """
    here, there = as_points("ring", ring), as_points("reference", reference)
    if here.shape != there.shape or here.ndim < 2:
        raise ValueError(
            f"ring and reference have shapes {here.shape} and {there.shape}, expected one (..., targets, 2)"
        )
    p, r = (x - x.mean(axis=-2, keepdims=True) for x in (here, there))
    cross = np.sum(r[..., 0] * p[..., 1] - r[..., 1] * p[..., 0], axis=-1)
    inner = np.sum(r * p, axis=(-2, -1))
    size = np.sqrt(np.sum(p * p, axis=(-2, -1)) * np.sum(r * r, axis=(-2, -1)))
    flat = ~(np.hypot(cross, inner) > 1e-12 * size)
    if np.any(flat):
        raise ValueError(f"ring or reference{which(flat)} has no direction, expected points that spread")
    angle: Floats = np.arctan2(cross, inner)
    return angle
