"""Resistance of the hand: planted inertia, damping and stiffness are recovered, also at the arm."""

import mujoco
import numpy as np
import pytest
from scipy.linalg import expm

from savings_gym import ConstantField, ElasticField, Probe, Pulse, ViscousField
from savings_gym.arm.model import load_arm
from savings_gym.metrics.resistance import hand_resistance
from savings_gym.task.settings import CONTROL_STEP, task_settings

M = np.array([[1.5, 0.2], [0.2, 1.1]])
D = np.array([[20.0, 3.0], [2.0, 15.0]])
K = np.array([[220.0, 40.0], [30.0, 150.0]])
DIRECTIONS = np.array([[1.0, 0.0], [0.0, 1.0], [-0.7, 0.7], [0.5, -0.9]])


def pushed(steps, dt, force):
    """Displacement of a mass on a spring and a damper under forces (k, steps, 2), exactly."""
    inverse = np.linalg.inv(M)
    zero, one = np.zeros((2, 2)), np.eye(2)
    system = np.block([[zero, one, zero], [-inverse @ K, -inverse @ D, inverse], [zero, zero, zero]])
    step = expm(system * dt)
    moved = np.zeros((len(force), steps + 1, 2))
    for k, series in enumerate(force):
        state = np.zeros(4)
        for t, f in enumerate(series):
            state = (step @ np.concatenate([state, f]))[:4]
            moved[k, t + 1] = state[:2]
    return moved


def brief(steps, dt):
    return DIRECTIONS[:, None] * (np.arange(steps) * dt < 0.1)[None, :, None]


@pytest.mark.parametrize(("dt", "error"), [(0.01, 0.05), (0.002, 0.003)])
def test_planted_matrices_are_recovered(dt, error):
    force = brief(round(0.3 / dt), dt)
    found = hand_resistance(pushed(force.shape[1], dt, force), force, dt)
    for ours, planted in ((found.inertia, M), (found.damping, D), (found.stiffness, K)):
        assert ours == pytest.approx(planted, abs=error * np.abs(planted).max())
    assert found.explained > 0.999 and found.mean_stiffness() == pytest.approx(185.0, rel=error)


def test_it_does_not_depend_on_the_size_of_the_push():
    force = brief(30, 0.01)
    moved = pushed(30, 0.01, force)
    small, large = (hand_resistance(size * moved, size * force) for size in (0.01, 5.0))
    assert small.stiffness == pytest.approx(large.stiffness, rel=1e-9)


def test_springs_and_dampers_at_the_hand_of_the_arm_are_found():
    """A limp arm on a spring and a damper, in MuJoCo: their matrices, and the inertia of the links."""
    settings = task_settings(actuation="torque", noise=False)
    probe, limp = Probe(settings), lambda observations: np.zeros((len(observations), 2), dtype=np.float32)
    stiffness, damping = ((300.0, 40.0), (40.0, 200.0)), ((-25.0, 5.0), (5.0, -15.0))
    holding = ElasticField(stiffness, onset="start") + ViscousField(damping, onset="start")
    free = probe(limp, holding, number=0).path[0]
    moved, force = [], []
    for direction in DIRECTIONS:
        push = Pulse(ConstantField(tuple(0.5 * direction), onset="start"), at=0.1, duration=0.1)
        moved.append((probe(limp, holding + push, number=0).path[0] - free)[10:41])
        force.append(0.5 * direction * (np.arange(30) < 10)[:, None])
    found = hand_resistance(np.array(moved), np.array(force))
    assert found.stiffness == pytest.approx(np.array(stiffness), abs=10.0)
    assert found.damping == pytest.approx(-np.array(damping), abs=2.0)
    arm = load_arm("torque")
    data = mujoco.MjData(arm.model)
    data.qpos[:] = arm.start
    mujoco.mj_forward(arm.model, data)
    mass = np.zeros((2, 2))
    for joint in range(2):
        mujoco.mj_mulM(arm.model, data, mass[joint], np.eye(2)[joint])
    inverse = np.linalg.inv(arm.hand_jacobian(arm.start))
    assert found.inertia == pytest.approx(inverse.T @ mass @ inverse, abs=0.1)


@pytest.mark.parametrize(
    ("moved", "force", "words"),
    [
        (np.zeros((2, 5, 2)), np.zeros((2, 5, 2)), "expected"),
        (np.zeros((2, 2, 2)), np.zeros((2, 1, 2)), "T >= 2"),
        (np.zeros((2, 9, 2)), np.zeros((2, 8, 2)), "two or more directions"),
    ],
)
def test_bad_input_is_refused(moved, force, words):
    with pytest.raises(ValueError, match=words):
        hand_resistance(moved, force, CONTROL_STEP)


def test_one_direction_is_not_enough():
    force = brief(30, 0.01)[:1]
    moved = np.zeros((1, 31, 2))
    moved[0, :, 0] = np.linspace(0.0, 0.01, 31) ** 2
    with pytest.raises(ValueError, match="two or more directions"):
        hand_resistance(moved, force)
