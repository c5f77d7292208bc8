"""What is read of the folder of a finished run, whatever made it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


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
