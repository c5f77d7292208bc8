"""Run folders are read and checked in one place, and results name the versions they were made with."""

import copy
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import savings_gym
from savings_gym.files import check_writable, holds_run, open_folder, read_config, versions

ROOT = Path(savings_gym.__file__).parents[1]


def test_the_arguments_of_a_run_are_read_back(tmp_path):
    arguments = {"seed": 3, "noise": {"vision": 1e-4}, "frozen": ["input_weight"], "pretrained": None}
    open_folder(tmp_path / "run", arguments)
    assert read_config(tmp_path / "run") == arguments
    assert read_config(tmp_path / "run", ("seed", "noise")) == arguments


def test_a_missing_argument_is_named_with_the_file(tmp_path):
    open_folder(tmp_path, {"seed": 3})
    with pytest.raises(ValueError, match=r"config\.json lacks b, units"):
        read_config(tmp_path, ("seed", "b", "units"))


def test_a_folder_without_a_configuration_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"{tmp_path} has no config.json: it is not a run folder"):
        read_config(tmp_path)


@pytest.mark.parametrize("content", ["", '{"argum', "[]", "{}", '{"arguments": 3}'])
def test_a_configuration_of_something_else_is_named(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match=r"config\.json is not the configuration of a run"):
        read_config(tmp_path)
    with pytest.raises(FileExistsError, match=r"config\.json is not the configuration.*another folder"):
        holds_run(tmp_path, {})
    assert (tmp_path / "config.json").read_text() == content


def test_a_folder_holds_the_run_with_the_same_arguments_only(tmp_path):
    arguments = {"seed": 0, "targets": (0, 1)}
    assert not holds_run(tmp_path / "run", arguments)
    open_folder(tmp_path / "run", arguments)
    assert holds_run(tmp_path / "run", arguments)
    with pytest.raises(FileExistsError, match=r"b: nothing there, 8\.0 now\n  seed: 0 there, 1 now"):
        holds_run(tmp_path / "run", arguments | {"seed": 1, "b": 8.0})
    assert holds_run(tmp_path / "run", arguments | {"b": None})


def test_a_folder_of_something_else_is_left_as_it_is(tmp_path):
    (tmp_path / "summary.json").write_text("mine")
    with pytest.raises(FileExistsError, match="holds files but no config.json: choose an empty"):
        open_folder(tmp_path, {"seed": 0})
    assert [file.name for file in tmp_path.iterdir()] == ["summary.json"]
    assert (tmp_path / "summary.json").read_text() == "mine"


DEEP = {"a": {"seed": 0, "sizes": [1, 2], "old": None}, "phases": [{"trials": 1}, {"trials": 2}], "long": "x"}


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        (("a", "seed"), 1, "a.seed: 0 there, 1 now"),
        (("a", "sizes"), [1, 3], "a.sizes.1: 2 there, 3 now"),
        (("a", "sizes"), [1], r"a.sizes: \[1, 2\] there, \[1\] now"),
        (("a", "new"), None, "a.new: nothing there, None now"),
        (("a", "old"), {"b": 1}, r"a.old: None there, \{'b': 1\} now"),
        (("phases", 1, "trials"), 9, "phases.1.trials: 2 there, 9 now"),
        (("long",), "y" * 500, r"long: 'x' there, 'y{76}\.\.\. now"),
    ],
)
def test_what_differs_is_named_and_nothing_else(tmp_path, path, value, line):
    open_folder(tmp_path / "run", DEEP)
    changed = copy.deepcopy(DEEP)
    part = changed
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    with pytest.raises(FileExistsError, match=f"other arguments:\n  {line}\nchoose another folder"):
        holds_run(tmp_path / "run", changed)


def test_an_error_names_20_differences_at_most(tmp_path):
    open_folder(tmp_path / "run", {"weights": list(range(90))})
    with pytest.raises(FileExistsError, match=r"weights\.19: 19 there, 20 now\n  and 70 more\nchoose"):
        holds_run(tmp_path / "run", {"weights": list(range(1, 91))})


def test_a_file_that_cannot_be_written_is_noticed_before_the_work(tmp_path):
    check_writable(tmp_path / "deep" / "weights")
    assert list((tmp_path / "deep").iterdir()) == []
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match="file"):
        check_writable(tmp_path / "file" / "weights")


def test_versions_name_this_package_and_what_it_needs():
    names = ["python", "savings_gym", "mujoco", "gymnasium", "numpy", "scipy", "no-such-package"]
    found = versions(["no-such-package"])
    assert [name for name in found if name != "commit"] == names and found[
        "no-such-package"
    ] == "not installed"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert found["savings_gym"] == project["version"]


def test_a_checkout_that_is_not_installed_has_the_version_of_its_project_file(tmp_path):
    shutil.copytree(
        ROOT / "savings_gym", tmp_path / "savings_gym", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copytree(ROOT / "assets", tmp_path / "assets")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "savings_gym"\nversion = "9.8.7"\n')
    code = "import json; from savings_gym.files import versions; print(json.dumps(versions()))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["savings_gym"] == "9.8.7" and "commit" not in found


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_checkout_names_its_commit_and_whether_files_were_changed(tmp_path, monkeypatch):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    (tmp_path / "pyproject.toml").write_text("")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    module = sys.modules[versions.__module__]
    monkeypatch.setattr(module, "CHECKOUT", tmp_path)
    module._commit.cache_clear()
    commit = versions()["commit"]
    assert len(commit) == 12 and git("rev-parse", "HEAD").startswith(commit)
    (tmp_path / "pyproject.toml").write_text("# changed")
    module._commit.cache_clear()
    assert versions()["commit"] == f"{commit}-dirty"
    module._commit.cache_clear()


def test_a_run_records_what_it_began_on_and_is_not_refused_elsewhere(tmp_path):
    open_folder(tmp_path, {"seed": 3}, execution={"device": "cpu", "threads": 2})
    content = json.loads((tmp_path / "config.json").read_text())
    assert content["execution"] == {"device": "cpu", "threads": 2}
    assert holds_run(tmp_path, {"seed": 3})
    open_folder(tmp_path, {"seed": 3}, execution={"device": "cuda", "threads": 1})
