"""The learners that theories are tested on: networks of finished runs, and people in trial tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from experiments.savings.config import command
from experiments.savings.shared_phases import shared_phases, stored_arguments
from savings_gym.arrays import MM, Array, Floats, Indices
from savings_gym.files import PROBES, read_table
from savings_gym.metrics.curves import PhaseCurves, phase_curves, shared_networks
from savings_gym.metrics.savings import FIELD_PHASES, field_side
from savings_gym.metrics.sides import refuse_opposite_sides
from savings_gym.metrics.statistics import Sampling, mean_interval
from savings_gym.models.design import Design
from savings_gym.models.model import Model
from savings_gym.task.schedule import PHASES
from savings_gym.trials import TrialTable

HELD_OUT: Final = "FF2"
TRAINED: Final = ("FF1", "NF2")  # what a theory must have seen; NF1 besides, if there is one
SIZES: Final[Mapping[str, float]] = {"NF1": 0.0, "FF1": 1.0, "NF2": 0.0, "FF2": 1.0}
NETWORK_NOISE: Final = {"motor_noise": 0.0, "measurement_noise": 0.05}  # first guesses; probes teach nothing
PEOPLE_NOISE: Final = {"motor_noise": 0.05, "measurement_noise": 0.0}


@dataclass(frozen=True, eq=False)
class Learner:
    """One learner through the four phases.

    Attributes:
        name: Number of the network, or name of the participant.
        design: Trials, of FF2 last.
        observed: (T,) deviation, turned so that a positive perturbation makes it positive, or force index.
        phase: (T,) names.
        measure: What `observed` is to a model, "error" or "adaptation".
        noise: First guess of motor and measurement noise; one of 0 stays 0.
    """

    name: str
    design: Design
    observed: Floats
    phase: Array
    measure: str
    noise: Mapping[str, float]

    @property
    def held_out(self) -> int:
        """Index of the first trial of FF2."""
        return int(np.argmax(self.phase == HELD_OUT))

    @property
    def bias(self) -> float:
        """Mean of the second half of NF1, which no theory explains; 0 if its 99.9 % interval holds 0."""
        baseline = self.observed[self.phase == PHASES[0]]
        late = baseline[len(baseline) // 2 :]
        late = late[np.isfinite(late)]
        low, high = mean_interval(late, Sampling(confidence=0.999))
        return float(late.mean()) if low > 0.0 or high < 0.0 else 0.0

    def naive(self, theory: Model) -> Model:
        """Return a theory that knows what the data are and has not been fitted."""
        return theory.replace(measure=self.measure, bias=self.bias, **self.noise)

    def start(self, phase: str, trials: int) -> float:
        """Return the mean of the first trials of a phase."""
        return float(np.nanmean(self.observed[self.phase == phase][:trials]))

    def side(self, phase: str) -> float:
        """Return the sign of the perturbation of a phase, 1 or -1; 0 if it has none."""
        sizes = self.design.perturbation[self.phase == phase]
        return float(np.sign(sizes[np.argmax(np.abs(sizes))]))


@dataclass(frozen=True)
class Source:
    """Learners of one run or table.

    Attributes:
        name: Of the folder or file.
        origin: What made it, in words or as a command.
        kind: "networks" or "people".
        learners: All of them.
        start: Trials that count as the start of a phase.
        unit: Of what is observed.
        factor: What turns SI into the unit.
        updates: Updates, each of 8 reaches, that a trial of the models stands for; None for people, whose
            trials are those of the models.
        units: Of each network; None for people.
        schedule: Updates of every phase of a run; empty for people.
        sham: (n,) start of FF2 of the same networks after equal practice without a field in FF1, turned as
            their errors, SI; NaN for networks that the sham lacks. None without a sham.
    """

    name: str
    origin: str
    kind: str
    learners: tuple[Learner, ...]
    start: int
    unit: str
    factor: float
    updates: int | None = None
    units: int | None = None
    schedule: Mapping[str, int] = field(default_factory=dict)
    sham: Floats | None = None

    def first(self, count: int | None) -> Source:
        """Return the same with no more learners than a count; None keeps all."""
        sham = None if self.sham is None else self.sham[:count]
        return dataclasses.replace(self, learners=self.learners[:count], sham=sham)


def networks(run: Path, every: int, sham: Path | None = None) -> Source:
    """Return the networks of a finished run of `experiments.savings`.

    A trial of a model is a probe, and what is learned until the next one; the first probe of a phase, in its
    field, comes before any learning in it. The last probe of a phase before FF2 shows networks that the first
    of the next phase shows again, and is left out.

    Args:
        run: Run folder.
        every: Updates per trial; a linear model of every k-th update is again a linear model.
        sham: Run folder of the same networks without a field in FF1, if there is one.

    Raises:
        FileNotFoundError, ValueError: If it is no such run, lacks a phase, or has no such probes, or the sham
            is not one of this run.
    """
    arguments = stored_arguments(run)
    if arguments.ff1_ramp:
        raise ValueError(f"{run} has a field that grows over FF1; theories need one that is there at once")
    curves = phase_curves(read_table(run / PROBES))
    if lacking := [phase for phase in PHASES if phase not in curves]:
        raise ValueError(f"{run} has not reached {', '.join(lacking)}")
    chosen = {phase: _probes_of(run, phase, curves[phase], every) for phase in PHASES}
    change = arguments.change
    changed = {"FF1": change.ff1_b, "FF2": change.ff2_b}
    sizes = {**SIZES, **{phase: b / arguments.size for phase, b in changed.items() if b is not None}}
    perturbation = np.concatenate([np.full(len(chosen[phase]), sizes[phase]) for phase in PHASES])
    phases = np.concatenate([np.full(len(chosen[phase]), phase) for phase in PHASES])
    deviation = np.concatenate([curves[p].deviation[:, chosen[p]] for p in PHASES], axis=1)
    learners = [
        Learner(str(number), Design(perturbation), own, phases, "error", NETWORK_NOISE)
        for number, own in zip(curves["FF1"].networks, deviation, strict=True)
    ]
    practised = None if sham is None else _sham_start(run, sham, curves["FF1"].networks)
    return Source(
        run.name, f"`{command(arguments)}`", "networks", _turned(learners, 1), 1, "mm", MM, every,
        arguments.units, {phase: int(curves[phase].updates[-1]) for phase in PHASES}, practised,
    )  # fmt: skip


def _sham_start(run: Path, sham: Path, numbers: Indices) -> Floats:
    """Start of FF2 in the sham of a run, of its networks of these numbers, (n,); NaN for those it lacks."""
    ours, its = stored_arguments(run), stored_arguments(sham)
    longer, shorter = (ours, its) if ours.networks >= its.networks else (its, ours)
    if (
        its.change != dataclasses.replace(ours.change, ff1_b=0.0)
        or ours.phases()[3] != its.phases()[3]
        or not shared_phases(longer, shorter)
    ):
        raise ValueError(f"{sham} is not the run {run} with an FF1 that has no field, as its sham would be")
    curves = phase_curves(read_table(sham / PROBES))
    if HELD_OUT not in curves:
        raise ValueError(f"{sham} has not reached {HELD_OUT}")
    curve, start = curves[HELD_OUT], np.full(len(numbers), np.nan)
    here, there = shared_networks(numbers, curve.networks)
    deviation = curve.deviation[there, 0]
    start[here] = field_side(deviation) * deviation
    return start


def _probes_of(run: Path, phase: str, curve: PhaseCurves, every: int) -> Array:
    """Positions of every k-th probe of a phase but the last of all."""
    last = int(curve.updates[-1])
    positions = np.flatnonzero((curve.updates % every == 0) & (curve.updates < last))
    if last % every or positions.size != last // every:
        raise ValueError(
            f"{run}: phase {phase} of {last} updates has no probe at every {every}-th of them; choose "
            "a divisor of its length at which there are probes (--every)"
        )
    return positions


def people(
    name: str, table: TrialTable, measure: str | None, sizes: Mapping[str, float], start: int
) -> Source:
    """Return the participants of a trial table.

    Args:
        name: Of the table.
        table: Trials of the four phases.
        measure: Name of the measure; None takes the first of the table.
        sizes: Phase to the size of its perturbation, if the table has no such column.
        start: Trials that count as the start of a phase.

    Raises:
        ValueError: If a participant lacks FF1, NF2 or FF2, FF2 is not the last phase, or the table has no
            column ``perturbation`` although FF1 clearly pushes participants to two sides.
    """
    measure = table.measures[0] if measure is None else measure
    column = None if "perturbation" in table.values else sizes
    learners = []
    for person in table.participants:
        own = table.phase[table.participant == person]
        if lacking := [phase for phase in (*TRAINED, HELD_OUT) if phase not in own]:
            raise ValueError(f"{name}: participant {person} has no trials of {', '.join(lacking)}")
        design, observed, phase = table.series(person, column, measure)
        if phase[-1] != HELD_OUT:
            raise ValueError(f"{name}: participant {person} ends with {phase[-1]}, expected {HELD_OUT}")
        kind = "adaptation" if measure == "force_index" else "error"
        learners.append(Learner(person, design, observed, phase, kind, PEOPLE_NOISE))
    if column is not None and measure != "force_index":
        errors = [learner.observed[learner.phase == "FF1"] for learner in learners]
        refuse_opposite_sides(table.participants, errors, "FF1")
    unit, factor = {"lateral_deviation": ("mm", MM), "angle": ("deg", 180.0 / np.pi)}.get(measure, ("", 1.0))
    return Source(name, "a trial table", "people", _turned(learners, start), start, unit, factor)


def _turned(learners: Sequence[Learner], start: int) -> tuple[Learner, ...]:
    """The same learners, with errors that have the sign of the perturbation, of FF1 or else of FF2."""
    phase = next((name for name in FIELD_PHASES if any(learner.side(name) for learner in learners)), None)
    if phase is None or learners[0].measure != "error":
        return tuple(learners)
    side = field_side([learner.side(phase) * learner.start(phase, start) for learner in learners])
    return tuple(dataclasses.replace(learner, observed=side * learner.observed) for learner in learners)
