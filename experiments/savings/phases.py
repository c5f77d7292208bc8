"""Phases of the experiment, and how the controls change those with a field.

Whatever a phase trains, its probes are the study's 8 reaches in the field of the phase, so tables, summaries
and figures of every control read like those of the main experiment.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray

from agents.supervised.reaches import centre_out_targets
from experiments.runs.command_line import choice
from savings_gym.arm.model import load_arm
from savings_gym.arrays import as_choice
from savings_gym.perturbations.fields import (
    ONSETS,
    CurlField,
    Field,
    NullField,
    ViscousField,
    field_from_dict,
)
from savings_gym.perturbations.modified import Scaled
from savings_gym.perturbations.visual import VisuomotorRotation
from savings_gym.task.settings import N_TARGETS
from savings_gym.task.trials import REACH

EVERY_TARGET: Final = tuple(range(N_TARGETS))


@dataclass(frozen=True)
class TrainingPhase:
    """One phase; the defaults train the study's 8 reaches.

    Attributes:
        name: Its name in the tables.
        field: Field of training and probes.
        updates: Number of batches of 8 reaches.
        targets: Numbers of the targets to train, in turn; probes have all 8.
        reach: Distance of the targets to train [m].
        turn: Angle by which the targets to train are turned [rad].
        cue: Size of the context cue, in training and probes (``agents.supervised.networks.draw_cue``); 0 is
            none.
        ramp: Share of the updates over which the field grows evenly from nothing; 0 is at once.
    """

    name: str
    field: Field
    updates: int
    targets: tuple[int, ...] = EVERY_TARGET
    reach: float = REACH
    turn: float = 0.0
    cue: float = 0.0
    ramp: float = 0.0

    def field_at(self, update: int) -> Field:
        """Return the field before an update, which its batch and a probe then are in."""
        grown = self.ramp * self.updates
        return self.field if update >= grown else Scaled(self.field, update / grown)

    def training_targets(self, update: int) -> NDArray[np.float64]:
        """Return the targets of the batch of an update, (8, 2) [m]."""
        chosen = (N_TARGETS * update + np.arange(N_TARGETS)) % len(self.targets)
        return centre_out_targets(reach=self.reach, turn=self.turn)[np.array(self.targets)[chosen]]


def curl(b: float, onset: str = "go") -> CurlField:
    """Return the curl field of strength b [N s/m] with an onset."""
    return CurlField(b, onset=onset)


def resistive(b: float, onset: str = "go") -> ViscousField:
    """Return a field that resists movement, f = -b v; a negative b assists it."""
    return ViscousField(((-b, 0.0), (0.0, -b)), onset=onset)


def rotation(angle_deg: float, onset: str = "go") -> VisuomotorRotation:
    """Return the rotation of the cursor by an angle [degrees] with an onset."""
    return VisuomotorRotation(angle_deg, onset=onset)


PERTURBATIONS: Final[dict[str, Callable[[float, str], Field]]] = {"curl": curl, "rotation": rotation}
ANGLE_DEG: Final = 30.0  # of rotations, unless another is given


def perturbation(name: str) -> Callable[[float, str], Field]:
    """Return what makes the perturbation of a run from its size and onset.

    Args:
        name: One of `PERTURBATIONS`, whose size is in N s/m or in degrees; or any perturbation as JSON, whose
            size is a factor, and whose parts may state onsets of their own.

    Raises:
        ValueError: If it is neither.
    """
    if name in PERTURBATIONS:
        return PERTURBATIONS[name]
    try:
        values = json.loads(name)
    except json.JSONDecodeError as error:
        choices = ", ".join(PERTURBATIONS)
        raise ValueError(
            f"unknown perturbation {name!r}; choose from: {choices}, or JSON such as "
            f'{{"kind": "gain", "gain": 1.5}} ({error})'
        ) from None

    def scaled(size: float, onset: str = "go") -> Field:
        whole = field_from_dict(with_onset(values, as_choice("onset", onset, ONSETS)))
        return whole if size == 1.0 else Scaled(whole, size)

    return scaled


def with_onset(values: Any, onset: str) -> Any:
    """Return the dict of a perturbation in which every part that states no onset has this one.

    Args:
        values: The dict; the parts of sums, and what other perturbations change, are dicts in it.
        onset: One of `ONSETS`.
    """
    if isinstance(values, list):
        return [with_onset(value, onset) for value in values]
    if not isinstance(values, dict):
        return values
    if not _has_parts(values):
        return {"onset": onset} | values
    return {name: with_onset(value, onset) for name, value in values.items()}


def _has_parts(values: dict[str, Any]) -> bool:
    """Whether the dict of a perturbation holds dicts of others, which have onsets in its place."""
    several = [value for value in values.values() if isinstance(value, list)]
    return "fields" in values or any(isinstance(value, dict) for value in chain(values.values(), *several))


def size_of(name: str, b: float, angle_deg: float) -> float:
    """Return the size of the perturbation of a run: b [N s/m], an angle [degrees], or the factor 1."""
    return {"curl": b, "rotation": angle_deg}.get(name, 1.0)


def stored_field(arguments: Mapping[str, Any]) -> Field:
    """Return the perturbation of a run, given the arguments in its folder, which lack usual ones."""
    name = arguments.get("perturbation", "curl")
    size = size_of(name, arguments["b"], arguments.get("angle_deg", ANGLE_DEG))
    return perturbation(name)(size, arguments.get("onset", "go"))


FIELDS: Final[dict[str, Callable[[float, str], Field]]] = {"curl": curl, "resistive": resistive}


@dataclass(frozen=True)
class PhaseChanges:
    """What differs from the study in FF1 and FF2; the defaults change nothing."""

    ff1_b: float | None = None
    """Size of the field in FF1 in place of b [N s/m] (of a rotation degrees, of others a factor); 0 is the
    sham: the same number of updates without a field."""
    ff2_b: float | None = None
    """Size of the field in FF2, likewise."""
    ff1_field: Annotated[str, choice(FIELDS)] = "curl"
    """Kind of field in FF1: curl is the perturbation of the run, resistive acts against the movement."""
    ff1_targets: tuple[int, ...] = EVERY_TARGET
    """Numbers of the targets that FF1 trains, in turn; a batch still has 8 reaches."""
    ff1_reach: float = REACH
    """Distance of the targets that FF1 trains [m]."""
    ff1_turn_deg: float = 0.0
    """Angle by which the targets that FF1 trains are turned [degrees]."""
    cue: float = 0.0
    """Context cue: a separate input with this value in FF1 and FF2 and 0 elsewhere."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        for name in ("ff1_b", "ff2_b", "ff1_reach", "ff1_turn_deg", "cue"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise ValueError(f"{name} must be a finite number, got {value}")
        as_choice("ff1_field", self.ff1_field, FIELDS)
        targets = self.ff1_targets
        if not targets or len(set(targets)) < len(targets) or not set(targets) <= set(EVERY_TARGET):
            raise ValueError(
                f"ff1_targets must be one or more different numbers from 0 to {N_TARGETS - 1}, got {targets}"
            )
        if self.ff1_reach <= 0:
            raise ValueError(f"ff1_reach must be above 0, got {self.ff1_reach}")
        self._check_in_reach()

    def _check_in_reach(self) -> None:
        arm = load_arm("muscle")
        try:
            joints = arm.inverse_kinematics(
                centre_out_targets(arm, self.ff1_reach, math.radians(self.ff1_turn_deg))
            )
            low, high = arm.joint_range.T
            in_reach = bool(((joints >= low) & (joints <= high)).all())
        except ValueError:
            in_reach = False
        if not in_reach:
            raise ValueError(f"ff1_reach {self.ff1_reach} m puts a target out of the arm's reach")

    def phases(
        self, b: float, updates: tuple[int, int, int, int], onset: str = "go", ramp: float = 0.0,
        name: str = "curl", angle_deg: float = ANGLE_DEG,
    ) -> list[TrainingPhase]:  # fmt: skip
        """Return the four phases, NF1, FF1, NF2 and FF2.

        Args:
            b: Curl field of the phases that are as in the study [N s/m].
            updates: Numbers of updates of the four.
            onset: Onset of all fields.
            ramp: Share of FF1 over which its field grows from nothing.
            name: The perturbation in place of the curl field, see `perturbation`.
            angle_deg: Its angle, if it is a rotation.
        """
        make, size = perturbation(name), size_of(name, b, angle_deg)
        first = make if self.ff1_field == "curl" else FIELDS[self.ff1_field]
        usual = size if self.ff1_field == "curl" else b
        ff1_b = usual if self.ff1_b is None else self.ff1_b
        ff2_b = size if self.ff2_b is None else self.ff2_b
        return [
            TrainingPhase("NF1", NullField(), updates[0]),
            TrainingPhase(
                "FF1", first(ff1_b, onset), updates[1], self.ff1_targets, self.ff1_reach,
                math.radians(self.ff1_turn_deg), self.cue, ramp,
            ),
            TrainingPhase("NF2", NullField(), updates[2]),
            TrainingPhase("FF2", make(ff2_b, onset), updates[3], cue=self.cue),
        ]  # fmt: skip
