"""The reaching task, over n arms at once. `envs` shows it as a single and `vector` as a vector env."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from savings_gym.arm.anatomy import SMALLEST_ACTIVATION
from savings_gym.arm.model import load_arm
from savings_gym.arm.simulation import ManyArms, OneArm, Strands
from savings_gym.arrays import Floats, Indices
from savings_gym.task.rewards import REWARD_TERMS, reward_terms
from savings_gym.task.schedule import Schedule
from savings_gym.task.settings import (
    CONTROL_STEP,
    TRIAL_STEPS,
    TaskSettings,
    physics_steps,
    reach_spaces,
    whole_steps,
)
from savings_gym.task.trials import TrialOptions, Trials

JOINT_SPEED = 10.0  # rad/s, unit of the joint velocities that the torque arm feels


class ReachTask:
    """n arms that reach, each in a trial of its own.

    Observation t (0 .. 100) is made at t · 10 ms; action t acts from there to the next
    observation. With go in control step g and a visual delay of d steps, the go cue is seen in
    observations t ≥ g + d, the goal of the reward is the target in states k ≥ g + d, and a field
    that sets in at go acts in control steps t ≥ g.

    What happens in a row depends neither on the other rows nor on the number of threads. Inside,
    one column is an arm; the public arrays are views with one row an arm.

    Args:
        n: Number of arms.
        settings: The task.
        nthread: Threads that step the arms; 0 is one per CPU.
        shared_trials: Count the trials of all rows together, instead of row by row.

    Attributes:
        trials: The trials that the rows are in.
        t: (n,) control steps done in the trial; −1 before the first trial.
        qpos: (n, 2) joint angles, rad; like qvel (rad/s), act and ctrl a live view of the simulation.
        hand: (101, n, 2) hand position in the states 0 .. t of the trial, m.
        hand_velocity: (101, n, 2) likewise, m/s.
        field_force: (n, 2) the field's mean force on the hand in the last control step, N.
        reward_terms: (n,) of each term of the reward in the last control step; 0 before the first one.
    """

    def __init__(self, n: int, settings: TaskSettings, nthread: int = 1, shared_trials: bool = False) -> None:
        self.n, self.settings = n, settings
        self.arm = arm = load_arm(settings.actuation, settings.arm)
        self._strands = Strands(arm.paths, arm.muscles) if arm.pulls else None
        self._substeps = physics_steps(arm.timestep)
        self._seen_late = whole_steps("the visual delay", settings.delays.vision)
        self._felt_late = whole_steps("the proprioceptive delay", settings.delays.proprioception)
        self.observation_space, self.action_space = reach_spaces(self._strands is not None)
        self._felt = self.observation_space.shape[0] - 5  # proprioceptive channels

        noise = settings.noise
        sd = np.repeat(
            [noise.vision, noise.proprioception, noise.excitation], [2, self._felt, arm.n_actuators]
        )
        self.trials = Trials(n, arm, settings, sd, shared_trials)
        self.t = np.full(n, -1)
        self._together: int | None = -1  # t of all rows, where they have the same
        self._all = np.arange(n)

        self._physics = physics = self._make_physics(nthread)
        self.qpos, self.qvel, self.act, self.ctrl = physics.qpos, physics.qvel, physics.act, physics.ctrl
        self._hand, self._velocity = np.zeros((2, TRIAL_STEPS + 1, 2, n))
        self.hand, self.hand_velocity = self._hand.transpose(0, 2, 1), self._velocity.transpose(0, 2, 1)
        self._touch = np.zeros((TRIAL_STEPS + 1, self._felt, n))
        self._force = np.zeros((2, n))
        self.field_force = self._force.T
        self.reward_terms: dict[str, Floats] = {name: np.zeros(n) for name in REWARD_TERMS}

    def _make_physics(self, nthread: int) -> ManyArms | OneArm:
        return ManyArms(self.arm.model, self.n, nthread)

    def restart(self, rows: Indices) -> None:
        """Begin the experiment of `rows` anew, as after a new seed: the next trial is trial 0."""
        self.trials.restart(rows)

    def set_schedule(self, schedule: Schedule | None) -> None:
        """Go by another schedule. See `trials.Trials.set_schedule`."""
        self.settings = replace(self.settings, schedule=schedule)
        self.trials.set_schedule(schedule, np.flatnonzero(self.t == 0))

    def begin(
        self, rows: Indices, rngs: Sequence[np.random.Generator], chosen: TrialOptions | None = None
    ) -> None:
        """Begin the next trial in `rows`.

        Args:
            rows: (m,) rows, ascending.
            rngs: m generators, from which the trials are drawn.
            chosen: What not to draw, from `trials.options`.
        """
        joints = self.trials.begin(rows, rngs, self.t[rows] > 0, chosen or TrialOptions())
        self._physics.reset(None if len(rows) == self.n else rows)
        self.qpos[rows] = joints
        self.act[rows] = SMALLEST_ACTIVATION
        self._force[:, rows] = 0.0
        for term in self.reward_terms.values():
            term[rows] = 0.0
        self.t[rows] = 0
        self._together = 0 if not self.t.any() else None
        self._record()

    def step(self, actions: Floats, rows: Indices | None = None) -> None:
        """Advance the arms by one control step.

        Args:
            actions: (n, actuators), in the action space; values beyond it are clipped.
            rows: Indices to advance, ascending, None for all; the others are to begin a trial next.

        Raises:
            gymnasium.error.ResetNeeded: Before the first trial, and after the end of a trial.
            RuntimeError: If the simulation diverged.
        """
        t = self.t if rows is None else self.t[rows]
        if t.min() < 0 or t.max() >= TRIAL_STEPS:
            raise gym.error.ResetNeeded(
                "call reset first: no trial has begun, or its 100 control steps are over"
            )
        low, high = self.arm.control_range.T  # (actuators,) each
        noisy = actions + self._noise()[:, 2 + self._felt :]
        if self._strands is None:
            noisy *= high
        np.maximum(noisy, low, out=noisy)
        np.minimum(noisy, high, out=self.ctrl)
        self._advance(rows)
        if rows is None:
            self.t += 1
            self._together = None if self._together is None else self._together + 1
        else:
            self.t[rows] += 1
            self._together = int(self.t[0]) if (self.t == self.t[0]).all() else None
        self._record()
        self.reward_terms = self._rewards()

    def observe(self) -> NDArray[np.float32]:
        """(n, channels) observations of all rows, late and noisy, as tabulated in `envs.ReachEnv`."""
        end = 2 + self._felt
        values = np.empty((self.n, end + 3))
        values[:, :2] = self._past(self._hand, self._seen_late).T
        values[:, 2:end] = self._past(self._touch, self._felt_late).T
        values[:, :end] += self._noise()[:, :end]
        values[:, end : end + 2] = self.trials.target_position
        values[:, -1] = self.t >= self.trials.cue_step + self._seen_late
        observation, space = values.astype(np.float32), self.observation_space
        np.maximum(observation, space.low, out=observation)
        return np.minimum(observation, space.high, out=observation)

    def info(self) -> dict[str, Any]:
        """(n, ...) of everything an experimenter wants to know about the rows, free of delay and noise."""
        trials, strands = self.trials, self._strands
        pulls: dict[str, Floats] = {}
        if strands is None:
            pulls["joint_torque"] = self.ctrl.copy()
        else:
            length, velocity = np.split(self._past(self._touch, 0), 2)
            pulls["muscle_force"] = strands.force(length, velocity, self.act.T).T.copy()
        return pulls | {
            "phase": trials.phase.copy(),
            "trial": trials.number.copy(),
            "schedule_done": trials.done.copy(),
            "target": trials.target.copy(),
            "target_position": trials.target_position.copy(),
            "go_time": trials.go_step * CONTROL_STEP,
            "catch": trials.catch.copy(),
            "hand_position": self._past(self._hand, 0).T.copy(),
            "hand_velocity": self._past(self._velocity, 0).T.copy(),
            "field_force": self.field_force.copy(),
            **{name: term.copy() for name, term in self.reward_terms.items()},
        }

    def _past(self, history: Floats, late: int) -> Floats:
        """(k, n) of a history (101, k, n), in the state `late` steps ago, or the first one."""
        if self._together is not None:
            return history[max(self._together - late, 0)]
        return history[np.maximum(self.t - late, 0), :, self._all].T

    def _noise(self) -> Floats:
        """(n, channels) noise of the current step."""
        t = self._together
        return self.trials.drawn[:, t] if t is not None else self.trials.drawn[self._all, self.t]

    def _advance(self, rows: Indices | None) -> None:
        """One control step of physics, and the field's mean force on the hand."""
        physics, forces = self._physics, self.trials.forces
        mean = self._force
        mean[:] = 0.0
        if not forces.choose(self.t >= self.trials.cue_step):
            physics.step(rows, self._substeps)
        else:
            q, v, torque = self.qpos.T, self.qvel.T, physics.qfrc_applied.T
            angles = np.empty_like(mean)
            for _ in range(self._substeps):
                angles[0] = q[0]
                np.add(q[0], q[1], out=angles[1])
                x, y, vx, vy, ex, ey = self._hand_state(np.cos(angles), np.sin(angles), v)
                fx, fy = forces.force(x, y, vx, vy)
                torque[0] = x * fy - y * fx  # Jᵀf
                torque[1] = ex * fy - ey * fx
                physics.step(rows, 1)
                mean[0] += fx
                mean[1] += fy
            torque[:] = 0.0
            mean /= self._substeps
        if physics.diverged():
            raise RuntimeError(
                f"the simulation diverged in one of the fields {set(self.trials.fields)}; choose weaker ones"
            )

    def _hand_state(self, cos: Floats, sin: Floats, v: Floats) -> tuple[Floats, ...]:
        """Hand position, its velocity, and the forearm: x and y of each, (n,).

        The Jacobian's columns are the vectors from the joints to the hand, turned by 90 degrees.

        Args:
            cos: (2, n) cosines of the directions of upper arm and forearm.
            sin: (2, n) sines.
            v: (2, n) joint velocities, rad/s.
        """
        upper, fore = self.arm.link_lengths
        ex, ey = fore * cos[1], fore * sin[1]
        x, y = upper * cos[0] + ex, upper * sin[0] + ey
        return x, y, -y * v[0] - ey * v[1], x * v[0] + ex * v[1], ex, ey

    def _record(self) -> None:
        """Store what is seen and felt of the current state."""
        q, v = self.qpos.T, self.qvel.T
        angles = np.stack([q[0], q[1], q[0] + q[1]])
        cos, sin = np.cos(angles), np.sin(angles)
        hand = self._hand_state(cos[::2], sin[::2], v)
        felt = (q, v / JOINT_SPEED) if self._strands is None else self._strands.state(cos[:2], sin[:2], v)
        for history, values in (
            (self._hand, hand[:2]),
            (self._velocity, hand[2:4]),
            (self._touch, np.concatenate(felt)),
        ):
            if self._together is not None:
                history[self._together] = values
            else:
                history[self.t, :, self._all] = np.stack(tuple(values), axis=1)

    def _rewards(self) -> dict[str, Floats]:
        trials = self.trials
        moved = (self.t >= trials.cue_step + self._seen_late)[:, None]
        goal = np.where(moved, trials.target_position, trials.start)
        away = self._past(self._hand, 0) - goal.T
        return reward_terms(
            self.settings.reward_weights,
            distance=np.sqrt(away[0] * away[0] + away[1] * away[1]),
            reach=trials.reach,
            command=self.ctrl / self.arm.control_range[:, 1],
            velocity=np.stack([self._past(self._velocity, late) for late in range(3)]).transpose(0, 2, 1),
        )
