"""Probes of the networks that a run keeps: their reaches at the end of every phase, without learning.

`DisplacedProbes` probes many displacements of activity at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import ArrayLike

from agents.supervised.learner import make_rollout
from agents.supervised.networks import Ensemble
from agents.supervised.reaches import Reaches, centre_out, centre_out_targets
from agents.supervised.rollout import Trajectory, scored_path
from agents.supervised.torch_arm import TorchArm
from experiments.savings.phases import stored_field
from experiments.stored.runs import StoredRuns
from savings_gym.activity.displacement import Displacement
from savings_gym.arrays import Floats, as_finite
from savings_gym.metrics.kinematics import lateral_deviation
from savings_gym.perturbations.fields import Field
from savings_gym.task.schedule import PHASES
from savings_gym.task.settings import N_TARGETS, Delays, Noise

PROBE_STREAM: Final = 7  # random stream of the probes' noise, beside the seed
DISPLACED_STREAM: Final = 11  # the same for displaced probes
LARGEST: Final = 4096  # trials at a time, of all networks together


def learned_field(runs: StoredRuns, run: Path) -> Field:
    """Return the field that the networks of a run met in FF1."""
    return stored_field(runs.arguments(run))


def probe_stored(
    runs: StoredRuns,
    run: Path,
    fields: Mapping[str, Field] | Field,
    phases: Iterable[str] = PHASES,
) -> dict[str, tuple[Trajectory, Reaches]]:
    """Return the 8 reaches of the networks at the end of phases, with equal noise in all of them.

    Args:
        runs: The stored runs.
        run: One of them.
        fields: The field of every phase, or one for all.
        phases: Phases whose networks are probed.
    """
    arguments, networks = runs.arguments(run), runs.ensembles(run)
    noise, delays = Noise(**arguments["noise"]), Delays(**arguments["delays"])
    actuation, probes = arguments.get("actuation", "muscle"), {}
    for phase in phases:
        ensemble = networks[phase]
        field = fields[phase] if isinstance(fields, Mapping) else fields
        rng = np.random.default_rng((runs.seed, PROBE_STREAM))
        reaches = centre_out(ensemble.networks, field, rng, probe=True, noise=noise, delays=delays)
        arm = TorchArm(ensemble.initial.device, ensemble.initial.dtype, actuation)
        with torch.no_grad():
            probes[phase] = make_rollout(ensemble, arm)(ensemble, reaches), reaches
    return probes


@dataclass(frozen=True, eq=False)
class DisplacedProbes:
    """Probes in a field, without learning, in which activity is displaced once.

    The noise is the same for all displacements, so that their effects are differences of equal trials.

    Attributes:
        ensembles: Phase to the n networks at its end.
        field: Field of the probes.
        seed: Seed of the probes' noise.
        noise: Noise of the probes.
        delays: Delays of the probes.
        actuation: Actuation of the arm.
    """

    ensembles: Mapping[str, Ensemble]
    field: Field
    seed: int = 0
    noise: Noise = Noise()
    delays: Delays = Delays()
    actuation: str = "muscle"

    @staticmethod
    def of_run(runs: StoredRuns, run: Path) -> DisplacedProbes:
        """Return probes in the curl field of a run, with its noise and delays."""
        arguments = runs.arguments(run)
        noise, delays = Noise(**arguments["noise"]), Delays(**arguments["delays"])
        actuation = arguments.get("actuation", "muscle")
        return DisplacedProbes(
            runs.ensembles(run), learned_field(runs, run), runs.seed, noise, delays, actuation
        )

    def deviation(self, vectors: ArrayLike, step: int, phase: str = "NF2") -> Floats:
        """Return the lateral deviation after each displacement, mean over the 8 targets, (k, n) [m].

        Args:
            vectors: (k, n, units), the displacements.
            step: Control step before which they are added.
            phase: Phase at whose end the networks are probed.

        Raises:
            ValueError: If vectors have another shape, the step lies outside the trial, or the phase is
                unknown.
        """
        moves, targets = self._checked(vectors, phase), centre_out_targets()
        at_once, deviations = max(1, LARGEST // (moves.shape[1] * N_TARGETS)), []
        for first in range(0, len(moves), at_once):
            part = moves[first : first + at_once]
            trajectory, reaches = self._probe(part, step, phase)
            path = scored_path(trajectory, reaches)
            split = path.reshape(len(path), len(part), N_TARGETS, *path.shape[2:])
            deviations.append(lateral_deviation(split, targets).mean(axis=-1).T)
        return np.concatenate(deviations)

    def slopes(self, vectors: Floats, step: int, m: Sequence[float]) -> Floats:
        """Return the slope of the deviation against the size of a displacement, in units of each vector.

        Args:
            vectors: (k, n, units), displacements of size 1.
            step: Control step before which they are added.
            m: Sizes, two or more.

        Returns:
            (k, n) slopes by least squares [m per vector].
        """
        sizes = np.array(m, dtype=np.float64)
        moves = (sizes[:, None, None] * vectors[:, None]).reshape(-1, *vectors.shape[1:])
        return slopes_over(sizes, self.deviation(moves, step).reshape(len(vectors), len(sizes), -1))

    def remainder(self, vectors: ArrayLike, step: int, phase: str = "NF2") -> Floats:
        """Return the distance of activity from that of undisplaced trials, at every time.

        Returns:
            (k, n, T), mean over targets, as a share of the displacement's length.
        """
        moves = self._checked(vectors, phase)
        trajectory, _ = self._probe(np.concatenate([0.0 * moves[:1], moves]), step, phase)
        hidden = trajectory.hidden.double().cpu().numpy()  # (n, T, (1 + k) * 8, units)
        split = hidden.reshape(*hidden.shape[:2], 1 + len(moves), N_TARGETS, hidden.shape[-1])
        distance = np.linalg.norm(split[:, :, 1:] - split[:, :, :1], axis=-1).mean(axis=-1)  # (n, T, k)
        return np.moveaxis(distance, -1, 0) / np.linalg.norm(moves, axis=-1)[..., None]

    def _checked(self, vectors: ArrayLike, phase: str) -> Floats:
        if phase not in self.ensembles:
            raise ValueError(f"no networks of phase {phase!r}; choose from: {', '.join(self.ensembles)}")
        moves, ensemble = as_finite("vectors", vectors), self.ensembles[phase]
        if moves.ndim != 3 or moves.shape[1:] != (ensemble.networks, ensemble.units) or not len(moves):
            expected = f"(k, {ensemble.networks}, {ensemble.units}), k at least 1"
            raise ValueError(f"vectors have shape {moves.shape}, expected {expected}")
        return moves

    def _probe(self, moves: Floats, step: int, phase: str) -> tuple[Trajectory, Reaches]:
        """Trials of all displacements, k * 8 per network."""
        ensemble = self.ensembles[phase]
        like = ensemble.initial
        rng = np.random.default_rng((self.seed, DISPLACED_STREAM))
        reaches = tiled(
            centre_out(
                ensemble.networks, self.field, rng, probe=True, noise=self.noise, delays=self.delays,
                device=like.device, dtype=like.dtype,
            ),
            len(moves),
        )  # fmt: skip
        displacement = Displacement(step, moves.swapaxes(0, 1).repeat(N_TARGETS, axis=1))
        with torch.no_grad():
            arm = TorchArm(like.device, like.dtype, self.actuation)
            return make_rollout(ensemble, arm)(ensemble, reaches, displacement=displacement), reaches


def slopes_over(m: Floats, deviation: Floats) -> Floats:
    """Return the slopes of deviations (k, sizes, n) over sizes m, by least squares, (k, n)."""
    centred = m - m.mean()
    return np.asarray(np.tensordot(deviation, centred / np.sum(centred**2), (1, 0)))


def tiled(reaches: Reaches, times: int) -> Reaches:
    """Return the same trials (n, m) several times over, (n, times * m), with the same noise."""

    def trials(values: torch.Tensor, axis: int = 1) -> torch.Tensor:
        return torch.cat([values] * times, dim=axis)

    def perturbed(values: torch.Tensor | None, axis: int) -> torch.Tensor | None:
        return None if values is None else trials(values, axis)

    return dataclasses.replace(
        reaches,
        q0=trials(reaches.q0), start=trials(reaches.start), target=trials(reaches.target),
        go_step=trials(reaches.go_step),
        fields=tuple(tuple(trials(part) for part in field) for field in reaches.fields),
        observation_noise=trials(reaches.observation_noise, 2),
        excitation_noise=trials(reaches.excitation_noise, 2),
        timed=perturbed(reaches.timed, 2), views=perturbed(reaches.views, 2),
        cursor_scored=perturbed(reaches.cursor_scored, 1),
    )  # fmt: skip
