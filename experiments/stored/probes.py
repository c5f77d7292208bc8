"""Probes of the networks that a run keeps: what they do at the end of every phase, without learning.

Probes with displaced activity, many displacements at once: what a push of the hidden state does.

Memory trace of a stored run: what a velocity read-out, fitted in FF1, makes of activity before and after.

Formulas are in `savings_gym.activity.memory_trace`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import ArrayLike

from agents.supervised.learner import make_rollout
from agents.supervised.networks import Ensemble
from agents.supervised.reaches import Reaches, centre_out, centre_out_targets
from agents.supervised.rollout import Trajectory, plain_rollout
from agents.supervised.torch_arm import TorchArm
from experiments.stored.preparation import Preparation, four_phases, sham_trials
from experiments.stored.runs import Runs
from savings_gym.activity.displacement import Displacement
from savings_gym.activity.memory_trace import VelocityReadout, memory_trace, progress, velocity_readout
from savings_gym.arrays import Floats, as_finite
from savings_gym.fields import CurlField, Field
from savings_gym.metrics.kinematics import lateral_deviation
from savings_gym.task.settings import N_TARGETS, Delays, Noise

PROBE_STREAM = 7  # of the noise of probes of one run, beside the seed


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
        rng = np.random.default_rng((runs.seed, PROBE_STREAM))
        reaches = centre_out(ensemble.networks, field, rng, probe=True, noise=noise, delays=delays)
        arm = TorchArm(ensemble.initial.device, ensemble.initial.dtype, actuation)
        with torch.no_grad():
            found[phase] = make_rollout(ensemble, arm)(ensemble, reaches), reaches
    return found


DISPLACED_STREAM: Final = 11  # of the noise of displaced probes, beside the seed
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
            return plain_rollout(ensemble, arm, reaches, displacement), reaches


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


@dataclass(frozen=True, eq=False)
class Trace:
    """Memory trace of n networks: activity without the field through the read-out of velocity of FF1.

    Attributes:
        trace: (n,) progress of NF2 less that of NF1 [m/s].
        sham: (m,) trace of the sham control in place of NF2, networks that never met the field; None without.
        moved: (n,) progress that the hands themselves made more in NF2 than in NF1 [m/s].
        before: (n,) progress of NF1 [m/s].
        fit: (n,) of the read-out where it was fitted, in FF1 in the field.
        fit_next: (n,) of the same read-out in FF2 in the field.
    """

    trace: Floats
    sham: Floats | None
    moved: Floats
    before: Floats
    fit: Floats
    fit_next: Floats


def stored_trace(runs: Runs, run: Path, found: Preparation, components: int) -> Trace:
    """Read-out of velocity from FF1 in the field, and what it makes of activity without the field.

    Trials are cut to the time from which go is seen.

    Args:
        runs: The stored runs.
        run: One of them.
        found: Its preparation.
        components: Of activity that the read-out takes.
    """
    dataset = runs.activity(run, "curl")
    hidden, velocity = (four_phases(dataset, name) for name in ("hidden", "velocity"))
    reach = slice(int(np.searchsorted(found.time, found.seen - 1e-9)), None)
    readout = velocity_readout(hidden["FF1"][:, :, reach], velocity["FF1"][:, :, reach], components)
    start = dataset["hand"].sel(phase="NF1").isel(time=0).mean("target").to_numpy().astype(np.float64)
    direction = centre_out_targets() - start[:, None]
    familiar = {phase: found.trials[phase][:, :, reach] for phase in ("NF1", "NF2")}
    towards = direction[:, :, None]
    toward_target = {
        p: progress(x[:, :, reach], towards).mean(axis=(1, 2))
        for p, x in four_phases(runs.activity(run), "velocity").items()
    }
    sham, without = sham_trials(runs, found), None
    if sham is not None:
        m = len(sham["NF2"])
        other = VelocityReadout(*(part[:m] for part in vars(readout).values()))
        without = memory_trace({p: sham[p][:, :, reach] for p in ("NF1", "NF2")}, other, direction[:m])
    actual = velocity["FF2"][:, :, reach]
    error = np.sum((readout.velocity(hidden["FF2"][:, :, reach]) - actual) ** 2, axis=(1, 2, 3))
    spread = np.sum((actual - actual.mean(axis=(1, 2), keepdims=True)) ** 2, axis=(1, 2, 3))
    return Trace(
        trace=memory_trace(familiar, readout, direction),
        sham=without,
        moved=toward_target["NF2"] - toward_target["NF1"],
        before=progress(readout.velocity(familiar["NF1"]), towards).mean(axis=(1, 2)),
        fit=readout.fit,
        fit_next=1.0 - error / spread,
    )
