"""How each kind of agent goes through the four phases of a job."""

from __future__ import annotations

import io
import logging
import pickle
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.vec_env import VecEnv, VecFrameStack, VecNormalize

from agents.baselines.agents import ModelBasedController, RandomAgent, ZeroAgent
from agents.ppo.plain_ppo import PlainPPO, PPOSettings
from agents.ppo.recurrent_ppo import RecurrentPPO
from agents.ppo.squashed_policy import SquashedMlpPolicy
from experiments.benchmark.agents import (
    Agent,
    FixedAgent,
    OutsideAgent,
    PlainAgent,
    Sb3Agent,
    SupervisedAgent,
)
from experiments.benchmark.outside import load_class
from experiments.benchmark.protocol import Job
from experiments.benchmark.returns import Returns
from experiments.benchmark.state import KEEP_EVERY, JobState
from experiments.benchmark.trial_loop import CountingEnv, learn_outside, run_stages
from experiments.runs.folder import PACKAGES
from experiments.savings.command import run as run_savings
from experiments.savings.config import Savings
from experiments.savings.phases import PhaseChanges
from savings_gym.arrays import MM
from savings_gym.envs.vector import ReachVectorEnv
from savings_gym.files import open_folder, write_atomically
from savings_gym.probes.policy import Policy
from savings_gym.probes.probe import Probe
from savings_gym.probes.recorder import ProbeRecorder
from savings_gym.sb3.callback import SavingsCallback
from savings_gym.sb3.resume import restore_training, set_random_state, training_state
from savings_gym.sb3.vec_env import ReachVecEnv
from savings_gym.task.settings import N_TARGETS, TRIAL_STEPS

log = logging.getLogger(__name__)
ALGORITHMS: Mapping[str, type[BaseAlgorithm]] = {"PPO": PPO, "SAC": SAC, "RecurrentPPO": RecurrentPPO}
POLICIES = {"SquashedMlpPolicy": SquashedMlpPolicy}  # the algorithms know the others by name
LOG_EVERY = 640  # trials between the lines of a job's log
SIGNALLED = 128  # exit statuses above it are those of runs that a signal stopped
FIXED_PROBES = 5  # per phase, of an agent that does not learn
Details = dict[str, Any]


def learn(agent: Agent, job: Job) -> Details:
    """Take an agent through a job, or go on with it; return further entries for job.json."""
    torch.set_num_threads(1)
    if isinstance(agent, SupervisedAgent):
        return _supervised(agent, job)
    state = JobState(job)
    if isinstance(agent, Sb3Agent):
        return _sb3(agent, job, state) | _seconds(state)
    if state.stored is None:
        open_folder(job.out, job.identity(), PACKAGES, {"device": "cpu", "threads": 1})
    if isinstance(agent, FixedAgent):
        return _fixed(agent, job)
    if isinstance(agent, PlainAgent):
        _plain(agent, job, state)
    else:
        learn_outside(job, agent, state)
    return _seconds(state)


def _seconds(state: JobState) -> Details:
    wall, core = state.seconds
    return {"wall_time_s": round(wall, 1), "core_time_s": round(core, 1)}


def make_model(agent: Sb3Agent, seed: int, falling: int = 0, steps: int = 1) -> BaseAlgorithm:
    """Return the untrained agent in its training environment.

    Args:
        agent: An entry of `experiments.benchmark.agents`.
        seed: Seed of everything random.
        falling: Control steps until the learning rate reaches its last value, if the agent has one.
        steps: Control steps of the whole training.
    """
    settings = deepcopy(dict(agent.settings))  # algorithms write into policy_kwargs
    if agent.last_rate is not None and falling:
        settings["learning_rate"] = FallingRate(settings["learning_rate"], agent.last_rate, falling / steps)
    env: VecEnv = ReachVecEnv(agent.arms, nthread=1)
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


def _sb3(agent: Sb3Agent, job: Job, state: JobState) -> Details:
    schedule, protocol = job.protocol.schedule(), job.protocol
    steps = (schedule.trials + agent.arms) * TRIAL_STEPS
    model = make_model(agent, job.seed, protocol.nf1 * TRIAL_STEPS, steps)
    callback = SavingsCallback(
        schedule, protocol.probe_every, job.out, network=job.seed, seed=job.seed,
        carried_trials=protocol.carried_trials if agent.recurrent else None, track=job.track,
    )  # fmt: skip
    checkpoints = _Checkpoints(job, callback, state)
    if state.stored is not None:
        restore_training(model, state.stored["training"])
    callbacks = CallbackList([callback, checkpoints])
    model.learn(steps - model.num_timesteps, callbacks, reset_num_timesteps=state.stored is None)
    checkpoints.returns.save(job.out)
    return {"parameters": sum(p.numel() for p in model.policy.parameters())}


class _Checkpoints(BaseCallback):
    """Keeps the state of a job, for a job that goes on, and its returns; logs progress.

    Saves the agent at the end of every phase, as ``NF1/model.zip``, and the state there and every
    `KEEP_EVERY` trials. The last of the callbacks.
    """

    def __init__(self, job: Job, savings: SavingsCallback, state: JobState) -> None:
        super().__init__()
        self.schedule, self.out, self.every = job.protocol.schedule(), job.out, job.protocol.probe_every
        self.savings, self.state = savings, state
        self.returns, self._latest = Returns(job.seed), list[float]()
        self.index, self.logged, self.kept, self._returned = 0, -LOG_EVERY, 0, 0
        if state.stored is not None:
            vars(self).update(state.stored["checkpoints"])
            savings.resume(state.stored["callback"])
        self._restores = state.stored is not None

    def _on_training_start(self) -> None:
        if self._restores and self.state.stored is not None:
            vars(self.model).update(self.state.stored["training"]["attributes"])  # `learn` has set some anew

    def _on_rollout_start(self) -> None:
        if self._restores and self.state.stored is not None:
            set_random_state(self.state.stored["random"])
            self._restores, self.state.stored = False, None
            return
        trials, phases = self.num_timesteps // TRIAL_STEPS, self.schedule.phases
        self._add_returns(trials)
        ended = False
        while self.index < len(phases) and trials >= self._end(self.index):
            self._save(self.out / phases[self.index].name)
            self.index, ended = self.index + 1, True
        if self.index < len(phases) and (ended or trials >= self.kept + KEEP_EVERY):
            self._keep(trials)
        if trials >= self.logged + LOG_EVERY and self.index < len(phases):
            self.logged = trials
            log.info("trial %d of %d, %s", trials, self.schedule.trials, phases[self.index].name)

    def _end(self, index: int) -> int:
        return self.schedule.boundaries[index] + self.schedule.phases[index].trials

    def _add_returns(self, trials: int) -> None:
        """Close a mean of returns at every multiple of `every` in a phase, and at its end."""
        if self.index == len(self.schedule.phases):
            return
        begins, ends = self.schedule.boundaries[self.index], self._end(self.index)
        due = begins + (self._returned - begins) // self.every * self.every + self.every
        if trials >= min(due, ends):
            name = self.schedule.phases[self.index].name
            self.returns.add(name, min(trials, ends) - begins, self._latest)
            self._latest, self._returned = [], trials

    def _keep(self, trials: int) -> None:
        self.kept = trials
        own = ("index", "logged", "kept", "returns", "_latest", "_returned")
        self.state.keep(
            {
                "training": training_state(self.model),
                "callback": self.savings.state(),
                "checkpoints": {name: getattr(self, name) for name in own},
            }
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
            self._latest.append(float(self.locals["infos"][arm]["episode"]["r"]))
        return True


def _plain(agent: PlainAgent, job: Job, state: JobState) -> None:
    """A training loop without stable-baselines3."""
    if state.stored is None:
        env = CountingEnv(agent.arms, "SameStep", job.protocol)
        learner = PlainPPO(env, PPOSettings(**agent.settings), seed=job.seed)
    else:
        learner = state.stored["learner"]
        env = learner.env
    run_stages(job, learner, env, state, learner.learn, lambda: {"learner": learner})


def _supervised(agent: SupervisedAgent, job: Job) -> Details:
    """The main experiment, with phases of equally many trials."""
    protocol = job.protocol
    updates = {f"{phase}_updates": getattr(protocol, phase) // N_TARGETS for phase in ("ff1", "nf2", "ff2")}
    config = Savings(
        preset="quick",
        out=job.out,
        networks=agent.networks,
        b=protocol.b,
        seed=job.seed,
        change=PhaseChanges(ff1_b=0.0 if protocol.sham else None),
        **updates,
    )
    status = run_savings(config)
    if status > SIGNALLED:
        raise KeyboardInterrupt
    if status:
        raise RuntimeError(f"the supervised ensemble ended with status {status}")
    return {"note": "NF1 continues from pre-trained networks"}


def _fixed(agent: FixedAgent, job: Job) -> Details:
    """Probes of an agent that does not learn, equally many in every phase."""
    env = ReachVectorEnv(N_TARGETS)
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
            trial = phase.trials * i // (FIXED_PROBES - 1)
            recorder.add(probe(policy, phase.field), phase.name, i, trial, job.seed)
        recorder.add_channel(probe.channel(policy, job.protocol.field), phase.name, job.seed)
    recorder.save(job.out)
    return {}
