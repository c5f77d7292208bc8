"""Another arm: what changes do to it, that environments follow them, and what is refused."""

import copy
import json
import pickle

import gymnasium as gym
import mujoco
import numpy as np
import pytest

from savings_gym import ReachEnv, ReachVectorEnv
from savings_gym.arm import anatomy
from savings_gym.arm.build import asset
from savings_gym.arm.changes import as_arm_changes
from savings_gym.arm.model import load_arm

CHANGES = {
    "strength": {"biceps": 0.5, "deltoid": 2.0},
    "length": {"upper_arm": 1.2, "forearm": 0.9},
    "mass": {"forearm": 1.5},
}
BICEPS, DELTOID = anatomy.MUSCLES.index("biceps"), anatomy.MUSCLES.index("deltoid")


def written(tmp_path, *replacements, name="arm26.xml"):
    """Path of a copy of the arm's file with some of its text replaced."""
    text = asset(name).read_text()
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "arm.xml"
    path.write_text(text)
    return str(path)


def test_strengths_lengths_and_masses_are_those_asked_for():
    arm, standard = load_arm("muscle", CHANGES), load_arm("muscle")
    factor = arm.muscles.strength / standard.muscles.strength
    expected = np.ones(6)
    expected[BICEPS], expected[DELTOID] = 0.5, 2.0
    assert factor == pytest.approx(expected)
    assert arm.link_lengths / standard.link_lengths == pytest.approx([1.2, 0.9])
    bodies = [(a.model.body("forearm"), a.model.body("upper_arm")) for a in (arm, standard)]
    (forearm, upper), (forearm0, upper0) = bodies
    assert forearm.mass / forearm0.mass == pytest.approx(1.5) and upper.mass == upper0.mass
    assert forearm.ipos[0] / forearm0.ipos[0] == pytest.approx(0.9)
    assert forearm.inertia / forearm0.inertia == pytest.approx(1.5 * 0.9**2)
    assert upper.inertia / upper0.inertia == pytest.approx(1.2**2)


def test_longer_segments_leave_moment_arms_and_fibres_as_they_are():
    arm, standard = load_arm("muscle", {"length": CHANGES["length"]}), load_arm("muscle")
    q = np.random.default_rng(0).uniform(*standard.joint_range.T, (50, 2))
    assert arm.moment_arms(q) == pytest.approx(standard.moment_arms(q), abs=1e-12)
    assert arm.muscle_length(q) == pytest.approx(standard.muscle_length(q), abs=1e-12)
    assert np.abs(arm.hand_position(q) - standard.hand_position(q)).min() > 1e-4


@pytest.mark.parametrize("actuation", ["muscle", "motor", "torque"])
def test_the_closed_forms_of_a_changed_arm_are_what_mujoco_computes(actuation):
    strength = {"elbow": 0.5} if actuation == "torque" else CHANGES["strength"]
    arm = load_arm(actuation, {**CHANGES, "strength": strength})
    data, rng = mujoco.MjData(arm.model), np.random.default_rng(0)
    for _ in range(20):
        data.qpos[:], data.qvel[:] = rng.uniform(*arm.joint_range.T), rng.normal(0.0, 3.0, 2)
        data.ctrl[:], data.act[:] = rng.uniform(*arm.control_range.T), rng.uniform(0.0, 1.0, arm.model.na)
        mujoco.mj_forward(arm.model, data)
        torque = arm.joint_torque(data.qpos, data.qvel, data.qacc)
        assert data.qfrc_actuator == pytest.approx(torque, abs=1e-9)
        if arm.pulls:
            assert arm.muscle_force(data.qpos, data.qvel, data.act) == pytest.approx(-data.actuator_force)
    if actuation == "motor":
        assert arm.muscles.strength == pytest.approx(load_arm("muscle", CHANGES).muscles.strength)
    if actuation == "torque":
        assert arm.control_range.tolist() == [[-20.0, 20.0], [-10.0, 10.0]]


def test_a_file_stands_in_for_the_package_s_own(tmp_path):
    path = written(tmp_path, ('mass="1.43"', 'mass="2.86"'))
    arm = load_arm("muscle", path)
    assert arm.model.body("forearm").mass == pytest.approx(2.86)
    assert load_arm("muscle", {"file": path}) is arm
    assert load_arm("muscle", {"file": path, "mass": {"forearm": 0.5}}).model.body("forearm").mass == 1.43
    written(tmp_path, ('mass="1.43"', 'mass="1.5"'))
    assert load_arm("muscle", path).model.body("forearm").mass == pytest.approx(1.5)  # not the one of before


@pytest.mark.parametrize("make", [ReachEnv, lambda **arguments: ReachVectorEnv(2, **arguments)])
def test_environments_simulate_the_arm_they_are_given(make):
    def flexion(arm):
        """Hand position after 10 steps with an active biceps, and muscle forces after the first."""
        env = make(arm=arm, noise=False)
        env.reset(seed=0)
        action = np.broadcast_to([0.0, 0.0, 0.0, 0.0, 1.0, 0.0], env.action_space.shape)
        infos = [env.step(action)[4] for _ in range(10)]
        return np.atleast_2d(infos[-1]["hand_position"])[0], np.atleast_2d(infos[0]["muscle_force"])[0]

    (hand, force), (same, _) = flexion(None), flexion({})
    weak_hand, weak_force = flexion({"strength": {"biceps": 0.1}})
    start = load_arm().hand_position(anatomy.CENTRE_OUT_START)
    assert (hand == same).all()
    assert np.linalg.norm(weak_hand - start) < 0.3 * np.linalg.norm(hand - start)
    assert weak_force[BICEPS] == pytest.approx(0.1 * force[BICEPS], rel=0.05)
    long_hand, _ = flexion({"length": {"forearm": 1.3}})
    assert np.linalg.norm(long_hand - hand) > 0.05


def test_the_argument_prints_pickles_and_goes_through_json(tmp_path):
    for arm in (CHANGES, written(tmp_path, ('mass="1.43"', 'mass="1.2"'))):
        env = gym.make("ForceFieldReach-v0", arm=arm)
        settings = env.unwrapped.settings
        assert pickle.loads(pickle.dumps(settings)) == settings
        assert ReachEnv(**settings.arguments()).settings == settings
        stored = json.loads(json.dumps(settings.arm.to_dict()))
        assert ReachVectorEnv(2, arm=stored).settings.arm == settings.arm
        again = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
        assert again.unwrapped.settings == settings
    assert as_arm_changes({"mass": {"forearm": np.float32(0.5)}}).mass == (("forearm", 0.5),)
    assert not as_arm_changes({"strength": {"biceps": 1.0}}) and ReachEnv().settings.arm.to_dict() == {}


def test_a_pickled_arm_is_not_restored_from_a_file_that_has_changed(tmp_path):
    path = written(tmp_path, ('mass="1.43"', 'mass="2.86"'))
    env = ReachEnv(arm=path)
    env.reset(seed=0)
    pickled = pickle.dumps(env)
    written(tmp_path, ('mass="1.43"', 'mass="1.5"'))
    with pytest.raises(RuntimeError, match="arm.xml has changed since the arm was pickled: body_mass"):
        pickle.loads(pickled)
    assert copy.deepcopy(env).task.arm is env.task.arm  # that of the old file


def test_an_arm_is_shared_and_copies_are_the_same_arm():
    arm = load_arm("muscle", CHANGES)
    assert load_arm("muscle", as_arm_changes(CHANGES)) is arm
    assert copy.deepcopy(arm) is arm and pickle.loads(pickle.dumps(arm)) is arm
    assert load_arm("muscle", {}) is load_arm("muscle")


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        (
            {"strenght": {}},
            r"a dict with some of \['file', 'strength', 'length', 'mass', 'tool'\], got .*strenght",
        ),
        (3, "arm must be the path of an MJCF file or a dict .*, got 3"),
        ({"strength": {"bizeps": 0.5}}, "strength knows pectoralis, .*; got 'bizeps'"),
        ({"strength": {"elbow": 0.5}}, "with actuation 'muscle' strength knows .*; got 'elbow'"),
        ({"length": {"hand": 0.5}}, "length knows upper_arm, forearm; got 'hand'"),
        ({"mass": {"forearm": 0.0}}, "mass of forearm must be .* at least 0.001 and at most 1000, got 0.0"),
        ({"mass": {"forearm": "1"}}, "mass of forearm must be a finite number of .*, got '1'"),
        ({"mass": {"forearm": True}}, "mass of forearm must be a finite number of .*, got True"),
        ({"mass": {"forearm": float("nan")}}, "mass of forearm must be a finite number of .*, got nan"),
        ({"strength": 0.5}, "strength must be a dict from names to factors, got 0.5"),
        ({"strength": "biceps"}, "strength must be a dict from names to factors, got 'biceps'"),
        ({"length": {"forearm": 0.2}}, r"out of reach|arm: \[.*\] m needs for its targets joint angles"),
        ({"file": 5}, "file must be the path of an MJCF file, got 5"),
    ],
)
@pytest.mark.parametrize("make", [ReachEnv, ReachVectorEnv])
def test_bad_changes_are_named(make, arm, message):
    with pytest.raises(ValueError, match=message):
        make(arm=arm)


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(FileNotFoundError, match="there is no file 'nowhere.xml'"):
        ReachEnv(arm="nowhere.xml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('gravity="0 0 0"', 'gravity="0 -9.81 0"', "does not obey the equations of motion"),
        ('<joint name="elbow"/>', '<joint name="elbow" damping="0.1"/>', "does not obey"),
        ('<site name="hand" pos="0.333 0 0"', '<site name="hand" pos="0.333 0.1 0"', "does not obey"),
        ('integrator="Euler"', 'integrator="implicit"', "the integrator must be Euler"),
        ('ctrlrange="0.001 1"', 'ctrlrange="0 1"', "excitations must range from 0.001 to 1"),
        ('<site name="hand"', '<site name="finger"', "has no site 'hand'"),
        ('"biceps" tendon', '"bizeps" tendon', "actuation 'muscle' needs .*'biceps'"),
        ('timestep="0.002"', 'timestep="0.003"', "a control step of 0.01 s must be whole physics steps"),
        ("</mujoco>", "", "MuJoCo cannot read the arm"),
    ],
    ids=["gravity", "damping", "hand off axis", "integrator", "range", "site", "actuator", "timestep", "xml"],
)  # fmt: skip
def test_a_file_with_another_kind_of_arm_is_refused(tmp_path, old, new, message):
    with pytest.raises(ValueError, match=message):
        ReachEnv(arm=written(tmp_path, (old, new)))


def test_the_shared_model_cannot_be_written_to():
    arm = load_arm("muscle")
    for array in (arm.model.body_mass, arm.model.actuator_gainprm, arm.muscles.strength, arm.paths.centre,
                  arm.link_lengths):  # fmt: skip
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0
    own = copy.copy(arm.model)
    own.body_mass[1] = 5.0  # a copy is free
    assert arm.model.body_mass[1] == 1.82


@pytest.mark.parametrize("make", [ReachEnv, ReachVectorEnv])
def test_a_write_that_numpy_lets_through_is_an_error_at_the_next_environment(make):
    arm = load_arm("motor")
    forearm = arm.model.body("forearm")
    try:
        forearm.mass[:] = 2.0
        with pytest.raises(RuntimeError, match=r"written to \(body_mass\).*give the environment arm="):
            make(actuation="motor")
    finally:
        forearm.mass[:] = anatomy.SEGMENT_MASS[1]
    make(actuation="motor")
