#!/usr/bin/env python3
"""Stands for the commands of SLURM on a machine without it; what it is called as decides what it does.

``FAKE_SLURM`` names a folder for its records: the script of the array, and a file per job with the process
that runs it.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

ARRAY = "77"
COMMANDS = ("sbatch", "srun", "sacct", "scontrol")


def install(folder: Path) -> dict[str, str]:
    """Put the commands into a folder; return the environment that finds them before others."""
    binaries, records = folder / "bin", folder / "slurm"
    binaries.mkdir()
    records.mkdir()
    for name in COMMANDS:
        command = binaries / name
        command.write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} {name} "$@"\n')
        command.chmod(0o755)
    return {"PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}", "FAKE_SLURM": str(records)}


def running(records: Path, job: int) -> int | None:
    """Return the process of a job of the array, or None if it has none."""
    file = records / f"{ARRAY}_{job}"
    pid = file.read_text() if file.is_file() else ""
    alive = pid and Path(f"/proc/{pid}/stat").is_file() and " Z " not in Path(f"/proc/{pid}/stat").read_text()
    return int(pid) if alive else None


def _start(script: str, job: int) -> None:
    identity = {
        "SLURM_JOB_ID": f"{ARRAY}{job}", "SLURM_ARRAY_JOB_ID": ARRAY, "SLURM_ARRAY_TASK_ID": str(job),
        "SLURM_NTASKS": "1", "SLURM_JOB_NUM_NODES": "1", "SLURM_NODEID": "0", "SLURM_PROCID": "0",
        "SLURM_LOCALID": "0", "SLURM_JOB_NODELIST": "node0",
    }  # fmt: skip
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.Popen(["bash", script], env={**os.environ, **identity}, start_new_session=True, **quiet)


def _main(name: str, arguments: list[str]) -> None:
    records = Path(os.environ["FAKE_SLURM"])
    script = records / "array.sh"
    if name == "sbatch":
        text = Path(arguments[-1]).read_text()
        script.write_text(text)
        for job in range(int(re.search(r"--array=0-(\d+)", text)[1]) + 1):
            _start(str(script), job)
        print(f"Submitted batch job {ARRAY}")
    elif name == "srun":
        (records / f"{ARRAY}_{os.environ['SLURM_ARRAY_TASK_ID']}").write_text(str(os.getpid()))
        program = next(i for i, word in enumerate(arguments) if word == sys.executable)
        os.execv(sys.executable, arguments[program:])
    elif name == "sacct":
        print("JobID|State|NodeList")
        for file in sorted(records.glob(f"{ARRAY}_*")):
            alive = running(records, int(file.name.split("_")[1]))
            print(f"{file.name}|{'RUNNING' if alive else 'COMPLETED'}|node0")
    elif name == "scontrol":
        with (records / "requeued").open("a") as log:
            log.write(f"{arguments[-1]}\n")
        _start(str(script), int(arguments[-1].split("_")[1]))


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2:])
