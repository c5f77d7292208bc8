"""Whether runs survive: killed at random moments, and their files damaged byte by byte.

    python -m experiments.torture --kills 200 --out runs/torture

Kills a run of ``experiments.savings`` again and again, each time after a random part of the time that an
undisturbed run takes, and resumes it until it is complete; then it begins another run, until there were so
many kills. All tables, networks and hand paths must be those of the undisturbed run, byte for byte. Then it
damages every kind of file of a finished and of an unfinished run: whatever reads the file must refuse it and
name it. Writes torture.json; the exit status is 1 if anything was not identical or not refused.
"""

from __future__ import annotations

import dataclasses
import logging
import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np

from agents.supervised.checkpoints import load_ensemble
from experiments.runs.command_line import choice, command_main
from experiments.runs.folder import RunFolder, versions
from experiments.savings.command import run as run_savings
from experiments.savings.config import PRESETS, Savings
from experiments.savings.config import command as savings_command
from experiments.stored.activity import activity_of_run
from savings_gym.activity.recording import load_activity
from savings_gym.arrays import as_seed, as_whole_number
from savings_gym.files import (
    CONFIG,
    LEFTOVER,
    MANIFEST,
    PARTS,
    PROBES,
    SUMMARY,
    read_config,
    read_table,
    verified,
    write_json,
)
from savings_gym.task.schedule import PHASES

log = logging.getLogger(__name__)
SIGNALS: Final = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "hup": signal.SIGHUP, "int": signal.SIGINT}
NETWORKS: Final = tuple(f"networks_{phase}.safetensors" for phase in PHASES)
RESULTS: Final = (PROBES, "paths.nc", "pretrained.safetensors", *NETWORKS)  # alike to the byte
GRACE: Final = 30.0  # s that a process may take to stop after a signal, as on a cluster
DAMAGES: Final = ("flipped byte", "truncated", "removed", "swapped")


@dataclass(frozen=True)
class Torture:
    """Arguments of the torture."""

    out: Path = Path("runs/torture")
    """Folder of the results, and of the runs while they are tortured."""
    kills: int = 200
    """Kills at random moments, of all runs together."""
    how: Annotated[str, choice(SIGNALS)] = "kill"
    """Signal: kill (SIGKILL, which no process can answer), term, hup or int."""
    seed: int = 0
    """Seed of the moments and of the damages; the runs have seed 0."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        as_whole_number("kills", self.kills, 1)
        as_seed("seed", self.seed)
        if self.how not in SIGNALS:
            raise ValueError(f"unknown signal {self.how!r}; choose from: {', '.join(SIGNALS)}")


def run(config: Torture) -> int:
    """Torture runs and write torture.json; return the exit status, 1 if something did not survive."""
    rng = np.random.default_rng(config.seed)
    config.out.mkdir(parents=True, exist_ok=True)
    whole = _run(config.out / "run")
    began = time.monotonic()
    if _finish(whole):
        raise RuntimeError(f"the undisturbed run {whole.out} failed")
    seconds = time.monotonic() - began
    expected = results(whole.out)
    kills = runs = 0
    identical = True
    while kills < config.kills:
        tortured = _run(whole.out)  # in the same folder, whose name is in the weights' metadata
        while not _ended(tortured):
            kills += _interrupt(tortured, rng.uniform(0.0, seconds), SIGNALS[config.how])
        runs += 1
        same, left = results(tortured.out), leftovers(tortured.out)
        if same != expected or left:
            identical = False
            changed = [name for name, content in same.items() if content != expected[name]]
            log.error("not identical: %s; left behind: %s", changed, left)
        log.info("%d of %d kills, %d runs, identical: %s", kills, config.kills, runs, identical)
    damages = damage_everything(whole, config.out, rng)
    survived = [name for name, verdict in damages.items() if verdict == "refused, named"]
    content = {
        "kills": kills, "signal": config.how, "runs": runs, "identical": identical,
        "damages": damages, "refused": len(survived), "damaged": len(damages),
        "command": savings_command(whole), "seconds_undisturbed": round(seconds, 2), "versions": versions(),
    }  # fmt: skip
    write_json(config.out / "torture.json", content)
    log.info("%d of %d damages were refused by name", len(survived), len(damages))
    for name in ("run", "damaged", "other"):
        shutil.rmtree(config.out / name, ignore_errors=True)
    return 0 if identical and len(survived) == len(damages) else 1


def results(folder: Path) -> dict[str, bytes]:
    """Return the files of a run that must not depend on what happened to it."""
    return {name: (folder / name).read_bytes() for name in RESULTS}


def leftovers(folder: Path) -> list[Path]:
    """Return temporary files in a run folder."""
    return [path for path in folder.rglob(".*") if LEFTOVER.fullmatch(path.name)]


def _run(folder: Path, **changes: Any) -> Savings:
    """A small run that saves its state often, in a fresh folder."""
    shutil.rmtree(folder, ignore_errors=True)
    return dataclasses.replace(PRESETS["smoke"], out=folder, keep_every=2, **changes)


def _child(config: Savings) -> Any:
    """Run an experiment in a child, forked so that it need not import everything again."""
    child = multiprocessing.get_context("fork").Process(target=_quietly, args=(config,))
    child.start()
    return child


def _finish(config: Savings) -> int:
    """Run an experiment to its end in a child; return its exit status."""
    child = _child(config)
    child.join()
    return int(child.exitcode)


def _quietly(config: Savings) -> None:
    """Run an experiment without its output; the exit status of the process is that of the run."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    sys.exit(run_savings(config))


def _ended(config: Savings) -> bool:
    try:
        return bool(RunFolder.read_summary(config.out)["complete"])
    except FileNotFoundError:
        return False


def _interrupt(config: Savings, after: float, number: signal.Signals) -> bool:
    """Start or resume a run and interrupt it after some seconds; return whether it was still running."""
    child = _child(config)
    child.join(after)
    running = child.is_alive()
    if running:
        os.kill(child.pid, number)
        child.join(GRACE)
        if child.is_alive():
            child.kill()
            raise RuntimeError(f"a run did not stop within {GRACE:.0f} s of {number.name}")
    elif child.exitcode != 0:
        raise RuntimeError(f"resuming {config.out} failed with status {child.exitcode}")
    return running


def damage_everything(whole: Savings, out: Path, rng: np.random.Generator) -> dict[str, str]:
    """Damage every kind of file in every way.

    Args:
        whole: A finished run.
        out: Folder of the damaged copies.
        rng: Generator of the damaged bytes.

    Returns:
        What was damaged to how its reader took it: "refused, named" is right.
    """
    other = _run(out / "other", seed=1)  # whose files are swapped in
    halves = [_half(_run(out / name, seed=seed)) for seed, name in enumerate(("half", "other-half"))]
    _finish(other)
    for finished in (whole, other):  # after the last fork: it starts threads
        activity_of_run(finished.out)
    verdicts = {}
    for name, read in READERS.items():
        for how in DAMAGES:
            folder = _copy(whole.out, out / "damaged")
            _damage(folder / name, other.out / name, how, rng)
            verdicts[f"finished, {name}, {how}"] = _taken(read, folder, name)
    for pattern in RESUMED:
        for how in DAMAGES:
            folder = _copy(halves[0].out, out / "damaged")
            file, foreign = (next(iter(sorted(each.glob(pattern)))) for each in (folder, halves[1].out))
            _damage(file, foreign, how, rng)
            config = dataclasses.replace(whole, out=folder)
            verdicts[f"unfinished, {pattern}, {how}"] = _taken(run_savings, config, file.name)
    shutil.rmtree(out / "half")
    shutil.rmtree(out / "other-half")
    return verdicts


def _half(config: Savings) -> Savings:
    """Run an experiment until it has a finished phase and a state, and stop it."""
    child = _child(config)
    while not ((config.out / NETWORKS[0]).is_file() and len(list(config.out.glob(PART))) > 2):
        time.sleep(0.002)
    os.kill(child.pid, signal.SIGTERM)
    child.join(GRACE)
    if child.exitcode != 128 + signal.SIGTERM:
        raise RuntimeError(f"{config.out} ended with status {child.exitcode} before it could be stopped")
    return config


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
        return "refused, named" if name in str(error) else f"refused without its name: {error}"
    except Exception as error:
        return f"traceback: {error!r}"
    return "accepted"


READERS: Final[dict[str, Callable[[Path], Any]]] = {
    CONFIG: read_config,
    MANIFEST: read_config,
    SUMMARY: RunFolder.read_summary,
    PROBES: lambda folder: read_table(folder / PROBES),
    "paths.nc": lambda folder: verified(folder / "paths.nc"),
    "activity.nc": lambda folder: load_activity(folder / "activity.nc"),
    NETWORKS[0]: lambda folder: load_ensemble(folder / NETWORKS[0]),
}
PART: Final = f"{PARTS}/*.parquet"
RESUMED: Final = (CONFIG, MANIFEST, "state.pt", PART, NETWORKS[0], "pretrained.safetensors")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return command_main("experiments.torture", Torture, run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
