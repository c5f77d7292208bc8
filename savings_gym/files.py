"""Files that are written whole or not at all, run folders that can be trusted, and versions.

A run folder has a manifest: the SHA-256 of every file that the run wrote. `write_atomically` keeps it, and
`verified` refuses a file that is missing, truncated, changed, or of another run.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import os
import platform
import re
import subprocess
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    import pandas as pd

# Files of a run folder
CONFIG, SUMMARY, PROBES, PROBES_CARRIED, PROBES_STOPPED = (
    "config.json", "summary.json", "probes.parquet", "probes_carried.parquet", "probes_stopped.parquet",
)  # fmt: skip
MANIFEST: Final = "manifest.json"
PARTS: Final = "parts"  # folder in a run folder, for results of an unfinished run
SCHEMA: Final = 1  # of run folders; those without a schema are older and have no manifest
LEFTOVER: Final = re.compile(r"\..+\.[a-z0-9_]{8}")  # temporary file of a process that was killed
DEPENDENCIES = ("mujoco", "gymnasium", "numpy", "scipy")
ROW_GROUP = 1_000_000  # rows; fixed, so that equal rows give equal bytes


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file such that at every moment either the old or the new one exists, whole.

    In a run folder with a manifest, the file enters it.
    """
    manifest = Manifest.of(path)
    with nullcontext() if manifest is None else manifest.replacing(path, data):
        _write_whole(path, data)


def _write_whole(path: Path, data: bytes) -> None:
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


@dataclass(frozen=True)
class Manifest:
    """The list of the files that a run wrote into its folder, in ``manifest.json``.

    A file that is being replaced may have its old or its new digest, so that a process that is killed at any
    moment leaves nothing that is refused.

    Attributes:
        folder: The run folder.
    """

    folder: Path

    @staticmethod
    def of(path: Path) -> Manifest | None:
        """Return the manifest of the run in whose folder, at most one level deep, a file lies, or None."""
        for folder in (path.parent, path.parent.parent):
            if (folder / MANIFEST).is_file():
                return Manifest(folder)
        return None

    @staticmethod
    def begin(folder: Path, run: str) -> Manifest:
        """Write the empty manifest of a new run.

        Args:
            folder: The run folder.
            run: What names the run, see `run_name`.
        """
        manifest = Manifest(folder)
        manifest._write({"schema": SCHEMA, "run": run, "files": {}})
        return manifest

    def read(self) -> dict[str, Any]:
        """Return the content: schema, name of the run, and digests by file.

        Raises:
            ValueError: If it is damaged, or of a newer version of this package.
        """
        path = self.folder / MANIFEST
        try:
            content = json.loads(path.read_text())
            schema = int(content["schema"])
            _ = content["run"], content["files"].items()
            if content.pop("seal") != _seal(content):
                raise ValueError("it was changed")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is damaged: {error!r}; {_advice(self.folder)}") from error
        if schema > SCHEMA:
            raise ValueError(f"{path} has schema {schema}, this version reads up to {SCHEMA}: update it")
        return dict(content)

    def names(self, within: str = "") -> list[str]:
        """Return the names of the files, relative to the run folder and sorted.

        Args:
            within: Only those in this folder of it.
        """
        prefix = f"{within}/" if within else ""
        return sorted(name for name in self.read()["files"] if name.startswith(prefix))

    def check_all(self) -> None:
        """Refuse a run folder in which a file is missing or was changed; see `check`."""
        for name in self.names():
            self.check(self.folder / name)

    def check(self, path: Path) -> None:
        """Refuse a file that is not what the run wrote.

        Raises:
            FileNotFoundError: If it is missing.
            ValueError: If it was changed, or the run did not write it.
        """
        digests = self.read()["files"].get(self._name(path))
        if digests is None:
            if path.is_file():
                raise ValueError(f"{path} was not written by this run; {_advice(self.folder)}")
            return  # whoever opens it says that there is none
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing; {_advice(self.folder)}")
        if _digest(path.read_bytes()) not in digests:
            raise ValueError(f"{path} is not what the run wrote there; {_advice(self.folder)}")

    @contextmanager
    def replacing(self, path: Path, data: bytes) -> Iterator[None]:
        """Enter the new content of a file, which the body of the ``with`` statement writes."""
        name, new = self._name(path), _digest(data)
        with self._locked():
            content = self.read()
            content["files"][name] = [*dict.fromkeys([*content["files"].get(name, []), new])]
            self._write(content)
            yield
            content["files"][name] = [new]
            self._write(content)

    def remove(self, paths: Iterable[Path]) -> None:
        """Remove files, from the folder and from the manifest."""
        every = list(paths)
        with self._locked():
            content = self.read()
            listed = [name for path in every if (name := self._name(path)) in content["files"]]
            for name in listed:
                del content["files"][name]
            if listed:
                self._write(content)
        for path in every:
            path.unlink(missing_ok=True)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _locked(self) -> FileLock:
        return FileLock(self.folder / f".{MANIFEST}.lock")

    def _write(self, content: Mapping[str, Any]) -> None:
        sealed = {**content, "seal": _seal(content)}
        _write_whole(self.folder / MANIFEST, (json.dumps(sealed, indent=1) + "\n").encode())


def verified(path: Path) -> Path:
    """Return the path of a file to be read, after a check that it is what its run wrote there.

    Files outside of run folders, and in folders of older runs, which have no manifest, are not checked.

    Raises:
        FileNotFoundError, ValueError: As in `Manifest.check`.
    """
    manifest = Manifest.of(path)
    if manifest is not None:
        manifest.check(path)
    return path


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Keep other processes from writing the same run, and remove temporary files of killed ones.

    Raises:
        FileExistsError: If another process is writing this run.
    """
    if folder.is_file():
        raise FileExistsError(f"{folder} is a file, expected a folder")
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise FileExistsError(
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


def run_name(arguments: Mapping[str, Any]) -> str:
    """Return the name of a run in its manifest: a digest of the arguments that define it."""
    return _digest(json.dumps(arguments, sort_keys=True).encode())[:16]


def is_empty(folder: Path) -> bool:
    """Return whether a folder is missing or holds nothing but locks, leftovers and a manifest."""
    return not folder.is_dir() or all(
        file.name.startswith(".") or file.name == MANIFEST for file in folder.iterdir()
    )


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _seal(content: Mapping[str, Any]) -> str:
    """Return the digest of a manifest, which it carries itself."""
    return _digest(json.dumps(content, sort_keys=True).encode())


def _advice(folder: Path) -> str:
    return f"restore it from a copy, or remove {folder} and run again"


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


def read_table(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return a parquet file as a data frame, checked against the manifest of its run.

    Args:
        path: The file.
        columns: Only these columns, which must be there.

    Raises:
        FileNotFoundError, ValueError: If it is missing, damaged, or not what the run wrote; it is named.
        ImportError: If pandas or pyarrow is missing.
    """
    check_tables()
    import pandas as pd

    if not verified(path).is_file():
        raise FileNotFoundError(
            f"no file {str(path)!r}: {str(path.parent)!r} is not the folder of a finished run"
        )
    try:
        return pd.read_parquet(path, columns=None if columns is None else list(columns))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is not a whole parquet file: {error}") from error


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
        raise ValueError(f"{folder / MANIFEST} is missing; {_advice(folder)}")
    if Manifest(folder).read()["run"] != run_name(arguments):
        raise ValueError(
            f"{folder / CONFIG} and {folder / MANIFEST} are of different runs; {_advice(folder)}"
        )
    verified(folder / CONFIG)


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
    stored = json.loads(json.dumps(arguments))
    Manifest.begin(folder, run_name(stored))
    write_json(folder / CONFIG, {"schema": SCHEMA, "arguments": stored, "versions": versions(packages)})


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
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


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
