"""A job of a learner with `learn(trials)`: its environment, which counts, and the loop over phases and probes."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import Any, Final

import numpy as np

from experiments.benchmark.agents import OutsideAgent
from experiments.benchmark.outside import load_class
from experiments.benchmark.protocol import Job, Protocol
from experiments.benchmark.returns import Returns
from experiments.benchmark.state import KEEP_EVERY, Content, JobState
from savings_gym.arrays import MM, Info, as_whole_number
from savings_gym.envs.vector import ReachVectorEnv
from savings_gym.probes.probe import Probe
from savings_gym.probes.recorder import ProbeRecorder
from savings_gym.sb3.resume import set_random_state
from savings_gym.task.schedule import Phase
from savings_gym.task.settings import TRIAL_STEPS

log = logging.getLogger(__name__)
AGENT_FILE: Final = "agent"


@dataclass(frozen=True)
class Stage:
    """A probe, and the trials that are learnt from after it.

    Attributes:
        phase: The phase.
        trial: Trials of the phase before the probe.
        update: Calls of `learn` in the phase before the probe.
        trials: Trials until the next probe; 0 at the end of the phase.
    """

    phase: Phase
    trial: int
    update: int
    trials: int


def stages(protocol: Protocol) -> list[Stage]:
    """Return the probes of a job in order."""
    found = []
    for phase in protocol.schedule().phases:
        for update, trial in enumerate([*range(0, phase.trials, protocol.probe_every), phase.trials]):
            left = phase.trials - trial
            found.append(Stage(phase, trial, update, min(protocol.probe_every, left)))
    return found


class CountingEnv(ReachVectorEnv):
    """The environment in which an agent learns, which counts what the agent does there.

    Attributes:
        finished: Trials that have ended.
        steps: Control steps of all arms together.
    """

    def __init__(self, num_envs: int, autoreset_mode: str, protocol: Protocol) -> None:
        super().__init__(
            num_envs,
            schedule=protocol.schedule(),
            shared_trials=True,
            autoreset_mode=autoreset_mode,
            nthread=1,
        )
        self.finished = self.steps = 0
        self._return = np.zeros(num_envs)
        self._returns: list[float] = []

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, Info]:
        """Advance as the vector environment does, and count."""
        moving = self.num_envs - int(self._over.sum())  # the others begin a trial instead
        result = super().step(actions)
        _, reward, _, truncated, _ = result
        self.steps += moving
        self._return += reward
        self.finished += int(truncated.sum())
        self._returns += self._return[truncated].tolist()
        self._return[truncated] = 0.0
        return result

    def take_returns(self) -> list[float]:
        """Return the sums of rewards of the trials that have ended since the last call."""
        taken, self._returns = self._returns, []
        return taken


class Workplace:
    """Makes the environment of an agent, once: the `make_env` that an agent is given.

    Args:
        protocol: The phases, whose trials the arms share.
        name: Name of the agent, for errors.
    """

    def __init__(self, protocol: Protocol, name: str) -> None:
        self._protocol, self._name = protocol, name
        self._calls = {stage.trials for stage in stages(protocol) if stage.trials}
        self.env: CountingEnv | None = None

    def __call__(self, num_envs: int, autoreset_mode: str = "NextStep") -> CountingEnv:
        """Return the environment; see `experiments.benchmark.outside.MakeVectorEnv`.

        Raises:
            ValueError: If the arms cannot share the trials between two probes evenly, or at the second call.
        """
        if self.env is not None:
            raise ValueError(f"{self._name} called make_env twice: an agent learns in one environment")
        num_envs, common = as_whole_number("num_envs", num_envs, least=1), gcd(*self._calls)
        if common % num_envs:
            fitting = [str(n) for n in range(1, common + 1) if common % n == 0]
            raise ValueError(
                f"{self._name}: make_env({num_envs}) makes arms that cannot share the "
                f"{' or '.join(map(str, sorted(self._calls)))} trials between probes evenly; choose one of "
                f"{', '.join(fitting)}"
            )
        self.env = CountingEnv(num_envs, autoreset_mode, self._protocol)
        return self.env


class UnequalTrialsError(ValueError):
    """An agent learnt from more or fewer trials than it was asked for."""


def learn_honestly(learner: Any, env: CountingEnv, trials: int, name: str) -> None:
    """Let an agent learn, and check by its environment what it did.

    Raises:
        UnequalTrialsError: If it did not make these trials, whole, and nothing else.
    """
    finished, steps = env.finished, env.steps
    learner.learn(trials)
    finished, steps = env.finished - finished, env.steps - steps
    if finished != trials or steps != trials * TRIAL_STEPS:
        raise UnequalTrialsError(
            f"{name}: learn({trials}) made {finished} whole trials and {steps} control steps, expected "
            f"{trials} trials and {trials * TRIAL_STEPS} steps: learn must end with the last of its trials"
        )


def learn_outside(job: Job, agent: OutsideAgent, state: JobState) -> None:
    """Take a class from elsewhere through a job, or go on with it."""
    name, workplace = agent.learner, Workplace(job.protocol, agent.learner)
    learner: Any = load_class(name)(workplace, job.seed, **agent.settings)
    env = workplace.env
    if env is None:
        raise ValueError(f"{name} did not call make_env when it was made: it has no environment to learn in")
    if state.stored is not None:
        vars(env).update(state.stored["env"])
        _load(learner, state.stored["agent"])

    def learner_state() -> Content | None:
        return {"agent": _saved(learner), "env": vars(env)} if hasattr(learner, "save") else None

    def begin_phase() -> None:
        if hasattr(learner, "reset_optimiser"):
            learner.reset_optimiser()

    def learn(trials: int) -> None:
        learn_honestly(learner, env, trials, name)

    run_stages(job, learner, env, state, learn, learner_state, begin_phase)


def run_stages(
    job: Job,
    learner: Any,
    env: CountingEnv,
    state: JobState,
    learn: Callable[[int], object],
    learner_state: Callable[[], Content | None],
    begin_phase: Callable[[], None] = lambda: None,
) -> None:
    """Probe and learn through the phases of a job, and write its tables.

    Args:
        job: The job.
        learner: What is probed, restored if the job goes on.
        env: Its environment, likewise.
        state: State of the job.
        learn: Lets it learn from a number of trials.
        learner_state: Returns what restores learner and environment; None if nothing can.
        begin_phase: Called before the first trial of every phase but the first one.
    """
    probe, recorder, returns = Probe(env.settings, seed=job.seed), ProbeRecorder(job.seed), Returns(job.seed)
    first, kept = 0, 0
    if state.stored is not None:
        content = state.stored
        first, recorder, returns = content["stage"], content["recorder"], content["returns"]
        probe.next_numbers = content["next_numbers"]
        kept = env.finished
        set_random_state(content["random"])
    for number, stage in enumerate(every := stages(job.protocol)):
        if number < first:
            continue
        again = number == first and state.stored is not None  # its probe was made before the kill
        if not again:
            _probe(job, learner, stage, probe, recorder)
            if number and (stage.trials == 0 or env.finished >= kept + KEEP_EVERY):
                content = learner_state()
                kept = env.finished
                if content is not None:
                    more = {"stage": number, "recorder": recorder, "returns": returns}
                    state.keep(content | more | {"next_numbers": probe.next_numbers})
        if stage.trials:
            if stage.trial == 0 and number:
                begin_phase()
            learn(stage.trials)
            returns.add(stage.phase.name, every[number + 1].trial, env.take_returns())
    recorder.save(job.out)
    returns.save(job.out)


def _probe(job: Job, learner: Any, stage: Stage, probe: Probe, recorder: ProbeRecorder) -> None:
    result = probe(learner, stage.phase.field)
    recorder.add(result, stage.phase.name, stage.update, stage.trial, job.seed)
    deviation = MM * result.mean("lateral_deviation")
    log.info("%s trial %d: %.1f mm", stage.phase.name, stage.trial, deviation)
    if not stage.trials:
        recorder.add_channel(probe.channel(learner, job.protocol.field), stage.phase.name, job.seed)


def _saved(learner: Any) -> dict[str, bytes]:
    """Return what the `save` of an agent writes, by file name."""
    with tempfile.TemporaryDirectory() as folder:
        learner.save(Path(folder) / AGENT_FILE)
        files = [file for file in sorted(Path(folder).rglob("*")) if file.is_file()]
        return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def _load(learner: Any, contents: Mapping[str, bytes]) -> None:
    """Let an agent `load` what it saved."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in contents.items():
            file = Path(folder) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        learner.load(Path(folder) / AGENT_FILE)
