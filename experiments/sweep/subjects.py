"""What a cell of a sweep can be: a run of `experiments.savings`, or a job of `experiments.benchmark`."""

from __future__ import annotations

import contextlib
import dataclasses
import io
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import tyro

from agents.supervised.machine_memory import GB
from agents.supervised.memory import learning_memory
from experiments.benchmark.agents import AGENTS, Sb3Agent, SupervisedAgent
from experiments.benchmark.protocol import Job
from experiments.runs.command_line import named_preset
from experiments.savings import config as savings_config
from experiments.savings.config import PRESETS, Savings
from experiments.savings.pretrain import Pretraining
from experiments.savings.unused import check_given
from savings_gym.task.settings import N_TARGETS

PROCESS_MEMORY: Final = int(0.7 * GB)  # of a process that has imported torch and compiled kernels
ALGORITHM_MEMORY: Final = int(1.2 * GB)  # of one that runs an algorithm of stable-baselines3
PER_UPDATE: Final = 2_000  # work of a batch beside that of its weights, in weights


class Subject(ABC):
    """What a cell is a run of."""

    @abstractmethod
    def config(self, arguments: Mapping[str, Any], out: Path) -> Any:
        """Return the arguments of a cell, checked.

        Raises:
            ValueError, OSError: If one is unknown or has a bad value, or if a file that they name is missing.
        """

    @abstractmethod
    def finished(self, config: Any) -> bool:
        """Return whether the folder of a cell holds its results, whole."""

    @abstractmethod
    def run(self, config: Any) -> int:
        """Run a cell, or go on with it; return its exit status."""

    @abstractmethod
    def memory(self, config: Any) -> int:
        """Return an estimate of the memory that a cell needs [bytes]."""

    @abstractmethod
    def work(self, config: Any) -> float:
        """Return how long a cell takes beside others of the same sweep, in any unit."""


class SavingsRun(Subject):
    """A run of `experiments.savings`: networks on one core, without figures unless asked for."""

    def config(self, arguments: Mapping[str, Any], out: Path) -> Savings:
        """Return the arguments of a cell, checked; see `Subject.config`."""
        preset = arguments.get("preset", "quick")
        default = PRESETS[named_preset(["--preset", str(preset)], PRESETS, "quick")]
        config: Savings = parsed(dataclasses.replace(default, figures=False), arguments, out)
        check_given(config)
        return config

    def finished(self, config: Savings) -> bool:
        """Return whether the run is complete."""
        return savings_config.finished(config)

    def run(self, config: Savings) -> int:
        """Run the experiment, or go on with it."""
        from experiments.savings.command import run

        return run(config)

    def memory(self, config: Savings) -> int:
        """Return an estimate of the memory of the process [bytes]."""
        fused = config.cell == "gru" and config.device == "cpu" and config.rollout != "plain"
        trials = N_TARGETS if config.pretrained is not None else max(N_TARGETS, Pretraining.trials)
        return PROCESS_MEMORY + learning_memory(
            config.cell, config.networks, config.units, trials, fused=fused
        )

    def work(self, config: Savings) -> float:
        """Return the updates times the weights of the networks."""
        updates = config.nf1_updates + config.ff1_updates + config.nf2_updates + config.ff2_updates
        if config.pretrained is None:
            updates += config.pretraining_updates * Pretraining.trials // N_TARGETS
        return float(updates * config.networks * (3 * config.units**2 + PER_UPDATE))


class BenchmarkJob(Subject):
    """A job of `experiments.benchmark`: one agent with one seed, or an ensemble of supervised networks."""

    def config(self, arguments: Mapping[str, Any], out: Path) -> Job:
        """Return the arguments of a cell, checked; see `Subject.config`."""
        for name in ("agent", "seed"):
            if name not in arguments:
                raise ValueError(f"a benchmark cell needs the argument {name}")
        return parsed(Job(next(iter(AGENTS)), 0, out), arguments, out)

    def finished(self, config: Job) -> bool:
        """Return whether the job has its record."""
        return config.record is not None

    def run(self, config: Job) -> int:
        """Do the job."""
        from experiments.benchmark.job import run

        return run(config)

    def memory(self, config: Job) -> int:
        """Return an estimate of the memory of the process [bytes]."""
        agent = config.declaration
        if isinstance(agent, SupervisedAgent):
            ensemble = dataclasses.replace(PRESETS["quick"], networks=agent.networks)
            return SavingsRun().memory(ensemble) + ALGORITHM_MEMORY - PROCESS_MEMORY
        return ALGORITHM_MEMORY

    def work(self, config: Job) -> float:
        """Return the trials, which take about three times as long with memory."""
        slower = 3.0 if getattr(config.declaration, "recurrent", False) else 1.0
        learns = isinstance(config.declaration, Sb3Agent)
        return (slower if learns else 0.3) * config.protocol.schedule().trials


SUBJECTS: Final[dict[str, Subject]] = {"savings": SavingsRun(), "benchmark": BenchmarkJob()}


def parsed(default: Any, arguments: Mapping[str, Any], out: Path) -> Any:
    """Return a dataclass of arguments in which some values are replaced.

    Args:
        default: An instance.
        arguments: New values; a dotted name reaches into a nested dataclass.
        out: The run folder.

    Raises:
        ValueError: If a name is unknown, or a value is not valid for it.
    """
    for_tyro: list[str] = []
    values: dict[str, Any] = {"out": out}
    for name, value in arguments.items():
        current = _current(default, name)
        if type(value) is type(current):
            values[name] = value
        elif type(value) is int and type(current) is float:
            values[name] = float(value)
        else:
            for_tyro += _flags(name, value)
    return _replaced(_by_tyro(default, for_tyro) if for_tyro else default, values)


def _current(config: Any, name: str) -> Any:
    """Return the value of a dotted name in nested dataclasses."""
    for i, part in enumerate(parts := name.split(".")):
        known = [field.name for field in dataclasses.fields(config)] if _is_group(config) else []
        if part not in known:
            within = f" in {'.'.join(parts[:i])}" if i else ""
            raise ValueError(
                f"unknown argument {part!r}{within}; choose from: {', '.join(known) or 'nothing'}"
            )
        config = getattr(config, part)
    if _is_group(config):
        raise ValueError(f"{name} is a group of arguments: give a value for {name}.NAME")
    return config


def _is_group(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _replaced(config: Any, values: Mapping[str, Any]) -> Any:
    """Return a dataclass with new values by dotted name, checked once for each group."""
    own = {name: value for name, value in values.items() if "." not in name}
    groups: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        if "." in name:
            group, rest = name.split(".", 1)
            groups.setdefault(group, {})[rest] = value
    nested = {group: _replaced(getattr(config, group), inner) for group, inner in groups.items()}
    return dataclasses.replace(config, **own, **nested)


def _flags(name: str, value: Any) -> list[str]:
    """Return the flags of a command line for an argument."""
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        group, _, last = flag.removeprefix("--").rpartition(".")
        return [flag] if value else [f"--{group}{'.' if group else ''}no-{last}"]
    return [flag, *map(str, value if isinstance(value, list) else [value])]


def _by_tyro(default: Any, flags: list[str]) -> Any:
    """Return what the command line would make of the flags."""
    output = io.StringIO()
    try:
        with contextlib.redirect_stderr(output), contextlib.redirect_stdout(output):
            return tyro.cli(type(default), default=default, args=flags)
    except SystemExit as error:
        words = " ".join(output.getvalue().split()).strip("╭─╮│╰╯ ")
        raise ValueError(f"{' '.join(flags)}: {words or 'not valid'}") from error
