"""Subspaces of activity: principal axes, trajectories in them, alignment, and what a read-out sees.

Samples are activity (..., samples, units): all targets and times of a phase, one below the other. Trials are
a mapping of phase names to (..., targets, time, units). Leading axes are networks, each analysed by itself. A
rotation of unit space turns subspaces with it and leaves coordinates, distances and indices as they are.

A read-out ``W x`` of activity x, before any non-linearity, sees only the component of x in the row space of
W, the output-potent one; the rest is output-null (Kaufman et al. 2014, doi 10.1038/nn.3643). Preparatory
activity is expected there, and so is a shift that does not move the arm by itself.

For the angles between two subspaces, use `scipy.linalg.subspace_angles`.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.activity.phases import (
    NEGLIGIBLE,
    OVER_TRIALS,
    Activity,
    as_activity,
    as_samples,
    matmul_per_network,
    name_networks,
    orthonormal_basis,
    subtract_per_network,
)
from savings_gym.arrays import Floats, as_finite

SAMPLES = ("samples", "units")


@dataclass(frozen=True, eq=False)
class Subspace:
    """Principal components of activity.

    Attributes:
        mean: (..., units) mean over samples.
        axes: (..., units, k) orthonormal, by falling variance; along each, the sample farthest from the mean
            is on the positive side.
        variance: (..., k) along each axis.
        total: (...) variance summed over unit space.
    """

    mean: Floats
    axes: Floats
    variance: Floats
    total: Floats

    def project(self, activity: ArrayLike) -> Floats:
        """Return the coordinates, (networks..., any axes, k), of activity (networks..., any axes, units)."""
        return matmul_per_network(subtract_per_network(activity, self.mean), self.axes)


def principal_subspace(samples: ArrayLike, components: int) -> Subspace:
    """Return the directions of largest variance, from the singular values of centred samples.

    Args:
        samples: (..., samples, units).
        components: k, from 1 to the smallest of samples - 1, units and the rank of the samples.

    Raises:
        ValueError: If there are too few samples, or they vary in fewer than k dimensions.
    """
    x = as_samples("samples", samples, SAMPLES)
    most = min(x.shape[-2] - 1, x.shape[-1])
    if not 1 <= components <= most:
        raise ValueError(
            f"components is {components}, expected 1 to {most}, as there are {x.shape[-2]} samples of "
            f"{x.shape[-1]} units"
        )
    mean = x.mean(axis=-2)
    left, values, right = np.linalg.svd(x - mean[..., None, :], full_matrices=False)
    rank = np.sum((values > NEGLIGIBLE * values[..., :1]) & (values > 0.0), axis=-1)
    if np.any(rank < components):
        raise ValueError(
            f"samples{name_networks(rank < components)} vary in {rank.min()} dimensions, expected at least "
            f"{components}, the number of components"
        )
    scores = left[..., :components] * values[..., None, :components]
    farthest = np.take_along_axis(scores, np.argmax(np.abs(scores), axis=-2)[..., None, :], axis=-2)
    axes = np.swapaxes(right[..., :components, :], -1, -2) * np.sign(farthest)
    variance = values**2 / (x.shape[-2] - 1)
    return Subspace(mean, axes, variance[..., :components], variance.sum(axis=-1))


def alignment_index(samples: ArrayLike, subspace: Subspace) -> Floats:
    """Return the variance of samples in a subspace of k dimensions, over the most that k dimensions can hold.

    ``trace(D' C D) / sum of the k largest eigenvalues of C``, with C the covariance of the samples and D the
    axes of the subspace (Elsayed et al. 2016, doi 10.1038/ncomms13239). Not symmetric.

    Args:
        samples: (..., samples, units).
        subspace: Of other samples of the same networks.

    Returns:
        (...), 0 for orthogonal subspaces to 1 for the same one.

    Raises:
        ValueError: If samples and subspace differ in networks or units, or there are too few samples.
    """
    own = principal_subspace(samples, subspace.axes.shape[-1])
    if own.axes.shape != subspace.axes.shape:
        raise ValueError(
            f"samples and subspace have networks and units {own.mean.shape} and {subspace.mean.shape}, "
            "expected the same"
        )
    centred = subtract_per_network(samples, own.mean)
    return _squares_along(centred, subspace.axes) / (centred.shape[-2] - 1) / own.variance.sum(axis=-1)


def chance_alignment(samples: ArrayLike, components: int) -> Floats:
    """Return the mean `alignment_index` of samples with random subspaces of unit space, (...).

    In closed form: a random subspace of k of N dimensions holds, on average, k / N of all variance.

    Args:
        samples: (..., samples, units).
        components: k.
    """
    own = principal_subspace(samples, components)
    return components / own.mean.shape[-1] * own.total / own.variance.sum(axis=-1)


def random_alignment(
    samples: ArrayLike, pooled: ArrayLike, components: int, draws: int = 1000, seed: int = 0
) -> Floats:
    """Return the `alignment_index` of samples with random subspaces of the dimensions that activity uses.

    The null of Elsayed et al. 2016: subspaces span ``C**(1/2) g`` for k Gaussian vectors g, with C the
    covariance of pooled activity. Activity of few dimensions always exceeds `chance_alignment`: only
    alignment beyond this null is evidence.

    Args:
        samples: (..., samples, units).
        pooled: (..., pooled samples, units), for example of all phases.
        components: k.
        draws: Number of subspaces.
        seed: Of a fresh generator.

    Returns:
        (draws, ...).

    Raises:
        ValueError: If there is no draw, or samples differ from the pooled ones in networks or units.
    """
    if draws < 1:
        raise ValueError(f"draws is {draws}, expected at least 1")
    own, x = principal_subspace(samples, components), as_samples("samples", samples, SAMPLES)
    every = as_samples("pooled", pooled, SAMPLES)
    if every.shape[:-2] != x.shape[:-2] or every.shape[-1] != x.shape[-1]:
        raise ValueError(
            f"samples and pooled have shapes {x.shape} and {every.shape}, expected the same networks and "
            "units"
        )
    root, spread = _root(x), np.swapaxes(_root(every), -1, -2)  # spread: (..., units, rank)
    rng, most = np.random.default_rng(seed), own.variance.sum(axis=-1)
    indices = np.empty((draws, *x.shape[:-2]))
    for index in indices if indices.ndim > 1 else indices[:, None]:
        drawn = spread @ rng.standard_normal((*spread.shape[:-2], spread.shape[-1], components))
        index[...] = _squares_along(root, orthonormal_basis(drawn)) / most
    return indices


def _root(x: Floats) -> Floats:
    """R (..., rank, units) with R' R the covariance of samples (..., samples, units)."""
    _, values, right = np.linalg.svd(x - x.mean(axis=-2, keepdims=True), full_matrices=False)
    root: Floats = values[..., None] * right / np.sqrt(max(x.shape[-2] - 1, 1))
    return root


def _squares_along(rows: Floats, axes: Floats) -> Floats:
    """Squares of rows (..., rows, units) along orthonormal axes (..., units, k), summed over both."""
    return np.sum((rows @ axes) ** 2, axis=(-2, -1))


class OutputSplit(NamedTuple):
    """Two orthogonal parts of activity, which add up to it.

    Attributes:
        null: Part that the read-out does not see, W null = 0; in the shape of the activity.
        potent: Part that it sees, W potent = W activity; in the shape of the activity.
    """

    null: Floats
    potent: Floats


def output_split(activity: ArrayLike, readout: ArrayLike) -> OutputSplit:
    """Split activity into its output-null and output-potent parts.

    Args:
        activity: (networks..., any axes, units).
        readout: (networks..., outputs, units) W, for example the `readout_weight` of an ensemble.

    Raises:
        ValueError: If networks or units do not match, or a read-out is zero throughout.
    """
    array, weights = as_finite("activity", activity), as_samples("readout", readout, ("outputs", "units"))
    blind = ~np.any(weights != 0.0, axis=(-2, -1))
    if np.any(blind):
        raise ValueError(
            f"readout{name_networks(blind)} is zero throughout, expected a read-out that sees activity"
        )
    basis = orthonormal_basis(np.swapaxes(weights, -1, -2))  # of the row space of W
    potent = matmul_per_network(matmul_per_network(array, basis), np.swapaxes(basis, -1, -2))
    return OutputSplit(array - potent, potent)


def common_subspace(activity: Activity, components: int, phases: tuple[str, ...] | None = None) -> Subspace:
    """Return the principal subspace of the trials of several phases together.

    Args:
        activity: Phase name to (..., targets, time, units).
        components: Dimensions of the subspace.
        phases: Phases that define it; all of them if None. With one phase alone, the others show how they
            depart from it.
    """
    trials = as_activity(activity, phases or (), OVER_TRIALS)
    samples = np.concatenate([_samples(trials[phase]) for phase in phases or trials], axis=-2)
    return principal_subspace(samples, components)


def phase_trajectories(
    activity: Activity, components: int, phases: tuple[str, ...] | None = None
) -> dict[str, Floats]:
    """Return all phases in their `common_subspace`, phase to (..., targets, time, components)."""
    subspace = common_subspace(activity, components, phases)
    return {phase: subspace.project(x) for phase, x in as_activity(activity, (), OVER_TRIALS).items()}


def trajectory_distance(activity: Activity, reference: str = "NF1") -> dict[str, Floats]:
    """Return the distance of every phase from another at the same target and time, ``|x_p - x_ref|``.

    Args:
        activity: Phase name to (..., targets, time, units): activity, or its trajectories in a subspace,
            which are never farther apart.
        reference: Phase from which distances are measured.

    Returns:
        Phase name to (..., targets, time), in the unit of the activity.
    """
    trials = as_activity(activity, (reference,), OVER_TRIALS)
    return {phase: np.linalg.norm(x - trials[reference], axis=-1) for phase, x in trials.items()}


def phase_alignment(activity: Activity, components: int, reference: str = "NF1") -> dict[str, Floats]:
    """Return the `alignment_index` of the trials of every phase with the principal subspace of one phase.

    Args:
        activity: Phase name to (..., targets, time, units).
        components: Dimensions of the subspaces.
        reference: Phase that defines the subspace.

    Returns:
        Phase name to (...), 0 to 1; 1 for the reference itself.
    """
    samples = {p: _samples(x) for p, x in as_activity(activity, (reference,), OVER_TRIALS).items()}
    subspace = principal_subspace(samples[reference], components)
    return {phase: alignment_index(x, subspace) for phase, x in samples.items()}


def _samples(trials: Floats) -> Floats:
    """Trials (..., targets, time, units) as samples (..., targets * time, units)."""
    return trials.reshape(*trials.shape[:-3], -1, trials.shape[-1])
