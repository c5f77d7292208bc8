"""A row of the benchmark as files: row.json, about an agent and its numbers, beside the tables behind them.

row.json         see row.schema.json
probes.parquet   deviation and end-point error of every probe: a row per seed, probe and target
seeds.parquet    what probes do not show, a row per seed: force in a channel, trials of pre-training, how NF1
                 ended, exploration noise
returns.parquet  mean returns of training trials between probes, if they are known

All tables have columns ``sham`` (whether FF1 had no field) and ``network`` (the seed); those of probes also
``memory`` ("reset" or "carried" between the trials of a probe).
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import jsonschema
import numpy as np
import pandas as pd

from experiments.benchmark.returns import RETURNS
from experiments.benchmark.rows import statistics
from experiments.benchmark.values import (
    PROBE_FILES,
    SPEED,
    Finished,
    probe_table,
    recorded_values,
    values_of_tables,
)
from experiments.benchmark.verdicts import Row
from savings_gym.files import PROBES, file_digest, read_table, write_json, write_table
from savings_gym.metrics.curves import INDEX_COLUMNS
from savings_gym.task.schedule import PHASES
from savings_gym.task.settings import N_TARGETS, TRIAL_STEPS

ROW, SEEDS, ROWS = "row.json", "seeds.parquet", "rows"
SCHEMA: Final = Path(__file__).with_name("row.schema.json")
log = logging.getLogger(__name__)
MEASURES: Final = ("lateral_deviation", "endpoint_error")
KINDS = LEARNER, PRETRAINED, FIXED_KIND = "learner", "pre-trained", "fixed"
TOLERANCE: Final = 1e-6  # relative, of numbers that were computed on another machine
COMPUTED: Final = ("seeds", "sham_seeds", "trials", "control_steps", "results")  # from the tables
Tables = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class About:
    """What a row says about its agent, and no table can show; see row.schema.json."""

    agent: str
    kind: str
    description: str
    code: str
    commit: str | None
    command: str | None
    protocol: Mapping[str, Any] | None
    hyper_parameters: Mapping[str, Any]
    wall_time_s: float | None
    steps_per_second: float | None
    versions: Mapping[str, str]


def tables_of(jobs: Sequence[Finished], shams: Sequence[Finished]) -> Tables:
    """Return the tables of a row.

    Args:
        jobs: Finished jobs of one agent with the field in FF1.
        shams: Its finished jobs without.
    """
    probes, seeds, returns = [], [], []
    for sham, group in enumerate((jobs, shams)):
        group = sorted(group, key=lambda job: job.seed)
        for memory, file in PROBE_FILES.items():
            probed = [job for job in group if (job.out / file).is_file()]
            if probed:
                table = probe_table(probed, memory)
                table = table[[*INDEX_COLUMNS, *MEASURES, *([SPEED] if SPEED in table else [])]]
                probes.append(table.assign(sham=bool(sham), memory=memory))
                numbers = sorted(int(number) for number in table["network"].unique())
                recorded = {"network": numbers, **recorded_values(probed, memory)}
                seeds.append(pd.DataFrame(recorded).assign(sham=bool(sham), memory=memory))
        returned = [read_table(job.out / RETURNS) for job in group if (job.out / RETURNS).is_file()]
        returns += [table.assign(sham=bool(sham)) for table in returned]
    tables = {PROBES: pd.concat(probes, ignore_index=True), SEEDS: pd.concat(seeds, ignore_index=True)}
    if all("identity" in (job.record or {}) for job in (*jobs, *shams)):  # made by the benchmark
        warn_of_unlike_nf1(tables[PROBES])
    return tables | ({RETURNS: pd.concat(returns, ignore_index=True)} if returns else {})


def warn_of_unlike_nf1(probes: pd.DataFrame) -> None:
    """Warn of seeds whose NF1 is not that of their sham; in the benchmark both are one until its end.

    Args:
        probes: Those of a row.
    """
    nf1 = probes[(probes["phase"] == PHASES[0]) & (probes["memory"] == "reset")]
    by_seed = {
        (bool(sham), int(seed)): its[list(MEASURES)].to_numpy()
        for (sham, seed), its in nf1.groupby(["sham", "network"])
    }
    unlike = [
        str(seed)
        for (sham, seed), its in by_seed.items()
        if not sham and (True, seed) in by_seed and not np.array_equal(its, by_seed[True, seed])
    ]
    if unlike:
        log.warning(
            "NF1 of the sham is not that of its job in seed %s: the agent does not learn the same twice, or "
            "its save and load do not restore all of it. Savings beyond practice may then be an artefact",
            ", ".join(unlike),
        )


def computed(tables: Tables) -> dict[str, Any]:
    """Return all entries of a row that follow from its tables, see `COMPUTED`.

    Raises:
        ValueError: If a table lacks a column, a phase, or the seeds that another has.
    """
    probes, recorded = tables[PROBES], tables[SEEDS]
    needed = {PROBES: {*INDEX_COLUMNS, *MEASURES, "sham", "memory"}, SEEDS: {"network", "sham", "memory"}}
    for name, columns in needed.items():
        if missing := sorted(columns - set(tables[name].columns)):
            raise ValueError(f"{name} has no {', '.join(missing)}")
    by_kind = {
        (bool(sham), str(memory)): table.drop(columns=["sham", "memory"])
        for (sham, memory), table in probes.groupby(["sham", "memory"], sort=False)
    }
    for (sham, memory), table in by_kind.items():
        if missing := [phase for phase in PHASES if phase not in set(table["phase"])]:
            whose = "of the sham" if sham else "with a field in FF1"
            raise ValueError(f"{PROBES} has no {', '.join(missing)} {whose}, memory {memory}")
    results = {}
    for memory in [memory for memory in PROBE_FILES if (False, memory) in by_kind]:
        of_seeds = recorded[~recorded["sham"].astype(bool) & (recorded["memory"] == memory)]
        of_seeds = of_seeds.sort_values("network").drop(columns=["sham", "memory"])
        table = by_kind[False, memory]
        if sorted(table["network"].unique()) != of_seeds["network"].tolist():
            raise ValueError(f"{SEEDS} and {PROBES} have different seeds with memory {memory}")
        more = {str(name): of_seeds[name].tolist() for name in of_seeds.columns if name != "network"}
        values, failures = values_of_tables(table, by_kind.get((True, memory)), more)
        results[memory] = {"values": values, "rate_failures": failures, "statistics": statistics(values)}
    if "reset" not in results:
        raise ValueError(f"{PROBES} has no probes with memory reset and a field in FF1")
    main = probes[probes["memory"] == "reset"]
    ends = main.groupby(["sham", "network", "phase"], sort=False)["trial"].max()
    real = ends.loc[False]
    trials = {str(phase): of.sort_index().tolist() for phase, of in _by_phase(real).items()}
    return {
        "seeds": sorted(int(n) for n in main.loc[~main["sham"].astype(bool), "network"].unique()),
        "sham_seeds": sorted(int(n) for n in main.loc[main["sham"].astype(bool), "network"].unique()),
        "trials": trials,
        "control_steps": int(ends.sum()) * TRIAL_STEPS,
        "results": results,
    }


def _by_phase(ends: pd.Series) -> dict[str, pd.Series]:
    phases = dict.fromkeys(ends.index.get_level_values("phase"))
    return {phase: ends.xs(phase, level="phase") for phase in phases}


def write_row(folder: Path, about: About, tables: Tables) -> dict[str, Any]:
    """Write a row, the tables first; return the content of row.json."""
    results = computed(tables)
    for name, table in tables.items():
        write_table(folder / name, table)
    digests = {name: file_digest(folder / name) for name in tables}
    content = {"schema": 1, **json.loads(json.dumps(asdict(about))), "tables": digests, **results}
    _check_schema(content, folder / ROW)
    write_json(folder / ROW, content)
    return content


def read_row(file: Path) -> dict[str, Any]:
    """Return the content of a row.json that has the form of one, unchecked otherwise.

    Raises:
        FileNotFoundError, ValueError: If it is missing or of another form; the entry is named.
    """
    if not file.is_file():
        raise FileNotFoundError(f"there is no row {str(file)!r}")
    try:
        content = json.loads(file.read_text())
    except ValueError as error:
        raise ValueError(
            f"{file} is not JSON: {error}; expected the {ROW} of a row, or its folder"
        ) from error
    _check_schema(content, file)
    return dict(content)


def check_row(file: Path) -> dict[str, Any]:
    """Return the content of a row.json after every number in it was computed again.

    The values of seeds are computed from the tables, and statistics from these values as they are stated.

    Raises:
        FileNotFoundError, ValueError: If a file is missing or was changed, or a number does not agree with
            the tables; it is named.
    """
    content = read_row(file)
    for name, digest in content["tables"].items():
        table = file.with_name(name)
        if not table.is_file():
            raise FileNotFoundError(f"{table} is missing")
        if file_digest(table) != digest:
            raise ValueError(f"{table} is not the table that {file.name} was made from: its SHA-256 differs")
    tables = {name: read_table(file.with_name(name)) for name in content["tables"]}
    results = computed(tables)
    for memory, result in results["results"].items():
        stated = content["results"].get(memory)
        if stated is not None:
            _compare(f"results.{memory}.values", stated["values"], _as_json(result["values"]), file)
            result["statistics"] = statistics(stated["values"])  # a p may amplify what machines round
    for name in COMPUTED:
        _compare(name, content[name], _as_json(results[name]), file)
    _check_lengths(content, file)
    if content["protocol"] is not None:
        warn_of_unlike_nf1(tables[PROBES])
    return content


def _check_lengths(content: Mapping[str, Any], file: Path) -> None:
    """Refuse a protocol whose phases are not as long as the tables say; of NF1 it gives the longest.

    Supervised networks go through whole updates, so that their phases may be shorter by less than one.
    """
    protocol = content["protocol"] or {}
    for phase, trials in content["trials"].items():
        planned = protocol.get(phase.lower())
        if planned is None:
            continue
        first, last = min(trials), max(trials)
        if last > planned or (first <= planned - N_TARGETS and phase != PHASES[0]):
            raise ValueError(
                f"{file}: protocol.{phase.lower()} is {planned}, the tables have {first} to {last} trials"
            )


def table_rows_of(content: Mapping[str, Any]) -> list[Row]:
    """Return the rows of the tables that a row.json gives, one per kind of memory, without verdicts."""
    link = f" ([code]({content['code']}))" if "://" in content["code"] else ""
    return [
        {
            "agent": content["agent"],
            "memory": memory,
            "description": content["description"] + link,
            "command": content["command"] or "-",
            "learns_to_reach": content["kind"] == LEARNER,
            "fixed": content["kind"] == FIXED_KIND,
            "steps_per_second": content["steps_per_second"],
            "wall_time_s": content["wall_time_s"] or 0.0,
            "rate_failures": result["rate_failures"],
            "values": result["values"],
            "protocol": content["protocol"],
            "trials": {phase: max(trials) for phase, trials in content["trials"].items()},
        }
        | result["statistics"]
        for memory, result in content["results"].items()
    ]


def read_rows(folder: Path, besides: Collection[str] = ()) -> list[Row]:
    """Return the rows of the tables of all row.json in folders of a folder, each checked; no verdicts.

    Args:
        folder: The folder.
        besides: Agents whose rows are left out.
    """
    files = [file for file in sorted(folder.glob(f"*/{ROW}")) if read_row(file)["agent"] not in besides]
    return [row for file in files for row in table_rows_of(check_row(file))]


def row_tables(folder: Path, rows: Sequence[Row]) -> list[pd.DataFrame]:
    """Return the probes of rows, with the field in FF1, from the row files in folders of a folder.

    Raises:
        KeyError: If a row has no files there.
    """
    tables = {read_row(file)["agent"]: read_table(file.with_name(PROBES)) for file in folder.glob(f"*/{ROW}")}
    chosen = []
    for row in rows:
        table = tables[row["agent"]]
        chosen.append(table[~table["sham"].astype(bool) & (table["memory"] == row["memory"])])
    return chosen


def _check_schema(content: Any, file: Path) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    error = jsonschema.exceptions.best_match(validator.iter_errors(content))
    if error is not None:
        place = "".join(f"{part}: " for part in (".".join(map(str, error.absolute_path)),) if part)
        raise ValueError(f"{file} is not a row of the benchmark: {place}{error.message}")


def _as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _compare(name: str, stated: Any, actual: Any, file: Path) -> None:
    """Refuse a stated value that is not the actual one, and name it."""
    if isinstance(stated, dict) and isinstance(actual, dict):
        for key in dict.fromkeys([*actual, *stated]):
            if key not in stated:
                raise ValueError(f"{file}: {name}.{key} is missing, the tables give {actual[key]!r}")
            if key not in actual:
                raise ValueError(f"{file}: {name}.{key} is {stated[key]!r}, the tables give no such number")
            _compare(f"{name}.{key}", stated[key], actual[key], file)
    elif isinstance(stated, list) and isinstance(actual, list) and len(stated) == len(actual):
        for i, (one, other) in enumerate(zip(stated, actual, strict=True)):
            _compare(f"{name}[{i}]", one, other, file)
    elif not _alike(stated, actual):
        raise ValueError(f"{file}: {name} is {stated!r}, the tables give {actual!r}")


def _alike(one: Any, other: Any) -> bool:
    numbers = (int, float)
    if isinstance(one, numbers) and isinstance(other, numbers) and not isinstance(one, bool):
        return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=1e-12)
    return type(one) is type(other) and one == other
