"""What all models of learning share: parameters, noise, simulation, and the likelihood of data.

A model holds an expectation x of the perturbation. On trial t the learner executes the adaptation
``a = x + motor noise``, which it feels, and meets the error ``e = p - a``, from which it learns. Data are

* ``measure="adaptation"``: ``y = bias + scale * (a + measurement noise)``, such as a force index;
* ``measure="error"``: ``y = bias + scale * (p - a + measurement noise)``, such as a lateral deviation, whose
  `scale` is the deviation that an unexpected perturbation of size 1 makes. Only free trials have it.

Motor noise is felt and learned from, as in people, whose measured error is the error that they met.
Measurement noise is not: take it, with no motor noise, for probes that lie outside of learning. All noise is
Gaussian, and its standard deviations are in units of the perturbation.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arrays import Floats, as_choice, as_number, as_seed, as_whole_number
from savings_gym.models.design import Design

MEASURES: Final = ("adaptation", "error")
SHARE, POSITIVE, REAL = "share", "positive", "real"  # kinds of parameters
RANGES: Final = {SHARE: (0.0, 1.0), POSITIVE: (0.0, math.inf), REAL: (-math.inf, math.inf)}
NOISES: Final = ("process_noise", "motor_noise", "measurement_noise")
LEAST_NOISE: Final = 1e-12  # smallest variance of a predicted value, so that its density is finite

Values = dict[str, Floats]  # every parameter by its name, (L,) each: L learners side by side


@dataclass(frozen=True, eq=False)
class Simulation:
    """One learner through a design.

    Attributes:
        expectation: (T,) x before the trial.
        adaptation: (T,) executed, with motor noise.
        error: (T,) met by the learner.
        states: (T, k) parts of the model by which it remembers; their meaning is the model's.
        observed: (T,) data in the unit of the measure, with measurement noise; NaN where it has none.
    """

    expectation: Floats
    adaptation: Floats
    error: Floats
    states: Floats
    observed: Floats


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says of data, trial by trial, from the trials before.

    Attributes:
        mean: (T,) in the unit of the data; NaN on trials that have no such data.
        sd: (T,) standard deviation of the prediction.
        log_density: (T,) natural logarithm of the density of the data, NaN where there are none.
    """

    mean: Floats
    sd: Floats
    log_density: Floats

    @property
    def log_likelihood(self) -> float:
        """Sum of the log densities: by the chain rule, the log density of all data together."""
        return float(np.nansum(self.log_density))


class Memory(ABC):
    """What one learner carries from trial to trial; each trial is a call of `expect`, then one of `learn`."""

    @abstractmethod
    def expect(self) -> float:
        """Begin a trial; return x, the perturbation that the learner expects and makes up for."""

    @abstractmethod
    def learn(self, error: float | None) -> Floats:
        """End a trial.

        Args:
            error: What the learner met, in units of the perturbation; None in a channel, where it cannot err.

        Returns:
            (k,) the parts by which the model remembered on this trial, see `Simulation.states`.
        """


@dataclass(frozen=True, kw_only=True)
class Model(ABC):
    """A theory of how errors change adaptation.

    Attributes:
        motor_noise: SD of what execution adds to the expectation; felt.
        measurement_noise: SD of what the measurement adds; not felt.
        measure: What the data are, "adaptation" or "error".
        scale: Data per unit of perturbation.
        bias: Data of a learner that neither adapts nor errs.
    """

    motor_noise: float = 0.0
    measurement_noise: float = 0.0
    measure: str = "adaptation"
    scale: float = 1.0
    bias: float = 0.0

    name: ClassVar[str]  # in tables and sentences
    rates: ClassVar[tuple[str, ...]]  # parameters that are fitted unless others are named
    kinds: ClassVar[Mapping[str, str]]  # every parameter to its kind
    smooth: ClassVar[bool] = True  # whether the likelihood can be differentiated

    common: ClassVar[Mapping[str, str]] = {
        "motor_noise": POSITIVE, "measurement_noise": POSITIVE, "scale": POSITIVE, "bias": REAL,
    }  # fmt: skip

    def __post_init__(self) -> None:
        """Check every parameter."""
        for parameter, kind in self.kinds.items():
            value = as_number(parameter, getattr(self, parameter), *RANGES[kind])
            object.__setattr__(self, parameter, value)
        as_choice("measure", self.measure, MEASURES)
        if self.scale == 0.0:
            raise ValueError("scale must be above 0, got 0.0; turn data of a push to the other side around")

    @property
    def free(self) -> tuple[str, ...]:
        """Parameters that are fitted if none are named: rates, noise above 0, and the scale of errors."""
        noises = tuple(n for n in NOISES if n in self.kinds and getattr(self, n) > 0.0)
        return (*self.rates, *noises, *(("scale",) if self.measure == "error" else ()))

    def parameters(self) -> dict[str, float]:
        """Return every parameter by its name."""
        return {name: getattr(self, name) for name in self.kinds}

    def replace(self, **changes: Any) -> Self:
        """Return the model with other parameters."""
        return dataclasses.replace(self, **changes)

    def renamed(self, values: Mapping[str, float]) -> dict[str, str]:
        """Return which parameter each parameter is called after, where labels are interchangeable.

        Args:
            values: Every parameter by its name.

        Returns:
            Name of a parameter to the name under which `values` has it; parameters that are missing stay.
        """
        return {}

    def predict(self, design: Design, observed: ArrayLike) -> Prediction:
        """Return what the model says of every trial, given the data of the trials before it.

        Args:
            design: The trials.
            observed: (T,) data, NaN where there are none.
        """
        data = design.check_observed(observed)
        mean, sd, density = self.predictions(self.lanes(), design, data)
        return Prediction(mean[0], sd[0], density[0])

    def forecast(self, design: Design, observed: ArrayLike, first: int) -> Prediction:
        """Return what the model says of the trials from `first` on, given only the data before them.

        Args:
            design: The trials.
            observed: (T,) data, NaN where there are none.
            first: Index of the first trial to forecast, at least 1.

        Returns:
            Mean and SD of each trial by itself, (T - first,). Its `log_density` is that of `predict`, so that
            its sum is the log density of the held-out data together.
        """
        data = design.check_observed(observed)
        first = as_whole_number("first", first, 1, design.trials - 1)
        blind = np.where(np.arange(data.size) < first, data, np.nan)
        mean, sd, _ = self.predictions(self.lanes(), design, blind)
        density = self.predictions(self.lanes(), design, data)[2]
        return Prediction(mean[0, first:], sd[0, first:], density[0, first:])

    def lanes(self, count: int = 1, changes: Mapping[str, Floats] | None = None) -> Values:
        """Return the parameters of many learners side by side, (count,) each.

        Args:
            count: Number of learners.
            changes: Parameters that differ between them.
        """
        same = {name: np.full(count, value) for name, value in self.parameters().items()}
        return same | dict(changes or {})

    @abstractmethod
    def predictions(self, values: Values, design: Design, observed: Floats) -> tuple[Floats, Floats, Floats]:
        """Return mean, SD and log density of checked data for many learners, (L, T) each; see `predict`."""

    def _as_adaptation(self, values: Values, design: Design, observed: Floats) -> Floats:
        """(L, T) data in units of adaptation; NaN where the measure has none."""
        a: Floats = (observed - values["bias"][:, None]) / values["scale"][:, None]
        return a if self.measure == "adaptation" else np.where(design.free, design.perturbation - a, np.nan)

    def _as_data(self, values: Values, design: Design, mean: Floats, sd: Floats) -> tuple[Floats, Floats]:
        """(L, T) predictions in the unit of the data; NaN where the measure has none."""
        scale, bias = values["scale"][:, None], values["bias"][:, None]
        if self.measure == "adaptation":
            return bias + scale * mean, scale * sd
        return bias + np.where(design.free, scale * (design.perturbation - mean), np.nan), scale * sd

    @abstractmethod
    def memory(self, rng: np.random.Generator | None = None) -> Memory:
        """Return the memory of a learner that has met nothing yet.

        Args:
            rng: Of all noise within the learner; None is one without noise.
        """

    def simulate(self, design: Design, seed: int | None = None) -> Simulation:
        """Return one learner through a design.

        Args:
            design: The trials.
            seed: Of all noise; None is a learner without noise.
        """
        rng = None if seed is None else np.random.default_rng(as_seed("seed", seed))
        motor, measured = (
            np.zeros((2, design.trials)) if rng is None else rng.standard_normal((2, design.trials))
        )
        motor, measured = self.motor_noise * motor, self.measurement_noise * measured
        memory, free, imposed, channel = self.memory(rng), design.free, design.imposed_error, design.channel
        assert channel is not None
        x, states = np.empty(design.trials), []
        for t in range(design.trials):
            x[t] = memory.expect()
            met = design.perturbation[t] - x[t] - motor[t] if free[t] else imposed[t]
            states.append(memory.learn(None if channel[t] else float(met)))
        a = x + motor
        error = np.where(design.free, design.perturbation - a, design.imposed_error)
        observed, _ = self._as_data(self.lanes(), design, (a + measured)[None], np.zeros((1, a.size)))
        return Simulation(x, a, error, np.array(states), observed[0])


@dataclass(frozen=True, kw_only=True)
class GaussianModel(Model):
    """A model that predicts each trial, given those before, by one normal distribution."""

    def predictions(self, values: Values, design: Design, observed: Floats) -> tuple[Floats, Floats, Floats]:
        """Return mean, SD and log density of checked data for many learners, (L, T) each; see `predict`."""
        adaptation = self._as_adaptation(values, design, observed)
        mean, variance = self._adaptation(values, design, adaptation)
        sd = np.sqrt(np.maximum(variance, LEAST_NOISE))
        z = (adaptation - mean) / sd
        density = -0.5 * z**2 - np.log(sd * values["scale"][:, None]) - 0.5 * math.log(2.0 * math.pi)
        return *self._as_data(values, design, mean, sd), density

    @abstractmethod
    def _adaptation(self, values: Values, design: Design, adaptation: Floats) -> tuple[Floats, Floats]:
        """Mean and variance of the measured adaptation of every trial given those before, (L, T) each.

        Args:
            values: Parameters, (L,) each.
            design: The trials.
            adaptation: (L, T) measured adaptation, NaN where there is none.
        """
