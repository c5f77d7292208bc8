"""The first reach after the washout: its course, its speed, and how far a push moves the hand.

The networks at the end of NF2 are probed without learning: in the field that they learned, in its opposite,
without a field, and there also under small pushes. All probes have the same noise, so that networks of a run
and of its sham differ by their weights alone.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Final

import numpy as np

from agents.supervised.reaches import centre_out_targets
from agents.supervised.rollout import scored_path
from experiments.stored.probes import learned_field, probe_stored
from experiments.stored.runs import StoredRuns
from savings_gym.arrays import Floats, Indices
from savings_gym.metrics.cocontraction import co_contraction
from savings_gym.metrics.curves import shared_networks
from savings_gym.metrics.kinematics import SETTLED, hand_speed, lateral_component, lateral_deviation
from savings_gym.perturbations.fields import ConstantField, CurlField, Field, NullField
from savings_gym.perturbations.modified import ForTargets, Pulse
from savings_gym.task.settings import CONTROL_STEP, N_TARGETS, PROBE_GO, Delays

PHASE: Final = "NF2"  # at whose end the networks are probed
WAY: Final = (0.25, 0.5)  # parts of the way to the target at which deviations are compared
PUSH: Final = 0.1  # N, small enough for the hand to move in proportion
PUSHED_AFTER: Final = 0.15  # s from the moment the cue is seen to a push; the hand is then under way
PUSHED_FOR: Final = 0.1  # s
FOLLOWED: Final = 0.3  # s from the start of a push in which the hand may yield most


@dataclass(frozen=True, eq=False)
class FirstReach:
    """Reaches of n networks, means over the 8 targets; T control steps.

    Attributes:
        learned: (n, T + 1) distance from the line in the learned field, positive to the side to which it
            pushes [m].
        opposite: (n, T + 1) the same in the opposite field, positive to the side to which that pushes [m].
        free: (n, T + 1) the same without a field, positive to the side of the learned one [m].
        learned_most: (n,) largest deviation in the learned field, see `kinematics.lateral_deviation` [m].
        opposite_most: (n,) the same in the opposite field [m].
        on_the_way: (n, 2) deviation in the learned field at the parts `WAY` of the way [m].
        contraction: (n, T) co-contraction in the learned field, at the start of every control step [N].
        contraction_free: (n, T) the same without a field [N].
        speed: (n,) peak speed without a field [m/s].
        speed_time: (n,) time of that peak in the trial [s].
        yielding: (n,) how far a push across the reach moves the hand at most, without a field [m/N].
    """

    learned: Floats
    opposite: Floats
    free: Floats
    learned_most: Floats
    opposite_most: Floats
    on_the_way: Floats
    contraction: Floats
    contraction_free: Floats
    speed: Floats
    speed_time: Floats
    yielding: Floats

    @property
    def time(self) -> Floats:
        """(T + 1,) times in the trial [s]."""
        return CONTROL_STEP * np.arange(self.learned.shape[1], dtype=np.float64)

    def of(self, networks: Indices) -> FirstReach:
        """Return the reaches of some networks, by their places."""
        return FirstReach(**{name: values[networks] for name, values in vars(self).items()})


def first_reach(runs: StoredRuns, run: Path, field: CurlField) -> FirstReach:
    """Probe the networks of a run after the washout.

    Args:
        runs: The stored runs.
        run: One of them.
        field: The field that they learned, or those of the run whose sham they are.
    """
    in_field, force = _reach(runs, run, field)
    against, _ = _reach(runs, run, dataclasses.replace(field, b=-field.b))
    free, free_force = _reach(runs, run, NullField())
    side = 1.0 if field.b > 0.0 else -1.0  # a positive curl field pushes a reach to the right
    targets, speed = centre_out_targets(), hand_speed(free)
    return FirstReach(
        learned=side * _across(in_field).mean(axis=1),
        opposite=-side * _across(against).mean(axis=1),
        free=side * _across(free).mean(axis=1),
        learned_most=side * lateral_deviation(in_field, targets).mean(axis=1),
        opposite_most=-side * lateral_deviation(against, targets).mean(axis=1),
        on_the_way=side * _on_the_way(in_field).mean(axis=1),
        contraction=co_contraction(force).mean(axis=1),
        contraction_free=co_contraction(free_force).mean(axis=1),
        speed=speed.max(axis=-1).mean(axis=1),
        speed_time=CONTROL_STEP * speed.argmax(axis=-1).mean(axis=1),
        yielding=_yielding(runs, run),
    )


def with_sham(runs: StoredRuns, run: Path, sham: Path) -> tuple[FirstReach, FirstReach, Indices]:
    """Return the first reaches of the networks that a run and its sham share, and their numbers.

    Raises:
        ValueError: If the run learned another field than a curl field.
    """
    field = learned_field(runs, run)
    if not isinstance(field, CurlField):
        raise ValueError(f"the first reach is probed in curl fields, and the run learned {field!r}")
    numbers = runs.networks(run)
    ours, theirs = shared_networks(numbers, runs.networks(sham))
    return (
        first_reach(runs, run, field).of(ours),
        first_reach(runs, sham, field).of(theirs),
        numbers[ours],
    )


def cue_seen(runs: StoredRuns, run: Path) -> float:
    """Return when the networks of a run see the cue of a probe [s]."""
    return PROBE_GO + Delays(**runs.arguments(run)["delays"]).cue_delay


def _reach(runs: StoredRuns, run: Path, field: Field) -> tuple[Floats, Floats]:
    """Hand paths (n, 8, T + 1, 2) [m] and muscle forces (n, 8, T, 6) [N] of a probe."""
    trajectory, reaches = probe_stored(runs, run, field, (PHASE,))[PHASE]
    force = trajectory.force.detach().double().cpu().numpy().swapaxes(1, 2)
    return scored_path(trajectory, reaches), force


def _from_start(path: Floats) -> tuple[Floats, Floats]:
    """Hand (n, 8, T + 1, 2) and target (n, 8, 1, 2) from where the hand settles before go [m]."""
    start = path[:, :, round(SETTLED / CONTROL_STEP), None]
    return path - start, centre_out_targets()[:, None] - start


def _across(path: Floats) -> Floats:
    """Distance from the line, positive to the right, (n, 8, T + 1) [m]."""
    return lateral_component(*_from_start(path))


def _on_the_way(path: Floats) -> Floats:
    """Distance from the line, positive to the right, at the parts `WAY` of the way, (n, 8, 2) [m].

    NaN where the hand does not get so far.
    """
    hand, line = _from_start(path)
    made = np.sum(hand * line, axis=-1) / np.sum(line**2, axis=-1)  # (n, 8, T + 1), 1 at the target
    across = _across(path)
    found = []
    for part in WAY:
        after = np.argmax(made >= part, axis=-1)[..., None]  # the first sample beyond it
        (low, high), (x, y) = (
            tuple(np.take_along_axis(series, step, axis=-1)[..., 0] for step in (after - 1, after))
            for series in (made, across)
        )
        there = np.any(made >= part, axis=-1) & (after[..., 0] > 0)
        between = (part - low) / np.where(there, high - low, 1.0)
        found.append(np.where(there, x + (y - x) * between, np.nan))
    return np.stack(found, axis=-1)


def _yielding(runs: StoredRuns, run: Path) -> Floats:
    """How far a push across the reach, to the right or the left, moves the hand across it at most, (n,)."""
    moved = [_across(_reach(runs, run, _push(runs, run, size))[0]) for size in (PUSH, -PUSH)]
    change = (moved[0] - moved[1]) / (2.0 * PUSH)  # (n, 8, T + 1)
    first = round((cue_seen(runs, run) + PUSHED_AFTER) / CONTROL_STEP)
    return change[..., first : first + round(FOLLOWED / CONTROL_STEP) + 1].max(axis=-1).mean(axis=1)


def _push(runs: StoredRuns, run: Path, size: float) -> Field:
    """A short push across the reach, to the right for a positive size [N], in trials to every target."""
    began, degrees = cue_seen(runs, run) + PUSHED_AFTER, 360.0 / N_TARGETS * np.arange(N_TARGETS)
    pushes: list[Field] = []
    for angle in degrees:
        normal = np.sin(np.deg2rad(angle)), -np.cos(np.deg2rad(angle))
        force = ConstantField((size * normal[0], size * normal[1]), onset="start")
        pushes.append(ForTargets(Pulse(force, at=began, duration=PUSHED_FOR), (float(angle),)))
    return reduce(add, pushes)
