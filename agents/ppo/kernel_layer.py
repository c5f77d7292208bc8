"""Recurrent layers over sequences of any lengths by numba kernels, inside an autograd function of torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import nn

from agents.kernels import recurrent as kernels
from savings_gym.arrays import Array, Indices

Tensor = torch.Tensor

DTYPES = {torch.float32: np.float32, torch.float64: np.float64}
MODES = {"LSTM": "lstm", "GRU": "gru", "RNN_TANH": "rnn"}
PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")  # of a layer of torch
BLOCK = 16  # sequences per call of a kernel


def supports(layers: nn.RNNBase, inputs: Tensor) -> bool:
    """Return whether the kernels can run layers: on a CPU, one direction, no projection, no dropout."""
    return (
        inputs.device.type == "cpu"
        and inputs.dtype in DTYPES
        and layers.mode in MODES
        and not (layers.bidirectional or layers.proj_size or layers.batch_first)
        and not (layers.dropout and layers.training and layers.num_layers > 1)
    )


def run_kernels(
    layers: nn.RNNBase, inputs: Tensor, states: tuple[Tensor, Tensor], lengths: Indices
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Run layers over all steps of n sequences, see `agents.ppo.layers.run_layers`."""
    last: list[tuple[Tensor, Tensor]] = []
    for layer in range(layers.num_layers):
        weights = [getattr(layers, f"{name}_l{layer}", None) for name in PARAMETERS]
        inputs, hidden, cell = RecurrentLayer.apply(
            layers.mode,
            torch.is_grad_enabled(),
            lengths,
            inputs,
            states[0][layer],
            states[1][layer],
            *weights,
        )
        last.append((hidden, cell))
    hidden, cell = (torch.stack(part) for part in zip(*last, strict=True))
    return inputs, (hidden, cell if layers.mode == "LSTM" else states[1])


class _Plan:
    """A division of n sequences of S steps in all into blocks, which run on several threads.

    Rows of a block are ordered by time, then sequence, so that nothing is padded.

    Attributes:
        threads: Number of threads.
        blocks: For each block its r sequences, the longest first; how many of them still run in each step
            (T,); and the first and last of its rows among all S.
        order: (S,) step of each row of the blocks, with steps counted one sequence after the other.
        before: (S,) row of the state before each step, among the first states of its block and then its rows.
        last: (n,) row of the last state of each sequence, likewise.
    """

    def __init__(self, lengths: Array, threads: int) -> None:
        n = len(lengths)
        count = max(-(-n // BLOCK), 1)
        count = min(-(-count // threads) * threads, max(n // 2, 1))
        ranked = np.argsort(-lengths, kind="stable")
        starts = np.cumsum(lengths) - lengths
        self.threads, self.blocks, at = threads, [], 0
        order, before, self.last = [], [], np.empty(n, dtype=np.intp)
        for k in range(count):
            chosen = ranked[k::count]  # every block gets its share of long sequences
            runs = np.arange(lengths[chosen[0]])[:, None] < lengths[chosen]  # (T, r)
            row = np.cumsum(runs).reshape(runs.shape) - 1 + len(chosen)
            above = np.concatenate([np.arange(len(chosen))[None], row[:-1]])
            order.append((starts[chosen] + np.arange(len(runs))[:, None])[runs])
            before.append(above[runs])
            self.last[chosen] = row[lengths[chosen] - 1, np.arange(len(chosen))]
            rows = len(order[-1])
            self.blocks.append((torch.from_numpy(chosen), runs.sum(1), at, at + rows))
            at += rows
        self.order = torch.from_numpy(np.concatenate(order))
        self.before = torch.from_numpy(np.concatenate(before))


@lru_cache(maxsize=64)
def _cached_plan(lengths: bytes, threads: int) -> _Plan:
    return _Plan(np.frombuffer(lengths, dtype=np.int64), threads)


def _plan(lengths: Array) -> _Plan:
    return _cached_plan(np.asarray(lengths, dtype=np.int64).tobytes(), torch.get_num_threads())


@lru_cache
def _tanh_constants(dtype: torch.dtype) -> tuple[Any, ...]:
    return tuple(DTYPES[dtype](value) for value in kernels.TANH)


@lru_cache
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Return the threads of a process; a forked process has none of its parent's."""
    return ThreadPoolExecutor(threads, thread_name_prefix="recurrent")


def _call_each(kernel: Callable[..., None], arguments: Sequence[Any], threads: int) -> None:
    """Call a kernel for every block, in turn or on threads (kernels release Python's lock)."""
    if threads == 1 or len(arguments) == 1:
        for block in arguments:
            kernel(*block)
    else:
        list(_pool(threads, os.getpid()).map(lambda block: kernel(*block), arguments))


class RecurrentLayer(torch.autograd.Function):
    """From inputs (S, inputs), first states (n, units) and parameters to outputs (S, units) and last states.

    It can be differentiated once: ``drive`` holds the gates after the forward pass, and the backward pass
    overwrites them with gradients.
    """

    @staticmethod
    def forward(
        ctx: Any, mode: str, keep: bool, lengths: Array, inputs: Tensor, hidden: Tensor, cell: Tensor,
        *parameters: Tensor | None,
    ) -> Any:  # fmt: skip
        """Run all blocks through time.

        Args:
            ctx: Keeps what the backward pass needs.
            mode: Of the torch module, one of `MODES`.
            keep: Whether a backward pass may follow.
            lengths: (n,) steps of each sequence.
            inputs: (S, inputs), one sequence after the other.
            hidden: (n, units) before the first steps.
            cell: (n, units) likewise; only an LSTM changes it.
            parameters: Input and recurrent weights and biases, as torch has them; None for no bias.

        Returns:
            Outputs (S, units), and hidden and cell states (n, units) after the last steps.
        """
        w_in, w_rec, b_in, b_rec = parameters
        assert w_in is not None and w_rec is not None
        plan, units, name = _plan(lengths), w_rec.shape[1], MODES[mode]
        ordered = inputs.index_select(0, plan.order)
        drive = _drive(name, ordered, w_in, b_in, b_rec, units)
        parts = w_rec.split([2 * units, units]) if name == "gru" else (w_rec,)
        # copied by torch: arrays of numpy do not start at cache lines, which halves the kernels' speed
        weights = tuple(part.t().contiguous().numpy() for part in parts)
        weight = weights if name == "gru" else weights[0]
        tanh = _tanh_constants(inputs.dtype)
        first_states = (hidden, cell) if name == "lstm" else (hidden,)
        paths, arguments = [], []
        for chosen, counts, a, b in plan.blocks:
            path = [first.new_empty((len(chosen) + b - a, units)) for first in first_states]
            for states, first in zip(path, first_states, strict=True):
                torch.index_select(first, 0, chosen, out=states[: len(chosen)])
            paths.append(path)
            arguments.append((drive[a:b].numpy(), weight, counts, tanh, path[0].numpy(), path[-1].numpy()))
        _call_each(getattr(kernels, f"{name}_forward"), arguments, plan.threads)
        if keep:
            ctx.name, ctx.plan, ctx.drive, ctx.paths = name, plan, drive, paths
            ctx.save_for_backward(ordered, *parameters)
        outputs = inputs.new_empty((len(inputs), units))
        last = [torch.empty_like(hidden), torch.empty_like(cell)]
        for (chosen, _, a, b), path in zip(plan.blocks, paths, strict=True):
            outputs.index_copy_(0, plan.order[a:b], path[0][len(chosen) :])
            for states, out in zip((path[0], path[-1]), last, strict=True):
                out[chosen] = states[plan.last[chosen]]
        return outputs, *last

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        """Return the gradients on inputs, first states and parameters."""
        plan, drive, name = ctx.plan, ctx.drive, ctx.name
        if drive is None:
            raise RuntimeError("a recurrent layer can be differentiated only once")
        ctx.drive = None  # the kernels overwrite it
        ordered, w_in, w_rec, _, _ = ctx.saved_tensors
        units, out = w_rec.shape[1], grads[0].index_select(0, plan.order)
        weight, tanh = w_rec.contiguous().numpy(), _tanh_constants(w_rec.dtype)
        arguments, carried = [], []
        for (chosen, counts, a, b), path in zip(plan.blocks, ctx.paths, strict=True):
            carried.append([grad.index_select(0, chosen) for grad in grads[1:]])
            arguments.append((
                drive[a:b].numpy(), weight, counts, tanh, path[0].numpy(), path[-1].numpy(),
                out[a:b].numpy(), *(part.numpy() for part in carried[-1]),
            ))  # fmt: skip
        _call_each(getattr(kernels, f"{name}_backward"), arguments, plan.threads)
        recurrent = driven = drive
        if name == "gru":
            recurrent = drive[:, : 3 * units]
            driven = torch.cat([drive[:, : 2 * units], drive[:, 3 * units :]], 1)
        # The transposes are computed because products with few columns are slow, and with few rows fast.
        d_rec = w_rec.new_zeros((units, w_rec.shape[0]))
        firsts = [torch.empty_like(grad) for grad in grads[1:]]
        for (chosen, _, a, b), path, parts in zip(plan.blocks, ctx.paths, carried, strict=True):
            d_rec.addmm_(path[0].index_select(0, plan.before[a:b]).t(), recurrent[a:b])
            for first, part in zip(firsts, parts, strict=True):
                first[chosen] = part
        need, d_inputs, d_bias = ctx.needs_input_grad, None, None
        if need[3]:
            d_inputs = torch.empty_like(ordered)
            d_inputs[plan.order] = driven @ w_in
        if need[8]:
            d_bias = driven.sum(0)
        d_bias_rec = recurrent.sum(0) if need[9] and name == "gru" else d_bias
        return None, None, None, d_inputs, *firsts, (ordered.t() @ driven).t(), d_rec.t(), d_bias, d_bias_rec


def _drive(
    name: str, inputs: Tensor, w_in: Tensor, b_in: Tensor | None, b_rec: Tensor | None, units: int
) -> Tensor:
    """Return the input's share of the gates with the biases, (S, gates * units), as the kernels take it."""
    if name != "gru":
        if b_in is None or b_rec is None:
            return inputs @ w_in.t()
        return torch.addmm(b_in + b_rec, inputs, w_in.t())
    drive = inputs.new_empty((len(inputs), 4 * units))
    bias = drive.new_zeros(3 * units) if b_in is None else b_in.clone()
    if b_rec is not None:
        bias[: 2 * units] += b_rec[: 2 * units]
    torch.addmm(bias, inputs, w_in.t(), out=drive[:, : 3 * units])
    drive[:, 3 * units :] = 0.0 if b_rec is None else b_rec[2 * units :]
    return drive
