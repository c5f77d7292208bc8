"""COIN: learning as inference of which context acts, and of what each context is like.

After Heald, Lengyel & Wolpert 2021 (Nature 600, 489, doi 10.1038/s41586-021-04129-3). The learner expects of
a trial the mean of its contexts' states, weighted by how probable it finds each context; see
`savings_gym.models.contexts` for the inference, and for what is done otherwise than in the paper. The
feedback is the perturbation that the learner infers from its error, p - motor noise + sensory noise; in a
channel there is none; on a clamped trial it is the expectation plus the error. There are no sensory cues.

A learner's sensory noise is known to nobody else, and its own inference draws numbers, so that data have no
likelihood in closed form. It is averaged over `runs`, learners with equal parameters and sensory noise of
their own, each weighted by how probable it made the data so far, and drawn anew when few carry the weight (a
particle filter, whose mean over seeds is the likelihood, up to the finite number of particles in each run).
Runs matter more than particles: few runs make the likelihood rough, and the noise that fits it too large.
Equal seeds give equal draws, so that likelihoods of neighbouring parameters can be compared. Without
measurement noise, the motor noise of a trial with data is known; with it, every run draws its own.

Use the estimates of a fit, not its intervals: fits of planted learners have 95 % intervals that hold the
planted value in about a third of them, see experiments/results/theories/recovery.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from savings_gym.arrays import Array, Floats, as_seed, as_whole_number
from savings_gym.models.contexts import ContextFilter, ContextPrior
from savings_gym.models.design import Design
from savings_gym.models.model import LEAST_NOISE, POSITIVE, SHARE, Memory, Model, Values

FEW: Final = 0.5  # share of effective runs below which they are drawn anew


@dataclass(frozen=True, kw_only=True)
class Coin(Model):
    """Contextual inference (Heald et al. 2021).

    The defaults are those of the paper; of `retention_sd` and `drift_sd` they are rounded. The intervals of
    its fits are not to be trusted, since its likelihood is rough; use the estimates.

    Attributes:
        process_noise: SD of the noise of every context's state, as the learner assumes it.
        sensory_noise: SD of what the senses add to the feedback.
        motor_noise: See `Model`; the learner assumes both noises in its feedback.
        retention: Mean of the prior of the states' retention.
        retention_sd: SD of that prior.
        drift_sd: SD of the prior of the states' drift.
        gamma: Concentration of contexts: the larger, the more there are.
        alpha: Concentration of transitions.
        rho: Share of self-transitions that the prior adds, below 1.
        contexts: Largest number of contexts.
        particles: Particles of each learner.
        runs: Learners over which predictions and likelihoods are averaged.
        seed: Of the learners' draws, and of the runs' noise.
    """

    process_noise: float = 0.0089
    sensory_noise: float = 0.03
    motor_noise: float = 0.0182
    retention: float = 0.9425
    retention_sd: float = 0.0012
    drift_sd: float = 0.00082
    gamma: float = 0.1
    alpha: float = 8.955
    rho: float = 0.2501
    contexts: int = 10
    particles: int = 100
    runs: int = 32
    seed: int = 0

    name: ClassVar = "contextual inference"
    rates: ClassVar = ()  # process noise sets how fast it learns; retention can hardly be told from it
    kinds: ClassVar = {
        "process_noise": POSITIVE, "sensory_noise": POSITIVE, "retention": SHARE, "retention_sd": POSITIVE,
        "drift_sd": POSITIVE, "gamma": POSITIVE, "alpha": POSITIVE, "rho": SHARE, **Model.common,
    }  # fmt: skip
    smooth: ClassVar = False

    def __post_init__(self) -> None:
        """Check every parameter."""
        super().__post_init__()
        for name in ("process_noise", "retention_sd", "drift_sd", "gamma", "alpha"):
            if getattr(self, name) == 0.0:
                raise ValueError(f"{name} must be above 0, got 0.0")
        if self.rho == 1.0:
            raise ValueError("rho must be below 1, got 1.0")
        for name in ("contexts", "particles", "runs"):
            as_whole_number(name, getattr(self, name), least=1)
        as_seed("seed", self.seed)

    def average(self, design: Design) -> tuple[Floats, Floats]:
        """Return what `runs` learners with noise of their own expect on average.

        Args:
            design: The trials.

        Returns:
            Expectation (T,), and the probability of each context before the trial (T, contexts + 1), in the
            order in which contexts are met, a new one last.
        """
        rng = np.random.default_rng(self.seed)
        beliefs, noise = self._beliefs(self.runs, rng), self._noise(design, self.runs, rng)
        expected, probability = [], []
        for t in range(design.trials):
            x = beliefs.predict()
            expected.append(x.mean())
            probability.append(beliefs.context_probabilities().mean(axis=0))
            beliefs.update(self._feedback(design, t, x, noise[:, :, t]))
        return np.array(expected), np.array(probability)

    def _beliefs(self, learners: int, rng: np.random.Generator) -> ContextFilter:
        prior = ContextPrior(
            process_noise=self.process_noise,
            feedback_noise=math.hypot(self.sensory_noise, self.motor_noise),
            retention=self.retention,
            retention_sd=self.retention_sd,
            drift_sd=self.drift_sd,
            gamma=self.gamma,
            alpha=self.alpha,
            rho=self.rho,
            most=self.contexts,
        )
        return ContextFilter(prior, learners, self.particles, rng)

    def _noise(self, design: Design, learners: int, rng: np.random.Generator) -> Floats:
        """Motor and sensory noise of every learner and trial, (2, g, T)."""
        sds = np.array([self.motor_noise, self.sensory_noise])[:, None, None]
        return sds * rng.standard_normal((2, learners, design.trials))

    def _feedback(self, design: Design, t: int, x: Floats, noise: Floats) -> Floats | None:
        """Perturbation that learners infer, (g,), given their expectation and noise (2, g)."""
        assert design.channel is not None
        if design.channel[t]:
            return None
        motor, sensory = noise
        return sensory + (design.perturbation[t] - motor if design.free[t] else x + design.imposed_error[t])

    def memory(self, rng: np.random.Generator | None = None) -> Memory:
        """Return the memory of a learner that has met nothing yet, see `Model.memory`."""
        if rng is None:
            return Contexts(self._beliefs(1, np.random.default_rng(self.seed)), 0.0, None)
        sensory, inference = rng.spawn(2)
        return Contexts(self._beliefs(1, inference), self.sensory_noise, sensory)

    def predictions(self, values: Values, design: Design, observed: Floats) -> tuple[Floats, Floats, Floats]:
        """Return mean, SD and log density of checked data for many learners, (L, T) each; see `predict`."""
        adaptation = self._as_adaptation(values, design, observed)
        moments = np.empty((3, *adaptation.shape))
        for lane, data in enumerate(adaptation):
            model = self.replace(**{name: float(v[lane]) for name, v in values.items()})
            moments[:, lane] = model._filtered(design, data)
        density = moments[2] - np.log(values["scale"])[:, None]
        return *self._as_data(values, design, moments[0], np.sqrt(moments[1])), density

    def _filtered(self, design: Design, adaptation: Floats) -> Floats:
        """Mean, variance and log density of measured adaptation given that before, (3, T)."""
        rng = np.random.default_rng(self.seed)
        beliefs, noise = self._beliefs(self.runs, rng), self._noise(design, self.runs, rng)
        known = self.measurement_noise == 0.0  # motor noise, from the data
        left = max((self.motor_noise if known else self.measurement_noise) ** 2, LEAST_NOISE)
        log_weights, results = np.full(self.runs, -math.log(self.runs)), np.empty((3, design.trials))
        for t in range(design.trials):
            x = beliefs.predict()
            centre = x if known else x + noise[0, :, t]
            weights = np.exp(log_weights)
            mean = float(weights @ centre)
            results[:2, t] = mean, weights @ (centre - mean) ** 2 + left
            datum = adaptation[t]
            if np.isfinite(datum):
                fits = log_weights - 0.5 * ((datum - centre) ** 2 / left + math.log(2.0 * math.pi * left))
                results[2, t] = np.logaddexp.reduce(fits)
                log_weights = fits - results[2, t]
                if known:
                    noise[0, :, t] = datum - x
            else:
                results[2, t] = np.nan
            beliefs.update(self._feedback(design, t, x, noise[:, :, t]))
            if np.sum(np.exp(2.0 * log_weights)) > 1.0 / (FEW * self.runs):
                beliefs.keep_learners(_systematic(np.exp(log_weights), rng))
                log_weights = np.full(self.runs, -math.log(self.runs))
        return results


class Contexts(Memory):
    """The beliefs of one learner about its contexts.

    Args:
        beliefs: Those of a single learner.
        sensory_noise: SD of what the senses add to the feedback.
        rng: Of that noise; None is none.
    """

    def __init__(self, beliefs: ContextFilter, sensory_noise: float, rng: np.random.Generator | None) -> None:
        self.beliefs, self.sensory_noise, self.rng, self.expected = beliefs, sensory_noise, rng, 0.0

    def expect(self) -> float:
        """Begin a trial; return what the contexts make probable."""
        self.expected = float(self.beliefs.predict()[0])
        return self.expected

    def learn(self, error: float | None) -> Floats:
        """End a trial; return how probable each context was before it, (contexts + 1,), a new one last."""
        probable: Floats = self.beliefs.context_probabilities()[0]
        noise = 0.0 if self.rng is None else self.sensory_noise * float(self.rng.standard_normal())
        self.beliefs.update(None if error is None else np.array([self.expected + error + noise]))
        return probable


def _systematic(weights: Floats, rng: np.random.Generator) -> Array:
    """Numbers of the runs that go on, drawn systematically."""
    cumulative = np.cumsum(weights / weights.sum())
    points = (np.arange(weights.size) + rng.random()) / weights.size
    return np.minimum(np.searchsorted(cumulative, points), weights.size - 1)
