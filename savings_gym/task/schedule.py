"""Phases of an experiment, counted in trials.

A schedule determines the field of trial 0, 1, 2, ... The environments report the phase in `info`,
never in the observation.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import accumulate
from typing import Any

import numpy as np

from savings_gym.arrays import as_number, as_numbers, as_whole_number
from savings_gym.perturbations.fields import LARGEST, CurlField, Field, NullField, as_field
from savings_gym.perturbations.modified import Scaled

PHASES = ("NF1", "FF1", "NF2", "FF2")  # baseline, adaptation, washout, re-adaptation


@dataclass(frozen=True)
class Phase:
    """A number of trials in one field, or under one visual perturbation.

    Attributes:
        name: Name of the phase, such as "FF1".
        field: The perturbation, or its dict; None means none.
        trials: Number of trials, at least 1.
        catch_fraction: Probability of a trial without a go signal; None leaves it to the environment.
        sizes: Size of the field in the first and in the last trial, between which it changes evenly from
            trial to trial; or one size for every trial. None is 1 in all. Probes of the phase are in the
            whole field.
        targets: Indices of the centre-out targets that come in this phase, each once in a block; None is all.
    """

    name: str
    field: Field
    trials: int
    catch_fraction: float | None = None
    sizes: tuple[float, ...] | None = None
    targets: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Check the values, and turn a dict into its field."""
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"the name of a phase must be a non-empty string, got {self.name!r}")
        given: Any = self.field
        try:
            object.__setattr__(self, "field", as_field(given))
        except ValueError as error:
            order = " (a phase is Phase(name, field, trials))" if isinstance(given, int) else ""
            raise ValueError(f"phase {self.name!r}: {error}{order}") from error
        trials = as_whole_number(f"phase {self.name!r}: trials", self.trials, 1)
        object.__setattr__(self, "trials", trials)
        if self.catch_fraction is not None:
            fraction = as_number(f"phase {self.name!r}: catch_fraction", self.catch_fraction, 0.0, 1.0)
            object.__setattr__(self, "catch_fraction", fraction)
        if self.sizes is not None:
            object.__setattr__(self, "sizes", _sizes(self.name, self.sizes, trials))
        if self.targets is not None:
            object.__setattr__(self, "targets", _target_indices(self.name, self.targets))

    def field_at(self, trial: int) -> Field:
        """Return the field of a trial of the phase, counted from 0; after the end, that of the last one."""
        if self.sizes is None:
            return self.field
        if len(self.sizes) == self.trials:
            size = self.sizes[min(trial, self.trials - 1)]
        else:
            first, last = self.sizes
            size = last if self.trials == 1 else first + (last - first) * min(trial / (self.trials - 1), 1.0)
        return self.field if size == 1.0 else Scaled(self.field, size)

    def to_dict(self) -> dict[str, Any]:
        """Return the phase as JSON-able values, without sizes and targets if it has none."""
        values = asdict(self)
        for name in ("sizes", "targets"):
            if values[name] is None:
                del values[name]
        return values


def _sizes(name: str, given: Any, trials: int) -> tuple[float, ...]:
    """Return the sizes of a phase, of its first and last trial or of each, checked."""
    label = f"phase {name!r}: sizes"
    given = given.tolist() if isinstance(given, np.ndarray) else given
    if isinstance(given, Sequence) and len(given) not in (2, trials):
        raise ValueError(
            f"{label} must be 2 numbers, of the first and the last trial, or {trials}, one for every trial; "
            f"got {len(given)}"
        )
    shapes = dict.fromkeys(((2,), (trials,)))  # one, for two trials
    return tuple(as_numbers(label, given, *shapes, largest=LARGEST).tolist())


def _target_indices(name: str, given: Any) -> tuple[int, ...]:
    """Return the targets of a phase, checked."""
    label = f"phase {name!r}: targets"
    if isinstance(given, (str, Mapping)) or not isinstance(given, Sequence) or not given:
        raise ValueError(f"{label} must be one or more indices of centre-out targets, got {given!r}")
    indices = tuple(as_whole_number(label, index) for index in given)
    if len(set(indices)) < len(indices):
        raise ValueError(f"{label} must be different, got {given!r}")
    return indices


@dataclass(frozen=True)
class Schedule:
    """A sequence of phases.

    Trials are counted from 0. Phase i consists of the trials from `boundaries[i]` up to but not
    including `boundaries[i + 1]`. The last phase goes on after its last trial; `done` is then True.

    Attributes:
        phases: The phases (or their dicts), at least one, with different names.
    """

    phases: tuple[Phase, ...]

    def __post_init__(self) -> None:
        """Check the phases, and turn dicts into phases."""
        given: Any = self.phases
        if isinstance(given, str) or not isinstance(given, Sequence):
            raise ValueError(f"the phases of a schedule must be a sequence of Phases or dicts, got {given!r}")
        phases = tuple(phase if isinstance(phase, Phase) else _phase_from_dict(phase) for phase in given)
        object.__setattr__(self, "phases", phases)
        if not phases:
            raise ValueError("a schedule needs at least one phase, got ()")
        names = self.names
        if len(set(names)) != len(names):
            raise ValueError(f"the phases of a schedule need different names, got {names}")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the phases, in their order."""
        return tuple(phase.name for phase in self.phases)

    @property
    def boundaries(self) -> tuple[int, ...]:
        """First trial of every phase, followed by the number of all trials."""
        return tuple(accumulate((phase.trials for phase in self.phases), initial=0))

    @property
    def trials(self) -> int:
        """Number of trials in all phases."""
        return self.boundaries[-1]

    def phase_index(self, trial: int) -> int:
        """Return the index of the phase of a trial; after the end, that of the last phase.

        Raises:
            ValueError: If `trial` is negative.
        """
        if trial < 0:
            raise ValueError(f"trials are counted from 0, got {trial!r}")
        return min(bisect_right(self.boundaries, trial) - 1, len(self.phases) - 1)

    def phase_at(self, trial: int) -> Phase:
        """Return the phase of a trial; after the end, the last phase."""
        return self.phases[self.phase_index(trial)]

    def field_at(self, trial: int) -> Field:
        """Return the field of a trial; after the end, that of the last one."""
        index = self.phase_index(trial)
        return self.phases[index].field_at(trial - self.boundaries[index])

    def done(self, trial: int) -> bool:
        """Return whether a trial comes after the last one of the last phase."""
        return trial >= self.trials

    def check_targets(self, targets: int) -> None:
        """Raise a ValueError if a phase needs targets that a task with so many centre-out targets lacks."""
        for phase in self.phases:
            if phase.targets is not None and max(phase.targets) >= targets:
                valid = f"there are {targets}, from 0 on" if targets else "there are none, reaches are random"
                raise ValueError(f"phase {phase.name!r} has the targets {phase.targets}; {valid}")

    def to_dict(self) -> dict[str, Any]:
        """Return the schedule as JSON-able values; `as_schedule` is the inverse."""
        return {"phases": [phase.to_dict() for phase in self.phases]}


def _phase_from_dict(values: Mapping[str, Any]) -> Phase:
    names, needed = {f.name for f in fields(Phase)}, {"name", "trials"}
    if isinstance(values, Mapping) and "decoder" in values:
        raise _of_a_cursor(values.get("name"))
    if not isinstance(values, Mapping) or not needed <= set(values) <= names:
        raise ValueError(
            f"a phase must be a Phase or a dict of {sorted(names)}, of which {sorted(needed)} are needed; "
            f"got {values!r}"
        )
    return Phase(**{"field": NullField(), **values})


def _of_a_cursor(name: Any) -> ValueError:
    return ValueError(
        f"phase {name!r} has a decoder: use BCIReach-v0, whose activity moves a cursor; an arm has fields"
    )


def as_schedule(value: Schedule | Mapping[str, Any] | None) -> Schedule | None:
    """Return a schedule of an arm, given as itself or as its dict; None stays None.

    Raises:
        ValueError: If `value` is none of these, or a phase has a decoder (`bci.schedule.DecoderPhase`).
    """
    if isinstance(value, Mapping) and set(value) == {"phases"}:
        return Schedule(value["phases"])
    if value is not None and not isinstance(value, Schedule):
        raise ValueError(
            f'a schedule must be a Schedule, its dict {{"phases": [...]}}, or None; got {value!r}'
        )
    for phase in () if value is None else value.phases:
        if hasattr(phase, "decoder"):
            raise _of_a_cursor(phase.name)
    return value


def four_phase(
    field: Field | Mapping[str, Any] | None = None,
    nf1: int = 80_000,
    ff1: int = 25_600,
    nf2: int = 80_000,
    ff2: int = 25_600,
) -> Schedule:
    """Return the schedule that shows savings: baseline, adaptation, washout, re-adaptation.

    The default lengths are those of Shahbazi et al. (2026), eLife 14:RP107423: 10 000 and 3 200
    batches of 8 trials.

    Args:
        field: Field of FF1 and FF2; None means `CurlField(8.0)`.
        nf1: Trials of the baseline without a field, "NF1".
        ff1: Trials of the first adaptation, "FF1".
        nf2: Trials of the washout without a field, "NF2".
        ff2: Trials of the second adaptation, "FF2".
    """
    force = CurlField(8.0) if field is None else as_field(field)
    of_phase, trials = (NullField(), force, NullField(), force), (nf1, ff1, nf2, ff2)
    return Schedule(tuple(map(Phase, PHASES, of_phase, trials)))
