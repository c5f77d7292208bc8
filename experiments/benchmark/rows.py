"""From the jobs of a benchmark to the rows of its tables: numbers with intervals over seeds, and verdicts."""

from __future__ import annotations

import dataclasses
import shlex

import numpy as np
from numpy.typing import ArrayLike

from experiments.benchmark.agents import AGENTS, FixedAgent, SupervisedAgent
from experiments.benchmark.protocol import Job, Protocol, exploration_of
from experiments.benchmark.values import (
    NOISE,
    PRETRAINING,
    PROBE_FILES,
    SPEEDS,
    Values,
    as_array,
    seed_values,
)
from experiments.benchmark.verdicts import Row, add_verdicts
from experiments.runs.command_line import differing_flags
from savings_gym.files import jsonable
from savings_gym.metrics.savings import field_side
from savings_gym.metrics.statistics import estimate, ratio_interval
from savings_gym.task.schedule import PHASES

SINGLE_MEASURES = (
    "endpoint_error", "ff1_initial", "ff1_final", "ff2_initial", "after_effect", "washout_residual"
)  # fmt: skip


def table_rows(jobs: list[Job]) -> list[Row]:
    """Return one row per agent and memory that any job has, in the order of `AGENTS`, with verdicts."""
    rows = []
    outside = dict.fromkeys(job.agent for job in jobs if job.agent not in AGENTS)
    for agent in [name for name in (*AGENTS, *outside) if any(job.agent == name for job in jobs)]:
        for memory, file in PROBE_FILES.items():
            probed = [job for job in jobs if job.agent == agent and (job.out / file).is_file()]
            with_field = [job for job in probed if not job.protocol.sham]
            if with_field:
                shams = [job for job in probed if job.protocol.sham]
                rows.append(agent_row(agent, memory, with_field, shams))
    add_verdicts(rows)
    return rows


def agent_row(agent: str, memory: str, jobs: list[Job], shams: list[Job]) -> Row:
    """Return the row of one agent, without its verdict.

    Args:
        agent: Name of the agent.
        memory: "reset" or "carried" between trials of a probe.
        jobs: Its finished jobs with the field in FF1.
        shams: Its finished jobs without.
    """
    values, failures = seed_values(jobs, shams, memory)
    declaration = jobs[0].declaration
    records = [job.record or {} for job in jobs]
    learns = not isinstance(declaration, FixedAgent)
    speed = float(np.mean([record["steps_per_second"] for record in records])) if learns else None
    row: Row = {
        "agent": agent,
        "memory": memory,
        "description": declaration.description,
        "command": command(agent, jobs, bool(shams)),
        "learns_to_reach": learns and not isinstance(declaration, SupervisedAgent),
        "fixed": not learns,
        "exploration": exploration_of(agent, type(declaration).__name__, jobs[0].protocol.exploration),
        "steps_per_second": speed,
        "wall_time_s": float(np.mean([record["wall_time_s"] for record in records])),
        "rate_failures": failures,
        "values": values,
    }
    return row | statistics(values)


def statistics(values: Values) -> Row:
    """Return the statistics of a row, all computed from the values of its seeds."""
    ff1, ff2, rate1, rate2, sham_ff2, sham_rate2 = (
        as_array(values, name)
        for name in (
            "ff1_initial",
            "ff2_initial",
            "ff1_rate",
            "ff2_rate",
            "sham_ff2_initial",
            "sham_ff2_rate",
        )
    )
    side = field_side(ff1)
    fitted = np.isfinite(rate1) & np.isfinite(rate2)
    channel = {phase: as_array(values, f"channel_{phase}") for phase in PHASES}
    numbers = {name: _estimate(as_array(values, name)) for name in SINGLE_MEASURES}
    row: Row = numbers | {
        "seeds": len(values["seed"]),
        "trials_to_reach": _trials_to_reach(as_array(values, "trials_to_reach")),
        "initial_savings": _estimate(side * (ff1 - ff2)),
        "rate_savings": {
            **_estimate(rate2 - rate1),
            "ff1": rate1[fitted].mean() if fitted.any() else np.nan,
            "ff2": rate2[fitted].mean() if fitted.any() else np.nan,
            **_ratio(rate2[fitted], rate1[fitted]),
        },
        "against_sham": None
        if "sham_ff2_initial" not in values
        else {"initial": _estimate(side * (sham_ff2 - ff2)), "rate": _estimate(rate2 - sham_rate2)},
        "channel": {phase: _estimate(force) for phase, force in channel.items()},
        "learned_force": _estimate(channel["FF1"] - channel["NF1"]),
        "nf1": _reaching(values),
        "noise": {name: _estimate(as_array(values, name)) for name in NOISE},
    }
    if PRETRAINING in values:
        row["pretraining"] = _estimate(as_array(values, PRETRAINING))
    if SPEEDS[0] in values:
        row["speed"] = {name: _estimate(as_array(values, name)) for name in SPEEDS}
    result: Row = jsonable(row)
    return result


def _estimate(values: ArrayLike) -> Row:
    """Mean, interval and tests over the seeds that have a value."""
    array = np.asarray(values, dtype=np.float64)
    return dataclasses.asdict(estimate(array[np.isfinite(array)]))


def _ratio(numerator: ArrayLike, denominator: ArrayLike) -> Row:
    """Ratio of two means over seeds, with its interval."""
    top, bottom = np.asarray(numerator), np.asarray(denominator)
    if not top.size:
        return {"ratio": None, "ratio_ci": [None, None]}
    return {"ratio": top.mean() / bottom.mean(), "ratio_ci": list(ratio_interval(top, bottom))}


def _trials_to_reach(trials: ArrayLike) -> Row:
    """Median over the seeds that reach, and how many do."""
    array = np.asarray(trials)
    reached = array[np.isfinite(array)]
    return {"median": float(np.median(reached)) if reached.size else None, "reached": reached.size}


def _reaching(values: Values) -> Row:
    """What NF1 cost until the criterion of the protocol was met, and how many seeds met it."""
    trials, met = as_array(values, "nf1_trials"), as_array(values, "criterion_met")
    return {
        "trials": _estimate(trials),
        "with_criterion": int(np.isfinite(met).sum()),
        "met": int(np.nansum(met)),
    }


def command(agent: str, jobs: list[Job], sham: bool) -> str:
    """Return the command that makes a row again."""
    words = ["python", "-m", "experiments.benchmark", "--agents", agent]
    if jobs[0].settings is not None:
        words += ["--settings", str(jobs[0].settings)]
    if not isinstance(jobs[0].declaration, SupervisedAgent):
        words += ["--seeds", *(str(seed) for seed in sorted(job.seed for job in jobs))]
    words += differing_flags(jobs[0].protocol, Protocol(), "protocol.")
    return shlex.join(words if sham or isinstance(jobs[0].declaration, FixedAgent) else [*words, "--no-sham"])
