"""What a trial table of people says about savings: values of every participant, and their means and tests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from experiments.claims import corrected
from experiments.people.groups import FORCE_INDEX, Group, Measured
from experiments.study import Quantity, quantity, unpaired
from savings_gym.arrays import PERCENT, Floats
from savings_gym.metrics.curves import PhaseCurves
from savings_gym.metrics.fractions import paired_fraction, paired_fraction_interval
from savings_gym.metrics.learning import WINDOW, learning_rate
from savings_gym.metrics.savings import FIELD_PHASES
from savings_gym.metrics.statistics import Sampling, ratio_interval
from savings_gym.metrics.trials_saved import HALF, trials_to_half

PER_TRIAL, TRIALS = "per trial", "trials"  # units
AFTER: Final = "after-effect"
RESIDUAL: Final = "washout residual"
INITIAL: Final = "initial savings"
RATE: Final = "rate savings"
RATIO: Final = "ratio of the learning rates, FF2 / FF1"
TRIALS_SAVED: Final = "trials saved"
FORCE_SAVED: Final = "savings in the force index"
BEYOND: Final = "beyond practice"
SAVINGS: Final = (INITIAL, RATE, TRIALS_SAVED, FORCE_SAVED)
TESTED: Final = (AFTER, *SAVINGS, *(f"{name} {BEYOND}" for name in SAVINGS))
Values = dict[str, dict[str, Floats]]  # measure to quantity to (n,), NaN for participants without it
Numbers = dict[str, dict[str, Quantity]]


def start_of(phase: str) -> str:
    """Return the name of the deviation at the start of a phase."""
    return f"start of {phase}"


def rate_of(phase: str) -> str:
    """Return the name of the learning rate in a phase."""
    return f"learning rate in {phase}"


def half_of(phase: str) -> str:
    """Return the name of the trials of a phase until the deviation is half of that at the start of FF1."""
    return f"trials to half in {phase}"


def quarter_of(phase: str, last: bool = False) -> str:
    """Return the name of the force index in the first or the last quarter of a phase."""
    return f"{'last' if last else 'first'} quarter of {phase}"


def share_of(savings: str) -> str:
    """Return the name of the share of participants who show savings."""
    return f"participants with {savings}"


def half_starts(group: Group, start: int) -> dict[str, float]:
    """Return half of the mean deviation at the start of FF1, of every measure but the force index.

    Args:
        group: The participants.
        start: Trials that count as the start of a phase.
    """
    return {
        name: HALF * float(finite(measured.start(FIELD_PHASES[0], start)).mean())
        for name, measured in group.measures.items()
        if name != FORCE_INDEX
    }


def group_values(
    group: Group,
    start: int,
    block: int,
    points: int,
    criteria: Mapping[str, float],
    fields: tuple[str, ...] = FIELD_PHASES,
) -> tuple[Values, list[str]]:
    """Return every quantity of every participant, and why some lack one.

    Args:
        group: The participants.
        start: Trials that count as the start of a phase.
        block: Trials per point of a learning curve.
        points: Points of the curves that count for learning rates and trials to half; see `shared_points`.
        criteria: Measure to the deviation to which trials are counted, that of the main group in a sham too;
            see `half_starts`.
        fields: Phases in the field; FF2 alone in a sham.

    Returns:
        Values in the units of the measures, rates per trial, and trials; and the participants without a
        value, in words.
    """
    values, reasons = {}, []
    for name, measured in group.measures.items():
        if name == FORCE_INDEX:
            values[name] = _force_index(measured)
            continue
        rates, halves = {}, {}
        for phase in fields:
            rates[phase], failures = _rates(measured, phase, fields, block, points)
            halves[phase] = _trials_to_half(measured, phase, block, points, criteria[name])
            reasons += [
                f"{name}, {rate_of(phase)} of participant {group.participants[i]}: {reason}"
                for i, reason in failures.items()
            ]
            reasons += [
                f"{name}, {half_of(phase)} of participant {group.participants[i]}: the phase ends before it"
                for i in np.flatnonzero(np.isnan(halves[phase]))
            ]
        values[name] = _errors(measured, start, rates, halves)
        reasons += _without_start(group, measured, start, fields)
    return values, reasons


def shared_points(groups: list[Group], block: int) -> int:
    """Return the number of points that the curves of FF1 and FF2 share, of the main group and its sham.

    Args:
        groups: The main group, and its sham if there is one, whose FF1 does not count.
        block: Trials per point.
    """
    fields = [FIELD_PHASES, FIELD_PHASES[1:]][: len(groups)]
    lengths = [
        int(measured.lengths[phase].max())
        for group, phases in zip(groups, fields, strict=True)
        for measured in group.measures.values()
        for phase in phases
    ]
    return min(lengths) // block


def quantities(values: Values, sham: Values | None, units: Mapping[str, str]) -> Numbers:
    """Return the means over participants, with intervals and tests, corrected (Holm) over all measures.

    Args:
        values: Of the participants.
        sham: Of those who met no field in FF1, if there are any.
        units: Measure to its unit.
    """
    sampling = Sampling()
    numbers = {}
    for measure, its in values.items():
        unit, found = units[measure], {}
        for name, of_all in its.items():
            own = PER_TRIAL if "rate" in name.split() else TRIALS if name.startswith(TRIALS) else unit
            found[name] = quantity(name, finite(of_all), own, sampling, test=name in TESTED)
        found |= {entry.name: entry for entry in _paired(its, sampling)}
        if sham is not None and measure in sham:
            found |= {entry.name: entry for entry in _beyond(its, sham[measure], unit)}
        numbers[measure] = found
    return corrected(numbers, TESTED)


def finite(values: Floats) -> Floats:
    """Return the values that are not NaN."""
    return values[np.isfinite(values)]


def _errors(
    measured: Measured, start: int, rates: Mapping[str, Floats], halves: Mapping[str, Floats]
) -> dict[str, Floats]:
    """Quantities of a deviation or an angle, which learning makes small."""
    starts = {phase: measured.start(phase, start) for phase in measured.phases}
    values = {start_of(phase): its for phase, its in starts.items()}
    if "NF2" in starts:
        values[AFTER] = -starts["NF2"]
    if {"NF1", "NF2"} <= set(starts):
        values[RESIDUAL] = measured.quarter("NF2", last=True) - measured.quarter("NF1", last=True)
    values |= {rate_of(phase): its for phase, its in rates.items()}
    values |= {half_of(phase): its for phase, its in halves.items()}
    if set(FIELD_PHASES) <= set(rates):
        values[INITIAL] = starts["FF1"] - starts["FF2"]
        values[RATE] = rates["FF2"] - rates["FF1"]
        values[TRIALS_SAVED] = halves["FF1"] - halves["FF2"]
    return values


def _force_index(measured: Measured) -> dict[str, Floats]:
    """Quantities of the force index, which learning makes large and which few trials have."""
    values = {}
    for phase in measured.phases:
        for last in (False, True):
            quarter = measured.quarter(phase, last)
            if np.isfinite(quarter).any():
                values[quarter_of(phase, last)] = quarter
    first = [quarter_of(phase) for phase in FIELD_PHASES]
    if set(first) <= set(values):
        values[FORCE_SAVED] = values[first[1]] - values[first[0]]
    return values


def _rates(
    measured: Measured, phase: str, fields: tuple[str, ...], block: int, points: int
) -> tuple[Floats, dict[int, str]]:
    """Learning rates over the trials that the field phases share, (n,), and why some have none."""
    _, curves = measured.blocks(phase, block)
    rates, failures = np.full(len(curves), np.nan), {}
    for i, curve in enumerate(curves):
        own = curve[: min(points, *(int(measured.lengths[field][i]) // block for field in fields))]
        there = np.isfinite(own)
        fit = learning_rate(block * np.flatnonzero(there), own[there])
        if fit.success and fit.amplitude > 0.0:
            rates[i] = fit.rate
        else:
            failures[i] = "the error grows" if fit.success else fit.message
    return rates, failures


def trials_in_window(block: int) -> int:
    """Return the trials over whose means a curve is read for `half_of`: whole blocks, at least `WINDOW`."""
    return block * math.ceil(WINDOW / block)


def _trials_to_half(measured: Measured, phase: str, block: int, points: int, criterion: float) -> Floats:
    """Trials until the deviation of every participant is down to a criterion, (n,).

    All trials of the points that count if it is not down to it by then; NaN if the phase of the participant
    ends earlier, or has no values.
    """
    middles, curves = measured.blocks(phase, block)
    before = (middles - 1.0).astype(np.int64)  # trials before the middle of every block
    trials = np.full(len(curves), np.nan)
    for i, curve in enumerate(curves):
        there = np.flatnonzero(np.isfinite(curve[:points]))
        if there.size:
            index = np.array([0])
            own = PhaseCurves(index, there, before[there], index, curve[None, there])
            trials[i] = trials_to_half(own, criterion, 1.0, trials_in_window(block) // block)[0]
            if np.isnan(trials[i]) and measured.lengths[phase][i] >= points * block:
                trials[i] = points * block
    return trials


def _without_start(group: Group, measured: Measured, start: int, fields: tuple[str, ...]) -> list[str]:
    """Participants without a value at the start of a phase; in a sham, of FF2."""
    trials = "no value in the first trial" if start == 1 else f"no value in the first {start} trials"
    reasons = []
    for phase in measured.phases if fields == FIELD_PHASES else fields:
        for i in np.flatnonzero(np.isnan(measured.start(phase, start))):
            reason = trials if measured.lengths[phase][i] else "no trials"
            person = group.participants[i]
            reasons.append(f"{measured.name}, {start_of(phase)} of participant {person}: {reason}")
    return reasons


def _paired(values: Mapping[str, Floats], sampling: Sampling) -> list[Quantity]:
    """What needs both field phases of the same participants: shares of those with savings, and a ratio."""
    entries = []
    for name, what, (larger, smaller) in (
        (INITIAL, start_of, FIELD_PHASES),
        (RATE, rate_of, FIELD_PHASES[::-1]),
        (TRIALS_SAVED, half_of, FIELD_PHASES),
    ):
        if name not in values:
            continue
        both = np.isfinite(values[name])
        high, low = values[what(larger)][both], values[what(smaller)][both]
        if name == RATE:
            ratio = high.mean() / low.mean() if high.size else None
            entries.append(Quantity(RATIO, ratio, ratio_interval(high, low, sampling), high.size, "1"))
        ends = paired_fraction_interval(high, low, sampling) if high.size > 1 else (np.nan, np.nan)
        share = PERCENT * paired_fraction(high, low)
        ci = (PERCENT * ends[0], PERCENT * ends[1])
        entries.append(Quantity(share_of(name), share, ci, high.size, "%"))
    return entries


def _beyond(values: Mapping[str, Floats], sham: Mapping[str, Floats], unit: str) -> list[Quantity]:
    """How much better FF2 is than in participants who only practised."""
    comparisons = {
        INITIAL: (start_of("FF2"), -1.0, unit),
        RATE: (rate_of("FF2"), 1.0, PER_TRIAL),
        TRIALS_SAVED: (half_of("FF2"), -1.0, TRIALS),
        FORCE_SAVED: (quarter_of("FF2"), 1.0, unit),
    }
    return [
        unpaired(f"{name} {BEYOND}", sign * finite(values[of]), sign * finite(sham[of]), own)
        for name, (of, sign, own) in comparisons.items()
        if of in values and of in sham
    ]
