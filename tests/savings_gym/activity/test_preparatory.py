"""Laws of the force axes, the uniform shift and its projections."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_activity import LEVELS, planted, rotation

from savings_gym.activity.preparatory import (
    force_axes,
    retained_fraction,
    shift_projections,
    trial_projections,
    uniform_shift,
)

SEEDS = st.integers(0, 10_000)


def analysed(data):
    axes = force_axes(data.activity, data.force)
    return axes, uniform_shift(data.activity, axes)


def by_hand(activity, force):
    """Axes, shift and projections of one network from the formulas, unit by unit, another way round."""
    everything = np.concatenate([activity[phase] for phase in ("NF1", "FF1", "NF2", "FF2")])
    centre = np.array([unit.sum() / len(unit) for unit in everything.T])
    design = np.column_stack([force[:, 0], force[:, 1], np.ones(len(force))])
    betas = np.column_stack(
        [
            np.linalg.solve(design.T @ design, design.T @ (activity["NF1"][:, j] - centre[j]))
            for j in range(len(centre))
        ]
    )
    inverse = betas.T @ np.linalg.inv(betas @ betas.T)  # of a matrix of full row rank
    first, second = inverse[:, 0], inverse[:, 1]
    second = second - first * (first @ second) / (first @ first)
    shift = np.mean(activity["FF1"] - activity["NF1"], axis=0)
    for axis in (first, second):
        shift = shift - axis * (axis @ shift) / (axis @ axis)
    unit = shift / np.sqrt(shift @ shift)
    level = {phase: np.mean(x @ unit) for phase, x in activity.items()}
    scaled = {p: (v - level["NF1"]) / (level["FF1"] - level["NF1"]) for p, v in level.items()}
    return centre, np.column_stack([first, second]), shift, scaled


@given(seed=SEEDS, units=st.integers(5, 60), noise=st.sampled_from([0.0, 0.01, 0.3]))
@settings(max_examples=25)
def test_axes_shift_and_projections_agree_with_the_formulas_computed_independently(seed, units, noise):
    data = planted((2,), units, noise, seed, mean_force=(0.7, -0.3), turn=0.4)
    axes, shift = analysed(data)
    result = shift_projections(data.activity, shift)
    for i in range(2):
        one = {phase: x[i] for phase, x in data.activity.items()}
        centre, pair, vector, scaled = by_hand(one, data.force[i])
        np.testing.assert_allclose(axes.centre[i], centre, atol=1e-12)
        np.testing.assert_allclose(axes.axes[i], pair, rtol=1e-6, atol=1e-8 * np.abs(pair).max())
        np.testing.assert_allclose(shift.vector[i], vector, atol=1e-9 * np.abs(vector).max())
        ring = (one["FF1"] - centre) @ pair
        np.testing.assert_allclose(
            axes.project(data.activity["FF1"])[i], ring, atol=1e-7 * np.abs(ring).max()
        )
        for phase, value in scaled.items():
            assert result[phase][i] == pytest.approx(value, abs=1e-8)


def test_planted_tuning_forces_and_shift_are_recovered_exactly_without_noise():
    data = planted((2, 3), turn=0.5)
    axes, shift = analysed(data)
    np.testing.assert_allclose(axes.tuning, data.tuning, atol=1e-14)
    np.testing.assert_allclose(axes.predicted_force(data.activity["NF1"]), data.force, atol=1e-10)
    np.testing.assert_allclose(shift.vector, data.shift, atol=1e-12)
    np.testing.assert_allclose(shift.length, np.linalg.norm(data.shift, axis=-1))
    for phase, value in shift_projections(data.activity, shift).items():
        assert value.shape == (2, 3)
        np.testing.assert_allclose(value, LEVELS[phase], atol=1e-12)
    np.testing.assert_allclose(retained_fraction(data.activity, shift), LEVELS["NF2"], atol=1e-12)


def test_planted_structure_shines_through_noise():
    data = planted((20,), units=128, noise=0.02, seed=3)
    axes, shift = analysed(data)
    error = axes.predicted_force(data.activity["NF2"]) - data.force
    assert np.sqrt(np.mean(error**2)) < 0.1  # of forces of 3 to 5 N
    cosine = np.sum(shift.vector * data.shift, -1) / shift.length / np.linalg.norm(data.shift, axis=-1)
    assert cosine.min() > 0.99
    assert np.mean(retained_fraction(data.activity, shift)) == pytest.approx(LEVELS["NF2"], abs=0.01)


def test_a_change_that_is_tuned_to_force_is_no_shift():
    data = planted((4,), mean_force=(0.0, 0.0))
    tuned = 2.0 * data.tuning[:, 0]  # all activity moves as if the force had grown along x
    moved = {p: x + (tuned[:, None] if p == "FF1" else 0.0) for p, x in data.activity.items()}
    plain = uniform_shift(data.activity, force_axes(data.activity, data.force))
    other = uniform_shift(moved, np.swapaxes(data.tuning, -1, -2))
    np.testing.assert_allclose(other.vector, plain.vector, atol=1e-12)
    assert np.all(np.linalg.norm(other.raw - other.vector, axis=-1) > 0.1)


@given(seed=SEEDS, noise=st.floats(0.0, 1.0))
def test_shift_and_axes_are_orthogonal(seed, noise):
    data = planted((3,), noise=noise, seed=seed, mean_force=(1.0, 2.0), turn=1.0)
    axes, shift = analysed(data)
    unit = axes.axes / np.linalg.norm(axes.axes, axis=-2, keepdims=True)
    np.testing.assert_allclose(np.sum(unit[..., 0] * unit[..., 1], -1), 0.0, atol=1e-12)
    along = np.einsum("nuk,nu->nk", unit, shift.vector) / shift.length[:, None]
    np.testing.assert_allclose(along, 0.0, atol=1e-12)


def test_the_shift_is_orthogonal_to_axes_that_are_not_orthogonal_to_each_other():
    data = planted((3,))
    skew = np.random.default_rng(0).standard_normal((3, 40, 3))
    skew[..., 2] = skew[..., 0] + 0.01 * skew[..., 1]
    vector = uniform_shift(data.activity, skew).vector
    np.testing.assert_allclose(np.einsum("nuk,nu->nk", skew, vector), 0.0, atol=1e-13)
    none = uniform_shift(data.activity, np.zeros((3, 40, 0)))
    np.testing.assert_array_equal(none.vector, none.raw)


@given(seed=SEEDS, noise=st.floats(0.0, 1.0))
def test_projections_are_exactly_0_before_and_1_after(seed, noise):
    data = planted((3,), noise=noise, seed=seed)
    result = shift_projections(data.activity, analysed(data)[1])
    np.testing.assert_array_equal(result["NF1"], 0.0)
    np.testing.assert_array_equal(result["FF1"], 1.0)


@given(seed=SEEDS)
@settings(max_examples=15)
def test_a_rotation_of_unit_space_turns_axes_and_leaves_projections(seed):
    data = planted((2,), units=30, noise=0.05, seed=seed, mean_force=(0.5, 0.2))
    turn = rotation(30, seed + 1)
    axes, shift = analysed(data)
    there = {phase: x @ turn for phase, x in data.activity.items()}
    axes_there = force_axes(there, data.force)
    shift_there = uniform_shift(there, axes_there)
    np.testing.assert_allclose(axes_there.axes, turn.T @ axes.axes, atol=1e-7 * np.abs(axes.axes).max())
    np.testing.assert_allclose(shift_there.vector, shift.vector @ turn, atol=1e-10)
    for phase, x in data.activity.items():
        ring = axes.project(x)
        np.testing.assert_allclose(axes_there.project(there[phase]), ring, atol=1e-8 * np.abs(ring).max())
        np.testing.assert_allclose(shift_there.project(there[phase]), shift.project(x), atol=1e-9)


def test_networks_are_analysed_each_by_itself():
    data = planted((3,), noise=0.1)
    axes, shift = analysed(data)
    one = {phase: x[1] for phase, x in data.activity.items()}
    axes_one = force_axes(one, data.force[1])
    np.testing.assert_allclose(axes_one.axes, axes.axes[1], rtol=1e-9, atol=1e-9)
    projection = retained_fraction(one, uniform_shift(one, axes_one))
    assert projection.shape == ()
    assert projection == pytest.approx(retained_fraction(data.activity, shift)[1], rel=1e-9)


def test_whole_trials_pass_through_the_preparatory_projections():
    data = planted((2,), noise=0.05)
    _, shift = analysed(data)
    ramp = np.linspace(0.0, 2.0, 5)  # 1 at the third sample, the preparatory time
    whole = {phase: x[..., None, :] * ramp[:, None] for phase, x in data.activity.items()}
    curves, levels = trial_projections(whole, shift), shift_projections(data.activity, shift)
    rest = -np.sum(shift.origin * shift.vector, axis=-1) / shift.scale
    for phase, curve in curves.items():
        assert curve.shape == (2, 5)
        np.testing.assert_allclose(curve[:, 2], levels[phase], atol=1e-12)
        np.testing.assert_allclose(curve, rest[:, None] + ramp * (levels[phase] - rest)[:, None], atol=1e-9)


def test_other_phases_can_stand_for_before_and_after():
    data = planted((2,))
    names = {"NF1": "base", "FF1": "field", "NF2": "late"}
    renamed = {names[p]: x for p, x in data.activity.items() if p in names}
    axes = force_axes(renamed, data.force, phase="base")
    shift = uniform_shift(renamed, axes, before="base", after="field")
    np.testing.assert_allclose(retained_fraction(renamed, shift, phase="late"), 0.2, atol=1e-12)


def broken(change):
    data = planted((2,))
    activity, force = dict(data.activity), data.force.copy()
    change(activity, force)
    return activity, force


def put(phase, value):
    return lambda activity, force: activity.__setitem__(phase, value(activity[phase]))


def spoil(activity, force):
    activity["FF1"] = activity["FF1"].copy()
    activity["FF1"][1, 2, 3] = np.nan


def on_a_line(activity, force):
    force[1] = force[1, :, :1] * [1.0, 2.0]


def untuned(activity, force):
    activity["NF1"] = activity["NF1"].mean(axis=-2, keepdims=True) + 0.0 * activity["NF1"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda activity, force: activity.pop("NF1"), r"activity lacks NF1; it has FF1, NF2, FF2"),
        (
            put("FF1", lambda x: x[:, :7]),
            r"differs in shape between phases: .*FF1 \(2, 7, 40\).*\(\.\.\., targets",
        ),
        (
            put("FF1", lambda x: x[0, 0]),
            r"activity of FF1 has shape \(40,\), expected \(\.\.\., targets, units\)",
        ),
        (
            put("FF1", lambda x: x[:, :0]),
            r"activity of FF1 has shape \(2, 0, 40\), expected .* no empty axis",
        ),
        (spoil, r"activity of FF1 has 1 values that are not finite, the first nan at index \(1, 2, 3\)"),
        (on_a_line, r"force in network 1 lies on a line, expected targets that spread it"),
        (untuned, r"activity of NF1 in network 0, 1 does not tell the two components of the force apart"),
    ],
)
def test_force_axes_refuse_what_cannot_be_regressed(change, message):
    with pytest.raises(ValueError, match=message):
        force_axes(*broken(change))


def test_force_axes_refuse_shapes_that_do_not_belong_together():
    data = planted((2,))
    with pytest.raises(ValueError, match=r"force has shape \(2, 7, 2\), expected \(2, 8, 2\)"):
        force_axes(data.activity, data.force[:, :7])
    with pytest.raises(ValueError, match=r"force has shape \(2, 8, 3\), expected \(\.\.\., 2\)"):
        force_axes(data.activity, np.zeros((2, 8, 3)))
    few = {phase: x[:, :2] for phase, x in data.activity.items()}
    with pytest.raises(ValueError, match="activity has 2 targets, expected at least 3, one per regressor"):
        force_axes(few, data.force[:, :2])
    narrow = {phase: x[..., :2] for phase, x in data.activity.items()}
    with pytest.raises(ValueError, match="activity has 2 units, expected at least 3"):
        force_axes(narrow, data.force)
    with pytest.raises(ValueError, match="activity is a ndarray, expected a mapping of phase names"):
        force_axes(data.activity["NF1"], data.force)


def test_a_shift_needs_two_phases_that_differ_off_the_axes():
    data = planted((2,))
    axes = force_axes(data.activity, data.force)
    with pytest.raises(ValueError, match="activity lacks FF9; it has NF1, FF1, NF2, FF2"):
        uniform_shift(data.activity, axes, after="FF9")
    with pytest.raises(ValueError, match="the shift from NF1 to FF1 in network 0, 1 has no length"):
        uniform_shift({**data.activity, "FF1": data.activity["NF1"]}, axes)
    within = data.activity["NF1"] + 3.0 * np.swapaxes(axes.axes, -1, -2)[:, :1]
    with pytest.raises(ValueError, match="in network 0, 1 has no length orthogonal to the axes"):
        uniform_shift({**data.activity, "FF1": within}, axes)
    with pytest.raises(ValueError, match=r"axes have shape \(40, 2\), expected \(2, 40, k\)"):
        uniform_shift(data.activity, axes.axes[0])


def test_projections_refuse_other_networks_and_units():
    data = planted((2,))
    axes, shift = analysed(data)
    with pytest.raises(ValueError, match=r"shape \(8, 40\), expected \(2, \.\.\., 40\): networks first"):
        shift.project(data.activity["NF1"][0])
    with pytest.raises(ValueError, match="activity has 39 units, expected 40"):
        axes.project(data.activity["NF1"][..., 1:])
    with pytest.raises(ValueError, match="activity lacks NF3; it has NF1"):
        retained_fraction(data.activity, shift, phase="NF3")
    with pytest.raises(ValueError, match=r"expected \(\.\.\., targets, time, units\)"):
        trial_projections({"NF1": data.activity["NF1"][0]}, shift)
