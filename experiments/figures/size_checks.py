"""What stands behind savings against size: a trend over networks, their pre-training, how well they reach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from experiments.figures.kit import NO_INTERVAL, Quantity, markdown_table, shown
from savings_gym.arrays import Floats
from savings_gym.statistics import Sampling, estimate

CONFIDENCE: Final = 0.95
MM: Final = 1e3


def per_doubling(name: str, values: Mapping[int, Floats], scale: float, unit: str) -> Quantity:
    """Change of a value with every doubling of size: least squares over networks, on log2 of the units.

    Args:
        name: Of the quantity.
        values: Units to one value a network.
        scale: From the values' unit to `unit`.
        unit: Of the quantity.

    Returns:
        Slope, its t interval and test; without a value for fewer than two sizes or three networks.
    """
    x = np.concatenate([np.full(len(found), np.log2(units)) for units, found in values.items()])
    y = scale * np.concatenate(list(values.values()))
    if len(x) < 3 or np.ptp(x) == 0.0:
        return Quantity(name, None, NO_INTERVAL, len(x), unit, note="fewer than two sizes, or three networks")
    fit = stats.linregress(x, y)
    reach = stats.t.ppf(0.5 + CONFIDENCE / 2, len(x) - 2) * fit.stderr
    note = f"least squares over {len(x)} networks"
    return Quantity(name, fit.slope, (fit.slope - reach, fit.slope + reach), len(x), unit, fit.pvalue, note)


def by_pretraining(
    savings: Mapping[int, Floats],
    errors: Mapping[int, Floats],
    pretraining: Mapping[int, list[str]],
    sampling: Sampling,
) -> str:
    """A table of how well networks reach, and of their initial savings, by size and pre-training.

    Args:
        savings: Units to initial savings of every network [m].
        errors: Units to (2, n), mean end-point error at the beginning and at the end of NF1 [m].
        pretraining: Units to how every network was pre-trained, in words.
        sampling: Of the intervals.
    """
    rows = []
    for units, saved in savings.items():
        how = np.array(pretraining[units])
        groups = {words: how == words for words in sorted(set(pretraining[units]))}
        apart, p = [saved[members] for members in groups.values()], "-"
        if len(apart) == 2 and min(map(len, apart)) > 1:
            p = f"{stats.ttest_ind(*apart, equal_var=False).pvalue:.2g}"
        for words, members in groups.items():
            cells = [_mm(values, sampling) for values in (*errors[units][:, members], saved[members])]
            rows.append((str(units), words, str(members.sum()), *cells, p))
    headings = (
        "units", "pre-training", "networks", "end-point error, start of NF1", "end of NF1", "initial savings",
        "difference between kinds of pre-training, p (Welch)",
    )  # fmt: skip
    return markdown_table(headings, rows)


def _mm(values: Floats, sampling: Sampling) -> str:
    mean = estimate(values, sampling)
    return shown(MM * mean.mean, (MM * mean.ci[0], MM * mean.ci[1]), "mm")


def pretrained_alike(pretraining: Mapping[int, list[str]]) -> dict[int, NDArray[np.bool_]]:
    """Which networks of every size had one and the same pre-training; all, if no kind of it is in every size.

    Args:
        pretraining: Units to how every network was pre-trained, in words.
    """
    shared = set.intersection(*(set(how) for how in pretraining.values()))
    if not shared:
        return {units: np.ones(len(how), dtype=np.bool_) for units, how in pretraining.items()}
    every = [words for how in pretraining.values() for words in how]
    chosen = max(sorted(shared), key=every.count)
    return {units: np.array(how) == chosen for units, how in pretraining.items()}
