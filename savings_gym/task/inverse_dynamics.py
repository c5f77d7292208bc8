"""Joint torques that make the arm move as planned, and muscle excitations that produce them.

Everything works on any number of arms at once, with the constants of the compiled arm; tests compare it with
MuJoCo. Equations of motion and symbols are those of `Arm.joint_torque`:

    torque = M(q) dv/dt - C(q, v) - stops(q) - J(q)' f

where f is the force of a field on the hand.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arm import muscles
from savings_gym.arm.model import Arm
from savings_gym.arrays import Floats
from savings_gym.task.settings import physics_steps

EFFORT = 1e-3  # N m per activation: weight of effort against torque; keeps the optimisation well posed
SECANT_STEPS = 3  # gives an excitation to 1e-6


def joint_torque(
    arm: Arm, q: ArrayLike, v: ArrayLike, acceleration: ArrayLike, hand_force: ArrayLike = 0.0
) -> Floats:
    """Return the torques that produce given joint accelerations.

    Args:
        arm: The arm, with or without muscles.
        q: (..., 2) joint angles [rad].
        v: (..., 2) joint velocities [rad/s].
        acceleration: (..., 2) joint accelerations [rad/s^2].
        hand_force: (..., 2) force that pushes the hand [N]; the torques cancel it.

    Returns:
        (..., 2) joint torques, flexion positive [N m].
    """
    torque = arm.joint_torque(q, v, acceleration)
    push = np.broadcast_to(np.asarray(hand_force, dtype=float), torque.shape)
    return torque - (arm.hand_jacobian(q) * push[..., None]).sum(-2)


def nearest_joint_angles(arm: Arm, hand: ArrayLike) -> Floats:
    """Return joint angles that bring the hand to a position, or as near as the arm can.

    Args:
        arm: The arm.
        hand: (..., 2) positions [m].

    Returns:
        (..., 2) joint angles [rad].
    """
    hand = np.asarray(hand, dtype=float)
    folded, straight = arm.hand_position([[0.0, arm.joint_range[1, 1]], [0.0, 0.0]])
    distance = np.hypot(hand[..., 0], hand[..., 1])
    within = np.clip(distance, np.hypot(*folded), np.hypot(*straight) * (1 - 1e-9))
    return arm.inverse_kinematics(hand * (within / np.maximum(distance, 1e-9))[..., None])


def torque_per_activation(arm: Arm, q: ArrayLike, v: ArrayLike) -> Floats:
    """Return the joint torques of fully active muscles at angles and velocities (..., 2).

    They are moment arms times the force of each muscle at its present length and velocity: (..., 2, 6) [N m].
    """
    full = arm.muscle_force(q, v, np.ones(arm.n_actuators))
    return -np.swapaxes(arm.moment_arms(q) * full[..., None], -1, -2)


def muscle_activations(
    gain: ArrayLike, torque: ArrayLike, lowest: ArrayLike = 0.0, highest: ArrayLike = 1.0
) -> Floats:
    """Return the smallest activations that produce torques, by least squares.

    If a muscle cannot relax fast enough, its lower bound is above zero and its antagonists make up for it.

    Args:
        gain: (n, 2, m) torques per activation, from `torque_per_activation` [N m].
        torque: (n, 2) torques to produce [N m].
        lowest: (n, m) or one value, lower bound.
        highest: (n, m) or one value, at which activations are cut off; torques out of reach are not reached.

    Returns:
        (n, m) activations.
    """
    from scipy.optimize import nnls  # half a second of import

    gain, torque = np.asarray(gain, dtype=float), np.asarray(torque, dtype=float)
    n, _, m = gain.shape
    low = np.broadcast_to(np.asarray(lowest, dtype=float), (n, m))
    system = np.concatenate([gain, np.broadcast_to(EFFORT * np.eye(m), (n, m, m))], 1)  # (n, 2 + m, m)
    missing = torque - (gain * low[:, None]).sum(-1)
    right_side = np.concatenate([missing, -EFFORT * low], 1)
    above = np.stack([nnls(a, b)[0] for a, b in zip(system, right_side, strict=True)])
    return np.clip(low + above, None, highest)


def activation_after(arm: Arm, activation: ArrayLike, excitation: ArrayLike) -> Floats:
    """Return activations (..., 6) after one control step under constant excitations (..., 6)."""
    after = np.array(activation, dtype=float)
    for _ in range(physics_steps(arm.timestep)):
        after = after + arm.timestep * muscles.activation_rate(arm.muscles, excitation, after)
    return after


def reachable_activations(arm: Arm, activation: ArrayLike) -> tuple[Floats, Floats]:
    """Return the lowest and highest activations (..., 6) that can be reached within one control step."""
    bounds = np.broadcast_to(arm.control_range, (*np.shape(activation), 2))
    low, high = activation_after(arm, activation, np.moveaxis(bounds, -1, 0))
    return low, high


def excitation_for(arm: Arm, activation: ArrayLike, goal: ArrayLike) -> Floats:
    """Return the excitations that bring activations to a goal within one control step.

    This inverts `activation_after` by the secant method: activation grows with excitation, almost linearly.

    Args:
        arm: The arm with muscles.
        activation: (..., 6) present activations.
        goal: (..., 6) activations at the end of the control step; those out of reach are approached.

    Returns:
        (..., 6) excitations within the range of the controls.
    """
    start, goal = np.broadcast_arrays(np.asarray(activation, dtype=float), np.asarray(goal, dtype=float))
    low, high = (np.broadcast_to(bound, goal.shape) for bound in arm.control_range.T)
    # rise and fall are two branches, which meet where excitation and activation are equal
    kink = np.clip(start, low, high)
    at_low, at_kink, at_high = activation_after(arm, start, np.stack([low, kink, high])) - goal
    rises = at_kink < 0
    end, at_end = np.where(rises, high, low), np.where(rises, at_high, at_low)
    low, high = np.where(rises, kink, low), np.where(rises, high, kink)
    before, error_before = kink, at_kink
    excitation = np.clip(_crossing(kink, at_kink, end, at_end), low, high)
    for _ in range(SECANT_STEPS):
        error = activation_after(arm, start, excitation) - goal
        crossing = np.clip(_crossing(excitation, error, before, error_before), low, high)
        before, error_before, excitation = excitation, error, crossing
    return excitation


def _crossing(x: Floats, y: Floats, x2: Floats, y2: Floats) -> Floats:
    """Return where the line through (x, y) and (x2, y2) crosses zero; x if y and y2 are equal."""
    slope = (x - x2) / np.where(y == y2, 1.0, y - y2)
    return np.where(y == y2, x, x - y * slope)
