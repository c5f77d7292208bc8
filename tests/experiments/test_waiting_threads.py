"""Threads of torch sleep while they wait in commands, unless the environment says otherwise."""

import importlib
import os

import pytest

import experiments

POLICY = "OMP_WAIT_POLICY"


@pytest.mark.parametrize(("before", "after"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_wait_passively_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, before: str | None, after: str
) -> None:
    monkeypatch.setenv(POLICY, before or "")  # restored at the end, whatever becomes of it
    if before is None:
        del os.environ[POLICY]
    importlib.reload(experiments)
    assert os.environ[POLICY] == after


def test_commands_inherit_it() -> None:
    assert os.environ.get(POLICY), "set when experiments is first imported"
