"""The README keeps its word: its Python runs, its tables name what exists, its commands are known."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import savings_gym
from experiments.benchmark.report import readme_tables
from experiments.runs.folder import RunFolder
from experiments.savings.config import PRESETS
from experiments.savings.report import markdown_table

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_python_blocks_run(number: int, tmp_path: Path) -> None:
    for folder in ("agents", "experiments", "savings_gym", "assets"):  # a clone without what was run in it
        (tmp_path / folder).symlink_to(ROOT / folder)
    done = subprocess.run(
        [sys.executable, "-c", BLOCKS[number]], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_table_of_environments_is_that_of_the_package() -> None:
    assert set(re.findall(r"^\| `(\w+-v\d)` \|", TEXT, re.MULTILINE)) == set(savings_gym.ENV_IDS)


def test_the_table_of_fields_names_every_field() -> None:
    named = set(re.findall(r"^\| `(\w+Field)\(", TEXT, re.MULTILINE))
    fields = {name for name in savings_gym.__all__ if name.endswith("Field")}
    assert named == fields - {"Field", "SumField", "ForceField"}  # base class, `a + b`, and the wrapper


def test_the_table_of_measures_names_what_exists() -> None:
    table = TEXT[TEXT.index("| measure, all in") :].split("\n\n")[0]
    found = re.findall(r"^\| `(\w+)\.(\w+)`", table, re.MULTILINE)
    assert len(found) >= 5
    for module, name in found:
        assert hasattr(importlib.import_module(f"savings_gym.{module}"), name)


def test_commands_name_presets_and_targets_that_exist() -> None:
    presets = re.findall(r"--preset (\w+)", TEXT)
    targets = re.findall(r"make (\w+)", TEXT)
    makefile = (ROOT / "Makefile").read_text()
    assert presets and set(presets) <= set(PRESETS)
    assert targets and all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_pictures_and_links_are_there() -> None:
    for path in re.findall(r"\]\((?!http)([^)#]+)\)", TEXT) + re.findall(r'src="(?!http)([^"]+)"', TEXT):
        assert (ROOT / path).exists(), path


def test_the_table_of_results_is_that_of_the_committed_run() -> None:
    summary = RunFolder.read_summary(ROOT / "experiments/results/quick")
    assert markdown_table(summary) in TEXT


def test_the_benchmark_is_that_of_the_committed_results() -> None:
    found = json.loads((ROOT / "experiments/results/benchmark/benchmark.json").read_text())
    assert readme_tables(found["rows"]) in TEXT
