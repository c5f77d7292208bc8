"""MotorNet at the same work, for comparison: its arm and GRU with the study's trials, loss and update.

MotorNet (Codol et al. 2024, doi 10.7554/eLife.88591) simulates one network per process, so several networks
at once are several processes, each with one computing thread. Only its public classes are used. No other part
of the project needs it: ``pip install "savings_gym[bench]"`` or ``pip install motornet``.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import multiprocessing
import os
import time
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

import numpy as np
import torch

from agents.supervised.learner import ADAPTATION
from agents.supervised.losses import loss_terms, total_loss
from agents.supervised.reaches import Reaches, centre_out
from agents.supervised.rollout import Trajectory
from savings_gym.perturbations.fields import CurlField
from savings_gym.task.settings import CONTROL_STEP, TRIAL_STEPS, Delays, Noise

HOW_TO_GET = 'pip install "motornet>=0.2,<0.4"'
MUSCLE_FORCE = -1  # last row of MotorNet's muscle state
CURL = 8.0  # N s/m


def motornet_version() -> str | None:
    """Return the version of MotorNet; None if it is not installed."""
    if importlib.util.find_spec("motornet") is None:
        return None
    return importlib.metadata.version("motornet")


def peak_memory() -> float | None:
    """Return the largest memory that this process has held [GB]; None if the system does not report it."""
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if os.uname().sysname == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


class MotorNetLearner:
    """One network on MotorNet's arm whose recurrent weights and initial state learn, as in the study."""

    def __init__(self, units: int, trials: int, seed: int) -> None:
        """Build arm, environment, network and optimiser."""
        from motornet.effector import RigidTendonArm26
        from motornet.environment import Environment
        from motornet.muscle import RigidTendonHillMuscle
        from motornet.policy import PolicyGRU

        torch.manual_seed(seed)
        noise, delays = Noise(), Delays()
        self.environment = Environment(
            RigidTendonArm26(muscle=RigidTendonHillMuscle(), timestep=CONTROL_STEP),
            max_ep_duration=TRIAL_STEPS * CONTROL_STEP,
            action_noise=noise.excitation,
            proprioception_noise=noise.proprioception,
            vision_noise=noise.vision,
            proprioception_delay=delays.proprioception,
            vision_delay=delays.vision,
        )
        self.environment.reset(seed=seed, options={"batch_size": trials})
        size = self.environment.observation_space.shape[0]
        self.policy = PolicyGRU(size + 1, units, self.environment.n_muscles, "cpu")  # and the go cue
        self.initial = torch.nn.Parameter(torch.zeros(1, 1, units))
        for name, parameter in self.policy.named_parameters():
            parameter.requires_grad_(name in ("gru.weight_hh_l0", "gru.bias_hh_l0"))
        learning = (parameter for parameter in self.policy.parameters() if parameter.requires_grad)
        self.plastic = [self.initial, *learning]
        self.optimiser = torch.optim.SGD(self.plastic, lr=ADAPTATION.rate)

    def rollout(self, reaches: Reaches) -> Trajectory:
        """Run all trials of a batch."""
        environment, steps = self.environment, reaches.steps
        trials = reaches.go_step.shape[1]
        go = reaches.go_step[0][None, :, None]
        time = torch.arange(steps)[:, None, None]
        cue, field_on = (time >= go + reaches.timing.cue).float(), (time >= go).float()
        field = reaches.fields[1][0][0]  # B of a field with onset at go
        environment.reset(options={"batch_size": trials, "joint_state": reaches.q0[0]})
        environment.goal = reaches.target[0]
        observation = environment.get_obs()
        hidden = self.initial.expand(-1, trials, -1).contiguous()
        series: list[tuple[torch.Tensor, ...]] = []
        for t in range(steps):
            action, hidden = self.policy(torch.cat([observation, cue[t]], -1), hidden)
            force = field_on[t] * (field * environment.states["cartesian"][:, None, 2:]).sum(-1)
            observation = environment.step(action, endpoint_load=force)[0]
            cartesian, muscle = environment.states["cartesian"], environment.states["muscle"]
            series.append((cartesian[:, :2], cartesian[:, 2:], muscle[:, MUSCLE_FORCE], action, hidden[0]))
        hand, velocity, force, excitation, hidden = (
            torch.stack(values)[None] for values in zip(*series, strict=True)
        )
        return Trajectory(hand, velocity, force, excitation, hidden)

    def update(self, reaches: Reaches) -> None:
        """Do one update: rollout, loss, backward pass, clipping, step."""
        self.optimiser.zero_grad(set_to_none=True)
        terms = loss_terms(self.rollout(reaches), reaches)
        total_loss(terms, ADAPTATION.weights).sum().backward()
        torch.nn.utils.clip_grad_norm_(self.plastic, ADAPTATION.clip)
        self.optimiser.step()

    def probe(self, reaches: Reaches) -> None:
        """Run a batch without learning."""
        with torch.no_grad():
            self.rollout(reaches)


def _work(connection: Connection, units: int, seed: int) -> None:
    """Time updates or probes in a worker process, as requested, until it is told to stop."""
    torch.set_num_threads(1)
    try:
        rng = np.random.default_rng(seed)
        reaches = {
            work: centre_out(1, CurlField(CURL), rng, probe=work == "probe") for work in ("update", "probe")
        }
        learner = MotorNetLearner(units, reaches["update"].go_step.shape[1], seed)
        for work, batch in reaches.items():
            getattr(learner, work)(batch)
        answer: Any = "ready"
        while True:
            connection.send(answer)
            work, repetitions = connection.recv()
            if work == "stop":
                connection.send(peak_memory())
                return
            began = time.perf_counter()
            for _ in range(repetitions):
                getattr(learner, work)(reaches[work])
            answer = (time.perf_counter() - began) / repetitions
    except EOFError:
        return
    except Exception as error:
        connection.send(error)


class MotorNetWorkers:
    """MotorNet processes, each with one network; idle ones wait without computing."""

    def __init__(self, units: int, processes: int) -> None:
        """Declare the processes; ``with`` starts them."""
        self.units, self.count = units, processes
        self.connections: list[Connection] = []
        self.processes: list[Any] = []
        self.peak_memory: float | None = None

    def __enter__(self) -> MotorNetWorkers:
        """Start the processes and wait until each has warmed up."""
        context = multiprocessing.get_context("spawn")
        before = os.environ.get("OMP_NUM_THREADS")
        os.environ["OMP_NUM_THREADS"] = "1"
        try:
            for seed in range(self.count):
                own_end, far_end = context.Pipe()
                process = context.Process(target=_work, args=(far_end, self.units, seed), daemon=True)
                process.start()
                far_end.close()
                self.connections.append(own_end)
                self.processes.append(process)
        finally:
            if before is None:
                del os.environ["OMP_NUM_THREADS"]
            else:
                os.environ["OMP_NUM_THREADS"] = before
        for connection in self.connections:
            _answer(connection)
        return self

    def seconds(self, work: str, repetitions: int, processes: int) -> list[float]:
        """Return the seconds of an ``"update"`` or ``"probe"`` in each of some processes at the same time."""
        used = self.connections[:processes]
        for connection in used:
            connection.send((work, repetitions))
        return [float(_answer(connection)) for connection in used]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the processes and keep the largest memory that one of them held."""
        peaks = []
        for connection, process in zip(self.connections, self.processes, strict=True):
            if kind is None:
                connection.send(("stop", 0))
                peaks.append(_answer(connection))
            else:
                process.terminate()
            connection.close()
            process.join()
        known = [memory for memory in peaks if memory is not None]
        self.peak_memory = max(known) if known else None


def _answer(connection: Connection) -> Any:
    """Return the answer of a worker.

    Raises:
        RuntimeError: If it failed, with the reason.
    """
    try:
        answer = connection.recv()
    except EOFError as error:
        raise RuntimeError("a MotorNet process died") from error
    if isinstance(answer, Exception):
        raise RuntimeError(f"a MotorNet process failed: {answer!r}") from answer
    return answer
