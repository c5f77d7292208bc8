"""Recurrent layers over sequences of any lengths by numba kernels, inside an autograd function of torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from agents.kernels import recurrent as kernels
from agents.kernels.lanes import VECTOR
from savings_gym.arrays import Array, Indices

Tensor = torch.Tensor
States = tuple[Tensor, Tensor]

DTYPES = {torch.float32: np.float32, torch.float64: np.float64}
MODES = {"LSTM": "lstm", "GRU": "gru", "RNN_TANH": "rnn"}
GATES = {"lstm": 4, "gru": 4, "rnn": 1}
PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")  # of a layer of torch
BLOCK = 24  # most sequences per call of a kernel


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
    networks: Sequence[nn.RNNBase],
    inputs: Sequence[Tensor],
    states: Sequence[States],
    lengths: Indices,
    kept: dict[tuple[int, ...], PackedWeights] | None = None,
) -> list[tuple[Tensor, States]]:
    """Run networks over all steps of n sequences, see `agents.ppo.layers.run_networks`."""
    name, plan = MODES[networks[0].mode], _plan(lengths, len(networks))
    outputs = list(inputs)
    last: list[list[Tensor]] = [[] for _ in networks]
    for layer in range(networks[0].num_layers):
        tensors: list[Tensor | None] = []
        weights: list[PackedWeights] = []
        for network, series, (h, c) in zip(networks, outputs, states, strict=True):
            parameters = [getattr(network, f"{part}_l{layer}", None) for part in PARAMETERS]
            tensors += [series, h[layer], c[layer], *parameters]
            key = (id(network), layer, *(0 if p is None else p._version for p in parameters))
            packed = None if kept is None else kept.get(key)
            if packed is None:
                packed = _packed(name, *parameters)  # type: ignore[arg-type]
                if kept is not None:
                    kept[key] = packed
            weights.append(packed)
        results = RecurrentLayers.apply(name, torch.is_grad_enabled(), plan, weights, *tensors)
        outputs = list(results[::3])
        for k, ends in enumerate(last):
            ends += results[3 * k + 1 : 3 * k + 3]
    return [
        (series, (_stacked(ends[::2]), _stacked(ends[1::2]) if name == "lstm" else before[1]))
        for series, ends, before in zip(outputs, last, states, strict=True)
    ]


def _stacked(states: list[Tensor]) -> Tensor:
    """Return the states (layers, n, units) of all layers."""
    return states[0][None] if len(states) == 1 else torch.stack(states)


class _Plan:
    """A division of n sequences into blocks, which run on several threads.

    Attributes:
        threads: Number of threads.
        blocks: For each block its r sequences, the longest first; their first rows, with steps counted one
            sequence after the other; and how many of them still run in each step (T,).
    """

    def __init__(self, lengths: Array, threads: int, networks: int) -> None:
        n = len(lengths)
        count = max(-(-n // BLOCK), -(-threads // networks))
        count = min(count, max(n // 2, 1))
        ranked, starts = np.argsort(-lengths, kind="stable"), np.cumsum(lengths) - lengths
        self.threads, self.blocks = threads, []
        for k in range(count):
            chosen = ranked[k::count]  # every block gets its share of long sequences
            runs = np.arange(lengths[chosen[0]])[:, None] < lengths[chosen]  # (T, r)
            self.blocks.append((np.ascontiguousarray(chosen), starts[chosen], runs.sum(1)))


@lru_cache(maxsize=64)
def _cached_plan(lengths: bytes, threads: int, networks: int) -> _Plan:
    return _Plan(np.frombuffer(lengths, dtype=np.int64), threads, networks)


def _plan(lengths: Array, networks: int) -> _Plan:
    return _cached_plan(np.asarray(lengths, dtype=np.int64).tobytes(), torch.get_num_threads(), networks)


@lru_cache
def _tanh_constants(dtype: torch.dtype) -> tuple[Any, ...]:
    return tuple(DTYPES[dtype](value) for value in kernels.TANH)


@lru_cache
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Return the threads of a process; a forked process has none of its parent's."""
    return ThreadPoolExecutor(threads, thread_name_prefix="recurrent")


def _call_each(kernel: Callable[..., None], arguments: Sequence[Any], threads: int) -> None:
    """Call a kernel with each of several arguments, in turn or on threads (kernels release Python's lock)."""
    if threads == 1 or len(arguments) == 1:
        for block in arguments:
            kernel(*block)
    else:
        list(_pool(threads, os.getpid()).map(lambda block: kernel(*block), arguments))


class PackedWeights(NamedTuple):
    """Weights of a layer as the kernels take them.

    Attributes:
        forward: Sets of weights packed for the forward pass.
        of_state: Those of the state, for the backward pass, in the order of the kernels' gates.
    """

    forward: tuple[Array, ...]
    of_state: Tensor


def _packed(
    name: str, w_in: Tensor, w_rec: Tensor, b_in: Tensor | None, b_rec: Tensor | None
) -> PackedWeights:
    units = w_rec.shape[1]
    w_in, w_rec = w_in.detach(), w_rec.detach()
    none = w_in.new_zeros((len(w_in), 1))
    of_inputs, of_state = (none if bias is None else bias.detach()[:, None] for bias in (b_in, b_rec))
    sets: list[tuple[Tensor, ...]] = [(w_in, of_inputs + of_state, w_rec)]
    if name == "gru":
        w_rec, of_state = (torch.cat([part[2 * units :], part[: 2 * units]]) for part in (w_rec, of_state))
        sets = [(of_state, w_rec), (w_in, of_inputs)]
    width = 2 * VECTOR // w_in.element_size()
    panels = -(-units // width) * len(w_in) // units
    packed = []
    for parts in sets:
        out = w_in.new_zeros((panels, sum(part.shape[1] for part in parts), width)).numpy()
        kernels.pack_forward(tuple(part.numpy() for part in parts), units, out)
        packed.append(out)
    return PackedWeights(tuple(packed), w_rec)


class _Run(NamedTuple):
    """What the backward pass of a network needs, see `agents.kernels.recurrent`; tensors without history."""

    series: tuple[Tensor, Tensor, Tensor, Tensor]
    first: States
    of_state: Tensor

    def arrays(self) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """Return the series and the first states as arrays."""
        return tuple(part.numpy() for part in self.series), tuple(part.numpy() for part in self.first)


def _series(
    name: str, inputs: Tensor, units: int, keep: bool
) -> tuple[tuple[Tensor, Tensor, Tensor, Tensor], Tensor]:
    """Return the series of a run, to be filled, and its outputs once more, for autograd to track."""
    rows, outputs = len(inputs) if keep else 0, inputs.new_empty((len(inputs), units))
    joint = inputs.new_empty((rows, inputs.shape[1] + 1 + units))
    gates = inputs.new_empty((rows, GATES[name] * units))
    cells = inputs.new_empty((rows if name == "lstm" else 0, units))
    return (joint, gates, cells, outputs.detach()), outputs


STRIDE = 3 + len(PARAMETERS)  # tensors per network among the arguments of `RecurrentLayers.forward`
NO_TENSORS = 4  # arguments before them


class RecurrentLayers(torch.autograd.Function):
    """A layer of each of several networks of one kind, which run side by side.

    Per network, inputs (S, inputs), first states (n, units) and parameters go to outputs (S, units) and last
    states. It can be differentiated once: the gates of the forward pass are overwritten by the gradients on
    them in the backward pass.
    """

    @staticmethod
    def forward(
        ctx: Any, name: str, keep: bool, plan: _Plan, packed: Sequence[PackedWeights], *tensors: Any
    ) -> Any:
        """Run all blocks of all networks through time.

        Args:
            ctx: Keeps what the backward pass needs.
            name: Of the cell, a value of `MODES`.
            keep: Whether a backward pass may follow.
            plan: The division into blocks.
            packed: The weights of each network once more.
            tensors: Per network its inputs (S, inputs), hidden and cell states (n, units) before the first
                steps, input and recurrent weights, and their biases, None for no bias.

        Returns:
            Per network outputs (S, units), and hidden and cell states (n, units) after the last steps.
        """
        results: list[Tensor] = []
        arguments, runs = [], []
        for k, weights in enumerate(packed):
            inputs, hidden, cell = tensors[STRIDE * k : STRIDE * k + 3]
            series, outputs = _series(name, inputs, hidden.shape[1], keep)
            last = torch.empty_like(hidden), torch.empty_like(cell)
            run = _Run(series, (hidden.contiguous(), cell.contiguous()), weights.of_state)
            to_fill, first = run.arrays()
            given = inputs.contiguous().numpy(), weights.forward, _tanh_constants(inputs.dtype)
            ends = tuple(part.numpy() for part in last)
            arguments += [(block, *given, first, ends, keep, to_fill) for block in plan.blocks]
            runs.append(run)
            results += [outputs, *last]
        _call_each(getattr(kernels, f"{name}_forward"), arguments, plan.threads)
        if keep:
            ctx.name, ctx.plan, ctx.runs = name, plan, runs
            ctx.save_for_backward(*(w for k in range(len(packed)) for w in tensors[STRIDE * k + 3 :][:2]))
        return tuple(results)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        """Return the gradients on inputs, first states and parameters."""
        if ctx.runs is None:
            raise RuntimeError("a recurrent layer can be differentiated only once")
        runs, ctx.runs = ctx.runs, None  # the kernels overwrite them
        saved, arguments, d_firsts = ctx.saved_tensors, [], []  # raises if weights have changed
        for k, run in enumerate(runs):
            out, *d_last = (grad.contiguous() for grad in grads[3 * k : 3 * k + 3])
            d_cell = torch.empty_like(d_last[1]) if ctx.name == "lstm" else d_last[1]
            d_firsts.append((torch.empty_like(d_last[0]), d_cell))
            series, first = run.arrays()
            given = run.of_state.numpy(), _tanh_constants(out.dtype), first, series, out.numpy()
            ends = [tuple(part.numpy() for part in pair) for pair in (d_last, d_firsts[-1])]
            arguments += [(block, *given, *ends) for block in ctx.plan.blocks]
        _call_each(getattr(kernels, f"{ctx.name}_backward"), arguments, ctx.plan.threads)
        gradients: list[Tensor | None] = [None] * NO_TENSORS
        for k, (run, d_first) in enumerate(zip(runs, d_firsts, strict=True)):
            needed = ctx.needs_input_grad[NO_TENSORS + STRIDE * k :][:STRIDE]
            joint, gates, *_ = run.series
            w_in: Tensor = saved[2 * k]
            driven = gates if ctx.name != "gru" else gates[:, d_first[0].shape[1] :]
            gradients += [driven @ w_in if needed[0] else None, *d_first]
            on_parameters = _on_parameters(ctx.name, joint, gates, w_in.shape[1])
            gradients += [d if need else None for d, need in zip(on_parameters, needed[3:], strict=True)]
        return tuple(gradients)


def _on_parameters(name: str, joint: Tensor, gates: Tensor, inputs: int) -> list[Tensor]:
    """Return the gradients on weights and biases, from ``joint`` and those on gates (see the kernels)."""
    if name != "gru":
        d_in = (joint[:, : inputs + 1].t() @ gates).t()  # products with few columns are slow
        d_rec = gates.t() @ joint[:, inputs + 1 :]
        bias = d_in[:, -1]  # one object: torch would let two views of it be the gradients of both biases
        return [d_in[:, :-1], d_rec, bias, bias]
    units = gates.shape[1] // 4
    d_rec = gates[:, : 3 * units].t() @ joint[:, inputs:]
    d_rec = torch.cat([d_rec[units:], d_rec[:units]])
    d_in = (joint[:, : inputs + 1].t() @ gates[:, units:]).t()
    return [d_in[:, :-1], d_rec[:, 1:], d_in[:, -1], d_rec[:, 0]]
