"""Kernels are kept on disk between runs, until a source file that they may call changes."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba", reason="kernels need numba")
from numba.core.dispatcher import Dispatcher  # noqa: E402

from agents.kernels import compile  # noqa: E402

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


def test_a_kernel_is_kept_until_a_source_of_the_package_is_another(tmp_path, monkeypatch):
    file = tmp_path / "doubling.py"
    file.write_text(SOURCE)
    assert load(file) == 0  # compiled
    assert load(file) == 1  # found
    for kept in (tmp_path / "__pycache__").glob("doubling.double-*.nb[ic]"):
        os.utime(kept, (0, 0))  # dates do not matter
    assert load(file) == 1
    monkeypatch.setattr(compile, "SOURCES", "of edited files")
    assert load(file) == 0
    assert load(file) == 1


def test_where_nothing_can_be_kept_kernels_are_compiled_every_time(tmp_path, monkeypatch, caplog):
    def nowhere(self):
        raise RuntimeError("cannot cache function 'double': no locator available for file")

    monkeypatch.setattr(Dispatcher, "enable_caching", nowhere)
    file = tmp_path / "doubling.py"
    file.write_text(SOURCE)
    assert load(file) == load(file) == 0
    assert "double is compiled in every process" in caplog.text and "NUMBA_CACHE_DIR" in caplog.text
