"""Laws of displacements along, against and beside a shift."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_activity import planted, rotation

from savings_gym.activity.preparatory import (
    DIRECTIONS,
    displacement,
    force_axes,
    random_orthogonal,
    uniform_shift,
)

VECTORS = np.random.default_rng(0).standard_normal((4, 30))


@given(magnitude=st.floats(-3.0, 3.0), direction=st.sampled_from(DIRECTIONS))
def test_every_displacement_is_as_long_as_the_magnitude_says(magnitude, direction):
    vector = displacement(VECTORS, magnitude, direction)
    length = abs(magnitude) * np.linalg.norm(VECTORS, axis=-1)
    np.testing.assert_allclose(np.linalg.norm(vector, axis=-1), length, rtol=1e-12, atol=1e-100)


@given(magnitude=st.floats(-3.0, 3.0))
def test_along_moves_the_projection_by_the_magnitude_and_random_does_not(magnitude):
    data = planted((3,), noise=0.1)
    axes = force_axes(data.activity, data.force)
    shift = uniform_shift(data.activity, axes)
    start = data.activity["NF2"]
    moves = {"along": magnitude, "against": -magnitude, "random": 0.0}
    for direction, move in moves.items():
        vector = displacement(shift, magnitude, direction, avoid=axes.axes)
        moved = shift.project(start + vector[:, None]) - shift.project(start)
        np.testing.assert_allclose(moved, move, atol=1e-12)
        read = axes.predicted_force(start + vector[:, None]) - axes.predicted_force(start)
        np.testing.assert_allclose(read, 0.0, atol=1e-10)


def test_random_directions_follow_the_seed_and_each_network_has_its_own():
    drawn = random_orthogonal(VECTORS, seed=1)
    np.testing.assert_array_equal(drawn, random_orthogonal(VECTORS, seed=1))
    assert not np.allclose(drawn, random_orthogonal(VECTORS, seed=2))
    np.testing.assert_allclose(random_orthogonal(VECTORS[:2], seed=1), drawn[:2], rtol=1e-12)
    same = random_orthogonal(np.ones((2, 30)), seed=1)
    assert not np.allclose(same[0], same[1])
    np.testing.assert_allclose(np.sum(drawn * VECTORS, axis=-1), 0.0, atol=1e-12)


def test_random_directions_are_even_over_the_orthogonal_complement():
    shift = np.tile([0.0, 0.0, 2.0], (20_000, 1)) @ rotation(3, 5)
    drawn = random_orthogonal(shift, seed=0)
    covariance = drawn.T @ drawn / len(drawn)
    axis = shift[0] / 2.0
    np.testing.assert_allclose(covariance, 2.0 * (np.eye(3) - np.outer(axis, axis)), atol=0.05)
    np.testing.assert_allclose(drawn.mean(axis=0), 0.0, atol=0.05)


def test_short_axes_to_avoid_count_as_much_as_long_ones():
    avoid = np.random.default_rng(1).standard_normal((4, 30, 2)) * [1e6, 1e-9]
    drawn = random_orthogonal(1e-3 * VECTORS, seed=0, avoid=avoid)
    unit = avoid / np.linalg.norm(avoid, axis=-2, keepdims=True)
    np.testing.assert_allclose(np.einsum("nuk,nu->nk", unit, drawn), 0.0, atol=1e-15)


def test_displacements_refuse_what_has_no_direction():
    with pytest.raises(ValueError, match="direction is 'beside', expected one of along, against, random"):
        displacement(VECTORS, 1.0, "beside")
    with pytest.raises(ValueError, match="magnitude is nan, expected a finite number"):
        displacement(VECTORS, np.nan)
    zero = VECTORS.copy()
    zero[2] = 0.0
    for direction in DIRECTIONS:
        with pytest.raises(ValueError, match="shift in network 2 has zero length"):
            displacement(zero, 1.0, direction)
    with pytest.raises(ValueError, match="shift has 2 units, expected more than the 3 directions to avoid"):
        random_orthogonal(np.ones(2), avoid=np.eye(2))
    with pytest.raises(ValueError, match=r"avoid has shape \(30, 2\), expected \(4, 30, k\)"):
        random_orthogonal(VECTORS, avoid=np.ones((30, 2)))
