"""The vector environment is the single environment, many times."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import DictInfoToList, RecordEpisodeStatistics

from savings_gym import ENV_IDS, CurlField, ReachEnv, ReachVectorEnv, four_phase, spawn_seeds

FIELDS = {"field": CurlField(8.0)}
SCHEDULE = {"schedule": four_phase(nf1=1, ff1=1, nf2=1, ff2=1)}


def rollout(env, steps, seed=3, action_seed=0):
    """Observations, rewards, truncations and infos of reset and of `steps` random steps."""
    rng = np.random.default_rng(action_seed)
    observation, info = env.reset(seed=seed)
    record = [(observation, None, None, info)]
    for _ in range(steps):
        scale = 0.3 * env.single_action_space.high
        actions = scale * rng.uniform(env.action_space.low, env.action_space.high)
        observation, reward, terminated, truncated, info = env.step(actions)
        assert not terminated.any()
        record.append((observation, reward, truncated, info))
    return record


def assert_same_info(vector_info, single_info, row):
    assert {name for name in vector_info if vector_info.get(f"_{name}", [False] * 99)[row]} == set(
        single_info
    )
    for name, value in single_info.items():
        assert vector_info[name][row] == pytest.approx(value, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    "arguments",
    [
        FIELDS,
        SCHEDULE,
        {"targets": "random"},
        {"actuation": "torque", **FIELDS},
        {"actuation": "motor", **FIELDS},
    ],
    ids=["field", "schedule", "random", "torque", "motor"],
)
def test_a_row_is_the_single_env_with_its_seed_over_several_trials(arguments):
    n, steps = 3, 310  # three trials and their autoresets
    record = rollout(ReachVectorEnv(n, **arguments), steps)
    rng = np.random.default_rng(0)
    singles = [ReachEnv(**arguments) for _ in range(n)]
    low = np.stack([env.action_space.low for env in singles])
    high = np.stack([env.action_space.high for env in singles])
    over = [False] * n
    for row, env in enumerate(singles):
        observation, info = env.reset(seed=spawn_seeds(3, n)[row])
        assert record[0][0][row] == pytest.approx(observation, abs=1e-12)
        assert_same_info(record[0][3], info, row)
    for observations, rewards, truncations, infos in record[1:]:
        actions = 0.3 * high * rng.uniform(low, high)
        for row, env in enumerate(singles):
            if over[row]:
                (observation, info), reward, over[row] = env.reset(), 0.0, False
            else:
                observation, reward, _, over[row], info = env.step(actions[row])
            assert observations[row] == pytest.approx(observation, abs=1e-12)
            assert rewards[row] == pytest.approx(reward, abs=1e-12)
            assert truncations[row] == over[row]
            assert_same_info(infos, info, row)


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
@pytest.mark.parametrize("actuation", ["muscle", "torque"])
def test_rows_that_are_not_at_the_same_step_are_single_envs_too(mode, actuation):
    arguments = {"schedule": four_phase(CurlField(8.0), 1, 1, 1, 1), "actuation": actuation}
    env = ReachVectorEnv(3, autoreset_mode=mode, **arguments)
    singles = [ReachEnv(**arguments) for _ in range(3)]
    env.reset(seed=3)
    for row, single in enumerate(singles):
        single.reset(seed=spawn_seeds(3, 3)[row])
    rng, over = np.random.default_rng(0), [False] * 3
    for step in range(230):
        for row in {17: (1,), 40: (0, 1)}.get(step, ()):
            seen, info = env.reset(options={"reset_mask": np.arange(3) == row})
            observation, told = singles[row].reset()
            assert (seen[row] == observation).all()
            assert_same_info(info, told, row)
            over[row] = False
        actions = 0.4 * rng.uniform(env.action_space.low, env.action_space.high)
        observations, rewards, _, truncations, infos = env.step(actions)
        for row, single in enumerate(singles):
            reward, ended, told = 0.0, False, infos
            if mode == "NextStep" and over[row]:
                observation, info = single.reset()
            else:
                observation, reward, _, ended, info = single.step(actions[row])
            if mode == "SameStep" and ended:
                assert (infos["final_obs"][row] == observation).all()
                assert_same_info(infos["final_info"], info, row)
                observation, info = single.reset()
                told = {name: value for name, value in infos.items() if "final" not in name}
            over[row] = ended
            assert (observations[row] == observation).all() and truncations[row] == ended
            assert rewards[row] == pytest.approx(reward, abs=1e-12)
            assert_same_info(told, info, row)


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_infos_of_trials_only_are_those_of_their_first_and_last_steps(mode):
    full, lean = (ReachVectorEnv(2, autoreset_mode=mode, info=info, **FIELDS) for info in ("full", "trial"))
    assert set(full.reset(seed=0)[1]) == set(lean.reset(seed=0)[1])
    for step in range(1, 203):
        left, right = full.step(np.full((2, 6), 0.1)), lean.step(np.full((2, 6), 0.1))
        assert (left[0] == right[0]).all() and (left[1] == right[1]).all()
        told = step in ((100, 200) if mode == "SameStep" else (100, 101, 201, 202))
        assert set(right[4]) == (set(left[4]) if told else set())
        assert all((right[4][name] == left[4][name]).all() for name in ("trial", "target") if told)


def test_environments_of_neighbouring_seeds_share_nothing():
    seeds = {seed: spawn_seeds(seed, 64) for seed in (0, 1, 2, 63, 64)}
    assert len({each for spawned in seeds.values() for each in spawned}) == 5 * 64
    assert spawn_seeds(0, 3) == seeds[0][:3]
    env, noise = ReachVectorEnv(64), {}
    for seed in (0, 1):
        noise[seed] = {tuple(hand) for hand in env.reset(seed=seed)[0][:, :2].tolist()}
    assert len(noise[0] | noise[1]) == 128
    for bad in (-1, 1.5, True, "5"):
        with pytest.raises(ValueError, match="seed must be a whole number"):
            spawn_seeds(bad, 2)


def test_one_seed_is_the_list_of_its_spawned_seeds():
    (left, info), (right, other) = (ReachVectorEnv(3).reset(seed=s) for s in (5, spawn_seeds(5, 3)))
    assert (left == right).all() and (info["go_time"] == other["go_time"]).all()
    env = ReachVectorEnv(3)
    env.reset(seed=5)
    env.step(np.zeros((3, 6)))
    _, info = env.reset(seed=[None, 1, None])
    assert info["trial"].tolist() == [1, 0, 1]


def test_results_do_not_depend_on_the_number_of_threads():
    one, three = (rollout(ReachVectorEnv(7, nthread=k, **FIELDS), 205) for k in (1, 3))
    for left, right in zip(one, three, strict=True):
        assert (left[0] == right[0]).all()
        assert left[1] is None or (left[1] == right[1]).all()
        assert (left[3]["hand_position"] == right[3]["hand_position"]).all()


def test_the_first_rows_do_not_depend_on_how_many_follow():
    few = ReachVectorEnv(2, **FIELDS)
    many = ReachVectorEnv(9, **FIELDS)
    few.reset(seed=0), many.reset(seed=0)
    for _ in range(60):
        left = few.step(np.full((2, 6), 0.1))[0]
        right = many.step(np.full((9, 6), 0.1))[0]
        assert left == pytest.approx(right[:2], abs=1e-12)


def test_next_step_autoreset_ignores_one_action_and_begins_a_new_trial():
    record = rollout(ReachVectorEnv(2, **FIELDS), 102)
    truncations = [bool(truncated.all()) for _, _, truncated, _ in record[1:]]
    assert truncations == [False] * 99 + [True, False, False]
    _, reward, _, info = record[101]
    assert reward.tolist() == [0.0, 0.0] and info["trial"].tolist() == [1, 1]
    assert info["reward_proximity"].tolist() == [0.0, 0.0] and info["_reward_proximity"].all()
    first, second = record[0][3], record[101][3]
    assert (first["target"] != second["target"]).any()


def test_a_reset_by_hand_at_the_end_of_a_trial_leaves_no_autoreset_behind():
    env = ReachVectorEnv(2, **FIELDS)
    rollout(env, 100)
    env.reset()
    env.step(np.zeros((2, 6)))
    assert env.task.t.tolist() == [1, 1] and env.task.trials.number.tolist() == [1, 1]


def test_same_step_autoreset_hands_on_the_end_of_the_trial():
    env = ReachVectorEnv(2, autoreset_mode="SameStep", **FIELDS)
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert ReachVectorEnv.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    record, plain = rollout(env, 100), rollout(ReachVectorEnv(2, **FIELDS), 101, action_seed=0)
    observation, reward, truncated, info = record[100]
    assert truncated.all() and info["_final_obs"].all() and info["_final_info"].all()
    assert (np.stack(info["final_obs"]) == plain[100][0]).all()
    assert (reward == plain[100][1]).all()
    assert (info["final_info"]["reward_proximity"] == plain[100][3]["reward_proximity"]).all()
    assert info["reward_proximity"].tolist() == [0.0, 0.0] and info["trial"].tolist() == [1, 1]
    assert (observation == plain[101][0]).all()


def test_without_autoreset_rows_are_reset_by_a_mask():
    env = ReachVectorEnv(3, autoreset_mode="Disabled", **FIELDS)
    env.reset(seed=0)
    for _ in range(20):
        env.step(np.zeros((3, 6)))
    observation, info = env.reset(options={"reset_mask": np.array([False, True, False])})
    assert env.task.t.tolist() == [20, 0, 20]
    assert info["_trial"].tolist() == [False, True, False] and info["trial"].tolist() == [0, 1, 0]
    for _ in range(80):
        _, _, _, truncated, _ = env.step(np.zeros((3, 6)))
    assert truncated.tolist() == [True, False, True]
    with pytest.raises(gym.error.ResetNeeded):
        env.step(np.zeros((3, 6)))


def test_a_probe_is_one_reset_with_one_option_a_row():
    env = ReachVectorEnv(8, noise=False, **FIELDS)
    fields = [CurlField(float(b)) for b in range(8)]
    options = {"target": np.arange(8), "go_time": 0.44, "catch": False, "field": fields}
    _, info = env.reset(seed=0, options=options)
    assert info["target"].tolist() == list(range(8)) and not info["catch"].any()
    assert env.trial_fields == tuple(fields)
    _, info = env.reset(options={"target": (0.0, 0.4), "start": np.full((8, 2), (0.1, 0.4))})
    assert (info["target_position"] == [0.0, 0.4]).all()
    assert info["hand_position"] == pytest.approx(np.full((8, 2), (0.1, 0.4)))


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_make_vec_uses_the_batched_env_and_its_spec_rebuilds_it(env_id):
    env = gym.make_vec(env_id, num_envs=2)
    assert isinstance(env, ReachVectorEnv)
    env.reset(seed=0)
    observation, reward, *_ = env.step(env.action_space.sample())
    assert env.observation_space.contains(observation) and reward.shape == (2,)
    again = gym.make_vec(env.spec)
    assert again.num_envs == 2 and again.task.settings == env.task.settings
    env.close()


def test_make_vec_works_with_gymnasiums_own_vectorisation_and_wrappers():
    sync = gym.make_vec("ForceFieldReach-v0", num_envs=2, vectorization_mode="sync")
    batched = gym.make_vec("ForceFieldReach-v0", num_envs=2)
    left, right = rollout(sync, 205, seed=[3, 4]), rollout(batched, 205, seed=[3, 4])
    for a, b in zip(left, right, strict=True):
        assert a[0] == pytest.approx(b[0], abs=1e-12)
    wrapped = DictInfoToList(RecordEpisodeStatistics(gym.make_vec("NullFieldReach-v0", num_envs=2)))
    wrapped.reset(seed=0)
    for _ in range(100):
        *_, infos = wrapped.step(np.zeros((2, 6)))
    assert infos[1]["episode"]["l"] == 100 and infos[1]["target"] in range(8)


@pytest.mark.parametrize("make", [ReachEnv, lambda **arguments: ReachVectorEnv(2, **arguments)])
@pytest.mark.parametrize("bad", [{"seed": 5, "options": {"target": 99}}, {"seed": -1}])
def test_a_refused_reset_changes_nothing(make, bad):
    env, other = make(**SCHEDULE), make(**SCHEDULE)
    for each in (env, other):
        each.reset(seed=1)
        each.step(np.zeros(each.action_space.shape))
    with pytest.raises((ValueError, gym.error.Error)):
        env.reset(**bad)
    (left, told), (right, known) = env.reset(), other.reset()
    assert (left == right).all() and np.all(told["trial"] == known["trial"])


def test_a_shorter_episode():
    env = gym.make_vec("NullFieldReach-v0", num_envs=2, max_episode_steps=5)
    env.reset(seed=0)
    assert [env.step(np.zeros((2, 6)))[3].all() for _ in range(6)] == [False] * 4 + [True, False]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ReachVectorEnv(0), "num_envs must be a whole number of at least 1 and .*, got 0"),
        (lambda: ReachVectorEnv("2"), "num_envs must be a whole number .* got '2'"),
        (lambda: ReachVectorEnv(True), "num_envs must be a whole number .* got True"),
        (
            lambda: ReachVectorEnv(2, max_episode_steps=0),
            "max_episode_steps must be .* at least 1, got 0",
        ),
        (lambda: ReachVectorEnv(2, max_episode_steps=50.0), "max_episode_steps must be .* got 50.0"),
        (
            lambda: ReachVectorEnv(2, nthread=-1),
            "nthread must be a whole number .* got -1",
        ),
        (lambda: ReachVectorEnv(2, shared_trials="no"), "shared_trials must be True or False, got 'no'"),
        (lambda: ReachVectorEnv(2, autoreset_mode="Later"), r"one of \('NextStep', 'SameStep', 'Disabled'\)"),
        (lambda: ReachVectorEnv(2, info="some"), r"info must be one of \('full', 'trial'\), got 'some'"),
        (lambda: ReachVectorEnv(2).reset(seed=[1, 2, 3]), "got 3 seeds for num_envs=2"),
        (lambda: ReachVectorEnv(2).reset(options=5), "options of reset must be a dict or None, got 5"),
        (lambda: ReachVectorEnv(2).reset(seed="5"), "seed must be a whole number of at least 0, got '5'"),
        (lambda: ReachVectorEnv(2).reset(seed=[1, 0.5]), "seed must be a whole number .* got 0.5"),
        (lambda: ReachVectorEnv(2).reset(seed=[1, -1]), "seed must be a whole number .* got -1"),
        (lambda: ReachVectorEnv(2).reset(options={"catch": [1, 0]}), "'catch' must be True or False, got 1"),
        (lambda: ReachVectorEnv(2).reset(options={"reset_mask": [1, 0]}), "'reset_mask' must be 2 booleans"),
        (
            lambda: ReachVectorEnv(2).reset(options={"target": [1, 2, 3]}),
            r"'target' must be an index from 0 to 7, one or 2 of them, or .*; got \[1, 2, 3\]",
        ),
        (lambda: ReachVectorEnv(2).reset(options={"field": [None]}), "1 fields were given for 2 trials"),
        (lambda: stepped(np.zeros((3, 6))), r"must have the shape \(2, 6\), got \(3, 6\)"),
        (lambda: stepped(np.full((2, 6), np.nan)), "must be finite"),
        (lambda: stepped(np.full((2, 6), 1j)), "the action is not an array of real numbers"),
    ],
)
def test_bad_values_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def stepped(actions):
    env = ReachVectorEnv(2)
    env.reset(seed=0)
    return env.step(actions)
