"""Adaptation to a visuomotor rotation, from reaches in an error clamp of the cursor."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arrays import Floats
from savings_gym.metrics.kinematics import CONTROL_STEP, initial_direction_error


def rotation_adaptation(
    path: ArrayLike, target: ArrayLike, angle_deg: float, dt: float = CONTROL_STEP
) -> Floats:
    """Return the share of a rotation that the hand's initial direction makes up for.

    It is the angle from target to hand at peak speed, against the rotation, over the angle of the rotation.
    In an error clamp, in which nothing can be corrected on the way, that is what was learned.

    Args:
        path: (..., T + 1, 2) hand path [m].
        target: (..., 2) target [m].
        angle_deg: Angle of the rotation, degrees, counter-clockwise, not 0.
        dt: Sampling interval [s].

    Returns:
        (...), 0 for no adaptation, 1 for a hand that would bring a rotated cursor straight to the target; NaN
        without a movement.

    Raises:
        ValueError: If the angle is 0 or not finite.
    """
    if not np.isfinite(angle_deg) or angle_deg == 0.0:
        raise ValueError(f"angle_deg must be a finite number other than 0, got {angle_deg!r}")
    return initial_direction_error(path, target, dt) / np.deg2rad(angle_deg)
