"""The current trials of n cursors: target, go time, decoder and phase."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from savings_gym.arrays import Floats, Indices
from savings_gym.bci.decoder import Decoder
from savings_gym.bci.schedule import decoder_of
from savings_gym.bci.settings import CursorOptions, CursorSettings
from savings_gym.task.draws import NO_TARGET
from savings_gym.task.trials import REACH, ScheduledTrials

START = (0.0, 0.0)  # m, where every trial begins: the middle of the screen


class CursorTrials(ScheduledTrials):
    """The trials that n cursors are in, drawn and counted as those of the arm, see `ScheduledTrials`.

    Args:
        n: Number of cursors.
        settings: The task.
        shared: Count the trials of all cursors together.

    Attributes:
        all_targets: (targets, 2) [m].
        decoders: n decoders.
    """

    _settings: CursorSettings

    def __init__(self, n: int, settings: CursorSettings, shared: bool = False) -> None:
        origin, no_joints = np.zeros(2), np.zeros((2, 2))  # a cursor has no joint angles to draw
        super().__init__(n, settings, origin, no_joints, 2 + settings.units, shared)
        angles = self._directions
        self.start[:] = START
        self.all_targets: Floats = START + REACH * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        self.decoders: list[Decoder] = [settings.decoder] * n

    def begin(
        self,
        cursors: Indices,
        rngs: Sequence[np.random.Generator],
        performed: NDArray[np.bool_],
        chosen: CursorOptions,
    ) -> None:
        """Begin a trial of each of `cursors`.

        Args:
            cursors: (m,) which, ascending.
            rngs: m generators.
            performed: (m,) whether a step was made in the trial before.
            chosen: What not to draw.
        """
        draws = self._draw(cursors, rngs, performed, chosen)
        if chosen.target_position is not None:
            self._aim(cursors, NO_TARGET, chosen.target_position[cursors])
        else:
            drawn = [draw.target for draw in draws]
            self._aim(cursors, drawn if chosen.target is None else chosen.target[cursors])
        self._perturb(cursors, chosen)

    def _centre_out(self, rows: Indices) -> Floats:
        return self.all_targets[self.target[rows]]

    def _perturb(self, cursors: Indices, chosen: CursorOptions) -> None:
        """Set the decoders of the trials of `cursors`."""
        for i in cursors:
            phase = self.phases[i]
            planned = self._settings.decoder if phase is None else decoder_of(phase)
            self.decoders[i] = planned if chosen.decoders is None else chosen.decoders[i]
