"""Copies of environments continue exactly like the original, however they are made."""

import copy
import pickle

import cloudpickle
import gymnasium as gym
import numpy as np
import pytest

from savings_gym import ENV_IDS, CurlField, ReachEnv, ReachVectorEnv

WAYS = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda env: pickle.loads(pickle.dumps(env)),
    "cloudpickle": lambda env: pickle.loads(cloudpickle.dumps(env)),
}
DUPLICATE = pytest.mark.parametrize("duplicate", WAYS.values(), ids=WAYS)
FRESH, BEFORE = 0, -1  # steps made before the copy; BEFORE is before the first reset
MOMENTS = pytest.mark.parametrize("steps", [BEFORE, FRESH, 37], ids=["before reset", "fresh", "mid-episode"])


def single(env_id, **arguments):
    return gym.make(env_id, **arguments)


def vector(env_id, **arguments):
    return gym.make_vec(env_id, num_envs=2, **arguments)


def started(env, steps):
    """Reset, and make some steps."""
    if steps != BEFORE:
        env.reset(seed=3)
        run(env, steps)
    return env


def run(env, steps, seed=0):
    """Everything that some random steps return."""
    rng, scale = np.random.default_rng(seed), 0.3
    record = []
    for _ in range(steps):
        action = scale * rng.uniform(env.action_space.low, env.action_space.high)
        observation, reward, _, truncated, info = env.step(action)
        record.append((observation, reward, truncated, info))
    return record


def assert_same(left, right):
    """Nested tuples, lists and dicts of arrays and numbers are the same to the last bit."""
    if isinstance(left, dict):
        assert set(left) == set(right)
        for name in left:
            assert_same(left[name], right[name])
    elif isinstance(left, (tuple, list)):
        assert len(left) == len(right)
        for a, b in zip(left, right, strict=True):
            assert_same(a, b)
    elif isinstance(left, np.ndarray) and left.dtype.kind == "O":
        assert_same(left.tolist(), right.tolist())
    else:
        assert np.array_equal(left, right)


def assert_they_continue_alike(env, other, steps):
    """In this trial, in the next one, which is drawn, and after a new seed."""
    if steps != BEFORE:
        assert_same(run(env, 100 - steps, seed=1), run(other, 100 - steps, seed=1))
        assert_same(env.reset(), other.reset())
        assert_same(run(env, 10, seed=2), run(other, 10, seed=2))
    assert_same(env.reset(seed=8), other.reset(seed=8))
    assert_same(run(env, 10, seed=3), run(other, 10, seed=3))


@MOMENTS
@DUPLICATE
@pytest.mark.parametrize("make", [single, vector])
@pytest.mark.parametrize("env_id", ENV_IDS)
def test_a_copy_continues_exactly_like_the_original(env_id, make, duplicate, steps):
    env = started(make(env_id), steps)
    assert_they_continue_alike(env, duplicate(env), steps)


@DUPLICATE
@pytest.mark.parametrize("make", [single, vector])
def test_original_and_copy_are_apart(make, duplicate):
    env = started(make("ForceFieldReach-v0"), 10)
    expected = run(copy.deepcopy(env), 20)
    other = duplicate(env)
    run(other, 50, seed=9)
    other.reset(seed=1)
    assert_same(run(env, 20), expected)


@DUPLICATE
@pytest.mark.parametrize("make", [single, vector])
def test_a_copy_has_the_arm_of_the_original(make, duplicate):
    env = started(
        make("NullFieldReach-v0", arm={"strength": {"biceps": 0.3}, "length": {"forearm": 1.2}}), 20
    )
    other = duplicate(env)
    assert other.unwrapped.task.arm is env.unwrapped.task.arm
    assert_they_continue_alike(env, other, 20)


@DUPLICATE
@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
def test_a_copy_of_a_vector_env_knows_which_trials_are_over(mode, duplicate):
    env = ReachVectorEnv(3, field=CurlField(8.0), autoreset_mode=mode)
    env.reset(seed=0)
    run(env, 30)
    env.reset(options={"reset_mask": np.array([False, True, False])})
    run(env, 70)
    other = duplicate(env)
    if mode == "Disabled":
        over = {"reset_mask": np.array([True, False, True])}
        assert_same(env.reset(options=over), other.reset(options=over))
    steps = 30 if mode == "Disabled" else 60
    assert_same(run(env, steps, seed=1), run(other, steps, seed=1))


@DUPLICATE
@pytest.mark.render
@pytest.mark.parametrize("make", [single, vector])
def test_a_copy_of_an_environment_that_has_rendered_renders_by_itself(make, duplicate):
    env = started(make("ForceFieldReach-v0", render_mode="rgb_array"), 20)
    env.render()
    other = duplicate(env)
    assert (np.array(other.render()) == np.array(env.render())).all()
    env.close()
    assert_they_continue_alike(env, other, 20)
    other.render()
    other.close()


def test_a_copy_counts_on_in_its_schedule():
    env = ReachEnv(schedule={"phases": [{"name": name, "trials": 2} for name in "AB"]})
    other = copy.deepcopy(started(env, 5))
    for copied in (env, other):
        counts = []
        for _ in range(3):
            _, info = copied.reset()
            counts.append((int(info["trial"]), int(info["phase"])))
            run(copied, 1)
        assert counts == [(1, 0), (2, 1), (3, 1)]


@pytest.mark.slow
@pytest.mark.parametrize("start_method", ["fork", "forkserver"])
def test_a_subprocess_steps_the_environment_it_is_given(start_method):
    vec_env = pytest.importorskip("stable_baselines3.common.vec_env")
    env = single("ForceFieldReach-v0")
    expected = copy.deepcopy(env)
    remote = vec_env.SubprocVecEnv([lambda: env], start_method=start_method)
    try:
        remote.seed(5)
        first, _ = expected.reset(seed=5)
        assert (remote.reset()[0] == first).all()
        for _ in range(30):
            action = np.full(6, 0.2, dtype=np.float32)
            seen, rewards, _, infos = remote.step(action[None])
            observation, reward, _, _, info = expected.step(action)
            assert (seen[0] == observation).all() and rewards[0] == reward
            assert (infos[0]["hand_position"] == info["hand_position"]).all()
    finally:
        remote.close()
