"""Jobs and presets: what is missing is done, what fails is reported, bad values are refused early."""

import dataclasses
import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import tyro

from experiments.benchmark import command as benchmark
from experiments.benchmark import job as benchmark_job
from experiments.benchmark.agents import AGENTS, FixedAgent, PlainAgent, Sb3Agent, SupervisedAgent
from experiments.benchmark.columns import COMMAND, COST, TABLES
from experiments.benchmark.command import PRESETS, Benchmark, job_arguments
from experiments.benchmark.learners import make_model
from experiments.benchmark.page import render
from experiments.benchmark.protocol import Job, Protocol
from experiments.benchmark.rows import agent_row, table_rows
from experiments.benchmark.values import seed_values
from experiments.runs.command_line import interrupted
from savings_gym import spawn_seeds
from savings_gym.files import BusyFolderError, sole_writer
from savings_gym.models.names import MODELS
from savings_gym.perturbations.fields import CurlField

TINY = Protocol(nf1=64, ff1=64, nf2=64, ff2=64, probe_every=64, carried_trials=1)
FIXED = ("zero", "random")
SB3_AGENTS = [name for name, agent in AGENTS.items() if isinstance(agent, Sb3Agent)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    config = Benchmark(
        out=tmp_path_factory.mktemp("benchmark") / "b", agents=FIXED, seeds=(2, 0, 1), protocol=TINY
    )
    for job in config.all_jobs():
        benchmark_job.run(job)  # in this process, which has imported everything already
    assert benchmark.run(config) == 0
    return config


def content(config: Benchmark) -> dict:
    return json.loads((config.out / "benchmark.json").read_text())


def test_a_sham_is_the_same_job_without_the_field_in_ff1(finished):
    config = dataclasses.replace(finished, agents=("zero", "ppo", "supervised"), sham=True)
    names = [f"{job.agent}/{job.out.name}" for job in config.all_jobs() if job.protocol.sham]
    assert names == ["ppo/sham-seed-2", "supervised/sham-ensemble", "ppo/sham-seed-0", "ppo/sham-seed-1"]
    real, sham = (dataclasses.replace(TINY, sham=sham).schedule() for sham in (False, True))
    assert [phase.field.kind for phase in sham.phases] == ["null", "null", "null", "curl"]
    assert sham.boundaries == real.boundaries and sham.phases[3] == real.phases[3]


def test_a_benchmark_leaves_its_page_and_one_folder_per_job(finished):
    rows = content(finished)["rows"]
    assert [row["agent"] for row in rows] == list(FIXED)
    assert all(row["seeds"] == 3 and row["memory"] == "reset" for row in rows)
    for figure in ("curves.png", "savings.png"):
        assert (finished.out / figure).stat().st_size > 1_000  # pictures are coarse here, see conftest.py
    page = (finished.out / "README.md").read_text()
    assert page == render(content(finished))
    shown = [columns for title, columns in TABLES.items() if not title.startswith("Terms")]  # nobody learns
    headings = [heading for columns in (*shown, COST, (COMMAND,)) for heading, _ in columns]
    assert all(f"| {heading} |" in page for heading in headings)
    assert "`python -m experiments.benchmark --agents zero --seeds 0 1 2 --protocol.nf1 64" in page
    for job in finished.all_jobs():
        assert {"probes.parquet", "summary.json", "job.json"} <= {file.name for file in job.out.iterdir()}


def test_the_values_of_every_seed_are_kept_in_the_order_of_seeds(finished):
    row = content(finished)["rows"][1]
    assert row["agent"] == "random" and row["values"]["seed"] == [0, 1, 2]
    for job in finished.all_jobs():
        if job.agent != "random":
            continue
        probes = pd.read_parquet(job.out / "probes.parquet")
        first = probes[(probes["phase"] == "FF1") & (probes["update"] == 0)]
        assert row["values"]["ff1_initial"][job.seed] == pytest.approx(
            first["lateral_deviation"].astype(float).mean()
        )
        channel = json.loads((job.out / "summary.json").read_text())["adaptation"]["FF1"]
        assert row["values"]["channel_FF1"][job.seed] == pytest.approx(channel)


def test_shams_are_paired_with_their_seeds(finished, tmp_path):
    jobs = [job for job in finished.all_jobs() if job.agent == "random"]
    sham = Job("random", 1, tmp_path / "sham", dataclasses.replace(TINY, sham=True))
    benchmark_job.run(sham)
    values, _ = seed_values(jobs, [sham], "reset")
    probes = pd.read_parquet(sham.out / "probes.parquet")
    start = probes[(probes["phase"] == "FF2") & (probes["update"] == 0)]["lateral_deviation"].mean()
    assert values["seed"] == [0, 1, 2]
    assert values["sham_ff2_initial"] == [None, pytest.approx(start), None]
    assert "sham_ff2_initial" not in seed_values(jobs, [], "reset")[0]


def test_a_hand_at_rest_stays_10_cm_away_and_saves_nothing(finished):
    zero = content(finished)["rows"][0]
    assert zero["endpoint_error"]["mean"] == pytest.approx(0.10, abs=5e-3)  # the smallest activation drifts
    assert zero["verdict"] == "does not reach"
    assert abs(zero["initial_savings"]["mean"]) < 1e-5
    assert zero["trials_to_reach"]["reached"] == 0


def test_the_same_command_does_what_is_missing_and_nothing_else(finished):
    first, *others = finished.all_jobs()
    (first.out / "job.json").unlink()
    written = {job.out: (job.out / "job.json").stat().st_mtime_ns for job in others}
    before = pd.read_parquet(first.out / "probes.parquet")
    assert benchmark.run(finished) == 0
    assert {job.out: (job.out / "job.json").stat().st_mtime_ns for job in others} == written
    pd.testing.assert_frame_equal(pd.read_parquet(first.out / "probes.parquet"), before)


def test_figures_that_cannot_be_drawn_fail_the_command_and_lose_nothing(finished, monkeypatch):
    before = content(finished)["rows"]
    monkeypatch.setattr("experiments.benchmark.report.draw_curves", lambda *_: 1 / 0)
    assert benchmark.run(finished) == 1
    assert content(finished)["rows"] == before


def test_a_folder_of_other_jobs_is_refused(finished):
    other = dataclasses.replace(finished, protocol=dataclasses.replace(TINY, nf1=128))
    with pytest.raises(FileExistsError, match="another protocol"):
        benchmark.run(other)


def test_a_record_that_was_changed_is_refused_by_name(tmp_path):
    job = Job("zero", 0, tmp_path, TINY)
    benchmark_job.run(job)
    (tmp_path / "job.json").write_text(json.dumps(job.record | {"wall_time_s": 0.0}))
    with pytest.raises(ValueError, match="job.json is not what the run wrote there"):
        _ = job.record


def test_a_job_that_another_process_does_is_left_to_it(tmp_path):
    job = Job("zero", 0, tmp_path / "job", TINY)
    with sole_writer(job.out), pytest.raises(BusyFolderError, match="another process is writing"):
        benchmark_job.run(job)


@pytest.mark.parametrize(("status", "error"), [(143, None), (2, RuntimeError)])
def test_a_supervised_job_says_whether_a_signal_stopped_it(tmp_path, monkeypatch, status, error):
    monkeypatch.setattr("experiments.benchmark.learners.run_savings", lambda config: status)
    with pytest.raises(error) if error else nullcontext():
        assert interrupted(benchmark_job.run(Job("supervised", 0, tmp_path / "job", TINY)))


def test_a_job_that_fails_is_reported_and_the_others_are_done(tmp_path, caplog):
    config = Benchmark(out=tmp_path / "b", agents=FIXED, seeds=(0,), protocol=TINY)
    broken = config.all_jobs()[0]
    (broken.out / "probes.parquet").mkdir(parents=True)  # in the place of a file
    assert benchmark.run(config) == 1
    assert "failed with status" in caplog.text and "zero seed 0" in caplog.text
    rows = table_rows([job for job in config.all_jobs() if job.record])
    assert [row["agent"] for row in rows] == ["random"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--agents", "sarsa"], f"unknown agent 'sarsa'; choose from: {', '.join(AGENTS)}"),
        (["--preset", "huge"], "preset must be one of ('full', 'paying', 'quick', 'smoke'), got 'huge'"),
        (["--seeds", "1", "1"], "seeds must be different whole numbers from 0 to 4294967295, got (1, 1)"),
        (["--seeds", "-1"], "seeds must be different whole numbers from 0 to 4294967295, got (-1,)"),
        (["--seeds", str(2**32)], "seeds must be different whole numbers from 0 to 4294967295"),
        (["--jobs", "0"], "jobs must be at least 1, got 0"),
        (["--protocol.nf1", "0"], "nf1 must be a whole number of at least 1, got 0"),
        (
            ["--protocol.criterion", "-1"],
            "criterion: error must be above 0 and at most 1 m (10 mm is 0.010), got -1.0",
        ),
        (
            ["--protocol.exploration", "off"],
            "exploration must be one of ('fixed', 'reset', 'as-trained')",
        ),
        (["--protocol.catch-fraction", "1"], "catch_fraction must be a finite number"),
    ],
)
def test_bad_arguments_are_named_before_any_work(arguments, message, caplog, capsys, tmp_path):
    try:
        status = benchmark.main([*arguments, "--out", str(tmp_path / "b")])
    except SystemExit as error:  # the command line's own refusal
        status = int(str(error.code))
    printed = capsys.readouterr()
    text = " ".join((caplog.text + printed.out + printed.err).replace("│", "").split())
    assert status == 2 and message in text
    assert not (tmp_path / "b").exists()


def test_help_lists_the_agents(capsys):
    with pytest.raises(SystemExit):
        benchmark.main(["--help"])
    text = capsys.readouterr().out
    assert all(name in text for name in AGENTS)


def test_the_smoke_preset_is_small():
    config = PRESETS["smoke"]
    assert len(config.all_jobs()) <= 10 and config.protocol.schedule().trials <= 256


@pytest.mark.parametrize("name", SB3_AGENTS)
def test_making_an_agent_leaves_its_declaration_unchanged(name):
    before = json.dumps(dataclasses.asdict(AGENTS[name]))
    make_model(AGENTS[name], seed=0)
    assert json.dumps(dataclasses.asdict(AGENTS[name])) == before


def test_the_command_line_of_a_job_makes_the_job():
    job = Job("zero", 3, Path("x"), dataclasses.replace(TINY, b=5.0), track=True)
    assert tyro.cli(Job, args=job_arguments(job)) == job
    sham = dataclasses.replace(job, protocol=dataclasses.replace(TINY, sham=True))
    assert tyro.cli(Job, args=job_arguments(sham)) == sham


def test_every_learner_has_a_sham_on_the_same_seeds_by_default():
    jobs = Benchmark(seeds=(0, 1)).all_jobs()
    learners = [name for name, agent in AGENTS.items() if not isinstance(agent, FixedAgent)]
    for name in learners:
        field, sham = (
            [job.seed for job in jobs if job.agent == name and job.protocol.sham is sham]
            for sham in (False, True)
        )
        assert field == sham and field


def test_shams_wait_for_their_jobs_and_go_on_from_nf1_of_theirs(monkeypatch, tmp_path):
    commands = []

    def run_nothing(given, at_once, stop):
        commands[:] = given
        return {}

    monkeypatch.setattr(benchmark, "run_side_by_side", run_nothing)
    benchmark.run(Benchmark(out=tmp_path, agents=("plain-ppo", "supervised", "zero"), seeds=(3,)))
    after = {command.name: command.after for command in commands}
    assert after == {
        "plain-ppo seed 3": None, "plain-ppo sham seed 3": "plain-ppo seed 3", "zero seed 3": None,
        "supervised": None, "supervised sham": None,
    }  # fmt: skip
    job, sham = (
        next(tyro.cli(Job, args=its.arguments[1:]) for its in commands if its.name == name)
        for name in ("plain-ppo seed 3", "plain-ppo sham seed 3")
    )
    assert job.keep_nf1 and sham.nf1 == job.out and not sham.keep_nf1
    assert sum("--keep-nf1" in command.arguments for command in commands) == 1
    benchmark.run(Benchmark(out=tmp_path, agents=("plain-ppo",), seeds=(3,), sham=False))
    assert [command.arguments.count("--keep-nf1") for command in commands] == [0]


def test_jobs_of_neighbouring_seeds_share_no_random_stream():
    seeds = {seed: Job("zero", seed, Path("x")).learner_seed for seed in range(10)}
    near = {base + i for base in seeds.values() for i in range(-64, 65)}  # as libraries count on from a seed
    assert len(near) == 10 * 129
    rows = [spawn_seeds(seed, 64) for seed in seeds.values()]
    assert len({row for spawned in rows for row in spawned}) == 10 * 64
    first = [np.random.default_rng(row).random() for spawned in rows for row in spawned]
    assert len(set(first)) == 10 * 64
    weights = [torch.Generator().manual_seed(seed) for seed in seeds.values()]
    assert len({float(torch.rand(1, generator=generator)) for generator in weights}) == 10


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Job]]:
    """A small learner whose NF1 a criterion ends, its sham, and one whose NF1 was planned to last as long."""
    ended = Protocol(nf1=80, ff1=8, nf2=8, ff2=8, probe_every=8, criterion=1.0, criterion_probes=2)
    protocols = {
        "ended": ended,
        "sham": dataclasses.replace(ended, sham=True),
        "planned": dataclasses.replace(ended, nf1=8, criterion=None),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(AGENTS, "plain-ppo", PlainAgent("small", 8, {"units": 8, "epochs": 2}))
        jobs = {
            name: Job("plain-ppo", 3, tmp_path_factory.mktemp(name), protocol)
            for name, protocol in protocols.items()
        }
        for job in jobs.values():
            benchmark_job.run(job)
        yield jobs


def probes(job: Job, *phases: str) -> pd.DataFrame:
    table = pd.read_parquet(job.out / "probes.parquet")
    return table[table["phase"].isin(phases)] if phases else table


def test_nf1_that_a_criterion_ends_is_like_one_of_that_length_and_its_cost_is_kept(plain):
    pd.testing.assert_frame_equal(probes(plain["ended"]), probes(plain["planned"]))
    records = {name: job.record or {} for name, job in plain.items()}
    assert records["ended"]["nf1"] == {"criterion_met": True, "trials": 8, "control_steps": 800}
    assert records["planned"]["nf1"]["criterion_met"] is None
    assert records["ended"]["trials"] == 32
    noise = records["ended"]["exploration"]
    assert noise["NF1_start"] != noise["FF1_start"] == noise["FF1_end"] == noise["FF2_end"]


def test_a_sham_differs_from_its_job_from_ff1_on(plain):
    real, sham = plain["ended"], plain["sham"]
    pd.testing.assert_frame_equal(probes(real, "NF1"), probes(sham, "NF1"))
    assert not probes(real, "FF1").equals(probes(sham, "FF1"))
    row = agent_row("plain-ppo", "reset", [real], [sham])
    start = {name: probes(job, "FF2")["lateral_deviation"].iloc[:8].mean() for name, job in plain.items()}
    assert row["against_sham"]["initial"]["mean"] == pytest.approx(
        (start["sham"] - start["ended"]) * np.sign(row["ff1_initial"]["mean"]), rel=1e-4
    )
    assert row["nf1"]["trials"]["mean"] == 8 and row["nf1"]["met"] == 1
    content = {"protocol": dataclasses.asdict(real.protocol), "versions": {}}
    page = render(content | {"rows": table_rows([real, sham])})
    assert "NF1 ends when 2 probes in a row" in page and "stays as it was at the end of NF1" in page
    noise = real.record["exploration"]["FF2_end"]
    assert f"| plain-ppo | - | 1 of 1 | 8 | {noise:.3f} | {noise:.3f} | {noise:.3f} | {noise:.3f} |" in page
    assert "--no-sham" not in row["command"] and "--protocol.criterion 1.0" in row["command"]


def test_pretraining_from_nothing_is_a_cost_apart(tmp_path, monkeypatch):
    monkeypatch.setitem(AGENTS, "supervised-from-nothing", SupervisedAgent("tiny", 1, pretraining_updates=2))
    protocol = dataclasses.replace(TINY, nf1=16, ff1=16, nf2=16, ff2=16, criterion=1e-6)
    job = Job("supervised-from-nothing", 0, tmp_path / "job", protocol)
    benchmark_job.run(job)
    record = job.record or {}
    assert record["pretraining_trials"] == 2 * 32 and record["trials"] == 64
    assert record["nf1"] == {"criterion_met": False, "trials": 16, "control_steps": 1600}
    values, _ = seed_values([job], [], "reset")
    assert values["nf1_trials"] == [16.0] and values["criterion_met"] == [0.0]


@pytest.mark.parametrize("b", [8.0, -5.0])
def test_agents_that_know_the_field_know_that_of_the_protocol(tmp_path, b):
    protocol = dataclasses.replace(TINY, b=b)
    agents = {name: Job(name, 0, tmp_path, protocol).declaration for name in AGENTS}
    assert agents["model-field"].expected_field == CurlField(b) and agents["model"].expected_field is None
    for theory in MODELS:
        assert agents[theory].settings.get("b", 8.0) == b
    assert {name for name in AGENTS if agents[name] != AGENTS[name]} == (
        set() if b == 8.0 else {"model-field", *MODELS}
    )


def test_agents_are_described_and_declare_a_constant_rate():
    for agent in AGENTS.values():
        assert agent.description
        if isinstance(agent, Sb3Agent):
            rate = agent.settings.get("learning_rate")
            assert isinstance(rate, float), "a rate that falls after NF1 would hide savings"


def test_a_second_benchmark_in_a_folder_is_refused(finished, caplog):
    with sole_writer(finished.out):
        given = ["--agents", "zero", "--seeds", "0", "--out", str(finished.out)]
        assert benchmark.main(given) == 2
    assert "another process is writing" in caplog.text
