"""Co-contraction: how much antagonist muscles pull against each other."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arm.anatomy import MUSCLES
from savings_gym.arrays import Floats, as_finite

ANTAGONISTS: Final = (
    ("pectoralis", "deltoid"),
    ("brachioradialis", "triceps_lateral"),
    ("biceps", "triceps_long"),
)  # flexor and extensor of the shoulder, of the elbow, and of both


def co_contraction(force: ArrayLike) -> Floats:
    """Return the force that antagonists spend against each other, (...) [N].

    It is the smaller force of each pair, added up over the pairs, after Gribble et al. (2003, J Neurophysiol
    89:2396), who take it of EMG.

    Args:
        force: (..., 6) muscle forces [N], in the order of ``savings_gym.arm.anatomy.MUSCLES``.

    Raises:
        ValueError: If there are not 6 muscles, or a force is not finite.
    """
    values = as_finite("force", force)
    if values.ndim == 0 or values.shape[-1] != len(MUSCLES):
        raise ValueError(f"force has shape {values.shape}, expected (..., {len(MUSCLES)})")
    pairs = np.array([[MUSCLES.index(name) for name in pair] for pair in ANTAGONISTS])
    return values[..., pairs].min(axis=-1).sum(axis=-1)
