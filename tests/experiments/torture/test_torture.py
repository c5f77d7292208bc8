"""A short form of the torture: what it finds, and that nothing of it slips through."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import experiments
from experiments.torture import damage, disk
from experiments.torture.command import Torture, find_faults
from experiments.torture.runs import SIGNALS


@pytest.mark.slow
def test_runs_survive_kills_and_full_disks_and_refuse_damaged_files(tmp_path):
    command = [
        sys.executable, "-m", "experiments.torture", "--kills", "3", "--disks", "1", "--flips", "1",
        "--updates", "6", "--out", tmp_path / "torture",
    ]  # fmt: skip
    done = subprocess.run(
        command, stderr=subprocess.PIPE, text=True, cwd=Path(experiments.__file__).parents[1]
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "torture" / "torture.json").read_text())
    assert found["kills"] >= 3 and found["identical"] is True and found["faults"] == []
    assert set(found["kills_by_signal"]) == set(SIGNALS)
    assert found["full_disks"]["verdicts"] == {disk.RIGHT: 1}
    damages = len(damage.READERS) + len(damage.RESUMED)
    assert len(found["damages"]) == len(damage.DAMAGES) * damages
    assert {tuple(counts) for counts in found["damages"].values()} == {(damage.RIGHT,)}
    assert sum(sum(counts.values()) for counts in found["damages"].values()) == 4 * damages
    assert [path.name for path in (tmp_path / "torture").iterdir()] == ["torture.json"]


def test_whatever_does_not_survive_is_a_fault():
    right = {
        "identical": True,
        "full_disks": {"verdicts": {disk.RIGHT: 3}},
        "read_only": {"verdicts": {"nothing": disk.REFUSED, "a complete run": disk.SHOWN}},
        "damages": {"finished, x, removed": {damage.RIGHT: 1}},
    }
    assert find_faults(right) == []
    wrong = {
        "identical": False,
        "full_disks": {"verdicts": {disk.RIGHT: 2, "status 0: ": 1}},
        "read_only": {"verdicts": {"a complete run": "not shown"}},
        "damages": {"finished, x, removed": {damage.RIGHT: 1, "accepted": 1}},
    }
    assert len(find_faults(wrong)) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kills": 0}, "kills must be"),
        ({"flips": 0}, "flips must be"),
        ({"how": "stop"}, "how must be one of .*'every', 'kill', 'term'.* got 'stop'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Torture(**arguments)
