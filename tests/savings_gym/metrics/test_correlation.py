"""Laws of the correlation over networks, and of its heterogeneity between groups."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from savings_gym.metrics.statistics import Correlation, correlation, heterogeneity


@given(seed=st.integers(0, 1000), n=st.integers(4, 30))
@settings(max_examples=20)
def test_correlation_p_and_slope_are_those_of_the_regression_line(seed, n):
    x, y = np.random.default_rng(seed).standard_normal((2, n))
    estimate, line = correlation(x, y), stats.linregress(x, y)
    assert estimate.r == pytest.approx(line.rvalue)
    assert estimate.p == pytest.approx(line.pvalue)
    assert estimate.slope == pytest.approx(line.slope)


def test_the_interval_is_that_of_fishers_z():
    x, noise = np.random.default_rng(0).standard_normal((2, 12))
    estimate = correlation(x, x + noise)
    ends = np.tanh(
        np.arctanh(estimate.r) + np.array([-1.0, 1.0]) * stats.norm.ppf(0.975) / 3.0
    )  # sqrt(12 - 3)
    assert estimate.ci == pytest.approx(tuple(ends))


def test_few_or_constant_values_have_no_correlation():
    for x, y in (([], []), ([1.0], [2.0]), ([1.0, 2.0], [1.0, 3.0]), (np.ones(8), np.arange(8.0))):
        estimate = correlation(x, y)
        assert np.isnan([estimate.r, *estimate.ci, estimate.p, estimate.slope]).all()
        assert estimate.networks == len(x)
    line = correlation(np.arange(8.0), 2.0 * np.arange(8.0))
    assert line.r == pytest.approx(1.0) and line.p < 1e-12 and line.ci == pytest.approx((1.0, 1.0))
    assert correlation([1.0, 2.0, 4.0], [0.0, 1.0, 5.0]).ci == (-1.0, 1.0)


def test_values_that_are_no_pairs_are_refused():
    with pytest.raises(ValueError, match="first and second have 3 and 2 values, expected pairs"):
        correlation([1.0, 2.0, 3.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="second has 1 values that are not finite"):
        correlation([1.0, 2.0, 3.0], [1.0, np.nan, 2.0])


def of_size(r: float, networks: int) -> Correlation:
    return Correlation(r, (-1.0, 1.0), 1.0, 1.0, networks)


def test_two_groups_differ_by_the_z_test_of_two_correlations():
    test = heterogeneity([of_size(0.67, 12), of_size(-0.61, 12)])
    z = (np.arctanh(0.67) + np.arctanh(0.61)) / np.sqrt(2.0 / 9.0)
    assert test.q == pytest.approx(z**2) and test.p == pytest.approx(2.0 * stats.norm.sf(z))
    assert heterogeneity([of_size(0.4, 12)] * 3).q == pytest.approx(0.0, abs=1e-12)


def test_groups_with_one_correlation_differ_as_often_as_the_level_says():
    rng = np.random.default_rng(0)
    p = []
    for _ in range(600):
        groups = rng.standard_normal((4, 2, 12))
        groups[:, 1] = 0.5 * groups[:, 0] + np.sqrt(0.75) * groups[:, 1]
        p.append(heterogeneity([correlation(x, y) for x, y in groups]).p)
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.03)


def test_groups_without_weight_are_left_out():
    useless = [of_size(0.5, 3), of_size(np.nan, 12), of_size(1.0, 12)]
    assert heterogeneity([*useless, of_size(0.1, 9), of_size(0.2, 9)]).groups == 2
    alone = heterogeneity([*useless, of_size(0.1, 9)])
    assert np.isnan([alone.q, alone.p]).all() and alone.groups == 1
