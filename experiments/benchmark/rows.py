"""From the jobs of a benchmark to the rows of its tables: numbers with intervals over seeds, and verdicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from experiments.benchmark.agents import AGENTS, FixedAgent, SupervisedAgent
from experiments.benchmark.protocol import Job, Protocol
from experiments.benchmark.values import PROBE_FILES, REACHED, Values, as_array, seed_values
from savings_gym.metrics.savings import field_side, jsonable
from savings_gym.metrics.statistics import CONFIDENCE, estimate, holm, ratio_interval
from savings_gym.task.schedule import PHASES

LEVEL = 1.0 - CONFIDENCE  # of the tests behind a verdict
FEWEST_SEEDS = 3  # for a verdict on adaptation and savings
MEASURES = ("initial", "rate")  # the two ways in which savings can show
NO_REACH, FIXED, FEW_SEEDS, NO_ADAPTATION = (
    "does not reach", "does not learn", "too few seeds", "no adaptation shown"
)  # fmt: skip
NO_SAVINGS = "no savings shown"
SINGLE_MEASURES = (
    "endpoint_error", "ff1_initial", "ff1_final", "ff2_initial", "after_effect", "washout_residual"
)  # fmt: skip
Row = dict[str, Any]


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
    }
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


def command(agent: str, jobs: list[Job], sham: bool) -> str:
    """Return the command that makes a row again."""
    words = ["python -m experiments.benchmark --agents", agent]
    if jobs[0].settings is not None:
        words += ["--settings", str(jobs[0].settings)]
    if not isinstance(jobs[0].declaration, SupervisedAgent):
        words += ["--seeds", *(str(seed) for seed in sorted(job.seed for job in jobs))]
    for name, value in dataclasses.asdict(jobs[0].protocol).items():
        if value != getattr(Protocol(), name):
            words += [f"--protocol.{name.replace('_', '-')}", str(value)]
    return " ".join([*words, "--sham"] if sham else words)


def add_verdicts(rows: list[Row]) -> None:
    """Add corrected p values and a verdict to every row of a table.

    A verdict claims something only if its test over seeds is significant (two-sided t test, 5 %) after Holm's
    correction for all rows of the table, and both measures of savings. An agent reaches if its mean end-point
    error in the null field is below 10 mm. It adapts if its force in a channel grows from NF1 to FF1 and it
    has an after-effect, opposite to the first deviation. It is better in FF2 if FF2 starts with a smaller
    deviation than FF1, or is learned faster. This is savings if it also beats the FF2 of agents that met no
    field in FF1; if no such sham was run, it may be practice.
    """
    learners = [row for row in rows if _testable(row)]
    for row in learners:
        row["adaptation"] = {"p": _adaptation_p(row)}
    _correct(row["adaptation"] for row in learners)
    _correct(row[f"{name}_savings"] for row in learners for name in MEASURES)
    _correct(row["against_sham"][name] for row in learners if row["against_sham"] for name in MEASURES)
    for row in rows:
        row["verdict"] = verdict(row)


def verdict(row: Row) -> str:
    """Return what a row with corrected p values shows, in a few words; see `add_verdicts`."""
    if not reaches(row):
        return NO_REACH
    if row["fixed"]:
        return FIXED
    if row["seeds"] < FEWEST_SEEDS:
        return FEW_SEEDS
    if not _significant(row["adaptation"]):
        return NO_ADAPTATION
    measures: dict[str, list[str]] = {"savings": [], "savings or practice": [], "practice": [], "worse": []}
    for name in MEASURES:
        direction = _direction(row[f"{name}_savings"])
        if direction < 0:
            measures["worse"].append(name)
        elif direction > 0 and not row["against_sham"]:
            measures["savings or practice"].append(name)
        elif direction > 0:
            beyond = _direction(row["against_sham"][name]) > 0
            measures["savings" if beyond else "practice"].append(name)
    savings = [
        f"{word} ({', '.join(measures[word])})"
        for word in ("savings", "savings or practice")
        if measures[word]
    ]
    words = savings or [NO_SAVINGS]
    if measures["practice"]:
        words.append(f"not shown to exceed practice ({', '.join(measures['practice'])})")
    if measures["worse"]:
        words.append(f"worse in FF2 ({', '.join(measures['worse'])})")
    return "; ".join(words)


def reaches(row: Row) -> bool:
    """Return whether the mean end-point error at the end of NF1 is below 10 mm."""
    error = row["endpoint_error"]["mean"]
    return error is not None and error < REACHED


def _testable(row: Row) -> bool:
    """Whether a row is of an agent that learns and reaches, with enough seeds for tests."""
    return not row["fixed"] and row["seeds"] >= FEWEST_SEEDS and reaches(row)


def _adaptation_p(row: Row) -> float | None:
    """P value of adaptation: both tests have to be significant, so it is the larger of the two."""
    force, after = row["learned_force"], row["after_effect"]
    if force["p"] is None or after["p"] is None:
        return None
    expected = force["mean"] > 0 and after["mean"] * row["ff1_initial"]["mean"] < 0
    return float(max(force["p"], after["p"])) if expected else 1.0


def _correct(tests: Iterable[Row]) -> None:
    """Add to every test its p value after Holm's correction for all of them."""
    family = list(tests)
    p = [np.nan if test["p"] is None else test["p"] for test in family]
    for test, corrected in zip(family, holm(p), strict=True):
        test["p_holm"] = float(corrected) if np.isfinite(corrected) else None


def _direction(test: Row) -> int:
    """Return the sign of an estimate that differs from 0 after correction; 0 if it does not."""
    if not _significant(test):
        return 0
    return 1 if test["mean"] > 0 else -1


def _significant(test: Row) -> bool:
    return test["p_holm"] is not None and test["p_holm"] < LEVEL
