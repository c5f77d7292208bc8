"""Where the hand is, how it moves, and what a force on it does to the joints: two links in a plane.

The functions take plain numbers, numpy arrays or torch tensors: ``xp`` is the namespace of cosine and sine,
``math``, ``numpy`` or ``torch``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from savings_gym.arrays import Floats


def hand_vectors(
    link_lengths: Sequence[float] | Floats, q1: Any, q2: Any, xp: Any = np
) -> tuple[Any, Any, Any, Any]:
    """Return the hand as seen from the shoulder, (x, y), and from the elbow, (fore_x, fore_y) [m].

    Args:
        link_lengths: Of upper arm and forearm [m].
        q1: Shoulder angle [rad].
        q2: Elbow angle [rad].
        xp: Namespace.
    """
    upper, fore = link_lengths
    fore_x, fore_y = fore * xp.cos(q1 + q2), fore * xp.sin(q1 + q2)
    return upper * xp.cos(q1) + fore_x, upper * xp.sin(q1) + fore_y, fore_x, fore_y


def hand_velocity(x: Any, y: Any, fore_x: Any, fore_y: Any, v1: Any, v2: Any) -> tuple[Any, Any]:
    """Return the velocity of the hand [m/s] at joint velocities v1 and v2 [rad/s].

    The columns of the Jacobian are the vectors from the joints to the hand, turned by 90 degrees.
    """
    return -y * v1 - fore_y * v2, x * v1 + fore_x * v2


def joint_torque(x: Any, y: Any, fore_x: Any, fore_y: Any, fx: Any, fy: Any) -> tuple[Any, Any]:
    """Return the joint torques J'f [N m] of a force f = (fx, fy) on the hand [N]."""
    return x * fy - y * fx, fore_x * fy - fore_y * fx
