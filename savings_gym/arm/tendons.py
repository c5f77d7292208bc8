r"""Muscle paths in the plane, in closed form: length, moment arms and how those change with the joints.

Every muscle path of this arm crosses a joint in one of two ways: straight from a site of the parent body to a
site of the child, or around a cylinder that is fixed to the parent. A straight line is a wrap around a
cylinder of radius zero at the parent's site, so one formula serves both. In the parent's frame with the joint
as origin, let :math:`c` be the centre of the cylinder and :math:`r` its radius, :math:`b(q) = R(q)\,b_0` the
child's site, :math:`d = b - c`, :math:`D = |d|`. The free part of the path has length and direction

.. math:: \ell = \sqrt{D^2 - r^2}, \qquad u = (\ell\, d + s\, r\, d^\perp) / D^2,

with :math:`d^\perp = (-d_y, d_x)` and :math:`s = +1` where flexion lengthens the wrap, :math:`-1` where it
shortens it. The path leaves the cylinder at :math:`t = d - \ell u`. With :math:`\psi` the angle of :math:`t`,
the path is as long as :math:`\ell + r\, s\,(\psi - \psi_0)` plus a constant, and because the tangent does no
work on the circle

.. math:: \frac{dL}{dq} = u \cdot b^\perp, \qquad
    \frac{d^2 L}{dq^2} = \frac{(u \cdot b)^2}{\ell} - u \cdot b .

A muscle that crosses both joints passes a site of the upper arm between them, so its length is a sum over
joints. The functions take numpy arrays or torch tensors: ``xp`` is the namespace, ``numpy`` or ``torch``.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from savings_gym.arrays import Floats


@dataclass(frozen=True)
class Paths:
    """Constants of the muscle paths of an arm, (muscles, joints) unless noted otherwise."""

    crosses: Any  # 1 if the muscle crosses the joint, else 0
    centre: Any  # (muscles, joints, 2) m, cylinder centre or parent's site
    site: Any  # (muscles, joints, 2) m, child's site at q = 0
    radius: Any  # m
    sense: Any  # +1 or -1, s above
    first_angle: Any  # rad, where the wrap begins on the parent's side
    constant: Any  # (muscles,) m, length of the parts that no joint changes

    def map(self, function: Any) -> Paths:
        """Return the paths with `function` applied to every array, for instance to make tensors of them."""
        return Paths(**{name: function(value) for name, value in vars(self).items()})


def _free_part(paths: Paths, q: Any, xp: Any) -> tuple[Any, Any, Any, Any, Any, Any]:
    """Return b, u, the free length and t of every crossing, (..., muscles, joints)."""
    cos, sin = xp.cos(q)[..., None, :], xp.sin(q)[..., None, :]
    bx = cos * paths.site[..., 0] - sin * paths.site[..., 1]
    by = sin * paths.site[..., 0] + cos * paths.site[..., 1]
    dx, dy = bx - paths.centre[..., 0], by - paths.centre[..., 1]
    square = dx * dx + dy * dy
    free = xp.sqrt(square - paths.radius**2)
    turn = paths.sense * paths.radius
    ux, uy = (free * dx - turn * dy) / square, (free * dy + turn * dx) / square
    return bx, by, ux, uy, free, (dx - free * ux, dy - free * uy)


def lengths(paths: Paths, q: Any, xp: Any = np) -> Any:
    """Return the path lengths, (..., muscles) m, at joint angles q, (..., joints) rad."""
    return lengths_and_moment_arms(paths, q, xp)[0]


def moment_arms(paths: Paths, q: Any, xp: Any = np) -> Any:
    """Return the moment arms dL/dq, (..., muscles, joints) m; negative if the muscle flexes the joint."""
    return lengths_and_moment_arms(paths, q, xp)[1]


def lengths_and_moment_arms(paths: Paths, q: Any, xp: Any = np) -> tuple[Any, Any]:
    """Return both, which have most of their terms in common."""
    bx, by, ux, uy, free, (tx, ty) = _free_part(paths, q, xp)
    wraps = paths.radius > 0
    angle = xp.arctan2(xp.where(wraps, ty, 0.0), xp.where(wraps, tx, 1.0))
    # The turn is cut where no muscle of this arm ever is: a quarter turn before the wrap begins.
    arc = xp.remainder(paths.sense * (angle - paths.first_angle) + np.pi / 2, 2 * np.pi) - np.pi / 2
    length = (paths.crosses * (free + paths.radius * arc)).sum(-1) + paths.constant
    return length, paths.crosses * (uy * bx - ux * by)


def read_paths(model: mujoco.MjModel) -> Paths:
    """Read the muscle paths of a compiled planar arm.

    Raises:
        ValueError: If the closed forms do not cover a path; it names the tendon.
    """
    n, joints = model.nu, model.njnt
    data = mujoco.MjData(model)
    if model.nkey:
        mujoco.mj_resetDataKeyframe(model, data, 0)
    mujoco.mj_forward(model, data)
    zero = {name: np.zeros((n, joints)) for name in ("crosses", "radius", "first_angle")}
    paths = Paths(**zero, sense=np.ones((n, joints)), centre=np.zeros((n, joints, 2)), constant=np.zeros(n),
                  site=np.tile([1.0, 0.0], (n, joints, 1)))  # fmt: skip
    for muscle in range(n):
        _read_path(model, data, muscle, paths)
    return paths


def _read_path(model: mujoco.MjModel, data: mujoco.MjData, muscle: int, paths: Paths) -> None:
    """Fill row `muscle` of `paths` from its tendon."""
    tendon = int(model.actuator_trnid[muscle, 0])
    name = model.tendon(tendon).name
    first = int(model.tendon_adr[tendon])
    wrapped: list[tuple[int, Floats]] = []  # joint, parent's site seen from the cylinder's centre
    previous: int | None = None
    cylinder: int | None = None
    for item in range(first, first + int(model.tendon_num[tendon])):
        kind, obj = int(model.wrap_type[item]), int(model.wrap_objid[item])
        if kind == mujoco.mjtWrap.mjWRAP_CYLINDER:
            cylinder = obj
            continue
        if kind != mujoco.mjtWrap.mjWRAP_SITE:
            raise ValueError(f"tendon {name!r}: wrap object {item - first} is neither a site nor a cylinder")
        if previous is not None:
            wrapped += _read_piece(model, muscle, name, (previous, obj), cylinder, paths)
        previous, cylinder = obj, None
    for senses in itertools.product((-1.0, 1.0), repeat=len(wrapped)):
        for sense, (joint, near) in zip(senses, wrapped, strict=True):
            tangent = np.arccos(paths.radius[muscle, joint] / np.linalg.norm(near))
            paths.sense[muscle, joint] = sense
            paths.first_angle[muscle, joint] = np.arctan2(near[1], near[0]) + sense * tangent
        if abs(lengths(paths, data.qpos)[muscle] - data.ten_length[tendon]) < 1e-9:
            return
    raise ValueError(f"tendon {name!r}: at the keyframe MuJoCo's path is not that of the closed form")


def _read_piece(
    model: mujoco.MjModel, muscle: int, name: str, sites: tuple[int, int], cylinder: int | None, paths: Paths
) -> list[tuple[int, Floats]]:
    """Add the piece between two sites, and return its joint and wrap if it goes around a cylinder."""
    parent, child = sorted(sites, key=lambda site: int(model.site_bodyid[site]))
    outer, inner = int(model.site_bodyid[parent]), int(model.site_bodyid[child])
    if outer == inner and cylinder is None:
        paths.constant[muscle] += np.linalg.norm(model.site_pos[child] - model.site_pos[parent])
        return []
    on_parent = cylinder is None or int(model.geom_bodyid[cylinder]) == outer
    if int(model.body_parentid[inner]) != outer or not on_parent:
        raise ValueError(
            f"tendon {name!r}: a piece must stay in one body, or go from a body to its child, around a "
            "cylinder that is fixed to the parent"
        )
    joint, origin = int(model.body_jntadr[inner]), model.body_pos[inner][:2]
    paths.crosses[muscle, joint] = 1.0
    paths.site[muscle, joint] = model.site_pos[child][:2]
    paths.centre[muscle, joint] = model.site_pos[parent][:2] - origin
    if cylinder is None:
        return []
    paths.centre[muscle, joint] = model.geom_pos[cylinder][:2] - origin
    paths.radius[muscle, joint] = radius = float(model.geom_size[cylinder, 0])
    near = model.site_pos[parent][:2] - model.geom_pos[cylinder][:2]
    paths.constant[muscle] += np.sqrt(near @ near - radius**2)
    return [(joint, near)]
