"""Probes: what a hand-written loop measures, in a world of their own."""

from functools import partial

import gymnasium as gym
import numpy as np
import pytest

from savings_gym import ChannelField, ConstantField, ContextCue, CurlField, ReachEnv, ReachVectorEnv
from savings_gym.metrics.channel import channel_result, velocity_matrix
from savings_gym.metrics.kinematics import KINEMATIC_COLUMNS, kinematic_measures
from savings_gym.probes.probe import Probe
from savings_gym.task.settings import TRIAL_STEPS, task_settings

CURL = CurlField(8.0)


def toward(observation):
    """A reflex: muscles pull more, the further the target is; some movement, in every direction."""
    seen = np.asarray(observation, dtype=float)
    error = seen[..., 14:16] - seen[..., 0:2]
    pull = 0.1 + 4.0 * error[..., [0, 0, 1, 1, 0, 1]] * [-1, 1, -1, 1, -1, 1] * seen[..., 16:17]
    return np.clip(pull, 0.0, 1.0).astype(np.float32)


class Tiring:
    """Pulls less with every step that it remembers."""

    def __init__(self):
        self.starts = []

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        assert deterministic
        self.starts.append(episode_start.copy())
        steps = np.zeros(len(observation)) if state is None else state
        steps = np.where(episode_start, 0.0, steps)
        return toward(observation) * np.exp(-steps / 100.0)[:, None], steps + 1.0


def hand_written(policy, field, **task):
    env = ReachVectorEnv(8, field=field, go_time=0.44, catch_fraction=0.0, nthread=1, **task)
    observation, info = env.reset(seed=0, options={"target": np.arange(8)})
    path = [info["hand_position"]]
    for _ in range(TRIAL_STEPS):
        observation, _, _, _, info = env.step(policy(observation))
        path.append(info["hand_position"])
    return np.stack(path, 1), info["target_position"]


def test_a_probe_is_the_loop_that_one_would_write():
    result = Probe(task_settings(noise=False))(toward, CURL)
    path, target = hand_written(toward, CURL, noise=False)
    assert np.array_equal(result.path, path) and np.array_equal(result.target, target)
    assert result.path.shape == (8, TRIAL_STEPS + 1, 2) and result.force.shape == (8, TRIAL_STEPS, 2)
    assert tuple(result.columns) == KINEMATIC_COLUMNS
    for name, values in kinematic_measures(path, target).items():
        assert np.array_equal(result.columns[name], values, equal_nan=True)
    assert result.mean("endpoint_error") == result.columns["endpoint_error"].mean()


def test_the_field_acts_in_the_probe_from_go_on():
    result = Probe(task_settings(noise=False))(toward, ConstantField((3.0, 0.0)))
    assert np.allclose(result.force[:, 44:], [3.0, 0.0]) and not result.force[:, :44].any()


def test_the_task_is_that_of_training_but_for_what_a_probe_has_of_its_own():
    settings = task_settings(
        actuation="torque", delays=None, noise=False, targets="random", go_time=0.2, catch_fraction=1.0,
        field=CURL,
    )  # fmt: skip
    still = Probe(settings)(lambda observation: np.zeros((len(observation), 2)))
    assert np.allclose(np.linalg.norm(still.target - still.start, axis=1), 0.1)
    assert not still.force.any()


def test_equal_seeds_and_numbers_give_equal_noise_and_others_do_not():
    first, second = Probe(task_settings(), seed=3), Probe(task_settings(), seed=3)
    a, b = first(toward, CURL), first(toward, CURL)
    second.channel(toward, CURL)
    assert np.array_equal(second(toward, CURL).path, a.path)
    assert np.array_equal(second(toward, CURL, number=1).path, b.path)
    assert not np.array_equal(a.path, b.path)
    assert not np.array_equal(Probe(task_settings(), seed=4)(toward, CURL).path, a.path)


def test_a_probe_leaves_the_global_random_numbers_alone():
    before = np.random.get_state()[1].copy()
    Probe(task_settings(), seed=1)(toward)
    assert np.array_equal(np.random.get_state()[1], before)


def test_memory_is_reset_before_a_probe_or_carried_into_it():
    fresh, carried = Tiring(), Tiring()
    reset = Probe(task_settings())(fresh, CURL)
    again = Probe(task_settings(), carried_trials=2)(carried, CURL)
    assert not np.allclose(reset.path, again.path)
    for starts, trials in ((fresh.starts, 1), (carried.starts, 3)):
        assert starts[0].all() and not np.any(starts[1:]) and len(starts) == trials * TRIAL_STEPS


def test_without_memory_there_is_nothing_to_carry():
    reset, carried = Probe(task_settings()), Probe(task_settings(), carried_trials=2)
    for _ in range(2):
        assert np.array_equal(reset(toward, CURL).path, carried(toward, CURL).path)
    a, b = reset.channel(toward, CURL), carried.channel(toward, CURL)
    assert np.array_equal(a.adaptation, b.adaptation)


def test_single_environments_give_the_same_probe_and_keep_their_wrappers():
    expected = Probe(task_settings())(toward, CURL)
    single = Probe(make_env=lambda: gym.make("ForceFieldReach-v0"))
    assert np.array_equal(single(toward, CURL).path, expected.path)

    cues = []
    cued = Probe(make_env=lambda: ContextCue(gym.make("ForceFieldReach-v0")))
    assert cued.observation_shape == (18,)
    for field in (None, CURL):
        result = cued(lambda observation: cues.append(observation[:, 17]) or toward(observation), field)
    assert np.array_equal(result.path, single(toward, CURL).path)
    assert not np.any(cues[:TRIAL_STEPS]) and np.all(cues[TRIAL_STEPS:])


def test_a_view_is_told_where_trials_begin():
    firsts = []
    Probe(task_settings(), carried_trials=1, view=lambda o, first: firsts.append(first) or o)(toward)
    assert np.array_equal(np.flatnonzero(firsts), [0, TRIAL_STEPS])


def test_the_channel_shows_the_share_of_the_field_that_the_hand_cancels():
    start, target = np.zeros((2, 2)), np.array([[0.1, 0.0], [0.0, 0.1]])
    speed, share = 0.4, np.array([0.25, 1.0])
    along = (target - start) / 0.1
    right = np.stack([along[:, 1], -along[:, 0]], 1)
    walls = ChannelField()
    # The field pushes right by b v; a hand that cancels a share leans left on a wall that is a spring.
    lean = -share * CURL.b * speed / walls.stiffness
    path = np.repeat((0.05 * along + lean[:, None] * right)[:, None], 10, axis=1)
    velocity = np.repeat((speed * along)[:, None], 10, axis=1)
    result = channel_result(path, velocity, start, target, velocity_matrix(CURL), walls, go_time=0.04)
    assert np.allclose(result.adaptation, share)
    assert np.allclose(result.across[:, 4:], -(share * CURL.b * speed)[:, None])
    assert np.allclose(result.ideal[:, 4:], -CURL.b * speed) and np.allclose(result.along, 0.0)
    assert not result.across[:, :4].any() and not result.ideal[:, :4].any()


def test_a_channel_holds_the_hand_on_the_line_and_measures_no_adaptation_to_a_constant():
    probe = Probe(task_settings(noise=False))
    result = probe.channel(toward, CURL)
    assert result.adaptation.shape == (8,) and np.abs(result.ideal).max() > 0.5
    opposite = Probe(task_settings(noise=False)).channel(toward, CurlField(-8.0))
    assert np.allclose(opposite.adaptation, -result.adaptation)
    with pytest.raises(ValueError, match="CurlField or a ViscousField"):
        probe.channel(toward, ConstantField((1.0, 0.0)))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"settings": task_settings(), "seed": -1}, "seed must be a whole number"),
        ({"settings": task_settings(), "carried_trials": 1.5}, "carried_trials must be a whole number"),
        ({}, "either the settings of a task or make_env"),
        ({"settings": "muscle"}, "settings must be those of an environment"),
        ({"make_env": lambda: gym.make("CartPole-v1")}, "must make a ReachEnv"),
        ({"make_env": lambda: gym.make("ForceFieldReach-v0", targets=4)}, "targets=8"),
        ({"make_env": partial(ContextCue, ReachEnv())}, "a new environment at every call"),
        ({"settings": task_settings(), "make_env": ReachEnv}, "either the settings of a task or make_env"),
    ],
)
def test_bad_probes_are_refused(arguments, error):
    with pytest.raises(ValueError, match=error):
        Probe(**arguments)


def test_what_is_no_policy_is_refused():
    with pytest.raises(TypeError, match="predict method"):
        Probe(task_settings())("a policy")


class Forgetful:
    """A policy whose `predict` has too few arguments."""

    def predict(self, observation):
        return np.zeros((8, 6)), None


class Actions:
    """A policy that returns actions without memory."""

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return np.zeros((8, 6))


@pytest.mark.parametrize(
    ("policy", "error", "words"),
    [
        (Forgetful(), TypeError, "predict must take .observation, state, episode_start, deterministic."),
        (Actions, TypeError, "must be an object, not a class"),
        (Actions(), ValueError, "must return actions and memory, .* returned ndarray"),
        (lambda observation: (np.zeros((8, 6)), None), ValueError, "must return 8 actions, one a row"),
        (lambda observation: np.zeros(6), ValueError, "gets 8 observations at once"),
    ],
)
def test_policies_of_another_form_are_refused_with_what_was_expected(policy, error, words):
    with pytest.raises(error, match=words):
        Probe(ReachEnv().settings)(policy)


def test_a_wrapper_may_have_actions_without_ends():
    def two_levels():
        return gym.wrappers.TransformAction(
            ReachEnv(), lambda level: np.full(6, 0.2 * level), gym.spaces.Discrete(2)
        )

    probe = Probe(None, make_env=two_levels)
    still, pulling = (probe(lambda seen, level=level: np.full(8, level), number=0) for level in (0, 1))
    assert np.abs(pulling.path[:, -1] - still.path[:, -1]).max() > 1e-3


def test_recorded_actions_are_what_the_arm_takes():
    class Beyond(Actions):
        def predict(self, observation, state=None, episode_start=None, deterministic=False):
            return np.full((8, 6), 3.0), (np.zeros((8, 1)),)

    recording = Probe(ReachEnv().settings)(Beyond(), record=True).activity
    assert recording is not None and (recording.excitation == 1.0).all()


def test_unknown_measures_and_numbers_are_refused():
    probe = Probe(task_settings())
    with pytest.raises(ValueError, match=r"measure must be one of \('lateral_deviation'.*, got 'speed'"):
        probe(toward).mean("speed")
    for number in (-1, 0.5, True):
        with pytest.raises(ValueError, match=f"number must be a whole number of at least 0, got {number}"):
            probe(toward, number=number)
