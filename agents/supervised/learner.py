"""Supervised-gradient learners: ensembles that learn to reach by gradients, or by a local rule.

The protocol follows the study (eLife 107423): pre-training on random reaches with Adam, in which all
parameters learn; then plain SGD on the 8 centre-out reaches, in which input weights, input bias and read-out
stay fixed. Where our trials differ from the study's, ``agents.supervised.reaches`` says so.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

import torch

from agents.supervised.local_rule import RULES, draw_feedback, local_rollout
from agents.supervised.losses import LossWeights, mean_terms, total_loss
from agents.supervised.networks import Ensemble, State
from agents.supervised.reaches import Reaches
from agents.supervised.rollout import Trajectory, plain_rollout
from agents.supervised.torch_arm import TorchArm
from savings_gym.activity.displacement import Displacement
from savings_gym.arm.changes import ArmLike
from savings_gym.arrays import as_choice
from savings_gym.task.impairments import ImpairmentsLike

FROZEN: Final = ("input_weight", "input_bias", "readout_weight", "readout_bias")  # after pre-training
OPTIMISERS: Final = ("adam", "sgd")
ROLLOUTS: Final = ("auto", "fused", "plain")


@dataclass(frozen=True)
class Learning:
    """How an ensemble learns.

    Attributes:
        optimiser: ``"adam"``, or ``"sgd"`` without momentum.
        rate: Learning rate.
        decay: Factor on the rate after every update.
        clip: Largest gradient norm of a network.
        weights: Weights of the loss terms.
        rule: ``"bptt"``, backpropagation through time; ``"eprop"``, the local rule with the read-out's own
            weights as feedback; or ``"eprop-random"``, the local rule with random feedback.
        feedback_seed: Seed of the random feedback.
    """

    optimiser: str = "sgd"
    rate: float = 5e-3
    decay: float = 1.0
    clip: float = 1.0
    weights: LossWeights = LossWeights()
    rule: str = "bptt"
    feedback_seed: int = 0

    def __post_init__(self) -> None:
        """Check the values."""
        as_choice("optimiser", self.optimiser, OPTIMISERS)
        as_choice("rule", self.rule, RULES)
        for name in ("rate", "decay", "clip"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be positive and finite, got {getattr(self, name)}")


PRETRAINING: Final = Learning("adam", rate=3e-3, decay=0.9999)
ADAPTATION: Final = Learning("sgd", rate=5e-3)


def make_optimiser(learning: Learning, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """Return a fresh optimiser of parameters."""
    kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[learning.optimiser]
    return kind(parameters, lr=learning.rate)


def clip_per_network(parameters: list[torch.nn.Parameter], largest: float) -> torch.Tensor:
    """Scale each network's gradient down to a norm of at most ``largest``; return the norms before, (n,)."""
    grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norms = torch.stack([grad.flatten(1).square().sum(1) for grad in grads]).sum(0).sqrt()
    scale = (largest / (norms + 1e-6)).clamp(max=1.0)
    for grad in grads:
        grad.mul_(scale.view(-1, *[1] * (grad.ndim - 1)))
    return norms


class ExtraLoss(Protocol):
    """A further loss that networks learn from."""

    def __call__(self, trajectories: Sequence[Trajectory], /) -> torch.Tensor:
        """Return the loss of every network, (n,)."""


class SupervisedLearner:
    """An ensemble with its optimiser and the arm that it moves.

    Args:
        ensemble: The networks; their frozen parameters stay fixed.
        learning: How they learn.
        rollout: ``"fused"`` (GRUs on a CPU, see ``agents.supervised.fused``), ``"plain"`` (any cell, any
            device), or ``"auto"``.
        actuation: Actuation of the arm, ``"muscle"`` or ``"motor"``.
        arm: Another arm, see ``savings_gym.arm.changes``; batches then need ``arm=load_arm(actuation, arm)``.
        stop_diverging: Go on with the other networks if the gradient of one is not finite. It keeps the
            weights that it had, and learns no more.
        impairments: Spasticity and signal-dependent noise, see ``TorchArm``, with the plain rollout; batches
            then need the same ``signal_noise``.

    Attributes:
        stopped: (n,) whether a network learns no more.
        norms: (n,) norms of the gradients of the last update before they were clipped; 0 before the first.
    """

    def __init__(
        self,
        ensemble: Ensemble,
        learning: Learning = ADAPTATION,
        rollout: str = "auto",
        actuation: str = "muscle",
        arm: ArmLike = None,
        stop_diverging: bool = False,
        impairments: ImpairmentsLike = None,
    ) -> None:
        """Create the optimiser and choose the rollout."""
        self.stop_diverging = stop_diverging
        self.stopped = torch.zeros(ensemble.networks, dtype=torch.bool, device=ensemble.initial.device)
        self.norms = torch.zeros_like(self.stopped, dtype=ensemble.initial.dtype)
        self.ensemble, self.learning = ensemble, learning
        like = ensemble.initial
        self.arm = TorchArm(like.device, like.dtype, actuation, arm, impairments)
        self.run = make_rollout(ensemble, self.arm, rollout)
        self.start_phase(learning)

    def start_phase(self, learning: Learning) -> None:
        """Start with a fresh optimiser, as in every phase of the study.

        Raises:
            ValueError: If every parameter of the ensemble is frozen.
        """
        self.learning = learning
        self.plastic = [parameter for parameter in self.ensemble.parameters() if parameter.requires_grad]
        if not self.plastic:
            raise ValueError("every parameter is frozen: nothing can learn")
        self.optimiser = make_optimiser(learning, self.plastic)
        self.feedback = draw_feedback(self.ensemble, learning.feedback_seed)

    def update(self, *sessions: Reaches, extra: ExtraLoss | None = None) -> dict[str, torch.Tensor]:
        """Update every network once on its trials; return loss terms and total before the update, (n,) each.

        Args:
            sessions: A batch of trials. Of several batches, the trials at one place are a session: memory is
                carried from each to the next, gradients go back through all, and the loss is the mean.
            extra: A further loss of the trajectories, (n,), which is added; it is returned as "extra".

        Raises:
            FloatingPointError: If the gradient of a network is not finite, or of the last one that still
                learns if diverging networks are stopped; nothing is changed then.
        """
        self.optimiser.zero_grad(set_to_none=True)
        trajectories = self._trajectories(sessions)
        terms = mean_terms(trajectories, sessions)
        total = total_loss(terms, self.learning.weights)
        if extra is not None:
            terms["extra"] = extra(trajectories)
            total = total + terms["extra"]
        total.sum().backward()
        self.norms = norms = clip_per_network(self.plastic, self.learning.clip)
        stopped = self.stopped | ~torch.isfinite(norms)
        if bool((stopped & ~self.stopped).any()) and (not self.stop_diverging or bool(stopped.all())):
            bad = torch.nonzero(~torch.isfinite(norms)).flatten().tolist()
            raise FloatingPointError(f"the gradient of network(s) {bad} is not finite")
        self.stopped = stopped
        with self._keeping(stopped):
            self.optimiser.step()
        for group in self.optimiser.param_groups:
            group["lr"] *= self.learning.decay
        return {name: value.detach() for name, value in terms.items()} | {"total": total.detach()}

    @contextmanager
    def _keeping(self, stopped: torch.Tensor) -> Iterator[None]:
        """Keep the weights of some networks (n,) as they are, whatever the optimiser does."""
        if not bool(stopped.any()):
            yield
            return
        kept = [parameter.detach()[stopped].clone() for parameter in self.plastic]
        for parameter in self.plastic:
            if parameter.grad is not None:
                parameter.grad[stopped] = 0.0  # not into the optimiser's averages, either
        yield
        with torch.no_grad():
            for parameter, values in zip(self.plastic, kept, strict=True):
                parameter[stopped] = values

    def _trajectories(self, sessions: Sequence[Reaches]) -> list[Trajectory]:
        """Run the trials of sessions with the gradients of the learning rule."""
        if self.learning.rule == "bptt":
            feedback = None
        else:
            random = self.learning.rule == "eprop-random"
            feedback = self.feedback if random else self.ensemble.readout_weight
        return run_sessions(self.run, self.ensemble, sessions, feedback)

    def probe(self, reaches: Reaches, displacement: Displacement | None = None) -> Trajectory:
        """Return what the networks do, without learning, with their activity displaced if given."""
        with torch.no_grad():
            return self.run(self.ensemble, reaches, displacement=displacement)

    def probe_sessions(self, sessions: Sequence[Reaches]) -> list[Trajectory]:
        """Return what the networks do in trial after trial with their memory carried, without learning."""
        with torch.no_grad():
            return run_sessions(self.run, self.ensemble, sessions)


class Rollout(Protocol):
    """Runs trials; if given feedback (n, outputs, units), with the gradients of the local rule."""

    def __call__(
        self,
        ensemble: Ensemble,
        reaches: Reaches,
        feedback: torch.Tensor | None = None,
        memory: State | None = None,
        slot: int = 0,
        displacement: Displacement | None = None,
    ) -> Trajectory:
        """Run all trials of all networks, from the learned initial state or from a ``memory`` on.

        Trajectories that are differentiated together need different slots. Those with a displacement are not
        for learning.
        """


def run_sessions(
    run: Rollout, ensemble: Ensemble, sessions: Sequence[Reaches], feedback: torch.Tensor | None = None
) -> list[Trajectory]:
    """Run trials one after the other, each from the memory at the end of the one before.

    Args:
        run: Runs one batch of trials.
        ensemble: The networks.
        sessions: Batches (n, m) of trials, of which those at one place follow each other.
        feedback: As in `Rollout`.

    Raises:
        ValueError: If there is no batch, or they differ in size.
    """
    shapes = {tuple(reaches.go_step.shape) for reaches in sessions}
    if len(shapes) != 1:
        raise ValueError(f"the trials of sessions must be batches of one size, got {sorted(shapes)}")
    trajectories: list[Trajectory] = []
    memory = None
    for slot, reaches in enumerate(sessions):
        trajectories.append(run(ensemble, reaches, feedback, memory, slot))
        memory = trajectories[-1].memory
    return trajectories


def make_rollout(ensemble: Ensemble, arm: TorchArm, kind: str = "auto") -> Rollout:
    """Return the function that runs trials of an ensemble.

    Args:
        ensemble: The networks.
        arm: The arm that they move.
        kind: One of `ROLLOUTS`, see `SupervisedLearner`.

    Raises:
        ValueError: If the kind is unknown, or is ``"fused"`` for an ensemble that it cannot run.
    """
    as_choice("rollout", kind, ROLLOUTS)

    def plain(
        ensemble: Ensemble, reaches: Reaches, feedback: torch.Tensor | None = None,
        memory: State | None = None, slot: int = 0, displacement: Displacement | None = None,
    ) -> Trajectory:  # fmt: skip
        if feedback is None:
            return plain_rollout(ensemble, arm, reaches, displacement, memory)
        if displacement is not None:
            raise ValueError("the local rule does not learn from displaced trials")
        return local_rollout(ensemble, arm, reaches, feedback, memory)

    if arm.impairments:
        if kind == "fused":
            raise ValueError("the fused rollout has no impairments: choose 'auto' or 'plain'")
        return plain
    if kind == "plain":
        return plain
    try:
        from agents.supervised.fused import FusedRollout, supports
    except ImportError as error:
        if kind == "fused":
            raise ValueError("the fused rollout needs numba: pip install numba") from error
        warnings.warn("numba is not installed: using the plain rollout, many times slower", stacklevel=2)
        return plain
    if supports(ensemble):
        return FusedRollout(arm.arm.actuation, arm.arm.changes)
    if kind == "fused":
        raise ValueError(
            f"the fused rollout runs GRUs on a CPU; this ensemble is {ensemble.cell} on "
            f"{ensemble.initial.device}"
        )
    return plain
