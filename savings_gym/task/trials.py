"""The current trials of n arms: start, target, go time, field and phase."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savings_gym.arm.model import Arm
from savings_gym.arrays import Floats, Indices
from savings_gym.perturbations.fields import Field, NullField
from savings_gym.perturbations.linear_fields import HandForces
from savings_gym.perturbations.trials import TrialPerturbations, forces_in_steps, resolve_perturbations
from savings_gym.perturbations.visual_maps import IDENTITY, VIEW
from savings_gym.task.draws import NO_TARGET, Draw, TrialSampler
from savings_gym.task.options import AS_DRAWN, TrialOptions, trial_options
from savings_gym.task.schedule import Phase, Schedule
from savings_gym.task.settings import CONTROL_STEP, TRIAL_STEPS, TaskSettings, whole_steps

REACH = 0.10  # m, distance of the centre-out targets from the start
NO_PHASE = -1  # index of the phase of a trial without a schedule
NO_GO = 10**6  # control step of the go signal in a catch trial


class Trials:
    """The trials that n arms are in, independently of each other.

    Trials are counted from 0, arm by arm or with `shared` over all arms together, and the count
    decides the phase. A trial counts as soon as a step was made in it: a reset before the first
    step draws the trial again.

    Args:
        n: Number of arms.
        arm: The arm.
        settings: The task.
        noise_sd: (channels,) standard deviations of the noise.
        shared: Count the trials of all arms together.

    Attributes:
        number: (n,) trials before this one; −1 before the first.
        phase: (n,) index of the trial's phase in the schedule; −1 without a schedule.
        phases: n phases, None without a schedule.
        done: (n,) whether the schedule has ended before the trial.
        target: (n,) index of the centre-out target, or `NO_TARGET`.
        start: (n, 2) hand position at the start [m].
        target_position: (n, 2) [m].
        go_step: (n,) control step of the go signal; in a catch trial, the one in which it is withheld.
        catch: (n,) whether there is no go signal.
        cue_step: (n,) `go_step`, and `NO_GO` in catch trials.
        fields: n fields.
        reach: (n,) distance from start to target [m].
        forces: The fields, as forces on the hands.
        views: (TRIAL_STEPS + 1, VIEW, n) where the hand is seen in every state, see `visual_maps.seen_hand`.
        displaced: (n,) whether that is not always where it is.
        cursor_scored: (n,) whether what is seen is scored, instead of the hand.
        noise: (n, TRIAL_STEPS + 1, channels) noise of sensors and actions.
    """

    def __init__(
        self, n: int, arm: Arm, settings: TaskSettings, noise_sd: Floats, shared: bool = False
    ) -> None:
        self._arm, self._settings, self._noise_sd = arm, settings, noise_sd
        self._shared, self._next = shared, np.zeros(n, dtype=np.int64)
        self._schedules = [settings.schedule] * n
        self._directions = np.array(settings.directions or ())
        self._samplers = [
            TrialSampler(arm.start, arm.joint_range, len(self._directions), settings.go_steps)
            for _ in range(n)
        ]
        self.n = n
        self.number = np.full(n, -1)
        self.phase = np.full(n, NO_PHASE)
        self.done = np.zeros(n, dtype=bool)
        self.phases: list[Phase | None] = [None] * n
        self._catch_draw = np.zeros(n)
        self._chosen = [AS_DRAWN] * n
        self.target = np.full(n, NO_TARGET)
        self.start, self.target_position = np.zeros((n, 2)), np.zeros((n, 2))
        self.go_step, self.cue_step = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        self.catch = np.zeros(n, dtype=bool)
        self.fields: list[Field] = [NullField()] * n
        self.reach, self.forces = np.zeros(n), HandForces(n)
        self._cue_delay = whole_steps("the delay of the cue", settings.delays.cue_delay)
        self.views = np.zeros((0, VIEW, n))  # of all states once a trial displaces the cursor
        self.displaced, self.cursor_scored = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        self.noise = np.zeros((n, TRIAL_STEPS + 1, len(noise_sd)))
        if arm.changes:
            start = arm.hand_position(arm.start)
            self._check_joints("arm", start + self._offsets(self._directions), " for its targets")

    def all_targets(self, arm: int) -> Floats:
        """Return the centre-out targets around an arm's start, (k, 2) m; none for random reaches."""
        return self.start[arm] + self._offsets(self._directions)

    @staticmethod
    def _offsets(directions: Floats) -> Floats:
        """Return the centre-out targets as seen from the start, (..., 2) m, in directions (...) [rad]."""
        return REACH * np.stack([np.cos(directions), np.sin(directions)], axis=-1)

    def restart(self, arms: Indices) -> None:
        """Restart the experiment of `arms`, as after a new seed: trial 0, a new block of targets."""
        self.number[arms] = -1
        if not self._shared or len(arms) == self.n:
            self._next[arms] = 0
        for i in arms:
            self._samplers[i].restart()

    def set_schedule(self, schedule: Schedule | None, waiting: Indices) -> None:
        """Follow another schedule from the next trial on, counting from 0.

        Args:
            schedule: The schedule, or None.
            waiting: Arms whose trial has begun, but without a step so far. They follow it at once: number,
                phase, field and catch are set again, and the rest of the trial stays.
        """
        if schedule is not None:
            schedule.check_targets(len(self._directions))
        self._schedules = [schedule] * self.n
        self._next[:] = 0
        self._count(waiting)
        for arms, chosen in self._by_options(waiting):
            self._set_catch(arms, chosen)
            self._set_fields(arms, chosen)

    def options(self, options: Mapping[str, Any] | None) -> TrialOptions:
        """Return the `options` of `reset`, checked. See `envs.ReachEnv`; lists have n values."""
        chosen = trial_options(options, self.n, len(self._directions))
        self._within_reach(chosen)
        return chosen

    def begin(
        self,
        arms: Indices,
        rngs: Sequence[np.random.Generator],
        performed: NDArray[np.bool_],
        chosen: TrialOptions,
    ) -> Floats:
        """Begin a trial of each of `arms`.

        Args:
            arms: (m,) which arms, ascending.
            rngs: m generators.
            performed: (m,) whether a step was made in the trial before.
            chosen: What not to draw, from `options`.

        Returns:
            (m, 2) joint angles at the start [rad].
        """
        new = performed | (self.number[arms] < 0)
        self._count(arms, new)
        draws = [
            self._samplers[i].draw(rng, self.noise[i], again, self._targets_of(i))
            for i, rng, again in zip(arms, rngs, ~new, strict=True)
        ]
        self.noise[_whole(arms, self.n)] *= self._noise_sd
        joints = np.stack([draw.start_joints for draw in draws])
        if chosen.start is not None:
            joints = self._arm.inverse_kinematics(chosen.start[arms])
        self.start[arms] = self._arm.hand_position(joints)
        self._set_targets(arms, draws, chosen)
        self.go_step[arms] = [draw.go_step for draw in draws]
        if chosen.go_step is not None:
            self.go_step[arms] = chosen.go_step[arms]
        self._catch_draw[arms] = [draw.catch for draw in draws]
        for i in arms:
            self._chosen[i] = chosen
        self._set_catch(arms, chosen)
        self._set_fields(arms, chosen)
        return joints

    def _by_options(self, arms: Indices) -> Iterator[tuple[Indices, TrialOptions]]:
        """Yield the options by which the trials of `arms` were chosen, and which of the arms."""
        together: dict[int, list[int]] = {}
        for i in arms:
            together.setdefault(id(self._chosen[i]), []).append(i)
        for members in together.values():
            yield np.array(members), self._chosen[members[0]]

    def _within_reach(self, chosen: TrialOptions) -> None:
        """Raise a ValueError if the arm cannot reach the chosen start and targets."""
        if chosen.target_position is not None:
            self._check_joints("option 'target'", chosen.target_position)
        if chosen.start is None:
            return
        if chosen.target_position is None and len(self._directions):
            angles = self._directions if chosen.target is None else self._directions[chosen.target][:, None]
            targets = chosen.start[:, None] + self._offsets(angles)
            self._check_joints("option 'start'", targets, " for its targets")
        self._check_joints("option 'start'", chosen.start)

    def _check_joints(self, name: str, positions: Floats, purpose: str = "") -> None:
        """Raise a ValueError if hand positions [m] need joint angles out of range."""
        joints = self._arm.inverse_kinematics(positions)
        low, high = self._arm.joint_range.T
        outside = ((joints < low) | (joints > high)).any(-1)
        if outside.any():
            raise ValueError(
                f"{name}: {positions[outside][0].tolist()} m needs{purpose} joint angles "
                f"{joints[outside][0].tolist()} rad outside the range {self._arm.joint_range.tolist()}"
            )

    def _count(self, arms: Indices, new: NDArray[np.bool_] | None = None) -> None:
        """Number the trials of `arms`, if `new`, and put them in their phases."""
        counted = arms if new is None else arms[new]
        if self._shared:
            self.number[counted] = self._next[0] + np.arange(len(counted))
            self._next += len(counted)
        else:
            self.number[counted] = self._next[counted]
            self._next[counted] += 1
        for i in counted:
            number, schedule = int(self.number[i]), self._schedules[i]
            if schedule is None:
                self.phase[i], self.phases[i], self.done[i] = NO_PHASE, None, False
            else:
                index = schedule.phase_index(number)
                self.phase[i], self.phases[i] = index, schedule.phases[index]
                self.done[i] = schedule.done(number)

    def _targets_of(self, arm: int) -> tuple[int, ...] | None:
        """Return the targets of the phase that an arm is in; None is all."""
        phase = self.phases[arm]
        return None if phase is None else phase.targets

    def _set_targets(self, arms: Indices, draws: list[Draw], chosen: TrialOptions) -> None:
        if chosen.target_position is not None:
            self.target[arms] = NO_TARGET
            self.target_position[arms] = chosen.target_position[arms]
        elif len(self._directions):
            indices = [draw.target for draw in draws] if chosen.target is None else chosen.target[arms]
            self.target[arms] = indices
            offsets = self._offsets(self._directions[self.target[arms]])
            self.target_position[arms] = self.start[arms] + offsets
        else:
            self.target[arms] = NO_TARGET
            self.target_position[arms] = self._arm.hand_position(np.stack([d.target_joints for d in draws]))
        self.reach[arms] = np.linalg.norm(self.target_position[arms] - self.start[arms], axis=1)

    def _set_catch(self, arms: Indices, chosen: TrialOptions) -> None:
        fraction = np.full(self.n, self._settings.catch_fraction)
        for i in arms:
            phase = self.phases[i]
            if phase is not None and phase.catch_fraction is not None:
                fraction[i] = phase.catch_fraction
        if chosen.catch_fraction is not None:
            fraction = chosen.catch_fraction
        self.catch[arms] = self._catch_draw[arms] < fraction[arms]
        if chosen.catch is not None:
            self.catch[arms] = chosen.catch[arms]
        self.cue_step[arms] = np.where(self.catch[arms], NO_GO, self.go_step[arms])

    def _set_fields(self, arms: Indices, chosen: TrialOptions) -> None:
        for i in arms:
            schedule = self._schedules[i]
            planned = self._settings.field if schedule is None else schedule.field_at(int(self.number[i]))
            self.fields[i] = planned if chosen.field is None else chosen.field[i]
        go = self.cue_step[arms]
        begins = np.stack([np.zeros_like(go), go, go + self._cue_delay])
        perturbations = resolve_perturbations(
            [self.fields[i] for i in arms], self.start[arms], self.target_position[arms], begins,
            TRIAL_STEPS, CONTROL_STEP,
        )  # fmt: skip
        self.forces.put(arms, *perturbations.lasting)
        if perturbations.timed:
            self.forces.put_by_step(arms, forces_in_steps(perturbations, begins))
        self._set_views(arms, perturbations)

    def _set_views(self, arms: Indices, perturbations: TrialPerturbations) -> None:
        """Set where the hands of `arms` are seen in their trials, and what is scored."""
        self.displaced[arms] = perturbations.views is not None
        self.cursor_scored[arms] = perturbations.cursor_scored
        if perturbations.views is not None:
            if not len(self.views):
                self.views = np.tile(np.array(IDENTITY)[:, None], (TRIAL_STEPS + 1, 1, self.n))
            self.views[:, :, arms] = perturbations.views.swapaxes(1, 2)
        elif len(self.views):
            self.views[:, :, arms] = np.array(IDENTITY)[:, None]


def _whole(arms: Indices, n: int) -> Indices | slice:
    """Return all of n arms as a slice, which is faster."""
    return slice(None) if len(arms) == n else arms
