"""Laws of the two fractions of networks with savings: counts, closed forms, limits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from savings_gym.metrics.fractions import (
    all_pairs_fraction,
    all_pairs_interval,
    paired_fraction,
    paired_fraction_interval,
)

PAIRS = st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=2, max_size=9)


@given(pairs=PAIRS)
@settings(max_examples=80, deadline=None, derandomize=True)
def test_all_pairs_fraction_is_the_count_over_pairs_of_two_networks(pairs):
    first, second = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    n = len(pairs)
    wins = [
        (first[i] > second[j]) + 0.5 * (first[i] == second[j]) for i in range(n) for j in range(n) if i != j
    ]
    assert all_pairs_fraction(first, second) == pytest.approx(np.mean(wins))
    assert all_pairs_fraction(first, second) + all_pairs_fraction(second, first) == pytest.approx(1.0)
    if n > 2:
        low, high = all_pairs_interval(first, second)
        assert 0.0 <= low <= np.mean(wins) + 1e-12 and np.mean(wins) - 1e-12 <= high <= 1.0
        mirrored = all_pairs_interval(second, first)
        assert (1.0 - mirrored[1], 1.0 - mirrored[0]) == pytest.approx((low, high))


@given(pairs=PAIRS)
@settings(max_examples=80, deadline=None, derandomize=True)
def test_paired_fraction_is_the_count_of_networks(pairs):
    first, second = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    wins = sum((a > b) + 0.5 * (a == b) for a, b in pairs)
    assert paired_fraction(first, second) == pytest.approx(wins / len(pairs))
    low, high = paired_fraction_interval(first, second)
    assert low <= wins / len(pairs) <= high


def test_the_two_fractions_answer_different_questions():
    first = np.arange(10.0)
    assert paired_fraction(first, first - 0.5) == 1.0
    assert all_pairs_fraction(first, first - 0.5) == 0.5  # 45 of the 90 pairs of two networks


def test_all_of_n_networks_has_the_exact_interval():
    n = 12
    expected = pytest.approx(0.025 ** (1 / n))
    for interval in (paired_fraction_interval, all_pairs_interval):
        low, high = interval(np.ones(n), np.zeros(n))
        assert (low, high) == (expected, 1.0)
        assert interval(np.zeros(n), np.ones(n)) == (0.0, pytest.approx(1.0 - low))


@pytest.mark.parametrize("count", range(6))
def test_the_paired_interval_is_that_of_clopper_and_pearson(count):
    known = binomtest(count, 5).proportion_ci(0.95)
    assert paired_fraction_interval(np.arange(5) < count, np.full(5, 0.5)) == pytest.approx(known, rel=1e-9)


def test_the_paired_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    counts = rng.binomial(12, 0.7, 400)
    ends = {k: paired_fraction_interval(np.arange(12) < k, np.full(12, 0.5)) for k in range(13)}
    covered = np.mean([ends[k][0] <= 0.7 <= ends[k][1] for k in counts])
    assert covered >= 0.94


def test_the_all_pairs_interval_narrows_and_uses_that_values_are_paired():
    rng = np.random.default_rng(1)
    widths = {}
    for n in (10, 160):
        worse = rng.normal(0.0, 1.0, n)
        for name, better in (("paired", worse + 0.5), ("shuffled", rng.permutation(worse) + 0.5)):
            widths[name, n] = np.ptp(all_pairs_interval(better, worse))
    assert widths["paired", 10] > 2.0 * widths["paired", 160]
    assert widths["shuffled", 160] > 2.0 * widths["paired", 160]


def test_too_few_networks_have_no_interval():
    assert np.isnan(all_pairs_fraction([1.0], [0.0]))
    assert np.isnan(all_pairs_interval([1.0, 2.0], [0.0, 3.0])).all()
    assert np.isnan([paired_fraction([], []), *paired_fraction_interval([], [])]).all()


def test_unpaired_values_are_refused():
    for function in (paired_fraction, paired_fraction_interval, all_pairs_fraction, all_pairs_interval):
        with pytest.raises(ValueError, match="larger and smaller have 2 and 1 values, expected pairs"):
            function([1.0, 2.0], [0.0])
