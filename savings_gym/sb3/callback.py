"""Savings of any algorithm of stable-baselines3: a callback that drives the phases and probes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, is_dataclass, replace
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecNormalize

from savings_gym.arrays import MM, as_whole_number
from savings_gym.files import check_tables, holds_run, open_folder, versions
from savings_gym.perturbations.fields import CurlField, Field, ViscousField
from savings_gym.probes.criterion import ReachCriterion, as_criterion, phase_end
from savings_gym.probes.environments import MakeEnv
from savings_gym.probes.probe import Probe
from savings_gym.probes.recorder import ProbeRecorder, SavingsResult, unmeasured
from savings_gym.probes.times import DueProbe, ProbeTimes
from savings_gym.probes.tracking import Tracker
from savings_gym.sb3.training import (
    TrialCount,
    check_criterion,
    check_evaluation,
    check_length,
    check_training,
    describe,
)
from savings_gym.sb3.training_env import TrainingEnv
from savings_gym.task.schedule import Schedule, as_schedule

PACKAGES = ("stable_baselines3", "sb3_contrib", "torch")
STATISTICS = ("obs_rms", "ret_rms")  # of VecNormalize
STATE = (  # what a callback knows of a training that is under way
    "_times", "_count", "_updates", "_recorder", "_carried",
    "_errors", "_aligned", "phase_trials", "criterion_met",
)  # fmt: skip
log = logging.getLogger(__name__)


class SavingsCallback(BaseCallback):
    """Takes a model through the phases of a schedule during `learn`, and probes it.

    The schedule replaces that of the training environment and counts the finished trials of all its arms. The
    arms of a `ReachVecEnv` count together; n environments of a `DummyVecEnv` or `SubprocVecEnv` go through
    phases of an n-th of the trials each. Nothing else may make trials in the training environment: give an
    `EvalCallback` an environment of its own.

    Probes are made at the start of a rollout, so that they see the weights between two updates: at the start
    of every phase (update 0), at the first rollout after every `probe_every` trials of the phase, and at its
    end, with the same weights as at update 0 of the next phase. The end of a phase is exact if its trials are
    a whole number of rollouts (n_steps a multiple of 100). Otherwise, and for off-policy algorithms whose
    train_freq does not divide a trial, it comes with the next rollout. `update` counts rollouts with the
    learning after them. Training stops when the schedule is done and the last rollout has been learned from,
    so total_timesteps may be generous. A learning rate or clip range that falls, however, does so over
    total_timesteps: with one of these give the real number, 100 steps for every trial of the schedule and one
    more trial of each arm.

    Probes have an environment and random numbers of their own: training is the same with and without them.
    They see observations through the training environment's `VecNormalize` (with its current statistics,
    which they leave unchanged) and `VecFrameStack`, and act by ``model.predict(..., deterministic=True)``,
    with memory reset before each.

    After `learn`, `VecNormalize` has the statistics of the last probe, so that an agent which is saved then
    and loaded later gives the last probe again:

        model.learn(10**7, callback)
        model.save("agent.zip")
        model.get_vec_normalize_env().save("normalisation.pkl")

        env = VecNormalize.load("normalisation.pkl", ReachVecEnv(1))
        probe = TrainingEnv.of(env).probe(seed=callback.seed)
        last = len(callback.result.table["trial"]) // 8 - 1
        result = probe(PPO.load("agent.zip"), schedule.phases[-1].field, number=last)

    Logged to the model's logger: savings/phase (index), savings/trial (since the start of the schedule),
    savings/lateral_deviation and savings/endpoint_error (mean over targets) [m], savings/adaptation at the
    end of a phase, and at the end of training savings/initial [m], savings/rate_ratio, savings/after_effect
    and savings/washout_residual [m]. What could not be measured is left out, and a warning explains why. A
    channel can measure adaptation to a `CurlField` or `ViscousField` that is the field of a phase by itself,
    not to one that is modified, or part of a sum.

    Args:
        schedule: The phases, or their dict.
        probe_every: Trials between probes.
        out: Folder for config.json, probes.parquet and summary.json (and probes_carried.parquet), as of
            the supervised experiment; written at the end of every phase. None writes nothing.
        network: Number of the agent, for the column of that name.
        seed: Seed of the probes and the tests of the summary, not of training.
        carried_trials: Probe a second time with memory carried across this many trials before the measured
            one, see `probes.probe.Probe`; None or 0 does not.
        track: Mirror to Weights & Biases: a project, or True for "savings_gym". See `tracking`.
        probe_env: Makes one environment as the agent sees it, for agents whose environments have wrappers
            that are unknown here: 8 of them are then probed in turn, and `VecNormalize` and `VecFrameStack`
            added as in training.
        verbose: 1 logs every probe, at level INFO.
        criterion: Ends the first phase before its last trial, at the probe with which the learner meets it:
            a `ReachCriterion`, or only its mean end-point error [m]; None lets the phase last. Environments
            then count trials and phases from the second phase on, or training stops if there is none, and the
            summary says how the first one ended ("first_phase").

    Attributes:
        result: A `probes.recorder.SavingsResult` after training; None before.
        phase_trials: Trials of every phase that is over, by its name.
        criterion_met: Whether the first phase ended with the criterion met; None without one, or before.

    Raises:
        ValueError: If the schedule is None or malformed, a number is not whole or negative, or the criterion
            is something else. `learn` raises it for a training that does not fit the schedule, and a
            TypeError for algorithms without rollouts.
        ImportError: If `out` is given but pandas or pyarrow is missing.
    """

    def __init__(
        self,
        schedule: Schedule | Mapping[str, Any],
        probe_every: int,
        out: str | Path | None = None,
        network: int = 0,
        seed: int = 0,
        carried_trials: int | None = None,
        track: str | bool | None = None,
        probe_env: MakeEnv | None = None,
        verbose: int = 0,
        criterion: ReachCriterion | float | None = None,
    ) -> None:
        super().__init__(verbose)
        phases = as_schedule(schedule)
        if phases is None:
            raise ValueError("SavingsCallback needs a schedule, got None")
        if out is not None:
            check_tables()
        self.schedule = phases
        self.network, self.seed = as_whole_number("network", network), as_whole_number("seed", seed)
        self.out = None if out is None else Path(out)
        self.carried_trials = as_whole_number("carried_trials", carried_trials or 0)
        self.track, self.probe_env = track, probe_env
        self.criterion, self.field = as_criterion(criterion), channel_field(phases)
        self.phase_trials: dict[str, int] = {}
        self.criterion_met: bool | None = None
        self.result: SavingsResult | None = None
        self._times = ProbeTimes(phases, probe_every)
        self._resumed: dict[str, Any] | None = None

    def state(self) -> dict[str, Any]:
        """Return, at the start of a rollout, what `resume` needs; to be pickled or copied at once."""
        probes = (self._probe, self._carried_probe)
        numbers = [None if probe is None else probe.next_numbers for probe in probes]
        return {"own": {name: getattr(self, name) for name in STATE}, "next_numbers": numbers}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Let the next `learn` go on from a state, without a reset of the environment and of the folder.

        Model and environment must have been restored to the same moment, see `savings_gym.sb3.resume`. A
        state from within the first phase may be that of a training with other later phases, in another
        folder; from then on those of this callback count.
        """
        self._resumed = dict(state)

    @property
    def phase(self) -> int:
        """Index of the current phase, their number after the last; up to date when a rollout starts."""
        return self._times.index + self._times.done

    def _on_training_start(self) -> None:
        schedule, resumed = self.schedule, self._resumed
        self._env = env = TrainingEnv.of(self.training_env)
        if env.base.has_attr("session"):
            raise ValueError(
                "SavingsCallback needs a training environment whose episodes are trials, not sessions; "
                "savings_gym.run_sessions measures savings within sessions"
            )
        schedule_of_arm = env.schedule_of_arm(schedule)
        check_length(env.trial_steps)
        if resumed is None:
            check_training(self.model, schedule, env.arms)
            if self.criterion is not None:
                check_criterion(self.model)
        check_evaluation(self.locals["callback"], env)
        self._probe = env.probe(self.seed, 0, self.probe_env)
        self._carried_probe: Probe | None = None
        self._carried: ProbeRecorder | None = None
        if self.carried_trials:
            self._carried_probe = env.probe(self.seed, self.carried_trials, self.probe_env)
            self._carried = ProbeRecorder(self.seed, self.criterion)
        self._times = ProbeTimes(schedule, self._times.probe_every)
        self._recorder, self.result = ProbeRecorder(self.seed, self.criterion), None
        self._count, self._updates = TrialCount(env, schedule_of_arm), 0
        self._errors: list[float] = []  # of the probes of the first phase
        self._aligned, self.phase_trials, self.criterion_met = True, {}, None
        self._statistics: list[tuple[VecNormalize, dict[str, Any]]] = []
        config = self._config(env)
        if resumed is not None:
            self._take_over(resumed, config)
        else:
            if self.out is not None:
                self._open(config)
            env.base.env_method("set_schedule", schedule_of_arm)
        self._tracker = Tracker(self.track, config, self.out)

    def _open(self, config: dict[str, Any]) -> None:
        """Make the folder of the run, or empty it of the run's own files."""
        assert self.out is not None
        execution = {"device": str(self.model.device), "threads": torch.get_num_threads()}
        open_folder(self.out, config, PACKAGES, execution)

    def _take_over(self, state: dict[str, Any], config: dict[str, Any]) -> None:
        """Take over a state; refuse a folder of another run."""
        if self.out is not None and not holds_run(self.out, config):
            self._open(config)
        self._resumed, planned = None, self._times.schedule
        vars(self).update(state["own"])
        if self._times.index == 0:  # later phases may be others than planned
            self._times.schedule, of_arm = planned, self._env.schedule_of_arm(self.schedule)
            self._count.replan(of_arm)
            self._env.base.env_method("set_schedule", of_arm, restart=False)
        for probe, numbers in zip((self._probe, self._carried_probe), state["next_numbers"], strict=True):
            if probe is not None:
                probe.next_numbers = numbers

    def _on_rollout_start(self) -> None:
        self._probe_due()

    def _on_step(self) -> bool:
        self._count.add(self.locals["dones"], self.locals["infos"])
        self._aligned = bool(self.locals["dones"].all())
        return not self._times.done

    def _on_rollout_end(self) -> None:
        self._updates += 1

    def _on_training_end(self) -> None:
        self._probe_due(stop=True)
        for wrapper, statistics in self._statistics:
            vars(wrapper).update(statistics)
        summary = self._save(self._times.done)
        for note in unmeasured(summary):
            log.warning(note)
        if self.field is None and any(phase.field.kind != "null" for phase in self.schedule.phases):
            log.warning(
                "adaptation could not be measured: a channel needs a phase whose field is a CurlField or a "
                "ViscousField by itself"
            )
        for name, value in headline(summary).items():
            self.logger.record(f"savings/{name}", value)
        self.logger.dump(self.num_timesteps)
        self._tracker.finish(summary, self.out)
        self.result = self._recorder.result(summary, self._carried)
        for probe in (self._probe, self._carried_probe):
            if probe is not None:
                probe.close()

    def _probe_due(self, stop: bool = False) -> None:
        if self._times.done:
            return
        for due in self._times.due(self._count.trials, self._updates, stop):
            self._probe_now(due)
            if due.phase.name in self.phase_trials and self.out is not None and not self._times.done:
                self._save(False)
        self._keep_statistics()

    def _is_last(self, due: DueProbe, error: float) -> bool:
        """Whether the phase ends with this probe, as planned or because the learner meets the criterion."""
        if self._times.index or self.criterion is None:
            return due.last
        self._errors.append(error)
        over, self.criterion_met = phase_end(
            self.criterion, self._errors, due.trial, due.last, may_end=self._aligned
        )
        if over and not due.last:
            self._go_on(due.trial)
        return over

    def _go_on(self, trial: int) -> None:
        """End the first phase after this many trials: the arms, which begin a trial, go on with the next.

        If there is no other phase, training stops.
        """
        self._times.end_phase(trial)
        if len(self.schedule.phases) == 1:
            return
        later = self._env.schedule_of_arm(Schedule(self.schedule.phases[1:]))
        self._count.restart(later)
        self._env.base.env_method("set_schedule", later)  # trials without a step so far follow it at once

    def _keep_statistics(self) -> None:
        """Keep the statistics of the last probe from the one more step that is made before training stops."""
        if not self._times.done:
            return
        for wrapper in self._env.wrappers:
            if isinstance(wrapper, VecNormalize):
                known = [name for name in STATISTICS if hasattr(wrapper, name)]
                statistics = {name: deepcopy(getattr(wrapper, name)) for name in known}
                self._statistics.append((wrapper, statistics))

    def _probe_now(self, due: DueProbe) -> None:
        probes = [("", self._probe, self._recorder)]
        if self._carried_probe is not None and self._carried is not None:
            probes.append(("carried_", self._carried_probe, self._carried))
        values: dict[str, Any] = {}
        for prefix, probe, recorder in probes:
            result = probe(self.model, due.phase.field)
            recorder.add(result, due.phase.name, due.update, due.trial, self.network)
            for name in ("lateral_deviation", "endpoint_error"):
                values[prefix + name] = result.mean(name)
        if self._is_last(due, values["endpoint_error"]):
            self.phase_trials[due.phase.name] = due.trial
            for prefix, probe, recorder in probes if self.field is not None else []:
                channel = probe.channel(self.model, self.field)
                recorder.add_channel(channel, due.phase.name, self.network)
                values[f"{prefix}adaptation"] = float(channel.adaptation.mean())
        values |= {"phase": self._times.index, "phase_trial": due.trial}
        for name, value in {**values, "trial": self._count.trials}.items():
            self.logger.record(f"savings/{name}", value)
        self._tracker.log(self._count.trials, values)
        if self.verbose >= 1:
            deviation = MM * values["lateral_deviation"]
            log.info("%s, trial %d: lateral deviation %.1f mm", due.phase.name, due.trial, deviation)

    def _save(self, complete: bool) -> dict[str, Any]:
        extra: dict[str, Any] = {"algorithm": type(self.model).__name__, "versions": versions(PACKAGES)}
        if isinstance(self.field, CurlField):
            extra["b"] = self.field.b
        if self.criterion is not None:
            extra["first_phase"] = {
                **asdict(self.criterion),
                "met": self.criterion_met,
                "trials": self.phase_trials.get(self.schedule.names[0]),
            }
        if self.out is None:
            return self._recorder.summary(complete, carried=self._carried, **extra)
        return self._recorder.save(self.out, complete, carried=self._carried, **extra)

    def _config(self, env: TrainingEnv) -> dict[str, Any]:
        """Return what defines the run, JSON-able."""
        settings = replace(env.settings, schedule=None).arguments()  # the schedule is the callback's
        settings.pop("schedule")
        for name in ("arm", "impairments"):
            if not settings[name]:
                settings.pop(name)  # the standard one and none, of which configs of old runs say nothing
        criterion = {} if self.criterion is None else {"criterion": asdict(self.criterion)}
        return (
            describe(self.model)
            | criterion
            | {
                "schedule": self.schedule.to_dict(),
                "probe_every": self._times.probe_every,
                "probe_seed": self.seed,
                "network": self.network,
                "carried_trials": self.carried_trials,
                "total_timesteps": self.model._total_timesteps,
                "environments": env.arms,
                "wrappers": [type(wrapper).__name__ for wrapper in env.wrappers],
                "task": {name: _plain(value) for name, value in settings.items()},
            }
        )


def channel_field(schedule: Schedule) -> Field | None:
    """Return the first field of a schedule to which a channel can measure adaptation, or None."""
    fields = (phase.field for phase in schedule.phases)
    return next((field for field in fields if isinstance(field, CurlField | ViscousField)), None)


def headline(summary: Mapping[str, Any]) -> dict[str, float]:
    """Return the main numbers of a summary, without those that could not be measured."""
    initial, rate = summary["savings"]["initial"], summary["savings"]["rate"]
    numbers = {
        "initial": initial and initial["difference"],
        "rate_ratio": rate and rate["ratio"],
        "after_effect": summary["after_effect"] and summary["after_effect"]["mean"],
        "washout_residual": summary["washout_residual"] and summary["washout_residual"]["mean"],
    }
    return {name: value for name, value in numbers.items() if value is not None}


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
