"""Whatever they are given, environments refuse it by name or use it as given, and stay finite."""

import warnings
from contextlib import contextmanager

import gymnasium as gym
import numpy as np
import pytest
from fuzzed_values import anything, extreme_floats, mangled, numbers, too_large
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from savings_gym import (
    ENV_IDS,
    CurlField,
    NullField,
    ReachEnv,
    ReachSessionEnv,
    ReachSessionVectorEnv,
    ReachVectorEnv,
    as_session,
    four_phase,
    savings_session,
)
from savings_gym.perturbations.fields import (
    ChannelField,
    ConstantField,
    ElasticField,
    SumField,
    ViscousField,
    field_from_dict,
)
from savings_gym.task.options import OPTIONS
from savings_gym.task.schedule import Schedule, as_schedule
from savings_gym.task.settings import task_settings

TRIAL_IDS = [env_id for env_id in ENV_IDS if env_id != "ReachSession-v0"]  # whose episodes are trials
ARGUMENTS = (
    "field", "schedule", "actuation", "arm", "targets", "go_time", "catch_fraction", "noise", "delays",
    "reward_weights", "trial_cue", "impairments", "render_mode",
)  # fmt: skip
VECTOR_ARGUMENTS = ("num_envs", "shared_trials", "autoreset_mode", "max_episode_steps", "nthread", "info")
single, vector = ReachEnv(field=CurlField(8.0)), ReachVectorEnv(3, field=CurlField(8.0), nthread=1)
torques = ReachEnv(actuation="torque"), ReachVectorEnv(3, actuation="torque", nthread=1)


@contextmanager
def refused_by_name(*needed):
    """Let through only errors of the declared kinds whose message names the argument, and no warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            yield
        except FileNotFoundError as error:  # of an MJCF file
            assert "arm" in needed and "there is no file" in str(error)
        except ValueError as error:
            said = str(error)
            assert not needed or any(name in said for name in needed), said


def check(env, observation, info, reward=0.0):
    assert env.observation_space.contains(observation)
    for state in (env.task.qpos, env.task.qvel, env.task.act, reward, *info.values()):
        assert np.isfinite(np.asarray(state, dtype=float)).all()


@pytest.mark.parametrize("env_id", TRIAL_IDS)
@pytest.mark.parametrize("make", [ReachEnv, ReachVectorEnv], ids=["single", "vector"])
@settings(max_examples=25)
@given(st.sampled_from(ARGUMENTS), anything)
def test_arguments_are_refused_by_name_or_make_an_environment(env_id, make, name, value):
    assume(not too_large(value))
    with refused_by_name(name):
        env = make(**{**gym.spec(env_id).kwargs, name: value})
        observation, info = env.reset(seed=1)
        check(env, observation, info)
        observation, reward, *_, info = env.step(np.zeros(env.action_space.shape))
        check(env, observation, info, reward)


@pytest.mark.parametrize("make", [ReachSessionEnv, ReachSessionVectorEnv], ids=["single", "vector"])
@settings(max_examples=25)
@given(st.sampled_from([*ARGUMENTS[2:], "session"]), anything)
def test_arguments_of_sessions_are_refused_by_name_or_make_an_environment(make, name, value):
    assume(not too_large(value))
    with refused_by_name(name):
        env = make(**{name: value})
        observation, info = env.reset(seed=1)
        check(env, observation, info)


@settings(max_examples=100)
@given(st.data())
def test_dicts_of_sessions_are_refused_or_are_what_they_say(data):
    values = savings_session(2, 3, (1, 2), 2).to_dict()
    part = data.draw(st.sampled_from(["blocks", "pairs"]))
    entries = [dict(entry) for entry in values[part]]
    entries[1] = data.draw(mangled(entries[1]))
    with refused_by_name("session", "block", "field", "phase", "FieldPair", "must", "onset"):
        session = as_session(values | {part: entries})
        assert as_session(session.to_dict()) == session
    with refused_by_name("session", "block"):
        as_session(data.draw(mangled(values)))


@given(st.sampled_from(VECTOR_ARGUMENTS), anything)
def test_arguments_of_the_vector_environment_are_refused_by_name(name, value):
    assume(not too_large(value))
    with refused_by_name(name):
        ReachVectorEnv(**({"num_envs": 2, "nthread": 1} | {name: value})).reset(seed=0)


@pytest.mark.parametrize("env", [single, vector], ids=["single", "vector"])
@settings(max_examples=60)
@given(st.sampled_from([*OPTIONS, "reset_mask", "more"]), anything, st.one_of(st.integers(0, 3), anything))
def test_options_and_seeds_are_refused_and_change_nothing_or_begin_a_trial(env, name, value, seed):
    env.reset(seed=5)
    number, path = np.copy(env.task.trials.number), np.copy(env.task.qpos)
    accepted = False
    with refused_by_name(name, "seed", "option"):
        observation, info = env.reset(seed=seed, options={name: value})
        accepted = True
        check(env, observation, info)
    if not accepted:
        assert np.array_equal(env.task.trials.number, number) and np.array_equal(env.task.qpos, path)


@pytest.mark.parametrize("env", [single, vector, *torques], ids=["single", "vector", "torque", "torques"])
@given(st.data())
def test_actions_that_are_no_finite_numbers_of_the_shape_are_refused_and_others_used_as_given(env, data):
    shape = env.action_space.shape
    given_ = data.draw(
        st.one_of(
            anything,
            st.lists(st.one_of(extreme_floats, numbers), min_size=shape[-1], max_size=shape[-1]),
            st.tuples(extreme_floats, st.sampled_from([np.float16, np.float32, np.float64])).map(
                lambda pair: np.full(shape, np.clip(pair[0], -6e4, 6e4)).astype(pair[1])
            ),
        )
    )
    env.reset(seed=3)
    accepted = False
    with refused_by_name("action"):
        observation, reward, *_, info = env.step(given_)
        accepted = True
        check(env, observation, info, reward)
    if not accepted:
        assert (env.task.t == 0).all()
        return
    action = np.asarray(given_, dtype=np.float64)
    assert action.shape == shape and np.isfinite(action).all()
    low, high = env.task.arm.control_range.T
    scale = 1.0 if env.task.arm.pulls else high
    noise = env.task.trials.noise[:, 0, env.task.layout.sensed.stop :]
    expected = np.clip(np.clip(action, -1e9, 1e9) * scale, low - 1.0, high + 1.0) + 0.0 * noise
    inside = (expected > low + 0.01) & (expected < high - 0.01)
    assert np.allclose(np.where(inside, env.task.ctrl, 0.0), np.where(inside, expected, 0.0), atol=0.02)
    assert ((env.task.ctrl >= low) & (env.task.ctrl <= high)).all()


FIELDS = (
    NullField(), CurlField(8.0), ViscousField(((1.0, 2.0), (3.0, 4.0))), ElasticField(5.0, (0.1, 0.2)),
    ConstantField((1.0, 2.0)), ChannelField(), CurlField(1.0) + ConstantField((0.0, 1.0), onset="start"),
)  # fmt: skip


@settings(max_examples=200)
@given(st.sampled_from(FIELDS).flatmap(lambda field: mangled(field.to_dict())))
def test_dicts_of_fields_are_refused_or_are_what_they_say(values):
    with refused_by_name("field", "must", "kind"):
        field = field_from_dict(values)
        assert field_from_dict(field.to_dict()) == field
        for name, value in values.items():
            if isinstance(value, (int, float)):
                assert np.all(np.asarray(getattr(field, name)).ravel()[0] == value)


@settings(max_examples=100)
@given(st.data())
def test_dicts_of_schedules_are_refused_or_are_what_they_say(data):
    values = four_phase(nf1=2, ff1=3, nf2=2, ff2=3).to_dict()
    phases = [dict(phase) for phase in values["phases"]]
    phases[1] = data.draw(mangled(phases[1]))
    with refused_by_name("phase", "field", "must", "onset"):
        schedule = as_schedule({"phases": phases})
        assert isinstance(schedule, Schedule) and as_schedule(schedule.to_dict()) == schedule
    with refused_by_name("schedule", "phase"):
        as_schedule(data.draw(mangled(values)))


@settings(max_examples=25)
@given(
    st.sampled_from(["curl", "viscous", "elastic", "centre", "constant", "channel", "sum"]),
    st.floats(-1e12, 1e12),
    st.sampled_from([single, vector]),
)
def test_a_field_of_any_strength_is_simulated_or_said_to_diverge(tmp_path_factory, kind, size, env):
    field = {
        "curl": CurlField(size, onset="start"),
        "viscous": ViscousField(((size, 0.0), (0.0, -size)), onset="start"),
        "elastic": ElasticField(size, onset="start"),
        "centre": ElasticField(10.0, centre=(size, size), onset="start"),
        "constant": ConstantField((size, -size), onset="start"),
        "channel": ChannelField(abs(size), abs(size), onset="start"),
        "sum": SumField((CurlField(size, onset="start"), ElasticField(-size, onset="start"))),
    }[kind]
    rng = np.random.default_rng(0)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.chdir(tmp_path_factory.getbasetemp())  # MuJoCo writes a log
        warnings.simplefilter("error")
        env.reset(seed=0, options={"field": field})
        try:
            for _ in range(20):
                observation, reward, *_, info = env.step(rng.uniform(0.0, 1.0, env.action_space.shape))
                check(env, observation, info, reward)
        except RuntimeError as error:
            assert "the simulation diverged in one of the fields" in str(error) and type(
                field
            ).__name__ in str(error)


@settings(max_examples=100)
@given(st.sampled_from(["noise", "delays", "reward_weights"]), st.data())
def test_settings_are_used_as_given_or_refused(name, data):
    keys = {
        "noise": ["excitation", "proprioception", "vision"],
        "delays": ["vision", "proprioception", "cue"],
        "reward_weights": ["proximity", "effort", "jerk", "lateral"],
    }[name]
    values = data.draw(st.dictionaries(st.sampled_from(keys), st.one_of(numbers, extreme_floats), min_size=1))
    with refused_by_name(name):
        made = getattr(task_settings(**{name: values}), name)
        for key, value in values.items():
            assert getattr(made, key) == value
