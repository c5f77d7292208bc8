"""Agents that learn nothing: they stay within their limits, and knowing the field is worth it."""

import numpy as np
import pytest

from agents.baselines.agents import ModelBasedController, RandomAgent, ZeroAgent
from savings_gym import ChannelField, CurlField, Delays, NullField, ReachEnv, ReachVectorEnv, spawn_seeds
from savings_gym.metrics.channel import channel_adaptation_index, ideal_channel_force
from savings_gym.metrics.kinematics import kinematic_measures, lateral_component
from savings_gym.task.settings import TRIAL_STEPS, task_settings

CURL = CurlField(8.0)
ACTUATION = pytest.mark.parametrize("actuation", ["muscle", "motor", "torque"])


def controller(field=None, actuation="muscle", **task):
    return ModelBasedController(task_settings(actuation=actuation, **task), field)


def probe(agent, field=None, rows=8, **task):
    """One trial of each target, go at 0.44 s: measures, hand paths, infos of every step, rewards."""
    env = ReachVectorEnv(rows, field=field, go_time=0.44, catch_fraction=0.0, nthread=1, **task)
    observation, info = env.reset(seed=3, options={"target": np.arange(rows) % 8})
    state, infos, reward = None, [info], np.zeros(rows)
    for _ in range(TRIAL_STEPS):
        action, state = agent.predict(observation, state)
        observation, earned, _, _, info = env.step(action)
        infos.append(info)
        reward += earned
    path = np.stack([info["hand_position"] for info in infos], 1)
    return kinematic_measures(path, info["target_position"]), path, infos, reward


@ACTUATION
@pytest.mark.parametrize(
    "delays", [Delays(), None, Delays(0.02, 0.07)], ids=["late", "at once", "felt later"]
)
def test_it_reaches_every_target_within_a_millimetre_without_a_field(actuation, delays):
    measures, _, _, reward = probe(
        controller(actuation=actuation, delays=delays), actuation=actuation, delays=delays
    )
    assert measures["endpoint_error"].max() < 1e-3 and np.abs(measures["lateral_deviation"]).max() < 2e-3
    assert reward.mean() > 0.95


def test_it_knows_the_arm_that_the_settings_name():
    arm = {"length": {"forearm": 1.2}, "mass": {"forearm": 1.5}, "strength": {"biceps": 0.5}}
    measures, *_ = probe(controller(arm=arm), arm=arm)
    assert measures["endpoint_error"].max() < 1e-3 and np.abs(measures["lateral_deviation"]).max() < 2e-3
    mistaken, *_ = probe(controller(), arm=arm)
    assert np.abs(mistaken["lateral_deviation"]).max() > 5e-3


@ACTUATION
def test_it_rests_until_it_sees_the_cue(actuation):
    _, path, *_ = probe(controller(actuation=actuation), actuation=actuation)
    away = np.linalg.norm(path - path[:, :1], axis=-1).max(0)
    assert away[:51].max() < 2e-3 and away[57] > 2e-3  # cue in observation 51
    catch = ReachVectorEnv(4, catch_fraction=1.0, nthread=1, actuation=actuation)
    agent, state = controller(actuation=actuation), None
    observation, info = catch.reset(seed=0)
    for _ in range(TRIAL_STEPS):
        action, state = agent.predict(observation, state)
        observation, *_, info = catch.step(action)
    assert np.linalg.norm(info["hand_position"] - path[0, 0], axis=-1).max() < 2e-3


@ACTUATION
def test_knowledge_of_the_field_keeps_the_hand_on_the_line(actuation):
    ignorant, knowing = (
        probe(controller(field, actuation), CURL, actuation=actuation)[0] for field in (None, CURL)
    )
    assert 0.02 < ignorant["lateral_deviation"].mean() < 0.05  # to the right, where the field pushes
    assert np.abs(knowing["lateral_deviation"]).max() < 2e-3
    assert np.abs(knowing["lateral_deviation"]).mean() < np.abs(ignorant["lateral_deviation"]).mean() / 20
    assert knowing["endpoint_error"].mean() < ignorant["endpoint_error"].mean() / 5


@ACTUATION
def test_an_expected_field_that_does_not_come_makes_the_mirror_image_of_one_that_comes_unexpectedly(
    actuation,
):
    fooled = probe(controller(CURL, actuation), actuation=actuation)[0]["lateral_deviation"]
    surprised = probe(controller(None, actuation), CURL, actuation=actuation)[0]["lateral_deviation"]
    assert (fooled < -0.01).all()
    assert fooled == pytest.approx(-surprised, rel=0.25)


@pytest.mark.parametrize(("belief", "index"), [(CURL, 1.0), (None, 0.0), (CurlField(-8.0), -1.0)])
def test_the_force_in_a_channel_is_the_belief(belief, index):
    _, path, infos, _ = probe(controller(belief), ChannelField())
    along = (infos[0]["target_position"] - path[:, 0])[:, None]
    velocity = np.stack(
        [0.5 * (a["hand_velocity"] + b["hand_velocity"]) for a, b in zip(infos, infos[1:], strict=False)], 1
    )
    pushes = -np.stack([info["field_force"] for info in infos[1:]], 1)
    ideal = lateral_component(ideal_channel_force(velocity, [[0.0, 8.0], [-8.0, 0.0]]), along)
    assert channel_adaptation_index(lateral_component(pushes, along), ideal) == pytest.approx(index, abs=0.15)


def test_what_acts_is_the_belief_not_the_truth():
    settings = task_settings(field=CURL)
    mistaken = probe(ModelBasedController(settings), CURL)[1]
    assert np.array_equal(mistaken, probe(controller(NullField()), CURL)[1])


@ACTUATION
def test_a_row_acts_as_it_would_alone(actuation):
    task = {"field": CURL, "actuation": actuation}
    many, agent = ReachVectorEnv(3, nthread=1, **task), controller(CURL, actuation)
    observations, _ = many.reset(seed=5)
    state, actions = None, []
    for _ in range(TRIAL_STEPS):
        action, state = agent.predict(observations, state)
        actions.append(action)
        observations, *_ = many.step(action)
    env = ReachEnv(**task)
    observation, _ = env.reset(seed=spawn_seeds(5, 3)[1])
    state = None
    for expected in actions:
        action, state = agent.predict(observation, state)
        assert action.shape == env.action_space.shape and env.action_space.contains(action)
        assert action == pytest.approx(expected[1], abs=1e-6)
        observation, *_ = env.step(action)


def test_trials_begin_where_an_episode_starts_and_states_are_left_alone():
    env, agent = ReachVectorEnv(2, nthread=1, go_time=0.1, catch_fraction=0.0), controller()
    first, _ = env.reset(seed=1)
    observation, state = first, None
    for _ in range(40):
        action, state = agent.predict(observation, state)
        observation, *_ = env.step(action)
    kept = [np.copy(part) for part in state]
    fresh, fresh_state = agent.predict(first)
    mixed, mixed_state = agent.predict(
        np.stack([first[0], observation[1]]), state, episode_start=np.array([True, False])
    )
    going, going_state = agent.predict(observation, state, episode_start=np.array([False, False]))
    assert np.array_equal(mixed, np.stack([fresh[0], going[1]]))
    for part, new, old in zip(mixed_state, fresh_state, going_state, strict=True):
        assert np.array_equal(part[0], new[0]) and np.array_equal(part[1], old[1])
    assert all(np.array_equal(part, old) for part, old in zip(state, kept, strict=True))


def test_it_notices_a_new_trial_that_it_was_not_told_of():
    env = ReachVectorEnv(2, nthread=1, go_time=0.1, catch_fraction=0.0, autoreset_mode="SameStep")
    agent, state, paths = controller(), None, []
    observation, info = env.reset(seed=0)
    for _ in range(2 * TRIAL_STEPS):
        action, state = agent.predict(observation, state)
        observation, *_, info = env.step(action)
        if "final_info" in info:
            last = info["final_info"]
            paths.append(np.linalg.norm(last["hand_position"] - last["target_position"], axis=1))
    assert len(paths) == 2 and np.max(paths) < 2e-3


@pytest.mark.parametrize(
    ("observation", "arguments", "message"),
    [(np.zeros(9), {}, r"\(17,\).*\(9,\)"), (np.zeros((1, 2, 17)), {}, r"\(1, 2, 17\)"),
     (np.full((2, 17), 0.3), {"state": (np.zeros(2),)}, "2 environments"),
     (np.full((2, 17), 0.3), {"episode_start": np.array([True] * 3)}, r"\(2,\).*\(3,\)")],
)  # fmt: skip
def test_a_shape_that_does_not_fit_is_named(observation, arguments, message):
    with pytest.raises(ValueError, match=message):
        controller().predict(observation, **arguments)


def test_a_reach_takes_time():
    with pytest.raises(ValueError, match="reach_time.*-0.2"):
        ModelBasedController(task_settings(), reach_time=-0.2)


@ACTUATION
def test_zero_and_random_stay_in_the_action_space(actuation):
    env = ReachVectorEnv(5, actuation=actuation, nthread=1)
    observation, _ = env.reset(seed=0)
    space = env.single_action_space
    zero, chance, again, other = (
        ZeroAgent(space),
        RandomAgent(space, 1),
        RandomAgent(space, 1),
        RandomAgent(space, 2),
    )
    for agent in (zero, chance):
        many, state = agent.predict(observation, None, np.ones(5, dtype=bool), False)
        assert env.action_space.contains(many) and state is None
        assert space.contains(agent.predict(observation[0])[0])
    assert not zero.predict(observation)[0].any()
    chance = RandomAgent(space, 1)
    draws = [agent.predict(observation)[0] for agent in (chance, again, other, chance)]
    assert np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2]) and not np.array_equal(draws[0], draws[3])
