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
practice (of lesioned networks, and of intact ones that take the same course), how other courses compare with
practice at once, what changes with size, and after which courses networks save. Whether any of it holds for
reaches that were not practised is another question than whether it holds for practised ones, so these have a
family each for their course and for the comparison of therapies. What causes a difference in savings is no
question of whether there are any, so the contrasts have a family of their own: lesioned against intact
networks after the same course, for the lesion, and intact networks with and without it, for the course. That
a lesion makes errors larger is no question, and is not tested; nor is that practice brings the error down in
the reaches that it consists of, but only whether it does in others (before everyday life, which consists of
such reaches, so not in spaced practice).

*Everyday life alone* has as many updates as practice at once with everyday life after it, and stands in for
the same course without practice. So it is tested against it at the end, the only time that both have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from experiments.claims import corrected
from experiments.rehabilitation.config import INTACT, INTACT_COURSES, Rehabilitation, is_intact, therapy_of
from experiments.rehabilitation.courses import BEFORE, PRACTISED_REACHES, REACHES, UNPRACTISED_REACHES
from experiments.rehabilitation.therapy import EVERYDAY, PRACTICE, SPACED
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
GENERALISED: Final = "change of the error from right after the lesion to the end of practice"
CHANGED: Final = "change of the error in everyday life after practice"
FIRST: Final = "deviation in the first encounter"
SAVED: Final = "initial savings beyond the sham"
DOUBLING: Final = "change with every doubling of units"
OF_LESION: Final = "savings of lesioned networks beyond those of intact ones"  # after the course named
OF_COURSE: Final = "savings of intact networks beyond those without a course"  # after the course named
COURSE, THERAPY, OTHER_COURSE, OTHER_THERAPY, SIZE, SAVINGS, CAUSES = (
    "course of recovery", "compared with practice at once", "unpractised reaches: course of recovery",
    "unpractised reaches: compared with practice at once", "size of the networks", "savings",
    "savings: lesion and course",
)  # fmt: skip
Values = dict[int, dict[str, Floats]]  # units to name to (n,) [m]
Numbers = dict[str, dict[str, Quantity]]  # family to name to quantity


def errors(table: pd.DataFrame, reaches: str = PRACTISED_REACHES) -> tuple[Floats, Floats]:
    """Return the updates of the probes of a course, and the error of every network, (n, probes) [m].

    Args:
        table: The probes.
        reaches: Which of their reaches, one of `REACHES`.
    """
    means = table[table["reaches"] == reaches].groupby(["network", "update"])[ERROR].mean().unstack()
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


def unpractised(measure: str) -> str:
    """Return the name of a measure of the reaches that no therapy practises."""
    return f"{UNPRACTISED_REACHES} reaches: {measure}"


def course_values(tables: Mapping[str, pd.DataFrame], config: Rehabilitation) -> dict[str, Floats]:
    """Return the errors of the networks of one size at the times that are compared, (n,) [m] by name.

    Args:
        tables: Name of a course to its probes.
        config: The arguments.
    """
    practised, others = (
        _errors_in_time({name: errors(table, reaches) for name, table in tables.items()}, config)
        for reaches in REACHES
    )
    return practised | {unpractised(name): values for name, values in others.items()}


def _errors_in_time(curves: Mapping[str, tuple[Floats, Floats]], config: Rehabilitation) -> dict[str, Floats]:
    """Return the errors at the times that are compared, given what `errors` returned for every course."""
    once = curves[PRACTICE]
    values = {PRIOR: error_at(once, BEFORE), DEFICIT: error_at(once, 0)}
    end, rest = practice_and_rest(config, PRACTICE)
    for name, curve in curves.items():
        its_end, its_rest = practice_and_rest(config, name)
        if therapy_of(name) != EVERYDAY:
            values[after(PRACTISED, name)] = error_at(curve, its_end)
            if its_rest < rest and not is_intact(name):
                values[after(WAITED, name)] = error_at(once, end + its_rest)
        values[after(LEFT, name)] = curve[1][:, -1]
    return values


def practice_and_rest(config: Rehabilitation, course_name: str) -> tuple[int, int]:
    """Return the update after which a course has no more practice, and the updates from there to its end."""
    *until, last = config.blocks(course_name)
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
    prefix = unpractised("")
    others = {
        units: {name.removeprefix(prefix): v for name, v in its.items() if name.startswith(prefix)}
        for units, its in values.items()
    }
    found = {
        COURSE: _course(values, config.courses, sampling),
        THERAPY: _therapies(values, config.therapies, sampling),
        OTHER_COURSE: _course(others, config.courses, sampling)
        | _generalisation(others, config.therapies, sampling),
        OTHER_THERAPY: _therapies(others, config.therapies, sampling, times=(PRACTISED, LEFT)),
        SIZE: _sizes(values, config.therapies, sampling),
        SAVINGS: _savings(values, config.relearn, sampling),
        CAUSES: _causes(values, config.relearn, sampling),
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


def _course(values: Values, courses: Sequence[str], sampling: Sampling) -> dict[str, Quantity]:
    """Errors as multiples of those before the lesion, and how everyday life changes them after practice."""
    names = [DEFICIT, *(after(name, course) for course in courses for name in (PRACTISED, LEFT))]
    found = {
        name: _multiple(name, _ratios(values, name, PRIOR), sampling)
        for name in names
        if all(name in its for its in values.values())
    }
    for course in courses:
        if therapy_of(course) != EVERYDAY:
            ratios = _ratios(values, after(LEFT, course), after(PRACTISED, course))
            name = after(CHANGED, course)
            found[name] = _change(name, np.log(ratios).mean(axis=0), sampling)
    return found


def _generalisation(values: Values, therapies: Iterable[str], sampling: Sampling) -> dict[str, Quantity]:
    """How the error changes from right after the lesion to the end of practice without everyday life."""
    found = {}
    for therapy in therapies:
        if therapy not in (EVERYDAY, SPACED):
            ratios = _ratios(values, after(PRACTISED, therapy), DEFICIT)
            name = after(GENERALISED, therapy)
            found[name] = _change(name, np.log(ratios).mean(axis=0), sampling)
    return found


def _therapies(
    values: Values,
    therapies: Iterable[str],
    sampling: Sampling,
    times: Sequence[str] = (PRACTISED, LEFT, WAITED),
) -> dict[str, Quantity]:
    """Errors relative to practice at once: at the end of practice, at the end, at equal time since practice.

    Notes say how many networks have less error.
    """
    found = {}
    for therapy in therapies:
        if therapy == PRACTICE:
            continue
        pairs = {
            PRACTISED: (after(PRACTISED, therapy), after(PRACTISED, PRACTICE)),
            LEFT: (after(LEFT, therapy), after(LEFT, PRACTICE)),
            WAITED: (after(LEFT, therapy), after(WAITED, therapy)),
        }
        for time in times:
            if all(its.keys() >= set(pairs[time]) for its in values.values()):
                ratios = _ratios(values, *pairs[time])
                name = after(time, therapy)
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


def _causes(values: Values, courses: Sequence[str], sampling: Sampling) -> dict[str, Quantity]:
    """How savings differ between lesioned and intact networks after a course, and with and without it."""
    found = {}
    for intact, therapy in INTACT_COURSES.items():
        for name, pair in ((OF_LESION, (therapy, intact)), (OF_COURSE, (intact, INTACT))):
            if not set(pair) <= set(courses):
                continue
            its, reference = (after(SAVED, course) for course in pair)
            beyond, name = np.stack([of[its] - of[reference] for of in values.values()]), after(name, therapy)
            for units, row in zip(values, beyond, strict=True):
                key = at_size(name, units)
                found[key] = quantity(key, row, "mm", sampling, scale=MM, test=False)
            found[name] = quantity(name, beyond.mean(axis=0), "mm", sampling, scale=MM)
    return found


def slopes(sizes: Sequence[int], values: Floats) -> Floats:
    """Return the change of (sizes, n) values with every doubling of size, (n,), by least squares."""
    x = np.log2(np.asarray(sizes, dtype=np.float64))
    x -= x.mean()
    return x @ values / (x @ x)
