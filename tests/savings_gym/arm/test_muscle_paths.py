"""Muscle paths: near the published ones, smooth, and in closed form what MuJoCo computes."""

import dataclasses

import mujoco
import numpy as np
import pytest

from savings_gym.arm import anatomy, tendons
from savings_gym.arm.build import asset
from savings_gym.arm.model import load_arm

SHOULDER, ELBOW = 0, 1
PECTORALIS, DELTOID, BRACHIORADIALIS, TRICEPS_LATERAL, BICEPS, TRICEPS_LONG = range(6)
CROSSES = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [1, 1], [1, 1]], dtype=bool)
FLEXES = np.array([True, False, True, False, True, False])


# Published musculotendon length (Kistemaker, Wong & Gribble 2010; Codol et al. 2024):
# L = a0 + sum_j (a1_j + a2_j phi_j) phi_j, phi = (shoulder - 90 deg, elbow) rad.
A0 = np.array([0.151, 0.2322, 0.2859, 0.2355, 0.3329, 0.2989])
A1 = np.array([[-0.03, 0.0], [0.03, 0.0], [0.0, -0.014], [0.0, 0.025], [-0.03, -0.016], [0.03, 0.03]])
A2 = np.array([[0.0, 0.0], [0.0, 0.0], [0.0, -0.004], [0.0, -0.0022], [0.0, -0.0057], [0.0, -0.0032]])
PHI0 = np.array([np.pi / 2, 0.0])


def published_length(q):
    """Musculotendon length (..., 6) m at joint angles (..., 2) rad."""
    phi = (np.asarray(q) - PHI0)[..., None, :]
    return A0 + ((A1 + A2 * phi) * phi).sum(-1)


def published_moment_arm(q):
    """Moment arm dL/dq (..., 6, 2) m at joint angles (..., 2) rad; negative for a flexor."""
    phi = (np.asarray(q) - PHI0)[..., None, :]
    return A1 + 2 * A2 * phi


def grid(shoulder=(0.0, 135.0, 28), elbow=(0.0, 155.0, 311)):
    """(s, e, 2) joint angles, rad, from first, last (deg) and number; by default the whole range."""
    return np.deg2rad(np.stack(np.meshgrid(np.linspace(*shoulder), np.linspace(*elbow), indexing="ij"), -1))


@pytest.fixture(scope="module")
def arm():
    return load_arm("muscle")


def test_at_the_start_the_fibres_are_as_long_as_published(arm):
    start = np.array(anatomy.CENTRE_OUT_START)
    fibre = arm.muscle_length(start) * anatomy.OPTIMAL_FIBRE_LENGTH
    published = published_length(start) - anatomy.TENDON_SLACK_LENGTH
    assert fibre == pytest.approx(published, abs=1e-6)


def test_published_moment_arms_are_the_slope_of_published_lengths():
    q, h = grid()[3::7, 5::61], 1e-6
    slope = [(published_length(q + d) - published_length(q - d)) / (2 * h) for d in h * np.eye(2)]
    assert published_moment_arm(q) == pytest.approx(np.stack(slope, -1), abs=1e-9)


def test_fibres_change_their_length_nearly_as_published(arm):
    q, start = grid(), np.array(anatomy.CENTRE_OUT_START)
    change = (arm.muscle_length(q) - arm.muscle_length(start)) * anatomy.OPTIMAL_FIBRE_LENGTH
    published = published_length(q) - published_length(start)
    worst = np.abs(change - published).max((0, 1))
    # brachioradialis and biceps: two via sites cannot follow the polynomial to full extension, see below
    assert (worst < [1e-9, 1e-9, 6e-3, 0.25e-3, 7e-3, 0.6e-3]).all(), worst


def test_at_the_shoulder_moment_arms_are_as_published(arm):
    q = grid()
    error = arm.moment_arms(q)[..., SHOULDER] - published_moment_arm(q)[..., SHOULDER]
    assert np.abs(error).max() < 1e-9


@pytest.mark.parametrize(
    ("muscle", "bound"),
    [(PECTORALIS, 0.0), (DELTOID, 0.0), (TRICEPS_LATERAL, 0.1e-3), (TRICEPS_LONG, 0.1e-3),
     (BRACHIORADIALIS, 1.8e-3), (BICEPS, 1.9e-3)],
)  # fmt: skip
def test_from_45_to_120_degrees_of_elbow_moment_arms_are_nearly_as_published(arm, muscle, bound):
    q = grid(elbow=(45.0, 120.0, 151))
    error = arm.moment_arms(q)[..., muscle, ELBOW] - published_moment_arm(q)[..., muscle, ELBOW]
    assert np.abs(error).max() <= bound


def test_moment_arms_keep_their_sign_over_the_whole_range(arm):
    arms = arm.moment_arms(grid())
    sign = np.where(FLEXES, -1.0, 1.0)[:, None] * CROSSES
    assert (np.sign(arms) == sign).all()
    assert (np.abs(arms)[..., CROSSES] > 4e-3).all() and (np.abs(arms) < 40e-3).all()  # m, of an arm's size


def test_moment_arms_are_smooth_over_the_whole_range(arm):
    arms, step = arm.moment_arms(grid()), np.deg2rad(0.5)
    assert np.abs(np.diff(arms, axis=1) / step).max() < 0.1  # m/rad; a jump of 1 mm would be 0.11
    assert np.abs(np.diff(arms, n=2, axis=1) / step**2).max() < 0.2  # m/rad^2
    assert np.abs(np.diff(arms, axis=0)).max() < 1e-12


def test_no_fibre_is_ever_so_long_that_it_would_resist_passively(arm):
    lengths = arm.muscle_length(grid())
    assert lengths.max() < anatomy.PASSIVE_SLACK_LENGTH
    assert lengths.min() > 0.0


def test_closed_forms_are_what_mujoco_computes(arm):
    rng, data = np.random.default_rng(0), mujoco.MjData(arm.model)
    n = 200
    q, v = rng.uniform(*arm.joint_range.T, (n, 2)), rng.normal(0.0, 6.0, (n, 2))
    activation = rng.uniform(0.0, 1.0, (n, 6))
    length, moment, force = np.zeros((n, 6)), np.zeros((n, 6, 2)), np.zeros((n, 6))
    velocity = np.zeros((n, 6))
    for i in range(n):
        data.qpos[:], data.qvel[:], data.act[:] = q[i], v[i], activation[i]
        mujoco.mj_forward(arm.model, data)
        length[i], force[i] = data.actuator_length, data.actuator_force
        velocity[i] = data.actuator_velocity
        mujoco.mju_sparse2dense(
            moment[i], data.actuator_moment, data.moment_rownnz, data.moment_rowadr, data.moment_colind
        )
    assert np.abs(tendons.lengths(arm.paths, q) - length).max() < 1e-9
    assert np.abs(arm.moment_arms(q) - moment).max() < 1e-9
    assert np.abs(arm.muscle_velocity(q, v) * arm.muscles.speed - velocity).max() < 1e-9
    assert np.abs(arm.muscle_force(q, v, activation) + force).max() < 1e-9 * max(anatomy.MAX_ISOMETRIC_FORCE)


def test_moment_arms_are_the_slope_of_lengths(arm):
    q, h = grid()[1::5, 7::50], 1e-6
    slope = [
        (tendons.lengths(arm.paths, q + d) - tendons.lengths(arm.paths, q - d)) / (2 * h)
        for d in h * np.eye(2)
    ]
    assert arm.moment_arms(q) == pytest.approx(np.stack(slope, -1), abs=1e-9)


def test_closed_forms_hold_in_the_soft_stops_up_to_15_degrees_outside_the_range(arm):
    data = mujoco.MjData(arm.model)
    for q in grid((-15.0, 150.0, 12), (-15.0, 170.0, 38)).reshape(-1, 2):
        data.qpos[:] = q
        mujoco.mj_fwdPosition(arm.model, data)
        assert np.abs(tendons.lengths(arm.paths, q) - data.actuator_length).max() < 1e-9


def test_paths_map_every_array(arm):
    doubled = arm.paths.map(lambda array: 2 * array)
    for field in dataclasses.fields(tendons.Paths):
        assert np.array_equal(getattr(doubled, field.name), 2 * getattr(arm.paths, field.name))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [('<site site="pectoralis_origin"/>', '<site site="triceps_insertion"/>', "from a body to its child"),
     ('<site site="pectoralis_insertion"/>', '<site site="pectoralis_insertion"/><pulley divisor="2"/>'
      '<site site="pectoralis_shoulder_out"/><site site="pectoralis_insertion"/>', "neither a site nor a"),
     ('name="pectoralis_side" pos="-0.025357 0.054378 0.03"', 'name="pectoralis_side" pos="0.01 0 0.03"',
      "not that of the closed form")],
    ids=["two joints", "pulley", "inside"],
)  # fmt: skip
def test_a_path_that_the_closed_forms_do_not_cover_is_named(old, new, message):
    text = asset("arm26.xml").read_text()
    assert old in text
    with pytest.raises(ValueError, match=f"'pectoralis'.*{message}"):
        tendons.read_paths(mujoco.MjModel.from_xml_string(text.replace(old, new, 1)))


def test_no_path_jumps_as_far_outside_the_range_as_the_muscles_can_push() -> None:
    model = load_arm("muscle").model
    data = mujoco.MjData(model)
    step = np.deg2rad(0.5)
    for joint, (low, high) in enumerate(load_arm("muscle").joint_range):
        lengths = []
        for angle in np.arange(low - np.deg2rad(30), high + np.deg2rad(30), step):
            data.qpos[:] = [1.0, 1.5]
            data.qpos[joint] = angle
            mujoco.mj_fwdPosition(model, data)
            lengths.append(data.ten_length[:6].copy())
        assert np.abs(np.diff(lengths, axis=0)).max() < 0.05 * step  # no moment arm is longer than 5 cm
