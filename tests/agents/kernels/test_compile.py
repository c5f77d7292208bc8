"""Kernels that were compiled from older sources are removed, whoever else removes them at the same time."""

import os

from agents.kernels import compile as kernels


def test_stale_kernels_are_removed_and_those_that_vanish_meanwhile_are_no_error(tmp_path, monkeypatch):
    monkeypatch.setattr(kernels, "__file__", str(tmp_path / "compile.py"))
    (tmp_path / "source.py").touch()
    cache = tmp_path / "__pycache__"
    cache.mkdir()
    stale, fresh, vanished = (cache / f"source.{name}.nbi" for name in ("stale", "fresh", "vanished"))
    for kernel in (stale, fresh):
        kernel.touch()
    os.utime(stale, (0, 0))
    vanished.symlink_to(tmp_path / "nowhere")
    kernels.forget_stale_kernels("agents.kernels.source")
    assert fresh.exists() and not stale.exists()
