"""MuJoCo's muscle, in closed form: force-length, force-velocity and activation dynamics.

The formulas are those of ``mju_muscleGain`` and ``mju_muscleDynamics`` (MuJoCo documentation, chapter "Muscle
actuators"; activation after Millard et al. 2013, doi 10.1115/1.4023390); tests compare the two. The functions
take numpy arrays or torch tensors: ``xp`` is the namespace, ``numpy`` or ``torch``. Ideal motors pull like
muscles of which only strength and activation remain: their force depends on neither length nor velocity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from savings_gym.arm.anatomy import MAX_SHORTENING_VELOCITY


@dataclass(frozen=True)
class MuscleConstants:
    """Constants of the muscles of an arm, (muscles,) each."""

    strength: Any  # N, maximum isometric force
    slack: Any  # m, tendon slack length
    optimal: Any  # m, optimal fibre length
    speed: Any  # m/s, maximum shortening velocity
    shortest: Any  # optimal lengths, no active force below
    longest: Any  # optimal lengths, no active force above
    lengthening: Any  # maximum force of a lengthening muscle, in isometric forces
    rise: Any  # s, activation time constant
    fall: Any  # s, deactivation time constant
    ideal: bool = False  # motors: no force-length and no force-velocity relation

    def map(self, function: Any) -> MuscleConstants:
        """Return the constants with `function` applied to every array."""
        arrays = {name: value for name, value in vars(self).items() if name != "ideal"}
        return MuscleConstants(**{k: function(v) for k, v in arrays.items()}, ideal=self.ideal)


def read_muscles(model: mujoco.MjModel) -> MuscleConstants:
    """Read the constants of a compiled model whose actuators are all muscles or all ideal motors.

    Lengths and velocities of a motor's path have the units of the muscle in its place.

    Raises:
        ValueError: For an actuator that is neither a muscle of fixed strength without a passive part, nor a
            motor of fixed gain with a muscle's activation.
    """
    ideal = bool(model.actuator_gaintype[0] == mujoco.mjtGain.mjGAIN_FIXED)
    kind = mujoco.mjtGain.mjGAIN_FIXED if ideal else mujoco.mjtGain.mjGAIN_MUSCLE
    strength = -model.actuator_gainprm[:, 0] if ideal else model.actuator_gainprm[:, 2].copy()
    for i in range(model.nu):
        known = (
            model.actuator_gaintype[i] == kind
            and model.actuator_dyntype[i] == mujoco.mjtDyn.mjDYN_MUSCLE
            and model.actuator_biastype[i] == mujoco.mjtBias.mjBIAS_NONE
        )
        if not known or strength[i] <= 0 or model.actuator_dynprm[i, 2] != 0:
            raise ValueError(
                f"actuator {model.actuator(i).name!r}: expected gain and dynamics of type muscle (or all "
                "with the gain of a motor), no bias, a positive force and no smoothing"
            )
    gain, dynamics, span = model.actuator_gainprm, model.actuator_dynprm, model.actuator_lengthrange
    if ideal:  # MuJoCo keeps no muscle constants of a motor: these are units only
        gain = np.tile([0.0, 1.0, 0.0, 0.0, 0.0, 2.0, MAX_SHORTENING_VELOCITY, 0.0, 1.5], (model.nu, 1))
    optimal = (span[:, 1] - span[:, 0]) / (gain[:, 1] - gain[:, 0])
    return MuscleConstants(
        strength=strength,
        slack=span[:, 0] - gain[:, 0] * optimal,
        optimal=optimal,
        speed=gain[:, 6] * optimal,
        shortest=gain[:, 4].copy(),
        longest=gain[:, 5].copy(),
        lengthening=gain[:, 8].copy(),
        rise=dynamics[:, 0].copy(),
        fall=dynamics[:, 1].copy(),
        ideal=ideal,
    )


def force(constants: MuscleConstants, length: Any, velocity: Any, activation: Any, xp: Any = np) -> Any:
    """Return forces [N], positive when they pull.

    Args:
        constants: Of the muscles.
        length: (..., muscles) fibre lengths [optimal lengths].
        velocity: (..., muscles) fibre velocities [maximum shortening velocities].
        activation: (..., muscles).
        xp: Namespace of the arrays.
    """
    gain = force_length(constants, length, xp) * force_velocity(constants, velocity, xp)
    return constants.strength * activation * gain


def force_length(constants: MuscleConstants, length: Any, xp: Any = np) -> Any:
    """Return the active force [isometric forces] at a length [optimal lengths]: a quadratic spline."""
    if constants.ideal:
        return xp.ones_like(length)
    half = xp.where(length <= 1, 1 - constants.shortest, constants.longest - 1) / 2
    distance = abs(length - 1) / half
    inner = 1 - 0.5 * distance**2
    outer = 0.5 * xp.clip(2 - distance, 0, None) ** 2
    return xp.where(distance <= 1, inner, outer)


def force_velocity(constants: MuscleConstants, velocity: Any, xp: Any = np) -> Any:
    """Return the force [isometric forces] at a lengthening velocity [maximum shortening velocities]."""
    if constants.ideal:
        return xp.ones_like(velocity)
    extra = constants.lengthening - 1
    shortening = xp.clip(velocity + 1, 0, None) ** 2
    stretching = constants.lengthening - xp.clip(extra - velocity, 0, None) ** 2 / extra
    return xp.where(velocity <= 0, shortening, stretching)


def activation_rate(constants: MuscleConstants, excitation: Any, activation: Any, xp: Any = np) -> Any:
    """Return the rate of change of activation [1/s].

    First order, with time constants that grow with activation when it rises and shrink when it falls.
    """
    scale = 0.5 + 1.5 * xp.clip(activation, 0, 1)
    change = xp.clip(excitation, 0, 1) - activation
    return xp.where(change > 0, change / (constants.rise * scale), change * scale / constants.fall)
