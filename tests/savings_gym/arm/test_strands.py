"""The closed forms that step the arms fast are those of the arm, for many arms and for one."""

import numpy as np
import pytest

from savings_gym import Delays, Noise, ReachEnv, ReachVectorEnv, four_phase
from savings_gym.arm.model import load_arm
from savings_gym.arm.simulation import Strands
from savings_gym.fields import ChannelField, ConstantField, CurlField, ElasticField, NullField, resolve_fields
from savings_gym.linear_fields import HandForces, one_force
from savings_gym.task.reach import ReachTask
from savings_gym.task.single import SingleReachTask

FIELDS = [
    NullField(),
    CurlField(8.0),
    CurlField(-3.0, onset="start") + ElasticField(50.0, centre=(0.1, 0.3)) + ConstantField((1.0, 2.0)),
    ChannelField(onset="start") + ElasticField(20.0),
]


@pytest.fixture
def states():
    """Joint angles (2, n) a little beyond their range, velocities (2, n), activations (6, n)."""
    rng, arm = np.random.default_rng(0), load_arm()
    low, high = arm.joint_range.T[:, :, None]
    angles = low - 0.1 + (high - low + 0.2) * rng.random((2, 400))
    return angles, rng.normal(0.0, 5.0, (2, 400)), rng.random((6, 400))


@pytest.fixture
def strands():
    return Strands(load_arm().paths, load_arm().muscles)


def test_lengths_velocities_and_forces_are_those_of_the_arm(states, strands):
    (q, v, activation), arm = states, load_arm()
    length, velocity = strands.state(np.cos(q), np.sin(q), v)
    assert np.abs(length.T - arm.muscle_length(q.T)).max() < 1e-14
    assert np.abs(velocity.T - arm.muscle_velocity(q.T, v.T)).max() < 1e-14
    force = strands.force(length, velocity, activation)
    assert force.T == pytest.approx(arm.muscle_force(q.T, v.T, activation.T), rel=1e-12, abs=1e-9)


def test_one_arm_in_plain_numbers_is_the_same_to_the_last_bit(states, strands):
    q, v, activation = states
    cos, sin = np.cos(q), np.sin(q)
    length, velocity = strands.state(cos, sin, v)
    force = strands.force(length, velocity, activation)
    for i in range(q.shape[1]):
        one = strands.one_state(cos[:, i].tolist(), sin[:, i].tolist(), v[:, i].tolist())
        assert one == (length[:, i].tolist(), velocity[:, i].tolist())
        assert strands.one_force(*one, activation[:, i].tolist()) == force[:, i].tolist()


def test_forces_are_those_of_the_fields_before_and_after_go():
    rng, n = np.random.default_rng(1), len(FIELDS)
    start, target, x, v = rng.normal(0.0, 0.3, (4, n, 2))
    forces = HandForces(n)
    forces.put(np.arange(n), *resolve_fields(FIELDS, start, target))
    always, after_go = resolve_fields(FIELDS, start, target)
    for gone in (np.zeros(n, bool), np.ones(n, bool), np.array([True, False, True, False])):
        expected = always.force(x, v) + np.where(gone[:, None], after_go.force(x, v), 0.0)
        assert forces.choose(gone)
        assert np.stack(forces.force(*x.T, *v.T), axis=1) == pytest.approx(expected, rel=1e-12, abs=1e-12)
    forces.put(np.arange(n), *resolve_fields(NullField(), start, target))
    assert not forces.choose(np.ones(n, bool))


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.kind)
def test_the_force_on_one_hand_is_that_on_many(field):
    start, target = np.array([[0.0, 0.4]]), np.array([[0.1, 0.4]])
    forces = HandForces(1)
    forces.put(np.array([0]), *resolve_fields([field], start, target))
    x, v = np.array([[0.03], [0.42]]), np.array([[0.3], [-0.2]])
    for gone in (False, True):
        coefficients = forces.one(gone)
        assert (coefficients is None) == (not forces.choose(np.array([gone])))
        if coefficients is not None:
            one = one_force(coefficients, *x[:, 0].tolist(), *v[:, 0].tolist())
            assert one == pytest.approx([float(f[0]) for f in forces.force(*x, *v)], rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("actuation", ["muscle", "torque"])
@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.kind)
def test_a_single_env_is_a_row_to_the_last_bit(actuation, field):
    arguments = {
        "actuation": actuation, "field": field, "delays": Delays(vision=0.03, proprioception=0.0),
        "noise": Noise(vision=0.01, proprioception=0.02, excitation=0.1),
    }  # fmt: skip
    many, one = ReachVectorEnv(3, **arguments), ReachEnv(**arguments)
    left, right = many.reset(seed=4)[0], one.reset(seed=6)[0]
    rng = np.random.default_rng(0)
    assert (left[2] == right).all()
    for _ in range(99):
        actions = rng.uniform(-0.2, 0.6, many.action_space.shape)
        left, rewards, _, _, infos = many.step(actions)
        right, reward, _, _, info = one.step(actions[2])
        assert (left[2] == right).all()
        assert rewards[2] == pytest.approx(reward, rel=1e-12, abs=1e-15)
        assert all(np.array_equal(infos[name][2], info[name]) for name in ("hand_position", "hand_velocity"))


@pytest.mark.parametrize("actuation", ["muscle", "torque"])
def test_the_task_of_one_arm_is_a_task_of_one_row(actuation):
    settings = ReachEnv(actuation=actuation, field=CurlField(8.0), schedule=four_phase(nf1=1)).settings
    one, many = SingleReachTask(settings), ReachTask(1, settings)
    row, action = np.array([0]), np.full((1, len(load_arm(actuation).actuator_names)), 0.2)
    for task in (one, many):
        task.begin(row, [np.random.default_rng(3)])
    for _ in range(100):
        left, right = one.step(action), many.step(action)
        assert all(left[name] == pytest.approx(right[name], rel=1e-12, abs=1e-15) for name in right)
        assert (one.observe() == many.observe()).all() and (one.hand == many.hand).all()
        told, known = one.info(), many.info()
        assert set(told) == set(known)
        for name, value in known.items():
            assert told[name].shape == value.shape and told[name].dtype == value.dtype
            if value.dtype == object:
                assert told[name][0] == value[0]
            else:
                assert told[name] == pytest.approx(value, rel=1e-12, abs=1e-12)
