"""A run whose first phases are those of another run copies them instead of running them again.

Every batch and probe draws from its own generator, and the optimiser is fresh in every phase. So a run that
goes on from copied phases has, to the last bit, the results of one that ran them itself: networks that
diverged in them have diverged, and a baseline that met its criterion has ended there. A run of fewer networks
takes over those of the first networks, whose noise was drawn together with that of the others, and whose
criterion was that of all of them. If both pre-train networks in the same way, these are taken over, too.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from numpy.typing import NDArray

from agents.supervised.checkpoints import load_ensemble, read_metadata, save_ensemble
from agents.supervised.learner import SupervisedLearner
from agents.supervised.losses import LossWeights
from experiments.runs.folder import RunFolder, digest
from experiments.savings.config import EXECUTION, PRETRAINED, Savings, identity, start_weights
from experiments.savings.phases import PhaseChanges
from experiments.savings.pretrain import stored
from savings_gym.arrays import Columns
from savings_gym.files import (
    CONFIG,
    PROBES_STOPPED,
    read_config,
    read_table,
    sole_writer,
    verified,
    write_atomically,
)
from savings_gym.task.settings import N_TARGETS, Delays, Noise

NESTED = {"loss": LossWeights, "noise": Noise, "delays": Delays, "change": PhaseChanges}
LENGTHS = ("pretraining_updates", "nf1_updates", "ff1_updates", "nf2_updates", "ff2_updates")


def stored_arguments(run: Path) -> Savings:
    """Return the arguments of a run, with ``out`` and ``pretrained`` where its files are now.

    Raises:
        FileNotFoundError, ValueError: If it is not a run folder, or its arguments are not those of
            ``experiments.savings``.
    """
    arguments = read_config(run, ("preset", "networks", "seed", "pretrained", "frozen"))
    try:
        return _as_savings(arguments, run)
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        raise ValueError(f"{run / CONFIG} does not hold arguments of experiments.savings: {error}") from error


def _as_savings(arguments: dict[str, Any], run: Path) -> Savings:
    known = {field.name for field in dataclasses.fields(Savings)}
    values: dict[str, Any] = {name: value for name, value in arguments.items() if name in known}
    for name, kind in NESTED.items():
        if name in values:
            parts = {key: tuple(v) if isinstance(v, list) else v for key, v in values[name].items()}
            values[name] = kind(**parts)
    for name in {"frozen", "training_go"} & set(values):
        values[name] = tuple(values[name])
    own = run / PRETRAINED
    values["pretrained"] = own if values["pretrained"] is None else Path(values["pretrained"])
    return Savings(**values, out=run)


def shared_phases(source: Savings, config: Savings) -> int:
    """Return how many of the first phases two runs have in common; all four if they are equal.

    The networks of the second are the first ones of the source, or all of them.
    """
    ignored = {"networks", "change", "ff1_ramp", "pretrained", "preset", *EXECUTION, *LENGTHS}
    one, other = (
        {name: value for name, value in dataclasses.asdict(run).items() if name not in ignored}
        for run in (source, config)
    )
    if source.networks < config.networks or one != other or _shared_weights(source, config) is None:
        return 0
    count = 0
    for ours, theirs in zip(source.phases(), config.phases(), strict=True):
        if ours != theirs:
            break
        count += 1
    return count


def _shared_weights(source: Savings, config: Savings) -> Path | None:
    """Return the file of the networks from which both runs start; None if they start from different ones."""
    weights, own = start_weights(source), config.out / PRETRAINED
    if weights is None:
        return None
    theirs = start_weights(config) or (own if own.is_file() else None)
    if theirs is not None:
        return weights if digest([weights]) == digest([theirs]) else None
    in_its_run = weights == source.out / PRETRAINED and source.networks == config.networks
    alike = read_metadata(weights).get("pretraining") == stored(config.pretraining(own))
    return weights if in_its_run and alike else None


def begin_from(run: Path, config: Savings) -> list[str]:
    """Begin a run with copies of the phases that it shares with a complete one.

    Does nothing if the run has begun already, or shares no phase, or all its networks diverged in these.

    Args:
        run: Folder of the complete run.
        config: Arguments of the new run; ``out`` is its folder.

    Returns:
        Names of the phases copied.
    """
    values = identity(config, start_weights(config))
    with sole_writer(config.out):
        return _begin_from(run, config, RunFolder(config.out, values, config.device))


def _begin_from(run: Path, config: Savings, folder: RunFolder) -> list[str]:
    """Do the work of `begin_from` in the folder of the new run, which no other process writes."""
    phases = config.phases()
    source = stored_arguments(run)
    count = min(shared_phases(source, config), len(phases) - 1)
    if not count or folder.complete or folder.state_file.is_file():
        return []
    names = [phase.name for phase in phases[:count]]
    n, summary = config.networks, RunFolder.read_summary(run)
    stopped = _stopped(summary, names, n)
    if len(stopped) == n:
        return []
    ensemble = load_ensemble(run / f"networks_{names[-1]}.safetensors", n, device=config.device)
    ensemble.freeze(*config.frozen)
    learner = SupervisedLearner(ensemble, config.learning(), config.rollout, config.actuation)
    state = {
        "phase": count, "update": 0, "seconds": 0.0, "part": 1, "cue": phases[count - 1].cue,
        "ensemble": ensemble.state_dict(), "optimiser": learner.optimiser.state_dict(),
        "adaptation": {
            name: values[:n] for name, values in summary["adaptation_networks"].items() if name in names
        },
        "stopped": stopped,
        "paths": {name: torch.from_numpy(path[:n]) for name, path in _paths(run, names).items()},
    }  # fmt: skip
    if config.criterion is not None:
        first = summary["first_phase"]
        state |= {"criterion_met": first["met"], "first_updates": first["trials"] // N_TARGETS}
    start = _shared_weights(source, config)
    if config.pretrained is None and start is not None and not (config.out / PRETRAINED).is_file():
        _copy_networks(start, config.out, n)
    for name in names:
        _copy_networks(run / f"networks_{name}.safetensors", config.out, n)
    folder.save_state(state, [_rows(run, names, n)], 0)
    return names


def _stopped(summary: dict[str, Any], names: list[str], n: int) -> dict[int, tuple[str, int]]:
    """Phase and update in which some of the first n networks diverged, by number, if that was in phases."""
    every = {
        int(number): (stop["phase"], stop["update"]) for number, stop in summary.get("stopped", {}).items()
    }
    return {number: stop for number, stop in every.items() if number < n and stop[0] in names}


def _rows(run: Path, names: list[str], n: int) -> Columns:
    """Probe rows of the first n networks in phases, in the order in which they were made.

    Networks that diverged in a later phase have their rows, too.
    """
    table = RunFolder(run, read_config(run)).table()
    if verified(run / PROBES_STOPPED).is_file():
        table = pd.concat([table, read_table(run / PROBES_STOPPED)], ignore_index=True)
        place = table["phase"].map({name: place for place, name in enumerate(table["phase"].unique())})
        table = table.iloc[np.lexsort((table["target"], table["network"], table["update"], place))]
    taken = table[table["phase"].isin(names) & (table["network"] < n)]
    return {str(name): np.asarray(column) for name, column in taken.items()}


def _copy_networks(file: Path, folder: Path, n: int) -> None:
    """Copy the first n networks of a weights file into a folder."""
    about = read_metadata(file)
    if about["networks"] == n:
        write_atomically(folder / file.name, file.read_bytes())
        return
    for name in ("cell", "networks", "units", "sha256"):
        del about[name]
    save_ensemble(folder / file.name, load_ensemble(file, n), **about)


def _paths(run: Path, names: list[str]) -> dict[str, NDArray[np.float32]]:
    """Return the hand paths of phases as an experiment keeps them while it runs."""
    paths = {}
    with xr.open_dataset(verified(run / "paths.nc")) as data:
        for name in names:
            paths[f"{name}/first"] = data["first_hand"].sel(phase=name).to_numpy()
            for field in ("null", "curl"):
                paths[f"{name}/{field}"] = data["hand"].sel(phase=name, field=field).to_numpy()
    return {name: np.ascontiguousarray(path) for name, path in paths.items()}
