"""Files that are written whole or not at all, and the manifest by which a run folder can be trusted.

The manifest lists the SHA-256 of every file that the run wrote. `write_atomically` keeps it, and `verified`
refuses a file that is missing, truncated, changed, or of another run.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Final

from filelock import FileLock

MANIFEST: Final = "manifest.json"
UNFINISHED: Final = ".unfinished"  # how the names of files end that are being written
ABSENT: Final = ""  # in place of the digest of a file that need not be there yet
SCHEMA: Final = 1  # of run folders; those without a schema are older and have no manifest


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file such that at every moment either the old or the new one exists, whole.

    In a run folder with a manifest, the file enters it.
    """
    manifest = Manifest.of(path)
    with nullcontext() if manifest is None else manifest.replacing(path, data):
        _write_whole(path, data)


def _write_whole(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=UNFINISHED)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:  # of a full disk, it names no file
        Path(temporary).unlink(missing_ok=True)
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@dataclass(frozen=True)
class Manifest:
    """The list of the files that a run wrote into its folder, in ``manifest.json``.

    A file that is being replaced may have its old or its new digest, and one that is being written for the
    first time may be missing, so that a process that is killed at any moment leaves nothing that is refused.

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
            if outside := [name for name in content["files"] if not _is_inside(name)]:
                raise ValueError(f"{outside[0]} is not a file of the folder")
            if content.pop("seal") != _seal(content):
                raise ValueError("it was changed")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is damaged: {error!r}; {advice(self.folder)}") from error
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

        The run may be writing: the file is looked at again if the manifest has changed meanwhile.

        Raises:
            FileNotFoundError: If it is missing.
            ValueError: If it was changed, or the run did not write it.
        """
        digests = self._digests(path)
        while True:
            try:
                return self._compare(path, digests)
            except (FileNotFoundError, ValueError):
                before, digests = digests, self._digests(path)
                if digests == before:
                    raise

    def _digests(self, path: Path) -> list[str] | None:
        """Return what the content of a file may be, or None if the run did not write it."""
        digests: list[str] | None = self.read()["files"].get(self._name(path))
        return digests

    def _compare(self, path: Path, digests: list[str] | None) -> None:
        if digests is None:
            if path.is_file():
                raise ValueError(f"{path} was not written by this run; {advice(self.folder)}")
            return  # whoever opens it says that there is none
        if not path.is_file():
            if ABSENT in digests:
                return
            raise FileNotFoundError(f"{path} is missing; {advice(self.folder)}")
        if file_digest(path) not in digests:
            raise ValueError(f"{path} is not what the run wrote there; {advice(self.folder)}")

    @contextmanager
    def replacing(self, path: Path, data: bytes) -> Iterator[None]:
        """Enter the new content of a file, which the body of the ``with`` statement writes."""
        name, new = self._name(path), _digest(data)
        with self._locked():
            content = self.read()
            content["files"][name] = [*dict.fromkeys([*content["files"].get(name, [ABSENT]), new])]
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
        _write_whole(self.folder / MANIFEST, _sealed(content))


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


def _is_inside(name: str) -> bool:
    """Return whether a name, relative to a folder, stays within it."""
    parts = PurePath(name).parts
    return bool(parts) and not PurePath(name).is_absolute() and ".." not in parts


def file_digest(path: Path) -> str:
    """Return the SHA-256 of the content of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def run_name(arguments: Mapping[str, Any]) -> str:
    """Return the name of a run in its manifest: a digest of the arguments that define it."""
    return _digest(json.dumps(arguments, sort_keys=True).encode())[:16]


def manifest_bytes(arguments: Mapping[str, Any], contents: Mapping[str, bytes]) -> bytes:
    """Return the manifest.json of a run with these arguments and files."""
    digests = {name: [_digest(data)] for name, data in contents.items()}
    return _sealed({"schema": SCHEMA, "run": run_name(arguments), "files": digests})


def _sealed(content: Mapping[str, Any]) -> bytes:
    return (json.dumps({**content, "seal": _seal(content)}, indent=1) + "\n").encode()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _seal(content: Mapping[str, Any]) -> str:
    """Return the digest of a manifest, which it carries itself."""
    return _digest(json.dumps(content, sort_keys=True).encode())


def advice(folder: Path) -> str:
    """Return what to do about a run folder that cannot be trusted."""
    return f"restore it from a copy, or remove {folder} and run again"
