"""Inertia, damping and stiffness of the hand, from small pushes.

A push f(t) moves the hand by x(t) from where it would be without. For small pushes

    M a + D v + K x = f,

with 2 x 2 matrices, as in Mussa-Ivaldi, Hogan & Bizzi 1985 (J Neurosci 5, 2732, doi
10.1523/JNEUROSCI.05-10-02732.1985), who measure stiffness alone, in steady state, and in Dolan, Friedman &
Nagurka 1993 (IEEE Trans Syst Man Cybern 23, 698), who estimate all three. The matrices follow from several
pushes by least squares. With `savings_gym.Probe`:

    push = Pulse(ConstantField((1.0, 0.0), onset="start"), at=0.25, duration=0.1)
    pushed, free = probe(policy, push, number=0), probe(policy, NullField(), number=0)
    moved, force = pushed.path - free.path, pushed.force
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arrays import Floats, as_finite, as_positive
from savings_gym.task.settings import CONTROL_STEP


@dataclass(frozen=True, eq=False)
class Resistance:
    """How a hand resists small pushes.

    Attributes:
        inertia: (2, 2) M [kg].
        damping: (2, 2) D [N s/m].
        stiffness: (2, 2) K [N/m].
        explained: Share of the variance of the forces that the matrices explain.
    """

    inertia: Floats
    damping: Floats
    stiffness: Floats
    explained: float

    def mean_stiffness(self) -> float:
        """Return u'Ku averaged over directions u, half the trace [N/m]."""
        return float(np.trace(self.stiffness) / 2.0)


def hand_resistance(moved: ArrayLike, force: ArrayLike, dt: float = CONTROL_STEP) -> Resistance:
    """Return inertia, damping and stiffness from pushes in two or more directions.

    Take the times in which the push is small and the policy has not seen it yet for the arm alone, longer
    ones with the feedback. Velocities and accelerations are central differences.

    Args:
        moved: (k, T + 1, 2) how far each push has moved the hand, at times 0, dt, ... [m].
        force: (k, T, 2) mean force of each push between these times [N].
        dt: Interval between the times [s].

    Raises:
        ValueError: If the shapes do not fit, there are fewer than 3 times, or the pushes do not determine the
            matrices, as all go one way.
    """
    x, f, dt = as_finite("moved", moved), as_finite("force", force), as_positive("dt", dt)
    if x.ndim != 3 or x.shape[-1] != 2 or f.shape != (x.shape[0], x.shape[1] - 1, 2) or x.shape[1] < 3:
        raise ValueError(
            f"moved and force have shapes {x.shape} and {f.shape}, expected (k, T + 1, 2) and (k, T, 2) "
            "with T >= 2"
        )
    acceleration = (x[:, 2:] - 2.0 * x[:, 1:-1] + x[:, :-2]) / dt**2
    velocity = (x[:, 2:] - x[:, :-2]) / (2.0 * dt)
    parts = np.concatenate([acceleration, velocity, x[:, 1:-1]], axis=-1).reshape(-1, 6)
    pushed = (0.5 * (f[:, 1:] + f[:, :-1])).reshape(-1, 2)
    scale = np.linalg.norm(parts, axis=0)
    if np.any(scale == 0.0) or np.linalg.matrix_rank(parts / scale) < parts.shape[1]:
        raise ValueError("the pushes do not determine the matrices: push in two or more directions")
    solved, *_ = np.linalg.lstsq(parts / scale, pushed, rcond=None)
    inertia, damping, stiffness = (solved / scale[:, None]).reshape(3, 2, 2).swapaxes(1, 2)
    left = pushed - parts @ (solved / scale[:, None])
    total = np.sum((pushed - pushed.mean(axis=0)) ** 2)
    explained = 1.0 - float(np.sum(left**2) / total) if total > 0.0 else float("nan")
    return Resistance(inertia, damping, stiffness, explained)
