"""State-space models against closed forms, and their likelihood against a multivariate normal."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from savings_gym.models.design import Design
from savings_gym.models.state_space import OneRate, ThreeRate, TwoRate

MODELS = (OneRate, TwoRate, ThreeRate)


def rates(model):
    """A and B of the states."""
    return tuple(
        np.array([getattr(model, f"{state}_{kind}" if state else kind) for state in model.states])
        for kind in ("retention", "learning")
    )


def mixed_design(trials, seed):
    """Free, clamped and channel trials in random order."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(3, trials, p=(0.7, 0.15, 0.15))
    clamp = np.where(kind == 1, rng.normal(size=trials), np.nan)
    return Design(rng.choice([0.0, 1.0, -1.0], trials), clamp, kind == 2)


@pytest.mark.parametrize("kind", MODELS)
def test_adaptation_approaches_its_asymptote(kind):
    model = kind()
    x = model.simulate(Design.of_blocks((1.0, 60_000 if kind is ThreeRate else 4000))).expectation
    kept, learned = rates(model)
    gain = np.sum(learned / (1.0 - kept))  # at rest x_i = B_i e / (1 - A_i), and e = 1 - x
    assert x[-1] == pytest.approx(gain / (1.0 + gain), abs=1e-9)


@pytest.mark.parametrize("kind", MODELS)
def test_one_error_is_forgotten_at_the_rate_of_every_state(kind):
    clamp = np.full(40, np.nan)
    clamp[0], channel = 1.0, np.arange(40) > 0
    simulation = kind().simulate(Design(np.zeros(40), clamp, channel))
    kept, learned = rates(kind())
    expected = (learned * kept ** np.arange(39)[:, None]).sum(axis=-1)
    np.testing.assert_allclose(simulation.expectation[1:], expected, rtol=1e-12)
    np.testing.assert_allclose(simulation.error, np.where(channel, 0.0, clamp))


def joint_normal(model, design):
    """Mean and covariance of the measured adaptation, from the response to every source of noise."""
    kept, learned = rates(model)
    trials, k = design.trials, kept.size
    sources = 1 + trials + trials * k  # the perturbation, motor noise, process noise
    states, rows = np.zeros((k, sources)), []
    for t in range(trials):
        motor = np.zeros(sources)
        motor[1 + t] = model.motor_noise
        rows.append(states.sum(axis=0) + motor)
        error = -rows[-1] if design.free[t] else np.zeros(sources)
        error[0] += design.perturbation[t] if design.free[t] else design.imposed_error[t]
        states = kept[:, None] * states + learned[:, None] * error
        states[np.arange(k), 1 + trials + t * k + np.arange(k)] += model.process_noise
    response = np.array(rows)
    noise = response[:, 1:]
    return response[:, 0], noise @ noise.T + model.measurement_noise**2 * np.eye(trials)


@pytest.mark.parametrize("kind", MODELS)
@given(
    seed=st.integers(0, 1000),
    process=st.floats(0.0, 0.3),
    motor=st.floats(0.0, 0.3),
    measured=st.floats(0.02, 0.3),
)
@settings(max_examples=12)
def test_the_likelihood_is_that_of_a_multivariate_normal(kind, seed, process, motor, measured):
    design = mixed_design(25, seed)
    model = kind(process_noise=process, motor_noise=motor, measurement_noise=measured, scale=2.5, bias=-0.3)
    observed = model.simulate(design, seed).observed
    observed[np.random.default_rng(seed).random(25) < 0.2] = np.nan
    observed[-1] = 1.0
    seen = np.isfinite(observed)
    mean, covariance = joint_normal(model, design)
    expected = multivariate_normal(
        2.5 * mean[seen] - 0.3, 2.5**2 * covariance[np.ix_(seen, seen)]
    ).logpdf(observed[seen])  # fmt: skip
    assert model.predict(design, observed).log_likelihood == pytest.approx(expected, rel=1e-8, abs=1e-8)
    first = 15
    blind = model.forecast(design, observed, first)
    early, late = np.flatnonzero(seen[:first]), np.arange(first, 25)
    weight = np.linalg.solve(covariance[np.ix_(early, early)], covariance[np.ix_(early, late)])
    given_early = mean[late] + weight.T @ ((observed[early] + 0.3) / 2.5 - mean[early])
    np.testing.assert_allclose(blind.mean, 2.5 * given_early - 0.3, atol=1e-8)
    left = covariance[np.ix_(late, late)] - covariance[np.ix_(late, early)] @ weight
    np.testing.assert_allclose(blind.sd, 2.5 * np.sqrt(np.diag(left)), atol=1e-8)


def test_errors_and_adaptation_are_the_same_data():
    design = Design.of_blocks((0.0, 20), (1.0, 40), (-1.0, 10))
    model = TwoRate(process_noise=0.02, motor_noise=0.05)
    adaptation = model.simulate(design, 3).observed
    as_error = model.replace(measure="error", scale=30.0, bias=2.0)
    deviation = as_error.simulate(design, 3).observed
    np.testing.assert_allclose(deviation, 2.0 + 30.0 * (design.perturbation - adaptation))
    expected = model.predict(design, adaptation).log_likelihood - 70 * np.log(30.0)
    assert as_error.predict(design, deviation).log_likelihood == pytest.approx(expected)


def test_deviations_exist_on_free_trials_only():
    design = mixed_design(40, 1)
    model = TwoRate(motor_noise=0.1, measure="error")
    assert np.array_equal(np.isnan(model.simulate(design, 0).observed), ~design.free)
    assert np.array_equal(np.isnan(model.predict(design, np.zeros(40)).log_density), ~design.free)


def spontaneous_recovery(model):
    """Smallest and largest adaptation in error clamp trials, after learning and brief unlearning."""
    design = Design.of_blocks((0.0, 20), (1.0, 400), (-1.0, 20), ("channel", 100))
    x = model.simulate(design).expectation
    last = 440
    zero = np.flatnonzero(x[420:440] <= 0.0)
    if zero.size:  # unlearn to zero only, as in the experiment
        design = Design.of_blocks((0.0, 20), (1.0, 400), (-1.0, int(zero[0])), ("channel", 100))
        x, last = model.simulate(design).expectation, 420 + int(zero[0])
    return x[last:]


def test_only_more_than_one_rate_recovers_spontaneously():
    """Smith et al. 2006: two rates rebound in error clamps, one rate does not."""
    rebound = spontaneous_recovery(TwoRate())
    assert rebound[0] <= 0.05 and 5 < np.argmax(rebound) < 40  # at once, then slow decay
    assert 0.1 < rebound.max() - rebound[0] < 0.5
    assert np.all(np.diff(np.abs(spontaneous_recovery(OneRate()))) <= 0.0)


def test_two_rates_save_until_both_states_are_washed_out():
    """Smith et al. 2006, and Zarahn et al. 2008: no savings of a linear model after complete washout."""

    def start_of_relearning(washout):
        blocks = (0.0, 50), (1.0, 200), (0.0, washout), (1.0, 30)
        x = TwoRate().simulate(Design.of_blocks(*blocks)).expectation
        return x[250 + washout :] - x[50:80]

    assert start_of_relearning(20)[:10].min() > 0.01
    assert np.abs(start_of_relearning(1500)).max() < 1e-6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"fast_retention": 1.2},
            "fast_retention must be a finite number of at least 0 and at most 1, got 1.2",
        ),
        ({"fast_retention": 0.995}, r"retentions of fast, slow must not fall, got \[0.995, 0.992\]"),
        ({"motor_noise": -0.1}, "motor_noise must be a finite number of at least 0, got -0.1"),
        ({"measure": "force"}, r"measure must be one of \('adaptation', 'error'\), got 'force'"),
        ({"scale": 0.0}, "scale must be above 0"),
        ({"slow_learning": "0.1"}, "slow_learning must be"),
    ],
)
def test_bad_parameters_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        TwoRate(**arguments)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Design([]), r"perturbation has shape \(0,\)"),
        (lambda: Design([0.0, np.nan]), "not finite"),
        (lambda: Design([0.0, 1.0], clamp=[0.0]), r"expected \(2,\)"),
        (lambda: Design([0.0, 1.0], channel=[0, 1]), "expected booleans"),
        (lambda: Design([0.0, 1.0], [0.5, np.nan], np.array([True, False])), "in a channel"),
        (lambda: Design.of_blocks(("clamp", 3)), "perturbation of a block must be a finite number"),
        (lambda: Design.of_blocks((1.0, 0)), "trials of a block must be a whole number of at least 1, got 0"),
        (lambda: Design.of_blocks(), "at least one block"),
        (lambda: TwoRate().predict(Design([0.0, 1.0]), [1.0]), r"observed has shape \(1,\), expected \(2,\)"),
        (lambda: TwoRate().predict(Design([0.0, 1.0]), [np.nan] * 2), "none at all"),
        (lambda: TwoRate().forecast(Design([0.0, 1.0]), [0.0, 0.0], 2), "first must be a whole number"),
    ],
)
def test_bad_designs_and_data_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_equal_seeds_give_equal_learners_and_no_seed_gives_no_noise():
    design, model = mixed_design(50, 2), ThreeRate(process_noise=0.1, motor_noise=0.1, measurement_noise=0.1)
    first, second, other = (model.simulate(design, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.observed, second.observed) and not np.array_equal(
        first.observed, other.observed
    )
    silent = ThreeRate().simulate(design)
    np.testing.assert_array_equal(model.simulate(design).observed, silent.observed)
    np.testing.assert_allclose(silent.states.sum(axis=-1), silent.expectation)
