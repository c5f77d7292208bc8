"""What one network did in a probe, as arrays, and the force that its muscles push with at the hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from savings_gym.arm import Arm, load_arm
from savings_gym.arrays import Floats

SERIES = ("hidden", "excitation", "muscle_force", "hand_force", "hand", "velocity")
OPTIONAL = ("muscle_force",)  # a torque arm has none


@dataclass(frozen=True, eq=False)
class Recording:
    """What one network (or n networks, with an axis of n in front) did in the T control steps of a probe.

    Attributes:
        hidden: (targets, T, units) activity in each control step.
        excitation: (targets, T, actuators) action, without noise.
        muscle_force: (targets, T, 6) N, at the beginning of each control step; None on a torque arm.
        hand_force: (targets, T, 2) N, likewise, see `hand_force`.
        hand: (targets, T + 1, 2) m, at the beginning of each control step and at the end of the last.
        velocity: (targets, T + 1, 2) m/s, likewise.
    """

    hidden: NDArray[Any]
    excitation: NDArray[Any]
    muscle_force: NDArray[Any] | None
    hand_force: NDArray[Any]
    hand: NDArray[Any]
    velocity: NDArray[Any]


def muscle_torque(q: ArrayLike, muscle_force: ArrayLike, arm: Arm | None = None) -> Floats:
    """Joint torques of the muscles, N m, (..., 2): tau = -sum over muscles of moment arm times force.

    Args:
        q: (..., 2) rad.
        muscle_force: (..., 6) N, positive when it pulls.
        arm: The muscle arm, if another one than that of the package.
    """
    arms = (arm or load_arm("muscle")).moment_arms(q)
    torque: Floats = -(arms * np.asarray(muscle_force, dtype=float)[..., None]).sum(-2)
    return torque


def hand_force(q: ArrayLike, torque: ArrayLike, arm: Arm | None = None) -> Floats:
    """Force at the hand that joint torques amount to, N, (..., 2): f = J(q)^-T tau.

    A force -f on the hand would hold an arm at rest still. Not finite where the elbow is straight.

    Args:
        q: (..., 2) rad.
        torque: (..., 2) N m.
        arm: The arm, if another one than that of the package.
    """
    jacobian = (arm or load_arm("muscle")).hand_jacobian(q)
    tau = np.asarray(torque, dtype=float)
    a, b, c, d = jacobian[..., 0, 0], jacobian[..., 0, 1], jacobian[..., 1, 0], jacobian[..., 1, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        force: Floats = (
            np.stack([d * tau[..., 0] - c * tau[..., 1], a * tau[..., 1] - b * tau[..., 0]], -1)
            / (a * d - b * c)[..., None]
        )
    return force


def stacked_recordings(phase: str, given: Recording | Sequence[Recording]) -> Recording:
    """Recordings of one network each as one of all of them."""
    if isinstance(given, Recording):
        return given
    if not given:
        raise ValueError(f"phase {phase!r} has no recording, expected one a network")
    shapes = [shapes_of(one) for one in given]
    if odd := [i for i, shape in enumerate(shapes) if shape != shapes[0]]:
        raise ValueError(f"phase {phase!r}: network {odd[0]} has {shapes[odd[0]]}, network 0 has {shapes[0]}")
    names = [name for name in SERIES if getattr(given[0], name) is not None]
    series: dict[str, Any] = {"muscle_force": None}
    return Recording(**series | {name: np.stack([getattr(one, name) for one in given]) for name in names})


def checked_recording(phase: str, one: Recording) -> Recording:
    """The recording, if its arrays fit to each other."""
    hidden, action = np.shape(one.hidden), np.shape(one.excitation)
    if len(hidden) != 4 or 0 in hidden or len(action) != 4:
        raise ValueError(
            f"phase {phase!r}: hidden has shape {hidden} and excitation {action}, expected (networks, "
            "targets, time, units) and (networks, targets, time, actuators) without an empty axis"
        )
    n, targets, steps, _ = hidden
    expected = {
        "excitation": (n, targets, steps, action[-1]),
        "muscle_force": (n, targets, steps, action[-1]),
        "hand_force": (n, targets, steps, 2),
        "hand": (n, targets, steps + 1, 2),
        "velocity": (n, targets, steps + 1, 2),
    }
    for name, shape in expected.items():
        found = getattr(one, name)
        if np.shape(found) != shape and not (found is None and name in OPTIONAL):
            raise ValueError(f"phase {phase!r}: {name} has shape {np.shape(found)}, expected {shape}")
    return one


def shapes_of(one: Recording) -> dict[str, tuple[int, ...]]:
    """Shape of every array that there is."""
    return {name: np.shape(getattr(one, name)) for name in SERIES if getattr(one, name) is not None}
