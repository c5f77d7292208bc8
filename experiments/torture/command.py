"""Whether runs survive: killed at random moments, without space, and with files damaged byte by byte.

    python -m experiments.torture --kills 200 --out runs/torture

Kills a run of ``experiments.savings`` again and again (SIGKILL, SIGTERM, SIGHUP and SIGINT in turn), each
time after a random part of the time that an undisturbed run takes, and resumes it until it is complete; then
it begins another run, until there were so many kills. Then it damages every kind of file of a finished and of
an unfinished run: whatever reads the file must refuse it and name it. Then it lets runs meet full disks and a
read-only folder, which they must name in one line, and go on when that is mended. All tables, networks and
hand paths must be those of the undisturbed run, byte for byte. Writes torture.json; the exit status is 1 if
anything was not identical or not refused.
"""

from __future__ import annotations

import itertools
import logging
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np

from experiments.runs.command_line import choice, command_main
from experiments.runs.folder import versions
from experiments.savings.config import Savings
from experiments.savings.config import command as savings_command
from experiments.torture import damage, disk
from experiments.torture.runs import (
    SIGNALS,
    ended,
    finish,
    fresh,
    interrupt,
    leftovers,
    preload,
    results,
    small_run,
)
from savings_gym.arrays import as_choice, as_seed, as_whole_number
from savings_gym.files import write_json

log = logging.getLogger(__name__)
EVERY: Final = "every"
RESULT: Final = "torture.json"
LEAST_UPDATES: Final = 6  # with which a run can be stopped half way
DRAWN_EVERY: Final = 4  # runs; figures take most of the time of such a small one


@dataclass(frozen=True)
class Torture:
    """Arguments of the torture."""

    out: Path = Path("runs/torture")
    """Folder of the results, and of the runs while they are tortured."""
    kills: int = 200
    """Kills at random moments, of all runs together."""
    how: Annotated[str, choice((EVERY, *SIGNALS))] = EVERY
    """Signal: kill (SIGKILL, which no process can answer), term, hup or int; or every one in turn."""
    disks: int = 10
    """Full disks, of random sizes."""
    flips: int = 20
    """Bytes that are flipped in every kind of file, one at a time."""
    updates: int = 24
    """Updates in every phase of the runs."""
    seed: int = 0
    """Seed of the moments, sizes and damages; the runs have seed 0."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        for name in ("kills", "disks", "flips"):
            as_whole_number(name, getattr(self, name), 1)
        as_whole_number("updates", self.updates, LEAST_UPDATES)
        as_seed("seed", self.seed)
        as_choice("how", self.how, (EVERY, *SIGNALS))


def run(config: Torture) -> int:
    """Torture runs and write torture.json; return the exit status, 1 if something did not survive."""
    preload()
    rng = np.random.default_rng(config.seed)
    config.out.mkdir(parents=True, exist_ok=True)
    whole = fresh(small_run(config.out / "run", config.updates))
    began = time.monotonic()
    seconds = {figures: undisturbed(fresh(whole, figures=figures)) for figures in (False, True)}
    expected = results(whole.out)
    content = kill(config, whole, expected, seconds, rng)
    content["damages"] = damage.damage_everything(whole, config.out, rng, config.flips)
    mounts = disk.can_mount(config.out / "mount")
    shutil.rmtree(config.out / "mount")
    content["full_disks"] = disk.fill_disks(whole, expected, rng, config.disks, mounts)
    if mounts or not disk.is_root():  # permissions do not bind root
        content["read_only"] = disk.lock_folders(whole, expected, mounts)
    shutil.rmtree(whole.out)
    faults = find_faults(content)
    content |= {
        "faults": faults, "seed": config.seed, "seconds_undisturbed": round(seconds[True], 2),
        "seconds": round(time.monotonic() - began, 1), "command": savings_command(whole),
        "versions": versions(),
    }  # fmt: skip
    write_json(config.out / RESULT, content)
    for fault in faults:
        log.error("%s", fault)
    log.info("%d faults; wrote %s", len(faults), config.out / RESULT)
    return 1 if faults else 0


def undisturbed(config: Savings) -> float:
    """Run a command to its end; return how long that took [s].

    Raises:
        RuntimeError: If it fails.
    """
    began = time.monotonic()
    if finish(config):
        raise RuntimeError(f"the undisturbed run {config.out} failed")
    return time.monotonic() - began


def kill(
    config: Torture,
    whole: Savings,
    expected: dict[str, bytes],
    seconds: dict[bool, float],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Kill and resume runs at random moments.

    Args:
        config: The arguments.
        whole: The run; its folder, whose name is in the metadata of weights, is replaced.
        expected: `results` of the undisturbed run.
        seconds: How long that took, without figures and with. Every fourth run draws them.
        rng: Generator of the moments.

    Returns:
        "kills", in all and by signal, "runs", whether all were "identical", and "seconds_per_kill".
    """
    chosen = tuple(SIGNALS) if config.how == EVERY else (config.how,)
    names, kills = itertools.cycle(chosen), dict.fromkeys(chosen, 0)
    runs, identical, began = 0, True, time.monotonic()
    while sum(kills.values()) < config.kills:
        figures = runs % DRAWN_EVERY == 0
        tortured = fresh(whole, figures=figures)
        while not ended(tortured):
            name = next(names)
            kills[name] += interrupt(tortured, rng.uniform(0.0, seconds[figures]), SIGNALS[name])
        runs += 1
        same, left = results(tortured.out), leftovers(tortured.out)
        if same != expected or left:
            identical = False
            changed = [name for name, content in same.items() if content != expected[name]]
            log.error("not identical: %s; left behind: %s", changed, left)
        log.info("%d of %d kills, %d runs, identical: %s", sum(kills.values()), config.kills, runs, identical)
    total = sum(kills.values())
    return {
        "kills": total, "kills_by_signal": kills, "runs": runs, "identical": identical,
        "seconds_per_kill": round((time.monotonic() - began) / total, 2),
    }  # fmt: skip


def find_faults(content: dict[str, Any]) -> list[str]:
    """Return what did not survive, or was not refused by name, in words."""
    faults = [] if content["identical"] else ["killed runs are not identical to the undisturbed one"]
    faults += [f"full disk: {what}" for what in content["full_disks"]["verdicts"] if what != disk.RIGHT]
    read_only = content.get("read_only", {"verdicts": {}})["verdicts"]
    right = (disk.REFUSED, disk.RIGHT, disk.SHOWN)
    faults += [f"read-only, {held}: {what}" for held, what in read_only.items() if what not in right]
    for kind, counts in content["damages"].items():
        faults += [f"{kind}: {what}" for what in counts if what != damage.RIGHT]
    return faults


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # disks are unmounted
    try:
        return command_main("experiments.torture", Torture, run, arguments, __doc__)
    finally:
        signal.signal(signal.SIGTERM, before)
