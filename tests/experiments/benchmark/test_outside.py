"""Agents from elsewhere: found by name, refused before any work, and held to the trials asked for."""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sb3_contrib
import stable_baselines3
import tyro
from stable_baselines3.common.base_class import BaseAlgorithm

import experiments
from experiments.benchmark import command as benchmark_command
from experiments.benchmark import job as benchmark_job
from experiments.benchmark.agents import AGENTS, Sb3Agent
from experiments.benchmark.command import PRESETS, Benchmark, job_arguments
from experiments.benchmark.counting import EnvMaker, UnequalTrialsError, learn_and_check
from experiments.benchmark.learners import make_model
from experiments.benchmark.outside import find_agent, folder_name
from experiments.benchmark.protocol import Job, Protocol
from experiments.benchmark.row_file import check_row
from experiments.benchmark.rows import table_rows
from experiments.examples.cleanrl_style_ppo import PPO

CHECKOUT = Path(experiments.__file__).resolve().parents[1]
TINY = Protocol(nf1=16, ff1=8, nf2=8, ff2=8, probe_every=8, carried_trials=1)
AGENT = '''
import numpy as np

class Learner:
    """Acts at random in training, and not at all in probes."""
    def __init__(self, make_env, seed, arms=4, surplus=0):
        self.envs, self.rng, self.surplus = make_env(arms), np.random.default_rng(seed), surplus
        self.envs.reset(seed=seed)

    def learn(self, trials):
        ended = 0
        while ended < trials + self.surplus:
            _, _, _, ends, _ = self.envs.step(self.rng.random(self.envs.action_space.shape))
            ended += int(ends.sum())

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        return np.zeros((len(observation), 6)), None
'''
MISFITS = """
class NoLearn:
    def __init__(self, make_env, seed): ...
    def predict(self, observation, state=None, episode_start=None, deterministic=True): ...

class BadPredict(NoLearn):
    def learn(self, trials): ...
    def predict(self, observation): ...

class BadInit(NoLearn):
    def __init__(self, env): ...
    def learn(self, trials): ...

class HalfSaved(NoLearn):
    def learn(self, trials): ...
    def save(self, path): ...
"""
MYSTERY = """
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.td3.policies import TD3Policy

class Mystery(OffPolicyAlgorithm):
    policy_aliases = {"MlpPolicy": TD3Policy}
    def __init__(self, policy, env, seed=None, device="auto"):
        super().__init__(
            policy, env, 1e-3, 64, seed=seed, device=device, support_multi_env=True, sde_support=False
        )
        self._setup_model()
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder that is not the checkout, with agents in files."""
    (tmp_path / "mine.py").write_text(AGENT)
    (tmp_path / "misfits.py").write_text(MISFITS)
    (tmp_path / "mystery.py").write_text(MYSTERY)
    (tmp_path / "broken.py").write_text("import no_such_package")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sarsa", f"unknown agent 'sarsa'; choose from: {', '.join(AGENTS)}, or give module:Class"),
        ("nowhere.py:Learner", "there is no file 'nowhere.py'"),
        ("nowhere:Learner", "there is no module 'nowhere', neither installed nor in "),
        ("broken.py:Learner", "cannot be imported: ModuleNotFoundError: No module named 'no_such_package'"),
        ("mine.py:Lerner", "mine.py has no class 'Lerner'; choose from: Learner"),
        ("misfits.py:NoLearn", r"has no learn\(trials\); an agent is a class, made by NoLearn\(make_env,"),
        ("misfits.py:BadPredict", r"must be predict\(observation, state=None, episode_start=None, determin"),
        ("misfits.py:BadInit", r"it must be made by BadInit\(make_env, seed, ...\)"),
        ("misfits.py:HalfSaved", r"has only one of save\(path\) and load\(path\)"),
        ("stable_baselines3:TD4", "no class 'TD4'; choose from: A2C, DDPG, DQN, PPO, SAC, TD3"),
        ("stable_baselines3:DQN", "cannot be made for the arm: AssertionError: The algorithm only supports"),
        ("sb3_contrib:ARS", "ARS is neither an on-policy nor an off-policy algorithm of stable-baselines3"),
        ("mystery.py:Mystery", "has no exploration noise that is known .* --protocol.exploration as-trained"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_the_choices(name, message, place):
    with pytest.raises(ValueError, match=message):
        Benchmark(agents=(name,))


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        (
            "mine.py:Learner",
            "[settings]\nlegs = 2",
            "'legs' is not an argument of it; choose from: arms, surplus",
        ),
        (
            "mine.py:Learner",
            "[settings]\nseed = 2",
            "'seed' is set by the benchmark; choose from: arms, surpl",
        ),
        (
            "mine.py:Learner",
            "arms = 2",
            "entry of .*settings.toml must be one of .*'description', .*got 'arms'",
        ),
        ("mine.py:Learner", "settings = 2", r"settings must be a table, \[settings\], got 2"),
        ("mine.py:Learner", "arms", "is not a TOML file"),
        ("stable_baselines3:TD3", "arms = 0", "cannot be made for the arm: ValueError: num_envs must be"),
        (
            "stable_baselines3:TD3",
            "[settings]\naction_noise = -1",
            "action_noise must be a finite number of at",
        ),
        ("stable_baselines3:PPO", "[settings]\naction_noise = 1", "'action_noise' is not an argument of it"),
        ("stable_baselines3:PPO", "last_rate = 1e-4", "last_rate needs a learning_rate"),
        ("ppo", "", "--settings is for one agent from elsewhere"),
    ],
)
def test_settings_that_do_not_fit_are_refused(name, settings, message, place):
    (place / "settings.toml").write_text(settings)
    with pytest.raises(ValueError, match=message):
        Benchmark(agents=(name,), settings=place / "settings.toml")


def test_noise_that_is_not_known_is_refused_unless_left_as_trained(place):
    job = {"agent": "mystery.py:Mystery", "seed": 0, "out": place / "job"}
    for exploration in ("fixed", "reset"):
        with pytest.raises(ValueError, match="mystery.py:Mystery has no exploration noise that is known"):
            Job(**job, protocol=Protocol(exploration=exploration))
    left = Protocol(exploration="as-trained")
    assert "known_noise" not in Job(**job, protocol=left).identity()["settings"]
    assert len(Benchmark(agents=(job["agent"],), seeds=(0,), protocol=left).all_jobs()) == 2


@pytest.mark.parametrize("algorithm", ["TD3", "DDPG"])
def test_action_noise_is_a_standard_deviation_of_every_action(algorithm, place):
    (place / "settings.toml").write_text("arms = 2\n[settings]\naction_noise = 0.1")
    agent = find_agent(f"stable_baselines3:{algorithm}", place / "settings.toml")
    noise = make_model(agent, seed=0).action_noise
    draws = np.array([noise() for _ in range(2000)])
    assert draws.shape == (2000, 6)
    np.testing.assert_allclose(draws.mean(0), 0.0, atol=0.02)
    np.testing.assert_allclose(draws.std(0), 0.1, rtol=0.1)


@pytest.mark.parametrize("package", [stable_baselines3, sb3_contrib])
def test_every_on_policy_and_off_policy_algorithm_for_continuous_actions_is_an_agent(package):
    algorithms = {name for name in package.__all__ if isinstance(getattr(package, name), type)}
    algorithms = {name for name in algorithms if issubclass(getattr(package, name), BaseAlgorithm)}
    refused = {"DQN", "QRDQN", "MaskablePPO", "ARS"} & algorithms  # discrete actions, or no rollouts
    assert len(algorithms) > 5 and len(refused) > 0
    for name in sorted(algorithms - refused):
        agent = find_agent(f"{package.__name__}:{name}")
        assert isinstance(agent, Sb3Agent) and agent.known_noise
    for name in refused:
        with pytest.raises(ValueError, match="cannot be made for the arm|neither an on-policy nor"):
            find_agent(f"{package.__name__}:{name}")


@pytest.mark.parametrize("surplus", [-4, 0, 4])
def test_more_or_fewer_trials_than_asked_for_are_noticed(surplus, place):
    cls = find_agent("mine.py:Learner")
    assert cls.settings == {"arms": 4, "surplus": 0}
    make_env = EnvMaker(TINY, "mine")
    module = sys.modules["agent_from_mine"]
    learner = module.Learner(make_env, 0, surplus=surplus)
    if surplus:
        expected = (
            rf"mine: learn\(8\) made {8 + surplus} whole trials and {100 * (8 + surplus)} control steps"
        )
        with pytest.raises(UnequalTrialsError, match=expected):
            learn_and_check(learner, make_env.made(), 8, "mine")
    else:
        learn_and_check(learner, make_env.made(), 8, "mine")


def test_trials_that_are_cut_short_are_noticed(place):
    make_env = EnvMaker(TINY, "mine")

    class Cheat:
        def learn(self, trials):
            env = make_env.made()
            for step in range(150):  # the first trial is given up after 50 steps
                if step in (0, 50):
                    env.reset()
                env.step(np.zeros((8, 6)))

    make_env(8, autoreset_mode="SameStep")
    with pytest.raises(UnequalTrialsError, match="made 8 whole trials and 1200 control steps, expected 8"):
        learn_and_check(Cheat(), make_env.made(), 8, "cheat")


def test_a_seed_after_the_first_step_is_refused_because_it_restarts_the_schedule(place):
    env = EnvMaker(TINY, "mine")(8, autoreset_mode="SameStep")
    env.reset(seed=1)
    env.reset(seed=0)  # nothing is lost before the first step
    env.step(np.zeros((8, 6)))
    for seed in (0, [0] * 8):
        with pytest.raises(ValueError, match="after 8 control steps would restart the schedule at its first"):
            env.reset(seed=seed)
    env.reset()


def test_a_first_reset_without_a_seed_has_that_of_the_job():
    first, second, other = (
        EnvMaker(TINY, "mine", seed)(8).reset(seed=given)[0]
        for seed, given in ((3, None), (None, 3), (4, None))
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_trials_of_another_phase_are_noticed(place):
    find_agent("mine.py:Learner")
    make_env = EnvMaker(TINY, "mine")
    learner = sys.modules["agent_from_mine"].Learner(make_env, 0)
    for phase in ("NF1", "NF1", "FF1"):
        learn_and_check(learner, make_env.made(), 8, "mine", phase)
    with pytest.raises(UnequalTrialsError, match=r"learn\(8\) made trials of NF2, expected FF2 only"):
        learn_and_check(learner, make_env.made(), 8, "mine", "FF2")


def test_arms_have_to_share_the_trials_between_probes():
    make_env = EnvMaker(Protocol(nf1=24, ff1=16, nf2=16, ff2=20, probe_every=8), "mine")
    with pytest.raises(ValueError, match=r"make_env\(8\) makes arms .* 4 or 8 trials .* one of 1, 2, 4$"):
        make_env(8)
    make_env(4)
    with pytest.raises(ValueError, match="mine called make_env twice"):
        make_env(4)


def test_the_command_of_a_job_passes_an_agent_from_elsewhere_on(place):
    (place / "settings.toml").write_text("[settings]\narms = 2")
    config = Benchmark(
        agents=("mine.py:Learner", "zero"), settings=Path("settings.toml"), seeds=(3,), sham=False
    )
    ours, theirs = config.all_jobs()
    assert theirs.declaration.settings["arms"] == 2 and ours.settings is None
    assert theirs.out.parent.name == folder_name("mine.py:Learner") == "mine.py-Learner"
    assert tyro.cli(Job, args=job_arguments(theirs)) == theirs


def test_any_algorithm_of_stable_baselines3_is_a_row(place):
    settings = "buffer_size = 800\nbatch_size = 8\ntrain_freq = 20\npolicy_kwargs.net_arch = [4]"
    settings += "\naction_noise = 0.1"
    (place / "settings.toml").write_text(f"arms = 8\n[settings]\n{settings}")
    job = Job("stable_baselines3:TD3", 0, place / "td3", TINY, settings=place / "settings.toml")
    assert isinstance(job.declaration, Sb3Agent)
    benchmark_job.run(job)
    recorded = job.record["identity"]["settings"]["settings"]
    assert recorded["batch_size"] == 8 and recorded["action_noise"] == 0.1
    returns = pd.read_parquet(job.out / "returns.parquet")
    assert returns.groupby("phase")["trials"].sum().to_dict() == {"NF1": 16, "FF1": 8, "NF2": 8, "FF2": 8}


def test_a_benchmark_from_outside_the_checkout_makes_a_row_and_a_page(place):
    phases = [f"--protocol.{name}=8" for name in ("nf1", "ff1", "nf2", "ff2")]
    command = [
        "-m",
        "experiments.benchmark",
        "--agent",
        "mine.py:Learner",
        "--seeds",
        "0",
        "--out=out",
        "--no-sham",
    ]
    done = subprocess.run(
        [sys.executable, *command, *phases, "--protocol.probe-every=8"],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    content = check_row(place / "out" / "rows" / "mine.py-Learner" / "row.json")
    assert content["agent"] == "mine.py:Learner" and content["control_steps"] == 4 * 8 * 100
    assert content["protocol"]["exploration"] == "the agent's own"
    page = (place / "out" / "README.md").read_text()
    assert "| mine.py:Learner | 1 |" in page
    assert "The exploration of mine.py:Learner is the agent's own" in page
    record = json.loads((place / "out" / "mine.py-Learner" / "seed-0" / "job.json").read_text())
    assert record["identity"]["settings"]["settings"] == {"arms": 4, "surplus": 0}


BROKEN = """
class Learner:
    def __init__(self, make_env, seed):
        self.envs = make_env(4)
    def learn(self, trials): ...
    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        raise RuntimeError("a layer of the wrong size")
"""


def test_an_agent_that_does_not_work_is_given_up_with_its_first_job(place, monkeypatch, caplog):
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    (place / "wrong.py").write_text(BROKEN)
    command = ["--agent", "wrong.py:Learner", "--out=out", "--jobs=1", "--protocol.nf1=8"]
    assert benchmark_command.main(command) == 1
    assert "FAILED: wrong.py:Learner seed 0" in caplog.text and "a layer of the wrong size" in caplog.text
    assert "not started: 19 more of wrong.py:Learner, whose first has failed" in caplog.text
    assert [file.name for file in (place / "out" / "wrong.py-Learner").glob("*.log")] == ["seed-0.log"]


REMEMBERS = """
    recurrent = True

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        state = np.zeros((len(observation), 1)) if state is None else state
        return np.repeat(0.01 * np.minimum(state, 50.0), 6, axis=1), state + 1.0
"""


def test_memory_of_a_class_that_says_so_is_probed_across_trials(place):
    (place / "remembers.py").write_text(AGENT.partition("    def predict")[0] + REMEMBERS)
    job = Job("remembers.py:Learner", 0, place / "job", TINY)
    assert job.identity()["settings"]["recurrent"] is True
    benchmark_job.run(job)
    reset, carried = (pd.read_parquet(job.out / f"probes{end}.parquet") for end in ("", "_carried"))
    keys = ["phase", "update", "trial", "network", "target"]
    pd.testing.assert_frame_equal(reset[keys], carried[keys])
    assert not np.allclose(reset["endpoint_error"], carried["endpoint_error"])
    rows = table_rows([job])
    assert [row["memory"] for row in rows] == ["reset", "carried"]


def test_the_example_of_the_documentation_fits_every_preset():
    arms = inspect.signature(PPO).parameters["arms"].default
    assert all(preset.protocol.probe_every % arms == 0 for preset in PRESETS.values())
