"""Linear force fields of n trials: four arrays for every backend, and coefficients for physics steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from savings_gym.arrays import Floats, Indices


@dataclass(eq=False)
class LinearFields:
    """f = B·v + K·(x0 − x) + c for n trials.

    Attributes:
        B: (n, 2, 2) N·s/m.
        K: (n, 2, 2) N/m.
        x0: (n, 2) m.
        c: (n, 2) N.
    """

    B: Floats
    K: Floats
    x0: Floats
    c: Floats

    @classmethod
    def zeros(cls, n: int) -> LinearFields:
        """Return n fields without force."""
        return cls(np.zeros((n, 2, 2)), np.zeros((n, 2, 2)), np.zeros((n, 2)), np.zeros((n, 2)))

    def __len__(self) -> int:
        """Return the number of trials."""
        return len(self.c)

    @property
    def active(self) -> NDArray[np.bool_]:
        """(n,) whether there is a force at some position and velocity of the hand."""
        values = np.concatenate([self.B.reshape(-1, 4), self.K.reshape(-1, 4), self.c], axis=1)
        return (values != 0.0).any(axis=1)

    def filled(
        self,
        B: ArrayLike = 0.0,  # noqa: N803, the symbol of the equation
        K: ArrayLike = 0.0,  # noqa: N803
        x0: ArrayLike = 0.0,
        c: ArrayLike = 0.0,
    ) -> LinearFields:
        """Overwrite coefficients with one value for all trials, or one per trial, and return the fields."""
        self.B[:], self.K[:], self.x0[:], self.c[:] = B, K, x0, c
        return self

    def take(self, trials: Indices) -> LinearFields:
        """Return copies of the fields of `trials` (m,)."""
        return LinearFields(self.B[trials], self.K[trials], self.x0[trials], self.c[trials])

    def scaled(self, sizes: Floats) -> LinearFields:
        """Return fields whose forces are `sizes` (n,) times these."""
        B, K, c = sizes[:, None, None] * self.B, sizes[:, None, None] * self.K, sizes[:, None] * self.c  # noqa: N806
        return LinearFields(B, K, self.x0, c)

    def add(self, trials: Indices, other: LinearFields) -> None:
        """Add the m fields of `other` to those of `trials` (m,).

        Springs with different x0 are combined about the x0 of the first that has a stiffness:
        K1·(a − x) + K2·(b − x) = (K1 + K2)·(a − x) + K2·(b − a).
        """
        stiff = (self.K[trials] != 0.0).any(axis=(1, 2), keepdims=True)[:, 0]  # (m, 1)
        anchor = np.where(stiff, self.x0[trials], other.x0)  # (m, 2)
        self.c[trials] += other.c + _apply(other.K, other.x0 - anchor)
        self.B[trials] += other.B
        self.K[trials] += other.K
        self.x0[trials] = anchor

    def force(self, x: Floats, v: Floats) -> Floats:
        """Return the force on the hand.

        Args:
            x: (n, 2) hand position, m.
            v: (n, 2) hand velocity, m/s.

        Returns:
            (n, 2) N.
        """
        return _apply(self.B, v) + _apply(self.K, self.x0 - x) + self.c


def _apply(matrices: Floats, vectors: Floats) -> Floats:
    """Return (n, 2, 2) times (n, 2), element by element, so that no trial depends on the others."""
    return matrices[:, :, 0] * vectors[:, :1] + matrices[:, :, 1] * vectors[:, 1:]


Number = TypeVar("Number", float, Floats)  # of one hand, or (n,) of n hands


class HandForces:
    """The fields of n trials as coefficients of `force_on_hand`, for each stage of a trial.

    Stage 0 lasts until go, stage 1 from go until the go cue is seen, stage 2 from then on. Trials in which a
    field has a time course have coefficients for every control step instead.

    Args:
        n: Number of trials.
    """

    def __init__(self, n: int) -> None:
        self._trials = np.zeros((STAGES, COEFFICIENTS, n))
        self._stage = np.zeros(n, dtype=np.int64)
        self._chosen: Floats | None = None
        self._timed = np.zeros(n, dtype=bool)
        self._by_step = np.zeros((0, COEFFICIENTS, n))

    def put(self, trials: Indices, *by_onset: LinearFields) -> None:
        """Replace the fields of `trials` (m,) by those that `trials.resolve_fields` returned for them."""
        everyone, acting = np.arange(len(trials)), LinearFields.zeros(len(trials))
        for stage, begins in enumerate(by_onset):
            acting.add(everyone, begins)
            self._trials[stage][:, trials] = _coefficients(acting)
        self._timed[trials] = False
        self._chosen = self._choose()

    def put_by_step(self, trials: Indices, fields: LinearFields) -> None:
        """Replace the fields of `trials` (m,) by those of T control steps, T m one step after the other."""
        values = _coefficients(fields).reshape(COEFFICIENTS, -1, len(trials)).swapaxes(0, 1)
        if len(self._by_step) != len(values):
            self._by_step = np.zeros((len(values), *self._by_step.shape[1:]))
        self._by_step[:, :, trials] = values
        self._timed[trials] = True

    def at(self, stage: Indices, step: Indices | None = None) -> Floats | None:
        """Return the coefficients (12, n); None if there is no force in any trial.

        Args:
            stage: (n,) stage of each trial.
            step: (n,) control step of each trial, needed if a field has a time course.
        """
        if not np.array_equal(stage, self._stage):
            self._stage = stage
            self._chosen = self._choose()
        timed = np.flatnonzero(self._timed)
        if step is None or not len(timed):
            return self._chosen
        values = np.zeros(self._trials.shape[1:]) if self._chosen is None else self._chosen.copy()
        last = len(self._by_step) - 1
        values[:, timed] = self._by_step[np.minimum(step[timed], last), :, timed].T
        return values

    def of_first(self, stage: int, step: int = 0) -> list[float] | None:
        """Return the coefficients of the first trial at a stage and a control step; None if no force acts."""
        source = self._by_step[step] if self._timed[0] else self._trials[stage]
        values: list[float] = source[:, 0].tolist()
        return values if any(values[:X0] + values[CX:]) else None

    @property
    def first_is_timed(self) -> bool:
        """Whether a field of the first trial has a time course."""
        return bool(self._timed[0])

    def _choose(self) -> Floats | None:
        values = np.take_along_axis(self._trials, self._stage[None, None], axis=0)[0]
        return values if values[:X0].any() or values[CX:].any() else None


STAGES = 3  # one begins at each onset of a field
X0, CX = 8, 10  # rows of coefficients: B and K row by row, x0 from X0, c from CX
COEFFICIENTS = 12


def force_on_hand(
    coefficients: Sequence[Number] | Floats, x: Number, y: Number, vx: Number, vy: Number
) -> tuple[Number, Number]:
    """Return the force [N] on a hand at (x, y) m with velocity (vx, vy) m/s.

    Args:
        coefficients: (12,) numbers, or (12, n) for n hands, from `HandForces`.
        x: A number, or (n,); likewise the others.
        y: See x.
        vx: See x.
        vy: See x.
    """
    bxx, bxy, byx, byy, kxx, kxy, kyx, kyy, x0, y0, cx, cy = coefficients
    dx, dy = x0 - x, y0 - y
    return (
        bxx * vx + bxy * vy + (kxx * dx + kxy * dy) + cx,
        byx * vx + byy * vy + (kyx * dx + kyy * dy) + cy,
    )


def _coefficients(fields: LinearFields) -> Floats:
    """Return (12, m): B and K row by row, x0, c."""
    m = len(fields)
    return np.concatenate([fields.B.reshape(m, 4), fields.K.reshape(m, 4), fields.x0, fields.c], axis=1).T
