"""Probes with displaced activity, many displacements at once: what a push of the hidden state does."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import ArrayLike

from agents.networks import Ensemble
from agents.reaches import Reaches, centre_out, centre_out_targets
from agents.rollout import Kick, Trajectory, rollout
from agents.torch_arm import TorchArm
from experiments.figures.kit import Runs
from savings_gym.arrays import Floats, as_finite
from savings_gym.fields import CurlField, Field
from savings_gym.metrics import lateral_deviation
from savings_gym.probe_rows import N_TARGETS
from savings_gym.settings import Delays, Noise

STREAM: Final = 11  # of the noise of these probes, beside the seed
LARGEST: Final = 4096  # trials at a time, of all networks together


@dataclass(frozen=True, eq=False)
class DisplacedProbes:
    """Probes in a field, without learning, in which activity is displaced once.

    The noise is the same for all displacements, so that their effects are differences of equal trials.

    Attributes:
        ensembles: Phase to the n networks at its end.
        field: Of the probes.
        seed: Of the probes' noise.
        noise: Of the probes.
        delays: Of the probes.
        actuation: Of the arm.
    """

    ensembles: Mapping[str, Ensemble]
    field: Field
    seed: int = 0
    noise: Noise = Noise()
    delays: Delays = Delays()
    actuation: str = "muscle"

    @staticmethod
    def of_run(runs: Runs, run: Path) -> DisplacedProbes:
        """In the curl field of a run, with its noise and delays."""
        given = runs.arguments(run)
        noise, delays = Noise(**given["noise"]), Delays(**given["delays"])
        arm = given.get("actuation", "muscle")
        return DisplacedProbes(runs.ensembles(run), CurlField(given["b"]), runs.seed, noise, delays, arm)

    def deviation(self, vectors: ArrayLike, step: int, phase: str = "NF2") -> Floats:
        """Lateral deviation after each displacement, mean over the 8 targets, (k, n) [m].

        Args:
            vectors: (k, n, units), the displacements.
            step: Control step before which they are added.
            phase: Whose networks.

        Raises:
            ValueError: For vectors of another shape, a step outside the trial, or an unknown phase.
        """
        moves, targets = self._checked(vectors, phase), centre_out_targets()
        at_once, found = max(1, LARGEST // (moves.shape[1] * N_TARGETS)), []
        for first in range(0, len(moves), at_once):
            part = moves[first : first + at_once]
            trajectory, reaches = self._probe(part, step, phase)
            path = trajectory.path(reaches.start)
            split = path.reshape(len(path), len(part), N_TARGETS, *path.shape[2:])
            found.append(lateral_deviation(split, targets).mean(axis=-1).T)
        return np.concatenate(found)

    def left(self, vectors: ArrayLike, step: int, phase: str = "NF2") -> Floats:
        """How far activity is from that of the same trials without a displacement, at every time.

        Returns:
            (k, n, T), mean over targets, as a share of the displacement's length.
        """
        moves = self._checked(vectors, phase)
        trajectory, _ = self._probe(np.concatenate([0.0 * moves[:1], moves]), step, phase)
        hidden = trajectory.hidden.double().cpu().numpy()  # (n, T, (1 + k) * 8, units)
        split = hidden.reshape(*hidden.shape[:2], 1 + len(moves), N_TARGETS, hidden.shape[-1])
        apart = np.linalg.norm(split[:, :, 1:] - split[:, :, :1], axis=-1).mean(axis=-1)  # (n, T, k)
        return np.moveaxis(apart, -1, 0) / np.linalg.norm(moves, axis=-1)[..., None]

    def _checked(self, vectors: ArrayLike, phase: str) -> Floats:
        if phase not in self.ensembles:
            raise ValueError(f"no networks of phase {phase!r}, there are: {', '.join(self.ensembles)}")
        moves, ensemble = as_finite("vectors", vectors), self.ensembles[phase]
        if moves.ndim != 3 or moves.shape[1:] != (ensemble.networks, ensemble.units) or not len(moves):
            expected = f"(k, {ensemble.networks}, {ensemble.units}), k at least 1"
            raise ValueError(f"vectors have shape {moves.shape}, expected {expected}")
        return moves

    def _probe(self, moves: Floats, step: int, phase: str) -> tuple[Trajectory, Reaches]:
        """Trials of all displacements, k * 8 a network."""
        ensemble = self.ensembles[phase]
        like = ensemble.initial
        reaches = tiled(
            centre_out(
                ensemble.networks, self.field, np.random.default_rng((self.seed, STREAM)), probe=True,
                noise=self.noise, delays=self.delays, device=like.device, dtype=like.dtype,
            ),
            len(moves),
        )  # fmt: skip
        if not 0 <= step < reaches.steps:
            raise ValueError(f"step is {step}, expected 0 to {reaches.steps - 1}")
        vector = torch.as_tensor(moves).to(like).swapaxes(0, 1).repeat_interleave(N_TARGETS, dim=1)
        with torch.no_grad():
            arm = TorchArm(like.device, like.dtype, self.actuation)
            return rollout(ensemble, arm, reaches, Kick(step, vector)), reaches


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
