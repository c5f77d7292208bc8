"""Agents by their name: the right networks act, and what was changed or could run a program is refused."""

import pickle
import re
import shutil
import sys

import numpy as np
import pytest

from agents.supervised.checkpoints import load_ensemble, save_ensemble
from agents.supervised.networks import make_ensemble
from agents.supervised.policy import NetworkPolicy
from experiments.share.loading import ALGORITHMS, PRETRAINED, load_agent, shipped_agents
from savings_gym import CurlField, Probe, ReachVectorEnv
from savings_gym.files import Manifest, write_atomically

OBSERVATIONS = np.random.default_rng(0).uniform(0.0, 1.0, (4, 17)).astype(np.float32)


def same_actions(first, second):
    return np.array_equal(first.predict(OBSERVATIONS)[0], second.predict(OBSERVATIONS)[0])


@pytest.fixture
def folder(tmp_path):
    """A folder with weights and a manifest, as it lies on the hub."""
    Manifest.begin(tmp_path, "test")
    write_atomically(
        tmp_path / "gru32-paper.safetensors", (PRETRAINED / "gru32-paper.safetensors").read_bytes()
    )
    return tmp_path


@pytest.mark.parametrize("name", shipped_agents())
def test_every_shipped_agent_loads_by_its_name(name):
    expected = NetworkPolicy(load_ensemble(PRETRAINED / f"{name}.safetensors"), 1)
    assert same_actions(load_agent(name, 1), expected) and not same_actions(load_agent(name), expected)


def test_a_loaded_agent_can_be_probed_and_all_networks_can_act():
    settings = ReachVectorEnv(1).settings
    result = Probe(settings)(load_agent("gru32-paper", 2), CurlField(8.0), record=True)
    assert result.mean("lateral_deviation") > 0.01 and result.activity is not None
    assert load_agent("gru32-paper", None).predict(np.tile(OBSERVATIONS, (6, 1)))[0].shape == (24, 6)


def test_a_file_and_a_folder_give_the_same_agent(folder):
    expected = load_agent("gru32-paper")
    assert same_actions(load_agent(folder), expected)
    assert same_actions(load_agent(folder / "gru32-paper.safetensors"), expected)


def test_weights_that_are_not_those_of_the_manifest_are_refused(folder):
    shutil.copy(PRETRAINED / "gru64-paper.safetensors", folder / "gru32-paper.safetensors")
    with pytest.raises(ValueError, match="not what the run wrote"):
        load_agent(folder)


def test_weights_that_differ_from_their_own_digest_are_refused(tmp_path):
    file = tmp_path / "tiny.safetensors"
    save_ensemble(file, make_ensemble("gru", 1, 4, seed=0))
    load_agent(file)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        load_agent(file)


def test_the_hub_is_asked_for_safe_files_of_one_revision(folder, monkeypatch):
    hub, calls = pytest.importorskip("huggingface_hub"), []

    def download(repository, *, revision, allow_patterns):
        calls.append((repository, revision, allow_patterns))
        return str(folder)

    monkeypatch.setattr(hub, "snapshot_download", download)
    assert same_actions(load_agent("hf:someone/arm"), load_agent("gru32-paper"))
    load_agent("hf:someone/arm@v1.0", trust_pickles=True)
    (first, revision, safe), (_, tag, every) = calls
    assert (first, revision, tag) == ("someone/arm", None, "v1.0")
    pickles = {"model.zip", "normalisation.pkl"}
    assert not pickles & set(safe) and set(every) - set(safe) == pickles


def test_without_huggingface_hub_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"savings_gym\[hub\]"):
        load_agent("hf:someone/arm")


@pytest.fixture(scope="module")
def sb3_folder(tmp_path_factory):
    """An untrained agent of stable-baselines3 with statistics of observations, and its folder."""
    sb3 = pytest.importorskip("stable_baselines3")
    from stable_baselines3.common.vec_env import VecNormalize

    from savings_gym.sb3 import ReachVecEnv

    env = VecNormalize(ReachVecEnv(1))
    env.obs_rms.mean[:] = np.linspace(-1.0, 1.0, 17)
    folder = tmp_path_factory.mktemp("sb3")
    model = sb3.PPO("MlpPolicy", env, n_steps=100, batch_size=100, device="cpu", seed=0)
    model.save(folder / "model.zip")
    (folder / "normalisation.pkl").write_bytes(pickle.dumps(env))
    return model, env, folder


def test_an_agent_of_stable_baselines3_sees_what_it_saw_in_training(sb3_folder):
    model, env, folder = sb3_folder
    agent = load_agent(folder, algorithm="PPO", trust_pickles=True)
    expected, _ = model.predict(env.normalize_obs(OBSERVATIONS), deterministic=True)
    np.testing.assert_array_equal(agent.predict(OBSERVATIONS)[0], expected)
    assert not np.array_equal(expected, model.predict(OBSERVATIONS, deterministic=True)[0])
    Probe(ReachVectorEnv(1).settings)(agent)


def test_the_memory_of_a_recurrent_agent_can_be_recorded(tmp_path):
    pytest.importorskip("sb3_contrib")
    from agents.ppo.recurrent_ppo import RecurrentPPO
    from savings_gym.sb3 import ReachVecEnv

    policy = {"lstm_hidden_size": 4, "net_arch": []}
    model = RecurrentPPO("GruPolicy", ReachVecEnv(1), n_steps=100, policy_kwargs=policy, device="cpu")
    model.save(tmp_path / "model.zip")
    agent = load_agent(tmp_path, algorithm="RecurrentPPO", trust_pickles=True)
    assert Probe(ReachVectorEnv(1).settings)(agent, record=True).activity is not None


def test_pickles_are_not_loaded_unless_trusted(sb3_folder, monkeypatch):
    folder = sb3_folder[2]
    monkeypatch.setattr(pickle, "loads", None)
    with pytest.raises(ValueError, match="model.zip holds pickles.*trust_pickles=True"):
        load_agent(folder, algorithm="PPO")
    with pytest.raises(ValueError, match="got 'DQN'") as error:
        load_agent(folder, algorithm="DQN", trust_pickles=True)
    assert all(name in str(error.value) for name in ALGORITHMS)


def test_an_agent_that_sees_stacked_observations_is_refused(sb3_folder, tmp_path):
    sb3 = pytest.importorskip("stable_baselines3")
    from stable_baselines3.common.vec_env import VecFrameStack

    _, env, folder = sb3_folder
    model = sb3.PPO("MlpPolicy", VecFrameStack(env, 2), n_steps=100, batch_size=100, device="cpu")
    model.save(tmp_path / "model.zip")
    shutil.copy(folder / "normalisation.pkl", tmp_path)
    with pytest.raises(ValueError, match=r"stacked observations, \(34,\) of \(17,\)"):
        load_agent(tmp_path, algorithm="PPO", trust_pickles=True)


@pytest.mark.parametrize(
    "name, message",
    [
        ("gru129", "unknown agent 'gru129'; choose from: gru128, .*hf:owner/repository"),
        ("hf:arm", "expected hf:owner/repository .*got 'hf:arm'"),
        (PRETRAINED, "holds gru128-motor.safetensors, .*name one of them"),
        (PRETRAINED / "README.md", "README.md is not an agent"),
    ],
)
def test_what_is_no_agent_is_refused_with_the_choices(name, message):
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        load_agent(name)
    assert re.search(message, str(error.value))


def test_a_network_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="24.*0 to 23"):
        load_agent("gru32-paper", 24)
