"""A GRU on the arm, all control steps of one network at a time, in numba.

One network's weights fit a core's cache, those of an ensemble do not: so the outer loop is over networks, in
parallel, and time runs inside. Recurrent products are loops over rows of the weights, four at a time, which
the compiler turns into vector instructions. The recurrence is that of ``agents.networks.GRUEnsemble`` in
``agents.rollout``; tests hold the two equal. n networks, m trials, T control steps, H units; arrays as listed
in ``agents.fused``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numba
import numpy as np
from numba import prange

from agents import numba_arm as na


def _forget_stale_kernels() -> None:
    """Removes cached kernels older than ``numba_arm``: numba sees changes in a function's own file only."""
    changed = Path(na.__file__).stat().st_mtime
    for kernel in (Path(__file__).parent / "__pycache__").glob("numba_gru.*.nb[ic]"):
        if kernel.stat().st_mtime < changed:
            kernel.unlink(missing_ok=True)


_forget_stale_kernels()

N: Final = na.N
SENSED: Final = 2 + 2 * N
INPUTS: Final = SENSED + 3  # target x, y and the go cue

# tanh(x) = x P(s) / Q(s), s = (x / 8.3)^2, for |x| <= 8.3: our own least-squares fit, largest error 1.1e-11
# before rounding, 4e-7 in float32. Plain arithmetic vectorises, libm's tanh does not.
TANH: Final = (
    1.00000000e00, 9.72961689e00, 2.11583366e01, 1.40964282e01, 2.61538675e00, 6.19776724e-02,
    3.26929502e01, 1.39119838e02, 1.65785650e02, 6.04259500e01, 4.86815440e00, 8.3,
)  # fmt: skip

parallel = numba.njit(cache=True, parallel=True, fastmath=True, error_model="numpy")
jit = numba.njit(cache=True, fastmath=True, error_model="numpy")


@numba.njit(cache=True, fastmath=True, error_model="numpy", inline="always")
def _tanh(x: Any, c: Any) -> Any:
    """Hyperbolic tangent; c is ``TANH`` in the dtype of x, a tuple, which no write of a loop can alias."""
    x = min(max(x, -c[11]), c[11])
    s = x / c[11]
    s = s * s
    p = c[0] + s * (c[1] + s * (c[2] + s * (c[3] + s * (c[4] + s * c[5]))))
    q = c[0] + s * (c[6] + s * (c[7] + s * (c[8] + s * (c[9] + s * c[10]))))
    return x * p / q


@jit
def _add_product(left: Any, left_at: int, right: Any, out: Any, out_at: int) -> None:
    """Columns of out (m, j), from ``out_at``, += columns of left (m, k), from ``left_at``, @ right (k, j).

    Offsets instead of slices: a slice of columns would hide from the compiler that rows are contiguous.
    """
    rows = left.shape[0]
    inner, columns = right.shape
    whole = inner - inner % 4
    for k in range(0, whole, 4):
        w0, w1, w2, w3 = right[k], right[k + 1], right[k + 2], right[k + 3]
        for b in range(rows):
            a = left[b]
            a0, a1, a2, a3 = a[left_at + k], a[left_at + k + 1], a[left_at + k + 2], a[left_at + k + 3]
            row = out[b][out_at : out_at + columns]
            for j in range(columns):
                row[j] += a0 * w0[j] + a1 * w1[j] + a2 * w2[j] + a3 * w3[j]
    for k in range(whole, inner):
        w0 = right[k]
        for b in range(rows):
            a0 = left[b, left_at + k]
            row = out[b][out_at : out_at + columns]
            for j in range(columns):
                row[j] += a0 * w0[j]


@jit
def _gru_step(x: Any, h: Any, weights: Any, tanh: Any, drive: Any, gates: Any, out: Any) -> None:
    """One GRU step of m trials; gates (m, 4 H) keeps r, z, n and the recurrent drive of n."""
    wi, bi, wh, bh = weights
    m, units = h.shape
    half = tanh[0] / (tanh[0] + tanh[0])
    for b in range(m):
        row, keep = drive[b], gates[b]
        for j in range(2 * units):
            row[j] = bi[j] + bh[j]
        for j in range(2 * units, 3 * units):
            row[j] = bi[j]
        for j in range(units):
            keep[3 * units + j] = bh[2 * units + j]
    _add_product(x, 0, wi, drive, 0)
    # Recurrent drive: r and z join the input's, n's stays apart because the reset gate multiplies it.
    _add_product(h, 0, wh[0], drive, 0)
    _add_product(h, 0, wh[1], gates, 3 * units)
    for b in range(m):
        row, keep, old, new = drive[b], gates[b], h[b], out[b]
        for j in range(2 * units):
            keep[j] = half + half * _tanh(half * row[j], tanh)
        for j in range(units):
            n = _tanh(row[2 * units + j] + keep[j] * keep[3 * units + j], tanh)
            keep[2 * units + j] = n
            new[j] = n + keep[units + j] * (old[j] - n)


@parallel
def forward(
    constants: Any, weights: Any, readout: Any, trials: Any, timing: Any, keep: bool, work: Any, series: Any
) -> None:
    """Runs all trials of all networks; fills ``work`` and ``series``."""
    arm, muscles, tanh = constants
    initial, wi, bi, wh_rz, wh_n, bh = weights
    wo, bo = readout
    q0, target, go, field, sense_noise, control_noise = trials
    states, gates, inputs = work
    hands, velocities, forces, excitations, hiddens = series
    n, m = go.shape
    steps, units = hiddens.shape[1] - 1, hiddens.shape[3]
    substeps = int(arm[na.SUBSTEPS])
    delay_seen, delay_felt = timing
    half = tanh[0] / (tanh[0] + tanh[0])
    for i in prange(n):
        drive = np.empty((m, 3 * units), wi.dtype)
        felt = np.empty((steps + 1, m, 2 * N))
        seen = np.empty((steps + 1, m, 2))
        geometry, force, control = np.empty((N, 3)), np.empty(N), np.empty(N)
        now, then = np.zeros((m, na.STATE)), np.empty(na.STATE)
        for b in range(m):
            for j in range(units):
                hiddens[i, 0, b, j] = initial[i, j]
            now[b, 0], now[b, 1] = q0[i, b, 0], q0[i, b, 1]
            for k in range(N):
                now[b, 4 + k] = arm[na.ULOW]
            x, y, _, _, _, _, _, _ = na.hand_and_push(arm, now[b], field[i, b, 0])
            seen[0, b, 0], seen[0, b, 1] = x, y
        for t in range(steps):
            slot = t if keep else 0
            at_seen, at_felt = max(t - delay_seen, 0), max(t - delay_felt, 0)
            for b in range(m):
                na.muscle_geometry(muscles, now[b, 0], now[b, 1], geometry)
                na.muscle_forces(muscles, geometry, now[b], force)
                for k in range(N):
                    forces[i, t, b, k] = force[k]
                    felt[t, b, k] = geometry[k, 0]
                    speed = muscles[k, na.SHOULDER] * now[b, 2] + geometry[k, 1] * now[b, 3]
                    felt[t, b, N + k] = speed / muscles[k, na.SPEED]
                row = inputs[i, slot, b]
                row[0], row[1] = seen[at_seen, b, 0], seen[at_seen, b, 1]
                for k in range(2 * N):
                    row[2 + k] = felt[at_felt, b, k]
                for k in range(SENSED):
                    row[k] += sense_noise[i, t, b, k]
                row[SENSED], row[SENSED + 1] = target[i, b, 0], target[i, b, 1]
                row[SENSED + 2] = 1.0 if t >= go[i, b] + delay_seen else 0.0
            _gru_step(inputs[i, slot], hiddens[i, t], (wi[i], bi[i], (wh_rz[i], wh_n[i]), bh[i]), tanh, drive,
                      gates[i, slot], hiddens[i, t + 1])  # fmt: skip
            for b in range(m):
                hidden = hiddens[i, t + 1, b]
                for k in range(N):
                    logit = bo[i, k]
                    weight = wo[i, k]
                    for j in range(units):
                        logit += weight[j] * hidden[j]
                    excitations[i, t, b, k] = half + half * _tanh(half * logit, tanh)
                    noisy = excitations[i, t, b, k] + control_noise[i, t, b, k]
                    control[k] = min(max(noisy, arm[na.ULOW]), arm[na.UHIGH])
                push = field[i, b, 1 if t >= go[i, b] else 0]
                for s in range(substeps):
                    if keep:
                        states[i, t * substeps + s, b, :] = now[b]
                    na.physics_step(arm, muscles, now[b], control, push, geometry, force, then)
                    now[b, :] = then
                x, y, vx, vy, _, _, _, _ = na.hand_and_push(arm, now[b], push)
                seen[t + 1, b, 0], seen[t + 1, b, 1] = x, y
                hands[i, t, b, 0], hands[i, t, b, 1] = x, y
                velocities[i, t, b, 0], velocities[i, t, b, 1] = vx, vy
        if keep:
            states[i, steps * substeps] = now


@jit
def _gru_step_vjp(g: Any, old: Any, gates: Any, wh: Any, back: Any) -> None:
    """Reverse pass of ``_gru_step``: g (m, H) becomes the gradient on the old state.

    Gates (m, 4 H) become gradients on the drives of r, z, the recurrent part of n, and n.
    """
    m, units = g.shape
    for b in range(m):
        row, keep, before, ahead = g[b], gates[b], old[b], back[b]
        for j in range(units):
            r, z, n, hn = keep[j], keep[units + j], keep[2 * units + j], keep[3 * units + j]
            dn = row[j] * (_one(z) - z) * (_one(z) - n * n)
            keep[j] = dn * hn * r * (_one(z) - r)
            keep[units + j] = row[j] * (before[j] - n) * z * (_one(z) - z)
            keep[2 * units + j] = dn * r
            keep[3 * units + j] = dn
            ahead[j] = row[j] * z
    _add_product(gates, 0, wh, back, 0)
    for b in range(m):
        for j in range(units):
            g[b, j] = back[b, j]


@numba.njit(cache=True, inline="always")
def _one(like: Any) -> Any:
    """One, in the dtype of the argument (a literal would make everything float64)."""
    return type(like)(1)


@parallel
def backward(
    constants: Any,
    weights: Any,
    readout: Any,
    trials: Any,
    timing: Any,
    work: Any,
    series: Any,
    grads: Any,
    out: Any,
) -> None:
    """Reverse pass of ``forward``: gradients of the series to those of drives, read-out, initial state."""
    arm, muscles = constants
    wi, wh = weights
    go, field, control_noise = trials
    states, gates = work
    excitations, hiddens = series
    g_hand, g_velocity, g_force, g_excitation, g_hidden = grads
    d_logits, d_initial = out
    n, m = go.shape
    steps, units = hiddens.shape[1] - 1, hiddens.shape[3]
    substeps = int(arm[na.SUBSTEPS])
    delay_seen, delay_felt = timing
    for i in prange(n):
        g = np.zeros((m, units), wi.dtype)
        back = np.empty((m, units), wi.dtype)
        dx = np.empty((m, INPUTS), wi.dtype)
        seen, felt = np.zeros((steps + 1, m, 2)), np.zeros((steps + 1, m, 2 * N))
        geometry, control, g_control = np.empty((N, 3)), np.empty(N), np.empty(N)
        g_now, g_then = np.zeros((m, na.STATE)), np.empty(na.STATE)
        first, none = np.zeros(N), np.zeros(N)
        for t in range(steps - 1, -1, -1):
            for b in range(m):
                end = states[i, (t + 1) * substeps, b]
                na.muscle_geometry(muscles, end[0], end[1], geometry)
                na.sense_vjp(muscles, end, geometry, felt[t + 1, b], g_now[b])
                na.hand_vjp(
                    arm, end, g_hand[i, t, b, 0] + seen[t + 1, b, 0], g_hand[i, t, b, 1] + seen[t + 1, b, 1],
                    g_velocity[i, t, b, 0], g_velocity[i, t, b, 1], g_now[b],
                )  # fmt: skip
                for k in range(N):
                    noisy = excitations[i, t, b, k] + control_noise[i, t, b, k]
                    control[k] = min(max(noisy, arm[na.ULOW]), arm[na.UHIGH])
                    g_control[k] = 0.0
                    first[k] = g_force[i, t, b, k]
                push = field[i, b, 1 if t >= go[i, b] else 0]
                for s in range(substeps - 1, -1, -1):
                    na.physics_step_vjp(arm, muscles, states[i, t * substeps + s, b], control, push, geometry,
                                        g_now[b], first if s == 0 else none, g_then, g_control)  # fmt: skip
                    g_now[b, :] = g_then
                for k in range(N):
                    u = excitations[i, t, b, k]
                    noisy = u + control_noise[i, t, b, k]
                    total = g_excitation[i, t, b, k]
                    if arm[na.ULOW] <= noisy <= arm[na.UHIGH]:
                        total += g_control[k]
                    d_logits[i, t, b, k] = total * u * (1.0 - u)
                for j in range(units):
                    g[b, j] += g_hidden[i, t, b, j]
                for k in range(N):
                    slope = d_logits[i, t, b, k]
                    weight = readout[i, k]
                    for j in range(units):
                        g[b, j] += slope * weight[j]
            _gru_step_vjp(g, hiddens[i, t], gates[i, t], wh[i], back)
            dx[:] = 0.0
            _add_product(gates[i, t], 0, wi[i, : 2 * units], dx, 0)
            _add_product(gates[i, t], 3 * units, wi[i, 2 * units :], dx, 0)
            at_seen, at_felt = max(t - delay_seen, 0), max(t - delay_felt, 0)
            for b in range(m):
                seen[at_seen, b, 0] += dx[b, 0]
                seen[at_seen, b, 1] += dx[b, 1]
                for k in range(2 * N):
                    felt[at_felt, b, k] += dx[b, 2 + k]
        for j in range(units):
            total_initial = g[0, j]
            for b in range(1, m):
                total_initial += g[b, j]
            d_initial[i, j] = total_initial
