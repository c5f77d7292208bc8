"""The game: short phases of centre-out reaches, played by anyone who moves a mouse.

A person and a script play the same game: a `Player` says where the mouse is, control step by control step,
and the hand follows. The target is shown for 0.25 s before go; no trial is a catch trial. Every target comes
once in each round of trials. Rounds take the place of probes, since a person cannot be kept from learning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from savings_gym.arrays import Columns, Floats, as_whole_number
from savings_gym.envs.single import ReachEnv
from savings_gym.metrics.kinematics import SETTLED
from savings_gym.play.hand import MouseHand
from savings_gym.play.record import Score
from savings_gym.probes.record_trials import RecordTrials
from savings_gym.task.reach import ReachingArms
from savings_gym.task.schedule import Phase, Schedule

GO_TIME = SETTLED  # s; the line of a reach begins where the hand is then


class Stopped(Exception):  # noqa: N818, a player's wish is no error
    """Raised by a player who has had enough."""


class Player(Protocol):
    """Whoever moves the mouse."""

    def begin(self, game: Game) -> None:
        """Look at a new trial: the hand rests at the start, and the target is shown."""

    def point(self, game: Game) -> Floats:
        """Return where the mouse is during the next control step, (2,) m in the plane of the arm."""

    def end(self, game: Game) -> None:
        """Look at a finished trial."""

    def show(self, result: Score) -> None:
        """Look at the score of the game."""


class Game:
    """Trials of a schedule, one after the other, in which the hand follows a mouse.

    Args:
        schedule: Phases, each of whole rounds.
        targets: Number of centre-out targets, which is that of the trials in a round.
        actuation: ``"muscle"``, ``"motor"`` or ``"torque"``.
        seed: Of the order of targets.

    Attributes:
        task: The arm and the trial that it is in, see `ReachingArms`.
        schedule: The phases.
        targets: Trials in a round.

    Raises:
        ValueError: If a phase does not consist of whole rounds, or an argument is bad.
    """

    def __init__(
        self, schedule: Schedule, targets: int = 4, actuation: str = "muscle", seed: int = 0
    ) -> None:
        env = ReachEnv(
            schedule=schedule, targets=targets, actuation=actuation, go_time=GO_TIME, catch_fraction=0.0,
            noise=False, delays=None,
        )  # fmt: skip
        for phase in schedule.phases:
            if phase.trials % targets:
                raise ValueError(
                    f"phase {phase.name} of {phase.trials} trials must consist of whole rounds of {targets}"
                )
        self.schedule, self.targets = schedule, targets
        self.task: ReachingArms = env.task
        self._env, self._seed = RecordTrials(env), as_whole_number("seed", seed)

    @property
    def trial(self) -> int:
        """Number of the current trial, from 0; -1 before the first."""
        return int(self.task.trials.number[0])

    @property
    def phase(self) -> Phase:
        """Phase of the current trial."""
        return self.schedule.phase_at(self.trial)

    @property
    def start(self) -> Floats:
        """Hand position at the start of the current trial, (2,) [m]."""
        return self.task.trials.start[0]

    @property
    def target(self) -> Floats:
        """Target of the current trial, (2,) [m]."""
        return self.task.trials.target_position[0]

    @property
    def step_number(self) -> int:
        """Control steps made in the current trial."""
        return int(self.task.t[0])

    @property
    def steps_since_go(self) -> int:
        """Control steps since go; negative before it."""
        return self.step_number - int(self.task.trials.cue_step[0])

    @property
    def path(self) -> Floats:
        """Hand path of the current trial so far, (steps + 1, 2) [m]."""
        return self.task.hand[: self.step_number + 1, 0]

    def table(self) -> Columns:
        """Return the finished rounds as a probe table, one row per trial; see `RecordTrials`.

        Raises:
            ValueError: If no round is finished yet.
        """
        table = self._env.table() if self._env.trials() >= self.targets else {}
        if not table:
            raise ValueError("no round of trials is finished yet")
        names, counts = np.unique(table["phase"], return_counts=True)
        whole = {name: count - count % self.targets for name, count in zip(names, counts, strict=True)}
        first = {name: int(np.argmax(table["phase"] == name)) for name in names}
        rows = np.concatenate(
            [first[name] + np.arange(whole[name]) for name in self.schedule.names if name in whole]
        )
        return {name: column[rows] for name, column in table.items()}

    def measure(self, name: str) -> float:
        """Return a measure of the trial that was finished last, one of the table's columns."""
        return float(self._env.table()[name][-1])

    def play(self, player: Player, after_phase: Callable[[], Any] = lambda: None) -> bool:
        """Play all trials that are left.

        Args:
            player: Moves the mouse.
            after_phase: Called whenever a phase has ended.

        Returns:
            Whether the schedule was played to its end; False if the player, or Ctrl-C, stopped it.
        """
        try:
            while self._env.trials() < self.schedule.trials:
                self._env.reset(seed=self._seed if self.trial < 0 else None)
                player.begin(self)
                self._move(player, MouseHand(self.task.arm, self.start))
                player.end(self)
                if self._env.trials() in self.schedule.boundaries:
                    after_phase()
        except (Stopped, KeyboardInterrupt):
            return False
        return True

    def _move(self, player: Player, hand: MouseHand) -> None:
        """Make all control steps of the current trial."""
        task, over = self.task, False
        while not over:
            action = hand.action(task.qpos[0], task.qvel[0], task.act[0], player.point(self))
            *_, over, _ = self._env.step(action)
