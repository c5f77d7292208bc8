"""Correlation of two values a network, with a bootstrap interval; also within groups of networks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arrays import Floats, as_finite
from savings_gym.statistics import Interval, Sampling


@dataclass(frozen=True)
class Correlation:
    """Pearson's correlation over networks.

    Attributes:
        r: -1 to 1; NaN where a value does not vary, or there are fewer than 3 networks.
        ci: Percentile interval of the bootstrap, networks drawn as pairs; NaN as r, and below 5 networks.
        p: Two-sided p of no correlation, by the t distribution.
        slope: Of the line of least squares, second value per unit of the first.
        networks: How many.
    """

    r: float
    ci: Interval
    p: float
    slope: float
    networks: int


def correlation(
    first: ArrayLike, second: ArrayLike, sampling: Sampling | None = None, groups: ArrayLike | None = None
) -> Correlation:
    """Correlation of two values a network.

    With groups (sizes, say) each value is taken from its group's mean, and networks are drawn within their
    groups: the relation within groups, whatever the groups' means do.

    Args:
        first: (n,) finite.
        second: (n,) finite, of the same networks.
        sampling: Seed and sizes.
        groups: (n,) group of every network; all one group if None.

    Raises:
        ValueError: If shapes do not match or values are not finite.
    """
    x, y, sampling = as_finite("first", first), as_finite("second", second), sampling or Sampling()
    group = np.zeros(x.shape, dtype=np.intp) if groups is None else np.asarray(groups)
    if x.ndim != 1 or x.shape != y.shape or x.shape != group.shape:
        raise ValueError(
            f"first, second and groups have shapes {x.shape}, {y.shape} and {group.shape}, expected one (n,)"
        )
    names = np.unique(group)
    a, b = _centred(x, group), _centred(y, group)
    nothing = Correlation(np.nan, (np.nan, np.nan), np.nan, np.nan, x.size)
    free = x.size - names.size - 1
    if free < 1 or _flat(a, x) or _flat(b, y):
        return nothing
    r = float(_pearson(a, b))
    ends = _ends(x, y, group, sampling) if x.size >= 5 else (np.nan, np.nan)
    return Correlation(r, ends, _p(r, free), float(np.sum(a * b) / np.sum(a * a)), x.size)


def _p(r: float, free: int) -> float:
    """Two-sided p of a correlation with so many degrees of freedom."""
    from scipy.special import stdtr

    rest = max(1.0 - r * r, 0.0)
    return 0.0 if rest == 0.0 else float(2.0 * stdtr(free, -abs(r) * np.sqrt(free / rest)))


def _ends(x: Floats, y: Floats, group: np.ndarray, sampling: Sampling) -> Interval:
    """Percentiles of the correlation over resamples within groups; constant resamples do not count."""
    rng = np.random.default_rng(sampling.seed)
    parts, members = [], [np.flatnonzero(group == name) for name in np.unique(group)]
    for own in members:
        parts.append(own[rng.integers(own.size, size=(sampling.resamples, own.size))])
    a, b = (
        np.concatenate([v[drawn] - v[drawn].mean(axis=1, keepdims=True) for drawn in parts], axis=1)
        for v in (x, y)
    )
    drawn = _pearson(a, b)
    tail = 50.0 * (1.0 - sampling.confidence)
    low, high = np.nanpercentile(drawn, [tail, 100.0 - tail])
    return float(low), float(high)


def _pearson(a: Floats, b: Floats) -> Floats:
    """Correlation of centred values along the last axis; NaN where one does not vary."""
    size = np.sqrt(np.sum(a * a, axis=-1) * np.sum(b * b, axis=-1))
    inner = np.sum(a * b, axis=-1)
    return np.clip(np.divide(inner, size, out=np.full_like(inner, np.nan), where=size > 0.0), -1.0, 1.0)


def _centred(values: Floats, group: np.ndarray) -> Floats:
    """Values less the mean of their group."""
    centred = values.copy()
    for name in np.unique(group):
        centred[group == name] -= values[group == name].mean()
    return centred


def _flat(centred: Floats, values: Floats) -> bool:
    """Whether values do not vary beyond rounding error."""
    return not centred.size or bool(np.max(np.abs(centred)) <= 1e-12 * np.max(np.abs(values)))
