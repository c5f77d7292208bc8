"""GRU networks on the arm, network by network, each through all control steps of its trials, in numba.

The weights of one network fit a core's cache, those of an ensemble do not. So a call runs one network, and
time runs inside; ``agents.kernels.threads`` runs several at once. The equations are those of
``agents.supervised.networks.GRUEnsemble`` in ``agents.supervised.rollout``, and tests require equal results.
The arms of a network are lanes, ``ARMS`` to a block; if the last block is not full, its spare lanes repeat
the last trial and are ignored. There are n networks, m trials, T control steps and H units;
``agents.supervised.fused`` lists the arrays.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from agents.kernels import arm as na
from agents.kernels import cell
from agents.kernels import muscles as nm
from agents.kernels.compile import entry, inner
from agents.kernels.lanes import ARMS, load, store
from agents.kernels.product import add_packed, pack, packed, padded
from savings_gym.perturbations.visual_maps import SMALLEST_SQUARE
from savings_gym.task.observation import MUSCLE_OBSERVATION, PLANE

N: Final = na.N
SENSED: Final = MUSCLE_OBSERVATION.sensed.stop
INPUTS: Final = MUSCLE_OBSERVATION.size
HAND: Final = MUSCLE_OBSERVATION["hand_position"].start
MUSCLES: Final = MUSCLE_OBSERVATION.proprioception.start  # lengths, then velocities
TARGET: Final = MUSCLE_OBSERVATION["target_position"].start
CUE: Final = MUSCLE_OBSERVATION["go_cue"].start


@inner
def blocks_of(trials: int) -> int:
    """Return how many blocks of lanes a number of trials needs."""
    return (trials + ARMS - 1) // ARMS


@entry
def forward(
    i: int, constants: Any, tanh: Any, weights: Any, readout: Any, trials: Any, timing: Any, displaced: Any,
    keep: bool, work: Any, series: Any,
) -> None:  # fmt: skip
    """Run all trials of network i; fill its part of ``work`` and ``series``.

    ``displaced`` is a control step, before which (m, H) values are added to the activity; -1 for no step.
    """
    arm, muscles = constants
    initial, wi, bi, wh, bh = weights
    states, gates, inputs = work
    hiddens = series[4]
    steps, m, units = hiddens.shape[1] - 1, hiddens.shape[2], hiddens.shape[3]
    of_inputs, of_state = packed(INPUTS, 3 * units, wi), packed(units, 2 * units, wi)
    of_state_n, of_hidden = packed(units, units, wi), packed(units, N, wi)
    pack(wi[i].T, of_inputs)
    pack(wh[i, : 2 * units].T, of_state)
    pack(wh[i, 2 * units :].T, of_state_n)
    pack(readout[0][i].T, of_hidden)
    drives = padded(m, 3 * units, wi), padded(m, units, wi)
    logits = padded(m, N, wi)
    blocks = blocks_of(m)
    postures = np.empty((blocks, na.POSTURE, ARMS))
    lengths, hands = np.empty((steps + 1, blocks, 2 * N, ARMS)), np.empty((steps + 1, blocks, PLANE, ARMS))
    _start(arm, muscles, trials[0][i], states[i, 0], postures, hands[0])
    for b in range(m):
        for j in range(units):
            hiddens[i, 0, b, j] = initial[i, b, j]
    for t in range(steps):
        slot, at = (t, t * int(arm[na.SUBSTEPS])) if keep else (0, 0)
        _sense_muscles(muscles, states[i, at], postures, lengths[t])
        _observe(i, t, trials, timing, hands, lengths, inputs[i, slot])
        hidden = hiddens[i, t]
        if t == displaced[0]:
            hidden = hidden + displaced[1][i]
        cell.step(inputs[i, slot], hidden, (of_inputs, of_state, of_state_n), (bi[i], bh[i]), tanh,
                  drives, gates[i, slot], hiddens[i, t + 1])  # fmt: skip
        for b in range(m):
            for k in range(N):
                logits[b, k] = readout[1][i, k]
        add_packed(hiddens[i, t + 1], 0, of_hidden, logits)
        _move(i, t, at, constants, tanh, logits, trials, timing, keep, states, postures, hands[t + 1], series)


@inner
def _store_hand(posture: Any, hand: Any) -> None:
    """Fill hand (2, lanes) with hand positions."""
    store(hand, (0, 0), load(posture, (na.X, 0)))
    store(hand, (1, 0), load(posture, (na.Y, 0)))


@inner
def _start(arm: Any, muscles: Any, q0: Any, state: Any, postures: Any, hands: Any) -> None:
    """Fill states, postures and hand positions of arms at rest at joint angles q0 (m, 2)."""
    for block in range(state.shape[0]):
        for lane in range(ARMS):
            b = min(block * ARMS + lane, q0.shape[0] - 1)
            state[block, 0, lane], state[block, 1, lane] = q0[b, 0], q0[b, 1]
            state[block, 2, lane], state[block, 3, lane] = 0.0, 0.0
            for k in range(N):
                state[block, 4 + k, lane] = arm[na.ULOW]
        na.take_posture(arm, muscles, state[block], postures[block])
        _store_hand(postures[block], hands[block])


@inner
def _sense_muscles(muscles: Any, state: Any, postures: Any, lengths: Any) -> None:
    """Fill lengths (blocks, 12, lanes) with muscle lengths and velocities."""
    for block in range(lengths.shape[0]):
        v1, v2 = load(state, (block, 2, 0)), load(state, (block, 3, 0))
        for k in range(N):
            moment = load(postures, (block, nm.MOMENT + k, 0))
            store(lengths, (block, k, 0), load(postures, (block, nm.LENGTH + k, 0)))
            store(lengths, (block, N + k, 0), nm.muscle_velocity(muscles[k], moment, v1, v2))


@inner
def cursor_of(view: Any, x: float, y: float) -> Any:
    """Return where a hand is seen, as ``savings_gym.perturbations.visual_maps.seen_hand`` does."""
    dx, dy = x - view[8], y - view[9]
    radius = np.sqrt(dx * dx + dy * dy + SMALLEST_SQUARE)
    return (view[0] * x + view[1] * y + view[4] + radius * view[6],
            view[2] * x + view[3] * y + view[5] + radius * view[7])  # fmt: skip


@inner
def _observe(i: int, t: int, trials: Any, timing: Any, hands: Any, lengths: Any, out: Any) -> None:
    """Fill out (m, INPUTS) with the delayed and noisy observation of control step t."""
    _, target, go, _, noise, _, _, views = trials
    shown = max(t - timing[0], 0)
    hand, muscle = hands[shown], lengths[max(t - timing[1], 0)]
    perturbed = views.shape[1] > 0
    for b in range(out.shape[0]):
        row, block, lane = out[b], b // ARMS, b % ARMS
        seen = hand[block, 0, lane], hand[block, 1, lane]
        if perturbed:
            seen = cursor_of(views[i, shown, b], seen[0], seen[1])
        for k in range(PLANE):
            row[HAND + k] = seen[k] + noise[i, t, b, HAND + k]
            row[TARGET + k] = target[i, b, k]
        for k in range(2 * N):
            row[MUSCLES + k] = muscle[block, k, lane] + noise[i, t, b, MUSCLES + k]
        row[CUE] = 1.0 if t >= go[i, b] + timing[2] else 0.0


@inner
def control_of(arm: Any, excitation: Any, noise: Any, block: int, out: Any) -> None:
    """Fill out (6, lanes) with noisy excitations, clipped to their range; excitation and noise are (m, 6)."""
    for lane in range(ARMS):
        b = min(block * ARMS + lane, excitation.shape[0] - 1)
        for k in range(N):
            noisy = np.float64(excitation[b, k] + noise[b, k])
            out[k, lane] = min(max(noisy, arm[na.ULOW]), arm[na.UHIGH])


@inner
def field_of(fields: Any, timed: Any, go: Any, cue: int, t: int, block: int, out: Any) -> None:
    """Fill out (10, lanes) with the field at control step t.

    Fields are (m, 3, 10): before go, from go on, and from ``cue`` control steps after go on. Those of every
    control step, (T, m, 10) if there are any, are added.
    """
    for lane in range(ARMS):
        b = min(block * ARMS + lane, go.shape[0] - 1)
        push = fields[b, (1 if t >= go[b] else 0) + (1 if t >= go[b] + cue else 0)]
        for k in range(push.shape[0]):
            out[k, lane] = push[k]
        if timed.shape[0] > 0:
            for k in range(push.shape[0]):
                out[k, lane] += timed[t, b, k]


@inner
def _move(
    i: int, t: int, at: int, constants: Any, tanh: Any, logits: Any, trials: Any, timing: Any, keep: bool,
    states: Any, postures: Any, hand: Any, series: Any,
) -> None:  # fmt: skip
    """Take the physics steps of control step t, from state ``at`` on, under excitations of logits (m, 6)."""
    arm, muscles = constants
    _, _, go, field, _, noise, timed, _ = trials
    hands, velocities, forces, excitations, _ = series
    m, half = go.shape[1], tanh[0] / (tanh[0] + tanh[0])
    for b in range(m):
        for k in range(N):
            excitations[i, t, b, k] = half + half * cell.tanh_of(half * logits[b, k], tanh)
    control, force, first = np.empty((N, ARMS)), np.empty((N, ARMS)), np.empty((N, ARMS))
    push, speed = np.empty((10, ARMS)), np.empty((PLANE, ARMS))
    for block in range(postures.shape[0]):
        posture = postures[block]
        control_of(arm, excitations[i, t], noise[i, t], block, control)
        field_of(field[i], timed[i], go[i], timing[2], t, block, push)
        end = at
        for s in range(int(arm[na.SUBSTEPS])):
            begin, end = end, end + 1 if keep else 0
            na.physics_step(arm, muscles, states[i, begin, block], control, push, posture,
                            first if s == 0 else force, states[i, end, block])  # fmt: skip
            na.take_posture(arm, muscles, states[i, end, block], posture)
        vx, vy = na.hand_velocity(
            posture, load(states, (i, end, block, 2, 0)), load(states, (i, end, block, 3, 0))
        )
        store(speed, (0, 0), vx)
        store(speed, (1, 0), vy)
        _store_hand(posture, hand[block])
        for lane in range(min(ARMS, m - block * ARMS)):
            b = block * ARMS + lane
            hands[i, t, b, 0], hands[i, t, b, 1] = posture[na.X, lane], posture[na.Y, lane]
            velocities[i, t, b, 0], velocities[i, t, b, 1] = speed[0, lane], speed[1, lane]
            for k in range(N):
                forces[i, t, b, k] = first[k, lane]
