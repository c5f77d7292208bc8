"""A local learning rule in place of backpropagation through time: e-prop.

From Bellec et al. 2020 (doi 10.1038/s41467-020-17236-y); for leaky rate units it is the random-feedback
online learning of Murray 2019 (doi 10.7554/eLife.43299). A synapse w onto unit j keeps an eligibility trace,
which needs nothing but what is known at that unit, forwards in time,

    e_t = d_t e_{t-1} + (dh_t / dw with h_{t-1} and the observation held fixed),

where d_t is how much of the unit's own state is carried over: the update gate z_t of a GRU, 1 - leak of a
rate unit, the forget gate of an LSTM's memory. The change of w is the sum over time of e_t times the unit's
learning signal L_t. What is left out of the true gradient is the influence that goes from unit to unit
through the recurrent weights, and from movement to unit through the senses.

L_t = B s_t + (the cost of the unit's own activity), where s_t is the gradient of the loss with respect to the
read-out at t through the arm alone, and B is the feedback: the read-out's transpose (``"eprop"``, Bellec's
symmetric e-prop), or a fixed random matrix (``"eprop-random"``; feedback alignment, Lillicrap et al. 2016,
doi 10.1038/ncomms13276). A network aligns with random feedback by learning its read-out: where that is
frozen, as after pre-training in the study, random feedback cannot teach it. s_t looks ahead: the arm's
mechanics, which no synapse of the network is part of, are differentiated exactly, as by a teacher who knows
what a change of excitation does to the movement.

The sum over time of e_t L_t equals what a reverse pass gives in which h_{t-1} is held fixed wherever it
enters the gates, observations are held fixed, and B stands for the read-out's transpose. That is how it is
computed here; a test compares it with traces that run forwards. ``agents.supervised.fused`` does the same by leaving the
recurrent and input weights out of its reverse pass.
"""

from __future__ import annotations

import copy
import math
from typing import Any, Final

import torch

from agents.supervised.networks import CELLS, Ensemble, derived_seed
from agents.supervised.reaches import Reaches
from agents.supervised.rollout import Trajectory, rollout
from agents.supervised.torch_arm import TorchArm

RULES: Final = ("bptt", "eprop", "eprop-random")
STREAM: Final = 101  # second key of the seed


def draw_feedback(ensemble: Ensemble, seed: int) -> torch.Tensor:
    """Random feedback (n, outputs, units), Xavier-uniform like the read-out; network i's is of (seed, i)."""
    shape = ensemble.readout_weight.shape
    bound = math.sqrt(6.0 / (shape[1] + shape[2]))
    drawn = torch.empty(shape, dtype=torch.float64)
    for i in range(ensemble.networks):
        generator = torch.Generator().manual_seed(derived_seed(seed, STREAM, i, 0))
        drawn[i].uniform_(-bound, bound, generator=generator)
    return drawn.to(ensemble.readout_weight)


def local_rollout(ensemble: Ensemble, arm: TorchArm, reaches: Reaches, feedback: torch.Tensor) -> Trajectory:
    """The trials of ``agents.supervised.rollout.rollout``, with the local rule's gradients.

    Args:
        ensemble: the networks.
        arm: what they move.
        reaches: their trials.
        feedback: (n, outputs, units) B; the read-out weight itself for symmetric feedback.
    """
    return rollout(_view(ensemble, feedback), arm, reaches)


class _Local:
    """What an ensemble does differently under the local rule."""

    feedback: torch.Tensor
    input_weight: torch.Tensor
    readout_weight: torch.Tensor
    readout_bias: torch.Tensor

    def _drive(self, inputs: torch.Tensor, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        drives: tuple[torch.Tensor, torch.Tensor] = super()._drive(inputs.detach(), hidden.detach())  # type: ignore[misc]
        return drives

    def readout(self, hidden: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = _Readout.apply(hidden, self.readout_weight, self.readout_bias, self.feedback)
        return torch.sigmoid(logits)


LOCAL: Final = {name: type(f"Local{cell.__name__}", (_Local, cell), {}) for name, cell in CELLS.items()}


def _view(ensemble: Ensemble, feedback: torch.Tensor) -> Any:
    """The same networks, sharing their parameters, with the local rule's gradients."""
    view = copy.copy(ensemble)
    view.__class__ = LOCAL[ensemble.cell]
    view.feedback = feedback.detach()
    return view


class _Readout(torch.autograd.Function):
    """Logits of the read-out; the gradient on the activity takes the feedback's way back."""

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, feedback: torch.Tensor
    ) -> torch.Tensor:
        ctx.save_for_backward(hidden, feedback)
        return torch.baddbmm(bias[:, None], hidden, weight.mT)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        hidden, feedback = ctx.saved_tensors
        (g,) = grads
        return g @ feedback, g.mT @ hidden, g.sum(1), None
