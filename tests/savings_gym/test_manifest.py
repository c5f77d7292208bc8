"""A run folder with a manifest refuses whatever its run did not write."""

import hashlib
import json
import os
import subprocess
import sys
import threading
import time

import pytest

from savings_gym.files import (
    CONFIG,
    MANIFEST,
    PARTS,
    Manifest,
    file_digest,
    is_empty,
    manifest_bytes,
    open_folder,
    read_config,
    sole_writer,
    verified,
    write_atomically,
)


@pytest.fixture
def folder(tmp_path):
    open_folder(tmp_path / "run", {"seed": 1})
    write_atomically(tmp_path / "run" / "result", b"numbers")
    write_atomically(tmp_path / "run" / PARTS / "one", b"a part")
    return tmp_path / "run"


def test_what_a_run_wrote_is_read(folder):
    assert read_config(folder) == {"seed": 1}
    for name in ("result", f"{PARTS}/one"):
        assert verified(folder / name) == folder / name
    assert Manifest(folder).names() == sorted([CONFIG, "result", f"{PARTS}/one"])
    assert Manifest(folder).names(PARTS) == [f"{PARTS}/one"]
    Manifest(folder).check_all()


@pytest.mark.parametrize("content", [b"abc", b"", b"numbers" * 100_000])
def test_the_digest_of_a_file_is_the_sha256_of_its_content(content, tmp_path):
    (tmp_path / "file").write_bytes(content)
    digest = file_digest(tmp_path / "file")
    assert digest == hashlib.sha256(content).hexdigest()
    assert content != b"abc" or digest.startswith("ba7816bf8f01cfea")  # the example of FIPS 180


@pytest.mark.parametrize("name", ["result", f"{PARTS}/one"])
@pytest.mark.parametrize("content", [b"", b"numberz", b"numbers "])
def test_a_changed_file_is_refused_by_name(folder, name, content):
    (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name} is not what the run wrote there; restore it"):
        verified(folder / name)


def test_a_missing_file_and_a_foreign_one_are_refused_by_name(folder):
    (folder / "result").unlink()
    with pytest.raises(FileNotFoundError, match="result is missing"):
        verified(folder / "result")
    (folder / "guest").write_bytes(b"")
    with pytest.raises(ValueError, match="guest was not written by this run"):
        verified(folder / "guest")
    assert verified(folder / "nothing") == folder / "nothing"  # its reader says that there is none


@pytest.mark.parametrize("name", [CONFIG, MANIFEST])
def test_every_flipped_bit_of_arguments_and_manifest_is_noticed(folder, name):
    """A manifest carries a seal of its own, so that no bit of it can change unnoticed, either."""
    content = (folder / name).read_bytes()
    for position in range(0, len(content), 3):
        damaged = bytearray(content)
        damaged[position] ^= 4
        (folder / name).write_bytes(damaged)
        with pytest.raises(ValueError, match=r"config\.json|manifest\.json"):
            read_config(folder)


def test_a_removed_manifest_is_missed_and_that_of_another_run_refused(folder, tmp_path):
    open_folder(tmp_path / "other", {"seed": 2})
    (folder / MANIFEST).write_bytes((tmp_path / "other" / MANIFEST).read_bytes())
    with pytest.raises(ValueError, match="are of different runs"):
        read_config(folder)
    (folder / MANIFEST).unlink()
    with pytest.raises(ValueError, match=r"manifest\.json is missing"):
        read_config(folder)


def test_folders_of_older_runs_and_loose_files_are_not_checked(tmp_path):
    (tmp_path / CONFIG).write_text(json.dumps({"arguments": {"seed": 3}, "versions": {}}))
    assert read_config(tmp_path) == {"seed": 3}
    write_atomically(tmp_path / "result", b"numbers")
    (tmp_path / "result").write_bytes(b"others")
    assert verified(tmp_path / "result").read_bytes() == b"others"
    assert not (tmp_path / MANIFEST).exists()


@pytest.mark.parametrize("name", ["../other/result", f"{PARTS}/../../other/result", "/other/result"])
def test_a_manifest_cannot_name_files_outside_of_its_folder(folder, name):
    victim = folder.parent / "other" / "result"
    victim.parent.mkdir()
    victim.write_bytes(b"numbers")
    content = {CONFIG: (folder / CONFIG).read_bytes(), name: b"numbers"}
    (folder / MANIFEST).write_bytes(manifest_bytes({"seed": 1}, content))
    with pytest.raises(ValueError, match="is not a file of the folder"):
        Manifest(folder).names(PARTS)
    with pytest.raises(ValueError, match="is not a file of the folder"):
        read_config(folder)
    assert victim.is_file()


def test_a_manifest_made_at_once_is_that_of_a_run_that_wrote_its_files(folder):
    contents = {name: (folder / name).read_bytes() for name in Manifest(folder).names()}
    assert json.loads(manifest_bytes({"seed": 1}, contents)) == json.loads((folder / MANIFEST).read_text())


def test_a_newer_schema_is_refused(folder, monkeypatch):
    monkeypatch.setattr(sys.modules[Manifest.__module__], "SCHEMA", 0)
    with pytest.raises(ValueError, match="has schema 1, this version reads up to 0"):
        verified(folder / "result")


@pytest.mark.parametrize("killed_at", range(6))
@pytest.mark.parametrize("name", ["result", "first"])
def test_a_process_that_is_killed_between_two_files_leaves_the_old_or_the_new_one(
    folder, monkeypatch, name, killed_at
):
    """Replacing a file takes three renames: manifest, file, manifest."""

    class Killed(BaseException):
        """Not handled by anyone."""

    calls, replace = iter(range(100)), os.replace

    def kill(source, target):
        before, after = next(calls), next(calls)
        if before == killed_at:
            raise Killed
        replace(source, target)
        if after == killed_at:
            raise Killed

    monkeypatch.setattr(os, "replace", kill)
    with pytest.raises(Killed):
        write_atomically(folder / name, b"new numbers")
    monkeypatch.undo()
    Manifest(folder).check_all()
    file = verified(folder / name)
    if name == "result" or file.is_file():
        assert file.read_bytes() in (b"numbers", b"new numbers")
    write_atomically(folder / name, b"newer")
    assert verified(folder / name).read_bytes() == b"newer"
    assert Manifest(folder).read()["files"][name] == [hashlib.sha256(b"newer").hexdigest()]
    (folder / name).write_bytes(b"numbers")
    with pytest.raises(ValueError, match=f"{name} is not what the run wrote"):
        verified(folder / name)


def test_removed_files_leave_the_manifest(folder):
    Manifest(folder).remove([folder / "result"])
    assert not (folder / "result").exists()
    Manifest(folder).check_all()


def test_a_second_process_is_refused_and_the_lock_ends_with_the_first(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from savings_gym.files import sole_writer\n"
        "with sole_writer(Path(sys.argv[1])):\n    print('locked', flush=True)\n    time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout.readline() == "locked\n"
        with (
            pytest.raises(FileExistsError, match="another process is writing"),
            sole_writer(tmp_path / "run"),
        ):
            pass
        first.kill()
        first.wait()
    with sole_writer(tmp_path / "run"):
        pass


def test_temporary_files_of_a_killed_process_are_removed_and_nothing_else(folder):
    left = [folder / ".result.abcd12_9.unfinished", folder / PARTS / ".one.zzzzzzzz.unfinished"]
    kept = [folder / ".hidden", folder / ".env.template", folder / "result"]
    for file in (*left, *kept[:2]):
        file.write_bytes(b"")
    with sole_writer(folder):
        assert not any(file.exists() for file in left)
        assert all(file.exists() for file in kept)


def test_a_file_that_the_run_replaces_while_it_is_checked_is_no_damage(folder, monkeypatch):
    read, writes = Manifest.read, [b"new", b"newer"]

    def read_before_a_write(manifest):
        content = read(manifest)
        if writes:
            with monkeypatch.context() as patch:  # what another process does
                patch.setattr(Manifest, "read", read)
                write_atomically(folder / "result", writes.pop(0))
        return content

    monkeypatch.setattr(Manifest, "read", read_before_a_write)
    assert verified(folder / "result").read_bytes() == b"newer"
    (folder / "result").write_bytes(b"damage")
    with pytest.raises(ValueError, match="result is not what the run wrote there"):
        verified(folder / "result")


def test_whoever_waits_writes_after_the_other_one(folder):
    order = []

    def write():
        with sole_writer(folder, patience=30.0):
            order.append("second")

    other = threading.Thread(target=write)
    with sole_writer(folder):
        other.start()
        time.sleep(0.2)
        order.append("first")
    other.join()
    assert order == ["first", "second"]


def test_a_folder_with_locks_and_a_manifest_alone_is_empty(tmp_path):
    assert is_empty(tmp_path / "none")
    with sole_writer(tmp_path / "run"):
        pass
    Manifest.begin(tmp_path / "run", "name")
    assert is_empty(tmp_path / "run")
    (tmp_path / "run" / "file").touch()
    assert not is_empty(tmp_path / "run")
