"""The runs that the figures need: which ones, which of them are complete, and making the missing ones."""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.supervised.checkpoints import read_metadata
from experiments.controls.conditions import SHAM as SHAM_CONDITION
from experiments.controls.conditions import conditions
from experiments.runs.command_line import interrupted
from experiments.runs.folder import RunFolder
from experiments.savings.command import run as run_savings
from experiments.savings.config import (
    ROOT,
    SHIPPED,
    SIZE_WEIGHTS,
    Savings,
    check_memory,
    command,
    finished,
)
from experiments.savings.shared_phases import begin_from
from experiments.stored.runs import StoredRuns, pretraining

log = logging.getLogger(__name__)
MAIN, SHAM, SIZE, SIZE_SHAM, CONTROL, FACTOR, FEW = KINDS = (
    "main", "sham", "size", "size-sham", "control", "factor", "few",
)  # fmt: skip


@dataclass(frozen=True)
class PlannedRun:
    """One run of the experiment that figures are drawn from.

    Attributes:
        name: Name of its folder in ``runs/``, such as main, units-32, units-32-sham.
        kind: main, sham (of the main run), size, size-sham (of a run of another size), control, factor (a
            control that was added to the figure of factors alone), or few (a run of a few networks that was
            added for one figure).
        config: Its arguments.
        begins_as: Folder of the run whose first phases are also its own, and are taken over.
    """

    name: str
    kind: str
    config: Savings
    begins_as: Path | None = None


def plan_main(base: Savings, networks: int, ship: bool, pretraining_updates: int) -> PlannedRun:
    """Return the main run.

    Args:
        base: Its other arguments.
        networks: How many networks it has.
        ship: Start from the weights that ship if its networks have their size; else pre-train in the run.
        pretraining_updates: Batches of that pre-training.

    Raises:
        ValueError: If fewer networks ship.
    """
    weights = SHIPPED if ship and base.units == read_metadata(ROOT / SHIPPED)["units"] else None
    if weights is not None:
        _check_count(weights, networks, read_metadata(ROOT / weights)["networks"])
    return PlannedRun(MAIN, MAIN, _started(base, base.units, networks, weights, pretraining_updates))


def plan_sizes(
    base: Savings,
    main: Savings,
    sizes: Iterable[int],
    networks: int,
    ship: bool,
    pretraining_updates: int,
) -> list[PlannedRun]:
    """Return one run per size, all with networks that were pre-trained alike.

    Networks start from the weights that ship, as many as there are of a size, or are pre-trained in their
    run. The main run is the run of its own size if its networks were pre-trained like those of the others.

    Args:
        base: Arguments that all runs share; `out` is the folder of all of them.
        main: The main run.
        sizes: Units of the networks.
        networks: Most networks of a size.
        ship: Start from the weights that ship.
        pretraining_updates: Batches of pre-training in a run.

    Raises:
        ValueError: If more networks are wanted than ship of any size, or networks of one size ship and those
            of another would have to be pre-trained in another way.
    """
    wanted = list(dict.fromkeys(sizes))
    available = {units: SIZE_WEIGHTS[units] for units in wanted if ship and units in SIZE_WEIGHTS}
    if available and (lacking := [units for units in wanted if units not in available]):
        raise ValueError(
            f"no networks of {', '.join(map(str, lacking))} units ship, and those of the other sizes were "
            f"pre-trained in their own way: choose from {', '.join(map(str, SIZE_WEIGHTS))}, or pre-train "
            "all of them in their runs with --no-ship"
        )
    counts = {units: int(read_metadata(ROOT / path)["networks"]) for units, path in available.items()}
    if counts:
        largest = max(counts, key=lambda units: counts[units])
        _check_count(available[largest], networks, counts[largest])
    planned = []
    for units in wanted:
        count = min(networks, counts.get(units, networks))
        out = base.out / f"units-{units}"
        run = _started(
            dataclasses.replace(base, out=out), units, count, available.get(units), pretraining_updates
        )
        if units != main.units or set(pretraining(run)) != set(pretraining(main)):
            planned.append(PlannedRun(out.name, SIZE, run))
    return planned


def plan_size_shams(sizes: Iterable[PlannedRun]) -> list[PlannedRun]:
    """Return, for each run of a size, the same without a field in FF1."""
    planned = []
    for run in sizes:
        if run.kind == SIZE:
            name = f"{run.name}-{SHAM}"
            sham = dataclasses.replace(
                conditions(run.config)[SHAM_CONDITION].config, out=run.config.out.parent / name
            )
            planned.append(PlannedRun(name, SIZE_SHAM, sham, run.config.out))
    return planned


def _started(
    base: Savings, units: int, networks: int, weights: Path | None, pretraining_updates: int
) -> Savings:
    """A run with networks of a size, from a file or pre-trained in the run."""
    run = dataclasses.replace(base, units=units, networks=networks, pretrained=weights)
    return run if weights else dataclasses.replace(run, pretraining_updates=pretraining_updates)


def _check_count(weights: Path, networks: int, available: int) -> None:
    if networks > available:
        raise ValueError(
            f"{weights} holds {available} networks, {networks} are wanted: ask for 1 to {available}, or "
            "pre-train in the runs with --no-ship"
        )


def make_missing(planned: Iterable[PlannedRun]) -> tuple[list[str], int]:
    """Make the runs that are not complete; one that fails does not stop the others.

    Shams take over the phases that they share with a run before them.

    Returns:
        Names of the runs that failed; and 0, or the exit status of the run that a signal interrupted.
    """
    failed: list[str] = []
    for run in planned:
        if finished(run.config):
            log.info("run %s is complete", run.name)
            continue
        log.info("run %s: %s", run.name, command(run.config))
        try:
            if run.begins_as is not None and run.begins_as.is_dir():
                begin_from(run.begins_as, run.config)
            status = run_savings(run.config)
        except Exception:
            log.exception("run %s failed", run.name)
            status = 1
        if interrupted(status):
            return failed, status
        if status:
            failed.append(run.name)
    return failed, 0


def stored(planned: Iterable[PlannedRun], seed: int) -> StoredRuns:
    """Return the runs that are complete.

    Raises:
        ValueError: If the main run is not among them.
    """
    complete = [run for run in planned if finished(run.config)]
    main = next((run.config for run in complete if run.kind == MAIN), None)
    if main is None:
        raise ValueError("the main run is not complete, nothing can be drawn")
    sizes = {run.config.units: run.config for run in complete if run.kind == SIZE}
    if main.units not in sizes and all(set(pretraining(main)) == set(pretraining(r)) for r in sizes.values()):
        sizes[main.units] = main
    controls = {run.name: run.config.out for run in complete if run.kind == CONTROL}
    sham = next((run.config.out for run in complete if run.kind == SHAM), None)
    folders = {units: config.out for units, config in sorted(sizes.items())}
    shams = {run.config.units: run.config.out for run in complete if run.kind == SIZE_SHAM}
    if sham is not None and folders.get(main.units) == main.out:
        shams[main.units] = sham
    return StoredRuns(main.out, folders, controls, seed, sham, dict(sorted(shams.items())))


def check(planned: Iterable[PlannedRun]) -> None:
    """Refuse, before any work, runs that cannot start and runs that would pool unlike networks.

    Raises:
        FileNotFoundError, ValueError: If weights are missing, are not of these networks, or belong to
            networks that were pre-trained in different ways, or if a run needs more memory than there is.
        FileExistsError: If a folder holds another run.
    """
    runs = list(planned)
    for run in runs:
        if not finished(run.config):
            check_memory(run.config)
        check_alike({run.name: pretraining(run.config)})
    check_alike({run.name: pretraining(run.config) for run in runs if run.kind == SIZE})


def check_alike(pretrainings: dict[str, list[str]]) -> None:
    """Refuse to pool networks that were pre-trained in different ways.

    Args:
        pretrainings: Name of a run to how each of its networks was pre-trained, in words.

    Raises:
        ValueError: If there is more than one way.
    """
    ways = {words for entries in pretrainings.values() for words in entries}
    if len(ways) > 1:
        listed = "; ".join(
            f"{name}: " + ", ".join(f"{count} with {words}" for words, count in Counter(entries).items())
            for name, entries in pretrainings.items()
        )
        raise ValueError(f"networks that were pre-trained in different ways are not pooled ({listed})")


def describe(planned: Iterable[PlannedRun]) -> list[dict[str, Any]]:
    """Return one JSON-able row per complete run: where it comes from and what makes it again."""
    rows, seen = [], set()
    for run in planned:
        if run.config.out in seen or not finished(run.config):
            continue
        seen.add(run.config.out)  # the sham may be one of the controls
        config, summary = run.config, RunFolder.read_summary(run.config.out)
        rows.append(
            {
                "name": run.name, "kind": run.kind, "networks": summary["networks"], "units": config.units,
                "seed": config.seed,
                "updates": [getattr(config, f"{phase}_updates") for phase in ("nf1", "ff1", "nf2", "ff2")],
                "pretrained": None if config.pretrained is None else config.pretrained.as_posix(),
                "pretraining": dict(Counter(pretraining(config))),
                "wall_time_s": summary["wall_time_s"],
                "commit": summary.get("versions", {}).get("commit"), "command": command(config),
            }
        )  # fmt: skip
    return rows
