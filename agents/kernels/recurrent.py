"""Recurrent layers through time in numba: LSTM, GRU and tanh RNN, forward and backward.

One call runs all steps of a block of sequences: the weights stay in the core's cache, gates are computed in
lanes, and blocks on several threads need not wait for each other. The gradients on weights are left to torch,
which computes one large product for each layer.

A layer has n sequences of S steps in all, one after the other, I inputs, H units and G gates. Arrays:

- ``inputs`` (S, I), ``outputs`` (S, H), and for an LSTM ``cells`` (S, H), the cell states after each step;
- ``joint`` (S, I + 1 + H): what weights meet in each step, inputs, a one, and the state before it;
- ``gates`` (S, G · H): values of the gates after the forward pass, gradients on them after the backward pass;
- ``first`` and ``last``: states (n, H) before and after each sequence, as a pair of hidden and cell.

A block is ``chosen`` (r,), some of the sequences, the longest first; ``starts`` (r,), their first rows; and
``counts`` (T,), how many of them still run in each step. Gates are those of torch, in its order, except for
the GRU: there they are the recurrent part of n, r, z, and n. Within a block, every gate has H columns rounded
up to whole panels (``agents.kernels.product``), so that lanes never cross from one gate into the next.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from agents.kernels.cell import TANH as SHARED_TANH
from agents.kernels.compile import entry, inlined, inner
from agents.kernels.lanes import VECTOR, load, maximum, minimum, store
from agents.kernels.product import add_packed, aligned, packed, panels

# tanh(x) = x P(x^2) / Q(x^2): the fit of ``cell`` with the scale of x in the coefficients
LIMIT: Final = SHARED_TANH[11]
TANH: Final = (
    *(value / LIMIT ** (2 * power) for power, value in enumerate(SHARED_TANH[:6])),
    *(value / LIMIT ** (2 * power) for power, value in enumerate(SHARED_TANH[6:11], start=1)),
    LIMIT,
)


@inlined
def _tanh(x: Any, c: Any) -> Any:
    """Return the tanh of lanes; c is ``TANH`` in their dtype, a tuple, which no array can alias."""
    x = minimum(maximum(x, -c[11]), c[11])
    s = x * x
    p = c[0] + s * (c[1] + s * (c[2] + s * (c[3] + s * (c[4] + s * c[5]))))
    q = c[0] + s * (c[6] + s * (c[7] + s * (c[8] + s * (c[9] + s * c[10]))))
    return x * p / q


@inlined
def _sigmoid(x: Any, c: Any) -> Any:
    """Return the sigmoid of lanes; c as in ``_tanh``."""
    return 0.5 + 0.5 * _tanh(0.5 * x, c)


@inlined
def _lanes(like: Any) -> int:
    """Return how many numbers of an array's dtype are lanes of one vector."""
    return VECTOR // like.itemsize


@inner
def _zeros(rows: int, gates: int, states: Any) -> Any:
    """Return zeros (rows, gates · wide) for gates of states (n, H)."""
    count, width = panels(states.shape[1], states)
    return aligned(rows * gates * count * width, states).reshape((rows, gates * count * width))


@inner
def _copy(values: Any, out: Any) -> None:
    """Copy all numbers of an array to the front of another; a slice would be checked for overlap."""
    for j in range(values.shape[0]):
        out[j] = values[j]


@inner
def _read(rows: Any, gates: int, row: int, work: Any, b: int) -> None:
    """Copy a row (gates · H) to row b of wide gates."""
    units, wide = rows.shape[1] // gates, work.shape[1] // gates
    source, target = rows[row], work[b]
    for gate in range(gates):
        _copy(source[gate * units : (gate + 1) * units], target[gate * wide :])


@inner
def _write(work: Any, b: int, gates: int, rows: Any, row: int) -> None:
    """Copy row b of wide gates to a row (gates · H)."""
    units, wide = rows.shape[1] // gates, work.shape[1] // gates
    source, target = work[b], rows[row]
    for gate in range(gates):
        _copy(source[gate * wide : gate * wide + units], target[gate * units :])


@inner
def _pack_rows(weight: Any, units: int, row: int, out: Any) -> None:
    """Write the transpose of weights (gates · H, k) into packed rows, from ``row`` on, gate by gate."""
    width = out.shape[2]
    share = (units + width - 1) // width
    for column in range(weight.shape[0]):
        gate, unit = column // units, column % units
        p, j, source = gate * share + unit // width, unit % width, weight[column]
        for k in range(source.shape[0]):
            out[p, row + k, j] = source[k]


@entry
def pack_forward(parts: Any, units: int, out: Any) -> None:
    """Pack weights for the product with rows of ``joint``: their gates begin panels.

    Args:
        parts: Weights (G · H, k) one below the other, of inputs, the one, and the state.
        units: H.
        out: Zeros (panels, sum of k, width).
    """
    row = 0
    for weight in parts:
        _pack_rows(weight, units, row, out)
        row += weight.shape[1]


@inner
def _pack_backward(weight: Any) -> Any:
    """Return weights of the state (G · H, H) packed for products with gradients on wide gates."""
    units = weight.shape[1]
    share, width = panels(units, weight)
    gates, wide = weight.shape[0] // units, share * width
    out = packed(gates * wide, units, weight)
    for row in range(weight.shape[0]):
        at, source = row // units * wide + row % units, weight[row]
        for p in range(share):
            start, target = p * width, out[p, at]
            for j in range(min(width, units - start)):
                target[j] = source[start + j]
    return out


@entry
def lstm_forward(
    block: Any, inputs: Any, weights: Any, tanh: Any, first: Any, last: Any, keep: bool, series: Any
) -> None:
    """Run an LSTM.

    Args:
        block: ``chosen``, ``starts`` and ``counts``.
        inputs: (S, I).
        weights: A tuple of one set of packed weights, see ``pack_forward``.
        tanh: ``TANH`` in the dtype of the arrays.
        first: Pair of states (n, H).
        last: Pair of states (n, H), to be filled.
        keep: Whether a backward pass may follow; else only ``outputs`` and ``last`` are filled.
        series: ``joint``, ``gates``, ``cells`` and ``outputs``.
    """
    chosen, starts, counts = block
    joint, gates, cells, outputs = series
    r, state = len(chosen), inputs.shape[1] + 1
    work, h, c = _zeros(r, 4, outputs), _zeros(r, 1, outputs), _zeros(r, 1, outputs)
    left = np.ones((r, state + outputs.shape[1]), inputs.dtype)
    for b in range(r):
        _copy(first[0][chosen[b]], left[b][state:])
        _copy(first[1][chosen[b]], c[b])
    wide = h.shape[1]
    for t in range(len(counts)):
        m = counts[t]
        work[:m] = 0
        for b in range(m):
            _copy(inputs[starts[b] + t], left[b])
        add_packed(left[:m], 0, weights[0], work)
        for b in range(m):
            for j in range(0, wide, _lanes(h)):
                i, f = _sigmoid(load(work, (b, j)), tanh), _sigmoid(load(work, (b, wide + j)), tanh)
                g = _tanh(load(work, (b, 2 * wide + j)), tanh)
                o = _sigmoid(load(work, (b, 3 * wide + j)), tanh)
                kept = f * load(c, (b, j)) + i * g
                store(work, (b, j), i)
                store(work, (b, wide + j), f)
                store(work, (b, 2 * wide + j), g)
                store(work, (b, 3 * wide + j), o)
                store(c, (b, j), kept)
                store(h, (b, j), o * _tanh(kept, tanh))
            row = starts[b] + t
            if keep:
                _copy(left[b], joint[row])
                _write(work, b, 4, gates, row)
                _write(c, b, 1, cells, row)
            _write(h, b, 1, outputs, row)
            _copy(outputs[row], left[b][state:])
    for b in range(r):
        _copy(left[b][state:], last[0][chosen[b]])
        _write(c, b, 1, last[1], chosen[b])


@entry
def lstm_backward(
    block: Any, weight: Any, tanh: Any, first: Any, series: Any, out: Any, d_last: Any, d_first: Any
) -> None:
    """Turn ``gates`` into the gradients on them.

    Args:
        block: ``chosen``, ``starts`` and ``counts``.
        weight: (G · H, H) of the state, as in torch.
        tanh: ``TANH`` in the dtype of the arrays.
        first: Pair of states (n, H).
        series: ``joint``, ``gates``, ``cells`` and ``outputs``, as left by the forward pass.
        out: (S, H) gradient on the outputs.
        d_last: Pair of further gradients (n, H) on the last states.
        d_first: Pair of gradients (n, H) on the first states, to be filled.
    """
    chosen, starts, counts = block
    _, gates, cells, _ = series
    r, of_gates = len(chosen), _pack_backward(weight)
    work, g, carried, kept = _zeros(r, 4, out), _zeros(1, 1, out), _zeros(r, 1, out), _zeros(r, 1, out)
    old, new, wide = _zeros(1, 1, out), _zeros(1, 1, out), g.shape[1]
    for b in range(r):
        _read(d_last[0], 1, chosen[b], carried, b)
        _read(d_last[1], 1, chosen[b], kept, b)
    for t in range(len(counts) - 1, -1, -1):
        m = counts[t]
        for b in range(m):
            row = starts[b] + t
            _read(gates, 4, row, work, b)
            _read(out, 1, row, g, 0)
            _read(cells, 1, row, new, 0)
            if t > 0:
                _read(cells, 1, row - 1, old, 0)
            else:
                _read(first[1], 1, chosen[b], old, 0)
            for j in range(0, wide, _lanes(g)):
                i, f = load(work, (b, j)), load(work, (b, wide + j))
                candidate, o = load(work, (b, 2 * wide + j)), load(work, (b, 3 * wide + j))
                grad = load(g, (0, j)) + load(carried, (b, j))
                shown = _tanh(load(new, (0, j)), tanh)
                on_cell = load(kept, (b, j)) + grad * o * (1.0 - shown * shown)
                store(work, (b, j), on_cell * candidate * i * (1.0 - i))
                store(work, (b, wide + j), on_cell * load(old, (0, j)) * f * (1.0 - f))
                store(work, (b, 2 * wide + j), on_cell * i * (1.0 - candidate * candidate))
                store(work, (b, 3 * wide + j), grad * shown * o * (1.0 - o))
                store(kept, (b, j), on_cell * f)
                store(carried, (b, j), 0.0)
            _write(work, b, 4, gates, row)
        add_packed(work[:m], 0, of_gates, carried)
    for b in range(r):
        _write(carried, b, 1, d_first[0], chosen[b])
        _write(kept, b, 1, d_first[1], chosen[b])


@entry
def gru_forward(
    block: Any, inputs: Any, weights: Any, tanh: Any, first: Any, last: Any, keep: bool, series: Any
) -> None:
    """Like ``lstm_forward``, for a GRU.

    ``weights`` are two sets of packed weights: of the one and the state, for the recurrent part of n, r and
    z; and of the inputs and the one, for r, z and n.
    """
    chosen, starts, counts = block
    joint, gates, _, outputs = series
    r, state = len(chosen), inputs.shape[1] + 1
    work, h = _zeros(r, 4, outputs), _zeros(r, 1, outputs)
    left = np.ones((r, state + outputs.shape[1]), inputs.dtype)
    for b in range(r):
        _copy(first[0][chosen[b]], left[b][state:])
        _copy(first[0][chosen[b]], h[b])
    wide = h.shape[1]
    for t in range(len(counts)):
        m = counts[t]
        work[:m] = 0
        for b in range(m):
            _copy(inputs[starts[b] + t], left[b])
        add_packed(left[:m], state - 1, weights[0], work)
        add_packed(left[:m], 0, weights[1], work[:, wide:])
        for b in range(m):
            for j in range(0, wide, _lanes(h)):
                reset, z = (
                    _sigmoid(load(work, (b, wide + j)), tanh),
                    _sigmoid(load(work, (b, 2 * wide + j)), tanh),
                )
                n = _tanh(load(work, (b, 3 * wide + j)) + reset * load(work, (b, j)), tanh)
                store(work, (b, wide + j), reset)
                store(work, (b, 2 * wide + j), z)
                store(work, (b, 3 * wide + j), n)
                store(h, (b, j), n + z * (load(h, (b, j)) - n))
            row = starts[b] + t
            if keep:
                _copy(left[b], joint[row])
                _write(work, b, 4, gates, row)
            _write(h, b, 1, outputs, row)
            _copy(outputs[row], left[b][state:])
    for b in range(r):
        _copy(left[b][state:], last[0][chosen[b]])


@entry
def gru_backward(
    block: Any, weight: Any, tanh: Any, first: Any, series: Any, out: Any, d_last: Any, d_first: Any
) -> None:
    """Like ``lstm_backward``, for a GRU; ``weight`` (3 · H, H) in the order n, r, z."""
    chosen, starts, counts = block
    _, gates, _, outputs = series
    r, of_gates = len(chosen), _pack_backward(weight)
    work, g, carried, old = _zeros(r, 4, out), _zeros(1, 1, out), _zeros(r, 1, out), _zeros(1, 1, out)
    wide = g.shape[1]
    for b in range(r):
        _read(d_last[0], 1, chosen[b], carried, b)
    for t in range(len(counts) - 1, -1, -1):
        m = counts[t]
        for b in range(m):
            row = starts[b] + t
            _read(gates, 4, row, work, b)
            _read(out, 1, row, g, 0)
            if t > 0:
                _read(outputs, 1, row - 1, old, 0)
            else:
                _read(first[0], 1, chosen[b], old, 0)
            for j in range(0, wide, _lanes(g)):
                recurrent, reset = load(work, (b, j)), load(work, (b, wide + j))
                z, n = load(work, (b, 2 * wide + j)), load(work, (b, 3 * wide + j))
                grad = load(g, (0, j)) + load(carried, (b, j))
                on_n = grad * (1.0 - z) * (1.0 - n * n)
                store(work, (b, j), on_n * reset)
                store(work, (b, wide + j), on_n * recurrent * reset * (1.0 - reset))
                store(work, (b, 2 * wide + j), grad * (load(old, (0, j)) - n) * z * (1.0 - z))
                store(work, (b, 3 * wide + j), on_n)
                store(carried, (b, j), grad * z)
            _write(work, b, 4, gates, row)
        add_packed(work[:m], 0, of_gates, carried)
    for b in range(r):
        _write(carried, b, 1, d_first[0], chosen[b])


@entry
def rnn_forward(
    block: Any, inputs: Any, weights: Any, tanh: Any, first: Any, last: Any, keep: bool, series: Any
) -> None:
    """Like ``lstm_forward``, for an RNN of tanh units."""
    chosen, starts, counts = block
    joint, _, _, outputs = series
    r, state = len(chosen), inputs.shape[1] + 1
    work = _zeros(r, 1, outputs)
    left = np.ones((r, state + outputs.shape[1]), inputs.dtype)
    for b in range(r):
        _copy(first[0][chosen[b]], left[b][state:])
    for t in range(len(counts)):
        m = counts[t]
        work[:m] = 0
        for b in range(m):
            _copy(inputs[starts[b] + t], left[b])
        add_packed(left[:m], 0, weights[0], work)
        for b in range(m):
            for j in range(0, work.shape[1], _lanes(work)):
                store(work, (b, j), _tanh(load(work, (b, j)), tanh))
            row = starts[b] + t
            if keep:
                _copy(left[b], joint[row])
            _write(work, b, 1, outputs, row)
            _copy(outputs[row], left[b][state:])
    for b in range(r):
        _copy(left[b][state:], last[0][chosen[b]])


@entry
def rnn_backward(
    block: Any, weight: Any, tanh: Any, first: Any, series: Any, out: Any, d_last: Any, d_first: Any
) -> None:
    """Like ``lstm_backward``, for an RNN of tanh units."""
    chosen, starts, counts = block
    _, gates, _, outputs = series
    r, of_gates = len(chosen), _pack_backward(weight)
    work, g, carried, new = _zeros(r, 1, out), _zeros(1, 1, out), _zeros(r, 1, out), _zeros(1, 1, out)
    for b in range(r):
        _read(d_last[0], 1, chosen[b], carried, b)
    for t in range(len(counts) - 1, -1, -1):
        m = counts[t]
        for b in range(m):
            row = starts[b] + t
            _read(out, 1, row, g, 0)
            _read(outputs, 1, row, new, 0)
            for j in range(0, work.shape[1], _lanes(g)):
                shown = load(new, (0, j))
                store(work, (b, j), (load(g, (0, j)) + load(carried, (b, j))) * (1.0 - shown * shown))
                store(carried, (b, j), 0.0)
            _write(work, b, 1, gates, row)
        add_packed(work[:m], 0, of_gates, carried)
    for b in range(r):
        _write(carried, b, 1, d_first[0], chosen[b])
