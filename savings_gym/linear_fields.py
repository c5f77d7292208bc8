"""n linear force fields as four arrays: the form in which every backend applies a field.

Force fields of n arms, laid out for the physics steps: one row a coefficient, one column an arm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from savings_gym.arrays import Floats


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
        """No force, n times."""
        return cls(np.zeros((n, 2, 2)), np.zeros((n, 2, 2)), np.zeros((n, 2)), np.zeros((n, 2)))

    def __len__(self) -> int:
        """Number of trials."""
        return len(self.c)

    @property
    def active(self) -> NDArray[np.bool_]:
        """(n,) whether there is any force for some position and velocity of the hand."""
        values = np.concatenate([self.B.reshape(-1, 4), self.K.reshape(-1, 4), self.c], axis=1)
        return (values != 0.0).any(axis=1)

    def filled(
        self,
        B: ArrayLike = 0.0,  # noqa: N803, the symbol of the equation
        K: ArrayLike = 0.0,  # noqa: N803
        x0: ArrayLike = 0.0,
        c: ArrayLike = 0.0,
    ) -> LinearFields:
        """These fields with their coefficients overwritten; one value serves all trials."""
        self.B[:], self.K[:], self.x0[:], self.c[:] = B, K, x0, c
        return self

    def take(self, rows: NDArray[np.intp]) -> LinearFields:
        """The m fields of `rows` (m,), as copies."""
        return LinearFields(self.B[rows], self.K[rows], self.x0[rows], self.c[rows])

    def scaled(self, gain: ArrayLike) -> LinearFields:
        """These fields with each force multiplied by its `gain` (n,)."""
        g = np.asarray(gain, dtype=np.float64)
        return LinearFields(
            self.B * g[:, None, None], self.K * g[:, None, None], self.x0, self.c * g[:, None]
        )

    def put(self, rows: NDArray[np.intp], other: LinearFields) -> None:
        """Replace the fields of `rows` (m,) by the m fields of `other`."""
        self.B[rows], self.K[rows], self.x0[rows], self.c[rows] = other.B, other.K, other.x0, other.c

    def add(self, rows: NDArray[np.intp], other: LinearFields) -> None:
        """Add the m fields of `other` to those of `rows` (m,).

        Two springs with different x0 are brought to the x0 of the first that has a stiffness:
        K1·(a − x) + K2·(b − x) = (K1 + K2)·(a − x) + K2·(b − a).
        """
        stiff = (self.K[rows] != 0.0).any(axis=(1, 2), keepdims=True)[:, 0]  # (m, 1)
        anchor = np.where(stiff, self.x0[rows], other.x0)  # (m, 2)
        self.c[rows] += other.c + _apply(other.K, other.x0 - anchor)
        self.B[rows] += other.B
        self.K[rows] += other.K
        self.x0[rows] = anchor

    def force(self, x: Floats, v: Floats) -> Floats:
        """Force on the hand.

        Args:
            x: (n, 2) hand position, m.
            v: (n, 2) hand velocity, m/s.

        Returns:
            (n, 2) N.
        """
        return _apply(self.B, v) + _apply(self.K, self.x0 - x) + self.c


def _apply(matrices: Floats, vectors: Floats) -> Floats:
    """(n, 2, 2) times (n, 2), element by element, so that a row does not depend on the others."""
    return matrices[:, :, 0] * vectors[:, :1] + matrices[:, :, 1] * vectors[:, 1:]


Components = tuple[Floats, Floats]


class HandForces:
    """The force on the hand in n trials, before go and from go on.

    Args:
        n: Number of trials.
    """

    def __init__(self, n: int) -> None:
        """No force anywhere."""
        self._trials = np.zeros((2, 12, n))  # before go, from go on
        self._gone = np.zeros(n, dtype=bool)
        self._now = self._trials[0]
        self._kinds = (False, False, False)  # whether there is any B, K or c
        self._stale = False

    def put(self, rows: NDArray[np.intp], always: LinearFields, after_go: LinearFields) -> None:
        """Replace the fields of `rows` (m,) by those that `resolve_fields` returned for them."""
        self._trials[0][:, rows] = _coefficients(always)
        always.add(np.arange(len(rows)), after_go)
        self._trials[1][:, rows] = _coefficients(always)
        self._stale = True

    def choose(self, gone: NDArray[np.bool_]) -> bool:
        """Choose the forces of a control step, by whether go has come (n,); returns whether there are any."""
        if self._stale or not np.array_equal(gone, self._gone):
            self._gone, self._stale = gone, False
            self._now = np.where(gone, self._trials[1], self._trials[0])
            self._kinds = tuple(bool(self._now[part].any()) for part in _KINDS)  # type: ignore[assignment]
        return any(self._kinds)

    def force(self, x: Floats, y: Floats, vx: Floats, vy: Floats) -> Components:
        """The chosen forces, N, on hands at (x, y) m with velocity (vx, vy) m/s, all (n,)."""
        bxx, bxy, byx, byy, kxx, kxy, kyx, kyy, x0, y0, cx, cy = self._now
        viscous, elastic, constant = self._kinds
        if viscous:
            fx, fy = bxx * vx + bxy * vy, byx * vx + byy * vy
        else:
            fx, fy = np.zeros((2, len(x)))
        if elastic:
            dx, dy = x0 - x, y0 - y
            fx += kxx * dx + kxy * dy
            fy += kyx * dx + kyy * dy
        if constant:
            fx += cx
            fy += cy
        return fx, fy

    def one(self, gone: bool) -> tuple[float, ...] | None:
        """Coefficients of the first trial as plain numbers, for `one_force`; None without a force."""
        values = self._trials[int(gone), :, 0]
        return tuple(values.tolist()) if any(values[part].any() for part in _KINDS) else None


def one_force(
    coefficients: tuple[float, ...], x: float, y: float, vx: float, vy: float
) -> tuple[float, float]:
    """The force on one hand, N, at (x, y) m with velocity (vx, vy) m/s."""
    bxx, bxy, byx, byy, kxx, kxy, kyx, kyy, x0, y0, cx, cy = coefficients
    dx, dy = x0 - x, y0 - y
    return (
        bxx * vx + bxy * vy + (kxx * dx + kxy * dy) + cx,
        byx * vx + byy * vy + (kyx * dx + kyy * dy) + cy,
    )


_KINDS = (slice(0, 4), slice(4, 8), slice(10, 12))


def _coefficients(fields: LinearFields) -> Floats:
    """(12, m): B and K row by row, x0, c."""
    m = len(fields)
    return np.concatenate([fields.B.reshape(m, 4), fields.K.reshape(m, 4), fields.x0, fields.c], axis=1).T
