"""Intervals of the two fractions with savings: closed forms, limits, seeds."""

import numpy as np
import pytest

from savings_gym.metrics.statistics import (
    Sampling,
    all_pairs_fraction,
    all_pairs_interval,
    paired_fraction_interval,
)


def test_all_of_n_networks_has_the_exact_interval():
    n = 12
    low, high = paired_fraction_interval(np.ones(n), np.zeros(n))
    assert (low, high) == (pytest.approx(0.025 ** (1 / n)), 1.0)
    assert paired_fraction_interval(np.zeros(n), np.ones(n)) == (0.0, pytest.approx(1.0 - low))


def test_the_paired_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    counts = rng.binomial(12, 0.7, 400)
    ends = {k: paired_fraction_interval(np.arange(12) < k, np.full(12, 0.5)) for k in range(13)}
    covered = np.mean([ends[k][0] <= 0.7 <= ends[k][1] for k in counts])
    assert covered >= 0.94


def test_the_all_pairs_interval_holds_the_fraction_and_narrows():
    rng = np.random.default_rng(1)
    widths = []
    for n in (10, 160):
        worse = rng.normal(0.0, 1.0, n)
        better = worse + 0.5
        low, high = all_pairs_interval(better, worse, Sampling(resamples=500))
        assert low < all_pairs_fraction(better, worse) < high
        widths.append(high - low)
    assert widths[0] > 2.0 * widths[1]


def test_networks_that_do_not_overlap_leave_no_doubt():
    assert all_pairs_interval(np.arange(5) + 9.0, np.arange(5)) == (1.0, 1.0)


def test_equal_seeds_give_equal_intervals():
    better, worse = np.random.default_rng(2).normal(size=(2, 9))
    first, again, other = (
        all_pairs_interval(better, worse, Sampling(seed, resamples=200)) for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_too_few_networks_have_no_interval():
    assert np.isnan(all_pairs_interval([1.0], [0.0])).all()
    assert np.isnan(paired_fraction_interval([], [])).all()


def test_unpaired_values_are_refused():
    for interval in (all_pairs_interval, paired_fraction_interval):
        with pytest.raises(ValueError, match="expected pairs"):
            interval([1.0, 2.0], [0.0])
