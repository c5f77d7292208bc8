"""One agent with one seed through the four phases: a row's share of `experiments.benchmark`.

    python -m experiments.benchmark.job --agent ppo --seed 0 --out runs/benchmark/ppo/seed-0

The folder then holds probes.parquet, summary.json and job.json, written last. A job that was killed begins
anew: it is minutes long.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from agents.memory import keep_freed_memory
from experiments.benchmark.agents import AGENTS, Agent, chosen_agents
from experiments.run_folder import versions
from savings_gym.fields import CurlField, NullField
from savings_gym.files import write_json
from savings_gym.schedule import Schedule, four_phase
from savings_gym.settings import TRIAL_STEPS

log = logging.getLogger(__name__)
DONE = "job.json"


@dataclass(frozen=True)
class Protocol:
    """The four phases of every job; the defaults are those of the table in the README."""

    nf1: int = 13_440
    """Trials of NF1, in which agents learn to reach."""
    ff1: int = 4_800
    """Trials of the first adaptation, FF1."""
    nf2: int = 6_720
    """Trials of the washout, NF2."""
    ff2: int = 4_800
    """Trials of the second adaptation, FF2."""
    probe_every: int = 192
    """Trials between probes."""
    carried_trials: int = 3
    """Trials before a probe with memory carried across trials."""
    b: float = 8.0
    """Curl of the field, N s/m."""
    sham: bool = False
    """No field in FF1: a lower deviation or a higher rate in FF2 is then practice, not savings."""

    def __post_init__(self) -> None:
        """Checks every value before any work starts."""
        for name in ("nf1", "ff1", "nf2", "ff2", "probe_every", "carried_trials"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        CurlField(self.b)

    @property
    def field(self) -> CurlField:
        """The field of FF1 and FF2."""
        return CurlField(self.b)

    def schedule(self) -> Schedule:
        """The four phases."""
        schedule = four_phase(self.field, self.nf1, self.ff1, self.nf2, self.ff2)
        if not self.sham:
            return schedule
        nf1, ff1, *later = schedule.phases
        return dataclasses.replace(
            schedule, phases=(nf1, dataclasses.replace(ff1, field=NullField()), *later)
        )


@dataclass(frozen=True)
class Job:
    """Arguments of one job."""

    agent: str
    """Name in `experiments.benchmark.agents`."""
    seed: int
    """Of everything random; the network number in the tables."""
    out: Path
    """Folder of this job."""
    protocol: Protocol = Protocol()
    """The four phases."""
    track: bool = False
    """Mirror the job to Weights & Biases (offline without WANDB_API_KEY)."""

    def __post_init__(self) -> None:
        """Checks every value before any work starts."""
        chosen_agents((self.agent,))
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")
        if self.out.is_file():
            raise FileExistsError(f"--out {self.out} is a file, expected a folder")

    def identity(self) -> dict[str, Any]:
        """What decides the results, JSON-able."""
        agent, protocol = AGENTS[self.agent], dataclasses.asdict(self.protocol)
        if not self.protocol.sham:
            del protocol["sham"]
        values: dict[str, Any] = {
            "agent": self.agent, "seed": self.seed, "protocol": protocol,
            "settings": {"kind": type(agent).__name__, **dataclasses.asdict(agent)},
        }  # fmt: skip
        for name in ("about", "search"):
            values["settings"].pop(name, None)
        return dict(json.loads(json.dumps(values, default=str)))

    @property
    def record(self) -> dict[str, Any] | None:
        """What job.json says of a job that is done; None when it is not.

        Raises:
            FileExistsError: When the folder holds a job of other arguments.
        """
        try:
            found = dict(json.loads((self.out / DONE).read_text()))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise FileExistsError(f"{self.out / DONE} is not ours: choose a new folder") from error
        held, mine = found.get("identity"), self.identity()
        if held != mine:
            parts = [key for key in mine if not isinstance(held, dict) or held.get(key) != mine[key]]
            raise FileExistsError(
                f"{self.out} holds a job of another {', '.join(parts)}: choose another --out or remove it"
            )
        return found


def run(job: Job) -> None:
    """Does the job, unless it was done."""
    from experiments.benchmark import learners as learners  # torch, SB3

    if job.record is not None:
        log.info("%s is done", job.out)
        return
    agent: Agent = AGENTS[job.agent]
    began, began_core = time.monotonic(), time.process_time()
    extra = learners.learn(agent, job)
    seconds, core_seconds = time.monotonic() - began, time.process_time() - began_core
    steps = job.protocol.schedule().trials * TRIAL_STEPS
    record = {
        "identity": job.identity(),
        "wall_time_s": round(seconds, 1),
        "core_time_s": round(core_seconds, 1),
        "steps_per_second": round(steps / core_seconds, 1),  # of one core, whatever else runs beside it
        "versions": versions(),
    }
    write_json(job.out / DONE, record | extra)
    log.info("done in %.1f min", seconds / 60)


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    keep_freed_memory()
    try:
        run(tyro.cli(Job, args=arguments, description=__doc__))
        return 0
    except (ValueError, OSError) as error:
        log.error("error: %s", error)
        return 2
    except KeyboardInterrupt:
        log.warning("interrupted: the same command does the job anew")
        return 130


if __name__ == "__main__":
    sys.exit(main())
