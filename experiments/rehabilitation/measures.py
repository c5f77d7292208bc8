"""What the experiment measures: errors before, after and over courses of therapy, and savings after them.

Why the tests are as they are:

*Ratios.* Errors of networks spread in proportion to their size, and small networks reach less accurately
before any lesion. So errors are compared as ratios, to the same network's error before the lesion or after
another course. Means are geometric, and t tests and t intervals are those of the logarithms.

*Network i of all sizes is one case.* In a course, network i of every size draws the same reaches and noise,
so networks of different sizes are not independent. The logarithms of network i are averaged over the sizes
(every size counts alike, so that size is a stratum), or fitted by a line over them, and tests and intervals
run over the n averages or slopes. That holds whether the draws make networks alike or not; treating all
networks as independent would hold only if they do not.

*Families.* Tests that answer one question are corrected together (Holm): how far everyday life undoes
practice, how other courses compare with practice at once, what changes with size, and savings. That a lesion
makes errors larger is no question, and is not tested. Everyday life alone has fewer updates than the other
courses, so it is tested against none of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from experiments.claims import corrected
from experiments.rehabilitation.config import Rehabilitation
from experiments.rehabilitation.courses import BEFORE
from experiments.rehabilitation.therapy import EVERYDAY, PRACTICE
from experiments.runs.tables import NO_INTERVAL
from experiments.study import Quantity, quantity
from savings_gym.arrays import MM, Floats
from savings_gym.metrics.curves import phase_curves
from savings_gym.metrics.savings import field_side
from savings_gym.metrics.statistics import Sampling, estimate

ERROR: Final = "endpoint_error"  # distance of the hand from the target at the end of the trial [m]
PRIOR: Final = "error before the lesion"
DEFICIT: Final = "error right after the lesion"
PRACTISED: Final = "error at the end of practice"
LEFT: Final = "error at the end"
WAITED: Final = "error after practice at once, as long after its end"  # as at the end of the course named
CHANGED: Final = "change of the error in everyday life after practice"
FIRST: Final = "deviation in the first encounter"
SAVED: Final = "initial savings beyond the sham"
DOUBLING: Final = "change with every doubling of units"
COURSE, THERAPY, SIZE, SAVINGS = (
    "course of recovery", "compared with practice at once", "size of the networks", "savings",
)  # fmt: skip
Values = dict[int, dict[str, Floats]]  # units to name to (n,) [m]
Numbers = dict[str, dict[str, Quantity]]  # family to name to quantity


def errors(table: pd.DataFrame) -> tuple[Floats, Floats]:
    """Return the updates of the probes of a course, and the error of every network, (n, probes) [m]."""
    means = table.groupby(["network", "update"], sort=True)[ERROR].mean().unstack()
    return means.columns.to_numpy(dtype=np.float64), means.to_numpy(dtype=np.float64)


def error_at(curve: tuple[Floats, Floats], update: int) -> Floats:
    """Return the error of every network at the last probe up to an update, (n,) [m].

    Args:
        curve: What `errors` returned.
        update: From `BEFORE` on.
    """
    updates, its = curve
    return its[:, np.searchsorted(updates, update, side="right") - 1]


def after(measure: str, course: str) -> str:
    """Return the name of a measure after a course."""
    return f"{measure}, {course}"


def course_values(tables: Mapping[str, pd.DataFrame], config: Rehabilitation) -> dict[str, Floats]:
    """Return the errors of the networks of one size at the times that are compared, (n,) [m] by name.

    Args:
        tables: Therapy to the probes of its course.
        config: The arguments.
    """
    curves = {therapy: errors(table) for therapy, table in tables.items()}
    once = curves[PRACTICE]
    values = {PRIOR: error_at(once, BEFORE), DEFICIT: error_at(once, 0)}
    end, rest = practice_and_rest(config, PRACTICE)
    for therapy, curve in curves.items():
        its_end, its_rest = practice_and_rest(config, therapy)
        if therapy != EVERYDAY:
            values[after(PRACTISED, therapy)] = error_at(curve, its_end)
            if its_rest < rest:
                values[after(WAITED, therapy)] = error_at(once, end + its_rest)
        values[after(LEFT, therapy)] = curve[1][:, -1]
    return values


def practice_and_rest(config: Rehabilitation, therapy: str) -> tuple[int, int]:
    """Return the update after which a course has no more practice, and the updates from there to its end."""
    *until, last = config.blocks(therapy)
    return sum(block.updates for block in until), last.updates


def relearning_values(tables: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]]) -> dict[str, Floats]:
    """Return what the four phases after courses say of the networks of one size, (n,) [m] by name.

    Savings are how much nearer to the line networks begin FF2 than those of the sham, which practised
    without a field in place of FF1.

    Args:
        tables: Course to the probes of its four phases and to those of its sham.
    """
    values: dict[str, Floats] = {}
    for course, (run, sham) in tables.items():
        curves, practised = phase_curves(run), phase_curves(sham)
        first = curves["FF1"].deviation[:, 0]
        side = field_side(first)
        values[after(FIRST, course)] = side * first
        values[after(SAVED, course)] = side * (
            practised["FF2"].deviation[:, 0] - curves["FF2"].deviation[:, 0]
        )
    return values


def quantities(values: Values, config: Rehabilitation) -> Numbers:
    """Return what the page reports, by family; the tests of a family are corrected together (Holm)."""
    sampling = Sampling(config.seed)
    found = {
        COURSE: _course(values, config.therapies, sampling),
        THERAPY: _therapies(values, config.therapies, sampling),
        SIZE: _sizes(values, config.therapies, sampling),
        SAVINGS: _savings(values, config.relearn, sampling),
    }
    return {family: corrected({family: its}, its)[family] for family, its in found.items()}


def at_size(measure: str, units: int) -> str:
    """Return the name of a measure of the networks of one size."""
    return f"{measure}, {units} units"


def doubling(measure: str) -> str:
    """Return the name of the change of a measure with size."""
    return f"{measure}: {DOUBLING}"


def _ratios(values: Values, name: str, reference: str) -> Floats:
    """Return one measure divided by another, (sizes, n)."""
    return np.stack([its[name] / its[reference] for its in values.values()])


def _multiple(name: str, ratios: Floats, sampling: Sampling, unit: str = "1") -> Quantity:
    """Return the geometric mean of (sizes, n) positive values, without a test."""
    logs = estimate(np.log(ratios).mean(axis=0), sampling)
    low, high = np.exp(logs.ci)
    return Quantity(name, float(np.exp(logs.mean)), (low, high), logs.networks, unit)


def _change(name: str, logs: Floats, sampling: Sampling, note: str = "") -> Quantity:
    """Return the change in per cent that (n,) mean logarithms of ratios stand for, with their t test."""
    mean = estimate(logs, sampling)
    low, high = 100.0 * np.expm1(mean.ci)
    return Quantity(
        name, float(100.0 * np.expm1(mean.mean)), (low, high), mean.networks, "%", mean.p, note
    )  # fmt: skip


def _course(values: Values, therapies: Sequence[str], sampling: Sampling) -> dict[str, Quantity]:
    """Errors as multiples of those before the lesion, and how everyday life changes them after practice."""
    names = [DEFICIT, *(after(name, therapy) for therapy in therapies for name in (PRACTISED, LEFT))]
    found = {
        name: _multiple(name, _ratios(values, name, PRIOR), sampling)
        for name in names
        if all(name in its for its in values.values())
    }
    for therapy in therapies:
        if therapy != EVERYDAY:
            ratios = _ratios(values, after(LEFT, therapy), after(PRACTISED, therapy))
            name = after(CHANGED, therapy)
            found[name] = _change(name, np.log(ratios).mean(axis=0), sampling)
    return found


def _therapies(values: Values, therapies: Iterable[str], sampling: Sampling) -> dict[str, Quantity]:
    """Errors relative to practice at once: at the end of practice, at the end, at equal time since practice.

    Notes say how many networks have less error.
    """
    found = {}
    for therapy in therapies:
        if therapy in (EVERYDAY, PRACTICE):
            continue
        pairs = {
            after(PRACTISED, therapy): (after(PRACTISED, therapy), after(PRACTISED, PRACTICE)),
            after(LEFT, therapy): (after(LEFT, therapy), after(LEFT, PRACTICE)),
            after(WAITED, therapy): (after(LEFT, therapy), after(WAITED, therapy)),
        }
        for name, (its, reference) in pairs.items():
            if all(reference in of_size for of_size in values.values()):
                ratios = _ratios(values, its, reference)
                less = f"less error in {np.sum(ratios < 1.0)} of {ratios.size} networks"
                found[name] = _change(name, np.log(ratios).mean(axis=0), sampling, note=less)
    return found


def sized(therapies: Iterable[str]) -> list[str]:
    """Return the names of the measures that are compared between sizes."""
    return [PRIOR, DEFICIT, after(PRACTISED, PRACTICE), *(after(LEFT, therapy) for therapy in therapies)]


def _sizes(values: Values, therapies: Sequence[str], sampling: Sampling) -> dict[str, Quantity]:
    """Errors size by size, those after the lesion as multiples of those before it, and how they change."""
    found = {}
    for name in sized(therapies):
        prior = name == PRIOR
        its = np.stack([MM * of[name] if prior else of[name] / of[PRIOR] for of in values.values()])
        for units, row in zip(values, its, strict=True):
            key = at_size(name, units)
            found[key] = _multiple(key, row[None], sampling, "mm" if prior else "1")
        key = doubling(name)
        found[key] = (
            _change(key, slopes(tuple(values), np.log(its)), sampling)
            if len(values) > 1
            else Quantity(key, None, NO_INTERVAL, 0, "%", note="networks of one size")
        )
    return found


def _savings(values: Values, courses: Sequence[str], sampling: Sampling) -> dict[str, Quantity]:
    """First deviations, and savings size by size, over all sizes, and with every doubling of size."""
    found = {}
    for course in courses:
        first, saved = after(FIRST, course), after(SAVED, course)
        for units, its in values.items():
            key = at_size(saved, units)
            found[key] = quantity(key, its[saved], "mm", sampling, scale=MM, test=False)
        by_size = {name: np.stack([its[name] for its in values.values()]) for name in (first, saved)}
        found[first] = quantity(first, by_size[first].mean(axis=0), "mm", sampling, scale=MM, test=False)
        found[saved] = quantity(saved, by_size[saved].mean(axis=0), "mm", sampling, scale=MM)
        if len(values) > 1:
            key = doubling(saved)
            found[key] = quantity(key, slopes(tuple(values), by_size[saved]), "mm", sampling, scale=MM)
    return found


def slopes(sizes: Sequence[int], values: Floats) -> Floats:
    """Return the change of (sizes, n) values with every doubling of size, (n,), by least squares."""
    x = np.log2(np.asarray(sizes, dtype=np.float64))
    x -= x.mean()
    return x @ values / (x @ x)
