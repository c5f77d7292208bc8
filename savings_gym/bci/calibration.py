"""Intuitive decoders: calibrated from activity, so that the cursor goes where the activity intends.

The intended velocity is regressed on the factors of the activity, ``v = W ẑ + c`` (least squares), and the
decoder is the one that brings the cursor to that velocity if the activity stays the same. With u' = (u −
mean) / sd and ẑ = R u' (see `bci.factors`),

    K = (I − A) W R diag(1 / sd),        b = −K mean

The constant c is left out: mean activity does not move the cursor, as in the studies, whose activity is
z-scored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.activity.phases import as_samples
from savings_gym.activity.subspaces import SAMPLES
from savings_gym.arrays import Floats, as_finite, as_number, as_points
from savings_gym.bci.decoder import SMOOTHING, Decoder, make_decoder
from savings_gym.bci.factors import FACTORS, FactorModel, factor_analysis


@dataclass(frozen=True, eq=False)
class FactorDecoder:
    """A decoder of factors, and the factors: what a change within or outside the manifold needs.

    Attributes:
        model: Factors of the activity.
        weights: (2, factors) W, velocity in steady state per factor [m/s].
        smoothing: A = smoothing · I.
        fit: Share of the variance of intended velocity that the factors explain, 0 to 1.
    """

    model: FactorModel
    weights: Floats
    smoothing: float
    fit: float

    def decoder(self) -> Decoder:
        """Return the intuitive decoder of activity."""
        return self.decoder_of(self.weights @ self.model.reading)

    def decoder_of(self, standard: Floats) -> Decoder:
        """Return the decoder whose steady velocity is a linear map of z-scored activity.

        Args:
            standard: (2, units) that map [m/s].
        """
        weights = (1.0 - self.smoothing) * standard / self.model.sd
        return make_decoder(weights, -weights @ self.model.mean, self.smoothing)


def intended_velocity(position: ArrayLike, target: ArrayLike, speed: float) -> Floats:
    """Return the velocity straight to the target, (..., 2) [m/s]; zero at the target.

    Args:
        position: (..., 2) of the cursor [m].
        target: (..., 2) [m].
        speed: m/s.
    """
    away = as_points("target", target) - as_points("position", position)
    distance = np.linalg.norm(away, axis=-1, keepdims=True)
    towards: Floats = as_number("speed", speed, 0.0) * away / np.where(distance > 0.0, distance, 1.0)
    return towards


def calibrate(
    activity: ArrayLike, velocity: ArrayLike, factors: int = FACTORS, smoothing: float = SMOOTHING
) -> FactorDecoder:
    """Calibrate an intuitive decoder.

    Args:
        activity: (samples, units) of one network.
        velocity: (samples, 2) intended in each sample [m/s].
        factors: Number of factors.
        smoothing: A = smoothing · I of the decoder.

    Raises:
        ValueError: If shapes do not match, the velocity never changes, or a unit is silent.
    """
    x, v = as_samples("activity", activity, SAMPLES), as_points("velocity", velocity)
    if v.shape != (len(x), 2):
        raise ValueError(f"velocity has shape {v.shape}, expected ({len(x)}, 2), as activity has {x.shape}")
    kept = as_number("smoothing", smoothing, 0.0)
    if kept >= 1.0:
        raise ValueError(f"smoothing must be below 1, got {smoothing!r}")
    centred = v - v.mean(axis=0)
    spread = float(np.sum(centred**2))
    if spread == 0.0:
        raise ValueError("velocity never changes, expected samples with several intended directions")
    model = factor_analysis(x, factors)
    scores = as_finite("factors", model.read(x))
    solution = np.linalg.lstsq(scores - scores.mean(axis=0), centred, rcond=None)[0]
    error = float(np.sum((centred - (scores - scores.mean(axis=0)) @ solution) ** 2))
    return FactorDecoder(model, solution.T, kept, 1.0 - error / spread)
