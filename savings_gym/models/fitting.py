"""Maximum likelihood: the parameters of a model under which the data of a learner are most probable.

See `savings_gym.models.search` for the search, and `savings_gym.models.intervals` for what intervals mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arrays import Floats, as_choice, as_seed, as_whole_number
from savings_gym.metrics.sides import CLEAR, start_score
from savings_gym.metrics.statistics import CONFIDENCE, Interval
from savings_gym.models.design import Design
from savings_gym.models.intervals import likelihood_intervals
from savings_gym.models.model import NOISES, Model
from savings_gym.models.search import Search

STARTS: Final = 3


@dataclass(frozen=True)
class Fitted:
    """One fitted parameter.

    Attributes:
        value: Its estimate.
        ci: Its interval; NaN if there is none, because the data do not determine one or because the
            likelihood is rough. Intervals of `Coin` hold the planted value in about a third of fits (see
            experiments/results/theories/recovery.md): use the estimates, not the intervals.
    """

    value: float
    ci: Interval


@dataclass(frozen=True)
class Fit:
    """A model fitted to the data of one learner.

    Attributes:
        model: With the estimates.
        fitted: Every free parameter by its name.
        log_likelihood: Natural logarithm, in the unit of the data.
        observations: Number of data.
        converged: Whether the search ended at a maximum.
    """

    model: Model
    fitted: dict[str, Fitted]
    log_likelihood: float
    observations: int
    converged: bool

    @property
    def bic(self) -> float:
        """Bayesian information criterion; smaller is better."""
        return len(self.fitted) * math.log(self.observations) - 2.0 * self.log_likelihood


def fit(
    model: Model,
    design: Design,
    observed: ArrayLike,
    free: Iterable[str] | None = None,
    *,
    starts: int = STARTS,
    seed: int = 0,
    confidence: float = CONFIDENCE,
    intervals: bool = True,
) -> Fit:
    """Fit a model to the data of one learner.

    Args:
        model: Its parameters are the first start, and the values of those that are not fitted. A noise of 0
            stays 0 unless it is named. With errors as data, the first start of `scale` is taken from them.
        design: The trials.
        observed: (T,) data, NaN where there are none.
        free: Names of the parameters to fit; None takes ``model.free``.
        starts: Number of starts. Only smooth likelihoods have several.
        seed: Of the random points that starts are chosen from, and that intervals come from.
        confidence: Of the intervals.
        intervals: Whether to compute them.

    Raises:
        ValueError: If a name is unknown, there is no noise, there are no more data than parameters, or errors
            clearly begin on the side that a perturbation of the opposite sign would push them to.
    """
    data = design.check_observed(observed)
    if model.measure == "error":
        _refuse_other_side(design, data)
    names = tuple(model.free if free is None else free)
    for name in names:
        as_choice("parameter", name, model.kinds)
    if not any(name in NOISES for name in names) and not any(getattr(model, n, 0.0) for n in NOISES):
        raise ValueError(f"{model.name} has no noise: start motor_noise or measurement_noise above 0")
    count = int(np.isfinite(model.predict(design, data).log_density).sum())
    if count <= len(names):
        raise ValueError(f"{count} usable data cannot determine {len(names)} parameters: {', '.join(names)}")
    search = Search(model, names, design, data)
    u, value, converged = search.maximum(as_whole_number("starts", starts, 1), as_seed("seed", seed))
    ends = likelihood_intervals(search, u, confidence, seed) if intervals else [(np.nan, np.nan)] * u.size
    estimates = search.natural(u[None])
    fitted = {
        name: Fitted(float(estimates[names[source]][0]), ends[source])
        for name, source in zip(names, search.order(u), strict=True)
    }
    best = model.replace(**{name: f.value for name, f in fitted.items()})
    return Fit(best, fitted, value, count, converged)


def _refuse_other_side(design: Design, data: Floats) -> None:
    """Refuse errors that begin, beside those before it, on the other side than the first perturbation's."""
    pushed = design.free & (design.perturbation != 0.0)
    if not pushed.any():
        return
    begin = int(np.argmax(pushed))
    side = np.sign(design.perturbation[begin])
    other = np.flatnonzero(design.free[begin:] & (np.sign(design.perturbation[begin:]) != side))
    end = begin + int(other[0]) if other.size else design.trials
    before = data[:begin][design.free[:begin] & np.isfinite(data[:begin])]
    rest = float(before.mean()) if before.size else 0.0
    if side * start_score((data[begin:end] - rest)[design.free[begin:end]]) < -CLEAR:
        raise ValueError(
            f"errors begin on the {'negative' if side > 0.0 else 'positive'} side where the perturbation is "
            f"{'positive' if side > 0.0 else 'negative'}, but a perturbation pushes to the side of its sign: "
            "change the sign of one of them"
        )
