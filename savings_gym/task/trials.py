"""The current trials of n arms: start, target, go time, field and phase; and what cursors share with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

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


class TrialSettings(Protocol):
    """What the settings of an arm and of a cursor have in common here."""

    @property
    def schedule(self) -> Schedule | None:
        """Phases by trial number, or None."""

    @property
    def directions(self) -> tuple[float, ...] | None:
        """Of the centre-out targets [rad]; None for random reaches."""

    @property
    def go_steps(self) -> tuple[int, int]:
        """First and last control step at which go may come."""

    @property
    def catch_fraction(self) -> float:
        """Probability of a trial without go."""


class ScheduledTrials:
    """The trials that n arms or cursors are in, independently of each other.

    Trials are counted from 0, row by row or with `shared` over all rows together, and the count decides the
    phase. A trial counts as soon as a step was made in it: a reset before the first step draws the trial
    again. A subclass begins the trials, by `_draw` and `_aim`, and sets what perturbs them in `_perturb`.

    Args:
        n: Number of rows, arms or cursors.
        settings: The task.
        start_joints: (2,) joint angles at the centre-out start [rad]; anything for a cursor.
        joint_range: (2, 2) lowest and highest angle of each joint [rad]; anything for a cursor.
        channels: Numbers of noise per control step.
        shared: Count the trials of all rows together.

    Attributes:
        number: (n,) trials before this one; −1 before the first.
        phase: (n,) index of the trial's phase in the schedule; −1 without a schedule.
        phases: n phases, None without a schedule.
        done: (n,) whether the schedule has ended before the trial.
        start: (n, 2) position of hand or cursor at the start [m].
        target: (n,) index of the centre-out target, or `NO_TARGET`.
        target_position: (n, 2) [m].
        go_step: (n,) control step of the go signal; in a catch trial, the one in which it is withheld.
        catch: (n,) whether there is no go signal.
        cue_step: (n,) `go_step`, and `NO_GO` in catch trials.
        reach: (n,) distance from start to target [m].
        noise: (n, TRIAL_STEPS + 1, channels) noise of sensors and actions.
    """

    def __init__(
        self,
        n: int,
        settings: TrialSettings,
        start_joints: Floats,
        joint_range: Floats,
        channels: int,
        shared: bool = False,
    ) -> None:
        self.n, self._shared, self._next = n, shared, np.zeros(n, dtype=np.int64)
        self._settings = settings
        self._schedules = [settings.schedule] * n
        self._directions = np.array(settings.directions or ())
        self._samplers = [
            TrialSampler(start_joints, joint_range, len(self._directions), settings.go_steps)
            for _ in range(n)
        ]
        self.number, self.phase = np.full(n, -1), np.full(n, NO_PHASE)
        self.phases: list[Phase | None] = [None] * n
        self.done, self.catch = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        self._catch_draw = np.zeros(n)
        self._chosen: list[Any] = [AS_DRAWN] * n
        self.start = np.zeros((n, 2))
        self.target, self.target_position = np.full(n, NO_TARGET), np.zeros((n, 2))
        self.go_step, self.cue_step = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        self.reach = np.zeros(n)
        self.noise = np.zeros((n, TRIAL_STEPS + 1, channels))

    def restart(self, rows: Indices) -> None:
        """Restart the experiment of `rows`, as after a new seed: trial 0, a new block of targets."""
        self.number[rows] = -1
        if not self._shared or len(rows) == self.n:
            self._next[rows] = 0
        for i in rows:
            self._samplers[i].restart()

    def set_schedule(
        self,
        schedule: Schedule | None,
        waiting: Indices,
        rngs: Sequence[np.random.Generator],
        restart: bool = True,
    ) -> None:
        """Follow another schedule from the next trial on.

        Args:
            schedule: The schedule, or None.
            waiting: (m,) rows whose trial has begun, but without a step so far. They follow it at once:
                number, phase, perturbation and catch are set again, a target that the phase excludes is drawn
                again, unless the options of the trial chose it, and the rest of the trial stays. A target
                that the phase allows is not part of the phase's blocks, which begin with the next trial.
            rngs: m generators, from which targets are drawn again.
            restart: Count trials from 0. Otherwise the count goes on, and so do trials that have begun.
        """
        if schedule is not None:
            schedule.check_targets(len(self._directions))
        self._schedules = [schedule] * self.n
        if not restart:
            return
        self._next[:] = 0
        self._count(waiting)
        self._redraw_excluded(waiting, rngs)
        for rows, chosen in self._by_options(waiting):
            self._set_catch(rows, chosen)
            self._perturb(rows, chosen)

    def _draw(
        self,
        rows: Indices,
        rngs: Sequence[np.random.Generator],
        performed: NDArray[np.bool_],
        chosen: TrialOptions,
    ) -> list[Draw]:
        """Count and draw a trial of each of `rows`, and set when it has its go signal.

        Args:
            rows: (m,) which, ascending.
            rngs: m generators.
            performed: (m,) whether a step was made in the trial before.
            chosen: What not to draw.
        """
        new = performed | (self.number[rows] < 0)
        self._count(rows[new])
        draws = [
            self._samplers[i].draw(rng, self.noise[i], again, self._targets_of(i))
            for i, rng, again in zip(rows, rngs, ~new, strict=True)
        ]
        self.go_step[rows] = [draw.go_step for draw in draws]
        if chosen.go_step is not None:
            self.go_step[rows] = chosen.go_step[rows]
        self._catch_draw[rows] = [draw.catch for draw in draws]
        for i in rows:
            self._chosen[i] = chosen
        self._set_catch(rows, chosen)
        return draws

    def _aim(
        self, rows: Indices, targets: int | Sequence[int] | Indices, positions: Floats | None = None
    ) -> None:
        """Set the targets of the trials of `rows`.

        Args:
            rows: (m,) which.
            targets: Indices of m centre-out targets, or `NO_TARGET`.
            positions: (m, 2) [m]; None is where the centre-out targets are.
        """
        self.target[rows] = targets
        self.target_position[rows] = self._centre_out(rows) if positions is None else positions
        self.reach[rows] = np.linalg.norm(self.target_position[rows] - self.start[rows], axis=1)

    def _centre_out(self, rows: Indices) -> Floats:
        """Return where the centre-out targets of the trials of `rows` are, (m, 2) [m]."""
        raise NotImplementedError

    def _perturb(self, rows: Indices, chosen: Any) -> None:
        """Set what perturbs the trials of `rows`: the phase's, unless the options chose another."""
        raise NotImplementedError

    def _redraw_excluded(self, rows: Indices, rngs: Sequence[np.random.Generator]) -> None:
        """Draw the targets of the trials of `rows` again if they are not among those of the phase."""
        for i, rng in zip(rows, rngs, strict=True):
            chosen, targets = self._chosen[i], self._targets_of(i)
            drawn = chosen.target is None and chosen.target_position is None
            if drawn and targets is not None and self.target[i] not in targets:
                self._aim(np.array([i]), [self._samplers[i].draw_target(rng, targets=targets)])

    def _by_options(self, rows: Indices) -> Iterator[tuple[Indices, Any]]:
        """Yield the options by which the trials of `rows` were chosen, and which of the rows."""
        together: dict[int, list[int]] = {}
        for i in rows:
            together.setdefault(id(self._chosen[i]), []).append(i)
        for members in together.values():
            yield np.array(members), self._chosen[members[0]]

    def _count(self, rows: Indices) -> None:
        """Number new trials of `rows`, and put them in their phases."""
        if self._shared:
            self.number[rows] = self._next[0] + np.arange(len(rows))
            self._next += len(rows)
        else:
            self.number[rows] = self._next[rows]
            self._next[rows] += 1
        for i in rows:
            number, schedule = int(self.number[i]), self._schedules[i]
            if schedule is None:
                self.phase[i], self.phases[i], self.done[i] = NO_PHASE, None, False
            else:
                index = schedule.phase_index(number)
                self.phase[i], self.phases[i] = index, schedule.phases[index]
                self.done[i] = schedule.done(number)

    def _targets_of(self, row: int) -> tuple[int, ...] | None:
        """Return the targets of the phase that a row is in; None is all."""
        phase = self.phases[row]
        return None if phase is None else phase.targets

    def _set_catch(self, rows: Indices, chosen: TrialOptions) -> None:
        fraction = np.full(self.n, self._settings.catch_fraction)
        for i in rows:
            phase = self.phases[i]
            if phase is not None and phase.catch_fraction is not None:
                fraction[i] = phase.catch_fraction
        if chosen.catch_fraction is not None:
            fraction = chosen.catch_fraction
        self.catch[rows] = self._catch_draw[rows] < fraction[rows]
        if chosen.catch is not None:
            self.catch[rows] = chosen.catch[rows]
        self.cue_step[rows] = np.where(self.catch[rows], NO_GO, self.go_step[rows])


class Trials(ScheduledTrials):
    """The trials that n arms are in, independently of each other; see `ScheduledTrials` for how they count.

    Args:
        n: Number of arms.
        arm: The arm.
        settings: The task.
        noise_sd: (channels,) standard deviations of the noise.
        shared: Count the trials of all arms together.

    Attributes:
        fields: n fields.
        forces: The fields, as forces on the hands.
        views: (TRIAL_STEPS + 1, VIEW, n) where the hand is seen in every state, see `visual_maps.seen_hand`.
        displaced: (n,) whether that is not always where it is.
        cursor_scored: (n,) whether what is seen is scored, instead of the hand.
    """

    _settings: TaskSettings

    def __init__(
        self, n: int, arm: Arm, settings: TaskSettings, noise_sd: Floats, shared: bool = False
    ) -> None:
        super().__init__(n, settings, arm.start, arm.joint_range, len(noise_sd), shared)
        self._arm, self._noise_sd = arm, noise_sd
        self.fields: list[Field] = [NullField()] * n
        self.forces = HandForces(n)
        self._cue_delay = whole_steps("the delay of the cue", settings.delays.cue_delay)
        self.views = np.zeros((0, VIEW, n))  # of all states once a trial displaces the cursor
        self.displaced, self.cursor_scored = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        if arm.changes:
            self._check_joints("arm", arm.hand_position(arm.start) + self._offsets(self._directions))

    def all_targets(self, arm: int) -> Floats:
        """Return the centre-out targets around an arm's start, (k, 2) m; none for random reaches."""
        return self.start[arm] + self._offsets(self._directions)

    @staticmethod
    def _offsets(directions: Floats) -> Floats:
        """Return the centre-out targets as seen from the start, (..., 2) m, in directions (...) [rad]."""
        return REACH * np.stack([np.cos(directions), np.sin(directions)], axis=-1)

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
        draws = self._draw(arms, rngs, performed, chosen)
        self.noise[_whole(arms, self.n)] *= self._noise_sd
        joints = np.stack([draw.start_joints for draw in draws])
        if chosen.start is not None:
            joints = self._arm.inverse_kinematics(chosen.start[arms])
        self.start[arms] = self._arm.hand_position(joints)
        self._set_targets(arms, draws, chosen)
        self._perturb(arms, chosen)
        return joints

    def _within_reach(self, chosen: TrialOptions) -> None:
        """Raise a ValueError if the arm cannot reach the chosen start and targets."""
        if chosen.start is not None:
            self._check_joints("option 'start'", chosen.start)
        if chosen.target_position is not None:
            self._check_joints("option 'target'", chosen.target_position)
        elif chosen.start is not None and len(self._directions):
            angles = self._directions if chosen.target is None else self._directions[chosen.target][:, None]
            targets = chosen.start[:, None] + self._offsets(angles)
            try:
                self._check_joints("option 'start'", targets)
            except ValueError:  # whose targets they are
                for start, own in zip(chosen.start.tolist(), targets, strict=True):
                    self._check_joints(
                        f"option 'start': {start} m has a target that the arm cannot reach", own
                    )

    def _check_joints(self, name: str, positions: Floats) -> None:
        """Raise a ValueError if hand positions [m] are out of reach, or need joint angles out of range."""
        try:
            joints = self._arm.inverse_kinematics(positions)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        low, high = self._arm.joint_range.T
        outside = ((joints < low) | (joints > high)).any(-1)
        if outside.any():
            raise ValueError(
                f"{name}: {_rounded(positions[outside][0])} m needs joint angles "
                f"{_rounded(joints[outside][0])} rad outside the range {_rounded(self._arm.joint_range)}"
            )

    def _set_targets(self, arms: Indices, draws: list[Draw], chosen: TrialOptions) -> None:
        if chosen.target_position is not None:
            self._aim(arms, NO_TARGET, chosen.target_position[arms])
        elif len(self._directions):
            self._aim(arms, [draw.target for draw in draws] if chosen.target is None else chosen.target[arms])
        else:
            joints = np.stack([draw.target_joints for draw in draws])
            self._aim(arms, NO_TARGET, self._arm.hand_position(joints))

    def _centre_out(self, rows: Indices) -> Floats:
        return self.start[rows] + self._offsets(self._directions[self.target[rows]])

    def _perturb(self, arms: Indices, chosen: TrialOptions) -> None:
        """Set the fields of the trials of `arms`, and what they do to hands and cursors."""
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


def _rounded(values: Floats) -> list[Any]:
    """Return positions or angles for a message."""
    shown: list[Any] = (np.round(values, 4) + 0.0).tolist()  # without −0.0
    return shown
