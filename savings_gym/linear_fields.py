"""n linear force fields as four arrays: the form in which every backend applies a field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from savings_gym.fields import Field

FloatArray = NDArray[np.float64]


@dataclass(eq=False)
class LinearFields:
    """f = B·v + K·(x0 − x) + c for n trials.

    Attributes:
        B: (n, 2, 2) N·s/m.
        K: (n, 2, 2) N/m.
        x0: (n, 2) m.
        c: (n, 2) N.
    """

    B: FloatArray
    K: FloatArray
    x0: FloatArray
    c: FloatArray

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

    def force(self, x: FloatArray, v: FloatArray) -> FloatArray:
        """Force on the hand.

        Args:
            x: (n, 2) hand position, m.
            v: (n, 2) hand velocity, m/s.

        Returns:
            (n, 2) N.
        """
        return _apply(self.B, v) + _apply(self.K, self.x0 - x) + self.c


def _apply(matrices: FloatArray, vectors: FloatArray) -> FloatArray:
    """(n, 2, 2) times (n, 2), element by element, so that a row does not depend on the others."""
    return matrices[:, :, 0] * vectors[:, :1] + matrices[:, :, 1] * vectors[:, 1:]


def resolve_fields(
    fields: Field | Sequence[Field], start: FloatArray, target: FloatArray
) -> tuple[LinearFields, LinearFields]:
    """The forces of n trials, split by the time at which they set in.

    Args:
        fields: One field for all trials, or n fields.
        start: (n, 2) hand position at the start of each trial, m.
        target: (n, 2) target of each trial, m.

    Returns:
        `always` (acts during the whole trial) and `after_go` (acts from go on), n fields each;
        the force on the hand is the sum of both.
    """
    n = len(start)
    each = list(fields) if isinstance(fields, Sequence) else [fields] * n
    if len(each) != n:
        raise ValueError(f"{len(each)} fields were given for {n} trials")
    slots = {"start": LinearFields.zeros(n), "go": LinearFields.zeros(n)}
    rows_of: dict[Field, list[int]] = {}
    for row, field in enumerate(each):
        rows_of.setdefault(field, []).append(row)
    for field, members in rows_of.items():
        rows = np.array(members)
        for part in field.parts():
            slots[part.onset].add(rows, part.coefficients(start[rows], target[rows]))
    return slots["start"], slots["go"]
