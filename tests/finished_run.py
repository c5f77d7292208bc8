"""A small finished run, and one of a learner without stored networks, for the tests of the report."""

import json
import shutil
from pathlib import Path

import pytest

from experiments.savings.command import main
from savings_gym.files import CONFIG, PROBES, SUMMARY

SMALL = [
    "--preset", "smoke", "--networks", "3", "--nf1-updates", "8", "--ff1-updates", "8", "--nf2-updates", "8",
    "--ff2-updates", "8",
]  # fmt: skip


def small_run(out: Path, *arguments: str) -> Path:
    """A run of the smoke preset with three networks; `arguments` change it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.savings.report.draw", lambda *_: None)  # figures take seconds
        assert main([*SMALL, "--out", str(out), *arguments]) == 0
    return out


def foreign_run(run: Path, out: Path) -> Path:
    """The measures of a run, in the folder of a learner that keeps no networks."""
    out.mkdir()
    shutil.copy(run / PROBES, out / PROBES)
    summary = json.loads((run / SUMMARY).read_text())
    for name in ("units", "cell", "adaptation_networks"):
        del summary[name]
    (out / SUMMARY).write_text(json.dumps(summary | {"algorithm": "PPO"}))
    (out / CONFIG).write_text(json.dumps({"arguments": {"schedule": None, "environments": 8}}))
    return out
