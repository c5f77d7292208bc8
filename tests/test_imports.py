"""Importing the environments stays light; which module may import which is checked by `make check`."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {
    "agents", "experiments", "h5netcdf", "imageio", "matplotlib", "numba", "pandas", "pyarrow", "pygame",
    "rich", "safetensors", "sb3_contrib", "stable_baselines3", "torch", "tyro", "wandb", "xarray",
}  # fmt: skip


def packages_loaded_by(code: str) -> set[str]:
    """Names of the top-level packages that a fresh interpreter has loaded after running the code."""
    report = "import json, sys; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    command = [sys.executable, "-c", f"{code}\n{report}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def modules_without_sb3() -> list[str]:
    files = (path.relative_to(ROOT) for path in (ROOT / "savings_gym").rglob("*.py"))
    names = {".".join(file.with_suffix("").parts).removesuffix(".__init__") for file in files}
    return sorted(name for name in names if not name.startswith("savings_gym.sb3"))


def test_importing_the_package_loads_nothing_heavy():
    assert packages_loaded_by("import savings_gym") & HEAVY == set()


def test_no_module_but_those_for_stable_baselines3_loads_anything_heavy():
    names = modules_without_sb3()
    assert "savings_gym.probes.tracking" in names and "savings_gym.activity.recording" in names
    assert packages_loaded_by(f"import {', '.join(names)}") & HEAVY == set()


def test_processes_of_a_sweep_that_start_others_load_no_torch():
    """They wait beside those that compute, one in every job of a cluster."""
    loaded = packages_loaded_by("import experiments.sweep.workers, experiments.sweep.journal")
    assert loaded & {"torch", "stable_baselines3", "matplotlib", "numba"} == set()
