"""The muscle in closed form is MuJoCo's muscle, in numpy and in torch."""

import mujoco
import numpy as np
import pytest
import torch

from savings_gym.arm import anatomy, muscles
from savings_gym.arm.build import asset
from savings_gym.arm.model import load_arm

NAMESPACES = pytest.mark.parametrize("xp", [np, torch], ids=["numpy", "torch"])


@pytest.fixture(scope="module")
def arm():
    return load_arm("muscle")


def prepared(arm, xp, *arrays):
    """Constants and arrays in a namespace; arrays get a last axis for the muscles."""
    convert = (lambda a: torch.as_tensor(np.array(a))) if xp is torch else np.asarray
    return arm.muscles.map(convert), *(convert(array[..., None]) for array in arrays)


def gain(arm, muscle, length, velocity):
    """MuJoCo's gain, N (negative: it pulls), at a fibre length and velocity in the muscle's own units."""
    model, constants = arm.model, arm.muscles
    tendon = constants.slack[muscle] + length * constants.optimal[muscle]
    speed = velocity * constants.speed[muscle]
    return mujoco.mju_muscleGain(tendon, speed, model.actuator_lengthrange[muscle],
                                 1.0, model.actuator_gainprm[muscle, :9])  # fmt: skip


@NAMESPACES
def test_force_length_is_that_of_mujoco(arm, xp):
    lengths = np.linspace(0.2, 1.8, 161)
    constants, x = prepared(arm, xp, lengths)
    ours = np.asarray(constants.strength * muscles.force_length(constants, x, xp))
    theirs = [[-gain(arm, i, length, 0.0) for i in range(6)] for length in lengths]
    assert ours == pytest.approx(np.array(theirs), abs=1e-9)
    assert ours.max() == pytest.approx(arm.muscles.strength.max()) and ours.min() == 0.0


@NAMESPACES
def test_force_velocity_is_that_of_mujoco(arm, xp):
    velocities = np.linspace(-1.3, 1.3, 131)
    constants, x = prepared(arm, xp, velocities)
    ours = np.asarray(constants.strength * muscles.force_velocity(constants, x, xp))
    theirs = [[-gain(arm, i, 1.0, velocity) for i in range(6)] for velocity in velocities]
    assert ours == pytest.approx(np.array(theirs), abs=1e-9)
    assert ours.max() == pytest.approx(1.5 * arm.muscles.strength.max())


@NAMESPACES
def test_activation_dynamics_are_those_of_mujoco(arm, xp):
    excitation, activation = np.meshgrid(np.linspace(-0.2, 1.2, 29), np.linspace(0.0, 1.0, 21))
    constants, u, a = prepared(arm, xp, excitation, activation)
    ours = np.asarray(muscles.activation_rate(constants, u, a, xp))
    parameters = arm.model.actuator_dynprm[0, :3]
    theirs = np.vectorize(lambda u, a: mujoco.mju_muscleDynamics(u, a, parameters))(excitation, activation)
    assert ours == pytest.approx(np.repeat(theirs[..., None], 6, -1), abs=1e-9)


def test_motors_pull_with_their_activation_whatever_their_length_and_speed():
    motors, muscle_arm = load_arm("motor"), load_arm("muscle")
    data, rng = mujoco.MjData(motors.model), np.random.default_rng(0)
    for _ in range(20):
        data.qpos[:], data.qvel[:] = rng.uniform([0.2, 0.2], [2.2, 2.5]), rng.normal(0, 5, 2)
        data.act[:] = rng.uniform(0, 1, 6)
        mujoco.mj_forward(motors.model, data)
        force = np.array(anatomy.MAX_ISOMETRIC_FORCE) * data.act
        assert -data.actuator_force == pytest.approx(force, rel=1e-12)
        assert motors.muscle_force(data.qpos, data.qvel, data.act) == pytest.approx(force, rel=1e-12)
        torque = -(muscle_arm.moment_arms(data.qpos) * force[:, None]).sum(0)
        assert data.qfrc_actuator == pytest.approx(torque, abs=1e-9)  # along the muscles' paths
        for sense in ("muscle_length", "muscle_velocity"):  # and felt like muscles
            state = (data.qpos,) if sense == "muscle_length" else (data.qpos, data.qvel)
            assert getattr(motors, sense)(*state) == pytest.approx(getattr(muscle_arm, sense)(*state))


def test_motors_follow_within_a_control_step_and_never_overshoot():
    arm = load_arm("motor")
    data = mujoco.MjData(arm.model)
    mujoco.mj_resetDataKeyframe(arm.model, data, 0)
    for command, before in ((0.5, 0.001), (0.001, 0.5), (1.0, 0.001), (0.3, 1.0)):
        data.ctrl[:], data.act[:] = command, before
        course = []
        for _ in range(10):
            mujoco.mj_step(arm.model, data)
            course.append(data.act[0])
        low, high = sorted((command, before))
        assert all(low - 1e-12 <= a <= high + 1e-12 for a in course)
        assert abs(course[-1] - command) < 0.05


@pytest.mark.parametrize(
    ("old", "new"),
    [('biastype="none"', 'biastype="muscle"'), ('dynprm="0.015 0.05 0"', 'dynprm="0.015 0.05 0.1"'),
     ('gainprm="0 1 838', 'gainprm="0 1 -1')],
    ids=["passive force", "smoothing", "strength by scale"],
)  # fmt: skip
def test_another_kind_of_muscle_is_refused_by_name(old, new):
    text = asset("arm26.xml").read_text()
    assert old in text
    with pytest.raises(ValueError, match="'pectoralis'"):
        muscles.read_muscles(mujoco.MjModel.from_xml_string(text.replace(old, new)))
