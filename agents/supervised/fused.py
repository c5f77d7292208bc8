"""Trials of a GRU ensemble on a CPU in one call, with a hand-written reverse pass.

The results are those of ``agents.supervised.rollout`` to rounding, many times faster. ``FusedRollout`` owns
the work space; torch's autograd sees one function from the parameters to the trajectory.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from agents.kernels import arm as numba_arm
from agents.kernels import cell as numba_cell
from agents.kernels import gru as numba_gru
from agents.kernels import gru_vjp as numba_gru_vjp
from agents.kernels.lanes import ARMS
from agents.kernels.threads import for_every_network
from agents.supervised.networks import PARAMETERS, Ensemble, GRUEnsemble, State
from agents.supervised.reaches import Reaches
from agents.supervised.rollout import Trajectory, added_activity, combined_field
from savings_gym.activity.displacement import Displacement
from savings_gym.arm.changes import ArmLike
from savings_gym.arm.model import load_arm
from savings_gym.perturbations.linear_fields import STAGES
from savings_gym.task.observation import PLANE


def supports(ensemble: Ensemble) -> bool:
    """Return whether the fused rollout can run this ensemble: it runs GRUs on a CPU."""
    if type(ensemble) is not GRUEnsemble:  # a subclass may do anything
        return False
    sizes = ensemble.input_weight.shape[2], ensemble.readout_weight.shape[1]
    return ensemble.initial.device.type == "cpu" and sizes == (numba_gru.INPUTS, numba_gru.N)


class FusedRollout:
    """Runs trials of GRU ensembles, like ``agents.supervised.rollout.plain_rollout``.

    A trajectory with gradients must be differentiated before the next one of the same slot is computed, since
    both use the same work space. The trials of a session take a slot each.
    """

    def __init__(
        self,
        actuation: str = "muscle",
        arm: ArmLike = None,
    ) -> None:
        """Read the constants of the arm, see ``TorchArm``; memory is allocated at the first call."""
        self.arm = numba_arm.arm_constants(load_arm(actuation, arm))
        self.substeps = int(self.arm[0][numba_arm.SUBSTEPS])
        self.work: dict[str, NDArray[Any]] = {}
        self.tickets: Counter[int] = Counter()

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

        If given ``feedback`` (n, outputs, units), the gradients are those of
        ``agents.supervised.local_rule``: the reverse pass leaves out recurrent and input weights and replaces
        the read-out by the feedback.

        Raises:
            ValueError: If the reaches have signal-dependent noise, if the displacement does not fit, or if
                gradients of displaced trials are asked for.
        """
        if reaches.signal_noise is not None:
            raise ValueError("the fused rollout has no signal-dependent noise: choose rollout 'plain'")
        parameters = [getattr(ensemble, name) for name in PARAMETERS]
        begin = None if memory is None else memory[0]
        keep = torch.is_grad_enabled()
        displaced = -1, np.zeros((ensemble.networks, 0, 0), parameters[0].detach().numpy().dtype)
        if displacement is not None:
            if keep:
                raise ValueError("the fused rollout has no gradients of displaced trials: choose 'plain'")
            displaced = displacement.step, added_activity(displacement, ensemble, reaches).numpy()
        hand, velocity, force, excitation, hidden = _Rollout.apply(
            self, slot, reaches, feedback, keep, displaced, begin, *parameters
        )
        return Trajectory(hand, velocity, force, excitation, hidden, (hidden[:, -1],))

    def space(self, name: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """Return an array of the work space, allocated once."""
        array = self.work.get(name)
        if array is None or array.shape != shape or array.dtype != dtype:
            self.work[name] = array = np.empty(shape, dtype)
        return array


def _trials(reaches: Reaches) -> dict[str, NDArray[Any]]:
    """Return a batch as the kernels take it, with the field at every stage (n, m, 3, 10) in float64.

    The stages are those of ``savings_gym.perturbations.linear_fields.HandForces``. All arrays are contiguous:
    numba would compile the kernels anew for any other layout.
    """
    n, m = reaches.go_step.shape
    field = torch.empty((n, m, STAGES, 10), dtype=torch.float64)
    for stage in range(STAGES):
        begun = tuple(torch.full((n, m), stage >= onset) for onset in range(1, STAGES))
        b, k, _, c = combined_field(reaches.fields, begun)
        field[:, :, stage] = torch.cat([b.reshape(n, m, 4), k.reshape(n, m, 4), c], -1)
    return {
        "q0": reaches.q0.double().contiguous().numpy(),
        "target": reaches.target.contiguous().numpy(),
        "go": reaches.go_step.contiguous().numpy(),
        "field": field.numpy(),
        "sense": reaches.observation_noise.contiguous().numpy(),
        "control": reaches.excitation_noise.contiguous().numpy(),
        "timed": _by_step(reaches.timed, n, m),
        "views": _by_step(reaches.views, n, m),
    }


def _by_step(values: torch.Tensor | None, n: int, m: int) -> NDArray[np.float64]:
    """Return what a batch holds of every control step, (n, T, m, 10), or no steps if it holds nothing."""
    return np.empty((n, 0, m, 10)) if values is None else values.double().contiguous().numpy()


class _Rollout(torch.autograd.Function):
    """From the memory, if it is given, and parameters to the five series of a trajectory."""

    @staticmethod
    def forward(
        ctx: Any, owner: FusedRollout, slot: int, reaches: Reaches, feedback: torch.Tensor | None, keep: bool,
        displaced: tuple[int, NDArray[Any]], memory: torch.Tensor | None, *parameters: torch.Tensor,
    ) -> Any:  # fmt: skip
        initial, wi, bi, wh, bh, wo, bo = (p.detach() for p in parameters)
        n, units = initial.shape
        m, steps, dtype = reaches.go_step.shape[1], reaches.steps, initial.numpy().dtype
        trials = _trials(reaches)
        kept_steps = steps if keep else 1
        instants = steps * owner.substeps + 1 if keep else 1
        name = slot if keep else ""
        work = (
            owner.space(f"states{name}", (n, instants, -(-m // ARMS), numba_arm.STATE, ARMS), np.float64),
            owner.space(f"gates{name}", (n, kept_steps, m, 4 * units), dtype),
            owner.space(f"inputs{name}", (n, kept_steps, m, numba_gru.INPUTS), dtype),
        )
        series = [np.empty((n, steps, m, width), dtype) for width in (PLANE, PLANE, numba_gru.N, numba_gru.N)]
        hidden = np.empty((n, steps + 1, m, units), dtype)
        timing = (reaches.timing.vision, reaches.timing.proprioception, reaches.timing.cue)
        begin = initial[:, None].expand(n, m, units) if memory is None else memory.detach()
        weights = tuple(p.contiguous().numpy() for p in (begin, wi, bi, wh, bh, wo, bo))
        tanh = tuple(dtype.type(value) for value in numba_cell.TANH)
        for_every_network(
            numba_gru.forward, n, owner.arm, tanh, weights[:5], weights[5:], tuple(trials.values()), timing,
            displaced, keep, work, (*series, hidden),
        )  # fmt: skip
        if keep:
            owner.tickets[slot] += 1
            ctx.owner, ctx.slot, ctx.ticket = owner, slot, owner.tickets[slot]
            ctx.carried, ctx.trials, ctx.work = memory is not None, trials, work
            ctx.timing, ctx.series, ctx.weights = timing, (series[3], hidden), weights
            ctx.reverse_weights = weights[1:6:2]
            if feedback is not None:
                readout = feedback.detach().to(initial).contiguous().numpy()
                ctx.reverse_weights = (np.zeros_like(weights[1]), np.zeros_like(weights[3]), readout)
        return (*(torch.from_numpy(array) for array in series), torch.from_numpy(hidden)[:, 1:])

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        owner = ctx.owner
        if ctx.ticket != owner.tickets[ctx.slot]:
            raise RuntimeError(
                "differentiate a fused rollout before the next one: they share their work space"
            )
        owner.tickets[ctx.slot] += 1
        needed = dict(zip(PARAMETERS, ctx.needs_input_grad[7:], strict=True))
        learn = (
            needed["input_weight"] or needed["input_bias"],
            needed["readout_weight"] or needed["readout_bias"],
        )
        out = tuple(np.empty_like(weight) for weight in ctx.weights)
        for_every_network(
            numba_gru_vjp.backward, len(ctx.weights[0]), owner.arm, ctx.reverse_weights,
            tuple(ctx.trials[name] for name in ("go", "field", "control", "timed", "views")), ctx.timing,
            learn, ctx.work, ctx.series, tuple(g.contiguous().numpy() for g in grads), out,
        )  # fmt: skip
        of_begin, *of_weights = (torch.from_numpy(gradient) for gradient in out)
        if ctx.carried:
            of_memory, of_initial = of_begin, torch.zeros_like(of_begin[:, 0])
        else:
            of_memory, of_initial = None, _sum_over_trials(of_begin)
        gradients = zip(needed.values(), (of_initial, *of_weights), strict=True)
        return (*[None] * 6, of_memory, *(gradient if need else None for need, gradient in gradients))


def _sum_over_trials(gradient: torch.Tensor) -> torch.Tensor:
    """Sum (n, m, units) over trials, one after the other."""
    total = gradient[:, 0].clone()
    for trial in range(1, gradient.shape[1]):
        total += gradient[:, trial]
    return total
