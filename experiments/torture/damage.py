"""Every kind of file that a run reads back, damaged in every way."""

from __future__ import annotations

import dataclasses
import multiprocessing
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from agents.supervised.checkpoints import load_ensemble
from experiments.runs.folder import RunFolder
from experiments.savings.command import run as run_savings
from experiments.savings.config import Savings
from experiments.stored.activity import activity_of_run
from experiments.torture.runs import NETWORKS, PART, finish, fresh, half
from savings_gym.activity.recording import load_activity
from savings_gym.files import CONFIG, MANIFEST, PROBES, SUMMARY, read_config, read_table, verified

FLIPPED: Final = "flipped byte"
DAMAGES: Final = (FLIPPED, "truncated", "removed", "swapped")
RIGHT: Final = "refused, named"
READERS: Final[dict[str, Callable[[Path], Any]]] = {
    CONFIG: read_config,
    MANIFEST: read_config,
    SUMMARY: RunFolder.read_summary,
    PROBES: lambda folder: read_table(folder / PROBES),
    "paths.nc": lambda folder: verified(folder / "paths.nc"),
    "activity.nc": lambda folder: load_activity(folder / "activity.nc"),
    "pretrained.safetensors": lambda folder: load_ensemble(folder / "pretrained.safetensors"),
    NETWORKS[0]: lambda folder: load_ensemble(folder / NETWORKS[0]),
}
RESUMED: Final = (CONFIG, MANIFEST, "state.pt", PART, NETWORKS[0], "pretrained.safetensors")


def damage_everything(
    whole: Savings, out: Path, rng: np.random.Generator, flips: int
) -> dict[str, dict[str, int]]:
    """Damage every kind of file in every way.

    Args:
        whole: A finished run.
        out: Folder of the damaged copies.
        rng: Generator of the damaged bytes.
        flips: Bytes that are flipped in every kind of file, one at a time.

    Returns:
        What was damaged to how often its reader took it in which way: `RIGHT` is right.
    """
    other = fresh(whole, out=out / "other", seed=1)  # whose files are swapped in
    names = ("half", "other-half")
    halves = [half(fresh(whole, out=out / name, seed=seed)) for seed, name in enumerate(names)]
    if finish(other):
        raise RuntimeError(f"the undisturbed run {other.out} failed")
    for finished in (whole, other):
        child = multiprocessing.get_context("fork").Process(target=activity_of_run, args=(finished.out,))
        child.start()  # in a child, because it starts threads
        child.join()
    verdicts: dict[str, dict[str, int]] = {}

    def count(kind: str, verdict: str) -> None:
        counts = verdicts.setdefault(kind, {})
        counts[verdict] = counts.get(verdict, 0) + 1

    for how in DAMAGES:
        for _ in range(flips if how == FLIPPED else 1):
            for name, read in READERS.items():
                folder = _copy(whole.out, out / "damaged")
                _damage(folder / name, other.out / name, how, rng)
                count(f"finished, {name}, {how}", _taken(read, folder, name))
            for pattern in RESUMED:
                folder = _copy(halves[0].out, out / "damaged")
                file, foreign = (next(iter(sorted(each.glob(pattern)))) for each in (folder, halves[1].out))
                _damage(file, foreign, how, rng)
                config = dataclasses.replace(whole, out=folder)
                count(f"unfinished, {pattern}, {how}", _taken(run_savings, config, file.name))
    for name in ("half", "other-half", "damaged", "other"):
        shutil.rmtree(out / name)
    return verdicts


def _copy(folder: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    return Path(shutil.copytree(folder, to))


def _damage(file: Path, foreign: Path, how: str, rng: np.random.Generator) -> None:
    """Damage a file in one of the `DAMAGES`; "swapped" puts the same file of another run in its place."""
    content = bytearray(file.read_bytes())
    if how == "removed":
        file.unlink()
    elif how == "swapped":
        file.write_bytes(foreign.read_bytes())
    elif how == "truncated":
        file.write_bytes(content[: len(content) // 2])
    else:
        content[rng.integers(len(content))] ^= 1 << rng.integers(8)
        file.write_bytes(content)


def _taken(read: Callable[[Any], Any], what: Any, name: str) -> str:
    """Return how a reader takes a damaged file."""
    try:
        read(what)
    except (ValueError, OSError) as error:
        return RIGHT if name in str(error) else f"refused without its name: {error}"
    except Exception as error:
        return f"traceback: {error!r}"
    return "accepted"
