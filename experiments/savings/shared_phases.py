"""A run that begins like another one takes its first phases over, instead of making them again.

Every batch and probe draws from a generator of its own, and an optimiser is fresh in every phase: the run
that goes on from there has, to the last bit, the results of one that made all phases itself.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from agents.supervised.checkpoints import load_ensemble
from agents.supervised.learner import SupervisedLearner
from agents.supervised.losses import LossWeights
from experiments.runs.folder import RunFolder, digest, read_arguments
from experiments.savings.config import HOW_ONLY, Savings, identity, start_weights
from experiments.savings.phases import PhaseChanges
from savings_gym.arrays import Columns
from savings_gym.task.settings import Delays, Noise

NESTED = {"loss": LossWeights, "noise": Noise, "delays": Delays, "change": PhaseChanges}


def stored_arguments(run: Path) -> Savings:
    """The arguments of a run folder, with ``out`` and ``pretrained`` where its files are now.

    Raises:
        FileNotFoundError, ValueError: when it is no run folder, or one of other arguments than are known.
    """
    held = read_arguments(run, ("preset", "networks", "seed"))
    known = {field.name for field in dataclasses.fields(Savings)}
    values: dict[str, Any] = {name: value for name, value in held.items() if name in known}
    for name, kind in NESTED.items():
        if name in values:
            parts = {key: tuple(v) if isinstance(v, list) else v for key, v in values[name].items()}
            values[name] = kind(**parts)
    values["frozen"] = tuple(values["frozen"])
    own = run / "pretrained.safetensors"
    values["pretrained"] = own if values["pretrained"] is None else Path(values["pretrained"])
    return Savings(**values, out=run)


def shared_phases(source: Savings, config: Savings) -> int:
    """How many phases, from the first on, two runs have in common; all four only if they are equal."""
    apart = {"change", "pretrained", *HOW_ONLY, "preset", "pretraining_updates"}
    apart |= {f"{phase}_updates" for phase in ("nf1", "ff1", "nf2", "ff2")}
    one, other = (
        {name: value for name, value in dataclasses.asdict(run).items() if name not in apart}
        for run in (source, config)
    )
    weights = [start_weights(run) for run in (source, config)]
    if one != other or None in weights or digest([weights[0]]) != digest([weights[1]]):  # type: ignore[list-item]
        return 0
    count = 0
    for ours, theirs in zip(source.phases(), config.phases(), strict=True):
        if ours != theirs:
            break
        count += 1
    return count


def begin_from(run: Path, config: Savings) -> list[str]:
    """Begins a run with the phases that it shares with a complete one; the experiment goes on from there.

    Does nothing where the run has begun, or shares no phase.

    Args:
        run: folder of the complete run.
        config: arguments of the new one; ``out`` is its folder.

    Returns:
        Names of the phases taken over.
    """
    weights = start_weights(config)
    folder = RunFolder(config.out, identity(config, weights))
    phases = config.phases()
    count = min(shared_phases(stored_arguments(run), config), len(phases) - 1)
    if not count or folder.complete or folder.state_file.is_file():
        return []
    names = [phase.name for phase in phases[:count]]
    ensemble = load_ensemble(run / f"networks_{names[-1]}.safetensors", device=config.device)
    ensemble.freeze(*config.frozen)
    learner = SupervisedLearner(ensemble, config.learning(), config.rollout, config.actuation)
    summary = json.loads((run / "summary.json").read_text())
    table = RunFolder(run, _config_of(run)).table()
    rows: Columns = {
        str(name): np.asarray(column) for name, column in table[table["phase"].isin(names)].items()
    }
    state = {
        "phase": count, "update": 0, "seconds": 0.0, "part": 1, "cue": phases[count - 1].cue,
        "ensemble": ensemble.state_dict(), "optimiser": learner.optimiser.state_dict(),
        "adaptation": {name: summary["adaptation_networks"][name] for name in names},
        "paths": {name: torch.from_numpy(path) for name, path in _paths(run, names).items()},
    }  # fmt: skip
    for name in names:
        file = f"networks_{name}.safetensors"
        (config.out / file).write_bytes((run / file).read_bytes())
    folder.save_state(state, [rows], 0)
    return names


def _config_of(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "config.json").read_text())["arguments"])


def _paths(run: Path, names: list[str]) -> dict[str, NDArray[np.float32]]:
    """Hand paths of phases as an experiment keeps them while it runs."""
    found = {}
    with xr.open_dataset(run / "paths.nc") as data:
        for name in names:
            found[f"{name}/first"] = data["first_hand"].sel(phase=name).to_numpy()
            for field in ("null", "curl"):
                found[f"{name}/{field}"] = data["hand"].sel(phase=name, field=field).to_numpy()
    return {name: np.ascontiguousarray(path) for name, path in found.items()}
