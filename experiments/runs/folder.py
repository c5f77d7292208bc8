"""A run is a folder: its configuration, its results so far, and where to go on.

Every file is written whole or not at all.

config.json       arguments and versions
state.pt          networks and position in the protocol, until the run is complete
parts/            probe rows so far, until the run is complete
pretrained.safetensors, networks_NF1.safetensors ...  before, and at the end of every phase
probes.parquet    one row a network, probe and target
paths.nc          hand paths at the beginning and the end of every phase
summary.json      measures, and ``complete``
*.png             figures

What is read of the folder of a finished run, whatever made it.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from savings_gym import files
from savings_gym.arrays import Columns
from savings_gym.files import write_atomically, write_json, write_table


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    return files.versions(("torch", "numba"))


class RunFolder:
    """The folder of one run of one configuration."""

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        """Opens a new or an interrupted run.

        Args:
            path: the folder; made if missing.
            config: what defines the run, JSON-able.

        Raises:
            FileExistsError: when the folder holds a run of another configuration, or something else; nothing
                was touched then.
        """
        self.path, self.parts = path, path / "parts"
        self.state_file, self.probes_file = path / "state.pt", path / "probes.parquet"
        self.summary_file = path / "summary.json"
        config = json.loads(json.dumps(config))
        if path.is_file():
            raise FileExistsError(f"--out {path} is a file, expected a folder")
        if (path / "config.json").is_file():
            self._check_same(config)
        elif path.is_dir() and any(path.iterdir()):
            raise FileExistsError(
                f"--out {path} holds files but no run of ours: choose an empty or a new folder"
            )
        else:
            write_json(path / "config.json", {"arguments": config, "versions": versions()})

    def _check_same(self, config: dict[str, Any]) -> None:
        try:
            held = dict(json.loads((self.path / "config.json").read_text())["arguments"])
        except (ValueError, KeyError, TypeError) as error:
            raise FileExistsError(
                f"--out {self.path} holds a config.json that is not ours: choose a new folder"
            ) from error
        differing = [key for key in sorted({*held, *config}) if held.get(key) != config.get(key)]
        if differing:
            lines = "\n".join(
                f"  {key}: {held.get(key)!r} there, {config.get(key)!r} now" for key in differing
            )
            raise FileExistsError(
                f"--out {self.path} holds another run:\n{lines}\nchoose another --out, remove that folder, "
                "or repeat its arguments to go on with it"
            )

    @property
    def complete(self) -> bool:
        """Whether the run came to its end."""
        return self.summary_file.is_file() and bool(self.read_summary(self.path).get("complete"))

    @staticmethod
    def read_summary(path: Path) -> dict[str, Any]:
        """The summary in a run folder."""
        return dict(json.loads((path / "summary.json").read_text()))

    def load_state(self) -> dict[str, Any] | None:
        """Where to go on, or None for a new run."""
        if not self.state_file.is_file():
            return None
        return dict(torch.load(self.state_file, map_location="cpu", weights_only=True))

    def save_state(self, state: dict[str, Any], rows: list[Columns], first: int) -> None:
        """Keeps the probe rows since the last time as part number ``first``, then the state."""
        if rows:
            buffer = io.BytesIO()
            _frame(rows).to_parquet(buffer, index=False)
            write_atomically(self.parts / f"{first:09d}.parquet", buffer.getvalue())
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_atomically(self.state_file, buffer.getvalue())

    def table(self, before: int | None = None) -> pd.DataFrame:
        """All probe rows of the parts, in order; only parts numbered lower than ``before`` if given."""
        files = sorted(self.parts.glob("*.parquet")) if self.parts.is_dir() else []
        kept = [file for file in files if before is None or int(file.stem) < before]
        if not kept:
            return pd.read_parquet(self.probes_file) if self.probes_file.is_file() else pd.DataFrame()
        return pd.concat([pd.read_parquet(file) for file in kept], ignore_index=True)

    def write_probes(self, table: pd.DataFrame) -> None:
        """Writes probes.parquet; the same rows give the same bytes."""
        write_table(self.probes_file, table)

    def finish(self) -> None:
        """Removes what only an interrupted run needs."""
        self.state_file.unlink(missing_ok=True)
        shutil.rmtree(self.parts, ignore_errors=True)


def _frame(rows: list[Columns]) -> pd.DataFrame:
    """Columns of many probes, one after the other."""
    return pd.DataFrame({name: np.concatenate([row[name] for row in rows]) for name in rows[0]})


def read_arguments(run: Path, needed: Iterable[str]) -> dict[str, Any]:
    """The arguments in a folder's config.json.

    Raises:
        FileNotFoundError, ValueError: when there is no such file, or it lacks some.
    """
    path = run / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{run} has no config.json: it is no run folder")
    try:
        found = dict(json.loads(path.read_text())["arguments"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not that of a run") from error
    if missing := [name for name in needed if name not in found]:
        raise ValueError(f"{path} does not say {', '.join(missing)}")
    return found


def digest(paths: Iterable[Path]) -> str:
    """SHA-256 of files, one after the other."""
    total = hashlib.sha256()
    for path in paths:
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
