"""A run on a disk that is full, or in a folder that is read-only, and on from there when that is mended.

As root on Linux the run folder is a small tmpfs, which fills up as a disk does, and is mounted read-only.
Elsewhere a limit on the size of files stands in for the full disk, and permissions make the folder read-only.
"""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from experiments.savings.config import Savings
from experiments.torture.runs import ended, fresh, half, leftovers, results, start

ROOMY: Final = 2**28  # bytes of a disk that has space
SMALLEST: Final = 2**13  # bytes of the smallest full disk
TMPFS, LIMIT, PERMISSIONS = "tmpfs", "limit on the size of files", "permissions"
REFUSED: Final = "refused in one line"
RIGHT: Final = f"{REFUSED}, then identical"
SHOWN: Final = "shown"


def can_mount(place: Path) -> bool:
    """Return whether this process may mount a tmpfs; it is tried."""
    place.mkdir(parents=True, exist_ok=True)
    try:
        with small_disk(place, SMALLEST):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[Callable[[str], None]]:
    """Mount an empty tmpfs of some bytes on a folder; yields a function that mounts it anew, with options."""

    def mount(*options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(place)]
        subprocess.run(command, check=True, capture_output=True)

    mount(f"size={size}", "mode=755")
    try:
        yield lambda option: mount("remount", option)
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True, capture_output=True)


def fill_disks(
    whole: Savings, expected: dict[str, bytes], rng: np.random.Generator, disks: int, mounts: bool
) -> dict[str, Any]:
    """Run on disks that are full after a random number of bytes, and on when they have space.

    Args:
        whole: The run; its folder is replaced.
        expected: `results` of the undisturbed run.
        rng: Generator of the sizes.
        disks: Number of disks.
        mounts: Whether to mount disks; otherwise the size of files is limited.

    Returns:
        "how", and "verdicts" with how often each occurred: `RIGHT` is right.
    """
    size = sum(file.stat().st_size for file in whole.out.rglob("*") if file.is_file())
    largest = max(file.stat().st_size for file in whole.out.rglob("*") if file.is_file())
    verdicts: dict[str, int] = {}
    for _ in range(disks):
        config = fresh(whole)
        config.out.mkdir()
        if mounts:
            with small_disk(config.out, int(rng.uniform(SMALLEST, size))) as remount:
                refused = _refusal(config)
                remount(f"size={ROOMY}")
                verdict = _then(config, expected, refused)
        else:
            most = int(rng.uniform(1, largest))

            def limit(most: int = most) -> None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

            verdict = _then(config, expected, _refusal(config, limit))
        verdicts[verdict] = verdicts.get(verdict, 0) + 1
    return {"how": TMPFS if mounts else LIMIT, "verdicts": verdicts}


def lock_folders(whole: Savings, expected: dict[str, bytes], mounts: bool) -> dict[str, Any]:
    """Run in a read-only folder: an empty one, that of a run that is half done, and that of a complete run.

    Args:
        whole: The run; its folder is replaced.
        expected: `results` of the undisturbed run.
        mounts: Whether to mount a read-only disk; otherwise permissions are taken away.

    Returns:
        "how", and "verdicts" by what the folder held: `RIGHT` is right, and `SHOWN` of a complete run.
    """
    config = fresh(whole)
    config.out.mkdir()
    verdicts: dict[str, str] = {}
    with _lockable(config.out, mounts) as lock:
        for content in ("nothing", "half a run"):
            lock(True)
            refused = _refusal(config)
            lock(False)
            if content == "nothing":
                verdicts[content] = refused or REFUSED
                half(config)
            else:
                verdicts[content] = _then(config, expected, refused)
        lock(True)
        status, said = _output(config)
        verdicts["a complete run"] = SHOWN if status == 0 else f"status {status}: {said[-3:]}"
        lock(False)
    return {"how": TMPFS if mounts else PERMISSIONS, "verdicts": verdicts}


@contextmanager
def _lockable(folder: Path, mounts: bool) -> Iterator[Callable[[bool], None]]:
    """Yield a function that makes a folder read-only, and takes that back."""
    if mounts:
        with small_disk(folder, ROOMY) as remount:
            yield lambda locked: remount("ro" if locked else "rw")
        return
    folders = [folder, folder / "parts"]

    def lock(locked: bool) -> None:
        for each in folders:
            if each.is_dir():
                each.chmod(0o555 if locked else 0o755)

    yield lock


def _output(config: Savings, prepare: Callable[[], None] | None = None) -> tuple[int, list[str]]:
    """Run a command; return its exit status and the lines that it wrote."""
    output = config.out.with_name("output.txt")
    child = start(config, output, prepare)
    child.join()
    lines = [line for line in output.read_text().splitlines() if line.strip()]
    output.unlink()
    return int(child.exitcode), lines


def _refusal(config: Savings, prepare: Callable[[], None] | None = None) -> str:
    """Run a command that cannot write; return "" if it says so in one line with status 2, or what it did."""
    status, lines = _output(config, prepare)
    errors = [line for line in lines if line.startswith("error: ")]
    if status == 2 and len(errors) == 1 and str(config.out) in errors[0] and lines[-1] == errors[0]:
        return ""
    return f"status {status}: {' / '.join(lines[-3:])}"


def _then(config: Savings, expected: dict[str, bytes], refused: str) -> str:
    """Go on with a run whose folder can be written now; return the verdict."""
    if refused:
        return refused
    status, lines = _output(config)
    if status or not ended(config):
        return f"did not go on, status {status}: {' / '.join(lines[-3:])}"
    if results(config.out) != expected or leftovers(config.out):
        return "not identical"
    return RIGHT


def is_root() -> bool:
    """Return whether permissions do not bind this process."""
    return hasattr(os, "geteuid") and os.geteuid() == 0
