"""How long the main experiment takes, projected from a short measured run of its own code.

It runs in a process of its own, so that the peak memory is that of the experiment alone.
"""

from __future__ import annotations

import dataclasses
import logging
import multiprocessing
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from agents.supervised.checkpoints import load_ensemble
from agents.supervised.learner import SupervisedLearner
from experiments.runs.command_line import keep_freed_memory
from experiments.runs.folder import RunFolder
from experiments.savings.config import PRESETS, Savings
from experiments.savings.experiment import FourPhases
from experiments.savings.pretrain import Pretraining, pretrain
from experiments.speed.motornet import peak_memory
from savings_gym.perturbations.fields import CurlField

WARM_UP = 2  # updates that do not count, because they touch memory for the first time
FIELD_PHASE = 1  # index of FF1, the first phase with a field


@dataclass(frozen=True)
class Projection:
    """Time that a preset takes.

    Attributes:
        pretraining: One pre-training update with its batch [s]; None if the preset starts from weights.
        phase: One update of a phase with its batch and its probe [s].
        hours: The whole schedule, without the report at its end [h].
    """

    pretraining: float | None
    phase: float
    hours: float


class _Stamps:
    """A stop flag that is never raised and notes the time whenever it is asked, once per update."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self) -> bool:
        self.times.append(time.perf_counter())
        return False

    def mean(self, updates: int) -> float:
        """Return the mean seconds per update, without the first ones."""
        counted = self.times[WARM_UP : WARM_UP + updates + 1]
        return (counted[-1] - counted[0]) / (len(counted) - 1)


def schedule_hours(config: Savings, pretraining: float | None, phase: float) -> float:
    """Return the hours of a preset from its seconds per update."""
    seconds = phase * sum(training.updates for training in config.phases())
    if pretraining is not None:
        seconds += pretraining * config.pretraining_updates
    return seconds / 3600


def measure(config: Savings, updates: int, device: str) -> Projection:
    """Run the first updates of the pre-training, if the preset has one, and of a phase with its probes."""
    with tempfile.TemporaryDirectory() as folder:
        weights, pretraining = Path(folder) / "pretrained.safetensors", None
        if config.pretrained is None:
            stamps = _Stamps()
            job = Pretraining(
                weights, config.networks, config.units, config.cell, updates + WARM_UP + 1, device=device
            )
            pretrain(job, stamps)
            pretraining = stamps.mean(updates)
        else:  # any weights do for timing
            pretrain(Pretraining(weights, config.networks, config.units, config.cell, 1, 8, device=device))
        ensemble = load_ensemble(weights, device=device)
        ensemble.freeze(*config.frozen)
        learner = SupervisedLearner(ensemble, config.learning())
        training = dataclasses.replace(config.phases()[FIELD_PHASE], updates=updates + WARM_UP)
        run = FourPhases(
            learner, [training], config.task(), RunFolder(Path(folder) / "run", {}), CurlField(config.b)
        )
        stamps = _Stamps()
        run.run(lambda progress: None, stamps)
    phase = stamps.mean(updates)
    return Projection(pretraining, phase, schedule_hours(config, pretraining, phase))


def _child(connection: Connection, presets: dict[str, Savings], updates: int, device: str) -> None:
    logging.disable(logging.INFO)
    keep_freed_memory()
    try:
        results: dict[str, Any] = {}
        for name, config in presets.items():
            results[name] = dataclasses.asdict(measure(config, updates, device))
        results["peak_memory_gb"] = peak_memory()
        if device != "cpu":
            results["peak_memory_gb"] = torch.cuda.max_memory_allocated(device) / 1e9
        connection.send(results)
    except Exception as error:
        connection.send(error)


def project(updates: int, device: str = "cpu", presets: dict[str, Savings] | None = None) -> dict[str, Any]:
    """Return projections of the presets ``quick`` and ``paper``, and ``peak_memory_gb`` over both.

    Args:
        updates: Number of measured updates, of the pre-training and of a phase.
        device: ``"cpu"``, ``"cuda"``, ...
        presets: Other presets than these two.

    Raises:
        RuntimeError: If the process that measures failed, with the reason.
    """
    presets = presets or {name: PRESETS[name] for name in ("quick", "paper")}
    context = multiprocessing.get_context("spawn")
    own_end, far_end = context.Pipe()
    process = context.Process(target=_child, args=(far_end, presets, updates, device), daemon=True)
    process.start()
    far_end.close()
    try:
        results = own_end.recv()
    except EOFError as error:
        raise RuntimeError("the process that measures the projection died") from error
    finally:
        process.join()
    if isinstance(results, Exception):
        raise RuntimeError(f"the projection failed: {results!r}") from results
    return dict(results)
