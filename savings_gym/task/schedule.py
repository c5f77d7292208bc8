"""Phases of an experiment, counted in trials.

A schedule says which field acts in trial 0, 1, 2, ... It tells so to whoever asks; the
environments put it in `info` and never in the observation.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from savings_gym.fields import CurlField, Field, NullField, as_field

PHASES = ("NF1", "FF1", "NF2", "FF2")  # baseline, adaptation, washout, re-adaptation


@dataclass(frozen=True)
class Phase:
    """A number of trials in one force field.

    Attributes:
        name: Name of the phase, such as "FF1".
        field: The force field, or its dict; None is no force.
        trials: Number of trials, at least 1.
        catch_fraction: Share of trials without a go signal; None leaves it to the environment.
    """

    name: str
    field: Field
    trials: int
    catch_fraction: float | None = None

    def __post_init__(self) -> None:
        """Check the values, and accept the field's dict."""
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"the name of a phase must be a non-empty string, got {self.name!r}")
        object.__setattr__(self, "field", as_field(self.field))
        trials = self.trials
        if isinstance(trials, bool) or not isinstance(trials, (int, np.integer)) or trials < 1:
            raise ValueError(
                f"phase {self.name!r}: trials must be a whole number of at least 1, got {trials!r}"
            )
        object.__setattr__(self, "trials", int(trials))
        if self.catch_fraction is not None and not 0.0 <= self.catch_fraction <= 1.0:
            raise ValueError(
                f"phase {self.name!r}: catch_fraction must lie in 0..1, got {self.catch_fraction!r}"
            )


@dataclass(frozen=True)
class Schedule:
    """Phases in their order.

    Trials are counted from 0. Phase i holds the trials `boundaries[i]` up to but not including
    `boundaries[i + 1]`. After the last trial the last phase goes on, and `done` says so.

    Attributes:
        phases: The phases (or their dicts), at least one, with different names.
    """

    phases: tuple[Phase, ...]

    def __post_init__(self) -> None:
        """Check the phases, and accept their dicts."""
        phases = tuple(p if isinstance(p, Phase) else _phase_from_dict(p) for p in self.phases)
        object.__setattr__(self, "phases", phases)
        if not phases:
            raise ValueError("a schedule needs at least one phase, got ()")
        names = self.names
        if len(set(names)) != len(names):
            raise ValueError(f"the phases of a schedule need different names, got {names}")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the phases."""
        return tuple(phase.name for phase in self.phases)

    @property
    def boundaries(self) -> tuple[int, ...]:
        """First trial of every phase, and behind them the number of all trials."""
        return tuple(accumulate((phase.trials for phase in self.phases), initial=0))

    @property
    def trials(self) -> int:
        """Number of trials of all phases together."""
        return self.boundaries[-1]

    def phase_index(self, trial: int) -> int:
        """Index of the phase of a trial; the last one for trials behind the end.

        Raises:
            ValueError: If `trial` is negative.
        """
        if trial < 0:
            raise ValueError(f"trials are counted from 0, got {trial!r}")
        return min(bisect_right(self.boundaries, trial) - 1, len(self.phases) - 1)

    def phase_at(self, trial: int) -> Phase:
        """The phase of a trial."""
        return self.phases[self.phase_index(trial)]

    def done(self, trial: int) -> bool:
        """Whether the trial lies behind the last trial of the last phase."""
        return trial >= self.trials

    def to_dict(self) -> dict[str, Any]:
        """The schedule as JSON-able values; `as_schedule` is the inverse."""
        return asdict(self)


def _phase_from_dict(values: Mapping[str, Any]) -> Phase:
    names = ("name", "field", "trials", "catch_fraction")
    if not isinstance(values, Mapping) or not {"name", "trials"} <= set(values) <= set(names):
        raise ValueError(f"a phase must be a Phase or a dict with the names {names}, got {values!r}")
    return Phase(**{"field": NullField(), **values})


def as_schedule(value: Schedule | Mapping[str, Any] | None) -> Schedule | None:
    """A schedule from a schedule or from its dict; None stays None.

    Raises:
        ValueError: If `value` is none of these.
    """
    if value is None or isinstance(value, Schedule):
        return value
    if isinstance(value, Mapping) and set(value) == {"phases"}:
        return Schedule(tuple(value["phases"]))
    raise ValueError(f'a schedule must be a Schedule, its dict {{"phases": [...]}}, or None; got {value!r}')


def four_phase(
    field: Field | Mapping[str, Any] | None = None,
    nf1: int = 80_000,
    ff1: int = 25_600,
    nf2: int = 80_000,
    ff2: int = 25_600,
) -> Schedule:
    """Baseline, adaptation, washout, re-adaptation: the experiment in which savings show.

    The default lengths are those of Shahbazi et al. (2026), eLife 14:RP107423: 10 000 and 3 200
    batches of 8 trials.

    Args:
        field: Field of FF1 and FF2; None is `CurlField(8.0)`.
        nf1: Trials of the baseline without a field, "NF1".
        ff1: Trials of the first adaptation, "FF1".
        nf2: Trials of the washout without a field, "NF2".
        ff2: Trials of the second adaptation, "FF2".
    """
    force = CurlField(8.0) if field is None else as_field(field)
    fields, trials = (NullField(), force, NullField(), force), (nf1, ff1, nf2, ff2)
    return Schedule(tuple(map(Phase, PHASES, fields, trials)))
