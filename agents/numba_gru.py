"""A GRU on the arm, all control steps of one network at a time, in numba.

One network's weights fit a core's cache, those of an ensemble do not: so the outer loop is over networks, in
parallel, and time runs inside. The recurrence is that of ``agents.networks.GRUEnsemble`` in
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
from agents import numba_cell as cell


def _forget_stale_kernels() -> None:
    """Removes cached kernels older than what they call: numba sees changes in a function's own file only."""
    changed = max(Path(str(module.__file__)).stat().st_mtime for module in (na, cell))
    for kernel in (Path(__file__).parent / "__pycache__").glob("numba_gru.*.nb[ic]"):
        if kernel.stat().st_mtime < changed:
            kernel.unlink(missing_ok=True)


_forget_stale_kernels()

N: Final = na.N
SENSED: Final = 2 + 2 * N
INPUTS: Final = SENSED + 3  # target x, y and the go cue

parallel = numba.njit(cache=True, parallel=True, fastmath=True, error_model="numpy")


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
            cell.step(inputs[i, slot], hiddens[i, t], (wi[i], bi[i], (wh_rz[i], wh_n[i]), bh[i]), tanh, drive,
                      gates[i, slot], hiddens[i, t + 1])  # fmt: skip
            for b in range(m):
                hidden = hiddens[i, t + 1, b]
                for k in range(N):
                    logit = bo[i, k]
                    weight = wo[i, k]
                    for j in range(units):
                        logit += weight[j] * hidden[j]
                    excitations[i, t, b, k] = half + half * cell.tanh_of(half * logit, tanh)
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
            cell.step_vjp(g, hiddens[i, t], gates[i, t], wh[i], back)
            dx[:] = 0.0
            cell.add_product(gates[i, t], 0, wi[i, : 2 * units], dx, 0)
            cell.add_product(gates[i, t], 3 * units, wi[i, 2 * units :], dx, 0)
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
