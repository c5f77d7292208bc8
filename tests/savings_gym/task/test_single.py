"""The task of one arm is the task of many with one arm, to 1e-12."""

import numpy as np
import pytest

from savings_gym import (
    ChannelField,
    ConstantField,
    CurlField,
    Delays,
    ElasticField,
    Noise,
    NullField,
    ReachEnv,
    ReachVectorEnv,
    four_phase,
    spawn_seeds,
)
from savings_gym.arm.model import load_arm
from savings_gym.task.reach import ReachTask
from savings_gym.task.settings import TRIAL_STEPS, task_settings
from savings_gym.task.single import SingleReachTask

FIELDS = [
    NullField(),
    CurlField(8.0),
    CurlField(-3.0, onset="start") + ElasticField(50.0, centre=(0.1, 0.3)) + ConstantField((1.0, 2.0)),
    ChannelField(onset="start") + ElasticField(20.0),
    CurlField(8.0, onset="cue"),
]
CLOSE = {"rel": 1e-12, "abs": 1e-12}


@pytest.mark.parametrize("actuation", ["muscle", "motor", "torque"])
@pytest.mark.parametrize("field", FIELDS, ids=lambda field: f"{field.kind}-{field.onset}")
def test_a_single_env_is_its_row_of_the_vector_env(actuation, field):
    arguments = {
        "actuation": actuation, "field": field, "delays": Delays(vision=0.03, proprioception=0.0, cue=0.05),
        "noise": Noise(vision=0.01, proprioception=0.02, excitation=0.1),
    }  # fmt: skip
    many, one = ReachVectorEnv(3, **arguments), ReachEnv(**arguments)
    left, right = many.reset(seed=4)[0], one.reset(seed=spawn_seeds(4, 3)[2])[0]
    rng = np.random.default_rng(0)
    assert left[2] == pytest.approx(right, **CLOSE)
    for _ in range(TRIAL_STEPS - 1):
        actions = rng.uniform(-0.2, 0.6, many.action_space.shape)
        left, rewards, _, _, infos = many.step(actions)
        right, reward, _, _, info = one.step(actions[2])
        assert left[2] == pytest.approx(right, **CLOSE)
        assert rewards[2] == pytest.approx(reward, **CLOSE)
        for name in ("hand_position", "hand_velocity", "field_force"):
            assert infos[name][2] == pytest.approx(info[name], **CLOSE)


@pytest.mark.parametrize("actuation", ["muscle", "torque"])
def test_everything_it_reports_is_what_the_task_of_many_reports(actuation):
    settings = task_settings(
        actuation=actuation, schedule=four_phase(CurlField(8.0), nf1=1), targets="random", catch_fraction=0.0
    )
    one, many = SingleReachTask(settings), ReachTask(1, settings)
    left, right = np.random.default_rng(3), np.random.default_rng(3)
    action = np.full(load_arm(actuation).n_actuators, 0.05)
    for _ in range(2):  # without and with the field
        one.begin(left), many.begin(np.array([0]), [right])
        for _ in range(TRIAL_STEPS):
            reward = one.step(action)
            many.step(action[None])
            assert reward == pytest.approx(sum(many.reward_terms.values())[0], **CLOSE)
            assert one.observe() == pytest.approx(many.observe()[0], **CLOSE)
            info, infos = one.info(), many.info()
            assert set(info) == set(infos)
            for name, values in infos.items():
                assert np.shape(info[name]) == values.shape[1:]
                assert np.asarray(info[name]).dtype == values.dtype
                assert info[name] == pytest.approx(values[0], **CLOSE)
        for name in ("hand", "hand_velocity", "qpos", "qvel", "act", "ctrl", "field_force"):
            assert getattr(one, name) == pytest.approx(getattr(many, name), **CLOSE)
        assert (one.t == many.t).all()
    assert np.abs(one.field_force).max() > 0.1


def test_reports_do_not_change_when_the_arm_moves_on():
    task = SingleReachTask(task_settings())
    task.begin(np.random.default_rng(0))
    first = task.info()
    kept = {name: np.copy(value) for name, value in first.items()}
    for _ in range(10):
        task.step(np.full(6, 0.5))
    assert all(np.array_equal(first[name], value) for name, value in kept.items())
