"""The runs that the figures need: which they are, whether they are there, and making those that are not."""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.supervised.checkpoints import pretraining_of, read_metadata
from experiments.runs.folder import RunFolder
from experiments.savings.command import run as run_savings
from experiments.savings.config import Savings, command, finished, start_weights
from experiments.savings.shared_phases import begin_from
from experiments.stored.runs import Runs

log = logging.getLogger(__name__)
MAIN, SHAM, SIZE, CONTROL = KINDS = ("main", "sham", "size", "control")
HERE = Path(__file__).resolve().parents[1]
SHIPPED = (
    "experiments/pretrained/gru{units}.safetensors",
    "experiments/pretrained/gru{units}x16.safetensors",
)


@dataclass(frozen=True)
class PlannedRun:
    """One run of the experiment that figures are made of.

    Attributes:
        name: Of its folder in ``runs/``, such as main, units-32, sham.
        kind: main, sham (of the main run), size or control.
        config: Its arguments.
    """

    name: str
    kind: str
    config: Savings


def pretrained(units: int, networks: int) -> Path | None:
    """The first file with enough networks of this size that ships, if any of that size does.

    Raises:
        ValueError: When there are some, but of fewer networks.
    """
    paths = [Path(name.format(units=units)) for name in SHIPPED]
    there = [path for path in paths if (HERE.parent / path).is_file()]
    held = {path: read_metadata(HERE.parent / path)["networks"] for path in there}
    if held and networks > (most := max(held.values())):
        raise ValueError(
            f"{max(held, key=lambda path: held[path])} holds {most} networks, {networks} were asked for: ask "
            f"for 1 to {most}, or pre-train in the runs with --no-ship"
        )
    return next((path for path, count in held.items() if count >= networks), None)


def start(base: Savings, units: int, networks: int, ship: bool, updates: int) -> Savings:
    """A run with networks of a size, from weights that ship or from new networks.

    Args:
        base: Its other arguments.
        units: Of every network.
        networks: How many.
        ship: Start from weights that ship, where there are any of that size; pre-train in the run elsewhere.
        updates: Of that pre-training.
    """
    weights = pretrained(units, networks) if ship else None
    found = dataclasses.replace(base, units=units, networks=networks, pretrained=weights)
    return found if weights else dataclasses.replace(found, pretraining_updates=updates)


def make_missing(planned: Iterable[PlannedRun]) -> tuple[list[str], bool]:
    """Makes the runs that are not there; one that fails does not stop the others.

    The sham takes over the phases that it has in common with the main run before it.

    Returns:
        Names of the runs that failed, and whether it was interrupted.
    """
    failed: list[str] = []
    main: Path | None = None
    for run in planned:
        main = run.config.out if run.kind == MAIN else main
        if finished(run.config):
            log.info("run %s is there", run.name)
            continue
        log.info("run %s: %s", run.name, command(run.config))
        try:
            if run.kind == SHAM and main is not None:
                begin_from(main, run.config)
            status = run_savings(run.config)
        except Exception:
            log.exception("run %s failed", run.name)
            status = 1
        if status == 130:
            return failed, True
        if status:
            failed.append(run.name)
    return failed, False


def stored(planned: Iterable[PlannedRun], seed: int) -> Runs:
    """The runs that are complete.

    Raises:
        ValueError: When there is no main run among them.
    """
    done = [run for run in planned if finished(run.config)]
    main = next((run.config for run in done if run.kind == MAIN), None)
    if main is None:
        raise ValueError("the main run is not there, nothing can be drawn")
    sizes = {main.units: main.out} | {run.config.units: run.config.out for run in done if run.kind == SIZE}
    controls = {run.name: run.config.out for run in done if run.kind == CONTROL}
    sham = next((run.config.out for run in done if run.kind == SHAM), None)
    return Runs(main.out, dict(sorted(sizes.items())), controls, seed, sham)


def describe(planned: Iterable[PlannedRun]) -> list[dict[str, Any]]:
    """A row a complete run for JSON: name, kind, networks, units, seed, updates, wall time, command."""
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
                "pretraining": _pretraining(config),
                "wall_time_s": summary["wall_time_s"], "command": command(config),
            }
        )  # fmt: skip
    return rows


def _pretraining(config: Savings) -> dict[str, int]:
    """How many networks were pre-trained how, in words."""
    path = start_weights(config) or config.out / "pretrained.safetensors"
    return dict(Counter(pretraining_of(path)[: config.networks]))
