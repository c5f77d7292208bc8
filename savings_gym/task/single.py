"""The reaching task of one arm: the same as `reach.ReachTask` with one arm, several times faster.

With one arm, array arithmetic costs more in calls than in numbers. So the field's force and the reward are
computed here in plain numbers, by the same functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savings_gym.arm import kinematics
from savings_gym.arrays import Floats
from savings_gym.perturbations.linear_fields import STAGES, force_on_hand
from savings_gym.perturbations.visual_maps import seen_hand
from savings_gym.task.options import TrialOptions
from savings_gym.task.reach import ReachingArms
from savings_gym.task.rewards import NO_REACH, REWARD_TERMS, SHORTEST_REACH, reward_terms
from savings_gym.task.schedule import Schedule
from savings_gym.task.session import Session
from savings_gym.task.settings import CONTROL_STEP, TRIAL_STEPS, TaskSettings


class SingleReachTask(ReachingArms):
    """One arm that reaches, without the axis of the arms. See `reach.ReachTask`.

    Args:
        settings: The task.
        session: See `reach.ReachingArms`.
    """

    def __init__(self, settings: TaskSettings, session: Session | None = None) -> None:
        super().__init__(1, settings, session=session)
        self._only = np.array([0])
        self._links: list[float] = self.arm.link_lengths.tolist()
        self._terms: dict[str, float] = dict.fromkeys(REWARD_TERMS, 0.0)

    def begin(self, rng: np.random.Generator, chosen: TrialOptions | None = None) -> None:
        """Begin the next trial, or session, drawn from `rng`. See `reach.ReachTask.begin`."""
        self._begin(self._only, [rng], chosen)
        self._terms = dict.fromkeys(REWARD_TERMS, 0.0)
        self._read_trial()
        self._record(0)

    def go_on(self, rng: np.random.Generator) -> None:
        """Begin the next trial within the session. See `reach.ReachTask.go_on`."""
        self._place(self._only, self.sessions.go_on(self._only, [rng]))
        self._read_trial()
        self._record(0)

    def set_schedule(
        self,
        schedule: Schedule | Mapping[str, Any] | None,
        rngs: Sequence[np.random.Generator],
        restart: bool = True,
    ) -> None:
        """Follow another schedule. See `reach.ReachingArms.set_schedule`."""
        super().set_schedule(schedule, rngs, restart)
        if self.t[0] >= 0:
            self._read_trial()

    def step(self, action: Floats) -> float:
        """Advance by one control step under an action (actuators,), and return the reward."""
        t = int(self.t[0])
        self._check_steps(t, t)
        command = self._command(action, self.trials.noise[0, t, self.layout.sensed.stop :])
        if self.muscles is not None:
            velocity = self._felt[max(t - self._reflex_delay, 0), :, -self.arm.n_actuators :]
            command = self.muscles.excite(command[None], velocity, None)[0]
        self.ctrl[0] = command
        self._advance(self._fields[t if self._timed else (t >= self._go) + (t >= self._cue)])
        self.t[0] = t + 1
        self._record(t + 1)
        self._terms = self._reward(t + 1, command)
        return sum(self._terms.values())

    def observe(self) -> NDArray[np.float32]:
        """Return the observation (channels,)."""
        layout, t = self.layout, int(self.t[0])
        values = np.empty(layout.size)
        values[layout["hand_position"]] = self.cursor[max(t - self._vision_delay, 0), 0]
        values[layout.proprioception] = self._felt[max(t - self._felt_delay, 0), 0]
        values[layout.sensed] += self.trials.noise[0, t, layout.sensed]
        values[layout["target_position"]] = self._target
        values[layout["go_cue"]] = t >= self._cue
        if self.settings.trial_cue:
            values[layout["trial_cue"]] = t == 0
        observation = values.astype(np.float32)
        np.maximum(observation, layout.low, out=observation)
        return np.minimum(observation, layout.high, out=observation)

    def info(self) -> dict[str, Any]:
        """Return what an experimenter wants to know, free of delay and noise.

        Single values are NumPy numbers, truths are arrays without axes: libraries that convert infos look for
        a dtype, and refuse `numpy.bool_`.
        """
        t = int(self.t[0])
        info = self._trial_info | {name: value[0] for name, value in self._pull().items()}
        info["target_position"] = np.array(self._target)
        info["hand_position"] = self.hand[t, 0].copy()
        info["hand_velocity"] = self.hand_velocity[t, 0].copy()
        info["cursor_position"] = self.cursor[t, 0].copy()
        info["field_force"] = self.field_force[0].copy()
        info["schedule_done"], info["catch"] = np.array(self._done), np.array(self._catch)
        return info | {name: np.float64(term) for name, term in self._terms.items()}

    def _read_trial(self) -> None:
        """Read what stays the same during the trial."""
        trials = self.trials
        self._go = int(trials.cue_step[0])
        self._cue = self._go + self._cue_delay
        self._start, self._target = trials.start[0].tolist(), trials.target_position[0].tolist()
        self._reach = max(float(trials.reach[0]), SHORTEST_REACH)
        self._timed = trials.forces.first_is_timed
        if self._timed:
            self._fields = [trials.forces.of_first(0, step) for step in range(TRIAL_STEPS)]
        else:
            self._fields = [trials.forces.of_first(stage) for stage in range(STAGES)]
        self._views: list[list[float]] = trials.views[:, :, 0].tolist() if trials.displaced[0] else []
        self._scored = self.cursor if trials.cursor_scored[0] else self.hand
        self._trial_info: dict[str, Any] = {
            "phase": trials.phase[0],
            "trial": trials.number[0],
            "target": trials.target[0],
            "go_time": trials.go_step[0] * CONTROL_STEP,
        }
        self._done, self._catch = bool(trials.done[0]), bool(trials.catch[0])

    def _hand_state(self) -> tuple[float, float, float, float, float, float]:
        """Hand as seen from the shoulder and from the elbow [m], and its velocity [m/s]."""
        (q1, q2), (v1, v2) = self.qpos[0].tolist(), self.qvel[0].tolist()
        vectors = kinematics.hand_vectors(self._links, q1, q2, math)
        return *vectors, *kinematics.hand_velocity(*vectors, v1, v2)

    def _advance(self, coefficients: list[float] | None) -> None:
        """Make the physics steps of a control step, and take the field's mean force on the hand."""
        simulation, steps = self.simulation, self._physics_steps
        total_x, total_y = 0.0, 0.0
        if coefficients is None:
            simulation.step(None, steps)
        else:
            for left in reversed(range(steps)):
                x, y, fore_x, fore_y, vx, vy = self._hand_state()
                fx, fy = force_on_hand(coefficients, x, y, vx, vy)
                simulation.torque[0] = kinematics.joint_torque(x, y, fore_x, fore_y, fx, fy)
                total_x += fx
                total_y += fy
                simulation.step(None, more=left > 0)
            simulation.torque[0] = 0.0
        self.field_force[0] = total_x / steps, total_y / steps
        self._check_bounds()

    def _record(self, t: int) -> None:
        """Store what is seen and felt of the present state."""
        x, y, _, _, vx, vy = self._hand_state()
        self.hand[t, 0] = x, y
        self.cursor[t, 0] = seen_hand(self._views[t], x, y) if self._views else (x, y)
        self.hand_velocity[t, 0] = vx, vy
        self._felt[t] = self._felt_now()

    def _reward(self, t: int, command: Floats) -> dict[str, float]:
        goal = self._target if t >= self._cue else self._start
        x, y = self._scored[t, 0].tolist()
        dx, dy = x - goal[0], y - goal[1]
        (now_x, now_y), (x1, y1), (x2, y2) = (
            self.hand_velocity[max(t - delay, 0), 0].tolist() for delay in range(3)
        )
        bend_x, bend_y = now_x - 2.0 * x1 + x2, now_y - 2.0 * y1 + y2
        share = command / self._high
        return reward_terms(
            self.settings.reward_weights,
            distance=math.sqrt(dx * dx + dy * dy),
            reach=self._reach,
            effort=float(share @ share) / len(share),
            bend=bend_x * bend_x + bend_y * bend_y,
            lateral=self._lateral(x, y) if self.settings.reward_weights.lateral else 0.0,
        )

    def _lateral(self, x: float, y: float) -> float:
        """Distance of a position from the line through start and target [m]."""
        (start_x, start_y), (target_x, target_y) = self._start, self._target
        along_x, along_y = target_x - start_x, target_y - start_y
        cross = along_x * (y - start_y) - along_y * (x - start_x)
        return abs(cross) / max(math.hypot(along_x, along_y), NO_REACH)
