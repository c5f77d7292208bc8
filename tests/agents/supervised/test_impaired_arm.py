"""Spasticity and signal-dependent noise on the torch arm: as in MuJoCo, and learned through."""

import dataclasses

import numpy as np
import pytest
import torch
from lively_networks import SILENCE, lively

from agents.supervised.closed_loop import linearise
from agents.supervised.course import take_course
from agents.supervised.learner import SupervisedLearner
from agents.supervised.policy import mujoco_probe
from agents.supervised.reaches import centre_out, random_reaches
from agents.supervised.rollout import plain_rollout
from agents.supervised.torch_arm import TorchArm
from savings_gym import CurlField, Impairments, Noise, Phase, Schedule

SPASTIC = Impairments(spasticity={"biceps": 2.0, "deltoid": 5.0}, threshold=0.01, reflex_delay=0.03)
FIELD = CurlField(8.0)


def batch(noise=SILENCE, networks=2, seed=0, **arguments):
    rng = np.random.default_rng(seed)
    return centre_out(networks, FIELD, rng, probe=True, noise=noise, dtype=torch.float64, **arguments)


def paths(reaches, impairments=None, ensemble=None):
    arm = TorchArm(dtype=torch.float64, impairments=impairments)
    with torch.no_grad():
        return plain_rollout(ensemble or lively(), arm, reaches).path(reaches.start)


@pytest.mark.parametrize("delay", [0.0, 0.03])
def test_spastic_muscles_move_as_in_mujoco(delay):
    impairments = dataclasses.replace(SPASTIC, reflex_delay=delay)
    path = paths(batch(), impairments)
    expected = mujoco_probe(lively(), FIELD, noise=SILENCE, impairments=impairments)
    assert path == pytest.approx(expected, abs=1e-6)
    assert np.abs(path - paths(batch())).max() > 1e-3


def test_signal_noise_is_a_share_of_the_excitation():
    noise, ensemble = Noise(excitation=0.01), lively()
    reaches = batch(noise, signal_noise=0.2)
    arm = TorchArm(dtype=torch.float64, impairments={"signal_noise": 0.2})
    with torch.no_grad():
        loud = plain_rollout(ensemble, arm, reaches)
    added = loud.excitation * reaches.signal_noise
    assert (added / loud.excitation).std().item() == pytest.approx(0.2, rel=0.03)
    same = dataclasses.replace(reaches, excitation_noise=reaches.excitation_noise + added, signal_noise=None)
    assert paths(same, ensemble=ensemble) == pytest.approx(loud.path(reaches.start), abs=1e-12)
    without = batch(noise)
    assert torch.equal(without.excitation_noise, reaches.excitation_noise)  # one seed, the same other noise
    assert np.abs(paths(without, ensemble=ensemble) - loud.path(reaches.start)).max() > 1e-4


def test_gradients_go_through_the_reflex():
    ensemble, reaches = lively(networks=1), batch(networks=1)
    arm = TorchArm(dtype=torch.float64, impairments=SPASTIC)

    def away():
        hand = plain_rollout(ensemble, arm, reaches).hand
        return ((hand - reaches.target[:, None]) ** 2).sum()

    (gradient,) = torch.autograd.grad(away(), ensemble.readout_bias)
    step, bias = 1e-6, ensemble.readout_bias
    with torch.no_grad():
        for muscle in range(6):
            bias[0, muscle] += step
            above = away()
            bias[0, muscle] -= 2.0 * step
            below = away()
            bias[0, muscle] += step
            slope = (above - below).item() / (2.0 * step)
            assert gradient[0, muscle].item() == pytest.approx(slope, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("impairments", [SPASTIC, {"signal_noise": 0.1}])
def test_a_learner_with_an_impaired_arm_learns_by_the_plain_rollout(impairments):
    learner = SupervisedLearner(lively(dtype=torch.float32), impairments=impairments)
    share = learner.arm.impairments.signal_noise
    reaches = [
        random_reaches(2, 4, FIELD, np.random.default_rng(seed), signal_noise=share) for seed in (0, 0)
    ]
    first, second = (learner.update(same)["position"] for same in reaches)
    assert (second < first).all()
    with pytest.raises(ValueError, match="has no impairments: choose 'auto' or 'plain'"):
        SupervisedLearner(lively(), rollout="fused", impairments=impairments)


def test_a_course_draws_the_noise_that_the_arm_has():
    schedule = Schedule([Phase("FF1", FIELD, 1)])
    tables = [
        take_course(SupervisedLearner(lively(dtype=torch.float32), impairments=given), schedule)
        for given in (None, {"signal_noise": 0.3})
    ]
    plain, loud = (table["lateral_deviation"] for table in tables)
    assert plain.shape == loud.shape and np.abs(plain - loud).max() > 1e-4


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TorchArm(impairments={"fatigue": {}}), "not fatigue, which goes on from trial to trial"),
        (lambda: TorchArm(impairments={"tremor": 1.0}), "tremor"),
        (lambda: TorchArm(impairments={"spasticity": 1.0, "reflex_delay": 0.015}), "reflex_delay"),
        (lambda: paths(batch(), {"signal_noise": 0.2}), "made without it; .* signal_noise=0.2"),
        (lambda: paths(batch(signal_noise=0.2)), "made with it; .* signal_noise=0"),
        (
            lambda: SupervisedLearner(lively(), rollout="fused").probe(batch(signal_noise=0.2)),
            "fused rollout has no signal-dependent noise",
        ),
        (
            lambda: linearise(lively(), TorchArm(dtype=torch.float64, impairments=SPASTIC), 0),
            "stretch reflex are not linearised",
        ),
    ],
)
def test_what_the_torch_arm_cannot_do_is_refused_by_name(make, words):
    with pytest.raises(ValueError, match=words):
        make()
