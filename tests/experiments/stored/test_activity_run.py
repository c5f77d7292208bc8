"""Activity of finished runs: of an ensemble, and of recurrent PPO's jobs."""

import dataclasses
import json
import logging
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
from lively_networks import lively

from agents.ppo.recurrent_policy import GruPolicy
from agents.ppo.recurrent_ppo import RecurrentPPO
from agents.supervised.checkpoints import load_ensemble, save_ensemble
from agents.supervised.record import record
from experiments.benchmark.agents import AGENTS, RECURRENT, Sb3Agent
from experiments.benchmark.learners import FallingRate, learn
from experiments.benchmark.protocol import Job, Protocol
from experiments.stored import activity_jobs
from experiments.stored.activity import activity_of_run, main
from savings_gym.activity.displacement import Displacement
from savings_gym.activity.recording import by_phase, load_activity
from savings_gym.perturbations.fields import CurlField
from savings_gym.task.settings import Delays, Noise

PHASES = ("NF1", "FF1", "NF2", "FF2")
NOISE, DELAYS = Noise(1e-3, 0.0, 1e-4), Delays(0.05, 0.01)


@pytest.fixture
def run(tmp_path):
    """A run folder with the networks of four phases."""
    arguments = {
        "b": -6.0,
        "seed": 4,
        "noise": dataclasses.asdict(NOISE),
        "delays": dataclasses.asdict(DELAYS),
    }
    (tmp_path / "config.json").write_text(json.dumps({"arguments": arguments}))
    for i, phase in enumerate(PHASES):
        save_ensemble(tmp_path / f"networks_{phase}.safetensors", lively(networks=1, seed=i), phase=phase)
    return tmp_path


def test_the_activity_of_a_run_is_that_of_its_networks_with_its_noise_and_delays(run):
    assert main([str(run)]) == 0 and main([str(run), "--field", "curl"]) == 0
    ensembles = {phase: load_ensemble(run / f"networks_{phase}.safetensors") for phase in PHASES}
    for name, field in (("activity.nc", None), ("activity_curl.nc", CurlField(-6.0))):
        arguments = {} if field is None else {"field": field}
        expected = record(ensembles, **arguments, seed=4, noise=NOISE, delays=DELAYS)
        found = load_activity(run / name)
        assert found.equals(expected) and found.attrs.pop("weights") and found.attrs == expected.attrs


def test_activity_is_loaded_until_the_weights_change(run, caplog):
    first = activity_of_run(run)
    written = (run / "activity.nc").stat().st_mtime_ns
    assert activity_of_run(run).identical(first) and (run / "activity.nc").stat().st_mtime_ns == written
    save_ensemble(run / "networks_FF2.safetensors", lively(networks=1, seed=9), phase="FF2")
    with caplog.at_level(logging.INFO):
        second = activity_of_run(run)
    assert "recorded with other weights" in caplog.text
    before, after = by_phase(first), by_phase(second)
    assert [np.array_equal(before[p], after[p]) for p in PHASES] == [True, True, True, False]
    (run / "activity.nc").write_bytes(b"damaged")
    assert activity_of_run(run).identical(second) and load_activity(run / "activity.nc").identical(second)


def test_activity_need_not_be_kept(run):
    activity_of_run(run, save=False)
    assert not (run / "activity.nc").exists()


@pytest.mark.parametrize(
    ("break_it", "error"),
    [
        (lambda run: (run / "networks_FF1.safetensors").unlink(), "lacks networks_FF1.safetensors"),
        (lambda run: [p.unlink() for p in run.glob("*.safetensors")], "no networks of a finished phase"),
        (lambda run: (run / "config.json").unlink(), "no config.json"),
        (lambda run: (run / "config.json").write_text("{}"), "config.json is not the configuration of a run"),
        (lambda run: (run / "config.json").write_text('{"arguments": {"b": 8}}'), "lacks seed, noise"),
        (lambda run: (run / "networks_NF1.safetensors").write_bytes(b"x"), "not a whole weights file"),
        (shutil.rmtree, "is not a folder"),
    ],
)  # fmt: skip
def test_a_folder_that_is_no_finished_run_is_refused(run, break_it, error, caplog):
    break_it(run)
    assert main([str(run)]) == 2
    assert error in caplog.text
    assert not run.exists() or not list(run.glob("activity*"))


def test_an_unknown_field_is_refused_before_any_work(run, capsys):
    with pytest.raises(ValueError, match=r"field must be one of \('null', 'curl'\), got 'wind'"):
        activity_of_run(run, "wind")
    with pytest.raises(SystemExit) as stopped:
        main([str(run), "--field", "wind"])
    assert stopped.value.code == 2


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """A recurrent PPO that went through four short phases, as the benchmark trains it."""
    small = RECURRENT["policy_kwargs"] | {"lstm_hidden_size": 8}
    settings = RECURRENT | {"batch_size": 200, "n_epochs": 1, "policy_kwargs": small}
    agent = Sb3Agent("small", "RecurrentPPO", "GruPolicy", 2, settings, normalise_rewards=False)
    out = tmp_path_factory.mktemp("jobs")
    held, AGENTS["small"] = dict(AGENTS), agent
    try:
        job = Job("small", 0, out / "seed-0", Protocol(2, 2, 2, 2, probe_every=2, carried_trials=1))
        learn(agent, job)
    finally:
        AGENTS.clear()
        AGENTS.update(held)
    return out


def test_a_kept_agent_does_again_what_the_last_probe_of_its_phase_showed(jobs):
    folder, table = jobs / "seed-0", pd.read_parquet(jobs / "seed-0" / "probes.parquet")
    given = json.loads((folder / "config.json").read_text())["arguments"]
    probes = table[["phase", "update"]].drop_duplicates().reset_index(drop=True)
    for phase in ("NF1", "FF2"):
        number = int(probes.index[probes["phase"] == phase][-1])
        shown = table[(table["phase"] == phase) & (table["update"] == probes["update"][number])]
        probe = activity_jobs.make_probe(folder / phase, given, given["probe_seed"])
        agent = activity_jobs.load_agent(folder / phase / "model.zip", given)
        field = CurlField(8.0) if phase == "FF2" else None
        found = probe(agent, field, number=number, record=True)
        for name in ("lateral_deviation", "peak_speed"):
            assert np.array_equal(found.columns[name].astype(np.float32), shown[name])
        assert found.activity.hidden.shape == (8, 100, 8)


@pytest.fixture
def former_modules(monkeypatch):
    """While active, classes that pickles name by their module are in modules that no longer exist."""
    for cls, module in ((GruPolicy, "agents.recurrent_policy"), (FallingRate, "experiments.former")):
        monkeypatch.setitem(sys.modules, module, sys.modules[cls.__module__])
        monkeypatch.setattr(cls, "__module__", module)
    return monkeypatch


def test_agents_load_from_files_that_name_classes_by_former_modules(jobs, tmp_path, former_modules):
    given = json.loads((jobs / "seed-0" / "config.json").read_text())["arguments"]
    agent = activity_jobs.load_agent(jobs / "seed-0" / "NF2" / "model.zip", given)
    agent.learning_rate = FallingRate(1e-3, 1e-4, 0.5)
    agent.save(tmp_path / "model.zip")
    former_modules.undo()
    with pytest.raises(ModuleNotFoundError, match="agents.recurrent_policy"):
        RecurrentPPO.load(tmp_path / "model.zip")
    again = activity_jobs.load_agent(tmp_path / "model.zip", given)
    observation = np.random.default_rng(0).normal(size=(8, 17)).astype(np.float32)
    assert np.array_equal(again.predict(observation)[1][0], agent.predict(observation)[1][0])
    with pytest.raises(
        ValueError,
        match="policy of .*model.zip must be one of .*'RecurrentPolicy', .*got 'LinearPolicy'",
    ):
        activity_jobs.load_agent(tmp_path / "model.zip", given | {"policy": "LinearPolicy"})


@pytest.mark.parametrize("step", [0, 16])
def test_an_agent_of_sb3_is_displaced(jobs, step):
    given = json.loads((jobs / "seed-0" / "config.json").read_text())["arguments"]
    probe = activity_jobs.make_probe(jobs / "seed-0" / "NF2", given, 0)
    agent = activity_jobs.load_agent(jobs / "seed-0" / "NF2" / "model.zip", given)
    displacements = (None, Displacement(step, np.zeros(8)), Displacement(step, np.ones(8)))
    free, none, moved = (probe(agent, number=0, record=True, displacement=d) for d in displacements)
    assert np.array_equal(free.activity.hidden, none.activity.hidden) and np.array_equal(free.path, none.path)
    same = (moved.activity.hidden == none.activity.hidden).all((0, 2))
    assert same[:step].all() and not same[step:].any()
    assert np.array_equal(moved.path[:, : step + 1], none.path[:, : step + 1])
    assert not np.array_equal(moved.path, none.path)


def edit(folder, **arguments):
    """Change arguments of a run, which loses its manifest as in older runs."""
    config = json.loads((folder / "config.json").read_text())
    config["arguments"] |= arguments
    config.pop("schema", None)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "manifest.json").unlink(missing_ok=True)


def test_jobs_are_networks_of_one_data_set(jobs, tmp_path, caplog):
    for number in (10, 2):
        folder = shutil.copytree(jobs / "seed-0", tmp_path / f"seed-{number}")
        edit(folder, network=number)
    shutil.rmtree(shutil.copytree(jobs / "seed-0", tmp_path / "seed-3") / "FF2")
    assert main([str(tmp_path), "--field", "curl"]) == 0
    assert "left out" in caplog.text and "seed-3 lacks FF2/model.zip" in caplog.text
    found = load_activity(tmp_path / "activity_curl.nc")
    assert list(found["network"].values) == [2, 10] and list(found["phase"].values) == list(PHASES)
    assert found["hidden"].sizes["unit"] == 8 and '"kind": "curl"' in found.attrs["field"]
    hidden = by_phase(found)
    assert np.array_equal(hidden["FF1"][0], hidden["FF1"][1])  # one agent, one seed of the noise
    assert not np.array_equal(hidden["FF1"], hidden["NF1"])
    action = by_phase(found, "excitation")["NF1"]
    assert action.min() >= 0.0 and action.max() <= 1.0

    alone = activity_of_run(jobs / "seed-0", "curl", save=False)
    assert np.array_equal(by_phase(alone)["NF2"][0], hidden["NF2"][0])


def edited(jobs, tmp_path, **values):
    folder = shutil.copytree(jobs / "seed-0", tmp_path / "seed-0")
    edit(folder, **values)
    return folder


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"algorithm": "PPO"}, "holds an agent of PPO, which has no memory"),
        (
            {"wrappers": ["VecNormalize", "VecFrameStack"]},
            "wrapped in ['VecFrameStack'], known: VecNormalize",
        ),
    ],
)
def test_other_agents_are_refused(jobs, tmp_path, values, error, caplog):
    edited(jobs, tmp_path, **values)
    assert main([str(tmp_path)]) == 2
    assert error in caplog.text and not (tmp_path / "activity.nc").exists()


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("model.zip", b"PK", "is not a readable agent of RecurrentPPO"),
        ("normalisation.pkl", b"x", "normalisation.pkl cannot be read"),
        ("normalisation.pkl", None, "lacks normalisation.pkl"),
    ],
)
def test_damaged_agents_are_refused(jobs, tmp_path, name, content, error, caplog):
    path = edited(jobs, tmp_path) / "NF2" / name
    path.unlink() if content is None else path.write_bytes(content)
    assert main([str(tmp_path / "seed-0")]) == 2
    assert error in caplog.text


@pytest.mark.parametrize("name", ["model.zip", "normalisation.pkl"])
def test_a_pickle_that_the_run_did_not_write_is_not_loaded(jobs, tmp_path, name, caplog):
    folder = shutil.copytree(jobs / "seed-0", tmp_path / "seed-0")
    foreign = (folder / "NF1" / name).read_bytes()
    (folder / "NF2" / name).write_bytes(foreign)  # a whole file, but another one
    assert main([str(folder)]) == 2
    assert f"NF2/{name} is not what the run wrote there" in caplog.text


def test_jobs_of_different_tasks_are_refused(jobs, tmp_path, caplog):
    folder = edited(jobs, tmp_path)
    shutil.copytree(folder, tmp_path / "seed-1")
    assert main([str(tmp_path)]) == 2 and "network numbers are [0, 0]" in caplog.text
    task = json.loads((folder / "config.json").read_text())["arguments"]["task"]
    edit(folder, task=task | {"delays": {"vision": 0.0, "proprioception": 0.0}})
    assert main([str(tmp_path)]) == 2 and "differ in their task" in caplog.text
