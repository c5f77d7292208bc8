"""Intervals of the two fractions with savings, over networks."""

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arrays import Floats
from savings_gym.statistics import Interval, Sampling, all_pairs_fraction, paired_fraction


def paired_fraction_interval(
    larger: ArrayLike, smaller: ArrayLike, sampling: Sampling | None = None
) -> Interval:
    """Exact (Clopper & Pearson 1934) interval of `paired_fraction`, a count of independent networks.

    A bootstrap of 12 networks out of 12 would have no width. A tie counts half, as in the fraction.

    Args:
        larger: (n,) as in `paired_fraction`.
        smaller: (n,) values of the same networks.
        sampling: Its confidence counts.

    Returns:
        Lower and upper end in [0, 1]; NaN for no network.
    """
    from scipy.stats import beta

    fraction, n = paired_fraction(larger, smaller), np.size(larger)
    if n == 0:
        return np.nan, np.nan
    tail, count = (1.0 - (sampling or Sampling()).confidence) / 2.0, n * fraction
    low = beta.ppf(tail, count, n - count + 1.0) if count > 0.0 else 0.0
    high = beta.ppf(1.0 - tail, count + 1.0, n - count) if count < n else 1.0
    return float(low), float(high)


def all_pairs_interval(larger: ArrayLike, smaller: ArrayLike, sampling: Sampling | None = None) -> Interval:
    """Bootstrap (percentile) interval of `all_pairs_fraction` of one set of networks.

    Networks are drawn with both their values, since the two are of the same network.

    Args:
        larger: (n,) as in `all_pairs_fraction`.
        smaller: (n,) values of the same networks.
        sampling: Seed and sizes.

    Returns:
        Lower and upper end in [0, 1]; NaN for fewer than two networks.
    """
    paired_fraction(larger, smaller)  # refuses what is not finite pairs
    first, second = np.asarray(larger, float), np.asarray(smaller, float)
    n, sampling = first.size, sampling or Sampling()
    if n < 2:
        return np.nan, np.nan
    rng = np.random.default_rng(sampling.seed)
    drawn = rng.integers(0, n, (sampling.resamples, n))
    values: Floats = np.array([all_pairs_fraction(first[i], second[i]) for i in drawn])
    tail = (1.0 - sampling.confidence) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return float(low), float(high)
