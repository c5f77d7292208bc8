"""Maximum likelihood recovers planted parameters, and refuses what it cannot fit."""

import numpy as np
import pytest

from savings_gym.models.design import Design
from savings_gym.models.fitting import fit
from savings_gym.models.memory_of_errors import MemoryOfErrors
from savings_gym.models.state_space import OneRate, ThreeRate, TwoRate

SAVINGS = Design.of_blocks((0.0, 20), (1.0, 70), (0.0, 40), (1.0, 30))
PLANTED = (
    OneRate(retention=0.97, learning=0.1, process_noise=0.02, motor_noise=0.05),
    TwoRate(process_noise=0.01, motor_noise=0.05),
    MemoryOfErrors(retention=0.98, sensitivity=0.08, sensitivity_gain=0.01, motor_noise=0.05),
)


@pytest.mark.parametrize("model", PLANTED, ids=lambda model: model.name)
def test_planted_parameters_are_recovered_within_their_intervals(model):
    """Of all intervals together, which hold 95 % of planted values, a few may miss."""
    planted = model.replace(measure="error", scale=0.03)
    held = []
    for seed in range(2):
        result = fit(
            type(model)(**noises_of(model), measure="error"), SAVINGS, observed_of(planted, seed), starts=2
        )
        assert result.converged and result.observations == 160
        assert result.log_likelihood >= planted.predict(SAVINGS, observed_of(planted, seed)).log_likelihood
        for name, fitted in result.fitted.items():
            low, high = fitted.ci
            if np.isfinite(low):
                held.append(low <= getattr(planted, name) <= high)
    assert len(held) >= 8 and np.mean(held) >= 0.75


def noises_of(model):
    names = ("process_noise", "motor_noise")
    return {name: 0.1 for name in names if getattr(model, name, 0.0) > 0.0}


def observed_of(model, seed):
    return model.simulate(SAVINGS, seed).observed


def test_three_rates_fit_at_least_as_well_as_two():
    observed = observed_of(TwoRate(process_noise=0.01, motor_noise=0.05), 7)
    two, three = (
        fit(kind(process_noise=0.1, motor_noise=0.1), SAVINGS, observed, starts=2, intervals=False)
        for kind in (TwoRate, ThreeRate)
    )
    assert three.log_likelihood >= two.log_likelihood - 0.05
    kept = [getattr(three.model, f"{state}_retention") for state in ThreeRate.states]
    assert kept == sorted(kept) and two.bic < three.bic


def test_the_unit_of_the_data_changes_the_scale_only():
    metres = observed_of(OneRate(motor_noise=0.1, measure="error", scale=0.03), 0)
    fits = [
        fit(OneRate(motor_noise=0.1, measure="error"), SAVINGS, unit * metres, starts=1)
        for unit in (1.0, 1000.0)
    ]
    values = [{name: fitted.value for name, fitted in result.fitted.items()} for result in fits]
    assert values[1]["scale"] == pytest.approx(1000.0 * values[0]["scale"], rel=1e-3)
    assert values[1]["retention"] == pytest.approx(values[0]["retention"], abs=1e-4)
    assert fits[0].log_likelihood - fits[1].log_likelihood == pytest.approx(160 * np.log(1000.0), abs=1e-3)


def test_only_what_is_free_changes():
    observed = observed_of(TwoRate(motor_noise=0.05), 0)
    start = TwoRate(motor_noise=0.1)
    result = fit(start, SAVINGS, observed, free=("slow_learning", "motor_noise"), starts=1)
    assert set(result.fitted) == {"slow_learning", "motor_noise"}
    changed = {name for name, value in start.parameters().items() if getattr(result.model, name) != value}
    assert changed == set(result.fitted)
    assert start.free == (*TwoRate.rates, "motor_noise")  # noise of 0 stays 0


def test_a_bias_is_found_in_any_unit():
    for scale, bias in ((0.03, -0.004), (30.0, -4.0)):
        planted = OneRate(
            retention=0.97, learning=0.1, motor_noise=0.05, measure="error", scale=scale, bias=bias
        )
        guess = OneRate(motor_noise=0.1, measure="error")
        result = fit(guess, SAVINGS, observed_of(planted, 1), (*guess.free, "bias"), starts=1)
        low, high = result.fitted["bias"].ci
        assert low < bias < high < 0.0 and high - low < 0.3 * scale


def test_an_estimate_at_a_bound_has_no_interval():
    observed = observed_of(OneRate(retention=0.97, motor_noise=0.1), 3)
    result = fit(
        OneRate(motor_noise=0.1), SAVINGS, observed, ("retention", "learning", "process_noise", "motor_noise")
    )
    noise = result.fitted["process_noise"]
    if noise.value < 1.001e-3:
        assert np.isnan(noise.ci).all()
    assert np.isfinite(result.fitted["learning"].ci).all()


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(ValueError, match=r"parameter must be one of \('retention', 'learning'.*, got 'rate'"):
        fit(OneRate(), SAVINGS, np.zeros(160), free=("rate",))
    few = np.where(np.arange(160) < 3, 0.0, np.nan)
    with pytest.raises(ValueError, match="3 usable data cannot determine 4 parameters"):
        fit(OneRate(process_noise=0.1, motor_noise=0.1), SAVINGS, few)
    with pytest.raises(ValueError, match="two rates has no noise: start motor_noise"):
        fit(TwoRate(), SAVINGS, np.zeros(160))
    with pytest.raises(ValueError, match="starts must be a whole number of at least 1, got 0"):
        fit(OneRate(motor_noise=0.1), SAVINGS, np.zeros(160), starts=0)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_errors_on_the_other_side_than_the_perturbation_are_refused(side):
    """Fits to them end at the bounds of the search: likelihoods fall by 170 and more."""
    design = Design.of_blocks((0.0, 20), (side, 70), (0.0, 40), (side, 30))
    errors = TwoRate(motor_noise=0.1, measure="error", scale=0.03, bias=-0.01).simulate(design, 0).observed
    guess = OneRate(motor_noise=0.1, measure="error")
    assert fit(guess, design, errors, starts=1, intervals=False).converged
    with pytest.raises(ValueError, match="change the sign of one of them"):
        fit(guess, design, -errors, starts=1, intervals=False)
    force = TwoRate(motor_noise=0.1).simulate(design, 0).observed
    assert fit(OneRate(motor_noise=0.1), design, force, starts=1, intervals=False).converged
