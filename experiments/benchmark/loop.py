"""The four phases of a learner without stable-baselines3, probe by probe; and how they went."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Protocol

from experiments.benchmark.exploration import Exploration
from experiments.benchmark.protocol import Job
from savings_gym.arrays import MM
from savings_gym.envs.vector import ReachVectorEnv
from savings_gym.probes.policy import Policy
from savings_gym.probes.probe import Probe
from savings_gym.probes.recorder import ProbeRecorder
from savings_gym.probes.times import DueProbe, ProbeTimes
from savings_gym.task.schedule import Schedule
from savings_gym.task.settings import TRIAL_STEPS

log = logging.getLogger(__name__)


class TrialLearner(Policy, Protocol):
    """A learner that learns by trials in an environment of its own.

    Attributes:
        trials: Finished trials so far.
    """

    trials: int

    def learn(self, trials: int) -> Any:
        """Learn until this many more trials have ended."""


class PhaseLoop:
    """Takes a learner through the phases of a job, and writes its probes.

    Args:
        learner: Acts in ``env``, all arms of which begin their trials together, after every ``learn``.
        env: Its training environment, which follows the schedule of the job.
        job: The job.
        exploration: The noise of the learner.

    Attributes:
        phase_trials: Trials of every phase that is over, by its name.
        criterion_met: Whether NF1 ended with the criterion met; None without one, or before.
    """

    def __init__(
        self, learner: TrialLearner, env: ReachVectorEnv, job: Job, exploration: Exploration
    ) -> None:
        self.learner, self.env, self.job, self.exploration = learner, env, job, exploration
        self.phase_trials: dict[str, int] = {}
        self.criterion_met: bool | None = None
        self._criterion = job.protocol.reach_criterion
        self._errors: list[float] = []
        self._probe, self._recorder = Probe(env.settings, seed=job.seed), ProbeRecorder(job.seed)
        self._times = ProbeTimes(job.protocol.schedule(), job.protocol.probe_every)

    def run(self) -> None:
        """Go through all phases and save the tables."""
        arms = self.env.num_envs
        while not self._times.done:
            for due in self._times.due(self.learner.trials, self.learner.trials // arms):
                self._probe_now(due)
            if not self._times.done:
                self.learner.learn(arms)
        self._recorder.save(self.job.out)

    def _probe_now(self, due: DueProbe) -> None:
        name, number = due.phase.name, self.job.seed
        if due.trial == 0:
            self.exploration.begin(name, first=self._times.index == 0)
        result = self._probe(self.learner, due.phase.field)
        self._recorder.add(result, name, due.update, due.trial, number)
        log.info("%s trial %d: %.1f mm", name, due.trial, MM * result.mean("lateral_deviation"))
        if self._is_last(due, result.mean("endpoint_error")):
            self.phase_trials[name] = due.trial
            self.exploration.end(name)
            channel = self._probe.channel(self.learner, self.job.protocol.field)
            self._recorder.add_channel(channel, name, number)

    def _is_last(self, due: DueProbe, error: float) -> bool:
        """Whether the phase ends with this probe, as planned or because NF1 has met the criterion."""
        if self._times.index or self._criterion is None:
            return due.last
        self._errors.append(error)
        met = self._criterion.met(self._errors) and due.trial > 0
        if met and not due.last:
            self._times.end_phase(due.trial)
            self.env.set_schedule(Schedule(self._times.schedule.phases[1:]))
        if met or due.last:
            self.criterion_met = met
        return met or due.last


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
