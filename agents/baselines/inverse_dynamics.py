"""Which joint torques make the arm move as wanted, and which excitations make the muscles give them.

All in closed form, for any number of arms at once, with the constants of the compiled arm; tests compare with
MuJoCo. Equations of motion and symbols are those of ``agents.supervised.torch_arm``:

    torque = M(q) dv/dt - C(q, v) - stops(q) - J(q)' f

with f the force of a field on the hand.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import nnls

from savings_gym.arm import muscles
from savings_gym.arm.model import Arm
from savings_gym.arrays import Floats
from savings_gym.task.settings import physics_steps

EFFORT = 1e-3  # N m: what the optimisation gives up in torque for one activation less; keeps it well posed
REGULA_FALSI_STEPS = 6  # an excitation to 1e-6


def joint_torque(
    arm: Arm, q: ArrayLike, v: ArrayLike, acceleration: ArrayLike, hand_force: ArrayLike = 0.0
) -> Floats:
    """Torques with which the joints accelerate as wanted.

    Args:
        arm: The arm, with or without muscles.
        q: (..., 2) joint angles, rad.
        v: (..., 2) joint velocities, rad/s.
        acceleration: (..., 2) wanted joint accelerations, rad/s^2.
        hand_force: (..., 2) force that pushes the hand, N; the torques cancel it.

    Returns:
        (..., 2) N m, flexion positive.
    """
    torque = arm.joint_torque(q, v, acceleration)
    push = np.broadcast_to(np.asarray(hand_force, dtype=float), torque.shape)
    return torque - (arm.hand_jacobian(q) * push[..., None]).sum(-2)


def nearest_joint_angles(arm: Arm, hand: ArrayLike) -> Floats:
    """Joint angles, rad, (..., 2), that bring the hand to (..., 2), m, or as near as the elbow lets it."""
    hand = np.asarray(hand, dtype=float)
    folded, straight = arm.hand_position([[0.0, arm.joint_range[1, 1]], [0.0, 0.0]])
    distance = np.hypot(hand[..., 0], hand[..., 1])
    within = np.clip(distance, np.hypot(*folded), np.hypot(*straight) * (1 - 1e-9))
    return arm.inverse_kinematics(hand * (within / np.maximum(distance, 1e-9))[..., None])


def torque_per_activation(arm: Arm, q: ArrayLike, v: ArrayLike) -> Floats:
    """Joint torques of fully active muscles, N m, (..., 2, 6), at angles and velocities (..., 2).

    Moment arms times the force that each muscle has at its present length and velocity.
    """
    full = arm.muscle_force(q, v, np.ones(arm.n_actuators))
    return -np.swapaxes(arm.moment_arms(q) * full[..., None], -1, -2)


def muscle_activations(
    gain: ArrayLike, torque: ArrayLike, lowest: ArrayLike = 0.0, highest: ArrayLike = 1.0
) -> Floats:
    """The least activations that give torques: least squares over activations of at least ``lowest``.

    A muscle that cannot relax fast enough is a lower bound above zero; its antagonists then make up for it.

    Args:
        gain: (n, 2, m) torques per activation, N m, from `torque_per_activation`.
        torque: (n, 2) wanted, N m.
        lowest: (n, m) or one value.
        highest: (n, m) or one value; what is above is cut off, so torques out of reach are not reached.

    Returns:
        (n, m).
    """
    gain, torque = np.asarray(gain, dtype=float), np.asarray(torque, dtype=float)
    n, _, m = gain.shape
    low = np.broadcast_to(np.asarray(lowest, dtype=float), (n, m))
    system = np.concatenate([gain, np.broadcast_to(EFFORT * np.eye(m), (n, m, m))], 1)  # (n, 2 + m, m)
    missing = torque - (gain * low[:, None]).sum(-1)
    wanted = np.concatenate([missing, -EFFORT * low], 1)
    more = np.stack([nnls(a, b)[0] for a, b in zip(system, wanted, strict=True)])
    return np.clip(low + more, None, highest)


def activation_after(arm: Arm, activation: ArrayLike, excitation: ArrayLike) -> Floats:
    """Activations (..., 6) after one control step under constant excitations (..., 6)."""
    after = np.array(activation, dtype=float)
    for _ in range(physics_steps(arm.timestep)):
        after = after + arm.timestep * muscles.activation_rate(arm.muscles, excitation, after)
    return after


def reachable_activations(arm: Arm, activation: ArrayLike) -> tuple[Floats, Floats]:
    """Lowest and highest activations (..., 6) to which excitations can bring (..., 6) in one control step."""
    low, high = arm.control_range.T
    return activation_after(arm, activation, low), activation_after(arm, activation, high)


def excitation_for(arm: Arm, activation: ArrayLike, wanted: ArrayLike) -> Floats:
    """Excitations that bring activations to wanted ones within one control step.

    The inverse of `activation_after`, by regula falsi: activation grows with excitation, almost linearly.

    Args:
        arm: The arm with muscles.
        activation: (..., 6) now.
        wanted: (..., 6) at the end of the control step; what is out of reach is approached.

    Returns:
        (..., 6) in the range of the controls.
    """
    start, goal = np.asarray(activation, dtype=float), np.asarray(wanted, dtype=float)
    left, right = (np.broadcast_to(bound, goal.shape) for bound in arm.control_range.T)
    low, high = (part - goal for part in reachable_activations(arm, start))
    # rise and fall are two branches that meet where excitation and activation are the same
    kink = np.clip(start, left, right)
    middle = activation_after(arm, start, kink) - goal
    rises = middle < 0
    left, low = np.where(rises, kink, left), np.where(rises, middle, low)
    right, high = np.where(rises, right, kink), np.where(rises, high, middle)
    for _ in range(REGULA_FALSI_STEPS):
        guess = _crossing(left, low, right, high)
        error = activation_after(arm, start, guess) - goal
        above = error > 0
        left, low = np.where(above, left, guess), np.where(above, low, error)
        right, high = np.where(above, guess, right), np.where(above, error, high)
    return _crossing(left, low, right, high)


def _crossing(left: Floats, low: Floats, right: Floats, high: Floats) -> Floats:
    """Where the line from (left, low) to (right, high) crosses zero; the nearer end if it does not."""
    span: Any = np.where(high > low, high - low, 1.0)
    share = np.clip(-low / span, 0.0, 1.0)
    return left + share * (right - left)
