"""Small untrained networks that move the arm, for tests."""

import torch

from agents.supervised.networks import make_ensemble
from savings_gym.task.settings import Noise

SILENCE = Noise(0.0, 0.0, 0.0)


def lively(cell="gru", networks=2, dtype=torch.float64, seed=7):
    """Return networks that move the arm, each differently, and respond to their inputs."""
    ensemble = make_ensemble(cell, networks, 16, seed=seed, dtype=dtype)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        ensemble.initial += 0.3 * torch.randn(ensemble.initial.shape, generator=generator, dtype=dtype)
        ensemble.readout_weight *= 1.5
        ensemble.readout_bias += 1.8
    return ensemble
