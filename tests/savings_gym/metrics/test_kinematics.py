"""Laws of the measures of a reach."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from savings_gym.metrics import kinematics as metrics
from savings_gym.metrics.channel import channel_adaptation_index, ideal_channel_force

DT = 0.01
START = np.array([-0.1337, 0.4344])
ANGLES = np.arange(8) * np.pi / 4
TARGETS = START + 0.1 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=-1)


def minimum_jerk(duration: float, onset: float, dt: float = DT, length: float = 1.0) -> np.ndarray:
    """Progress 0 to 1 along a reach, (T + 1,)."""
    s = np.clip((np.arange(round(length / dt) + 1) * dt - onset) / duration, 0.0, 1.0)
    return 10 * s**3 - 15 * s**4 + 6 * s**5


def reach(
    target: np.ndarray, bulge: float = 0.0, duration: float = 0.4, onset: float = 0.453, dt: float = DT
) -> np.ndarray:
    """Reaches from START, (..., T + 1, 2), with a sideways bulge [m] to the right, largest half way."""
    progress = minimum_jerk(duration, onset, dt)[:, None]
    along = np.asarray(target) - START
    right = np.stack([along[..., 1], -along[..., 0]], axis=-1)
    right = right / np.linalg.norm(along, axis=-1, keepdims=True)
    return START + progress * along[..., None, :] + bulge * np.sin(np.pi * progress) * right[..., None, :]


def arc(radius: float, half_angle: float, samples: int = 101) -> np.ndarray:
    """Circular arc from left to right over the top: to the left of its chord."""
    angle = np.linspace(np.pi / 2 + half_angle, np.pi / 2 - half_angle, samples)
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def turned(points: np.ndarray, angle: float, shift: tuple[float, float]) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return points @ np.array([[c, s], [-s, c]]) + shift


def test_straight_reaches_have_no_deviation_and_no_direction_error():
    measures = metrics.kinematic_measures(reach(TARGETS), TARGETS, DT)
    assert tuple(measures) == metrics.KINEMATIC_COLUMNS
    assert all(values.shape == (8,) for values in measures.values())
    np.testing.assert_allclose(measures["lateral_deviation"], 0.0, atol=1e-15)
    np.testing.assert_allclose(measures["initial_direction_error"], 0.0, atol=1e-12)
    np.testing.assert_allclose(measures["endpoint_error"], 0.0, atol=1e-15)
    np.testing.assert_allclose(measures["path_straightness"], 1.0, rtol=1e-12)


def test_arc_deviates_by_its_sagitta_to_the_left():
    path = arc(0.2, 0.5)
    sagitta = 0.2 * (1 - np.cos(0.5))
    deviation = metrics.lateral_deviation(path, path[-1], DT, from_time=0.0)
    assert deviation == pytest.approx(-sagitta, rel=1e-12)
    assert metrics.path_straightness(path) == pytest.approx(np.sin(0.5) / 0.5, rel=1e-4)


@pytest.mark.parametrize("bulge", [0.03, -0.03])
def test_positive_is_to_the_right_and_clockwise(bulge):
    path = reach(TARGETS, bulge)
    np.testing.assert_allclose(metrics.lateral_deviation(path, TARGETS, DT), bulge, rtol=5e-3)
    assert (np.sign(metrics.initial_direction_error(path, TARGETS, DT)) == np.sign(bulge)).all()


def test_a_positive_curl_field_pushes_to_the_positive_side():
    velocity = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=-1)
    push = 8.0 * np.stack([velocity[:, 1], -velocity[:, 0]], axis=-1)
    np.testing.assert_allclose(metrics.lateral_component(push, velocity), 8.0)


@given(
    angle=st.floats(-np.pi, np.pi),
    shift=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
    bulge=st.floats(-0.05, 0.05),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_measures_do_not_depend_on_where_the_workspace_is(angle, shift, bulge):
    path = reach(TARGETS, bulge)
    here = metrics.kinematic_measures(path, TARGETS, DT)
    there = metrics.kinematic_measures(turned(path, angle, shift), turned(TARGETS, angle, shift), DT)
    for name in here:
        np.testing.assert_allclose(there[name], here[name], rtol=1e-7, atol=1e-9, err_msg=name)


@given(bulge=st.floats(0.001, 0.05), onset=st.floats(0.3, 0.5))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_a_mirror_turns_only_the_signs(bulge, onset):
    mirror = np.array([-1.0, 1.0])
    path = reach(TARGETS, bulge, onset=onset)
    here = metrics.kinematic_measures(path, TARGETS, DT)
    there = metrics.kinematic_measures(path * mirror, TARGETS * mirror, DT)
    for name, values in here.items():
        sign = -1.0 if name in ("lateral_deviation", "initial_direction_error") else 1.0
        np.testing.assert_allclose(there[name], sign * values, rtol=1e-9, atol=1e-15, err_msg=name)


def test_the_line_begins_where_the_hand_is_at_a_time_not_at_a_sample():
    target = TARGETS[1]
    for dt in (0.01, 0.005, 0.0025):
        path = reach(target, 0.03, dt=dt)
        drift = np.where(np.arange(len(path)) * dt < 0.249, 0.2, 0.0)[:, None]
        deviation = metrics.lateral_deviation(path, target, dt)
        assert deviation == pytest.approx(0.03, rel=5e-3)
        moved_before = metrics.lateral_deviation(path + drift * [0.0, 1e-2], target, dt)
        assert moved_before == pytest.approx(deviation, rel=1e-12)
        late = metrics.lateral_deviation(path, target, dt, from_time=0.6)
        assert abs(late - deviation) > 1e-3
    between = metrics.lateral_deviation(reach(target, 0.03), target, DT, from_time=0.604)
    sides = [metrics.lateral_deviation(reach(target, 0.03), target, DT, t) for t in (0.60, 0.61)]
    assert min(sides) < between < max(sides)


def test_the_largest_distance_counts_beyond_the_line_and_before_the_go():
    line = np.stack([np.linspace(0.0, 0.1, 11), np.zeros(11)], axis=-1)
    line[4, 1], line[7, 1] = 0.02, -0.03
    assert metrics.lateral_deviation(line, [0.1, 0.0], DT, from_time=0.0) == pytest.approx(0.03)
    line[9] = (0.3, 0.05)
    assert metrics.lateral_deviation(line, [0.1, 0.0], DT, from_time=0.0) == pytest.approx(-0.05)


def test_direction_error_of_a_straight_reach_to_the_wrong_place_is_its_angle():
    wrong = START + turned(TARGETS - START, -0.3, (0.0, 0.0))
    error = metrics.initial_direction_error(reach(wrong), TARGETS, DT)
    np.testing.assert_allclose(error, 0.3, rtol=1e-9)
    np.testing.assert_allclose(metrics.endpoint_error(reach(wrong), TARGETS), 0.2 * np.sin(0.15), rtol=1e-9)


def test_direction_error_is_that_of_the_first_movement_not_of_a_faster_correction():
    first = START + turned(TARGETS - START, 0.4, (0.0, 0.0))
    path = reach(first, duration=0.25, onset=0.303)
    correction = minimum_jerk(0.12, 0.653)[:, None] * (TARGETS - first)[:, None, :] * 1.6
    np.testing.assert_allclose(
        metrics.initial_direction_error(path + correction, TARGETS, DT), -0.4, rtol=1e-9
    )


def test_all_measures_together_begin_the_line_where_they_are_told_to():
    path = reach(TARGETS, 0.02)
    for time in (0.0, 0.25, 0.6):
        together = metrics.kinematic_measures(path, TARGETS, DT, time)
        for name in ("lateral_deviation", "initial_direction_error"):
            np.testing.assert_array_equal(together[name], getattr(metrics, name)(path, TARGETS, DT, time))
    default = metrics.kinematic_measures(path, TARGETS, DT)
    assert (default["lateral_deviation"] != together["lateral_deviation"]).all()
    short = metrics.kinematic_measures(path[:, :11], TARGETS, DT, from_time=0.1)
    assert set(short) == set(metrics.KINEMATIC_COLUMNS)
    with pytest.raises(ValueError, match="from_time is 0.25 s, expected a time on the path, 0 to 0.1 s"):
        metrics.kinematic_measures(path[:, :11], TARGETS, DT)


@pytest.mark.parametrize("duration", [0.3, 0.4, 0.5])
def test_minimum_jerk_reach_has_its_known_peak_speed_and_duration(duration):
    path = reach(TARGETS, duration=duration, dt=0.001)
    np.testing.assert_allclose(metrics.peak_speed(path, 0.001), 1.875 * 0.1 / duration, rtol=1e-4)
    # speed over peak is 16 s^2 (1 - s)^2, a tenth at s (1 - s) = sqrt(0.1) / 4
    inside = np.sqrt(1 - np.sqrt(0.1))
    np.testing.assert_allclose(metrics.movement_time(path, 0.001), inside * duration, rtol=1e-3)
    onset, offset = metrics.movement_interval(path, 0.001)
    np.testing.assert_allclose((onset + offset) / 2, 0.453 + duration / 2, rtol=1e-6)
    assert (metrics.movement_time(path, 0.001, fraction=0.5) < metrics.movement_time(path, 0.001)).all()


def test_no_movement_is_nan_and_an_unfinished_one_has_no_movement_time():
    still = metrics.kinematic_measures(np.tile(START, (101, 1)), TARGETS[0], DT)
    assert np.isnan(
        [still[n] for n in ("initial_direction_error", "movement_time", "path_straightness")]
    ).all()
    assert still["lateral_deviation"] == 0.0 and still["peak_speed"] == 0.0
    assert still["endpoint_error"] == pytest.approx(0.1)
    cut = reach(TARGETS)[:, :75]
    onset, offset = metrics.movement_interval(cut, DT)
    assert np.isfinite(onset).all() and np.isnan(offset).all()


def test_leading_axes_broadcast():
    paths = reach(TARGETS, 0.02)
    batch = np.stack([paths, paths[:, :, :] + 0.0, paths])
    together = metrics.kinematic_measures(batch, TARGETS, DT)
    one = metrics.kinematic_measures(paths[2], TARGETS, DT)
    for name, values in together.items():
        assert values.shape == (3, 8), name
        np.testing.assert_array_equal(
            values[1, 2], metrics.kinematic_measures(paths[2], TARGETS[2], DT)[name]
        )
        assert one[name].shape == (8,) and one[name].flags.writeable, name


@pytest.mark.parametrize(
    ("path", "target", "options", "message"),
    [
        (np.zeros((101, 3)), [0.1, 0.0], {}, r"path has shape \(101, 3\), expected \(\.\.\., T \+ 1, 2\)"),
        (np.zeros((1, 2)), [0.1, 0.0], {}, "T at least 1"),
        (np.zeros((101, 2)), 0.1, {}, r"target has shape \(\), expected \(\.\.\., 2\)"),
        (np.full((101, 2), np.nan), [0.1, 0.0], {}, "path has 202 values that are not finite"),
        (np.zeros((101, 2)), [0.1, np.inf], {}, "target has 1 values that are not finite"),
        (np.zeros((3, 101, 2)), np.ones((8, 2)), {}, r"do not broadcast: path \(3,\), target \(8,\)"),
        (np.zeros((101, 2)), [0.1, 0.0], {"from_time": 1.2}, "from_time is 1.2 s, expected .* 0 to 1 s"),
        (np.zeros((101, 2)), [0.1, 0.0], {"from_time": -0.1}, "from_time is -0.1"),
        (np.zeros((101, 2)), [0.1, 0.0], {"dt": 0.0}, "dt is 0.0, expected"),
        (np.zeros((101, 2)), [0.0, 0.0], {}, "direction has zero length"),
        (["a"], [0.0, 0.0], {}, "path is not an array of real numbers"),
    ],
)
def test_bad_paths_name_what_was_expected(path, target, options, message):
    with pytest.raises(ValueError, match=message):
        metrics.lateral_deviation(path, target, **options)


def test_channel_index_is_the_compensated_share():
    rng = np.random.default_rng(0)
    curl = np.array([[0.0, 8.0], [-8.0, 0.0]])
    velocity = np.gradient(reach(TARGETS), DT, axis=-2)
    along = (TARGETS - START)[:, None, :]
    ideal = metrics.lateral_component(ideal_channel_force(velocity, curl), along)
    assert (ideal[:, 65] < -1.0).all()  # the field pushes right, so the hand has to push left
    for share in (1.0, 0.5, 0.0, -0.25):
        np.testing.assert_allclose(channel_adaptation_index(share * ideal, ideal), share, atol=1e-12)
    noisy = 0.7 * ideal + rng.normal(0.0, 0.2, ideal.shape)
    index = channel_adaptation_index(noisy, ideal)
    slope = [np.linalg.lstsq(x[:, None], y, rcond=None)[0][0] for x, y in zip(ideal, noisy, strict=True)]
    np.testing.assert_allclose(index, slope, rtol=1e-10)
    assert np.isnan(channel_adaptation_index(np.ones(5), np.zeros(5)))
    with pytest.raises(ValueError, match=r"expected both \(\.\.\., T\)"):
        channel_adaptation_index(np.ones(5), np.ones(6))
    with pytest.raises(ValueError, match=r"expected \(2, 2\)"):
        ideal_channel_force(velocity, np.ones(2))
