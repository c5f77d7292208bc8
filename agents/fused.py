"""The rollout of a GRU ensemble on a CPU in one call, with a hand-written reverse pass.

The same numbers as ``agents.rollout`` to rounding, many times faster. ``FusedRollout`` owns the work space;
torch's autograd sees one function from the parameters to the trajectory.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from agents import numba_arm, numba_cell, numba_gru
from agents.networks import PARAMETERS, Ensemble, GRUEnsemble
from agents.reaches import Reaches
from agents.rollout import Trajectory, combine
from savings_gym.arm import load_arm


def supports(ensemble: Ensemble) -> bool:
    """Whether the fused rollout can run this ensemble: GRUs on a CPU."""
    sizes = ensemble.input_weight.shape[2], ensemble.readout_weight.shape[1]
    known = sizes == (numba_gru.INPUTS, numba_gru.N)
    return isinstance(ensemble, GRUEnsemble) and ensemble.initial.device.type == "cpu" and known


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt(3)
KEPT = 2**31 - 1  # bytes, the largest that mallopt takes


def keep_freed_memory() -> None:
    """Lets this process keep freed memory for its next arrays; does nothing where there is no glibc.

    An update makes arrays of tens of megabytes and frees them. By default the system takes every such piece
    back and hands it out again page by page, zeroed: a quarter of the time of a large update.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(M_MMAP_THRESHOLD, KEPT)
    mallopt(M_TRIM_THRESHOLD, KEPT)


class FusedRollout:
    """Rolls out GRU ensembles. Call it like ``agents.rollout.rollout``.

    A trajectory with gradients must be differentiated before the next one with gradients is made: both use
    the same work space (80 MB for 40 networks of 128 units and 8 trials).
    """

    def __init__(self) -> None:
        """Reads the arm's constants; memory is taken at the first call."""
        keep_freed_memory()
        self.arm = numba_arm.arm_constants(load_arm("muscle"))
        self.substeps = int(self.arm[0][numba_arm.SUBSTEPS])
        self.work: dict[str, NDArray[Any]] = {}
        self.ticket = 0

    def __call__(self, ensemble: Ensemble, reaches: Reaches) -> Trajectory:
        """All trials of all networks."""
        parameters = [getattr(ensemble, name) for name in PARAMETERS]
        return Trajectory(*_Rollout.apply(self, reaches, torch.is_grad_enabled(), *parameters))

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
        b, k, _, c = combine(
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
        ctx: Any, owner: FusedRollout, reaches: Reaches, keep: bool, *parameters: torch.Tensor
    ) -> Any:
        initial, wi, bi, wh, bh, wo, bo = (p.detach() for p in parameters)
        n, units = initial.shape
        m, steps, dtype = reaches.go_step.shape[1], reaches.steps, initial.numpy().dtype
        trials = _trials(reaches)
        slots = steps if keep else 1
        work = (
            owner.space(
                f"states{keep}",
                (n, steps * owner.substeps + 1 if keep else 1, m, numba_arm.STATE),
                np.float64,
            ),
            owner.space(f"gates{keep}", (n, slots, m, 4 * units), dtype),
            owner.space(f"inputs{keep}", (n, slots, m, numba_gru.INPUTS), dtype),
        )
        widths = (2, 2, 6, 6)
        series = [np.empty((n, steps, m, width), dtype) for width in widths]
        hidden = np.empty((n, steps + 1, m, units), dtype)
        timing = (reaches.timing.vision, reaches.timing.proprioception)
        wh_t = wh.mT.contiguous().numpy()
        numba_gru.forward(
            (*owner.arm, tuple(dtype.type(value) for value in numba_cell.TANH)),
            (initial.numpy(), wi.mT.contiguous().numpy(), bi.numpy(),
             np.ascontiguousarray(wh_t[:, :, : 2 * units]), np.ascontiguousarray(wh_t[:, :, 2 * units :]),
             bh.numpy()),
            (wo.numpy(), bo.numpy()),
            tuple(trials[name] for name in ("q0", "target", "go", "field", "sense", "control")),
            timing, keep, work, (*series, hidden),
        )  # fmt: skip
        if keep:
            owner.ticket += 1
            ctx.owner, ctx.ticket, ctx.trials, ctx.work = owner, owner.ticket, trials, work
            ctx.timing, ctx.series, ctx.weights = timing, (series[3], hidden), (wi, wh, wo)
        return (*(torch.from_numpy(array) for array in series), torch.from_numpy(hidden)[:, 1:])

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        owner, (states, gates, inputs), (excitation, hidden) = ctx.owner, ctx.work, ctx.series
        if ctx.ticket != owner.ticket:
            raise RuntimeError(
                "differentiate a fused rollout before the next one is made: they share their work space"
            )
        owner.ticket += 1
        wi, wh, wo = ctx.weights
        n, steps, m, _ = excitation.shape
        units = hidden.shape[3]
        d_logits, d_initial = np.empty_like(excitation), np.empty((n, units), hidden.dtype)
        numba_gru.backward(
            owner.arm, (wi.numpy(), wh.numpy()), wo.numpy(),
            (ctx.trials["go"], ctx.trials["field"], ctx.trials["control"]), ctx.timing, (states, gates),
            (excitation, hidden), tuple(g.contiguous().numpy() for g in grads), (d_logits, d_initial),
        )  # fmt: skip
        need = dict(zip(PARAMETERS, ctx.needs_input_grad[3:], strict=True))
        drives = torch.from_numpy(gates).view(n, steps * m, 4 * units)
        logits = torch.from_numpy(d_logits).view(n, steps * m, -1)
        activity = torch.from_numpy(hidden)
        recurrent = drives[:, :, : 3 * units]
        out: dict[str, torch.Tensor] = {"initial": torch.from_numpy(d_initial)}
        if need["recurrent_weight"]:
            out["recurrent_weight"] = recurrent.mT @ activity[:, :-1].reshape(n, steps * m, units)
        if need["recurrent_bias"]:
            out["recurrent_bias"] = recurrent.sum(1)
        if need["input_weight"] or need["input_bias"]:
            driven = torch.cat([drives[:, :, : 2 * units], drives[:, :, 3 * units :]], -1)
            out["input_weight"] = driven.mT @ torch.from_numpy(inputs).view(n, steps * m, -1)
            out["input_bias"] = driven.sum(1)
        if need["readout_weight"] or need["readout_bias"]:
            after = activity[:, 1:].reshape(n, steps * m, units)
            out["readout_weight"], out["readout_bias"] = logits.mT @ after, logits.sum(1)
        return (None, None, None, *(out.get(name) for name in PARAMETERS))
