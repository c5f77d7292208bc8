"""What the benchmark times: our update and probe, piece by piece, and the bare matrix products below them.

All times are seconds by the wall clock. Tasks that are compared take turns (A B A B ...), so that a machine
that changes its pace changes it for all of them; ratios are medians over the rounds.
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
from savings_gym.fields import CurlField
from savings_gym.task.settings import CONTROL_STEP, N_TARGETS, TRIAL_STEPS

Task = Callable[[], float]
PIECES = ("batch", "forward", "loss", "backward", "optimiser")
GATES = 3


class Clock:
    """Seconds since the last question; on a GPU after all work asked for is done."""

    def __init__(self, device: torch.device) -> None:
        """Starts."""
        self.device = device
        self.last = 0.0
        self()

    def __call__(self) -> float:
        """Seconds since the last call."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now = time.perf_counter()
        passed, self.last = now - self.last, now
        return passed


class Work:
    """An ensemble that adapts to a curl field, with its batches.

    Args:
        networks: in the ensemble.
        trials: a batch; other numbers than 8 make random reaches of it.
        units: recurrent units a network.
        device: ``"cpu"``, ``"cuda"``, ...
        rollout: As in ``SupervisedLearner``.
        substeps: physics steps a control step; None leaves the arm's own.
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
        """Makes networks and batches."""
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
        """A batch, or the probe (8 trials whatever ``trials`` is)."""
        field = CurlField(CURL)
        if probe or self.trials == N_TARGETS:
            return centre_out(self.networks, field, self.rng, probe=probe, device=self.device)
        return random_reaches(self.networks, self.trials, field, self.rng, device=self.device)

    def update(self) -> float:
        """One update: rollout, loss, backward, clip, step."""
        clock = Clock(self.device)
        self.learner.update(self.reaches)
        return clock()

    def probe(self) -> float:
        """One probe: a rollout without gradients."""
        clock = Clock(self.device)
        self.learner.probe(self.probes)
        return clock()

    def batch_seconds(self) -> float:
        """Making a batch."""
        clock = Clock(self.device)
        self.reaches = self.batch()
        return clock()

    def parts(self) -> dict[str, float]:
        """The parts of one update, each on its own; the same calls as ``SupervisedLearner.update``."""
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
    """Gives the arm another number of physics steps a control step (for timing: the study's arm has 5)."""
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

    In every control step h @ W and, backward, d @ W'; at the end the weights' gradient in one product.
    """

    def __init__(self, networks: int, trials: int = N_TARGETS, units: int = 128, device: str = "cpu") -> None:
        """Makes matrices of the shapes."""
        self.device = torch.device(device)
        generator = torch.Generator().manual_seed(0)
        rows = GATES * units

        def matrix(*shape: int) -> torch.Tensor:
            return torch.randn((networks, *shape), generator=generator).to(self.device)

        self.weight, self.weight_t = matrix(units, rows), matrix(rows, units)
        self.h, self.d = matrix(trials, units), matrix(trials, rows)
        self.ahead, self.back = torch.empty_like(self.d), torch.empty_like(self.h)
        self.all_h, self.all_d = matrix(TRIAL_STEPS * trials, units), matrix(TRIAL_STEPS * trials, rows)
        self.gradient = torch.empty_like(self.weight_t)
        self.operations = networks * trials * units * rows * TRIAL_STEPS * 3 * 2

    def __call__(self) -> float:
        """Seconds of the products of one update."""
        clock = Clock(self.device)
        for _ in range(TRIAL_STEPS):
            torch.bmm(self.h, self.weight, out=self.ahead)
        for _ in range(TRIAL_STEPS):
            torch.bmm(self.d, self.weight_t, out=self.back)
        torch.bmm(self.all_d.mT, self.all_h, out=self.gradient)
        return clock()


def take_turns(tasks: dict[str, Task], rounds: int) -> dict[str, list[float]]:
    """Runs all tasks once to warm up, then all in turn, round after round.

    Args:
        tasks: each returns the seconds of one unit of its work.
        rounds: at least 1.

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
    """A task that does the same several times, for the mean of it."""
    return lambda: sum(task() for _ in range(times)) / times


def ratio(above: list[float], below: list[float]) -> float:
    """Median over rounds of one time over the other."""
    return median(a / b for a, b in zip(above, below, strict=True))


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Torch and numba with so many computing threads."""
    held = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with _numba_threads(count):
            yield
    finally:
        torch.set_num_threads(held)


@contextmanager
def _numba_threads(count: int) -> Iterator[None]:
    try:
        import numba
    except ImportError:
        yield
        return
    held = numba.get_num_threads()
    numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
    try:
        yield
    finally:
        numba.set_num_threads(held)
