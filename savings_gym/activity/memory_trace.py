"""Memory trace: whether activity of a familiar task serves another task better once that has been learned.

After Losey et al. 2024 (doi 10.1016/j.cub.2024.03.003). Their monkeys moved a cursor through a brain-computer
interface, a known linear map of activity to cursor velocity; learned a new map; and returned to the familiar
one. Activity in the familiar blocks before and after was passed offline through the new map. The trace that
learning left is the difference, after - before, of the mean progress (cursor velocity towards the target).

An arm has no such map. In its place stands a linear read-out of hand velocity, fitted to the activity of the
phase that was learned: ``v = (x - x_mean) W + v_mean``, least squares on the principal components of the
activity. Any other map of the same form will do.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.activity.phases import (
    OVER_TRIALS,
    Activity,
    as_activity,
    as_samples,
    matmul_per_network,
    name_networks,
    subtract_per_network,
)
from savings_gym.activity.subspaces import principal_subspace
from savings_gym.arrays import Floats, as_points, broadcast_leading


@dataclass(frozen=True, eq=False)
class VelocityReadout:
    """Linear map from activity to velocity.

    Attributes:
        weights: (..., units, 2) W [m/s per unit of activity].
        centre: (..., units) activity that the map takes to `offset`.
        offset: (..., 2) [m/s].
        fit: (...) share of the variance of velocity that the map explains where it was fitted, 0 to 1.
    """

    weights: Floats
    centre: Floats
    offset: Floats
    fit: Floats

    def velocity(self, activity: ArrayLike) -> Floats:
        """Return the velocity (networks..., any axes, 2) of activity (networks..., any axes, units) [m/s]."""
        velocity = matmul_per_network(subtract_per_network(activity, self.centre), self.weights)
        between = (1,) * (velocity.ndim - self.offset.ndim)
        return velocity + self.offset.reshape(*self.offset.shape[:-1], *between, 2)


def velocity_readout(activity: ArrayLike, velocity: ArrayLike, components: int = 10) -> VelocityReadout:
    """Fit hand velocity to the principal components of activity by least squares.

    The components are few, as in brain-computer interfaces: directions in which the fitted phase hardly
    varies stay out, so that activity of another phase is not amplified along them.

    Args:
        activity: (..., targets, time, units) of the phase that was learned.
        velocity: (..., targets, time, 2) hand velocity in the same trials [m/s].
        components: Number of principal components, at most the rank of the activity.

    Raises:
        ValueError: If shapes do not match, the hand does not move, or the activity has fewer dimensions.
    """
    x, v = as_samples("activity", activity, OVER_TRIALS), as_points("velocity", velocity)
    if v.shape != (*x.shape[:-1], 2):
        raise ValueError(
            f"velocity has shape {v.shape}, expected {(*x.shape[:-1], 2)}, as activity has {x.shape}"
        )
    samples = x.reshape(*x.shape[:-3], -1, x.shape[-1])
    flat = v.reshape(*samples.shape[:-1], 2)
    offset = flat.mean(axis=-2)
    centred = flat - offset[..., None, :]
    still = ~np.any(centred != 0.0, axis=(-2, -1))
    if np.any(still):
        raise ValueError(
            f"velocity{name_networks(still)} never changes, expected trials in which the hand moves"
        )
    subspace = principal_subspace(samples, components)
    scores = subspace.project(samples)  # (..., samples, k), orthogonal columns
    squares = np.sum(scores * scores, axis=-2)
    weights = subspace.axes @ ((np.swapaxes(scores, -1, -2) @ centred) / squares[..., None])
    error = centred - matmul_per_network(subtract_per_network(samples, subspace.mean), weights)
    fit = 1.0 - np.sum(error * error, axis=(-2, -1)) / np.sum(centred * centred, axis=(-2, -1))
    return VelocityReadout(weights, subspace.mean, offset, fit)


def progress(velocity: ArrayLike, direction: ArrayLike) -> Floats:
    """Return the velocity towards the target, ``v . d / |d|``.

    Args:
        velocity: (..., 2) [m/s].
        direction: (..., 2) from the hand (or its start) to the target, of any length but zero.

    Returns:
        (...) [m/s], negative away from the target.

    Raises:
        ValueError: If a direction has no length, shapes do not fit, or a value is not finite.
    """
    moving, along = as_points("velocity", velocity), as_points("direction", direction)
    broadcast_leading(velocity=moving.shape[:-1], direction=along.shape[:-1])
    length = np.linalg.norm(along, axis=-1)
    if np.any(length == 0.0):
        raise ValueError("direction has zero length, expected targets that differ from the start")
    towards: Floats = np.sum(moving * along, axis=-1) / length
    return towards


def memory_trace(
    activity: Activity,
    readout: VelocityReadout,
    direction: ArrayLike,
    *,
    before: str = "NF1",
    after: str = "NF2",
) -> Floats:
    """Return the progress of familiar activity through another phase's read-out, after learning less before.

    ``mean_{k, t}(progress(readout(x[after, k, t]))) - mean_{k, t}(progress(readout(x[before, k, t])))``, over
    all targets and times given: cut trials to the reach first.

    Args:
        activity: Phase name to (..., targets, time, units).
        readout: Read-out of the phase that was learned in between, of the same networks.
        direction: (..., targets, 2) of the reaches, the same in both phases; broadcast over networks.
        before: Familiar phase before learning.
        after: Familiar phase after it.

    Returns:
        (...) [m/s]; positive for a trace that serves the learned task.

    Raises:
        ValueError: If a phase is missing, or shapes do not fit each other or the read-out.
    """
    phases = as_activity(activity, (before, after), OVER_TRIALS)
    reach = as_points("direction", direction)
    targets = phases[before].shape[-3]
    if reach.ndim < 2 or reach.shape[-2] != targets:
        raise ValueError(
            f"direction has shape {reach.shape}, expected (..., {targets}, 2), one row per target"
        )
    mean = {
        p: progress(readout.velocity(phases[p]), reach[..., None, :]).mean((-2, -1)) for p in (before, after)
    }
    trace: Floats = mean[after] - mean[before]
    return trace
