"""Versions that results depend on."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

DEPENDENCIES: Final = ("mujoco", "gymnasium", "numpy", "scipy")
CHECKOUT: Final = Path(__file__).resolve().parents[2]  # its top, unless the package is installed elsewhere


def versions(more: Iterable[str] = ()) -> dict[str, str]:
    """Return the versions that results depend on: Python, this package, its dependencies, and `more`.

    In a git checkout, ``commit`` says which one, with ``-dirty`` if files were changed since.
    """
    commit = _commit()
    return (
        {"python": platform.python_version(), "savings_gym": _own_version()}
        | ({} if commit is None else {"commit": commit})
        | {package: _installed_version(package) for package in (*DEPENDENCIES, *more)}
    )


@cache
def _commit() -> str | None:
    """Return the commit of the checkout that holds this package; None if there is none, or no git."""
    if not (CHECKOUT / ".git").exists():
        return None
    command = ["git", "-C", str(CHECKOUT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _own_version() -> str:
    """Version of this package: in a checkout, installed or not, that of its pyproject.toml."""
    project_file = CHECKOUT / "pyproject.toml"
    if project_file.is_file():
        project = tomllib.loads(project_file.read_text()).get("project", {})
        if project.get("name") == "savings_gym":
            return str(project["version"])
    return _installed_version("savings_gym")


@cache
def _installed_version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
