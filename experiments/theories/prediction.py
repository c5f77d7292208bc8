"""The decisive test: a theory that was fitted before FF2 says what happens in FF2.

After Zarahn, Weston, Liang, Mazzoni & Krakauer 2008 (J Neurophysiol 100, 2537, doi
10.1152/jn.90529.2008), who asked it of two rates and people: parameters come from the trials up to the end of
NF2, and stay. What then happens in FF2 beyond the forecast is what the theory does not explain.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from experiments.theories.learners import Learner, Source
from savings_gym.arrays import Floats, as_choice
from savings_gym.metrics.savings import FIELD_PHASES
from savings_gym.metrics.statistics import Estimate, Sampling, estimate, holm
from savings_gym.models.fitting import Fit, fit
from savings_gym.models.model import Model
from savings_gym.models.names import MODELS, make_model

FIRST_GUESSES: Final[dict[str, dict[str, Any]]] = {  # where they are not the defaults
    "one-rate": {"process_noise": 0.02},
    "two-rate": {"process_noise": 0.02},
    "three-rate": {"process_noise": 0.02},
    "coin": {"particles": 12, "runs": 32},
}
THEORIES: Final[dict[str, Model]] = {name: make_model(name, **FIRST_GUESSES.get(name, {})) for name in MODELS}
WHEN: Final = ("start", "early")
EARLY: Final = 0.25  # of FF2
REFERENCE: Final = "one-rate"  # to which likelihoods are compared, before FF2 and in it


def check_theories(names: Collection[str]) -> None:
    """Raise a ValueError if there are no theories of these names, or no names."""
    if not names:
        raise ValueError(f"no theories; choose from: {', '.join(THEORIES)}")
    for name in names:
        as_choice("theory", name, THEORIES)


@dataclass(frozen=True, eq=False)
class Outcome:
    """One theory and one learner.

    Attributes:
        learner: Its name.
        fit: Of the trials before FF2.
        held_out: Log density of a datum of FF2, mean over the phase.
        saved: "start" and "early" to how much less error, or more adaptation, the learner has then in FF2
            than in FF1, SI; early is the first `EARLY` of a phase.
        forecast: The same of the theory: its forecast of FF2 less that of FF1, each from the data before.
        observed: (t,) FF2, SI.
        expected: (t,) forecast of it.
    """

    learner: str
    fit: Fit
    held_out: float
    saved: dict[str, float]
    forecast: dict[str, float]
    observed: Floats
    expected: Floats

    def beyond(self, when: str) -> float:
        """Return the savings that the theory does not explain, SI; positive is more than it says."""
        return self.saved[when] - self.forecast[when]


def outcome(learner: Learner, theory: Model, start: int, starts: int, seed: int) -> Outcome:
    """Fit a theory to a learner before FF2, and let it forecast FF2.

    Args:
        learner: The learner.
        theory: The theory, not fitted.
        start: Trials that count as the start of a phase.
        starts: Of the search for the maximum.
        seed: Of the search.
    """
    first = learner.held_out
    fitted = fit(
        learner.naive(theory), learner.design[:first], learner.observed[:first], starts=starts, seed=seed,
        intervals=False,
    )  # fmt: skip
    ahead = fitted.model.forecast(learner.design, learner.observed, first)
    better = {  # what makes errors that shrink, and adaptation that grows, rise
        phase: (learner.side(phase) or 1.0) * (-1.0 if learner.measure == "error" else 1.0)
        for phase in FIELD_PHASES
    }
    observed = {phase: sign * learner.observed[learner.phase == phase] for phase, sign in better.items()}
    expected = {
        "FF1": better["FF1"] * _first_learning(learner, fitted.model), "FF2": better["FF2"] * ahead.mean,
    }  # fmt: skip
    lengths = {"start": start, "early": math.ceil(EARLY * min(len(its) for its in observed.values()))}
    return Outcome(
        learner=learner.name,
        fit=fitted,
        held_out=float(np.nanmean(ahead.log_density)),
        saved={when: _gain(observed, observed, n) for when, n in lengths.items()},
        forecast={when: _gain(expected, observed, n) for when, n in lengths.items()},
        observed=learner.observed[first:],
        expected=ahead.mean,
    )


def _first_learning(learner: Learner, model: Model) -> Floats:
    """What a model says of FF1 from the data before it."""
    inside = np.flatnonzero(learner.phase == "FF1")
    first, last = int(inside[0]), int(inside[-1]) + 1
    if first == 0:
        return model.simulate(learner.design[:last]).observed
    return model.forecast(learner.design[:last], learner.observed[:last], first).mean


def _gain(values: dict[str, Floats], observed: dict[str, Floats], trials: int) -> float:
    """Mean of the first trials of FF2 less that of FF1, of trials at which something was observed."""
    means = [
        float(np.nanmean(np.where(np.isfinite(observed[phase]), values[phase], np.nan)[:trials]))
        for phase in FIELD_PHASES
    ]
    return means[1] - means[0]


@dataclass(frozen=True)
class Verdict:
    """One theory over all learners of a source.

    Attributes:
        theory: Name of the model.
        forecast: "start" and "early" to the savings that the theory says, mean over learners, SI.
        beyond: The same two to the savings that learners show beyond them, SI.
        p_holm: The same two to the p of none, corrected for all theories and both.
        extremes: The same two to the smallest and largest of single learners, SI.
        fit: Log likelihood per datum before FF2, less that of one rate, over learners; None for one rate
            itself.
        fit_p_holm: p of no difference, corrected for all theories; NaN without a test.
        gain: Held-out log density per datum, less that of one rate, over learners; None for one rate itself.
        gain_p_holm: p of no gain, corrected for all theories; NaN without a test.
        best: Number of learners whose FF2 is most probable under this theory.
        parameters: Number of fitted parameters.
    """

    theory: str
    forecast: dict[str, float]
    beyond: dict[str, Estimate]
    p_holm: dict[str, float]
    extremes: dict[str, tuple[float, float]]
    fit: Estimate | None
    fit_p_holm: float
    gain: Estimate | None
    gain_p_holm: float
    best: int
    parameters: int


def verdicts(outcomes: dict[str, list[Outcome]], seed: int) -> dict[str, Verdict]:
    """Return what the outcomes of all learners say about every theory.

    Three questions, each with tests of its own that are corrected together: whether the forecast of FF2 is
    off (all theories, at both times), whether FF2 is more or less probable than under one rate, and whether
    the trials before FF2 are. The last says how far the first can be taken: a theory that describes the
    trials to which it was fitted worse than one rate does is hardly tested by its forecast. Log likelihoods
    before FF2 are compared without a penalty for parameters: it would be log(n) / (2 n) for each (BIC), 0.01
    nats per datum with 240 of them.

    Args:
        outcomes: Name of a theory to its outcomes, learners in one order.
        seed: Of sign flips.
    """
    sampling = Sampling(seed)
    beyond = {
        (name, when): estimate([o.beyond(when) for o in its], sampling)
        for name, its in outcomes.items() for when in WHEN
    }  # fmt: skip
    p = dict(zip(beyond, holm([value.p for value in beyond.values()]).tolist(), strict=True))
    density = {name: np.array([o.held_out for o in its]) for name, its in outcomes.items()}
    best = np.argmax(np.stack(list(density.values())), axis=0)
    gains, gain_p = _against_reference(density, sampling)
    fits, fit_p = _against_reference(
        {
            name: np.array([o.fit.log_likelihood / o.fit.observations for o in its])
            for name, its in outcomes.items()
        },
        sampling,
    )
    return {
        name: Verdict(
            theory=THEORIES[name].name,
            forecast={when: float(np.mean([o.forecast[when] for o in its])) for when in WHEN},
            beyond={when: beyond[name, when] for when in WHEN},
            p_holm={when: p[name, when] for when in WHEN},
            extremes={when: _extremes([o.beyond(when) for o in its]) for when in WHEN},
            fit=fits.get(name),
            fit_p_holm=fit_p.get(name, np.nan),
            gain=gains.get(name),
            gain_p_holm=gain_p.get(name, np.nan),
            best=int(np.sum(best == i)),
            parameters=len(its[0].fit.fitted),
        )
        for i, (name, its) in enumerate(outcomes.items())
    }


def _against_reference(
    values: dict[str, Floats], sampling: Sampling
) -> tuple[dict[str, Estimate], dict[str, float]]:
    """Differences of values of every theory from those of one rate, if it is there; and their p (Holm)."""
    differences = {
        name: estimate(its - values[REFERENCE], sampling)
        for name, its in values.items() if REFERENCE in values and name != REFERENCE
    }  # fmt: skip
    p = holm([difference.p for difference in differences.values()]).tolist()
    return differences, dict(zip(differences, p, strict=True))


def _extremes(values: list[float]) -> tuple[float, float]:
    return min(values), max(values)


def outcomes_of(source: Source, names: tuple[str, ...], starts: int, seed: int) -> dict[str, list[Outcome]]:
    """Return the outcomes of theories for all learners of a source."""
    return {
        name: [outcome(learner, THEORIES[name], source.start, starts, seed) for learner in source.learners]
        for name in names
    }
