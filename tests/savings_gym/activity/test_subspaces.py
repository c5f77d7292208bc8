"""Laws of principal subspaces, their alignment, and of trajectories in them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_activity import rotation, trials

from savings_gym.activity.subspaces import (
    alignment_index,
    chance_alignment,
    common_subspace,
    phase_alignment,
    phase_trajectories,
    principal_subspace,
    random_alignment,
    trajectory_distance,
)

SEEDS = st.integers(0, 10_000)


def samples(seed=0, networks=(2,), count=60, units=12, scales=(3.0, 2.0, 1.0, 0.1)):
    """Samples with chosen standard deviations along the first axes of unit space, small noise elsewhere."""
    rng = np.random.default_rng(seed)
    deviation = np.full(units, 0.01)
    deviation[: len(scales)] = scales
    return rng.standard_normal((*networks, count, units)) * deviation + rng.standard_normal(units)


def alignment(x, other, components):
    """Alignment of samples with the principal subspace of others."""
    return alignment_index(x, principal_subspace(other, components))


@given(seed=SEEDS)
@settings(max_examples=20)
def test_principal_axes_are_eigenvectors_of_the_covariance(seed):
    x = samples(seed)
    result = principal_subspace(x, 3)
    for i in range(2):
        covariance = np.cov(x[i].T)
        np.testing.assert_allclose(
            covariance @ result.axes[i], result.axes[i] * result.variance[i], atol=1e-9
        )
        np.testing.assert_allclose(result.variance[i], np.linalg.eigvalsh(covariance)[::-1][:3])
        assert result.total[i] == pytest.approx(np.trace(covariance))
    np.testing.assert_allclose(np.swapaxes(result.axes, -1, -2) @ result.axes, [np.eye(3)] * 2, atol=1e-12)
    scores = result.project(x)
    np.testing.assert_allclose(scores.var(axis=-2, ddof=1), result.variance)
    assert np.all(scores.max(axis=-2) >= -scores.min(axis=-2))


@given(seed=SEEDS)
@settings(max_examples=15)
def test_a_rotation_turns_axes_and_leaves_coordinates_and_indices(seed):
    x, y, turn = samples(seed), samples(seed + 1, scales=(0.5, 2.0, 1.5)), rotation(12, seed)
    here, there = principal_subspace(x, 3), principal_subspace(x @ turn, 3)
    np.testing.assert_allclose(there.axes, turn.T @ here.axes, atol=1e-9)
    np.testing.assert_allclose(there.project(x @ turn), here.project(x), atol=1e-9)
    np.testing.assert_allclose(alignment(x @ turn, y @ turn, 3), alignment(x, y, 3), atol=1e-9)


def test_alignment_is_1_in_one_subspace_and_0_in_orthogonal_ones():
    x = np.zeros((2, 50, 10))
    x[..., :3] = samples(0, count=50, units=3, scales=(3.0, 2.0, 1.0))
    mixed = x.copy()
    mixed[..., :3] = x[..., :3] @ (rotation(3, 1) * [1.0, 4.0, 2.0])
    np.testing.assert_allclose(alignment(x, x, 3), 1.0, atol=1e-12)
    np.testing.assert_allclose(alignment(x, mixed, 3), 1.0, atol=1e-12)
    np.testing.assert_allclose(alignment(x, x[..., ::-1], 3), 0.0, atol=1e-12)


def test_alignment_is_the_variance_in_the_other_subspace_over_the_most_there_can_be():
    x, y = samples(1), samples(2, scales=(1.0, 0.2, 2.0, 2.0))
    index = alignment(x, y, 2)
    for i in range(2):
        values, vectors = np.linalg.eigh(np.cov(y[i].T))
        d, c = vectors[:, np.argsort(values)[-2:]], np.cov(x[i].T)
        assert index[i] == pytest.approx(np.trace(d.T @ c @ d) / np.sort(np.linalg.eigvalsh(c))[-2:].sum())


def test_random_subspaces_are_aligned_by_chance():
    x = samples(3, networks=(), units=10)
    rng = np.random.default_rng(0)
    drawn = [alignment(x, rng.standard_normal((40, 10)), 3) for _ in range(1500)]
    assert np.mean(drawn) == pytest.approx(chance_alignment(x, 3), rel=0.05)
    even = rng.standard_normal((20_000, 10))
    assert chance_alignment(even, 4) == pytest.approx(1.0, rel=0.05)  # no subspace is better than another
    line = np.outer(rng.standard_normal(50), np.ones(10)) + 1e-3 * rng.standard_normal((50, 10))
    assert chance_alignment(line, 4) == pytest.approx(0.4, rel=0.01)


def test_the_null_of_used_dimensions_lies_above_chance_and_follows_the_seed():
    x = samples(4, scales=(3.0, 3.0, 3.0, 3.0))
    null = random_alignment(x, x, 2, draws=200)
    assert null.shape == (200, 2)
    assert np.all((null >= 0.0) & (null <= 1.0 + 1e-12))
    assert np.all(null.mean(axis=0) > 1.5 * chance_alignment(x, 2))  # four of twelve dimensions are used
    np.testing.assert_array_equal(random_alignment(x, x, 2, draws=5, seed=3), random_alignment(x, x, 2, 5, 3))
    white = np.random.default_rng(1).standard_normal((20_000, 8))
    one = samples(5, networks=(), units=8)
    even = random_alignment(one, white, 2, draws=800)
    assert even.shape == (800,)
    assert even.mean() == pytest.approx(chance_alignment(one, 2), rel=0.1)


def test_subspaces_refuse_more_dimensions_than_there_are():
    x = samples(0)
    with pytest.raises(ValueError, match="components is 13, expected 1 to 12, as there are 60 samples of 12"):
        principal_subspace(x, 13)
    with pytest.raises(ValueError, match="components is 0, expected 1 to 12"):
        principal_subspace(x, 0)
    with pytest.raises(ValueError, match="components is 3, expected 1 to 2, as there are 3 samples"):
        principal_subspace(x[:, :3], 3)
    flat = x.copy()
    flat[1, :, 2:] = 0.0
    with pytest.raises(ValueError, match="samples in network 1 vary in 2 dimensions, expected at least 3"):
        principal_subspace(flat, 3)
    with pytest.raises(ValueError, match="vary in 0 dimensions"):
        principal_subspace(np.ones((4, 3)), 1)


def test_comparisons_refuse_what_does_not_belong_together():
    x = samples(0)
    with pytest.raises(ValueError, match=r"networks and units \(2, 12\) and \(2, 11\), expected the same"):
        alignment(x, x[..., 1:], 2)
    with pytest.raises(ValueError, match="expected the same networks and units"):
        random_alignment(x, x[0], 2)
    with pytest.raises(ValueError, match="draws is 0, expected at least 1"):
        random_alignment(x, x, 2, draws=0)


def test_trajectories_are_distances_apart_that_no_rotation_changes():
    here = trials()
    turn = rotation(20, 2)
    there = {phase: x @ turn for phase, x in here.items()}
    paths, turned = phase_trajectories(here, 4), phase_trajectories(there, 4)
    whole, part = trajectory_distance(here), trajectory_distance(paths)
    for phase, path in paths.items():
        assert path.shape == (2, 8, 30, 4) and whole[phase].shape == (2, 8, 30)
        np.testing.assert_allclose(turned[phase], path, atol=1e-9)
        np.testing.assert_allclose(trajectory_distance(there)[phase], whole[phase], atol=1e-9)
        assert np.all(part[phase] <= whole[phase] + 1e-12)
    np.testing.assert_array_equal(whole["NF1"], 0.0)
    np.testing.assert_allclose(
        whole["FF1"], np.sqrt(np.sum((here["FF1"] - here["NF1"]) ** 2, axis=-1)), rtol=1e-12
    )


def test_a_subspace_of_all_dimensions_keeps_every_distance():
    here = trials()
    paths = phase_trajectories(here, 20, phases=("NF1",))
    for phase, distance in trajectory_distance(here, "FF1").items():
        np.testing.assert_allclose(trajectory_distance(paths, "FF1")[phase], distance, atol=1e-9)


def test_the_phases_that_define_a_subspace_are_the_ones_asked_for():
    here = trials()
    alone = common_subspace(here, 3, phases=("FF1",))
    flat = here["FF1"].reshape(2, -1, 20)
    np.testing.assert_allclose(alone.axes, principal_subspace(flat, 3).axes, atol=1e-12)
    pooled = np.concatenate([x.reshape(2, -1, 20) for x in here.values()], axis=-2)
    np.testing.assert_allclose(common_subspace(here, 3).variance, principal_subspace(pooled, 3).variance)


def test_phases_align_with_themselves_and_the_reference_subspace_counts():
    here = trials(seed=1)
    result = phase_alignment(here, 4)
    np.testing.assert_allclose(result["NF1"], 1.0, atol=1e-12)
    flat = {phase: x.reshape(2, -1, 20) for phase, x in here.items()}
    np.testing.assert_allclose(result["FF1"], alignment(flat["FF1"], flat["NF1"], 4))
    assert np.all(result["FF1"] < 0.9)


def test_trajectories_refuse_missing_phases_and_flat_arrays():
    here = trials()
    with pytest.raises(ValueError, match="activity lacks FF3; it has NF1, FF1, NF2, FF2"):
        trajectory_distance(here, "FF3")
    with pytest.raises(ValueError, match="activity lacks XX"):
        common_subspace(here, 3, phases=("NF1", "XX"))
    with pytest.raises(ValueError, match=r"expected \(\.\.\., targets, time, units\)"):
        phase_alignment({"NF1": np.ones((8, 20))}, 2)
