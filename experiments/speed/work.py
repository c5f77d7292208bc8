"""The work that is timed: update and probe of the supervised learner, and their bare matrix products.

All times are seconds of the wall clock. Tasks that are compared take turns (A B A B ...), so that a machine
that slows down slows all of them; ratios are medians over the rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

import numpy as np
import torch

from agents.supervised.learner import ADAPTATION, FROZEN, SupervisedLearner, clip_per_network
from agents.supervised.losses import loss_terms, total_loss
from agents.supervised.networks import make_ensemble
from agents.supervised.reaches import Reaches, centre_out, random_reaches
from experiments.speed.motornet import CURL
from savings_gym.perturbations.fields import CurlField
from savings_gym.task.settings import CONTROL_STEP, N_TARGETS, TRIAL_STEPS

Task = Callable[[], float]
PIECES = ("batch", "forward", "loss", "backward", "optimiser")
GATES = 3


class Clock:
    """A stopwatch; on a GPU it waits until all work is finished."""

    def __init__(self, device: torch.device) -> None:
        """Start."""
        self.device = device
        self.last = 0.0
        self()

    def __call__(self) -> float:
        """Return the seconds since the last call."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now = time.perf_counter()
        passed, self.last = now - self.last, now
        return passed


class Work:
    """An ensemble that adapts to a curl field, with its batches.

    Args:
        networks: Size of the ensemble.
        trials: Trials per batch: centre-out reaches if there are 8, random reaches otherwise.
        units: Recurrent units per network.
        device: ``"cpu"``, ``"cuda"``, ...
        rollout: As in ``SupervisedLearner``.
        substeps: Physics steps per control step; None keeps those of the arm.
    """

    def __init__(
        self,
        networks: int,
        trials: int = N_TARGETS,
        units: int = 128,
        device: str = "cpu",
        rollout: str = "auto",
        substeps: int | None = None,
    ) -> None:
        """Make networks and batches."""
        self.networks, self.trials, self.units = networks, trials, units
        self.device = torch.device(device)
        ensemble = make_ensemble("gru", networks, units, seed=0, device=device)
        ensemble.freeze(*FROZEN)
        self.learner = SupervisedLearner(ensemble, ADAPTATION, rollout)
        if substeps is not None:
            set_substeps(self.learner, substeps)
        self.rng = np.random.default_rng(0)
        self.reaches, self.probes = self.batch(), self.batch(probe=True)

    def batch(self, *, probe: bool = False) -> Reaches:
        """Return a batch, or the probe, which always has 8 trials."""
        field = CurlField(CURL)
        if probe or self.trials == N_TARGETS:
            return centre_out(self.networks, field, self.rng, probe=probe, device=self.device)
        return random_reaches(self.networks, self.trials, field, self.rng, device=self.device)

    def update(self) -> float:
        """Time one update: rollout, loss, backward pass, clipping, step."""
        clock = Clock(self.device)
        self.learner.update(self.reaches)
        return clock()

    def probe(self) -> float:
        """Time one probe: a rollout without gradients."""
        clock = Clock(self.device)
        self.learner.probe(self.probes)
        return clock()

    def batch_seconds(self) -> float:
        """Time the making of a batch."""
        clock = Clock(self.device)
        self.reaches = self.batch()
        return clock()

    def parts(self) -> dict[str, float]:
        """Time the parts of one update; the calls are those of ``SupervisedLearner.update``."""
        learner, clock = self.learner, Clock(self.device)
        seconds = {"batch": self.batch_seconds()}
        clock()
        learner.optimiser.zero_grad(set_to_none=True)
        trajectory = learner.run(learner.ensemble, self.reaches)
        seconds["forward"] = clock()
        total = total_loss(loss_terms(trajectory, self.reaches), learner.learning.weights).sum()
        seconds["loss"] = clock()
        total.backward()
        seconds["backward"] = clock()
        norms = clip_per_network(learner.plastic, learner.learning.clip)
        if not bool(torch.isfinite(norms).all()):
            raise FloatingPointError("a gradient is not finite")
        learner.optimiser.step()
        seconds["optimiser"] = clock()
        return seconds


def set_substeps(learner: SupervisedLearner, substeps: int) -> None:
    """Give the arm another number of physics steps per control step, for timing only."""
    if substeps < 1:
        raise ValueError(f"substeps must be at least 1, got {substeps}")
    learner.arm.substeps, learner.arm.timestep = substeps, CONTROL_STEP / substeps
    try:
        from agents.kernels.arm import DT, SUBSTEPS
        from agents.supervised.fused import FusedRollout
    except ImportError:
        return
    if isinstance(learner.run, FusedRollout):
        learner.run.arm[0][SUBSTEPS], learner.run.arm[0][DT] = substeps, CONTROL_STEP / substeps
        learner.run.substeps = substeps


class Floor:
    """The recurrent matrix products of one update and nothing else: no gates, no inputs, no arm.

    These are h @ W and, backward, d @ W' in every control step, and at the end the weights' gradient at once.
    """

    def __init__(self, networks: int, trials: int = N_TARGETS, units: int = 128, device: str = "cpu") -> None:
        """Make matrices of the right shapes."""
        self.device = torch.device(device)
        generator = torch.Generator().manual_seed(0)
        gates = GATES * units

        def matrix(*shape: int) -> torch.Tensor:
            return torch.randn((networks, *shape), generator=generator).to(self.device)

        self.weight, self.weight_t = matrix(units, gates), matrix(gates, units)
        self.h, self.d = matrix(trials, units), matrix(trials, gates)
        self.ahead, self.back = torch.empty_like(self.d), torch.empty_like(self.h)
        self.all_h, self.all_d = matrix(TRIAL_STEPS * trials, units), matrix(TRIAL_STEPS * trials, gates)
        self.gradient = torch.empty_like(self.weight_t)
        self.operations = networks * trials * units * gates * TRIAL_STEPS * 3 * 2

    def __call__(self) -> float:
        """Time the products of one update."""
        clock = Clock(self.device)
        for _ in range(TRIAL_STEPS):
            torch.bmm(self.h, self.weight, out=self.ahead)
        for _ in range(TRIAL_STEPS):
            torch.bmm(self.d, self.weight_t, out=self.back)
        torch.bmm(self.all_d.mT, self.all_h, out=self.gradient)
        return clock()


def take_turns(tasks: dict[str, Task], rounds: int) -> dict[str, list[float]]:
    """Run all tasks once to warm up, then in turn, round after round.

    Args:
        tasks: Each returns the seconds of one unit of its work.
        rounds: At least 1.

    Returns:
        The seconds of every task in every round.
    """
    if rounds < 1:
        raise ValueError(f"rounds must be at least 1, got {rounds}")
    for task in tasks.values():
        task()
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            seconds[name].append(task())
    return seconds


def repeated(task: Task, times: int) -> Task:
    """Return a task that repeats another one and reports the mean."""
    return lambda: sum(task() for _ in range(times)) / times


def ratio(above: list[float], below: list[float]) -> float:
    """Return the median over rounds of one time over the other."""
    return median(a / b for a, b in zip(above, below, strict=True))


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch and the kernels compute with this number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with _kernel_threads(count):
            yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _kernel_threads(count: int) -> Iterator[None]:
    try:
        from agents.kernels import threads as kernels
    except ImportError:
        yield
        return
    before = kernels.threads()
    kernels.set_threads(count)
    try:
        yield
    finally:
        kernels.set_threads(before)
