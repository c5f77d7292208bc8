"""The current trials of n arms: where from, where to, when, in which field and phase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savings_gym.arm import Arm
from savings_gym.draws import NO_TARGET, Draw, TrialSampler
from savings_gym.fields import Field, NullField
from savings_gym.linear_fields import LinearFields, resolve_fields
from savings_gym.options import TrialOptions, trial_options
from savings_gym.schedule import Phase
from savings_gym.settings import TRIAL_STEPS, TaskSettings

FloatArray = NDArray[np.float64]
Rows = NDArray[np.intp]

REACH = 0.10  # m, distance of the centre-out targets from the start
NO_GO = 10**6  # control step of the go signal in a catch trial


class Trials:
    """The trials that n arms are in. Rows are independent of each other.

    Trials are counted row by row from 0, or with `shared` over all rows together, and the count
    decides the phase. A trial counts as soon as something was done in it: a reset of a trial that
    has not begun draws it anew.

    Args:
        n: Number of arms.
        arm: The arm.
        settings: The task.
        noise_sd: (channels,) standard deviations of the noise.
        shared: Count the trials of all rows together.

    Attributes:
        number: (n,) trials before this one; −1 before the first.
        target: (n,) index of the centre-out target, or `NO_TARGET`.
        start: (n, 2) hand position at the start, m.
        target_position: (n, 2) m.
        go_step: (n,) control step of the go signal; in a catch trial, of the one withheld.
        catch: (n,) whether there is no go signal.
        cue_step: (n,) `go_step`, and `NO_GO` in catch trials.
        fields: n fields.
        always: The fields' parts that act during the whole trial.
        after_go: The parts that act from go on.
        noise: (TRIAL_STEPS + 1, n, channels).
    """

    def __init__(
        self, n: int, arm: Arm, settings: TaskSettings, noise_sd: FloatArray, shared: bool = False
    ) -> None:
        self._arm, self._settings, self._noise_sd = arm, settings, noise_sd
        self._shared, self._next = shared, 0
        self._directions = np.array(settings.directions or ())
        self._samplers = [
            TrialSampler(arm.start, arm.joint_range, len(self._directions), settings.go_steps, len(noise_sd))
            for _ in range(n)
        ]
        self.n = n
        self.number = np.full(n, -1)
        self.target = np.full(n, NO_TARGET)
        self.start, self.target_position = np.zeros((n, 2)), np.zeros((n, 2))
        self.go_step, self.cue_step = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        self.catch = np.zeros(n, dtype=bool)
        self.fields: list[Field] = [NullField()] * n
        self.always, self.after_go = LinearFields.zeros(n), LinearFields.zeros(n)
        self.always_on, self.after_go_on = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        self.noise = np.zeros((TRIAL_STEPS + 1, n, len(noise_sd)))

    def phase(self, row: int) -> Phase | None:
        """Phase of the row's trial; None without a schedule."""
        schedule = self._settings.schedule
        return None if schedule is None else schedule.phase_at(int(self.number[row]))

    def done(self, row: int) -> bool:
        """Whether the schedule has ended before the row's trial."""
        schedule = self._settings.schedule
        return schedule is not None and schedule.done(int(self.number[row]))

    def all_targets(self, row: int) -> FloatArray:
        """(k, 2) centre-out targets around the row's start, m; none for random reaches."""
        offsets = np.stack([np.cos(self._directions), np.sin(self._directions)], axis=-1)
        return self.start[row] + REACH * offsets

    def restart(self, rows: Rows) -> None:
        """Begin the experiment of `rows` anew, as after a new seed: trial 0, a new block."""
        self.number[rows] = -1
        if len(rows) == self.n:
            self._next = 0
        for row in rows:
            self._samplers[row].restart()

    def begin(
        self,
        rows: Rows,
        rngs: Sequence[np.random.Generator],
        performed: NDArray[np.bool_],
        options: Mapping[str, Any] | None = None,
    ) -> FloatArray:
        """Begin a trial in `rows` (m,).

        Args:
            rows: Rows, ascending.
            rngs: m generators.
            performed: (m,) whether something was done in the trial before.
            options: See `envs.ReachEnv`; lists have n values.

        Returns:
            (m, 2) joint angles at the start, rad.
        """
        chosen = trial_options(options, self.n, len(self._directions))
        chosen_joints = self._within_reach(chosen)
        draws = [self._samplers[row].draw(rng) for row, rng in zip(rows, rngs, strict=True)]
        self._count(rows, performed)
        phases = [self.phase(row) for row in rows]

        joints = np.stack([draw.start_joints for draw in draws])
        if chosen_joints is not None:
            joints = chosen_joints[rows]
        self.start[rows] = self._arm.hand_position(joints)
        self._set_targets(rows, draws, chosen)
        self._set_go(rows, draws, phases, chosen)
        self._set_fields(rows, phases, chosen)
        self.noise[:, rows] = np.stack([draw.noise for draw in draws], axis=1) * self._noise_sd
        return joints

    def _within_reach(self, chosen: TrialOptions) -> FloatArray | None:
        """Joint angles of the chosen start, rad, if any; a ValueError if the arm cannot be there."""
        if chosen.target_position is not None:
            self._joints("target", chosen.target_position)
        if chosen.start is None:
            return None
        if chosen.target_position is None and len(self._directions):
            angles = self._directions if chosen.target is None else self._directions[chosen.target][:, None]
            around = REACH * np.stack([np.cos(angles), np.sin(angles)], -1)
            self._joints("start", chosen.start[:, None] + around, " for its targets")
        return self._joints("start", chosen.start)

    def _joints(self, option: str, positions: FloatArray, what: str = "") -> FloatArray:
        """Joint angles, rad, of hand positions, m; a ValueError where there are none in range."""
        joints = self._arm.inverse_kinematics(positions)
        low, high = self._arm.joint_range.T
        outside = ((joints < low) | (joints > high)).any(-1)
        if outside.any():
            raise ValueError(
                f"option {option!r}: {positions[outside][0].tolist()} m needs{what} joint angles "
                f"{joints[outside][0].tolist()} rad outside the range {self._arm.joint_range.tolist()}"
            )
        return joints

    def _count(self, rows: Rows, performed: NDArray[np.bool_]) -> None:
        new = rows[performed | (self.number[rows] < 0)]
        if self._shared:
            self.number[new] = self._next + np.arange(len(new))
            self._next += len(new)
        else:
            self.number[new] += 1

    def _set_targets(self, rows: Rows, draws: list[Draw], chosen: TrialOptions) -> None:
        if chosen.target_position is not None:
            self.target[rows] = NO_TARGET
            self.target_position[rows] = chosen.target_position[rows]
        elif len(self._directions):
            indices = [draw.target for draw in draws] if chosen.target is None else chosen.target[rows]
            self.target[rows] = indices
            angle = self._directions[self.target[rows]]
            self.target_position[rows] = self.start[rows] + REACH * np.stack(
                [np.cos(angle), np.sin(angle)], -1
            )
        else:
            self.target[rows] = NO_TARGET
            self.target_position[rows] = self._arm.hand_position(np.stack([d.target_joints for d in draws]))

    def _set_go(
        self, rows: Rows, draws: list[Draw], phases: list[Phase | None], chosen: TrialOptions
    ) -> None:
        share = np.full(self.n, self._settings.catch_fraction)
        for row, phase in zip(rows, phases, strict=True):
            if phase is not None and phase.catch_fraction is not None:
                share[row] = phase.catch_fraction
        if chosen.catch_fraction is not None:
            share = chosen.catch_fraction
        self.catch[rows] = np.array([draw.catch for draw in draws]) < share[rows]
        self.go_step[rows] = [draw.go_step for draw in draws]
        if chosen.go_step is not None:
            self.go_step[rows] = chosen.go_step[rows]
        if chosen.catch is not None:
            self.catch[rows] = chosen.catch[rows]
        self.cue_step[rows] = np.where(self.catch[rows], NO_GO, self.go_step[rows])

    def _set_fields(self, rows: Rows, phases: list[Phase | None], chosen: TrialOptions) -> None:
        for row, phase in zip(rows, phases, strict=True):
            planned = self._settings.field if phase is None else phase.field
            self.fields[row] = planned if chosen.field is None else chosen.field[row]
        always, after_go = resolve_fields(
            [self.fields[row] for row in rows], self.start[rows], self.target_position[rows]
        )
        self.always.put(rows, always)
        self.after_go.put(rows, after_go)
        self.always_on[rows], self.after_go_on[rows] = always.active, after_go.active
