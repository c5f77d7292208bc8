"""Two fractions of networks with savings, which answer different questions, and their intervals.

The paired fraction compares every network with itself: how many relearn better than they learned. The
all-pairs fraction compares every network with every other one; the reference study plots this kind (Shahbazi
et al. 2026, eLife 14:RP107423). Differences between networks blur it: it is nearer to 0.5 than the paired
fraction if every network saves a little. Pairs of a network with itself do not count: with them, the fraction
would be larger by (paired - all pairs) / n, which depends on the number of networks.

Coverage of the 95 % all-pairs interval in per cent, from ``python tests/interval_coverage.py``
(4000 samples each, standard error 0.3); rho is the correlation of a network's two values:

========  ===  =====  =====  =====  =====  =====  =====
fraction  rho  n = 4      8     12     16     20     40
========  ===  =====  =====  =====  =====  =====  =====
0.50      0    100.0   96.9   95.5   95.3   94.9   95.2
0.66      0     99.1   96.8   95.7   95.9   95.2   95.5
0.80      0     98.5   97.2   95.9   95.6   95.2   95.3
0.90      0     98.4   97.8   97.2   95.9   94.6   95.1
0.50      0.7  100.0   97.8   97.0   96.2   95.6   95.6
0.66      0.7   99.9   94.2   94.5   95.3   94.3   95.5
0.80      0.7   99.8   95.1   94.7   95.1   94.3   95.4
0.90      0.7   99.0   96.4   96.4   96.0   94.9   95.5
========  ===  =====  =====  =====  =====  =====  =====
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arrays import Floats
from savings_gym.metrics.statistics import Interval, Sampling, as_pair, t_quantile


def paired_fraction(larger: ArrayLike, smaller: ArrayLike) -> float:
    """Return the fraction of networks whose own first value is the larger; a tie counts half.

    Args:
        larger: (n,) values expected to be larger: initial deviations in FF1, for example, or rates in FF2.
        smaller: (n,) values of the same networks.

    Returns:
        0 to 1; 0.5 if nothing differs; NaN for no network.
    """
    first, second = as_pair("larger", larger, "smaller", smaller)
    return float(np.mean((1.0 + np.sign(first - second)) / 2.0)) if first.size else np.nan


def paired_fraction_interval(
    larger: ArrayLike, smaller: ArrayLike, sampling: Sampling | None = None
) -> Interval:
    """Return the exact interval of `paired_fraction`, a count of independent networks.

    After Clopper & Pearson 1934 (Biometrika 26, 404). With half a tie left over, the lower end is that of the
    count below and the upper end that of the count above.

    Args:
        larger: (n,) as in `paired_fraction`.
        smaller: (n,) values of the same networks.
        sampling: Settings.

    Returns:
        Lower and upper end, 0 to 1; NaN for no network.
    """
    return _exact_interval(paired_fraction(larger, smaller), np.size(larger), sampling or Sampling())


def all_pairs_fraction(larger: ArrayLike, smaller: ArrayLike) -> float:
    """Return the fraction of pairs (i, j) of two networks with larger[i] > smaller[j]; a tie counts half.

    The probability of superiority, or area under the ROC curve, of two values that each network has. Pairs of
    a network with itself (i = j) are left out.

    Args:
        larger: (n,) values expected to be larger.
        smaller: (n,) values of the same networks.

    Returns:
        0 to 1; 0.5 if nothing differs; NaN for fewer than two networks.
    """
    first, second = as_pair("larger", larger, "smaller", smaller)
    return float(_wins(first, second).sum() / (first.size * (first.size - 1))) if first.size > 1 else np.nan


def all_pairs_interval(larger: ArrayLike, smaller: ArrayLike, sampling: Sampling | None = None) -> Interval:
    """Return the interval of `all_pairs_fraction`: t on the logit scale, with DeLong's variance.

    ``v[i] = mean_j wins[i, j] + mean_j wins[j, i]`` are the structural components of DeLong, DeLong &
    Clarke-Pearson 1988 (Biometrics 44, 837); their variance over n is that of the fraction. They are added
    before the variance is taken, since both values of a network depend on each other. The t distribution has
    n - 1 degrees of freedom. If all components are equal, as for a fraction of 0 or 1, the interval is the
    exact one of n independent networks.

    Args:
        larger: (n,) as in `all_pairs_fraction`.
        smaller: (n,) values of the same networks.
        sampling: Settings.

    Returns:
        Lower and upper end, 0 to 1; NaN for fewer than three networks.
    """
    from scipy.special import expit, logit

    first, second = as_pair("larger", larger, "smaller", smaller)
    n, sampling = first.size, sampling or Sampling()
    if n < 3:
        return np.nan, np.nan
    wins, fraction = _wins(first, second), all_pairs_fraction(first, second)
    components = (wins.sum(axis=1) + wins.sum(axis=0)) / (n - 1)
    error = components.std(ddof=1) / np.sqrt(n)
    if error <= 1e-12:
        return _exact_interval(fraction, n, sampling)
    half = t_quantile(n - 1, sampling.confidence) * error / (fraction * (1.0 - fraction))
    return float(expit(logit(fraction) - half)), float(expit(logit(fraction) + half))


def _wins(first: Floats, second: Floats) -> Floats:
    """1 if first[i] > second[j], half for a tie, 0 otherwise and on the diagonal, (n, n)."""
    wins: Floats = (1.0 + np.sign(first[:, None] - second)) / 2.0
    np.fill_diagonal(wins, 0.0)
    return wins


def _exact_interval(fraction: float, n: int, sampling: Sampling) -> Interval:
    """Clopper-Pearson interval of a fraction of n networks."""
    from scipy.special import betaincinv

    if n == 0:
        return np.nan, np.nan
    count, tail = round(2.0 * n * fraction) / 2.0, (1.0 - sampling.confidence) / 2.0
    fewest, most = int(np.floor(count)), int(np.ceil(count))
    low = betaincinv(fewest, n - fewest + 1, tail) if fewest > 0 else 0.0
    high = betaincinv(most + 1, n - most, 1.0 - tail) if most < n else 1.0
    return float(low), float(high)
