"""Laws of the share of a change that targets have in common, and of the turn of a ring."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_activity import ANGLES, planted, rotation

from savings_gym.activity.preparatory import common_share, ring_turn

RING = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=-1)


def turned(points, angle):
    return points @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def test_a_pure_shift_is_common_and_a_pure_change_of_tuning_is_not():
    data = planted((3,))
    np.testing.assert_allclose(common_share(data.activity), 1.0, atol=1e-12)
    other = planted((3,), seed=1)
    tuned = data.activity["NF1"] + other.force @ other.tuning  # forces without a mean
    np.testing.assert_allclose(common_share({**data.activity, "FF1": tuned}), 0.0, atol=1e-12)


@given(share=st.floats(0.01, 0.99), seed=st.integers(0, 1000))
def test_a_planted_share_is_recovered_whatever_the_axes_of_unit_space(share, seed):
    rng = np.random.default_rng(seed)
    common, own = rng.standard_normal(20), rng.standard_normal((8, 20))
    own -= own.mean(axis=0)
    common *= np.sqrt(share / np.sum(common**2))
    own *= np.sqrt((1.0 - share) / np.mean(np.sum(own**2, axis=-1)))
    before = rng.standard_normal((8, 20))
    activity = {"NF1": before, "FF1": before + common + own}
    assert common_share(activity) == pytest.approx(share)
    there = {phase: x @ rotation(20, seed) for phase, x in activity.items()}
    assert common_share(there) == pytest.approx(share)


@given(angle=st.floats(-3.1, 3.1), size=st.floats(0.1, 10.0))
def test_a_planted_turn_is_recovered_from_rings_of_any_size_and_centre(angle, size):
    points = np.stack([RING * [1.0, 0.6], RING])
    moved = size * turned(points, angle) + [3.0, -2.0]
    np.testing.assert_allclose(ring_turn(moved, points), angle, atol=1e-9)


def test_a_quarter_turn_counterclockwise_is_positive():
    assert ring_turn(RING[[2, 3, 4, 5, 6, 7, 0, 1]], RING) == pytest.approx(np.pi / 2)


def test_changes_that_cannot_be_described_are_refused():
    data = planted((2,))
    with pytest.raises(ValueError, match="activity in network 0, 1 is the same in NF1 and FF1"):
        common_share({**data.activity, "FF1": data.activity["NF1"]})
    with pytest.raises(ValueError, match="activity lacks FF9"):
        common_share(data.activity, after="FF9")
    with pytest.raises(ValueError, match=r"shapes \(7, 2\) and \(8, 2\), expected one"):
        ring_turn(RING[1:], RING)
    with pytest.raises(ValueError, match="has no direction, expected points that spread"):
        ring_turn(RING, np.ones((8, 2)))
