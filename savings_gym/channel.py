"""How much of a force field a reach compensates, from the force it puts on an error-clamp channel."""

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arrays import Floats, as_finite, as_points, broadcast_leading


def lateral_component(vector: ArrayLike, direction: ArrayLike) -> Floats:
    """Component of planar vectors to the right of a direction, seen from above.

    Args:
        vector: (..., 2) displacements, velocities or forces.
        direction: (..., 2) direction of the reach, of any length but zero.

    Returns:
        (...), in the unit of `vector`; positive to the right.
    """
    vectors, along = as_points("vector", vector), as_points("direction", direction)
    broadcast_leading(vector=vectors.shape[:-1], direction=along.shape[:-1])
    length = np.linalg.norm(along, axis=-1)
    if np.any(length == 0.0):
        raise ValueError("direction has zero length, expected a target that differs from the start")
    return (vectors[..., 0] * along[..., 1] - vectors[..., 1] * along[..., 0]) / length


def ideal_channel_force(velocity: ArrayLike, field_matrix: ArrayLike) -> Floats:
    """Force of the hand that would cancel a velocity-dependent field: -B v at the measured velocity.

    Args:
        velocity: (..., T, 2) hand velocity in the channel [m/s].
        field_matrix: (2, 2) B of the field f = B v [N s/m].

    Returns:
        (..., T, 2) [N].
    """
    matrix = as_finite("field_matrix", field_matrix)
    if matrix.shape != (2, 2):
        raise ValueError(f"field_matrix has shape {matrix.shape}, expected (2, 2)")
    return -as_points("velocity", velocity) @ matrix.T


def channel_adaptation_index(force: ArrayLike, ideal_force: ArrayLike) -> Floats:
    """Slope of the force in a channel on the ideal force, a regression through the origin over the movement.

    The adaptation coefficient of force-channel studies (Smith, Ghazizadeh & Shadmehr 2006,
    doi 10.1371/journal.pbio.0040179), here ``sum(force * ideal) / sum(ideal**2)``. 1 is full compensation of
    the field, 0 none, negative a force with the field. Samples at rest have no ideal force and so no weight:
    the movement needs no cutting out.

    Args:
        force: (..., T) lateral force of the hand *on* the channel, that is minus the force of the channel on
            the hand [N].
        ideal_force: (..., T) `lateral_component` of `ideal_channel_force`, same side convention [N].

    Returns:
        (...), NaN where the ideal force is zero throughout.
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
