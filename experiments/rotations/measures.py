"""What abrupt and gradual learning of a rotation leave, in numbers with tests."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from experiments.claims import corrected
from experiments.controls.rows import ControlRows, residual
from experiments.runs.networks import of_kept_networks
from experiments.study import Quantity, quantity
from savings_gym.arrays import MM, PERCENT, Floats, Indices
from savings_gym.metrics.curves import PhaseCurves, shared_networks
from savings_gym.metrics.savings import field_side
from savings_gym.metrics.statistics import Sampling
from savings_gym.metrics.trials_saved import HALF, last_shared, trials_to_half

ABRUPT: Final = "abrupt"
GRADUAL: Final = "gradual"
SHAM: Final = "sham"
AFTER: Final = "size of the after-effect in NF2 (opposite to the rotation)"
RESIDUAL: Final = "residual of the washout, end of NF2 minus end of NF1"
RESIDUAL_BEYOND: Final = "residual of the washout beyond the sham"
LARGEST: Final = "largest error in FF1"
START, TRIALS = "initial savings", "trials saved"  # what is compared
ENCOUNTER, PRACTICE = "first encounter", "equal practice"  # and with what
START_KINDS: Final = "initial savings, gradual minus abrupt"
TRIALS_KINDS: Final = "trials saved, against equal practice, gradual minus abrupt"
POINTS: Final = "percentage points"  # of differences of shares
Curves = Mapping[str, Mapping[str, PhaseCurves]]  # of every run by phase


def comparison(measure: str, kind: str, label: str) -> str:
    """Return the name of the savings of a kind of learning, against something."""
    return f"{measure}, {kind} learning, against {label}"


def quantities(
    rows: ControlRows, curves: Curves, summaries: Mapping[str, Mapping[str, Any]]
) -> list[Quantity]:
    """Return the numbers of the page: errors, what was learned, the residual of the washout, and savings.

    The tests of savings are corrected together (Holm). Those of the residual are not: a correction would make
    an incomplete washout harder to see.
    """
    sampling, side = Sampling(0), field_side(curves[ABRUPT]["FF1"].deviation[:, 0])
    numbers = []
    for name in (ABRUPT, GRADUAL):
        largest = np.max(side * curves[name]["FF1"].deviation, axis=1)
        numbers.append(_mean(f"{LARGEST}, {name}", MM * largest, "mm", sampling, test=False))
    for name in (ABRUPT, GRADUAL):
        learned = of_kept_networks(summaries[name], summaries[name]["adaptation_networks"]["FF1"])
        percent = PERCENT * np.array(learned, dtype=np.float64)
        numbers.append(_mean(f"rotation learned in FF1, {name}", percent, "%", sampling, test=False))
    for name in (ABRUPT, GRADUAL):
        after = -side * curves[name]["NF2"].deviation[:, 0]
        numbers.append(_mean(f"{AFTER}, {name}", MM * after, "mm", sampling, test=False))
    numbers += _residuals(curves, side, sampling)
    tests = []
    for label, first in ((ENCOUNTER, (ABRUPT, "FF1")), (PRACTICE, (SHAM, "FF2"))):
        for name in (ABRUPT, GRADUAL):
            saved = rows.compare(first, (name, "FF2"))
            if saved is not None and saved["initial"]:
                tests.append(_nearer(saved["initial"], comparison(START, name, label)))
                _, fewer = _fewer(curves[first[0]][first[1]], curves[name]["FF2"], side)
                tests.append(_mean(comparison(TRIALS, name, label), PERCENT * fewer, "%", sampling))
    tests.append(_mean(START_KINDS, MM * _less(curves, side), "mm", sampling))
    tests.append(_mean(TRIALS_KINDS, PERCENT * _less_saved(curves, side), POINTS, sampling))
    by_name = {entry.name: entry for entry in tests}
    return [*numbers, *corrected({"savings": by_name}, by_name)["savings"].values()]


def _residuals(curves: Curves, side: float, sampling: Sampling) -> list[Quantity]:
    """What the washout leaves, positive to the side of the after-effect: of each run, and beyond the sham."""
    left = {name: -side * MM * residual(dict(curves[name])) for name in (ABRUPT, GRADUAL, SHAM)}
    found = [_mean(f"{RESIDUAL}, {name}", its, "mm", sampling) for name, its in left.items()]
    for name in (ABRUPT, GRADUAL):
        ours, theirs = shared_networks(curves[name]["NF2"].networks, curves[SHAM]["NF2"].networks)
        beyond = left[name][ours] - left[SHAM][theirs]
        found.append(_mean(f"{RESIDUAL_BEYOND}, {name}", beyond, "mm", sampling))
    return found


def _less(curves: Curves, side: float) -> Floats:
    """(n,) how much closer to the target FF2 begins after gradual than after abrupt learning [m]."""
    abrupt, gradual = (curves[name]["FF2"] for name in (ABRUPT, GRADUAL))
    first, second = shared_networks(abrupt.networks, gradual.networks)
    nearer: Floats = side * (abrupt.deviation[first, 0] - gradual.deviation[second, 0])
    return nearer


def _mean(name: str, values: Floats, unit: str, sampling: Sampling, test: bool = True) -> Quantity:
    """A mean over the networks that have a value; their values stand in the runs."""
    entry = quantity(name, values[np.isfinite(values)], unit, sampling, test=test)
    return dataclasses.replace(entry, values=())


def _nearer(initial: Mapping[str, Any], name: str) -> Quantity:
    """How much closer to the line FF2 begins."""
    low, high = (None if end is None else MM * end for end in initial["ci"])
    value, networks = MM * initial["difference"], initial["networks"]
    return Quantity(name, value, (low, high), networks, "mm", p=initial["p"])


def _fewer(before: PhaseCurves, after: PhaseCurves, side: float) -> tuple[Indices, Floats]:
    """Numbers of the networks, and the share of the trials to half of the first deviation that they save.

    A network that is never down to it counts as all trials that the phases share. Phases end far from the
    asymptote of the curve here, so that the rates of exponentials would say little.
    """
    criterion = HALF * side * float(before.deviation[:, 0].mean())
    first, second = shared_networks(before.networks, after.networks)
    last = last_shared(before, after)
    slow = trials_to_half(before, criterion, side, last=last)[first]
    saved: Floats = 1.0 - trials_to_half(after, criterion, side, last=last)[second] / slow
    return before.networks[first], saved


def _less_saved(curves: Curves, side: float) -> Floats:
    """(n,) trials saved against equal practice, after gradual learning minus after abrupt learning."""
    sham = curves[SHAM]["FF2"]
    (one, abrupt), (two, gradual) = (_fewer(sham, curves[name]["FF2"], side) for name in (ABRUPT, GRADUAL))
    first, second = shared_networks(one, two)
    difference: Floats = gradual[second] - abrupt[first]
    return difference
