"""Intervals of fitted parameters.

The interval of a parameter is the middle part of the likelihood, normalised over the scale of the search (a
flat prior there): it takes in that the other parameters are not known either, and need not be symmetric. The
integrals are importance samples: draws from a t distribution around the maximum, somewhat wider than the
curvature of the log likelihood says, weighted by their likelihood. If the likelihood itself is drawn, or the
weights are too unequal, the interval is that of the curvature alone (Wald), on the scale of the search. The
curvature is that of a quadratic through points about one standard error away from the maximum, or farther if
the likelihood is drawn.

A parameter that ends at a bound has no interval (NaN), and if the curvature is not positive, none has. That
may be for lack of data, or because a likelihood that is drawn is rough. ``python -m
experiments.theories.recovery`` measures how often intervals hold the truth: those of contextual inference do
in about a third of fits (experiments/results/theories/recovery.md). Use its estimates, not its intervals.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from savings_gym.arrays import Floats, Indices
from savings_gym.metrics.statistics import Interval
from savings_gym.models.search import Search

AT_BOUND: Final = 1e-3  # distance from a bound, on the scale of the search
FALL: Final = 0.5  # of the log likelihood at one standard error
ROUGH_FALL: Final = 4.0  # the same where differences of likelihoods that are drawn are measured
DRAWS: Final = 1000
FREEDOM: Final = 6  # of the t distribution that they come from
WIDTH: Final = 1.25  # of that distribution, over what the curvature says
LEAST_EFFECTIVE: Final = 100.0  # draws, after weighting


def likelihood_intervals(search: Search, u: Floats, confidence: float, seed: int) -> list[Interval]:
    """Return the interval of every free parameter.

    Args:
        search: The likelihood.
        u: (k,) its maximum.
        confidence: Of the intervals.
        seed: Of the draws.
    """
    covariance, tail = _covariance(search, u), 0.5 - confidence / 2.0
    ends = _wald(u, covariance, tail)
    inside = np.isfinite(np.diag(covariance))
    if search.model.smooth and inside.any():
        draws = _draws(u, covariance, inside, np.random.default_rng(seed))
        weights, points = _weighted(search, *draws)
        if 1.0 / np.sum(weights**2) >= LEAST_EFFECTIVE:
            for i in np.flatnonzero(inside):
                ends[i] = _quantiles(points[:, i], weights, tail)
    pairs = [search.value(i, its) for i, its in enumerate(ends)]
    return [(float(low), float(high)) for low, high in pairs]


def _wald(u: Floats, covariance: Floats, tail: float) -> Floats:
    """Ends by the curvature, (k, 2)."""
    from scipy.special import ndtri

    half = -float(ndtri(tail)) * np.sqrt(np.diag(covariance))
    return np.stack([u - half, u + half], axis=-1)


def _draws(u: Floats, covariance: Floats, inside: Indices, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Points from a t distribution, (n, k), and their log density up to a constant, (n,)."""
    root = WIDTH * np.linalg.cholesky(covariance[np.ix_(inside, inside)])
    z = rng.standard_normal((DRAWS, len(root))) / np.sqrt(rng.chisquare(FREEDOM, (DRAWS, 1)) / FREEDOM)
    points = np.repeat(u[None], DRAWS, axis=0)
    points[:, inside] += z @ root.T
    return points, -0.5 * (FREEDOM + len(root)) * np.log1p(np.sum(z**2, axis=-1) / FREEDOM)


def _weighted(search: Search, points: Floats, log_density: Floats) -> tuple[Floats, Floats]:
    """Weights of the points, (n,), and the points; those beyond a bound weigh nothing."""
    possible = np.all((points >= search.low) & (points <= search.high), axis=-1)
    logs = search.log_likelihoods(np.clip(points, search.low, search.high)) - log_density
    weights = np.where(possible, np.exp(logs - logs[possible].max()), 0.0)
    return weights / weights.sum(), points


def _quantiles(values: Floats, weights: Floats, tail: float) -> Floats:
    """Values that leave a share of the weight on either side, (2,)."""
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order])
    middle = cumulative - 0.5 * weights[order]
    return np.interp([tail, 1.0 - tail], middle, values[order])


def _covariance(search: Search, u: Floats) -> Floats:
    """Covariance of the estimates on the scale of the search, (k, k); NaN for those without."""
    inside = np.flatnonzero((u > search.low + AT_BOUND) & (u < search.high - AT_BOUND))
    covariance = np.full((u.size, u.size), np.nan)
    if not inside.size:
        return covariance
    hessian = _hessian(search, u, inside)
    eigenvalues = np.linalg.eigvalsh(hessian) if np.isfinite(hessian).all() else np.array([-1.0])
    if eigenvalues.min() > 1e-9 * abs(eigenvalues).max():
        covariance[np.ix_(inside, inside)] = np.linalg.inv(hessian)
    return covariance


def _hessian(search: Search, u: Floats, inside: Indices) -> Floats:
    """Curvature of the negative log likelihood in some parameters, (m, m)."""
    steps = np.diag(_steps(search, u))[inside]  # (m, k)
    m, centre = len(steps), float(search.log_likelihoods(u[None])[0])
    rows, columns = np.tril_indices(m)
    points = [u + a * steps[rows] + b * steps[columns] for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1))]
    values = search.log_likelihoods(np.vstack(points)).reshape(4, -1)
    crossed = -(values[0] - values[1] - values[2] + values[3]) / 4.0
    doubled = -(values[0] - 2.0 * centre + values[3]) / 4.0  # on the diagonal both steps are one
    size = np.abs(steps).sum(axis=-1)
    hessian = np.zeros((m, m))
    hessian[rows, columns] = np.where(rows == columns, doubled, crossed)
    hessian /= size[:, None] * size
    return np.tril(hessian) + np.tril(hessian, -1).T


def _steps(search: Search, u: Floats) -> Floats:
    """Step of every parameter by itself at which the log likelihood has fallen by `FALL`, (k,)."""
    step, centre = np.full(u.size, 0.05), float(search.log_likelihoods(u[None])[0])
    wanted = FALL if search.model.smooth else ROUGH_FALL
    for _ in range(4):
        ahead, behind = (search.log_likelihoods(u + sign * np.diag(step)) for sign in (1.0, -1.0))
        fall = np.maximum(centre - 0.5 * (ahead + behind), 1e-6)
        step = np.clip(step * np.clip(np.sqrt(wanted / fall), 0.1, 10.0), 1e-4, 0.5)
    return step
