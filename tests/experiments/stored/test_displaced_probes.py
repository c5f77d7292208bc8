"""Laws of probes with many displacements at once."""

import numpy as np
import pytest
import torch

from agents.supervised.networks import make_ensemble
from agents.supervised.reaches import centre_out, centre_out_targets
from agents.supervised.rollout import plain_rollout
from agents.supervised.torch_arm import TorchArm
from experiments.stored import probes as displaced_probes
from experiments.stored.probes import DISPLACED_STREAM, DisplacedProbes
from savings_gym import CurlField
from savings_gym.activity.displacement import Displacement
from savings_gym.metrics.kinematics import lateral_deviation

FIELD = CurlField(8.0)
F64 = torch.float64
STEP = 30


@pytest.fixture(scope="module")
def probes():
    phases = ("NF1", "NF2")
    ensembles = {phase: make_ensemble("gru", 2, 6, seed=k, dtype=F64) for k, phase in enumerate(phases)}
    for ensemble in ensembles.values():
        with torch.no_grad():
            ensemble.readout_bias += 3.0  # muscles that pull, so that the hand moves
    return DisplacedProbes(ensembles, FIELD)


@pytest.fixture(scope="module")
def moves():
    return np.random.default_rng(0).standard_normal((3, 2, 6))


def one_by_one(probes, vector, step):
    ensemble = probes.ensembles["NF2"]
    rng, displacement = np.random.default_rng((0, DISPLACED_STREAM)), Displacement(step, vector[:, None])
    reaches = centre_out(2, FIELD, rng, probe=True, dtype=F64)
    with torch.no_grad():
        trajectory = plain_rollout(ensemble, TorchArm(dtype=F64), reaches, displacement)
    return lateral_deviation(trajectory.path(reaches.start), centre_out_targets()).mean(axis=1)


def test_displacements_together_are_those_one_by_one_however_many_at_a_time(probes, moves, monkeypatch):
    found = probes.deviation(moves, STEP)
    assert found.shape == (3, 2)
    for vector, deviation in zip(moves, found, strict=True):
        np.testing.assert_allclose(deviation, one_by_one(probes, vector, STEP), atol=1e-9)
    assert np.ptp(found, axis=0).min() > 1e-6  # they do something
    monkeypatch.setattr(displaced_probes, "LARGEST", 1)
    np.testing.assert_allclose(probes.deviation(moves, STEP), found, atol=1e-9)


def test_what_is_left_is_nothing_before_and_follows_the_displacement_after(probes, moves):
    left = probes.remainder(moves[:2], STEP)
    assert left.shape == (2, 2, 100)
    np.testing.assert_array_equal(left[:, :, :STEP], 0.0)
    assert np.all(left[:, :, STEP] > 0.1)
    small = probes.remainder(1e-2 * moves[:2], STEP)
    np.testing.assert_allclose(
        small[:, :, STEP], probes.remainder(2e-2 * moves[:2], STEP)[:, :, STEP], rtol=0.05
    )


def test_the_phase_chooses_the_networks(probes, moves):
    zero = 0.0 * moves[:1]
    assert np.all(probes.deviation(zero, STEP) != probes.deviation(zero, STEP, phase="NF1"))
    with pytest.raises(ValueError, match="no networks of phase 'FF9'; choose from: NF1, NF2"):
        probes.deviation(zero, STEP, phase="FF9")


def test_displacements_of_another_shape_or_time_are_refused(probes, moves):
    with pytest.raises(ValueError, match=r"vectors have shape \(2, 6\), expected \(k, 2, 6\)"):
        probes.deviation(moves[0], STEP)
    with pytest.raises(ValueError, match=r"vectors have shape \(0, 2, 6\)"):
        probes.deviation(moves[:0], STEP)
    with pytest.raises(ValueError, match=r"step of a displacement must lie in 0\.\.99, got 100"):
        probes.deviation(moves, 100)
    with pytest.raises(ValueError, match="vectors has 1 values that are not finite"):
        probes.remainder(np.where(np.arange(6) == 2, np.nan, np.zeros((1, 1, 6))), STEP)
