"""Making figures of stored runs: those that are there, of these very runs, are not made again."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from experiments.figures.kit import Found
from experiments.figures.runs import CONTROL, MAIN, SHAM, SIZE
from experiments.stored.runs import Runs
from savings_gym.files import write_json

log = logging.getLogger(__name__)
TABLE = "controls.json"  # experiments.controls writes it beside the runs of its conditions
RECORD = "made.json"  # of every figure: of which runs it is, and the seconds that it took

Figure = Callable[[Runs, Path], Found]
Kinds = tuple[str, ...]


def make_figures(
    figures: Mapping[str, Figure], kinds: Mapping[str, Kinds], runs: Runs, out: Path, again: bool = False
) -> list[str]:
    """Makes the figures that are not there, or of other runs; one that fails does not stop the others.

    Args:
        figures: By name.
        kinds: Kinds of runs that each figure is made of; it is made again when one of them changes.
        runs: The stored runs.
        out: Folder of the figures.
        again: Make all of them.

    Returns:
        Names of the figures that failed.
    """
    failed: list[str] = []
    done = {} if again else current(figures, kinds, runs, out)
    for name, figure in figures.items():
        if name in done:
            log.info("figure %s is there", name)
            continue
        began = time.monotonic()
        try:
            figure(runs, out).save(out, name)
        except Exception:
            log.exception("figure %s failed", name)
            failed.append(name)
            continue
        seconds = round(time.monotonic() - began, 1)
        log.info("figure %s: %.0f s", name, seconds)
        made = {name: {"runs": _state(runs, kinds[name]), "seconds": seconds}}
        write_json(out / RECORD, read_record(out) | made)
    return failed


def current(names: Iterable[str], kinds: Mapping[str, Kinds], runs: Runs, out: Path) -> dict[str, Found]:
    """What the figures found that are whole and of these very runs, by name."""
    record, found = read_record(out), {}
    for name in names:
        if record.get(name, {}).get("runs") != _state(runs, kinds[name]):
            continue
        try:
            held = Found.load(out, name)
        except (OSError, ValueError):
            continue
        if all(path.is_file() for path in held.figures):
            found[name] = held
    return found


def read_record(out: Path) -> dict[str, Any]:
    """What the folder says about its figures."""
    path = out / RECORD
    return dict(json.loads(path.read_text())) if path.is_file() else {}


def _state(runs: Runs, kinds: Kinds) -> str:
    """Changes when a run that a figure needs is another one, or a further one."""
    folders = {
        MAIN: [runs.main], SHAM: [] if runs.sham is None else [runs.sham],
        SIZE: list(runs.sizes.values()), CONTROL: list(runs.controls.values()),
    }  # fmt: skip
    digest = hashlib.sha256(str(runs.seed).encode())
    for kind in kinds:
        for folder in folders[kind]:
            digest.update(f"{kind} {folder.name}".encode() + (folder / "summary.json").read_bytes())
        for table in sorted({folder.parent / TABLE for folder in folders[kind]} if kind == CONTROL else ()):
            if table.is_file():
                digest.update(table.read_bytes())
    return digest.hexdigest()
