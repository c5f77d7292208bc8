"""The current trials of n cursors: target, go time, decoder and phase."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from savings_gym.arrays import Floats, Indices
from savings_gym.bci.decoder import Decoder
from savings_gym.bci.schedule import decoder_of
from savings_gym.bci.settings import CursorOptions, CursorSettings
from savings_gym.task.draws import NO_TARGET, TrialSampler
from savings_gym.task.schedule import Phase
from savings_gym.task.settings import TRIAL_STEPS
from savings_gym.task.trials import NO_GO, NO_PHASE, REACH

START = (0.0, 0.0)  # m, where every trial begins: the middle of the screen


class CursorTrials:
    """The trials that n cursors are in, independently of each other.

    They are drawn and counted as those of the arm, see `task.draws` and `task.trials.Trials`: a trial counts
    as soon as a step was made in it.

    Args:
        n: Number of cursors.
        settings: The task.
        shared: Count the trials of all cursors together.

    Attributes:
        number: (n,) trials before this one; −1 before the first.
        phase: (n,) index of the trial's phase in the schedule; −1 without a schedule.
        phases: n phases, None without a schedule.
        done: (n,) whether the schedule has ended before the trial.
        target: (n,) index of the target, or `NO_TARGET`.
        target_position: (n, 2) [m].
        go_step: (n,) control step of the go signal; in a catch trial, the one in which it is withheld.
        catch: (n,) whether there is no go signal.
        cue_step: (n,) `go_step`, and `NO_GO` in catch trials.
        decoders: n decoders.
        reach: (n,) distance from start to target [m].
        noise: (n, TRIAL_STEPS + 1, 2 + units) standard normal numbers, for the eye and for the units.
    """

    def __init__(self, n: int, settings: CursorSettings, shared: bool = False) -> None:
        self.n, self._settings, self._shared = n, settings, shared
        self._next = np.zeros(n, dtype=np.int64)
        angles = np.array(settings.directions)
        self.all_targets = START + REACH * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        origin, no_joints = np.zeros(2), np.zeros((2, 2))  # a cursor has no joint angles to draw
        self._samplers = [TrialSampler(origin, no_joints, len(angles), settings.go_steps) for _ in range(n)]
        self.number, self.phase = np.full(n, -1), np.full(n, NO_PHASE)
        self.done, self.catch = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        self.phases: list[Phase | None] = [None] * n
        self.target, self.target_position = np.full(n, NO_TARGET), np.zeros((n, 2))
        self.go_step, self.cue_step = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        self.decoders: list[Decoder] = [settings.decoder] * n
        self.reach = np.zeros(n)
        self.noise = np.zeros((n, TRIAL_STEPS + 1, 2 + settings.units))

    def restart(self, cursors: Indices) -> None:
        """Restart the experiment of `cursors`, as after a new seed: trial 0, a new block of targets."""
        self.number[cursors] = -1
        if not self._shared or len(cursors) == self.n:
            self._next[cursors] = 0
        for i in cursors:
            self._samplers[i].restart()

    def begin(
        self,
        cursors: Indices,
        rngs: Sequence[np.random.Generator],
        performed: NDArray[np.bool_],
        chosen: CursorOptions,
    ) -> None:
        """Begin a trial of each of `cursors`.

        Args:
            cursors: (m,) which, ascending.
            rngs: m generators.
            performed: (m,) whether a step was made in the trial before.
            chosen: What not to draw.
        """
        new = performed | (self.number[cursors] < 0)
        trial = chosen.trial
        self._count(cursors[new])
        for i, rng, again in zip(cursors, rngs, ~new, strict=True):
            draw = self._samplers[i].draw(rng, self.noise[i], bool(again))
            self.target[i] = draw.target if trial.target is None else trial.target[i]
            self.go_step[i] = draw.go_step if trial.go_step is None else trial.go_step[i]
            self.catch[i] = draw.catch < self._catch_fraction(int(i), trial.catch_fraction)
            if trial.catch is not None:
                self.catch[i] = trial.catch[i]
            phase = self.phases[i]
            planned = self._settings.decoder if phase is None else decoder_of(phase)
            self.decoders[i] = planned if chosen.decoders is None else chosen.decoders[i]
        self.target_position[cursors] = self.all_targets[self.target[cursors]]
        if trial.target_position is not None:
            self.target[cursors] = NO_TARGET
            self.target_position[cursors] = trial.target_position[cursors]
        self.reach[cursors] = np.linalg.norm(self.target_position[cursors] - START, axis=1)
        self.cue_step[cursors] = np.where(self.catch[cursors], NO_GO, self.go_step[cursors])

    def _count(self, cursors: Indices) -> None:
        """Number the new trials of `cursors`, and put them in their phases."""
        if self._shared:
            self.number[cursors] = self._next[0] + np.arange(len(cursors))
            self._next += len(cursors)
        else:
            self.number[cursors] = self._next[cursors]
            self._next[cursors] += 1
        schedule = self._settings.schedule
        if schedule is None:
            return
        for i in cursors:
            number = int(self.number[i])
            self.phase[i] = schedule.phase_index(number)
            self.phases[i], self.done[i] = schedule.phases[self.phase[i]], schedule.done(number)

    def _catch_fraction(self, cursor: int, chosen: Floats | None) -> float:
        if chosen is not None:
            return float(chosen[cursor])
        phase = self.phases[cursor]
        if phase is not None and phase.catch_fraction is not None:
            return phase.catch_fraction
        return self._settings.catch_fraction
