"""From the finished jobs of an agent to one value per seed, from which all statistics are computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from experiments.benchmark.protocol import REACHED
from experiments.runs.folder import RunFolder
from experiments.runs.networks import of_kept_networks
from savings_gym.arrays import Floats
from savings_gym.files import PROBES, PROBES_CARRIED, jsonable, read_table
from savings_gym.metrics.curves import INDEX_COLUMNS, PhaseCurves, ProbeTable, phase_curves
from savings_gym.metrics.learning import WINDOW, trials_to_criterion
from savings_gym.metrics.savings import final_deviation, fitted_rates
from savings_gym.task.schedule import PHASES

WINDOWED_FROM = 100  # probes of FF1 from which on rates are fitted to windowed means
PROBE_FILES = {"reset": PROBES, "carried": PROBES_CARRIED}  # by what happens to memory between trials
LATERAL, SPEED = "lateral_deviation", "peak_speed"
SPEEDS = ("ff1_speed", "ff2_speed", "sham_ff2_speed")  # of the first probe of a phase; older rows have none
PRETRAINING = "pretraining_trials"  # per network, before NF1; rows without pre-training have none
NF1_END = ("nf1_trials", "criterion_met", "criterion_probes")
NOISE = tuple(f"noise_{phase}_{when}" for phase in PHASES for when in ("start", "end"))

Values = dict[str, list[float | None]]  # one entry per seed; None where a seed has no such value


class Finished(Protocol):
    """A folder with the tables of one seed, or of an ensemble, such as a finished `Job`."""

    @property
    def seed(self) -> int:
        """Number of its network, or the first of them."""

    @property
    def out(self) -> Path:
        """The folder."""

    @property
    def record(self) -> dict[str, Any] | None:
        """How it went, as in job.json; None if that is not known."""


def probe_table(jobs: Sequence[Finished], memory: str) -> pd.DataFrame:
    """Return the probes of all seeds of an agent; memory is "reset" or "carried"."""
    return pd.concat([read_table(job.out / PROBE_FILES[memory]) for job in jobs], ignore_index=True)


def seed_values(jobs: Sequence[Finished], shams: Sequence[Finished], memory: str) -> tuple[Values, list[str]]:
    """Return every measure of every seed, and the learning rates that could not be fitted, in words.

    Args:
        jobs: Finished jobs of one agent with the field in FF1.
        shams: Its finished jobs without; they may cover fewer seeds.
        memory: "reset" or "carried", see `PROBE_FILES`.
    """
    sham_table = probe_table(shams, memory) if shams else None
    return values_of_tables(probe_table(jobs, memory), sham_table, recorded_values(jobs, memory))


def recorded_values(jobs: Sequence[Finished], memory: str) -> dict[str, list[Any]]:
    """Return what probe tables do not hold: force in a channel, pre-training, the end of NF1, and noise.

    Seeds are in order.
    """
    jobs = sorted(jobs, key=lambda job: job.seed)
    seeds = probe_table(jobs, memory)["network"].nunique()
    return {**_channel_force(jobs, memory), **_from_records(jobs, seeds)}


def values_of_tables(
    table: pd.DataFrame, sham_table: pd.DataFrame | None, recorded: Mapping[str, ArrayLike]
) -> tuple[Values, list[str]]:
    """Return every measure of every seed, and the learning rates that could not be fitted, in words.

    Args:
        table: Probes of all seeds of an agent with the field in FF1.
        sham_table: Its probes without, of all or some of these seeds; None if there are none.
        recorded: See `recorded_values`.
    """
    curves = later_curves(table)
    deviation, reaching = (first_curves(table, column) for column in (LATERAL, "endpoint_error"))
    window = WINDOW if len(curves["FF1"].updates) >= WINDOWED_FROM else 1
    rates1, rates2, failures = fitted_rates(curves["FF1"], curves["FF2"], window)
    seeds = curves["FF1"].networks
    at_end = error_windows(recorded.get("criterion_probes"), len(seeds))
    end_nf1 = np.concatenate(
        [final_deviation(of_seed, probes) for of_seed, probes in zip(deviation, at_end, strict=True)]
    )
    measures: dict[str, ArrayLike] = {
        "trials_to_reach": np.concatenate(
            [trials_to_criterion(of_seed.trials, of_seed.deviation, REACHED) for of_seed in reaching]
        ),
        "endpoint_error": np.concatenate(
            [final_deviation(of_seed, probes) for of_seed, probes in zip(reaching, at_end, strict=True)]
        ),
        "ff1_initial": curves["FF1"].deviation[:, 0],
        "ff1_final": final_deviation(curves["FF1"]),
        "ff2_initial": curves["FF2"].deviation[:, 0],
        "ff1_rate": rates1,
        "ff2_rate": rates2,
        "after_effect": curves["NF2"].deviation[:, 0],
        "washout_residual": final_deviation(curves["NF2"]) - end_nf1,
        **recorded,
    }
    speed = later_curves(table, SPEED) if SPEED in table else None
    if speed is not None:
        measures |= {"ff1_speed": speed["FF1"].deviation[:, 0], "ff2_speed": speed["FF2"].deviation[:, 0]}
    if sham_table is not None:
        sham = later_curves(sham_table)
        _, sham_rates, sham_failures = fitted_rates(curves["FF1"], sham["FF2"], window)
        failures += tuple(f"sham, {failure}" for failure in sham_failures if ", FF2: " in failure)
        place = {int(seed): i for i, seed in enumerate(sham["FF2"].networks)}
        columns = {"sham_ff2_initial": sham["FF2"].deviation[:, 0], "sham_ff2_rate": sham_rates}
        if SPEED in sham_table:
            columns["sham_ff2_speed"] = later_curves(sham_table, SPEED)["FF2"].deviation[:, 0]
        for name, column in columns.items():
            measures[name] = [column[place[int(s)]] if int(s) in place else np.nan for s in seeds]
    values = {
        name: jsonable(np.asarray(column, dtype=np.float64).tolist()) for name, column in measures.items()
    }
    return {"seed": seeds.tolist(), **values}, list(failures)


def later_curves(table: ProbeTable, column: str = LATERAL) -> dict[str, PhaseCurves]:
    """Return the curves of all phases but NF1, which a criterion may end after other trials in every seed."""
    later = np.asarray(table["phase"]) != PHASES[0]
    return phase_curves({name: np.asarray(table[name])[later] for name in (*INDEX_COLUMNS, column)}, column)


def first_curves(table: ProbeTable, column: str) -> list[PhaseCurves]:
    """Return the curves of a measure in NF1, one per seed, seeds in order."""
    first = np.asarray(table["phase"]) == PHASES[0]
    columns = {name: np.asarray(table[name])[first] for name in (*INDEX_COLUMNS, column)}
    return [
        phase_curves({name: values[columns["network"] == seed] for name, values in columns.items()}, column)[
            PHASES[0]
        ]
        for seed in np.unique(columns["network"])
    ]


def error_windows(criterion_probes: ArrayLike | None, seeds: int) -> list[int]:
    """Return over how many probes the end of NF1 is taken: those of a criterion, if it has one.

    Args:
        criterion_probes: One number per seed, NaN where NF1 has no criterion; None if no seed has one.
        seeds: Number of seeds.
    """
    probes = np.full(seeds, np.nan) if criterion_probes is None else np.asarray(criterion_probes, np.float64)
    return [int(number) if np.isfinite(number) else WINDOW for number in probes]


def as_array(values: Values, name: str) -> Floats:
    """Return one measure, (n,) over seeds; NaN where a seed has no such value, or none has it."""
    column = values.get(name, [None] * len(values["seed"]))
    return np.array([np.nan if value is None else value for value in column], dtype=np.float64)


def _channel_force(jobs: Sequence[Finished], memory: str) -> dict[str, list[Any]]:
    """Force in a channel at the end of every phase, as a share of the force that would cancel the field."""
    force: dict[str, list[Any]] = {f"channel_{phase}": [] for phase in PHASES}
    for job in jobs:
        summary = RunFolder.read_summary(job.out)
        part = summary if memory == "reset" else summary["carried"]
        by_network = part.get("adaptation_networks") or {k: [v] for k, v in part["adaptation"].items()}
        for phase in PHASES:
            if phase not in by_network:
                raise ValueError(
                    f"{job.out} has no reaches in a channel at the end of {phase}: record them with "
                    "Probe.channel and ProbeRecorder.add_channel"
                )
            shares = of_kept_networks(summary, by_network[phase])
            force[f"channel_{phase}"] += [np.nan if value is None else value for value in shares]
    return force


def _from_records(jobs: Sequence[Finished], seeds: int) -> dict[str, list[Any]]:
    """What came before NF1, how it ended, and the noise of every phase, as the jobs of n seeds recorded."""
    names = (*NF1_END, *NOISE)
    if any(PRETRAINING in (job.record or {}) for job in jobs):
        names = (PRETRAINING, *names)
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for job in jobs:
        record = job.record or {}
        nf1, noise = record.get("nf1") or {}, record.get("exploration") or {}
        met, probes = nf1.get("criterion_met"), nf1.get("criterion_probes")
        if probes is None:
            probes = record.get("identity", {}).get("protocol", {}).get("criterion_probes")
        entry: dict[str, Any] = {"nf1_trials": nf1.get("trials"), "criterion_met": met}
        entry[PRETRAINING] = record.get(PRETRAINING)
        entry["criterion_probes"] = None if met is None else probes
        entry |= {name: noise.get(name.removeprefix("noise_")) for name in NOISE}
        for name, column in columns.items():
            value = np.nan if entry[name] is None else float(entry[name])
            column += [value] * (seeds // len(jobs))  # an ensemble is one job
    return columns
