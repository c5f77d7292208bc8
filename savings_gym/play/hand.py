"""A hand that follows the mouse: soft enough for a force field to push it aside.

The point of the mouse is smoothed, and inverse dynamics make the joints follow it. Neither knows the field.
If q are the joint angles, q* those that bring the hand to the smoothed point, and f the force of the field,

    d²q/dt² = d²q*/dt² + VISCOSITY (dq*/dt - dq/dt) + STIFFNESS (q* - q) + M(q)⁻¹ J(q)' f

so without a field the hand follows exactly, and a force displaces it as it displaces a damped spring.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arm.model import Arm
from savings_gym.arrays import Floats
from savings_gym.task.inverse_dynamics import (
    excitation_for,
    joint_torque,
    muscle_activations,
    nearest_joint_angles,
    reachable_activations,
    torque_per_activation,
)
from savings_gym.task.settings import CONTROL_STEP

SMOOTHING = 40.0  # 1/s; the smoothed point is 2 / SMOOTHING = 50 ms behind a mouse at constant speed
STIFFNESS = 60.0  # 1/s^2, acceleration of a joint per angle off the smoothed point; soft, to feel the field
VISCOSITY = 11.0  # 1/s, likewise per velocity; 0.7 of critical damping


class MouseHand:
    """Turns points of the mouse into actions that make the hand of a resting arm follow them.

    Args:
        arm: The arm.
        position: (2,) where hand and mouse are at first [m].
    """

    def __init__(self, arm: Arm, position: ArrayLike) -> None:
        self._arm = arm
        self._point, self._velocity = np.array(position, dtype=float), np.zeros(2)
        self._course = np.tile(nearest_joint_angles(arm, self._point), (3, 1))  # q* of the last three steps

    def action(self, q: Floats, v: Floats, activation: Floats, mouse: ArrayLike) -> Floats:
        """Return the action of the next control step, in the units of the environment.

        The hand aims at where the smoothed point was a step ago, because its acceleration is known by now.

        Args:
            q: (2,) joint angles [rad].
            v: (2,) joint velocities [rad/s].
            activation: (muscles,) present activations; empty without muscles.
            mouse: (2,) point of the mouse [m]; beyond the reach of the arm, the hand goes as near as it can.
        """
        self._smooth(np.asarray(mouse, dtype=float))
        before, now, after = self._course
        velocity, planned = (
            (after - before) / (2 * CONTROL_STEP),
            (after - 2 * now + before) / CONTROL_STEP**2,
        )
        # torques act in the middle of the step; activations are those at its end
        ahead = CONTROL_STEP if self._arm.pulls else 0.5 * CONTROL_STEP
        q, v = q + ahead * v, v + ahead * planned
        acceleration = planned + VISCOSITY * (velocity - v) + STIFFNESS * (now - q)
        torque = joint_torque(self._arm, q, v, acceleration)
        low, high = self._arm.control_range.T
        if not self._arm.pulls:
            return np.clip(torque / high, -1.0, 1.0)
        lowest, highest = reachable_activations(self._arm, activation)
        gain = torque_per_activation(self._arm, q, v)
        goal = muscle_activations(gain[None], torque[None], lowest[None], highest[None])[0]
        return np.clip(excitation_for(self._arm, activation, goal), low, high)

    def _smooth(self, mouse: Floats) -> None:
        """Let the smoothed point x follow for a control step: x'' + 2 s x' + s² (x - mouse) = 0."""
        away = self._point - mouse
        slope = self._velocity + SMOOTHING * away
        decay = math.exp(-SMOOTHING * CONTROL_STEP)
        distance = (away + slope * CONTROL_STEP) * decay
        self._point, self._velocity = mouse + distance, slope * decay - SMOOTHING * distance
        self._course = np.vstack([self._course[1:], nearest_joint_angles(self._arm, self._point)])
