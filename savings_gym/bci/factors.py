"""Factor analysis of activity: the few dimensions in which a population of units varies together.

Activity is z-scored unit by unit, u' = (u − mean) / sd, and modelled as

    u' = Λ z + noise,        z ~ N(0, I),        noise ~ N(0, Ψ),        Ψ diagonal

The columns of Λ span the intrinsic manifold of Sadtler et al. (2014, doi 10.1038/nature13665), who take ten
factors. Factors are read from activity by their posterior mean, divided by its standard deviation over the
samples, so that every factor has the same variance:

    ẑ = S⁻¹ β u',        β = Λᵀ (Λ Λᵀ + Ψ)⁻¹

The likelihood is climbed by expectation maximisation (Rubin & Thayer 1982, doi 10.1007/BF02293851).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.activity.phases import as_samples
from savings_gym.activity.subspaces import SAMPLES
from savings_gym.arrays import Floats, as_whole_number

FACTORS: Final = 10
LEAST_PRIVATE: Final = 0.01  # of a unit's variance: private noise stays above it, so that Ψ can be inverted
STEPS, TOLERANCE = 500, 1e-8  # of the expectation maximisation; tolerance per unit and sample
LEAST_SD: Final = 1e-9  # a unit that varies less is silent


@dataclass(frozen=True, eq=False)
class FactorModel:
    """Factors of the activity of a population; see the module.

    Attributes:
        mean: (units,) of the activity.
        sd: (units,) its standard deviation.
        loading: (units, factors) Λ.
        private: (units,) diagonal of Ψ.
        scale: (factors,) diagonal of S.
        likelihood: (steps,) mean log-likelihood of a sample of z-scored activity, after each step.
    """

    mean: Floats
    sd: Floats
    loading: Floats
    private: Floats
    scale: Floats
    likelihood: Floats

    @property
    def reading(self) -> Floats:
        """(factors, units) S⁻¹ β, which reads the factors from z-scored activity."""
        return _posterior(self.loading, self.private) / self.scale[:, None]

    @property
    def shared(self) -> Floats:
        """(units,) share of each unit's variance that the factors explain."""
        common = np.sum(self.loading**2, axis=1)
        share: Floats = common / (common + self.private)
        return share

    def standardise(self, activity: ArrayLike) -> Floats:
        """Return activity (..., units), z-scored; ValueError if it has another number of units."""
        values = as_samples("activity", activity, ("units",))
        if values.shape[-1] != len(self.mean):
            raise ValueError(f"activity has {values.shape[-1]} units, expected {len(self.mean)}")
        standard: Floats = (values - self.mean) / self.sd
        return standard

    def read(self, activity: ArrayLike) -> Floats:
        """Return the factors (..., factors) of activity (..., units)."""
        return self.standardise(activity) @ self.reading.T


def factor_analysis(activity: ArrayLike, factors: int = FACTORS) -> FactorModel:
    """Fit the factors of activity.

    Args:
        activity: (samples, units).
        factors: Number of factors, below that of the units.

    Raises:
        ValueError: If there are too few samples or units, or a unit is silent.
    """
    samples = as_samples("activity", activity, SAMPLES)
    if samples.ndim != 2 or len(samples) < 2:
        raise ValueError(f"activity has shape {samples.shape}, expected (samples, units) of one network")
    factors = as_whole_number("factors", factors, 1, samples.shape[1] - 1)
    mean, sd = samples.mean(axis=0), samples.std(axis=0)
    silent = np.flatnonzero(sd <= LEAST_SD)
    if silent.size:
        raise ValueError(f"units {silent.tolist()} never change, expected activity that varies in every unit")
    standard = (samples - mean) / sd
    covariance = standard.T @ standard / len(standard)
    loading, private, likelihood = _maximise(covariance, factors)
    scores = standard @ _posterior(loading, private).T
    return FactorModel(mean, sd, loading, private, scores.std(axis=0), likelihood)


def _posterior(loading: Floats, private: Floats) -> Floats:
    """β = (I + Λᵀ Ψ⁻¹ Λ)⁻¹ Λᵀ Ψ⁻¹, which equals Λᵀ (Λ Λᵀ + Ψ)⁻¹ (the matrix inversion lemma)."""
    weighted = loading.T / private
    return np.linalg.inv(np.eye(loading.shape[1]) + weighted @ loading) @ weighted


def _maximise(covariance: Floats, factors: int) -> tuple[Floats, Floats, Floats]:
    """Return Λ, Ψ and the log-likelihood after each step, from principal components on."""
    values, vectors = np.linalg.eigh(covariance)
    loading = vectors[:, -factors:] * np.sqrt(np.maximum(values[-factors:], LEAST_PRIVATE))
    private = np.maximum(1.0 - np.sum(loading**2, axis=1), LEAST_PRIVATE)
    likelihood: list[float] = []
    for _ in range(STEPS):
        beta = _posterior(loading, private)
        crossed = beta @ covariance  # E[z uᵀ]
        second = np.eye(factors) - beta @ loading + crossed @ beta.T  # E[z zᵀ]
        loading = np.linalg.solve(second, crossed).T
        private = np.maximum(1.0 - np.sum(loading * crossed.T, axis=1), LEAST_PRIVATE)
        likelihood.append(_log_likelihood(covariance, loading, private))
        if len(likelihood) > 1 and abs(likelihood[-1] - likelihood[-2]) < TOLERANCE * len(covariance):
            break
    return loading, private, np.array(likelihood)


def _log_likelihood(covariance: Floats, loading: Floats, private: Floats) -> float:
    """Mean log-likelihood of samples with this covariance."""
    model = loading @ loading.T + np.diag(private)
    _, logarithm = np.linalg.slogdet(2.0 * np.pi * model)
    return float(-0.5 * (logarithm + np.trace(np.linalg.solve(model, covariance))))
