"""Recurrent layers through time in numba: LSTM, GRU and tanh RNN, forward and backward.

One call runs all steps of a block of sequences: the weights stay in the core's cache, every load is used
twice (``cell.add_product``), and blocks on several threads need not wait for each other. The products with
inputs and the gradients on weights are left to torch, which computes one large product for each.

A block has r sequences, the longest first, with S steps in total, and H units. Its rows are ordered by time,
then sequence; ``counts`` (T,) is the number of sequences that still run in each step, so nothing is padded.
``drive`` (S, gates · H) comes in as the input's share of the gates, biases included, and goes out as what the
backward pass needs. ``hidden`` (r + S, H) and ``cell`` hold the states before the first step, then those
after each step. Gates are in torch's order, and arrays C-contiguous.
"""

from __future__ import annotations

from typing import Any, Final

from agents.kernels.cell import TANH as SHARED_TANH
from agents.kernels.cell import add_product, one, quarters
from agents.kernels.compile import entry, inlined, inner

# tanh(x) = x P(x^2) / Q(x^2): the fit of ``cell`` with the scale of x in the coefficients
LIMIT: Final = SHARED_TANH[11]
TANH: Final = (
    *(value / LIMIT ** (2 * power) for power, value in enumerate(SHARED_TANH[:6])),
    *(value / LIMIT ** (2 * power) for power, value in enumerate(SHARED_TANH[6:11], start=1)),
    LIMIT,
)


@inlined
def _tanh(x: Any, c: Any) -> Any:
    """Return the hyperbolic tangent of x; c is ``TANH`` in its dtype, a tuple, which no array can alias."""
    x = min(max(x, -c[11]), c[11])
    s = x * x
    p = c[0] + s * (c[1] + s * (c[2] + s * (c[3] + s * (c[4] + s * c[5]))))
    q = c[0] + s * (c[6] + s * (c[7] + s * (c[8] + s * (c[9] + s * c[10]))))
    return x * p / q


@inner
def _sigmoids(row: Any, tanh: Any) -> None:
    """Replace a row by its sigmoids."""
    half = tanh[0] / (tanh[0] + tanh[0])
    for j in range(row.shape[0]):
        row[j] = half + half * _tanh(half * row[j], tanh)


@inner
def _tanhs(row: Any, tanh: Any, out: Any) -> None:
    """Write the hyperbolic tangents of a row into ``out``."""
    for j in range(row.shape[0]):
        out[j] = _tanh(row[j], tanh)


@entry
def rnn_forward(drive: Any, weight: Any, counts: Any, tanh: Any, hidden: Any, cell: Any) -> None:
    """Run an RNN of tanh units.

    Args:
        drive: (S, H), see the module.
        weight: (H, H), transposed with respect to torch.
        counts: (T,).
        tanh: ``TANH`` in the dtype of the arrays.
        hidden: (r + S, H), of which the first r rows are given.
        cell: Unused.
    """
    at, before, first = 0, 0, hidden.shape[0] - drive.shape[0]
    for m in counts:
        now = drive[at : at + m]
        add_product(hidden[before : before + m], 0, weight, now, 0)
        for b in range(m):
            _tanhs(now[b], tanh, hidden[first + at + b])
        before = first + at
        at += m


@entry
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
    """Turn ``drive`` into the gradients on it.

    Args:
        drive: (S, gates · H), as left by the forward pass.
        weight: (gates · H, H), as in torch.
        counts: (T,).
        tanh: As in the forward pass.
        hidden: As left by the forward pass.
        cell: Likewise, for an LSTM.
        out: (S, H) gradient on the states after each step; overwritten.
        d_hidden: (r, H) further gradient on the last states; becomes that on the first.
        d_cell: The same for ``cell``.
    """
    at, first = drive.shape[0], hidden.shape[0] - drive.shape[0]
    for t in range(len(counts) - 1, -1, -1):
        m = counts[t]
        at -= m
        now = drive[at : at + m]
        for b in range(m):
            row, g, carried, new = now[b], out[at + b], d_hidden[b], hidden[first + at + b]
            for j in range(row.shape[0]):
                row[j] = (g[j] + carried[j]) * (one(new[j]) - new[j] * new[j])
            carried[:] = 0
        add_product(now, 0, weight, d_hidden[:m], 0)


@entry
def gru_forward(drive: Any, weight: Any, counts: Any, tanh: Any, hidden: Any, cell: Any) -> None:
    """Run a GRU; drive (S, 4 H) is that of r, z, n and the recurrent part of n (its bias).

    ``weight`` is a pair: the columns of r and z, and those of n, whose product the reset gate multiplies.
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
            r, z, n, recurrent = quarters(row, units)
            for j in range(units):
                n[j] += r[j] * recurrent[j]
            _tanhs(n, tanh, n)
            for j in range(units):
                new[j] = n[j] + z[j] * (last[j] - n[j])
        before = first + at
        at += m


@entry
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
    """Like ``rnn_backward``; ``drive`` becomes gradients on r, z, the recurrent part of n, and n's drive."""
    units = hidden.shape[1]
    at, first = drive.shape[0], hidden.shape[0] - drive.shape[0]
    for t in range(len(counts) - 1, -1, -1):
        m = counts[t]
        at -= m
        now = drive[at : at + m]
        before = first + at - counts[t - 1] if t else 0
        for b in range(m):
            carried, g, old = d_hidden[b], out[at + b], hidden[before + b]
            r, z, n, recurrent = quarters(now[b], units)
            for j in range(units):
                carried[j] += g[j]
            for j in range(units):  # gradients on n's drive, kept in `g`, and on z's
                unit = one(z[j])
                g[j] = carried[j] * (unit - z[j]) * (unit - n[j] * n[j])
                carried[j] = carried[j] * z[j]
                z[j] = (old[j] - n[j]) * (unit - z[j]) * carried[j]
            for j in range(units):
                n[j] = g[j] * r[j]
                r[j] = g[j] * recurrent[j] * r[j] * (one(r[j]) - r[j])
            for j in range(units):
                recurrent[j] = g[j]
        add_product(now, 0, weight, d_hidden[:m], 0)


@entry
def lstm_forward(drive: Any, weight: Any, counts: Any, tanh: Any, hidden: Any, cell: Any) -> None:
    """Run an LSTM; drive (S, 4 H) is that of i, f, g and o, weight (H, 4 H), cell like hidden."""
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
            i, f, g, o = quarters(row, units)
            _tanhs(g, tanh, g)
            for j in range(units):
                kept[j] = f[j] * old[j] + i[j] * g[j]
            for j in range(units):
                new[j] = o[j] * _tanh(kept[j], tanh)
        before = first + at
        at += m


@entry
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
    """Like ``rnn_backward``, for an LSTM."""
    units = hidden.shape[1]
    at, first = drive.shape[0], hidden.shape[0] - drive.shape[0]
    for t in range(len(counts) - 1, -1, -1):
        m = counts[t]
        at -= m
        now = drive[at : at + m]
        before = first + at - counts[t - 1] if t else 0
        for b in range(m):
            grad, carried, d_kept = out[at + b], d_hidden[b], d_cell[b]
            new, old = cell[first + at + b], cell[before + b]
            i, f, g, o = quarters(now[b], units)
            for j in range(units):
                carried[j] += grad[j]
            _tanhs(new, tanh, grad)
            for j in range(units):
                through = carried[j] * o[j]
                d_kept[j] += through * (one(through) - grad[j] * grad[j])
                o[j] = through * grad[j] * (one(through) - o[j])
            for j in range(units):
                unit = one(i[j])
                share = d_kept[j] * i[j]
                i[j] = share * g[j] * (unit - i[j])
                g[j] = share * (unit - g[j] * g[j])
            for j in range(units):
                passed = d_kept[j] * f[j]
                f[j] = passed * old[j] * (one(f[j]) - f[j])
                d_kept[j] = passed
            carried[:] = 0
        add_product(now, 0, weight, d_hidden[:m], 0)
