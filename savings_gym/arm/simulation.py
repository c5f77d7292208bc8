r"""What steps the arms: many on a pool of threads, or one.

Fibre lengths, velocities and forces of the muscles, laid out for stepping many arms, or one, fast.

The geometry is that of `tendons`, written as linear forms in the cosine and sine of one joint angle. With
:math:`b(q)` the child's site and :math:`c` the cylinder's centre, of radius :math:`r` and sense :math:`s`,

.. math:: D^2 = |b|^2 + |c|^2 - 2\, c \cdot b(q), \qquad \ell = \sqrt{D^2 - r^2}, \qquad
    \frac{dL}{dq} = \frac{\ell\, h + s\, r\, (|b|^2 - |c|^2 + D^2) / 2}{D^2}, \quad
    h = \tfrac12 \frac{dD^2}{dq},

and the wrapped arc is the angle of :math:`r\, d - s\, \ell\, d^\perp`, turned so that the cut of the
arctangent lies where `tendons.lengths` has it. Everything is done element by element, in one order, once for
arrays and once for plain numbers, so that one arm alone and an arm among many agree to the last bit.
"""

from __future__ import annotations

import math

import mujoco
import numpy as np
from mujoco.batch import Batch
from numpy.typing import NDArray

from savings_gym.arm.muscles import MuscleConstants, force_length, force_velocity
from savings_gym.arm.tendons import Paths
from savings_gym.arrays import Floats

Ids = NDArray[np.intp] | None  # arms, None for all


class ManyArms:
    """n simulations of a model on a pool of threads.

    Args:
        model: The model.
        n: Number of simulations.
        nthread: Threads; 0 is one per CPU.

    Attributes:
        qpos: (n, joints) live view, like qvel, act, ctrl and qfrc_applied.
    """

    def __init__(self, model: mujoco.MjModel, n: int, nthread: int) -> None:
        """Allocates."""
        self._batch = Batch(model, n, nthread)
        bind = self._batch.bind
        self.qpos, self.qvel, self.act = bind("qpos"), bind("qvel"), bind("act")
        self.ctrl, self.qfrc_applied = bind("ctrl"), bind("qfrc_applied")

    def reset(self, ids: Ids) -> None:
        """Back to the model's defaults; the state is to be written afterwards."""
        self._batch.reset(ids, stage=mujoco.mjtStage.mjSTAGE_NONE)

    def step(self, ids: Ids, nstep: int) -> None:
        """Some physics steps."""
        self._batch.step(ids, nstep=nstep)

    def diverged(self) -> bool:
        """Whether a simulation has left all bounds since its reset."""
        return bool(self._batch.warning.any())


class OneArm:
    """One simulation, without threads: the same as `ManyArms` of one."""

    def __init__(self, model: mujoco.MjModel) -> None:
        """Allocates."""
        self.model, self.data = model, mujoco.MjData(model)
        data = self.data
        self.qpos, self.qvel, self.act = data.qpos[None], data.qvel[None], data.act[None]
        self.ctrl, self.qfrc_applied = data.ctrl[None], data.qfrc_applied[None]
        self._warnings = data.warning.number

    def reset(self, ids: Ids = None) -> None:
        """Back to the model's defaults; the state is to be written afterwards."""
        mujoco.mj_resetData(self.model, self.data)

    def step(self, ids: Ids, nstep: int) -> None:
        """Some physics steps."""
        mujoco.mj_step(self.model, self.data, nstep)

    def diverged(self) -> bool:
        """Whether the simulation has left all bounds since its reset."""
        return any(self._warnings.tolist())


class Strands:
    """All crossings of joints by muscles, and what the muscles do there.

    The first crossings of all muscles come first, in the muscles' order, then the second ones.

    Args:
        paths: Muscle paths.
        constants: Muscle constants.
    """

    def __init__(self, paths: Paths, constants: MuscleConstants) -> None:
        """Computes the linear forms."""
        crossed = [np.flatnonzero(row) for row in np.asarray(paths.crosses)]
        pairs = [(m, joints[k]) for k in (0, 1) for m, joints in enumerate(crossed) if len(joints) > k]
        if [m for m, _ in pairs[: len(crossed)]] != list(range(len(crossed))) or max(map(len, crossed)) > 2:
            raise ValueError(f"every muscle must cross one or two joints, got {paths.crosses!r}")
        self.muscles = len(crossed)
        muscle, joint = (np.array(column) for column in zip(*pairs, strict=True))
        self._second = muscle[self.muscles :]
        self._second_list = self._second.tolist()
        self._joint = joint
        at = (muscle, joint)
        site, centre = paths.site[at], paths.centre[at]  # (crossings, 2)
        radius, sense, first = paths.radius[at], paths.sense[at], paths.first_angle[at]
        b2, c2 = (site**2).sum(-1), (centre**2).sum(-1)
        along = (site * centre).sum(-1)
        across = centre[:, 1] * site[:, 0] - centre[:, 0] * site[:, 1]
        turned = [  # site and centre in a frame in which the wrap begins on the x axis
            (
                np.cos(first) * p[:, 0] + np.sin(first) * p[:, 1],
                np.cos(first) * p[:, 1] - np.sin(first) * p[:, 0],
            )
            for p in (site, centre)
        ]
        forms = [
            b2 + c2, -2.0 * along, -2.0 * across, (b2 - c2) / 2.0, radius**2, radius, sense, sense * radius,
            *turned[0], *turned[1],
        ]  # fmt: skip
        self._forms = np.stack(forms)[:, :, None]  # (12, crossings, 1)
        constant = np.asarray(paths.constant).copy()
        np.add.at(constant, muscle, radius * np.pi / 2.0)
        lengths = [1.0 / constants.optimal, (constant - constants.slack) / constants.optimal, constants.speed]
        self._lengths = np.stack(lengths)[:, :, None]  # (3, muscles, 1)
        self._force = constants.map(lambda values: np.asarray(values)[:, None])
        self._one_crossing = list(zip(joint.tolist(), *self._forms[:, :, 0].tolist(), strict=True))
        self._one_muscle = list(zip(*self._lengths[:, :, 0].tolist(), strict=True))
        gain = (constants.strength, constants.shortest, constants.longest, constants.lengthening)
        self._one_gain = list(zip(*(np.asarray(values).tolist() for values in gain), strict=True))

    def state(self, cos: Floats, sin: Floats, v: Floats) -> tuple[Floats, Floats]:
        """Fibre lengths and velocities of n arms.

        Args:
            cos: (2, n) cosines of the joint angles.
            sin: (2, n) sines.
            v: (2, n) joint velocities, rad/s.

        Returns:
            (muscles, n) lengths in optimal lengths; (muscles, n) velocities in maximum shortening velocities,
            lengthening is positive.
        """
        square0, p, q, extra, r2, r, s, sr, bx, by, cx, cy = self._forms
        c, d = cos[self._joint], sin[self._joint]  # (crossings, n)
        square = square0 + p * c + q * d
        free = np.sqrt(square - r2)
        half = (q * c - p * d) * 0.5
        speed = (free * half + sr * (extra + square * 0.5)) / square * v[self._joint]
        ex, ey = bx * c - by * d - cx, bx * d + by * c - cy
        part = free + r * np.arctan2(-(r * ex + s * free * ey), sr * ey - free * ex)
        n = self.muscles
        path, pace = part[:n], speed[:n]
        path[self._second] += part[n:]
        pace[self._second] += speed[n:]
        per_optimal, offset, fastest = self._lengths
        return path * per_optimal + offset, pace / fastest

    def force(self, length: Floats, velocity: Floats, activation: Floats) -> Floats:
        """Muscle forces of n arms, N, (muscles, n), of `state` and activations (muscles, n)."""
        gain = force_length(self._force, length) * force_velocity(self._force, velocity)
        return np.asarray(self._force.strength * activation * gain)

    def one_state(
        self, cos: list[float], sin: list[float], v: list[float]
    ) -> tuple[list[float], list[float]]:
        """`state` of one arm, in plain numbers."""
        free_parts, radii, ups, rights, speeds = [], [], [], [], []
        sqrt = math.sqrt
        for joint, square0, p, q, extra, r2, r, s, sr, bx, by, cx, cy in self._one_crossing:
            c, d = cos[joint], sin[joint]
            square = square0 + p * c + q * d
            free = sqrt(square - r2)
            half = (q * c - p * d) * 0.5
            if r:
                speeds.append((free * half + sr * (extra + square * 0.5)) / square * v[joint])
                ex, ey = bx * c - by * d - cx, bx * d + by * c - cy
                ups.append(-(r * ex + s * free * ey))
                rights.append(sr * ey - free * ex)
            else:
                speeds.append(free * half / square * v[joint])
                ups.append(0.0)
                rights.append(1.0)
            free_parts.append(free)
            radii.append(r)
        angles = np.arctan2(ups, rights).tolist()
        parts = [free + r * angle for free, r, angle in zip(free_parts, radii, angles, strict=True)]
        n = self.muscles
        for k, muscle in enumerate(self._second_list, n):
            parts[muscle] += parts[k]
            speeds[muscle] += speeds[k]
        several = zip(self._one_muscle, parts, speeds, strict=False)
        lengths, velocities = [], []
        for (per_optimal, offset, fastest), path, pace in several:
            lengths.append(path * per_optimal + offset)
            velocities.append(pace / fastest)
        return lengths, velocities

    def one_force(self, length: list[float], velocity: list[float], activation: list[float]) -> list[float]:
        """`force` of one arm, in plain numbers."""
        if self._force.ideal:
            return [strength * a for (strength, *_), a in zip(self._one_gain, activation, strict=True)]
        forces = []
        for (strength, shortest, longest, most), x, v, a in zip(
            self._one_gain, length, velocity, activation, strict=True
        ):
            half = ((1.0 - shortest) if x <= 1.0 else (longest - 1.0)) / 2.0
            distance = abs(x - 1.0) / half
            if distance <= 1.0:
                by_length = 1.0 - 0.5 * (distance * distance)
            else:
                short = max(2.0 - distance, 0.0)
                by_length = 0.5 * (short * short)
            if v <= 0.0:
                rest = max(v + 1.0, 0.0)
                by_velocity = rest * rest
            else:
                rest = max(most - 1.0 - v, 0.0)
                by_velocity = most - rest * rest / (most - 1.0)
            forces.append(strength * a * (by_length * by_velocity))
        return forces
