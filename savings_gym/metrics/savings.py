"""Savings of a set of learners: from a probe table to numbers with intervals.

The four phases are NF1 (baseline), FF1 (field), NF2 (washout) and FF2 (the same field again). Deviations keep
the sign of the table. Whatever compares FF1 with FF2 is taken in the direction of FF1's mean initial
deviation, so that a positive difference, a ratio above 1 and a fraction above 0.5 are savings whichever way
the field turns. Metres and training trials; rates per trial.

What `savings_gym.metrics.savings.savings` returns: frozen records that go through JSON.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from savings_gym.arrays import Floats
from savings_gym.metrics.curves import PhaseCurves, ProbeTable, phase_curves
from savings_gym.metrics.learning import learning_rate, windowed_mean
from savings_gym.metrics.statistics import (
    CONFIDENCE,
    Estimate,
    Interval,
    Sampling,
    all_pairs_fraction,
    estimate,
    mean_interval,
    paired_fraction,
    ratio_interval,
)
from savings_gym.task.schedule import PHASES

__all__ = [
    "InitialSavings",
    "PhaseCurves",
    "PhaseSummary",
    "RateSavings",
    "SavingsSummary",
    "final_deviation",
    "fitted_rates",
    "phase_curves",
    "savings",
]


def savings(
    table: ProbeTable,
    seed: int = 0,
    *,
    window: int = 5,
    confidence: float = CONFIDENCE,
    resamples: int = 9999,
    partial: bool = False,
) -> SavingsSummary:
    """Savings of the learners in a probe table.

    The initial deviation is that of update 0, the final one the mean of the last `window` probes (of all when
    a phase has fewer). Rates are fitted to means of `window` probes, over the trials that FF1 and FF2 share.

    Args:
        table: Probe table, see `savings_gym.metrics.curves`; phases other than the four are ignored.
        seed: Of the bootstrap and the permutation test.
        window: Probes a window.
        confidence: Of the intervals.
        resamples: Of the bootstrap.
        partial: Accept a table that lacks phases, as of an interrupted run.

    Returns:
        The summary; `to_dict` gives it as JSON-able dictionaries.

    Raises:
        ValueError: When the table is malformed, networks or targets differ between phases, a phase lacks
            update 0, or a phase is missing and `partial` is not set.
    """
    sampling = Sampling(seed, confidence, resamples)
    curves = phase_curves(table)
    _check_phases(curves, partial)
    known = {phase: curves[phase] for phase in PHASES if phase in curves}
    end = {phase: final_deviation(curve, window) for phase, curve in known.items()}
    start = {phase: curve.deviation[:, 0] for phase, curve in known.items()}
    fields, nulls = {"FF1", "FF2"} <= known.keys(), {"NF1", "NF2"} <= known.keys()
    return SavingsSummary(
        networks=next(iter(known.values())).networks.size,
        phases={
            phase: _phase_summary(known[phase], end[phase], sampling) if phase in known else None
            for phase in PHASES
        },
        initial=_initial(start["FF1"], start["FF2"], sampling) if fields else None,
        rate=_rate(known["FF1"], known["FF2"], window, sampling) if fields else None,
        washout_residual=estimate(end["NF2"] - end["NF1"], sampling) if nulls else None,
        after_effect=estimate(start["NF2"], sampling) if "NF2" in known else None,
    )


def final_deviation(curves: PhaseCurves, window: int = 5) -> Floats:
    """Mean of the last window of probes of a phase, (n,) [m]; of all probes when it has fewer."""
    if window < 1:
        raise ValueError(f"window is {window}, expected a whole number of probes, 1 or more")
    return curves.deviation[:, -window:].mean(axis=-1)


def fitted_rates(
    ff1: PhaseCurves, ff2: PhaseCurves, window: int = 5
) -> tuple[Floats, Floats, tuple[str, ...]]:
    """Learning rate of every network in FF1 and FF2, over the trials that both phases have.

    Args:
        ff1: Curves of FF1.
        ff2: Curves of FF2, of the same networks.
        window: Probes a window.

    Returns:
        Rates in FF1 and in FF2, (n,) each [1/trial], NaN where the fit failed or the deviation grows; and the
        failures in words.
    """
    side = _side(ff1.deviation[:, 0])
    shared = min(ff1.trials[-1], ff2.trials[-1])
    rates, failures = {}, []
    for phase, curve in (("FF1", ff1), ("FF2", ff2)):
        rates[phase], reasons = _fitted_rates(curve, shared, window, side)
        failures += [f"network {network}, {phase}: {reason}" for network, reason in reasons]
    return rates["FF1"], rates["FF2"], tuple(failures)


def _check_phases(curves: dict[str, PhaseCurves], partial: bool) -> None:
    """Refuse missing phases, phases without update 0, and other networks or targets in one than another."""
    missing = [phase for phase in PHASES if phase not in curves]
    if len(missing) == len(PHASES) or (missing and not partial):
        hint = "" if partial else "; partial=True accepts a table that lacks some"
        raise ValueError(f"table has the phases {list(curves)}, expected {list(PHASES)}{hint}")
    known = [phase for phase in PHASES if phase in curves]
    first = curves[known[0]]
    for phase in known:
        curve = curves[phase]
        if curve.updates[0] != 0:
            raise ValueError(
                f"phase {phase} begins at update {curve.updates[0]}, expected a probe at update 0"
            )
        for name in ("networks", "targets"):
            expected, found = getattr(first, name).tolist(), getattr(curve, name).tolist()
            if expected != found:
                raise ValueError(
                    f"phase {phase} has the {name} {found}, expected {expected} as in {known[0]}"
                )


def _phase_summary(curve: PhaseCurves, end: Floats, sampling: Sampling) -> PhaseSummary:
    """Deviation before and after a phase."""
    start = curve.deviation[:, 0]
    return PhaseSummary(
        trials=int(curve.trials[-1]),
        initial_deviation=float(start.mean()),
        initial_ci=mean_interval(start, sampling),
        final_deviation=float(end.mean()),
        final_ci=mean_interval(end, sampling),
    )


def _initial(ff1: Floats, ff2: Floats, sampling: Sampling) -> InitialSavings:
    """Savings from the (n,) initial deviations of both phases."""
    side = _side(ff1)
    found = estimate(side * (ff1 - ff2), sampling)
    return InitialSavings(
        ff1=float(ff1.mean()),
        ff2=float(ff2.mean()),
        difference=found.mean,
        ci=found.ci,
        p=found.p,
        t=found.t,
        p_sign_flip=found.p_sign_flip,
        paired_fraction=paired_fraction(side * ff1, side * ff2),
        all_pairs_fraction=all_pairs_fraction(side * ff1, side * ff2),
        networks=found.networks,
    )


def _rate(ff1: PhaseCurves, ff2: PhaseCurves, window: int, sampling: Sampling) -> RateSavings:
    """Savings of the learning rate, over the trials that both phases have."""
    rates1, rates2, failures = fitted_rates(ff1, ff2, window)
    both = np.isfinite(rates1) & np.isfinite(rates2)
    first, second = rates1[both], rates2[both]
    found = estimate(second - first, sampling)
    mean1, mean2 = (float(x.mean()) if x.size else np.nan for x in (first, second))
    return RateSavings(
        ff1=mean1,
        ff2=mean2,
        difference=found.mean,
        difference_ci=found.ci,
        ratio=mean2 / mean1,
        ci=ratio_interval(second, first, sampling),
        p=found.p,
        t=found.t,
        p_sign_flip=found.p_sign_flip,
        paired_fraction=paired_fraction(second, first),
        all_pairs_fraction=all_pairs_fraction(second, first),
        networks=found.networks,
        failures=failures,
    )


def _fitted_rates(
    curve: PhaseCurves, last_trial: int, window: int, side: float
) -> tuple[Floats, list[tuple[int, str]]]:
    """Rate of every network, NaN where its fit failed, (n,) [1/trial]; and network and reason of failures."""
    use = curve.trials <= last_trial
    x = windowed_mean(curve.trials[use], window)
    rates, failures = np.full(curve.networks.size, np.nan), []
    for i, deviation in enumerate(windowed_mean(curve.deviation[:, use], window)):
        fit = learning_rate(x, deviation)
        if fit.success and fit.amplitude * side > 0.0:
            rates[i] = fit.rate
        else:
            reason = fit.message if not fit.success else "the deviation grows"
            failures.append((int(curve.networks[i]), reason))
    return rates, failures


def _side(deviation: Floats) -> float:
    """Side of the mean: 1 or -1; 1 for none."""
    return -1.0 if deviation.mean() < 0.0 else 1.0


@dataclass(frozen=True)
class PhaseSummary:
    """Deviation before and after one phase.

    Attributes:
        trials: Training trials of the phase that the last probe in the table follows.
        initial_deviation: Mean over networks at update 0, before any learning in the phase [m].
        initial_ci: Its bootstrap interval [m].
        final_deviation: Mean over networks of the last window of probes [m].
        final_ci: Its bootstrap interval [m].
    """

    trials: int
    initial_deviation: float
    initial_ci: Interval
    final_deviation: float
    final_ci: Interval


@dataclass(frozen=True)
class InitialSavings:
    """Deviation at update 0 of FF2 against FF1: what is kept before any relearning.

    Attributes:
        ff1: Mean initial deviation in FF1, signed [m].
        ff2: The same in FF2 [m].
        difference: Mean of FF1 - FF2 on FF1's side [m]; positive = savings.
        ci: Paired bootstrap interval of the difference [m].
        p: Two-sided p of the paired t test.
        t: Its statistic.
        p_sign_flip: Two-sided p of the sign-flip test.
        paired_fraction: Fraction of networks whose own FF2 starts lower than their own FF1.
        all_pairs_fraction: Fraction of all pairs (FF1 of i, FF2 of j) in which FF2 starts lower.
        networks: How many networks.
    """

    ff1: float
    ff2: float
    difference: float
    ci: Interval
    p: float
    t: float
    p_sign_flip: float
    paired_fraction: float
    all_pairs_fraction: float
    networks: int


@dataclass(frozen=True)
class RateSavings:
    """Learning rate of FF2 against FF1, from exponentials fitted to each network's windowed deviation.

    Attributes:
        ff1: Mean rate in FF1 [1/trial].
        ff2: The same in FF2 [1/trial].
        difference: Mean of FF2 - FF1 [1/trial]; positive = savings.
        difference_ci: Paired bootstrap interval of the difference [1/trial].
        ratio: ff2 / ff1; above 1 = savings.
        ci: Paired bootstrap interval of the ratio.
        p: Two-sided p of the paired t test of the difference.
        t: Its statistic.
        p_sign_flip: Two-sided p of the sign-flip test of the difference.
        paired_fraction: Fraction of networks faster in FF2 than themselves in FF1.
        all_pairs_fraction: Fraction of all pairs (FF1 of i, FF2 of j) in which FF2 is faster.
        networks: Networks with both fits; the others are left out of everything above.
        failures: Failed fits, as "network 3, FF1: reason".
    """

    ff1: float
    ff2: float
    difference: float
    difference_ci: Interval
    ratio: float
    ci: Interval
    p: float
    t: float
    p_sign_flip: float
    paired_fraction: float
    all_pairs_fraction: float
    networks: int
    failures: tuple[str, ...]


@dataclass(frozen=True)
class SavingsSummary:
    """Everything `savings` finds; a section whose phases the table lacks is None.

    Attributes:
        networks: Networks in the table.
        phases: Summary of each of the four phases.
        initial: Savings at update 0 of FF2.
        rate: Savings of the learning rate.
        washout_residual: NF2 end - NF1 end, signed [m]; 0 = washed out.
        after_effect: Deviation at update 0 of NF2, signed [m]; opposite to FF1 after learning.
    """

    networks: int
    phases: dict[str, PhaseSummary | None]
    initial: InitialSavings | None
    rate: RateSavings | None
    washout_residual: Estimate | None
    after_effect: Estimate | None

    def to_dict(self) -> dict[str, Any]:
        """The same as dicts, lists, numbers and None (for NaN and infinity), ready for JSON."""
        found = {key: jsonable(value) for key, value in dataclasses.asdict(self).items()}
        return {
            "networks": found["networks"],
            "phases": found["phases"],
            "savings": {"initial": found["initial"], "rate": found["rate"]},
            "washout_residual": found["washout_residual"],
            "after_effect": found["after_effect"],
        }


def jsonable(value: Any) -> Any:
    """Tuples to lists, NaN and infinity to None, throughout."""
    if isinstance(value, dict):
        return {key: jsonable(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(entry) for entry in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
