"""The benchmark: jobs, rows and verdicts, what is missing is done, what fails is told."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.benchmark import command as benchmark
from experiments.benchmark import job as benchmark_job
from experiments.benchmark.agents import AGENTS, Sb3Agent
from experiments.benchmark.command import Benchmark
from experiments.benchmark.learners import make_model
from experiments.benchmark.protocol import Job, Protocol
from experiments.benchmark.report import HEADINGS, cells, markdown
from experiments.benchmark.rows import against_sham, rows, verdict

TINY = Protocol(nf1=64, ff1=64, nf2=64, ff2=64, probe_every=64, carried_trials=1)
FIXED = ("zero", "random")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    config = Benchmark(
        out=tmp_path_factory.mktemp("benchmark") / "b", agents=FIXED, seeds=(0, 1, 2), protocol=TINY
    )
    assert benchmark.run(config) == 0
    return config


def made(**changes: object) -> dict[str, object]:
    """A row of an agent that reaches, adapts and has initial savings, with changes."""

    def estimate(mean: float, p: float = 0.001) -> dict[str, object]:
        return {"mean": mean, "ci": [mean - 0.1, mean + 0.1], "p": p}

    row: dict[str, object] = {
        "seeds": 5,
        "endpoint_error": {"mean": 0.005, "ci": [0.004, 0.006]},
        "ff1_initial": {"mean": 0.03, "ci": [0.02, 0.04]},
        "after_effect": estimate(-0.02),
        "learnt_force": estimate(0.5),
        "initial_savings": {"difference": 0.002, "ci": [0.001, 0.003], "p": 0.01},
        "rate_savings": {"difference": 0.001, "ci": [0.9, 1.2], "p": 0.3},
    }
    return row | changes


def test_verdicts():
    assert verdict(made()) == "savings (initial)"
    assert verdict(made(endpoint_error={"mean": 0.02, "ci": [0.01, 0.03]})) == "does not reach"
    assert verdict(made(fixed=True)) == "does not learn"
    assert verdict(made(seeds=2)) == "too few seeds"
    assert verdict(made(learnt_force={"mean": 0.5, "p": 0.2})) == "does not adapt"
    assert verdict(made(after_effect={"mean": 0.02, "p": 0.001})) == "does not adapt"
    assert verdict(made(rate_savings=None)) == "savings (initial)"
    slower = {"difference": -0.001, "ci": [0.7, 0.9], "p": 0.01}
    assert verdict(made(rate_savings=slower)) == "savings (initial); slower or worse (rate)"
    nothing = {"difference": 0.0, "ci": [-1.0, 1.0], "p": 1.0}
    assert verdict(made(initial_savings=nothing, rate_savings=nothing)) == "no savings"


def test_what_a_sham_shows_too_is_practice():
    savings, none = {"mean": 0.002, "p": 0.01}, {"mean": 0.0, "p": 0.8}
    assert verdict(made(against_sham={"initial": savings, "rate": none})) == "savings (initial)"
    assert verdict(made(against_sham={"initial": none, "rate": none})) == "practice (initial)"


def test_a_sham_is_the_same_job_without_the_field_in_ff1(finished):
    config = dataclasses.replace(finished, agents=("zero", "ppo", "supervised"), sham=True)
    names = [f"{job.agent}/{job.out.name}" for job in config.all_jobs() if job.protocol.sham]
    assert names == ["ppo/sham-seed-0", "supervised/sham-ensemble", "ppo/sham-seed-1", "ppo/sham-seed-2"]
    real, sham = (dataclasses.replace(TINY, sham=sham).schedule() for sham in (False, True))
    assert [phase.field.kind for phase in sham.phases] == ["null", "null", "null", "curl"]
    assert sham.boundaries == real.boundaries and sham.phases[3] == real.phases[3]


def test_savings_against_a_sham_are_the_difference_of_the_starts_of_ff2():
    updates = np.arange(0, 40)

    def table(ff2_start: float) -> pd.DataFrame:
        parts = []
        for phase, start in (("NF1", 0.0), ("FF1", 0.03), ("NF2", -0.02), ("FF2", ff2_start)):
            for network in range(4):
                for target in range(8):
                    deviation = (start - 0.001 * network * (start > 0)) * np.exp(-updates / 8)
                    parts.append(pd.DataFrame({
                        "network": network, "phase": phase, "update": updates, "trial": 8 * updates,
                        "target": target, "lateral_deviation": deviation,
                    }))  # fmt: skip
        return pd.concat(parts, ignore_index=True)

    found = against_sham(table(0.025), table(0.029), window=1)
    assert found["initial"]["mean"] == pytest.approx(0.004)
    assert found["rate"]["mean"] == pytest.approx(0.0, abs=1e-9)
    assert found["initial"]["networks"] == 4


def test_a_benchmark_leaves_its_table_and_a_folder_a_job(finished):
    found = json.loads((finished.out / "benchmark.json").read_text())
    assert [row["agent"] for row in found["rows"]] == list(FIXED)
    assert all(row["seeds"] == 3 and row["memory"] == "reset" for row in found["rows"])
    assert (finished.out / "benchmark.png").stat().st_size > 10_000
    text = (finished.out / "benchmark.md").read_text()
    assert all(heading in text for heading in HEADINGS)
    assert "`python -m experiments.benchmark --agents zero --seeds 0 1 2 --protocol.nf1 64" in text
    for job in finished.all_jobs():
        assert {"probes.parquet", "summary.json", "job.json"} <= {file.name for file in job.out.iterdir()}


def test_a_hand_that_does_nothing_stays_10_cm_away_and_saves_nothing(finished):
    zero = json.loads((finished.out / "benchmark.json").read_text())["rows"][0]
    assert zero["endpoint_error"]["mean"] == pytest.approx(0.10, abs=5e-3)  # the least activation drifts
    assert zero["verdict"] == "does not reach"
    assert abs(zero["initial_savings"]["difference"]) < 1e-5
    assert zero["learning_trials"]["reached"] is None


def test_the_same_command_does_what_is_missing_and_nothing_else(finished):
    first, *others = finished.all_jobs()
    (first.out / "job.json").unlink()
    kept = {job.out: (job.out / "job.json").stat().st_mtime_ns for job in others}
    before = pd.read_parquet(first.out / "probes.parquet")
    assert benchmark.run(finished) == 0
    assert {job.out: (job.out / "job.json").stat().st_mtime_ns for job in others} == kept
    pd.testing.assert_frame_equal(pd.read_parquet(first.out / "probes.parquet"), before)


def test_a_folder_of_other_jobs_is_refused(finished):
    other = dataclasses.replace(finished, protocol=dataclasses.replace(TINY, nf1=128))
    with pytest.raises(FileExistsError, match="another protocol"):
        benchmark.run(other)


def test_a_job_that_fails_is_told_and_the_others_are_done(tmp_path, caplog):
    config = Benchmark(out=tmp_path / "b", agents=FIXED, seeds=(0,), protocol=TINY)
    broken = config.all_jobs()[0]
    broken.out.parent.mkdir(parents=True)
    (broken.out).mkdir()
    (broken.out / "probes.parquet").mkdir()  # where a file has to go
    assert benchmark.run(config) == 1
    assert "failed with status" in caplog.text and "zero seed 0" in caplog.text
    assert [row["agent"] for row in rows([job for job in config.all_jobs() if job.record])] == ["random"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--agents", "sarsa"], "unknown agent 'sarsa'; choose from: recurrent-ppo-lstm,"),
        (["--preset", "huge"], "unknown preset 'huge'; choose from: full, quick, smoke"),
        (["--seeds", "1", "1"], "seeds must be different numbers"),
        (["--jobs", "0"], "jobs must be at least 1, got 0"),
        (["--protocol.nf1", "0"], "nf1 must be at least 1, got 0"),
    ],
)
def test_bad_arguments_are_named_before_any_work(arguments, said, caplog, capsys, tmp_path):
    try:
        status = benchmark.main([*arguments, "--out", str(tmp_path / "b")])
    except SystemExit as error:  # the command line's own refusal
        status = int(str(error.code))
    shown = capsys.readouterr()
    assert status == 2 and said in " ".join((caplog.text + shown.out + shown.err).replace("│", "").split())
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("name", [name for name, agent in AGENTS.items() if isinstance(agent, Sb3Agent)])
def test_making_an_agent_leaves_what_is_declared(name):
    before = json.dumps(dataclasses.asdict(AGENTS[name]))
    make_model(AGENTS[name], seed=0)
    assert json.dumps(dataclasses.asdict(AGENTS[name])) == before


def test_the_command_line_of_a_job_makes_the_job():
    job = Job("zero", 3, Path("x"), dataclasses.replace(TINY, b=5.0), track=True)
    import tyro

    assert tyro.cli(Job, args=benchmark.arguments(job)) == job


def test_cells_say_every_number_and_markdown_is_a_table(finished):
    found = json.loads((finished.out / "benchmark.json").read_text())["rows"]
    assert {len(cells(row)) for row in found} == {len(HEADINGS)}
    assert len({line.count("|") for line in markdown(found).splitlines()}) == 1


def test_agents_of_the_list_are_described_and_do_not_slow_down():
    for agent in AGENTS.values():
        assert agent.about
        if isinstance(agent, Sb3Agent):
            rate = agent.settings.get("learning_rate")
            assert isinstance(rate, float), "a rate that falls would hide savings"


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, agent in AGENTS.items() if isinstance(agent, Sb3Agent)])
def test_two_jobs_with_one_seed_make_the_same_table(name, tmp_path):
    tables = []
    for i in range(2):
        job = Job(name, 7, tmp_path / str(i), TINY)
        benchmark_job.run(job)
        tables.append(pd.read_parquet(job.out / "probes.parquet"))
    pd.testing.assert_frame_equal(*tables)
    assert np.isfinite(tables[0]["lateral_deviation"]).all()
