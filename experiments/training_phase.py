"""One phase of an experiment: what is trained in it, for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agents.reaches import centre_out_targets
from savings_gym.fields import Field
from savings_gym.probe_rows import N_TARGETS
from savings_gym.trials import REACH

EVERY_TARGET: Final = tuple(range(N_TARGETS))


@dataclass(frozen=True)
class TrainingPhase:
    """One phase; the defaults train the study's 8 reaches.

    Attributes:
        name: as in the tables.
        field: of training and of probes.
        updates: how many batches of 8 reaches it lasts.
        targets: numbers of the targets that are trained, in turn; probes have all 8.
        reach: distance of the targets that are trained, m.
        turn: rad, by which the targets that are trained are turned.
        cue: context cue of the phase, in training and probes (``agents.cue``); 0 is none.
    """

    name: str
    field: Field
    updates: int
    targets: tuple[int, ...] = EVERY_TARGET
    reach: float = REACH
    turn: float = 0.0
    cue: float = 0.0

    def training_targets(self, update: int) -> NDArray[np.float64]:
        """(8, 2) m, the targets of the batch of an update."""
        chosen = (N_TARGETS * update + np.arange(N_TARGETS)) % len(self.targets)
        return centre_out_targets(reach=self.reach, turn=self.turn)[np.array(self.targets)[chosen]]
