"""The reaching task of one arm, in plain numbers: the same as `reach` with one row, several times faster.

Array arithmetic costs more in calls than in numbers when there is one arm. Here the steps are written out in
Python's floats, in the same order, so that results agree with those of a row among many; beginning a trial
is left to `reach.ReachTask`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
from numpy.typing import NDArray

from savings_gym.arm.simulation import ManyArms, OneArm
from savings_gym.arrays import Floats, Indices
from savings_gym.linear_fields import one_force
from savings_gym.task.reach import JOINT_SPEED, ReachTask
from savings_gym.task.rewards import REWARD_TERMS, one_reward
from savings_gym.task.schedule import Schedule
from savings_gym.task.settings import CONTROL_STEP, TRIAL_STEPS, TaskSettings
from savings_gym.task.trials import TrialOptions


class SingleReachTask(ReachTask):
    """One arm that reaches. See `reach.ReachTask`.

    Args:
        settings: The task.
    """

    def __init__(self, settings: TaskSettings) -> None:
        super().__init__(1, settings)
        arm = self.arm
        self._low, self._high = arm.control_range.T.tolist()
        self._scale = [1.0] * arm.n_actuators if self._strands is not None else self._high
        self._upper, self._fore = arm.link_lengths.tolist()
        self._least, self._most = self.observation_space.low, self.observation_space.high
        self._angles = np.zeros(3)
        # of the states 0 .. t
        self._seen: list[list[float]] = []
        self._moved: list[list[float]] = []
        self._touched: list[list[float]] = []
        self._terms: dict[str, float] = {}

    def _make_physics(self, nthread: int) -> ManyArms | OneArm:
        self._one = OneArm(self.arm.model)
        return self._one

    def begin(
        self, rows: Indices, rngs: Sequence[np.random.Generator], chosen: TrialOptions | None = None
    ) -> None:
        """Begin the next trial. See `reach.ReachTask.begin`."""
        super().begin(rows, rngs, chosen)
        self._seen = [self._hand[0, :, 0].tolist()]
        self._moved = [self._velocity[0, :, 0].tolist()]
        self._touched = [self._touch[0, :, 0].tolist()]
        self._terms = dict.fromkeys(REWARD_TERMS, 0.0)
        self._read_trial()

    def set_schedule(self, schedule: Schedule | None) -> None:
        """Go by another schedule. See `trials.Trials.set_schedule`."""
        super().set_schedule(schedule)
        if self._seen:
            self._read_trial()

    def step(self, actions: Floats, rows: Indices | None = None) -> None:
        """`one_step`, as `reach.ReachTask.step` has it."""
        terms = self.one_step(actions[0].tolist())
        self.reward_terms = {name: np.array([term]) for name, term in terms.items()}

    def observe(self) -> NDArray[np.float32]:
        """`one_observation`, as `reach.ReachTask.observe` has it."""
        return self.one_observation()[None]

    def info(self) -> dict[str, Any]:
        """`one_info`, as `reach.ReachTask.info` has it."""
        return {name: np.array([value]) for name, value in self.one_info().items()}

    def one_step(self, action: list[float]) -> dict[str, float]:
        """Advance by one control step: `step` in plain numbers.

        Args:
            action: (actuators,) numbers.

        Returns:
            The reward terms.
        """
        t = self._together
        if t is None or not 0 <= t < TRIAL_STEPS:
            raise gym.error.ResetNeeded(
                "call reset first: no trial has begun, or its 100 control steps are over"
            )
        noise = self._noises[t][2 + self._felt :]
        command = [
            min(max((u + e) * scale, low), high)
            for u, e, scale, low, high in zip(action, noise, self._scale, self._low, self._high, strict=True)
        ]
        self._one.data.ctrl[:] = command
        self._move(self._after_go if t >= self._cue else self._always)
        self._together = t + 1
        self.t[0] = t + 1
        self._look()
        self._terms = self._reward(command)
        return self._terms

    def one_observation(self) -> NDArray[np.float32]:
        """`observe` of the only row, (channels,)."""
        t: int = self._together  # type: ignore[assignment]
        seen = self._seen[max(t - self._seen_late, 0)]
        felt = self._touched[max(t - self._felt_late, 0)]
        values = [value + error for value, error in zip(seen + felt, self._noises[t], strict=False)]
        values += self._target
        values.append(float(t >= self._cue + self._seen_late))
        observation = np.array(values, dtype=np.float32)
        np.maximum(observation, self._least, out=observation)
        return np.minimum(observation, self._most, out=observation)

    def one_info(self) -> dict[str, Any]:
        """`info` of the only row, in NumPy's numbers; truths are arrays without axes.

        Libraries that convert infos look for a dtype, and refuse `numpy.bool_`.
        """
        info = self._trial_info.copy()
        if self._strands is None:
            info["joint_torque"] = self.ctrl[0].copy()
        else:
            felt = self._touched[-1]
            pull = self._strands.one_force(felt[:6], felt[6:], self._one.data.act.tolist())
            info["muscle_force"] = np.array(pull)
        info["target_position"] = np.array(self._target)
        info["hand_position"] = np.array(self._seen[-1])
        info["hand_velocity"] = np.array(self._moved[-1])
        info["field_force"] = self._force[:, 0].copy()
        info["schedule_done"], info["catch"] = np.array(self._done), np.array(self._catch)
        for name, term in self._terms.items():
            info[name] = np.float64(term)
        return info

    def _read_trial(self) -> None:
        """Read what stays the same during the trial."""
        trials = self.trials
        self._noises = trials.drawn[0].tolist()
        self._cue = int(trials.cue_step[0])
        self._start, self._target = trials.start[0].tolist(), trials.target_position[0].tolist()
        self._reach = float(trials.reach[0])
        self._always, self._after_go = trials.forces.one(False), trials.forces.one(True)
        self._trial_info: dict[str, Any] = {
            "phase": trials.phase[0],
            "trial": trials.number[0],
            "target": trials.target[0],
            "go_time": trials.go_step[0] * CONTROL_STEP,
        }
        self._done, self._catch = bool(trials.done[0]), bool(trials.catch[0])

    def _move(self, coefficients: tuple[float, ...] | None) -> None:
        """One control step of physics, and the field's mean force on the hand."""
        model, data, mean = self._one.model, self._one.data, self._force
        if coefficients is None:
            mujoco.mj_step(model, data, self._substeps)
            mean[:] = 0.0
        else:
            sum_x, sum_y = 0.0, 0.0
            qpos, qvel, torque, angles = data.qpos, data.qvel, data.qfrc_applied, self._angles[:2]
            for _ in range(self._substeps):
                shoulder, elbow = qpos.tolist()
                angles[:] = shoulder, shoulder + elbow
                x, y, vx, vy, ex, ey = self._hand_now(
                    np.cos(angles).tolist(), np.sin(angles).tolist(), qvel.tolist()
                )
                fx, fy = one_force(coefficients, x, y, vx, vy)
                torque[:] = x * fy - y * fx, ex * fy - ey * fx  # Jᵀf
                mujoco.mj_step(model, data)
                sum_x += fx
                sum_y += fy
            torque[:] = 0.0
            mean[:, 0] = sum_x / self._substeps, sum_y / self._substeps
        if self._one.diverged():
            raise RuntimeError(
                f"the simulation diverged in one of the fields {set(self.trials.fields)}; choose weaker ones"
            )

    def _hand_now(self, cos: list[float], sin: list[float], v: list[float]) -> tuple[float, ...]:
        """`_hand_state` in plain numbers."""
        ex, ey = self._fore * cos[-1], self._fore * sin[-1]
        x, y = self._upper * cos[0] + ex, self._upper * sin[0] + ey
        v0, v1 = v
        return x, y, -y * v0 - ey * v1, x * v0 + ex * v1, ex, ey

    def _look(self) -> None:
        """Store what is seen and felt of the current state."""
        data, angles = self._one.data, self._angles
        (shoulder, elbow), v = data.qpos.tolist(), data.qvel.tolist()
        angles[:] = shoulder, elbow, shoulder + elbow
        cos, sin = np.cos(angles).tolist(), np.sin(angles).tolist()
        x, y, vx, vy, _, _ = self._hand_now(cos, sin, v)
        t = self._together
        self._seen.append([x, y])
        self._moved.append([vx, vy])
        self._hand[t, :, 0] = x, y
        self._velocity[t, :, 0] = vx, vy
        if self._strands is None:
            self._touched.append([shoulder, elbow, v[0] / JOINT_SPEED, v[1] / JOINT_SPEED])
        else:
            lengths, velocities = self._strands.one_state(cos, sin, v)
            self._touched.append(lengths + velocities)

    def _reward(self, command: list[float]) -> dict[str, float]:
        t: int = self._together  # type: ignore[assignment]
        goal = self._target if t >= self._cue + self._seen_late else self._start
        dx, dy = self._seen[t][0] - goal[0], self._seen[t][1] - goal[1]
        now, before, last = (self._moved[max(t - late, 0)] for late in range(3))
        return one_reward(
            self.settings.reward_weights,
            distance=sqrt(dx * dx + dy * dy),
            reach=self._reach,
            command=[u / high for u, high in zip(command, self._high, strict=True)],
            bend=(now[0] - 2.0 * before[0] + last[0], now[1] - 2.0 * before[1] + last[1]),
        )
