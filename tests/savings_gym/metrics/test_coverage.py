"""Intervals hold the truth as often as they promise, for few networks too."""

import interval_coverage as simulated
import numpy as np
import pytest

from savings_gym.metrics.fractions import all_pairs_fraction


@pytest.mark.parametrize("n", simulated.FEW)
def test_intervals_of_a_mean_cover_and_more_often_than_the_bootstrap(n):
    normal, skewed = (simulated.of_the_mean(kind, n, 20_000) for kind in list(simulated.MEANS)[:2])
    assert normal == pytest.approx(0.95, abs=0.005)  # three standard errors
    assert skewed > 0.91
    bootstrapped = simulated.of_the_bootstrap("normal", n, 200)
    assert bootstrapped < normal


@pytest.mark.parametrize("n", simulated.FEW)
@pytest.mark.parametrize("kind", ["normal", "lognormal"])
def test_intervals_of_a_ratio_of_paired_means_cover(n, kind):
    assert 0.935 < simulated.of_a_ratio(kind, n, 2000) < 0.98


@pytest.mark.parametrize("n", simulated.FEW)
def test_intervals_of_correlations_and_effect_sizes_cover(n):
    assert simulated.of_an_effect_size(1.0, n, 2000) == pytest.approx(0.95, abs=0.015)
    for r in (0.0, 0.7):
        assert simulated.of_a_correlation(r, n, 1000) == pytest.approx(0.955, abs=0.021)


@pytest.mark.parametrize("n", [8, 12, 16, 40])
@pytest.mark.parametrize("rho", simulated.CORRELATIONS)
def test_intervals_of_the_all_pairs_fraction_cover(n, rho):
    coverage = [simulated.of_all_pairs(fraction, rho, n, 1000) for fraction in simulated.FRACTIONS]
    assert min(coverage) > 0.925 and max(coverage) < 0.99
    assert np.mean(coverage) == pytest.approx(0.955, abs=0.02)


def test_the_all_pairs_fraction_does_not_depend_on_the_number_of_networks():
    rng = np.random.default_rng(0)
    means = {}
    for n in (4, 40):
        own = rng.standard_normal((3000, n))  # shared by both values of a network, so that pairs are alike
        first, second = own + 0.3, own + 0.3 * rng.standard_normal((3000, n))
        means[n] = np.mean([all_pairs_fraction(*pair) for pair in zip(first, second, strict=True)])
    assert means[4] == pytest.approx(means[40], abs=0.015)  # with i = j, larger by 0.07 of 4 networks
