"""Whether activity before the movement knows the field: its side, read by a linear classifier."""

from __future__ import annotations

from typing import Final

import numpy as np

from savings_gym.arrays import Floats

RIDGE: Final = 1e-3  # of the mean variance of a unit


def side_read(prepared: Floats, sides: tuple[int, ...]) -> Floats:
    """Return how often the side of the field is read correctly from preparatory activity, (n,).

    Ridge regression of the side on the activity of a network, of all sessions but one, whose trials are then
    read. The targets of a trial are the same whatever the side, so that chance is 0.5.

    Args:
        prepared: (side, session, n, trial, 8, units) preparatory activity in trials that follow others in
            the field.
        sides: 1 and -1, in the order of the first axis.

    Raises:
        ValueError: If there are fewer than two sessions to a side.
    """
    count = prepared.shape[1]
    if count < 2:
        raise ValueError(f"reading a field needs at least two sessions, one to be left out, got {count}")
    networks = np.moveaxis(
        np.asarray(prepared, dtype=np.float64), 2, 0
    )  # (n, side, session, trial, 8, units)
    signs = np.array(sides, dtype=np.float64)
    return np.array([_share_read(activity, signs) for activity in networks])


def _share_read(activity: Floats, signs: Floats) -> float:
    """Leave out each session in turn; activity is (side, session, trial, 8, units)."""
    hits = []
    for left_out in range(activity.shape[1]):
        kept = np.delete(activity, left_out, axis=1)
        rows = kept.reshape(-1, activity.shape[-1])
        wanted = np.repeat(signs, rows.shape[0] // len(signs))
        mean = rows.mean(axis=0)
        centred = rows - mean
        spread = centred.T @ centred
        ridge = RIDGE * max(float(np.trace(spread)) / len(spread), 1e-30)
        weights = np.linalg.solve(spread + ridge * np.eye(len(spread)), centred.T @ wanted)
        read = (activity[:, left_out] - mean) @ weights  # (side, trial, 8)
        hits.append((np.sign(read) == signs[:, None, None]).mean())
    return float(np.mean(hits))
