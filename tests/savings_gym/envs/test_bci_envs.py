"""The cursor task: interface, closed form, schedule, and a vector face that equals the single one."""

import copy
import json
import pickle
import re

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env

from savings_gym import BCI_ENV_IDS, BCIReachEnv, BCIReachVectorEnv, Decoder, spawn_seeds
from savings_gym.bci.decoder import population_vector
from savings_gym.bci.schedule import DecoderPhase, perturbed_phases
from savings_gym.envs.cursor_picture import cursor_picture
from savings_gym.task.schedule import PHASES, Phase, Schedule

INTUITIVE = population_vector(6)
ROTATED = INTUITIVE.rotated(90.0)
SHORT = perturbed_phases(INTUITIVE, ROTATED, 1, 2, 1, 1)
QUIET = {"noise": False, "go_time": 0.0, "catch_fraction": 0.0}


@pytest.mark.parametrize("env_id", BCI_ENV_IDS)
def test_the_checkers_of_gymnasium_and_stable_baselines3_find_nothing(env_id, recwarn, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pytest.importorskip("pygame")
    check_env(gym.make(env_id, render_mode="rgb_array").unwrapped)
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(gym.make(env_id))
    assert [str(w.message) for w in recwarn if issubclass(w.category, UserWarning)] == []


def test_a_trial_is_100_steps_and_a_spec_rebuilds_the_environment():
    env = gym.make("BCIReach-v0", schedule=SHORT.to_dict(), targets=4)
    env.reset(seed=0)
    ends = [env.step(env.action_space.sample())[2:4] for _ in range(100)]
    assert ends == [(False, False)] * 99 + [(False, True)]
    with pytest.raises(gym.error.ResetNeeded, match="100 control steps are over"):
        env.unwrapped.step(np.zeros(6))
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert again.unwrapped.settings == env.unwrapped.settings
    assert BCIReachEnv(**env.unwrapped.settings.arguments()).settings == env.unwrapped.settings
    vector = gym.make_vec("BCIReach-v0", num_envs=2, units=5)
    assert isinstance(vector, BCIReachVectorEnv) and vector.single_action_space.shape == (5,)


@pytest.mark.parametrize("targets", [7, [10.0, 33.3, 351.7]])
def test_settings_give_the_arguments_that_make_them(targets):
    env = BCIReachEnv(units=3, targets=targets, go_time=0.13, catch_fraction=0.2, delays={"cue": 0.02})
    arguments = env.settings.arguments()
    assert BCIReachVectorEnv(2, **arguments).settings == env.settings
    assert arguments["targets"] == targets


def test_the_table_of_the_docstring_is_the_space():
    rows = re.findall(r"^ *\| (\d) \| ([^|]+) \| (\S+) \| (\S+) \|", BCIReachEnv.__doc__, re.MULTILINE)
    space = BCIReachEnv(units=3).observation_space
    assert [int(row[0]) for row in rows] == list(range(space.shape[0]))
    assert [(float(row[2]), float(row[3])) for row in rows] == list(zip(space.low, space.high, strict=True))


def test_constant_activity_follows_the_closed_form():
    """v_t = (I − Aᵗ)(I − A)⁻¹ (K u + b), and the cursor sums it up."""
    rng = np.random.default_rng(0)
    turn = 0.9 * np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    decoder = Decoder(rng.normal(0.0, 0.01, (2, 6)).tolist(), (0.01, -0.02), turn.tolist())
    env, u = BCIReachEnv(decoder=decoder, **QUIET), rng.uniform(-1.0, 1.0, 6)
    env.reset(seed=0)
    expected, steady = np.zeros(2), decoder.steady_velocity(u)
    for t in range(1, 101):
        info = env.step(u)[4]
        velocity = (np.eye(2) - np.linalg.matrix_power(turn, t)) @ steady
        expected = expected + 0.01 * velocity
        assert info["cursor_velocity"] == pytest.approx(velocity, abs=1e-12)
        assert info["cursor_position"] == pytest.approx(expected, abs=1e-12)
    assert info["cursor_velocity"] == pytest.approx(steady, abs=1e-4)


def test_the_cursor_and_the_cue_are_seen_late():
    env = BCIReachEnv(decoder=INTUITIVE, noise=False, go_time=0.2, catch_fraction=0.0)
    observation, info = env.reset(seed=1)
    cursor, cues, seen = [info["cursor_position"]], [observation[4]], [observation[:2]]
    for _ in range(50):
        observation, _, _, _, info = env.step(np.full(6, 0.5) * [1, -1, 1, 0, 0, 1])
        cursor.append(info["cursor_position"])
        cues.append(observation[4])
        seen.append(observation[:2])
        assert observation[2:4] == pytest.approx(info["target_position"], abs=1e-7)
    assert np.allclose(seen[7:], cursor[:44], atol=1e-7) and not np.any(seen[:7])
    assert cues == [0.0] * 27 + [1.0] * 24


def test_reward_terms_are_those_of_the_arm():
    env = BCIReachEnv(decoder=INTUITIVE, noise=False, catch_fraction=1.0, reward_weights={"lateral": 2.0})
    env.reset(seed=0, options={"target": 0})
    _, reward, _, _, info = env.step(np.zeros(6))
    assert info["reward_proximity"] == pytest.approx(1.4 / 100) and reward == pytest.approx(1.4 / 100)
    pulls = np.array(
        [np.sign(row) for row in INTUITIVE.matrix[1]]
    )  # straight up, beside the way to the right
    for _ in range(30):
        _, reward, _, _, info = env.step(pulls)
    x, y = info["cursor_position"]
    terms = {name: value for name, value in info.items() if name.startswith("reward_")}
    assert reward == pytest.approx(sum(terms.values()))
    assert terms["reward_effort"] == pytest.approx(-1.0 / 100 * np.mean(pulls**2))
    assert terms["reward_lateral"] == pytest.approx(-2.0 / 100 * abs(y) / 0.1)
    assert terms["reward_proximity"] == pytest.approx(1.4 / 100 * (1.0 - 2.0 * np.hypot(x, y) / 0.1))


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_a_row_is_the_single_environment_with_its_seed(mode):
    arguments = {"schedule": SHORT, "noise": {"excitation": 0.1, "vision": 0.01}}
    env = BCIReachVectorEnv(3, autoreset_mode=mode, **arguments)
    singles = [BCIReachEnv(**arguments) for _ in range(3)]
    observations, infos = env.reset(seed=3)
    states = [one.reset(seed=seed) for one, seed in zip(singles, spawn_seeds(3, 3), strict=True)]
    rng, over = np.random.default_rng(0), False
    for _ in range(305):
        for row, (observation, info) in enumerate(states):
            assert observations[row] == pytest.approx(observation, abs=1e-12)
            assert all(infos[name][row] == pytest.approx(value, abs=1e-12) for name, value in info.items())
        actions = rng.uniform(-1.0, 1.0, (3, 6))
        observations, rewards, _, truncations, infos = env.step(actions)
        if mode == "NextStep" and over:
            states, over = [one.reset() for one in singles], False
            assert not rewards.any()
            continue
        steps = [one.step(action) for one, action in zip(singles, actions, strict=True)]
        assert rewards == pytest.approx([each[1] for each in steps], abs=1e-12)
        assert truncations.tolist() == [each[3] for each in steps]
        states, over = [(each[0], each[4]) for each in steps], bool(truncations.any())
        if mode == "SameStep" and over:
            assert infos["final_obs"][1] == pytest.approx(states[1][0], abs=1e-12)
            states = [one.reset() for one in singles]
    assert infos["trial"].min() >= 2


def test_the_schedule_sets_the_decoder_and_shared_trials_are_counted_together():
    env = BCIReachEnv(schedule=SHORT)
    phases, decoders, done = [], [], []
    for trial in range(6):
        _, info = env.reset(seed=0 if trial == 0 else None)
        env.step(np.zeros(6))
        phases.append(SHORT.names[info["phase"]])
        decoders.append(env.trial_decoder)
        done.append(bool(info["schedule_done"]))
    assert phases == ["NF1", "FF1", "FF1", "NF2", "FF2", "FF2"] and set(SHORT.names) == set(PHASES)
    assert decoders == [ROTATED if phase.startswith("FF") else INTUITIVE for phase in phases]
    assert done == [False] * 5 + [True]
    shared = BCIReachVectorEnv(3, schedule=SHORT, shared_trials=True)
    assert shared.reset(seed=0)[1]["phase"].tolist() == [0, 1, 1]


def test_a_trial_without_a_step_is_drawn_again_with_its_target():
    env = BCIReachEnv(units=4)
    first = [env.reset(seed=0)[1], env.reset()[1]]
    assert first[0]["trial"] == first[1]["trial"] == 0 and first[0]["target"] == first[1]["target"]
    targets = []
    for _ in range(8):
        env.step(np.zeros(4))
        targets.append(int(env.reset()[1]["target"]))
    assert sorted({int(first[1]["target"]), *targets[:7]}) == list(range(8))


def test_options_choose_a_trial_and_leave_later_ones_as_they_were():
    env, other = (BCIReachVectorEnv(2, decoder=INTUITIVE) for _ in range(2))
    for each, options in (
        (env, {"target": [1, 2], "catch": False, "decoder": [ROTATED, INTUITIVE]}),
        (other, None),
    ):
        each.reset(seed=0, options=options)
        each.step(np.zeros((2, 6)))
    assert env.trial_decoders == (ROTATED, INTUITIVE)
    assert (env.reset()[1]["go_time"] == other.reset()[1]["go_time"]).all()
    assert env.trial_decoders == (INTUITIVE, INTUITIVE)
    _, info = env.reset(options={"target": (0.03, 0.04), "go_time": 0.5})
    assert info["target"].tolist() == [-1, -1] and info["go_time"] == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_continues_like_the_original(duplicate):
    env = BCIReachEnv(units=4)
    env.reset(seed=0)
    env.step(np.ones(4))
    other = duplicate(env)
    for _ in range(3):
        assert np.array_equal(env.step(np.ones(4))[0], other.step(np.ones(4))[0])
    assert np.array_equal(env.reset()[0], other.reset()[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, "units must be a whole number of at least 1"),
        ({"units": 5, "decoder": INTUITIVE}, "units must be those of the decoder, 6"),
        ({"decoder": INTUITIVE, "schedule": SHORT}, "a schedule excludes a decoder"),
        ({"decoder": {"K": 1}}, "a decoder must be a Decoder, or a dict of"),
        ({"schedule": Schedule((Phase("NF1", None, 3),))}, r"phases without a decoder: \['NF1'\]"),
        ({"targets": "random"}, "a cursor has centre-out targets"),
        ({"delays": {"vision": 0.005}}, "whole number of control steps"),
        ({"render_mode": "ansi"}, "render_mode must be None or one of"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments, message):
    for make in (BCIReachEnv, lambda **given: BCIReachVectorEnv(2, **given)):
        with pytest.raises(ValueError, match=message):
            make(**arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"field": None}, r"unknown reset options \['field'\]"),
        ({"target": 8}, "an index from 0 to 7"),
        ({"decoder": population_vector(5)}, "option 'decoder' must have 6 units"),
        ({"decoder": [INTUITIVE]}, "1 decoders were given for 2 trials"),
    ],
)
def test_bad_options_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        BCIReachVectorEnv(2, decoder=INTUITIVE).reset(options=options)
    with pytest.raises(ValueError, match="finite"):
        env = BCIReachEnv(units=2)
        env.reset()
        env.step([np.nan, 0.0])


def test_a_schedule_goes_through_json_and_refuses_what_is_no_phase():
    assert BCIReachEnv(schedule=json.loads(json.dumps(SHORT.to_dict()))).settings.schedule == SHORT
    phase = {"name": "a", "trials": 1, "decoder": INTUITIVE.to_dict()}
    with pytest.raises(ValueError, match="has no field"):
        BCIReachEnv(schedule={"phases": [phase | {"field": {"kind": "curl", "b": 8.0}}]})
    with pytest.raises(ValueError, match=r"must be a DecoderPhase or a dict of .*'targets', 'trials'\]"):
        BCIReachEnv(schedule={"phases": [{"name": "a", "trials": 1}]})
    with pytest.raises(ValueError, match="one number of units"):
        phases = [DecoderPhase(str(n), population_vector(n), 1) for n in (3, 4)]
        BCIReachEnv(schedule=Schedule(tuple(phases)))


def test_the_picture_shows_cursor_and_target_where_they_are():
    env = BCIReachVectorEnv(2, decoder=INTUITIVE, render_mode="rgb_array", **QUIET)
    env.reset(seed=0, options={"target": [0, 2]})
    right, up = env.render()
    green = [np.argwhere((picture == (41, 158, 92)).all(axis=-1)).mean(axis=0) for picture in (right, up)]
    assert green[0] == pytest.approx([239.5, 239.5 + 0.1 / 0.32 * 480], abs=1.0)
    assert green[1] == pytest.approx([239.5 - 0.1 / 0.32 * 480, 239.5], abs=1.0)
    assert (right[238:242, 238:242] == (26, 28, 36)).all()


@pytest.mark.parametrize("columns", [None, 3])
def test_a_grid_holds_the_picture_of_every_cursor(columns):
    envs = BCIReachVectorEnv(3, decoder=INTUITIVE, render_mode="rgb_array")
    envs.reset(seed=0)
    for _ in range(30):
        envs.step(envs.action_space.sample())
    grid, across = envs.render_grid(tile=64, columns=columns), columns or 2
    assert grid.shape == (-(-3 // across) * 64, across * 64, 3) and grid.dtype == np.uint8
    for k in range(3):
        top, left = k // across * 64, k % across * 64
        alone = cursor_picture(envs.task, k, 64)
        assert (grid[top + 1 : top + 64, left + 1 : left + 64] == alone[1:, 1:]).all()
    assert (cursor_picture(envs.task, 0) == envs.render()[0]).all()
    for size in (15, 641):
        with pytest.raises(ValueError, match=f"16 to 640 pixels, got {size}"):
            envs.render_grid(tile=size)
    plain = BCIReachVectorEnv(2, units=3)
    assert plain.render_grid() is None
    with pytest.warns(UserWarning, match="render_mode='rgb_array'"):
        assert plain.render() is None


def test_a_new_schedule_is_followed_from_the_next_trial_on():
    """As with the arm: a trial without a step follows at once, and one that is under way ends as it was."""
    before = Schedule((DecoderPhase("before", INTUITIVE, 100),))
    after = Schedule((DecoderPhase("one", ROTATED, 1, 1.0), DecoderPhase("two", INTUITIVE, 9)))
    env = BCIReachVectorEnv(3, schedule=before, catch_fraction=0.0)
    env.reset(seed=0)
    for _ in range(2):
        env.step(np.ones((3, 6)))
    _, info = env.reset(options={"reset_mask": np.array([True, False, False])})
    assert info["trial"][0] == 1
    env.set_schedule(after)
    assert [phase.name for phase in env.trial_phases] == ["one", "before", "before"]
    assert env.trial_decoders == (ROTATED, INTUITIVE, INTUITIVE)
    velocity = env.step(np.ones((3, 6)))[4]["cursor_velocity"]
    assert velocity[0] == pytest.approx(ROTATED.step(np.zeros(2), np.ones(6)), abs=1e-3)
    _, info = env.reset()
    assert info["trial"].tolist() == [1, 0, 0] and info["catch"].tolist() == [False, True, True]
    assert BCIReachEnv(**env.settings.arguments()).settings.schedule == after
    env.set_schedule(None)
    env.reset()
    assert env.trial_phases == (None,) * 3 and env.trial_decoders == (INTUITIVE,) * 3


def test_later_decoders_are_changed_while_trials_are_counted_on():
    first = DecoderPhase("first", INTUITIVE, 4)
    env, other = (
        BCIReachVectorEnv(2, schedule=Schedule((first, DecoderPhase("next", decoder, 9))))
        for decoder in (INTUITIVE, ROTATED)
    )
    for each in (env, other):
        each.reset(seed=1), each.step(np.ones((2, 6)))
    env.set_schedule(other.settings.schedule, restart=False)
    for _ in range(5):
        env.reset(), other.reset()
        assert env.trial_decoders == other.trial_decoders and env.trial_phases == other.trial_phases
        ours, theirs = (each.step(np.ones((2, 6)))[4]["cursor_velocity"] for each in (env, other))
        np.testing.assert_array_equal(ours, theirs)
    assert env.trial_decoders == (ROTATED,) * 2


def test_a_single_cursor_and_a_row_follow_a_new_schedule_alike():
    env, envs = BCIReachEnv(units=6), BCIReachVectorEnv(2, units=6)
    env.reset(seed=spawn_seeds(4, 2)[1]), envs.reset(seed=4)
    for each in (env, envs):
        each.set_schedule(SHORT)
    for _ in range(6):
        info, infos = env.step(np.full(6, 0.3))[4], envs.step(np.full((2, 6), 0.3))[4]
        assert all(infos[name][1] == pytest.approx(value, abs=1e-12) for name, value in info.items())
        assert env.trial_phase == envs.trial_phases[1] and env.trial_decoder == envs.trial_decoders[1]
        env.reset(), envs.reset()


@pytest.mark.parametrize("make", [BCIReachEnv, lambda **given: BCIReachVectorEnv(2, **given)])
@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("four", "a schedule must be a Schedule"),
        (Schedule((Phase("NF1", None, 3),)), r"phases without a decoder: \['NF1'\]"),
        (Schedule((DecoderPhase("A", population_vector(5), 3),)), "must have 6 units, .* got 5"),
    ],
)
def test_what_is_no_schedule_of_decoders_is_refused_and_changes_nothing(make, schedule, message):
    env = make(schedule=SHORT)
    with pytest.raises(ValueError, match=message):
        env.set_schedule(schedule)
    assert env.settings.schedule == SHORT and env.reset(seed=0)[1]["phase"].max() == 0
