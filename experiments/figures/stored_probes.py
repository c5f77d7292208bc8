"""Probes of the networks that a run keeps: what they do at the end of every phase, without learning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch

from agents.reaches import Reaches, centre_out
from agents.rollout import Trajectory
from agents.supervised import make_rollout
from agents.torch_arm import TorchArm
from experiments.figures.kit import Runs
from savings_gym.fields import CurlField, Field
from savings_gym.settings import Delays, Noise

STREAM = 7  # of the noise of these probes, beside the seed


def learned_field(runs: Runs, run: Path) -> CurlField:
    """The field that the networks of a run met in FF1."""
    return CurlField(runs.arguments(run)["b"])


def probe_stored(
    runs: Runs,
    run: Path,
    fields: Mapping[str, Field] | Field,
    phases: Iterable[str] = ("NF1", "FF1", "NF2", "FF2"),
) -> dict[str, tuple[Trajectory, Reaches]]:
    """The 8 reaches of the networks at the end of phases; noise is that of the run, the same for all phases.

    Args:
        runs: The stored runs.
        run: One of them.
        fields: The field of every phase, or one for all.
        phases: Whose networks.
    """
    arguments, networks = runs.arguments(run), runs.ensembles(run)
    noise, delays = Noise(**arguments["noise"]), Delays(**arguments["delays"])
    actuation, found = arguments.get("actuation", "muscle"), {}
    for phase in phases:
        ensemble = networks[phase]
        field = fields[phase] if isinstance(fields, Mapping) else fields
        rng = np.random.default_rng((runs.seed, STREAM))
        reaches = centre_out(ensemble.networks, field, rng, probe=True, noise=noise, delays=delays)
        arm = TorchArm(ensemble.initial.device, ensemble.initial.dtype, actuation)
        with torch.no_grad():
            found[phase] = make_rollout(ensemble, arm)(ensemble, reaches), reaches
    return found
