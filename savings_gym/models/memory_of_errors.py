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
from savings_gym.models.model import POSITIVE, SHARE, GaussianModel, Memory, Model, Values


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

    def memory(self, rng: np.random.Generator | None = None) -> Memory:
        """Return the memory of a learner that has met nothing yet, see `Model.memory`."""
        return OneErrorMemory(self._lanes(self.lanes()))

    def _lanes(self, values: Values) -> ErrorMemories:
        centres = np.linspace(-self.largest_error, self.largest_error, self.bases)
        return ErrorMemories(values, centres, self.width)

    def _adaptation(self, values: Values, design: Design, adaptation: Floats) -> tuple[Floats, Floats]:
        motor, measured = values["motor_noise"], values["measurement_noise"]
        if np.any((motor > 0.0) & (measured > 0.0)):
            raise ValueError(
                "memory of errors has a likelihood with motor or measurement noise, not with both"
            )
        felt = np.where((motor > 0.0)[:, None], adaptation, np.nan)
        x = self._expectations(values, design, felt)
        return x, np.broadcast_to((motor**2 + measured**2)[:, None], x.shape)

    def _expectations(self, values: Values, design: Design, felt: Floats) -> Floats:
        """Expectation of every trial, (L, T).

        Args:
            values: Parameters, (L,) each.
            design: The trials.
            felt: (L, T) executed adaptation where it is known; NaN takes the expectation.
        """
        memories = self._lanes(values)
        expectation = np.empty(felt.shape)
        free, imposed = design.free, design.imposed_error
        for t in range(design.trials):
            expectation[:, t] = x = memories.expectation
            executed = np.where(np.isnan(felt[:, t]), x, felt[:, t])
            met = design.perturbation[t] - executed if free[t] else np.full(x.shape, imposed[t])
            memories.learn(met)
        return expectation


class ErrorMemories:
    """Expectations and memories of errors of many learners, side by side.

    Args:
        values: Parameters, (L,) each.
        centres: (bases,) centres of the basis functions.
        width: Their width.

    Attributes:
        expectation: (L,) x.
    """

    def __init__(self, values: Values, centres: Floats, width: float) -> None:
        self.values, self.centres, self.width = values, centres, width
        lanes = values["retention"].size
        self.expectation, self.before = np.zeros(lanes), np.zeros(lanes)
        self.basis_before = np.ones((lanes, centres.size))
        at_zero = self._basis(np.zeros(1)).sum()
        # all errors between the centres have one sensitivity at first, up to ripples
        self.weights = np.repeat(values["sensitivity"][:, None] / at_zero, centres.size, axis=1)

    def _basis(self, error: Floats) -> Floats:
        """Return g of errors (L,), (L, bases)."""
        return np.exp(-((error[:, None] - self.centres) ** 2) / (2.0 * self.width**2))

    def learn(self, error: Floats) -> Floats:
        """Learn from the errors of a trial (L,); return the sensitivities to them, (L,)."""
        basis = self._basis(error)
        sensitivity: Floats = np.sum(self.weights * basis, axis=-1)
        self.expectation = self.values["retention"] * self.expectation + sensitivity * error
        agreement = self.values["sensitivity_gain"] * np.sign(self.before * error)
        norm = np.maximum(np.sum(self.basis_before**2, axis=-1), 1e-12)  # an error far outside has none
        self.weights = self.weights + (agreement / norm)[:, None] * self.basis_before
        self.before, self.basis_before = error, basis
        return sensitivity


class OneErrorMemory(Memory):
    """That of one learner."""

    def __init__(self, memories: ErrorMemories) -> None:
        self.memories = memories

    def expect(self) -> float:
        """Begin a trial; return the expectation."""
        return float(self.memories.expectation[0])

    def learn(self, error: float | None) -> Floats:
        """End a trial; return the expectation before it, and the sensitivity to its error, (2,)."""
        before = self.memories.expectation[0]
        return np.array([before, self.memories.learn(np.array([error or 0.0]))[0]])
