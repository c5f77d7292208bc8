"""Laws of the paired statistics."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from savings_gym.metrics import statistics
from savings_gym.metrics.statistics import holm

FEW = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=9)


@given(first=FEW, second=FEW)
@settings(max_examples=80, deadline=None, derandomize=True)
def test_all_pairs_fraction_is_the_count_over_all_pairs(first, second):
    wins = sum((a > b) + 0.5 * (a == b) for a in first for b in second)
    assert statistics.all_pairs_fraction(first, second) == pytest.approx(wins / (len(first) * len(second)))
    assert statistics.all_pairs_fraction(first, second) + statistics.all_pairs_fraction(
        second, first
    ) == pytest.approx(1.0)


@given(pairs=st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=1, max_size=9))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_paired_fraction_is_the_count_of_networks(pairs):
    first, second = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    wins = sum((a > b) + 0.5 * (a == b) for a, b in pairs)
    assert statistics.paired_fraction(first, second) == pytest.approx(wins / len(pairs))


def test_the_two_fractions_are_different_questions():
    first = np.arange(10.0)
    assert statistics.paired_fraction(first, first - 0.5) == 1.0
    assert statistics.all_pairs_fraction(first, first - 0.5) == pytest.approx(0.55)


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


def test_intervals_cover_about_as_often_as_they_say():
    rng = np.random.default_rng(1)
    covered = {"mean": 0, "ratio": 0}
    for seed in range(200):
        sampling = statistics.Sampling(seed, 0.9, 300)
        own = rng.normal(0.0, 0.2, 25)
        first, second = 1.0 + own + rng.normal(0, 0.05, 25), 1.2 + own + rng.normal(0, 0.05, 25)
        low, high = statistics.mean_interval(second - first, sampling)
        covered["mean"] += low < 0.2 < high
        low, high = statistics.ratio_interval(second, first, sampling)
        covered["ratio"] += low < 1.2 < high
    assert 0.83 * 200 < min(covered.values()) <= max(covered.values()) < 0.96 * 200


def test_drawing_pairs_takes_out_what_differs_between_networks():
    rng = np.random.default_rng(2)
    own = rng.normal(0.0, 0.3, 30)
    first, second = 1.0 + own, 1.2 + own + rng.normal(0, 0.01, 30)
    low, high = statistics.ratio_interval(second, first)
    assert high - low < 0.1
    shuffled = statistics.ratio_interval(rng.permutation(second), first)
    assert shuffled[1] - shuffled[0] > 2 * (high - low)


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
        found = statistics.estimate(values, statistics.Sampling(resamples=200))
        assert found.networks == n
        assert np.isnan(found.ci).all() == (n < 2)
        assert n < 2 or found.ci[0] <= found.mean <= found.ci[1]
        assert n == 0 or 0.0 < found.p_sign_flip <= 1.0
    assert np.isnan(statistics.ratio_interval(np.ones(n), np.ones(n))).all() == (n < 2)


def test_bad_samples_are_errors():
    with pytest.raises(ValueError, match=r"values has shape \(2, 2\), expected \(n,\)"):
        statistics.estimate(np.ones((2, 2)))
    with pytest.raises(ValueError, match="larger and smaller have 2 and 3 values"):
        statistics.paired_fraction([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match=r"denominator has 0\.0, expected values above 0"):
        statistics.ratio_interval([1, 2], [1, 0])


def test_holm_is_the_step_down_procedure():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]).tolist() == [1.0, 1.0] and holm([]).size == 0 and holm([0.02]).tolist() == [0.02]
    rng = np.random.default_rng(0)
    alarms = np.mean([holm(rng.uniform(size=10)).min() < 0.05 for _ in range(4000)])
    assert alarms == pytest.approx(0.05, abs=0.011)  # three standard errors
    for wrong in ([0.1, 1.2], [[0.1]], [float("nan")]):
        with pytest.raises(ValueError, match="from 0 to 1"):
            holm(wrong)
