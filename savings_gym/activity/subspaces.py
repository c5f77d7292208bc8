"""Where activity lives: principal subspaces, how two of them lie to each other, and what a read-out sees.

Samples are activity (..., samples, units): all targets and times of a phase, one below the other; the leading
axes are networks. A rotation of all activity in unit space turns subspaces with it and leaves coordinates,
angles and indices as they are. Trajectories by phase are in `savings_gym.activity.subspaces`.

Activity that a read-out sees, and activity that it does not.

A read-out ``W x`` of activity x, before any non-linearity, sees only the component of x in the row space of
W, the output-potent one; the rest is output-null (Kaufman et al. 2014, doi 10.1038/nn.3643). Preparatory
activity, and a shift that shall not move the arm by itself, is expected there.

Trajectories of activity, phase against phase: in a common subspace, how far apart, how well aligned.

Activity is a mapping of phase names to trials (..., targets, time, units); the leading axes are networks. The
subspaces are those of `savings_gym.activity.subspaces`.
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
    minus_per_network,
    orthonormal_basis,
    per_network,
    which,
)
from savings_gym.arrays import Floats, as_finite

SAMPLES = ("samples", "units")


@dataclass(frozen=True, eq=False)
class Subspace:
    """Principal components of activity.

    Attributes:
        mean: (..., units) mean over samples.
        axes: (..., units, k) orthonormal, by falling variance; on each, the sample farthest from the mean
            lies on the positive side.
        variance: (..., k) variance along each axis.
        total: (...) variance summed over all of unit space.
    """

    mean: Floats
    axes: Floats
    variance: Floats
    total: Floats

    def project(self, activity: ArrayLike) -> Floats:
        """Coordinates of activity (networks..., any axes, units): (networks..., any axes, k)."""
        return per_network(minus_per_network(activity, self.mean), self.axes)


def principal_subspace(samples: ArrayLike, components: int) -> Subspace:
    """The `components` directions of largest variance, from the singular values of centred samples.

    Args:
        samples: (..., samples, units).
        components: k, at least 1 and no more than samples - 1, units and the rank of the samples.

    Raises:
        ValueError: If samples are too few or vary in fewer dimensions than are asked for.
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
            f"samples{which(rank < components)} vary in {rank.min()} dimensions, expected at least "
            f"{components}, as components asks for"
        )
    scores = left[..., :components] * values[..., None, :components]
    farthest = np.take_along_axis(scores, np.argmax(np.abs(scores), axis=-2)[..., None, :], axis=-2)
    axes = np.swapaxes(right[..., :components, :], -1, -2) * np.sign(farthest)
    variance = values**2 / (x.shape[-2] - 1)
    return Subspace(mean, axes, variance[..., :components], variance.sum(axis=-1))


def principal_angles(axes: ArrayLike, other: ArrayLike) -> Floats:
    """Angles between two subspaces, smallest first; 0 = a shared direction, pi / 2 = orthogonal.

    Cosines are the singular values of Q1' Q2 for orthonormal bases Q1 and Q2, small angles come from their
    sines (Bjorck & Golub 1973, doi 10.1090/S0025-5718-1973-0348991-3).

    Args:
        axes: (..., units, k) independent columns.
        other: (..., units, m) independent columns.

    Returns:
        (..., min(k, m)) [rad].
    """
    bases = [_basis("axes", axes), _basis("other", other)]
    if bases[0].shape[:-1] != bases[1].shape[:-1]:
        raise ValueError(
            f"axes and other have {bases[0].shape} and {bases[1].shape}, expected one (..., units)"
        )
    wide, narrow = sorted(bases, key=lambda basis: -basis.shape[-1])
    inner = np.swapaxes(wide, -1, -2) @ narrow
    cosine = np.clip(np.linalg.svd(inner, compute_uv=False), 0.0, 1.0)
    sine = np.clip(np.linalg.svd(narrow - wide @ inner, compute_uv=False)[..., ::-1], 0.0, 1.0)
    return np.where(cosine**2 > 0.5, np.arcsin(sine), np.arccos(cosine))


def alignment_index(samples: ArrayLike, other: ArrayLike, components: int) -> Floats:
    """Variance of samples in the principal subspace of others, of the most that k dimensions can hold.

    ``trace(D' C D) / sum of the k largest eigenvalues of C``, with C the covariance of the samples and D the
    k principal axes of the others (Elsayed et al. 2016, doi 10.1038/ncomms13239). 1 = the same subspace, 0 =
    orthogonal ones; not symmetric.

    Args:
        samples: (..., samples, units).
        other: (..., other samples, units).
        components: k.

    Returns:
        (...), 0 to 1.
    """
    return alignment_with(samples, principal_subspace(other, components))


def alignment_with(samples: ArrayLike, subspace: Subspace) -> Floats:
    """`alignment_index` of samples (..., samples, units) with a subspace that is known already, (...)."""
    own = principal_subspace(samples, subspace.axes.shape[-1])
    if own.axes.shape != subspace.axes.shape:
        raise ValueError(
            f"samples and other have networks and units {own.mean.shape} and {subspace.mean.shape}, expected "
            "the same"
        )
    held = _held(minus_per_network(samples, own.mean), subspace.axes) / (np.shape(samples)[-2] - 1)
    return held / own.variance.sum(axis=-1)


def chance_alignment(samples: ArrayLike, components: int) -> Floats:
    """Mean `alignment_index` of samples with subspaces drawn evenly from all of unit space, (...).

    In closed form: a random subspace of k of N dimensions holds the fraction k / N of all variance.

    Args:
        samples: (..., samples, units).
        components: k.
    """
    own = principal_subspace(samples, components)
    return components / own.mean.shape[-1] * own.total / own.variance.sum(axis=-1)


def random_alignment(
    samples: ArrayLike, pooled: ArrayLike, components: int, draws: int = 1000, seed: int = 0
) -> Floats:
    """`alignment_index` of samples with random subspaces of the space that activity uses at all.

    The null of Elsayed et al. 2016: subspaces span ``C**(1/2) g`` for k Gaussian vectors g, C the covariance
    of pooled activity. Activity of few dimensions is always better aligned than `chance_alignment` says;
    beyond this null, alignment says something.

    Args:
        samples: (..., samples, units).
        pooled: (..., pooled samples, units), such as all phases.
        components: k.
        draws: How many subspaces.
        seed: Of a fresh generator.

    Returns:
        (draws, ...).
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
    found = np.empty((draws, *x.shape[:-2]))
    for draw in found if found.ndim > 1 else found[:, None]:
        drawn = spread @ rng.standard_normal((*spread.shape[:-2], spread.shape[-1], components))
        draw[...] = _held(root, orthonormal_basis(drawn)) / most
    return found


def _root(x: Floats) -> Floats:
    """R (..., rank, units) with R' R the covariance of samples (..., samples, units)."""
    _, values, right = np.linalg.svd(x - x.mean(axis=-2, keepdims=True), full_matrices=False)
    root: Floats = values[..., None] * right / np.sqrt(max(x.shape[-2] - 1, 1))
    return root


def _held(rows: Floats, axes: Floats) -> Floats:
    """Squares of rows (..., rows, units) along orthonormal axes (..., units, k), summed over both."""
    return np.sum((rows @ axes) ** 2, axis=(-2, -1))


def _basis(name: str, axes: ArrayLike) -> Floats:
    """Orthonormal basis of independent columns (..., units, k)."""
    columns = as_samples(name, axes, ("units", "k"))
    basis = orthonormal_basis(columns)
    lacking = np.sum(np.any(basis != 0.0, axis=-2), axis=-1) < columns.shape[-1]
    if np.any(lacking):
        raise ValueError(f"{name}{which(lacking)} has columns that depend on each other, expected a basis")
    return basis


class OutputSplit(NamedTuple):
    """Two orthogonal parts of activity, of its shape, whose sum it is.

    Attributes:
        null: Part that the read-out does not see, W null = 0.
        potent: Part that it sees, W potent = W activity.
    """

    null: Floats
    potent: Floats


def potent_projector(readout: ArrayLike) -> Floats:
    """Projector P = V V' onto the row space of a read-out, V its right singular vectors of non-zero value.

    Args:
        readout: (..., outputs, units) W.

    Returns:
        (..., units, units), symmetric, P P = P, of the rank of W.

    Raises:
        ValueError: If a read-out is zero throughout, and sees nothing.
    """
    weights = as_samples("readout", readout, ("outputs", "units"))
    blind = ~np.any(weights != 0.0, axis=(-2, -1))
    if np.any(blind):
        raise ValueError(f"readout{which(blind)} is zero throughout, expected a read-out that sees activity")
    basis = orthonormal_basis(np.swapaxes(weights, -1, -2))
    return basis @ np.swapaxes(basis, -1, -2)


def output_split(activity: ArrayLike, readout: ArrayLike) -> OutputSplit:
    """Output-null and output-potent parts of activity.

    Args:
        activity: (networks..., any axes, units).
        readout: (networks..., outputs, units), such as the `readout_weight` of an ensemble.

    Raises:
        ValueError: If networks or units do not match, or a read-out is zero.
    """
    array = as_finite("activity", activity)
    potent = per_network(array, potent_projector(readout))
    return OutputSplit(array - potent, potent)


def common_subspace(activity: Activity, components: int, phases: tuple[str, ...] | None = None) -> Subspace:
    """Principal subspace of the trials of several phases together.

    Args:
        activity: Phase name to (..., targets, time, units).
        components: Dimensions of the subspace.
        phases: Phases that define it; all that are given if None. One phase alone, NF1 say, makes the others
            appear as they depart from it.
    """
    found = as_activity(activity, phases or (), OVER_TRIALS)
    return principal_subspace(
        np.concatenate([_samples(found[p]) for p in phases or found], axis=-2), components
    )


def phase_trajectories(
    activity: Activity, components: int, phases: tuple[str, ...] | None = None
) -> dict[str, Floats]:
    """Trajectories of all phases in the `common_subspace`, phase to (..., targets, time, components)."""
    subspace = common_subspace(activity, components, phases)
    return {phase: subspace.project(x) for phase, x in as_activity(activity, (), OVER_TRIALS).items()}


def trajectory_distance(activity: Activity, reference: str = "NF1") -> dict[str, Floats]:
    """Euclidean distance of every phase from another at the same target and time, ``|x_p - x_ref|``.

    Args:
        activity: Phase name to (..., targets, time, units): activity itself, or trajectories in a subspace,
            which are never farther apart.
        reference: Phase from which distances are taken.

    Returns:
        Phase name to (..., targets, time), in the unit of the activity.
    """
    found = as_activity(activity, (reference,), OVER_TRIALS)
    return {phase: np.linalg.norm(x - found[reference], axis=-1) for phase, x in found.items()}


def phase_alignment(activity: Activity, components: int, reference: str = "NF1") -> dict[str, Floats]:
    """`alignment_index` of every phase's trials with the principal subspace of one phase.

    Args:
        activity: Phase name to (..., targets, time, units).
        components: Dimensions of the subspaces.
        reference: Phase whose subspace it is.

    Returns:
        Phase name to (...), 0 to 1; 1 for the reference itself.
    """
    samples = {p: _samples(x) for p, x in as_activity(activity, (reference,), OVER_TRIALS).items()}
    subspace = principal_subspace(samples[reference], components)
    return {phase: alignment_with(x, subspace) for phase, x in samples.items()}


def _samples(trials: Floats) -> Floats:
    """Trials (..., targets, time, units) as samples (..., targets * time, units)."""
    return trials.reshape(*trials.shape[:-3], -1, trials.shape[-1])
