"""A short form of the torture: what it finds, and that nothing of it slips through."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import experiments
from experiments.torture import DAMAGES, READERS, RESUMED, Torture


@pytest.mark.slow
def test_runs_survive_kills_and_refuse_damaged_files(tmp_path):
    command = [sys.executable, "-m", "experiments.torture", "--kills", "3", "--out", tmp_path / "torture"]
    subprocess.run(command, check=True, capture_output=True, cwd=Path(experiments.__file__).parents[1])
    found = json.loads((tmp_path / "torture" / "torture.json").read_text())
    assert found["kills"] >= 3 and found["identical"] is True
    assert found["damaged"] == found["refused"] == len(DAMAGES) * (len(READERS) + len(RESUMED))
    assert [path.name for path in (tmp_path / "torture").iterdir()] == ["torture.json"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"kills": 0}, "kills must be"), ({"how": "stop"}, "unknown signal 'stop'; choose from: kill, term")],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Torture(**arguments)
