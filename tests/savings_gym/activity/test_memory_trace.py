"""Laws of the velocity read-out, progress and the memory trace."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_activity import ANGLES, rotation, trials

from savings_gym.activity.memory_trace import VelocityReadout, memory_trace, progress, velocity_readout

SEEDS = st.integers(0, 10_000)
REACH = 0.1 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=-1)


def fitted(here, seed=0, components=10):
    """Read-out of FF1 for velocities that are a linear map of its activity."""
    weights = np.random.default_rng(seed).standard_normal((20, 2))
    return velocity_readout(here["FF1"], here["FF1"] @ weights + [0.1, -0.2], components)


def test_a_linear_map_of_activity_is_recovered_with_all_components():
    here = trials()
    weights = np.random.default_rng(3).standard_normal((2, 20, 2))
    velocity = np.einsum("nktu,nuv->nktv", here["FF1"], weights) + [0.1, -0.2]
    readout = velocity_readout(here["FF1"], velocity, components=20)
    np.testing.assert_allclose(readout.weights, weights, atol=1e-9)
    np.testing.assert_allclose(readout.fit, 1.0, atol=1e-12)
    elsewhere = np.einsum("nktu,nuv->nktv", here["NF1"], weights) + [0.1, -0.2]
    np.testing.assert_allclose(readout.velocity(here["NF1"]), elsewhere, atol=1e-9)


@given(components=st.integers(1, 20))
@settings(max_examples=10)
def test_the_readout_is_the_least_squares_on_that_many_components(components):
    here = trials(networks=())
    x = here["FF1"].reshape(-1, 20)
    v = np.random.default_rng(1).standard_normal((8, 30, 2)) + x.reshape(8, 30, 20)[..., :2]
    readout = velocity_readout(here["FF1"], v, components)
    vectors = np.linalg.eigh(np.cov(x.T))[1][:, ::-1][:, :components]
    design = np.column_stack([(x - x.mean(0)) @ vectors, np.ones(len(x))])
    predicted = design @ np.linalg.lstsq(design, v.reshape(-1, 2), rcond=None)[0]
    np.testing.assert_allclose(readout.velocity(here["FF1"]).reshape(-1, 2), predicted, atol=1e-9)
    flat = v.reshape(-1, 2)
    fit = 1.0 - np.sum((flat - predicted) ** 2) / np.sum((flat - flat.mean(0)) ** 2)
    assert readout.fit == pytest.approx(fit)


def test_progress_is_the_velocity_towards_the_target():
    velocity = np.array([[3.0, 4.0], [-1.0, 0.0], [0.0, 2.0]])
    np.testing.assert_allclose(progress(velocity, [10.0, 0.0]), [3.0, -1.0, 0.0])
    np.testing.assert_allclose(progress(REACH, REACH), 0.1)
    with pytest.raises(ValueError, match="direction has zero length"):
        progress(velocity, np.zeros(2))
    with pytest.raises(ValueError, match=r"velocity has shape \(3, 1\), expected \(\.\.\., 2\)"):
        progress(velocity[:, :1], [1.0, 0.0])


def test_there_is_no_trace_between_phases_that_are_the_same():
    here = trials()
    here["NF2"] = here["NF1"].copy()
    np.testing.assert_array_equal(memory_trace(here, fitted(here), REACH), [0.0, 0.0])


@given(seed=SEEDS, gain=st.floats(-2.0, 2.0))
@settings(max_examples=20)
def test_a_planted_trace_is_recovered(seed, gain):
    """Activity that the read-out turns into a given speed towards every target, added to NF2."""
    here = trials(seed=seed)
    readout = fitted(here, seed)
    towards = REACH / np.linalg.norm(REACH, axis=-1, keepdims=True)
    added = gain * towards @ np.linalg.pinv(readout.weights)  # (2, 8, 20)
    here["NF2"] = here["NF1"] + added[:, :, None, :]
    np.testing.assert_allclose(memory_trace(here, readout, REACH), gain, atol=1e-9)
    swapped = memory_trace(here, readout, REACH, before="NF2", after="NF1")
    np.testing.assert_allclose(swapped, -gain, atol=1e-9)


def test_what_the_readout_does_not_see_leaves_no_trace():
    here = trials()
    readout = fitted(here, components=5)
    null = rotation(20, 0)[:, :1] - readout.weights @ (
        np.linalg.pinv(readout.weights) @ rotation(20, 0)[:, :1]
    )
    here["NF2"] = here["NF1"] + 5.0 * null[:, None, None, :, 0]
    np.testing.assert_allclose(memory_trace(here, readout, REACH), 0.0, atol=1e-12)


def test_a_rotation_of_unit_space_changes_no_trace():
    here, turn = trials(), rotation(20, 4)
    there = {phase: x @ turn for phase, x in here.items()}
    velocity = np.random.default_rng(5).standard_normal((2, 8, 30, 2))
    traces = [memory_trace(x, velocity_readout(x["FF1"], velocity, 6), REACH) for x in (here, there)]
    np.testing.assert_allclose(traces[1], traces[0], atol=1e-10)


def test_the_trace_is_the_mean_over_targets_and_times_of_each_network():
    here = trials()
    readout = fitted(here)
    result = memory_trace(here, readout, REACH)
    for i in range(2):
        one = VelocityReadout(*(np.asarray(part)[i] for part in vars(readout).values()))
        gains = [
            one.velocity(here["NF2"][i, k, t]) - one.velocity(here["NF1"][i, k, t])
            for k in range(8)
            for t in range(30)
        ]
        towards = np.repeat(REACH / 0.1, 30, axis=0)
        assert result[i] == pytest.approx(np.mean(np.sum(np.array(gains) * towards, axis=-1)))


def test_readout_and_trace_refuse_what_does_not_belong_together():
    here = trials()
    still = np.zeros((2, 8, 30, 2))
    with pytest.raises(ValueError, match=r"velocity has shape \(2, 8, 29, 2\), expected \(2, 8, 30, 2\)"):
        velocity_readout(here["FF1"], still[:, :, 1:])
    with pytest.raises(ValueError, match="velocity in network 0, 1 never changes, expected trials"):
        velocity_readout(here["FF1"], still)
    with pytest.raises(ValueError, match="components is 21, expected 1 to 20"):
        fitted(here, components=21)
    readout = fitted(here)
    with pytest.raises(ValueError, match="activity lacks NF2; it has NF1, FF1"):
        memory_trace({p: here[p] for p in ("NF1", "FF1")}, readout, REACH)
    with pytest.raises(
        ValueError, match=r"direction has shape \(7, 2\), expected \(\.\.\., 8, 2\), one row per"
    ):
        memory_trace(here, readout, REACH[1:])
    with pytest.raises(ValueError, match=r"expected \(2, \.\.\., 20\): networks first, units last"):
        memory_trace({phase: x[:1] for phase, x in here.items()}, readout, REACH)
