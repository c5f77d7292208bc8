"""One physics step of the muscle arm and its vector-Jacobian product, in numba, one arm at a time.

The equations of ``agents.torch_arm`` (see there for the symbols), written out for two joints in float64, with
the reverse pass by hand; tests check both against autograd. Shoulder paths must be wraps around the joint
axis, so that only elbow moment arms change; ``arm_constants`` refuses others.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from agents.torch_arm import Inertia
from savings_gym.arm import Arm
from savings_gym.settings import CONTROL_STEP
from savings_gym.tendons import lengths

N = 6  # muscles
STATE = 4 + N  # q, v, activation
# Rows of the muscle table: what each column of ``constants[1]`` holds, one row a muscle.
(SHOULDER, ELBOW, CX, CY, BX, BY, RADIUS, SENSE, FIRST, CONSTANT, SLACK, OPTIMAL, SPEED, STRENGTH, SHORTEST,
 LONGEST, LENGTHENING, RISE, FALL) = range(19)  # fmt: skip
# Entries of the arm table ``constants[0]``.
(UPPER, FORE, A, B, D, DT, SUBSTEPS, ULOW, UHIGH, STOP1) = range(10)
STOP2 = STOP1 + 5  # each stop: low, high, k0, k1, k2

jit = numba.njit(cache=True, fastmath={"contract", "arcp", "nsz"}, error_model="numpy", inline="never")


def arm_constants(arm: Arm) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Constants of the compiled arm, float64: the arm table (19,) and the muscle table (6, 19).

    Raises:
        ValueError: when a shoulder path is not a wrap around the joint axis.
    """
    paths, muscle, inertia = arm.paths, arm.muscles, Inertia.of(arm)
    concentric = (np.abs(paths.centre[:, 0]) < 1e-12).all(-1) & (paths.radius[:, 0] > 0)
    if not (concentric | (paths.crosses[:, 0] == 0)).all():
        raise ValueError("a shoulder path is no wrap around the joint axis: use the plain rollout instead")
    table = np.zeros((N, FALL + 1))
    table[:, SHOULDER] = paths.crosses[:, 0] * paths.sense[:, 0] * paths.radius[:, 0]
    table[:, ELBOW] = paths.crosses[:, 1]
    table[:, CX], table[:, CY] = paths.centre[:, 1].T
    table[:, BX], table[:, BY] = paths.site[:, 1].T
    table[:, RADIUS], table[:, SENSE] = paths.radius[:, 1], paths.sense[:, 1]
    table[:, FIRST] = paths.first_angle[:, 1]
    table[:, SLACK], table[:, OPTIMAL], table[:, SPEED] = muscle.slack, muscle.optimal, muscle.speed
    table[:, STRENGTH], table[:, SHORTEST] = muscle.strength, muscle.shortest
    table[:, LONGEST], table[:, LENGTHENING] = muscle.longest, muscle.lengthening
    table[:, RISE], table[:, FALL] = muscle.rise, muscle.fall
    # The part of the length that the elbow does not change, at shoulder angle 0.
    for i in range(N):
        table[i, CONSTANT] = lengths(paths, np.zeros(2))[i] - table[i, ELBOW] * _elbow(table[i], 1.0, 0.0)[0]
    substeps = round(CONTROL_STEP / arm.timestep)
    scalars = [*arm.link_lengths, *vars(inertia).values(), arm.timestep, substeps, *arm.control_range[0]]
    stops = np.hstack([arm.joint_range, arm.stop_stiffness])
    return np.append(scalars, stops), table


@jit
def _elbow(row: Any, cos: float, sin: float) -> tuple[float, float, float]:
    """Length, moment arm and its change with the elbow of one muscle's crossing of the elbow."""
    bx = cos * row[BX] - sin * row[BY]
    by = sin * row[BX] + cos * row[BY]
    dx, dy = bx - row[CX], by - row[CY]
    square = dx * dx + dy * dy
    radius = row[RADIUS]
    free = math.sqrt(square - radius * radius)
    turn = row[SENSE] * radius
    ux, uy = (free * dx - turn * dy) / square, (free * dy + turn * dx) / square
    along = ux * bx + uy * by
    length = free
    if radius > 0.0:
        angle = row[SENSE] * (math.atan2(dy - free * uy, dx - free * ux) - row[FIRST]) + 0.5 * math.pi
        length += radius * (angle - 2 * math.pi * math.floor(angle / (2 * math.pi)) - 0.5 * math.pi)
    return length, uy * bx - ux * by, along * along / free - along


@jit
def muscle_geometry(muscles: Any, q1: float, q2: float, out: Any) -> None:
    """Fills out (6, 3): normalised fibre length, elbow moment arm, its change with the elbow."""
    cos, sin = math.cos(q2), math.sin(q2)
    for i in range(N):
        row = muscles[i]
        length = row[CONSTANT] + row[SHOULDER] * q1
        moment, change = 0.0, 0.0
        if row[ELBOW] > 0.0:
            crossing, moment, change = _elbow(row, cos, sin)
            length += crossing
        out[i, 0] = (length - row[SLACK]) / row[OPTIMAL]
        out[i, 1] = moment
        out[i, 2] = change


@jit
def _gains(row: Any, length: float, velocity: float) -> tuple[float, float, float, float]:
    """Force-length and force-velocity factors with their slopes."""
    low = length <= 1.0
    half = 0.5 * (1.0 - row[SHORTEST]) if low else 0.5 * (row[LONGEST] - 1.0)
    distance = (1.0 - length if low else length - 1.0) / half
    if distance <= 1.0:
        fl, slope = 1.0 - 0.5 * distance * distance, -distance
    elif distance < 2.0:
        fl, slope = 0.5 * (2.0 - distance) ** 2, distance - 2.0
    else:
        fl, slope = 0.0, 0.0
    dfl = -slope / half if low else slope / half
    extra = row[LENGTHENING] - 1.0
    if velocity <= -1.0:
        fv, dfv = 0.0, 0.0
    elif velocity <= 0.0:
        fv, dfv = (velocity + 1.0) ** 2, 2.0 * (velocity + 1.0)
    elif velocity < extra:
        fv, dfv = row[LENGTHENING] - (extra - velocity) ** 2 / extra, 2.0 * (extra - velocity) / extra
    else:
        fv, dfv = row[LENGTHENING], 0.0
    return fl, dfl, fv, dfv


@jit
def muscle_forces(muscles: Any, geometry: Any, state: Any, force: Any) -> None:
    """Fills force (6,), N, at a state (10,), from its muscle geometry (6, 3)."""
    for i in range(N):
        row = muscles[i]
        velocity = (row[SHOULDER] * state[2] + geometry[i, 1] * state[3]) / row[SPEED]
        fl, _, fv, _ = _gains(row, geometry[i, 0], velocity)
        force[i] = row[STRENGTH] * state[4 + i] * fl * fv


@jit
def hand_and_push(arm: Any, state: Any, field: Any) -> tuple[float, ...]:
    """Hand position and velocity, forearm vector, and the field's force on the hand."""
    c1, s1 = math.cos(state[0]), math.sin(state[0])
    total = state[0] + state[1]
    ex, ey = arm[FORE] * math.cos(total), arm[FORE] * math.sin(total)
    x, y = arm[UPPER] * c1 + ex, arm[UPPER] * s1 + ey
    vx, vy = -y * state[2] - ey * state[3], x * state[2] + ex * state[3]
    fx = field[0] * vx + field[1] * vy - field[4] * x - field[5] * y + field[8]
    fy = field[2] * vx + field[3] * vy - field[6] * x - field[7] * y + field[9]
    return x, y, vx, vy, ex, ey, fx, fy


@jit
def _stop(arm: Any, at: int, q: float) -> tuple[float, float]:
    """Torque of the joint stop whose constants begin at ``at``, and its slope."""
    x = q - min(max(q, arm[at]), arm[at + 1])
    k0, k1, k2 = arm[at + 2], arm[at + 3], arm[at + 4]
    if x == 0.0:
        return 0.0, 0.0
    return -x * (k0 + k1 * abs(x) + k2 * x * x), -(k0 + 2.0 * k1 * abs(x) + 3.0 * k2 * x * x)


@jit
def physics_step(
    arm: Any, muscles: Any, state: Any, control: Any, field: Any, geometry: Any, force: Any, out: Any
) -> None:
    """One physics step: state (10,) under excitations (6,), in range, and field (10,) to out (10,).

    The field is B (4), K (4), c (2) of f = B v - K x + c. Geometry (6, 3) and force (6,) are work space; they
    hold the muscles' geometry and force at the old state afterwards.
    """
    q1, q2, v1, v2 = state[0], state[1], state[2], state[3]
    x, y, _, _, ex, ey, fx, fy = hand_and_push(arm, state, field)
    muscle_geometry(muscles, q1, q2, geometry)
    muscle_forces(muscles, geometry, state, force)
    one = -y * fx + x * fy + _stop(arm, STOP1, q1)[0]
    two = -ey * fx + ex * fy + _stop(arm, STOP2, q2)[0]
    for i in range(N):
        one -= muscles[i, SHOULDER] * force[i]
        two -= geometry[i, 1] * force[i]
    cos, sin = math.cos(q2), math.sin(q2)
    one += arm[B] * sin * (2.0 * v1 * v2 + v2 * v2)
    two -= arm[B] * sin * v1 * v1
    m11, m12, m22 = arm[A] + 2.0 * arm[B] * cos, arm[D] + arm[B] * cos, arm[D]
    det = m11 * m22 - m12 * m12
    dt = arm[DT]
    out[2] = v1 + dt * (m22 * one - m12 * two) / det
    out[3] = v2 + dt * (m11 * two - m12 * one) / det
    out[0] = q1 + dt * out[2]
    out[1] = q2 + dt * out[3]
    for i in range(N):
        active = state[4 + i]
        scale = 0.5 + 1.5 * min(max(active, 0.0), 1.0)
        change = control[i] - active
        rate = change / (muscles[i, RISE] * scale) if change > 0.0 else change * scale / muscles[i, FALL]
        out[4 + i] = active + dt * rate


@jit
def sense_vjp(muscles: Any, state: Any, geometry: Any, g: Any, out: Any) -> None:
    """Adds to out (10,) what gradients g (12,) on muscle lengths and velocities mean for the state."""
    for i in range(N):
        row = muscles[i]
        length, velocity = g[i] / row[OPTIMAL], g[N + i] / row[SPEED]
        moment = geometry[i, 1]
        out[0] += length * row[SHOULDER]
        out[1] += length * moment + velocity * state[3] * geometry[i, 2]
        out[2] += velocity * row[SHOULDER]
        out[3] += velocity * moment


@jit
def hand_vjp(arm: Any, state: Any, gx: float, gy: float, gvx: float, gvy: float, out: Any) -> None:
    """Adds to out (10,) what gradients on hand position and velocity mean for the state."""
    total = state[0] + state[1]
    ex, ey = arm[FORE] * math.cos(total), arm[FORE] * math.sin(total)
    x, y = arm[UPPER] * math.cos(state[0]) + ex, arm[UPPER] * math.sin(state[0]) + ey
    v1, v2 = state[2], state[3]
    # velocity: vx = -y v1 - ey v2, vy = x v1 + ex v2
    gx, gy = gx + gvy * v1, gy - gvx * v1
    gex, gey = gvy * v2, -gvx * v2
    out[0] += -gx * y + gy * x - gex * ey + gey * ex
    out[1] += -gx * ey + gy * ex - gex * ey + gey * ex
    out[2] += -y * gvx + x * gvy
    out[3] += -ey * gvx + ex * gvy


@jit
def physics_step_vjp(
    arm: Any, muscles: Any, state: Any, control: Any, field: Any, geometry: Any,
    g: Any, g_force: Any, out: Any, g_control: Any,
) -> None:  # fmt: skip
    """Reverse pass of ``physics_step``.

    Args:
        arm: (19,) constants.
        muscles: (6, 19) likewise.
        state: (10,) the old state.
        control: (6,) excitations in range.
        field: (10,).
        geometry: (6, 3) work space; holds the geometry at the old state afterwards.
        g: (10,) gradient of the loss with respect to the new state.
        g_force: (6,) gradient with respect to the muscle forces at the old state.
        out: (10,) gradient with respect to the old state.
        g_control: (6,) the gradient with respect to the excitations is added to it.
    """
    q1, q2, v1, v2 = state[0], state[1], state[2], state[3]
    dt = arm[DT]
    x, y, _, _, ex, ey, fx, fy = hand_and_push(arm, state, field)
    muscle_geometry(muscles, q1, q2, geometry)
    cos, sin = math.cos(q2), math.sin(q2)
    stop1, slope1 = _stop(arm, STOP1, q1)
    stop2, slope2 = _stop(arm, STOP2, q2)
    one = -y * fx + x * fy + stop1 + arm[B] * sin * (2.0 * v1 * v2 + v2 * v2)
    two = -ey * fx + ex * fy + stop2 - arm[B] * sin * v1 * v1
    m11, m12, m22 = arm[A] + 2.0 * arm[B] * cos, arm[D] + arm[B] * cos, arm[D]
    det = m11 * m22 - m12 * m12
    # New velocity and position: gradient on the acceleration, through the inverse mass matrix on the torques.
    gv1, gv2 = g[2] + dt * g[0], g[3] + dt * g[1]
    t1 = dt * (m22 * gv1 - m12 * gv2) / det
    t2 = dt * (m11 * gv2 - m12 * gv1) / det
    out[0], out[1] = g[0] + slope1 * t1, g[1] + slope2 * t2
    out[2] = gv1 + 2.0 * arm[B] * sin * (v2 * t1 - v1 * t2)
    out[3] = gv2 + 2.0 * arm[B] * sin * (v1 + v2) * t1
    for i in range(N):
        row = muscles[i]
        moment, active = geometry[i, 1], state[4 + i]
        velocity = (row[SHOULDER] * v1 + moment * v2) / row[SPEED]
        fl, dfl, fv, dfv = _gains(row, geometry[i, 0], velocity)
        force = row[STRENGTH] * active * fl * fv
        one -= row[SHOULDER] * force
        two -= moment * force
        gf = g_force[i] - row[SHOULDER] * t1 - moment * t2
        length = gf * row[STRENGTH] * active * dfl * fv / row[OPTIMAL]
        speed = gf * row[STRENGTH] * active * fl * dfv / row[SPEED]
        out[0] += length * row[SHOULDER]
        out[1] += length * moment + (speed * v2 - force * t2) * geometry[i, 2]
        out[2] += speed * row[SHOULDER]
        out[3] += speed * moment
        inside = 0.0 < active < 1.0
        scale = 0.5 + 1.5 * min(max(active, 0.0), 1.0)
        change = control[i] - active
        if change > 0.0:
            by_control = 1.0 / (row[RISE] * scale)
            by_active = -by_control - (1.5 * change * by_control / scale if inside else 0.0)
        else:
            by_control = scale / row[FALL]
            by_active = -by_control + (1.5 * change / row[FALL] if inside else 0.0)
        ga = g[4 + i]
        out[4 + i] = ga * (1.0 + dt * by_active) + gf * row[STRENGTH] * fl * fv
        g_control[i] += dt * ga * by_control
    # Mass matrix and velocity-dependent torques change with the elbow.
    a1, a2 = (m22 * one - m12 * two) / det, (m11 * two - m12 * one) / det
    by_cos = -arm[B] * (2.0 * t1 * a1 + t1 * a2 + t2 * a1)
    by_sin = arm[B] * (t1 * (2.0 * v1 * v2 + v2 * v2) - t2 * v1 * v1)
    out[1] += cos * by_sin - sin * by_cos
    # The field: torque J'f with f = B v - K x + c at the hand.
    gfx, gfy = -y * t1 - ey * t2, x * t1 + ex * t2
    gvx, gvy = field[0] * gfx + field[2] * gfy, field[1] * gfx + field[3] * gfy
    gx = -(field[4] * gfx + field[6] * gfy) + fy * t1
    gy = -(field[5] * gfx + field[7] * gfy) - fx * t1
    hand_vjp(arm, state, gx, gy, gvx, gvy, out)
    gex, gey = fy * t2, -fx * t2
    turn = gey * ex - gex * ey
    out[0] += turn
    out[1] += turn
