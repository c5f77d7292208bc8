"""Probes with displaced activity, many displacements at once: what a push of the hidden state does."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
import torch
from numpy.typing import ArrayLike

from agents.networks import Ensemble
from agents.reaches import Reaches, centre_out, centre_out_targets
from agents.rollout import Kick, rollout
from agents.torch_arm import TorchArm
from savings_gym.arrays import Floats, as_finite
from savings_gym.fields import Field
from savings_gym.metrics import lateral_deviation
from savings_gym.probe_rows import N_TARGETS
from savings_gym.settings import Delays, Noise

STREAM: Final = 11  # of the noise of these probes, beside the seed
LARGEST: Final = 4096  # trials at a time, of all networks together


def displaced_deviation(
    ensemble: Ensemble,
    field: Field,
    vectors: ArrayLike,
    step: int,
    *,
    seed: int,
    noise: Noise,
    delays: Delays,
) -> Floats:
    """Lateral deviation of probes in which activity is displaced once, without learning.

    The noise is the same for all displacements, so that their effects are differences of equal trials.

    Args:
        ensemble: n networks.
        field: Of the probes.
        vectors: (k, n, units), the displacements.
        step: Control step before which they are added.
        seed: Of the probes' noise.
        noise: Of the probes.
        delays: Of the probes.

    Returns:
        (k, n) mean over the 8 targets [m].

    Raises:
        ValueError: For vectors of another shape, or a step outside the trial.
    """
    moves = as_finite("vectors", vectors)
    expected = (ensemble.networks, ensemble.units)
    if moves.ndim != 3 or moves.shape[1:] != expected or not len(moves):
        raise ValueError(f"vectors have shape {moves.shape}, expected (k, {expected[0]}, {expected[1]})")
    like = ensemble.initial
    reaches = centre_out(
        ensemble.networks, field, np.random.default_rng((seed, STREAM)), probe=True, noise=noise,
        delays=delays, device=like.device, dtype=like.dtype,
    )  # fmt: skip
    if not 0 <= step < reaches.steps:
        raise ValueError(f"step is {step}, expected 0 to {reaches.steps - 1}")
    arm, targets = TorchArm(like.device, like.dtype), np.asarray(centre_out_targets())
    at_once = max(1, LARGEST // (ensemble.networks * N_TARGETS))
    found = []
    for first in range(0, len(moves), at_once):
        part = torch.as_tensor(moves[first : first + at_once]).to(like)
        many = tiled(reaches, len(part))
        with torch.no_grad():
            vector = part.swapaxes(0, 1).repeat_interleave(N_TARGETS, dim=1)  # (n, k * 8, units)
            path = rollout(ensemble, arm, many, Kick(step, vector)).path(many.start)
        split = path.reshape(path.shape[0], len(part), N_TARGETS, *path.shape[2:])
        found.append(lateral_deviation(split, targets).mean(axis=-1).T)
    return np.concatenate(found)


def tiled(reaches: Reaches, times: int) -> Reaches:
    """The same trials (n, m) several times over, (n, times * m), with the same noise."""

    def trials(values: torch.Tensor, axis: int = 1) -> torch.Tensor:
        return torch.cat([values] * times, dim=axis)

    return dataclasses.replace(
        reaches,
        q0=trials(reaches.q0), start=trials(reaches.start), target=trials(reaches.target),
        go_step=trials(reaches.go_step),
        always=tuple(trials(part) for part in reaches.always),
        after_go=tuple(trials(part) for part in reaches.after_go),
        observation_noise=trials(reaches.observation_noise, 2),
        excitation_noise=trials(reaches.excitation_noise, 2),
    )  # fmt: skip
