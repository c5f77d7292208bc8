"""What others read about the project agrees: citation, badges, versions, workflows."""

from __future__ import annotations

import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
TOLD = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md"))


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("citation-file-format", ROOT / "CITATION.cff"),
        *(("github-workflows", workflow) for workflow in WORKFLOWS),
    ],
)
def test_files_that_others_read_follow_their_schema(schema: str, file: Path) -> None:
    pytest.importorskip("check_jsonschema")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(file)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["version"] and citation["license"] == PROJECT["license"]
    doi = PROJECT["urls"]["Study"].removeprefix("https://doi.org/")
    assert doi in [reference["doi"] for reference in citation["references"]]


def test_the_badges_name_the_oldest_versions() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    gymnasium = next(need for need in PROJECT["dependencies"] if need.startswith("gymnasium"))
    oldest = re.search(r">=([\d.]+)", gymnasium)[1]
    assert f"badge/Gymnasium-v{oldest}%2B-blue" in readme
    assert f"badge/python-{PROJECT['requires-python'].removeprefix('>=')}%2B-blue" in readme
    releasing = (ROOT / "docs/releasing.md").read_text(encoding="utf-8")
    assert f"badge/Gymnasium-v{oldest}-blue" in releasing


def test_the_entry_for_gymnasium_has_two_to_five_sentences() -> None:
    text = (ROOT / "docs/releasing.md").read_text(encoding="utf-8")
    entry = re.search(r"```text\n(.*?)```", text, re.DOTALL)[1].strip().splitlines()
    assert 2 <= len(re.findall(r"\.(?:\s|$)", entry[-1])) <= 5
    assert entry[0].startswith(f"- [{PROJECT['name']}: ")


def test_the_wheel_is_tried_on_every_python_that_it_names() -> None:
    named = {c.rsplit(" ", 1)[1] for c in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", c)}
    ci = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    assert set(ci["jobs"]["wheel"]["strategy"]["matrix"]["python"]) == named


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_run_only_commands_that_people_are_told(workflow: Path) -> None:
    jobs = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"].values()
    commands = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
    assert commands
    for command in commands:
        words = " ".join(command.split()[:2] if command.startswith("make ") else command.split())
        assert re.fullmatch(r"make \w+|\.ci/run", words) and words in TOLD, command


def test_the_changelog_names_what_exists() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    names = set(re.findall(r"\b(?:savings_gym|agents|experiments)(?:\.\w+)+", text))
    assert len(names) > 40
    missing = [name for name in sorted(names) if resolved(name) is None]
    assert not missing


def resolved(name: str) -> object | None:
    """Return the module or attribute of a dotted name; None if there is none."""
    try:
        found: object = pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return None
    return found
