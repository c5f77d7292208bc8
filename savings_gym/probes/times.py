"""When to probe: at the start and end of every phase, and at regular numbers of trials in between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from savings_gym.arrays import as_whole_number
from savings_gym.task.schedule import Phase, Schedule


@dataclass(frozen=True)
class DueProbe:
    """A probe that is due now.

    Attributes:
        phase: Phase in whose field to probe.
        update: Updates of the learner in the phase so far.
        trial: Trials of the phase so far.
        last: Whether the phase is over.
    """

    phase: Phase
    update: int
    trial: int
    last: bool


class ProbeTimes:
    """Counts trials and updates through a schedule, and reports the probes that are due.

    The weights of a learner may change between two calls of `due` but not during one: the last probe of a
    phase and the first probe of the next phase see the same weights.

    Args:
        schedule: The phases.
        probe_every: Trials between probes within a phase; a probe is due at every multiple, or at the first
            call after it.

    Attributes:
        schedule: The phases, those that were ended early with the trials they lasted.
        index: Index of the current phase.
        done: Whether the schedule is over.

    Raises:
        ValueError: If `probe_every` is not a whole number of at least 1.
    """

    def __init__(self, schedule: Schedule, probe_every: int) -> None:
        self.schedule, self.probe_every = schedule, as_whole_number("probe_every", probe_every, least=1)
        self.index = 0
        self.done = False
        self._first_update = 0  # of the phase
        self._last_probe = -1  # its trial in the phase; -1 before the first probe

    def due(self, trials: int, updates: int, stop: bool = False) -> Iterator[DueProbe]:
        """Yield the probes that are due.

        Args:
            trials: Finished trials since the start of the schedule.
            updates: Updates of the learner since then.
            stop: Whether training ends here: a phase that is cut short gets its last probe.

        Raises:
            RuntimeError: If a whole phase has passed since the last call.
        """
        while not self.done:
            phase, first = self.schedule.phases[self.index], self.schedule.boundaries[self.index]
            final = self.index == len(self.schedule.phases) - 1
            over = trials >= first + phase.trials
            trial = trials - first if final else min(trials - first, phase.trials)
            begins = self._last_probe < 0
            if begins and over:
                raise RuntimeError(
                    f"phase {phase.name!r} of {phase.trials} trials has passed without an update"
                )
            if begins or (trial > self._last_probe and (over or stop or self._multiple_passed(trial))):
                yield DueProbe(phase, updates - self._first_update, trial, over)
                self._last_probe = trial
                over = trials >= first + self.schedule.phases[self.index].trials  # `end_phase` shortens it
            if not over:
                return
            self.done = final
            if not final:
                self.index, self._first_update, self._last_probe = self.index + 1, updates, -1

    def end_phase(self, trial: int) -> None:
        """End the current phase early: from now on its number of trials is `trial`.

        To be called between two probes of `due`, which goes on with the next phase.

        Args:
            trial: Trials of the phase so far, those of the last probe.

        Raises:
            ValueError: Before the first trial, or after the planned end of the phase.
        """
        phases = list(self.schedule.phases)
        planned = phases[self.index]
        trial = as_whole_number(f"phase {planned.name!r}: trials", trial, 1, planned.trials)
        phases[self.index] = replace(planned, trials=trial)
        self.schedule = Schedule(tuple(phases))

    def _multiple_passed(self, trial: int) -> bool:
        return trial // self.probe_every > self._last_probe // self.probe_every
