"""Laws of the split into output-null and output-potent activity."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_activity import rotation

from savings_gym.activity.subspaces import output_split

SEEDS = st.integers(0, 10_000)


def readouts(seed=0, networks=(3,), outputs=6, units=20):
    return np.random.default_rng(seed).standard_normal((*networks, outputs, units))


@given(seed=SEEDS, shape=st.sampled_from([(3, 20), (3, 8, 20), (3, 8, 15, 20)]))
def test_the_parts_add_up_and_the_readout_sees_only_one(seed, shape):
    weights = readouts(seed)
    activity = np.random.default_rng(seed + 1).standard_normal(shape)
    null, potent = output_split(activity, weights)
    assert null.shape == potent.shape == shape
    np.testing.assert_allclose(null + potent, activity, rtol=0.0, atol=1e-14)
    np.testing.assert_allclose(np.einsum("n...u,nou->n...o", null, weights), 0.0, atol=1e-12)
    np.testing.assert_allclose(np.sum(null * potent, axis=-1), 0.0, atol=1e-12)


@given(seed=SEEDS)
def test_the_potent_part_is_the_projection_on_the_row_space_whatever_its_rank(seed):
    weights = readouts(seed)
    weights[1, 5] = weights[1, 4] - 2.0 * weights[1, 3]
    units = np.broadcast_to(np.eye(20), (3, 20, 20))
    projector = output_split(units, weights).potent
    np.testing.assert_allclose(projector, np.linalg.pinv(weights) @ weights, atol=1e-11)
    np.testing.assert_allclose(np.trace(projector, axis1=-2, axis2=-1), [6, 5, 6], atol=1e-11)


def test_a_rotation_turns_the_parts():
    weights, turn = readouts(), rotation(20, 1)
    activity = np.random.default_rng(0).standard_normal((3, 8, 20))
    here, there = output_split(activity, weights), output_split(activity @ turn, weights @ turn)
    np.testing.assert_allclose(there.null, here.null @ turn, atol=1e-12)
    np.testing.assert_allclose(there.potent, here.potent @ turn, atol=1e-12)


def test_what_the_readout_reads_does_not_depend_on_its_units():
    weights = readouts(1)
    scaled = weights * [[1.0], [1e-3], [10.0], [1.0], [2.0], [1e4]]
    activity = np.random.default_rng(2).standard_normal((3, 8, 20))
    here, there = output_split(activity, weights), output_split(activity, scaled)
    np.testing.assert_allclose(there.potent, here.potent, atol=1e-8)


def test_a_split_refuses_a_blind_readout_and_other_units():
    weights = readouts()
    activity = np.ones((3, 8, 20))
    with pytest.raises(ValueError, match=r"shape \(3, 8, 19\), expected \(3, \.\.\., 20\): networks first"):
        output_split(activity[..., 1:], weights)
    with pytest.raises(ValueError, match=r"shape \(2, 8, 20\), expected \(3, \.\.\., 20\)"):
        output_split(activity[1:], weights)
    weights[2] = 0.0
    with pytest.raises(ValueError, match="readout in network 2 is zero throughout"):
        output_split(activity, weights)
    with pytest.raises(ValueError, match=r"readout has shape \(20,\), expected \(\.\.\., outputs, units\)"):
        output_split(np.ones(20), np.ones(20))
    with pytest.raises(ValueError, match="activity has 1 values that are not finite"):
        output_split(np.r_[np.inf, np.ones(19)], np.ones((6, 20)))
