"""Contextual inference: what the paper shows, and the limits in which it is a Kalman filter."""

import numpy as np
import pytest
from scipy.stats import norm

from savings_gym.models.coin import Coin
from savings_gym.models.contexts import ContextFilter
from savings_gym.models.design import Design
from savings_gym.models.fitting import fit

RECOVERY = Design.of_blocks((0.0, 50), (1.0, 125), (-1.0, 15), ("channel", 150))
ALONE = {
    "contexts": 1,
    "retention_sd": 1e-9,
    "drift_sd": 1e-9,
    "particles": 4,
}  # one context, known parameters


@pytest.fixture(scope="module")
def recovery():
    return Coin(particles=50, runs=12).average(RECOVERY)


def test_spontaneous_recovery(recovery):
    """Heald et al. 2021, figure 2: after brief unlearning, adaptation to A comes back in the channel."""
    expected, _ = recovery
    assert abs(expected[40:50].mean()) < 0.02 and expected[170:175].mean() > 0.7
    assert expected[185:190].max() < -0.2
    channel = expected[190:]
    assert channel[10:60].mean() > 0.04 and channel[100:].mean() < 0.2


def test_probabilities_of_contexts_sum_to_one(recovery):
    _, probability = recovery
    assert probability.shape == (340, 11) and probability.min() >= 0.0
    np.testing.assert_allclose(probability.sum(axis=-1), 1.0, atol=1e-12)
    assert probability[0, -1] == 1.0  # at first every context is new
    assert probability[45:50, 0].mean() > 0.8 and probability[170:175, 0].mean() < 0.2
    assert probability[260:, 1:3].sum(axis=-1).mean() > 0.3  # A is expected again


def test_relearning_is_faster_because_the_context_is_known():
    x, _ = Coin(particles=50, runs=12).average(Design.of_blocks((0.0, 50), (1.0, 80), (0.0, 80), (1.0, 20)))
    assert abs(x[200:210].mean()) < 0.1 and np.all(x[212:220] > x[52:60] + 0.1)


def kalman(y, noise, model):
    """Expectation of every trial of a learner with one context, (T,)."""
    a, q = model.retention, model.process_noise**2
    mean, variance, expected = 0.0, q / (1.0 - a**2), []
    for t, value in enumerate(y):
        mean, variance = (a * mean, a**2 * variance + q) if t else (mean, variance)
        expected.append(mean)
        gain = variance / (variance + noise**2)
        mean, variance = mean + gain * (value - mean), (1.0 - gain) * variance
    return np.array(expected)


def test_with_one_context_it_is_a_kalman_filter():
    design, model = Design.of_blocks((0.0, 10), (1.0, 40), (0.0, 10)), Coin(**ALONE)
    expected = kalman(design.perturbation, np.hypot(0.03, 0.0182), model)
    np.testing.assert_allclose(model.simulate(design).expectation, expected, atol=1e-6)


def test_without_hidden_noise_the_likelihood_is_exact():
    design = Design.of_blocks((0.0, 10), (1.0, 30))
    model = Coin(**ALONE, sensory_noise=0.0, motor_noise=0.1, runs=3, scale=30.0, bias=1.0, measure="error")
    observed = model.simulate(design, 2).observed
    met, x = (observed - 1.0) / 30.0, np.zeros(40)  # errors, and expectations; feedback is their sum
    for t in range(40):
        x[t] = kalman(met[: t + 1] + x[: t + 1], 0.1, model)[t]
    expected = norm(0.0, 3.0).logpdf(30.0 * (met - (design.perturbation - x))).sum()
    assert model.predict(design, observed).log_likelihood == pytest.approx(expected, abs=1e-3)


def test_planted_retention_is_the_most_probable():
    design = Design.of_blocks((0.0, 15), (1.0, 40), (0.0, 20))
    planted = Coin(motor_noise=0.05, particles=30, runs=6)
    observed = planted.simulate(design, 5).observed
    values = {
        r: planted.replace(retention=r).predict(design, observed).log_likelihood for r in (0.8, 0.9425, 0.98)
    }
    assert max(values, key=values.get) == 0.9425
    forecast = planted.forecast(design, observed, 55)
    assert forecast.mean.shape == (20,) and np.isfinite(forecast.log_density).all()


def test_a_fit_climbs_from_a_wrong_start():
    design = Design.of_blocks((0.0, 10), (1.0, 30))
    observed = Coin(motor_noise=0.05).simulate(design, 1).observed
    start = Coin(motor_noise=0.02, particles=20, runs=3)
    result = fit(start, design, observed, free=("motor_noise",), intervals=False)
    assert 0.03 < result.model.motor_noise < 0.1 and result.converged
    assert result.log_likelihood > start.predict(design, observed).log_likelihood + 10.0


def test_a_filter_counts_every_transition_and_seats_every_context():
    rng = np.random.default_rng(0)
    prior = Coin()._beliefs(1, rng).prior
    beliefs = ContextFilter(prior, 3, 20, rng)
    for t in range(60):
        beliefs.predict()
        beliefs.update(None if t % 10 == 9 else rng.normal(float(t // 20), 0.05, 3))
    np.testing.assert_array_equal(beliefs.transitions.sum(axis=(1, 2)), 59.0)
    columns = np.arange(beliefs.tables.shape[1])
    np.testing.assert_array_equal(beliefs.tables >= 1.0, columns < beliefs.known[:, None])
    assert np.all(beliefs.tables.sum(axis=-1) <= 60.0) and beliefs.known.min() >= 2
    assert np.all((beliefs.retention > 0.0) & (beliefs.retention < 1.0) & (beliefs.variance > 0.0))


def test_equal_seeds_give_equal_learners():
    design, model = Design.of_blocks((0.0, 5), (1.0, 15), ("channel", 5)), Coin(particles=20, runs=2)
    first, second, other = (model.simulate(design, seed).observed for seed in (1, 1, 2))
    assert np.array_equal(first, second) and not np.array_equal(first, other)
    values = [model.predict(design, first).log_likelihood for _ in range(2)]
    assert values[0] == values[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": 0.0}, "alpha must be above 0, got 0.0"),
        ({"rho": 1.0}, "rho must be below 1, got 1.0"),
        ({"retention": 1.1}, "retention must be a finite number of at least 0 and at most 1, got 1.1"),
        ({"particles": 0}, "particles must be a whole number of at least 1, got 0"),
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1"),
    ],
)
def test_bad_parameters_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Coin(**arguments)
