"""Learning as a sum of states that each forget and learn at a rate of their own.

State i keeps a share A_i of itself from trial to trial and learns a share B_i of the error
(Smith, Ghazizadeh & Shadmehr 2006, PLoS Biology 4, e179, doi 10.1371/journal.pbio.0040179):

    x_i(t + 1) = A_i x_i(t) + B_i e(t) + process noise,    x = sum_i x_i

Process noise is independent between states and trials, with one SD. The system is linear and its noise
Gaussian, so the likelihood is exact: it is that of a Kalman filter, whose state noise and observation noise
are correlated by the motor noise that the learner feels (as in Albert & Shadmehr 2018, J Neurophysiol 119,
1367, doi 10.1152/jn.00197.2017, who fit two states to people). States start at 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from savings_gym.arrays import Floats
from savings_gym.models.design import Design
from savings_gym.models.model import POSITIVE, SHARE, GaussianModel, Memory, Model, Values


@dataclass(frozen=True, kw_only=True)
class StateSpace(GaussianModel):
    """What `OneRate`, `TwoRate` and `ThreeRate` share.

    Attributes:
        process_noise: SD of the noise of every state.
    """

    process_noise: float = 0.0

    states: ClassVar[tuple[str, ...]]  # names of the states, first the one that forgets fastest

    def __post_init__(self) -> None:
        """Check every parameter, and that the states are in order."""
        super().__post_init__()
        kept = [getattr(self, _named("retention", state)) for state in self.states]
        if kept != sorted(kept):
            raise ValueError(f"retentions of {', '.join(self.states)} must not fall, got {kept}")

    def renamed(self, values: Mapping[str, float]) -> dict[str, str]:
        """Return the parameters under their names once the states are in order; see `Model.renamed`."""
        order = sorted(self.states, key=lambda state: values[_named("retention", state)])
        return {
            _named(kind, state): _named(kind, source)
            for kind in ("retention", "learning")
            for state, source in zip(self.states, order, strict=True)
        }

    def _rates(self, values: Values) -> tuple[Floats, Floats]:
        """A and B, (L, k) each."""
        retention, learning = (
            np.stack([values[_named(kind, state)] for state in self.states], axis=-1)
            for kind in ("retention", "learning")
        )
        return retention, learning

    def memory(self, rng: np.random.Generator | None = None) -> Memory:
        """Return the memory of a learner that has met nothing yet, see `Model.memory`."""
        (kept,), (learned,) = self._rates(self.lanes())
        return States(kept, learned, self.process_noise, rng)

    def _adaptation(self, values: Values, design: Design, adaptation: Floats) -> tuple[Floats, Floats]:
        kept, learned = self._rates(values)
        lanes, k = kept.shape
        motor = values["motor_noise"] ** 2
        measured = motor + values["measurement_noise"] ** 2  # variance around the expectation
        process = values["process_noise"][:, None, None] ** 2 * np.eye(k)
        clamped_step = kept[:, :, None] * np.eye(k)
        free_step = clamped_step - learned[:, :, None]  # of the states, since e = p - x
        felt = -learned * motor[:, None]  # covariance of state noise and motor noise
        free_process = process - felt[:, :, None] * learned[:, None, :]
        x, covariance = np.zeros((lanes, k)), np.zeros((lanes, k, k))
        mean, variance = np.empty((2, lanes, design.trials))
        free, imposed, known = design.free, design.imposed_error, np.isfinite(adaptation[0])
        for t in range(design.trials):
            mean[:, t] = x.sum(axis=-1)
            crossed = covariance.sum(axis=-1)  # (L, k), of the states and their sum
            variance[:, t] = crossed.sum(axis=-1) + measured
            step, added = (free_step, free_process) if free[t] else (clamped_step, process)
            error = design.perturbation[t] if free[t] else imposed[t]
            moved = (step @ crossed[:, :, None])[:, :, 0] + (felt if free[t] else 0.0)
            x = (step @ x[:, :, None])[:, :, 0] + learned * error
            covariance = step @ covariance @ step.swapaxes(-1, -2) + added
            if known[t]:
                gain = moved / np.maximum(variance[:, t], 1e-300)[:, None]
                x = x + gain * (adaptation[:, t] - mean[:, t])[:, None]
                covariance = covariance - gain[:, :, None] * moved[:, None, :]
        return mean, variance


class States(Memory):
    """The states of one learner.

    Args:
        kept: (k,) A of every state.
        learned: (k,) B of every state.
        process_noise: SD of the noise of every state.
        rng: Of that noise; None is none.
    """

    def __init__(
        self, kept: Floats, learned: Floats, process_noise: float, rng: np.random.Generator | None
    ) -> None:
        self.kept, self.learned, self.process_noise, self.rng = kept, learned, process_noise, rng
        self.states = np.zeros(kept.size)

    def expect(self) -> float:
        """Begin a trial; return the sum of the states."""
        return float(self.states.sum())

    def learn(self, error: float | None) -> Floats:
        """End a trial; return the states before it, (k,)."""
        before = self.states
        drift = 0.0 if self.rng is None else self.process_noise * self.rng.standard_normal(before.size)
        self.states = self.kept * before + self.learned * (error or 0.0) + drift
        return before


def _named(kind: str, state: str) -> str:
    """Name of a rate of a state, such as "fast_retention"; the only state has none."""
    return f"{state}_{kind}" if state else kind


def _rate_names(*states: str) -> tuple[str, ...]:
    return tuple(_named(kind, state) for state in states for kind in ("retention", "learning"))


def _kinds(*states: str) -> dict[str, str]:
    return {n: SHARE for n in _rate_names(*states)} | {"process_noise": POSITIVE} | dict(Model.common)


@dataclass(frozen=True, kw_only=True)
class OneRate(StateSpace):
    """One state: what is learned is forgotten at one rate (Smith et al. 2006, "single-state").

    Attributes:
        retention: A, the share that is kept from trial to trial.
        learning: B, the share of an error that is learned.
    """

    retention: float = 0.99
    learning: float = 0.05

    name: ClassVar = "one rate"
    states: ClassVar = ("",)
    rates: ClassVar = _rate_names(*states)
    kinds: ClassVar = _kinds(*states)


@dataclass(frozen=True, kw_only=True)
class TwoRate(StateSpace):
    """A fast and a slow state (Smith et al. 2006, whose values are the defaults).

    Attributes:
        fast_retention: A_f.
        fast_learning: B_f.
        slow_retention: A_s, at least A_f.
        slow_learning: B_s.
    """

    fast_retention: float = 0.59
    fast_learning: float = 0.21
    slow_retention: float = 0.992
    slow_learning: float = 0.02

    name: ClassVar = "two rates"
    states: ClassVar = ("fast", "slow")
    rates: ClassVar = _rate_names(*states)
    kinds: ClassVar = _kinds(*states)


@dataclass(frozen=True, kw_only=True)
class ThreeRate(StateSpace):
    """The fast and the slow state, and a third that hardly forgets.

    The third is called ultraslow, as in Inoue et al. 2015 (J Neurophysiol 113, 328, doi
    10.1152/jn.00803.2013). Its default rates are ours: a few hundred trials teach it a tenth.

    Attributes:
        fast_retention: A of the fast state.
        fast_learning: B of the fast state.
        slow_retention: A of the slow state.
        slow_learning: B of the slow state.
        ultraslow_retention: A of the ultraslow state.
        ultraslow_learning: B of the ultraslow state.
    """

    fast_retention: float = 0.59
    fast_learning: float = 0.21
    slow_retention: float = 0.98
    slow_learning: float = 0.02
    ultraslow_retention: float = 0.9995
    ultraslow_learning: float = 0.002

    name: ClassVar = "three rates"
    states: ClassVar = ("fast", "slow", "ultraslow")
    rates: ClassVar = _rate_names(*states)
    kinds: ClassVar = _kinds(*states)
