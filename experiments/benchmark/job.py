"""One agent with one seed through the four phases: one job of `experiments.benchmark`.

    python -m experiments.benchmark.job --agent ppo --seed 0 --out runs/benchmark/ppo/seed-0

The folder then holds probes.parquet, summary.json, returns.parquet and, written last, job.json. A job that
was interrupted goes on where it was, and one that was killed from its last state, at most 640 trials earlier:
the tables are those of an undisturbed one, byte for byte. An agent from elsewhere without ``save`` and
``load`` starts over. Up to FF1 a sham is the job with a field, and may go on from its last state in NF1
(``--keep-nf1``, ``--nf1``), to the same tables.
"""

from __future__ import annotations

import logging
import sys
import time
from contextlib import nullcontext

from experiments.benchmark.agents import SupervisedAgent
from experiments.benchmark.learners import learn
from experiments.benchmark.protocol import RECORD, Job
from experiments.benchmark.state import NF1_STATE, STATE
from experiments.runs.command_line import StopFlag, Stopped, command_main
from experiments.runs.folder import remove_state, versions
from savings_gym.files import sole_writer, write_json
from savings_gym.task.settings import TRIAL_STEPS

log = logging.getLogger(__name__)


def run(job: Job) -> int:
    """Do the job, unless it is finished already; return the exit status.

    Returns:
        0; if interrupted, 130 after Ctrl-C and 143 after SIGTERM.

    Raises:
        BusyFolderError: If another process is doing it.
    """
    if job.record is not None:
        _remove_states(job)  # of a process that was killed right before
        log.info("%s is finished", job.out)
        return 0
    began, began_core = time.monotonic(), time.process_time()
    agent = job.declaration
    guards_itself = isinstance(agent, SupervisedAgent)  # it is a run of `experiments.savings`
    with StopFlag() as stop, nullcontext() if guards_itself else sole_writer(job.out):
        try:
            details = learn(agent, job, stop)
        except Stopped:
            log.warning("interrupted: the same command goes on with the job")
            return stop.status
    record = {
        "identity": job.identity(),
        "wall_time_s": round(time.monotonic() - began, 1),
        "core_time_s": round(time.process_time() - began_core, 1),
        **details,
        "description": agent.description,
        "code": getattr(agent, "code", None),
        "versions": versions(),
    }
    steps = details.get("trials", job.protocol.schedule().trials) * TRIAL_STEPS  # NF1 may end early
    record["steps_per_second"] = round(steps / max(record["core_time_s"], 0.1), 1)  # of one core
    write_json(job.out / RECORD, record)
    _remove_states(job)
    log.info("finished in %.1f min", record["wall_time_s"] / 60)
    return 0


def _remove_states(job: Job) -> None:
    """Remove what a finished job no longer needs: its state, and that from which a sham went on."""
    remove_state(job.out / STATE)
    if job.nf1 is not None:
        remove_state(job.nf1 / NF1_STATE)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return command_main("experiments.benchmark.job", Job, run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
