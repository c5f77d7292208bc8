"""Groups of participants, trial by trial: what every measure was in every phase."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from experiments.people.config import People
from savings_gym.arrays import Floats, Indices
from savings_gym.metrics.savings import FIELD_PHASES, field_side
from savings_gym.metrics.sides import refuse_opposite_sides
from savings_gym.metrics.statistics import mean_interval
from savings_gym.trials import UNITS, TrialTable

QUARTER: Final = 0.25  # of a phase
GROWN: Final = 2.0  # a mean error that is so many times larger after FF1 than at its start is none
FORCE_INDEX: Final = "force_index"
UNIT_WORDS: Final = {"deg": "degrees"}  # where a unit's name for read_trials is no word


@dataclass(frozen=True, eq=False)
class Measured:
    """One measure of n participants.

    Attributes:
        name: lateral_deviation, angle or force_index.
        unit: Of the values; 1 for a force index.
        factor: From SI to the unit.
        side: 1 if positive values are on the positive side of the table, -1 if on its negative one.
        phases: Phase to (n, t) values; NaN for trials without a value of the learner's own, and after the
            last trial of a participant. Errors are positive to the side to which FF1 pushes.
        lengths: Phase to the trials of every participant, (n,).
    """

    name: str
    unit: str
    factor: float
    side: float
    phases: Mapping[str, Floats]
    lengths: Mapping[str, Indices]

    def start(self, phase: str, trials: int) -> Floats:
        """Return the means of the first trials of a phase, (n,)."""
        return mean_of_finite(self.phases[phase][:, :trials])

    def quarter(self, phase: str, last: bool = False) -> Floats:
        """Return the means of the first, or last, quarter of the trials of every participant, (n,)."""
        means = np.full(len(self.lengths[phase]), np.nan)
        for i, length in enumerate(self.lengths[phase]):
            own, trials = self.phases[phase][i, :length], math.ceil(QUARTER * length)
            means[i] = mean_of_finite(own[length - trials :] if last else own[:trials])
        return means

    def blocks(self, phase: str, block: int) -> tuple[Floats, Floats]:
        """Return the middles, counted from trial 1, and means (n, b) of blocks of trials.

        Trials after the last whole block are left out; a phase that is shorter than a block is one block.
        """
        values = self.phases[phase]
        size = min(block, values.shape[1])
        count = values.shape[1] // size
        means = mean_of_finite(values[:, : count * size].reshape(len(values), count, size))
        return size * np.arange(count) + (size + 1) / 2.0, means


@dataclass(frozen=True, eq=False)
class Group:
    """Participants of one trial table.

    Attributes:
        table: Their trials.
        signs: (n,) sign of the perturbation of every participant; None if the table has no such column.
        measures: Name of the measure to its values.
        left_out: What was left out, and why, in words.
    """

    table: TrialTable
    signs: Floats | None
    measures: Mapping[str, Measured]
    left_out: tuple[str, ...]

    @property
    def participants(self) -> tuple[str, ...]:
        """Names."""
        return self.table.participants

    @property
    def block(self) -> int:
        """Number of targets, at least 1."""
        return max(len(set(self.table.target.tolist()) - {""}), 1)


def main_group(config: People) -> Group:
    """Return the participants of the table.

    Raises:
        FileNotFoundError, ValueError: If the table is refused by `read_trials`, lacks FF1 or FF2, lacks rows
            of trials, perturbs FF1 and FF2 to different sides, has no column ``perturbation`` although FF1
            clearly pushes participants to two sides, or has a measure that grows in FF1.
    """
    path = config.table
    table, left_out = _with_phases(path, config.read(path), FIELD_PHASES)
    signs, again = table.signs("FF1"), table.signs("FF2")
    if signs is not None and again is not None and (wrong := np.flatnonzero(signs * again <= 0.0)).size:
        raise ValueError(
            f"{path}: participant {table.participants[wrong[0]]} has perturbations of different signs, or "
            "none, in FF1 and FF2; savings compare the same one"
        )
    return _group(config, table, signs, left_out, None)


def sham_group(config: People, path: Path, main: Group) -> Group:
    """Return the participants who met no field in FF1, signed as the others.

    Raises:
        FileNotFoundError, ValueError: As in `main_group`, but FF1 may be missing; and if a participant was
            perturbed in FF1 or not in FF2, no measure is that of the others, or the sides of the two tables
            cannot be compared.
    """
    table, left_out = _with_phases(path, config.read(path), FIELD_PHASES[1:])
    met, signs = table.signs("FF1"), table.signs("FF2")
    if met is not None and (wrong := np.flatnonzero(met)).size:
        raise ValueError(
            f"{path}: participant {table.participants[wrong[0]]} has a perturbation in FF1, expected none"
        )
    if signs is not None and (wrong := np.flatnonzero(signs == 0.0)).size:
        raise ValueError(f"{path}: participant {table.participants[wrong[0]]} has no perturbation in FF2")
    shared = [name for name in main.measures if name in table.measures]
    if not shared:
        raise ValueError(f"{path} has {', '.join(table.measures)}, expected {' or '.join(main.measures)}")
    left_out += [f"no {name} in the table" for name in main.measures if name not in shared]
    return _group(config, table, signs, left_out, main)


def mean_of_finite(values: Floats) -> Floats:
    """Return the means over the last axis without NaN; NaN if there is nothing else."""
    count = np.isfinite(values).sum(axis=-1)
    means: Floats = np.where(count > 0, np.nansum(values, axis=-1) / np.maximum(count, 1), np.nan)
    return means


def _with_phases(path: Path, table: TrialTable, needed: tuple[str, ...]) -> tuple[TrialTable, list[str]]:
    """The participants who have the phases, and who is left out."""
    if lacking := [phase for phase in needed if phase not in table.phases]:
        raise ValueError(
            f"{path} has no phase {lacking[0]}; it has {', '.join(table.phases)}. Name it with --phases, "
            f"such as {table.phases[-1]}={lacking[0]}"
        )
    left_out, kept = [], np.ones(table.trial.size, dtype=bool)
    for person in table.participants:
        own = table.participant == person
        if lacking := [phase for phase in needed if phase not in table.phase[own]]:
            left_out.append(f"participant {person}: no trials of {' and '.join(lacking)}")
            kept &= ~own
    if not kept.any():
        raise ValueError(f"{path} has no participant with trials of {' and '.join(needed)}")
    for phase in table.phases:
        counts = np.unique(table.participant[kept & (table.phase == phase)], return_counts=True)[1]
        if counts.size and np.ptp(counts):
            left_out.append(
                f"{phase}: participants have {counts.min()} to {counts.max()} trials; each point of a curve "
                "is of those who have it"
            )
    values = {name: column[kept] for name, column in table.values.items()}
    columns = (table.participant, table.phase, table.trial, table.target)
    who, phases, trials, targets = (column[kept] for column in columns)
    return TrialTable(who, phases, trials, targets, values), left_out


def _group(
    config: People, table: TrialTable, signs: Floats | None, left_out: list[str], main: Group | None
) -> Group:
    """The measures of a table; those of a sham have the sides of the main group."""
    names = [name for name in table.measures if main is None or name in main.measures]
    units, measures = config.units(), {}
    for name in names:
        unit = units.get(name, "1")
        factor = 1.0 if name == FORCE_INDEX else 1.0 / UNITS[name][unit]
        raw = _raw(table, name, factor, left_out)
        turned = dataclasses.replace(raw, unit=UNIT_WORDS.get(unit, unit))
        if name != FORCE_INDEX:
            if main is None and signs is None:
                refuse_opposite_sides(table.participants, list(raw.phases["FF1"]), "FF1")
            turned = _turned(turned, config, signs, main)
            if main is None:
                _refuse_growing(config.table, turned, config.start)
        measures[name] = turned
    return Group(table, signs, measures, tuple(left_out))


def _raw(table: TrialTable, name: str, factor: float, left_out: list[str]) -> Measured:
    """Values of a measure with the signs of the table."""
    nowhere = dict.fromkeys(table.phases, 0.0)
    own: dict[str, list[Floats]] = {phase: [] for phase in _ordered_phases(table)}
    held, empty, valued = 0, 0, 0
    for person in table.participants:
        design, observed, phase = table.series(person, nowhere, name)
        free = np.ones(observed.shape, dtype=bool) if name == FORCE_INDEX else design.free
        values = np.where(free, factor * observed, np.nan)
        held, empty = held + int(np.sum(~free)), empty + int(np.sum(free & np.isnan(observed)))
        valued += int(np.isfinite(values).sum())
        for each, trials in own.items():
            trials.append(values[phase == each])
    if not valued:
        raise ValueError(f"{name} has no value in any trial of the participants")
    if held:
        left_out.append(f"{name}: {held} trials in a channel or clamp, whose errors are not the learner's")
    if empty and name != FORCE_INDEX:
        left_out.append(f"{name}: {empty} trials without a value")
    lengths = {each: np.array([len(trials) for trials in its]) for each, its in own.items()}
    phases = {each: np.full((len(its), lengths[each].max()), np.nan) for each, its in own.items()}
    for each, its in own.items():
        for row, values in zip(phases[each], its, strict=True):
            row[: len(values)] = values
    return Measured(name, "", factor, 1.0, phases, lengths)


def _ordered_phases(table: TrialTable) -> list[str]:
    """Phases in the order of the participant who has most of them."""
    own = [dict.fromkeys(table.phase[table.participant == person].tolist()) for person in table.participants]
    return list(dict.fromkeys([*max(own, key=len), *table.phases]))


def _turned(raw: Measured, config: People, signs: Floats | None, main: Group | None) -> Measured:
    """The same, positive to the side to which FF1 pushes, or pushes the main group."""
    same = np.ones(len(raw.lengths["FF2"]))
    if main is None:
        signs = same if signs is None else signs
        start = signs * raw.start("FF1", config.start)
        side = field_side(start[np.isfinite(start)])
    else:
        side = main.measures[raw.name].side
        if main.signs is None:
            signs = same
        elif signs is None and np.ptp(main.signs) > 0.0:
            raise ValueError(
                f"{config.sham} has no column perturbation, which {config.table} needs: it has two signs"
            )
        elif signs is None:
            signs = main.signs[0] * same
    directions: Floats = side * signs
    phases = {phase: directions[:, None] * values for phase, values in raw.phases.items()}
    return dataclasses.replace(raw, side=side, phases=phases)


def _refuse_growing(path: Path, measured: Measured, start: int) -> None:
    """Refuse what grows in FF1 from little to much: it is what participants learn, not their error."""
    first, last = measured.start("FF1", start), measured.quarter("FF1", last=True)
    both = np.isfinite(first) & np.isfinite(last)
    if both.sum() < 2:
        return
    before, after = float(first[both].mean()), float(last[both].mean())
    grown = math.copysign(1.0, after) * (last - first)[both]
    if abs(after) > GROWN * abs(before) and mean_interval(grown)[0] > 0.0:
        raise ValueError(
            f"{path}: {measured.name} grows in FF1, from {before:.3g} to {after:.3g} {measured.unit} (first "
            "trials and last quarter, means): it seems to be what participants learn, such as the angle of "
            "the hand, and not their error; give the error, such as the angle of the cursor. The learning of "
            "a perturbation that grows by itself cannot be measured here"
        )
