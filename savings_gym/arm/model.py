"""The compiled arm: kinematics, muscles and inertia, by name and in closed form.

After a physics step MuJoCo's derived quantities are those of the state before it; everything here is computed
from the joint angles and velocities that are passed in, for any number of arms at once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal, cast

import mujoco
import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arm import kinematics, muscles, tendons
from savings_gym.arm.anatomy import JOINTS, SMALLEST_ACTIVATION
from savings_gym.arm.build import (
    ACTUATIONS,
    KEYFRAME,
    STOPS,
    build_model,
    constants_of,
    differing,
    make_read_only,
)
from savings_gym.arm.changes import ArmChanges, ArmLike, as_arm_changes
from savings_gym.arrays import Floats, as_choice

Actuation = Literal["muscle", "motor", "torque"]
SAMPLES = 20  # states at which a new arm is compared with the equations of motion
TOLERANCE = 1e-6  # N m and m, of that comparison


class Arm:
    """A planar two-joint arm, compiled from its MJCF file. Get one from `load_arm`.

    Attributes:
        model: The compiled model. It is shared and read-only: `load_arm` makes other arms.
        actuation: ``"muscle"`` (six excitations, 0.001 to 1), ``"motor"`` (six ideal motors, which pull along
            the muscles' paths with a force in proportion to their command, whatever the length and velocity
            of the path) or ``"torque"`` (two joint torques [N m]).
        changes: How the arm differs from the standard one.
        timestep: Physics step [s].
        n_actuators: Number of actuators.
        actuator_names: Their names.
        control_range: (n_actuators, 2) lowest and highest command.
        joint_range: (2, 2) rad, rows shoulder and elbow.
        stop_stiffness: (2, 3), rows as above: at x rad outside the range, the torque is
            -x (k0 + k1 |x| + k2 x^2) N m.
        start: (2,) rad, centre-out start.
        link_lengths: (2,) m, upper arm and forearm.
    """

    def __init__(self, actuation: str = "muscle", changes: ArmChanges = ArmChanges()) -> None:  # noqa: B008, frozen
        """Compile the arm.

        Raises:
            ValueError: For an unknown actuation, or an arm that is not of this kind.
        """
        as_choice("actuation", actuation, ACTUATIONS)
        self.actuation, self.changes = cast(Actuation, actuation), changes
        self.model = model = build_model(actuation, changes)
        self.timestep = float(model.opt.timestep)
        self.n_actuators = int(model.nu)
        self.actuator_names = tuple(model.actuator(i).name for i in range(model.nu))
        self.control_range: Floats = model.actuator_ctrlrange.copy()
        stops = [model.tendon(name).id for name in STOPS]
        self.joint_range: Floats = model.tendon_lengthspring[stops]
        self.stop_stiffness: Floats = np.column_stack(
            [model.tendon_stiffness[stops], model.tendon_stiffnesspoly[stops]]
        )
        self.start: Floats = model.key(KEYFRAME).qpos.copy()
        forearm = model.body("forearm").id
        self.link_lengths: Floats = np.array([model.body_pos[forearm, 0], model.site("hand").pos[0]])
        for array in vars(self).values():
            if isinstance(array, np.ndarray):
                _read_only(array)
        make_read_only(model)
        self._constants = constants_of(model)
        if changes:
            _check_equations(self)

    def __deepcopy__(self, memo: Any) -> Arm:
        """Return the arm itself: it never changes."""
        return self

    def __reduce__(self) -> Any:
        """Pickle as the shared arm with the same changes."""
        return _restore, (self.actuation, self.changes, self._constants)

    def check_unwritten(self) -> None:
        """Raise a RuntimeError if the shared model was written to."""
        written = differing(self._constants, constants_of(self.model))
        if written:
            raise RuntimeError(
                f"the shared model of the arm was written to ({', '.join(written)}), which changes neither "
                "the torch arm nor environments that exist; restart Python and give the environment "
                "arm={...}, see savings_gym.arm.changes"
            )

    @property
    def pulls(self) -> bool:
        """Whether the actuators pull along muscle paths."""
        return self.actuation != "torque"

    @cached_property
    def paths(self) -> tendons.Paths:
        """Muscle paths; ValueError for an arm without muscles."""
        self._require_muscles()
        return tendons.read_paths(self.model).map(_read_only)

    @cached_property
    def muscles(self) -> muscles.MuscleConstants:
        """Muscle constants; ValueError for an arm without muscles."""
        self._require_muscles()
        return muscles.read_muscles(self.model).map(_read_only)

    @cached_property
    def inertia(self) -> Inertia:
        """Constants of the mass matrix."""
        return Inertia.of(self.model)

    def _require_muscles(self) -> None:
        if not self.pulls:
            raise ValueError(
                f"the arm with actuation {self.actuation!r} has no muscles; use actuation 'muscle'"
            )

    # Kinematics

    def hand_position(self, q: ArrayLike) -> Floats:
        """Return the hand position, (..., 2) m, at joint angles q, (..., 2) rad."""
        x, y, _, _ = self._hand_vectors(q)
        return np.stack([x, y], -1)

    def hand_jacobian(self, q: ArrayLike) -> Floats:
        """Return the Jacobian of the hand position, (..., 2, 2) m/rad: rows x and y, columns the joints."""
        x, y, fore_x, fore_y = self._hand_vectors(q)
        return np.stack([np.stack([-y, -fore_y], -1), np.stack([x, fore_x], -1)], -2)

    def hand_velocity(self, q: ArrayLike, v: ArrayLike) -> Floats:
        """Return the hand velocity, (..., 2) m/s, at joint angles q and velocities v, (..., 2) rad, rad/s."""
        v = np.asarray(v, dtype=float)
        return np.stack(kinematics.hand_velocity(*self._hand_vectors(q), v[..., 0], v[..., 1]), -1)

    def _hand_vectors(self, q: ArrayLike) -> tuple[Floats, Floats, Floats, Floats]:
        q = np.asarray(q, dtype=float)
        return kinematics.hand_vectors(self.link_lengths, q[..., 0], q[..., 1])

    def inverse_kinematics(self, xy: ArrayLike) -> Floats:
        """Return joint angles, (..., 2) rad, that bring the hand to xy, (..., 2) m, with the elbow flexed.

        The shoulder angle is the one nearest to the middle of its range.

        Raises:
            ValueError: If a position is out of reach; it names the first one.
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
        """Return the moment arms dL/dq, (..., 6, 2) m; negative where the muscle flexes the joint."""
        return np.asarray(tendons.moment_arms(self.paths, np.asarray(q, dtype=float)))

    def muscle_length(self, q: ArrayLike) -> Floats:
        """Return the fibre lengths, (..., 6) optimal lengths."""
        path = tendons.lengths(self.paths, np.asarray(q, dtype=float))
        return np.asarray((path - self.muscles.slack) / self.muscles.optimal)

    def muscle_velocity(self, q: ArrayLike, v: ArrayLike) -> Floats:
        """Return the fibre velocities, (..., 6) maximum shortening velocities; lengthening is positive."""
        path = (self.moment_arms(q) * np.asarray(v, dtype=float)[..., None, :]).sum(-1)
        return np.asarray(path / self.muscles.speed)

    def muscle_force(self, q: ArrayLike, v: ArrayLike, activation: ArrayLike) -> Floats:
        """Return the muscle forces, (..., 6) N, positive when they pull, at activations (..., 6)."""
        length, velocity = self.muscle_length(q), self.muscle_velocity(q, v)
        return np.asarray(muscles.force(self.muscles, length, velocity, np.asarray(activation, dtype=float)))

    # Dynamics

    def joint_torque(self, q: ArrayLike, v: ArrayLike, acceleration: ArrayLike) -> Floats:
        """Return the joint torques under which joints accelerate as given [N m].

        They are the sum of what muscles or motors and forces on the hand contribute; joint stops are part of
        the arm. With q2 the elbow angle and M, a, b, d as in `Inertia`,

            torque = M(q) dv/dt - C(q, v) - stops(q)
            C1 = b sin q2 (2 v1 v2 + v2^2),  C2 = -b sin q2 v1^2

        Args:
            q: (..., 2) joint angles [rad].
            v: (..., 2) joint velocities [rad/s].
            acceleration: (..., 2) joint accelerations [rad/s^2].

        Returns:
            (..., 2), flexion positive.
        """
        q, v, acceleration = (np.asarray(part, dtype=float) for part in (q, v, acceleration))
        inertia = self.inertia
        bcos, bsin = inertia.b * np.cos(q[..., 1]), inertia.b * np.sin(q[..., 1])
        (v1, v2), (a1, a2) = np.moveaxis(v, -1, 0), np.moveaxis(acceleration, -1, 0)
        coupling = inertia.d + bcos
        shoulder = (inertia.a + 2 * bcos) * a1 + coupling * a2 - bsin * (2 * v1 * v2 + v2 * v2)
        elbow = coupling * a1 + inertia.d * a2 + bsin * v1 * v1
        beyond = q - np.clip(q, *self.joint_range.T)
        k0, k1, k2 = self.stop_stiffness.T
        stops = -beyond * (k0 + k1 * np.abs(beyond) + k2 * beyond**2)
        return np.stack([shoulder, elbow], -1) - stops


@dataclass(frozen=True)
class Inertia:
    """The three constants of the mass matrix [kg m^2].

    M11 = a + 2 b cos q2, M12 = M21 = d + b cos q2, M22 = d, with a = I1 + I2 + m1 lc1^2 + m2 (l1^2 + lc2^2),
    b = m2 l1 lc2 and d = I2 + m2 lc2^2; q2 is the elbow angle.
    """

    a: float
    b: float
    d: float

    @classmethod
    def of(cls, model: mujoco.MjModel) -> Inertia:
        """Read the constants from a compiled model."""
        upper, fore = model.body("upper_arm").id, model.body("forearm").id
        m1, m2 = model.body_mass[[upper, fore]]
        lc1, lc2 = model.body_ipos[[upper, fore], 0]
        i1, i2 = model.body_inertia[[upper, fore], 2]
        l1 = model.body_pos[fore, 0]
        return cls(
            a=float(i1 + i2 + m1 * lc1**2 + m2 * (l1**2 + lc2**2)),
            b=float(m2 * l1 * lc2),
            d=float(i2 + m2 * lc2**2),
        )


def load_arm(
    actuation: str = "muscle",
    arm: ArmLike = None,
) -> Arm:
    """Return an arm, compiled once and shared.

    Args:
        actuation: ``"muscle"``, ``"motor"`` or ``"torque"``.
        arm: The path of an MJCF file, or a dict of changes, see `ArmChanges`; None is the standard arm.

    Raises:
        ValueError: For an unknown value, or an arm that does not obey the equations of motion.
        RuntimeError: If the shared model was written to.
    """
    changes = as_arm_changes(arm)
    written = 0 if changes.file is None else os.stat(changes.file).st_mtime_ns
    loaded = _load(actuation, changes, written)
    loaded.check_unwritten()
    return loaded


@lru_cache(maxsize=32)
def _load(actuation: str, changes: ArmChanges, written: int) -> Arm:
    """Compile an arm; `written` is when its file was last written to."""
    return Arm(actuation, changes)


def _restore(actuation: str, changes: ArmChanges, constants: dict[str, Any]) -> Arm:
    """Load a pickled arm; RuntimeError if its file has changed."""
    arm = load_arm(actuation, changes)
    if changed := differing(constants, constants_of(arm.model)):
        raise RuntimeError(
            f"{changes.file} has changed since the arm was pickled: {', '.join(changed)} differ"
        )
    return arm


def _read_only(values: Any) -> Any:
    values.setflags(write=False)
    return values


def _check_equations(arm: Arm) -> None:
    """Raise a ValueError if MuJoCo's accelerations are not those of the equations of motion.

    The torch arm, the kernels and the controller use the equations, so an arm with gravity, damping or
    contacts would be a different arm for them.
    """
    model, rng, name = arm.model, np.random.default_rng(0), arm.changes.file or "the changed arm"
    if arm.pulls and (arm.control_range != [SMALLEST_ACTIVATION, 1.0]).any():
        raise ValueError(
            f"{name}: excitations must range from {SMALLEST_ACTIVATION} to 1, got {arm.control_range}"
        )
    if model.opt.integrator != mujoco.mjtIntegrator.mjINT_EULER:
        raise ValueError(f"{name}: the integrator must be Euler, as in assets/arm26.xml")
    data, hand = mujoco.MjData(model), model.site("hand").id
    low, high = arm.joint_range.T
    for _ in range(SAMPLES):
        data.qpos[:], data.qvel[:] = rng.uniform(low - 0.1, high + 0.1), rng.normal(0.0, 3.0, len(JOINTS))
        data.ctrl[:] = rng.uniform(*arm.control_range.T)
        data.act[:] = rng.uniform(0.0, 1.0, model.na)
        mujoco.mj_forward(model, data)
        torque = data.ctrl.copy()
        if arm.pulls:
            force = arm.muscle_force(data.qpos, data.qvel, data.act)
            torque = -(arm.moment_arms(data.qpos) * force[:, None]).sum(0)
        needed = arm.joint_torque(data.qpos, data.qvel, data.qacc)
        away = data.site_xpos[hand, :2] - arm.hand_position(data.qpos)
        if max(np.abs(torque - needed).max(), np.abs(away).max()) > TOLERANCE:
            raise ValueError(
                f"{name}: the arm does not obey the equations of motion: at joint angles {data.qpos} rad "
                f"accelerations {data.qacc} rad/s^2 need torques of {needed} N m, not {torque} N m. "
                "It must consist of two links in a plane, the shoulder at the origin, with joint stops as in "
                "assets/arm26.xml, without gravity, damping, friction, armature, limits or contacts"
            )
