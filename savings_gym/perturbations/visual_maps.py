"""What is seen of the hand in n trials: an affine map and a radial part for every backend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from savings_gym.arrays import Floats

VIEW: Final = 10  # numbers of a view: A row by row, c, u, x0
IDENTITY: Final = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)  # the hand is seen where it is
SMALLEST_SQUARE: Final = 1e-30  # m², keeps the radius differentiable where hand and x0 coincide
ROUNDING: Final = 1e-9  # up to which a map is a similarity about x0


@dataclass(eq=False)
class VisualMaps:
    """seen = A·x + c + |x − x0|·u for n hands at x.

    Rotations, gains, mirrors and shifts are affine (u = 0). In an error clamp of the cursor A = 0 and c = x0:
    the hand is seen on a ray u from x0, as far from x0 as it is.

    Attributes:
        x0: (n, 2) m, the start of the trial.
        A: (n, 2, 2).
        c: (n, 2) m.
        u: (n, 2).
    """

    x0: Floats
    A: Floats
    c: Floats
    u: Floats

    @classmethod
    def about(
        cls, x0: Floats, matrix: ArrayLike = ((1.0, 0.0), (0.0, 1.0)), shift: ArrayLike = 0.0,
        radial: ArrayLike = 0.0,
    ) -> VisualMaps:  # fmt: skip
        """Return seen = x0 + matrix·(x − x0) + |x − x0|·radial + shift.

        Args:
            x0: (n, 2) m.
            matrix: (2, 2), or (n, 2, 2).
            shift: (2,) m, or (n, 2).
            radial: (2,), or (n, 2).
        """
        maps = cls(x0, *(np.empty((len(x0), *shape)) for shape in ((2, 2), (2,), (2,))))
        maps.A[:], maps.c[:], maps.u[:] = matrix, shift, radial
        maps.c += x0 - _apply(maps.A, x0)
        return maps

    def __len__(self) -> int:
        """Return the number of trials."""
        return len(self.x0)

    @property
    def active(self) -> NDArray[np.bool_]:
        """(n,) whether some position of the hand is seen elsewhere."""
        return (self.coefficients()[:, :8] != IDENTITY[:8]).any(axis=1)

    def where(self, trials: NDArray[np.bool_]) -> VisualMaps:
        """Return the maps of some trials (n,), and the identity in the others."""
        same = VisualMaps.about(self.x0)
        matrices = np.where(trials[:, None, None], self.A, same.A)
        return VisualMaps(
            self.x0,
            matrices,
            np.where(trials[:, None], self.c, same.c),
            np.where(trials[:, None], self.u, same.u),
        )

    def then(self, other: VisualMaps) -> VisualMaps:
        """Return the maps that apply `other` to what these show; both have the same x0.

        Raises:
            ValueError: If `other` has a radial part, and these maps change the distances from x0 in another
                way than by a factor.
        """
        matrices = other.A @ self.A
        shown = _apply(other.A, self.c) + other.c
        radial = _apply(other.A, self.u)
        clamps = other.u.any(axis=1)
        if clamps.any():
            factor, similar = self._distance_factor()
            if not similar[clamps].all():
                raise ValueError(
                    "an error clamp of the cursor must not come after a perturbation that changes distances "
                    "from the start unequally, such as a shift"
                )
            radial = radial + factor[:, None] * other.u
        return VisualMaps(self.x0, matrices, shown, radial)

    def _distance_factor(self) -> tuple[Floats, NDArray[np.bool_]]:
        """Return |seen − x0| / |x − x0|, (n,), and whether that is the same for all x, (n,)."""
        shift = _apply(self.A, self.x0) + self.c - self.x0
        squares = np.swapaxes(self.A, 1, 2) @ self.A
        gain = squares[:, 0, 0]
        even = np.isclose(squares, gain[:, None, None] * np.eye(2), atol=ROUNDING).all(axis=(1, 2))
        length = np.hypot(self.u[:, 0], self.u[:, 1])
        either = (length < ROUNDING) | (np.abs(self.A).max(axis=(1, 2)) < ROUNDING)
        return np.sqrt(gain) + length, even & either & (np.abs(shift).max(axis=1) < ROUNDING)

    def coefficients(self) -> Floats:
        """Return the maps as rows for `seen_hand`, (n, VIEW)."""
        return np.concatenate([self.A.reshape(len(self), 4), self.c, self.u, self.x0], axis=1)


def _apply(matrices: Floats, vectors: Floats) -> Floats:
    """Return (n, 2, 2) times (n, 2), element by element, so that no trial depends on the others."""
    return matrices[:, :, 0] * vectors[:, :1] + matrices[:, :, 1] * vectors[:, 1:]


def seen_hand(coefficients: Sequence[Any] | Floats, x: Any, y: Any) -> tuple[Any, Any]:
    """Return where a hand at (x, y) is seen, its cursor [m].

    Args:
        coefficients: VIEW numbers, or arrays or tensors of them.
        x: A number, an array or a tensor [m].
        y: See x.
    """
    axx, axy, ayx, ayy, cx, cy, ux, uy, x0, y0 = coefficients
    dx, dy = x - x0, y - y0
    radius = (dx * dx + dy * dy + SMALLEST_SQUARE) ** 0.5
    return axx * x + axy * y + cx + radius * ux, ayx * x + ayy * y + cy + radius * uy
