"""Paired statistics over a set of learners: intervals, tests and two fractions with savings.

Everything is seeded and takes one value a learner. Degenerate sets give limits instead of warnings: values
that are all equal have an interval of no width, and p = 1 if they are zero, 0 if they are not; one learner
has no interval and no t test (NaN).

Intervals of the two fractions with savings, over networks.

Correlation of two values a network, with a bootstrap interval; also within groups of networks.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arrays import Floats, as_finite

Interval = tuple[float, float]


CONFIDENCE = 0.95  # of every interval, unless said otherwise


@dataclass(frozen=True)
class Sampling:
    """How intervals and permutation tests draw.

    Attributes:
        seed: Of a fresh generator for every statistic, so that none depends on which others are computed.
        confidence: Of the intervals, between 0 and 1.
        resamples: Of the bootstrap; also the most sign flips drawn, all of them if there are no more.
    """

    seed: int = 0
    confidence: float = CONFIDENCE
    resamples: int = 9999

    def __post_init__(self) -> None:
        """Refuse numbers that SciPy would fail on later."""
        if not 0.0 < self.confidence < 1.0:
            raise ValueError(f"confidence is {self.confidence}, expected a number between 0 and 1")
        if self.resamples < 100:
            raise ValueError(f"resamples is {self.resamples}, expected at least 100")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}, expected a whole number of at least 0")


@dataclass(frozen=True)
class Estimate:
    """Mean of one value a network, with its uncertainty.

    Attributes:
        mean: In the unit of the values.
        ci: Bootstrap interval of the mean, same unit.
        p: Two-sided p of the t test against zero.
        t: Its statistic.
        p_sign_flip: Two-sided p of the sign-flip permutation test of a zero mean.
        networks: How many values.
    """

    mean: float
    ci: Interval
    p: float
    t: float
    p_sign_flip: float
    networks: int


def estimate(values: ArrayLike, sampling: Sampling | None = None) -> Estimate:
    """Mean, interval and tests against zero of one value (or paired difference) a network.

    Args:
        values: (n,), finite; n = 0 gives NaN throughout.
        sampling: Seed and sizes.
    """
    x, sampling = _sample("values", values), sampling or Sampling()
    t, p = t_test(x)
    mean = float(x.mean()) if x.size else np.nan
    return Estimate(mean, mean_interval(x, sampling), p, t, sign_flip_p(x, sampling), x.size)


def mean_interval(values: ArrayLike, sampling: Sampling | None = None) -> Interval:
    """Bias-corrected accelerated bootstrap interval of the mean of (n,) values."""
    from scipy.stats import bootstrap  # a second of import, only who computes statistics pays it

    x, sampling = _sample("values", values), sampling or Sampling()
    if x.size < 2:
        return np.nan, np.nan
    if _constant(x):
        return float(x.mean()), float(x.mean())
    found = bootstrap(
        (x,),
        np.mean,
        n_resamples=sampling.resamples,
        confidence_level=sampling.confidence,
        rng=np.random.default_rng(sampling.seed),
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def ratio_interval(
    numerator: ArrayLike, denominator: ArrayLike, sampling: Sampling | None = None
) -> Interval:
    """Bootstrap interval of mean(numerator) / mean(denominator), networks drawn as pairs.

    Args:
        numerator: (n,), finite.
        denominator: (n,), all above zero, of the same networks.
        sampling: Seed and sizes.
    """
    from scipy.stats import bootstrap

    top, bottom = _pair("numerator", numerator, "denominator", denominator)
    sampling = sampling or Sampling()
    if np.any(bottom <= 0.0):
        raise ValueError(f"denominator has {bottom.min()}, expected values above 0 only")
    if top.size < 2:
        return np.nan, np.nan
    ratio = float(top.mean() / bottom.mean())
    if _constant(top / bottom):  # then every resample has the same ratio of means
        return ratio, ratio
    found = bootstrap(
        (top, bottom),
        lambda a, b, axis=-1: np.mean(a, axis=axis) / np.mean(b, axis=axis),
        paired=True,
        n_resamples=sampling.resamples,
        confidence_level=sampling.confidence,
        rng=np.random.default_rng(sampling.seed),
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def t_test(values: ArrayLike) -> tuple[float, float]:
    """Statistic and two-sided p of the t test of a zero mean; of differences, the paired t test."""
    from scipy.stats import ttest_1samp

    x = _sample("values", values)
    if x.size and not x.any():
        return 0.0, 1.0
    if x.size < 2:
        return np.nan, np.nan
    if _constant(x):
        return float(np.copysign(np.inf, x[0])), 0.0
    found = ttest_1samp(x, 0.0)
    return float(found.statistic), float(found.pvalue)


def sign_flip_p(values: ArrayLike, sampling: Sampling | None = None) -> float:
    """Two-sided p of a zero mean when every value is as likely with either sign.

    Exact while there are no more sign patterns than resamples (13 networks at the default), a random draw of
    patterns beyond. Of n networks the smallest possible p is 2 / 2**n.

    Args:
        values: (n,) values or paired differences.
        sampling: Seed and sizes.
    """
    from scipy.stats import permutation_test

    x, sampling = _sample("values", values), sampling or Sampling()
    if x.size == 0:
        return np.nan
    if x.size == 1 or not x.any():
        return 1.0
    found = permutation_test(
        (x,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=sampling.resamples,
        rng=np.random.default_rng(sampling.seed),
    )
    return float(found.pvalue)


def holm(p: ArrayLike) -> Floats:
    """P values corrected for their number, (n,), after Holm 1979 (Scandinavian Journal of Statistics 6, 65).

    The k-th smallest of n, counted from 0, times n - k, never below those before it and at most 1: below 0.05
    at most one family in twenty has any false alarm.

    Args:
        p: (n,) between 0 and 1.

    Raises:
        ValueError: For anything else.
    """
    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 1 or not np.all((values >= 0.0) & (values <= 1.0)):
        raise ValueError(f"p is {p!r}, expected numbers from 0 to 1")
    order = np.argsort(values, kind="stable")
    raised = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(raised, 1.0)
    return corrected


def paired_fraction(larger: ArrayLike, smaller: ArrayLike) -> float:
    """Fraction of networks whose own first value is the larger; a tie counts half.

    The count that a reader expects of "networks with savings": each is compared with itself.

    Args:
        larger: (n,) values expected to be larger, for example initial deviations in FF1, or rates in FF2.
        smaller: (n,) values of the same networks.

    Returns:
        0 to 1; 0.5 when nothing differs; NaN for no network.
    """
    first, second = _pair("larger", larger, "smaller", smaller)
    return float(np.mean((1.0 + np.sign(first - second)) / 2.0)) if first.size else np.nan


def all_pairs_fraction(larger: ArrayLike, smaller: ArrayLike) -> float:
    """Fraction of all pairs (i, j) in which the first value of i exceeds the second of j; a tie counts half.

    The probability of superiority, the area under the ROC curve: what the reference study plots as its
    fraction with savings. Differences between networks blur it, so it is nearer to 0.5 than
    `paired_fraction` when every network saves a little.

    Args:
        larger: (n,) values expected to be larger.
        smaller: (m,) values.

    Returns:
        0 to 1; 0.5 when the two sets are equal; NaN if either is empty.
    """
    first, second = _sample("larger", larger), np.sort(_sample("smaller", smaller))
    if not (first.size and second.size):
        return np.nan
    below, up_to = (np.searchsorted(second, first, side=side) for side in ("left", "right"))
    return float(np.sum(below + up_to) / 2.0 / (first.size * second.size))


def _sample(name: str, values: ArrayLike) -> Floats:
    """Finite (n,) values."""
    array = as_finite(name, values)
    if array.ndim != 1:
        raise ValueError(f"{name} has shape {array.shape}, expected (n,), one value a network")
    return array


def _pair(name: str, values: ArrayLike, other_name: str, others: ArrayLike) -> tuple[Floats, Floats]:
    """Two finite samples of the same networks."""
    first, second = _sample(name, values), _sample(other_name, others)
    if first.shape != second.shape:
        raise ValueError(
            f"{name} and {other_name} have {first.size} and {second.size} values, expected pairs"
        )
    return first, second


def _constant(values: Floats) -> bool:
    """Whether values are equal up to rounding error."""
    return bool(np.ptp(values) <= 1e-12 * np.max(np.abs(values)))


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
