"""The arguments of the speed benchmark, and what its parts share."""

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
from experiments.speed.motornet import MotorNetWorkers, motornet_version
from experiments.speed.work import Task, Work
from savings_gym.task.settings import N_TARGETS

Section = dict[str, Any]
PARTS = ("update", "probe", "parts", "growth", "projection", "env", "rl")


@dataclass(frozen=True)
class Speed:
    """Arguments of the benchmark."""

    quick: bool = False
    """Few repetitions: under a minute, once the kernels are compiled."""
    part: Annotated[tuple[str, ...], choices(PARTS)] = ("update", "probe", "parts", "growth", "projection")
    """What to measure; keys of the parts left out are null in speed.json."""
    out: Path = Path("runs/speed")
    """Folder; an earlier benchmark there is replaced."""
    networks: int = 40
    """Networks of the ensemble."""
    units: int = 128
    """Recurrent units a network."""
    rollout: Annotated[str, choice(ROLLOUTS)] = "auto"
    """auto, fused or plain."""
    device: str = "cpu"
    """cpu, cuda, ... of our part; MotorNet always runs on the CPU's cores."""

    def __post_init__(self) -> None:
        """Checks every value before any work starts."""
        for name in ("networks", "units"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        unknown = [part for part in self.part if part not in PARTS]
        if unknown or not self.part:
            raise ValueError(f"unknown part {unknown}; choose one or more of: {', '.join(PARTS)}")
        if self.rollout not in ROLLOUTS:
            raise ValueError(f"unknown rollout {self.rollout!r}; choose from: {', '.join(ROLLOUTS)}")
        check_device(self.device)
        check_learning_memory(
            "gru", self.networks, self.units, N_TARGETS, rollout=self.rollout, device=self.device
        )
        if self.out.is_file():
            raise FileExistsError(f"--out {self.out} is a file, expected a folder")


class Bench:
    """What the parts share: the arguments, and MotorNet's processes, started when first wanted."""

    def __init__(self, config: Speed, stack: ExitStack) -> None:
        """The stack ends the processes."""
        self.config, self.stack = config, stack
        self.cores = os.cpu_count() or 1
        self.rounds = 3 if config.quick else 15
        self.started: MotorNetWorkers | None = None

    def work(self, networks: int, **sizes: Any) -> Work:
        """Our learner at the sizes of the arguments, unless others are given."""
        settings: Section = {"units": self.config.units, "device": self.config.device}
        return Work(networks, rollout=self.config.rollout, **settings | sizes)

    def motornet(self) -> MotorNetWorkers | None:
        """One MotorNet process a core; None where it is not installed."""
        if self.started is None and motornet_version() is not None:
            self.started = self.stack.enter_context(MotorNetWorkers(self.config.units, self.cores))
        return self.started

    def motornet_tasks(self, what: str) -> dict[str, Task]:
        """Seconds of a network's update or probe: over all cores at once, and of one process alone."""
        workers = self.motornet()
        if workers is None:
            return {}
        repetitions = 1 if self.config.quick else 2

        def all_cores() -> float:
            return 1 / sum(1 / seconds for seconds in workers.seconds(what, repetitions, self.cores))

        return {
            "motornet": all_cores,
            "motornet_alone": lambda: workers.seconds(what, repetitions, 1)[0],
        }
