"""Other libraries, and Gymnasium's own wrappers, take the environments as they are."""

import multiprocessing

import gymnasium as gym
import numpy as np
import pytest

from savings_gym import ENV_IDS, Phase, ReachVectorEnv, Schedule

NUMBERS = "biuf"  # NumPy kinds


def numbers(info):
    """Type and shape of every value of an info; a value that is none of NumPy's numbers fails."""
    assert all(isinstance(value, (np.ndarray, np.number)) for value in info.values())
    assert all(value.dtype.kind in NUMBERS for value in info.values())
    return {name: (value.dtype, value.shape) for name, value in info.items()}


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_info_has_the_same_numbers_after_reset_and_after_every_step(env_id):
    env = gym.make(env_id)
    first = numbers(env.reset(seed=0)[1])
    for _ in range(100):
        assert numbers(env.step(env.action_space.sample())[4]) == first
    assert numbers(env.reset()[1]) == first


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_info_of_a_vector_env_is_that_of_gymnasiums_own(env_id):
    batched, sync = (gym.make_vec(env_id, 2, vectorization_mode=mode) for mode in (None, "sync"))
    first = numbers(batched.reset(seed=0)[1])
    assert first == numbers(sync.reset(seed=0)[1])
    for _ in range(102):
        actions = batched.action_space.sample()
        assert numbers(batched.step(actions)[4]) == numbers(sync.step(actions)[4]) == first


WRAPPERS = {
    "frames": lambda env: gym.wrappers.FrameStackObservation(env, 3),
    "normal observations": gym.wrappers.NormalizeObservation,
    "normal rewards": gym.wrappers.NormalizeReward,
    "statistics": gym.wrappers.RecordEpisodeStatistics,
    "time limit": lambda env: gym.wrappers.TimeLimit(env, 60),
    "rescaled actions": lambda env: gym.wrappers.RescaleAction(env, np.float32(-1.0), np.float32(1.0)),
    "clipped actions": gym.wrappers.ClipAction,
    "time": gym.wrappers.TimeAwareObservation,
}


@pytest.mark.parametrize("env_id", ENV_IDS)
@pytest.mark.parametrize("name", WRAPPERS)
def test_gymnasiums_wrappers_take_every_environment(env_id, name):
    env = gym.wrappers.Autoreset(WRAPPERS[name](gym.make(env_id)))
    observation, info = env.reset(seed=0)
    trials = [int(info["trial"])]
    for _ in range(122):
        assert env.observation_space.contains(observation)
        observation, reward, terminated, _, info = env.step(env.action_space.sample())
        assert np.isfinite(reward) and not terminated
        trials.append(int(info["trial"]))
    length = 60 if name == "time limit" else 100
    assert trials.index(1) == length + 1 and max(trials) == 122 // (length + 1)


def test_gymnasiums_statistics_are_those_of_a_trial():
    env = gym.wrappers.RecordEpisodeStatistics(gym.make("NullFieldReach-v0"))
    env.reset(seed=0)
    rewards = [env.step(np.zeros(6)) for _ in range(100)]
    episode = rewards[-1][4]["episode"]
    assert episode["l"] == 100 and episode["r"] == pytest.approx(sum(step[1] for step in rewards), abs=1e-5)


@pytest.mark.parametrize("vectorization_mode", [None, "sync"])
def test_gymnasium_turns_vector_infos_into_tensors(vectorization_mode):
    torch = pytest.importorskip("torch")
    wrappers = pytest.importorskip("gymnasium.wrappers.vector")
    env = wrappers.NumpyToTorch(gym.make_vec("SavingsReach-v0", 2, vectorization_mode=vectorization_mode))
    _, info = env.reset(seed=0)
    assert info["phase"].tolist() == [0, 0] and info["phase"].dtype == torch.int64
    for _ in range(102):
        observation, reward, _, _, info = env.step(torch.zeros(2, 6))
    assert observation.dtype == torch.float32 and info["trial"].tolist() == [1, 1]


def test_gymnasium_turns_single_infos_into_tensors():
    pytest.importorskip("torch")
    wrappers = pytest.importorskip("gymnasium.wrappers")
    env = wrappers.NumpyToTorch(gym.make("SavingsReach-v0"))
    assert env.reset(seed=0)[1]["catch"].shape == ()


@pytest.fixture
def torchrl():
    """TorchRL's environments; the import must not change how this process starts others."""
    pytest.importorskip("torch")
    multiprocessing.get_start_method()  # fixes the default, so that TorchRL cannot replace it
    return pytest.importorskip("torchrl.envs")


@pytest.mark.parametrize("env_id", ENV_IDS)
@pytest.mark.filterwarnings("ignore")
def test_torchrl_checks_and_rolls_out_every_environment(torchrl, env_id):
    env = torchrl.GymEnv(env_id).auto_register_info_dict()
    torchrl.check_env_specs(env)
    rollout = env.rollout(205, break_when_any_done=False)
    assert rollout["next", "truncated"].sum() == 2
    assert rollout["next", "trial"].diff().sum() == 2 and rollout["phase"].unique().numel() == 1


@pytest.mark.filterwarnings("ignore")
def test_torchrl_runs_copies_in_processes(torchrl):
    env = torchrl.GymEnv("SavingsReach-v0", num_envs=3)
    torchrl.check_env_specs(env)
    rollout = env.rollout(120, break_when_any_done=False)
    assert rollout.batch_size == (3, 120) and (rollout["phase"] == 0).all()
    env.close()


@pytest.mark.parametrize("mode", ["SameStep", "Disabled"])  # TorchRL takes no other
@pytest.mark.filterwarnings("ignore")
def test_torchrl_takes_the_vector_env(torchrl, mode):
    schedule = Schedule((Phase("one", None, 3), Phase("two", None, 3)))
    env = ReachVectorEnv(3, schedule=schedule, shared_trials=True, autoreset_mode=mode)
    wrapped = torchrl.GymWrapper(env)
    if not wrapped.info_dict_reader:  # with SameStep there is one from the beginning
        wrapped = wrapped.auto_register_info_dict()
    torchrl.check_env_specs(wrapped)
    env.reset(seed=0)
    rollout = wrapped.rollout(205, break_when_any_done=False)
    assert rollout["next", "truncated"].sum() == 6 and (rollout["phase"][:, -1] == 1).all()


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_minari_records_the_infos(env_id, tmp_path, monkeypatch):
    minari = pytest.importorskip("minari")
    pytest.importorskip("jax")  # of minari[create]
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    env = minari.DataCollector(gym.make(env_id), record_infos=True)
    for _ in range(2):
        env.reset(seed=0)
        for _ in range(100):
            env.step(env.action_space.sample())
    about = dict.fromkeys(("algorithm_name", "code_permalink", "author", "author_email"), "x")
    episode = env.create_dataset(f"savings/{env_id.lower()}", **about)[1]
    assert episode.infos["phase"].shape == episode.infos["reward_effort"].shape == (101,)
    env.close()
