"""The four-phase experiment on an ensemble: probe, update, probe, update, ... through a list of phases."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from agents.supervised.checkpoints import save_ensemble
from agents.supervised.course import adaptation
from agents.supervised.learner import Learning, SupervisedLearner
from agents.supervised.losses import goal_distance
from agents.supervised.networks import draw_cue
from agents.supervised.reaches import TRAINING_GO, Reaches, centre_out, centre_out_targets
from agents.supervised.rollout import scored_path
from experiments.runs.folder import RunFolder
from experiments.savings.phases import TrainingPhase
from savings_gym.arrays import Columns
from savings_gym.files import write_atomically
from savings_gym.metrics.curves import probe_rows
from savings_gym.metrics.kinematics import kinematic_measures
from savings_gym.perturbations.fields import CurlField, Field, NullField
from savings_gym.perturbations.visual import VisuomotorRotation
from savings_gym.probes.criterion import ReachCriterion, phase_end
from savings_gym.task.settings import CATCH_FRACTION, CONTROL_STEP, N_TARGETS, Delays, Noise

log = logging.getLogger(__name__)
TRAIN, PROBE, PATHS = range(3)  # last key of the generators
GOAL_DISTANCE = "goal_distance"  # column of the probes [m]: the position term of the loss
FIRST_PHASE = 2  # second key of the generators; 0 and 1 are those of pre-training


@dataclass(frozen=True)
class Task:
    """What all phases have in common.

    Attributes:
        seed: Seed of all random numbers.
        catch_fraction: Share of every training batch without a go cue.
        noise: Noise of excitations and senses.
        delays: Delays of the senses and of the go cue.
        training_go: First and last time of go in training trials [s].
        probe_every: Updates between probes.
        keep_every: Updates between saved states.
        criterion: Ends the first phase early, once the mean over networks meets it; None lets it last.
    """

    seed: int = 0
    catch_fraction: float = CATCH_FRACTION
    noise: Noise = Noise()
    delays: Delays = Delays()
    training_go: tuple[float, float] = TRAINING_GO
    probe_every: int = 1
    keep_every: int = 500
    criterion: ReachCriterion | None = None


@dataclass(frozen=True)
class Stop:
    """Where a network diverged: the phase, and the update of it that was not made."""

    phase: str
    update: int


@dataclass(frozen=True)
class RunProgress:
    """How far a run is, after a probe.

    Attributes:
        phase: Name of the phase.
        update: Updates done in it.
        updates: Updates of the phase.
        done: Updates done in all phases.
        total: Updates of all phases.
        deviation: Mean lateral deviation of the probe [m].
        seconds: Wall time so far.
    """

    phase: str
    update: int
    updates: int
    done: int
    total: int
    deviation: float
    seconds: float


class FourPhases:
    """Runs phases one after the other and saves everything in a run folder.

    Every batch and every probe draws from its own generator, seeded by (seed, phase, update, stream), so a
    run that was killed resumes with the same numbers.
    """

    def __init__(
        self,
        learner: SupervisedLearner,
        phases: list[TrainingPhase],
        task: Task,
        folder: RunFolder,
        field: Field,
    ) -> None:
        """Load the state of an interrupted run from the folder, if there is one.

        Args:
            learner: The ensemble, pre-trained and partly frozen.
            phases: The phases, in order.
            task: What they have in common.
            folder: Where results go.
            field: The field in which networks are also probed at the end of every phase.
        """
        self.learner, self.phases, self.task, self.folder, self.field = learner, phases, task, folder, field
        self.learning: Learning = learner.learning
        self.networks = learner.ensemble.networks
        self.targets = centre_out_targets()
        self.phase, self.update, self.seconds, self.part, self.cue = 0, 0, 0.0, 0, 0.0
        self.rows: list[Columns] = []
        self.paths: dict[str, NDArray[np.float32]] = {}
        self.adaptation: dict[str, list[float]] = {}
        self.stopped: dict[int, Stop] = {}
        self.errors: list[float] = []  # of every probe of the first phase, mean over networks [m]
        self.criterion_met: bool | None = None
        state = folder.load_state()
        if state is not None:
            self.phase, self.update, self.seconds, self.part = (
                state[k] for k in ("phase", "update", "seconds", "part")
            )
            self.paths = {name: value.numpy() for name, value in state["paths"].items()}
            self.adaptation, self.cue = state["adaptation"], state.get("cue", 0.0)
            self.stopped = {i: Stop(*stop) for i, stop in state.get("stopped", {}).items()}
            self.errors, self.criterion_met = state.get("errors", []), state.get("criterion_met")
            if self.phase and self.criterion_met:
                self._end_first(state["first_updates"])
            learner.stopped[list(self.stopped)] = True
            learner.ensemble.load_state_dict(state["ensemble"])
            learner.optimiser.load_state_dict(state["optimiser"])

    @property
    def complete(self) -> bool:
        """Whether all phases are done."""
        return self.phase == len(self.phases)

    def run(self, display: Callable[[RunProgress], None], stopped: Callable[[], bool]) -> bool:
        """Run to the end, or until ``stopped()``; return whether the end was reached."""
        began = time.monotonic() - self.seconds
        total = sum(phase.updates for phase in self.phases)
        while not self.complete:
            phase = self.phases[self.phase]
            if self.update == 0:
                self.learner.start_phase(self.learning)
                self._set_cue(phase.cue)
            done = sum(earlier.updates for earlier in self.phases[: self.phase])
            while self.update <= phase.updates:
                if stopped():
                    self._save_state(began)
                    return False
                if self.update % self.task.probe_every == 0 or self.update == phase.updates:
                    deviation = self._probe(phase)
                    phase = self._shortened(phase)
                    display(
                        RunProgress(
                            phase.name, self.update, phase.updates, done + self.update, total, deviation,
                            time.monotonic() - began,
                        )
                    )  # fmt: skip
                if self.update < phase.updates:
                    self.learner.update(self._batch(phase))
                    self._note_stopped(phase)
                self.update += 1
                if self.update % self.task.keep_every == 0 and self.update <= phase.updates:
                    self._save_state(began)
            self._probe_end(phase)
            self.phase, self.update = self.phase + 1, 0
            self._save_state(began)
        return True

    def _shortened(self, phase: TrainingPhase) -> TrainingPhase:
        """Return the phase, which ends now if it is the first and its last probes meet the criterion."""
        criterion = self.task.criterion
        if self.phase or criterion is None:
            return phase
        over, met = phase_end(criterion, self.errors, self.update, self.update == phase.updates)
        self.criterion_met = bool(met)
        if over:
            self._end_first(self.update)
        return self.phases[0]

    def _end_first(self, updates: int) -> None:
        self.phases = [replace(self.phases[0], updates=updates), *self.phases[1:]]

    def _note_stopped(self, phase: TrainingPhase) -> None:
        """Remember and log the networks that the last update stopped."""
        if int(self.learner.stopped.sum()) == len(self.stopped):
            return
        for i in torch.nonzero(self.learner.stopped).flatten().tolist():
            if i not in self.stopped:
                self.stopped[i] = Stop(phase.name, self.update)
                log.warning(
                    "network %d diverged in update %d of %s: it keeps the weights before it and learns no "
                    "more, and no measure includes it", i, self.update, phase.name,
                )  # fmt: skip

    def _set_cue(self, cue: float) -> None:
        """Add a context cue of this size to the input bias in place of the last phase's."""
        if cue != self.cue:
            ensemble = self.learner.ensemble
            with torch.no_grad():
                ensemble.input_bias.add_((cue - self.cue) * draw_cue(ensemble, self.task.seed))
            self.cue = cue

    def _batch(self, phase: TrainingPhase) -> Reaches:
        return self._reaches(phase.field_at(self.update), TRAIN, phase.training_targets(self.update))

    def _reaches(self, field: Field, stream: int, targets: NDArray[np.float64] | None = None) -> Reaches:
        ensemble = self.learner.ensemble
        rng = np.random.default_rng((self.task.seed, FIRST_PHASE + self.phase, self.update, stream))
        return centre_out(
            self.networks, field, rng, probe=stream != TRAIN, catch_fraction=self.task.catch_fraction,
            go_time=self.task.training_go, noise=self.task.noise,
            delays=self.task.delays, device=ensemble.initial.device, targets=targets,
            signal_noise=self.learner.arm.impairments.signal_noise,
        )  # fmt: skip

    def _probe(self, phase: TrainingPhase) -> float:
        """Add the rows of one probe; return the mean lateral deviation without networks that diverged [m]."""
        reaches = self._reaches(phase.field_at(self.update), PROBE)
        trajectory = self.learner.probe(reaches)
        path = trajectory.path(reaches.start)
        if self.update == 0:
            self.paths[f"{phase.name}/first"] = path.astype(np.float32)
        measures = kinematic_measures(scored_path(trajectory, reaches), self.targets, CONTROL_STEP)
        measures[GOAL_DISTANCE] = goal_distance(trajectory, reaches).double().cpu().numpy()
        whole = [i for i in range(self.networks) if i not in self.stopped]
        if self.phase == 0 and self.task.criterion is not None:
            self.errors.append(float(measures["endpoint_error"][whole].mean()))
        trial = self.update * N_TARGETS
        self.rows.append(probe_rows(np.arange(self.networks), phase.name, self.update, trial, measures))
        return float(measures["lateral_deviation"][whole].mean())

    def _probe_end(self, phase: TrainingPhase) -> None:
        """Keep hand paths in and out of the field, adaptation in an error clamp, and a checkpoint."""
        self.update = phase.updates
        for name, field in {"null": NullField(), "curl": self.field}.items():
            reaches = self._reaches(field, PATHS)
            path = self.learner.probe(reaches).path(reaches.start)
            self.paths[f"{phase.name}/{name}"] = path.astype(np.float32)
        if isinstance(self.field, CurlField | VisuomotorRotation):
            shares = adaptation(self.learner, self.field, lambda field: self._reaches(field, PATHS))
            self.adaptation[phase.name] = shares.mean(axis=1).tolist()
        cue = {"cue_in_input_bias": self.cue} if self.cue else {}
        file = self.folder.path / f"networks_{phase.name}.safetensors"
        save_ensemble(file, self.learner.ensemble, phase=phase.name, **cue)

    def _save_state(self, began: float) -> None:
        """Save everything that resuming needs."""
        self.seconds = time.monotonic() - began
        rows, first = self.rows, self.part
        self.part += len(rows)
        state = {
            "phase": self.phase, "update": self.update, "seconds": self.seconds, "part": self.part,
            "ensemble": self.learner.ensemble.state_dict(), "optimiser": self.learner.optimiser.state_dict(),
            "adaptation": self.adaptation, "cue": self.cue, "errors": self.errors,
            "criterion_met": self.criterion_met, "first_updates": self.phases[0].updates,
            "stopped": {i: (stop.phase, stop.update) for i, stop in self.stopped.items()},
            "paths": {name: torch.from_numpy(path) for name, path in self.paths.items()},
        }  # fmt: skip
        self.folder.save_state(state, rows, first)
        self.rows = []

    def write_paths(self) -> None:
        """Write paths.nc: hand paths at the start and the end of every phase that is done."""
        done = [phase.name for phase in self.phases if f"{phase.name}/curl" in self.paths]
        if done:
            data = path_dataset(self.paths, done, self.targets)
            write_atomically(self.folder.path / "paths.nc", bytes(data.to_netcdf(engine="h5netcdf")))


def path_dataset(
    paths: dict[str, NDArray[np.float32]], phases: list[str], targets: NDArray[np.float64]
) -> xr.Dataset:
    """Return hand paths as a labelled data set.

    Args:
        paths: (networks, targets, T + 1, 2) each [m], by ``"PHASE/first"``, the first probe, and by
            ``"PHASE/null"`` and ``"PHASE/curl"``, probes at the end of the phase in these fields.
        phases: Names of the phases.
        targets: (8, 2) positions [m].
    """
    fields = ["null", "curl"]
    end = np.stack([np.stack([paths[f"{phase}/{field}"] for field in fields]) for phase in phases])
    first = np.stack([paths[f"{phase}/first"] for phase in phases])
    dims = ("phase", "field", "network", "target", "time", "axis")
    variables = {
        "hand": xr.DataArray(
            end, dims=dims, attrs={"units": "m", "long_name": "hand at the end of the phase"}
        ),
        "first_hand": xr.DataArray(
            first,
            dims=("phase", *dims[2:]),
            attrs={"units": "m", "long_name": "first probe, in the phase's field"},
        ),
        "target_position": xr.DataArray(targets, dims=("target", "axis"), attrs={"units": "m"}),
    }
    coordinates: dict[str, Any] = {
        "phase": phases, "field": fields, "axis": ["x", "y"],
        "time": ("time", CONTROL_STEP * np.arange(end.shape[4]), {"units": "s"}),
    }  # fmt: skip
    order = ("network", "phase", "field", "target", "time", "axis")
    return xr.Dataset(variables, coordinates).transpose(*order)
