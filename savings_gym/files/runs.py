"""The folder of a run: its configuration, and one writer at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from savings_gym.files.manifest import MANIFEST, SCHEMA, UNFINISHED, Manifest, advice, run_name, verified
from savings_gym.files.tables import write_json
from savings_gym.files.versions import versions

CONFIG, SUMMARY, PROBES, PROBES_CARRIED, PROBES_STOPPED = (
    "config.json", "summary.json", "probes.parquet", "probes_carried.parquet", "probes_stopped.parquet",
)  # fmt: skip
PARTS: Final = "parts"  # folder in a run folder, for results of an unfinished run
MOST_DIFFERENCES: Final = 20  # arguments that an error names
LONGEST_VALUE: Final = 80  # letters of each of their values
NOTHING: Final = object()  # in place of an argument that is missing
LEFTOVER: Final = re.compile(r"\..+\.[a-z0-9_]{8}" + re.escape(UNFINISHED))  # of a process that was killed


def open_folder(
    folder: Path,
    arguments: Mapping[str, Any],
    packages: Iterable[str] = (),
    execution: Mapping[str, Any] | None = None,
) -> None:
    """Write config.json into a run folder, which is created if missing.

    Args:
        folder: New, empty, or that of a run with the same arguments, whose results will be replaced.
        arguments: What defines the run, JSON-able.
        packages: Further packages whose versions are recorded, see `versions`.
        execution: What the run began on, JSON-able: device, threads. It is recorded, not compared.

    Raises:
        FileExistsError: If `holds_run` refuses the folder, or it holds files of something else; nothing is
            changed then.
    """
    if not holds_run(folder, arguments) and not is_empty(folder):
        raise FileExistsError(f"{folder} holds files but no {CONFIG}: choose an empty or a new folder")
    stored = json.loads(json.dumps(arguments))
    Manifest.begin(folder, run_name(stored))
    content = {"schema": SCHEMA, "arguments": stored, "versions": versions(packages)}
    write_json(folder / CONFIG, content | ({} if execution is None else {"execution": dict(execution)}))


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
    there, now = ({k: v for k, v in each.items() if v is not None} for each in (stored, given))
    differing = _differences(there, now)
    if differing:
        lines = [f"  {line}" for line in differing[:MOST_DIFFERENCES]]
        if len(differing) > MOST_DIFFERENCES:
            lines.append(f"  and {len(differing) - MOST_DIFFERENCES} more")
        raise FileExistsError(
            "\n".join([f"{folder} holds a run with other arguments:", *lines])
            + "\nchoose another folder, remove this one, or repeat its arguments"
        )
    return True


def _differences(there: Mapping[Any, Any], now: Mapping[Any, Any], within: str = "") -> list[str]:
    """Return how arguments differ, one line for each value, by its dotted name."""
    lines: list[str] = []
    for name in sorted({*there, *now}):
        old, new = there.get(name, NOTHING), now.get(name, NOTHING)
        if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
            old, new = dict(enumerate(old)), dict(enumerate(new))
        if isinstance(old, dict) and isinstance(new, dict):
            lines += _differences(old, new, f"{within}{name}.")
        elif old != new:
            lines.append(f"{within}{name}: {_shortened(old)} there, {_shortened(new)} now")
    return lines


def _shortened(value: Any) -> str:
    text = "nothing" if value is NOTHING else repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."


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
        content = json.loads(path.read_text())
        arguments, schema = dict(content["arguments"]), content.get("schema")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not the configuration of a run: it has no arguments") from error
    if schema is not None or (folder / MANIFEST).is_file():
        _check_manifest(folder, arguments)
    if missing := [name for name in needed if name not in arguments]:
        raise ValueError(f"{path} lacks {', '.join(missing)}")
    return arguments


def _check_manifest(folder: Path, arguments: Mapping[str, Any]) -> None:
    """Refuse a run folder without a manifest, with that of another run, or with a changed config.json."""
    if not (folder / MANIFEST).is_file():
        raise ValueError(f"{folder / MANIFEST} is missing; {advice(folder)}")
    if Manifest(folder).read()["run"] != run_name(arguments):
        raise ValueError(f"{folder / CONFIG} and {folder / MANIFEST} are of different runs; {advice(folder)}")
    verified(folder / CONFIG)


def is_empty(folder: Path) -> bool:
    """Return whether a folder is missing or holds nothing but locks, leftovers and a manifest."""
    return not folder.is_dir() or all(
        file.name.startswith(".") or file.name == MANIFEST for file in folder.iterdir()
    )


LOCK: Final = ".lock"  # of a run folder; ends the name of that of a file


class BusyFolderError(FileExistsError):
    """Another process is writing the run."""


def is_busy(folder: Path) -> bool:
    """Return whether a process is writing the run in a folder."""
    if not folder.is_dir():
        return False
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


@contextmanager
def sole_writer_of(file: Path) -> Iterator[None]:
    """Keep other processes from making the same file, outside of run folders.

    Raises:
        BusyFolderError: If another process is making it.
    """
    try:
        with FileLock(file.with_name(f".{file.name}{LOCK}"), timeout=0):
            yield
    except Timeout as error:
        raise BusyFolderError(
            f"another process is making {file}: wait until it has ended, or choose another file"
        ) from error


@contextmanager
def sole_writer(folder: Path, patience: float = 0.0) -> Iterator[None]:
    """Keep other processes from writing the same run, and remove temporary files of killed ones.

    Args:
        folder: Run folder, created if missing.
        patience: How long to wait for another process to end its writing [s].

    Raises:
        BusyFolderError: If another process is writing this run.
        FileExistsError: If the folder is a file.
    """
    if folder.is_file():
        raise FileExistsError(f"{folder} is a file, expected a folder")
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=patience)
    except Timeout as error:
        raise BusyFolderError(
            f"another process is writing {folder}: wait until it has ended, or choose another folder"
        ) from error
    try:
        for place in (folder, folder / PARTS):
            for file in place.glob(".*") if place.is_dir() else ():
                if LEFTOVER.fullmatch(file.name):
                    file.unlink(missing_ok=True)
        yield
    finally:
        lock.release()
