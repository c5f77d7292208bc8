"""A scripted reach of the torque arm: a smooth path to the target, by inverse dynamics."""

import mujoco
import numpy as np

from savings_gym.task.settings import CONTROL_STEP, TRIAL_STEPS


def minimum_jerk(fraction):
    """Fraction of the distance after a fraction of the time, both 0..1 (Flash & Hogan 1985)."""
    s = np.clip(fraction, 0.0, 1.0)
    return 10.0 * s**3 - 15.0 * s**4 + 6.0 * s**5


class ScriptedReach:
    """Sees the true state of a single torque environment and moves once the go cue is visible."""

    def __init__(self, env, duration=0.36):
        self.task, self.duration = env.unwrapped.task, duration
        self.data = mujoco.MjData(self.task.arm.model)

    def desired(self, time):
        """Joint angles (2,) at a time after the cue."""
        trials = self.task.trials
        start, target = trials.start[0], trials.target_position[0]
        hand = start + minimum_jerk(time / self.duration) * (target - start)
        return self.task.arm.inverse_kinematics(hand)

    def action(self):
        task, data, h = self.task, self.data, CONTROL_STEP
        cue = task.trials.cue_step[0] + round(task.settings.delays.vision / h)
        now = (task.t[0] - cue) * h
        # Reach the desired state at the end of this control step, at constant acceleration.
        ahead = self.desired(now + h)
        speed = (self.desired(now + 1.5 * h) - self.desired(now + 0.5 * h)) / h
        q, v = task.qpos[0], task.qvel[0]
        data.qpos[:], data.qvel[:] = q, v
        data.qacc[:] = (speed - v) / h + (ahead - q - h * v) / h**2 * 0.2
        mujoco.mj_inverse(task.arm.model, data)
        return data.qfrc_inverse / task.arm.control_range[:, 1]


def trial_reward(env, policy, **reset):
    """Sum of the rewards of one trial, and the last info."""
    observation, info = env.reset(**reset)
    total = 0.0
    for _ in range(TRIAL_STEPS):
        observation, reward, _, _, info = env.step(policy(observation))
        total += reward
    return total, info
