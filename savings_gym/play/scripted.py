"""A player whose learning is known: rate, savings and retention are planted, so that the game must find them.

The player moves the mouse so that the hand would go straight to the target if a share x of the field acted.
In a phase with a field, x approaches 1 exponentially; in a phase without, it falls to a fraction of what it
was. It changes between rounds only, as networks learn between batches.
"""

from __future__ import annotations

import math

import numpy as np

from savings_gym.arm.model import Arm
from savings_gym.arrays import Floats, as_number
from savings_gym.perturbations.fields import Field, NullField
from savings_gym.perturbations.trials import resolve_fields
from savings_gym.play.game import Game
from savings_gym.play.hand import SMOOTHING, STIFFNESS, VISCOSITY
from savings_gym.play.record import Score
from savings_gym.task.inverse_dynamics import nearest_joint_angles
from savings_gym.task.schedule import Schedule
from savings_gym.task.settings import CONTROL_STEP, TRIAL_STEPS

REACH_TIME = 0.4  # s
GRID = 0.002  # s, at which the movement of the mouse is computed
PER_STEP = round(CONTROL_STEP / GRID)


class ScriptedPlayer:
    """Moves the mouse as planned.

    Args:
        rate: Of learning in the first phase with a field, and of forgetting [1/trial].
        rate_ratio: Rate in later phases with a field over `rate`: savings of the rate if above 1.
        retention: Fraction of x that is left after a long phase without a field: savings at the first trial.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(self, rate: float = 0.1, rate_ratio: float = 2.0, retention: float = 0.25) -> None:
        self.rate = as_number("rate", rate, least=0.0)
        self.rate_ratio = as_number("rate_ratio", rate_ratio, least=0.0)
        self.retention = as_number("retention", retention, 0.0, 1.0)
        self._points: Floats = np.zeros((0, 2))

    def share(self, schedule: Schedule, trial: int, targets: int) -> float:
        """Return the share x of the field that the player makes up for in a trial."""
        share, rate = 0.0, self.rate
        for phase, first in zip(schedule.phases, schedule.boundaries, strict=False):
            if trial < first:
                break
            begun = share
            goal = self.retention * begun if phase.field.is_null else 1.0
            done = min(trial - first, phase.trials)
            done -= done % targets
            speed = self.rate if phase.field.is_null else rate
            share = goal + (begun - goal) * math.exp(-speed * done)
            if not phase.field.is_null:
                rate = self.rate * self.rate_ratio
        return share

    def begin(self, game: Game) -> None:
        """Plan the movement of the mouse."""
        share = self.share(game.schedule, game.trial, game.targets)
        met = [phase.field for phase in game.schedule.phases if not phase.field.is_null]
        field = met[0] if met else NullField()
        self._points = mouse_points(game.task.arm, game.start, game.target, field, share)

    def point(self, game: Game) -> Floats:
        """Return the planned point."""
        return self._points[game.steps_since_go] if game.steps_since_go >= 0 else game.start

    def end(self, game: Game) -> None:
        """Do nothing: what it learns is planted."""

    def show(self, result: Score) -> None:
        """Do nothing: it knows its savings."""


def mouse_points(arm: Arm, start: Floats, target: Floats, field: Field, share: float) -> Floats:
    """Return the points of the mouse that bring the hand straight to a target against a share of a field.

    The hand is to follow a straight minimum-jerk path (Flash & Hogan 1985, doi
    10.1523/JNEUROSCI.05-07-01688.1985). The field's force f on that path would displace the joints by e, with

        d²e/dt² + VISCOSITY de/dt + STIFFNESS e = M⁻¹ J' f,

    see `play.hand`, so the joints must be led along q - share · e, and the smoothing of the mouse be undone.

    Args:
        arm: The arm.
        start: (2,) [m].
        target: (2,) [m].
        field: The field.
        share: Share of its force that the mouse makes up for.

    Returns:
        (100, 2) points in the control steps after go [m].
    """
    time = GRID * np.arange(TRIAL_STEPS * PER_STEP)
    s = np.clip(time / REACH_TIME, 0.0, 1.0)
    hand = start + (10.0 * s**3 - 15.0 * s**4 + 6.0 * s**5)[:, None] * (target - start)
    q = nearest_joint_angles(arm, hand)
    q = q - share * _displacement(_joint_acceleration(arm, q, _force(field, start, target, hand)))
    point = arm.hand_position(q)
    velocity = np.gradient(point, GRID, axis=0)
    mouse = point + 2.0 / SMOOTHING * velocity + np.gradient(velocity, GRID, axis=0) / SMOOTHING**2
    return mouse[PER_STEP // 2 :: PER_STEP]  # in the middle of every step


def _force(field: Field, start: Floats, target: Floats, hand: Floats) -> Floats:
    """Force of a field along a path, (n, 2) [N]."""
    n, velocity = len(hand), np.gradient(hand, GRID, axis=0)
    by_onset = resolve_fields([field] * n, np.tile(start, (n, 1)), np.tile(target, (n, 1)))
    return np.sum([part.force(hand, velocity) for part in by_onset], axis=0)


def _joint_acceleration(arm: Arm, q: Floats, force: Floats) -> Floats:
    """Acceleration of resting joints under a force on the hand, M⁻¹ J' f, (n, 2) [rad/s^2]."""
    still = np.zeros_like(q)
    weight = arm.joint_torque(q, still, still)
    mass = np.stack([arm.joint_torque(q, still, still + unit) - weight for unit in np.eye(2)], axis=-1)
    torque = (arm.hand_jacobian(q) * force[..., None]).sum(-2)
    return np.linalg.solve(mass, torque[..., None])[..., 0]


def _displacement(acceleration: Floats) -> Floats:
    """Displacement of the joints under an acceleration, (n, 2) [rad]."""
    away, speed, course = np.zeros(2), np.zeros(2), np.zeros_like(acceleration)
    for i, push in enumerate(acceleration):
        course[i] = away
        speed = speed + GRID * (push - VISCOSITY * speed - STIFFNESS * away)
        away = away + GRID * speed
    return course
