"""Savings of any algorithm of stable-baselines3: a callback that drives the phases and probes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback

from savings_gym.fields import CurlField, Field, ViscousField
from savings_gym.files import check_tables, open_folder, versions
from savings_gym.probes.probe import Probe
from savings_gym.probes.recorder import ProbeRecorder, SavingsResult
from savings_gym.probes.times import Due, ProbeTimes
from savings_gym.sb3.probe_env import MakeEnv, TrainingEnv
from savings_gym.sb3.training import check_training, describe
from savings_gym.task.schedule import Schedule, as_schedule
from savings_gym.tracking import Tracker

PACKAGES = ("stable_baselines3", "sb3_contrib", "torch")


class SavingsCallback(BaseCallback):
    """Takes a model through the phases of a schedule, in `learn`, and probes it.

    The schedule replaces that of the training environment and counts the finished trials of all its rows. The
    rows of a `ReachVecEnv` count together; n environments of a `DummyVecEnv` or `SubprocVecEnv` go through
    phases of an n-th of the trials each.

    Probes are made where a rollout begins, so that a probe sees the weights between two updates: at the
    beginning of every phase (update 0), at the first rollout behind every `probe_every` trials of the phase,
    and at its end, with the same weights as update 0 of the next phase. The end of a phase is exact when its
    trials are a whole number of rollouts (n_steps a multiple of 100); otherwise, and for off-policy
    algorithms whose train_freq does not divide a trial, it is the first rollout that begins behind it.
    `update` counts rollouts with the learning after them. When the schedule is done and the last rollout has
    been learnt from, training stops, so that total_timesteps may be generous.

    Probes have an environment and random numbers of their own: training is the same with and without. They
    see observations through the training environment's `VecNormalize` (statistics of that moment, unchanged)
    and `VecFrameStack`, and act by `model.predict(..., deterministic=True)`, memory reset before each.

    Logged to the model's logger: savings/phase (index), savings/trial (since the beginning of the schedule),
    savings/lateral_deviation and savings/endpoint_error (m, mean over targets), savings/adaptation at the
    end of a phase, and at the end of training savings/initial (m), savings/rate_ratio, savings/after_effect
    and savings/washout_residual (m).

    Args:
        schedule: The phases, or their dict.
        probe_every: Trials between probes.
        out: Folder for config.json, probes.parquet and summary.json (and probes_carried.parquet), as of
            the supervised experiment; written at the end of every phase. None writes nothing.
        network: Number of the agent, the column of that name.
        seed: Of the probes and the bootstrap; not of training.
        carried_trials: Probe a second time with memory carried across this many trials before the measured
            one, see `probing.Probe`; None or 0 does not.
        track: Mirror to Weights & Biases: a project, or True for "savings_gym". See `tracking`.
        probe_env: Function that makes one environment as the agent sees it, for agents whose environments
            are in wrappers that are not known here: 8 of them are then probed in turn, and `VecNormalize`
            and `VecFrameStack` added as in training.
        verbose: 1 logs every probe.

    Attributes:
        result: After training, a `recording.SavingsResult`; None before.
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
    ) -> None:
        super().__init__(verbose)
        checked = as_schedule(schedule)
        if checked is None:
            raise ValueError("SavingsCallback needs a schedule, got None")
        if out is not None:
            check_tables()
        self.schedule, self.network, self.seed = checked, network, seed
        self.out = None if out is None else Path(out)
        self.carried_trials = carried_trials or 0
        self.track, self.probe_env = track, probe_env
        self.field = channel_field(checked)
        self.result: SavingsResult | None = None
        self._times = ProbeTimes(checked, probe_every)
        self._recorder = ProbeRecorder(seed)

    def _on_training_start(self) -> None:
        schedule = self.schedule
        env = TrainingEnv.of(self.training_env)
        by_row = env.row_schedule(schedule)
        check_training(self.model, schedule, env.rows)
        self._probe = env.probe(self.seed, 0, self.probe_env)
        self._carried_probe: Probe | None = None
        self._carried: ProbeRecorder | None = None
        if self.carried_trials:
            self._carried_probe = env.probe(self.seed, self.carried_trials, self.probe_env)
            self._carried = ProbeRecorder(self.seed)
        self._times = ProbeTimes(schedule, self._times.probe_every)
        self._recorder, self.result = ProbeRecorder(self.seed), None
        self._trials = self._updates = 0
        config = self._config(env)
        if self.out is not None:
            open_folder(self.out, config, PACKAGES)
        env.base.env_method("set_schedule", by_row)
        self._tracker = Tracker(self.track, config, self.out)

    def _on_rollout_start(self) -> None:
        self._probe_what_is_due()

    def _on_step(self) -> bool:
        self._trials += int(self.locals["dones"].sum())
        return not self._times.done

    def _on_rollout_end(self) -> None:
        self._updates += 1

    def _on_training_end(self) -> None:
        self._probe_what_is_due(stop=True)
        summary = self._save(self._times.done)
        for name, value in headline(summary).items():
            self.logger.record(f"savings/{name}", value)
        self.logger.dump(self.num_timesteps)
        self._tracker.finish(summary, self.out)
        self.result = self._recorder.result(summary, self._carried)
        for probe in (self._probe, self._carried_probe):
            if probe is not None:
                probe.close()

    def _probe_what_is_due(self, stop: bool = False) -> None:
        for due in self._times.due(self._trials, self._updates, stop):
            self._probe_now(due)
            if due.last and self.out is not None and not self._times.done:
                self._save(False)

    def _probe_now(self, due: Due) -> None:
        where = due.phase.name, due.update, due.trial, self.network
        found = self._probe(self.model, due.phase.field)
        self._recorder.add(found, *where)
        values = {name: found.mean(name) for name in ("lateral_deviation", "endpoint_error")}
        if self._carried_probe is not None and self._carried is not None:
            carried = self._carried_probe(self.model, due.phase.field)
            self._carried.add(carried, *where)
            values |= {f"carried_{name}": carried.mean(name) for name in tuple(values)}
        if due.last and self.field is not None:
            channel = self._probe.channel(self.model, self.field)
            self._recorder.add_channel(channel, due.phase.name, self.network)
            values["adaptation"] = float(channel.adaptation.mean())
            if self._carried_probe is not None and self._carried is not None:
                channel = self._carried_probe.channel(self.model, self.field)
                self._carried.add_channel(channel, due.phase.name, self.network)
                values["carried_adaptation"] = float(channel.adaptation.mean())
        values |= {"phase": self._times.index, "phase_trial": due.trial}
        for name, value in {**values, "trial": self._trials}.items():
            self.logger.record(f"savings/{name}", value)
        self._tracker.log(self._trials, values)

    def _save(self, complete: bool) -> dict[str, Any]:
        about: dict[str, Any] = {"algorithm": type(self.model).__name__, "versions": versions(PACKAGES)}
        if isinstance(self.field, CurlField):
            about["b"] = self.field.b
        if self.out is None:
            return self._recorder.summary(complete, carried=self._carried, **about)
        return self._recorder.save(self.out, complete, carried=self._carried, **about)

    def _config(self, env: TrainingEnv) -> dict[str, Any]:
        """What defines the run, JSON-able."""
        settings = env.settings.arguments()
        settings.pop("schedule")
        return describe(self.model) | {
            "schedule": self.schedule.to_dict(),
            "probe_every": self._times.probe_every,
            "probe_seed": self.seed,
            "network": self.network,
            "carried_trials": self.carried_trials,
            "total_timesteps": self.model._total_timesteps,
            "environments": env.rows,
            "wrappers": [type(wrapper).__name__ for wrapper in env.wrappers],
            "task": {name: _plain(value) for name, value in settings.items()},
        }


def channel_field(schedule: Schedule) -> Field | None:
    """The first field of a schedule that a channel can measure adaptation to; None where there is none."""
    fields = (phase.field for phase in schedule.phases)
    return next((field for field in fields if isinstance(field, CurlField | ViscousField)), None)


def headline(summary: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a summary that a log should end with; without those that it has not."""
    initial, rate = summary["savings"]["initial"], summary["savings"]["rate"]
    found = {
        "initial": initial and initial["difference"],
        "rate_ratio": rate and rate["ratio"],
        "after_effect": summary["after_effect"] and summary["after_effect"]["mean"],
        "washout_residual": summary["washout_residual"] and summary["washout_residual"]["mean"],
    }
    return {name: value for name, value in found.items() if value is not None}


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
