"""The numbers of the study, each declared once, and how ours compare with them.

The study is Shahbazi, Codol, Michaels & Gribble, eLife 14:RP107423 (2026): 40 networks of 128 units, phases
of 10 000, 3 200, 10 000 and 3 200 batches. Each `Reference` is one number of its results; a `Quantity` of
ours with the same name is compared with it.

Printed numbers are exact to their last digit. Numbers read off a plot carry a reading error: 0.2 mm, or 0.01
for a pure number or a speed, and half of the last digit if that is more; rates are read to 0.0002.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from experiments.runs.tables import NO_INTERVAL, Ends, finite_or_none
from savings_gym.arrays import as_choice
from savings_gym.metrics.statistics import CONFIDENCE, Sampling, estimate
from savings_gym.task.settings import N_TARGETS

PRINTED, READ, ROUND = "printed", "read off a plot", "the middle of a printed range, or rounded"
SOURCES: Final = (PRINTED, READ, ROUND)
VERDICTS: Final = ("agrees", "undecided", "differs", "not testable")
NETWORKS: Final = 40
BATCHES: Final = (0, 100, 200, 300, 500, 750, 1000)  # of the learning curves
SIZES: Final = (32, 64, 128, 256)  # units
DISPLACEMENTS: Final = (-2, -1, 0, 1, 2)
RATE_WINDOW: Final = 5 * N_TARGETS  # trials in the window of 5 batches that is the study's unit of time
LOSS_WINDOW: Final = 100  # tests before a batch over which the study averages its position loss
LEVEL: Final = 1.0 - CONFIDENCE  # of every test
SPREAD_MM: Final = (
    0.45  # between FF2's start in the study's main set, 33.7 mm, and its displaced set, 34.15 mm
)
SPREAD_SAVED_MM: Final = 0.1  # of FF1 - FF2 between them, 1.0 and 0.9 mm
SPREAD_SHARE: Final = SPREAD_MM / 33.7  # the first as a share, for numbers that the study gives once
NOT_MEASURED: Final = "no figure of this run measured it"


@dataclass(frozen=True)
class Quantity:
    """One number that a figure reports.

    Attributes:
        name: Name of the `Reference` if the study has this number; unique in a figure.
        value: In `unit`; None if it could not be determined, in which case `note` gives the reason.
        ci: 95 % interval over networks; None for ends that do not exist.
        networks: Networks behind the value.
        unit: mm, m/s, 1, ...; 1 for a pure number.
        p: Two-sided p of its own test, if it has one; `note` names the test if it is not the t test.
        note: What else a reader must know.
        values: One value per network, in `unit`, whose mean is `value`, to six significant digits; empty for
            a number that is not such a mean.
        p_holm: p corrected for the number of effects that the figure's text claims; None if it claims none
            of this number.
    """

    name: str
    value: float | None
    ci: Ends
    networks: int
    unit: str
    p: float | None = None
    note: str = ""
    values: tuple[float, ...] = ()
    p_holm: float | None = None

    def __post_init__(self) -> None:
        """Turn NaN and infinity, also NumPy's, into None, so that every quantity goes through JSON."""
        for name in ("value", "p", "p_holm"):
            object.__setattr__(self, name, finite_or_none(getattr(self, name)))
        low, high = self.ci
        object.__setattr__(self, "ci", (finite_or_none(low), finite_or_none(high)))
        object.__setattr__(self, "networks", int(self.networks))
        object.__setattr__(self, "values", tuple(float(f"{value:.6g}") for value in self.values))


def quantity(
    name: str,
    values: ArrayLike,
    unit: str,
    sampling: Sampling,
    *,
    scale: float = 1.0,
    test: bool = True,
    note: str = "",
) -> Quantity:
    """Return the mean over networks as a quantity, with its interval, its test and its values.

    Args:
        name: Name of the quantity.
        values: (n,) one per network, in SI units.
        unit: Unit of the quantity.
        sampling: Seed and sizes of the interval.
        scale: From SI to `unit`, 1000 for mm.
        test: Whether the t test against zero means something here.
        note: As in `Quantity`.
    """
    mean = estimate(values, sampling)
    low, high = mean.ci
    return Quantity(
        name, scale * mean.mean, (scale * low, scale * high), mean.networks, unit, mean.p if test else None,
        note, tuple(scale * np.asarray(values, dtype=np.float64)),
    )  # fmt: skip


def unpaired(name: str, first: ArrayLike, second: ArrayLike, unit: str) -> Quantity:
    """Return how much larger the mean of one sample is than that of another, of other networks or people.

    With the interval and p of Welch's t test, which lets the samples differ in their spread; neither if one
    has fewer than two values, or none of them has any spread. The note has both sizes.

    Args:
        name: Name of the quantity.
        first: (n,) finite, in `unit`.
        second: (m,) finite.
        unit: Of both.
    """
    from scipy.stats import ttest_ind  # a second of import

    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    note, count = f"{one.size} and {other.size}", one.size + other.size
    if min(one.size, other.size) == 0:
        return Quantity(name, None, NO_INTERVAL, count, unit, note=note)
    difference = float(one.mean() - other.mean())
    if min(one.size, other.size) < 2 or max(np.ptp(one), np.ptp(other)) == 0.0:
        return Quantity(name, difference, NO_INTERVAL, count, unit, note=note)
    test = ttest_ind(one, other, equal_var=False)
    low, high = test.confidence_interval(CONFIDENCE)
    return Quantity(name, difference, (float(low), float(high)), count, unit, float(test.pvalue), note)


@dataclass(frozen=True)
class Reference:
    """One number of the study.

    Attributes:
        name: Name of the `Quantity` to compare with it.
        value: In `unit`.
        unit: As in `Quantity`.
        source: One of `SOURCES`.
        where: Where in the study.
        error: Reading error, or half the range if the study gives a range.
        spread: How far the study's own two sets of networks lie apart; by default half the length of its
            interval, or else `SPREAD_SHARE` of the value.
        ci: Interval that the study gives.
        null: Value that means no effect (0 for a difference, 1 for a ratio, 0.5 for a fraction); None for a
            magnitude, such as a speed, whose sign means nothing.
        networks: Networks in the study.
        why_not: Why we cannot measure it from stored runs, if that is known beforehand.
    """

    name: str
    value: float
    unit: str
    source: str
    where: str
    error: float = 0.0
    ci: Ends = NO_INTERVAL
    null: float | None = None
    networks: int = NETWORKS
    why_not: str = ""
    spread: float | None = None

    @property
    def margin(self) -> float:
        """How far a number of ours may lie from the study's and still be the same."""
        low, high = self.ci
        if self.spread is not None:
            spread = self.spread
        elif low is not None and high is not None:
            spread = (high - low) / 2.0
        else:
            spread = SPREAD_SHARE * abs(self.value)
        return spread + self.error

    def __post_init__(self) -> None:
        """Refuse what a typing error would break."""
        as_choice("source", self.source, SOURCES)
        if not 0.0 <= self.error < math.inf:
            raise ValueError(f"the error of {self.name} must be finite and at least 0, got {self.error}")


def curve(phase: str, batch: int) -> str:
    """Return the name of the deviation at a batch of the learning curve of FF1 or FF2."""
    return f"deviation {phase}, batch {batch}"


def fraction(measure: str, units: int) -> str:
    """Return the name of the all-pairs fraction with savings.

    Args:
        measure: ``"rate"`` or ``"initial deviation"``.
        units: Size of the networks.
    """
    return f"all-pairs fraction with savings, {measure}, {units} units"


def displaced(magnitude: int) -> str:
    """Return the name of the initial deviation after a displacement by m times the shift."""
    return f"initial deviation, displaced by {format(magnitude, '+d') if magnitude else 0}"


def position_loss(phase: str, batch: int | None = None) -> str:
    """Return the name of the position loss before a batch of a phase, or at the end of the phase."""
    return f"position loss, end of {phase}" if batch is None else f"position loss {phase}, batch {batch}"


INITIAL_FF1, INITIAL_FF2 = "initial deviation FF1", "initial deviation FF2"
INITIAL_SAVINGS, INITIAL_SHARE = "initial savings, FF1 - FF2", "initial savings, share of FF1"
AFTER_EFFECT, RESIDUAL = "after-effect, start of NF2", "washout residual, NF1 - NF2"
RATE_FF1, RATE_FF2 = "learning rate FF1", "learning rate FF2"  # per window of 5 batches
RATE_RATIO, RATE_EFFECT = "rate savings, FF2 / FF1", "rate savings, mean / SD over networks"
SHIFT_NF2, SHIFT_FF2 = "preparatory shift in NF2 (NF1 = 0, FF1 = 1)", "preparatory shift in FF2"
SLOPE, DISPLACED_FF1 = "displacement slope", "initial deviation FF1, beside the displacements"
PEAK_SPEED = "peak hand speed"

_CURVES = {
    "FF1": (34.6, 25.0, 18.5, 14.6, 9.0, 5.2, 3.5),
    "FF2": (33.6, 23.0, 16.4, 12.5, 7.0, 3.9, 2.8),
}  # mm
_FRACTIONS = {"rate": (0.65, 0.69, 0.73, 0.795), "initial deviation": (0.46, 0.53, 0.665, 0.795)}
_DISPLACED = (35.0, 34.6, 34.15, 33.7, 33.25)  # mm
_LOSSES = {
    "FF1": {100: (29.03, 0.55), 500: (23.01, 0.43), 3200: (21.31, 0.29)},
    "FF2": {100: (28.23, 0.67), 500: (22.34, 0.42), 3200: (21.15, 0.26)},
}  # and their printed +-
PHASES_OF_LOSSES: Final = tuple((phase, batch) for phase, its in _LOSSES.items() for batch in its)


def _read_mm(
    name: str, value: float, where: str, error: float = 0.2, null: float | None = None,
    spread: float = SPREAD_MM,
) -> Reference:  # fmt: skip
    return Reference(name, value, "mm", READ, where, error, null=null, spread=spread)


def _initial() -> list[Reference]:
    where = "initial deviations"
    return [
        Reference(INITIAL_FF1, 34.7, "mm", READ, where, 0.2, (34.2, 35.2), spread=SPREAD_MM),
        Reference(INITIAL_FF2, 33.7, "mm", READ, where, 0.2, (33.2, 34.2), spread=SPREAD_MM),
        _read_mm(INITIAL_SAVINGS, 0.9, where, null=0.0, spread=SPREAD_SAVED_MM),
        Reference(INITIAL_SHARE, 2.7, "%", READ, where, 0.6, null=0.0, spread=0.3),  # of 34.7 mm, as above
    ]


def _learning() -> list[Reference]:
    where = "learning curves"
    rows = [
        _read_mm(curve(phase, batch), value, where)
        for phase, values in _CURVES.items()
        for batch, value in zip(BATCHES, values, strict=True)
    ]
    rows.append(_read_mm(AFTER_EFFECT, -36.0, where, 0.5, null=0.0))
    rate, unit = "learning rates", "per 5 batches"
    return [
        *rows,
        Reference(RATE_FF1, 0.0147, unit, READ, rate, 2e-4),
        Reference(RATE_FF2, 0.0178, unit, READ, rate, 2e-4),
        Reference(RATE_RATIO, 1.21, "1", READ, rate, 0.02, null=1.0),
        # the study prints the paired t, about 9, which grows with the networks: 9 / sqrt(40), 8.5 to 9.5
        Reference(RATE_EFFECT, 1.42, "1", ROUND, "paired t over networks, about 9", 0.08, null=0.0),
        # 0.111 with t(39) = 2.22: its interval is 0.111 -+ 2.02 * 0.111 / 2.22
        Reference(RESIDUAL, 0.111, "mm", PRINTED, "t(39) = 2.22, p = .032", 5e-4, (0.010, 0.212), null=0.0),
    ]


def _losses() -> list[Reference]:
    where = f"position term of the loss, mean of the last {LOSS_WINDOW} tests before the batch"
    reason = "the run has no distance to the goal in its probes"
    rows = [
        Reference(
            position_loss(phase, batch), value, "1", PRINTED, where, 5e-3,
            (round(value - spread, 2), round(value + spread, 2)), why_not=reason,
        )
        for phase, values in _LOSSES.items()
        for batch, (value, spread) in values.items()
    ]  # fmt: skip
    ends = {"NF1": 20.67, "NF2": 20.61}
    return rows + [
        Reference(position_loss(phase), value, "1", PRINTED, "position term of the loss, last test", 5e-3)
        for phase, value in ends.items()
    ]


def _sizes() -> list[Reference]:
    return [
        Reference(fraction(measure, units), value, "1", READ, "savings against network size", 0.01, null=0.5)
        for measure, values in _FRACTIONS.items()
        for units, value in zip(SIZES, values, strict=True)
    ]


def _inside() -> list[Reference]:
    shift, moved = "preparatory activity on the shift", "displaced preparatory activity"
    return [
        # 0.165 to 0.20 in several analyses, t(39) = 5.4 to 7.5
        Reference(SHIFT_NF2, 0.1825, "1", ROUND, f"{shift}, 0.165 to 0.20", 0.0175, null=0.0),
        Reference(SHIFT_FF2, 1.03, "1", READ, shift, 0.01, null=0.0),
        *(
            _read_mm(displaced(m), value, moved)
            for m, value in zip(DISPLACEMENTS, _DISPLACED, strict=True)
        ),
        _read_mm(DISPLACED_FF1, 35.05, moved),
        Reference(SLOPE, -0.44, "mm per unit of shift", READ, moved, 0.05, null=0.0),
        Reference(PEAK_SPEED, 0.55, "m/s", READ, "hand speed", 0.01),
    ]  # fmt: skip


REFERENCES: Final = (*_initial(), *_learning(), *_losses(), *_sizes(), *_inside())
REFERENCE: Final = {reference.name: reference for reference in REFERENCES}


def verdict(reference: Reference, ours: Quantity | None) -> tuple[str, str]:
    """Return how a number of ours compares with the study's, and a reason if there is one to give.

    A test of equivalence, within the `Reference.margin` that was declared before the runs that are compared.

    agrees: our whole 95 % interval lies within the margin of the study's value.
    differs: our whole interval lies outside.
    undecided: the interval crosses the margin, or there is none.
    not testable: we have no value; the reason says why.

    Raises:
        ValueError: If the two are in different units.
    """
    if ours is None:
        return "not testable", reference.why_not or NOT_MEASURED
    if ours.value is None:
        return "not testable", ours.note or reference.why_not or "it could not be determined"
    if ours.unit != reference.unit:
        raise ValueError(f"{ours.name} of ours is in {ours.unit!r}, the study's is in {reference.unit!r}")
    low, high = ours.ci
    if low is None or high is None:
        return "undecided", "ours has no interval"
    bottom, top = reference.value - reference.margin, reference.value + reference.margin
    if bottom <= low and high <= top:
        return "agrees", ""
    return "differs" if high < bottom or low > top else "undecided", _direction(reference, low, high)


def _direction(reference: Reference, low: float, high: float) -> str:
    """Return whether an interval of ours has the direction of the study's effect, if there is an effect."""
    if reference.null is None or abs(reference.value - reference.null) <= reference.error:
        return ""
    if low <= reference.null <= high:
        return "ours does not measurably differ from no effect"
    return (
        "same direction"
        if (low > reference.null) == (reference.value > reference.null)
        else "opposite direction"
    )
