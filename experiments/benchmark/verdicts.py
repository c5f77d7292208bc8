"""What the rows of the benchmark's table show: corrected tests, the effects they could have seen, verdicts.

Savings of an agent are tested once for the initial deviation and once for the learning rate. The test is that
of savings beyond practice, FF2 of the same seeds after an FF1 without the field less FF2, where such shams
were run; elsewhere it is that of FF1 less FF2, which practice may explain.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from experiments.benchmark.protocol import REACHED
from experiments.runs.tables import format_p
from savings_gym.arrays import MM
from savings_gym.files import jsonable
from savings_gym.metrics.power import (
    LEVEL,
    MOST_NETWORKS,
    largest_deviation,
    networks_for_effect,
    smallest_effect,
)
from savings_gym.metrics.statistics import effect_size_of_t, holm

Row = dict[str, Any]

FEWEST_SEEDS = 3  # for a verdict on adaptation and savings
MEASURES = ("initial", "rate")  # the two ways in which savings can show
NO_REACH, FIXED, FEW_SEEDS, NO_ADAPTATION = (
    "does not reach", "does not learn", "too few seeds", "no adaptation shown"
)  # fmt: skip
NO_SAVINGS = "no savings shown"
UNDECIDED = (NO_REACH, FIXED, FEW_SEEDS, NO_ADAPTATION)  # verdicts that do not come to savings
INITIAL_OF_INTEREST = 1.5e-3  # m, initial savings that a benchmark should be able to show
RATE_OF_INTEREST = 0.2  # of the rate in FF1; the study's FF2 is 1.21 times as fast
PER_THOUSAND = 1000.0  # rates are stored per trial and shown per 1000 trials
UNITS = {"initial": (MM, 1, " mm"), "rate": (PER_THOUSAND, 2, " per 1000 trials")}  # scale, decimals, unit


def add_verdicts(rows: list[Row]) -> None:
    """Add corrected p values, the power of the tests, and a verdict to every row of a table.

    Tests are two-sided t tests over seeds at 5 %, after Holm's correction, of agents that learn and reach
    (see `reaches`) with at least three seeds. There are two families:
    adaptation, and savings in both measures. An agent adapts if its force in a channel grows from NF1 to FF1
    and it has an after-effect, opposite to the first deviation. A verdict claims savings only if the agent
    adapts, and only in a measure whose corrected test is significant; see `savings_test`.
    """
    learners = [row for row in rows if _testable(row)]
    for row in learners:
        row["adaptation"] = {"p": _adaptation_p(row)}
    _correct(row["adaptation"] for row in learners)
    _correct(savings_test(row, name) for row in learners for name in MEASURES)
    for row in learners:
        for name in MEASURES:
            savings_test(row, name).update(_power(row, name, len(MEASURES) * len(learners)))
    for row in rows:
        row["verdict"] = verdict(row)


def savings_test(row: Row, name: str) -> Row:
    """Return the test of savings: beyond practice where shams were run, else FF1 against FF2.

    Args:
        row: A row of the table.
        name: "initial" or "rate".
    """
    test: Row = row["against_sham"][name] if row["against_sham"] else row[f"{name}_savings"]
    return test


def verdict(row: Row) -> str:
    """Return what a row with corrected p values shows, in a few words; see `add_verdicts`."""
    if not reaches(row):
        return NO_REACH
    if row["fixed"]:
        return FIXED
    if row["seeds"] < FEWEST_SEEDS:
        return FEW_SEEDS
    if not _significant(row["adaptation"]):
        return NO_ADAPTATION
    directions = {name: _direction(savings_test(row, name)) for name in MEASURES}
    better, worse = ([name for name, d in directions.items() if d == sign] for sign in (1, -1))
    word = "savings" if row["against_sham"] else "savings or practice"
    words = [f"{word} ({', '.join(better)})" if better else NO_SAVINGS]
    if worse:
        words.append(f"worse in FF2 ({', '.join(worse)})")
    return "; ".join(words)


def sentence(row: Row) -> str:
    """Return what a row with a verdict on savings allows to say, measure by measure."""
    kind = "beyond practice" if row["against_sham"] else "practice included"
    parts = (f"{name} savings, {kind}: {_measured(row, name)}" for name in MEASURES)
    return ". ".join(part[0].upper() + part[1:] for part in (row["verdict"], *parts)) + "."


def reaches(row: Row) -> bool:
    """Return whether an agent has learned to reach.

    It has if its mean end-point error at the end of NF1 is below 10 mm, or if all seeds met the criterion
    that ends NF1.
    """
    return reaches_on_average(row) or (row.get("nf1") or {}).get("met") == row["seeds"]


def reaches_on_average(row: Row) -> bool:
    """Return whether the mean end-point error at the end of NF1 is below 10 mm."""
    error = row["endpoint_error"]["mean"]
    return error is not None and error < REACHED


def of_interest(row: Row, name: str) -> float | None:
    """Return the savings that the table should be able to show, in SI units; None if FF1 has no rate."""
    if name == "initial":
        return INITIAL_OF_INTEREST
    rate = row["rate_savings"]["ff1"]
    return None if rate is None else RATE_OF_INTEREST * float(rate)


def deviation(test: Row) -> float | None:
    """Return the standard deviation over seeds behind a test; None if its numbers do not determine it."""
    mean, t = test["mean"], test.get("t")
    if mean is None or not t or not math.isfinite(t):
        return None
    return float(abs(mean / t) * math.sqrt(test["networks"]))


def fixed(value: float, decimals: int) -> str:
    """Return a number with a number of decimals, and no minus before a zero."""
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0.0 else text


def _measured(row: Row, name: str) -> str:
    """Value, interval, n and corrected p of a test, and what it leaves open."""
    test, (scale, decimals, unit) = savings_test(row, name), UNITS[name]
    if test["p"] is None:
        return f"not measured (n = {test['networks']})"
    mean, low, high = (fixed(scale * x, decimals) for x in (test["mean"], *test["ci"]))
    text = f"{mean}{unit} ({low} to {high}; n = {test['networks']}; corrected p {format_p(test['p_holm'])})"
    if _direction(test):
        return text
    notes = []
    if test["p"] < LEVEL:
        notes.append("it differs from 0 before the correction, not after")
    wanted, seeds = of_interest(row, name), test["seeds_needed"]
    if wanted is not None:
        effect = f"{scale * wanted:.{decimals}f}{unit}"
        number, most = (
            f"more than {MOST_NETWORKS}" if its is None else str(its) for its in (seeds, test["most_seeds"])
        )
        excluded = test["ci"][1] < wanted
        some = test["networks"] < row["seeds"]
        notes.append(
            f"savings of {effect} or more are excluded{' in these seeds' if some else ''}"
            if excluded
            else f"inconclusive; {number} seeds would be needed to detect {effect}, or {most} if the SD is "
            "at its upper 80 % limit"
        )
    return "; ".join([text, *notes])


def _power(row: Row, name: str, tests: int) -> Row:
    """Effect size of a test, the smallest effect it could have seen, and the seeds that settle it.

    The level is that of the first step of Holm's correction. Few seeds give an uncertain SD, so the seeds are
    given for its estimate and for its upper limit, see `power.largest_deviation`.
    """
    test = savings_test(row, name)
    spread, n, t = deviation(test), test["networks"], test["t"]
    size, ends = effect_size_of_t(np.nan if t is None else t, n)
    result: Row = {
        "effect_size": size, "effect_size_ci": list(ends), "smallest": None, "seeds_needed": None,
        "most_seeds": None,
    }  # fmt: skip
    if spread is not None:
        wanted = of_interest(row, name)
        result["smallest"] = spread * smallest_effect(n, LEVEL / tests)
        if wanted:
            result["seeds_needed"] = networks_for_effect(wanted / spread, LEVEL / tests)
            result["most_seeds"] = networks_for_effect(wanted / largest_deviation(spread, n), LEVEL / tests)
    return dict(jsonable(result))


def _testable(row: Row) -> bool:
    """Whether a row is of an agent that learns and reaches, with enough seeds for tests."""
    return not row["fixed"] and row["seeds"] >= FEWEST_SEEDS and reaches(row)


def _adaptation_p(row: Row) -> float | None:
    """P value of adaptation: both tests have to be significant, so it is the larger of the two."""
    force, after = row["learned_force"], row["after_effect"]
    if force["p"] is None or after["p"] is None:
        return None
    expected = force["mean"] > 0 and after["mean"] * row["ff1_initial"]["mean"] < 0
    return float(max(force["p"], after["p"])) if expected else 1.0


def _correct(tests: Iterable[Row]) -> None:
    """Add to every test its p value after Holm's correction for all of them."""
    family = list(tests)
    p = [np.nan if test["p"] is None else test["p"] for test in family]
    for test, corrected in zip(family, holm(p), strict=True):
        test["p_holm"] = float(corrected) if np.isfinite(corrected) else None


def _direction(test: Row) -> int:
    """Return the sign of an estimate that differs from 0 after correction; 0 if it does not."""
    if not _significant(test):
        return 0
    return 1 if test["mean"] > 0 else -1


def _significant(test: Row) -> bool:
    return test["p_holm"] is not None and test["p_holm"] < LEVEL
