"""Inverse dynamics invert the dynamics of MuJoCo, and muscles pull no more than they must."""

import mujoco
import numpy as np
import pytest

from savings_gym.arm.model import load_arm
from savings_gym.task.inverse_dynamics import (
    activation_after,
    excitation_for,
    joint_torque,
    muscle_activations,
    nearest_joint_angles,
    reachable_activations,
    torque_per_activation,
)


def states(n=100, seed=0):
    """Angles, some of them in the joint stops, velocities, and a generator."""
    rng = np.random.default_rng(seed)
    return rng.uniform([-0.1, -0.1], [2.5, 2.8], (n, 2)), rng.normal(0.0, 4.0, (n, 2)), rng


@pytest.mark.parametrize("actuation", ["muscle", "motor", "torque"])
def test_inverse_dynamics_gives_the_torque_of_a_simulated_acceleration(actuation):
    arm, (q, v, rng) = load_arm(actuation), states()
    data, torque, push = mujoco.MjData(arm.model), rng.normal(0, 5, (100, 2)), rng.normal(0, 8, (100, 2))
    acceleration = np.zeros_like(q)
    for i in range(len(q)):
        data.qpos[:], data.qvel[:] = q[i], v[i]
        data.qfrc_applied[:] = torque[i] + arm.hand_jacobian(q[i]).T @ push[i]
        mujoco.mj_forward(arm.model, data)
        acceleration[i] = data.qacc
    assert joint_torque(arm, q, v, acceleration, push) == pytest.approx(torque, abs=1e-9)


def test_muscles_pull_as_in_mujoco():
    arm, (q, v, rng) = load_arm("muscle"), states(30)
    data, activation = mujoco.MjData(arm.model), rng.uniform(0, 1, (30, 6))
    torque = (torque_per_activation(arm, q, v) * activation[:, None]).sum(-1)
    for i in range(len(q)):
        data.qpos[:], data.qvel[:], data.act[:] = q[i], v[i], activation[i]
        mujoco.mj_forward(arm.model, data)
        assert torque[i] == pytest.approx(data.qfrc_actuator, abs=1e-9)


def test_activations_give_the_torque_pull_only_and_are_the_least():
    arm, rng = load_arm("muscle"), np.random.default_rng(1)
    q, v, wanted = rng.uniform(0.4, 2.0, (60, 2)), rng.normal(0, 2, (60, 2)), rng.normal(0, 4, (60, 2))
    gain = torque_per_activation(arm, q, v)
    for low in (np.zeros((60, 6)), rng.uniform(0.001, 0.05, (60, 6))):
        least = muscle_activations(gain, wanted, low)
        assert (gain * least[:, None]).sum(-1) == pytest.approx(wanted, abs=1e-6)
        assert (least >= low).all() and (least <= 1).all()
        # with two multipliers: above the bound where gain' multipliers is, at the bound elsewhere
        for columns, x, bound in zip(gain, least, low, strict=True):
            free = x > bound + 1e-9
            multipliers = np.linalg.lstsq(columns.T[free], x[free], rcond=None)[0]
            assert columns.T[free] @ multipliers == pytest.approx(x[free], abs=1e-6)
            assert (columns.T[~free] @ multipliers <= bound[~free] + 1e-6).all()


def test_a_hand_out_of_reach_is_brought_as_near_as_can_be():
    arm = load_arm("muscle")
    near, far, folded = nearest_joint_angles(arm, [[-0.1, 0.4], [0.3, 0.7], [0.03, 0.04]])
    assert arm.hand_position(near) == pytest.approx([-0.1, 0.4])
    assert far[1] == pytest.approx(0.0, abs=1e-3) and folded[1] == pytest.approx(arm.joint_range[1, 1])
    for angles, wanted in ((far, [0.3, 0.7]), (folded, [0.03, 0.04])):  # in the right direction
        hand = arm.hand_position(angles)
        assert hand[0] * wanted[1] == pytest.approx(hand[1] * wanted[0], abs=1e-9)


def test_activations_out_of_reach_are_cut_off():
    gain = torque_per_activation(load_arm("muscle"), [[1.0, 1.5]], [[0.0, 0.0]])
    assert muscle_activations(gain, [[500.0, 0.0]], 0.0, 0.7).max() == 0.7


def test_the_excitation_for_an_activation_brings_mujoco_there():
    arm, rng = load_arm("muscle"), np.random.default_rng(2)
    activation = rng.uniform(0.001, 1, (40, 6)) ** 2
    low, high = reachable_activations(arm, activation)
    wanted = low + rng.uniform(0, 1, (40, 6)) * (high - low)
    excitation = excitation_for(arm, activation, wanted)
    data = mujoco.MjData(arm.model)
    for i in range(len(activation)):
        data.act[:], data.ctrl[:] = activation[i], excitation[i]
        mujoco.mj_step(arm.model, data, nstep=5)
        assert data.act == pytest.approx(activation_after(arm, activation[i], excitation[i]), abs=1e-12)
        assert data.act == pytest.approx(wanted[i], abs=1e-6)
    assert excitation_for(arm, activation, low - 0.1) == pytest.approx(0.001)
    assert excitation_for(arm, activation, high + 0.1) == pytest.approx(1.0)
