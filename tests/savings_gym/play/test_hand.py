"""The hand follows the mouse exactly without a field, and gives way to a force as a spring does."""

import numpy as np
import pytest

from savings_gym import ConstantField, ReachEnv
from savings_gym.play.hand import SMOOTHING, STIFFNESS, MouseHand
from savings_gym.task.settings import CONTROL_STEP, TRIAL_STEPS


def hand_path(mouse, actuation="torque", **options):
    """Hand path (101, 2) under a mouse, a function of start and time, and the environment."""
    env = ReachEnv(actuation=actuation, noise=False, delays=None)
    env.reset(seed=0, options={"start": [-0.1, 0.4], "target": 0, "go_time": 0.0, "catch": False, **options})
    task = env.task
    start = task.trials.start[0].copy()
    hand = MouseHand(task.arm, start)
    for step in range(TRIAL_STEPS):
        point = mouse(start, (step + 0.5) * CONTROL_STEP)
        env.step(hand.action(task.qpos[0], task.qvel[0], task.act[0], point))
    return task.hand[:, 0], env


@pytest.mark.parametrize("actuation", ["muscle", "motor", "torque"])
def test_it_follows_a_moving_mouse_with_a_constant_delay(actuation):
    speed = np.array([0.10, 0.05])  # m/s
    path, env = hand_path(lambda start, time: start + speed * time, actuation)
    late = 2.0 / SMOOTHING + CONTROL_STEP
    time = CONTROL_STEP * np.arange(60, TRIAL_STEPS + 1)
    assert path[60:] == pytest.approx(path[0] + speed * (time - late)[:, None], abs=5e-4)
    assert (env.task.act > 0.5).sum() == 0


@pytest.mark.parametrize("actuation", ["muscle", "torque"])
def test_a_force_displaces_it_as_a_spring(actuation):
    force = np.array([0.6, -0.4])  # N
    path, env = hand_path(lambda start, _: start, actuation, field=ConstantField(tuple(force), onset="start"))
    arm, q = env.task.arm, env.task.qpos[0]
    still = np.zeros(2)
    mass = np.stack([arm.joint_torque(q, still, unit) for unit in np.eye(2)], axis=-1)
    displaced = np.linalg.solve(mass, arm.hand_jacobian(q).T @ force) / STIFFNESS
    assert q - arm.inverse_kinematics(path[0]) == pytest.approx(displaced, rel=0.05)
    assert np.linalg.norm(path[-1] - path[0]) > 5e-3


def test_a_mouse_out_of_reach_stretches_the_arm_and_no_more():
    path, env = hand_path(lambda start, _: np.array([-2.0, 2.0]))
    assert np.isfinite(path).all()
    assert np.linalg.norm(path[-1]) < env.task.arm.link_lengths.sum() + 1e-6
