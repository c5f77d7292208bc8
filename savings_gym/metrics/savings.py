"""Savings of a set of learners: from a probe table to numbers with intervals and tests.

The four phases are NF1 (baseline), FF1 (field), NF2 (washout) and FF2 (the same field again). Deviations keep
the sign of the table. Comparisons of FF1 with FF2 take the direction of FF1's mean initial deviation, so that
a positive difference, a ratio above 1 and a fraction above 0.5 mean savings on either side. Units are metres
and training trials; rates are per trial.

Savings can show in two ways, a smaller initial deviation and a faster rate; trials saved contain both. Their
two p values are reported as they are and corrected for being two (``p_holm``, Holm 1979): a sentence that
claims savings should rest on the corrected one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from savings_gym.arrays import Floats, as_whole_number
from savings_gym.files import jsonable
from savings_gym.metrics.curves import PhaseCurves, ProbeTable, phase_curves
from savings_gym.metrics.fractions import (
    all_pairs_fraction,
    all_pairs_interval,
    paired_fraction,
    paired_fraction_interval,
)
from savings_gym.metrics.learning import LEAST_POINTS, WINDOW, ExponentialFit, learning_rate, windowed_mean
from savings_gym.metrics.statistics import (
    CONFIDENCE,
    INTERVALS,
    Estimate,
    Interval,
    Sampling,
    as_sample,
    estimate,
    holm,
    mean_interval,
    ratio_interval,
)
from savings_gym.metrics.trials_saved import TrialsSaved, trials_saved
from savings_gym.task.schedule import PHASES

FIELD_PHASES = ("FF1", "FF2")  # whose comparison is savings


@dataclass(frozen=True)
class PhaseSummary:
    """Deviation at the start and at the end of one phase.

    Attributes:
        trials: Training trials of the phase before the last probe in the table.
        initial_deviation: Mean over networks at update 0, before any learning in the phase [m].
        initial_ci: Its interval [m].
        final_deviation: Mean over networks of the last window of probes [m].
        final_ci: Its interval [m].
    """

    trials: int
    initial_deviation: float
    initial_ci: Interval
    final_deviation: float
    final_ci: Interval


@dataclass(frozen=True)
class InitialSavings:
    """Deviation at update 0 of FF2 against FF1: what is retained before any relearning.

    Attributes:
        ff1: Mean initial deviation in FF1, signed [m].
        ff2: The same in FF2 [m].
        difference: Mean of FF1 - FF2 on FF1's side [m]; positive = savings.
        ci: Interval of the difference [m].
        p: Two-sided p of the paired t test.
        t: Its statistic.
        p_sign_flip: Two-sided p of the sign-flip test.
        p_holm: p, corrected together with that of the rate.
        paired_fraction: Fraction of networks whose own FF2 starts lower than their own FF1.
        paired_ci: Its interval.
        all_pairs_fraction: Fraction of pairs of two networks (FF1 of i, FF2 of j) in which FF2 starts lower.
        all_pairs_ci: Its interval.
        networks: Number of networks.
    """

    ff1: float
    ff2: float
    difference: float
    ci: Interval
    p: float
    t: float
    p_sign_flip: float
    p_holm: float
    paired_fraction: float
    paired_ci: Interval
    all_pairs_fraction: float
    all_pairs_ci: Interval
    networks: int


@dataclass(frozen=True)
class RateSavings:
    """Learning rate of FF2 against FF1, from an exponential fitted to each network's windowed deviation.

    Attributes:
        ff1: Mean rate in FF1 [1/trial].
        ff2: The same in FF2 [1/trial].
        difference: Mean of FF2 - FF1 [1/trial]; positive = savings.
        difference_ci: Interval of the difference [1/trial].
        ratio: ff2 / ff1; above 1 = savings.
        ci: Interval of the ratio.
        p: Two-sided p of the paired t test of the difference.
        t: Its statistic.
        p_sign_flip: Two-sided p of the sign-flip test of the difference.
        p_holm: p, corrected together with that of the initial deviation.
        paired_fraction: Fraction of networks faster in FF2 than themselves in FF1.
        paired_ci: Its interval.
        all_pairs_fraction: Fraction of pairs of two networks (FF1 of i, FF2 of j) in which FF2 is faster.
        all_pairs_ci: Its interval.
        ff1_start_residual: Mean of FF1's first window less the exponential there, on FF1's side [m]: what a
            single rate misses of a start that is faster.
        ff2_start_residual: The same in FF2 [m].
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
    p_holm: float
    paired_fraction: float
    paired_ci: Interval
    all_pairs_fraction: float
    all_pairs_ci: Interval
    ff1_start_residual: float
    ff2_start_residual: float
    networks: int
    failures: tuple[str, ...]


@dataclass(frozen=True)
class SavingsSummary:
    """All results of `savings`; a section is None if the table lacks its phases.

    Attributes:
        networks: Networks in the table.
        phases: Summary of each of the four phases.
        initial: Savings at update 0 of FF2.
        rate: Savings of the learning rate.
        trials: Trials to half of the first deviation.
        missing: Why there are no savings, "no phase named FF2; the table has NF1, FF1"; empty if there are.
        washout_residual: NF2 end - NF1 end, signed [m]; 0 = washed out.
        after_effect: Deviation at update 0 of NF2, signed [m]; opposite to FF1 after learning.
        confidence: Of all intervals.
    """

    networks: int
    phases: dict[str, PhaseSummary | None]
    initial: InitialSavings | None
    rate: RateSavings | None
    trials: TrialsSaved | None
    missing: str
    washout_residual: Estimate | None
    after_effect: Estimate | None
    confidence: float = CONFIDENCE

    def to_dict(self) -> dict[str, Any]:
        """Return dicts, lists, strings, numbers and None (for NaN and infinity), ready for JSON."""
        sections = {key: jsonable(value) for key, value in dataclasses.asdict(self).items()}
        return {
            "networks": sections["networks"],
            "phases": sections["phases"],
            "savings": {key: sections[key] for key in ("initial", "rate", "trials", "missing")},
            "washout_residual": sections["washout_residual"],
            "after_effect": sections["after_effect"],
            "intervals": {"confidence": self.confidence, **INTERVALS},
        }


def savings(
    table: ProbeTable,
    seed: int = 0,
    *,
    window: int = WINDOW,
    confidence: float = CONFIDENCE,
    resamples: int = 9999,
    partial: bool = False,
    criterion_probes: int | None = None,
) -> SavingsSummary:
    """Return the savings of the learners in a probe table.

    The initial deviation is that of update 0, the final one the mean of the last `window` probes (of all
    probes if a phase has fewer). Rates are fitted to means of `window` probes, over the trials that FF1 and
    FF2 share.

    Args:
        table: Probe table, see `savings_gym.metrics.curves`; phases other than the four are ignored.
        seed: Of the sign-flip test.
        window: Probes per window.
        confidence: Of the intervals.
        resamples: Of the sign-flip test.
        criterion_probes: Probes with which NF1 met a criterion that could end it; their mean is its final
            deviation, since the learner may not have reached before. None if it had no criterion.
        partial: Accept a table that lacks phases, as of an interrupted run or another protocol; the summary
            then says why it has no savings.

    Returns:
        The summary; `to_dict` gives it as JSON-able dictionaries.

    Raises:
        ValueError: If the table is malformed, networks or targets differ between phases, a phase lacks
            update 0, or a phase is missing and `partial` is not set.
    """
    sampling, curves = Sampling(seed, confidence, resamples), phase_curves(table)
    known = _known_phases(curves, partial)
    last = dict.fromkeys(known, window) | ({} if criterion_probes is None else {PHASES[0]: criterion_probes})
    end = {phase: final_deviation(curve, last[phase]) for phase, curve in known.items()}
    start = {phase: curve.deviation[:, 0] for phase, curve in known.items()}
    initial, rate, trials = None, None, None
    if set(FIELD_PHASES) <= known.keys():
        ff1, ff2 = known["FF1"], known["FF2"]
        initial, rate = _initial(start["FF1"], start["FF2"], sampling), _rate(ff1, ff2, window, sampling)
        trials = trials_saved(ff1, ff2, field_side(start["FF1"]), window, sampling)
        corrected = holm([initial.p, rate.p])
        initial = dataclasses.replace(initial, p_holm=float(corrected[0]))
        rate = dataclasses.replace(rate, p_holm=float(corrected[1]))
    return SavingsSummary(
        networks=len(np.unique(np.concatenate([curve.networks for curve in curves.values()]))),
        phases={
            phase: _phase_summary(known[phase], end[phase], sampling) if phase in known else None
            for phase in PHASES
        },
        initial=initial,
        rate=rate,
        trials=trials,
        missing=_missing(curves),
        washout_residual=(
            estimate(end["NF2"] - end["NF1"], sampling) if {"NF1", "NF2"} <= known.keys() else None
        ),
        after_effect=estimate(start["NF2"], sampling) if "NF2" in known else None,
        confidence=confidence,
    )


def final_deviation(curves: PhaseCurves, window: int = WINDOW) -> Floats:
    """Return the mean of the last window of probes of a phase, (n,) [m]; of all probes if it has fewer."""
    return curves.deviation[:, -as_whole_number("window", window, least=1) :].mean(axis=-1)


def field_side(deviation: ArrayLike) -> float:
    """Return the side to which a field pushes, 1 (right) or -1 (left), from (n,) initial deviations."""
    x = as_sample("deviation", deviation)
    return -1.0 if x.size and x.mean() < 0.0 else 1.0


def fitted_rates(
    ff1: PhaseCurves, ff2: PhaseCurves, window: int = WINDOW
) -> tuple[Floats, Floats, tuple[str, ...]]:
    """Return the learning rates of every network in FF1 and FF2, over the trials that both phases have.

    Args:
        ff1: Curves of FF1.
        ff2: Curves of FF2, of the same networks.
        window: Probes per window.

    Returns:
        Rates in FF1 and in FF2, (n,) each [1/trial], NaN where the fit failed or the deviation grows; and the
        failures in words.
    """
    fits, failures = _fits(ff1, ff2, window)
    rates1, rates2 = (_values(fits[phase], "rate") for phase in FIELD_PHASES)
    return rates1, rates2, failures


def _known_phases(curves: dict[str, PhaseCurves], partial: bool) -> dict[str, PhaseCurves]:
    """The four phases, or those that there are; refuses gaps and differences between them."""
    known = {phase: curves[phase] for phase in PHASES if phase in curves}
    if len(known) < len(PHASES) and not partial:
        raise ValueError(
            f"table has the phases {list(curves)}, expected {list(PHASES)}; partial=True accepts a table "
            "that lacks some"
        )
    first = next(iter(known), "")
    for phase, curve in known.items():
        if curve.updates[0] != 0:
            raise ValueError(
                f"phase {phase} begins at update {curve.updates[0]}, expected a probe at update 0"
            )
        for name in ("networks", "targets"):
            expected, actual = getattr(known[first], name).tolist(), getattr(curve, name).tolist()
            if expected != actual:
                raise ValueError(f"phase {phase} has the {name} {actual}, expected {expected} as in {first}")
    return known


def _missing(phases: Iterable[str]) -> str:
    """Which phases savings lack, in words; empty if none."""
    present = ", ".join(phases)
    lacking = " or ".join(phase for phase in FIELD_PHASES if phase not in present.split(", "))
    return f"no phase named {lacking}; the table has {present}" if lacking else ""


def _phase_summary(curve: PhaseCurves, end: Floats, sampling: Sampling) -> PhaseSummary:
    """Deviation at the start and at the end of a phase."""
    return PhaseSummary(
        trials=int(curve.trials[-1]),
        initial_deviation=float(curve.deviation[:, 0].mean()),
        initial_ci=mean_interval(curve.deviation[:, 0], sampling),
        final_deviation=float(end.mean()),
        final_ci=mean_interval(end, sampling),
    )


def _initial(ff1: Floats, ff2: Floats, sampling: Sampling) -> InitialSavings:
    """Savings from the (n,) initial deviations of both phases, without the corrected p."""
    side = field_side(ff1)
    difference = estimate(side * (ff1 - ff2), sampling)
    return InitialSavings(
        ff1=float(ff1.mean()),
        ff2=float(ff2.mean()),
        difference=difference.mean,
        ci=difference.ci,
        p=difference.p,
        t=difference.t,
        p_sign_flip=difference.p_sign_flip,
        p_holm=np.nan,
        paired_fraction=paired_fraction(side * ff1, side * ff2),
        paired_ci=paired_fraction_interval(side * ff1, side * ff2, sampling),
        all_pairs_fraction=all_pairs_fraction(side * ff1, side * ff2),
        all_pairs_ci=all_pairs_interval(side * ff1, side * ff2, sampling),
        networks=difference.networks,
    )


def _rate(ff1: PhaseCurves, ff2: PhaseCurves, window: int, sampling: Sampling) -> RateSavings:
    """Savings of the learning rate over the trials that both phases have, without the corrected p."""
    fits, failures = _fits(ff1, ff2, window)
    rates, residuals = (
        [_values(fits[phase], name) for phase in FIELD_PHASES] for name in ("rate", "start_residual")
    )
    both = np.isfinite(rates[0]) & np.isfinite(rates[1])
    first, second = (rate[both] for rate in rates)
    difference = estimate(second - first, sampling)
    mean1, mean2, *missed = (
        float(x.mean()) if x.size else np.nan
        for x in (first, second, *(field_side(ff1.deviation[:, 0]) * x[both] for x in residuals))
    )
    return RateSavings(
        ff1=mean1,
        ff2=mean2,
        difference=difference.mean,
        difference_ci=difference.ci,
        ratio=mean2 / mean1,
        ci=ratio_interval(second, first, sampling),
        p=difference.p,
        t=difference.t,
        p_sign_flip=difference.p_sign_flip,
        p_holm=np.nan,
        paired_fraction=paired_fraction(second, first),
        paired_ci=paired_fraction_interval(second, first, sampling),
        all_pairs_fraction=all_pairs_fraction(second, first),
        all_pairs_ci=all_pairs_interval(second, first, sampling),
        ff1_start_residual=missed[0],
        ff2_start_residual=missed[1],
        networks=difference.networks,
        failures=failures,
    )


def _fits(
    ff1: PhaseCurves, ff2: PhaseCurves, window: int
) -> tuple[dict[str, list[ExponentialFit | None]], tuple[str, ...]]:
    """Fit of every network in both phases, None if it has no rate; and the failures in words."""
    side = field_side(ff1.deviation[:, 0])
    last_trial = min(ff1.trials[-1], ff2.trials[-1])
    fits: dict[str, list[ExponentialFit | None]] = {}
    failures = []
    for phase, curve in zip(FIELD_PHASES, (ff1, ff2), strict=True):
        use, fits[phase] = curve.trials <= last_trial, []
        x = windowed_mean(curve.trials[use], window)
        for network, y in zip(curve.networks, windowed_mean(curve.deviation[:, use], window), strict=True):
            fit = learning_rate(x, y)
            reason = "" if fit.success else fit.message
            if x.size < LEAST_POINTS:
                reason += f" ({use.sum()} probes make {x.size} windows of {window})"
            if fit.success and fit.amplitude * side <= 0.0:
                reason = "the deviation grows"
            fits[phase].append(None if reason else fit)
            if reason:
                failures.append(f"network {network}, {phase}: {reason}")
    return fits, tuple(failures)


def _values(fits: list[ExponentialFit | None], name: str) -> Floats:
    """One number of every fit, (n,), NaN if there is no fit."""
    return np.array([np.nan if fit is None else getattr(fit, name) for fit in fits])
