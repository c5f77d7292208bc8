"""Files that are written whole or not at all, run folders, and the versions a result depends on."""

from __future__ import annotations

import importlib.metadata
import io
import json
import os
import platform
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# Files of a run folder
CONFIG, SUMMARY, PROBES, PROBES_CARRIED = (
    "config.json", "summary.json", "probes.parquet", "probes_carried.parquet",
)  # fmt: skip
DEPENDENCIES = ("mujoco", "gymnasium", "numpy", "scipy")
ROW_GROUP = 1_000_000  # rows; fixed, so that equal rows give equal bytes


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file such that at every moment either the old or the new one exists, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def check_writable(path: Path) -> None:
    """Raise an OSError before any work is done if a file cannot be created; its folder is, if missing."""
    if path.parent.is_file():
        raise NotADirectoryError(f"{path.parent} is a file, expected a folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=path.parent):
        pass


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON atomically; NaN and infinity are refused."""
    write_atomically(path, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())


def write_table(path: Path, table: Mapping[str, Any]) -> None:
    """Write columns of equal length as a parquet file, atomically.

    Raises:
        ImportError: If pandas or pyarrow is missing; the message says how to install them.
    """
    check_tables()
    import pandas as pd  # takes a second to import

    buffer = io.BytesIO()
    frame = pd.DataFrame(dict(table))
    frame.to_parquet(buffer, index=False, compression="zstd", row_group_size=ROW_GROUP)
    write_atomically(path, buffer.getvalue())


def check_tables() -> None:
    """Raise the ImportError of `write_table` before any work is done."""
    missing = [name for name in ("pandas", "pyarrow") if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"tables are written with pandas and pyarrow, but {' and '.join(missing)} cannot be found: "
            "pip install pandas pyarrow, or pip install 'savings_gym[experiments]'"
        )


def read_config(folder: Path, needed: Iterable[str] = ()) -> dict[str, Any]:
    """Return the arguments in the config.json of a run folder.

    Args:
        folder: Run folder.
        needed: Names of arguments that must be there.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, is not the configuration of a run, or lacks a needed argument.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise FileNotFoundError(f"{folder} has no {CONFIG}: it is not a run folder")
    try:
        arguments = dict(json.loads(path.read_text())["arguments"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not the configuration of a run: it has no arguments") from error
    if missing := [name for name in needed if name not in arguments]:
        raise ValueError(f"{path} lacks {', '.join(missing)}")
    return arguments


def holds_run(folder: Path, arguments: Mapping[str, Any]) -> bool:
    """Return whether a folder already holds a run with these arguments; nothing is changed.

    Args:
        folder: Run folder, existing or not.
        arguments: What defines the run, JSON-able.

    Raises:
        FileExistsError: If it is a file, or holds a run with other arguments or a foreign config.json.
    """
    if folder.is_file():
        raise FileExistsError(f"{folder} is a file, expected a folder")
    try:
        stored = read_config(folder)
    except FileNotFoundError:
        return False
    except ValueError as error:
        raise FileExistsError(f"{error}; choose another folder") from error
    given = json.loads(json.dumps(arguments))
    differing = [name for name in sorted({*stored, *given}) if stored.get(name) != given.get(name)]
    if differing:
        lines = "\n".join(
            f"  {name}: {stored.get(name)!r} there, {given.get(name)!r} now" for name in differing
        )
        raise FileExistsError(
            f"{folder} holds a run with other arguments:\n{lines}\n"
            "choose another folder, remove this one, or repeat its arguments"
        )
    return True


def open_folder(folder: Path, arguments: Mapping[str, Any], packages: Iterable[str] = ()) -> None:
    """Write config.json into a run folder, which is created if missing.

    Args:
        folder: New, empty, or that of a run with the same arguments, whose results will be replaced.
        arguments: What defines the run, JSON-able.
        packages: Further packages whose versions are recorded, see `versions`.

    Raises:
        FileExistsError: If `holds_run` refuses the folder; nothing is changed then.
    """
    holds_run(folder, arguments)
    content = {"arguments": json.loads(json.dumps(arguments)), "versions": versions(packages)}
    write_json(folder / CONFIG, content)


def versions(more: Iterable[str] = ()) -> dict[str, str]:
    """Return the versions that results depend on: Python, this package, its dependencies, and `more`."""
    return {"python": platform.python_version(), "savings_gym": _own_version()} | {
        package: _installed_version(package) for package in (*DEPENDENCIES, *more)
    }


def _own_version() -> str:
    """Version of this package: in a checkout, installed or not, that of its pyproject.toml."""
    project_file = Path(__file__).resolve().parents[1] / "pyproject.toml"
    if project_file.is_file():
        project = tomllib.loads(project_file.read_text()).get("project", {})
        if project.get("name") == "savings_gym":
            return str(project["version"])
    return _installed_version("savings_gym")


def _installed_version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
