"""The likelihood of a model as a function of its free parameters, and the search for its maximum.

Shares are searched on the logit scale, positive parameters on the logarithmic one, others in standard
deviations of the data. Likelihoods that are smooth are climbed by L-BFGS-B from the most probable of many
random points, with gradients from one batch of learners side by side; others by Nelder-Mead.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from savings_gym.arrays import Floats, Indices
from savings_gym.models.design import Design
from savings_gym.models.model import NOISES, POSITIVE, REAL, SHARE, Model

CANDIDATES: Final = 100  # random points of which the most probable are starts
SPREAD: Final = 1.5  # SD of these points around the first start, on the scale of the search
SHARE_BOUND: Final = 9.0  # of logits: shares from 0.0001 to 0.9999
LEAST_SD, MOST_SD = 1e-3, 3.0  # of a noise that is fitted, in units of the perturbation
STEP: Final = 1e-4  # of a difference for the gradient, on the scale of the search


class Search:
    """The log likelihood as a function of u, the free parameters on the scale of the search.

    Args:
        model: The model; its parameters are the first start.
        names: Free parameters, k.
        design: The trials.
        data: (T,) data, NaN where there are none.
    """

    def __init__(self, model: Model, names: tuple[str, ...], design: Design, data: Floats) -> None:
        self.model, self.names, self.design, self.data = model, names, design, data
        self.unit = float(np.nanstd(data)) or 1.0  # of parameters that are any real number
        self.start = np.array([self._to_search(name, self._start_of(name)) for name in names])
        low, high = np.array([self._bounds(name, u) for name, u in zip(names, self.start, strict=True)]).T
        self.low, self.high = low, high
        self.start = np.clip(self.start, low, high)

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
        return math.log(max(value, 1e-6)) if kind == POSITIVE else value / self.unit

    def _bounds(self, name: str, start: float) -> tuple[float, float]:
        kind = self.model.kinds[name]
        if kind == SHARE:
            return -SHARE_BOUND, SHARE_BOUND
        if name in NOISES:
            return math.log(LEAST_SD), math.log(MOST_SD)
        return (start - 5.0, start + 5.0) if kind == POSITIVE else (-math.inf, math.inf)

    def value(self, i: int, u: Floats) -> Floats:
        """Return values of a free parameter, given by its position, from those on the scale of the search."""
        kind = self.model.kinds[self.names[i]]
        if kind == SHARE:
            return 1.0 / (1.0 + np.exp(-u))
        return self.unit * u if kind == REAL else np.exp(np.minimum(u, 700.0))

    def natural(self, u: Floats) -> dict[str, Floats]:
        """Return the free parameters of (L, k) points, (L,) each."""
        return {name: self.value(i, u[:, i]) for i, name in enumerate(self.names)}

    def log_likelihoods(self, u: Floats) -> Floats:
        """Return the log likelihood of (L, k) points, (L,)."""
        values = self.model.lanes(len(u), self.natural(u))
        with np.errstate(over="ignore", invalid="ignore"):  # points far from the data
            density = self.model.predictions(values, self.design, self.data)[2]
        total = np.nansum(density, axis=-1)
        unusable = ~np.isfinite(density[:, np.isfinite(density).any(axis=0)]).all(axis=-1)
        return np.where(np.isfinite(total) & ~unusable, total, -1e12)

    def maximum(self, starts: int, seed: int) -> tuple[Floats, float, bool]:
        """Return the best u, its log likelihood, and whether the search converged."""
        from scipy.optimize import minimize

        bounds = list(zip(self.low, self.high, strict=True))
        if not self.model.smooth:
            options = {
                "xatol": 1e-2, "fatol": 0.1, "maxfev": 40 * self.start.size,
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

    def order(self, u: Floats) -> Indices:
        """Return where each free parameter stands if states were called by the order of their retention."""
        values = self.model.parameters() | {n: float(v[0]) for n, v in self.natural(u[None]).items()}
        sources = self.model.renamed(values)
        position = {name: i for i, name in enumerate(self.names)}
        return np.array([position.get(sources.get(name, name), position[name]) for name in self.names])
