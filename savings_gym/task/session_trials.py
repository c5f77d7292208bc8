"""The current trials of n arms that go through sessions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from savings_gym.arm.model import Arm
from savings_gym.arrays import Array, Floats, Indices
from savings_gym.task.options import TrialOptions
from savings_gym.task.session import Session
from savings_gym.task.settings import TaskSettings
from savings_gym.task.trials import Trials


class SessionTrials(Trials):
    """The trials that n arms are in, and the sessions that they belong to, independently of each other.

    `begin` draws a session from the arm's generator, see `Session.draw`, then its first trial; `go_on` draws
    the next trial. Every session counts its trials from 0 and begins with a new block of targets. Its trials
    are those of `Trials` with its schedule and the same generator. The options of `begin` hold for all trials
    of a session. A session counts as soon as a step was made in it.

    Args:
        n: Number of arms.
        arm: The arm.
        settings: The task, of which field and schedule are not used.
        noise_sd: (channels,) standard deviations of the noise.
        session: What is drawn.

    Attributes:
        session: What is drawn.
        session_number: (n,) sessions before this one; −1 before the first.
        pair: (n,) index of the session's pair of fields.
        last: (n,) number of the session's last trial.
        phase_trial: (n,) number of the trial in its block.
    """

    def __init__(self, n: int, arm: Arm, settings: TaskSettings, noise_sd: Floats, session: Session) -> None:
        super().__init__(n, arm, settings, noise_sd)
        self.session = session
        self.session_number = np.full(n, -1)
        self.pair, self.last, self.phase_trial = (np.zeros(n, dtype=np.int64) for _ in range(3))
        self._block_field = np.array([block.field_index for block in session.blocks])

    def restart(self, arms: Indices) -> None:
        """Restart the experiment of `arms`, as after a new seed: session 0, trial 0."""
        super().restart(arms)
        self.session_number[arms] = -1

    def begin(
        self,
        arms: Indices,
        rngs: Sequence[np.random.Generator],
        performed: NDArray[np.bool_],
        chosen: TrialOptions,
    ) -> Floats:
        """Begin a session of each of `arms`, with its first trial; see `Trials.begin`."""
        counted = performed | (self.number[arms] > 0) | (self.session_number[arms] < 0)
        super().restart(arms)
        self.session_number[arms] += counted
        for i, rng in zip(arms, rngs, strict=True):
            self.pair[i], schedule = self.session.draw(rng)
            self._schedules[i], self.last[i] = schedule, schedule.trials - 1
        return self._placed(arms, super().begin(arms, rngs, performed, chosen))

    def go_on(self, arms: Indices, rngs: Sequence[np.random.Generator]) -> Floats:
        """Begin the next trial of each of `arms` in its session; arguments and result as of `begin`."""
        joints, of_arm = np.zeros((len(arms), 2)), dict(zip(arms.tolist(), rngs, strict=True))
        for together, chosen in self._by_options(arms):
            performed = np.ones(len(together), dtype=bool)
            begun = super().begin(together, [of_arm[i] for i in together.tolist()], performed, chosen)
            joints[np.isin(arms, together)] = begun
        return self._placed(arms, joints)

    def info(self) -> dict[str, Array]:
        """Return what an experimenter wants to know of the sessions, (n,) each."""
        return {
            "session": self.session_number.copy(),
            "pair": self.pair.copy(),
            "field": self._block_field[self.phase],
            "phase_trial": self.phase_trial.copy(),
        }

    def _placed(self, arms: Indices, joints: Floats) -> Floats:
        """Number the trials of `arms` in their blocks, and return their joint angles."""
        for i in arms:
            schedule = self._schedules[i]
            assert schedule is not None
            self.phase_trial[i] = self.number[i] - schedule.boundaries[self.phase[i]]
        return joints
