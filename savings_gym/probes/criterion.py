"""When a learner has learned to reach: a criterion that ends the first phase of a schedule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Final

import numpy as np

from savings_gym.arrays import as_number, as_whole_number

LARGEST: Final = 1.0  # m, farther than the hand can be from any target


@dataclass(frozen=True)
class ReachCriterion:
    """Mean end-point error that several probes in a row must not exceed.

    With it, learners of different speed enter the first field within one error of reaching, and the trials
    that this took are a result. The phase still has a largest number of trials, those of the schedule.

    Attributes:
        error: Largest mean end-point error of a probe [m].
        probes: Number of consecutive probes within it.

    Raises:
        ValueError: If the error is not above 0 and at most `LARGEST`, or the number of probes no whole number
            of at least 1.
    """

    error: float = 0.010
    probes: int = 3

    def __post_init__(self) -> None:
        """Check the values."""
        if not 0.0 < as_number("criterion: error", self.error) <= LARGEST:
            raise ValueError(
                f"criterion: error must be above 0 and at most {LARGEST:g} m (10 mm is 0.010), got "
                f"{self.error!r}"
            )
        as_whole_number("criterion: probes", self.probes, least=1)

    def met(self, errors: Sequence[float]) -> bool:
        """Return whether the last probes of a phase meet the criterion.

        Args:
            errors: Mean end-point error of every probe of the phase so far [m].
        """
        return len(errors) >= self.probes and max(errors[-self.probes :]) <= self.error


def phase_end(
    criterion: ReachCriterion, errors: Sequence[float], trial: int, planned: bool, may_end: bool = True
) -> tuple[bool, bool | None]:
    """Return whether the first phase of a schedule ends with a probe, and whether it met the criterion.

    Args:
        criterion: Ends the phase before it is planned to.
        errors: Mean end-point error of every probe of the phase so far, this one included [m].
        trial: Trials, or updates, of the phase before the probe; that before the first does not count.
        planned: Whether the phase ends here in any case.
        may_end: Whether it could end here before it is planned to.

    Returns:
        Whether it ends; and whether the criterion is met, None as long as the phase goes on.
    """
    met = trial > 0 and criterion.met(errors)
    if planned:
        return True, met
    return (True, True) if met and may_end else (False, None)


def as_criterion(value: Any) -> ReachCriterion | None:
    """Return a criterion, given as itself or as its error [m]; None stays None.

    Raises:
        ValueError: If it is none of these; it names the value and the valid choices.
    """
    if value is None or isinstance(value, ReachCriterion):
        return value
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise ValueError(
            f"criterion must be a ReachCriterion, a mean end-point error in m such as 0.010, or None; got "
            f"{value!r}"
        )
    return ReachCriterion(error=float(value))
