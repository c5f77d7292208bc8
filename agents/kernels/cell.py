"""One step of a GRU and its reverse pass, for the trials of one network, in numba: m trials, H units."""

from __future__ import annotations

from typing import Any, Final

from agents.kernels.compile import inlined, inner
from agents.kernels.product import add_packed

# tanh(x) = x P(s) / Q(s), s = (x / 8.3)^2, for |x| <= 8.3: our own least-squares fit, with a largest error of
# 1.1e-11 before rounding and 4e-7 in float32. Plain arithmetic vectorises; libm's tanh does not.
TANH: Final = (
    1.00000000e00, 9.72961689e00, 2.11583366e01, 1.40964282e01, 2.61538675e00, 6.19776724e-02,
    3.26929502e01, 1.39119838e02, 1.65785650e02, 6.04259500e01, 4.86815440e00, 8.3, 1 / 8.3**2,
)  # fmt: skip


@inlined
def tanh_of(x: Any, c: Any) -> Any:
    """Return the hyperbolic tangent of x; c is ``TANH`` in its dtype, a tuple, which no array can alias."""
    x = min(max(x, -c[11]), c[11])
    s = x * x * c[12]
    p = c[0] + s * (c[1] + s * (c[2] + s * (c[3] + s * (c[4] + s * c[5]))))
    q = c[0] + s * (c[6] + s * (c[7] + s * (c[8] + s * (c[9] + s * c[10]))))
    return x * p / q


@inlined
def quarters(row: Any, units: int) -> tuple[Any, Any, Any, Any]:
    """Return the four parts of a row (4 H,) of gates."""
    return row[:units], row[units : 2 * units], row[2 * units : 3 * units], row[3 * units :]


@inner
def step(x: Any, h: Any, weights: Any, biases: Any, tanh: Any, work: Any, gates: Any, out: Any) -> None:
    """Take one GRU step in m trials.

    Args:
        x: (m, inputs).
        h: (m, H) old state.
        weights: Weights of inputs to r, z and n, of the state to r and z, and of the state to n; all packed.
        biases: (3 H,) of inputs and (3 H,) of the state.
        tanh: ``TANH`` in the dtype of x.
        work: Drive of r, z and n and recurrent drive of n, padded, with m rows.
        gates: (m, 4 H), filled with r, z, n and the recurrent drive of n.
        out: (m, H), filled with the new state.
    """
    of_inputs, of_state, of_state_n = weights
    drive, recurrent = work
    bi, bh = biases
    m, units = h.shape
    half = tanh[0] / (tanh[0] + tanh[0])
    for b in range(m):
        row, apart = drive[b], recurrent[b]
        for j in range(2 * units):
            row[j] = bi[j] + bh[j]
        for j in range(2 * units, 3 * units):
            row[j] = bi[j]
        for j in range(units):
            apart[j] = bh[2 * units + j]
    add_packed(x, 0, of_inputs, drive)
    # The recurrent drive of r and z joins the input's; that of n stays apart, for the reset gate to multiply.
    add_packed(h, 0, of_state, drive)
    add_packed(h, 0, of_state_n, recurrent)
    for b in range(m):
        row, keep, old, new = drive[b], gates[b], h[b], out[b]
        for j in range(2 * units):
            keep[j] = half + half * tanh_of(half * row[j], tanh)
        # Simple loops over slices: the compiler does not vectorise if too many arrays may overlap.
        r, z, n, hn = quarters(keep, units)
        add, apart = row[2 * units : 3 * units], recurrent[b]
        for j in range(units):
            hn[j] = apart[j]
        for j in range(units):
            n[j] = tanh_of(add[j] + r[j] * apart[j], tanh)
        for j in range(units):
            new[j] = n[j] + z[j] * (old[j] - n[j])


@inner
def step_vjp(g: Any, old: Any, gates: Any, wh: Any, drives: Any, out: Any) -> None:
    """Reverse pass of ``step``.

    Args:
        g: (m, padded H) gradient on the new state.
        old: (m, H) old state.
        gates: (m, 4 H) as filled by ``step``.
        wh: (3 H, H) weights of the state, packed.
        drives: (m, 4 H), filled with gradients on the drives of r, z, the recurrent part of n, and n.
        out: (m, padded H), filled with the gradient on the old state.
    """
    m, units = old.shape
    for b in range(m):
        row, before, ahead = g[b], old[b], out[b]
        r, z, n, hn = quarters(gates[b], units)
        dr, dz, dhn, dn = quarters(drives[b], units)
        for j in range(units):
            dn[j] = row[j] * (one(z[j]) - z[j]) * (one(z[j]) - n[j] * n[j])
        for j in range(units):
            dz[j] = row[j] * (before[j] - n[j]) * z[j] * (one(z[j]) - z[j])
        for j in range(units):
            dhn[j] = dn[j] * r[j]
        for j in range(units):
            dr[j] = dhn[j] * hn[j] * (one(r[j]) - r[j])
        for j in range(units):
            ahead[j] = row[j] * z[j]
    add_packed(drives, 0, wh, out)


@inlined
def one(like: Any) -> Any:
    """Return 1 in the dtype of the argument; a literal would make everything float64."""
    return type(like)(1)
