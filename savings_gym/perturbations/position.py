"""Force fields that depend on where the hand is beside, or before, its target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arrays import Floats
from savings_gym.perturbations.fields import Field, across_line


@dataclass(frozen=True)
class PositionField(Field, kind="position"):
    """Force at right angles to the hand's way from the start: f = k·(d_y, −d_x), d = x − start.

    The counterpart of `CurlField` for position (Sing et al. 2009).

    Attributes:
        k: N/m. A positive k pushes to the right of the movement, a negative k to the left.
    """

    k: float
    shapes = {"k": ()}

    def terms(self, start: Floats, target: Floats) -> Mapping[str, ArrayLike]:
        """Return the coefficients, see `Field.terms`."""
        return {"K": [[0.0, -self.k], [self.k, 0.0]], "x0": start}


@dataclass(frozen=True)
class AssistiveField(Field, kind="assistive"):
    """A robot that helps: a spring and a damper from the hand to the target, f = k·(target − x) − b·v.

    Attributes:
        stiffness: k [N/m], at least 0.
        damping: b [N·s/m], at least 0.
    """

    stiffness: float
    damping: float = 0.0
    shapes = {"stiffness": (), "damping": ()}

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        for name in self.shapes:
            if getattr(self, name) < 0.0:
                raise ValueError(f"AssistiveField: {name} must be at least 0, got {getattr(self, name)!r}")

    def terms(self, start: Floats, target: Floats) -> Mapping[str, ArrayLike]:
        """Return the coefficients, see `Field.terms`."""
        return {"B": -self.damping * np.eye(2), "K": self.stiffness * np.eye(2), "x0": target}


@dataclass(frozen=True)
class ErrorAugmentation(Field, kind="error_augmentation"):
    """A robot that makes errors larger: it pushes the hand away from the line from start to target.

    f = k·n nᵀ(x − start), with n the unit vector at right angles to the line (Patton et al. 2006).

    Attributes:
        stiffness: k [N/m], at least 0.
    """

    stiffness: float
    shapes = {"stiffness": ()}

    def __post_init__(self) -> None:
        """Check the value."""
        super().__post_init__()
        if self.stiffness < 0.0:
            raise ValueError(f"ErrorAugmentation: stiffness must be at least 0, got {self.stiffness!r}")

    def terms(self, start: Floats, target: Floats) -> Mapping[str, ArrayLike]:
        """Return the coefficients, see `Field.terms`."""
        return {"K": -self.stiffness * across_line(start, target), "x0": start}
