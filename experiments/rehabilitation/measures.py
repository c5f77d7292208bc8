"""What the experiment says: errors before, after and over therapy, and savings after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd

from experiments.claims import corrected
from experiments.figures.size import per_doubling
from experiments.rehabilitation.config import INTACT
from experiments.rehabilitation.courses import BEFORE
from experiments.rehabilitation.therapy import EVERYDAY, PRACTICE
from experiments.study import Quantity, quantity
from savings_gym.arrays import MM, Floats
from savings_gym.metrics.curves import phase_curves
from savings_gym.metrics.savings import field_side
from savings_gym.metrics.statistics import Sampling

ERROR: Final = "endpoint_error"  # distance of the hand from the target at the end of the trial [m]
PRIOR: Final = "error before the lesion"
DEFICIT: Final = "error right after the lesion, less that before"
LEFT: Final = "error at the end"
BEYOND: Final = "less error than after everyday life alone"
OVER_PRACTICE: Final = "less error than after practice"
SAVED: Final = "initial savings beyond practice"
FIRST: Final = "deviation in the first encounter"
OVER_INTACT: Final = "savings more than those of intact networks"
Values = dict[int, dict[str, Floats]]  # units to name to (n,), in m


def errors(table: pd.DataFrame) -> tuple[Floats, Floats]:
    """Return the updates of the probes of a course, and the error of every network, (n, probes) [m]."""
    means = table.groupby(["network", "update"], sort=True)[ERROR].mean().unstack()
    return means.columns.to_numpy(dtype=np.float64), means.to_numpy(dtype=np.float64)


def after(measure: str, therapy: str) -> str:
    """Return the name of a measure after a course."""
    return f"{measure}, {therapy}"


def course_values(tables: Mapping[str, pd.DataFrame]) -> dict[str, Floats]:
    """Return one value per network of one size, by the name of the measure [m].

    Args:
        tables: Therapy to the probes of its course.
    """
    curves = {therapy: errors(table) for therapy, table in tables.items()}
    updates, first = curves[EVERYDAY]
    lesion = int(np.searchsorted(updates, BEFORE)) + 1
    values = {PRIOR: first[:, lesion - 1], DEFICIT: first[:, lesion] - first[:, lesion - 1]}
    end = {therapy: its[:, -1] for therapy, (_, its) in curves.items()}
    for therapy, its in end.items():
        values[after(LEFT, therapy)] = its
    for reference, measure in ((EVERYDAY, BEYOND), (PRACTICE, OVER_PRACTICE)):
        for therapy, its in end.items():
            if reference in end and therapy not in (EVERYDAY, reference):
                values[after(measure, therapy)] = end[reference] - its
    return values


def relearning_values(tables: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]]) -> dict[str, Floats]:
    """Return what the four phases after courses say of one size, one value per network [m].

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
    for course in tables:
        if course != INTACT and INTACT in tables:
            difference = values[after(SAVED, course)] - values[after(SAVED, INTACT)]
            values[after(OVER_INTACT, course)] = difference
    return values


def claimed(name: str) -> bool:
    """Return whether the page says of a measure that it differs, or does not differ, from none."""
    return name.startswith((DEFICIT, BEYOND, OVER_PRACTICE, SAVED, OVER_INTACT))


def quantities(values: Values, seed: int) -> dict[str, dict[str, Quantity]]:
    """Return all measures by size; the tests of those that are claimed are corrected together (Holm)."""
    sampling = Sampling(seed)
    found = {
        f"{units} units": {
            name: quantity(name, its, "mm", sampling, scale=MM, test=claimed(name))
            for name, its in by_name.items()
        }
        for units, by_name in values.items()
    }
    names = [name for name in next(iter(found.values())) if claimed(name)]
    return corrected(found, names)


def trends(values: Values) -> list[Quantity]:
    """Return how errors and savings change with every doubling of units."""
    names = [name for name in next(iter(values.values())) if name.startswith((PRIOR, DEFICIT, LEFT, SAVED))]
    return [
        per_doubling(name, {units: MM * its[name] for units, its in values.items()}, "mm") for name in names
    ]
