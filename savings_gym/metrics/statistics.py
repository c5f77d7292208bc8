"""Intervals and tests over networks, from one value per network (or one pair of values).

Intervals are t intervals, or their counterparts for a ratio, an effect size and a correlation (`INTERVALS`),
whatever the number of networks. Coverage of 95 % intervals in per cent, from ``python
tests/interval_coverage.py`` (4000 samples each, standard error 0.3; BCa 1000, standard error 0.7 to 1.3):

====================================  =====  =====  =====  =====  =====  =====
values over networks                  n = 4      8     12     16     20     40
====================================  =====  =====  =====  =====  =====  =====
mean, normal                           94.5   94.6   95.0   95.2   94.9   94.9
mean, normal, BCa bootstrap            79.9   87.2   90.2   90.9   94.0   95.4
mean, exponential                      87.1   88.6   90.3   90.4   91.0   92.4
mean, exponential, BCa bootstrap       76.9   86.1   88.7   89.3   90.6   93.0
ratio, normal                          95.3   94.8   95.0   95.2   94.5   95.3
ratio, lognormal                       96.5   95.6   95.3   95.6   94.9   95.8
correlation 0, normal                  96.0   95.2   94.8   95.0   95.1   94.6
correlation 0.7, normal                96.1   95.4   94.5   94.9   94.7   94.6
effect size 1, normal                  94.9   95.2   94.8   94.8   94.8   95.0
====================================  =====  =====  =====  =====  =====  =====

The bias-corrected accelerated bootstrap (BCa) covers less below 20 networks and no more from 20 on. Besides,
t intervals never contradict p values: a 95 % interval excludes 0 exactly if the t test has p < 0.05, and a
95 % interval of a ratio excludes 1 exactly if the paired t test has p < 0.05, as long as the mean of the
denominator can be told from 0 (else the interval has no ends).

Degenerate samples give limits instead of warnings: equal values have an interval of zero width, with p = 1 if
they are all zero and p = 0 otherwise. One network has neither an interval nor a t test (NaN).

SciPy is imported inside functions, and what every run needs comes from `scipy.special`: `scipy.stats` takes
a second, twice as long as the rest of the package.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arrays import Floats, as_finite, as_whole_number

Interval = tuple[float, float]

CONFIDENCE: Final = 0.95  # of every interval, unless stated otherwise

INTERVALS: Final = {
    "mean": "t",
    "ratio": "Fieller",
    "effect size": "noncentral t",
    "correlation": "Fisher z",
    "paired fraction": "Clopper-Pearson",
    "all-pairs fraction": "DeLong, logit t",
}
"""Statistic to the name of its interval, for captions and summaries."""


@dataclass(frozen=True)
class Sampling:
    """Settings of intervals and tests.

    Attributes:
        seed: Of the sign-flip test, which starts a fresh generator for every sample.
        confidence: Of the intervals, between 0 and 1.
        resamples: Largest number of sign patterns in the sign-flip test.
    """

    seed: int = 0
    confidence: float = CONFIDENCE
    resamples: int = 9999

    def __post_init__(self) -> None:
        """Check the values."""
        if not 0.0 < self.confidence < 1.0:
            raise ValueError(f"confidence is {self.confidence}, expected a number between 0 and 1")
        as_whole_number("resamples", self.resamples, least=100)
        as_whole_number("seed", self.seed)


@dataclass(frozen=True)
class Estimate:
    """Mean of one value per network, with its uncertainty.

    Attributes:
        mean: In the unit of the values.
        ci: t interval of the mean, same unit.
        p: Two-sided p of the t test against zero.
        t: Statistic of that test.
        p_sign_flip: Two-sided p of the sign-flip permutation test of a zero mean.
        networks: Number of values.
    """

    mean: float
    ci: Interval
    p: float
    t: float
    p_sign_flip: float
    networks: int


def estimate(values: ArrayLike, sampling: Sampling | None = None) -> Estimate:
    """Return mean, interval and tests against zero of one value (or paired difference) per network.

    Args:
        values: (n,), finite; n = 0 gives NaN throughout.
        sampling: Settings.
    """
    x, sampling = as_sample("values", values), sampling or Sampling()
    t, p = t_test(x)
    mean = float(x.mean()) if x.size else np.nan
    return Estimate(mean, mean_interval(x, sampling), p, t, sign_flip_p(x, sampling), x.size)


def mean_interval(values: ArrayLike, sampling: Sampling | None = None) -> Interval:
    """Return the t interval of the mean of (n,) values; NaN for fewer than two."""
    low, high = t_band(as_sample("values", values), (sampling or Sampling()).confidence)
    return float(low), float(high)


def t_band(values: ArrayLike, confidence: float = CONFIDENCE) -> tuple[Floats, Floats]:
    """Return the t intervals of many means at once, as for a learning curve.

    Args:
        values: (n, ...), one row per network.
        confidence: Of the intervals.

    Returns:
        Lower and upper ends, (...) each; NaN for fewer than two networks.

    Raises:
        ValueError: If `values` is a single number, or not finite.
    """
    x = as_finite("values", values)
    if x.ndim < 1:
        raise ValueError("values is a single number, expected (n, ...), one row per network")
    n = x.shape[0]
    if n < 2:
        nothing = np.full(x.shape[1:], np.nan)
        return nothing, nothing
    mean = x.mean(axis=0)
    half = t_quantile(n - 1, confidence) * x.std(axis=0, ddof=1) / np.sqrt(n)
    return mean - half, mean + half


def t_quantile(freedom: int, confidence: float) -> float:
    """Return the half width of a two-sided t interval, in standard errors."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + confidence / 2.0))


def ratio_interval(
    numerator: ArrayLike, denominator: ArrayLike, sampling: Sampling | None = None
) -> Interval:
    """Return the interval of mean(numerator) / mean(denominator) over networks (Fieller 1954).

    It holds every ratio r for which a paired t test does not tell the means of ``numerator`` and
    ``r * denominator`` apart (Journal of the Royal Statistical Society B 16, 175).

    Args:
        numerator: (n,), finite.
        denominator: (n,), of the same networks.
        sampling: Settings.

    Returns:
        Lower and upper end; -inf and inf if the mean of the denominator cannot be told from 0, and NaN for
        fewer than two networks.
    """
    top, bottom = as_pair("numerator", numerator, "denominator", denominator)
    n = top.size
    if n < 2:
        return np.nan, np.nan
    quantile = t_quantile(n - 1, (sampling or Sampling()).confidence)

    def moment(a: Floats, b: Floats) -> float:
        """Product of the means less t squared times the covariance of the means."""
        spread = np.sum((a - a.mean()) * (b - b.mean())) / (n * (n - 1))
        return float(a.mean() * b.mean() - quantile**2 * spread)

    # the ends solve square * r**2 - 2 * mixed * r + moment(top, top) = 0
    square, mixed = moment(bottom, bottom), moment(top, bottom)
    if square <= 0.0:
        return -np.inf, np.inf
    root = float(np.sqrt(max(mixed**2 - square * moment(top, top), 0.0)))
    return (mixed - root) / square, (mixed + root) / square


def effect_size(differences: ArrayLike, sampling: Sampling | None = None) -> tuple[float, Interval]:
    """Return the mean over the standard deviation of paired differences, with its noncentral t interval.

    Unlike the t statistic, it does not grow with the number of networks.

    Args:
        differences: (n,), one per network.
        sampling: Settings.

    Returns:
        Effect size and interval; NaN for fewer than two networks, or differences that are all equal.
    """
    x = as_sample("differences", differences)
    if x.size and _constant(x):
        return np.nan, (np.nan, np.nan)
    return effect_size_of_t(t_test(x)[0], x.size, sampling)


def effect_size_of_t(t: float, networks: int, sampling: Sampling | None = None) -> tuple[float, Interval]:
    """Return the effect size, with its interval, of differences of which only t and number are known.

    Args:
        t: Statistic of the paired t test.
        networks: Number of differences.
        sampling: Settings.

    Returns:
        See `effect_size`; NaN for fewer than two networks, or a statistic that is not finite.
    """
    from scipy.special import nctdtrinc

    if networks < 2 or not np.isfinite(t):
        return np.nan, (np.nan, np.nan)
    tail = (1.0 - (sampling or Sampling()).confidence) / 2.0
    root = np.sqrt(networks)
    low, high = (float(nctdtrinc(networks - 1, q, t) / root) for q in (1.0 - tail, tail))
    return float(t / root), (low, high)


def t_test(values: ArrayLike) -> tuple[float, float]:
    """Return statistic and two-sided p of the t test of a zero mean; of differences, the paired t test."""
    from scipy.special import stdtr

    x = as_sample("values", values)
    if x.size < 2:
        return np.nan, np.nan
    if not x.any():
        return 0.0, 1.0
    if _constant(x):
        return float(np.copysign(np.inf, x[0])), 0.0
    t = x.mean() / np.sqrt(x.var(ddof=1) / x.size)
    return float(t), float(2.0 * stdtr(x.size - 1, -abs(t)))


def sign_flip_p(values: ArrayLike, sampling: Sampling | None = None) -> float:
    """Return the two-sided p of a zero mean if every value is equally likely to have either sign.

    Exact while there are no more sign patterns than resamples (13 networks at the default), otherwise from a
    random draw of patterns. The smallest possible p of n networks is 2 / 2**n.

    Args:
        values: (n,) values or paired differences.
        sampling: Settings.
    """
    from scipy.stats import permutation_test

    x, sampling = as_sample("values", values), sampling or Sampling()
    if x.size == 0:
        return np.nan
    if x.size == 1 or not x.any():
        return 1.0
    result = permutation_test(
        (x,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=sampling.resamples,
        rng=np.random.default_rng(sampling.seed),
    )
    return float(result.pvalue)


def holm(p: ArrayLike) -> Floats:
    """Return p values corrected for their number, after Holm 1979 (Scandinavian Journal of Statistics 6, 65).

    The k-th smallest of n, counted from 0, is multiplied by n - k, kept no smaller than those before it and
    at most 1. Rejecting what is below 0.05 then gives any false alarm in at most one family in twenty.

    Args:
        p: (n,) between 0 and 1; NaN stands for a test that could not be made, and does not count.

    Returns:
        (n,), NaN where p is.

    Raises:
        ValueError: If a value is not between 0 and 1.
    """
    values = np.asarray(p, dtype=np.float64)
    made = ~np.isnan(values)
    if values.ndim != 1 or not np.all((values[made] >= 0.0) & (values[made] <= 1.0)):
        raise ValueError(f"p is {p!r}, expected numbers from 0 to 1")
    order = np.argsort(values, kind="stable")[: made.sum()]  # NaN is sorted last
    raised = np.maximum.accumulate(values[order] * np.arange(order.size, 0, -1))
    corrected = np.full_like(values, np.nan)
    corrected[order] = np.minimum(raised, 1.0)
    return corrected


@dataclass(frozen=True)
class Correlation:
    """Pearson's correlation over networks.

    Attributes:
        r: -1 to 1; NaN if a value does not vary, or for fewer than 3 networks.
        ci: Interval from Fisher's z; NaN as r, and -1 to 1 for 3 networks.
        p: Two-sided p of no correlation, from the t distribution.
        slope: Of the least-squares line, second value per unit of the first.
        networks: Number of networks.
    """

    r: float
    ci: Interval
    p: float
    slope: float
    networks: int


def correlation(first: ArrayLike, second: ArrayLike, sampling: Sampling | None = None) -> Correlation:
    """Return the correlation of two values of the same networks.

    Networks of different kinds (sizes, pre-training) belong in separate correlations, which `heterogeneity`
    compares.

    Args:
        first: (n,), finite.
        second: (n,), finite.
        sampling: Settings.
    """
    from scipy.stats import pearsonr

    x, y = as_pair("first", first, "second", second)
    if x.size < 3 or _constant(x) or _constant(y):
        return Correlation(np.nan, (np.nan, np.nan), np.nan, np.nan, x.size)
    result = pearsonr(x, y)
    low, high = result.confidence_interval((sampling or Sampling()).confidence)
    r, slope = float(result.statistic), float(result.statistic * y.std() / x.std())
    return Correlation(r, (float(low), float(high)), float(result.pvalue), slope, x.size)


@dataclass(frozen=True)
class Heterogeneity:
    """Test whether groups of networks share one correlation.

    Attributes:
        q: Cochran's Q.
        p: Its p from the chi-squared distribution with groups - 1 degrees of freedom.
        groups: Number of groups compared.
    """

    q: float
    p: float
    groups: int


def heterogeneity(correlations: Iterable[Correlation]) -> Heterogeneity:
    """Return Cochran's Q of the correlations of separate groups, on Fisher's z (Cochran 1954).

    ``Q = sum_g w[g] (z[g] - zbar)**2`` with ``z = artanh r``, ``w = n - 3`` and the weighted mean ``zbar``
    (Biometrics 10, 101). Groups of fewer than 4 networks, and correlations that are NaN, 1 or -1, have no
    weight and are left out.

    Args:
        correlations: One per group.

    Returns:
        The test; NaN for fewer than two groups.
    """
    from scipy.special import chdtrc

    kept = [c for c in correlations if c.networks > 3 and abs(c.r) < 1.0]
    if len(kept) < 2:
        return Heterogeneity(np.nan, np.nan, len(kept))
    z, weight = np.arctanh([c.r for c in kept]), np.array([c.networks - 3.0 for c in kept])
    q = float(np.sum(weight * (z - np.average(z, weights=weight)) ** 2))
    return Heterogeneity(q, float(chdtrc(len(kept) - 1, q)), len(kept))


def as_sample(name: str, values: ArrayLike) -> Floats:
    """Return finite (n,) values, one per network; ValueError for anything else."""
    array = as_finite(name, values)
    if array.ndim != 1:
        raise ValueError(f"{name} has shape {array.shape}, expected (n,), one value per network")
    return array


def as_pair(name: str, values: ArrayLike, other_name: str, others: ArrayLike) -> tuple[Floats, Floats]:
    """Return two finite samples of the same networks, (n,) each; ValueError for anything else."""
    first, second = as_sample(name, values), as_sample(other_name, others)
    if first.shape != second.shape:
        raise ValueError(
            f"{name} and {other_name} have {first.size} and {second.size} values, expected pairs"
        )
    return first, second


def _constant(values: Floats) -> bool:
    """Whether values are equal up to rounding error."""
    return bool(np.ptp(values) <= 1e-12 * np.max(np.abs(values)))
