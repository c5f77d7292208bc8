"""What a test of theories leaves behind: tables of every learner, a page, and a figure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from experiments.claims import bold_means, cell
from experiments.drawing import style as look
from experiments.runs.tables import (
    MISSING,
    capitalised,
    format_interval,
    format_value,
    grouped,
    listed,
    markdown_table,
)
from experiments.savings.config import PRESETS
from experiments.study import LEVEL, Quantity
from experiments.theories.figure import WHEN_WORDS, Outcomes, draw
from experiments.theories.learners import HELD_OUT, Source
from experiments.theories.prediction import THEORIES, WHEN, Verdict
from savings_gym.files import write_atomically, write_table
from savings_gym.metrics.statistics import Estimate, estimate
from savings_gym.task.settings import N_TARGETS

PAGE, FIGURE = "README.md", "theories.png"
BEFORE: Final = f"the trials before {HELD_OUT}"
TABLE, FORECASTS = "theories.parquet", "forecasts.parquet"
METHODS: Final = f"""\
Every theory is fitted to each learner up to the end of NF2, and then says, with these parameters, what
happens in FF2 (the test of Zarahn et al. 2008, doi 10.1152/jn.90529.2008).

- *Parameters*: how many were fitted.
- *Fit before FF2*: natural logarithm of the probability density of a datum before FF2, given all data before
  it, less that under one rate; the larger, the better. A theory counts as one that fits these trials if it is
  not measurably worse than one rate. If it does not fit them, its forecast is no test of it.
- *Savings*: how much better FF2 is than FF1, at the start and over the first quarter.
- *Forecast*: the savings that the theory predicts, FF1 from the trials of NF1, FF2 from all before it.
- *Beyond*: savings of learners less the forecast; 0 if the theory explains them.
- *Held-out gain*: as the fit before FF2, of a datum of FF2.
- *Best*: learners whose FF2 is most probable under the theory.

Values are means over learners. {bold_means("all theories and both times (fits, gains: all theories)")}
A better fit before FF2 is never bold: a theory that has all that one rate has, and more, cannot fit worse.
"""
CAPTION: Final = (
    "a, FF2: black, mean over learners with its 95 % t interval as a band; lines, mean forecasts. b and c, "
    "savings beyond the forecast at the start of FF2 and over its first quarter, 0 if the theory explains "
    "them: a mark per learner, and beside them the mean with its 95 % t interval. d, held-out gain over one "
    "rate, marked alike; the axis is linear from -0.1 to 0.1 and logarithmic beyond."
)


def rows(source: Source, outcomes: Outcomes) -> pd.DataFrame:
    """Return one row per theory and learner, in SI units; a parameter that a theory lacks is NaN."""
    table: list[dict[str, Any]] = []
    for name, its in outcomes.items():
        for o in its:
            table.append({
                "source": source.name, "theory": name, "learner": o.learner,
                **{f"saved_{when}": o.saved[when] for when in WHEN},
                **{f"forecast_{when}": o.forecast[when] for when in WHEN},
                "held_out": o.held_out, "log_likelihood": o.fit.log_likelihood,
                "observations": o.fit.observations, "bic": o.fit.bic, "converged": o.fit.converged,
                **o.fit.model.parameters(),
            })  # fmt: skip
    return pd.DataFrame(table)


def forecasts(source: Source, outcomes: Outcomes) -> pd.DataFrame:
    """Return one row per theory, learner and trial of FF2, in SI units."""
    return pd.concat([
        pd.DataFrame({
            "source": source.name, "theory": name, "learner": o.learner, "trial": np.arange(o.observed.size),
            "observed": o.observed, "forecast": o.expected,
        })
        for name, its in outcomes.items() for o in its
    ], ignore_index=True)  # fmt: skip


def page(command: str, parts: Sequence[tuple[Source, Outcomes, Mapping[str, Verdict]]]) -> str:
    """Return the page as Markdown."""
    shorts = [in_short(*part) for part in parts]
    if all(source.kind != "people" for source, _, _ in parts):
        shorts.append("No data of people were tested, and none ship with this package.")
    sections = [_section(source, outcomes, its) for source, outcomes, its in parts]
    short = "\n\n".join(shorts)
    rows = "" if len(parts) == 1 else " Further rows, of the other sources, are alike."
    return "\n".join([
        f"# Theories of savings\n\nCommand: `{command}`\n\n## In short\n\n{short}\n",
        f"![Forecasts of FF2]({FIGURE})\n\n{CAPTION}{rows}\n\n## Methods\n\n{METHODS}",
        *sections,
    ])  # fmt: skip


def in_short(source: Source, outcomes: Outcomes, its: Mapping[str, Verdict]) -> str:
    """Return what the tests say of all theories together, for one source.

    Savings count as shown if their own 95 % interval excludes 0; a forecast as ruled out, and a fit before
    FF2 as worse than that of one rate, if the corrected test of it says so.
    """
    first = next(iter(outcomes.values()))
    saved = estimate([o.saved[WHEN[0]] for o in first])
    shown = saved.ci[0] > 0.0 or saved.ci[1] < 0.0
    text = (
        f"*{source.name}*, {_learners(source, len(first))}: savings at the start of FF2 are "
        f"{_scaled(source, saved)}{'' if shown else ', not measurably different from 0'}."
    )
    tested = _tested(source, its, saved.mean)
    parts = (
        text, _practice(source), tested, _untested(source, its, BEFORE in tested), _schedule(source),
        _time(source, its),
    )  # fmt: skip
    return " ".join(part for part in parts if part)


def _learners(source: Source, count: int) -> str:
    """How many learners there are, and how large networks are."""
    return f"{count} {source.kind}{'' if source.units is None else f' of {source.units} units'}"


def _practice(source: Source) -> str:
    """Whether savings include what practice alone changes, and what is left without it."""
    if source.sham is None:
        why = ", since no sham was given (`--sham`)" if source.kind == "networks" else ""
        return f"They include what practice alone changes{why}."
    own = np.array([learner.start(HELD_OUT, source.start) for learner in source.learners])
    both = np.isfinite(source.sham)
    start, beyond = estimate(source.sham[both]), estimate(source.sham[both] - own[both])
    return (
        "They include what practice alone changes. After equal practice without a field in FF1, FF2 begins "
        f"at {_scaled(source, start)} ({int(both.sum())} networks); beyond practice, savings are "
        f"{_scaled(source, beyond)}."
    )


def _predicted(source: Source, verdicts: Sequence[Verdict]) -> str:
    """The savings at the start of FF2 that theories forecast, as a range."""
    forecasts = [source.factor * verdict.forecast[WHEN[0]] for verdict in verdicts]
    text = (
        format_interval((min(forecasts), max(forecasts)), 2) if len(forecasts) > 1 else f"{forecasts[0]:.2g}"
    )
    return f"{text} {source.unit}" if source.unit else text


def _tested(source: Source, its: Mapping[str, Verdict], saved: float) -> str:
    """What the forecasts say of the theories that fit the trials before FF2 no worse than one rate.

    Nothing without tests.

    Args:
        source: The learners.
        its: Verdict of every theory.
        saved: Mean savings at the start of FF2, SI.
    """
    start, fitting = WHEN[0], [verdict for verdict in its.values() if not fits_worse(verdict)]
    compared = any(verdict.fit is not None for verdict in its.values())
    ruled_out = [verdict.theory for verdict in fitting if verdict.p_holm[start] < LEVEL]
    possible = [verdict.theory for verdict in fitting if verdict.p_holm[start] >= LEVEL]
    if not ruled_out and not possible:
        return ""
    said, no_worse = _predicted(source, fitting), f"{BEFORE} no worse than one rate"
    if possible:
        which = f"The theories that fit {no_worse} predict" if compared else "The theories predict"
        text = f"{which} {said}; not ruled out: {listed(possible)}"
        return f"{text}; ruled out: {listed(ruled_out)}." if ruled_out else f"{text}."
    one = len(ruled_out) == 1
    none = saved > 0.0 and all(verdict.forecast[start] <= 0.0 for verdict in fitting)
    others = [verdict.theory for verdict in fitting if verdict.fit and verdict.theory in ruled_out]
    reference = [theory for theory in ruled_out if theory not in others]  # one rate
    first = reference or ruled_out
    singular = len(first) == 1
    what = "no savings" if none else "these savings"
    forecast = f"forecast{'s' * singular}" if none else f"{'does' if singular else 'do'} not forecast"
    fit = "" if reference or not others else f" fit{'s' * singular} {no_worse}, {'and' if none else 'but'}"
    text = f"{capitalised(listed(first))}{fit} {forecast} {what}"
    if reference and others:
        few = len(others) == 1
        text += f"; nor do{'es' * few} {listed(others)}, which fit{'s' * few} {BEFORE} no worse"
    return f"{text}: {'it predicts' if one else 'they predict'} {said}."


def _untested(source: Source, its: Mapping[str, Verdict], after: bool) -> str:
    """Which theories fit the trials before FF2 worse than one rate, so that FF2 is no test of them.

    Args:
        source: The learners.
        its: Verdict of every theory.
        after: Whether a sentence that names these trials precedes.
    """
    worse = [verdict for verdict in its.values() if fits_worse(verdict)]
    if not worse:
        return ""
    fit, it, predict = ("fits", "it", "it predicts") if len(worse) == 1 else ("fit", "them", "they predict")
    by = listed([format_value(-verdict.fit.mean) for verdict in worse if verdict.fit is not None])
    return (
        f"{capitalised(listed([verdict.theory for verdict in worse]))} {fit} "
        f"{'those trials' if after else BEFORE} worse than one rate, by {by} nats per datum, so this is no "
        f"test of {it} at this time scale ({predict} {_predicted(source, worse)})."
    )


def fits_worse(verdict: Verdict) -> bool:
    """Return whether a theory is shown to fit the trials before FF2 worse than one rate does.

    A better fit is not claimed: theories that have all that one rate has, and more, cannot fit worse.
    """
    return verdict.fit is not None and verdict.fit_p_holm < LEVEL and verdict.fit.mean < 0.0


def _schedule(source: Source) -> str:
    """How long the phases of networks are, and that results hold for these if they are not the study's."""
    if not source.schedule:
        return ""
    study = {phase.name: phase.updates for phase in PRESETS["paper"].phases()}
    text = f"The networks learned in phases of {_phases(source.schedule)} updates"
    if source.schedule == study:
        return f"{text}, those of the study."
    shorter = all(updates <= study.get(name, 0) for name, updates in source.schedule.items())
    return (
        f"{text}, {'shorter than' if shorter else 'other than'} those of the study ({_phases(study)}); "
        "savings and forecasts depend on this schedule, so the results hold for it alone."
    )


def _phases(schedule: Mapping[str, int]) -> str:
    return listed([f"{grouped(updates)} ({name})" for name, updates in schedule.items()])


def _time(source: Source, its: Mapping[str, Verdict]) -> str:
    """What a trial of the models is."""
    if source.updates is None:
        return "A trial of the models is a trial of the learner."
    text = (
        f"A trial of the models is {source.updates} updates of {N_TARGETS} reaches, "
        f"{source.updates * N_TARGETS} reaches in all"
    )
    if "coin" in its:
        coin = THEORIES["coin"]
        text += (
            f"; for {coin.name}, mean retention is fixed at {coin.parameters()['retention']:g} per trial, "
            "the value fitted to people (Heald et al. 2021), although a trial of the model here stands for "
            "several reaches"
        )
    return f"{text}."


def _section(source: Source, outcomes: Outcomes, its: Mapping[str, Verdict]) -> str:
    """The table of one source, and a sentence for every theory."""
    first = next(iter(outcomes.values()))
    saved = [estimate([o.saved[when] for o in first]) for when in WHEN]
    headings = (
        "theory", "parameters", "fit before FF2, against one rate (nats per datum)",
        "savings forecast, start", "beyond", "savings forecast, first quarter", "beyond",
        "held-out gain over one rate (nats per datum)", "best",
    )  # fmt: skip
    table = markdown_table(headings, [_row(source, verdict) for verdict in its.values()])
    sentences = "\n".join(f"- {sentence(source, verdict)}" for verdict in its.values())
    return (
        f"## {source.name}\n\n{_learners(source, len(first))} from {source.origin}. Savings at the start of "
        f"FF2: {_scaled(source, saved[0])}; over the first quarter: {_scaled(source, saved[1])}.\n\n{table}"
        f"\n\n{sentences}\n"
    )


def _row(source: Source, verdict: Verdict) -> tuple[str, ...]:
    cells = []
    for when in WHEN:
        cells.append(format_value(source.factor * verdict.forecast[when], unit=source.unit))
        cells.append(_cell(verdict.beyond[when], verdict.p_holm[when], source.factor, source.unit))
    fit = _cell(verdict.fit, verdict.fit_p_holm if fits_worse(verdict) else np.nan)
    gain = _cell(verdict.gain, verdict.gain_p_holm)
    return verdict.theory, str(verdict.parameters), fit, *cells, gain, str(verdict.best)


def _cell(value: Estimate | None, p: float, factor: float = 1.0, unit: str = "1") -> str:
    """An estimate with its interval, in bold if its corrected p allows it."""
    if value is None:
        return MISSING
    ci = (factor * value.ci[0], factor * value.ci[1])
    return cell(Quantity("", factor * value.mean, ci, value.networks, unit, value.p, p_holm=p))


def _scaled(source: Source, value: Estimate) -> str:
    low, high = value.ci
    return format_value(source.factor * value.mean, (source.factor * low, source.factor * high), source.unit)


def sentence(source: Source, verdict: Verdict) -> str:
    """Return what the intervals of a theory support about the savings of a source."""
    claims = [_claim(source, verdict, when, words) for when, words in zip(WHEN, WHEN_WORDS, strict=True)]
    (first, at_start), (then, early) = claims
    joined = f"{at_start} and {early}" if first == then else f"{at_start}; {then} {early}"
    text = f"{capitalised(verdict.theory)}: {first} {joined}"
    gain, worse = verdict.gain, fits_worse(verdict)
    decided = gain is not None and verdict.gain_p_holm < LEVEL
    if decided and gain is not None and gain.mean > 0.0:
        text += ". FF2 is more probable than under one rate"
    less = ["FF2"] if decided and gain is not None and gain.mean < 0.0 else []
    less += ["the trials before it" if less else BEFORE] if worse else []
    if less:
        text += f". {capitalised(listed(less))} {'are' if worse else 'is'} less probable than under one rate"
        text += ", so this is no test of it" if worse else ""
    return f"{text}."


def _claim(source: Source, verdict: Verdict, when: str, words: str) -> tuple[str, str]:
    """What one interval supports, and by how much; an undecided one with the range of single learners."""
    size, p = _scaled(source, verdict.beyond[when]), verdict.p_holm[when]
    if np.isnan(p):
        return "savings beyond the forecast, without an interval, are", f"{size}{words}"
    if p >= LEVEL:
        low, high = verdict.extremes[when]
        learners = format_interval((source.factor * low, source.factor * high))
        unit = f" {source.unit}" if source.unit else ""
        return (
            "savings beyond the forecast are undecided,",
            f"{size}{words} (single learners {learners}{unit})",
        )
    if verdict.beyond[when].mean > 0.0:
        return "savings exceed the forecast", f"by {size}{words}"
    low, high = verdict.beyond[when].ci
    shortfall = dataclasses.replace(verdict.beyond[when], mean=-verdict.beyond[when].mean, ci=(-high, -low))
    return "savings fall short of the forecast", f"by {_scaled(source, shortfall)}{words}"


def write(folder: Path, command: str, parts: Sequence[tuple[Source, Outcomes, Mapping[str, Verdict]]]) -> str:
    """Write tables, figure and page into a folder; return the page."""
    tables = [
        pd.concat([f(source, its) for source, its, _ in parts], ignore_index=True) for f in (rows, forecasts)
    ]
    for name, table in zip((TABLE, FORECASTS), tables, strict=True):
        write_table(folder / name, {str(column): table[column] for column in table.columns})
    with look.house_style():
        look.save_picture(draw(parts), folder / FIGURE)
    text = page(command, parts)
    write_atomically(folder / PAGE, text.encode())
    return text
