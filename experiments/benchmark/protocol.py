"""The protocol of the benchmark and its jobs: one agent with one seed through the four phases."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from experiments.benchmark.agents import AGENTS, Agent, OutsideAgent, expecting
from experiments.benchmark.outside import find_agent
from experiments.runs.command_line import choice
from savings_gym.arrays import as_choice, as_number, as_whole_number
from savings_gym.files import verified
from savings_gym.perturbations.fields import CurlField, NullField
from savings_gym.probes.criterion import ReachCriterion
from savings_gym.task.schedule import Schedule, four_phase
from savings_gym.task.settings import CATCH_FRACTION, RewardWeights

EXPLORATION = FIXED_NOISE, RESET_NOISE, AS_TRAINED = "fixed", "reset", "as-trained"
OWN_NOISE = "the agent's own"  # in rows of classes that learn trial by trial, which no protocol reaches
CONTENT = "benchmark.json"  # the numbers of a benchmark's page
RECORD = "job.json"  # written last: a folder that has it holds a finished job
REACHED = 0.010  # m, mean end-point error of an agent that has learned to reach
LARGEST_SB3_SEED = 2**32 - 1  # of NumPy's global generator, which stable-baselines3 seeds


@dataclass(frozen=True)
class Protocol:
    """The four phases of every job.

    The defaults are those of the next table, which experiments/results/benchmark/PLAN.md plans. The committed
    one was made with ``criterion`` None, ``exploration`` as-trained, five seeds and no shams.
    """

    nf1: int = 13_440
    """Most trials of NF1, in which agents learn to reach."""
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
    """Curl of the field [N s/m]."""
    criterion: float | None = REACHED
    """Mean end-point error [m] that ends NF1, so that all agents enter FF1 within it; None lets NF1 last."""
    criterion_probes: int = 3
    """Probes in a row that must meet the criterion."""
    exploration: Annotated[str, choice(EXPLORATION)] = FIXED_NOISE
    """Learned exploration noise after NF1: fixed at its value at the end of NF1, so that FF1 and FF2 are
    explored alike; reset to it at the start of every phase; or as-trained, as the algorithm changes it."""
    catch_fraction: float = CATCH_FRACTION
    """Share of training trials without a go cue, which no field disturbs."""
    lateral: float = 0.0
    """Weight of the distance from the straight line in the reward, see `experiments.benchmark.reward`."""
    sham: bool = False
    """No field in FF1: a smaller deviation or a higher rate in FF2 is then practice, not savings. For
    experiments.benchmark.job alone; experiments.benchmark has --sham."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        for name in ("nf1", "ff1", "nf2", "ff2", "probe_every", "carried_trials"):
            as_whole_number(name, getattr(self, name), least=1)
        CurlField(self.b)
        as_choice("exploration", self.exploration, EXPLORATION)
        as_number("catch_fraction", self.catch_fraction, 0.0, 0.95)
        RewardWeights(lateral=self.lateral)
        ReachCriterion(REACHED if self.criterion is None else self.criterion, self.criterion_probes)

    @property
    def field(self) -> CurlField:
        """The field of FF1 and FF2."""
        return CurlField(self.b)

    @property
    def reach_criterion(self) -> ReachCriterion | None:
        """What ends NF1 before its last trial; None if nothing does."""
        return None if self.criterion is None else ReachCriterion(self.criterion, self.criterion_probes)

    @property
    def task(self) -> dict[str, Any]:
        """Arguments of the training environments, beside the schedule."""
        return {"catch_fraction": self.catch_fraction, "reward_weights": {"lateral": self.lateral}}

    def schedule(self) -> Schedule:
        """Return the four phases."""
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

    agent: Annotated[str, choice((*AGENTS, "module:Class"))]
    """Name in `experiments.benchmark.agents`, or a class from elsewhere, module:Class, see
    `experiments.benchmark.outside`."""
    seed: int
    """Seed of everything random; the network number in the tables."""
    out: Path
    """Folder of this job."""
    protocol: Protocol = Protocol()
    """The four phases."""
    track: bool = False
    """Mirror the job to Weights & Biases (offline without WANDB_API_KEY)."""
    settings: Path | None = None
    """TOML file with the settings of a class from elsewhere."""
    keep_nf1: bool = False
    """Leave the last state of NF1 in the folder, for the sham."""
    nf1: Path | None = None
    """Folder of the job with a field in FF1, for its sham, which goes on from its last state in NF1 if that
    is there."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        if self.nf1 is not None and not self.protocol.sham:
            raise ValueError("--nf1 is for a sham: give --protocol.sham, too")
        check_exploration(self.agent, self.declaration, self.protocol)
        check_seeds((self.seed,))
        if self.out.is_file():
            raise FileExistsError(f"--out {self.out} is a file, expected a folder")

    @property
    def declaration(self) -> Agent:
        """The agent with all its settings."""
        agent = find_agent(self.agent, self.settings)
        return expecting(agent, self.protocol.field) if self.agent in AGENTS else agent

    def identity(self) -> dict[str, Any]:
        """Return what decides the results, JSON-able."""
        agent, protocol = self.declaration, dataclasses.asdict(self.protocol)
        if not self.protocol.sham:
            del protocol["sham"]
        settings = {"kind": type(agent).__name__, **dataclasses.asdict(agent)}
        for name in ("description", "search", "code", "known_noise"):
            settings.pop(name, None)
        if settings.get("source") is None:  # of an agent of ours
            settings.pop("source", None)
        if settings["kind"] == OutsideAgent.__name__ and not settings["recurrent"]:
            del settings["recurrent"]
        identity = {"agent": self.agent, "seed": self.seed, "protocol": protocol, "settings": settings}
        return dict(json.loads(json.dumps(identity, default=str)))

    @property
    def learner_seed(self) -> int:
        """Seed of the learner and its environments, spawned so that neighbouring jobs share no random stream.

        Some libraries use seed, seed + 1, ... for environments, weights and samplers.
        """
        (child,) = np.random.SeedSequence(self.seed).spawn(1)
        return int(child.generate_state(1)[0])

    @property
    def record(self) -> dict[str, Any] | None:
        """Content of job.json; None while the job is not finished.

        Raises:
            FileExistsError: If the folder holds a job with other arguments.
            ValueError: If the file was changed.
        """
        file = self.out / RECORD
        try:
            text = verified(file).read_text(errors="replace")
        except FileNotFoundError:
            return None
        try:
            record = dict(json.loads(text))
        except (ValueError, TypeError) as error:
            raise FileExistsError(f"{file} is not the record of a job: choose another --out") from error
        stored, identity = record.get("identity"), self.identity()
        if stored != identity:
            parts = [
                key for key in identity if not isinstance(stored, dict) or stored.get(key) != identity[key]
            ]
            raise FileExistsError(
                f"{self.out} holds a job with another {', '.join(parts)}: choose another --out or remove it"
            )
        return record


def exploration_of(name: str, kind: str, exploration: str) -> str:
    """Return what becomes of the exploration noise of an agent, for its row.

    Args:
        name: Name of the agent.
        kind: Class of its declaration.
        exploration: See `Protocol`.
    """
    own = kind == OutsideAgent.__name__ and name not in AGENTS  # the theories there do not explore
    return OWN_NOISE if own else exploration


def check_exploration(name: str, agent: Agent, protocol: Protocol) -> None:
    """Raise a ValueError if the protocol matches the noise of an algorithm, but it is not known.

    A class that learns trial by trial explores as it likes; its row says so, see `exploration_of`.
    """
    check_noise(name, getattr(agent, "known_noise", True), protocol.exploration)


def check_noise(name: str, known: bool, exploration: str) -> None:
    """Raise a ValueError if noise that is not known has to be matched between phases.

    Args:
        name: Name of the agent, for the error.
        known: Whether its noise is known, see `experiments.benchmark.noise`.
        exploration: See `Protocol`.
    """
    if not known and exploration != AS_TRAINED:
        raise ValueError(
            f"{name} has no exploration noise that is known here, so that it cannot be matched between "
            f"phases: use --protocol.exploration {AS_TRAINED}"
        )


def check_seeds(seeds: tuple[int, ...]) -> None:
    """Raise a ValueError for no seeds, equal seeds, and seeds that an algorithm could not use."""
    if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0 or max(seeds) > LARGEST_SB3_SEED:
        raise ValueError(f"seeds must be different whole numbers from 0 to {LARGEST_SB3_SEED}, got {seeds}")
