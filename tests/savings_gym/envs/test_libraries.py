"""Other libraries, and Gymnasium's own wrappers, take the environments as they are."""

import multiprocessing

import gymnasium as gym
import numpy as np
import pytest

from savings_gym import BCI_ENV_IDS, ENV_IDS, Phase, ReachVectorEnv, Schedule

TRIAL_IDS = [env_id for env_id in ENV_IDS if env_id != "ReachSession-v0"]  # whose episodes are trials
ALL_IDS = (*ENV_IDS, *BCI_ENV_IDS)
NUMBERS = "biuf"  # NumPy kinds


def numbers(info):
    """Type and shape of every value of an info; a value that is none of NumPy's numbers fails."""
    assert all(isinstance(value, (np.ndarray, np.number)) for value in info.values())
    assert all(value.dtype.kind in NUMBERS for value in info.values())
    return {name: (value.dtype, value.shape) for name, value in info.items()}


@pytest.mark.parametrize("env_id", ALL_IDS)
def test_info_has_the_same_numbers_after_reset_and_after_every_step(env_id):
    env = gym.make(env_id)
    first = numbers(env.reset(seed=0)[1])
    for _ in range(100):
        assert numbers(env.step(env.action_space.sample())[4]) == first
    assert numbers(env.reset()[1]) == first


@pytest.mark.parametrize("env_id", ALL_IDS)
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


@pytest.mark.parametrize("env_id", [*TRIAL_IDS, *BCI_ENV_IDS])
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
    pytest.importorskip("array_api_compat")
    env = gym.wrappers.vector.NumpyToTorch(
        gym.make_vec("SavingsReach-v0", 2, vectorization_mode=vectorization_mode)
    )
    _, info = env.reset(seed=0)
    assert info["phase"].tolist() == [0, 0] and info["phase"].dtype == torch.int64
    for _ in range(102):
        observation, reward, _, _, info = env.step(torch.zeros(2, 6))
    assert observation.dtype == torch.float32 and info["trial"].tolist() == [1, 1]


def test_gymnasium_turns_single_infos_into_tensors():
    pytest.importorskip("torch")
    pytest.importorskip("array_api_compat")
    env = gym.wrappers.NumpyToTorch(gym.make("SavingsReach-v0"))
    assert env.reset(seed=0)[1]["catch"].shape == ()


@pytest.fixture
def torchrl():
    """TorchRL's environments; the import must not change how this process starts others."""
    pytest.importorskip("torch")
    multiprocessing.get_start_method()  # fixes the default, so that TorchRL cannot replace it
    return pytest.importorskip("torchrl.envs")


@pytest.mark.parametrize("env_id", [*TRIAL_IDS, *BCI_ENV_IDS])
@pytest.mark.filterwarnings("ignore")
def test_torchrl_checks_and_rolls_out_every_environment(torchrl, env_id):
    env = torchrl.GymEnv(env_id).auto_register_info_dict()
    torchrl.check_env_specs(env)
    rollout = env.rollout(205, break_when_any_done=False)
    assert rollout["next", "truncated"].sum() == 2
    assert rollout["next", "trial"].diff().sum() == 2 and rollout["phase"].unique().numel() == 1


@pytest.mark.filterwarnings("ignore")
def test_torchrl_rolls_out_sessions(torchrl):
    session = {"blocks": [{"name": name, "field": name, "trials": 1} for name in "AB"]}
    env = torchrl.GymEnv("ReachSession-v0", session=session).auto_register_info_dict()
    torchrl.check_env_specs(env)
    rollout = env.rollout(205, break_when_any_done=False)
    assert rollout["next", "truncated"].flatten().nonzero().tolist() == [[199]]
    assert rollout["next", "trial_ended"].flatten().nonzero().tolist() == [[99], [199]]
    assert rollout["session"].unique().numel() == 2 and not rollout["next", "terminated"].any()


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


@pytest.mark.parametrize("env_id", TRIAL_IDS)
@pytest.mark.filterwarnings("ignore")
def test_torchrl_trains_on_every_environment(torchrl, env_id):
    import torch
    from tensordict.nn import NormalParamExtractor, TensorDictModule
    from torchrl.modules import ProbabilisticActor, TanhNormal, ValueOperator
    from torchrl.objectives import ClipPPOLoss
    from torchrl.objectives.value import GAE

    torch.manual_seed(0)
    env = torchrl.TransformedEnv(torchrl.GymEnv(env_id), torchrl.StepCounter())
    n, m, low, high = 17, 6, 0.0, 1.0
    if "Torque" in env_id:
        n, m, low, high = 9, 2, -1.0, 1.0
    network = torch.nn.Sequential(torch.nn.Linear(n, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2 * m))
    actor = ProbabilisticActor(
        TensorDictModule(
            torch.nn.Sequential(network, NormalParamExtractor()), ["observation"], ["loc", "scale"]
        ),
        in_keys=["loc", "scale"],
        distribution_class=TanhNormal,
        distribution_kwargs={"low": low, "high": high},
        return_log_prob=True,
        spec=env.action_spec,
    )
    critic = ValueOperator(torch.nn.Linear(n, 1), in_keys=["observation"])
    data = env.rollout(200, actor, break_when_any_done=False).detach()
    assert data["step_count"].max() == 99 and data["action"].shape == (200, m)
    GAE(gamma=0.99, lmbda=0.95, value_network=critic)(data)
    before = network[0].weight.detach().clone()
    optimizer = torch.optim.Adam([*network.parameters(), *critic.parameters()])
    losses = ClipPPOLoss(actor, critic)(data)
    sum(loss for name, loss in losses.items() if name.startswith("loss_")).backward()
    optimizer.step()
    assert torch.isfinite(network[0].weight).all() and not torch.equal(before, network[0].weight)


@pytest.mark.parametrize("env_id", TRIAL_IDS)
@pytest.mark.filterwarnings("ignore")
def test_tianshou_trains_on_every_environment(env_id):
    """Tianshou 2 needs pandas below 3, so that it cannot be installed beside this project's pins."""
    pytest.importorskip("tianshou", minversion="2.0")
    import torch
    from tianshou.algorithm import PPO
    from tianshou.algorithm.modelfree.reinforce import ProbabilisticActorPolicy
    from tianshou.algorithm.optim import AdamOptimizerFactory
    from tianshou.data import Collector, VectorReplayBuffer
    from tianshou.env import DummyVectorEnv
    from tianshou.trainer import OnPolicyTrainerParams
    from tianshou.utils.net.common import Net
    from tianshou.utils.net.continuous import ContinuousActorProbabilistic, ContinuousCritic

    torch.manual_seed(0)
    envs = DummyVectorEnv([lambda: gym.make(env_id)] * 2)
    envs.seed(0)
    space = gym.make(env_id).action_space
    shape = gym.make(env_id).observation_space.shape
    actor = ContinuousActorProbabilistic(
        preprocess_net=Net(state_shape=shape, hidden_sizes=[8]), action_shape=space.shape
    )
    policy = ProbabilisticActorPolicy(
        actor=actor,
        dist_fn=lambda out: torch.distributions.Independent(torch.distributions.Normal(*out), 1),
        action_space=space,
    )
    critic = ContinuousCritic(preprocess_net=Net(state_shape=shape, hidden_sizes=[8]))
    algorithm = PPO(policy=policy, critic=critic, optim=AdamOptimizerFactory(lr=1e-3))
    collector = Collector(policy, envs, VectorReplayBuffer(800, 2))
    before = [parameter.detach().clone() for parameter in actor.parameters()]
    result = algorithm.run_training(
        OnPolicyTrainerParams(
            training_collector=collector,
            max_epochs=1,
            epoch_num_steps=400,
            collection_step_num_env_steps=200,
            verbose=False,
            show_progress=False,
        )
    )
    assert result.train_step == 400 and result.train_episode == 4
    assert not all(map(torch.equal, before, actor.parameters()))
