"""Laws of decoders, their calibration, and changes within and outside the manifold."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from savings_gym import Decoder
from savings_gym.activity.memory_trace import memory_trace
from savings_gym.bci.calibration import calibrate, intended_velocity
from savings_gym.bci.decoder import (
    GAIN,
    GOLDEN_ANGLE,
    as_decoder,
    make_decoder,
    population_vector,
    readout_of,
)
from savings_gym.bci.factors import factor_analysis
from savings_gym.bci.perturbations import (
    KINDS,
    choose_perturbation,
    open_loop_change,
    outside_manifold,
    outside_share,
    within_manifold,
)

SEEDS = st.integers(0, 10_000)
ANGLES = np.arange(8) * np.pi / 4
DIRECTIONS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=-1)
UNITS, FACTORS = 30, 5


def random_decoder(seed, units=7):
    rng = np.random.default_rng(seed)
    smoothing = rng.uniform(-0.4, 0.4, (2, 2))
    return make_decoder(rng.standard_normal((2, units)), rng.standard_normal(2), smoothing)


def planted(seed=0, noise=0.05, samples=3000):
    """Activity of few factors, which also drive the intended velocity."""
    rng = np.random.default_rng(seed)
    loading, centre = rng.standard_normal((UNITS, FACTORS)), rng.uniform(-0.5, 0.5, UNITS)
    weights = rng.standard_normal((2, FACTORS))
    factors = rng.standard_normal((samples, FACTORS))
    activity = centre + 0.2 * factors @ loading.T + noise * rng.standard_normal((samples, UNITS))
    patterns = 1.5 * DIRECTIONS @ np.linalg.pinv(weights).T  # factors on the way to each target
    return activity, factors @ weights.T, centre + 0.2 * patterns @ loading.T, loading


@given(SEEDS)
@settings(max_examples=15)
def test_a_decoder_goes_through_json_and_pickle_and_hashes(seed):
    decoder = random_decoder(seed)
    again = as_decoder(json.loads(json.dumps(decoder.to_dict())))
    assert again == decoder == pickle.loads(pickle.dumps(decoder)) and hash(again) == hash(decoder)


@given(SEEDS)
@settings(max_examples=15)
def test_constant_activity_brings_the_cursor_to_the_steady_velocity(seed):
    decoder, u = random_decoder(seed), np.random.default_rng(seed).standard_normal(7)
    velocity = np.zeros(2)
    for _ in range(200):
        velocity = decoder.step(velocity, u)
    steady = decoder.steady_velocity(u)
    np.testing.assert_allclose(velocity, steady, atol=1e-9)
    np.testing.assert_allclose(decoder.step(steady, u), steady, atol=1e-9)
    by_hand = np.linalg.inv(np.eye(2) - decoder.decay) @ (decoder.matrix @ u + decoder.constant)
    np.testing.assert_allclose(steady, by_hand, atol=1e-9)


@given(SEEDS, st.floats(-360.0, 360.0))
@settings(max_examples=15)
def test_a_rotation_turns_every_velocity(seed, angle):
    decoder, rng = random_decoder(seed), np.random.default_rng(seed)
    turned, u, v = decoder.rotated(angle_deg=angle), rng.standard_normal(7), rng.standard_normal(2)
    radians = np.deg2rad(angle)
    turn = np.array([[np.cos(radians), -np.sin(radians)], [np.sin(radians), np.cos(radians)]])
    np.testing.assert_allclose(turned.step(turn @ v, u), turn @ decoder.step(v, u), atol=1e-9)
    assert open_loop_change(decoder, turned, u[None]) == pytest.approx(
        2.0 * abs(np.sin(radians / 2)), abs=1e-9
    )


def test_a_population_vector_goes_where_the_units_are_tuned_to():
    decoder = population_vector(400)
    tuned = np.cos(ANGLES[:, None] - GOLDEN_ANGLE * np.arange(400))
    np.testing.assert_allclose(decoder.steady_velocity(tuned), GAIN * DIRECTIONS, atol=0.01)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1.0, 2.0]],), r"shape \(2, units\).* got shape \(1, 2\)"),
        (([[1.0], [2.0, 3.0]],), r"shape \(2, units\)"),
        (([[1.0], ["a"]],), "Decoder: weights must be finite numbers"),
        (([[1.0], [np.nan]],), "Decoder: weights must be finite numbers"),
        (([[1.0], [1e7]],), "at most 1e\\+06 in magnitude"),
        (([[1.0], [1.0]], (1.0,)), "Decoder: offset must be"),
        (([[1.0], [1.0]], (0.0, 0.0), 1.0), "smoothing must be a number of magnitude below 1"),
        (([[1.0], [1.0]], (0.0, 0.0), [[0.0, 2.0], [2.0, 0.0]]), "eigenvalues are, got"),
    ],
)
def test_bad_decoders_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        Decoder(*arguments)


def test_activity_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"activity has shape \(3,\), expected \(\.\.\., 7\)"):
        random_decoder(0).steady_velocity(np.zeros(3))
    with pytest.raises(ValueError, match=r"one number of units, got \[6, 7\]"):
        readout_of([random_decoder(0), random_decoder(0, 6)])


def test_the_likelihood_of_factors_never_falls_and_their_manifold_is_found():
    activity, _, _, loading = planted()
    model = factor_analysis(activity, FACTORS)
    assert (np.diff(model.likelihood) > -1e-9).all() and len(model.likelihood) > 2
    found, true = np.linalg.qr(model.loading * model.sd[:, None])[0], np.linalg.qr(loading)[0]
    assert np.linalg.svd(found.T @ true)[1].min() > 0.999  # cosines of the principal angles
    factors = model.read(activity)
    np.testing.assert_allclose(factors.mean(axis=0), 0.0, atol=1e-9)
    np.testing.assert_allclose(factors.std(axis=0), 1.0, atol=1e-9)


def test_private_noise_is_told_from_shared_variance():
    activity = planted(noise=0.0)[0]
    rng = np.random.default_rng(1)
    activity[:, :10] += rng.standard_normal((len(activity), 10)) * activity[:, :10].std(axis=0)
    shared = factor_analysis(activity, FACTORS).shared
    assert np.abs(shared[:10] - 0.5).max() < 0.05 and shared[10:].min() > 0.97


@given(SEEDS)
@settings(max_examples=5, deadline=None)
def test_calibration_recovers_a_planted_decoder(seed):
    activity, velocity, patterns, _ = planted(seed, noise=0.01)
    intuitive = calibrate(activity, velocity, FACTORS, smoothing=0.7)
    decoder = intuitive.decoder()
    assert intuitive.fit > 0.99 and decoder.decay == pytest.approx(0.7 * np.eye(2))
    np.testing.assert_allclose(decoder.steady_velocity(patterns), 1.5 * DIRECTIONS, atol=0.1)
    np.testing.assert_allclose(decoder.steady_velocity(activity.mean(axis=0)), 0.0, atol=1e-9)


@given(SEEDS)
@settings(max_examples=5, deadline=None)
def test_a_change_within_keeps_the_manifold_and_one_outside_does_not(seed):
    activity, velocity, _, _ = planted(seed)
    rng, intuitive = np.random.default_rng(seed), calibrate(activity, velocity, FACTORS)
    within = within_manifold(intuitive, rng.permutation(FACTORS))
    outside = outside_manifold(intuitive, rng.permutation(UNITS))
    assert outside_share(intuitive, intuitive.decoder()).max() < 1e-9
    assert outside_share(intuitive, within).max() < 1e-9
    assert outside_share(intuitive, outside).min() > 0.3
    for decoder in (within, outside):  # neither moves the cursor for mean activity
        np.testing.assert_allclose(decoder.steady_velocity(activity.mean(axis=0)), 0.0, atol=1e-9)
    sizes = [np.linalg.norm(d.matrix * intuitive.model.sd) for d in (intuitive.decoder(), outside)]
    assert sizes[0] == pytest.approx(sizes[1])  # the same weights, on other units


def test_the_identity_changes_nothing():
    activity, velocity, patterns, _ = planted()
    intuitive = calibrate(activity, velocity, FACTORS)
    for decoder in (
        within_manifold(intuitive, np.arange(FACTORS)),
        outside_manifold(intuitive, np.arange(UNITS)),
    ):
        np.testing.assert_allclose(decoder.matrix, intuitive.decoder().matrix, atol=1e-12)
        assert open_loop_change(intuitive.decoder(), decoder, patterns) < 1e-9


def test_permuted_factors_and_units_are_read_in_place_of_each_other():
    activity, velocity, _, _ = planted()
    intuitive = calibrate(activity, velocity, FACTORS)
    order, units = np.random.default_rng(0).permutation(FACTORS), np.random.default_rng(1).permutation(UNITS)
    factors = intuitive.model.read(activity[:50])
    np.testing.assert_allclose(
        within_manifold(intuitive, order).steady_velocity(activity[:50]),
        factors[:, order] @ intuitive.weights.T,
        atol=1e-9,
    )
    standard = intuitive.model.standardise(activity[:50])[:, units]
    np.testing.assert_allclose(
        outside_manifold(intuitive, units).steady_velocity(activity[:50]),
        standard @ (intuitive.weights @ intuitive.model.reading).T,
        atol=1e-9,
    )


def test_chosen_perturbations_of_both_kinds_are_alike_in_difficulty():
    activity, velocity, patterns, _ = planted()
    intuitive = calibrate(activity, velocity, FACTORS)
    for kind in KINDS:
        chosen = choose_perturbation(kind, intuitive, patterns, np.random.default_rng(0), candidates=500)
        again = choose_perturbation(kind, intuitive, patterns, np.random.default_rng(0), candidates=500)
        assert chosen.decoder == again.decoder and 1.0 < chosen.change < 1.2
        measured = open_loop_change(intuitive.decoder(), chosen.decoder, patterns)
        assert measured == pytest.approx(chosen.change)
    with pytest.raises(ValueError, match=r"changes open-loop velocities by 9.0 to 9.1; the nearest has"):
        choose_perturbation("within", intuitive, patterns, np.random.default_rng(0), (9.0, 9.1), 10)


def test_bad_calibrations_are_refused_by_name():
    activity, velocity, _, _ = planted(samples=200)
    silent = activity * (np.arange(UNITS) != 3)
    for arguments, message in (
        ((silent, velocity, FACTORS), r"units \[3\] never change"),
        ((activity, velocity[:-1], FACTORS), "velocity has shape"),
        ((activity, np.ones_like(velocity), FACTORS), "velocity never changes"),
        ((activity, velocity, UNITS), f"factors must be .* at most {UNITS - 1}, got {UNITS}"),
        ((activity, velocity, FACTORS, 1.0), "smoothing must be below 1"),
    ):
        with pytest.raises(ValueError, match=message):
            calibrate(*arguments)
    with pytest.raises(ValueError, match="permutation of factors must have every index from 0 to 4 once"):
        within_manifold(calibrate(activity, velocity, FACTORS), [0, 1, 2, 3, 3])


def test_the_intended_velocity_points_at_the_target():
    velocity = intended_velocity([[0.0, 0.0], [0.1, 0.0]], [0.1, 0.0], 0.3)
    np.testing.assert_allclose(velocity, [[0.3, 0.0], [0.0, 0.0]], atol=1e-12)


def test_a_planted_memory_trace_is_found_and_a_sham_has_none():
    """Activity that moves where only the perturbed decoder sees it leaves a trace, and no other behaviour."""
    rng = np.random.default_rng(0)
    intuitive, perturbed = ([random_decoder(seed, 20) for seed in seeds] for seeds in ((1, 2), (3, 4)))
    before = rng.standard_normal((2, 8, 10, 20))
    both = np.stack([np.concatenate([a.matrix, b.matrix]) for a, b in zip(intuitive, perturbed, strict=True)])
    steady = np.stack([(np.eye(2) - b.decay) for b in perturbed])  # drive per steady velocity
    drive = np.einsum("nij,kj->nki", steady, 0.04 * DIRECTIONS)  # (n, 8, 2)
    wanted = np.concatenate([np.zeros_like(drive), drive], axis=-1)
    change = np.einsum("nui,nki->nku", np.linalg.pinv(both), wanted)
    activity = {"NF1": before, "NF2": before + change[:, :, None]}
    trace = memory_trace(activity, readout_of(perturbed), DIRECTIONS)
    np.testing.assert_allclose(trace, 0.04, atol=1e-9)
    np.testing.assert_allclose(memory_trace(activity, readout_of(intuitive), DIRECTIONS), 0.0, atol=1e-9)
    sham = {"NF1": before, "NF2": before}
    np.testing.assert_allclose(memory_trace(sham, readout_of(perturbed), DIRECTIONS), 0.0, atol=1e-12)
