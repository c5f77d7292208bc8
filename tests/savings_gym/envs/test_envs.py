"""The single environment: its interface, its documentation, its registered variants, bad input."""

import dataclasses
import inspect
import json
import pickle
import re

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from scripted_reach import ScriptedReach, trial_reward

import savings_gym
from savings_gym import (
    ENV_IDS,
    CurlField,
    Delays,
    Noise,
    ReachEnv,
    ReachSessionEnv,
    ReachSessionVectorEnv,
    ReachVectorEnv,
    RewardWeights,
    four_phase,
    savings_session,
)
from savings_gym.task.rewards import ROUGH
from savings_gym.task.settings import task_settings

REWARD_TERMS = {"reward_proximity", "reward_effort", "reward_jerk", "reward_lateral"}
TRIAL_IDS = [env_id for env_id in ENV_IDS if env_id != "ReachSession-v0"]  # whose episodes are trials
INFO = {
    "phase", "trial", "schedule_done", "target", "target_position", "go_time", "catch",
    "hand_position", "hand_velocity", "cursor_position", "muscle_force", "field_force", *REWARD_TERMS,
}  # fmt: skip


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_gymnasium_finds_nothing_to_say(env_id, recwarn):
    check_env(gym.make(env_id).unwrapped, skip_render_check=True)
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_stable_baselines3_advises_only_what_the_docstring_explains(env_id, recwarn):
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(gym.make(env_id))
    said = [str(warning.message) for warning in recwarn if issubclass(warning.category, UserWarning)]
    assert all("symmetric and normalized Box action space" in message for message in said)
    assert "symmetric actions" in ReachEnv.__doc__
    assert not said or "Torque" not in env_id


@pytest.mark.parametrize("env_id", TRIAL_IDS)
def test_an_episode_is_one_trial_of_100_steps_that_is_truncated(env_id):
    env = gym.make(env_id)
    assert sum(isinstance(layer, gym.wrappers.TimeLimit) for layer in layers(env)) == 1
    for face in (env, env.unwrapped):
        face.reset(seed=0)
        ends = [face.step(env.action_space.sample())[2:4] for _ in range(100)]
        assert ends == [(False, False)] * 99 + [(False, True)]
    with pytest.raises(gym.error.ResetNeeded, match="100 control steps are over"):
        env.unwrapped.step(env.action_space.sample())


def layers(env):
    while isinstance(env, gym.Wrapper):
        yield env
        env = env.env


def test_a_shorter_time_limit_is_possible():
    env = gym.make("NullFieldReach-v0", max_episode_steps=30)
    env.reset(seed=0)
    assert [env.step(np.zeros(6))[3] for _ in range(30)] == [False] * 29 + [True]


def test_the_registered_environments_are_what_their_names_say():
    envs = {env_id: gym.make(env_id).unwrapped for env_id in ENV_IDS}
    for env in envs.values():
        env.reset(seed=0)
    assert envs["ForceFieldReach-v0"].trial_field == CurlField(8.0)
    assert envs["NullFieldReach-v0"].trial_field.is_null
    assert envs["RandomReach-v0"].task.settings.directions is None
    assert envs["ForceFieldReachTorque-v0"].task.settings.actuation == "torque"
    assert envs["SavingsReach-v0"].task.settings.schedule == four_phase()
    assert envs["ReachSession-v0"].session == savings_session()
    assert set(ENV_IDS) <= set(gym.registry)
    assert all(hasattr(savings_gym, name) for name in savings_gym.__all__)


def test_info_says_what_an_experimenter_wants_to_know():
    env = ReachEnv(field=CurlField(8.0), go_time=0.0, catch_fraction=0.0, noise=None)
    _, info = env.reset(seed=0)
    assert set(info) == INFO and all(info[name] == 0.0 for name in REWARD_TERMS)
    for _ in range(50):
        _, reward, _, _, info = env.step([0.2, 0.0, 0.1, 0.0, 0.0, 0.0])
    assert set(info) == INFO
    assert reward == pytest.approx(sum(info[name] for name in REWARD_TERMS))
    task = env.task
    assert info["hand_position"] == pytest.approx(task.arm.hand_position(task.qpos[0]))
    assert info["hand_velocity"] == pytest.approx(task.arm.hand_velocity(task.qpos[0], task.qvel[0]))
    assert info["muscle_force"] == pytest.approx(
        task.arm.muscle_force(task.qpos[0], task.qvel[0], task.act[0])
    )
    assert info["muscle_force"].shape == (6,) and info["muscle_force"][0] > 50.0
    assert np.linalg.norm(info["field_force"]) > 0.1
    _, info = ReachEnv(actuation="torque").reset(seed=0)
    assert set(info) == INFO - {"muscle_force"} | {"joint_torque"}


def test_equal_seeds_give_equal_trials_and_fresh_arrays():
    def rollout(seed):
        env = ReachEnv(field=CurlField(8.0))
        rng = np.random.default_rng(1)
        observations = [env.reset(seed=seed)[0]]
        for _ in range(2):
            observations += [env.step(rng.uniform(0.0, 0.3, 6))[0] for _ in range(100)] + [env.reset()[0]]
        return np.array(observations)

    assert (rollout(3) == rollout(3)).all()
    assert not (rollout(3) == rollout(4)).all()


@pytest.mark.parametrize(("actuation", "part"), [("muscle", 0), ("torque", 1)])
def test_the_tables_of_the_docstring_are_the_spaces(actuation, part):
    env = ReachEnv(actuation=actuation)
    for space, heading in ((env.action_space, "Action"), (env.observation_space, "Observation")):
        header = rf"\| Num \| {heading} \| Min \| Max \| Name in MJCF \| Unit \|"
        table = re.split(header, ReachEnv.__doc__)[1 + part].split("\n\n")[0].strip().splitlines()[1:]
        rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in table]
        assert [int(row[0]) for row in rows] == list(range(space.shape[0]))
        assert [float(row[2]) for row in rows] == space.low.tolist()
        assert [float(row[3]) for row in rows] == space.high.tolist()
        names = [row[4] for row in rows if row[4] not in ("-", "hand (site)")]
        expected = list(env.task.arm.actuator_names)
        assert names == (expected if heading == "Action" else expected * 2)
        assert all(row[5] for row in rows)
        if heading == "Action" and actuation == "torque":
            largest = env.task.arm.control_range[:, 1]
            assert [row[5] for row in rows] == [f"{torque:g} N·m" for torque in largest]


def test_the_arguments_are_documented_and_have_one_set_of_defaults():
    task, single, vector = (
        inspect.signature(call).parameters for call in (task_settings, ReachEnv, ReachVectorEnv)
    )
    assert [single[name].default for name in task] == [task[name].default for name in task]
    assert [vector[name].default for name in single] == [single[name].default for name in single]
    assert all(f"* `{name}`:" in ReachEnv.__doc__ for name in single)
    assert all(f"{name}:" in ReachVectorEnv.__doc__ for name in vector)
    sessions, many = (inspect.signature(call).parameters for call in (ReachSessionEnv, ReachSessionVectorEnv))
    assert set(sessions) == set(single) - {"field", "schedule"} | {"session"}
    assert set(many) == set(vector) - {"field", "schedule", "shared_trials"} | {"session"}
    for parameters in (sessions, many):
        same = set(parameters) - {"session", "max_episode_steps"}
        assert all(parameters[name].default == vector[name].default for name in same)
    assert many["max_episode_steps"].default is None
    assert all(f"* `{name}`:" in ReachSessionEnv.__doc__ for name in set(sessions) - set(single))
    assert all(f"{name}:" in ReachSessionVectorEnv.__doc__ for name in many)


@pytest.mark.parametrize("env_id", TRIAL_IDS)
def test_the_spec_goes_through_json(env_id):
    env = gym.make(
        env_id,
        schedule=None,
        field=CurlField(5.0) + CurlField(1.0, onset="start") + CurlField(2.0, onset="cue"),
        noise=Noise(vision=0.0),
        delays=Delays(vision=0.05, cue=0.06),
        reward_weights=RewardWeights(effort=2.0),
        targets=[0.0, 90.0],
    )
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert again.unwrapped.task.settings == env.unwrapped.task.settings
    assert json.loads(again.spec.to_json()) == json.loads(EnvSpec.from_json(env.spec.to_json()).to_json())


def test_a_schedule_goes_through_the_spec_too():
    env = gym.make("SavingsReach-v0", schedule=four_phase(nf1=2, ff1=2, nf2=2, ff2=2))
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert again.unwrapped.task.settings.schedule.boundaries == (0, 2, 4, 6, 8)


def test_a_schedule_and_a_field_exclude_each_other_in_every_environment():
    short = four_phase(nf1=2, ff1=2, nf2=2, ff2=2)
    for make in (gym.make, gym.make_vec):
        with pytest.raises(ValueError, match="a schedule excludes a field"):
            make("SavingsReach-v0", field=CurlField(2.0))
        advice = r"give SavingsReach-v0 schedule=four_phase\(field\) .* make ForceFieldReach-v0 for one field"
        with pytest.raises(ValueError, match=advice):
            make("ForceFieldReach-v0", schedule=short)
        make("ForceFieldReach-v0", schedule=short, field=None).close()
    env = ReachEnv(field=CurlField(2.0))
    env.set_schedule(short)
    env.reset(seed=0)
    assert env.trial_field.is_null and ReachEnv(**env.settings.arguments()).settings.schedule == short
    env.set_schedule(None)
    env.reset(seed=0)
    assert env.trial_field == CurlField(2.0)


def documented_rewards():
    """Behaviour to mean reward in a trial with go and in a catch trial, from the docstring's table."""
    table = ReachEnv.__doc__.split("| Behaviour | Trial with go | Catch trial |")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip(" |").split("|")] for line in table.strip().splitlines()[1:]]
    return {row[0]: (float(row[1]), float(row[2])) for row in rows}


def test_weights_and_noise_of_the_docstring_are_the_defaults():
    weights, noise = RewardWeights(), Noise()
    for name in REWARD_TERMS:
        (row,) = (line for line in ReachEnv.__doc__.splitlines() if f"| `{name}` |" in line)
        assert float(row.strip(" |").split("|")[-1]) == getattr(weights, name.removeprefix("reward_"))
    assert f"b² / (b² + {ROUGH:g}²)" in ReachEnv.__doc__
    deviations = [float(number) for number in re.findall(r"SD ([\de.-]+\d)", ReachEnv.__doc__)]
    assert deviations == [noise.excitation, noise.vision, noise.proprioception]


def mean_reward(policy, n=128, **arguments):
    env = ReachVectorEnv(n, field=CurlField(8.0), autoreset_mode="Disabled", **arguments)
    env.reset(seed=0)
    return float(np.mean(sum(env.step(policy(env))[1] for _ in range(100))))


def test_rewards_are_those_of_the_docstring():
    """To 0.05, where random targets and go times make the mean of 128 trials uncertain by 0.02."""
    documented, rng = documented_rewards(), np.random.default_rng(0)
    policies = {
        "hand held at the start (torques)": (lambda env: np.zeros(env.action_space.shape), "torque", 0.05),
        "no excitation: the hand drifts": (lambda env: np.zeros(env.action_space.shape), "muscle", 0.05),
        "random excitations": (lambda env: rng.uniform(0.0, 1.0, env.action_space.shape), "muscle", 0.3),
    }
    for behaviour, (policy, actuation, bound) in policies.items():
        for catch_fraction, expected in zip((0.0, 1.0), documented.pop(behaviour), strict=True):
            reward = mean_reward(policy, actuation=actuation, catch_fraction=catch_fraction)
            assert reward == pytest.approx(expected, abs=bound), behaviour
    ((_, (go, catch)),) = documented.items()
    env = ReachEnv(actuation="torque", catch_fraction=0.0, go_time=0.2)
    good = ScriptedReach(env)
    for target in range(0, 8, 2):
        reward, info = trial_reward(env, lambda _: good.action(), seed=0, options={"target": target})
        assert reward == pytest.approx(go, abs=0.01)
        assert np.linalg.norm(info["hand_position"] - info["target_position"]) < 0.003
    reward, _ = trial_reward(env, lambda _: good.action(), seed=0, options={"catch": True})
    assert reward == pytest.approx(catch, abs=0.01)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"actuation": "pneumatic"},
            r"actuation must be one of \('muscle', 'motor', 'torque'\), got 'pneumatic'",
        ),
        ({"field": {"kind": "curl", "b": float("nan")}}, "b must be a finite number, got nan"),
        ({"field": 8.0}, "a field must be a Field such as .*, or None; got 8.0"),
        ({"schedule": "four"}, "a schedule must be a Schedule"),
        ({"schedule": {"phases": [{"name": "FF1", "trials": 0}]}}, "at least 1, got 0"),
        ({"noise": {"vision": -1e-4}}, "noise: vision must be .* at least 0 and .*, got -0.0001"),
        ({"noise": {"sound": 1.0}}, r"must be Noise, a dict .*\['excitation', 'proprioception', 'vision'\]"),
        ({"noise": 0.1}, r"Noise, .*, True \(the default\), False or None \(none\); got 0.1"),
        ({"delays": {"vision": 0.005}}, "delays: vision must be a whole number of control.*got 0.005 s"),
        ({"delays": {"proprioception": -0.01}}, "delays: proprioception must be .* got -0.01"),
        ({"delays": {"vision": 2.0}}, "delays: vision .* got 2.0 s"),
        ({"delays": {"cue": 0.005}}, "delays: cue must be a whole number .*got 0.005 s"),
        ({"delays": {"vision": None}}, "delays: vision must be .* got None"),
        ({"targets": 0}, "targets must be a number of targets .* got 0"),
        ({"targets": "circle"}, "targets must be .* got 'circle'"),
        ({"targets": [0.0, float("inf")]}, "targets must be"),
        ({"targets": 2.5}, "targets must be .* got 2.5"),
        ({"go_time": 0.444}, "go_time must be a whole number of control steps"),
        ({"go_time": (0.3, 0.1)}, "first go_time must not come after the last"),
        ({"go_time": "soon"}, r"go_time \(s, one time or the first and the last\) must be .* got 'soon'"),
        ({"catch_fraction": 1.1}, "catch_fraction must be .* at least 0 and at most 1, got 1.1"),
        ({"field": {"kind": "curl", "b": "8"}}, "b must be a finite number, got '8'"),
        ({"field": {"kind": "curl", "b": True}}, "b must be a finite number, got True"),
        ({"noise": {"vision": True}}, "noise: vision must be .* got True"),
        ({"noise": {"vision": "1e-4"}}, "noise: vision must be .* got '1e-4'"),
        ({"delays": 0.05}, "delays must be Delays, a dict .* got 0.05"),
        ({"delays": {"vision": "0.05"}}, "delays: vision must be .* got '0.05'"),
        ({"targets": ["0"]}, r"targets must be .* got \['0'\]"),
        ({"targets": [0, 0]}, r"sequence of different directions .* got \[0, 0\]"),
        ({"targets": [0, 360]}, r"sequence of different directions .* got \[0, 360\]"),
        ({"targets": [-90.0, 90.0, 270.0]}, "sequence of different directions"),
        ({"targets": True}, "targets must be .* got True"),
        ({"targets": [True, 90.0]}, "targets must be .* got .True, 90.0"),
        ({"targets": []}, r"targets must be .* got \[\]"),
        ({"go_time": "0.1"}, "go_time .* must be .* got '0.1'"),
        ({"go_time": True}, "go_time .* must be .* got True"),
        ({"go_time": (0.1, 0.2, 0.3)}, "go_time .* must be .* of shape .2,"),
        ({"catch_fraction": True}, "catch_fraction must be .* got True"),
        ({"catch_fraction": "0.5"}, "catch_fraction must be .* got '0.5'"),
        ({"schedule": {"phases": 5}}, "phases of a schedule must be a sequence .* got 5"),
        (
            {"schedule": four_phase(), "field": CurlField(2.0)},
            r"a schedule excludes a field, .* got field=CurlField\(.*b=2.0\)",
        ),
        ({"trial_cue": "yes"}, "trial_cue must be True or False, got 'yes'"),
        ({"reward_weights": {"jerk": "1"}}, "reward_weights: jerk must be .* got '1'"),
        ({"reward_weights": {"jerk": -1.0}}, "reward_weights: jerk must be"),
        ({"reward_weights": None}, r"reward_weights must be .* or True \(the default\); got None"),
        ({"render_mode": "ansi"}, r"render_mode must be None or one of \['rgb_array'.* got 'ansi'"),
    ],
)
@pytest.mark.parametrize("env", [ReachEnv, ReachVectorEnv])
def test_bad_arguments_are_named(env, arguments, message):
    with pytest.raises(ValueError, match=message):
        env(**arguments)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (np.zeros(5), r"must have the shape \(6,\), got \(5,\)"),
        (np.zeros((1, 6)), r"must have the shape \(6,\), got \(1, 6\)"),
        ([0.1, np.nan, 0.0, 0.0, 0.0, 0.0], "must be finite, got .*nan"),
        ([0.1, np.inf, 0.0, 0.0, 0.0, 0.0], "must be finite, got .*inf"),
        ("contract", "the action is not an array of real numbers, got 'contract'"),
        (["0.1"] * 6, "not an array of real numbers, got .*'0.1'"),
        (np.full(6, 0.1 + 0.2j), "not an array of real numbers, got .*complex128"),
        (np.full(6, 0.1, dtype=object), "not an array of real numbers, got .*dtype object"),
        ([0.1, [0.1]], "the action is not an array of real numbers: "),
        (None, "the action is not an array of real numbers, got None"),
    ],
)
def test_bad_actions_are_named(action, message):
    env = ReachEnv()
    env.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        env.step(action)


def test_a_step_before_the_first_reset_is_an_error():
    with pytest.raises(gym.error.ResetNeeded, match="call reset"):
        ReachEnv().step(np.zeros(6))


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"targets": "random", "delays": None, "noise": False, "actuation": "torque"},
        {"targets": [7.3, -60.0, 1e-3], "go_time": 0.44, "catch_fraction": 0.25},
        {"targets": 7, "schedule": four_phase(nf1=3), "reward_weights": {"jerk": 0.0}},
        {"field": CurlField(8.0) + CurlField(1.0, onset="start"), "go_time": (0.07, 0.29)},
    ],
)
def test_settings_go_back_to_the_arguments_that_make_them(arguments):
    for env in (ReachEnv(**arguments), ReachVectorEnv(2, **arguments)):
        again = pickle.loads(pickle.dumps(env.settings))
        assert ReachEnv(**again.arguments()).settings == env.settings
        assert ReachVectorEnv(3, **env.settings.arguments()).settings == env.settings
        assert set(again.arguments()) == set(inspect.signature(task_settings).parameters)


def test_settings_name_targets_as_people_do():
    assert ReachEnv().settings.arguments()["targets"] == 8
    directions = [float(degrees) for degrees in range(-180, 180, 7)]
    assert ReachEnv(targets=directions).settings.arguments()["targets"] == directions


def test_numbers_of_numpy_are_numbers():
    single = np.float32
    env = ReachEnv(
        noise={"vision": single(0.5)}, delays={"vision": single(0.07)}, go_time=single(0.44),
        catch_fraction=single(0.5),
    )  # fmt: skip
    assert (
        env.settings
        == ReachEnv(noise={"vision": 0.5}, delays={"vision": float(single(0.07))}, go_time=0.44).settings
    )
    json.dumps(dataclasses.asdict(env.settings.noise))
    assert ReachEnv(noise={"vision": 0}).settings.noise == Noise(vision=0.0)
