"""From the jobs of a benchmark to a row an agent: numbers with intervals over seeds, and a verdict."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pandas as pd

from experiments.benchmark.agents import AGENTS, FixedAgent, SupervisedAgent
from experiments.benchmark.protocol import Job, Protocol
from savings_gym.arrays import Floats
from savings_gym.metrics.curves import PhaseCurves, phase_curves
from savings_gym.metrics.savings import final_deviation, fitted_rates, jsonable, savings
from savings_gym.metrics.statistics import Sampling, estimate, mean_interval

REACHED = 0.010  # m, mean end-point error of an agent that has learnt to reach
LEVEL = 0.05  # of the tests behind a verdict
MANY = 100  # probes of FF1 from which on learning rates are fitted to means of five
TABLES = {"reset": "probes.parquet", "carried": "probes_carried.parquet"}
Row = dict[str, Any]


def rows(jobs: list[Job]) -> list[Row]:
    """A row for every agent and memory that any job has, in the order of the list of agents."""
    found = []
    for agent in [name for name in AGENTS if any(job.agent == name for job in jobs)]:
        mine = [job for job in jobs if job.agent == agent]
        for memory, file in TABLES.items():
            having = [job for job in mine if (job.out / file).is_file()]
            real = [job for job in having if not job.protocol.sham]
            if real:
                found.append(row(agent, memory, real, [job for job in having if job.protocol.sham]))
    return found


def probe_table(jobs: list[Job], memory: str) -> pd.DataFrame:
    """Probes of all seeds of an agent; memory is "reset" or "carried"."""
    return pd.concat([pd.read_parquet(job.out / TABLES[memory]) for job in jobs], ignore_index=True)


def row(agent: str, memory: str, jobs: list[Job], shams: list[Job] | None = None) -> Row:
    """What the benchmark says of one agent, from its jobs and those without the field in FF1, if any."""
    table = probe_table(jobs, memory)
    records = [job.record or {} for job in jobs]
    summaries = [json.loads((job.out / "summary.json").read_text()) for job in jobs]
    curves, channel = phase_curves(table, "endpoint_error"), _channel(summaries, memory)
    few = len(phase_curves(table)["FF1"].updates) < MANY
    found = savings(table).to_dict()
    rate = savings(table, window=1).to_dict()["savings"]["rate"] if few else found["savings"]["rate"]
    made: Row = {
        "agent": agent,
        "memory": memory,
        "about": AGENTS[agent].about,
        "command": command(agent, jobs, bool(shams)),
        "fixed": isinstance(AGENTS[agent], FixedAgent),
        "seeds": found["networks"],
        "learning_trials": _learning_trials(agent, curves["NF1"]),
        "endpoint_error": _mean(final_deviation(curves["NF1"])),
        "ff1_initial": _phase(found, "FF1", "initial"),
        "ff1_final": _phase(found, "FF1", "final"),
        "ff2_initial": _phase(found, "FF2", "initial"),
        "initial_savings": found["savings"]["initial"],
        "rate_savings": rate,
        "against_sham": against_sham(table, probe_table(shams, memory), 1 if few else 5) if shams else None,
        "after_effect": found["after_effect"],
        "washout_residual": found["washout_residual"],
        "channel": {phase: _mean(values) for phase, values in channel.items()},
        "learnt_force": _learnt(channel),
        "steps_per_second": None
        if isinstance(AGENTS[agent], FixedAgent)
        else float(np.mean([record["steps_per_second"] for record in records])),
        "wall_time_s": float(np.mean([record["wall_time_s"] for record in records])),
    }
    told: Row = jsonable(made | {"verdict": verdict(made)})
    return told


def command(agent: str, jobs: list[Job], sham: bool) -> str:
    """What makes a row again."""
    words = ["python -m experiments.benchmark --agents", agent]
    if not isinstance(AGENTS[agent], SupervisedAgent):
        words += ["--seeds", *(str(seed) for seed in sorted(job.seed for job in jobs))]
    for name, value in dataclasses.asdict(jobs[0].protocol).items():
        if value != getattr(Protocol(), name):
            words += [f"--protocol.{name.replace('_', '-')}", str(value)]
    return " ".join([*words, "--sham"] if sham else words)


def verdict(row: Row) -> str:
    """What the row means, in a few words.

    An agent reaches if its mean end-point error in the null field is below 10 mm. It adapts if its force in a
    channel is larger at the end of FF1 than at the end of NF1 and if it has an after-effect against the first
    deviation. It saves if FF2 begins with a smaller deviation than FF1 or is learnt faster; where there are
    sham jobs, if it does so also against their FF2, and else what looked like savings is practice. Every "if"
    but the first is a t test over seeds at the 5 % level, two-sided.
    """
    if row["endpoint_error"]["mean"] >= REACHED:
        return "does not reach"
    if row.get("fixed"):
        return "does not learn"
    if row["seeds"] < 3:
        return "too few seeds"
    side = np.sign(row["ff1_initial"]["mean"])
    if _sign(row["learnt_force"]) <= 0 or side * _sign(row["after_effect"]) >= 0:
        return "does not adapt"
    signs = {
        "initial": _sign(row["initial_savings"], "difference"),
        "rate": _sign(row["rate_savings"], "difference"),
    }
    sham = row.get("against_sham") or {}
    words: dict[str, list[str]] = {"savings": [], "practice": [], "slower or worse": []}
    for name, sign in signs.items():
        practice = name in sham and _sign(sham[name]) <= 0
        words["practice" if sign > 0 and practice else "savings" if sign > 0 else "slower or worse"] += (
            [name] if sign else []
        )
    parts = [f"{word} ({', '.join(names)})" for word, names in words.items() if names]
    return "; ".join(parts) or "no savings"


def against_sham(table: pd.DataFrame, sham: pd.DataFrame, window: int) -> Row:
    """Savings less practice: FF2 of seeds that met the field in FF1 against theirs if they did not."""
    shared = np.intersect1d(table["network"], sham["network"])
    met, not_met = (phase_curves(probes[probes["network"].isin(shared)]) for probes in (table, sham))
    side = np.sign(met["FF1"].deviation[:, 0].mean())
    start = side * (not_met["FF2"].deviation[:, 0] - met["FF2"].deviation[:, 0])
    slow, fast, _ = fitted_rates(not_met["FF2"], met["FF2"], window)
    rate = (fast - slow)[np.isfinite(fast - slow)]
    return {
        name: dataclasses.asdict(estimate(values, Sampling()))
        for name, values in (("initial", start), ("rate", rate))
        if values.size
    }


def _sign(found: Row | None, key: str = "mean") -> int:
    """Sign of an estimate that differs from 0 at the 5 % level; 0 for one that does not."""
    if found is None or found["p"] is None or found[key] is None or not found["p"] < LEVEL:
        return 0
    return 1 if found[key] > 0 else -1


def _learning_trials(agent: str, curves: PhaseCurves) -> Row:
    """Trials of NF1 until the end-point error is first below `REACHED`, for those that get there."""
    if isinstance(AGENTS[agent], SupervisedAgent | FixedAgent):
        return {"median": None, "reached": None, "note": "pre-trained or not learning"}
    below = curves.deviation < REACHED
    first = [int(curves.trials[np.argmax(line)]) for line in below if line.any()]
    return {"median": float(np.median(first)) if first else None, "reached": len(first)}


def _channel(summaries: list[Row], memory: str) -> dict[str, Floats]:
    """(seeds,) force in a channel at the end of every phase, as a share of what would cancel the field."""
    found: dict[str, list[float]] = {}
    for summary in summaries:
        held = summary if memory == "reset" else summary["carried"]
        each = held.get("adaptation_networks") or {k: [v] for k, v in held["adaptation"].items()}
        for phase, values in each.items():
            found.setdefault(phase, []).extend(values)
    return {phase: np.array(values, dtype=float) for phase, values in found.items()}


def _phase(found: Row, phase: str, when: str) -> Row:
    entry = found["phases"][phase]
    return {"mean": entry[f"{when}_deviation"], "ci": entry[f"{when}_ci"]}


def _mean(values: Floats) -> Row:
    """Mean and interval; None where a seed has no value, as a hand at rest has none in a channel."""
    if not np.isfinite(values).all():
        return {"mean": None, "ci": [None, None]}
    return {"mean": float(np.mean(values)), "ci": list(mean_interval(values, Sampling()))}


def _learnt(channel: dict[str, Floats]) -> Row:
    """What FF1 added to the force in a channel."""
    change = channel["FF1"] - channel["NF1"]
    if not np.isfinite(change).all():
        return {"mean": None, "ci": [None, None], "p": None}
    return dataclasses.asdict(estimate(change, Sampling()))
