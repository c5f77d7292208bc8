"""Laws of the measures of a learning curve."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from savings_gym.metrics import learning as metrics

TRIALS = np.arange(0, 25_600, 40.0)


def curve(rate: float, amplitude: float = 0.03, asymptote: float = 0.004) -> np.ndarray:
    return amplitude * np.exp(-rate * TRIALS) + asymptote


@given(
    rate=st.floats(2e-5, 5e-3),
    amplitude=st.floats(1e-4, 1e3) | st.floats(-1e3, -1e-4),
    asymptote=st.floats(-10.0, 10.0),
    shift=st.floats(0.0, 2000.0),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_an_exact_exponential_is_recovered_at_any_scale(rate, amplitude, asymptote, shift):
    x = TRIALS + shift
    fit = metrics.learning_rate(x, amplitude * np.exp(-rate * TRIALS) + asymptote)
    assert fit.success, fit.message
    assert fit.rate == pytest.approx(rate, rel=1e-3)
    assert fit.amplitude * np.exp(-fit.rate * shift) == pytest.approx(amplitude, rel=1e-3)
    assert fit.asymptote == pytest.approx(asymptote, rel=1e-3, abs=1e-3 * abs(amplitude))


def test_a_known_rate_is_recovered_under_noise_without_bias():
    rates = [3.7e-4, 4.5e-4]
    for rate in rates:
        rng = np.random.default_rng(1)
        fits = [metrics.learning_rate(TRIALS, curve(rate) + rng.normal(0, 1e-3, 640)) for _ in range(30)]
        assert all(fit.success for fit in fits)
        result = np.array([fit.rate for fit in fits])
        np.testing.assert_allclose(result, rate, rtol=0.06)
        assert result.mean() == pytest.approx(rate, rel=0.01)
        quoted = float(fits[0].message.split()[-1])
        assert quoted == pytest.approx(result.std() / rate, rel=0.5)


def test_the_fit_is_the_least_squares_optimum():
    from scipy.optimize import least_squares

    y = curve(4e-4) + np.random.default_rng(2).normal(0, 2e-3, 640)
    fit = metrics.learning_rate(TRIALS, y)
    other = least_squares(
        lambda p: 1e3 * (p[0] * np.exp(-p[1] * TRIALS / 1e3) + p[2] - y), [0.02, 0.5, 0.0], xtol=1e-12
    )
    assert fit.rate == pytest.approx(other.x[1] / 1e3, rel=1e-5)
    assert fit.amplitude == pytest.approx(other.x[0], rel=1e-5)


def test_the_start_residual_is_what_one_rate_misses_of_two():
    one, two = curve(4e-4), curve(4e-4) + 0.002 * np.exp(-TRIALS / 200.0)
    assert metrics.learning_rate(TRIALS, one).start_residual == pytest.approx(0.0, abs=1e-9)
    for side in (1.0, -1.0):
        fit = metrics.learning_rate(TRIALS + 100.0, side * two)
        assert fit.start_residual == pytest.approx(side * two[0] - fit.at(100.0), abs=1e-12)
        assert 0.001 < side * fit.start_residual < 0.002
    np.testing.assert_allclose(metrics.learning_rate(TRIALS, one).at(TRIALS), one, atol=1e-9)


@pytest.mark.parametrize(
    ("y", "reason"),
    [
        (np.full(640, 0.03), "constant"),
        (np.zeros(640), "constant"),
        (0.03 + np.random.default_rng(3).normal(0, 1e-3, 640), "flat within its noise"),
        (0.03 - 1e-7 * TRIALS, "lower bound"),
        (0.03 * (TRIALS == 0), "upper bound"),
        (curve(3e-5) + np.random.default_rng(4).normal(0, 8e-3, 640), "not determined"),
    ],
)
def test_a_fit_that_determines_nothing_says_so(y, reason):
    fit = metrics.learning_rate(TRIALS, y)
    assert not fit.success and reason in fit.message
    assert np.isnan([fit.rate, fit.amplitude, fit.asymptote, fit.start_residual]).all()


def test_too_few_points_fail_and_bad_ones_are_errors():
    assert "at least 4" in metrics.learning_rate([0, 1, 2], [3.0, 2.0, 1.5]).message
    with pytest.raises(ValueError, match=r"deviation has shape \(3,\), expected \(4,\)"):
        metrics.learning_rate([0, 1, 2, 3], [3.0, 2.0, 1.5])
    with pytest.raises(ValueError, match="strictly increasing"):
        metrics.learning_rate([0, 1, 1, 3], [3.0, 2.0, 1.5, 1.0])
    with pytest.raises(ValueError, match="deviation has 1 values that are not finite"):
        metrics.learning_rate([0, 1, 2, 3], [3.0, np.nan, 1.5, 1.0])


def test_noise_seldom_passes_for_learning():
    rng = np.random.default_rng(5)
    for points in (6, 60):
        wrong = [metrics.learning_rate(TRIALS[:points], rng.normal(size=points)).success for _ in range(200)]
        assert np.mean(wrong) <= 0.02


def test_windows_are_means_of_whole_blocks():
    values = np.arange(24.0).reshape(2, 12)
    np.testing.assert_array_equal(metrics.windowed_mean(values), [[2.0, 7.0], [14.0, 19.0]])
    np.testing.assert_array_equal(metrics.windowed_mean(values.T, axis=0), metrics.windowed_mean(values).T)
    np.testing.assert_array_equal(metrics.windowed_mean(values, 1), values)
    assert metrics.windowed_mean(values, 13).shape == (2, 0)
    with pytest.raises(ValueError, match="window must be a whole number of at least 1, got 0"):
        metrics.windowed_mean(values, 0)
    with pytest.raises(ValueError, match="axis is 2"):
        metrics.windowed_mean(values, axis=2)


def test_trials_to_criterion_is_the_first_probe_within_it_on_either_side():
    trials = [0, 8, 16, 24]
    curves = [[4.0, 3.0, 1.0, 2.0], [-4.0, -1.5, -1.0, 0.0], [4.0, 3.5, 3.0, 2.5]]
    result = metrics.trials_to_criterion(trials, curves, 2.0)
    np.testing.assert_array_equal(result, [16.0, 8.0, np.nan])
    assert metrics.trials_to_criterion(trials, curves[0], 4.0) == 0.0
    with pytest.raises(ValueError, match=r"expected \(\.\.\., 4\)"):
        metrics.trials_to_criterion(trials, [1.0, 2.0], 1.0)
    with pytest.raises(ValueError, match="criterion is -1"):
        metrics.trials_to_criterion(trials, curves, -1)
