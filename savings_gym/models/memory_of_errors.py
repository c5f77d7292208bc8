"""Learning whose sensitivity to an error is remembered, error by error.

After Herzfeld, Vaswani, Marko & Shadmehr 2014 (Science 345, 1349, doi 10.1126/science.1253138): the learner
forgets and learns as with one rate, but learns a share of the error that depends on the error,

    x(t + 1) = a x(t) + eta(e(t)) e(t),    eta(e) = sum_i w_i g_i(e),    g_i(e) = exp(-(e - c_i)^2 / (2 s^2)),

and the share of the last error grows if this one has its sign, and falls if it has the other,

    w(t + 1) = w(t) + beta sign(e(t - 1) e(t)) g(e(t - 1)) / (g(e(t - 1)) . g(e(t - 1))).

There is no process noise. Under motor noise alone every error is known from the data, and under measurement
noise alone every error follows from the parameters, so the likelihood is exact in both cases. With motor
noise, the errors of trials without data are taken as expected, without noise. The sign of small errors makes
this likelihood jump with `bias`, which should therefore be 0 unless a baseline shows otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from savings_gym.arrays import Floats, as_positive, as_whole_number
from savings_gym.models.design import Design
from savings_gym.models.model import POSITIVE, SHARE, GaussianModel, Model, Values


@dataclass(frozen=True, kw_only=True)
class MemoryOfErrors(GaussianModel):
    """A learner that remembers which errors went together.

    The number, place and width of the basis functions are ours; errors are in units of the perturbation.

    Attributes:
        retention: a, the share that is kept from trial to trial.
        sensitivity: Share of any error that is learned at first.
        sensitivity_gain: beta, what one pair of errors adds to the sensitivity.
        largest_error: The centres c_i are evenly spaced between this error and its opposite.
        bases: Number of basis functions.
        width: s of the basis functions.
    """

    retention: float = 0.99
    sensitivity: float = 0.05
    sensitivity_gain: float = 0.005
    largest_error: float = 2.0
    bases: int = 41
    width: float = 0.15

    name: ClassVar = "memory of errors"
    rates: ClassVar = ("retention", "sensitivity", "sensitivity_gain")
    kinds: ClassVar = {
        "retention": SHARE, "sensitivity": SHARE, "sensitivity_gain": POSITIVE, **Model.common,
    }  # fmt: skip

    def __post_init__(self) -> None:
        """Check every parameter."""
        super().__post_init__()
        as_positive("largest_error", self.largest_error)
        as_positive("width", self.width)
        as_whole_number("bases", self.bases, least=2)

    def _basis(self, error: Floats) -> Floats:
        """Return g of errors (L,), (L, bases)."""
        centres = np.linspace(-self.largest_error, self.largest_error, self.bases)
        return np.exp(-((error[:, None] - centres) ** 2) / (2.0 * self.width**2))

    def _first_weights(self, sensitivity: Floats) -> Floats:
        """Return w that give all errors between the centres one sensitivity, up to ripples, (L, bases)."""
        at_zero = self._basis(np.zeros(1)).sum()
        return np.repeat(sensitivity[:, None] / at_zero, self.bases, axis=1)

    def _simulate(
        self, design: Design, noise: Floats, rng: np.random.Generator | None
    ) -> tuple[Floats, Floats]:
        values = self.lanes()
        expectation, sensitivity = self._run(values, design, noise[None], np.full((1, design.trials), np.nan))
        return expectation[0], np.stack([expectation[0], sensitivity[0]], axis=-1)

    def _adaptation(self, values: Values, design: Design, adaptation: Floats) -> tuple[Floats, Floats]:
        motor, measured = values["motor_noise"], values["measurement_noise"]
        if np.any((motor > 0.0) & (measured > 0.0)):
            raise ValueError(
                "memory of errors has a likelihood with motor or measurement noise, not with both"
            )
        felt = np.where((motor > 0.0)[:, None], adaptation, np.nan)
        x, _ = self._run(values, design, np.zeros_like(adaptation), felt)
        return x, np.broadcast_to((motor**2 + measured**2)[:, None], x.shape)

    def _run(self, values: Values, design: Design, noise: Floats, felt: Floats) -> tuple[Floats, Floats]:
        """Expectation, and sensitivity to the error met, of every trial, (L, T) each.

        Args:
            values: Parameters, (L,) each.
            design: The trials.
            noise: (L, T) what execution adds.
            felt: (L, T) executed adaptation where it is known; NaN takes expectation and noise.
        """
        lanes = values["retention"].size
        weights = self._first_weights(values["sensitivity"])
        x, before, basis_before = np.zeros(lanes), np.zeros(lanes), np.ones((lanes, self.bases))
        expectation, sensitivity = np.empty((2, lanes, design.trials))
        free, imposed = design.free, design.imposed_error
        for t in range(design.trials):
            expectation[:, t] = x
            executed = np.where(np.isnan(felt[:, t]), x + noise[:, t], felt[:, t])
            error = design.perturbation[t] - executed if free[t] else np.full(lanes, imposed[t])
            basis = self._basis(error)
            sensitivity[:, t] = np.sum(weights * basis, axis=-1)
            x = values["retention"] * x + sensitivity[:, t] * error
            agreement = values["sensitivity_gain"] * np.sign(before * error)
            norm = np.maximum(np.sum(basis_before**2, axis=-1), 1e-12)  # an error far outside has none
            weights = weights + (agreement / norm)[:, None] * basis_before
            before, basis_before = error, basis
        return expectation, sensitivity
