"""How many trials of relearning are saved: trials to half of the first deviation, in FF2 against FF1.

The learning rate of an exponential needs a phase that comes near its asymptote: in a shorter one, rate and
asymptote trade off, and their fits may double or halve a difference between two curves. Trials to a criterion
are read off the curve, whatever its shape, as Ebbinghaus (1885) counted what he saved. They contain both ways
of saving, since a curve that begins nearer to the criterion, or falls faster, gets there earlier.

Both phases count for as many trials as the shorter one has. A network that is not down to the criterion by
then counts as all of these trials: to leave it out would keep the fast ones only, and in a shorter FF2 that
alone would look like savings. Counted so, savings are if anything understated.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from savings_gym.arrays import Floats
from savings_gym.metrics.curves import PhaseCurves
from savings_gym.metrics.fractions import paired_fraction, paired_fraction_interval
from savings_gym.metrics.learning import WINDOW, windowed_mean
from savings_gym.metrics.statistics import Interval, Sampling, mean_interval, ratio_interval

HALF = 0.5  # of the first deviation in FF1, the criterion


@dataclass(frozen=True)
class TrialsSaved:
    """Trials until the deviation is half of what it was at the start of FF1.

    The criterion is the same in both phases and for all networks. There is no test: savings at the start and
    of the rate are tested, and these trials follow from both.

    Attributes:
        criterion: Half of FF1's mean initial deviation, unsigned [m].
        ff1: Mean over networks of the trials in FF1.
        ff2: The same in FF2.
        difference: Mean of FF1 - FF2; positive = savings.
        difference_ci: Its interval.
        ratio: ff2 / ff1, the share of the trials that FF2 takes; below 1 = savings.
        ci: Interval of the ratio.
        paired_fraction: Fraction of networks that need fewer trials in FF2 than themselves in FF1.
        paired_ci: Its interval.
        networks: Number of networks.
        reached: Networks that meet the criterion in both phases before the last of these trials.
    """

    criterion: float
    ff1: float
    ff2: float
    difference: float
    difference_ci: Interval
    ratio: float
    ci: Interval
    paired_fraction: float
    paired_ci: Interval
    networks: int
    reached: int


def trials_to_half(
    curves: PhaseCurves, criterion: float, side: float, window: int = WINDOW, last: float | None = None
) -> Floats:
    """Return after how many trials of a phase the deviation of every network is down to a criterion.

    It is read off the probe at update 0, and from then on off windowed means, with straight lines between.

    Args:
        curves: Of n networks.
        criterion: Deviation to the side of the field [m].
        side: 1 if the field pushes to the right, -1 if to the left.
        window: Probes per window.
        last: Trial after which the phase does not count: a network that is not down to the criterion by then
            counts as that many. By default all of the phase counts.

    Returns:
        (n,) trials; 0 if the phase starts there; without ``last``, NaN if it never gets there.
    """
    if last is not None:
        count = int(np.searchsorted(curves.trials, last, side="right"))
        curves = dataclasses.replace(
            curves, updates=curves.updates[:count], trials=curves.trials[:count],
            deviation=curves.deviation[:, :count],
        )  # fmt: skip
    probes = curves.deviation[:, 1:]
    deviation = side * np.concatenate([curves.deviation[:, :1], windowed_mean(probes, window)], axis=1)
    trials = np.concatenate([curves.trials[:1], windowed_mean(curves.trials[1:], window)])
    reached = deviation <= criterion
    after = np.argmax(reached, axis=1)
    before = np.maximum(after - 1, 0)
    rows = np.arange(len(deviation))
    high, low = deviation[rows, before], deviation[rows, after]
    share = (high - criterion) / np.where(high > low, high - low, 1.0)
    crossing = trials[before] + share * (trials[after] - trials[before])
    never = np.nan if last is None else last
    return np.where(reached.any(axis=1), np.where(after > 0, crossing, trials[0]), never)


def last_shared(*phases: PhaseCurves) -> float:
    """Return the last trial that all phases have, see `trials_to_half`."""
    return float(min(curves.trials[-1] for curves in phases))


def trials_saved(
    ff1: PhaseCurves, ff2: PhaseCurves, side: float, window: int = WINDOW, sampling: Sampling | None = None
) -> TrialsSaved:
    """Return the trials that networks save in FF2.

    Args:
        ff1: Curves of FF1.
        ff2: Curves of FF2, of the same networks.
        side: 1 if the field pushes to the right, -1 if to the left.
        window: Probes per window.
        sampling: Confidence of the intervals.
    """
    sampling = sampling or Sampling()
    criterion = HALF * side * float(ff1.deviation[:, 0].mean())
    last = last_shared(ff1, ff2)
    first, second = (trials_to_half(curves, criterion, side, window, last) for curves in (ff1, ff2))
    mean1, mean2 = float(first.mean()), float(second.mean())
    return TrialsSaved(
        criterion=criterion,
        ff1=mean1,
        ff2=mean2,
        difference=mean1 - mean2,
        difference_ci=mean_interval(first - second, sampling),
        ratio=mean2 / mean1 if mean1 else np.nan,
        ci=ratio_interval(second, first, sampling),
        paired_fraction=paired_fraction(first, second),
        paired_ci=paired_fraction_interval(first, second, sampling),
        networks=first.size,
        reached=int(np.sum(np.maximum(first, second) < last)),
    )
