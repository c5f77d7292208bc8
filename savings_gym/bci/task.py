"""The cursor task: n cursors, each moved by the activity of its own units through a decoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from savings_gym.arrays import Array, Floats, Indices
from savings_gym.bci.schedule import as_decoder_schedule, decoder_of
from savings_gym.bci.settings import (
    CHANNELS,
    CUE,
    CURSOR_AS_DRAWN,
    POSITION,
    TARGET,
    CursorOptions,
    CursorSettings,
    cursor_options,
    cursor_spaces,
)
from savings_gym.bci.trials import START, CursorTrials
from savings_gym.task.observation import PLANE
from savings_gym.task.rewards import NO_REACH, REWARD_TERMS, SHORTEST_REACH, reward_terms
from savings_gym.task.schedule import Schedule
from savings_gym.task.settings import CONTROL_STEP, TRIAL_STEPS, whole_steps


class CursorTask:
    """n cursors that reach, each in a trial of its own, as arrays with one row per cursor.

    Observation t (0 .. 100) is made at t · 10 ms; the activity of step t moves the cursor from there to state
    t + 1, with the velocity after the decoder's step: x_(t+1) = x_t + 10 ms · v_(t+1). The cursor begins at
    the middle of the screen, at rest. No cursor depends on the others.

    Args:
        n: Number of cursors.
        settings: The task.
        shared_trials: Count the trials of all cursors together, instead of one by one.

    Attributes:
        observation_space: Of one cursor.
        action_space: Of one cursor.
        trials: The trials that the cursors are in.
        t: (n,) control steps done in the trial; −1 before the first trial.
        cursor: (101, n, 2) position in the states 0 .. t of the trial [m].
        velocity: (101, n, 2) likewise [m/s].
        reward_terms: (n,) of each term of the reward in the last control step; 0 before the first one.
    """

    def __init__(self, n: int, settings: CursorSettings, shared_trials: bool = False) -> None:
        self.n, self.settings = n, settings
        self.observation_space, self.action_space = cursor_spaces(settings.units)
        self.trials = CursorTrials(n, settings, shared_trials)
        self.t = np.full(n, -1)
        self.cursor = np.zeros((TRIAL_STEPS + 1, n, PLANE))
        self.velocity = np.zeros_like(self.cursor)
        self.reward_terms: dict[str, Floats] = {name: np.zeros(n) for name in REWARD_TERMS}
        self._all = np.arange(n)
        self._vision_delay = whole_steps("the visual delay", settings.delays.vision)
        self._cue_delay = whole_steps("the delay of the cue", settings.delays.cue_delay)
        self._weights = np.zeros((n, PLANE, settings.units))
        self._decay, self._constant = np.zeros((n, PLANE, PLANE)), np.zeros((n, PLANE))

    def restart(self, cursors: Indices | None = None) -> None:
        """Restart the experiment of `cursors`, None for all, as after a new seed: trial 0 comes next."""
        self.trials.restart(self._all if cursors is None else cursors)

    def set_schedule(
        self,
        schedule: Schedule | Mapping[str, Any] | None,
        rngs: Sequence[np.random.Generator],
        restart: bool = True,
    ) -> None:
        """Follow another schedule, of `DecoderPhase`. See `task.trials.ScheduledTrials.set_schedule`.

        Args:
            schedule: The schedule, its dict, or None.
            rngs: n generators; before the first trial, there may be none.
            restart: Whether to count trials from 0.

        Raises:
            ValueError: If it is none, or its decoders have another number of units.
        """
        followed = as_decoder_schedule(schedule)
        if followed is not None and decoder_of(followed.phases[0]).units != self.settings.units:
            raise ValueError(
                f"the decoders of a schedule must have {self.settings.units} units, as the activity has, got "
                f"{decoder_of(followed.phases[0]).units}"
            )
        waiting = np.flatnonzero(self.t == 0)
        self.trials.set_schedule(followed, waiting, [rngs[i] for i in waiting.tolist()], restart)
        if restart:
            self._read_decoders(waiting)
        self.settings = replace(self.settings, schedule=followed)

    def options(self, options: Mapping[str, Any] | None) -> CursorOptions:
        """Return the `options` of `reset`, checked."""
        return cursor_options(options, self.n, self.settings)

    def begin(
        self, cursors: Indices, rngs: Sequence[np.random.Generator], chosen: CursorOptions | None = None
    ) -> None:
        """Begin the next trial of `cursors`.

        Args:
            cursors: (m,) which, ascending.
            rngs: m generators, from which the trials are drawn.
            chosen: What not to draw, from `options`.
        """
        self.trials.begin(cursors, rngs, self.t[cursors] > 0, chosen or CURSOR_AS_DRAWN)
        self._read_decoders(cursors)
        self.cursor[0, cursors], self.velocity[0, cursors] = START, 0.0
        self.t[cursors] = 0
        for term in self.reward_terms.values():
            term[cursors] = 0.0

    def step(self, actions: Floats, cursors: Indices | None = None) -> None:
        """Advance by one control step.

        Args:
            actions: (n, units) activity; values beyond the action space are clipped.
            cursors: Which to advance, ascending, None for all; the others are to begin a trial next.

        Raises:
            ResetNeeded: If a trial has not begun, or is over.
        """
        rows = self._all if cursors is None else cursors
        t = self.t[rows]
        if (t < 0).any() or (t >= TRIAL_STEPS).any():
            raise gym.error.ResetNeeded(
                f"call reset first: no trial has begun, or its {TRIAL_STEPS} control steps are over"
            )
        noise = self.settings.noise.excitation * self.trials.noise[rows, t, PLANE:]
        activity = np.clip(actions[rows] + noise, self.action_space.low, self.action_space.high)
        drive = (self._weights[rows] @ activity[..., None])[..., 0] + self._constant[rows]
        velocity = (self._decay[rows] @ self.velocity[t, rows][..., None])[..., 0] + drive
        self.velocity[t + 1, rows] = velocity
        self.cursor[t + 1, rows] = self.cursor[t, rows] + CONTROL_STEP * velocity
        self.t[rows] = t + 1
        for name, term in self._rewards(rows, activity).items():
            self.reward_terms[name][rows] = term

    def observe(self) -> NDArray[np.float32]:
        """Return the observations (n, 5)."""
        t = np.maximum(self.t, 0)
        values = np.empty((self.n, CHANNELS))
        late = self.cursor[np.maximum(t - self._vision_delay, 0), self._all]
        values[:, POSITION] = late + self.settings.noise.vision * self.trials.noise[self._all, t, :PLANE]
        values[:, TARGET] = self.trials.target_position
        values[:, CUE] = self._cue_seen()
        low, high = self.observation_space.low, self.observation_space.high
        observation: NDArray[np.float32] = np.clip(values, low, high).astype(np.float32)
        return observation

    def info(self) -> dict[str, Array]:
        """Return what an experimenter wants to know, free of delay and noise, with one row per cursor."""
        trials, t = self.trials, np.maximum(self.t, 0)
        return {
            "phase": trials.phase.copy(),
            "trial": trials.number.copy(),
            "schedule_done": trials.done.copy(),
            "target": trials.target.copy(),
            "target_position": trials.target_position.copy(),
            "go_time": trials.go_step * CONTROL_STEP,
            "catch": trials.catch.copy(),
            "cursor_position": self.cursor[t, self._all],
            "cursor_velocity": self.velocity[t, self._all],
        } | {name: term.copy() for name, term in self.reward_terms.items()}

    def _read_decoders(self, cursors: Indices) -> None:
        for i in cursors:
            decoder = self.trials.decoders[i]
            self._weights[i], self._decay[i] = decoder.matrix, decoder.decay
            self._constant[i] = decoder.constant

    def _cue_seen(self) -> NDArray[np.bool_]:
        seen: NDArray[np.bool_] = self.t >= self.trials.cue_step + self._cue_delay
        return seen

    def _rewards(self, rows: Indices, activity: Floats) -> dict[str, Floats]:
        """Return the terms of `task.rewards`, with the cursor for the hand and activity for the commands."""
        trials, t = self.trials, self.t[rows]
        target, cursor = trials.target_position[rows], self.cursor[t, rows]
        away = cursor - np.where(self._cue_seen()[rows, None], target, START)
        now, before, last = (self.velocity[np.maximum(t - delay, 0), rows] for delay in range(3))
        (along_x, along_y), (x, y) = (target - START).T, (cursor - START).T
        beside = np.abs(along_x * y - along_y * x)
        return reward_terms(
            self.settings.reward_weights,
            distance=np.sqrt((away**2).sum(axis=1)),
            reach=np.maximum(trials.reach[rows], SHORTEST_REACH),
            effort=(activity**2).mean(axis=1),
            bend=((now - 2.0 * before + last) ** 2).sum(axis=1),
            lateral=beside / np.maximum(trials.reach[rows], NO_REACH),
        )
