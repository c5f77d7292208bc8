"""The power of the paired t test, against known tables and the noncentral t distribution."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, nct
from scipy.stats import t as student

from savings_gym.metrics.power import (
    largest_deviation,
    networks_for_effect,
    networks_for_interval,
    smallest_effect,
)
from savings_gym.metrics.statistics import effect_size, effect_size_of_t, mean_interval, t_test


@pytest.mark.parametrize(("effect", "networks"), [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10)])
def test_networks_are_those_of_the_usual_tables(effect, networks):
    assert networks_for_effect(effect) == networks_for_effect(-effect) == networks  # G*Power 3, two-tailed


@given(st.integers(3, 60), st.floats(0.001, 0.2), st.floats(0.5, 0.95))
@settings(max_examples=40, deadline=None)
def test_the_smallest_effect_is_found_with_the_power(n, level, power):
    effect = smallest_effect(n, level, power)
    critical = student.isf(level / 2, n - 1)
    assert nct.sf(critical, n - 1, effect * np.sqrt(n)) == pytest.approx(power, abs=1e-6)
    assert networks_for_effect(effect * (1 + 1e-9), level, power) == n


def test_an_interval_of_planned_width_is_no_wider():
    for width in (0.3, 1.0, 3.0):
        n = networks_for_interval(width)
        widths = []
        for count in (n, n - 1):
            x = np.random.default_rng(0).normal(size=max(count, 2))
            low, high = mean_interval((x - x.mean()) / x.std(ddof=1))
            widths.append((high - low) / 2)
        assert widths[0] <= width and (n == 2 or widths[1] > width)


def test_the_limit_of_a_deviation_holds_as_often_as_promised():
    x = np.random.default_rng(1).normal(size=(4000, 5))
    held = [largest_deviation(sd, 5, 0.8) >= 1.0 for sd in x.std(axis=1, ddof=1)]
    assert np.mean(held) == pytest.approx(0.8, abs=0.02)
    assert largest_deviation(2.0, 5, 0.8) == pytest.approx(2.0 * np.sqrt(4.0 / chi2.ppf(0.2, 4)), rel=1e-12)


def test_no_effect_needs_more_networks_than_there_are():
    assert networks_for_effect(0.0) is None and networks_for_interval(0.0) is None
    assert np.isnan(smallest_effect(1)) and np.isnan(largest_deviation(1.0, 1))


def test_an_effect_size_follows_from_t_and_n_alone():
    x = np.random.default_rng(2).normal(0.5, 1.0, size=9)
    assert effect_size_of_t(t_test(x)[0], 9) == effect_size(x)
    assert np.isnan(effect_size_of_t(np.inf, 9)[0]) and np.isnan(effect_size_of_t(1.0, 1)[0])


def test_shares_beyond_0_and_1_are_refused():
    with pytest.raises(ValueError, match="power is 1.0, expected a number between 0 and 1"):
        smallest_effect(5, power=1.0)
    with pytest.raises(ValueError, match="level is 0, expected"):
        networks_for_effect(1.0, level=0)
