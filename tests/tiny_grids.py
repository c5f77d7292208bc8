"""Grids whose cells take a moment, for the tests of sweeps."""

import json
from pathlib import Path

FIXED = """
experiment = "benchmark"

[arguments]
protocol = {nf1 = 8, ff1 = 8, nf2 = 8, ff2 = 8}

[grid]
agent = ["zero", "random"]
seed = {first = 0, last = 1}
"""  # agents that do not learn: four cells, two seconds each

LEARNING = """
experiment = "savings"

[arguments]
preset = "smoke"
pretraining_updates = 1
nf1_updates = 4
ff1_updates = 4
nf2_updates = 4
ff2_updates = 4

[grid]
seed = [0, 1]
"""


def grid_file(folder: Path, text: str) -> Path:
    """Write a grid into a folder; return the file."""
    file = folder / "grid.toml"
    file.write_text(text)
    return file


def journal_states(sweep: Path) -> list[str]:
    """States in the journal of a sweep, in the order of their times."""
    lines = [json.loads(line) for file in (sweep / "journal").iterdir() for line in file.open()]
    return [line["state"] for line in sorted(lines, key=lambda line: line["time"])]


def tables(sweep: Path) -> dict[str, bytes]:
    """Probe tables of all cells of a sweep, by cell."""
    return {file.parent.name: file.read_bytes() for file in sorted(sweep.glob("cells/*/*/probes.parquet"))}
