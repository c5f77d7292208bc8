"""The arguments of the speed benchmark, and the bench on which its parts are measured."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from agents.supervised.learner import ROLLOUTS
from agents.supervised.memory import check_learning_memory
from agents.supervised.networks import check_device
from experiments.runs.command_line import choice, choices
from experiments.runs.out import check_out
from experiments.speed.motornet import MotorNetWorkers, motornet_version
from experiments.speed.work import Task, Work
from savings_gym.arrays import as_choice, as_whole_number
from savings_gym.task.settings import N_TARGETS

RESULTS = "speed.json"
Section = dict[str, Any]  # what a part adds to speed.json
PARTS = ("update", "probe", "parts", "growth", "projection", "env", "rl")
LEARNING = PARTS[:5]  # the parts about the supervised learner, measured by default


@dataclass(frozen=True)
class Speed:
    """Arguments of the benchmark."""

    quick: bool = False
    """Few repetitions: under a minute, once the kernels are compiled."""
    part: Annotated[tuple[str, ...], choices(PARTS)] = LEARNING
    """Parts to measure; by default those about the supervised learner."""
    out: Path = Path("runs/speed")
    """Folder of the results; parts measured there before on this machine, with these sizes, are kept."""
    networks: int = 40
    """Networks of the ensemble."""
    units: int = 128
    """Recurrent units per network."""
    rollout: Annotated[str, choice(ROLLOUTS)] = "auto"
    """auto, fused or plain."""
    device: str = "cpu"
    """cpu, cuda, ... of this project's learner; MotorNet always runs on the cores of the CPU."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        for name in ("networks", "units"):
            as_whole_number(name, getattr(self, name), least=1)
        if not self.part:
            raise ValueError(f"part must name one or more of: {', '.join(PARTS)}")
        for name in self.part:
            as_choice("part", name, PARTS)
        as_choice("rollout", self.rollout, ROLLOUTS)
        check_device(self.device)
        check_learning_memory(
            "gru", self.networks, self.units, N_TARGETS, rollout=self.rollout, device=self.device
        )
        check_out(self.out, RESULTS)


class Bench:
    """What the parts share: the arguments, and MotorNet's processes, started when first needed."""

    def __init__(self, config: Speed, stack: ExitStack) -> None:
        """Set up a bench whose processes end with the stack."""
        self.config, self.stack = config, stack
        self.cores = os.cpu_count() or 1
        self.rounds = 3 if config.quick else 15
        self.workers: MotorNetWorkers | None = None

    def work(self, networks: int, **sizes: Any) -> Work:
        """Return the supervised learner with the sizes of the arguments, unless others are given."""
        settings: Section = {"units": self.config.units, "device": self.config.device}
        return Work(networks, rollout=self.config.rollout, **settings | sizes)

    def motornet(self) -> MotorNetWorkers | None:
        """Return one MotorNet process per core; None if MotorNet is not installed."""
        if self.workers is None and motornet_version() is not None:
            self.workers = self.stack.enter_context(MotorNetWorkers(self.config.units, self.cores))
        return self.workers

    def motornet_tasks(self, work: str) -> dict[str, Task]:
        """Return tasks for the seconds per network of MotorNet: on all cores at once, and of one process.

        Args:
            work: "update" or "probe".
        """
        workers = self.motornet()
        if workers is None:
            return {}
        repetitions = 1 if self.config.quick else 2

        def all_cores() -> float:
            return 1 / sum(1 / seconds for seconds in workers.seconds(work, repetitions, self.cores))

        return {
            "motornet": all_cores,
            "motornet_alone": lambda: workers.seconds(work, repetitions, 1)[0],
        }
