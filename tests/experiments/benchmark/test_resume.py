"""A job that is killed goes on from its last state, and its tables are those of an undisturbed job."""

import dataclasses
import multiprocessing
import os
import signal

import pytest

from experiments.benchmark import job as benchmark_job
from experiments.benchmark import learners, loop
from experiments.benchmark.agents import AGENTS
from experiments.benchmark.protocol import Job, Protocol
from experiments.benchmark.state import NF1_STATE, STATE, JobState
from savings_gym.envs.vector import ReachVectorEnv

TINY = Protocol(nf1=16, ff1=8, nf2=8, ff2=8, probe_every=8, carried_trials=1)
EXAMPLE = "experiments.examples.cleanrl_style_ppo:PPO"
SETTINGS = {
    "recurrent-ppo-gru": {
        "batch_size": 400, "n_epochs": 1, "policy_kwargs": {"net_arch": [], "lstm_hidden_size": 8},
    },
    "sac": {
        "buffer_size": 1600, "batch_size": 16, "learning_starts": 200, "policy_kwargs": {"net_arch": [8]},
        "train_freq": 10,
    },
    "plain-ppo": {"epochs": 1, "units": 8},
}  # fmt: skip
TABLES = ("probes.parquet", "returns.parquet")


@pytest.fixture
def small(monkeypatch):
    """Agents with few arms and units, which keep their state at every other probe."""
    for name, settings in SETTINGS.items():
        agent = AGENTS[name]
        changed = dataclasses.replace(agent, arms=8, settings={**agent.settings, **settings})
        if name == "recurrent-ppo-gru":
            changed = dataclasses.replace(changed, recurrent=False)  # no second probe, which takes most time
        monkeypatch.setitem(AGENTS, name, changed)
    for module in (learners, loop):
        monkeypatch.setattr(module, "KEEP_EVERY", 8)


def until_killed(job, states, steps):
    """Do a job until this process kills itself, some control steps after it has kept so many states."""
    kept, made = 0, 0
    keep, step = JobState.keep, ReachVectorEnv.step

    def counted_keep(self, content, first_phase):
        nonlocal kept
        keep(self, content, first_phase)
        kept += 1

    def counted_step(self, actions):
        nonlocal made
        made += kept >= states
        if made == steps:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(self, actions)

    JobState.keep, ReachVectorEnv.step = counted_keep, counted_step
    benchmark_job.run(job)


def killed(job, states, steps=130):
    child = multiprocessing.get_context("fork").Process(target=until_killed, args=(job, states, steps))
    child.start()
    child.join(120)
    assert child.exitcode == -signal.SIGKILL


def tables(folder):
    return {name: (folder / name).read_bytes() for name in TABLES}


@pytest.mark.parametrize(
    ("name", "kills"),
    [("recurrent-ppo-gru", (2,)), ("sac", (1, 2)), ("plain-ppo", (3,)), (EXAMPLE, (1, 2))],
)
def test_a_killed_job_gives_the_tables_of_an_undisturbed_one(name, kills, small, tmp_path):
    settings = None
    if name == EXAMPLE:
        settings = tmp_path / "settings.toml"
        settings.write_text("[settings]\narms = 8\nunits = 8\nepochs = 1")
    whole, job = (Job(name, 3, tmp_path / place, TINY, settings=settings) for place in ("whole", "killed"))
    benchmark_job.run(whole)
    for states in kills:
        killed(job, states)
    assert (job.out / STATE).is_file() and job.record is None
    benchmark_job.run(job)
    assert tables(job.out) == tables(whole.out)
    assert job.record["identity"] == whole.record["identity"]
    assert not (job.out / STATE).exists()


@pytest.mark.parametrize("name", [*SETTINGS, EXAMPLE])
def test_a_job_that_is_interrupted_loses_no_trial(name, small, tmp_path, monkeypatch):
    settings = None
    if name == EXAMPLE:
        settings = tmp_path / "settings.toml"
        settings.write_text("[settings]\narms = 8\nunits = 8\nepochs = 1")
    for module in (learners, loop):
        monkeypatch.setattr(module, "KEEP_EVERY", 10**6)  # nothing is kept within a phase
    made, step, interrupt_after = [], ReachVectorEnv.step, None

    def interrupted_step(self, actions):
        made.append(1)
        if len(made) == interrupt_after:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, actions)

    monkeypatch.setattr(ReachVectorEnv, "step", interrupted_step)
    whole, job = (Job(name, 3, tmp_path / place, TINY, settings=settings) for place in ("whole", "stopped"))
    assert benchmark_job.run(whole) == 0
    undisturbed = len(made)
    made.clear()
    interrupt_after = undisturbed // 3
    assert benchmark_job.run(job) == 130
    assert job.record is None and interrupt_after <= len(made) < undisturbed
    assert benchmark_job.run(job) == 0
    assert len(made) == undisturbed
    assert tables(job.out) == tables(whole.out)


@pytest.mark.parametrize(
    ("name", "protocol"),
    [(name, TINY) for name in (*SETTINGS, EXAMPLE)]
    + [
        (name, dataclasses.replace(TINY, nf1=48, criterion=1.0, criterion_probes=3))
        for name in ("recurrent-ppo-gru", "plain-ppo")
    ],
)
def test_a_sham_goes_on_from_the_nf1_of_its_job_to_the_tables_of_one_that_does_not(
    name, protocol, small, tmp_path, monkeypatch
):
    settings = None
    if name == EXAMPLE:
        settings = tmp_path / "settings.toml"
        settings.write_text("[settings]\narms = 8\nunits = 8\nepochs = 1")
    made, step = [], ReachVectorEnv.step
    monkeypatch.setattr(ReachVectorEnv, "step", lambda self, actions: made.append(1) or step(self, actions))
    practice = dataclasses.replace(protocol, sham=True)
    alone = Job(name, 3, tmp_path / "alone", practice, settings=settings)
    benchmark_job.run(alone)
    by_itself = len(made)
    job = Job(name, 3, tmp_path / "job", protocol, settings=settings, keep_nf1=True)
    benchmark_job.run(job)
    assert (job.out / NF1_STATE).is_file() and not (job.out / STATE).exists()
    made.clear()
    sham = Job(name, 3, tmp_path / "sham", practice, settings=settings, nf1=job.out)
    benchmark_job.run(sham)
    assert len(made) < by_itself
    assert tables(sham.out) == tables(alone.out) != tables(job.out)
    assert sham.record["identity"] == alone.record["identity"] and sham.record["nf1"] == alone.record["nf1"]
    assert sham.record["nf1"]["criterion_met"] is (protocol is not TINY)
    assert not (job.out / NF1_STATE).exists()


def test_a_sham_without_the_nf1_of_its_job_makes_its_own(small, tmp_path):
    practice = dataclasses.replace(TINY, sham=True)
    with pytest.raises(ValueError, match="--nf1 is for a sham: give --protocol.sham, too"):
        Job("plain-ppo", 3, tmp_path / "job", TINY, nf1=tmp_path)
    alone, sham = (Job("plain-ppo", 3, tmp_path / place, practice, nf1=tmp_path / place) for place in "ab")
    benchmark_job.run(alone)
    killed(Job("plain-ppo", 3, tmp_path / "other", dataclasses.replace(TINY, b=5.0), keep_nf1=True), states=3)
    other = dataclasses.replace(sham, nf1=tmp_path / "other")
    with pytest.raises(FileExistsError, match="unfinished job with another protocol"):
        benchmark_job.run(other)
    benchmark_job.run(sham)
    assert tables(sham.out) == tables(alone.out)


def test_a_damaged_state_is_refused_by_name(small, tmp_path):
    job = Job("plain-ppo", 3, tmp_path, TINY)
    killed(job, states=1, steps=1)
    data = bytearray((tmp_path / STATE).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / STATE).write_bytes(data)
    with pytest.raises(ValueError, match=f"{STATE} is not what the run wrote there"):
        benchmark_job.run(job)


def test_the_state_of_a_job_with_other_arguments_is_refused(small, tmp_path):
    job = Job("plain-ppo", 3, tmp_path, TINY)
    killed(job, states=1, steps=1)
    with pytest.raises(FileExistsError, match="unfinished job with another protocol"):
        benchmark_job.run(dataclasses.replace(job, protocol=dataclasses.replace(TINY, ff2=16)))
