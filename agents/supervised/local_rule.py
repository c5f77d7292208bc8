"""A local learning rule in place of backpropagation through time: e-prop.

From Bellec et al. 2020 (doi 10.1038/s41467-020-17236-y); for leaky rate units it is the random-feedback
online learning of Murray 2019 (doi 10.7554/eLife.43299). A synapse w onto unit j keeps an eligibility trace,
which runs forwards in time and needs only what is known at that unit,

    e_t = d_t e_{t-1} + (dh_t / dw with h_{t-1} and the observation held fixed),

where d_t is the share of the unit's own state that is carried over. The change of w is the sum over time of
e_t times the unit's learning signal L_t. Missing from the true gradient is what one unit does to another
through the recurrent weights, and what the movement does to a unit through the senses.

d_t depends on the cell:

- GRU: the update gate z_t;
- leaky rate units: 1 - leak;
- LSTM: the forget gate. Synapses onto the input, forget and candidate gates keep a trace of the unit's memory
  cell, which L_t reaches through the output gate; synapses onto the output gate have no trace. The initial
  activity acts through the gates alone, so it does not learn;
- a cell of your own: whatever ``step`` carries over without using ``_drive``.

L_t = B s_t + (the cost of the unit's own activity), where s_t is the gradient of the loss with respect to the
read-out at t through the arm alone, and B is the feedback: the read-out's transpose (``"eprop"``, Bellec's
symmetric e-prop), or a fixed random matrix (``"eprop-random"``; feedback alignment, Lillicrap et al. 2016,
doi 10.1038/ncomms13276). A network aligns with random feedback by learning its read-out: if that stays fixed,
as it does after pre-training in the study, random feedback cannot teach it. s_t looks ahead: the mechanics of
the arm, in which no synapse takes part, are differentiated exactly, as if by a teacher who knows what a
change of excitation does to the movement.

The sum over time of e_t L_t is what a reverse pass gives if h_{t-1} is held fixed wherever it enters the
gates, observations are held fixed, and B replaces the read-out's transpose. It is computed that way here; a
test compares it with traces that run forwards. ``agents.supervised.fused`` does the same by leaving recurrent
and input weights out of its reverse pass.
"""

from __future__ import annotations

import copy
import math
from functools import cache
from typing import Any, Final

import torch

from agents.supervised.networks import Ensemble, State, derived_seed
from agents.supervised.reaches import Reaches
from agents.supervised.rollout import Trajectory, plain_rollout
from agents.supervised.torch_arm import TorchArm

RULES: Final = ("bptt", "eprop", "eprop-random")
FEEDBACK_STREAM: Final = 101  # second key of the seed of random feedback
CARRIED: Final = {  # d_t, in words
    "gru": "the update gate",
    "lstm": "the forget gate of the unit's memory cell",
    "rnn": "1 - leak",
}


def describe_rule(rule: str, cell: str) -> str:
    """Return a sentence on what a learning rule does in networks of a cell."""
    if rule == "bptt":
        return "learning by backpropagation through time"
    feedback = "fixed random weights" if rule == "eprop-random" else "the read-out's own weights"
    carried = CARRIED.get(cell, "what the cell carries over")
    return (
        f"learning by e-prop, a local rule: eligibility traces decay with {carried}, feedback goes through "
        f"{feedback}"
    )


def draw_feedback(ensemble: Ensemble, seed: int) -> torch.Tensor:
    """Draw random feedback (n, outputs, units), Xavier-uniform like the read-out.

    That of network i depends on the seed and i alone.
    """
    shape = ensemble.readout_weight.shape
    bound = math.sqrt(6.0 / (shape[1] + shape[2]))
    drawn = torch.empty(shape, dtype=torch.float64)
    for i in range(ensemble.networks):
        generator = torch.Generator().manual_seed(derived_seed(seed, FEEDBACK_STREAM, i, 0))
        drawn[i].uniform_(-bound, bound, generator=generator)
    return drawn.to(ensemble.readout_weight)


def local_rollout(
    ensemble: Ensemble,
    arm: TorchArm,
    reaches: Reaches,
    feedback: torch.Tensor,
    memory: State | None = None,
) -> Trajectory:
    """Run trials like ``agents.supervised.rollout.plain_rollout``, with the gradients of the local rule.

    Args:
        ensemble: The networks.
        arm: What they move.
        reaches: Their trials.
        feedback: (n, outputs, units) B; the read-out weight itself for symmetric feedback.
        memory: State before the first control step; None is the learned initial state.
    """
    view: Any = copy.copy(ensemble)  # shares the parameters
    cell: Any = type(ensemble)
    view.__class__ = _with_local_gradients(cell)
    view.feedback = feedback.detach()
    return plain_rollout(view, arm, reaches, memory=memory)


class _LocalGradients:
    """Mixed into a cell: the same numbers forwards, the local rule's gradients backwards."""

    feedback: torch.Tensor
    readout_weight: torch.Tensor
    readout_bias: torch.Tensor

    def _drive(self, inputs: torch.Tensor, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        drives: tuple[torch.Tensor, torch.Tensor] = super()._drive(inputs.detach(), hidden.detach())  # type: ignore[misc]
        return drives

    def readout(self, hidden: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = _Readout.apply(hidden, self.readout_weight, self.readout_bias, self.feedback)
        return torch.sigmoid(logits)


@cache
def _with_local_gradients(cell: Any) -> type:
    """Return the subclass of a cell with the gradients of the local rule."""
    return type(f"Local{cell.__name__}", (_LocalGradients, cell), {})


class _Readout(torch.autograd.Function):
    """Logits of the read-out, whose gradient on the activity goes back through the feedback."""

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
