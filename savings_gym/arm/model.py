"""The compiled arm: what a task, a controller or a measure may ask of it, by name and in closed form.

MuJoCo's own derived fields lag the state by one physics step after ``step``; everything here is computed from
the joint angles and velocities that are passed in, for any number of arms at once.

Where the packaged files are: beside the package in a checkout, inside it in a wheel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final, Literal, cast

import mujoco
import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arm import muscles, tendons
from savings_gym.arm.anatomy import JOINTS, MAX_ISOMETRIC_FORCE, MOTOR_TIME
from savings_gym.arrays import Floats

Actuation = Literal["muscle", "motor", "torque"]

MODELS: Final[dict[str, str]] = {"muscle": "arm26.xml", "motor": "arm26.xml", "torque": "arm2.xml"}


class Arm:
    """A planar two-joint arm read from its MJCF file.

    Attributes:
        model: the compiled model; shared, so do not write to it.
        actuation: ``"muscle"`` (six excitations, 0.001 to 1), ``"motor"`` (likewise, of ideal motors that
            pull along the muscles' paths with a force in proportion to what they are told, whatever the
            length and the speed of the path) or ``"torque"`` (two joint torques, N m).
        timestep: physics step, s.
        joint_range: rad, (2, 2), rows shoulder and elbow.
        stop_stiffness: (2, 3), rows as above: at x rad outside the range, the torque is
            -x (k0 + k1 |x| + k2 x^2), N m.
        link_lengths: upper arm and forearm, m, (2,).
    """

    def __init__(self, actuation: str = "muscle") -> None:
        """Compiles the arm.

        Raises:
            ValueError: for an unknown actuation.
        """
        if actuation not in MODELS:
            raise ValueError(f"unknown actuation {actuation!r}; choose from: {', '.join(MODELS)}")
        self.actuation = cast(Actuation, actuation)
        self.model = _compile(actuation)
        model = self.model
        self.timestep = float(model.opt.timestep)
        self.n_actuators = int(model.nu)
        self.actuator_names = tuple(model.actuator(i).name for i in range(model.nu))
        self.control_range: Floats = model.actuator_ctrlrange.copy()
        stops = [model.tendon(f"{joint}_stop").id for joint in JOINTS]
        self.joint_range: Floats = model.tendon_lengthspring[stops]
        self.stop_stiffness: Floats = np.column_stack(
            [model.tendon_stiffness[stops], model.tendon_stiffnesspoly[stops]]
        )
        self.start: Floats = model.key("centre_out").qpos.copy()
        forearm = model.body("forearm").id
        self.link_lengths: Floats = np.array([model.body_pos[forearm, 0], model.site("hand").pos[0]])

    @property
    def pulls(self) -> bool:
        """Whether the actuators pull along muscle paths."""
        return self.actuation != "torque"

    @cached_property
    def paths(self) -> tendons.Paths:
        """Muscle paths; ValueError for an arm without muscles."""
        self._needs_muscles()
        return tendons.read_paths(self.model)

    @cached_property
    def muscles(self) -> muscles.MuscleConstants:
        """Muscle constants; ValueError for an arm without muscles."""
        self._needs_muscles()
        return muscles.read_muscles(self.model)

    def _needs_muscles(self) -> None:
        if not self.pulls:
            raise ValueError(
                f"the arm with actuation {self.actuation!r} has no muscles; use actuation 'muscle'"
            )

    # Kinematics

    def hand_position(self, q: ArrayLike) -> Floats:
        """Hand position, m, (..., 2), at joint angles q, rad, (..., 2)."""
        q = np.asarray(q, dtype=float)
        upper, fore = self.link_lengths
        sum_ = q[..., 0] + q[..., 1]
        return np.stack(
            [
                upper * np.cos(q[..., 0]) + fore * np.cos(sum_),
                upper * np.sin(q[..., 0]) + fore * np.sin(sum_),
            ],
            -1,
        )

    def hand_jacobian(self, q: ArrayLike) -> Floats:
        """Jacobian of the hand position, m/rad, (..., 2, 2): rows x and y, columns shoulder and elbow."""
        q = np.asarray(q, dtype=float)
        upper, fore = self.link_lengths
        sum_ = q[..., 0] + q[..., 1]
        ex, ey = -fore * np.sin(sum_), fore * np.cos(sum_)
        sx, sy = ex - upper * np.sin(q[..., 0]), ey + upper * np.cos(q[..., 0])
        return np.stack([np.stack([sx, ex], -1), np.stack([sy, ey], -1)], -2)

    def hand_velocity(self, q: ArrayLike, v: ArrayLike) -> Floats:
        """Hand velocity, m/s, (..., 2), at joint angles q, rad, and velocities v, rad/s, (..., 2) each."""
        jacobian, v = self.hand_jacobian(q), np.asarray(v, dtype=float)
        return jacobian[..., 0] * v[..., :1] + jacobian[..., 1] * v[..., 1:]

    def inverse_kinematics(self, xy: ArrayLike) -> Floats:
        """Joint angles, rad, (..., 2), that bring the hand to xy, m, (..., 2), with the elbow flexed.

        The shoulder angle is the one nearest to the middle of its range.

        Raises:
            ValueError: when a position is out of reach, naming the first one.
        """
        xy = np.asarray(xy, dtype=float)
        upper, fore = self.link_lengths
        cos_elbow = ((xy**2).sum(-1) - upper**2 - fore**2) / (2 * upper * fore)
        outside = np.abs(cos_elbow) > 1
        if outside.any() or not np.isfinite(xy).all():
            bad = xy.reshape(-1, 2)[np.flatnonzero((outside | ~np.isfinite(xy).all(-1)).ravel())[0]]
            raise ValueError(
                f"hand position {bad.tolist()} m is out of reach: its distance from the shoulder must be "
                f"within {abs(upper - fore):.3f} to {upper + fore:.3f} m"
            )
        elbow = np.arccos(cos_elbow)
        bend = np.arctan2(fore * np.sin(elbow), upper + fore * cos_elbow)
        shoulder = np.arctan2(xy[..., 1], xy[..., 0]) - bend
        middle = self.joint_range[0].mean()
        return np.stack([middle + np.remainder(shoulder - middle + np.pi, 2 * np.pi) - np.pi, elbow], -1)

    # Muscles

    def moment_arms(self, q: ArrayLike) -> Floats:
        """Moment arms dL/dq, m, (..., 6, 2); negative where the muscle flexes the joint."""
        return np.asarray(tendons.moment_arms(self.paths, np.asarray(q, dtype=float)))

    def muscle_length(self, q: ArrayLike) -> Floats:
        """Fibre length in optimal lengths, (..., 6)."""
        path = tendons.lengths(self.paths, np.asarray(q, dtype=float))
        return np.asarray((path - self.muscles.slack) / self.muscles.optimal)

    def muscle_velocity(self, q: ArrayLike, v: ArrayLike) -> Floats:
        """Fibre velocity in maximum shortening velocities, (..., 6); lengthening is positive."""
        path = (self.moment_arms(q) * np.asarray(v, dtype=float)[..., None, :]).sum(-1)
        return np.asarray(path / self.muscles.speed)

    def muscle_force(self, q: ArrayLike, v: ArrayLike, activation: ArrayLike) -> Floats:
        """Muscle force, N, (..., 6), positive when it pulls, at activations (..., 6)."""
        gain = muscles.force_length(self.muscles, self.muscle_length(q)) * muscles.force_velocity(
            self.muscles, self.muscle_velocity(q, v)
        )
        return np.asarray(self.muscles.strength * np.asarray(activation, dtype=float) * gain)


@dataclass(frozen=True)
class Inertia:
    """The three constants of the mass matrix, kg m^2.

    M11 = a + 2 b cos q2, M12 = M21 = d + b cos q2, M22 = d, with a = I1 + I2 + m1 lc1^2 + m2 (l1^2 + lc2^2),
    b = m2 l1 lc2 and d = I2 + m2 lc2^2; q2 is the elbow angle.
    """

    a: float
    b: float
    d: float

    @classmethod
    def of(cls, arm: Arm) -> Inertia:
        """Read from the compiled model."""
        model = arm.model
        upper, fore = model.body("upper_arm").id, model.body("forearm").id
        m1, m2 = model.body_mass[[upper, fore]]
        lc1, lc2 = model.body_ipos[[upper, fore], 0]
        i1, i2 = model.body_inertia[[upper, fore], 2]
        l1 = arm.link_lengths[0]
        return cls(
            a=float(i1 + i2 + m1 * lc1**2 + m2 * (l1**2 + lc2**2)),
            b=float(m2 * l1 * lc2),
            d=float(i2 + m2 * lc2**2),
        )


def _compile(actuation: str) -> mujoco.MjModel:
    """The model of an actuation; ideal motors take the muscles' place in the muscle arm."""
    spec = mujoco.MjSpec.from_file(str(asset(MODELS[actuation])))
    if actuation == "motor":
        for motor, strength in zip(spec.actuators, MAX_ISOMETRIC_FORCE, strict=True):
            motor.gaintype = mujoco.mjtGain.mjGAIN_FIXED
            motor.gainprm[:] = 0.0
            motor.gainprm[0] = -strength  # it pulls
            motor.dynprm[:2] = MOTOR_TIME
    return spec.compile()


@lru_cache(maxsize=len(MODELS))
def load_arm(actuation: str = "muscle") -> Arm:
    """The arm with this actuation, ``"muscle"``, ``"motor"`` or ``"torque"``, compiled once and shared."""
    return Arm(actuation)


_PACKAGE = Path(__file__).resolve().parents[1]


def asset(name: str) -> Path:
    """Path of an asset.

    Args:
        name: file name inside ``assets/``, for example ``"arm26.xml"``.

    Raises:
        FileNotFoundError: when no such asset is installed; the message lists those that are.
    """
    folders = [folder for folder in (_PACKAGE / "assets", _PACKAGE.parent / "assets") if folder.is_dir()]
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    known = sorted(path.name for folder in folders for path in folder.iterdir() if path.is_file())
    raise FileNotFoundError(f"no asset {name!r}; installed assets: {', '.join(known) or 'none'}")
