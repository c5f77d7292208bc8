"""Reverse pass of ``agents.kernels.gru``: from gradients on the series to gradients on the parameters.

A call takes one network, as there, and time runs backwards inside. Gradients on weights are sums of outer
products over time; they are computed as matrix products over ``CHUNK`` control steps, while these are in
cache.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from agents.kernels import arm as na
from agents.kernels import cell
from agents.kernels.compile import entry, inner
from agents.kernels.gru import HAND, INPUTS, MUSCLES, SENSED, N, blocks_of, control_of, field_of
from agents.kernels.lanes import ARMS, load, store
from agents.kernels.product import add_packed, pack, packed, padded
from savings_gym.perturbations.visual_maps import SMALLEST_SQUARE
from savings_gym.task.observation import PLANE

CHUNK: Final = 10  # control steps
SPARE: Final = 16  # columns, so that rows whose length is a power of two do not share cache lines


@entry
def backward(
    i: int, constants: Any, weights: Any, trials: Any, timing: Any, learn: Any, work: Any, series: Any,
    grads: Any, out: Any,
) -> None:  # fmt: skip
    """Go through all trials of network i, backwards; fill its part of ``out``.

    Gradients on input weights and on the read-out are computed only if ``learn`` asks for them.
    """
    arm, muscles = constants
    wi, wh, wo = weights
    states, gates, inputs = work
    excitations, hiddens = series
    steps, m, units = hiddens.shape[1] - 1, hiddens.shape[2], hiddens.shape[3]
    of_state, of_hidden = packed(3 * units, units, wi), packed(N, units, wi)
    of_gates, of_new = packed(2 * units, SENSED, wi), packed(units, SENSED, wi)
    pack(wh[i], of_state)
    pack(wo[i], of_hidden)
    pack(wi[i, : 2 * units, :SENSED], of_gates)
    pack(wi[i, 2 * units :, :SENSED], of_new)
    g, back, dx = padded(m, units, wi), padded(m, units, wi), padded(m, SENSED, wi)
    drives = np.zeros((CHUNK * m, 4 * units + SPARE), wi.dtype)
    logits = np.zeros((CHUNK * m, N), wi.dtype)
    sums = (padded(3 * units, units, wi), padded(3 * units, INPUTS, wi), padded(N, units, wi),
            np.zeros(4 * units, wi.dtype), np.zeros(N, wi.dtype))  # fmt: skip
    blocks = blocks_of(m)
    g_lengths = np.zeros((steps + 1, blocks, 2 * N, ARMS))
    g_hands = np.zeros((steps + 1, blocks, PLANE, ARMS))
    g_state, postures = np.zeros((blocks, na.STATE, ARMS)), np.empty((blocks, na.POSTURE, ARMS))
    for block in range(blocks):
        na.take_posture(arm, muscles, states[i, -1, block], postures[block])
    for t in range(steps - 1, -1, -1):
        first = t % CHUNK * m
        slope, drive = logits[first : first + m], drives[first : first + m]
        _move_back(i, t, constants, trials, timing, states, postures, excitations, grads, g_hands[t + 1],
                   g_lengths[t + 1], g_state, slope)  # fmt: skip
        for b in range(m):
            for j in range(units):
                g[b, j] += grads[4][i, t, b, j]
        add_packed(slope, 0, of_hidden, g)
        cell.step_vjp(g, hiddens[i, t], gates[i, t], of_state, drive, back)
        g, back = back, g
        clear(dx)
        add_packed(drive, 0, of_gates, dx)
        add_packed(drive, 3 * units, of_new, dx)
        _observe_back(dx, g_hands[max(t - timing[0], 0)], g_lengths[max(t - timing[1], 0)])
        if t % CHUNK == 0:
            last = min(t + CHUNK, steps)
            _add_chunk(drives, logits, inputs[i, t:last], hiddens[i, t : last + 1], learn, sums)
    _write_out(i, g, sums, units, out)


@inner
def clear(values: Any) -> None:
    """Set a matrix to zero."""
    for k in range(values.shape[0]):
        for j in range(values.shape[1]):
            values[k, j] = 0.0


@inner
def _move_back(
    i: int, t: int, constants: Any, trials: Any, timing: Any, states: Any, postures: Any, excitations: Any,
    grads: Any, g_seen: Any, g_lengths: Any, g_state: Any, slope: Any,
) -> None:  # fmt: skip
    """Reverse the physics steps of control step t: update g_state and fill slope (m, 6) on the logits.

    Postures come in as those at the end of the control step, and go out as those at its start.
    """
    arm, muscles = constants
    go, field, noise, timed, views = trials
    g_hand, g_velocity, g_force, g_excitation, _ = grads
    m, substeps = go.shape[1], int(arm[na.SUBSTEPS])
    control, push, g_control = np.empty((N, ARMS)), np.empty((10, ARMS)), np.empty((N, ARMS))
    hand, first, none = np.zeros((4, ARMS)), np.zeros((N, ARMS)), np.zeros((N, ARMS))
    other = np.empty((na.STATE, ARMS))
    for block in range(postures.shape[0]):
        posture, end, g, ahead = postures[block], states[i, (t + 1) * substeps, block], g_state[block], other
        lanes = min(ARMS, m - block * ARMS)
        for lane in range(lanes):
            b = block * ARMS + lane
            seen = g_seen[block, 0, lane], g_seen[block, 1, lane]
            if views.shape[1] > 0:
                seen = cursor_vjp(
                    views[i, t + 1, b], posture[na.X, lane], posture[na.Y, lane], seen[0], seen[1]
                )
            for k in range(2):
                hand[k, lane] = g_hand[i, t, b, k] + seen[k]
                hand[2 + k, lane] = g_velocity[i, t, b, k]
            for k in range(N):
                first[k, lane] = g_force[i, t, b, k]
        na.sense_vjp(muscles, end, posture, g_lengths[block], g)
        na.hand_vjp(end, posture, load(hand, (0, 0)), load(hand, (1, 0)), load(hand, (2, 0)),
                    load(hand, (3, 0)), g)  # fmt: skip
        control_of(arm, excitations[i, t], noise[i, t], block, control)
        field_of(field[i], timed[i], go[i], timing[2], t, block, push)
        clear(g_control)
        for s in range(substeps - 1, -1, -1):
            state = states[i, t * substeps + s, block]
            na.take_posture(arm, muscles, state, posture)
            na.physics_step_vjp(arm, muscles, state, control, push, posture, g, first if s == 0 else none,
                                ahead, g_control)  # fmt: skip
            g, ahead = ahead, g
        for k in range(na.STATE):
            store(g_state, (block, k, 0), load(g, (k, 0)))
        for lane in range(lanes):
            b = block * ARMS + lane
            for k in range(N):
                u = excitations[i, t, b, k]
                within = arm[na.ULOW] <= np.float64(u + noise[i, t, b, k]) <= arm[na.UHIGH]
                total = g_excitation[i, t, b, k] + (g_control[k, lane] if within else 0.0)
                slope[b, k] = total * u * (1.0 - u)
        clear(hand)
        clear(first)


@inner
def cursor_vjp(view: Any, x: float, y: float, g_x: float, g_y: float) -> Any:
    """Return the gradient on a hand at (x, y), given that on where it is seen."""
    dx, dy = x - view[8], y - view[9]
    radius = np.sqrt(dx * dx + dy * dy + SMALLEST_SQUARE)
    along = (g_x * view[6] + g_y * view[7]) / radius
    return view[0] * g_x + view[2] * g_y + along * dx, view[1] * g_x + view[3] * g_y + along * dy


@inner
def _observe_back(dx: Any, g_hand: Any, g_lengths: Any) -> None:
    """Add gradients dx (m, SENSED) on an observation to those on the cursor and muscles that it shows."""
    for b in range(dx.shape[0]):
        block, lane = b // ARMS, b % ARMS
        for k in range(PLANE):
            g_hand[block, k, lane] += dx[b, HAND + k]
        for k in range(2 * N):
            g_lengths[block, k, lane] += dx[b, MUSCLES + k]


@inner
def _pack_steps(steps: Any, out: Any) -> None:
    """Pack (control steps, m, columns) as the first rows of one matrix."""
    m, columns, width = steps.shape[1], steps.shape[2], out.shape[2]
    for p in range(out.shape[0]):
        first = p * width
        for t in range(steps.shape[0]):
            for b in range(m):
                row, source = out[p, t * m + b], steps[t, b]
                for j in range(min(width, columns - first)):
                    row[j] = source[first + j]


@inner
def _add_chunk(drives: Any, logits: Any, inputs: Any, hiddens: Any, learn: Any, sums: Any) -> None:
    """Add the share of a chunk of control steps to the gradients on weights and biases.

    If the last chunk is short, its other drives and logits are zero.
    """
    d_wh, d_wi, d_wo, d_drive, d_logit = sums
    rows, units = drives.shape[0], hiddens.shape[2]
    for k in range(rows):
        row = drives[k]
        for j in range(4 * units):
            d_drive[j] += row[j]
        for j in range(N):
            d_logit[j] += logits[k, j]
    by_gate = drives.T
    right = packed(rows, units, drives)
    _pack_steps(hiddens[:-1], right)
    add_packed(by_gate[: 3 * units], 0, right, d_wh)
    if learn[0]:
        observed = packed(rows, INPUTS, drives)
        _pack_steps(inputs, observed)
        add_packed(by_gate[: 2 * units], 0, observed, d_wi)
        add_packed(by_gate[3 * units : 4 * units], 0, observed, d_wi[2 * units :])
    if learn[1]:
        _pack_steps(hiddens[1:], right)
        add_packed(logits.T, 0, right, d_wo)


@inner
def _write_out(i: int, g: Any, sums: Any, units: int, out: Any) -> None:
    """Write the gradients of network i, without padding."""
    initial, d_wi, d_bi, d_wh, d_bh, d_wo, d_bo = out
    from_wh, from_wi, from_wo, drive, logit = sums
    for b in range(g.shape[0]):
        for j in range(units):
            initial[i, b, j] = g[b, j]
    for row, padded_sum in ((d_wi[i], from_wi), (d_wh[i], from_wh), (d_wo[i], from_wo)):
        for k in range(row.shape[0]):
            for j in range(row.shape[1]):
                row[k, j] = padded_sum[k, j]
    for j in range(3 * units):
        d_bh[i, j] = drive[j]
        d_bi[i, j] = drive[j] if j < 2 * units else drive[units + j]
    for k in range(N):
        d_bo[i, k] = logit[k]
