"""Trial tables: reading one, its trials in order, and what measures and models take from it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from savings_gym.arrays import Array, Columns, Floats, as_choice, as_whole_number
from savings_gym.metrics.sides import refuse_opposite_sides
from savings_gym.models.design import Design
from savings_gym.trials.cells import FileColumn, file_columns

KEYS: Final = ("participant", "phase", "trial")
MEASURES: Final = ("lateral_deviation", "angle", "force_index")
OPTIONAL: Final = ("target", *MEASURES, "perturbation", "clamp", "channel")
LARGEST_SIZE: Final = 5.0  # of a perturbation, in units of the one to be learned
UNITS: Final[Mapping[str, Mapping[str, float]]] = {  # unit to what a number in it is in SI
    "lateral_deviation": {"m": 1.0, "cm": 0.01, "mm": 0.001},
    "angle": {"rad": 1.0, "deg": math.pi / 180.0},
}


@dataclass(frozen=True, eq=False)
class TrialTable:
    """Trials in the order of participants and trials; see `read_trials`.

    Attributes:
        participant: (n,) names.
        phase: (n,) names.
        trial: (n,) numbers.
        target: (n,) names; empty strings without such a column.
        values: Measures, and what else is numeric, (n,) each, by the name of the column; SI, NaN if missing.
    """

    participant: Array
    phase: Array
    trial: Array
    target: Array
    values: Mapping[str, Floats]

    @property
    def participants(self) -> tuple[str, ...]:
        """Names of the participants, in the order of the file."""
        return tuple(dict.fromkeys(self.participant.tolist()))

    @property
    def phases(self) -> tuple[str, ...]:
        """Names of the phases, in the order of the first participant's trials."""
        return tuple(dict.fromkeys(self.phase.tolist()))

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures that the table has."""
        return tuple(name for name in MEASURES if name in self.values)

    def signs(self, phase: str | None = None) -> Floats | None:
        """Return the sign of the perturbation that every participant meets, (n,); 0 without one.

        Args:
            phase: That of the largest one in this phase; None takes the first one that is met.

        Returns:
            The signs; None if the table has no column ``perturbation``.
        """
        if "perturbation" not in self.values:
            return None
        signs = np.zeros(len(self.participants))
        for i, person in enumerate(self.participants):
            sizes = np.nan_to_num(self.values["perturbation"][self._rows(person, phase)])
            met = sizes[sizes != 0.0]
            if met.size:
                signs[i] = np.sign(met[0] if phase is None else met[np.argmax(np.abs(met))])
        return signs

    def probe_table(self, measure: str | None = None, block: int = 1, start: int = 1) -> Columns:
        """Return means of trials as a probe table, for `phase_curves`, `savings` and figures.

        The first row of a phase is the mean of its first trials: they stand for a probe before any learning
        in it, and with more than one, a part of what is learned in them counts as known before. The next row
        is the mean of what is left of their block, every later one that of a block, at the middle of its
        trials. What is left of a phase after its last whole block, and what only some participants have, is
        left out. So are errors in channels and clamps, which are not the learner's. If the first
        perturbations of participants differ in sign, errors of those who meet a negative one change their
        sign. The measure becomes the column ``lateral_deviation``: for an angle, read rad where the measures
        of savings say m.

        Args:
            measure: Its name; None takes the first that the table has.
            block: Trials per block, for example the number of targets.
            start: Trials of the first row.

        Returns:
            The columns network (position in `participants`), phase, update, trial, target (0) and
            lateral_deviation.

        Raises:
            ValueError: If there is no such measure, a participant lacks a phase, a phase is shorter than a
                block or than `start`, rows have no value, or FF1 clearly pushes participants to both sides
                and the table has no column ``perturbation``.
        """
        block, start = as_whole_number("block", block, least=1), as_whole_number("start", start, least=1)
        values = self._to_one_side(self._measure(measure))
        parts = []
        for phase in self.phases:
            trials = [values[self._rows(name, phase)] for name in self.participants]
            shortest, least = min(len(own) for own in trials), max(block, start)
            if shortest < least:
                fewest = min(range(len(trials)), key=lambda i: len(trials[i]))
                what = "one block" if least == block else "its start"
                raise ValueError(
                    f"participant {self.participants[fewest]} has {len(trials[fewest])} trials in phase "
                    f"{phase}, expected at least {least}, {what}"
                )
            edges = np.array([0, start, *range(block * (start // block + 1), shortest + 1, block)])
            mean = np.stack([_means_between(own, edges) for own in trials])
            self._refuse_empty(np.isnan(mean), phase, edges)
            participant, update = (index.ravel() for index in np.indices(mean.shape))
            middle = (edges[:-1] + edges[1:] - 1) // 2
            parts.append((participant, np.full(mean.size, phase), update, middle[update], mean.ravel()))
        names = ("network", "phase", "update", "trial", "lateral_deviation")
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
        table: Columns = dict(zip(names, columns, strict=True))
        return table | {"target": np.zeros_like(table["update"])}

    def series(
        self,
        participant: str,
        perturbation: Mapping[str, float] | None = None,
        measure: str | None = None,
    ) -> tuple[Design, Floats, Array]:
        """Return the trials of one participant for a model of learning.

        Args:
            participant: Name of the participant.
            perturbation: Phase to the size of its perturbation, such as ``{"NF1": 0, "FF1": 1}``; None takes
                the column of that name.
            measure: Its name; None takes the first that the table has. A force index is adaptation, the
                others are errors.

        Returns:
            The design, the measure of every trial (T,), NaN where there is none, and the phases (T,).

        Raises:
            ValueError: If there is no such participant or measure, a phase has no perturbation, one is larger
                than `LARGEST_SIZE`, or trials are missing, in which the participant may have learned.
        """
        if participant not in self.participants:
            raise ValueError(f"no participant {participant!r}; choose from: {', '.join(self.participants)}")
        rows = self._rows(participant)
        self._refuse_gaps(participant, rows)
        observed, phase = self.values[self._measure(measure)][rows], self.phase[rows]
        channel = np.nan_to_num(self._column("channel", rows)) == 1.0
        clamp = np.where(channel, np.nan, self._column("clamp", rows))
        return Design(self._perturbation(rows, channel, perturbation), clamp, channel), observed, phase

    def _perturbation(self, rows: Array, channel: Array, sizes: Mapping[str, float] | None) -> Floats:
        """Size of the perturbation of every trial; 0 in a channel."""
        if sizes is None:
            if "perturbation" not in self.values:
                raise ValueError(
                    "the table has no column perturbation: give the size of every phase, such as "
                    f"perturbation={ {phase: 0 for phase in self.phases} }"
                )
            size = np.where(channel, 0.0, self.values["perturbation"][rows])
            if np.isnan(size).any():
                raise ValueError(f"trial {self.trial[rows][np.isnan(size)][0]} has no perturbation")
            return _in_units(size)
        if missing := [name for name in self.phases if name not in sizes]:
            raise ValueError(f"perturbation has no size for the phases {missing}; it has {sorted(sizes)}")
        return _in_units(np.where(channel, 0.0, np.array([float(sizes[name]) for name in self.phase[rows]])))

    def _measure(self, name: str | None) -> str:
        return self.measures[0] if name is None else as_choice("measure", name, self.measures)

    def _rows(self, participant: str, phase: str | None = None) -> Array:
        chosen = self.participant == participant
        return np.flatnonzero(chosen if phase is None else chosen & (self.phase == phase))

    def _column(self, name: str, rows: Array) -> Floats:
        return self.values[name][rows] if name in self.values else np.full(rows.size, np.nan)

    def _learners(self, measure: str) -> Floats:
        """(n,) a measure; NaN for errors in channels and clamps."""
        values, everyone = self.values[measure], np.arange(self.trial.size)
        if measure == "force_index":
            return values
        held = (self._column("channel", everyone) == 1.0) | np.isfinite(self._column("clamp", everyone))
        return np.where(held, np.nan, values)

    def _to_one_side(self, measure: str) -> Floats:
        """(n,) a measure as in `_learners`, errors to the side of the first perturbation if two are met."""
        values, signs = self._learners(measure), self.signs()
        if measure == "force_index":
            return values
        if signs is None:
            if "FF1" in self.phases:
                errors = [values[self._rows(name, "FF1")] for name in self.participants]
                refuse_opposite_sides(self.participants, errors, "FF1")
        elif {-1.0, 1.0} <= set(signs.tolist()):
            turned = [name for name, sign in zip(self.participants, signs, strict=True) if sign < 0.0]
            values = np.where(np.isin(self.participant, turned), -values, values)
        return values

    def _refuse_gaps(self, participant: str, rows: Array) -> None:
        """Refuse missing trials: within phases, and between them if numbers rise through all of them."""
        trial, phase = self.trial[rows], self.phase[rows]
        steps, begins = np.diff(trial), phase[1:] != phase[:-1]
        jumps = (steps > 1) & (~begins | (steps > 0).all())
        if jumps.any():
            i = int(np.argmax(jumps))
            where = f"phase {phase[i]}"
            advice = "keep the rows of excluded trials, with an empty cell for the measure"
            if begins[i]:
                where = f"between phases {phase[i]} and {phase[i + 1]}"
                advice += ", or number trials anew in every phase"
            raise ValueError(f"participant {participant}, {where}: trial {trial[i] + 1} is missing; {advice}")

    def _refuse_empty(self, empty: Array, phase: str, edges: Array) -> None:
        if empty.any():
            i, k = np.argwhere(empty)[0]
            first, last = edges[k] + 1, edges[k + 1]
            which = f"its trial {first} has" if first == last else f"its trials {first} to {last} have"
            raise ValueError(
                f"participant {self.participants[i]}, phase {phase}: {which} no value; use a larger "
                f"{'block' if k else 'start'}"
            )


def _means_between(values: Floats, edges: Array) -> Floats:
    """Means of the values from each edge to the next without their NaN; NaN where there is nothing else."""
    there = np.isfinite(values[: edges[-1]])
    count = np.add.reduceat(there.astype(np.int64), edges[:-1])
    total = np.add.reduceat(np.where(there, values[: edges[-1]], 0.0), edges[:-1])
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _in_units(sizes: Floats) -> Floats:
    """Sizes of perturbations; refuses those that must be in another unit."""
    largest = float(sizes[np.argmax(np.abs(sizes))])
    if abs(largest) > LARGEST_SIZE:
        raise ValueError(
            f"perturbation has the size {largest:g}, expected sizes in units of the one to be learned: 1 for "
            "a rotation of 30 degrees that is to be learned, -1 for its opposite, 0 without"
        )
    return sizes


def read_trials(
    path: str | Path,
    columns: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    phases: Mapping[str, str] | None = None,
    others: Sequence[str | Path] = (),
) -> TrialTable:
    """Read a trial table; the module's documentation lists its columns.

    Args:
        path: A .csv file, a .tsv or .txt file with tabs, or a .parquet file (needs pandas and pyarrow).
        columns: Name of a column here to its name in the file, if they differ, such as
            ``{"participant": "subj", "lateral_deviation": "max perp dist"}``.
        units: Unit of every measure that has one, such as ``{"lateral_deviation": "mm"}``: m, cm or mm, and
            rad or deg for ``angle``. There is no default.
        phases: Name of a phase in the file to its name here, such as ``{"baseline": "NF1"}``; others stay.
        others: Further tables to which `columns`, `units` and `phases` apply: a measure or phase that is
            named there must then occur in one of all these tables, otherwise in this one.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a column, a unit, a phase or a value is missing, unknown or repeated; the message names
            it.
    """
    file, names = Path(path), {**{name: name for name in (*KEYS, *OPTIONAL)}, **(columns or {})}
    for name in names:
        as_choice("column", name, (*KEYS, *OPTIONAL))
    cells = file_columns(file)
    wanted = {*KEYS, *(columns or {})}
    if lacking := [names[name] for name in names if name in wanted and names[name] not in cells]:
        raise ValueError(f"{file} has no column {lacking[0]!r}; it has {', '.join(cells)}")
    measures = [name for name in MEASURES if names[name] in cells]
    if not measures:
        raise ValueError(f"{file} has none of the measures {', '.join(MEASURES)}; map one with columns=")
    factors = {name: _factor(file, name, units or {}) for name in measures}
    tables = [cells, *(file_columns(Path(other)) for other in others)]
    _refuse_unknown(file, tables, names, units or {}, phases or {})
    numeric = [name for name in (*MEASURES, "perturbation", "clamp") if names[name] in cells]
    values = {name: factors.get(name, 1.0) * cells[names[name]].numbers() for name in numeric}
    if names["channel"] in cells:
        values["channel"] = cells[names["channel"]].flags()
    participant, phase = (cells[names[name]].names() for name in ("participant", "phase"))
    target = np.full(phase.size, "")
    if names["target"] in cells:
        target = cells[names["target"]].names_or_empty()
    renamed = np.array([(phases or {}).get(name, name) for name in phase.tolist()])
    trial = cells[names["trial"]].trial_numbers()
    return _in_order(file, TrialTable(participant, renamed, trial, target, values))


def _factor(file: Path, measure: str, units: Mapping[str, str]) -> float:
    """What a number of a measure is in SI."""
    if measure not in UNITS:
        return 1.0
    valid = UNITS[measure]
    if measure not in units:
        raise ValueError(
            f"{file}: the unit of {measure} is not given; choose from: {', '.join(valid)}, as in "
            f"units={{{measure!r}: {list(valid)[-1]!r}}}"
        )
    return valid[as_choice(f"the unit of {measure}", units[measure], valid)]


def _refuse_unknown(
    file: Path,
    tables: Sequence[Mapping[str, FileColumn]],
    names: Mapping[str, str],
    units: Mapping[str, str],
    phases: Mapping[str, str],
) -> None:
    """Refuse units of measures, and names of phases, that no table has."""
    measures = [name for name in UNITS if any(names[name] in cells for cells in tables)]
    if units and not measures:
        raise ValueError(f"{file} has no measure with a unit, got units of {', '.join(units)}")
    for name in units:
        as_choice(f"{file}: a measure in units", name, measures)
    if phases:
        own = [cells[names["phase"]].names().tolist() for cells in tables if names["phase"] in cells]
        for name in phases:
            as_choice(f"{file}: a name in phases", name, dict.fromkeys(name for each in own for name in each))


def _in_order(file: Path, table: TrialTable) -> TrialTable:
    """The table by participant, in the order of the file, and trial; refuses repeats and split phases."""
    person, place = _ranks(table.participant), np.zeros(table.trial.size, dtype=np.int64)
    if len(set(zip(person.tolist(), table.trial.tolist(), strict=True))) < person.size:
        place = _ranks(table.phase)  # trials are numbered anew in every phase
    order = np.lexsort((table.trial, place, person))
    person, place, trial, phase = person[order], place[order], table.trial[order], table.phase[order]
    twice = (np.diff(person) == 0) & (np.diff(place) == 0) & (np.diff(trial) == 0)
    if twice.any():
        row = order[int(np.argmax(twice))]
        raise ValueError(
            f"{file}: participant {table.participant[row]}, phase {table.phase[row]}: trial "
            f"{table.trial[row]} occurs twice"
        )
    begins = np.flatnonzero((np.diff(person) != 0) | (phase[1:] != phase[:-1])) + 1
    blocks = [(int(person[row]), str(phase[row])) for row in (0, *begins)]
    if len(set(blocks)) < len(blocks):
        i, name = next(block for block in blocks if blocks.count(block) > 1)
        raise ValueError(
            f"{file}: phase {name} of participant {table.participants[i]} is interrupted by another phase; "
            "give every block of trials a name of its own"
        )
    values = {name: column[order] for name, column in table.values.items()}
    return TrialTable(table.participant[order], phase, trial, table.target[order], values)


def _ranks(names: Array) -> Array:
    """Numbers of names in the order of their first appearance, (n,)."""
    number = {name: i for i, name in enumerate(dict.fromkeys(names.tolist()))}
    return np.array([number[name] for name in names.tolist()])
