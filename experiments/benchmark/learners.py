"""How each kind of agent goes through the four phases of a job."""

from __future__ import annotations

import io
import logging
import pickle
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from sb3_contrib import TQC
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.utils import FloatSchedule
from stable_baselines3.common.vec_env import VecEnv, VecFrameStack, VecNormalize

from agents.baselines.agents import ModelBasedController, RandomAgent, ZeroAgent
from agents.ppo.plain_ppo import PlainPPO, PPOSettings
from agents.ppo.recurrent_ppo import RecurrentPPO
from agents.ppo.squashed_policy import SquashedMlpPolicy
from agents.supervised.checkpoints import read_metadata
from experiments.benchmark.agents import (
    Agent,
    FixedAgent,
    OutsideAgent,
    PlainAgent,
    Sb3Agent,
    SupervisedAgent,
)
from experiments.benchmark.counting import CountingEnv, EnvMaker, learn_and_check
from experiments.benchmark.exploration import Exploration
from experiments.benchmark.loop import PhaseLoop, how_it_went
from experiments.benchmark.noise import arguments
from experiments.benchmark.outside import load_agent, load_class, saved_agent
from experiments.benchmark.protocol import Job
from experiments.benchmark.returns import Returns
from experiments.benchmark.state import KEEP_EVERY, JobState
from experiments.benchmark.values import PRETRAINING
from experiments.runs.command_line import Stopped, interrupted
from experiments.runs.folder import PACKAGES, RunFolder
from experiments.savings.command import run as run_savings
from experiments.savings.config import FOR_ENVIRONMENTS, PRETRAINED, Savings, start_weights
from experiments.savings.phases import PhaseChanges
from savings_gym.envs.vector import ReachVectorEnv
from savings_gym.files import open_folder, write_atomically
from savings_gym.probes.policy import Policy
from savings_gym.probes.probe import Probe
from savings_gym.probes.recorder import ProbeRecorder
from savings_gym.sb3.callback import SavingsCallback
from savings_gym.sb3.resume import restore_training, set_random_state, training_state
from savings_gym.sb3.vec_env import ReachVecEnv
from savings_gym.task.schedule import PHASES
from savings_gym.task.settings import N_TARGETS, TRIAL_STEPS

log = logging.getLogger(__name__)
ALGORITHMS: Mapping[str, type[BaseAlgorithm]] = {
    "PPO": PPO, "SAC": SAC, "TQC": TQC, "RecurrentPPO": RecurrentPPO,
}  # fmt: skip
POLICIES = {"SquashedMlpPolicy": SquashedMlpPolicy}  # the algorithms know the others by name
LOG_EVERY = 640  # trials between the lines of a job's log
FIXED_PROBES = 5  # per phase, of an agent that does not learn
Details = dict[str, Any]


def learn(agent: Agent, job: Job, stopped: Callable[[], bool] = lambda: False) -> Details:
    """Take an agent through a job, or go on with it; return further entries for job.json.

    Args:
        agent: The agent of the job.
        job: The job.
        stopped: Called before every rollout; True saves the state and stops.

    Raises:
        Stopped: If asked to stop.
    """
    torch.set_num_threads(1)
    if isinstance(agent, SupervisedAgent):
        return _supervised(agent, job)
    state = JobState(job)
    if isinstance(agent, Sb3Agent):
        return _sb3(agent, job, state, stopped) | _seconds(state)
    if state.is_new:
        open_folder(job.out, job.identity(), PACKAGES, {"device": "cpu", "threads": 1})
    if isinstance(agent, FixedAgent):
        return _fixed(agent, job, stopped)
    if isinstance(agent, PlainAgent):
        return _plain(agent, job, state, stopped) | _seconds(state)
    return _outside(agent, job, state, stopped) | _seconds(state)


def _seconds(state: JobState) -> Details:
    wall, core = state.seconds
    return {"wall_time_s": round(wall, 1), "core_time_s": round(core, 1)}


def make_model(agent: Sb3Agent, seed: int, falling: int = 0, steps: int = 1, **task: Any) -> BaseAlgorithm:
    """Return the untrained agent in its training environment.

    Args:
        agent: An entry of `experiments.benchmark.agents`.
        seed: Seed of everything random.
        falling: Control steps until the learning rate reaches its last value, if the agent has one.
        steps: Control steps of the whole training.
        **task: Arguments of the training environment.
    """
    env: VecEnv = ReachVecEnv(agent.arms, nthread=1, **task)
    settings = arguments(agent.settings, env.action_space)
    if agent.last_rate is not None and falling:
        settings["learning_rate"] = FallingRate(settings["learning_rate"], agent.last_rate, falling / steps)
    env = VecNormalize(env, norm_reward=agent.normalise_rewards, gamma=agent.settings.get("gamma", 0.99))
    if agent.stack > 1:
        env = VecFrameStack(env, agent.stack)
    policy: Any = POLICIES.get(agent.policy, agent.policy)
    algorithm: Any = ALGORITHMS.get(agent.algorithm) or load_class(agent.algorithm)
    return algorithm(policy, env, seed=seed, device="cpu", **settings)


@dataclass(frozen=True)
class FallingRate:
    """A learning rate that falls in a straight line and then stays constant.

    Attributes:
        first: Rate at the start.
        last: Rate at the end of the fall and after it.
        share: Share of the training over which the rate falls.
    """

    first: float
    last: float
    share: float

    def __call__(self, remaining: float) -> float:
        """Return the rate when a share `remaining` of the training is left."""
        return max(1.0 - (1.0 - remaining) / self.share, 0.0) * (self.first - self.last) + self.last


def _sb3(agent: Sb3Agent, job: Job, state: JobState, stopped: Callable[[], bool]) -> Details:
    schedule, protocol = job.protocol.schedule(), job.protocol
    steps = (schedule.trials + agent.arms) * TRIAL_STEPS
    model = make_model(agent, job.learner_seed, protocol.nf1 * TRIAL_STEPS, steps, **protocol.task)
    exploration = Exploration(job.agent, model, protocol.exploration)
    callback = SavingsCallback(
        schedule, protocol.probe_every, job.out, network=job.seed, seed=job.seed,
        carried_trials=protocol.carried_trials if agent.recurrent else None, track=job.track,
        criterion=protocol.reach_criterion,
    )  # fmt: skip
    steps_made = 0
    ends = _PhaseEnds(callback, exploration, agent.last_rate, job, state, stopped)
    if state.stored is not None:
        restore_training(model, state.stored["training"])
        steps_made = model.num_timesteps
    model.learn(steps - steps_made, CallbackList([callback, ends]), reset_num_timesteps=not steps_made)
    ends.returns.save(job.out)
    parameters = sum(p.numel() for p in model.policy.parameters())
    return {"parameters": parameters} | how_it_went(
        callback.phase_trials, callback.criterion_met, exploration.noise
    )


class _PhaseEnds(BaseCallback):
    """Between phases: saves the agent, as ``NF1/model.zip``, ends the fall of its rate, matches its noise.

    Keeps the returns of trials, and the state of the job: between phases, every `KEEP_EVERY` trials, and when
    it is asked to stop.

    Args:
        phases: Takes the agent through the phases; to be called first.
        exploration: The noise of the agent.
        last_rate: Learning rate after the first phase; None leaves it as it is.
        job: The job.
        state: Its state, from which it goes on if there was one.
        stopped: Whether to stop.
    """

    def __init__(
        self,
        phases: SavingsCallback,
        exploration: Exploration,
        last_rate: float | None,
        job: Job,
        state: JobState,
        stopped: Callable[[], bool],
    ) -> None:
        super().__init__()
        self._stopped = stopped
        self.phases, self.exploration, self.last_rate, self.out = phases, exploration, last_rate, job.out
        self.state, self.returns = state, Returns(job.seed, job.protocol.probe_every)
        self.index, self.logged, self.kept = -1, -LOG_EVERY, 0
        self._stored = state.stored
        if self._stored is not None:
            vars(self).update(self._stored["ends"])
            exploration.resume(self._stored["exploration"])
            phases.resume(self._stored["phases"])

    def _on_training_start(self) -> None:
        if self._stored is not None:
            vars(self.model).update(self._stored["training"]["attributes"])  # `learn` has set some anew

    def _on_rollout_start(self) -> None:
        if self._stored is not None:
            set_random_state(self._stored["random"])
            self._stored = None
            return
        trials, names = self.num_timesteps // TRIAL_STEPS, self.phases.schedule.names
        before = self.index
        while self.index < self.phases.phase:
            if self.index >= 0:
                self.exploration.end(names[self.index])
                self.returns.end(names[self.index])
                self._save(self.out / names[self.index])
            self.index += 1
            if self.index == 1 and self.last_rate is not None:  # NF1 may have ended before the rate fell
                self.model.lr_schedule = FloatSchedule(self.last_rate)
            if self.index < len(names):
                self.exploration.begin(names[self.index], first=self.index == 0)
        if self.index == len(names):
            return
        self.returns.close(names[self.index])
        stop = self._stopped()
        if 0 <= before < self.index or trials >= self.kept + KEEP_EVERY or (stop and trials > self.kept):
            self._keep(trials)
        if stop:
            raise Stopped
        if trials >= self.logged + LOG_EVERY:
            self.logged = trials
            log.info("trial %d of at most %d, %s", trials, self.phases.schedule.trials, names[self.index])

    def _keep(self, trials: int) -> None:
        self.kept = trials
        self.state.keep(
            {
                "training": training_state(self.model),
                "phases": self.phases.state(),
                "exploration": self.exploration.state(),
                "ends": {name: getattr(self, name) for name in ("returns", "index", "logged", "kept")},
            },
            first_phase=self.index == 0,
        )

    def _save(self, folder: Path) -> None:
        agent = io.BytesIO()
        self.model.save(agent)
        write_atomically(folder / "model.zip", agent.getvalue())
        normalisation = self.model.get_vec_normalize_env()
        if normalisation is not None:
            write_atomically(folder / "normalisation.pkl", pickle.dumps(normalisation))  # as its `save` does

    def _on_step(self) -> bool:
        for arm in self.locals["dones"].nonzero()[0]:
            self.returns.add(float(self.locals["infos"][arm]["episode"]["r"]))
        return True


def _plain(agent: PlainAgent, job: Job, state: JobState, stopped: Callable[[], bool]) -> Details:
    """A training loop without stable-baselines3."""
    if state.stored is None:
        env = CountingEnv(agent.arms, "SameStep", job.protocol)
        learner = PlainPPO(env, PPOSettings(**agent.settings), seed=job.learner_seed)
    else:
        learner = state.stored["learner"]
        env = learner.env
    exploration = Exploration(job.agent, learner, job.protocol.exploration)
    phases = PhaseLoop(learner, env, job, state, exploration, rollout=agent.arms)
    phases.run(lambda: {"learner": learner}, stopped)
    return how_it_went(phases.phase_trials, phases.criterion_met, exploration.noise)


def _outside(agent: OutsideAgent, job: Job, state: JobState, stopped: Callable[[], bool]) -> Details:
    """A class from elsewhere, whose trials are counted."""
    make_env = EnvMaker(job.protocol, agent.learner, job.learner_seed)
    learner: Any = load_class(agent.learner)(make_env, job.learner_seed, **agent.settings)
    env = make_env.made()
    if state.stored is not None:
        vars(env).update(state.stored["env"])
        load_agent(learner, state.stored["agent"])
    phases = PhaseLoop(
        learner,
        env,
        job,
        state,
        learn=lambda trials: learn_and_check(learner, env, trials, agent.learner, phases.phase),
        begin_phase=getattr(learner, "reset_optimiser", None),
        carried=agent.recurrent,
    )
    can_go_on = hasattr(learner, "save")
    phases.run((lambda: {"agent": saved_agent(learner), "env": vars(env)}) if can_go_on else None, stopped)
    return how_it_went(phases.phase_trials, phases.criterion_met, {})


def _supervised(agent: SupervisedAgent, job: Job) -> Details:
    """The main experiment, with phases of equally many trials."""
    protocol = job.protocol
    updates = {f"{phase.lower()}_updates": getattr(protocol, phase.lower()) // N_TARGETS for phase in PHASES}
    if agent.pretraining_updates is not None:
        updates |= {"pretraining_updates": agent.pretraining_updates}
    config = Savings(
        preset="quick",
        out=job.out,
        networks=agent.networks,
        b=protocol.b,
        seed=job.seed,
        change=PhaseChanges(ff1_b=0.0 if protocol.sham else None),
        criterion=protocol.criterion,
        criterion_probes=protocol.criterion_probes,
        catch_fraction=protocol.catch_fraction,
        pretrained=FOR_ENVIRONMENTS if agent.pretraining_updates is None else None,
        pretraining_criterion=None if agent.pretraining_updates is None else protocol.criterion,
        **updates,
    )
    began = time.monotonic()
    status = run_savings(config)
    if interrupted(status):
        raise Stopped
    if status:
        raise RuntimeError(f"the supervised ensemble ended with status {status}")
    return _cost_of_supervised(config, time.monotonic() - began)


def _cost_of_supervised(config: Savings, seconds: float) -> Details:
    """Trials of the phases, and of the pre-training of every network.

    If earlier processes did a part of the work, it took longer than the ``seconds`` of this one. Then the
    time of the run stands for that of its core, which it has to itself.
    """
    summary = RunFolder.read_summary(config.out)
    first_phase = summary.get("first_phase", {})
    trials = {phase: N_TARGETS * getattr(config, f"{phase.lower()}_updates") for phase in PHASES}
    trials["NF1"] = first_phase.get("trials", trials["NF1"])
    weights = start_weights(config) or config.out / PRETRAINED
    pretraining = read_metadata(weights)["pretraining"]
    updates = pretraining.get("updates_made", pretraining["updates"])
    details = how_it_went(trials, first_phase.get("met"), {})
    if (whole := summary["wall_time_s"]) > seconds:
        details |= {"wall_time_s": whole, "core_time_s": whole}
    return details | {PRETRAINING: updates * pretraining["trials"]}


def _fixed(agent: FixedAgent, job: Job, stopped: Callable[[], bool]) -> Details:
    """Probes of an agent that does not learn, equally many in every phase."""
    env = ReachVectorEnv(N_TARGETS, **job.protocol.task)
    actions: Any = env.single_action_space
    factories: dict[str, Callable[[], Policy]] = {
        "zero": lambda: ZeroAgent(actions),
        "random": lambda: RandomAgent(actions, seed=job.seed),
        "model": lambda: ModelBasedController(env.settings, agent.expected_field),
    }
    policy = factories[agent.kind]()
    probe, recorder = Probe(env.settings, seed=job.seed), ProbeRecorder(job.seed)
    for phase in job.protocol.schedule().phases:
        for i in range(FIXED_PROBES):
            if stopped():
                raise Stopped
            trial = phase.trials * i // (FIXED_PROBES - 1)
            recorder.add(probe(policy, phase.field), phase.name, i, trial, job.seed)
        recorder.add_channel(probe.channel(policy, job.protocol.field), phase.name, job.seed)
    recorder.save(job.out)
    return {}
