"""Without the packages of the experiments, a command says which are missing and how to get them."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WITHOUT = """
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name in ("tyro", "rich") else found(name)
import experiments.savings
"""


def test_missing_packages_are_named_with_the_command_that_installs_them():
    done = subprocess.run([sys.executable, "-c", WITHOUT], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: experiments need packages that are not installed (tyro, rich): in a clone, run "
        "make setup, or pip install '.[experiments,sb3]'"
    )
