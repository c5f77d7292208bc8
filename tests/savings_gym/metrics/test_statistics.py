"""Laws of the paired statistics."""

import numpy as np
import pytest
from scipy import stats

from savings_gym.metrics import statistics
from savings_gym.metrics.statistics import effect_size, holm


def test_sign_flips_are_exact_for_few_networks():
    values = np.array([0.3, 0.8, -0.1, 0.5, 0.2, 0.9])
    patterns = np.array(np.meshgrid(*[[-1, 1]] * 6)).reshape(6, -1)
    means = np.abs(values @ patterns)
    expected = np.mean(means >= np.abs(values.sum()) - 1e-12)
    for seed in (0, 1):
        assert statistics.sign_flip_p(values, statistics.Sampling(seed)) == pytest.approx(expected)
    assert statistics.sign_flip_p(np.arange(1.0, 9.0)) == 2 / 2**8
    assert 0.0 < statistics.sign_flip_p(np.arange(1.0, 41.0)) < 0.001


def test_t_is_the_textbook_formula():
    values = np.random.default_rng(0).normal(0.4, 1.0, 15)
    t, p = statistics.t_test(values)
    assert t == pytest.approx(values.mean() / (values.std(ddof=1) / np.sqrt(15)))
    assert 0.0 < p < 1.0
    assert statistics.t_test(-values) == pytest.approx((-t, p))
    known = stats.ttest_1samp(values, 0.0)
    assert (t, p) == pytest.approx((known.statistic, known.pvalue), rel=1e-12)


def test_intervals_exclude_the_null_exactly_if_the_t_test_rejects_it():
    rng = np.random.default_rng(1)
    verdicts = set()
    for _ in range(100):
        first, second = rng.normal([[1.0], [1.2]], 0.2, (2, 6))
        low, high = statistics.mean_interval(second - first)
        below, above = statistics.ratio_interval(second, first)
        rejected = statistics.t_test(second - first)[1] < 0.05
        assert (not low <= 0.0 <= high) == (not below <= 1.0 <= above) == rejected
        verdicts.add(rejected)
    assert verdicts == {True, False}


def test_the_intervals_of_many_means_are_those_of_each():
    values = np.random.default_rng(2).normal(size=(7, 3, 2))
    low, high = statistics.t_band(values, 0.9)
    known = stats.ttest_1samp(values, 0.0).confidence_interval(0.9)
    np.testing.assert_allclose((low, high), (known.low, known.high), rtol=1e-12)
    one = statistics.mean_interval(values[:, 1, 0], statistics.Sampling(confidence=0.9))
    assert one == pytest.approx((low[1, 0], high[1, 0]))
    assert np.isnan(statistics.t_band(values[:1])).all()


def test_pairing_takes_out_what_differs_between_networks():
    rng = np.random.default_rng(2)
    own = rng.normal(0.0, 0.3, 30)
    first, second = 1.0 + own, 1.2 + own + rng.normal(0, 0.01, 30)
    low, high = statistics.ratio_interval(second, first)
    assert high - low < 0.1
    shuffled = statistics.ratio_interval(rng.permutation(second), first)
    assert shuffled[1] - shuffled[0] > 2 * (high - low)


def test_a_denominator_that_may_be_zero_leaves_the_ratio_open():
    rng = np.random.default_rng(3)
    assert statistics.ratio_interval(np.ones(8), rng.normal(0.0, 1.0, 8)) == (-np.inf, np.inf)
    low, high = statistics.ratio_interval(rng.normal(-1.0, 0.1, 8), rng.normal(1.0, 0.1, 8))
    assert low < -1.0 < high < 0.0  # a numerator may have any sign


def test_the_effect_size_does_not_grow_with_networks():
    rng = np.random.default_rng(0)
    small, (low, high) = effect_size(rng.normal(1.4, 1.0, 12))
    large, (lower, higher) = effect_size(rng.normal(1.4, 1.0, 2000))
    assert low < 1.4 < high and lower < 1.4 < higher
    assert higher - lower < 0.15 < high - low
    # for many networks the standard error of d is sqrt(1/n + d^2 / 2n)
    assert higher - lower == pytest.approx(2 * 1.96 * np.sqrt((1 + large**2 / 2) / 2000), rel=0.03)
    assert np.isnan(effect_size(np.ones(4))[0]) and np.isnan(effect_size(np.ones(1))[0])
    assert small == pytest.approx(1.4, abs=1.0)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n", range(6))
def test_small_and_constant_sets_have_no_warnings(n):
    rng = np.random.default_rng(n)
    for values in (
        np.zeros(n),
        np.full(n, 0.1) + 0.2,
        rng.normal(size=n),
        np.eye(n)[0] if n else np.zeros(0),
    ):
        estimate = statistics.estimate(values, statistics.Sampling(resamples=200))
        assert estimate.networks == n
        assert np.isnan(estimate.ci).all() == (n < 2)
        assert n < 2 or estimate.ci[0] <= estimate.mean <= estimate.ci[1]
        assert n == 0 or 0.0 < estimate.p_sign_flip <= 1.0
    ends = statistics.ratio_interval(np.ones(n), np.ones(n))
    assert np.isnan(ends).all() if n < 2 else ends == (1.0, 1.0)


def test_bad_samples_and_settings_are_errors():
    with pytest.raises(
        ValueError, match=r"values has shape \(2, 2\), expected \(n,\), one value per network"
    ):
        statistics.estimate(np.ones((2, 2)))
    with pytest.raises(ValueError, match="numerator and denominator have 2 and 3 values"):
        statistics.ratio_interval([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="resamples must be a whole number of at least 100, got 5"):
        statistics.Sampling(resamples=5)


def test_holm_is_the_step_down_procedure():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]).tolist() == [1.0, 1.0] and holm([]).size == 0 and holm([0.02]).tolist() == [0.02]
    rng = np.random.default_rng(0)
    alarms = np.mean([holm(rng.uniform(size=10)).min() < 0.05 for _ in range(4000)])
    assert alarms == pytest.approx(0.05, abs=0.011)  # three standard errors
    for wrong in ([0.1, 1.2], [[0.1]], [-0.1]):
        with pytest.raises(ValueError, match="from 0 to 1"):
            holm(wrong)


def test_tests_that_were_not_made_do_not_count_for_holm():
    np.testing.assert_allclose(holm([np.nan, 0.02, 0.04]), [np.nan, 0.04, 0.04])
    assert np.isnan(holm([np.nan, np.nan])).all()


def test_one_value_has_no_test_whatever_it_is():
    assert all(np.isnan(statistics.t_test([value])).all() for value in (0.0, 1.0))
