"""How much of a force field a reach compensates, from its force on the walls of an error-clamp channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arrays import Floats, as_finite, as_points, broadcast_leading
from savings_gym.metrics.kinematics import lateral_component
from savings_gym.perturbations.fields import ChannelField, CurlField, Field, ViscousField
from savings_gym.task.settings import CONTROL_STEP


def ideal_channel_force(velocity: ArrayLike, field_matrix: ArrayLike) -> Floats:
    """Return the hand force that would cancel a velocity-dependent field: -B v at the measured velocity.

    Args:
        velocity: (..., T, 2) hand velocity in the channel [m/s].
        field_matrix: (2, 2) B of the field f = B v [N s/m].

    Returns:
        (..., T, 2) [N].

    Raises:
        ValueError: If a shape is not as given here, or a value is not finite.
    """
    matrix = as_finite("field_matrix", field_matrix)
    if matrix.shape != (2, 2):
        raise ValueError(f"field_matrix has shape {matrix.shape}, expected (2, 2)")
    return -as_points("velocity", velocity) @ matrix.T


def channel_adaptation_index(force: ArrayLike, ideal_force: ArrayLike) -> Floats:
    """Return the slope of the force in a channel on the ideal force, regressed through the origin.

    This is the adaptation coefficient of force-channel studies (Smith, Ghazizadeh & Shadmehr 2006,
    doi 10.1371/journal.pbio.0040179), ``sum(force * ideal) / sum(ideal**2)``: 1 if the field is fully
    compensated, 0 if not at all, negative for a force with the field. Samples at rest have no ideal force and
    so no weight: the movement need not be cut out.

    Args:
        force: (..., T) lateral force of the hand *on* the channel, minus that of the channel on the hand [N].
        ideal_force: (..., T) `lateral_component` of `ideal_channel_force`, same side convention [N].

    Returns:
        (...), NaN if the ideal force is zero throughout.

    Raises:
        ValueError: If the shapes do not fit, or a value is not finite.
    """
    measured, ideal = as_finite("force", force), as_finite("ideal_force", ideal_force)
    if measured.ndim == 0 or ideal.ndim == 0 or measured.shape[-1] != ideal.shape[-1]:
        raise ValueError(
            f"force and ideal_force have shapes {measured.shape} and {ideal.shape}, expected both (..., T)"
        )
    broadcast_leading(force=measured.shape[:-1], ideal_force=ideal.shape[:-1])
    product = np.sum(measured * ideal, axis=-1)
    square = np.broadcast_to(np.sum(ideal * ideal, axis=-1), product.shape)
    index: Floats = np.divide(product, square, out=np.full(product.shape, np.nan), where=square > 0.0)
    return index


@dataclass(frozen=True, eq=False)
class ChannelResult:
    """Forces and adaptation in 8 reaches between the walls of a channel.

    Attributes:
        adaptation: (8,) `channel_adaptation_index`: 1 if the field is fully compensated, 0 if not at all.
        across: (8, 100) force of the hand on the walls at the end of every control step, positive to the
            right of the reach; zero before go [N].
        along: (8, 100) the same along the reach, where a channel exerts no force beyond rounding [N].
        ideal: (8, 100) `across` of a hand that cancels the field at its measured velocity [N].
    """

    adaptation: Floats
    across: Floats
    along: Floats
    ideal: Floats


def velocity_matrix(field: Field) -> Floats:
    """Return B, (2, 2), of a field f = B v [N s/m].

    Raises:
        ValueError: If the field is of another kind.
    """
    if not isinstance(field, CurlField | ViscousField):
        raise ValueError(f"a channel measures adaptation to a CurlField or a ViscousField, got {field!r}")
    return field.coefficients(np.zeros((1, 2)), np.ones((1, 2))).B[0]


def channel_result(
    path: Floats,
    velocity: Floats,
    start: Floats,
    target: Floats,
    matrix: Floats,
    walls: ChannelField,
    go_time: float,
) -> ChannelResult:
    """Return the forces on the walls of a channel, and the adaptation to a field f = matrix v.

    Args:
        path: (n, T, 2) hand position at the end of every control step [m].
        velocity: (n, T, 2) hand velocity [m/s].
        start: (n, 2) start of every reach [m].
        target: (n, 2) [m].
        matrix: (2, 2), see `velocity_matrix` [N s/m].
        walls: The channel, which acts from the go signal on.
        go_time: Of the go signal [s].
    """
    steps = path.shape[1]
    fields = walls.coefficients(start, target).take(np.repeat(np.arange(len(start)), steps))
    push = -fields.force(path.reshape(-1, 2), velocity.reshape(-1, 2)).reshape(path.shape)
    reach = (target - start)[:, None]  # (n, 1, 2)
    after_go = np.arange(1, steps + 1) > round(go_time / CONTROL_STEP)
    across = lateral_component(push, reach) * after_go
    along = np.sum(push * reach, axis=-1) / np.linalg.norm(reach, axis=-1) * after_go
    ideal = lateral_component(ideal_channel_force(velocity, matrix), reach) * after_go
    return ChannelResult(channel_adaptation_index(across, ideal), across, along, ideal)
