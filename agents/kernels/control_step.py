"""A control step of any number of arms with muscles or motors, in numba, from any state."""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.kernels import arm as na
from agents.kernels.compile import entry, inner
from agents.kernels.lanes import ARMS


@entry
def control_step(constants: Any, state: Any, command: Any, field: Any, out: Any) -> None:
    """Make a control step with n arms.

    Args:
        constants: The two tables of `arm_constants`.
        state: (n, 10) joint angles, joint velocities and activations.
        command: (n, 6) excitations within their range.
        field: (n, 10) as in `push_on_hand`.
        out: (n, 10) is filled with the new state.
    """
    arm, muscles = constants
    old, control, push = np.empty((na.STATE, ARMS)), np.empty((na.N, ARMS)), np.empty((10, ARMS))
    posture, force = np.empty((na.POSTURE, ARMS)), np.empty((na.N, ARMS))
    for first in range(0, len(state), ARMS):
        _fill_lanes(state, first, old)
        _fill_lanes(command, first, control)
        _fill_lanes(field, first, push)
        for _ in range(int(arm[na.SUBSTEPS])):
            na.take_posture(arm, muscles, old, posture)
            na.physics_step(arm, muscles, old, control, push, posture, force, old)
        for lane in range(min(ARMS, len(state) - first)):
            for k in range(na.STATE):
                out[first + lane, k] = old[k, lane]


@inner
def _fill_lanes(values: Any, first: int, out: Any) -> None:
    """Fill out (k, lanes) with arms of values (n, k) from ``first`` on; spare lanes repeat the last arm."""
    for lane in range(ARMS):
        row = min(first + lane, len(values) - 1)
        for k in range(values.shape[1]):
            out[k, lane] = values[row, k]
