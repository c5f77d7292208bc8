"""Datasets of reaches, read by Minari itself: they replay, and their qualities differ."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import tyro

from agents.baselines.agents import ZeroAgent
from experiments.share.dataset import Dataset, command, main
from experiments.share.demonstrators import (
    ENVIRONMENTS,
    MEDIUM_NOISE,
    QUALITIES,
    demonstrator,
    make_environment,
)
from experiments.share.episodes import REFERENCE_SEED, record_episodes, reference_returns
from experiments.share.loading import load_agent
from savings_gym.envs.trials import spawn_seeds

ROOT = Path(__file__).resolve().parents[3]
FEW = ("--episodes", "3", "--reference-episodes", "2")


def read(folder, *arguments):
    """The dataset that the command writes."""
    minari = pytest.importorskip("minari")
    assert main([*arguments, *FEW, "--out", str(folder)]) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(folder))
        (name,) = minari.list_local_datasets()
        return minari.load_dataset(name)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return read(tmp_path_factory.mktemp("minari"), "--quality", "medium", "--seed", "4")


def test_an_episode_replays_in_the_recovered_environment(dataset):
    env = dataset.recover_environment()
    assert env.spec.id == "ForceFieldReach-v0"
    seeds = [entry["seed"] for entry in dataset.storage.get_episode_metadata(range(3))]
    assert seeds == spawn_seeds(4, 3)
    for episode, seed in zip(dataset, seeds, strict=True):
        observations = [env.reset(seed=seed)[0]]
        for action, reward, truncated in zip(
            episode.actions, episode.rewards, episode.truncations, strict=True
        ):
            observation, again, terminated, over, info = env.step(action)
            observations.append(observation)
            assert again == pytest.approx(reward, abs=1e-9) and over == truncated and not terminated
        np.testing.assert_allclose(np.array(observations), episode.observations, atol=1e-6)
        np.testing.assert_allclose(info["hand_position"], episode.infos["hand_position"][-1], atol=1e-9)
    assert not episode.terminations.any() and episode.truncations.tolist() == [False] * 99 + [True]


def test_metadata_say_who_what_how_and_how_well(dataset):
    about = dataset.storage.metadata
    assert about["dataset_id"] == "savings_gym/ForceFieldReach-v0/medium-v0"
    assert QUALITIES["medium"] in about["algorithm_name"] and QUALITIES["medium"] in about["description"]
    assert about["author"] == {"savings_gym contributors"} and about["seed"] == 4
    assert re.search(r"[0-9a-f]{12}|\d+\.\d+", about["code_permalink"])
    assert {"mujoco", "savings_gym"} <= set(about["versions"])
    returns = [episode.rewards.sum() for episode in dataset]
    assert about["returns"] == {
        "mean": pytest.approx(np.mean(returns)), "sd": pytest.approx(np.std(returns, ddof=1)), "n": 3,
    }  # fmt: skip
    assert list(about["reference_returns"]) == list(QUALITIES)


def test_normalised_scores_are_0_for_random_and_1_for_expert(dataset):
    minari = pytest.importorskip("minari")
    of = dataset.storage.metadata["reference_returns"]
    means = np.array([of[quality]["mean"] for quality in ("random", "medium", "expert")])
    scores = minari.get_normalized_score(dataset, means)
    assert scores[0] == 0.0 and scores[2] == 1.0 and 0.25 < scores[1] < 0.75


@pytest.mark.parametrize("env_id", ENVIRONMENTS)
def test_the_expert_earns_more_than_the_mediocre_and_that_more_than_chance_in_every_trial(env_id):
    seeds, env = spawn_seeds(0, 4), make_environment(env_id, 1)
    policies = {quality: demonstrator(env_id, quality, 0) for quality in QUALITIES}
    trials = {quality: record_episodes(env_id, policy, seeds) for quality, policy in policies.items()}
    expert, medium, random = (trials[quality].returns for quality in ("expert", "medium", "random"))
    assert (expert > medium).all() and (medium > random).all()
    assert 0.25 < (medium.mean() - random.mean()) / (expert.mean() - random.mean()) < 0.75

    noisy = policies["medium"]
    np.testing.assert_allclose(noisy._sd, MEDIUM_NOISE * (noisy._high - noisy._low))
    assert noisy._policy.field.is_null != policies["expert"].field.is_null == env.settings.field.is_null


@pytest.mark.slow
def test_the_scores_of_the_readme_are_those_of_an_arm_without_commands_and_of_networks():
    env_id, seeds = "ForceFieldReach-v0", spawn_seeds(REFERENCE_SEED, 100)
    references = reference_returns(env_id, ("expert", "random"), len(seeds))
    best, worst = (references[quality]["mean"] for quality in ("expert", "random"))
    still, networks = (
        (record_episodes(env_id, policy, seeds).returns.mean() - worst) / (best - worst)
        for policy in (ZeroAgent(make_environment(env_id, 1).single_action_space), load_agent("gru128", 0))
    )
    text = " ".join((ROOT / "experiments" / "README.md").read_text().split())
    assert f"an arm without any command scores {still:.2f}, and `gru128`" in text
    assert f"which never met the field, {networks:.2f}." in text


def test_to_know_the_field_pays():
    env_id, seeds = "ForceFieldReach-v0", spawn_seeds(0, 8)
    wrong = demonstrator(env_id, "medium", 0)._policy  # without noise
    expert, other = (
        record_episodes(env_id, policy, seeds) for policy in (demonstrator(env_id, "expert", 0), wrong)
    )
    go = ~expert.infos["catch"][:, 0].astype(bool)
    assert (expert.returns - other.returns)[go].mean() > 0


def test_equal_seeds_give_equal_episodes_however_many():
    policy = load_agent("gru32-paper")
    few, many = (record_episodes("NullFieldReach-v0", policy, spawn_seeds(1, n)) for n in (2, 4))
    np.testing.assert_allclose(few.actions, many.actions[:2], atol=1e-5)


@pytest.fixture
def known_references(monkeypatch):
    """References that need no trials."""
    of = {
        quality: {"mean": mean, "sd": 1.0, "n": 2}
        for quality, mean in zip(QUALITIES, (1, -3, -7), strict=True)
    }
    monkeypatch.setattr("experiments.share.dataset.reference_returns", lambda *_: of)


def test_an_agent_reaches_in_a_dataset_of_its_own(known_references, tmp_path):
    given = ["--agent", "gru32-paper", "--network", "1", "--env", "NullFieldReach-v0", "--no-infos"]
    dataset = read(tmp_path, *given)
    assert dataset.spec.dataset_id == "savings_gym/NullFieldReach-v0/gru32-paper-network1-v0"
    assert not dataset[0].infos and "gru32-paper, network 1" in dataset.storage.metadata["algorithm_name"]


def test_the_files_have_minaris_layout(dataset):
    folder = Path(dataset.spec.data_path)
    assert sorted(file.name for file in folder.iterdir()) == ["main_data.hdf5", "metadata.json"]
    about = json.loads((folder / "metadata.json").read_text())
    assert about["data_format"] == "hdf5" and about["total_steps"] == 300
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "main_data.hdf5") as file:
        episode = file["episode_0"]
        assert len(file) == 3 and episode.attrs["total_steps"] == 100
        shapes = {name: episode[name].shape for name in ("observations", "actions", "rewards")}
    assert shapes == {"observations": (101, 17), "actions": (100, 6), "rewards": (100,)}
    root = folder.parents[3]
    assert {path.name for path in root.iterdir()} == {"savings_gym"}, "nothing temporary is left"


def test_the_commands_of_the_readme_make_datasets_that_minari_lists(known_references, tmp_path):
    pytest.importorskip("minari")
    section = (ROOT / "experiments" / "README.md").read_text().split("**Datasets.**")[1]
    block = re.search(r"```bash\n(.*?)```", section, re.DOTALL)[1]
    few = block.replace("--episodes 1000", " ".join(FEW)).replace("runs/minari", str(tmp_path / "minari"))
    *makers, lister = few.splitlines()
    for maker in makers:
        python, option, module, *arguments = shlex.split(maker)
        assert (python, option, module) == ("python", "-m", "experiments.share.dataset")
        assert main(arguments) == 0
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": "300"}
    done = subprocess.run(lister, shell=True, env=environment, capture_output=True, text=True)
    assert "ForceFieldReach-v0/medium" in done.stdout, done.stderr
    assert "NullFieldReach-v0/gru128-network0" in done.stdout


@pytest.mark.parametrize(
    "wrong, message",
    [
        (["--env", "SavingsReach-v0"], "SavingsReach-v0.*choose from.*ForceFieldReach-v0"),
        (["--quality", "good"], r"quality must be one of \('expert', 'medium', 'random'\), got 'good'"),
        (["--episodes", "1"], "episodes"),
    ],
)
def test_bad_arguments_are_refused(wrong, message, tmp_path, capfd):
    with pytest.raises(SystemExit):
        main([*wrong, "--out", str(tmp_path / "out")])
    assert re.search(message, re.sub(r"[\s│]+", " ", capfd.readouterr().err))
    assert not (tmp_path / "out").exists()


def test_a_dataset_is_not_overwritten_and_an_unknown_agent_not_looked_for(tmp_path, caplog):
    pytest.importorskip("minari")
    (tmp_path / Dataset().dataset_id).mkdir(parents=True)
    assert main([*FEW, "--out", str(tmp_path)]) == 2 and "exists already" in caplog.text
    assert main(["--agent", "gru31", "--out", str(tmp_path)]) == 2 and "gru32-paper" in caplog.text


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--network", "1"], "--network 1 changes nothing without --agent"),
        (["--agent", "gru32-paper", "--quality", "random"], "--quality random changes nothing with --agent"),
    ],
)
def test_arguments_that_change_nothing_are_refused(given, words, tmp_path, caplog):
    assert main([*given, "--out", str(tmp_path / "out")]) == 2 and words in caplog.text
    assert not (tmp_path / "out").exists()


def test_the_command_of_a_dataset_can_be_copied():
    assert command(Dataset()) == "python -m experiments.share.dataset"
    config = Dataset(author="Jane Doe", out=Path("my data"), infos=False)
    words = command(config)
    assert words == "python -m experiments.share.dataset --out 'my data' --no-infos --author 'Jane Doe'"
    assert tyro.cli(Dataset, args=shlex.split(words)[3:]) == config


def test_every_environment_with_one_field_has_demonstrators():
    single = {
        env_id
        for env_id, spec in gym.registry.items()
        if str(spec.entry_point) == "savings_gym.envs.single:ReachEnv" and "schedule" not in spec.kwargs
    }
    assert single == set(ENVIRONMENTS)
