"""Contextual inference by particle learning: which contexts there are, which one acts, and what each is like.

The generative model is that of Heald, Lengyel & Wolpert 2021 (Nature 600, 489, doi
10.1038/s41586-021-04129-3). Contexts follow each other as a Markov chain without a known number of states,
whose transitions have a sticky hierarchical Dirichlet process prior (Fox et al. 2011, Annals of Applied
Statistics 5, 1020, doi 10.1214/10-AOAS395): with the shares beta of the contexts as a whole,

    p(next is k | now is j) is proportional to n[j, k] + alpha beta[k] + kappa [j = k],
    p(next is new | now is j) is proportional to alpha (1 - sum beta),    kappa = alpha rho / (1 - rho).

Every context j has a state that drifts, x(t) = a[j] x(t - 1) + d[j] + process noise, whose retention a and
drift d are unknown too, and the acting context shows its own state, with noise.

A particle keeps what it would be exact to know given its past contexts: their transition counts, a Gaussian
belief about each state, and the sums that determine the posterior of each a and d. On every trial it draws
beta, a and d anew, particles are resampled by how probable they made the feedback, and each draws the context
that acted (particle learning, Carvalho et al. 2010, Statistical Science 25, 88, doi 10.1214/10-STS325). The
number of tables of the Chinese restaurant franchise, from which beta is drawn, is counted as customers come
instead of being drawn again from the counts on every trial.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from savings_gym.arrays import Array, Floats

FIRST_COLUMNS: Final = 3  # contexts that arrays have room for at first
PER_CONTEXT: Final = ("mean", "variance", "tables", "retention", "drift", "probability", "shares")  # (n, c)
SMALLEST: Final = 1e-300  # added to weights, so that their sum is never 0


@dataclass(frozen=True)
class ContextPrior:
    """What a learner assumes before it has met anything.

    Attributes:
        process_noise: SD of the noise of every state.
        feedback_noise: SD of the noise of the feedback.
        retention: Mean of the prior of a.
        retention_sd: Its SD; a is between 0 and 1.
        drift_sd: SD of the prior of d, whose mean is 0.
        gamma: Concentration of the shares of contexts: the larger, the more contexts.
        alpha: Concentration of the transitions: the larger, the more alike their rows.
        rho: Share of self-transitions that the prior adds.
        most: Largest number of contexts.
    """

    process_noise: float
    feedback_noise: float
    retention: float
    retention_sd: float
    drift_sd: float
    gamma: float
    alpha: float
    rho: float
    most: int

    @property
    def kappa(self) -> float:
        """Weight of a self-transition."""
        return self.alpha * self.rho / (1.0 - self.rho)


class ContextFilter:
    """The beliefs of many learners who get their own feedback, side by side.

    Each of them has `particles` particles. Every trial is one call of `predict`, then one of `update`.

    Args:
        prior: What all of them assume.
        learners: Number of learners, g.
        particles: Number of particles of each.
        rng: Of all draws.
    """

    def __init__(self, prior: ContextPrior, learners: int, particles: int, rng: np.random.Generator) -> None:
        self.prior, self.learners, self.particles, self.rng = prior, learners, particles, rng
        n, c = learners * particles, min(FIRST_COLUMNS, prior.most)
        self.known = np.zeros(
            n, dtype=np.intp
        )  # contexts that a particle knows; the next column is the new one
        self.context = np.full(n, -1, dtype=np.intp)  # that acted last
        self.mean, self.variance = np.zeros((n, c)), np.zeros((n, c))
        self.transitions, self.tables = np.zeros((n, c, c)), np.zeros((n, c))
        self.sums = np.zeros((5, n, c))  # of x^2, x, 1, x x', x' over pairs of a state and the next, x'
        self.retention, self.drift = np.zeros((n, c)), np.zeros((n, c))
        self.before = self.mean, self.variance  # of the states one trial earlier
        self.probability = np.zeros((n, c))  # that a context acts on this trial
        self.shares = np.zeros((n, c))  # beta, the share of every context as a whole

    def predict(self) -> Floats:
        """Begin a trial; return what each learner expects of it, (g,)."""
        self._draw_parameters()
        fresh = np.arange(self.mean.shape[1]) >= self.known[:, None]
        stationary = self.drift / (1.0 - self.retention)
        spread = self.prior.process_noise**2 / (1.0 - self.retention**2)
        self.before = np.where(fresh, stationary, self.mean), np.where(fresh, spread, self.variance)
        self.mean = np.where(fresh, stationary, self.retention * self.mean + self.drift)
        moved = self.retention**2 * self.variance + self.prior.process_noise**2
        self.variance = np.where(fresh, spread, moved)
        self.probability = self._context_probabilities()
        expected = np.sum(self.probability * self.mean, axis=-1)
        return expected.reshape(self.learners, self.particles).mean(axis=-1)

    def context_probabilities(self) -> Floats:
        """Return how probable each learner found every context before the feedback, (g, most + 1).

        Contexts are numbered in the order in which a particle met them; the last column is a new one.
        """
        columns = np.arange(self.mean.shape[1])
        known = np.where(columns < self.known[:, None], self.probability, 0.0)
        new = np.sum(np.where(columns == self.known[:, None], self.probability, 0.0), axis=-1)
        whole = np.zeros((len(known), self.prior.most + 1))
        whole[:, : known.shape[1]], whole[:, -1] = known, new
        return whole.reshape(self.learners, self.particles, -1).mean(axis=1)

    def update(self, feedback: Floats | None) -> None:
        """End a trial.

        Args:
            feedback: (g,) what each learner met; None if there was none, as in a channel.
        """
        weights = self.probability
        if feedback is not None:
            y = np.repeat(feedback, self.particles)
            noise = self.prior.feedback_noise**2
            log_density = self._log_density(y, noise)
            top = np.where(weights > 0.0, log_density, -np.inf).max(axis=-1, keepdims=True)
            weights = weights * np.exp(np.minimum(log_density - top, 0.0))
            chosen = self._resampled(top[:, 0] + np.log(weights.sum(axis=-1) + SMALLEST))
            self._keep(chosen)
            weights, y = weights[chosen], y[chosen]
        acting = self._drawn(weights)
        if feedback is not None:
            self._observe(acting, y, noise)
        self._count_states()
        self._count_transition(acting)

    def keep_learners(self, chosen: Array) -> None:
        """Replace the learners by some of them, (g,) their numbers."""
        rows = chosen[:, None] * self.particles + np.arange(self.particles)
        self._keep(rows.ravel())

    def _log_density(self, y: Floats, noise: float) -> Floats:
        """Log density of feedback under every context, (n, c), up to a constant."""
        total = self.variance + noise
        return -0.5 * ((y[:, None] - self.mean) ** 2 / total + np.log(total))

    def _resampled(self, log_weights: Floats) -> Array:
        """Rows of the particles that survive, systematically within each learner."""
        grouped = log_weights.reshape(self.learners, self.particles)
        weights = np.exp(grouped - grouped.max(axis=-1, keepdims=True))
        cumulative = np.cumsum(weights, axis=-1)
        cumulative /= cumulative[:, -1:]
        offsets = np.arange(self.learners)[:, None]
        points = (np.arange(self.particles) + self.rng.random((self.learners, 1))) / self.particles
        rows = np.searchsorted((cumulative + offsets).ravel(), (points + offsets).ravel())
        ends = (offsets + 1) * self.particles - 1  # rounding must not reach into the next learner
        return np.minimum(rows.reshape(self.learners, -1), ends).ravel()

    def _keep(self, rows: Array) -> None:
        """Replace every particle by the one of a row."""
        self.known, self.context = self.known[rows], self.context[rows]
        for name in ("transitions", *PER_CONTEXT):
            setattr(self, name, getattr(self, name)[rows])
        self.sums = self.sums[:, rows]
        self.before = self.before[0][rows], self.before[1][rows]

    def _drawn(self, weights: Floats) -> Array:
        """Context that acted, drawn for every particle, (n,)."""
        cumulative = np.cumsum(weights, axis=-1)
        points = self.rng.random(len(weights)) * cumulative[:, -1]
        return np.argmax(cumulative > points[:, None], axis=-1)

    def _observe(self, acting: Array, y: Floats, noise: float) -> None:
        """Correct the acting state of every particle by what it met (Kalman)."""
        rows = np.arange(len(acting))
        mean, variance = self.mean[rows, acting], self.variance[rows, acting]
        gain = variance / (variance + noise)
        self.mean[rows, acting] = mean + gain * (y - mean)
        self.variance[rows, acting] = (1.0 - gain) * variance

    def _count_states(self) -> None:
        """Draw each known state and the one before it from their joint belief, and add them to the sums."""
        mean, variance = self.before
        moved = self.retention**2 * variance + self.prior.process_noise**2
        gain = self.retention * variance / moved
        z, z_before = self.rng.standard_normal((2, *self.mean.shape))
        now = self.mean + np.sqrt(self.variance) * z
        back = mean + gain * (now - self.retention * mean - self.drift)
        back = back + np.sqrt(np.maximum(variance - gain**2 * moved, 0.0)) * z_before
        known = np.arange(self.mean.shape[1]) < self.known[:, None]
        self.sums += np.stack([back**2, back, np.ones_like(back), back * now, now]) * known

    def _count_transition(self, acting: Array) -> None:
        """Add the transition to the acting context, its table if it opens one, and itself if it is new."""
        rows, prior = np.arange(len(acting)), self.prior
        first = self.context[0] < 0  # of all particles at once
        if first:
            self.tables[rows, acting] += 1.0
        else:
            stays = acting == self.context
            known = acting < self.known
            opening = prior.alpha * self.shares[rows, acting] + prior.kappa * stays
            seated = self.transitions[rows, self.context, acting]
            opens = ~known | (self.rng.random(len(rows)) * (seated + opening) < opening)
            from_kappa = stays & (self.rng.random(len(rows)) * opening < prior.kappa)
            self.tables[rows, acting] += opens & ~from_kappa
            self.transitions[rows, self.context, acting] += 1.0
        self.known += acting == self.known
        self.context = acting
        if self.known.max() >= self.mean.shape[1] and self.mean.shape[1] < prior.most:
            self._add_column()

    def _add_column(self) -> None:
        """Make room for one more context."""
        for name in PER_CONTEXT:
            setattr(self, name, np.pad(getattr(self, name), ((0, 0), (0, 1))))
        self.transitions = np.pad(self.transitions, ((0, 0), (0, 1), (0, 1)))
        self.sums = np.pad(self.sums, ((0, 0), (0, 0), (0, 1)))

    def _context_probabilities(self) -> Floats:
        """Probability of every context before feedback, (n, c), of the new one behind the known."""
        prior, columns = self.prior, np.arange(self.mean.shape[1])
        known, new = columns < self.known[:, None], columns == self.known[:, None]
        draws = self.rng.standard_gamma(np.where(known, self.tables, np.where(new, prior.gamma, 1.0)))
        draws = np.where(known | new, draws, 0.0)
        self.shares = draws / (draws.sum(axis=-1, keepdims=True) + SMALLEST)
        if self.context[0] < 0:
            return new.astype(float)
        rows = np.arange(len(self.context))
        weights = self.transitions[rows, self.context] + prior.alpha * self.shares
        weights[rows, self.context] += prior.kappa
        return weights / weights.sum(axis=-1, keepdims=True)

    def _draw_parameters(self) -> None:
        """Draw retention and drift of every context from their posterior, of new ones from the prior."""
        from scipy.special import ndtr, ndtri

        prior, noise = self.prior, self.prior.process_noise**2
        squares, before, count, products, after = self.sums / noise
        weight_a, weight_d = squares + prior.retention_sd**-2, count + prior.drift_sd**-2
        sum_a, sum_d = products + prior.retention * prior.retention_sd**-2, after
        precision = weight_a - before**2 / weight_d
        mean, sd = (sum_a - before * sum_d / weight_d) / precision, precision**-0.5
        low, high = ndtr((0.0 - mean) / sd), ndtr((1.0 - mean) / sd)
        share = low + self.rng.random(mean.shape) * (high - low)
        drawn = mean + sd * ndtri(np.clip(share, 1e-12, 1.0 - 1e-12))
        self.retention = np.clip(drawn, 1e-6, 1.0 - 1e-6)
        mean_d = (sum_d - before * self.retention) / weight_d
        self.drift = mean_d + self.rng.standard_normal(mean.shape) * weight_d**-0.5
