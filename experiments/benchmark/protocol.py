"""The protocol of the benchmark and its jobs: one agent with one seed through the four phases."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.benchmark.agents import AGENTS, chosen_agents
from savings_gym.fields import CurlField, NullField
from savings_gym.task.schedule import Schedule, four_phase

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
