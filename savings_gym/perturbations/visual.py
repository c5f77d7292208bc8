"""Perturbations of what is seen: the cursor, which shows the hand, is moved away from it.

With d = hand − start of the trial, the cursor is at

    seen = start + M·d + |d|·u + s        [m]

so a rotation, a gain, a mirror, a shift and an error clamp are M, u and s, and every trial of a batch may
have its own. The cursor is moved where it is drawn, and seen a delay later, with the noise of vision: what is
observed at time t is the cursor at t minus the delay. The arm is felt where it is.

`scored` says what rewards, losses and measures of a trial score. By default that is the cursor, as in
experiments in which the cursor has to hit the target; for `VisualClamp`, whose cursor hits or misses wherever
the hand goes, it is the hand. Costs of effort, muscles and jerk are always those of the arm.

Several visual perturbations are applied one after the other, those with an earlier onset first. One of your
own is a subclass with a method `visual_terms`:

    @dataclass(frozen=True)
    class Squint(VisualPerturbation, kind="squint"):
        shapes = {"gain": ()}
        gain: float

        def visual_terms(self, start, target, size):
            return {"matrix": np.stack([[[1.0 + s * (self.gain - 1.0), 0.0], [0.0, 1.0]] for s in size])}
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arrays import Floats, as_choice
from savings_gym.perturbations.fields import Field, Vector
from savings_gym.perturbations.visual_maps import VisualMaps

LARGEST_SHIFT: Final = 1.0  # m, farther than the hand reaches
SCORED: Final = ("cursor", "hand")
IDENTITY: Final = np.eye(2)


@dataclass(frozen=True)
class VisualPerturbation(Field, kind=None):
    """Base of all perturbations of what is seen.

    Attributes:
        onset: See `Field`; by default the whole trial.
        scored: "cursor" or "hand", what rewards, losses and measures score.
    """

    onset: str = dataclasses.field(default="start", kw_only=True)
    scored: str = dataclasses.field(default="cursor", kw_only=True)  # type: ignore[misc]

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        as_choice(f"{type(self).__name__}: scored", self.scored, SCORED)

    def terms(self, start: Floats, target: Floats) -> Mapping[str, ArrayLike]:
        """Return no force, see `Field.terms`."""
        return {}

    def visual_terms(self, start: Floats, target: Floats, size: Floats) -> Mapping[str, ArrayLike]:
        """Return those of "matrix", "radial" and "shift", of `VisualMaps.about`, that are not the identity's.

        Args:
            start: (n, 2) hand position at the start of each trial, m.
            target: (n, 2) target position of each trial, m.
            size: (n,) share of the perturbation; 0 must be the identity.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method visual_terms(start, target, size)")

    def view(self, start: Floats, target: Floats, size: Floats) -> VisualMaps:
        """Return what is seen of the hand in n trials, see `Field.view`."""
        return VisualMaps.about(start, **self.visual_terms(start, target, size))


def _rotation(angle: Floats) -> Floats:
    """Return rotations by angles (n,) [rad], (n, 2, 2)."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)


@dataclass(frozen=True)
class VisuomotorRotation(VisualPerturbation, kind="rotation"):
    """The cursor is the hand turned about the start of the trial (Krakauer et al. 2000).

    Attributes:
        angle_deg: Degrees; positive is counter-clockwise.
    """

    angle_deg: float
    shapes = {"angle_deg": ()}

    def visual_terms(self, start: Floats, target: Floats, size: Floats) -> Mapping[str, ArrayLike]:
        """Return the terms, see `VisualPerturbation.visual_terms`."""
        return {"matrix": _rotation(np.deg2rad(self.angle_deg) * size)}


@dataclass(frozen=True)
class VisualGain(VisualPerturbation, kind="gain"):
    """The cursor moves away from the start by a factor of what the hand does.

    Attributes:
        gain: 1 is none.
    """

    gain: float
    shapes = {"gain": ()}

    def visual_terms(self, start: Floats, target: Floats, size: Floats) -> Mapping[str, ArrayLike]:
        """Return the terms, see `VisualPerturbation.visual_terms`."""
        return {"matrix": (1.0 + size * (self.gain - 1.0))[:, None, None] * IDENTITY}


@dataclass(frozen=True)
class MirrorReversal(VisualPerturbation, kind="mirror"):
    """The cursor is the hand mirrored in an axis through the start (Telgen, Parvin & Diedrichsen 2014).

    A part of it moves the cursor towards the mirrored hand, by that share of the way.

    Attributes:
        axis_deg: Direction of the axis in degrees, counter-clockwise from the right; 90 exchanges left and
            right.
    """

    axis_deg: float = 90.0
    shapes = {"axis_deg": ()}

    def visual_terms(self, start: Floats, target: Floats, size: Floats) -> Mapping[str, ArrayLike]:
        """Return the terms, see `VisualPerturbation.visual_terms`."""
        double = 2.0 * np.deg2rad(self.axis_deg)
        mirror = np.array([[np.cos(double), np.sin(double)], [np.sin(double), -np.cos(double)]])
        return {"matrix": IDENTITY + size[:, None, None] * (mirror - IDENTITY)}


@dataclass(frozen=True)
class VisualShift(VisualPerturbation, kind="shift"):
    """The cursor is beside the hand, always by the same; with `Pulse`, a cursor jump.

    Attributes:
        shift: (2,) m.
    """

    shift: Vector
    shapes = {"shift": (2,)}

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        if max(map(abs, self.shift)) > LARGEST_SHIFT:
            raise ValueError(
                f"VisualShift: shift must be at most {LARGEST_SHIFT:g} m, got {self.shift} (20 mm is 0.020)"
            )

    def visual_terms(self, start: Floats, target: Floats, size: Floats) -> Mapping[str, ArrayLike]:
        """Return the terms, see `VisualPerturbation.visual_terms`."""
        return {"shift": size[:, None] * np.array(self.shift)}


@dataclass(frozen=True)
class VisualClamp(VisualPerturbation, kind="clamp"):
    """Error clamp of the cursor: it moves along a fixed ray, as far from the start as the hand.

    Wherever the hand goes, the cursor shows the same error (Morehead et al. 2017; with 0 degrees there is
    none). A part of it moves the cursor towards the clamped one, by that share of the way.

    Attributes:
        angle_deg: Direction of the ray from the line to the target, degrees; positive is counter-clockwise.
            If start and target coincide, from the right.
        scored: See `VisualPerturbation`; by default the hand.
    """

    angle_deg: float = 0.0
    scored: str = dataclasses.field(default="hand", kw_only=True)  # type: ignore[misc]
    shapes = {"angle_deg": ()}

    def visual_terms(self, start: Floats, target: Floats, size: Floats) -> Mapping[str, ArrayLike]:
        """Return the terms, see `VisualPerturbation.visual_terms`."""
        line = target - start
        direction = np.arctan2(line[:, 1], line[:, 0]) + np.deg2rad(self.angle_deg)
        ray = np.stack([np.cos(direction), np.sin(direction)], -1)
        return {"matrix": (1.0 - size)[:, None, None] * IDENTITY, "radial": size[:, None] * ray}
