"""Lesions of networks: units that fall silent, or recurrent weights that are lost, for good.

    damaged = lesioned(ensemble, Lesion(units=0.3), seed=0)

A lesion holds while the networks learn: gradients on what is lost are zero, and every optimiser that takes no
step without a gradient leaves it at zero. It is a hook of the parameters, not a part of the weights file, so
networks that are loaded from a file are lesioned again, with the same seed. Which units and weights a network
loses depends on the seed and its number alone, and a larger lesion contains the smaller one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch

from agents.supervised.networks import PARAMETERS, Ensemble, derived_seed
from savings_gym.arrays import as_number, as_seed

LARGEST_SHARE: Final = 0.99
STREAMS: Final = {"units": 110, "weights": 111}  # second key of the seeds


@dataclass(frozen=True)
class Lesion:
    """What networks lose.

    Attributes:
        units: Share of the recurrent units that fall silent, from 0 to 0.99.
        weights: Share of the recurrent weights, each from one unit to one gate of another, from 0 to 0.99.
    """

    units: float = 0.0
    weights: float = 0.0

    def __post_init__(self) -> None:
        """Check the values."""
        for name in ("units", "weights"):
            as_number(f"lesion: {name}", getattr(self, name), 0.0, LARGEST_SHARE)

    def __bool__(self) -> bool:
        """Return whether anything is lost."""
        return self.units > 0.0 or self.weights > 0.0


def lesioned(ensemble: Ensemble, lesion: Lesion, seed: int) -> Ensemble:
    """Return a copy of networks with a lesion that holds while they learn.

    Args:
        ensemble: The networks; they stay as they are.
        lesion: What is lost. The number of units or weights is rounded.
        seed: Of the choice of units and weights.
    """
    as_seed("seed", seed)
    damaged = copy.deepcopy(ensemble)
    if not lesion:
        return damaged
    lost_units, lost_weights = silent_units(ensemble, lesion, seed), _lost_weights(ensemble, lesion, seed)
    for name in PARAMETERS:
        parameter = getattr(damaged, name)
        kept = (~_of_units(name, lost_units, ensemble)).to(parameter)
        if name == "recurrent_weight":
            kept = kept * (~lost_weights).to(parameter)
        kept = kept.expand(parameter.shape).contiguous()
        with torch.no_grad():
            parameter.mul_(kept)
        if parameter.requires_grad:
            parameter.register_hook(_masking(kept))
    return damaged


def silent_units(ensemble: Ensemble, lesion: Lesion, seed: int) -> torch.Tensor:
    """Return which units fall silent, (n, units)."""
    return _drawn((ensemble.networks, ensemble.units), lesion.units, seed, "units").to(
        ensemble.initial.device
    )


def _lost_weights(ensemble: Ensemble, lesion: Lesion, seed: int) -> torch.Tensor:
    shape = ensemble.recurrent_weight.shape
    drawn = _drawn((shape[0], shape[1] * shape[2]), lesion.weights, seed, "weights")
    return drawn.reshape(shape).to(ensemble.initial.device)


def _drawn(shape: tuple[int, int], share: float, seed: int, kind: str) -> torch.Tensor:
    """Draw a share of the elements of every row, the same ones first for every share."""
    chosen = torch.zeros(shape, dtype=torch.bool)
    for i in range(shape[0]):
        generator = torch.Generator().manual_seed(derived_seed(seed, STREAMS[kind], i))
        chosen[i, torch.randperm(shape[1], generator=generator)[: round(share * shape[1])]] = True
    return chosen


def _of_units(name: str, lost: torch.Tensor, ensemble: Ensemble) -> torch.Tensor:
    """Return which elements of a parameter are those of lost units (n, units), in a shape that expands."""
    by_drive = lost.repeat(1, ensemble.gates)  # (n, gates * units), gate by gate
    if name == "initial":
        return lost
    if name in ("input_bias", "recurrent_bias"):
        return by_drive
    if name == "input_weight":
        return by_drive[:, :, None]
    if name == "recurrent_weight":
        return by_drive[:, :, None] | lost[:, None, :]
    if name == "readout_weight":
        return lost[:, None, :]
    return torch.zeros((len(lost), 1), dtype=torch.bool, device=lost.device)


def _masking(kept: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    def mask(gradient: torch.Tensor) -> torch.Tensor:
        return gradient * kept

    return mask
