"""The small runs that are tortured, in child processes that signals reach as they reach any command."""

from __future__ import annotations

import dataclasses
import importlib
import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch

from experiments.runs.folder import RunFolder
from experiments.savings.command import main as savings_main
from experiments.savings.config import PRESETS, Savings
from experiments.savings.config import arguments as savings_arguments
from savings_gym.files import LEFTOVER, PARTS, PROBES
from savings_gym.task.schedule import PHASES

SIGNALS: Final = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "hup": signal.SIGHUP, "int": signal.SIGINT}
NETWORKS: Final = tuple(f"networks_{phase}.safetensors" for phase in PHASES)
RESULTS: Final = (PROBES, "paths.nc", "pretrained.safetensors", *NETWORKS)  # alike to the byte
PART: Final = f"{PARTS}/*.parquet"
GRACE: Final = 60.0  # s that a process may take to stop after a signal


def small_run(folder: Path, updates: int) -> Savings:
    """Return a small run with a number of updates in every phase, which saves its state often."""
    return dataclasses.replace(
        PRESETS["smoke"], out=folder, keep_every=2, nf1_updates=updates, ff1_updates=updates,
        nf2_updates=updates, ff2_updates=updates,
    )  # fmt: skip


def preload() -> None:
    """Import what a run imports on its way, so that the children need not, each for itself."""
    importlib.import_module("experiments.drawing.run")
    importlib.import_module("agents.supervised.fused")
    parameter = torch.nn.Parameter(torch.zeros(1))
    parameter.grad = torch.zeros(1)
    for optimiser in (torch.optim.Adam([parameter]), torch.optim.SGD([parameter])):
        optimiser.step()


def fresh(config: Savings, **changes: Any) -> Savings:
    """Return a run, with changes if given, after its folder was removed."""
    changed = dataclasses.replace(config, **changes)
    shutil.rmtree(changed.out, ignore_errors=True)
    return changed


def results(folder: Path) -> dict[str, bytes]:
    """Return the files of a run that must not depend on what happened to it; empty if one is missing."""
    return {name: (folder / name).read_bytes() if (folder / name).is_file() else b"" for name in RESULTS}


def leftovers(folder: Path) -> list[Path]:
    """Return temporary files in a run folder."""
    return [path for path in folder.rglob(".*") if LEFTOVER.fullmatch(path.name)]


def ended(config: Savings) -> bool:
    """Return whether a run is complete."""
    try:
        return bool(RunFolder.read_summary(config.out)["complete"])
    except FileNotFoundError:
        return False


def start(config: Savings, output: Path = Path(os.devnull), prepare: Callable[[], None] | None = None) -> Any:
    """Start the command of a run in a child, forked so that it need not import everything again.

    Args:
        config: The run.
        output: File for what the command writes.
        prepare: Called in the child before the command.
    """
    child = multiprocessing.get_context("fork").Process(target=_command, args=(config, output, prepare))
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the command takes it over
    try:
        child.start()
    finally:
        signal.signal(signal.SIGINT, before)
    return child


def _command(config: Savings, output: Path, prepare: Callable[[], None] | None) -> None:
    to = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(to, 1)
    os.dup2(to, 2)
    if prepare is not None:
        prepare()
    sys.exit(savings_main(savings_arguments(config)))


def finish(config: Savings) -> int:
    """Run a command to its end; return its exit status."""
    child = start(config)
    child.join()
    return int(child.exitcode)


def interrupt(config: Savings, after: float, number: signal.Signals) -> bool:
    """Start or resume a run and interrupt it after some seconds; return whether it was still running.

    Raises:
        RuntimeError: If it fails, does not stop, or hides the signal in its exit status.
    """
    child = start(config)
    child.join(after)
    running = child.is_alive()
    if running:
        os.kill(child.pid, number)
        child.join(GRACE)
        if child.is_alive():
            child.kill()
            raise RuntimeError(f"a run did not stop within {GRACE:.0f} s of {number.name}")
    heard = (-number, 128 + number) if running else ()  # -number: before the command took the signal over
    if child.exitcode not in heard and not (child.exitcode == 0 and ended(config)):
        raise RuntimeError(f"{config.out} ended with status {child.exitcode}, after {number.name}: {running}")
    return running


def half(config: Savings) -> Savings:
    """Run a command until it has a finished phase and a state, and stop it.

    Raises:
        RuntimeError: If it ends before.
    """
    child = start(config)
    while not ((config.out / NETWORKS[0]).is_file() and len(list(config.out.glob(PART))) > 2):
        time.sleep(0.002)
    os.kill(child.pid, signal.SIGTERM)
    child.join(GRACE)
    if child.exitcode != 128 + signal.SIGTERM:
        raise RuntimeError(f"{config.out} ended with status {child.exitcode} before it could be stopped")
    return config
