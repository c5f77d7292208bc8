"""Impaired bodies: signal-dependent noise, spasticity and fatigue, between an action and the muscles.

    gym.make("ForceFieldReach-v0", impairments={"signal_noise": 0.2, "spasticity": {"biceps": 2.0}})
    gym.make("ForceFieldReach-v0", impairments=Impairments(fatigue=Fatigue(0.0182, 0.00168)))

The environments have all of them, the torch arm of the supervised learners all but fatigue. Weak muscles and
heavy limbs are changes of the arm, `arm={"strength": ..., "mass": ..., "tool": ...}`, see `arm.changes`, and
long delays are `delays`; these every learner has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import Any, Final

import numpy as np

from savings_gym.arm.anatomy import MUSCLES
from savings_gym.arrays import Floats, Indices, as_number
from savings_gym.task.arguments import as_settings

ByMuscle = float | tuple[tuple[str, float], ...]  # of all muscles, or (name, number) pairs by muscle

LARGEST: Final = 1e3  # gains, rates and coefficients


@dataclass(frozen=True)
class Fatigue:
    """Three-compartment fatigue of every muscle (Xia & Frey Law 2008, doi 10.1016/j.jbiomech.2008.07.013).

    The motor units of a muscle are resting, active (M_A) or fatigued (M_F), as shares of all:

        dM_F/dt = F·M_A − R·M_F,        M_A = min(excitation, 1 − M_F)

    Active units are those that the command asks for, if so many are left. Their recruitment and its end are
    immediate here; in the source they take 0.1 s, which the muscles' own activation takes the place of. M_F
    is then within 0.001 of the source's. The shares go on from trial to trial until the environment is seeded
    again.

    Frey Law, Looft & Heitsman 2012 (doi 10.1016/j.jbiomech.2012.04.018) fitted F and R to the endurance times
    of people [1/s]:

        shoulder    F = 0.0182     R = 0.00168
        elbow       F = 0.00912    R = 0.00094

    With these an elbow keeps up half of its strength for about 117 s. One number holds for all six muscles;
    the defaults are those of the shoulder. A dict gives every muscle its own:

        Fatigue(rate={"brachioradialis": 0.00912, "triceps_lateral": 0.00912}, recovery=0.00094)

    Attributes:
        rate: F [1/s], one number or a dict of numbers by muscle; muscles that it leaves out do not tire.
        recovery: R [1/s], likewise; a dict needs every muscle that tires.
        rest: Time between trials, in which all units rest [s].
    """

    rate: ByMuscle = 0.0182
    recovery: ByMuscle = 0.00168
    rest: float = 0.0

    def __post_init__(self) -> None:
        """Check the values."""
        for name in ("rate", "recovery"):
            object.__setattr__(self, name, _number_or_by_muscle(f"Fatigue: {name}", getattr(self, name)))
        object.__setattr__(self, "rest", as_number("Fatigue: rest", self.rest, 0.0, LARGEST))
        if isinstance(self.recovery, tuple):
            tire = [name for name, r in zip(MUSCLES, self.rates + np.zeros(len(MUSCLES)), strict=True) if r]
            lacking = [name for name in tire if name not in dict(self.recovery)]
            if lacking:
                raise ValueError(
                    f"Fatigue: recovery by muscle needs every muscle that tires, {', '.join(tire)}; got none "
                    f"for {', '.join(lacking)}"
                )

    @cached_property
    def rates(self) -> Floats | float:
        """F of all muscles [1/s], or (6,) by muscle."""
        return _along_muscles(self.rate)

    @cached_property
    def recoveries(self) -> Floats | float:
        """R of all muscles [1/s], or (6,) by muscle."""
        return _along_muscles(self.recovery)

    def after(self, fatigued: Floats, excitation: Floats, seconds: float) -> Floats:
        """Return the fatigued shares after some time at a constant excitation, exactly.

        Args:
            fatigued: (...) M_F at the beginning; (..., 6) if values are by muscle.
            excitation: (...) 0 to 1, likewise.
            seconds: Time in which M_A does not change sides of 1 − M_F, such as a control step [s].
        """
        limited = excitation > 1.0 - fatigued
        rate = self.recoveries + np.where(limited, self.rates, 0.0)
        source = self.rates * np.where(limited, 1.0, excitation)
        decay = np.exp(-rate * seconds)
        grown = np.where(rate > 0.0, source * -np.expm1(-rate * seconds) / np.maximum(rate, 1e-300), 0.0)
        still = np.where(rate > 0.0, 0.0, source * seconds)
        after: Floats = fatigued * decay + grown + still
        return after


@dataclass(frozen=True)
class Impairments:
    """What is impaired between an action and the muscles; by default nothing.

    Attributes:
        signal_noise: Standard deviation of the noise on an action, as a share of the action, in addition to
            `Noise.excitation` (Harris & Wolpert 1998).
        spasticity: Gain of a stretch reflex by muscle, (name, gain) pairs or a dict, or one for all: a muscle
            that is stretched faster than the threshold is excited by gain·(velocity − threshold), with the
            velocity in largest shortening speeds (as in van der Krogt et al. 2016). It is added to the
            command.
        threshold: Velocity at which the reflex begins [largest shortening speeds].
        reflex_delay: Delay of the reflex, whole control steps [s].
        fatigue: `Fatigue` or a dict of its values; None is none.
    """

    signal_noise: float = 0.0
    spasticity: tuple[tuple[str, float], ...] = ()
    threshold: float = 0.0
    reflex_delay: float = 0.03
    fatigue: Fatigue | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        for name in ("signal_noise", "threshold", "reflex_delay"):
            value = as_number(f"Impairments: {name}", getattr(self, name), 0.0, LARGEST)
            object.__setattr__(self, name, value)
        object.__setattr__(self, "spasticity", _gains(self.spasticity))
        if self.fatigue is not None:
            fatigue = as_settings("Impairments: fatigue", Fatigue, self.fatigue)
            object.__setattr__(self, "fatigue", fatigue)

    def __bool__(self) -> bool:
        """Return whether anything is impaired."""
        return bool(self.signal_noise or self.spasticity or self.fatigue)

    @property
    def gains(self) -> Floats:
        """(6,) gains of the stretch reflex by muscle."""
        return np.asarray(_along_muscles(self.spasticity))

    def check_actuation(self, actuation: str) -> None:
        """Raise a ValueError if an actuation has no muscles to impair."""
        if actuation == "torque" and (self.spasticity or self.fatigue):
            raise ValueError(
                "impairments: spasticity and fatigue are of muscles; actuation 'torque' has none"
            )


def _gains(given: Any) -> tuple[tuple[str, float], ...]:
    """Return the gains of muscles that are not 0, by name."""
    if isinstance(given, Real):
        given = dict.fromkeys(MUSCLES, given)
    pairs = _by_muscle("Impairments: spasticity", "a gain or gains by muscle", given)
    return tuple((name, gain) for name, gain in pairs if gain != 0.0)


def _number_or_by_muscle(label: str, given: Any) -> ByMuscle:
    """Return one number for all muscles, or numbers by name, checked."""
    if isinstance(given, Real):
        return as_number(label, given, 0.0, LARGEST)
    return _by_muscle(label, "a number or numbers by muscle", given)


def _by_muscle(label: str, valid: str, given: Any) -> tuple[tuple[str, float], ...]:
    """Return numbers by the names of muscles, sorted by name.

    Args:
        label: What the caller calls them, for the error.
        valid: What may be given, for the error.
        given: A mapping, or (name, number) pairs.
    """
    try:
        numbers = None if isinstance(given, str) else dict(given)
    except (TypeError, ValueError):
        numbers = None
    if numbers is None:
        raise ValueError(f"{label} must be {valid}, got {given!r}")
    for name, number in numbers.items():
        if name not in MUSCLES:
            raise ValueError(f"{label} knows {', '.join(MUSCLES)}; got {name!r}")
        numbers[name] = as_number(f"{label} of {name}", number, 0.0, LARGEST)
    return tuple(sorted(numbers.items()))


def _along_muscles(values: ByMuscle) -> Floats | float:
    """Return the number of all muscles, or (6,) one per muscle."""
    if not isinstance(values, tuple):
        return values
    numbers = dict(values)
    return np.array([numbers.get(muscle, 0.0) for muscle in MUSCLES])


ImpairmentsLike = Impairments | Mapping[str, Any] | bool | None


def as_impairments(value: ImpairmentsLike) -> Impairments:
    """Return impairments, given as themselves or as a dict of some of their values; False or None is none.

    Raises:
        ValueError: If `value` is none of these, or bad; it names the argument and lists what is valid.
    """
    return as_settings("impairments", Impairments, value, none=Impairments())


class ImpairedMuscles:
    """The muscles of n arms between commands and excitations.

    Args:
        n: Number of arms.
        impairments: What is impaired.
        step_time: Duration of a control step [s].

    Attributes:
        fatigued: (n, 6) shares of fatigued motor units.
    """

    def __init__(self, n: int, impairments: Impairments, step_time: float) -> None:
        self._fatigue, self._threshold = impairments.fatigue, impairments.threshold
        self._gains = impairments.gains
        self._step_time = step_time
        self.fatigued = np.zeros((n, len(MUSCLES)))

    def restart(self, arms: Indices) -> None:
        """Wake up rested, as after a new seed."""
        self.fatigued[arms] = 0.0

    def rest(self, arms: Indices) -> None:
        """Rest between two trials."""
        if self._fatigue is not None:
            idle = np.zeros_like(self.fatigued[arms])
            self.fatigued[arms] = self._fatigue.after(self.fatigued[arms], idle, self._fatigue.rest)

    def excite(self, command: Floats, velocity: Floats, arms: Indices | None) -> Floats:
        """Return the excitations in a control step, (n, 6), and tire the muscles by them.

        Args:
            command: (n, 6) commands, 0 to 1.
            velocity: (n, 6) lengthening velocities a reflex delay ago [largest shortening speeds].
            arms: (m,) arms that make the step; None is all.
        """
        reflex = self._gains * np.maximum(velocity - self._threshold, 0.0)
        excitation = np.minimum(command + reflex, 1.0)
        if self._fatigue is None:
            return excitation
        tired = self._fatigue.after(self.fatigued, excitation, self._step_time)
        left = np.minimum(excitation, 1.0 - self.fatigued)
        chosen = slice(None) if arms is None else arms
        self.fatigued[chosen] = tired[chosen]
        return left
