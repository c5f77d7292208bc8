"""Sweeps from the command line: executors that agree, cells that fail, workers that die."""

import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
from tiny_grids import FIXED, LEARNING, grid_file, journal_states, tables

from experiments.sweep.cell_run import FAILED, FINISHED, INTERRUPTED, STARTED, Task, run_cell
from experiments.sweep.command import Sweep, check_given, main
from experiments.sweep.executors import EXECUTORS
from experiments.sweep.grid import Cell, read_grid
from experiments.sweep.resources import Slurm
from experiments.sweep.subjects import SUBJECTS
from experiments.sweep.workers import DEATHS, Workers
from savings_gym.files import sole_writer

GB = 1e9


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """Folder of a sweep of four cells that ran on this machine, with its grid beside it."""
    folder = tmp_path_factory.mktemp("local")
    file = grid_file(folder, FIXED)
    assert main([str(file), "--out", str(folder / "sweep"), "--workers", "2"]) == 0
    return folder


@pytest.mark.parametrize(
    ("executor", "agents"), [("submitit-local", ["random"]), ("ray", ["zero", "random"])]
)
def test_executors_give_the_same_tables(local, tmp_path, executor, agents):
    """Where every cell starts a process of its own, two cells have to do."""
    pytest.importorskip({"ray": "ray", "submitit-local": "submitit"}[executor])
    sweep, file = tmp_path / "sweep", grid_file(tmp_path, FIXED.replace('["zero", "random"]', str(agents)))
    assert main([str(file), "--out", str(sweep), "--executor", executor, "--workers", "2"]) == 0
    expected = {name: table for name, table in tables(local / "sweep").items() if name in tables(sweep)}
    assert len(expected) == 2 * len(agents) and tables(sweep) == expected


def _times(folder):
    """When every file in a folder was written."""
    return {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}


def test_finished_cells_are_not_run_again(local, caplog):
    caplog.set_level(logging.INFO)
    before = {file: file.stat().st_mtime_ns for file in (local / "sweep").rglob("*") if file.is_file()}
    assert main([str(local / "grid.toml"), "--out", str(local / "sweep")]) == 0
    assert "all cells are finished" in caplog.text
    assert {
        file: file.stat().st_mtime_ns for file in (local / "sweep").rglob("*") if file.is_file()
    } == before


def test_no_log_stays_of_cells_that_finish(local):
    assert not list((local / "sweep").glob("cells/*/*.log"))
    assert sorted(journal_states(local / "sweep")) == [FINISHED] * 4 + [STARTED] * 4


def test_a_failed_cell_is_listed_with_its_error_and_rerun_alone(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    file, sweep = grid_file(tmp_path, FIXED), tmp_path / "sweep"
    broken, *_ = read_grid(file).cells()
    foreign = broken.folder(sweep) / "job.json"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("{}")
    command = [str(file), "--out", str(sweep), "--workers", "1"]
    assert main(command) == 1
    assert "1 cells failed" in caplog.text and f"{broken.folder(sweep)} holds a job" in caplog.text
    again = f"python -m experiments.sweep {file} --out {sweep} --workers 1 --failed"
    assert f"run just them: {again}" in caplog.text
    assert len(tables(sweep)) == 3 and "holds a job" in broken.log_file(sweep).read_text()
    caplog.clear()
    assert main([*command, "--status"]) == 1
    assert "3 of 4 cells finished, 1 failed" in caplog.text
    foreign.unlink()
    assert main([*command, "--failed"]) == 0
    assert len(tables(sweep)) == 4 and not broken.log_file(sweep).exists()
    caplog.clear()
    assert main([*command, "--failed"]) == 0 and main([*command, "--status"]) == 0
    assert "all cells are finished" in caplog.text or "no cell has failed" in caplog.text


def _children(parent):
    """Processes that a process started, by their numbers."""
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def _wait_for(condition, seconds=120.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Tables of two learning networks' runs, and the grid."""
    folder = tmp_path_factory.mktemp("undisturbed")
    file = grid_file(folder, LEARNING)
    assert main([str(file), "--out", str(folder / "sweep"), "--workers", "1"]) == 0
    return file, tables(folder / "sweep")


def test_a_killed_worker_and_ctrl_c_lose_nothing(undisturbed, tmp_path):
    file, expected = undisturbed
    sweep = tmp_path / "sweep"
    command = [sys.executable, "-m", "experiments.sweep", str(file), "--out", str(sweep), "--workers", "1"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    _wait_for(lambda: list(sweep.glob("cells/*/*/config.json")))
    (killed,) = _children(process.pid)
    os.kill(killed, signal.SIGKILL)
    _wait_for(lambda: any(worker != killed for worker in _children(process.pid)))
    workers = _children(process.pid)
    _wait_for(lambda: len(list(sweep.glob("cells/*/*/config.json"))) == 2)
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=120)
    assert process.returncode == 130 and "the same command goes on from there" in words
    assert not any(_is_alive(worker) for worker in workers)
    assert sorted(set(journal_states(sweep))) == [FINISHED, INTERRUPTED, STARTED]
    assert main(command[3:]) == 0
    assert tables(sweep) == expected and len(expected) == 2


def test_sigterm_to_a_sweep_on_ray_saves_what_runs(undisturbed, tmp_path):
    pytest.importorskip("ray")
    file, expected = undisturbed
    sweep = tmp_path / "sweep"
    options = [str(file), "--out", str(sweep), "--workers", "1"]
    command = [sys.executable, "-m", "experiments.sweep", *options, "--executor", "ray"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    _wait_for(lambda: list(sweep.glob("cells/*/*/config.json")), 240.0)
    process.send_signal(signal.SIGTERM)
    _, words = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM and "the same command goes on from there" in words
    assert journal_states(sweep) == [STARTED, INTERRUPTED]
    assert main(options) == 0 and tables(sweep) == expected


def test_cells_have_no_figures_unless_the_grid_asks_for_them(tmp_path):
    config = SUBJECTS["savings"].config({"preset": "smoke"}, tmp_path)
    asked = SUBJECTS["savings"].config({"preset": "smoke", "figures": True}, tmp_path)
    assert not config.figures and asked.figures
    assert not SUBJECTS["savings"].finished(config) and not SUBJECTS["savings"].finished(asked)


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    file = grid_file(tmp_path, LEARNING)
    command = [sys.executable, "-m", "experiments.sweep", str(file), "--out", str(tmp_path / "sweep")]
    process = subprocess.Popen([*command, "--workers", "1"])
    _wait_for(lambda: _children(process.pid))
    workers = _children(process.pid)
    process.kill()
    process.wait()
    _wait_for(lambda: not any(_is_alive(worker) for worker in workers))


def _is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _zero(tmp_path, seed=0, memory=0):
    protocol = {f"protocol.{phase}": 8 for phase in ("nf1", "ff1", "nf2", "ff2")}
    return Task(Cell("benchmark", {"agent": "zero", "seed": seed, **protocol}), tmp_path, memory, 1.0)


@pytest.fixture
def hollow(tmp_path, monkeypatch):
    """Workers that soon answer that a cell is finished: they import nothing, so that many can start."""
    code = tmp_path / "hollow.py"
    code.write_text(
        "import os, sys, time\n"
        "answers = os.fdopen(int(sys.argv[1]), 'w', buffering=1)\n"
        "for line in sys.stdin:\n"
        "    time.sleep(0.3)\n"
        f'    answers.write(\'{{"state": "{FINISHED}"}}\' + chr(10))\n'
    )
    monkeypatch.setattr("experiments.sweep.workers.FAR_END", (str(code),))


@pytest.mark.usefixtures("hollow")
def test_a_cell_whose_process_always_dies_fails_and_others_finish(tmp_path):
    deadly, harmless = _zero(tmp_path), _zero(tmp_path, seed=1)
    workers, outcomes = Workers(1, GB), []

    def note(task, outcome):
        outcomes.append((task, outcome))
        if task is deadly and outcome.state == STARTED:
            next(iter(workers._busy)).process.kill()

    workers.run([deadly, harmless], note, lambda: False)
    ends = [(task.cell.arguments["seed"], outcome.state) for task, outcome in outcomes]
    assert ends == [(0, STARTED), (0, INTERRUPTED)] * (DEATHS - 1) + [
        (0, STARTED), (0, FAILED), (1, STARTED), (1, FINISHED),
    ]  # fmt: skip
    assert outcomes[-3][1].error == f"its process ended {DEATHS} times, the last time by signal 9"


def test_a_cell_that_a_signal_interrupts_from_outside_is_tried_again(tmp_path):
    tried, other = Task(Cell("savings", {"preset": "smoke"}), tmp_path, 0, 1.0), _zero(tmp_path)
    workers, states = Workers(1, GB), []

    def note(task, outcome):
        states.append((task.cell.experiment, outcome.state))

    def interrupt_once():
        if len(states) == 1 and list(tried.cell.folder(tmp_path).glob("state.pt")):
            next(iter(workers._busy)).process.terminate()
        return False

    workers.run([tried, other], note, interrupt_once)
    assert states == [
        ("savings", STARTED), ("savings", INTERRUPTED), ("savings", STARTED), ("savings", FINISHED),
        ("benchmark", STARTED), ("benchmark", FINISHED),
    ]  # fmt: skip


@pytest.mark.usefixtures("hollow")
def test_processes_with_nothing_to_do_give_their_memory_back(tmp_path):
    workers, alive = Workers(2, 10.0), []
    tasks = [_zero(tmp_path, seed=i, memory=memory) for i, memory in enumerate([1.0, 1.0, 10.0])]

    def watch():
        if [task.memory for task in workers._busy.values()] == [10.0]:
            alive.append(len(workers._idle) + len(workers._busy))
        return False

    workers.run(tasks, lambda *_: None, watch)
    assert set(alive) == {1}


@pytest.mark.usefixtures("hollow")
def test_hung_workers_share_one_time_of_grace(tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.sweep.workers.GRACE", 1.0)
    workers, states = Workers(3, GB), []
    tasks = [_zero(tmp_path, seed=i) for i in range(3)]

    def stop_all():
        for worker in workers._busy:
            os.kill(worker.process.pid, signal.SIGSTOP)
        return bool(workers._busy)

    began = time.monotonic()
    workers.run(tasks, lambda _, outcome: states.append(outcome.state), stop_all)
    assert states == [STARTED] * 3 + [INTERRUPTED] * 3 and time.monotonic() - began < 3.0


def test_a_log_that_cannot_be_written_fails_the_cell_by_name(tmp_path):
    task = _zero(tmp_path)
    task.cell.log_file(tmp_path).mkdir(parents=True)
    outcome = run_cell(task.cell, tmp_path)
    assert outcome.state == FAILED and outcome.error == f"{task.cell.log_file(tmp_path)}: Is a directory"


@pytest.mark.parametrize(("status", "state"), [(129, INTERRUPTED), (143, INTERRUPTED), (1, FAILED)])
def test_a_cell_says_whether_a_signal_stopped_its_run(tmp_path, monkeypatch, status, state):
    monkeypatch.setattr("experiments.savings.command.run", lambda config: status)
    assert run_cell(Cell("savings", {"preset": "smoke"}), tmp_path).state == state


@pytest.mark.usefixtures("hollow")
def test_cells_run_together_only_as_far_as_memory_allows(tmp_path):
    workers, together, states = Workers(2, 10.0), [], []
    tasks = [_zero(tmp_path, seed=i, memory=memory) for i, memory in enumerate([6.0, 6.0])]

    def note(task, outcome):
        states.append(outcome.state)
        if outcome.state == STARTED:
            together.append(sum(busy.memory for busy in workers._busy.values()))

    workers.run(tasks, note, lambda: False)
    assert max(together) <= 10.0 and states == [STARTED, FINISHED] * 2


def test_a_cell_that_needs_more_memory_than_there_is_fails_by_name(tmp_path, caplog):
    file = grid_file(tmp_path, FIXED)
    assert main([str(file), "--out", str(tmp_path / "sweep"), "--memory-gb", "0.5"]) == 1
    assert "needs about 1.2 GB of memory, 0.5 GB may be used" in caplog.text


def test_a_cell_that_another_process_runs_is_left_to_it(tmp_path):
    task, outcomes = Task(Cell("savings", {"preset": "smoke"}), tmp_path, 0, 1.0), []
    with sole_writer(task.cell.folder(tmp_path)):
        Workers(1, GB).run([task], lambda _, outcome: outcomes.append(outcome.state), lambda: False)
    assert outcomes == [STARTED, "busy"]


def test_a_sweep_waits_for_cells_that_another_process_runs(local, tmp_path, caplog):
    """And takes those that it left unfinished, so that the status tells whether all cells are finished."""
    caplog.set_level(logging.INFO)
    file, sweep = grid_file(tmp_path, FIXED), tmp_path / "sweep"
    (first, *_) = read_grid(file).cells()
    with sole_writer(first.folder(sweep)):
        done = subprocess.Popen(
            [sys.executable, "-m", "experiments.sweep", file, "--out", sweep, "--workers", "1"]
        )
        until = time.monotonic() + 120
        while len(tables(sweep)) < 3 and time.monotonic() < until:
            time.sleep(0.2)
        assert done.poll() is None
    assert done.wait(60) == 0 and tables(sweep) == tables(local / "sweep")


def test_arguments_that_change_nothing_are_refused_before_the_first_cell(tmp_path, caplog):
    text = LEARNING + "angle_deg = [10.0, 20.0]\n"
    assert main([str(grid_file(tmp_path, text)), "--out", str(tmp_path / "sweep")]) == 2
    assert "--angle-deg 10.0 changes nothing without --perturbation rotation" in caplog.text
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--workers", "0"], "workers must be a whole number of at least 1, got 0"),
        (["--threads", "0"], "threads must be a whole number of at least 1, got 0"),
        (["--memory-gb", "-1"], "memory_gb must be above 0, got -1.0"),
        (["--failed", "--status"], "choose one of them"),
        (["--slurm.jobs", "0"], "slurm.jobs must be at least 1, got 0"),
        (["--executor", "slurm"], "no command 'sbatch': start --executor slurm where SLURM takes jobs"),
        (["--executor", "pbs"], f"executor must be one of {EXECUTORS}, got 'pbs'"),
        (["--slurm.jobs", "2"], "--slurm.jobs 2 changes nothing without --executor slurm"),
        (["--ray-address", "auto"], "--ray-address auto changes nothing without --executor ray"),
    ],
)
def test_bad_options_are_refused_before_anything_is_written(tmp_path, caplog, capsys, options, words):
    file = grid_file(tmp_path, FIXED)
    try:
        status = main([str(file), "--out", str(tmp_path / "sweep"), *options])
    except SystemExit as error:  # of tyro
        status = error.code
    captured = capsys.readouterr()
    assert status == 2 and words in " ".join((caplog.text + captured.err + captured.out).split())
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"executor": "slurm", "workers": 2}, "--workers 2 changes nothing with --executor slurm: give"),
        ({"executor": "slurm", "memory_gb": 4.0}, "--memory-gb 4.0 changes nothing with --executor slurm"),
        ({"executor": "ray", "ray_address": "auto", "workers": 2}, "--workers 2 changes nothing with --ray"),
        ({"executor": "submitit-local", "slurm": Slurm(cpus=2)}, "--slurm.cpus 2 changes nothing without"),
        ({"executor": "slurm", "slurm": Slurm(partition="short")}, None),
        ({"executor": "ray", "ray_address": "auto"}, None),
        ({"executor": "ray", "workers": 2, "memory_gb": 4.0}, None),
        ({"executor": "submitit-local", "workers": 2, "slurm": Slurm(requeues=1)}, None),
        ({"workers": 2, "memory_gb": 4.0}, None),
    ],
)
def test_options_that_an_executor_ignores_are_refused(tmp_path, monkeypatch, values, words):
    monkeypatch.setattr("experiments.sweep.command.check_executor", lambda name: None)
    config = Sweep(tmp_path / "grid.toml", tmp_path / "sweep", **values)
    with nullcontext() if words is None else pytest.raises(ValueError, match=words):
        check_given(config)


def test_a_grid_with_a_bad_cell_is_refused_before_anything_runs(tmp_path, caplog):
    file = grid_file(tmp_path, FIXED.replace('"random"', '"randoms"'))
    assert main([str(file), "--out", str(tmp_path / "sweep")]) == 2
    assert "cell protocol.nf1 8" in caplog.text and "unknown agent 'randoms'" in caplog.text
    assert not (tmp_path / "sweep").exists()
