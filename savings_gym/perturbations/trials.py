"""What the perturbations of n trials do in every control step, for every backend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from savings_gym.arrays import Floats, Indices
from savings_gym.perturbations.fields import ONSETS, Field, SumField
from savings_gym.perturbations.linear_fields import LinearFields
from savings_gym.perturbations.visual_maps import VisualMaps


@dataclass(frozen=True, eq=False)
class TrialPerturbations:
    """The perturbations of n trials of T control steps.

    Attributes:
        lasting: For each of `ONSETS` n fields that act from then on, see `resolve_fields`.
        timed: Fields of n trials with the shares (T, n) at which they act in every control step; none if no
            field has a time course. The force in a control step is the sum of all that act.
        views: (T + 1, n, VIEW) where the hand is seen at the beginning of every control step and at the end
            of the trial, see `visual_maps.seen_hand`; None if it is always seen where it is.
        cursor_scored: (n,) whether what is seen is scored, instead of the hand.
    """

    lasting: tuple[LinearFields, LinearFields, LinearFields]
    timed: tuple[tuple[LinearFields, Floats], ...]
    views: Floats | None
    cursor_scored: NDArray[np.bool_]


def resolve_fields(
    fields: Field | Sequence[Field], start: Floats, target: Floats
) -> tuple[LinearFields, LinearFields, LinearFields]:
    """Return the fields of n trials, split by onset.

    Args:
        fields: One field for all trials, or n fields.
        start: (n, 2) hand position at the start of each trial, m.
        target: (n, 2) target of each trial, m.

    Returns:
        For each of `ONSETS` n fields, which act from then on; the force on the hand is the sum of those
        that act.

    Raises:
        ValueError: If a field has a time course after its onset, see `resolve_perturbations`.
    """
    n = len(start)
    by_trial = list(fields) if isinstance(fields, Sequence) else [fields] * n
    if len(by_trial) != n:
        raise ValueError(f"{len(by_trial)} fields were given for {n} trials")
    by_onset = {onset: LinearFields.zeros(n) for onset in ONSETS}
    trials_of: dict[Field, list[int]] = {}
    for trial, field in enumerate(by_trial):
        trials_of.setdefault(field, []).append(trial)
    for field, members in trials_of.items():
        trials = np.array(members)
        for part in field.parts():
            if part.course(np.zeros(1)) is not None:
                raise ValueError(
                    f"a field that lasts is needed here, got {part!r}, which changes in the trial"
                )
            by_onset[part.onset].add(trials, part.coefficients(start[trials], target[trials]))
    return by_onset["start"], by_onset["go"], by_onset["cue"]


def resolve_perturbations(
    fields: Field | Sequence[Field],
    start: Floats,
    target: Floats,
    begins: Indices,
    steps: int,
    step_time: float,
) -> TrialPerturbations:
    """Return what the perturbations of n trials do in every control step.

    The size of a perturbation in a control step is that in the middle of the step.

    Args:
        fields: One perturbation for all trials, or n of them.
        start: (n, 2) hand position at the start of each trial, m.
        target: (n, 2) target of each trial, m.
        begins: (3, n) control step at which each of `ONSETS` comes.
        steps: T, control steps of a trial.
        step_time: Duration of a control step [s].

    Raises:
        ValueError: If there are neither one nor n perturbations, or visual ones do not combine.
    """
    n = len(start)
    by_trial = list(fields) if isinstance(fields, Sequence) else [fields] * n
    if len(by_trial) != n:
        raise ValueError(f"{len(by_trial)} fields were given for {n} trials")
    members: dict[Field, list[int]] = {}
    for trial, field in enumerate(by_trial):
        members.setdefault(field, []).append(trial)
    lasting, timed, maps = {}, [], None
    scored = np.zeros(n, dtype=bool)
    for field, indices in members.items():
        trials, forces = np.array(indices), []
        for part in sorted(field.parts(), key=lambda part: ONSETS.index(part.onset)):
            since = np.arange(steps + 1)[:, None] - begins[ONSETS.index(part.onset)][trials]  # (T + 1, m)
            course = part.course(np.maximum(since + 0.5, 0.0) * step_time)
            if part.scored is not None:
                maps = VisualMaps.about(np.tile(start, (steps + 1, 1))) if maps is None else maps
                sizes = np.where(since >= 0, 1.0 if course is None else course, 0.0)
                _show(maps, part, trials, n, target[trials], sizes)
                scored[trials] = part.scored == "cursor"
            elif course is None:
                forces.append(part)
            else:
                shares = np.zeros((steps, n))
                shares[:, trials] = np.where(since >= 0, course, 0.0)[:steps]
                both = LinearFields.zeros(n)
                both.add(trials, part.coefficients(start[trials], target[trials]))
                timed.append((both, shares))
        lasting[field] = SumField(tuple(forces)) if len(forces) < len(field.parts()) else field
    views = None if maps is None else maps.coefficients().reshape(steps + 1, n, -1)
    forces_by_onset = resolve_fields([lasting[field] for field in by_trial], start, target)
    return TrialPerturbations(forces_by_onset, tuple(timed), views, scored)


def _show(maps: VisualMaps, part: Field, trials: Indices, n: int, target: Floats, sizes: Floats) -> None:
    """Apply a visual perturbation to what is seen in some trials, in every step.

    Args:
        maps: ((T + 1) n) maps so far, changed in place.
        part: The perturbation.
        trials: (m,) which of the n trials.
        n: Number of trials.
        target: (m, 2) their targets [m].
        sizes: (T + 1, m) sizes of the perturbation.
    """
    rows = (np.arange(len(sizes))[:, None] * n + trials).ravel()
    view = part.view(maps.x0[rows], np.tile(target, (len(sizes), 1)), sizes.ravel())
    if view is None:
        return
    before = VisualMaps(maps.x0[rows], maps.A[rows], maps.c[rows], maps.u[rows])
    after = before.then(view)
    maps.A[rows], maps.c[rows], maps.u[rows] = after.A, after.c, after.u


def forces_in_steps(perturbations: TrialPerturbations, begins: Indices) -> LinearFields:
    """Return the forces of n trials with time courses in every control step, one after the other.

    Args:
        perturbations: Of n trials.
        begins: (3, n) control step at which each of `ONSETS` comes.

    Returns:
        T n fields, the first n those of the first control step.
    """
    steps, n = perturbations.timed[0][1].shape
    everyone, time = np.tile(np.arange(n), steps), np.repeat(np.arange(steps), n)
    rows, acting = np.arange(len(everyone)), LinearFields.zeros(len(everyone))
    for fields, begin in zip(perturbations.lasting, begins, strict=True):
        acting.add(rows, fields.take(everyone).scaled((time >= begin[everyone]).astype(np.float64)))
    for fields, shares in perturbations.timed:
        acting.add(rows, fields.take(everyone).scaled(shares[time, everyone]))
    return acting
