"""One table of many runs.

    python -m experiments.collect DIR --out table.parquet [--level runs|networks|probes]

DIR holds run folders at any depth, such as the cells of a sweep. The table has a row per run, per network of
a run, or per reach of a probe, with the arguments of the run in columns (``noise.vision`` of nested groups).
Runs of different code versions are not mixed unless ``--mix-versions`` says so. Every file is checked against
the manifest of its run; one that is damaged is named, and no table is written.
"""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import tyro

from experiments.runs.command_line import choice, command_main
from experiments.runs.networks import criterion_probes
from experiments.runs.tables import grouped
from savings_gym.arrays import as_choice, as_whole_number
from savings_gym.files import (
    CONFIG,
    PROBES,
    SUMMARY,
    Manifest,
    check_writable,
    read_config,
    verified,
    write_atomically,
)
from savings_gym.files import read_table as read_parquet
from savings_gym.metrics.curves import phase_curves
from savings_gym.metrics.learning import WINDOW
from savings_gym.metrics.savings import field_side, final_deviation, fitted_rates
from savings_gym.task.schedule import PHASES

log = logging.getLogger(__name__)
DECLARATION: Final = "sweep.json"  # of the cells of a sweep, in its folder
JOB: Final = "job.json"  # record of a job of `experiments.benchmark`
LEVELS: Final = ("runs", "networks", "probes")
SUFFIXES: Final = (".parquet", ".csv")
VERSION: Final = ("savings_gym", "commit")  # what must agree between runs
ENDS: Final = ("low", "high")  # of an interval
CHUNK: Final = 64  # runs that a process reads at a time
WORTH_PROCESSES: Final = 256  # runs; for fewer, starting processes takes longer than reading
Row = dict[str, Any]


@dataclass(frozen=True)
class Collect:
    """Arguments of the command."""

    folder: tyro.conf.Positional[Path]
    """Folder that holds run folders, at any depth."""
    out: Path
    """Table to write, .parquet or .csv."""
    level: Annotated[str, choice(LEVELS)] = "runs"
    """What a row is: a run with its summary, a network of a run, or one reach of a probe."""
    mix_versions: bool = False
    """Collect runs that were made with different versions of the code, and say in a column which."""
    workers: int = os.cpu_count() or 1
    """Processes that read networks side by side."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        as_choice("level", self.level, LEVELS)
        if self.out.suffix not in SUFFIXES:
            raise ValueError(f"--out must end in {' or '.join(SUFFIXES)}, got {str(self.out)!r}")
        if self.level == "probes" and self.out.suffix != ".parquet":
            raise ValueError("probes have too many rows for a .csv: let --out end in .parquet")
        if not self.folder.is_dir():
            raise FileNotFoundError(f"no folder {str(self.folder)!r}")
        as_whole_number("workers", self.workers, 1)


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: Its folder.
        arguments: Its arguments, nested groups by dotted names.
        versions: What it began with.
        summary: Its measures, and the versions that it ended with.
    """

    folder: Path
    arguments: Row
    versions: Mapping[str, str]
    summary: Row

    @property
    def version(self) -> str:
        """Return the version of the code, such as "0.1.0 38dc92ab6052"; both, if it changed in between."""
        ends = (self.versions, self.summary.get("versions", {}))
        texts = [" ".join(end[name] for name in VERSION if name in end) for end in ends]
        return " then ".join(dict.fromkeys(filter(None, texts)))


def run(config: Collect) -> int:
    """Write the table; return the exit status."""
    check_writable(config.out)
    runs, unfinished = finished_runs(config.folder)
    if unfinished:
        log.warning("%d unfinished runs are left out, such as %s", len(unfinished), unfinished[0])
    if not runs:
        raise ValueError(f"{config.folder} holds no finished run")
    _compare_with_declaration(config.folder, [each.folder for each in runs])
    check_versions(runs, config.mix_versions)
    if config.level == "probes":
        rows = write_probes(config.out, runs, config.folder)
    else:
        rows = write_rows(config.out, _rows(runs, config))
    log.info("wrote %s: %s rows of %s runs", config.out, grouped(rows), grouped(len(runs)))
    return 0


def _compare_with_declaration(folder: Path, runs: list[Path]) -> None:
    """Warn of cells that the sweep of a folder declares and lacks, and of runs that it does not declare."""
    file = folder / DECLARATION
    if not file.is_file() or (declared := _json(file).get("cells")) is None:  # older sweeps lack them
        return
    found = {run.name: run for run in runs}
    if lacking := [name for name in declared if name not in found]:
        log.warning("%d of the %d cells of the sweep are not finished", len(lacking), len(declared))
    if others := sorted(found.keys() - set(declared)):
        log.warning("%d runs are not among the cells of %s, such as %s", len(others), file, found[others[0]])


def run_folders(folder: Path, within: tuple[tuple[int, int], ...] = ()) -> Iterator[Path]:
    """Return the run folders in a folder, at any depth, sorted; none is looked for within another.

    Args:
        folder: Where to look.
        within: The folders that were entered on the way, by device and number: links may lead in a circle.
    """
    about = folder.stat()
    if (place := (about.st_dev, about.st_ino)) in within:
        return
    with os.scandir(folder) as listing:
        entries = sorted(listing, key=lambda entry: entry.name)
    if any(entry.name in (CONFIG, JOB) for entry in entries):
        yield folder
        return
    for entry in entries:
        if entry.is_dir():
            yield from run_folders(Path(entry.path), (*within, place))


def finished_runs(folder: Path) -> tuple[list[Run], list[Path]]:
    """Return the finished runs in a folder, and the folders of unfinished ones.

    Raises:
        FileNotFoundError, ValueError: If a file is missing or damaged; it is named.
    """
    runs, unfinished = [], []
    for path in run_folders(folder):
        found = read_run(path)
        if found is None:
            unfinished.append(path)
        else:
            runs.append(found)
    return runs, unfinished


def read_run(folder: Path) -> Run | None:
    """Return the run in a folder, or None if it is not finished.

    Raises:
        FileNotFoundError, ValueError: If a file is missing or damaged; it is named.
    """
    summary_file = verified(folder / SUMMARY)
    if not summary_file.is_file():
        return None
    summary = _json(summary_file)
    if not summary.get("complete", True):
        return None
    if (manifest := Manifest.of(summary_file)) is not None:
        manifest.check_all()
    if (folder / JOB).is_file():
        job = _json(verified(folder / JOB))
        identity = job.get("identity", {})
        arguments = {key: value for key, value in identity.items() if key != "settings"}
        return Run(folder, flat(arguments), job.get("versions", {}), summary)
    if not (folder / CONFIG).is_file():
        return None
    return Run(folder, flat(read_config(folder)), _json(folder / CONFIG).get("versions", {}), summary)


def check_versions(runs: Iterable[Run], mix: bool) -> None:
    """Refuse runs of different code versions, unless they may be mixed.

    Raises:
        ValueError: It names a run of each version.
    """
    examples: dict[str, Path] = {}
    for each in runs:
        examples.setdefault(each.version, each.folder)
    if len(examples) > 1 and not mix:
        named = "; ".join(f"{version or 'unknown'}: {path}" for version, path in examples.items())
        raise ValueError(
            f"the runs are of {len(examples)} versions of the code ({named}): give --mix-versions to "
            "collect them all the same"
        )


def run_row(each: Run) -> Row:
    """Return the row of a run: its arguments, and every number of its summary.

    An interval becomes two columns, ``.low`` and ``.high``.
    """
    measures: Row = {}
    for name, value in flat(each.summary).items():
        if isinstance(value, list) and (name.endswith("ci") and len(value) == len(ENDS)):
            measures |= {f"{name}.{end}": bound for end, bound in zip(ENDS, value, strict=True)}
        elif isinstance(value, int | float) or value is None:
            measures[name] = value
    return each.arguments | {f"summary.{name}": value for name, value in measures.items()}


def network_rows(each: Run) -> list[Row]:
    """Return a row for every network of a run: initial and final deviations [m], rates, savings.

    Deviations are positive to the right. Savings are positive if FF2 starts less far than FF1 to the side to
    which the field of FF1 pushes.
    """
    curves = phase_curves(read_parquet(each.folder / PROBES))
    if missing := [phase for phase in PHASES if phase not in curves]:
        raise ValueError(f"{each.folder / PROBES} has no phase {missing[0]}: collect its runs or probes")
    window = min(WINDOW, len(curves["FF1"].updates))
    rates = fitted_rates(curves["FF1"], curves["FF2"], window)
    columns: dict[str, Any] = {"network": curves["FF1"].networks}
    for phase in PHASES:
        columns[f"{phase}_initial"] = curves[phase].deviation[:, 0]
        last_probes = criterion_probes(each.summary) if phase == PHASES[0] else None
        columns[f"{phase}_final"] = final_deviation(curves[phase], last_probes or WINDOW)
    columns |= {"FF1_rate": rates[0], "FF2_rate": rates[1]}
    first, second = columns["FF1_initial"], columns["FF2_initial"]
    columns["initial_savings"] = field_side(first) * (first - second)
    columns["rate_ratio"] = np.asarray(rates[1]) / np.asarray(rates[0])
    for phase, values in each.summary.get("adaptation_networks", {}).items():
        columns[f"{phase}_channel"] = [values[i] for i in columns["network"]]  # not those that diverged
    return [each.arguments | row for row in pd.DataFrame(columns).to_dict("records")]


def write_rows(out: Path, rows: Iterable[Row]) -> int:
    """Write rows as a table; return how many. Lists are written as JSON text."""
    frame = pd.DataFrame([{name: _plain(value) for name, value in row.items()} for row in rows])
    for name in filter(lambda column: pd.api.types.is_object_dtype(frame[column]), frame.columns):
        kinds = {type(value) for value in frame[name].dropna()}
        if len(kinds) > 1 and not kinds <= {int, float}:
            frame[name] = [None if pd.isna(value) else str(value) for value in frame[name]]
    buffer = io.BytesIO()
    if out.suffix == ".csv":
        frame.to_csv(buffer, index=False)
    else:
        frame.to_parquet(buffer, index=False)
    write_atomically(out, buffer.getvalue())
    return len(frame)


def write_probes(out: Path, runs: list[Run], top: Path) -> int:
    """Write the probes of all runs as one table, a run at a time; return the number of rows.

    Only arguments in which the runs differ become columns, and the run's folder below `top`.
    """
    varied = _varied(runs)
    names = {name: _common_type(each.arguments.get(name) for each in runs) for name in varied}
    handle, temporary = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    os.close(handle)
    rows, writer = 0, None
    try:
        for each in runs:
            frame = read_parquet(each.folder / PROBES)
            frame.insert(0, "run", each.folder.relative_to(top).as_posix())
            for name, kind in names.items():
                frame[name] = pd.Series([kind(each.arguments.get(name))] * len(frame), index=frame.index)
            frame["version"] = each.version
            part = pa.Table.from_pandas(frame, preserve_index=False)
            writer = writer or pq.ParquetWriter(temporary, part.schema, compression="zstd")
            try:
                writer.write_table(part.cast(writer.schema))
            except (ValueError, KeyError) as error:
                raise ValueError(
                    f"{each.folder / PROBES} has other columns than the probes of {runs[0].folder}"
                ) from error
            rows += len(frame)
        if writer is not None:
            writer.close()
        os.chmod(temporary, 0o644)
        os.replace(temporary, out)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and not error.filename:  # of a full disk
            raise OSError(error.errno, error.strerror, str(out)) from error
        raise
    return rows


def flat(group: Mapping[str, Any], prefix: str = "") -> Row:
    """Return nested dictionaries as one with dotted names."""
    row: Row = {}
    for name, value in group.items():
        if isinstance(value, dict):
            row |= flat(value, f"{prefix}{name}.")
        else:
            row[prefix + name] = value
    return row


def _rows(runs: list[Run], config: Collect) -> Iterator[Row]:
    """Return the rows of all runs, each with its folder and version."""
    read: Callable[[Run], list[Row]] = network_rows if config.level == "networks" else _one_row
    labelled = partial(_labelled, read, config.folder)
    if config.level == "runs" or len(runs) < WORTH_PROCESSES or config.workers == 1:
        for each in runs:
            yield from labelled(each)
        return
    with ProcessPoolExecutor(config.workers) as pool:
        for rows in pool.map(labelled, runs, chunksize=CHUNK):
            yield from rows


def _one_row(each: Run) -> list[Row]:
    return [run_row(each)]


def _labelled(read: Callable[[Run], list[Row]], top: Path, each: Run) -> list[Row]:
    label = {"run": each.folder.relative_to(top).as_posix()}
    return [label | row | {"version": each.version} for row in read(each)]


def _varied(runs: list[Run]) -> list[str]:
    """Return the names of the arguments in which runs differ."""
    values: dict[str, set[str]] = {}
    for each in runs:
        for name in each.arguments:
            values.setdefault(name, set())
    for each in runs:
        for name, texts in values.items():
            texts.add(json.dumps(each.arguments.get(name), sort_keys=True))
    return [name for name, texts in values.items() if len(texts) > 1]


def _common_type(values: Iterable[Any]) -> Callable[[Any], Any]:
    """Return a conversion to numbers if all values are numbers, and to text otherwise."""
    known = [value for value in values if value is not None]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in known):
        return lambda value: np.nan if value is None else float(value)
    return lambda value: "" if value is None else str(_plain(value))


def _plain(value: Any) -> Any:
    """Return a value that a column can hold."""
    return json.dumps(value) if isinstance(value, list | dict) else value


def _json(file: Path) -> Row:
    try:
        return dict(json.loads(file.read_text()))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file} is damaged: {error}") from error


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return command_main("experiments.collect", Collect, run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
