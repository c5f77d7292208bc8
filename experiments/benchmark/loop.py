"""The four phases of a learner without stable-baselines3, probe by probe; and how they went."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from experiments.benchmark.counting import CountingEnv
from experiments.benchmark.exploration import Exploration
from experiments.benchmark.protocol import Job
from experiments.benchmark.returns import Returns
from experiments.benchmark.state import KEEP_EVERY, Content, JobState
from experiments.runs.command_line import Stopped
from savings_gym.arrays import MM
from savings_gym.probes.criterion import phase_end
from savings_gym.probes.probe import Probe
from savings_gym.probes.recorder import ProbeRecorder
from savings_gym.probes.times import DueProbe, ProbeTimes
from savings_gym.sb3.resume import set_random_state
from savings_gym.task.schedule import Schedule
from savings_gym.task.settings import TRIAL_STEPS

log = logging.getLogger(__name__)
LOOP_STATE: Final = (  # what a loop knows of a job that is under way
    "phase_trials", "criterion_met", "_errors", "_recorder", "_carried", "_times", "_returns", "_updates",
    "_kept",
)  # fmt: skip


class PhaseLoop:
    """Takes a learner through the phases of a job, or goes on with it, and writes its tables.

    Args:
        learner: Acts in ``env``, all arms of which begin their trials together, after every ``learn``.
        env: Its training environment, which follows the schedule of the job.
        job: The job.
        state: Its state.
        exploration: The noise of the learner; None leaves it as the learner has it.
        learn: Lets the learner learn from a number of trials; None calls its ``learn``.
        rollout: Trials of every call; None learns until the next probe.
        begin_phase: Called before every phase but the first one.
        carried: Whether to probe the learner a second time, with memory carried across trials.

    Attributes:
        phase_trials: Trials of every phase that is over, by its name.
        criterion_met: Whether NF1 ended with the criterion met; None without one, or before.
    """

    def __init__(
        self,
        learner: Any,
        env: CountingEnv,
        job: Job,
        state: JobState,
        exploration: Exploration | None = None,
        learn: Callable[[int], object] | None = None,
        rollout: int | None = None,
        begin_phase: Callable[[], object] | None = None,
        carried: bool = False,
    ) -> None:
        self.learner, self.env, self.job, self.exploration = learner, env, job, exploration
        self.state, self._learn = state, learn or learner.learn
        self._rollout, self._begin_phase = rollout, begin_phase
        self.phase_trials: dict[str, int] = {}
        self.criterion_met: bool | None = None
        self._criterion = job.protocol.reach_criterion
        self._errors: list[float] = []
        self._probes = [Probe(env.settings, seed=job.seed)]
        self._recorder, self._carried = ProbeRecorder(job.seed, self._criterion), None
        if carried:
            self._probes.append(Probe(env.settings, job.seed, job.protocol.carried_trials))
            self._carried = ProbeRecorder(job.seed, self._criterion)
        self._times = ProbeTimes(job.protocol.schedule(), job.protocol.probe_every)
        self._returns, self._updates, self._kept = Returns(job.seed, job.protocol.probe_every), 0, 0

    def run(self, learner_state: Callable[[], Content] | None, stopped: Callable[[], bool]) -> None:
        """Go through all phases and save the tables.

        Args:
            learner_state: Returns what restores learner and environment; None if nothing can, so that a job
                which is killed starts over.
            stopped: Called before the learner learns; True keeps the state, if there is one, and stops.

        Raises:
            Stopped: If asked to stop.
        """
        if self.state.stored is not None:
            self._resume(self.state.stored)
        while True:
            phases_over = len(self.phase_trials)
            for due in self._times.due(self.env.finished, self._updates):
                self._probe_now(due)
            if self._times.done:
                break
            ended = len(self.phase_trials) > phases_over
            stop, since_kept = stopped(), self.env.finished - self._kept
            if learner_state is not None and (ended or since_kept >= KEEP_EVERY or (stop and since_kept)):
                self._keep(learner_state())
            if stop:
                raise Stopped
            self._learn(self._rollout or self._trials_to_probe())
            self._updates += 1
            self._returns.extend(self.env.take_returns())
            self._returns.close(self.phase)
        self._recorder.save(self.job.out, carried=self._carried)
        self._returns.save(self.job.out)

    def _keep(self, learner_state: Content) -> None:
        self._kept = self.env.finished
        own = {name: getattr(self, name) for name in LOOP_STATE}
        exploration = None if self.exploration is None else self.exploration.state()
        self.state.keep(
            {
                **learner_state,
                "loop": own,
                "next_numbers": [probe.next_numbers for probe in self._probes],
                "exploration": exploration,
            },
            first_phase=self._times.index == 0,
        )

    def _resume(self, stored: Content) -> None:
        vars(self).update(stored["loop"])
        if self._times.index == 0:  # of a sham, the later phases are not those of the state
            self._times.schedule = self.job.protocol.schedule()
            self.env.set_schedule(self._times.schedule, restart=False)
        numbers = stored["next_numbers"]  # older states have those of the only probe
        for probe, its in zip(self._probes, numbers if isinstance(numbers, list) else [numbers], strict=True):
            probe.next_numbers = its
        if self.exploration is not None:
            self.exploration.resume(stored["exploration"])
        set_random_state(stored["random"])

    @property
    def phase(self) -> str:
        """Name of the phase in which the learner is."""
        return self._times.schedule.phases[self._times.index].name

    def _trials_to_probe(self) -> int:
        times = self._times
        phase, every = times.schedule.phases[times.index], times.probe_every
        trial = self.env.finished - times.schedule.boundaries[times.index]
        return min((trial // every + 1) * every, phase.trials) - trial

    def _probe_now(self, due: DueProbe) -> None:
        name, number, first = due.phase.name, self.job.seed, self._times.index == 0
        if due.trial == 0 and self.exploration is not None:
            self.exploration.begin(name, first=first)
        if due.trial == 0 and self._begin_phase is not None and not first:
            self._begin_phase()
        recorders = [self._recorder] if self._carried is None else [self._recorder, self._carried]
        results = [probe(self.learner, due.phase.field) for probe in self._probes]
        for result, recorder in zip(results, recorders, strict=True):
            recorder.add(result, name, due.update, due.trial, number)
        log.info("%s trial %d: %.1f mm", name, due.trial, MM * results[0].mean("lateral_deviation"))
        if self._is_last(due, results[0].mean("endpoint_error")):
            self.phase_trials[name] = due.trial
            if self.exploration is not None:
                self.exploration.end(name)
            self._returns.end(name)
            for probe, recorder in zip(self._probes, recorders, strict=True):
                recorder.add_channel(probe.channel(self.learner, self.job.protocol.field), name, number)

    def _is_last(self, due: DueProbe, error: float) -> bool:
        """Whether the phase ends with this probe, as planned or because NF1 has met the criterion."""
        if self._times.index or self._criterion is None:
            return due.last
        self._errors.append(error)
        over, self.criterion_met = phase_end(self._criterion, self._errors, due.trial, due.last)
        if over and not due.last:
            self._times.end_phase(due.trial)
            self.env.set_schedule(Schedule(self._times.schedule.phases[1:]))
        return over


def how_it_went(
    phase_trials: Mapping[str, int], criterion_met: bool | None, noise: Mapping[str, float | None]
) -> dict[str, Any]:
    """Return entries of job.json: all trials, how NF1 ended and what it cost, and the noise of every phase.

    Args:
        phase_trials: Trials of every phase.
        criterion_met: Whether NF1 ended with the criterion met; None without one.
        noise: See `exploration.Exploration`.
    """
    nf1 = phase_trials["NF1"]
    return {
        "trials": sum(phase_trials.values()),
        "nf1": {"criterion_met": criterion_met, "trials": nf1, "control_steps": nf1 * TRIAL_STEPS},
        "exploration": dict(noise),
    }
