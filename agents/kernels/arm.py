"""A physics step of the muscle arm and its vector-Jacobian product, in numba, in all lanes at once.

Equations and symbols are those of ``agents.supervised.torch_arm``, written out for two joints in float64. The
reverse pass is written by hand; tests compare both with autograd. Arrays are (rows, lanes): one row per
variable, one lane per arm (see ``agents.kernels.lanes``).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agents.kernels import muscles as nm
from agents.kernels.compile import lanewise
from agents.kernels.lanes import absolute, clip, cosine_and_sine, load, store, where
from savings_gym.arm.model import Arm
from savings_gym.task.settings import physics_steps

N: Final = nm.N
STATE: Final = 4 + N  # q, v, activation
# Entries of the arm table.
(UPPER, FORE, A, B, D, DT, SUBSTEPS, ULOW, UHIGH, STOP1) = range(10)
STOP2: Final = STOP1 + 5  # of each stop: low, high, k0, k1, k2
# Rows of a posture after those of the muscles: cosine and sine of the elbow, forearm vector and hand [m].
COS, SIN, EX, EY, X, Y = range(3 * N, 3 * N + 6)
POSTURE: Final = Y + 1


def arm_constants(arm: Arm) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the constants of a compiled arm: the arm table (19,) and the muscle table (6, 21).

    Raises:
        ValueError: If a shoulder path is not a wrap around the joint axis.
    """
    substeps = physics_steps(arm.timestep)
    inertia = (arm.inertia.a, arm.inertia.b, arm.inertia.d)
    scalars = [*arm.link_lengths, *inertia, arm.timestep, substeps, *arm.control_range[0]]
    stops = np.hstack([arm.joint_range, arm.stop_stiffness])
    return np.append(scalars, stops), nm.muscle_constants(arm)


@lanewise
def take_posture(arm: Any, muscles: Any, state: Any, out: Any) -> None:
    """Fill out (POSTURE, lanes) with everything that depends on the joint angles alone."""
    q1 = load(state, (0, 0))
    c1, s1 = cosine_and_sine(q1)
    c2, s2 = cosine_and_sine(load(state, (1, 0)))
    ex, ey = arm[FORE] * (c1 * c2 - s1 * s2), arm[FORE] * (s1 * c2 + c1 * s2)
    nm.muscle_geometry(muscles, q1, c2, s2, out)
    store(out, (COS, 0), c2)
    store(out, (SIN, 0), s2)
    store(out, (EX, 0), ex)
    store(out, (EY, 0), ey)
    store(out, (X, 0), arm[UPPER] * c1 + ex)
    store(out, (Y, 0), arm[UPPER] * s1 + ey)


@lanewise
def hand_velocity(posture: Any, v1: Any, v2: Any) -> tuple[Any, Any]:
    """Return the velocity of the hand [m/s] at joint velocities."""
    vx = -load(posture, (Y, 0)) * v1 - load(posture, (EY, 0)) * v2
    return vx, load(posture, (X, 0)) * v1 + load(posture, (EX, 0)) * v2


@lanewise
def push_on_hand(posture: Any, v1: Any, v2: Any, field: Any) -> tuple[Any, Any]:
    """Return the field's force on the hand [N]; field (10, lanes) is B, K, c of f = B v - K x + c."""
    x, y = load(posture, (X, 0)), load(posture, (Y, 0))
    vx, vy = hand_velocity(posture, v1, v2)
    fx = load(field, (0, 0)) * vx + load(field, (1, 0)) * vy
    fy = load(field, (2, 0)) * vx + load(field, (3, 0)) * vy
    fx = fx - load(field, (4, 0)) * x - load(field, (5, 0)) * y + load(field, (8, 0))
    fy = fy - load(field, (6, 0)) * x - load(field, (7, 0)) * y + load(field, (9, 0))
    return fx, fy


@lanewise
def _stop(arm: Any, at: int, q: Any) -> tuple[Any, Any]:
    """Return the torque of the joint stop whose constants begin at ``at``, and its slope."""
    x = q - clip(q, arm[at], arm[at + 1])
    k0, k1, k2 = arm[at + 2], arm[at + 3], arm[at + 4]
    deep = absolute(x)
    slope = -(k0 + deep * (2.0 * k1 + deep * (3.0 * k2)))
    return -x * (k0 + deep * (k1 + deep * k2)), where(deep > 0.0, slope, 0.0)


@lanewise
def _torques(arm: Any, posture: Any, state: Any, fx: Any, fy: Any) -> tuple[Any, Any]:
    """Return the joint torques [N m] of the field, the stops and the velocities; muscles are not included."""
    v1, v2 = load(state, (2, 0)), load(state, (3, 0))
    bend = arm[B] * load(posture, (SIN, 0))
    one = load(posture, (X, 0)) * fy - load(posture, (Y, 0)) * fx
    two = load(posture, (EX, 0)) * fy - load(posture, (EY, 0)) * fx
    one = one + _stop(arm, STOP1, load(state, (0, 0)))[0] + bend * (2.0 * v1 + v2) * v2
    two = two + _stop(arm, STOP2, load(state, (1, 0)))[0] - bend * v1 * v1
    return one, two


@lanewise
def _inverse_mass(arm: Any, posture: Any) -> tuple[Any, Any, Any]:
    """Return entries 11, 12 and 22 of the inverse mass matrix [1 / (kg m^2)]."""
    turn = arm[B] * load(posture, (COS, 0))
    m11, m12 = arm[A] + 2.0 * turn, arm[D] + turn
    per_det = 1.0 / (m11 * arm[D] - m12 * m12)
    return arm[D] * per_det, -m12 * per_det, m11 * per_det


@lanewise
def physics_step(
    arm: Any, muscles: Any, state: Any, control: Any, field: Any, posture: Any, force: Any, out: Any
) -> None:
    """Make one physics step.

    Args:
        arm: (19,) constants.
        muscles: (6, 21) constants.
        state: (10, lanes) the old state.
        control: (6, lanes) excitations in range.
        field: (10, lanes).
        posture: (POSTURE, lanes) of the old state.
        force: (6, lanes) is filled with the muscle forces in the old state [N].
        out: (10, lanes) is filled with the new state; it may be ``state``.
    """
    v1, v2 = load(state, (2, 0)), load(state, (3, 0))
    fx, fy = push_on_hand(posture, v1, v2, field)
    nm.muscle_forces(muscles, posture, v1, v2, state, 4, force)
    one, two = _torques(arm, posture, state, fx, fy)
    for i in range(N):
        pull = load(force, (i, 0))
        one = one - muscles[i, nm.SHOULDER] * pull
        two = two - load(posture, (nm.MOMENT + i, 0)) * pull
    w11, w12, w22 = _inverse_mass(arm, posture)
    v1 = v1 + arm[DT] * (w11 * one + w12 * two)
    v2 = v2 + arm[DT] * (w12 * one + w22 * two)
    store(out, (0, 0), load(state, (0, 0)) + arm[DT] * v1)
    store(out, (1, 0), load(state, (1, 0)) + arm[DT] * v2)
    store(out, (2, 0), v1)
    store(out, (3, 0), v2)
    for i in range(N):
        active = load(state, (4 + i, 0))
        rate, _, _ = nm.activation_rate(muscles[i], active, load(control, (i, 0)))
        store(out, (4 + i, 0), active + arm[DT] * rate)


@lanewise
def add(out: Any, row: int, value: Any) -> None:
    """Add lanes to a row."""
    store(out, (row, 0), load(out, (row, 0)) + value)


@lanewise
def sense_vjp(muscles: Any, state: Any, posture: Any, g: Any, out: Any) -> None:
    """Add to out (10, lanes) the gradient from g (12, lanes) on muscle lengths and velocities."""
    v2 = load(state, (3, 0))
    for i in range(N):
        row = muscles[i]
        length, velocity = load(g, (i, 0)) * row[nm.PER_OPTIMAL], load(g, (N + i, 0)) * row[nm.PER_SPEED]
        moment = load(posture, (nm.MOMENT + i, 0))
        add(out, 0, length * row[nm.SHOULDER])
        add(out, 1, length * moment + velocity * v2 * load(posture, (nm.CHANGE + i, 0)))
        add(out, 2, velocity * row[nm.SHOULDER])
        add(out, 3, velocity * moment)


@lanewise
def hand_vjp(state: Any, posture: Any, gx: Any, gy: Any, gvx: Any, gvy: Any, out: Any) -> None:
    """Add to out (10, lanes) the gradient from those on hand position and velocity.

    The velocity is vx = -y v1 - ey v2, vy = x v1 + ex v2.
    """
    x, y, ex, ey = (load(posture, (X, 0)), load(posture, (Y, 0)),
                    load(posture, (EX, 0)), load(posture, (EY, 0)))  # fmt: skip
    v1, v2 = load(state, (2, 0)), load(state, (3, 0))
    gx, gy = gx + gvy * v1, gy - gvx * v1
    turn = (gy - gvx * v2) * ex - (gx + gvy * v2) * ey
    add(out, 0, gy * (x - ex) - gx * (y - ey) + turn)
    add(out, 1, turn)
    add(out, 2, x * gvy - y * gvx)
    add(out, 3, ex * gvy - ey * gvx)


@lanewise
def _muscles_vjp(
    muscles: Any, state: Any, posture: Any, t1: Any, t2: Any, g_force: Any, out: Any
) -> tuple[Any, Any]:
    """Add to out the gradient from those on torques and muscle forces, and return muscle torques."""
    v1, v2 = load(state, (2, 0)), load(state, (3, 0))
    one, two = 0.0 * v1, 0.0 * v2
    for i in range(N):
        row = muscles[i]
        moment, strength = load(posture, (nm.MOMENT + i, 0)), row[nm.STRENGTH]
        velocity = nm.muscle_velocity(row, moment, v1, v2)
        fl, dfl, fv, dfv = nm.gains(row, load(posture, (nm.LENGTH + i, 0)), velocity)
        largest = strength * load(state, (4 + i, 0))
        force = largest * fl * fv
        one = one - row[nm.SHOULDER] * force
        two = two - moment * force
        g = load(g_force, (i, 0)) - row[nm.SHOULDER] * t1 - moment * t2
        length = g * largest * dfl * fv * row[nm.PER_OPTIMAL]
        speed = g * largest * fl * dfv * row[nm.PER_SPEED]
        add(out, 0, length * row[nm.SHOULDER])
        add(out, 1, length * moment + (speed * v2 - force * t2) * load(posture, (nm.CHANGE + i, 0)))
        add(out, 2, speed * row[nm.SHOULDER])
        add(out, 3, speed * moment)
        add(out, 4 + i, g * strength * fl * fv)
    return one, two


@lanewise
def _activation_vjp(
    arm: Any, muscles: Any, state: Any, control: Any, g: Any, out: Any, g_control: Any
) -> None:
    """Fill rows 4 to 9 of out from those of g, and add to g_control (6, lanes)."""
    for i in range(N):
        active, ahead = load(state, (4 + i, 0)), load(g, (4 + i, 0))
        _, by_active, by_control = nm.activation_rate(muscles[i], active, load(control, (i, 0)))
        store(out, (4 + i, 0), ahead + arm[DT] * ahead * by_active)
        add(g_control, i, arm[DT] * ahead * by_control)


@lanewise
def _field_vjp(state: Any, posture: Any, field: Any, t1: Any, t2: Any, fx: Any, fy: Any, out: Any) -> None:
    """Add to out the gradient from that on the torques J'f, with f = B v - K x + c on the hand."""
    x, y, ex, ey = (load(posture, (X, 0)), load(posture, (Y, 0)),
                    load(posture, (EX, 0)), load(posture, (EY, 0)))  # fmt: skip
    gfx, gfy = -y * t1 - ey * t2, x * t1 + ex * t2
    gvx = load(field, (0, 0)) * gfx + load(field, (2, 0)) * gfy
    gvy = load(field, (1, 0)) * gfx + load(field, (3, 0)) * gfy
    gx = fy * t1 - load(field, (4, 0)) * gfx - load(field, (6, 0)) * gfy
    gy = -fx * t1 - load(field, (5, 0)) * gfx - load(field, (7, 0)) * gfy
    hand_vjp(state, posture, gx, gy, gvx, gvy, out)
    turn = -(fx * ex + fy * ey) * t2
    add(out, 0, turn)
    add(out, 1, turn)


@lanewise
def physics_step_vjp(
    arm: Any, muscles: Any, state: Any, control: Any, field: Any, posture: Any,
    g: Any, g_force: Any, out: Any, g_control: Any,
) -> None:  # fmt: skip
    """Reverse pass of ``physics_step``.

    Args:
        arm: (19,) constants.
        muscles: (6, 21) constants.
        state: (10, lanes) the old state.
        control: (6, lanes) excitations in range.
        field: (10, lanes).
        posture: (POSTURE, lanes) of the old state.
        g: (10, lanes) gradient of the loss with respect to the new state.
        g_force: (6, lanes) gradient with respect to the muscle forces at the old state.
        out: (10, lanes) gradient with respect to the old state; not the same memory as g.
        g_control: (6, lanes) to which the gradient with respect to the excitations is added.
    """
    v1, v2 = load(state, (2, 0)), load(state, (3, 0))
    # New velocity and position: gradient on the acceleration, through the inverse mass matrix on the torques.
    gv1 = load(g, (2, 0)) + arm[DT] * load(g, (0, 0))
    gv2 = load(g, (3, 0)) + arm[DT] * load(g, (1, 0))
    w11, w12, w22 = _inverse_mass(arm, posture)
    t1, t2 = arm[DT] * (w11 * gv1 + w12 * gv2), arm[DT] * (w12 * gv1 + w22 * gv2)
    bend, turn = arm[B] * load(posture, (SIN, 0)), arm[B] * load(posture, (COS, 0))
    store(out, (0, 0), load(g, (0, 0)) + _stop(arm, STOP1, load(state, (0, 0)))[1] * t1)
    store(out, (1, 0), load(g, (1, 0)) + _stop(arm, STOP2, load(state, (1, 0)))[1] * t2)
    store(out, (2, 0), gv1 + 2.0 * bend * (v2 * t1 - v1 * t2))
    store(out, (3, 0), gv2 + 2.0 * bend * (v1 + v2) * t1)
    _activation_vjp(arm, muscles, state, control, g, out, g_control)
    one, two = _muscles_vjp(muscles, state, posture, t1, t2, g_force, out)
    fx, fy = push_on_hand(posture, v1, v2, field)
    more_one, more_two = _torques(arm, posture, state, fx, fy)
    one, two = one + more_one, two + more_two
    # Mass matrix and velocity-dependent torques change with the elbow.
    a1, a2 = w11 * one + w12 * two, w12 * one + w22 * two
    by_mass = bend * (2.0 * t1 * a1 + t1 * a2 + t2 * a1)
    add(out, 1, by_mass + turn * (t1 * (2.0 * v1 + v2) * v2 - t2 * v1 * v1))
    _field_vjp(state, posture, field, t1, t2, fx, fy, out)
