"""The rollout of a GRU ensemble on a CPU in one call, with a hand-written reverse pass.

The same numbers as ``agents.supervised.rollout`` to rounding, many times faster. ``FusedRollout`` owns the
work space; torch's autograd sees one function from the parameters to the trajectory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from agents.kernels import arm as numba_arm
from agents.kernels import cell as numba_cell
from agents.kernels import gru as numba_gru
from agents.kernels import gru_vjp as numba_gru_vjp
from agents.kernels.lanes import ARMS
from agents.supervised.networks import PARAMETERS, Ensemble, GRUEnsemble
from agents.supervised.reaches import Reaches
from agents.supervised.rollout import Trajectory, combined_field
from savings_gym.arm.changes import ArmLike
from savings_gym.arm.model import load_arm
from savings_gym.task.observation import PLANE


def supports(ensemble: Ensemble) -> bool:
    """Return whether the fused rollout can run this ensemble: it runs GRUs on a CPU."""
    if type(ensemble) is not GRUEnsemble:  # a subclass may do anything
        return False
    sizes = ensemble.input_weight.shape[2], ensemble.readout_weight.shape[1]
    return ensemble.initial.device.type == "cpu" and sizes == (numba_gru.INPUTS, numba_gru.N)


class FusedRollout:
    """Rolls out GRU ensembles. Call it like ``agents.supervised.rollout.plain_rollout``.

    A trajectory with gradients must be differentiated before the next one with gradients is made: both use
    the same work space (80 MB for 40 networks of 128 units and 8 trials).
    """

    def __init__(
        self,
        actuation: str = "muscle",
        arm: ArmLike = None,
    ) -> None:
        """Read the constants of the arm, see ``TorchArm``; memory is taken at the first call."""
        self.arm = numba_arm.arm_constants(load_arm(actuation, arm))
        self.substeps = int(self.arm[0][numba_arm.SUBSTEPS])
        self.work: dict[str, NDArray[Any]] = {}
        self.ticket = 0

    def __call__(
        self, ensemble: Ensemble, reaches: Reaches, feedback: torch.Tensor | None = None
    ) -> Trajectory:
        """All trials of all networks.

        With ``feedback`` (n, outputs, units) the gradients are those of ``agents.supervised.local_rule``: the
        reverse pass then has no recurrent and no input weights, and the feedback for the read-out.
        """
        parameters = [getattr(ensemble, name) for name in PARAMETERS]
        return Trajectory(*_Rollout.apply(self, reaches, feedback, torch.is_grad_enabled(), *parameters))

    def space(self, name: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """Memory for an array, taken once."""
        held = self.work.get(name)
        if held is None or held.shape != shape or held.dtype != dtype:
            self.work[name] = held = np.empty(shape, dtype)
        return held


def _trials(reaches: Reaches) -> dict[str, NDArray[Any]]:
    """A batch as the kernels take it; the field before and after go as (n, m, 2, 10) float64."""
    n, m = reaches.go_step.shape
    field = torch.empty((n, m, 2, 10), dtype=torch.float64)
    for slot in (0, 1):
        b, k, _, c = combined_field(
            reaches.always, reaches.after_go, torch.full((n, m), float(slot), dtype=torch.float64)
        )
        field[:, :, slot] = torch.cat([b.reshape(n, m, 4), k.reshape(n, m, 4), c], -1)
    return {
        "q0": reaches.q0.double().numpy(),
        "target": reaches.target.numpy(),
        "go": reaches.go_step.numpy(),
        "field": field.numpy(),
        "sense": reaches.observation_noise.numpy(),
        "control": reaches.excitation_noise.numpy(),
    }


class _Rollout(torch.autograd.Function):
    """From parameters to the five series of a trajectory."""

    @staticmethod
    def forward(
        ctx: Any, owner: FusedRollout, reaches: Reaches, feedback: torch.Tensor | None, keep: bool,
        *parameters: torch.Tensor,
    ) -> Any:  # fmt: skip
        initial, wi, bi, wh, bh, wo, bo = (p.detach() for p in parameters)
        n, units = initial.shape
        m, steps, dtype = reaches.go_step.shape[1], reaches.steps, initial.numpy().dtype
        trials = _trials(reaches)
        slots = steps if keep else 1
        instants = steps * owner.substeps + 1 if keep else 1
        work = (
            owner.space(f"states{keep}", (n, instants, -(-m // ARMS), numba_arm.STATE, ARMS), np.float64),
            owner.space(f"gates{keep}", (n, slots, m, 4 * units), dtype),
            owner.space(f"inputs{keep}", (n, slots, m, numba_gru.INPUTS), dtype),
        )
        series = [np.empty((n, steps, m, width), dtype) for width in (PLANE, PLANE, numba_gru.N, numba_gru.N)]
        hidden = np.empty((n, steps + 1, m, units), dtype)
        timing = (reaches.timing.vision, reaches.timing.proprioception)
        weights = tuple(p.contiguous().numpy() for p in (initial, wi, bi, wh, bh, wo, bo))
        numba_gru.forward(
            owner.arm, tuple(dtype.type(value) for value in numba_cell.TANH), weights[:5], weights[5:],
            tuple(trials[name] for name in ("q0", "target", "go", "field", "sense", "control")),
            timing, keep, work, (*series, hidden),
        )  # fmt: skip
        if keep:
            owner.ticket += 1
            ctx.owner, ctx.ticket, ctx.trials, ctx.work = owner, owner.ticket, trials, work
            ctx.timing, ctx.series, ctx.weights = timing, (series[3], hidden), weights
            ctx.ways_back = weights[1:6:2]
            if feedback is not None:
                way = feedback.detach().to(initial).contiguous().numpy()
                ctx.ways_back = (np.zeros_like(weights[1]), np.zeros_like(weights[3]), way)
        return (*(torch.from_numpy(array) for array in series), torch.from_numpy(hidden)[:, 1:])

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        owner = ctx.owner
        if ctx.ticket != owner.ticket:
            raise RuntimeError(
                "differentiate a fused rollout before the next one is made: they share their work space"
            )
        owner.ticket += 1
        need = dict(zip(PARAMETERS, ctx.needs_input_grad[4:], strict=True))
        learn = (
            need["input_weight"] or need["input_bias"],
            need["readout_weight"] or need["readout_bias"],
        )
        out = tuple(np.empty_like(weight) for weight in ctx.weights)
        numba_gru_vjp.backward(
            owner.arm, ctx.ways_back, (ctx.trials["go"], ctx.trials["field"], ctx.trials["control"]),
            ctx.timing, learn, ctx.work, ctx.series, tuple(g.contiguous().numpy() for g in grads), out,
        )  # fmt: skip
        found = zip(need.values(), out, strict=True)
        return (None, None, None, None, *(torch.from_numpy(g) if wanted else None for wanted, g in found))
