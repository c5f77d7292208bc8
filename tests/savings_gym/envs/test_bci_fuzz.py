"""Whatever the cursor task is given, it refuses it by name or uses it as given, and stays finite."""

import json

import numpy as np
import pytest
from fuzzed_values import anything, extreme_floats, mangled, numbers, too_large
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from savings_gym import BCIReachEnv, BCIReachVectorEnv, perturbed_phases, population_vector
from savings_gym.bci.decoder import as_decoder
from savings_gym.bci.schedule import as_decoder_schedule
from savings_gym.bci.settings import OPTIONS

DECODER = population_vector(3)
ARGUMENTS = (
    "units", "decoder", "schedule", "targets", "go_time", "catch_fraction", "noise", "delays",
    "reward_weights", "render_mode",
)  # fmt: skip
single, vector = BCIReachEnv(decoder=DECODER), BCIReachVectorEnv(2, decoder=DECODER)


def refused(error, *names):
    said = str(error)
    return any(name in said for name in names)


def check(env, observation, info, reward=0.0):
    assert env.observation_space.contains(observation)
    for state in (env.task.cursor, env.task.velocity, reward, *info.values()):
        assert np.isfinite(np.asarray(state, dtype=float)).all()


@pytest.mark.parametrize("make", [BCIReachEnv, BCIReachVectorEnv], ids=["single", "vector"])
@settings(max_examples=40)
@given(st.sampled_from(ARGUMENTS), anything)
def test_arguments_are_refused_by_name_or_make_an_environment(make, name, value):
    assume(not too_large(value))
    try:
        env = make(**({"units": 3} if name not in ("units", "decoder", "schedule") else {}), **{name: value})
    except ValueError as error:
        assert refused(error, name), error
        return
    check(env, *env.reset(seed=1))
    observation, reward, *_, info = env.step(np.ones(env.action_space.shape))
    check(env, observation, info, reward)


@given(st.data())
def test_dicts_of_decoders_and_schedules_are_refused_or_are_what_they_say(data):
    values = json.loads(json.dumps(DECODER.to_dict()))
    try:
        decoder = as_decoder(data.draw(mangled(values)))
        assert as_decoder(decoder.to_dict()) == decoder
    except ValueError as error:
        assert refused(error, "ecoder"), error
    phases = [dict(phase) for phase in perturbed_phases(DECODER, DECODER, 1, 1, 1, 1).to_dict()["phases"]]
    phases[1] = data.draw(mangled(phases[1]))
    try:
        schedule = as_decoder_schedule({"phases": phases})
        assert as_decoder_schedule(schedule.to_dict()) == schedule
    except ValueError as error:
        assert refused(error, "phase", "ecoder"), error


@pytest.mark.parametrize("env", [single, vector], ids=["single", "vector"])
@given(st.sampled_from([*OPTIONS, "more"]), anything)
def test_options_are_refused_and_change_nothing_or_begin_a_trial(env, name, value):
    env.reset(seed=5)
    before = env.task.trials.number.copy(), env.task.trials.noise.copy()
    try:
        check(env, *env.reset(options={name: value}))
    except ValueError as error:
        assert refused(error, name, "decoder"), error
        assert np.array_equal(before[0], env.task.trials.number)
        assert np.array_equal(before[1], env.task.trials.noise)


@pytest.mark.parametrize("env", [single, vector], ids=["single", "vector"])
@given(st.one_of(anything, st.lists(st.one_of(extreme_floats, numbers), min_size=3, max_size=3)))
def test_actions_are_refused_by_name_or_move_the_cursor(env, action):
    env.reset(seed=3)
    try:
        observation, reward, *_, info = env.step(action)
    except ValueError as error:
        assert refused(error, "action"), error
        return
    check(env, observation, info, reward)


def test_the_strongest_decoder_stays_finite():
    strong = as_decoder({"weights": [[1e6] * 3, [-1e6] * 3], "offset": [1e6, 1e6], "smoothing": 0.999999})
    env = BCIReachEnv(decoder=strong, reward_weights={"jerk": 1e6, "proximity": 1e6})
    env.reset(seed=0)
    for _ in range(100):
        observation, reward, *_, info = env.step(np.ones(3))
        check(env, observation, info, reward)
