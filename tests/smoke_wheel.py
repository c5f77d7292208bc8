"""Try the built wheel as a new user would: in an empty environment, outside the checkout.

`make build` runs `python tests/smoke_wheel.py dist`. It checks the names in the wheel, installs the wheel
into a fresh environment in a temporary folder, and runs this file there again, as `--installed`, to make an
environment and step it through a trial: with the pinned Gymnasium, and with the oldest one that is allowed.
"""

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "savings_gym"
ASSETS = ("arm26.xml", "arm2.xml")
NOT_NEEDED = (
    "torch",
    "stable_baselines3",
    "sb3_contrib",
    "wandb",
    "pandas",
    "pygame",
    "tyro",
    "agents",
    "experiments",
)
TRIAL_STEPS = 100


def expect(condition: bool, message: str) -> None:
    """Exit with the message unless the condition holds; unlike assert, also under python -O."""
    if not condition:
        sys.exit(f"smoke test of the wheel: {message}")


def find_wheel(folder: Path) -> Path:
    """Return the only wheel in the folder."""
    wheels = sorted(folder.glob("*.whl"))
    expect(len(wheels) == 1, f"expected one wheel in {folder}, found {[wheel.name for wheel in wheels]}")
    return wheels[0].resolve()


def check_names(wheel: Path) -> None:
    """Check that the wheel holds one top-level package, its metadata and the assets, and nothing else."""
    names = zipfile.ZipFile(wheel).namelist()
    version = wheel.name.split("-")[1]
    top = {name.split("/")[0] for name in names}
    allowed = {PACKAGE, f"{PACKAGE}-{version}.dist-info"}
    expect(top == allowed, f"top-level names are {sorted(top)}, expected {sorted(allowed)}")
    for asset in ASSETS:
        expect(f"{PACKAGE}/assets/{asset}" in names, f"{PACKAGE}/assets/{asset} is missing")
    stray = [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".nbi", ".nbc"))]
    expect(not stray, f"the wheel holds caches: {stray}")


def oldest_gymnasium(wheel: Path) -> str:
    """Return the oldest version of Gymnasium that the wheel allows."""
    version = wheel.name.split("-")[1]
    metadata = zipfile.ZipFile(wheel).read(f"{PACKAGE}-{version}.dist-info/METADATA").decode()
    found = re.search(r"^Requires-Dist: gymnasium.*>=([\d.]+)", metadata, re.MULTILINE)
    if found is None:
        sys.exit("smoke test of the wheel: it names no oldest version of gymnasium")
    return found[1]


def try_elsewhere(wheel: Path) -> None:
    """Install the wheel into an empty environment in a temporary folder and run the trial there."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    with tempfile.TemporaryDirectory(prefix="savings-gym-wheel-") as folder:
        environment = Path(folder, "venv")
        python = str(environment / "bin" / "python")
        install = [python, "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt"), str(wheel)]
        # -I keeps the working directory, this file's folder and the user's packages off the import path
        trial = [python, "-I", str(Path(__file__).resolve()), "--installed"]
        oldest = [python, "-m", "pip", "install", "--quiet", f"gymnasium=={oldest_gymnasium(wheel)}"]
        make = [sys.executable, "-m", "venv", str(environment)]
        for command in (make, install, trial, oldest, trial):
            done = subprocess.run(command, cwd=folder, env=clean, check=False)
            expect(done.returncode == 0, f"exit code {done.returncode} from: {' '.join(command)}")


def run_trial() -> None:
    """Make the environment from the installed wheel, single and vector, and run it."""
    import gymnasium as gym
    import numpy as np

    import savings_gym

    home = Path(savings_gym.__file__).resolve().parent
    expect(
        home.is_relative_to(Path(sys.prefix).resolve()), f"savings_gym came from {home}, not from the wheel"
    )
    for asset in ASSETS:
        expect((home / "assets" / asset).is_file(), f"{home / 'assets' / asset} is not installed")
    for name in NOT_NEEDED:
        expect(importlib.util.find_spec(name) is None, f"{name} was installed with the wheel")

    env = gym.make("ForceFieldReach-v0")
    observation, _ = env.reset(seed=0)
    env.action_space.seed(0)
    for step in range(1, TRIAL_STEPS + 1):
        observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        expect(bool(np.all(np.isfinite(observation))), f"the observation at step {step} is not finite")
        expect(bool(np.isfinite(reward)), f"the reward at step {step} is not finite")
        expect(
            not terminated and truncated == (step == TRIAL_STEPS),
            f"the trial does not end at step {TRIAL_STEPS} only, but at step {step}",
        )
    env.close()

    vector = gym.make_vec("ForceFieldReach-v0", num_envs=3)
    vector.reset(seed=0)
    vector.action_space.seed(0)
    observations = vector.step(vector.action_space.sample())[0]
    expect(
        observations.shape == (3, observation.shape[0]),
        f"vector observations have shape {observations.shape}",
    )
    vector.close()


def main(arguments: list[str]) -> None:
    """Test a folder with a wheel or, in the environment made for that, the installed package."""
    expect(len(arguments) == 1, "usage: smoke_wheel.py FOLDER_WITH_ONE_WHEEL | --installed")
    if arguments == ["--installed"]:
        run_trial()
        return
    wheel = find_wheel(Path(arguments[0]))
    check_names(wheel)
    try_elsewhere(wheel)
    print(f"{wheel.name} works in an empty environment outside the checkout")


if __name__ == "__main__":
    main(sys.argv[1:])
