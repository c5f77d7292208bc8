"""Laws of displacements: their shapes, and random directions beside a shift."""

import numpy as np
import pytest
import torch
from planted_activity import planted, rotation

from savings_gym.activity.displacement import Displacement, random_orthogonal
from savings_gym.activity.preparatory import force_axes, uniform_shift

VECTORS = np.random.default_rng(0).standard_normal((4, 30))


def test_random_directions_have_the_length_and_move_neither_projection_nor_force():
    data = planted((3,), noise=0.1)
    axes = force_axes(data.activity, data.force)
    shift = uniform_shift(data.activity, axes)
    start = data.activity["NF2"]
    vector = random_orthogonal(shift.vector, avoid=axes.axes)
    np.testing.assert_allclose(np.linalg.norm(vector, axis=-1), shift.length, rtol=1e-12)
    for added, move in ((2.0 * shift.vector, 2.0), (vector, 0.0)):
        moved = shift.project(start + added[:, None]) - shift.project(start)
        np.testing.assert_allclose(moved, move, atol=1e-12)
        read = axes.predicted_force(start + added[:, None]) - axes.predicted_force(start)
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


def test_random_directions_refuse_what_has_no_direction():
    zero = VECTORS.copy()
    zero[2] = 0.0
    with pytest.raises(ValueError, match="vector in network 2 has zero length"):
        random_orthogonal(zero)
    with pytest.raises(ValueError, match="vector has 2 units, expected more than the 3 directions to avoid"):
        random_orthogonal(np.ones(2), avoid=np.eye(2))
    with pytest.raises(ValueError, match=r"avoid has shape \(30, 2\), expected \(4, 30, k\)"):
        random_orthogonal(VECTORS, avoid=np.ones((30, 2)))


NETWORKS, TARGETS, UNITS = 2, 8, 3


@pytest.mark.parametrize("shape", [(3,), (1, 3), (8, 3), (2, 1, 3), (1, 8, 3), (2, 8, 3)])
@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor, list])
def test_vectors_of_every_shape_broadcast_to_networks_targets_and_units(shape, kind):
    values = np.random.default_rng(0).standard_normal(shape)
    vectors = Displacement(16, kind(values)).broadcast(NETWORKS, TARGETS, UNITS)
    np.testing.assert_array_equal(vectors, values + np.zeros((NETWORKS, TARGETS, UNITS)))


def test_one_vector_per_network_is_not_taken_for_one_per_target():
    by_network = Displacement(0, np.arange(6.0).reshape(2, 1, 3)).broadcast(2, 8, 3)
    np.testing.assert_array_equal(by_network[1], np.tile([3.0, 4.0, 5.0], (8, 1)))
    with pytest.raises(ValueError, match=r"shape \(2, 3\), expected .*one vector per network is \(2, 1, 3\)"):
        Displacement(0, np.ones((2, 3))).broadcast(2, 8, 3)


@pytest.mark.parametrize("shape", [(1,), (4,), (7, 3), (3, 8, 3), (2, 7, 3), (2, 8, 1)])
def test_vectors_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected \(3,\), \(8, 3\) or \(2, 8, 3\)"):
        Displacement(0, np.ones(shape)).broadcast(NETWORKS, TARGETS, UNITS)


def test_a_displacement_keeps_its_own_copy():
    values = np.zeros(UNITS)
    displacement = Displacement(0, values)
    values += 1.0
    assert not np.any(displacement.vector)
    with pytest.raises(ValueError, match="read-only"):
        displacement.vector[0] = 1.0


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"step": 100}, r"lie in 0\.\.99, got 100"), ({"step": 1.5}, "got 1.5"), ({"step": -1}, "got -1"),
        ({"step": True}, "got True"), ({"step": "1"}, "got '1'"),
        ({"vector": np.ones((1, 2, 8, 3))}, r"\(targets, units\).*got shape \(1, 2, 8, 3\)"),
        ({"vector": 1.0}, r"got shape \(\)"), ({"vector": [np.inf]}, "not finite"),
        ({"vector": torch.full((3,), torch.nan)}, "not finite"), ({"vector": "up"}, "not an array of"),
    ],
)  # fmt: skip
def test_bad_displacements_are_refused(arguments, error):
    with pytest.raises(ValueError, match=error):
        Displacement(**{"step": 1, "vector": np.ones(3)} | arguments)
