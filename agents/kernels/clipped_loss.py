"""The loss of PPO and its gradients in numba, for Gaussian actions: one pass over a minibatch."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from agents.kernels.compile import entry, inner

# Indices of what `clipped_loss` reports: terms of the loss, the share of clipped ratios, the KL divergence
POLICY, VALUE, ENTROPY, CLIPPED, DIVERGENCE = range(5)
TERMS: Final = 5
UNCLIPPED: Final = 1e30  # finite, since the compiler takes all numbers to be
HALF_LOG_TURN: Final = 0.5 * math.log(2.0 * math.pi)


@entry
def clipped_loss(
    means: Any, log_std: Any, values: Any, sample: Any, normalise: bool, clip: float, clip_values: float,
    weights: Any, gradients: Any, terms: Any,
) -> None:  # fmt: skip
    """Compute the clipped loss of PPO (Schulman et al. 2017, arXiv:1707.06347, equations 7 and 9).

    Args:
        means: (S, A) of the actions' distribution.
        log_std: (A,) logarithm of its standard deviation.
        values: (S,).
        sample: Actions (S, A), and (S,) each: logarithms of their probability when they were taken, values
            then, advantages and returns.
        normalise: Whether to normalise advantages.
        clip: Of the ratio of probabilities.
        clip_values: Of values around those of then; ``UNCLIPPED`` for none.
        weights: Of the entropy and of the values.
        gradients: On ``means``, ``log_std`` and ``values``, to be filled.
        terms: (TERMS,), to be filled.
    """
    actions, old_log_prob, old_values, advantages, returns = sample
    centre, scale = _normalisation(advantages) if normalise else (0.0, 1.0)
    d_means, d_log_std, d_values = gradients
    steps, size = means.shape
    precision = np.exp(-log_std)
    constant = size * HALF_LOG_TURN + log_std.sum()
    policy = value = clipped = divergence = 0.0
    d_logs = np.full(size, -weights[0])
    for s in range(steps):
        square = 0.0
        for a in range(size):
            d_means[s, a] = (actions[s, a] - means[s, a]) * precision[a]
            square += d_means[s, a] * d_means[s, a]
        log_ratio = -0.5 * square - constant - old_log_prob[s]
        ratio = math.exp(log_ratio)
        advantage = (advantages[s] - centre) * scale
        gain, bounded = advantage * ratio, advantage * min(max(ratio, 1.0 - clip), 1.0 + clip)
        policy -= min(gain, bounded)
        clipped += abs(ratio - 1.0) > clip
        divergence += ratio - 1.0 - log_ratio
        slope = -gain / steps if gain <= bounded else 0.0
        for a in range(size):
            d_logs[a] += slope * (d_means[s, a] * d_means[s, a] - 1.0)
            d_means[s, a] *= slope * precision[a]
        value += _value_error(
            values[s], old_values[s], returns[s], clip_values, 2.0 * weights[1] / steps, d_values, s
        )
    for a in range(size):
        d_log_std[a] = d_logs[a]
    terms[POLICY], terms[VALUE] = policy / steps, value / steps
    terms[ENTROPY] = -(constant + 0.5 * size)
    terms[CLIPPED], terms[DIVERGENCE] = clipped / steps, divergence / steps


@inner
def _normalisation(values: Any) -> tuple[float, float]:
    """Return the mean of values and the inverse of their standard deviation; 0 and 1 for a single one."""
    n = values.shape[0]
    if n < 2:
        return 0.0, 1.0
    total = 0.0
    for value in values:
        total += value
    mean, squares = total / n, 0.0
    for value in values:
        squares += (value - mean) ** 2
    return mean, 1.0 / (math.sqrt(squares / (n - 1)) + 1e-8)


@inner
def _value_error(
    value: float, old: float, target: float, clip: float, weight: float, gradients: Any, s: int
) -> float:
    """Return the squared error of a value, and store its gradient."""
    change = value - old
    error = (old + min(max(change, -clip), clip) if abs(change) > clip else value) - target
    gradients[s] = weight * error if abs(change) <= clip else 0.0
    return error * error
