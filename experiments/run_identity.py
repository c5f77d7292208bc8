"""What makes a run of ``experiments.savings`` this run and no other: what decides its results."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agents.checkpoints import actuation_of, read_metadata

if TYPE_CHECKING:
    from experiments.savings import Savings

HERE: Final = Path(__file__).resolve().parent
HOW_ONLY: Final = ("out", "rollout", "keep_every", "device", "track")  # change results by rounding at most
ONLY_IF_CHANGED: Final = ("change", "rule", "actuation")  # left out where they are as in the study


def start_weights(config: Savings) -> Path | None:
    """The weights file to start from, checked; None where networks are to be pre-trained."""
    if config.pretrained is None:
        return None
    path = config.pretrained
    if not path.is_absolute() and not path.exists() and (HERE.parent / path).exists():
        path = HERE.parent / path  # the shipped weights, from any working directory
    about = read_metadata(path)
    if about["units"] != config.units:
        raise ValueError(
            f"{path} holds networks of {about['units']} units, --units is {config.units}: ask for that many, "
            "or pre-train with --pretrained None"
        )
    if about["cell"] != config.cell:
        raise ValueError(f"{path} holds networks of cell {about['cell']}, --cell is {config.cell}")
    if config.networks > about["networks"]:
        raise ValueError(
            f"{path} holds {about['networks']} networks, --networks is {config.networks}: ask for fewer, or "
            "pre-train with --pretrained None"
        )
    trained = actuation_of(path)
    if trained != config.actuation:
        raise ValueError(
            f"{path} holds networks that were pre-trained with actuation {trained}, --actuation is "
            f"{config.actuation}: name other weights, or pre-train with --pretrained None"
        )
    return path


def identity(config: Savings, weights: Path | None) -> dict[str, Any]:
    """The arguments that decide the results, and which weights the file held."""
    values = dataclasses.asdict(config)
    values["pretrained"] = None if config.pretrained is None else config.pretrained.as_posix()
    if weights is not None:
        values["pretrained_sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    usual = {name for name in ONLY_IF_CHANGED if getattr(config, name) == getattr(type(config)(), name)}
    return {name: value for name, value in values.items() if name not in {*HOW_ONLY, *usual}}
