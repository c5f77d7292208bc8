"""Laws of the correlation over networks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from savings_gym.metrics.statistics import Sampling, correlation

FEW = Sampling(resamples=400)


@given(seed=st.integers(0, 1000), n=st.integers(5, 30))
@settings(max_examples=20)
def test_correlation_p_and_slope_are_those_of_scipy(seed, n):
    x, y = np.random.default_rng(seed).standard_normal((2, n))
    found, known = correlation(x, y, FEW), stats.linregress(x, y)
    assert found.r == pytest.approx(known.rvalue)
    assert found.p == pytest.approx(known.pvalue)
    assert found.slope == pytest.approx(known.slope)
    assert found.ci[0] <= found.ci[1]


def test_the_interval_covers_the_planted_correlation_as_often_as_it_says():
    rng, held = np.random.default_rng(0), 0
    for _ in range(200):
        x, noise = rng.standard_normal((2, 60))
        low, high = correlation(x, 0.6 * x + 0.8 * noise, FEW).ci
        held += low <= 0.6 <= high
    assert 0.88 <= held / 200 <= 0.99


def test_within_groups_the_means_of_groups_do_not_count():
    rng = np.random.default_rng(1)
    x, noise = rng.standard_normal((2, 60))
    groups = np.repeat([16, 32, 64], 20)
    y = 0.8 * x + 0.6 * noise
    within = correlation(x, y, FEW, groups)
    shifted = correlation(x - groups, y + 5.0 * groups, FEW, groups)  # opposite over groups
    assert shifted.r == pytest.approx(within.r)
    np.testing.assert_allclose(shifted.ci, within.ci)
    assert correlation(x - groups, y + 5.0 * groups, FEW).r < -0.9 < 0.6 < within.r


def test_few_or_constant_values_have_no_correlation():
    for x, y in (([], []), ([1.0], [2.0]), ([1.0, 2.0], [1.0, 3.0]), (np.ones(8), np.arange(8.0))):
        found = correlation(x, y, FEW)
        assert np.isnan([found.r, *found.ci, found.p, found.slope]).all()
        assert found.networks == len(x)
    line = correlation(np.arange(8.0), 2.0 * np.arange(8.0), FEW)
    assert (line.r, line.p) == (1.0, 0.0) and line.ci == (1.0, 1.0)
    assert np.isnan(correlation([1.0, 2.0, 4.0], [0.0, 1.0, 5.0], FEW).ci).all()


def test_values_that_are_no_pairs_are_refused():
    with pytest.raises(ValueError, match=r"shapes \(3,\), \(2,\) and \(3,\), expected one \(n,\)"):
        correlation([1.0, 2.0, 3.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="second has 1 values that are not finite"):
        correlation([1.0, 2.0, 3.0], [1.0, np.nan, 2.0])
