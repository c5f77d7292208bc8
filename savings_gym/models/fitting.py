"""Maximum likelihood: the parameters of a model under which the data of a learner are most probable.

Shares are searched on the logit scale, positive parameters on the logarithmic one. Likelihoods that are
smooth are climbed by L-BFGS-B from the most probable of many random points, with gradients from one batch of
learners side by side; others by Nelder-Mead. Intervals are Wald intervals on those scales: the curvature of
the log likelihood is that of a quadratic through points about one standard error away from the maximum, or
farther if the likelihood is drawn. A parameter that ends at a bound has no interval (NaN), and if the
curvature is not positive, none has.
``python -m experiments.theories.recovery`` measures how often intervals hold the truth.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arrays import Floats, Indices, as_seed, as_whole_number
from savings_gym.metrics.statistics import CONFIDENCE, Interval
from savings_gym.models.design import Design
from savings_gym.models.model import NOISES, POSITIVE, REAL, SHARE, Model

STARTS: Final = 3
SHARE_BOUND: Final = 9.0  # of logits: shares from 0.0001 to 0.9999
LEAST_SD, MOST_SD = 1e-3, 3.0  # of a noise that is fitted, in units of the perturbation
CANDIDATES: Final = 100  # random points of which the most probable are starts
SPREAD: Final = 1.5  # SD of these points around the first start, on the scale of the search
STEP: Final = 1e-4  # of a difference for the gradient, on the scale of the search
AT_BOUND: Final = 1e-3  # distance from a bound, on the scale of the search
FALL: Final = 0.5  # of the log likelihood at one standard error
ROUGH_FALL: Final = 4.0  # the same where differences of likelihoods that are drawn are measured


@dataclass(frozen=True)
class Fitted:
    """One fitted parameter.

    Attributes:
        value: Its estimate.
        ci: Its interval; NaN if the data do not determine one.
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
        seed: Of the random points that the starts are chosen from.
        confidence: Of the intervals.
        intervals: Whether to compute them.

    Raises:
        ValueError: If a name is unknown, there is no noise, or there are no more data than parameters.
    """
    data = design.check_observed(observed)
    names = tuple(model.free if free is None else free)
    if unknown := [name for name in names if name not in model.kinds]:
        raise ValueError(f"unknown parameter {unknown[0]!r}; choose from: {', '.join(model.kinds)}")
    if not any(name in NOISES for name in names) and not any(getattr(model, n, 0.0) for n in NOISES):
        raise ValueError(f"{model.name} has no noise: start motor_noise or measurement_noise above 0")
    count = int(np.isfinite(model.predict(design, data).log_density).sum())
    if count <= len(names):
        raise ValueError(f"{count} usable data cannot determine {len(names)} parameters: {', '.join(names)}")
    search = _Search(model, names, design, data)
    u, value, converged = search.maximum(as_whole_number("starts", starts, 1), as_seed("seed", seed))
    spread = search.covariance(u) if intervals else np.full((u.size, u.size), np.nan)
    u, spread = search.in_order(u, spread)
    ends = [_interval(search.kind(i), u[i], spread[i, i], confidence) for i in range(u.size)]
    estimates = search.natural(u[None])
    fitted = {name: Fitted(float(estimates[name][0]), ci) for name, ci in zip(names, ends, strict=True)}
    best = model.replace(**{name: f.value for name, f in fitted.items()})
    return Fit(best, fitted, value, count, converged)


class _Search:
    """The log likelihood as a function of u, the free parameters on the scale of the search."""

    def __init__(self, model: Model, names: tuple[str, ...], design: Design, data: Floats) -> None:
        self.model, self.names, self.design, self.data = model, names, design, data
        self.start = np.array([self._to_search(name, self._start_of(name)) for name in names])
        low, high = np.array([self._bounds(name, u) for name, u in zip(names, self.start, strict=True)]).T
        self.low, self.high = low, high
        self.start = np.clip(self.start, low, high)

    def kind(self, i: int) -> str:
        return self.model.kinds[self.names[i]]

    def _start_of(self, name: str) -> float:
        """First value of a parameter; a noise of 0 that was named starts at 0.05."""
        if name == "scale" and self.model.measure == "error":
            pushed = self.design.free & (self.design.perturbation != 0.0) & np.isfinite(self.data)
            size = np.abs(self.data[pushed] - self.model.bias)
            return float(size.max()) if pushed.any() and size.max() > 0.0 else self.model.scale
        value = float(getattr(self.model, name))
        return 0.05 if name in NOISES and value == 0.0 else value

    def _to_search(self, name: str, value: float) -> float:
        kind = self.model.kinds[name]
        if kind == SHARE:
            share = min(max(value, 1e-4), 1.0 - 1e-4)
            return math.log(share / (1.0 - share))
        return math.log(max(value, 1e-6)) if kind == POSITIVE else value

    def _bounds(self, name: str, start: float) -> tuple[float, float]:
        kind = self.model.kinds[name]
        if kind == SHARE:
            return -SHARE_BOUND, SHARE_BOUND
        if name in NOISES:
            return math.log(LEAST_SD), math.log(MOST_SD)
        return (start - 5.0, start + 5.0) if kind == POSITIVE else (-math.inf, math.inf)

    def natural(self, u: Floats) -> dict[str, Floats]:
        """Free parameters of (L, k) points, (L,) each."""
        return {name: _natural(self.kind(i), u[:, i]) for i, name in enumerate(self.names)}

    def log_likelihoods(self, u: Floats) -> Floats:
        """Log likelihood of (L, k) points, (L,)."""
        values = self.model.lanes(len(u), self.natural(u))
        with np.errstate(over="ignore", invalid="ignore"):  # points far from the data
            density = self.model.predictions(values, self.design, self.data)[2]
        total = np.nansum(density, axis=-1)
        unusable = ~np.isfinite(density[:, np.isfinite(density).any(axis=0)]).all(axis=-1)
        return np.where(np.isfinite(total) & ~unusable, total, -1e12)

    def maximum(self, starts: int, seed: int) -> tuple[Floats, float, bool]:
        """Best u, its log likelihood, and whether the search converged."""
        from scipy.optimize import minimize

        bounds = list(zip(self.low, self.high, strict=True))
        if not self.model.smooth:
            options = {
                "xatol": 1e-2, "fatol": 0.1, "maxfev": 60 * self.start.size,
                "initial_simplex": self._simplex(),
            }  # fmt: skip
            result = minimize(
                lambda u: -float(self.log_likelihoods(u[None])[0]), self.start, method="Nelder-Mead",
                bounds=bounds, options=options,
            )  # fmt: skip
            return result.x, -float(result.fun), bool(result.success)
        results = [
            minimize(self._fall, first, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-8})
            for first in self._starts(starts, seed)
        ]
        best = min(results, key=lambda result: float(result.fun))
        return best.x, -float(best.fun), bool(best.success)

    def _starts(self, starts: int, seed: int) -> Floats:
        """The most probable of the first start and of many random points around it, (starts, k)."""
        away = np.random.default_rng(seed).standard_normal((CANDIDATES, self.start.size))
        points = np.clip(
            self.start + SPREAD * np.vstack([np.zeros(self.start.size), away]), self.low, self.high
        )
        best = np.argsort(-self.log_likelihoods(points), kind="stable")
        return points[best[:starts]]

    def _simplex(self) -> Floats:
        """First corners of Nelder-Mead, half a unit apart, (k + 1, k)."""
        corners = self.start + np.vstack([np.zeros(self.start.size), 0.5 * np.eye(self.start.size)])
        return np.clip(corners, self.low, self.high)

    def _fall(self, u: Floats) -> tuple[float, Floats]:
        """Negative log likelihood and its gradient, from 2 k + 1 learners side by side."""
        steps = STEP * np.eye(u.size)
        values = self.log_likelihoods(np.vstack([u, u + steps, u - steps]))
        ahead, behind = values[1 : u.size + 1], values[u.size + 1 :]
        return -float(values[0]), -(ahead - behind) / (2.0 * STEP)

    def covariance(self, u: Floats) -> Floats:
        """Covariance of the estimates on the scale of the search, (k, k); NaN for those without."""
        inside = np.flatnonzero((u > self.low + AT_BOUND) & (u < self.high - AT_BOUND))
        covariance = np.full((u.size, u.size), np.nan)
        if not inside.size:
            return covariance
        hessian = self._hessian(u, inside)
        eigenvalues = np.linalg.eigvalsh(hessian) if np.isfinite(hessian).all() else np.array([-1.0])
        if eigenvalues.min() > 1e-9 * abs(eigenvalues).max():
            covariance[np.ix_(inside, inside)] = np.linalg.inv(hessian)
        return covariance

    def _hessian(self, u: Floats, inside: Indices) -> Floats:
        """Curvature of the negative log likelihood in some parameters, (m, m)."""
        steps = np.diag(self._steps(u))[inside]  # (m, k)
        m, centre = len(steps), float(self.log_likelihoods(u[None])[0])
        rows, columns = np.tril_indices(m)
        points = [u + a * steps[rows] + b * steps[columns] for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1))]
        values = self.log_likelihoods(np.vstack(points)).reshape(4, -1)
        crossed = -(values[0] - values[1] - values[2] + values[3]) / 4.0
        doubled = -(values[0] - 2.0 * centre + values[3]) / 4.0  # on the diagonal both steps are one
        size = np.abs(steps).sum(axis=-1)
        hessian = np.zeros((m, m))
        hessian[rows, columns] = np.where(rows == columns, doubled, crossed)
        hessian /= size[:, None] * size
        return np.tril(hessian) + np.tril(hessian, -1).T

    def _steps(self, u: Floats) -> Floats:
        """Step of every parameter by itself at which the log likelihood has fallen by `FALL`, (k,)."""
        step, centre = np.full(u.size, 0.05), float(self.log_likelihoods(u[None])[0])
        wanted = FALL if self.model.smooth else ROUGH_FALL
        for _ in range(4):
            ahead, behind = (self.log_likelihoods(u + sign * np.diag(step)) for sign in (1.0, -1.0))
            fall = np.maximum(centre - 0.5 * (ahead + behind), 1e-6)
            step = np.clip(step * np.clip(np.sqrt(wanted / fall), 0.1, 10.0), 1e-4, 0.5)
        return step

    def in_order(self, u: Floats, covariance: Floats) -> tuple[Floats, Floats]:
        """The same point with the states of the model under their names, fast before slow."""
        values = self.model.parameters() | {n: float(v[0]) for n, v in self.natural(u[None]).items()}
        sources = self.model.renamed(values)
        position = {name: i for i, name in enumerate(self.names)}
        order = [position.get(sources.get(name, name), position[name]) for name in self.names]
        return u[order], covariance[np.ix_(order, order)]


def _natural(kind: str, u: Floats) -> Floats:
    """Values of a parameter from those on the scale of the search."""
    if kind == SHARE:
        return 1.0 / (1.0 + np.exp(-u))
    return u if kind == REAL else np.exp(np.minimum(u, 700.0))


def _interval(kind: str, u: float, variance: float, confidence: float) -> Interval:
    """Wald interval of a parameter."""
    from scipy.special import ndtri

    if not variance >= 0.0:
        return np.nan, np.nan
    half = float(ndtri(0.5 + confidence / 2.0)) * math.sqrt(variance)
    low, high = _natural(kind, np.array([u - half, u + half]))
    return float(low), float(high)
