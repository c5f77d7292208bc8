"""Trials to half of the first deviation: closed forms of exponentials, whatever their asymptote."""

import numpy as np
import pytest
from planted_probes import TRUE_RATE, TRUE_START, plant

from savings_gym.metrics.curves import PhaseCurves, phase_curves
from savings_gym.metrics.savings import savings
from savings_gym.metrics.trials_saved import trials_saved, trials_to_half

EXACT = {"noise": 0.0, "spread": 0.0}
CRITERION = TRUE_START["FF1"] / 2


def trials_of(phase):
    """When an exponential to 0 is down to the criterion."""
    return np.log(TRUE_START[phase] / CRITERION) / TRUE_RATE[phase]


def test_exponentials_take_as_long_as_their_closed_form():
    saved = savings(plant(**EXACT)).trials
    assert saved.criterion == pytest.approx(CRITERION)
    assert saved.ff1 == pytest.approx(trials_of("FF1"), abs=1.0)
    assert saved.ff2 == pytest.approx(trials_of("FF2"), abs=1.0)
    assert saved.difference == pytest.approx(saved.ff1 - saved.ff2)
    assert saved.ratio == pytest.approx(saved.ff2 / saved.ff1)
    assert saved.paired_fraction == 1.0 and saved.networks == 12


def test_planted_savings_are_inside_their_intervals():
    inside = 0
    for seed in range(40):
        saved = savings(plant(seed=seed, noise=1e-3), resamples=100).trials
        true = trials_of("FF2") / trials_of("FF1")
        inside += saved.ci[0] < true < saved.ci[1]
    assert 34 <= inside <= 40  # 95 % of 40, and less than one in a hundred outside these


def test_a_phase_that_ends_before_its_asymptote_is_measured_all_the_same():
    short = savings(plant(updates=60, **EXACT)).trials  # 480 trials, one time constant
    assert short.ratio == pytest.approx(savings(plant(**EXACT)).trials.ratio)


def test_the_side_of_the_field_changes_nothing():
    table = plant(networks=4)
    mirrored = {**table, "lateral_deviation": -table["lateral_deviation"]}
    assert savings(mirrored, resamples=100).trials == savings(table, resamples=100).trials


def curves(deviation, trials=None):
    deviation = np.atleast_2d(np.asarray(deviation, dtype=float))
    n, u = deviation.shape
    axis = 8 * np.arange(u) if trials is None else np.asarray(trials)
    return PhaseCurves(np.arange(n), np.arange(u), axis, np.arange(8), deviation)


def test_straight_lines_between_probes():
    line = curves([4.0, 3.0, 2.0, 1.0])
    assert trials_to_half(line, 1.5, 1.0, window=1) == pytest.approx([20.0])
    assert trials_to_half(curves([-4.0, -3.0, -2.0, -1.0]), 1.5, -1.0, window=1) == pytest.approx([20.0])
    assert trials_to_half(line, 4.0, 1.0, window=1) == [0.0]
    assert np.isnan(trials_to_half(line, 0.5, 1.0, window=1)).all()


def test_networks_that_never_get_there_count_as_all_trials():
    ff1 = curves([[4.0, 3.0, 1.0, 1.0], [4.0, 4.0, 4.0, 4.0]])
    saved = trials_saved(ff1, ff1, 1.0, window=1)
    assert (saved.networks, saved.reached) == (2, 1) and saved.difference == 0.0 and saved.ratio == 1.0
    assert saved.ff1 == pytest.approx((12.0 + 24.0) / 2)
    none = trials_saved(curves([[4.0, 4.0]] * 2), curves([[4.0, 4.0]] * 2), 1.0, window=1)
    assert (none.networks, none.reached, none.ff1, none.ratio) == (2, 0, 8.0, 1.0)


@pytest.mark.parametrize("probes", [(30, 12), (12, 30), (30, 2), (2, 30), (30, 1)])
def test_phases_of_other_lengths_save_nothing_if_their_curves_are_the_same(probes):
    """Of networks that differ in their rates; in the shorter phase only the fast ones get there."""
    rates = np.linspace(0.005, 0.1, 9)[:, None]
    both = [curves(4.0 * np.exp(-rates * 8 * np.arange(count))) for count in probes]
    saved = trials_saved(*both, 1.0, window=3)
    assert saved.difference == 0.0 and saved.networks == 9 and saved.reached < 9
    assert saved.paired_fraction == 0.5  # all are ties


def test_a_start_below_the_criterion_takes_no_trials():
    ff1, ff2 = curves([[4.0, 3.0, 1.0]] * 3), curves([[1.0, 1.0, 1.0]] * 3)
    saved = trials_saved(ff1, ff2, 1.0, window=1)
    assert saved.ff2 == 0.0 and saved.ratio == 0.0
    assert phase_curves(plant(networks=2))["FF1"].trials[0] == 0
