"""The shift of preparatory activity from NF1 to FF1: its length, and how far along it every trial lies.

The uniform shift is that of `savings_gym.activity.preparatory`, for either sign of the field by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from experiments.sessions.protocol import END, SAVINGS, SHAM
from experiments.sessions.testing import Outcome
from savings_gym.activity.preparatory import UniformShift, force_axes, uniform_shift
from savings_gym.arrays import Floats

LEAST_SESSIONS: Final = 2  # of each sign, one of which is left out


def trial_shifts(tested: Mapping[str, Outcome], lengths: Mapping[str, int]) -> dict[str, dict[str, Floats]]:
    """Project every trial of the savings test and its sham on the shift of its sign; average over signs.

    Args:
        tested: Results by kind of test, of which savings and its sham are used.
        lengths: Trials of the blocks of the savings test, in their order.

    Returns:
        Kind of test to block to activity on the shift, (n, trials): 0 at the end of NF1 and 1 at the end of
        FF1 of the savings test.
    """
    last = last_trials(lengths)
    along: dict[str, list[Floats]] = {SAVINGS: [], SHAM: []}
    for sign in range(len(tested[SAVINGS].prepared)):
        main = tested[SAVINGS]
        shift = _shift(main.prepared[sign].mean(axis=0), main.force[sign].mean(axis=0), last)
        for kind, values in along.items():
            values.append(_project(tested[kind].prepared[sign].mean(axis=0), shift))
    borders = np.cumsum(list(lengths.values()))[:-1]
    return {
        kind: dict(zip(lengths, np.split(np.mean(values, axis=0), borders, axis=1), strict=True))
        for kind, values in along.items()
    }


def shift_length(main: Outcome, sham: Outcome, lengths: Mapping[str, int]) -> Floats:
    """Return the length of the shift beyond the sham, relative to that of activity in NF1, (n,).

    The change of activity from the end of NF1 to the end of FF1, mean over targets, is projected in every
    session on the direction of the shift of the other sessions of its sign. A change that sessions do not
    share adds nothing on average, so that the expected value is 0 without a shift, although lengths are
    never negative. The same is done with the sham and subtracted.

    Args:
        main: Of the savings test.
        sham: Of its sham.
        lengths: Trials of its blocks, in their order.

    Raises:
        ValueError: If there are fewer than two sessions of a sign.
    """
    signs, sessions = main.prepared.shape[:2]
    if sessions < LEAST_SESSIONS:
        raise ValueError(f"the length of a shift needs at least {LEAST_SESSIONS} sessions, got {sessions}")
    last, along = last_trials(lengths), []
    for sign in range(signs):
        size = np.linalg.norm(main.prepared[sign][..., last["NF1"], :, :].mean(axis=(0, 2, 3)), axis=-1)
        for left_out in range(sessions):
            activity, force = (
                np.delete(values[sign], left_out, axis=0).mean(axis=0)
                for values in (main.prepared, main.force)
            )
            shift = _shift(activity, force, last)
            with_field, without = (
                _change(outcome.prepared[sign, left_out], last) for outcome in (main, sham)
            )
            along.append(np.sum((with_field - without) * shift.vector, axis=-1) / (shift.length * size))
    return np.mean(along, axis=0)


def last_trials(lengths: Mapping[str, int]) -> dict[str, slice]:
    """Return the last trials, `END` of them at most, of every block of a session.

    Args:
        lengths: Trials of the blocks, in their order.
    """
    ends = np.cumsum(list(lengths.values())).tolist()
    return {
        name: slice(end - min(END, length), end)
        for (name, length), end in zip(lengths.items(), ends, strict=True)
    }


def _change(activity: Floats, last: Mapping[str, slice]) -> Floats:
    """Change of activity (n, trials, 8, units) from NF1 to FF1, mean over targets, (n, units)."""
    return activity[:, last["FF1"]].mean(axis=(1, 2)) - activity[:, last["NF1"]].mean(axis=(1, 2))


def _shift(activity: Floats, force: Floats, last: Mapping[str, slice]) -> UniformShift:
    """Uniform shift of networks from activity (n, trials, 8, units) and force (n, trials, 8, 2)."""
    at = {name: activity[:, trials].mean(axis=1) for name, trials in last.items()}
    return uniform_shift(at, force_axes(at, force[:, last["NF1"]].mean(axis=1)))


def _project(activity: Floats, shift: UniformShift) -> Floats:
    """Project activity (n, trials, 8, units), mean over targets, on the shift of each network."""
    moved = activity.mean(axis=2) - shift.origin[:, None]
    return np.einsum("nku,nu->nk", moved, shift.vector) / shift.scale[:, None]
