"""Runs, figures and tables, one file an experiment; run as modules from a checkout.

Threads of torch sleep while they wait for work, unless the environment says otherwise: they are needed for
little, and would keep the cores busy that kernels of the networks compute on, or another process. It has to
be said before torch is loaded.
"""

import os
from importlib.util import find_spec

NEEDED = ("tyro", "docstring_parser", "rich", "pandas")  # by every command

if missing := [name for name in NEEDED if find_spec(name) is None]:
    raise ModuleNotFoundError(
        f"experiments need packages that are not installed ({', '.join(missing)}): in a clone, run make "
        "setup, or pip install '.[experiments,sb3]'"
    )
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
