"""A displacement of activity: vectors added once, before one control step of a trial.

The displacement of the reference study (Shahbazi et al. 2026, eLife 14:RP107423) is m times a network's own
uniform shift u, at the preparatory time, with m from -2 to 2. Its control is `random_orthogonal`, of the same
length: if that moves behaviour as much, the length matters and not the direction of the shift.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.activity.phases import as_samples, name_networks, orthogonal_to
from savings_gym.arrays import Floats, as_finite, as_whole_number
from savings_gym.task.settings import TRIAL_STEPS


@dataclass(frozen=True, eq=False)
class Displacement:
    """Vectors added once to the activity of networks, before one control step.

    That step then takes in its observation as usual. The shape of the vector decides whose activity it
    displaces, by broadcasting to (networks, targets, units):

    - (units,): every network, before the reach to every target;
    - (targets, units): one vector per target, the same for every network;
    - (networks, 1, units): one vector per network, the same for every target;
    - (networks, targets, units): one vector per network and target.

    Args:
        step: Control step of the trial, 0 to 99.
        vector: What is added [activity]: an array, nested lists, or a tensor, whose gradient is dropped.

    Attributes:
        step: As given.
        vector: As given, as a read-only float64 array.

    Raises:
        ValueError: If the step lies outside the trial, or the vector has another number of axes, or values
            that are not finite numbers.
    """

    step: int
    vector: ArrayLike

    def __post_init__(self) -> None:
        """Check and copy the values."""
        step = as_whole_number("the step of a displacement", self.step)
        if step >= TRIAL_STEPS:
            raise ValueError(f"the step of a displacement must lie in 0..{TRIAL_STEPS - 1}, got {step}")
        given = self.vector
        if hasattr(given, "detach"):  # a tensor
            given = given.detach().cpu()
        vector = as_finite("the vector of a displacement", given).copy()
        if vector.ndim not in (1, 2, 3):
            raise ValueError(
                "the vector of a displacement must be (units,), (targets, units) or (networks, targets, "
                f"units), got shape {vector.shape}"
            )
        vector.flags.writeable = False
        object.__setattr__(self, "step", step)
        object.__setattr__(self, "vector", vector)

    def broadcast(self, networks: int, targets: int, units: int) -> Floats:
        """Return the vectors for networks and targets, (networks, targets, units).

        Args:
            networks: Number of networks.
            targets: Number of targets, or of trials, of each network.
            units: Number of units of each network.

        Raises:
            ValueError: If the vector does not broadcast to this shape, or has another number of units.
        """
        vector = np.asarray(self.vector)
        expected = (networks, targets, units)
        pairs = zip(vector.shape[-2::-1], expected[-2::-1], strict=False)
        if vector.shape[-1] != units or any(given not in (1, size) for given, size in pairs):
            raise ValueError(
                f"the vector of the displacement has shape {vector.shape}, expected ({units},), "
                f"({targets}, {units}) or {expected}; one vector per network is ({networks}, 1, {units})"
            )
        return np.broadcast_to(vector, expected)


def random_orthogonal(vector: ArrayLike, seed: int = 0, avoid: ArrayLike | None = None) -> Floats:
    """Return vectors of the same length, in random directions orthogonal to given ones.

    Directions are drawn evenly. Every network has its own, and the first networks keep theirs if more are
    added.

    Args:
        vector: (..., units), such as the vectors of a uniform shift.
        seed: Of a fresh generator.
        avoid: (..., units, k) further axes to which the direction is orthogonal.

    Returns:
        (..., units).

    Raises:
        ValueError: If a vector has no length, shapes do not match, or no direction is left.
    """
    given = as_samples("vector", vector, ("units",))
    none = ~np.any(given != 0.0, axis=-1)
    if np.any(none):
        raise ValueError(f"vector{name_networks(none)} has zero length, expected one that differs from zero")
    axes = given[..., None]
    if avoid is not None:
        others = as_finite("avoid", avoid)
        if others.shape[:-1] != given.shape:
            expected = f"({', '.join(str(n) for n in given.shape)}, k)"
            raise ValueError(f"avoid has shape {others.shape}, expected {expected}, as the vector has")
        # unit lengths, so that no axis is taken for rounding error beside a longer one
        lengths = np.linalg.norm(others, axis=-2, keepdims=True)
        others = np.divide(others, lengths, out=np.zeros_like(others), where=lengths > 0.0)
        axes = np.concatenate([axes / np.linalg.norm(axes, axis=-2, keepdims=True), others], axis=-1)
    units, taken = axes.shape[-2:]
    if units <= taken:
        raise ValueError(f"vector has {units} units, expected more than the {taken} directions to avoid")
    drawn = orthogonal_to(np.random.default_rng(seed).standard_normal(given.shape), axes)
    length = np.linalg.norm(given, axis=-1, keepdims=True)
    return drawn * (length / np.linalg.norm(drawn, axis=-1, keepdims=True))
