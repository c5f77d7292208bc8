"""Savings of a set of learners: from a probe table to numbers with intervals.

The four phases are NF1 (baseline), FF1 (field), NF2 (washout) and FF2 (the same field again). Deviations keep
the sign of the table. Whatever compares FF1 with FF2 is taken in the direction of FF1's mean initial
deviation, so that a positive difference, a ratio above 1 and a fraction above 0.5 are savings whichever way
the field turns. Metres and training trials; rates per trial.
"""

import numpy as np

from savings_gym.arrays import Floats
from savings_gym.learning import learning_rate, windowed_mean
from savings_gym.probes import PhaseCurves, ProbeTable, phase_curves
from savings_gym.statistics import (
    Sampling,
    all_pairs_fraction,
    estimate,
    mean_interval,
    paired_fraction,
    ratio_interval,
)
from savings_gym.summary import PHASES, InitialSavings, PhaseSummary, RateSavings, SavingsSummary

__all__ = [
    "PHASES",
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
    confidence: float = 0.95,
    resamples: int = 9999,
    partial: bool = False,
) -> SavingsSummary:
    """Savings of the learners in a probe table.

    The initial deviation is that of update 0, the final one the mean of the last `window` probes (of all when
    a phase has fewer). Rates are fitted to means of `window` probes, over the trials that FF1 and FF2 share.

    Args:
        table: Probe table, see `savings_gym.probes`; phases other than the four are ignored.
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
