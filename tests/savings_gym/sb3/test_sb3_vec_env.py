"""The adapter for stable-baselines3 is SB3's own vector environment over single environments, row by row."""

import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers.vector import RecordEpisodeStatistics

pytest.importorskip("stable_baselines3")
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    VecCheckNan,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
    VecVideoRecorder,
)

from savings_gym import (
    BCIReachVectorEnv,
    Block,
    CurlField,
    Phase,
    ReachEnv,
    ReachSessionVectorEnv,
    ReachVectorEnv,
    Schedule,
    Session,
    VectorContextCue,
    four_phase,
    savings_session,
    spawn_seeds,
)
from savings_gym.sb3.training_env import TrainingEnv
from savings_gym.sb3.vec_env import ReachVecEnv
from savings_gym.task.settings import RENDER_FPS

TASK = {"field": CurlField(8.0), "max_episode_steps": 30}
SCHEDULE = four_phase(nf1=2, ff1=2, nf2=2, ff2=2)
SESSION = Session((Block("NF1", None, 1), Block("FF1", "A", 1)))


def actions(env, steps, seed=0):
    rng = np.random.default_rng(seed)
    return 0.4 * rng.uniform(env.action_space.low, env.action_space.high, (steps, env.num_envs, 6))


def test_rows_are_those_of_the_vector_env():
    ours = ReachVecEnv(3, **TASK)
    theirs = ReachVectorEnv(3, autoreset_mode="SameStep", shared_trials=True, **TASK)
    ours.seed(5)
    assert (ours.reset() == theirs.reset(seed=5)[0]).all()
    for step, action in enumerate(actions(ours, 70)):
        observation, reward, done, infos = ours.step(action)
        other, expected, _, truncated, info = theirs.step(action)
        assert (observation == other).all() and (done == truncated).all()
        assert (reward == expected.astype(np.float32)).all() and reward.dtype == np.float32
        assert done.all() == (step % 30 == 29)
        for row in np.flatnonzero(done):
            assert (infos[row]["terminal_observation"] == info["final_obs"][row]).all()
            assert infos[row]["trial"] == info["final_info"]["trial"][row]
            assert ours.reset_infos[row]["trial"] == info["trial"][row]
        assert done.any() or infos == [{}, {}, {}]


def test_rows_are_those_of_sb3s_vector_env_over_single_envs():
    ours = ReachVecEnv(2, schedule=SCHEDULE, shared_trials=False)
    theirs = DummyVecEnv([lambda: Monitor(ReachEnv(schedule=SCHEDULE))] * 2)
    assert theirs.seed(7) == [7, 8]  # neighbouring seeds, as everywhere in SB3
    theirs._seeds = list(ours.seed(7))
    assert ours.seed(7) == spawn_seeds(7, 2)
    assert (ours.reset() == theirs.reset()).all()
    for left, right in zip(ours.reset_infos, theirs.reset_infos, strict=True):
        assert set(left) == set(right) and left["target"] == right["target"]
    for action in actions(ours, 205):
        observation, reward, done, infos = ours.step(action)
        other, expected, ended, other_infos = theirs.step(action)
        assert (observation == other).all() and (done == ended).all()
        assert reward == pytest.approx(expected, rel=1e-6)
        for row in np.flatnonzero(done):
            left, right = infos[row], other_infos[row]
            assert set(left) == set(right) and type(left["trial"]) is int
            assert left["TimeLimit.truncated"] is right["TimeLimit.truncated"] is True
            assert (left["terminal_observation"] == right["terminal_observation"]).all()
            assert (left["muscle_force"] == right["muscle_force"]).all()
            assert left["episode"]["r"] == pytest.approx(right["episode"]["r"], abs=2e-6)
            assert left["episode"]["l"] == right["episode"]["l"] == 100 and left["episode"]["t"] >= 0.0
            assert [left[k] for k in ("phase", "trial", "catch")] == [
                right[k] for k in ("phase", "trial", "catch")
            ]
            assert ours.reset_infos[row]["phase"] == theirs.reset_infos[row]["phase"]


def test_what_a_step_returns_is_not_written_to_later():
    env = ReachVecEnv(2, **TASK)
    kept = [env.reset()]
    copies = [kept[0].copy()]
    for action in actions(env, 35):
        returned = env.step(action)[:3]
        kept += returned
        copies += [array.copy() for array in returned]
    assert all((left == right).all() for left, right in zip(kept, copies, strict=True))


def test_a_seed_holds_for_one_reset():
    env, other = ReachVecEnv(2, **TASK), ReachVecEnv(2, **TASK)
    env.seed(3), other.seed(3)
    assert (env.reset() == other.reset()).all()
    for each in (env, other):
        each.step(np.zeros((2, 6)))
    again = env.reset()
    assert (again == other.reset()).all()
    env.seed(3)
    assert not (env.reset() == again).all()


def test_options_are_those_of_the_next_reset():
    env = ReachVecEnv(3)
    env.set_options([{"target": k, "catch": False, "field": CurlField(float(k))} for k in range(3)])
    env.reset()
    assert [info["target"] for info in env.reset_infos] == [0, 1, 2]
    assert env.get_attr("trial_fields")[0] == tuple(CurlField(float(k)) for k in range(3))
    env.set_options({"target": 5, "start": (0.0, 0.4)})
    env.reset()
    assert [info["target"] for info in env.reset_infos] == [5, 5, 5]
    assert env.reset_infos[2]["hand_position"] == pytest.approx([0.0, 0.4])
    env.reset()
    assert env.reset_infos[2]["hand_position"] != pytest.approx([0.0, 0.4])
    env.set_options([{"target": 1}, {}, {}])
    with pytest.raises(ValueError, match="all environments need the same options"):
        env.reset()


def test_methods_are_called_once_for_all_rows():
    env = ReachVecEnv(3, schedule=Schedule((Phase("before", None, 100),)))
    env.reset()
    assert env.env_method("set_schedule", SCHEDULE) == [None] * 3
    assert env.get_attr("settings", indices=[0, 2]) == [env.env.settings] * 2
    assert env.env.settings.schedule == SCHEDULE
    for action in actions(env, 200):
        *_, infos = env.step(action)
    assert [info["trial"] for info in infos] == [3, 4, 5]
    assert [info["phase"] for info in infos] == [1, 2, 2]
    env.set_attr("note", "kept")
    assert env.get_attr("note", 1) == ["kept"] and env.has_attr("note") and not env.has_attr("nothing")
    with pytest.raises(AttributeError):
        env.get_attr("nothing")
    assert env.env_is_wrapped(Monitor, 0) == [True] and env.env_is_wrapped(DummyVecEnv) == [False] * 3


@pytest.mark.render
def test_pictures_of_the_rows_are_tiled():
    env = ReachVecEnv(4, render_mode="rgb_array")
    env.reset()
    assert len(env.get_images()) == 4 and env.render().shape == (960, 960, 3)
    env.close()


def test_without_a_render_mode_there_are_no_pictures():
    env = ReachVecEnv(2)
    env.reset()
    assert list(env.get_images()) == [None, None]
    with pytest.warns(UserWarning, match="no `render_mode`"):
        assert env.render() is None


@pytest.mark.parametrize(
    "wrap",
    [
        lambda env: env,
        VecNormalize,
        lambda env: VecFrameStack(env, 3),
        lambda env: VecCheckNan(env, raise_exception=True),
    ],
    ids=["bare", "normalize", "frames", "nan"],
)
def test_sb3_learns_on_it_and_evaluates(wrap):
    env = wrap(ReachVecEnv(4, **TASK))
    model = PPO(
        "MlpPolicy", env, n_steps=60, batch_size=80, n_epochs=1, seed=0, policy_kwargs={"net_arch": [8]}
    )
    model.learn(480)
    assert [episode["l"] for episode in model.ep_info_buffer] == [30] * 16
    rewards, lengths = evaluate_policy(model, env, n_eval_episodes=8, return_episode_rewards=True)
    assert lengths == [30] * 8 and np.isfinite(rewards).all()


def test_a_monitor_of_vectors_counts_the_same():
    with pytest.warns(UserWarning, match="already wrapped with a `Monitor`"):
        env = VecMonitor(ReachVecEnv(2, **TASK), info_keywords=("phase", "target"))
    bare = ReachVecEnv(2, **TASK)
    env.seed(1), bare.seed(1)
    env.reset(), bare.reset()
    for action in actions(bare, 60):
        (*_, infos), (*_, plain) = env.step(action), bare.step(action)
    for left, right in zip(infos, plain, strict=True):
        assert left["episode"]["r"] == pytest.approx(right["episode"]["r"], abs=1e-5)
        assert left["episode"]["target"] == right["target"]


def test_the_value_of_the_terminal_observation_is_added_to_the_last_reward():
    env = ReachVecEnv(2, **TASK)
    model = PPO("MlpPolicy", env, n_steps=31, batch_size=62, n_epochs=1, learning_rate=0.0, gamma=0.5, seed=0)
    rewards, infos = [], []

    def look(variables, _):
        rewards.append(variables["rewards"].copy())
        infos.append(variables["infos"])
        return True

    model.learn(62, callback=look)
    last = np.stack([info["terminal_observation"] for info in infos[29]])
    with torch.no_grad():
        values = model.policy.predict_values(torch.as_tensor(last))[:, 0].numpy()
    kept = model.rollout_buffer.rewards
    assert kept[29] - rewards[29] == pytest.approx(0.5 * values, rel=1e-4)
    assert (np.delete(kept, 29, axis=0) == np.delete(rewards, 29, axis=0)).all()


class Halved(gym.vector.VectorActionWrapper):
    """Half of what the agent does reaches the arm."""

    def actions(self, actions):
        return 0.5 * actions


INSIDE = {
    "cue": lambda: VectorContextCue(ReachVectorEnv(2, schedule=SCHEDULE, autoreset_mode="SameStep")),
    "actions": lambda: Halved(ReachVectorEnv(2, autoreset_mode="SameStep", **TASK)),
    "episodes": lambda: RecordEpisodeStatistics(ReachVectorEnv(2, autoreset_mode="SameStep")),
    "sessions": lambda: ReachSessionVectorEnv(2, session=SESSION, autoreset_mode="SameStep"),
    "cued sessions": lambda: VectorContextCue(
        ReachSessionVectorEnv(2, session=SESSION, autoreset_mode="SameStep")
    ),
    "cursors": lambda: BCIReachVectorEnv(2, units=6, autoreset_mode="SameStep"),
}


@pytest.mark.parametrize("inside", INSIDE)
def test_every_vector_environment_of_trials_is_stepped_in_its_wrappers(inside):
    ours, theirs = ReachVecEnv(INSIDE[inside]()), INSIDE[inside]()
    ours.seed(5)
    assert (ours.reset() == theirs.reset(seed=5)[0]).all()
    assert ours.observation_space == theirs.single_observation_space and ours.num_envs == 2
    ends = 0
    for action in actions(ours, 210):
        observation, reward, done, infos = ours.step(action)
        other, expected, _, truncated, info = theirs.step(action)
        assert (observation == other).all() and (done == truncated).all()
        assert (reward == expected.astype(np.float32)).all()
        for row in np.flatnonzero(done):
            last = infos[row]["terminal_observation"]
            assert ours.observation_space.contains(last) and (last == info["final_obs"][row]).all()
            assert infos[row]["trial"] == info["final_info"]["trial"][row]
            ends += 1
    assert ends >= 2


def test_arms_that_wait_go_to_the_targets_of_a_new_schedule():
    """As `SavingsCallback` begins a training: with a schedule set after the first reset."""
    env = ReachVecEnv(8)
    env.reset()
    env.env_method("set_schedule", Schedule((Phase("A", CurlField(8.0), 40, targets=(0,)),)))
    for action in actions(env, 100):
        *_, infos = env.step(action)
    assert [info["target"] for info in infos] == [0] * 8


def test_what_the_environment_has_is_found_through_its_wrappers():
    env = ReachVecEnv(INSIDE["cue"]())
    assert env.get_attr("contexts") == [None] * 2 and env.get_attr("settings")[0].schedule == SCHEDULE
    assert env.env_method("set_schedule", None) == [None] * 2
    assert env.env.unwrapped.settings.schedule is None
    env.set_attr("note", "kept")
    assert env.env.unwrapped.note == "kept" and not env.has_attr("nothing")
    assert [type(wrapper) for wrapper in env.wrappers] == [VectorContextCue]


def test_a_session_by_name_makes_an_environment_of_sessions():
    env = ReachVecEnv(2, session="savings", trial_cue=True)
    assert isinstance(env.env, ReachSessionVectorEnv) and env.get_attr("session")[0] == savings_session()
    assert env.observation_space.shape == (18,) and env.reset().shape == (2, 18)


@pytest.mark.render
def test_films_are_recorded_in_real_time_and_leave_probes_alone(tmp_path):
    pytest.importorskip("moviepy")
    base = ReachVecEnv(1, render_mode="rgb_array")
    env = VecVideoRecorder(base, str(tmp_path), lambda step: step == 0, video_length=5)
    assert env.frames_per_sec == 100 == RENDER_FPS
    TrainingEnv.of(env).probe().close()
    env.reset()
    for action in actions(env, 8):
        env.step(action)
    env.close()
    (film,) = tmp_path.glob("*.mp4")
    assert film.stat().st_size > 1000


def test_sb3_learns_with_a_cue_on_cursors_and_in_sessions():
    for inside in ("cue", "cursors", "sessions"):
        env = ReachVecEnv(INSIDE[inside]())
        small = {"n_steps": 110, "batch_size": 220, "n_epochs": 1, "policy_kwargs": {"net_arch": [8]}}
        assert PPO("MlpPolicy", env, **small).learn(220).num_timesteps == 220


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ReachVecEnv(ReachVectorEnv(2)), "autoreset_mode must be 'SameStep' .* got 'NextStep'"),
        (lambda: ReachVecEnv(ReachVectorEnv(2, autoreset_mode="SameStep"), field=None), r"\['field'\]"),
        (lambda: ReachVecEnv(2, autoreset_mode="Disabled"), "got 'Disabled'"),
        (lambda: ReachVecEnv(True), "env must be a ReachVectorEnv, .* or a number of arms, got True"),
        (lambda: ReachVecEnv("two"), "wrapped or not, or a number of arms, got 'two'"),
        (lambda: ReachVecEnv(ReachEnv()), "or a number of arms, got .*ReachEnv"),
        (lambda: ReachVecEnv(gym.make_vec("CartPole-v1", 2)), "or a number of arms, got CartPoleVectorEnv"),
        (lambda: ReachVecEnv(2, session="savings", shared_trials=True), "shared_trials is for schedules"),
        (lambda: ReachVecEnv(2, session="four"), "session must be a Session"),
        (lambda: ReachVecEnv(BCIReachVectorEnv(2)), "autoreset_mode must be 'SameStep' .* got 'NextStep'"),
        (lambda: ReachVecEnv(0), "num_envs must be a whole number of at least 1 and at most 1000000, got 0"),
        (lambda: ReachVecEnv(2, info="some"), r"info must be one of \('full', 'trial'\), got 'some'"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_package_needs_no_sb3_until_it_is_asked_for_it():
    code = (
        "import sys, savings_gym, savings_gym.sb3; assert 'stable_baselines3' not in sys.modules;"
        "from savings_gym.sb3 import ReachVecEnv; assert 'stable_baselines3' in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_full_infos_are_handed_on_if_asked_for():
    env = ReachVecEnv(2, info="full")
    env.seed(0)
    env.reset()
    _, _, _, infos = env.step(np.zeros((2, 6)))
    assert all({"hand_position", "muscle_force"} <= set(info) for info in infos)
    assert "episode" not in infos[0]


def test_the_limit_of_sessions_is_that_of_their_trials():
    session = Session((Block("NF1", None, 2), Block("FF1", "A", (1, 3))))
    assert ReachVecEnv(2, session=session).get_attr("max_episode_steps") == [500, 500]
    limited = gym.make_vec("ReachSession-v0", num_envs=1, session=session, max_episode_steps=150)
    assert limited.unwrapped.max_episode_steps == 150
