"""Courses of therapy: blocks of practice and of everyday life, and the robot that joins in.

Practice is 8 centre-out reaches. *Assisted as needed*: a spring to the target, whose stiffness is a
share f of that of the update before plus a gain times the error of the trials (Emken, Benitez & Reinkensmeyer
2007, doi 10.1186/1743-0003-4-8); the gain is such that the first stiffness would stay if the error stayed.
*Error augmentation*: a spring away from the straight line to the target (Patton et al. 2006, doi
10.1007/s00221-005-0097-8).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from savings_gym.arrays import Floats
from savings_gym.perturbations.fields import Field, NullField
from savings_gym.perturbations.position import AssistiveField, ErrorAugmentation
from savings_gym.task.settings import N_TARGETS

EVERYDAY, PRACTICE, DOUBLE, SPACED, ASSISTED, AUGMENTED = THERAPIES = (
    "everyday", "practice", "double", "spaced", "assisted", "augmented",
)  # fmt: skip
MEANING: Final = {
    EVERYDAY: "everyday life alone, for as many updates as *practice*",
    PRACTICE: "the massed dose, then everyday life",
    DOUBLE: "twice the dose at once, then everyday life",
    SPACED: "the dose in parts between parts of everyday life, the last of them nearer to the end",
    ASSISTED: "the massed dose, with a robot that helps as needed, then everyday life",
    AUGMENTED: "the massed dose, with a robot that makes errors larger, then everyday life",
}


@dataclass(frozen=True)
class Block:
    """Some updates of one kind: `EVERYDAY`, or `PRACTICE`, `ASSISTED` or `AUGMENTED` practice."""

    kind: str
    updates: int


def course(therapy: str, dose: int, everyday: int, sessions: int) -> list[Block]:
    """Return the blocks of a therapy.

    Args:
        therapy: One of `THERAPIES`.
        dose: Updates of practice.
        everyday: Updates of everyday life beside practice; without practice, there are as many more as the
            dose has.
        sessions: Parts of a spaced dose.
    """
    if therapy == EVERYDAY:
        return [Block(EVERYDAY, dose + everyday)]
    if therapy == SPACED:
        return [
            Block(kind, updates)
            for parts in zip(parts_of(dose, sessions), parts_of(everyday, sessions), strict=True)
            for kind, updates in zip((PRACTICE, EVERYDAY), parts, strict=True)
        ]
    kind = PRACTICE if therapy == DOUBLE else therapy
    return [Block(kind, dose * (2 if therapy == DOUBLE else 1)), Block(EVERYDAY, everyday)]


def parts_of(whole: int, count: int) -> list[int]:
    """Split a number of updates into parts as equal as can be."""
    return [whole * (k + 1) // count - whole * k // count for k in range(count)]


class Robot:
    """What acts on the hands of n networks in practice.

    Args:
        kind: Kind of the block.
        networks: n.
        assistance: Stiffness of the first update of assisted practice [N/m].
        forgetting: Share of it that is kept from update to update.
        augmentation: Stiffness of error augmentation [N/m].
    """

    def __init__(
        self, kind: str, networks: int, assistance: float, forgetting: float, augmentation: float
    ) -> None:
        self.kind, self.augmentation, self.forgetting = kind, augmentation, forgetting
        self.stiffness: Floats = np.full(networks, assistance)
        self._gain: Floats | None = None

    def fields(self) -> Field | list[Field]:
        """Return the field of all trials, or of each of the n times 8, network by network."""
        if self.kind == ASSISTED:
            return [AssistiveField(float(k)) for k in self.stiffness for _ in range(N_TARGETS)]
        return ErrorAugmentation(self.augmentation) if self.kind == AUGMENTED else NullField()

    def learn(self, errors: Floats) -> None:
        """Take in the errors (n,) of the trials of an update, which set the assistance of the next."""
        if self.kind != ASSISTED:
            return
        if self._gain is None:
            self._gain = (1.0 - self.forgetting) * self.stiffness / np.maximum(errors, 1e-9)
        self.stiffness = self.forgetting * self.stiffness + self._gain * errors
