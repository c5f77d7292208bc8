"""Trial tables of made-up people, and the analysis of them."""

import shlex

import numpy as np

from experiments.people.config import People
from experiments.people.config import command as command_line
from experiments.people.measures import (
    quantities,
)

LENGTHS = {"baseline": 16, "field 1": 80, "washout": 40, "field 2": 80}
COLUMNS = ("participant=subj", "phase=block", "target=goal", "lateral_deviation=max dev", "angle=turn")
PHASES = ("baseline=NF1", "field 1=FF1", "washout=NF2", "field 2=FF2")
AMPLITUDE, FLOOR, AFTER_EFFECT, RATES = 20.0, 3.0, 12.0, (0.05, 0.08)
SAVED = 4.0  # mean over the population


def trial_table(path, n=6, noise=0.0, seed=0, side=1.0, sham=False, saved=SAVED, column="max dev"):
    """A table under other names: participant i starts FF2 closer to the line; returns rows and savings."""
    rng = np.random.default_rng(seed)
    gains = saved + rng.standard_normal(n)
    met = 0.0 if sham else 1.0
    rows = []
    for i in range(n):
        number = 0
        for block, trials in LENGTHS.items():
            t = np.arange(trials)
            curve = {
                "baseline": 0.0 * t,
                "field 1": met * (AMPLITUDE * np.exp(-RATES[0] * t) + FLOOR),
                "washout": -met * AFTER_EFFECT * np.exp(-0.3 * t),
                "field 2": (AMPLITUDE - gains[i]) * np.exp(-RATES[1] * t) + FLOOR,
            }[block]
            for k, value in enumerate(curve + noise * rng.standard_normal(trials)):
                row = {"subj": f"P{i}", "block": block, "trial": number, "goal": k % 4}
                rows.append(row | {column: f"{side * value:.6f}"})
                number += 1
    write(path, rows)
    return rows, gains


def write(path, rows):
    names = list(rows[0])
    path.write_text("\n".join([",".join(names), *(",".join(str(row[n]) for n in names) for row in rows)]))
    return path


def config(path, unit="mm", **changes):
    columns = [c for c in COLUMNS if c.partition("=")[2] in path.read_text().splitlines()[0].split(",")]
    arguments = {"columns": tuple(columns), "phases": PHASES, "unit": (unit,)}
    return People(path, path.parent / "out", **arguments | changes)


def numbers_of(analysis):
    units = {name: measured.unit for name, measured in analysis.group.measures.items()}
    return quantities(analysis.values, analysis.sham_values, units)


def arguments_of(config):
    return [*shlex.split(command_line(config))[3:]]
