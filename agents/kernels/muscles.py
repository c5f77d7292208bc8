"""The arm's muscles in numba, in all lanes at once: geometry, force and activation, and their slopes.

The equations of ``savings_gym.arm.tendons`` and ``savings_gym.arm.muscles`` (see there for the symbols).
Arrays of state are (variables, lanes), and every lane is an arm. Shoulder paths must be wraps around
the joint axis, so that only elbow moment arms change; ``muscle_constants`` refuses others.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agents.kernels.compile import lanewise
from agents.kernels.lanes import absolute, angle_of, clip, load, maximum, minimum, sqrt, store, where
from savings_gym.arm.anatomy import MUSCLES
from savings_gym.arm.model import Arm
from savings_gym.arm.tendons import lengths

N: Final = len(MUSCLES)
# Columns of the muscle table, one row per muscle. PER_ is the inverse of a constant: divisions are slow.
(SHOULDER, ELBOW, CX, CY, BX, BY, RADIUS, TURN, MX, MY, CONSTANT, STRENGTH, PER_OPTIMAL, PER_SPEED,
 PER_SHORT, PER_LONG, LENGTHENING, PER_EXTRA, PER_RISE, PER_FALL, IDEAL) = range(21)  # fmt: skip
# First rows of a posture, N each.
LENGTH, MOMENT, CHANGE = 0, N, 2 * N


def muscle_constants(arm: Arm) -> NDArray[np.float64]:
    """Return the muscle table, (6, 21).

    Raises:
        ValueError: If a shoulder path is not a wrap around the joint axis.
    """
    paths, muscle = arm.paths, arm.muscles
    concentric = (np.abs(paths.centre[:, 0]) < 1e-12).all(-1) & (paths.radius[:, 0] > 0)
    if not (concentric | (paths.crosses[:, 0] == 0)).all():
        raise ValueError("a shoulder path is not a wrap around the joint axis: use the plain rollout instead")
    table = np.zeros((N, IDEAL + 1))
    table[:, SHOULDER] = paths.crosses[:, 0] * paths.sense[:, 0] * paths.radius[:, 0]
    table[:, ELBOW] = paths.crosses[:, 1]
    table[:, CX], table[:, CY] = paths.centre[:, 1].T
    table[:, BX], table[:, BY] = paths.site[:, 1].T
    table[:, RADIUS], table[:, TURN] = paths.radius[:, 1], paths.sense[:, 1] * paths.radius[:, 1]
    # Wrapped angles are counted from a quarter turn after the wrap begins, far from where they are cut.
    middle = paths.first_angle[:, 1] + paths.sense[:, 1] * math.pi / 2
    per_radius = np.where(paths.radius[:, 1] > 0, 1 / np.maximum(paths.radius[:, 1], 1e-9), 0.0)
    table[:, MX], table[:, MY] = np.cos(middle) * per_radius, np.sin(middle) * per_radius
    # Fibre length [optimal lengths] at shoulder angle 0, without what crosses the elbow.
    shoulder_only = dataclasses.replace(paths, crosses=paths.crosses * np.array([1.0, 0.0]))
    table[:, CONSTANT] = (lengths(shoulder_only, np.zeros(2)) - muscle.slack) / muscle.optimal
    table[:, CONSTANT] += table[:, RADIUS] * math.pi / 2 / muscle.optimal
    table[:, STRENGTH], table[:, LENGTHENING] = muscle.strength, muscle.lengthening
    table[:, PER_OPTIMAL], table[:, PER_SPEED] = 1 / muscle.optimal, 1 / muscle.speed
    table[:, PER_SHORT], table[:, PER_LONG] = 2 / (1 - muscle.shortest), 2 / (muscle.longest - 1)
    table[:, PER_EXTRA] = 1 / (muscle.lengthening - 1)
    table[:, PER_RISE], table[:, PER_FALL] = 1 / muscle.rise, 1 / muscle.fall
    table[:, IDEAL] = muscle.ideal
    return table


@lanewise
def _elbow(row: Any, cosine: Any, sine: Any) -> tuple[Any, Any, Any]:
    """Return length, moment arm and its change with the elbow, of one muscle's crossing of the elbow."""
    bx = cosine * row[BX] - sine * row[BY]
    by = sine * row[BX] + cosine * row[BY]
    dx, dy = bx - row[CX], by - row[CY]
    square = dx * dx + dy * dy
    free = sqrt(square - row[RADIUS] * row[RADIUS])
    inverse = 1.0 / (square * free)  # one division for two
    turn, per_square = row[TURN], inverse * free
    ux, uy = (free * dx - turn * dy) * per_square, (free * dy + turn * dx) * per_square
    along = ux * bx + uy * by
    length = free
    if turn != 0.0:
        # Where the path leaves the cylinder, in radii, with the middle of the wrap on the x axis.
        tx, ty = dx - free * ux, dy - free * uy
        length = length + turn * angle_of(tx * row[MX] + ty * row[MY], ty * row[MX] - tx * row[MY])
    return length, uy * bx - ux * by, along * (along * inverse * square - 1.0)


@lanewise
def muscle_geometry(muscles: Any, shoulder: Any, cosine: Any, sine: Any, out: Any) -> None:
    """Fill rows LENGTH, MOMENT and CHANGE of out.

    These are fibre lengths [optimal lengths], elbow moment arms [m] and their change with the elbow [m/rad].

    Args:
        muscles: (6, 21) constants.
        shoulder: Angle [rad].
        cosine: Of the elbow angle.
        sine: Of the elbow angle.
        out: (POSTURE, lanes).
    """
    for i in range(N):
        row = muscles[i]
        length = row[CONSTANT] + row[SHOULDER] * row[PER_OPTIMAL] * shoulder
        if row[ELBOW] > 0.0:
            crossing, moment, change = _elbow(row, cosine, sine)
            length = length + crossing * row[PER_OPTIMAL]
            store(out, (MOMENT + i, 0), moment)
            store(out, (CHANGE + i, 0), change)
        else:
            store(out, (MOMENT + i, 0), 0.0)
            store(out, (CHANGE + i, 0), 0.0)
        store(out, (LENGTH + i, 0), length)


@lanewise
def muscle_velocity(row: Any, moment: Any, v1: Any, v2: Any) -> Any:
    """Return the lengthening velocity [maximum shortening velocities] of the muscle with this row."""
    return (row[SHOULDER] * v1 + moment * v2) * row[PER_SPEED]


@lanewise
def gains(row: Any, length: Any, velocity: Any) -> tuple[Any, Any, Any, Any]:
    """Return force-length and force-velocity factors, each with its slope; 1 and 0 for an ideal motor."""
    if row[IDEAL] > 0.0:
        none = 0.0 * length
        return none + 1.0, none, none + 1.0, none
    beyond = length - 1.0
    per_half = where(beyond <= 0.0, -row[PER_SHORT], row[PER_LONG])
    distance = beyond * per_half
    rest = maximum(2.0 - distance, 0.0)
    fl = where(distance <= 1.0, 1.0 - 0.5 * distance * distance, 0.5 * rest * rest)
    dfl = -minimum(distance, rest) * per_half
    extra = row[LENGTHENING] - 1.0
    shortening, stretching = maximum(velocity + 1.0, 0.0), maximum(extra - velocity, 0.0)
    slower = velocity <= 0.0
    fv = where(slower, shortening * shortening,
               row[LENGTHENING] - stretching * stretching * row[PER_EXTRA])  # fmt: skip
    dfv = 2.0 * where(slower, shortening, stretching * row[PER_EXTRA])
    return fl, dfl, fv, dfv


@lanewise
def muscle_forces(muscles: Any, posture: Any, v1: Any, v2: Any, active: Any, first: int, out: Any) -> None:
    """Fill out (6, lanes) with muscle forces [N]; activations are rows of ``active``, from ``first`` on."""
    for i in range(N):
        row = muscles[i]
        velocity = muscle_velocity(row, load(posture, (MOMENT + i, 0)), v1, v2)
        fl, _, fv, _ = gains(row, load(posture, (LENGTH + i, 0)), velocity)
        store(out, (i, 0), row[STRENGTH] * load(active, (first + i, 0)) * fl * fv)


@lanewise
def activation_rate(row: Any, active: Any, control: Any) -> tuple[Any, Any, Any]:
    """Return the rate of change of activation [1/s], and its slopes by activation and by excitation."""
    within = clip(active, 0.0, 1.0)
    scale = 0.5 + 1.5 * within
    change = control - active
    rising = change > 0.0
    per_scale = 1.0 / scale
    gain = where(rising, row[PER_RISE] * per_scale, row[PER_FALL] * scale)
    bend = where(rising, -1.5 * gain * per_scale, 1.5 * row[PER_FALL])
    bend = where(absolute(active - 0.5) < 0.5, bend, 0.0)
    return change * gain, change * bend - gain, gain
