"""Recurrent layers through time in numba: LSTM, GRU and tanh RNN, forward and backward.

One call runs all steps of a block of sequences: the weights stay in the core's cache, every load is used
twice (``cell.add_product``), and blocks on several threads need no meeting before the end. The
products with inputs and the gradients of weights are left to torch, which makes one large product of each.

A block has r sequences, the longest first, of S steps in all, and H units. Its rows are ordered by time, then
sequence; ``counts`` (T,) says how many sequences still run in each step, so nothing is padded. ``drive``
(S, gates · H) comes in as the input's share of the gates, biases included, and becomes what the backward pass
needs. ``hidden`` (r + S, H) and ``cell`` hold the states before the first step, then those after each. Gates
are in torch's order, arrays C-contiguous.
"""

from __future__ import annotations

from typing import Any, Final

import numba

from agents.kernels.cell import TANH as SHARED_TANH
from agents.kernels.cell import add_product
from agents.kernels.compile import forget_stale_kernels

# tanh(x) = x P(x^2) / Q(x^2): the fit of ``cell`` with the scale of x in the coefficients
LIMIT: Final = SHARED_TANH[11]
TANH: Final = (
    *(value / LIMIT ** (2 * power) for power, value in enumerate(SHARED_TANH[:6])),
    *(value / LIMIT ** (2 * power) for power, value in enumerate(SHARED_TANH[6:11], start=1)),
    LIMIT,
)


forget_stale_kernels(__name__)

jit = numba.njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
inlined = numba.njit(cache=True, fastmath=True, error_model="numpy", inline="always")


@inlined
def _one(like: Any) -> Any:
    """One, in the dtype of the argument (a literal would make everything float64)."""
    return type(like)(1)


@inlined
def _tanh(x: Any, c: Any) -> Any:
    """Hyperbolic tangent; c is ``TANH`` in the dtype of x, a tuple, which no write of a loop can alias."""
    x = min(max(x, -c[11]), c[11])
    s = x * x
    p = c[0] + s * (c[1] + s * (c[2] + s * (c[3] + s * (c[4] + s * c[5]))))
    q = c[0] + s * (c[6] + s * (c[7] + s * (c[8] + s * (c[9] + s * c[10]))))
    return x * p / q


@jit
def _sigmoids(row: Any, tanh: Any) -> None:
    """In place."""
    half = tanh[0] / (tanh[0] + tanh[0])
    for j in range(row.shape[0]):
        row[j] = half + half * _tanh(half * row[j], tanh)


@jit
def _tanhs(row: Any, tanh: Any, out: Any) -> None:
    """Of a row, into ``out``."""
    for j in range(row.shape[0]):
        out[j] = _tanh(row[j], tanh)


@inlined
def _quarters(row: Any, units: int) -> tuple[Any, Any, Any, Any]:
    """The four parts of a row (4 H,)."""
    return row[:units], row[units : 2 * units], row[2 * units : 3 * units], row[3 * units :]


@jit
def rnn_forward(drive: Any, weight: Any, counts: Any, tanh: Any, hidden: Any, cell: Any) -> None:
    """RNN of tanh units.

    Args:
        drive: (S, H), see above.
        weight: (H, H), torch's transposed.
        counts: (T,).
        tanh: ``TANH`` in the dtype of the arrays.
        hidden: (r + S, H), the first r rows given.
        cell: unused.
    """
    at, before, first = 0, 0, hidden.shape[0] - drive.shape[0]
    for m in counts:
        now = drive[at : at + m]
        add_product(hidden[before : before + m], 0, weight, now, 0)
        for b in range(m):
            _tanhs(now[b], tanh, hidden[first + at + b])
        before = first + at
        at += m


@jit
def rnn_backward(
    drive: Any,
    weight: Any,
    counts: Any,
    tanh: Any,
    hidden: Any,
    cell: Any,
    out: Any,
    d_hidden: Any,
    d_cell: Any,
) -> None:
    """Turns ``drive`` into gradients on it.

    Args:
        drive: (S, gates · H) as left by the forward pass.
        weight: (gates · H, H), as torch has it.
        counts: (T,).
        tanh: as before.
        hidden: as left by the forward pass; so is ``cell``.
        cell: of an LSTM.
        out: (S, H) gradient on the states after each step; overwritten.
        d_hidden: (r, H) further gradient on the last states; becomes that on the first.
        d_cell: the same of ``cell``.
    """
    at, first = drive.shape[0], hidden.shape[0] - drive.shape[0]
    for t in range(len(counts) - 1, -1, -1):
        m = counts[t]
        at -= m
        now = drive[at : at + m]
        for b in range(m):
            row, given, carried, new = now[b], out[at + b], d_hidden[b], hidden[first + at + b]
            for j in range(row.shape[0]):
                row[j] = (given[j] + carried[j]) * (_one(new[j]) - new[j] * new[j])
            carried[:] = 0
        add_product(now, 0, weight, d_hidden[:m], 0)


@jit
def gru_forward(drive: Any, weight: Any, counts: Any, tanh: Any, hidden: Any, cell: Any) -> None:
    """GRU: drive (S, 4 H) of r, z, n and the recurrent part of n (its bias).

    ``weight`` is a pair, columns of r and z and those of n: the reset gate multiplies the latter's product.
    """
    units = hidden.shape[1]
    at, before, first = 0, 0, hidden.shape[0] - drive.shape[0]
    for m in counts:
        now, old = drive[at : at + m], hidden[before : before + m]
        add_product(old, 0, weight[0], now, 0)
        add_product(old, 0, weight[1], now, 3 * units)
        for b in range(m):
            row, last, new = now[b], old[b], hidden[first + at + b]
            _sigmoids(row[: 2 * units], tanh)
            r, z, n, recurrent = _quarters(row, units)
            for j in range(units):
                n[j] += r[j] * recurrent[j]
            _tanhs(n, tanh, n)
            for j in range(units):
                new[j] = n[j] + z[j] * (last[j] - n[j])
        before = first + at
        at += m


@jit
def gru_backward(
    drive: Any,
    weight: Any,
    counts: Any,
    tanh: Any,
    hidden: Any,
    cell: Any,
    out: Any,
    d_hidden: Any,
    d_cell: Any,
) -> None:
    """See ``rnn_backward``; ``drive`` becomes gradients on r, z, the recurrent part of n, and n's drive."""
    units = hidden.shape[1]
    at, first = drive.shape[0], hidden.shape[0] - drive.shape[0]
    for t in range(len(counts) - 1, -1, -1):
        m = counts[t]
        at -= m
        now = drive[at : at + m]
        before = first + at - counts[t - 1] if t else 0
        for b in range(m):
            given, asked, old = d_hidden[b], out[at + b], hidden[before + b]
            r, z, n, recurrent = _quarters(now[b], units)
            for j in range(units):
                given[j] += asked[j]
            for j in range(units):  # gradients on n's drive, kept in `asked`, and on z's
                one = _one(z[j])
                asked[j] = given[j] * (one - z[j]) * (one - n[j] * n[j])
                given[j] = given[j] * z[j]
                z[j] = (old[j] - n[j]) * (one - z[j]) * given[j]
            for j in range(units):
                n[j] = asked[j] * r[j]
                r[j] = asked[j] * recurrent[j] * r[j] * (_one(r[j]) - r[j])
            for j in range(units):
                recurrent[j] = asked[j]
        add_product(now, 0, weight, d_hidden[:m], 0)


@jit
def lstm_forward(drive: Any, weight: Any, counts: Any, tanh: Any, hidden: Any, cell: Any) -> None:
    """LSTM: drive (S, 4 H) of i, f, g, o; weight (H, 4 H); cell like hidden."""
    units = hidden.shape[1]
    at, before, first = 0, 0, hidden.shape[0] - drive.shape[0]
    for m in counts:
        now = drive[at : at + m]
        add_product(hidden[before : before + m], 0, weight, now, 0)
        for b in range(m):
            row, old = now[b], cell[before + b]
            kept, new = cell[first + at + b], hidden[first + at + b]
            _sigmoids(row[: 2 * units], tanh)
            _sigmoids(row[3 * units :], tanh)
            i, f, g, o = _quarters(row, units)
            _tanhs(g, tanh, g)
            for j in range(units):
                kept[j] = f[j] * old[j] + i[j] * g[j]
            for j in range(units):
                new[j] = o[j] * _tanh(kept[j], tanh)
        before = first + at
        at += m


@jit
def lstm_backward(
    drive: Any,
    weight: Any,
    counts: Any,
    tanh: Any,
    hidden: Any,
    cell: Any,
    out: Any,
    d_hidden: Any,
    d_cell: Any,
) -> None:
    """See ``rnn_backward``."""
    units = hidden.shape[1]
    at, first = drive.shape[0], hidden.shape[0] - drive.shape[0]
    for t in range(len(counts) - 1, -1, -1):
        m = counts[t]
        at -= m
        now = drive[at : at + m]
        before = first + at - counts[t - 1] if t else 0
        for b in range(m):
            asked, given, kept = out[at + b], d_hidden[b], d_cell[b]
            new, old = cell[first + at + b], cell[before + b]
            i, f, g, o = _quarters(now[b], units)
            for j in range(units):
                given[j] += asked[j]
            _tanhs(new, tanh, asked)
            for j in range(units):
                through = given[j] * o[j]
                kept[j] += through * (_one(through) - asked[j] * asked[j])
                o[j] = through * asked[j] * (_one(through) - o[j])
            for j in range(units):
                one = _one(i[j])
                share = kept[j] * i[j]
                i[j] = share * g[j] * (one - i[j])
                g[j] = share * (one - g[j] * g[j])
            for j in range(units):
                carried = kept[j] * f[j]
                f[j] = carried * old[j] * (_one(f[j]) - f[j])
                kept[j] = carried
            given[:] = 0
        add_product(now, 0, weight, d_hidden[:m], 0)
