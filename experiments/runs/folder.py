"""The folder of a run: its configuration, its results so far, and the state to resume from.

Every file is written whole or not at all, and checked against the manifest when it is read.

config.json       arguments, versions, and the device and threads that the run began on
manifest.json     the SHA-256 of every other file, see ``savings_gym.files``
state.pt          networks and position in the protocol, until the run is complete
parts/            probe rows so far, until the run is complete
pretrained.safetensors, networks_NF1.safetensors ...  before the first and after every phase
probes.parquet    one row per network, probe and target
paths.nc          hand paths at the start and the end of every phase
summary.json      measures, and ``complete``
*.png             figures
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pandas as pd
import torch

from savings_gym import files
from savings_gym.arrays import Columns, joined
from savings_gym.files import (
    CONFIG,
    PARTS,
    PROBES,
    SUMMARY,
    Manifest,
    holds_run,
    open_folder,
    read_table,
    verified,
    write_atomically,
    write_table,
)

PACKAGES: Final = ("torch", "numba")  # whose versions are recorded, beside those of savings_gym
SEAL: Final = b"\nsha256 "  # between a state and its digest
FIGURES: Final = ("learning_curves.png", "ff1_ff2.png", "hand_paths.png")  # each also as SVG


def versions() -> dict[str, str]:
    """Return the versions that the numbers depend on."""
    return files.versions(PACKAGES)


class RunFolder:
    """The folder of one run with one configuration."""

    def __init__(self, path: Path, config: dict[str, Any], device: str = "cpu") -> None:
        """Open a new or an interrupted run.

        Args:
            path: The folder; created if missing.
            config: What defines the run, JSON-able.
            device: Where a new run begins; recorded beside the number of threads.

        Raises:
            FileExistsError: If the folder holds a run with another configuration, or something else; nothing
                is changed then.
        """
        self.path, self.parts, self.config = path, path / PARTS, config
        self.state_file, self.probes_file = path / "state.pt", path / PROBES
        self.summary_file = path / SUMMARY
        if holds_run(path, config):
            return
        open_folder(path, config, PACKAGES, {"device": device, "threads": torch.get_num_threads()})

    @property
    def complete(self) -> bool:
        """Whether the run reached its end.

        Raises:
            FileNotFoundError, ValueError: If there was a summary, and it is missing or damaged now.
        """
        return verified(self.summary_file).is_file() and bool(self.read_summary(self.path).get("complete"))

    @staticmethod
    def read_summary(path: Path) -> dict[str, Any]:
        """Return the summary in a run folder.

        Raises:
            FileNotFoundError, ValueError: If there is none, or it is damaged; the message names the file.
        """
        file = verified(path / SUMMARY)
        if not file.is_file():
            raise FileNotFoundError(
                f"no file {str(file)!r}: {str(path)!r} is not the folder of a finished run"
            )
        try:
            return dict(json.loads(file.read_text()))
        except ValueError as error:
            raise ValueError(f"{file} is damaged: {error}") from error

    def load_state(self) -> dict[str, Any] | None:
        """Return the state to resume from, or None for a new run.

        Raises:
            FileNotFoundError, ValueError: If the state is missing, was changed, or cannot be read.
        """
        return load_state(self.state_file) if verified(self.state_file).is_file() else None

    def save_state(self, state: dict[str, Any], rows: list[Columns], first: int) -> None:
        """Save the probe rows since the last call as part number ``first``, then the state."""
        if rows:
            buffer = io.BytesIO()
            _frame(rows).to_parquet(buffer, index=False)
            write_atomically(self.parts / f"{first:09d}.parquet", buffer.getvalue())
        write_state(self.state_file, state)

    def table(self, before: int | None = None) -> pd.DataFrame:
        """Return all probe rows in order, or only those of the parts numbered below ``before``."""
        chosen = [part for part in self._parts() if before is None or int(part.stem) < before]
        if not chosen:
            return read_table(self.probes_file) if self.probes_file.is_file() else pd.DataFrame()
        return pd.concat([read_table(part) for part in chosen], ignore_index=True)

    def _parts(self) -> list[Path]:
        """Files of the probe rows so far, in order."""
        manifest = Manifest.of(self.state_file)
        if manifest is None:  # an older run
            return sorted(self.parts.glob("*.parquet")) if self.parts.is_dir() else []
        return [self.path / name for name in manifest.names(PARTS)]

    def check(self) -> None:
        """Refuse a folder that is no longer that of this run, whole.

        Raises:
            FileNotFoundError, ValueError, FileExistsError: If a file is missing or was changed.
        """
        if not holds_run(self.path, self.config):
            raise FileNotFoundError(f"{self.path / CONFIG} is missing: the run cannot be finished without it")
        manifest = Manifest.of(self.path / CONFIG)
        if manifest is not None:
            manifest.check_all()

    def write_probes(self, table: pd.DataFrame) -> None:
        """Write probes.parquet; equal rows give equal bytes."""
        write_table(self.probes_file, table)

    def finish(self) -> None:
        """Remove what only an interrupted run needs."""
        passing = [file for file in (self.state_file, *self._parts()) if file.exists()]
        manifest = Manifest.of(self.state_file)
        if manifest is not None and passing:  # else nothing is to be done, in a read-only folder, too
            manifest.remove(passing)
        for file in passing:
            file.unlink(missing_ok=True)
        shutil.rmtree(self.parts, ignore_errors=True)


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write a state to resume from, whole or not at all, followed by its SHA-256."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    write_atomically(path, content + SEAL + hashlib.sha256(content).hexdigest().encode())


def remove_state(path: Path) -> None:
    """Remove the state of something that is finished, if it is there, and its entry in the manifest."""
    manifest = Manifest.of(path)
    if manifest is not None:
        manifest.remove([path])
    path.unlink(missing_ok=True)


def load_state(path: Path) -> dict[str, Any]:
    """Return the state to resume from in a file; older ones carry no SHA-256.

    Raises:
        FileNotFoundError, ValueError: If it is missing, was changed, or cannot be read; it is named.
    """
    content, seal, digest = verified(path).read_bytes().rpartition(SEAL)
    if seal and hashlib.sha256(content).hexdigest().encode() != digest:
        raise ValueError(f"{path} was changed or truncated: remove it to start again")
    try:
        return dict(torch.load(io.BytesIO(content or digest), map_location="cpu", weights_only=True))
    except (
        RuntimeError, ValueError, TypeError, EOFError, OSError, LookupError, pickle.UnpicklingError
    ) as error:  # fmt: skip
        raise ValueError(f"{path} is not the state of a run: {error}") from error


def _frame(rows: list[Columns]) -> pd.DataFrame:
    """Concatenate the columns of many probes."""
    return pd.DataFrame(joined(rows))


def digest(paths: Iterable[Path]) -> str:
    """Return the SHA-256 of several files in order."""
    total = hashlib.sha256()
    for path in paths:
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
