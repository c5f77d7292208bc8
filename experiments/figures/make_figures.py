"""Drawing figures of stored runs; those that are up to date are not drawn again."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from experiments.controls.table import TABLE
from experiments.figures.findings import Findings
from experiments.figures.runs import CONTROL, MAIN, SHAM, SIZE, SIZE_SHAM
from experiments.stored.runs import StoredRuns
from savings_gym.files import SUMMARY, write_json

log = logging.getLogger(__name__)
RECORD = "made.json"  # for every figure: a digest of its runs, and the seconds that it took

Figure = Callable[[StoredRuns, Path], Findings]
Kinds = tuple[str, ...]


def make_figures(
    figures: Mapping[str, Figure],
    kinds: Mapping[str, Kinds],
    runs: StoredRuns,
    out: Path,
    again: bool = False,
) -> list[str]:
    """Draw the figures that are missing or of other runs; one that fails does not stop the others.

    Args:
        figures: By name.
        kinds: Kinds of runs from which each figure is drawn; it is drawn again if one of them changes.
        runs: The stored runs.
        out: Folder of the figures.
        again: Draw all of them.

    Returns:
        Names of the figures that failed.
    """
    failed: list[str] = []
    done = {} if again else current(figures, kinds, runs, out)
    for name, figure in figures.items():
        if name in done:
            log.info("figure %s is up to date", name)
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
        made = {name: {"runs": _digest(runs, kinds[name]), "seconds": seconds}}
        write_json(out / RECORD, read_record(out) | made)
    return failed


def current(
    names: Iterable[str], kinds: Mapping[str, Kinds], runs: StoredRuns, out: Path
) -> dict[str, Findings]:
    """Return the findings of the figures that are complete and of these very runs, by name."""
    record, findings = read_record(out), {}
    for name in names:
        if record.get(name, {}).get("runs") != _digest(runs, kinds[name]):
            continue
        try:
            stored = Findings.load(out, name)
        except (OSError, ValueError):
            continue
        if all(path.is_file() for path in stored.files(out, name)):
            findings[name] = stored
    return findings


def read_record(out: Path) -> dict[str, Any]:
    """Return what a folder records about its figures."""
    path = out / RECORD
    return dict(json.loads(path.read_text())) if path.is_file() else {}


def _digest(runs: StoredRuns, kinds: Kinds) -> str:
    """Changes whenever a run that a figure needs is replaced, or another one joins it."""
    folders = {
        MAIN: [runs.main], SHAM: [] if runs.sham is None else [runs.sham],
        SIZE: list(runs.sizes.values()), SIZE_SHAM: list(runs.size_shams.values()),
        CONTROL: list(runs.controls.values()),
    }  # fmt: skip
    digest = hashlib.sha256(str(runs.seed).encode())
    for kind in kinds:
        for folder in folders[kind]:
            digest.update(f"{kind} {folder.name}".encode() + (folder / SUMMARY).read_bytes())
        for table in sorted({folder.parent / TABLE for folder in folders[kind]} if kind == CONTROL else ()):
            if table.is_file():
                digest.update(table.read_bytes())
    return digest.hexdigest()
