"""When to probe: at the beginning and the end of every phase, and every so many trials in between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from savings_gym.task.schedule import Phase, Schedule


@dataclass(frozen=True)
class Due:
    """A probe to make now.

    Attributes:
        phase: In its field.
        update: Updates of the learner in the phase so far.
        trial: Trials of the phase so far.
        last: Whether the phase is over.
    """

    phase: Phase
    update: int
    trial: int
    last: bool


class ProbeTimes:
    """Says which probes are due after so many trials and updates.

    The weights of a learner change between two calls and not during one: the last probe of a phase and the
    first of the next one see the same weights.

    Args:
        schedule: The phases.
        probe_every: Trials between probes within a phase; the first at or behind every multiple.
    """

    def __init__(self, schedule: Schedule, probe_every: int) -> None:
        if isinstance(probe_every, bool) or not isinstance(probe_every, (int, np.integer)) or probe_every < 1:
            raise ValueError(f"probe_every must be a whole number of trials, at least 1, got {probe_every!r}")
        self.schedule, self.probe_every = schedule, int(probe_every)
        self.index = 0  # of the phase
        self.done = False
        self._first_update = 0  # of the phase
        self._seen = -1  # trial of the last probe in the phase

    def due(self, trials: int, updates: int, stop: bool = False) -> Iterator[Due]:
        """Probes that are due.

        Args:
            trials: Finished trials since the schedule began.
            updates: Updates of the learner since then.
            stop: Nothing comes after this: probe once more in a phase that is cut short.

        Raises:
            RuntimeError: When a whole phase has passed since the last call.
        """
        while not self.done:
            phase, first = self.schedule.phases[self.index], self.schedule.boundaries[self.index]
            final = self.index == len(self.schedule.phases) - 1
            over = trials >= first + phase.trials
            seen = trials - first if final else min(trials - first, phase.trials)
            fresh = self._seen < 0
            if fresh and over:
                raise RuntimeError(
                    f"phase {phase.name!r} of {phase.trials} trials has passed without an update"
                )
            if fresh or (seen > self._seen and (over or stop or self._next_reached(seen))):
                yield Due(phase, updates - self._first_update, seen, over)
                self._seen = seen
            if not over:
                return
            self.done = final
            if not final:
                self.index, self._first_update, self._seen = self.index + 1, updates, -1

    def _next_reached(self, seen: int) -> bool:
        return seen // self.probe_every > self._seen // self.probe_every
