"""Sweeps on SLURM, for which a few scripts stand."""

import os
import signal
import subprocess
import sys
import time

import fake_slurm
import pytest
from tiny_grids import LEARNING, grid_file, journal_states, tables

from experiments.sweep.cell_run import FAILED, INTERRUPTED, Outcome, Task
from experiments.sweep.command import main
from experiments.sweep.executors import execute
from experiments.sweep.grid import Cell
from experiments.sweep.journal import JournalWriter
from experiments.sweep.resources import Resources, Slurm

pytest.importorskip("submitit")
OPTIONS = [
    "--executor", "slurm", "--slurm.partition", "short", "--slurm.account", "lab", "--slurm.jobs", "2",
    "--slurm.cpus", "1", "--slurm.minutes", "600", "--slurm.memory-gb", "4",
]  # fmt: skip


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Folder of the records of the scripts that stand for SLURM."""
    for name, value in fake_slurm.install(tmp_path).items():
        monkeypatch.setenv(name, value)
    return tmp_path / "slurm"


class _Cancelled:
    """A job that SLURM ended for good."""

    job_id = "7_0"

    def done(self, force_check=False):
        return True

    def exception(self):
        return RuntimeError("CANCELLED")


def test_interrupted_cells_of_a_job_that_is_not_queued_again_have_failed(tmp_path, monkeypatch):
    task, outcomes = Task(Cell("savings", {"preset": "smoke"}), tmp_path, 0, 1.0), []

    def submit(*_):
        JournalWriter(tmp_path).write(task.cell.name, Outcome(INTERRUPTED))
        return [(_Cancelled(), [task.cell.name])]

    monkeypatch.setattr("experiments.sweep.submitit_jobs._submit", submit)
    execute(
        "slurm", [task], Resources(1, 1, None, Slurm(), None), lambda _, outcome: outcomes.append(outcome),
        lambda *_: None, lambda: False,
    )  # fmt: skip
    assert outcomes == [Outcome(FAILED, "its job 7_0 ended without it: CANCELLED")]


def _preempt_first(sweep, records):
    """Preempt the job whose cell starts first, as SLURM would; return its number."""
    until = time.monotonic() + 240
    while not list(sweep.glob("cells/*/*/config.json")):
        assert time.monotonic() < until
        time.sleep(0.02)
    pids = {int(file.name.split("-")[-2]) for file in (sweep / "journal").iterdir()}
    for job in (0, 1):
        pid = fake_slurm.running(records, job)
        if pid in pids:
            os.kill(pid, signal.SIGUSR2)
            return job
    return None


def test_a_preempted_job_is_queued_again_and_loses_nothing(slurm, tmp_path):
    file = grid_file(tmp_path, LEARNING)
    (tmp_path / "alone").mkdir()
    command = [sys.executable, "-m", "experiments.sweep", str(file), "--out", str(tmp_path / "sweep")]
    process = subprocess.Popen([*command, *OPTIONS], stderr=subprocess.PIPE, text=True)
    job = _preempt_first(tmp_path / "sweep", slurm)
    _, words = process.communicate(timeout=400)
    assert process.returncode == 0, words
    script = (slurm / "array.sh").read_text()
    for line in ("partition=short", "account=lab", "cpus-per-task=1", "mem=4GB", "time=600", "requeue"):
        assert f"#SBATCH --{line}" in script
    assert (slurm / "requeued").read_text() == f"{fake_slurm.ARRAY}_{job}\n"
    assert INTERRUPTED in journal_states(tmp_path / "sweep")
    assert main([str(file), "--out", str(tmp_path / "alone"), "--workers", "2"]) == 0
    assert tables(tmp_path / "sweep") == tables(tmp_path / "alone") != {}
