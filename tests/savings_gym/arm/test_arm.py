"""The compiled arms are the published arm, and their kinematics are those of MuJoCo."""

import mujoco
import numpy as np
import pytest

from savings_gym.arm import anatomy
from savings_gym.arm.build import MODELS, asset
from savings_gym.arm.model import load_arm

BOTH = pytest.mark.parametrize("actuation", list(MODELS))
SEGMENTS = ("upper_arm", "forearm")


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def inside(rng, arm, *shape):
    return rng.uniform(*arm.joint_range.T, (*shape, 2))


@BOTH
def test_the_compiled_segments_are_the_published_ones(actuation):
    model = load_arm(actuation).model
    bodies = [model.body(name) for name in SEGMENTS]
    assert [body.mass[0] for body in bodies] == list(anatomy.SEGMENT_MASS)
    assert [body.inertia[2] for body in bodies] == list(anatomy.SEGMENT_INERTIA)
    for body, com in zip(bodies, anatomy.SEGMENT_COM, strict=True):
        assert body.ipos.tolist() == [com, 0.0, 0.0] and body.iquat.tolist() == [1.0, 0.0, 0.0, 0.0]
    assert model.body("forearm").pos.tolist() == [anatomy.SEGMENT_LENGTH[0], 0.0, 0.0]
    assert model.site("hand").pos.tolist() == [anatomy.SEGMENT_LENGTH[1], 0.0, 0.0]
    assert load_arm(actuation).link_lengths.tolist() == list(anatomy.SEGMENT_LENGTH)
    assert model.body_mass.sum() == sum(anatomy.SEGMENT_MASS)


@BOTH
def test_joints_turn_freely_up_to_their_soft_stops(actuation):
    arm = load_arm(actuation)
    model = arm.model
    assert [model.joint(i).name for i in range(model.njnt)] == list(anatomy.JOINTS)
    assert (model.jnt_axis == [0.0, 0.0, 1.0]).all() and not model.jnt_limited.any()
    assert not model.dof_damping.any() and not model.dof_armature.any() and not model.dof_frictionloss.any()
    assert not model.jnt_stiffness.any() and not model.opt.gravity.any()
    assert arm.joint_range == pytest.approx(np.deg2rad(anatomy.JOINT_RANGE_DEG), abs=1e-15)
    assert (arm.stop_stiffness == anatomy.JOINT_STOP_STIFFNESS).all()


@BOTH
@pytest.mark.parametrize("joint", [0, 1])
@pytest.mark.parametrize("beyond", [-0.2, 0.2])
def test_a_joint_stop_pushes_back_as_declared_and_only_outside_the_range(actuation, joint, beyond):
    model = load_arm(actuation).model
    data = mujoco.MjData(model)
    low, high = np.deg2rad(anatomy.JOINT_RANGE_DEG[joint])
    data.qpos[joint] = (low if beyond < 0 else high) + beyond
    data.qpos[1 - joint] = 1.0
    mujoco.mj_forward(model, data)
    k0, k1, k2 = anatomy.JOINT_STOP_STIFFNESS
    torque = -beyond * (k0 + k1 * abs(beyond) + k2 * beyond**2)
    assert data.qfrc_passive[joint] == pytest.approx(torque, rel=1e-9)
    assert data.qfrc_passive[1 - joint] == 0.0


def test_the_compiled_muscles_are_the_published_ones():
    arm = load_arm("muscle")
    muscle = arm.muscles
    slack = np.add(anatomy.TENDON_SLACK_LENGTH, anatomy.PATH_EXTRA_LENGTH)
    speed = anatomy.MAX_SHORTENING_VELOCITY * np.array(anatomy.OPTIMAL_FIBRE_LENGTH)
    assert arm.actuator_names == anatomy.MUSCLES
    assert muscle.strength.tolist() == list(anatomy.MAX_ISOMETRIC_FORCE)
    assert muscle.optimal == pytest.approx(anatomy.OPTIMAL_FIBRE_LENGTH, abs=1e-12)
    assert muscle.slack == pytest.approx(slack, abs=1e-9)
    assert muscle.speed == pytest.approx(speed, abs=1e-12)
    assert muscle.shortest == pytest.approx(1 - anatomy.FIBRE_WIDTH, abs=1e-12)
    assert muscle.longest == pytest.approx(1 + anatomy.FIBRE_WIDTH, abs=1e-12)
    assert (muscle.lengthening == anatomy.LENGTHENING_FORCE).all()
    assert (muscle.rise == anatomy.ACTIVATION_TIME).all() and (muscle.fall == anatomy.DEACTIVATION_TIME).all()
    assert (arm.control_range == [anatomy.SMALLEST_ACTIVATION, 1.0]).all()
    assert arm.model.actuator_ctrllimited.all() and arm.model.na == len(anatomy.MUSCLES)


@BOTH
def test_the_keyframe_is_the_centre_out_start_at_rest(actuation):
    arm = load_arm(actuation)
    key = arm.model.key("centre_out")
    assert key.qpos.tolist() == arm.start.tolist() == list(anatomy.CENTRE_OUT_START)
    assert not key.qvel.any() and (key.act == anatomy.SMALLEST_ACTIVATION).all()
    assert arm.hand_position(arm.start) == pytest.approx([-0.1337, 0.4344], abs=5e-4)


def test_both_arms_have_one_skeleton():
    muscle, torque = (load_arm(actuation).model for actuation in ("muscle", "torque"))
    assert muscle.opt.timestep == torque.opt.timestep == 0.002
    assert muscle.opt.integrator == torque.opt.integrator == mujoco.mjtIntegrator.mjINT_EULER
    for name in (f for f in dir(muscle) if f.startswith(("body_", "jnt_", "dof_", "key_q"))):
        if name not in ("body_geomadr", "body_geomnum", "body_bvhadr", "body_bvhnum"):
            assert np.array_equal(getattr(muscle, name), getattr(torque, name)), name


@BOTH
def test_every_element_has_a_name(actuation):
    model = load_arm(actuation).model
    kinds = {
        mujoco.mjtObj.mjOBJ_BODY: model.nbody,
        mujoco.mjtObj.mjOBJ_JOINT: model.njnt,
        mujoco.mjtObj.mjOBJ_GEOM: model.ngeom,
        mujoco.mjtObj.mjOBJ_SITE: model.nsite,
        mujoco.mjtObj.mjOBJ_TENDON: model.ntendon,
        mujoco.mjtObj.mjOBJ_ACTUATOR: model.nu,
        mujoco.mjtObj.mjOBJ_CAMERA: model.ncam,
        mujoco.mjtObj.mjOBJ_LIGHT: model.nlight,
        mujoco.mjtObj.mjOBJ_KEY: model.nkey,
    }
    for kind, count in kinds.items():
        assert count and all(mujoco.mj_id2name(model, kind, i) for i in range(count)), kind


@BOTH
def test_no_contact_and_no_constraint_ever_even_at_the_joint_stops(actuation, rng):
    arm = load_arm(actuation)
    data = mujoco.MjData(arm.model)
    mujoco.mj_resetDataKeyframe(arm.model, data, 0)
    lowest, highest = data.qpos.copy(), data.qpos.copy()
    for step in range(1000):
        if step % 100 == 0:
            data.ctrl[:] = rng.choice([-1.0, 1.0], arm.n_actuators) * arm.control_range[:, 1]
        mujoco.mj_step(arm.model, data)
        assert data.nefc == 0 and data.ncon == 0
        lowest, highest = np.minimum(lowest, data.qpos), np.maximum(highest, data.qpos)
    assert (lowest < arm.joint_range[:, 0]).any() and (
        highest > arm.joint_range[:, 1]
    ).any()  # was at the stops


@BOTH
def test_hand_position_velocity_and_jacobian_are_those_of_mujoco(actuation, rng):
    arm = load_arm(actuation)
    data = mujoco.MjData(arm.model)
    hand = arm.model.site("hand").id
    for q, v in zip(inside(rng, arm, 20), rng.normal(0, 5, (20, 2)), strict=True):
        data.qpos[:], data.qvel[:] = q, v
        mujoco.mj_forward(arm.model, data)
        jacobian = np.zeros((3, 2))
        mujoco.mj_jacSite(arm.model, data, jacobian, None, hand)
        assert arm.hand_position(q) == pytest.approx(data.site_xpos[hand, :2], abs=1e-12)
        assert arm.hand_jacobian(q) == pytest.approx(jacobian[:2], abs=1e-12)
        assert arm.hand_velocity(q, v) == pytest.approx(jacobian[:2] @ v, abs=1e-12)


def test_the_jacobian_is_the_slope_of_the_hand_position(rng):
    arm, h = load_arm(), 1e-6
    q = inside(rng, arm, 3, 5)
    steps = h * np.eye(2)
    slope = [(arm.hand_position(q + step) - arm.hand_position(q - step)) / (2 * h) for step in steps]
    assert arm.hand_jacobian(q) == pytest.approx(np.stack(slope, -1), abs=1e-9)


def test_inverse_kinematics_is_the_inverse(rng):
    arm = load_arm()
    q = inside(rng, arm, 4, 50)
    assert arm.inverse_kinematics(arm.hand_position(q)) == pytest.approx(q, abs=1e-6)
    around = rng.uniform(-np.pi, np.pi, 50)
    xy = rng.uniform(0.05, 0.6, 50)[:, None] * np.stack([np.cos(around), np.sin(around)], -1)
    assert arm.hand_position(arm.inverse_kinematics(xy)) == pytest.approx(xy, abs=1e-12)


@pytest.mark.parametrize("xy", [[0.7, 0.0], [0.0, 0.01], [np.nan, 0.3]])
def test_a_hand_position_out_of_reach_is_named(xy):
    with pytest.raises(ValueError, match="out of reach.*0.024 to 0.642 m"):
        load_arm().inverse_kinematics([[0.1, 0.4], xy])


def test_without_torque_the_energy_of_motion_stays():
    arm, change = load_arm("torque"), []
    for timestep in (0.002, 0.001):
        free = mujoco.MjModel.from_xml_path(str(asset(MODELS["torque"])))
        free.opt.timestep = timestep
        free.opt.enableflags |= mujoco.mjtEnableBit.mjENBL_ENERGY
        data = mujoco.MjData(free)
        data.qpos[:], data.qvel[:] = arm.start, (1.0, -1.5)
        energy = []
        for _ in range(round(0.3 / timestep)):
            mujoco.mj_step(free, data)
            assert (arm.joint_range[:, 0] < data.qpos).all() and (data.qpos < arm.joint_range[:, 1]).all()
            energy.append(data.energy.sum())
        change.append(np.ptp(energy) / energy[0])
    assert change[0] < 0.01
    assert change[1] == pytest.approx(change[0] / 2, rel=0.1)  # an error of the integrator, O(dt)


def test_an_unknown_actuation_is_named_with_the_choices():
    with pytest.raises(
        ValueError, match="actuation must be one of .*'muscle', 'motor', 'torque'.*, got 'piston'"
    ):
        load_arm("piston")


@pytest.mark.parametrize("question", ["muscles", "paths"])
def test_the_torque_arm_has_no_muscles(question):
    with pytest.raises(ValueError, match="use actuation 'muscle'"):
        getattr(load_arm("torque"), question)
