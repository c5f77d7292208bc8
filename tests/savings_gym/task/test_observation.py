"""The layout names every channel once, and both faces of the task fill it accordingly."""

import numpy as np
import pytest

from savings_gym import ReachEnv, ReachVectorEnv
from savings_gym.task.observation import (
    JOINT_SPEED,
    MUSCLE_OBSERVATION,
    TORQUE_OBSERVATION,
    observation_layout,
)

CUED = [observation_layout(actuation, trial_cue=True) for actuation in ("muscle", "torque")]


@pytest.mark.parametrize("layout", [MUSCLE_OBSERVATION, TORQUE_OBSERVATION, *CUED])
def test_names_share_out_all_channels_in_order(layout):
    channels = np.arange(layout.size)
    assert np.concatenate([channels[layout[name]] for name in layout]).tolist() == channels.tolist()
    assert channels[layout.sensed].tolist() == [
        *channels[layout["hand_position"]],
        *channels[layout.proprioception],
    ]
    assert sum(layout.width(name) for name in layout) == layout.size == len(layout.low) == len(layout.high)


def test_the_trial_cue_is_one_more_channel_at_the_end():
    for plain, cued in zip((MUSCLE_OBSERVATION, TORQUE_OBSERVATION), CUED, strict=True):
        assert dict(cued) == dict(plain) | {"trial_cue": slice(plain.size, plain.size + 1)}
        assert (cued.low[:-1] == plain.low).all() and (cued.low[-1], cued.high[-1]) == (0.0, 1.0)


def test_motors_are_felt_like_muscles():
    assert observation_layout("motor") is observation_layout("muscle") is MUSCLE_OBSERVATION
    assert observation_layout("torque") is TORQUE_OBSERVATION
    assert (MUSCLE_OBSERVATION.size, TORQUE_OBSERVATION.size) == (17, 9)  # as tabulated


@pytest.mark.parametrize("actuation", ["muscle", "motor", "torque"])
@pytest.mark.parametrize("make", [ReachEnv, lambda **arguments: ReachVectorEnv(2, **arguments)])
def test_channels_hold_what_their_names_say(make, actuation):
    env = make(actuation=actuation, noise=False, delays=None, go_time=0.05, catch_fraction=0.0)
    env.reset(seed=0)
    for _ in range(20):
        observation, _, _, _, info = env.step(0.3 * env.action_space.high)
    task, layout = env.unwrapped.task, observation_layout(actuation)
    assert env.unwrapped.task.observation_space.shape == (layout.size,)
    q, v = task.qpos, task.qvel
    expected = {
        "hand_position": info["hand_position"],
        "target_position": info["target_position"],
        "go_cue": 1.0,
    }
    if actuation == "torque":
        expected |= {"joint_angle": q, "joint_velocity": v / JOINT_SPEED}
    else:
        expected |= {
            "muscle_length": task.arm.muscle_length(q),
            "muscle_velocity": task.arm.muscle_velocity(q, v),
        }
    assert set(expected) == set(layout)
    for name, value in expected.items():
        assert np.atleast_2d(observation)[:, layout[name]] == pytest.approx(
            np.broadcast_to(value, (task.n, layout.width(name))), abs=1e-6
        )


def test_noise_is_that_of_each_sense():
    sd = MUSCLE_OBSERVATION.sensor_noise(0.01, 0.2)
    assert sd.shape == (14,) and (sd[MUSCLE_OBSERVATION["hand_position"]] == 0.01).all()
    assert (sd[MUSCLE_OBSERVATION.proprioception] == 0.2).all()
