"""What a picture of a reach shows, as plain arrays: of an environment, or of a recorded trial."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from savings_gym.arrays import Floats
from savings_gym.perturbations.fields import ONSETS, Field
from savings_gym.task.reach import ReachingArms
from savings_gym.task.settings import CONTROL_STEP

WAIT, GO, CATCH = "wait", "go", "catch"  # states of the go signal; a catch trial has none

GRID_STEP = 0.05  # m between the arrows of a field
GRID_RADIUS = 0.16  # m around the start
GRID_RATE = 5.0  # 1/s, speed of the hand per distance from the start


@dataclass(frozen=True, eq=False)
class FieldArrows:
    """A field over the workspace: the force on a hand that passes each position on its way out.

    The hand moves straight away from the start, 5 cm/s faster with every centimetre, so that the arrows of a
    velocity-dependent field are those of the usual picture in the plane of velocities.

    Attributes:
        position: (k, 2) of the hand [m].
        force: (k, 2) on the hand [N].
    """

    position: Floats
    force: Floats


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One moment of a trial.

    Attributes:
        joints: (2,) joint angles [rad].
        activation: (muscles,) 0 to 1; empty if torques drive the arm.
        start: (2,) hand position at the start [m].
        target: (2,) position of the target [m].
        other_targets: (k, 2) targets of other trials [m].
        path: (t + 1, 2) hand positions since the start [m], the last one being the present.
        force: (2,) of the field on the hand [N].
        arrows: The trial's field.
        acting: Whether the field acts at present.
        signal: `WAIT`, `GO` or `CATCH`.
        title: Which trial it is.
        clock: Time in the trial.
        field_name: Which field it is.
        cursor: (2,) where the hand is seen [m]; None if that is where it is in the whole trial.
    """

    joints: Floats
    activation: Floats
    start: Floats
    target: Floats
    other_targets: Floats
    path: Floats
    force: Floats
    arrows: FieldArrows
    acting: bool
    signal: str
    title: str
    clock: str
    field_name: str
    cursor: Floats | None = None


def take_snapshot(task: ReachingArms, arm: int) -> Snapshot:
    """Return the present moment of one arm of a task."""
    trials, t = task.trials, max(int(task.t[arm]), 0)
    field, stage = trials.fields[arm], int(task.stage[arm])
    start, target = trials.start[arm].copy(), trials.target_position[arm].copy()
    phase = trials.phases[arm]
    return Snapshot(
        joints=task.qpos[arm].copy(),
        activation=task.act[arm].copy(),
        start=start,
        target=target,
        other_targets=trials.all_targets(arm),
        path=task.hand[: t + 1, arm].copy(),
        force=task.field_force[arm].copy(),
        arrows=field_arrows(field, start, target),
        acting=acts(field, stage),
        signal=CATCH if trials.catch[arm] else GO if stage > 0 else WAIT,
        title=f"{'' if phase is None else phase.name}  trial {trials.number[arm]}".strip(),
        clock=f"{t * CONTROL_STEP:.2f} s",
        field_name=name_of(field),
        cursor=task.cursor[t, arm].copy() if trials.displaced[arm] else None,
    )


def field_arrows(field: Field, start: Floats, target: Floats) -> FieldArrows:
    """Return the force of all parts of a field, whatever their onset, on a grid around the start.

    Args:
        field: The field.
        start: (2,) hand position at the start [m].
        target: (2,) position of the target [m].
    """
    steps = np.arange(-GRID_RADIUS // GRID_STEP + 1, GRID_RADIUS // GRID_STEP + 1) * GRID_STEP
    offset = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    distance = np.linalg.norm(offset, axis=1)
    offset = offset[(distance > 0.0) & (distance < GRID_RADIUS)]
    position, velocity = start + offset, GRID_RATE * offset
    force = np.zeros_like(position)
    starts, targets = np.broadcast_to(start, position.shape), np.broadcast_to(target, position.shape)
    for part in field.parts():
        force += part.coefficients(starts, targets).force(position, velocity)
    return FieldArrows(position, force)


def acts(field: Field, stage: int) -> bool:
    """Return whether some part of a field has set on in a stage of the trial, see `ReachingArms.stage`."""
    return any(not part.is_null and ONSETS.index(part.onset) <= stage for part in field.parts())


def name_of(field: Field) -> str:
    """Return the kinds of a field's parts in words, such as "curl field" or "rotation of the cursor"."""
    parts = [part for part in field.parts() if not part.is_null]
    if not parts:
        return "no field"
    seen = all(part.scored is not None for part in parts)
    return f"{' + '.join(part.kind for part in parts)}{' of the cursor' if seen else ' field'}"
