"""The physics steps of a control step in fields that push the hands."""

from __future__ import annotations

import numpy as np

from savings_gym.arm import kinematics
from savings_gym.arm.simulation import Simulation
from savings_gym.arrays import Floats, Indices
from savings_gym.perturbations.linear_fields import force_on_hand


def pushed_steps(
    simulation: Simulation, arms: Indices | None, steps: int, coefficients: Floats, *, more: bool = False
) -> tuple[Floats, Floats]:
    """Make physics steps, in each of which the fields push the hands where they then are.

    Args:
        simulation: n arms; their torques from outside are 0 afterwards.
        arms: (m,) which arms make the steps, ascending; None is all.
        steps: Number of physics steps.
        coefficients: (12, n) fields, from `HandForces`.
        more: See `Simulation.step`.

    Returns:
        Components x and y of the mean force on each hand, (n,) each [N].
    """
    (v1, v2), torque = simulation.qvel.T, simulation.torque
    total_x, total_y = np.zeros((2, simulation.n))
    for left in reversed(range(steps)):
        x, y, fore_x, fore_y = kinematics.hand_vectors(simulation.arm.link_lengths, *simulation.qpos.T)
        velocity = kinematics.hand_velocity(x, y, fore_x, fore_y, v1, v2)
        fx, fy = force_on_hand(coefficients, x, y, *velocity)
        torque[:, 0], torque[:, 1] = kinematics.joint_torque(x, y, fore_x, fore_y, fx, fy)
        total_x += fx
        total_y += fy
        simulation.step(arms, more=more or left > 0)
    torque[:] = 0.0
    return total_x / steps, total_y / steps
