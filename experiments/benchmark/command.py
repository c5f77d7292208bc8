"""Which agents show savings: every agent of a declared list, several seeds, the four phases, one table.

    python -m experiments.benchmark [--preset smoke|quick|full] [--agents NAME ...] [--seeds 0 1 2 3 4]

Jobs run side by side, each in a process of its own with one thread. The command waits for all of them, shows
what failed and exits with 1 then. The same command goes on with what is missing. Writes benchmark.json,
benchmark.md and benchmark.png into ``--out``, and a folder a job.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from experiments.benchmark.agents import AGENTS, FixedAgent, SupervisedAgent, chosen_agents
from experiments.benchmark.protocol import Job, Protocol
from experiments.runs.command_line import StopFlag, preset_main
from experiments.runs.side_by_side import Command, run_side_by_side

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Benchmark:
    """Arguments of the benchmark."""

    preset: str = "full"
    """full: the table of the README; quick: short phases, minutes an agent; smoke: seconds, for tests."""
    out: Path = Path("runs/benchmark")
    """Folder of the results."""
    agents: tuple[str, ...] = ()
    """Names of agents; none is all of them."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """One job an agent and seed; the supervised ensemble has its seeds within one job."""
    jobs: int = os.cpu_count() or 1
    """Jobs side by side."""
    protocol: Protocol = Protocol()
    """The four phases."""
    sham: bool = False
    """Run every agent that learns a second time without the field in FF1, and tell savings from practice."""
    track: bool = False
    """Mirror the jobs to Weights & Biases (offline without WANDB_API_KEY)."""

    def __post_init__(self) -> None:
        """Checks every value before any work starts."""
        chosen_agents(self.agents)
        if not self.seeds or len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            raise ValueError(f"seeds must be different numbers of at least 0, got {self.seeds}")
        if self.jobs < 1:
            raise ValueError(f"jobs must be at least 1, got {self.jobs}")
        if self.preset not in PRESET_NAMES:
            raise ValueError(f"unknown preset {self.preset!r}; choose from: {', '.join(PRESET_NAMES)}")
        if self.protocol.sham:
            raise ValueError("--protocol.sham is for single jobs; --sham runs every agent with and without")
        if self.out.is_file():
            raise FileExistsError(f"--out {self.out} is a file, expected a folder")

    def all_jobs(self) -> list[Job]:
        """Every job, those of one seed together, so that a first table comes early."""
        found = []
        sham = dataclasses.replace(self.protocol, sham=True)
        for seed in self.seeds:
            for name, agent in chosen_agents(self.agents).items():
                one = isinstance(agent, SupervisedAgent)
                if one and seed != self.seeds[0]:
                    continue
                folder = self.out / name / ("ensemble" if one else f"seed-{seed}")
                number = 0 if one else seed
                found.append(Job(name, number, folder, self.protocol, self.track))
                if self.sham and not isinstance(agent, FixedAgent):
                    folder = folder.with_name(f"sham-{folder.name}")
                    found.append(Job(name, number, folder, sham, self.track))
        return found


PRESET_NAMES = ("full", "quick", "smoke")
PRESETS = {
    "full": Benchmark(),
    "quick": Benchmark(
        "quick", Path("runs/benchmark-quick"), seeds=(0, 1),
        protocol=Protocol(nf1=4_800, ff1=1_920, nf2=1_920, ff2=1_920, probe_every=96),
    ),
    "smoke": Benchmark(
        "smoke", Path("runs/benchmark-smoke"), seeds=(0, 1),
        protocol=Protocol(nf1=128, ff1=128, nf2=128, ff2=128, probe_every=64, carried_trials=1),
    ),
}  # fmt: skip


def run(config: Benchmark) -> int:
    """Runs what is missing and reports; returns the exit status: 0, 1 if a job failed, 130 if interrupted."""
    jobs = config.all_jobs()
    missing = [job for job in jobs if job.record is None]  # raises for folders of other jobs
    log.info("%d jobs, %d of them done before", len(jobs), len(jobs) - len(missing))
    stop = StopFlag()
    failed = run_side_by_side([_command(job) for job in missing], config.jobs, stop)
    done = [job for job in jobs if job.record is not None]
    if done:
        from experiments.benchmark.report import report

        report(config.out, done, dataclasses.asdict(config.protocol))
    for job in missing:
        if _label(job) in failed:
            log.error("failed with status %d: %s, see %s", failed[_label(job)], _label(job), _log_file(job))
    if stop():
        log.warning("interrupted: the same command goes on with what is missing")
        return 130
    return 1 if failed else 0


def _command(job: Job) -> Command:
    return Command(_label(job), ["experiments.benchmark.job", *arguments(job)], _log_file(job))


def arguments(job: Job) -> list[str]:
    """The command line of a job, without what is default."""
    given = ["--agent", job.agent, "--seed", str(job.seed), "--out", str(job.out)]
    for name, value in dataclasses.asdict(job.protocol).items():
        if value != getattr(Protocol(), name):
            given += [f"--protocol.{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    return [*given, "--track"] if job.track else given


def _label(job: Job) -> str:
    sham = " sham" if job.protocol.sham else ""
    return f"{job.agent}{sham}" + (
        "" if isinstance(AGENTS[job.agent], SupervisedAgent) else f" seed {job.seed}"
    )


def _log_file(job: Job) -> Path:
    return job.out.with_name(f"{job.out.name}.log")


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    return preset_main(arguments, PRESETS, "full", run, __doc__)


if __name__ == "__main__":
    sys.exit(main())
