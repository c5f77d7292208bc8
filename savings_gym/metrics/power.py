"""Power of the paired t test: the effects that n networks can show, and the networks that an effect needs.

Effects are in standard deviations of the paired differences, ``d = mean / SD`` (Cohen's d_z, as
`statistics.effect_size`). With noncentrality ``d sqrt(n)`` and n - 1 degrees of freedom, t exceeds the
critical value of a two-sided test with the probability that is called power (Cohen 1988, Statistical Power
Analysis, 2nd edition, doi 10.4324/9780203771587, ch. 2). The other tail, below 1e-4 at a power of 0.8, is
left out. SciPy is imported inside functions, see `statistics`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from savings_gym.arrays import as_number, as_whole_number
from savings_gym.metrics.statistics import CONFIDENCE, t_quantile

LEVEL: Final = 1.0 - CONFIDENCE  # of a test
POWER: Final = 0.8
MOST_NETWORKS: Final = 100_000


def smallest_effect(networks: int, level: float = LEVEL, power: float = POWER) -> float:
    """Return the smallest effect that a two-sided paired t test finds with a given power.

    Args:
        networks: Number of differences; NaN comes back for fewer than two.
        level: Of the test; divide it by the number of tests for the first step of Holm's correction.
        power: Probability that the test is significant.

    Returns:
        Effect in standard deviations of the differences.
    """
    from scipy.special import nctdtrinc

    n = as_whole_number("networks", networks)
    _check_shares(level=level, power=power)
    if n < 2:
        return np.nan
    critical = t_quantile(n - 1, 1.0 - level)
    return float(nctdtrinc(n - 1, 1.0 - power, critical) / np.sqrt(n))


def networks_for_effect(effect: float, level: float = LEVEL, power: float = POWER) -> int | None:
    """Return the fewest networks with which a two-sided paired t test finds an effect with a given power.

    Args:
        effect: In standard deviations of the differences; its sign does not matter.
        level: See `smallest_effect`.
        power: See `smallest_effect`.

    Returns:
        Number of networks; None for more than `MOST_NETWORKS`, as for no effect.
    """
    size = abs(as_number("effect", effect))
    return _fewest(lambda n: smallest_effect(n, level, power) <= size)


def networks_for_interval(half_width: float, confidence: float = CONFIDENCE) -> int | None:
    """Return the fewest networks whose t interval of a mean is no wider than asked for.

    Args:
        half_width: Largest half width, in standard deviations of the values.
        confidence: Of the interval.

    Returns:
        Number of networks; None for more than `MOST_NETWORKS`.
    """
    width = as_number("half_width", half_width, 0.0)
    _check_shares(confidence=confidence)
    return _fewest(lambda n: t_quantile(n - 1, confidence) / np.sqrt(n) <= width)


def largest_deviation(deviation: float, networks: int, confidence: float = POWER) -> float:
    """Return the upper limit of a standard deviation that few networks have estimated.

    A plan that rests on the estimate itself is too small in half of all cases; with the one-sided limit
    ``SD sqrt((n - 1) / chi2)``, chi2 the (1 - confidence) quantile of n - 1 degrees of freedom, it is in a
    share of 1 - confidence (Browne 1995, Statistics in Medicine 14, 1933, doi 10.1002/sim.4780141709).

    Args:
        deviation: Standard deviation of the values.
        networks: Number of values that gave it; NaN comes back for fewer than two.
        confidence: That the true one is not larger.
    """
    from scipy.special import chdtri

    value, n = as_number("deviation", deviation, 0.0), as_whole_number("networks", networks)
    _check_shares(confidence=confidence)
    return np.nan if n < 2 else float(value * np.sqrt((n - 1) / chdtri(n - 1, confidence)))


def _fewest(enough: Callable[[int], bool]) -> int | None:
    """Smallest number of networks that is enough, by bisection; more networks are never less."""
    low, high = 1, 2
    while not enough(high):
        low, high = high, 2 * high
        if low > MOST_NETWORKS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high if high <= MOST_NETWORKS else None


def _check_shares(**shares: float) -> None:
    for name, share in shares.items():
        if not 0.0 < share < 1.0:
            raise ValueError(f"{name} is {share}, expected a number between 0 and 1")
