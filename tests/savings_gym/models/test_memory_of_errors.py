"""Memory of errors: which errors raise the sensitivity, and the likelihood of what follows."""

import numpy as np
import pytest
from scipy.stats import norm

from savings_gym.models.design import Design
from savings_gym.models.memory_of_errors import MemoryOfErrors
from savings_gym.models.state_space import OneRate


def sensitivities(clamp):
    design = Design(np.zeros(len(clamp)), clamp=clamp)
    return MemoryOfErrors().simulate(design).states[:, 1]


def test_errors_of_one_sign_raise_the_sensitivity_and_alternating_ones_lower_it():
    same = sensitivities([0.5] * 20)
    assert np.all(np.diff(same[1:]) > 0.0)
    turning = sensitivities([0.5, -0.5] * 10)
    assert turning[0] == pytest.approx(same[0]) and np.all(np.diff(turning[::2][1:]) < 0.0)


def test_what_was_learned_of_an_error_is_remembered_for_errors_like_it():
    clamp = np.array([0.5] * 20 + [0.0] * 30 + [0.5])
    before, after = sensitivities(clamp)[[0, -1]]
    assert after > before + 10 * MemoryOfErrors().sensitivity_gain
    assert sensitivities(np.append(clamp[:-1], -1.5))[-1] == pytest.approx(before, rel=0.01)


def test_every_error_within_the_centres_has_the_first_sensitivity():
    for error in np.linspace(-1.5, 1.5, 13):
        assert sensitivities([error])[0] == pytest.approx(MemoryOfErrors().sensitivity, rel=1e-3)


def test_a_pair_of_equal_errors_adds_the_gain_to_the_sensitivity():
    first, second, third = sensitivities([0.4, 0.4, 0.4])
    assert second == pytest.approx(first) and third - second == pytest.approx(0.005)


def test_without_a_gain_it_is_one_rate():
    design = Design.of_blocks((0.0, 10), (1.0, 60), ("channel", 10), (0.0, 20))
    plain, model = OneRate(), MemoryOfErrors(sensitivity_gain=0.0)
    np.testing.assert_allclose(
        model.simulate(design).expectation, plain.simulate(design).expectation, atol=1e-3
    )


def test_savings_after_complete_washout():
    """Herzfeld et al. 2014: errors that were met before are learned from faster."""
    blocks = (0.0, 20), (1.0, 60), (0.0, 200), (1.0, 20)
    x = MemoryOfErrors(retention=0.98, sensitivity_gain=0.002).simulate(Design.of_blocks(*blocks)).expectation
    assert abs(x[280]) < 0.01 and np.all(x[283:290] > x[23:30] + 0.02)


@pytest.mark.parametrize("noise", ["motor_noise", "measurement_noise"])
def test_the_likelihood_is_that_of_independent_residuals(noise):
    design = Design.of_blocks((0.0, 10), (1.0, 40), (0.0, 20))
    model = MemoryOfErrors(**{noise: 0.1}, measure="error", scale=30.0)
    simulation = model.simulate(design, 4)
    residual = simulation.observed - 30.0 * (design.perturbation - simulation.expectation)
    expected = norm(0.0, 3.0).logpdf(residual).sum()
    assert model.predict(design, simulation.observed).log_likelihood == pytest.approx(expected)


def test_what_it_cannot_do_is_refused():
    design = Design.of_blocks((1.0, 5))
    with pytest.raises(ValueError, match="not with both"):
        MemoryOfErrors(motor_noise=0.1, measurement_noise=0.1).predict(design, np.zeros(5))
    with pytest.raises(ValueError, match="bases must be a whole number of at least 2, got 1"):
        MemoryOfErrors(bases=1)
    with pytest.raises(ValueError, match="width is 0.0"):
        MemoryOfErrors(width=0.0)
