"""Sessions: trials of the trial environment, one after the other, in fields drawn for each session."""

import json

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec

from savings_gym import (
    Block,
    ContextCue,
    CurlField,
    FieldPair,
    Phase,
    PhaseSchedule,
    ReachEnv,
    ReachSessionEnv,
    ReachSessionVectorEnv,
    RecordTrials,
    Schedule,
    Session,
    VectorContextCue,
    VisuomotorRotation,
    spawn_seeds,
)

SHORT = Session(
    (Block("null", None, 1), Block("A", "A", (1, 2)), Block("B", "B", 1)),
    tuple(FieldPair(CurlField(b), CurlField(-b)) for b in (4.0, -4.0, 8.0)),
)
ONE = Session((Block("own", CurlField(3.0), 2),))


def single(session=SHORT, **arguments):
    return ReachSessionEnv(session=session, **arguments)


def vector(n=3, session=SHORT, **arguments):
    return ReachSessionVectorEnv(n, session=session, **{"nthread": 1, **arguments})


def actions_of(env, rng):
    return 0.3 * env.single_action_space.high * rng.uniform(env.action_space.low, env.action_space.high)


def assert_same_info(of_vector, of_single, row):
    assert {name for name in of_vector if of_vector.get(f"_{name}", [False] * 9)[row]} == set(of_single)
    for name, value in of_single.items():
        assert np.allclose(of_vector[name][row], value, rtol=1e-12, atol=1e-12), name


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
@pytest.mark.parametrize("arguments", [{}, {"actuation": "torque", "trial_cue": True, "targets": "random"}])
def test_a_row_is_the_single_env_with_its_seed_over_several_sessions(mode, arguments):
    env = vector(autoreset_mode=mode, **arguments)
    singles = [single(**arguments) for _ in range(3)]
    observations, infos = env.reset(seed=3)
    for row, (one, seed) in enumerate(zip(singles, spawn_seeds(3, 3), strict=True)):
        observation, info = one.reset(seed=seed)
        assert observations[row] == pytest.approx(observation, abs=1e-12)
        assert_same_info(infos, info, row)
    rng, over, lengths = np.random.default_rng(0), [False] * 3, []
    for _ in range(420):
        actions = actions_of(env, rng)
        observations, rewards, terminations, truncations, infos = env.step(actions)
        assert not terminations.any()
        for row, one in enumerate(singles):
            reward, end, told = 0.0, False, infos
            if mode == "NextStep" and over[row]:
                observation, info = one.reset()
            else:
                observation, reward, _, end, info = one.step(actions[row])
            lengths += [int(info["trial"]) + 1] * end
            if mode == "SameStep" and end:
                assert infos["final_obs"][row] == pytest.approx(observation, abs=1e-12)
                assert_same_info(infos["final_info"], info, row)
                observation, info = one.reset()
                told = {name: value for name, value in infos.items() if "final_" not in name}
                told |= {name: infos[name] for name in ("final_position", "_final_position")}
            over[row] = end
            assert np.allclose(observations[row], observation, rtol=0.0, atol=1e-12)
            assert rewards[row] == pytest.approx(reward, abs=1e-12) and truncations[row] == end
            assert_same_info(told, info, row)
    assert set(lengths) == {3, 4}


def test_results_do_not_depend_on_the_number_of_threads():
    envs = [vector(5, nthread=threads) for threads in (1, 3)]
    for env in envs:
        env.reset(seed=1)
    rng = np.random.default_rng(0)
    for _ in range(205):
        actions = actions_of(envs[0], rng)
        left, right = (env.step(actions) for env in envs)
        assert (left[0] == right[0]).all() and (left[1] == right[1]).all()
        assert all((left[4][name] == right[4][name]).all() for name in left[4])


def test_a_session_is_the_trials_of_the_trial_environment_in_its_schedule():
    """Observations, rewards and infos are those of `ReachEnv`, reset by hand after each trial."""
    session, rng = single(trial_cue=True), np.random.default_rng(0)
    observation, info = session.reset(seed=5)
    generator = np.random.default_rng(np.random.SeedSequence(5))
    pair, schedule = SHORT.draw(generator)
    assert info["pair"] == pair
    trial = ReachEnv(schedule=schedule, trial_cue=True)
    trial._np_random = generator  # after what the session has drawn
    expected, known = trial.reset()
    for step in range(1, 100 * schedule.trials + 1):
        assert (observation == expected).all()
        assert info["field_force"] == pytest.approx(known["field_force"])
        same = ("trial", "phase", "target", "go_time", "catch", "hand_position", "hand_velocity")
        assert all((info[name] == known[name]).all() for name in same)
        action = rng.uniform(0.0, 0.3, 6)
        observation, reward, terminated, truncated, info = session.step(action)
        expected, other, _, over, last = trial.step(action)
        assert reward == other and not terminated
        assert truncated == (step == 100 * schedule.trials)
        terms = ("reward_proximity", "reward_effort", "reward_jerk")
        assert all(info[name] == last[name] for name in terms) and sum(info[name] for name in terms) == reward
        assert (info["final_position"] == last["hand_position"]).all()
        assert info["trial_ended"] == over and info["trial_began"] == (over and not truncated)
        known = last
        if over and not truncated:
            expected, known = trial.reset()
    with pytest.raises(gym.error.ResetNeeded):
        session.step(action)


def test_infos_of_trials_only_are_those_of_their_first_and_last_steps():
    full, lean = (vector(2, info=info, autoreset_mode="SameStep", session=ONE) for info in ("full", "trial"))
    assert set(full.reset(seed=0)[1]) == set(lean.reset(seed=0)[1])
    for step in range(1, 203):
        left, right = full.step(np.full((2, 6), 0.1)), lean.step(np.full((2, 6), 0.1))
        assert (left[0] == right[0]).all()
        assert set(right[4]) == (set(left[4]) if step in (100, 200) else set())
        assert step not in (100, 200) or (right[4]["trial"] == left[4]["trial"]).all()


def test_the_cue_is_seen_once_in_a_trial():
    plain, cued = single(ONE), single(ONE, trial_cue=True)
    first, _ = plain.reset(seed=0)
    seen = [cued.reset(seed=0)[0]]
    assert cued.observation_space.shape == (18,) and (seen[0][:17] == first).all()
    seen += [cued.step(np.zeros(6))[0] for _ in range(200)]
    assert np.flatnonzero([observation[17] for observation in seen]).tolist() == [0, 100]


def test_sessions_draw_their_fields_from_the_seed():
    env = vector(64, session=SHORT, autoreset_mode="SameStep")
    _, info = env.reset(seed=0)
    pairs = info["pair"].tolist()
    assert set(pairs) == {0, 1, 2} and (info["field"] == 0).all()
    assert env.reset(seed=0)[1]["pair"].tolist() == pairs and env.reset(seed=1)[1]["pair"].tolist() != pairs
    env.reset(seed=0)
    for _ in range(100):
        info = env.step(np.zeros((64, 6)))[4]
    assert (info["field"] == 1).all() and (info["phase"] == 1).all()
    assert list(env.trial_fields) == [SHORT.pairs[pair].a for pair in pairs]
    assert {phase.trials for phase in env.trial_phases} == {1, 2}


def test_a_session_counts_once_a_step_was_made_in_it():
    env = single()
    assert [int(env.reset(seed=s)[1]["session"]) for s in (0, None, None)] == [0, 0, 0]
    env.step(np.zeros(6))
    assert env.reset()[1]["session"] == 1
    for _ in range(100):
        info = env.step(np.zeros(6))[4]
    assert info["trial"] == 1 and info["session"] == 1
    assert env.reset()[1]["session"] == 2  # at the first observation of the second trial
    assert env.reset(seed=0)[1]["session"] == 0


def test_every_session_begins_a_block_of_targets():
    env = single(Session((Block("x", None, 8),)))
    _, info = env.reset(seed=0)
    targets = []
    for _ in range(2):
        targets.append([int(info["target"])])
        for _ in range(800):
            info = env.step(np.zeros(6))[4]
            if info["trial_began"]:
                targets[-1].append(int(info["target"]))
        _, info = env.reset()
    assert all(sorted(block) == list(range(8)) for block in targets) and targets[0] != targets[1]


def test_options_hold_for_all_trials_of_a_session_of_every_row():
    env = vector(3, session=ONE, autoreset_mode="Disabled")
    env.reset(seed=0)
    env.reset(options={"reset_mask": np.array([True, False, True]), "target": [1, 0, 5], "catch": True})
    env.reset(options={"reset_mask": np.array([False, True, False]), "go_time": 0.3, "field": None})
    for _ in range(100):
        info = env.step(np.zeros((3, 6)))[4]
    assert info["trial_began"].all() and info["target"][[0, 2]].tolist() == [1, 5]
    assert info["catch"][[0, 2]].all() and info["go_time"][1] == 0.3
    assert [field.is_null for field in env.trial_fields] == [False, True, False]
    _, info = env.reset()
    assert [field.is_null for field in env.trial_fields] == [False] * 3


def test_the_spec_goes_through_json():
    env = gym.make("ReachSession-v0", session=SHORT, trial_cue=True, noise={"vision": 0.0})
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert again.unwrapped.session == SHORT and again.unwrapped.settings == env.unwrapped.settings
    assert json.loads(again.spec.to_json()) == json.loads(EnvSpec.from_json(env.spec.to_json()).to_json())
    many = gym.make_vec("ReachSession-v0", num_envs=2, session="interference")
    assert gym.make_vec(many.spec).session.names == ("FF1", "B", "FF2")
    assert ReachEnv(**env.unwrapped.settings.arguments()).settings == env.unwrapped.settings


@pytest.mark.parametrize("make", [gym.make, gym.make_vec])
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"session": "four"}, ValueError, r"one of \('adaptation', 'savings', 'interference'\); got 'four'"),
        ({"session": None}, ValueError, "session must be a Session"),
        ({"trial_cue": 1}, ValueError, "trial_cue must be True or False, got 1"),
        ({"catch_fraction": 2.0}, ValueError, "catch_fraction must be .* got 2.0"),
        ({"field": CurlField(8.0)}, TypeError, "field"),
        ({"schedule": None}, TypeError, "schedule"),
    ],
)
def test_bad_arguments_are_named(make, arguments, error, message):
    with pytest.raises(error, match=message):
        make("ReachSession-v0", **arguments)


def test_a_context_cue_follows_the_trials_of_a_session():
    one, many = ContextCue(single()), VectorContextCue(vector(2, autoreset_mode="SameStep"))
    seen = [(one.reset(seed=spawn_seeds(0, 2)[0])[0], many.reset(seed=0)[0][0])]
    for _ in range(205):
        left, right = one.step(np.zeros(6)), many.step(np.zeros((2, 6)))
        seen.append((left[0], right[0][0]))
    cues = np.array([[left[-1], right[-1]] for left, right in seen])
    assert (cues[:100] == 0.0).all() and (cues[100:] == 1.0).all()  # null, then A and B


def test_what_would_count_trials_otherwise_is_refused():
    schedule = Schedule((Phase("x", None, 1),))
    for env in (single(), vector()):
        with pytest.raises(ValueError, match="a session draws its own schedule: make ReachSession-v0 with"):
            env.set_schedule(schedule)
    for wrap in (RecordTrials, lambda env: PhaseSchedule(env, schedule)):
        with pytest.raises(ValueError, match="needs episodes that are trials, not sessions"):
            wrap(single())


@pytest.mark.parametrize("make", [single, lambda session: vector(1, session, autoreset_mode="SameStep")])
def test_a_session_may_draw_rotations_of_the_cursor(make):
    """The cursor is the hand turned about the start, one way in A and the other in B, and else the hand."""
    pair = FieldPair(VisuomotorRotation(30.0), VisuomotorRotation(-30.0))
    blocks = (Block("null", None, 1), Block("A", "A", 1), Block("B", "B", 1))
    env = make(session=Session(blocks, (pair,)))
    _, info = env.reset(seed=0)
    home, turns = np.reshape(info["hand_position"], 2), {0: 0.0, 1: 30.0, 2: -30.0}
    rng, moved = np.random.default_rng(0), dict.fromkeys(turns, 0.0)
    for _ in range(299):
        info = env.step(0.3 * rng.uniform(0.0, 1.0, env.action_space.shape))[-1]
        block = int(np.reshape(info["phase"], ()))
        hand, cursor = (np.reshape(info[name], 2) - home for name in ("hand_position", "cursor_position"))
        angle = np.deg2rad(turns[block])
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        assert cursor == pytest.approx(rotation @ hand, abs=1e-9)
        moved[block] = max(moved[block], float(np.linalg.norm(cursor - hand)))
    assert moved[0] < 1e-9 and min(moved[1], moved[2]) > 0.01
