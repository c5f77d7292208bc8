"""Kernels are kept on disk between runs, until a source file that they may call changes."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba", reason="kernels need numba")

SOURCE = """
from agents.kernels.compile import entry

@entry
def double(values):
    for i in range(len(values)):
        values[i] = 2 * values[i]
"""


def load(path: Path):
    """Import a file anew and run its kernel; return how often it was found on disk."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    values = np.arange(3.0)
    module.double(values)
    assert (values == [0, 2, 4]).all()
    return sum(module.double.stats.cache_hits.values())


def test_a_kernel_is_kept_until_a_source_of_the_package_is_newer(tmp_path):
    file = tmp_path / "doubling.py"
    file.write_text(SOURCE)
    assert load(file) == 0  # compiled
    assert load(file) == 1  # found
    for kept in (tmp_path / "__pycache__").glob("doubling.double-*.nb[ic]"):
        os.utime(kept, (0, 0))  # older than every source
    assert load(file) == 0
    assert load(file) == 1


def test_a_stale_kernel_that_another_process_has_removed_is_no_error(tmp_path, monkeypatch):
    file = tmp_path / "doubling.py"
    file.write_text(SOURCE)
    load(file)
    glob = Path.glob

    def all_gone_since(folder, pattern):
        listed = list(glob(folder, pattern))
        if pattern.endswith(".nb[ic]"):
            assert len(listed) == 2  # index and machine code
            for kept in listed:
                kept.unlink()
        return listed

    monkeypatch.setattr(Path, "glob", all_gone_since)
    assert load(file) == 0
