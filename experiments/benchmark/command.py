"""Which agents show savings: a declared list of agents, several seeds, the four phases, one page of results.

    python -m experiments.benchmark [--preset smoke|quick|full] [--agents NAME ...] [--seeds 0 1 2 ...]
    python -m experiments.benchmark --agent path/to/mine.py:Mine [--settings mine.toml]

Jobs run side by side, each in a process of its own with one thread. The command waits for all of them and
exits with status 1 if any failed. Repeated, it does what is missing. It writes benchmark.json (with the
values of every seed), README.md and two figures into ``--out``, beside one folder per job.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from experiments.benchmark.agents import AGENTS, Agent, FixedAgent, SupervisedAgent
from experiments.benchmark.outside import find_agent, folder_name, is_outside
from experiments.benchmark.protocol import CONTENT, Job, Protocol, check_exploration, check_seeds
from experiments.runs.command_line import StopFlag, choice, choices, differing_flags, preset_main
from experiments.runs.out import check_out
from experiments.runs.side_by_side import Command, run_side_by_side
from savings_gym.arrays import as_choice
from savings_gym.files import sole_writer

log = logging.getLogger(__name__)
PRESET_NAMES = ("full", "paying", "quick", "smoke")


@dataclass(frozen=True)
class Benchmark:
    """Arguments of the benchmark."""

    preset: Annotated[str, choice(PRESET_NAMES)] = "full"
    """full (the planned table, days; docs/your_row.md has the terms of the committed one), paying (the same
    with a reward and a share of catch trials with which adaptation pays more, see
    `experiments.benchmark.reward`), quick (short phases, minutes per agent), smoke (three agents, two
    minutes)."""
    out: Path = Path("runs/benchmark")
    """Folder of the results."""
    agents: Annotated[tuple[str, ...], choices((*AGENTS, "module:Class"), ("--agent",))] = ()
    """Names of agents; by default all of them. A class from elsewhere is module:Class, or
    path/to/file.py:Class, see `experiments.benchmark.outside`."""
    settings: Path | None = None
    """TOML file with the settings of the class from elsewhere."""
    seeds: tuple[int, ...] = tuple(range(10))
    """One job per agent and seed; the networks of the supervised ensemble are its seeds, in a single job."""
    jobs: int = os.cpu_count() or 1
    """Jobs that run at the same time."""
    protocol: Protocol = Protocol()
    """The four phases."""
    sham: bool = True
    """Run every learning agent a second time with the same seeds and without a field in FF1, to tell savings
    from practice."""
    track: bool = False
    """Mirror the jobs to Weights & Biases (offline without WANDB_API_KEY)."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        if self.settings is not None and sum(is_outside(name) for name in self.agents) != 1:
            raise ValueError("--settings is for one agent from elsewhere: give one --agent module:Class")
        for name, agent in self.chosen().items():
            check_exploration(name, agent, self.protocol)
        check_seeds(self.seeds)
        if self.jobs < 1:
            raise ValueError(f"jobs must be at least 1, got {self.jobs}")
        as_choice("preset", self.preset, PRESET_NAMES)
        if self.protocol.sham:
            raise ValueError("--protocol.sham is for a single job; --sham runs every agent with and without")
        check_out(self.out, CONTENT)

    def chosen(self) -> dict[str, Agent]:
        """Return the agents by name: all that are declared if none is named.

        Raises:
            ValueError: If one does not exist or does not fit.
        """
        names = [name for name in AGENTS if not self.agents or name in self.agents]
        names += [name for name in dict.fromkeys(self.agents) if name not in AGENTS]
        return {name: find_agent(name, self._settings_of(name)) for name in names}

    def _settings_of(self, name: str) -> Path | None:
        return self.settings if is_outside(name) else None

    def all_jobs(self) -> list[Job]:
        """Return every job, seed by seed, so that a first table comes early."""
        jobs, chosen = [], self.chosen()
        sham_protocol = dataclasses.replace(self.protocol, sham=True)
        for seed in self.seeds:
            for name, agent in chosen.items():
                ensemble = isinstance(agent, SupervisedAgent)
                if ensemble and seed != self.seeds[0]:
                    continue
                folder = self.out / folder_name(name) / ("ensemble" if ensemble else f"seed-{seed}")
                job_seed, settings = 0 if ensemble else seed, self._settings_of(name)
                job = Job(name, job_seed, folder, self.protocol, self.track, settings)
                jobs.append(job)
                if self.sham and not isinstance(agent, FixedAgent):
                    out = folder.with_name(f"sham-{folder.name}")
                    sham = dataclasses.replace(job, out=out, protocol=sham_protocol)
                    jobs.append(sham if ensemble else dataclasses.replace(sham, nf1=folder))
        return jobs


PRESETS = {
    "full": Benchmark(),
    "paying": Benchmark(
        "paying", Path("runs/benchmark-paying"), protocol=Protocol(catch_fraction=0.1, lateral=5.0)
    ),
    "quick": Benchmark(
        "quick", Path("runs/benchmark-quick"), seeds=(0, 1),
        protocol=Protocol(nf1=4_800, ff1=1_920, nf2=1_920, ff2=1_920, probe_every=96),
    ),
    "smoke": Benchmark(
        "smoke", Path("runs/benchmark-smoke"), ("recurrent-ppo-gru", "plain-ppo", "zero"), seeds=(0, 1),
        protocol=Protocol(nf1=64, ff1=64, nf2=64, ff2=64, probe_every=64, carried_trials=1),
    ),
}  # fmt: skip


def run(config: Benchmark) -> int:
    """Run what is missing, then report; return the exit status.

    Returns:
        0; 1 if a job failed, or figures could not be drawn; if interrupted, 130 after Ctrl-C and 143 after
        SIGTERM.
    """
    with StopFlag() as stop, sole_writer(config.out):
        return _run(config, stop)


def _run(config: Benchmark, stop: StopFlag) -> int:
    jobs = config.all_jobs()
    missing = [job for job in jobs if job.record is None]  # raises for folders of other jobs
    log.info("%d jobs, %d of them finished before", len(jobs), len(jobs) - len(missing))
    shared = {job.nf1 for job in missing}  # the shams of these jobs go on from NF1 of theirs
    works = {job.agent for job in jobs if job.record is not None}  # with a seed that is finished
    commands = [_command(dataclasses.replace(job, keep_nf1=job.out in shared), works) for job in missing]
    failed = run_side_by_side(commands, config.jobs, stop)
    finished = [job for job in jobs if job.record is not None]
    drawn = True
    if finished:
        from experiments.benchmark.report import report  # pandas and matplotlib

        drawn = report(config.out, finished, config.protocol)
    for job in missing:
        name = _label(job, job.protocol.sham)
        if name in failed:
            log.error("failed with status %d: %s, see %s", failed[name], name, _log_file(job))
    if stop():
        log.warning("interrupted: the same command resumes with what is missing")
        return stop.status
    return 0 if drawn and not failed else 1


def _command(job: Job, works: Collection[str]) -> Command:
    after = None if job.nf1 is None else _label(job, sham=False)
    name = _label(job, job.protocol.sham)
    arguments = ["experiments.benchmark.job", *job_arguments(job)]
    untried = is_outside(job.agent) and job.agent not in works  # a class may fail with every seed
    group = job.agent if untried else None
    return Command(name, arguments, _log_file(job), after, group=group)


def job_arguments(job: Job) -> list[str]:
    """Return the command line of a job, without its defaults."""
    arguments = ["--agent", job.agent, "--seed", str(job.seed), "--out", str(job.out)]
    arguments += differing_flags(job.protocol, Protocol(), "protocol.")
    arguments += [] if job.settings is None else ["--settings", str(job.settings)]
    arguments += [] if job.nf1 is None else ["--nf1", str(job.nf1)]
    arguments += ["--keep-nf1"] if job.keep_nf1 else []
    return [*arguments, "--track"] if job.track else arguments


def _label(job: Job, sham: bool) -> str:
    seed = "" if isinstance(job.declaration, SupervisedAgent) else f" seed {job.seed}"
    return f"{job.agent}{' sham' * sham}{seed}"


def _log_file(job: Job) -> Path:
    return job.out.with_name(f"{job.out.name}.log")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return preset_main("experiments.benchmark", PRESETS, "full", run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
