"""A context cue: an input that is constant within a phase, through weights that never learn."""

from __future__ import annotations

import math
from typing import Final

import torch

from agents.networks import Ensemble, derived_seed

STREAM: Final = 100  # second key of the seed


def draw_cue(ensemble: Ensemble, seed: int) -> torch.Tensor:
    """Input weights of a cue, (n, gates * units).

    Each gate's are drawn as one more column of its input matrix would be, Xavier-uniform with inputs + 1
    columns; those of network i depend on the seed and i alone. The weights were never driven in pre-training
    and are frozen. An input that keeps one value c for whole trials, through frozen weights w, adds c w to
    the drive in every control step: exactly what a change of the input bias by c w does. So a cue is switched
    on by adding this vector to ``input_bias``, and off by taking it away again; any rollout serves.
    """
    inputs = ensemble.input_weight.shape[2]
    bound = math.sqrt(6.0 / (inputs + 1 + ensemble.units))
    drawn = torch.empty(ensemble.input_bias.shape, dtype=torch.float64)
    for i in range(ensemble.networks):
        generator = torch.Generator().manual_seed(derived_seed(seed, STREAM, i, 0))
        drawn[i].uniform_(-bound, bound, generator=generator)
    return drawn.to(ensemble.input_bias)
