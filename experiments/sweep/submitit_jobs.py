"""Cells in jobs of submitit: an array on SLURM, or processes on this machine that stand for one.

The cells are dealt out among the jobs; a job runs its share in worker processes, as many as it has cores. A
job that is preempted or runs out of time lets them save their state, and is queued again.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import submitit

from agents.supervised.machine_memory import GB
from experiments.sweep.cell_run import BUSY, FAILED, FINISHED, LONGEST_ERROR, Outcome, Task
from experiments.sweep.journal import JournalReader, JournalWriter
from experiments.sweep.resources import Resources
from experiments.sweep.workers import Note, run_local
from savings_gym.files import write_json

log = logging.getLogger(__name__)
JOBS: Final = "jobs"  # folder in the folder of a sweep: scripts, logs and pickled shares
POLL: Final = {"slurm": 5.0, "local": 0.5}  # s
OVER: Final = 60 * 24 * 365  # minutes; the time limit of jobs on this machine
MINE: Final = "share-of-{}.json"  # cells of a submitted job


@dataclass
class Share:
    """What every job does with its share of the cells; called in the job.

    Attributes:
        resources: What the job may use.
    """

    resources: Resources

    def __call__(self, tasks: list[Task]) -> None:
        """Run the cells, and write into the journal what becomes of them."""
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        journal = JournalWriter(tasks[0].sweep)

        def note(task: Task, outcome: Outcome) -> None:
            journal.write(task.cell.name, outcome)

        run_local(tasks, self.resources, note, lambda: False)

    def checkpoint(self, tasks: list[Task]) -> submitit.helpers.DelayedSubmission:
        """Return the job to queue again after preemption; cells that are finished then are passed over.

        It is called in a signal handler. The exit of the process, which follows, ends the workers; they save
        their state.
        """
        return submitit.helpers.DelayedSubmission(Share(self.resources), tasks)


def run_submitit(
    slurm: bool,
    tasks: list[Task],
    resources: Resources,
    note: Note,
    seen: Callable[[str, Outcome], None],
    stopped: Callable[[], bool],
) -> None:
    """Run tasks in jobs until all jobs have ended, or until ``stopped()``.

    Cells of jobs that an earlier command submitted and that still wait or run are not submitted again.

    Args:
        slurm: Whether to use SLURM, or processes on this machine.
        tasks: What to run.
        resources: What may be used.
        note: Called for cells whose job ended without a word about them.
        seen: Called for what jobs write into the journal.
        stopped: Called all the time; True ends jobs on this machine, and leaves those of SLURM alone.
    """
    sweep, cluster = tasks[0].sweep, "slurm" if slurm else "local"
    reader, ended = JournalReader(sweep), set[str]()
    reader.new()  # what earlier commands did
    jobs = _submitted(sweep) if slurm else []
    queued = {name for _, names in jobs for name in names}
    if queued:
        log.info("%d jobs that were submitted before go on", len(jobs))
    jobs += _submit(cluster, [task for task in tasks if task.cell.name not in queued], resources)

    def look() -> None:
        for event in reader.new():
            if event.outcome.state in (FINISHED, FAILED, BUSY):  # not those whose job was preempted for good
                ended.add(event.cell)
            seen(event.cell, event.outcome)

    while not all(job.done() for job, _ in jobs) and not stopped():
        look()
        time.sleep(POLL[cluster])
    if stopped():
        _leave(slurm, [job for job, _ in jobs])
        return
    look()
    names = {task.cell.name: task for task in tasks}
    for job, cells in jobs:
        for name in cells:
            if name in names and name not in ended:
                note(names[name], Outcome(FAILED, _last_words(job)))


def _submit(cluster: str, tasks: list[Task], resources: Resources) -> list[tuple[Any, list[str]]]:
    """Deal the tasks out among jobs and submit these; return each job with the names of its cells."""
    if not tasks:
        return []
    sweep, slurm = tasks[0].sweep, resources.slurm
    executor = submitit.AutoExecutor(
        sweep / JOBS, cluster=cluster, **{f"{cluster}_max_num_timeout": slurm.requeues}
    )
    if cluster == "slurm":
        count, each = slurm.jobs, Resources(
            max(slurm.cpus // resources.threads, 1), resources.threads, slurm.memory_gb * GB, slurm, None
        )  # fmt: skip
        more = {"partition": slurm.partition, "account": slurm.account}
        executor.update_parameters(
            name="savings-sweep", timeout_min=slurm.minutes, cpus_per_task=slurm.cpus,
            mem_gb=slurm.memory_gb, slurm_additional_parameters={"requeue": True},
            **{f"slurm_{key}": value for key, value in more.items() if value is not None},
        )  # fmt: skip
    else:
        count = resources.at_a_time()
        memory = None if resources.memory is None else resources.memory / count
        each = Resources(1, resources.threads, memory, slurm, None)
        executor.update_parameters(timeout_min=OVER)
    shares = [tasks[i::count] for i in range(min(count, len(tasks)))]
    jobs = executor.map_array(Share(each), shares)  # one call of sbatch
    submitted = [(job, [task.cell.name for task in share]) for job, share in zip(jobs, shares, strict=True)]
    for job, cells in submitted if cluster == "slurm" else ():
        write_json(sweep / JOBS / MINE.format(job.job_id), {"job": job.job_id, "cells": cells})
    log.info("submitted %d jobs with %d cells, see %s", len(jobs), len(tasks), sweep / JOBS)
    return submitted


def _submitted(sweep: Path) -> list[tuple[Any, list[str]]]:
    """Return the jobs of earlier commands that still wait or run on SLURM."""
    jobs = []
    for file in sorted((sweep / JOBS).glob(MINE.format("*"))):
        try:
            content = json.loads(file.read_text())
        except FileNotFoundError:  # another command has just found that it is over
            continue
        job: Any = submitit.SlurmJob(sweep / JOBS, content["job"])
        if job.done(force_check=True):
            file.unlink(missing_ok=True)
        else:
            jobs.append((job, content["cells"]))
    return jobs


def _leave(slurm: bool, jobs: list[Any]) -> None:
    """Leave jobs on SLURM to themselves; end those on this machine."""
    if slurm:
        log.warning("%d jobs go on; scancel ends them, the same command watches them again", len(jobs))
        return
    for job in jobs:
        job.cancel()
    for job in jobs:
        while not job.done():
            time.sleep(POLL["local"])


def _last_words(job: Any) -> str:
    """Return in one line how a job ended."""
    try:
        error = job.exception()
    except Exception as problem:  # submitit raises many kinds for a job that left nothing
        error = problem
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] if error else []
    return f"its job {job.job_id} ended without it{': ' + lines[-1] if lines else ''}"[:LONGEST_ERROR]
