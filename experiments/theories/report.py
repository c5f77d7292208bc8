"""What a test of theories leaves behind: tables of every learner, a page, and a figure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.drawing import style as look
from experiments.runs.tables import MISSING, finite_or_none, format_p, format_value, markdown_table
from experiments.study import LEVEL
from experiments.theories.learners import HELD_OUT, Source
from experiments.theories.prediction import REFERENCE, THEORIES, WHEN, Outcome, Verdict
from savings_gym.files import write_atomically, write_table
from savings_gym.metrics.statistics import Estimate, estimate

PAGE, FIGURE = "README.md", "theories.png"
WHEN_WORDS: Final = (" at the start of FF2", " over its first quarter")
TABLE, FORECASTS = "theories.parquet", "forecasts.parquet"
COLOURS: Final = dict(
    zip(THEORIES, (look.QUIET, look.OURS, look.THIRD, look.SECOND, look.FOURTH), strict=False)
)
LINES: Final = dict(zip(THEORIES, ("-", look.DASHED, look.DOTTED, (0, (6, 2, 1, 2)), "-"), strict=False))
MARKERS: Final = dict(zip(THEORIES, ("o", "s", "^", "v", "D"), strict=False))
Outcomes = Mapping[str, list[Outcome]]
INTRODUCTION: Final = """# Theories of savings

Every theory is fitted to each learner up to the end of NF2, and then says, with these parameters, what
happens in FF2 (the test of Zarahn et al. 2008, doi 10.1152/jn.90529.2008). *Savings*: how much better FF2 is
than FF1, at the start and over the first quarter. *Forecast*: the same of the theory, which says FF1 from
NF1, and FF2 from all trials before it. *Beyond*: savings of learners less the forecast; 0 if the theory
explains them. p values of t tests over learners, corrected (Holm) for all theories and both times. *Held-out
gain*: natural logarithm of the probability density of a datum of FF2, given all data before it, less that
under one rate; the larger, the better. *Best*: learners whose FF2 is most probable under the theory. Means
over learners with 95 % t intervals. Sentences claim what the corrected p values allow.
"""


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
    sections = [_section(source, outcomes, its) for source, outcomes, its in parts]
    return "\n".join([INTRODUCTION, f"Command: `{command}`\n\n![Forecasts of FF2]({FIGURE})\n", *sections])


def _section(source: Source, outcomes: Outcomes, its: Mapping[str, Verdict]) -> str:
    """The table of one source, and a sentence for every theory."""
    first = next(iter(outcomes.values()))
    saved = [estimate([o.saved[when] for o in first]) for when in WHEN]
    headings = (
        "theory", "parameters", "savings forecast, start", "beyond", "p", "first quarter", "beyond", "p",
        "held-out gain", "best",
    )  # fmt: skip
    table = markdown_table(headings, [_row(source, verdict) for verdict in its.values()])
    sentences = "\n".join(f"- {sentence(source, verdict)}" for verdict in its.values())
    return (
        f"## {source.name}\n\n{len(first)} {source.kind} from {source.origin}. Savings at the start of FF2: "
        f"{_scaled(source, saved[0])}; over the first quarter: {_scaled(source, saved[1])}.\n\n{table}\n\n"
        f"{sentences}\n"
    )


def _row(source: Source, verdict: Verdict) -> tuple[str, ...]:
    gain = MISSING if verdict.gain is None else format_value(verdict.gain.mean, verdict.gain.ci)
    cells = []
    for when in WHEN:
        forecast = format_value(source.factor * verdict.forecast[when], unit=source.unit)
        cells += [forecast, _scaled(source, verdict.beyond[when])]
        cells.append(format_p(finite_or_none(verdict.p_holm[when])))
    return verdict.theory, str(verdict.parameters), *cells, gain, str(verdict.best)


def _scaled(source: Source, value: Estimate) -> str:
    low, high = value.ci
    return format_value(source.factor * value.mean, (source.factor * low, source.factor * high), source.unit)


def sentence(source: Source, verdict: Verdict) -> str:
    """Return what the intervals of a theory allow to say about the savings of a source."""
    parts = [_claim(source, verdict, when) + words for when, words in zip(WHEN, WHEN_WORDS, strict=True)]
    theory = verdict.theory[0].upper() + verdict.theory[1:]
    text = f"{theory}: {parts[0]}; {parts[1]}"
    gain = verdict.gain
    if gain is not None and verdict.gain_p_holm < LEVEL:
        text += f". FF2 is {'more' if gain.mean > 0.0 else 'less'} probable than under one rate"
    return f"{text}."


def _claim(source: Source, verdict: Verdict, when: str) -> str:
    """What one interval allows to say."""
    size, p = _scaled(source, verdict.beyond[when]), verdict.p_holm[when]
    if np.isnan(p):
        return f"savings beyond the forecast of {size}, without an interval"
    if p >= LEVEL:
        return f"no savings beyond the forecast are shown, {size},"
    if verdict.beyond[when].mean > 0.0:
        return f"savings exceed the forecast by {size}"
    low, high = verdict.beyond[when].ci
    shortfall = dataclasses.replace(verdict.beyond[when], mean=-verdict.beyond[when].mean, ci=(-high, -low))
    return f"savings fall short of the forecast by {_scaled(source, shortfall)}"


def figure(parts: Sequence[tuple[Source, Outcomes, Mapping[str, Verdict]]]) -> Figure:
    """Draw, for each source, FF2 with all forecasts, savings beyond them, and held-out gains."""
    drawn = look.new_figure(2.6 * len(parts))
    panels = drawn.subplots(len(parts), 4, squeeze=False, width_ratios=[2.0, 1.0, 1.0, 1.0])
    for (source, outcomes, _), axes in zip(parts, panels, strict=True):
        _draw_forecasts(axes[0], source, outcomes)
        for panel, when, words in zip(axes[1:3], WHEN, WHEN_WORDS, strict=True):
            beyond = {
                n: source.factor * np.array([o.beyond(when) for o in its]) for n, its in outcomes.items()
            }
            _draw_values(
                panel, beyond, f"Savings beyond forecast\n{words.strip()} ({source.unit or 'index'})"
            )
        one = np.array([o.held_out for o in outcomes[REFERENCE]]) if REFERENCE in outcomes else 0.0
        gains = {
            n: np.array([o.held_out for o in its]) - one for n, its in outcomes.items() if n != REFERENCE
        }
        _draw_values(axes[3], gains, "Held-out gain over one rate\n(nats per datum)")
        axes[3].set_yscale("symlog", linthresh=0.1)  # theories without process noise lose much
    panels[0, 0].legend(loc="best")
    look.letter_panels(panels.ravel())
    return drawn


def _draw_forecasts(axes: Axes, source: Source, outcomes: Outcomes) -> None:
    """FF2 of the learners as a band, and the mean forecast of every theory, over the trials that all have."""
    first = next(iter(outcomes.values()))
    trials = min(o.observed.size for o in first)
    observed = source.factor * np.stack([o.observed[:trials] for o in first])
    whole = np.isfinite(observed).all(axis=0)
    x = np.flatnonzero(whole).astype(float)
    look.draw_band(axes, x, observed[:, whole], look.INK, f"{len(first)} {source.kind}")
    for name, its in outcomes.items():
        mean = source.factor * np.mean([o.expected[:trials] for o in its], axis=0)
        axes.plot(
            mean,
            color=COLOURS[name],
            linestyle=LINES[name],
            linewidth=1.2,
            label=THEORIES[name].name,
            zorder=5,
        )
    label = f"Error ({source.unit})" if source.unit else "Force index"
    axes.set(xlabel=f"Trials of {HELD_OUT}, as the models count", ylabel=label)
    axes.set_title(source.name, loc="left")


def _draw_values(axes: Axes, values: Mapping[str, np.ndarray], label: str) -> None:
    """One dot per learner and theory, with the mean and its interval; NaN is left out."""
    axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
    for x, (name, its) in enumerate(values.items()):
        look.draw_dots(axes, x, np.asarray(its), COLOURS[name], MARKERS[name], beside=0.25)
    axes.set_xticks(range(len(values)), [THEORIES[name].name for name in values], rotation=30, ha="right")
    axes.set(ylabel=label, xlim=(-0.5, max(len(values), 1) - 0.3))


def write(folder: Path, command: str, parts: Sequence[tuple[Source, Outcomes, Mapping[str, Verdict]]]) -> str:
    """Write tables, figure and page into a folder; return the page."""
    tables = [
        pd.concat([f(source, its) for source, its, _ in parts], ignore_index=True) for f in (rows, forecasts)
    ]
    for name, table in zip((TABLE, FORECASTS), tables, strict=True):
        write_table(folder / name, {str(column): table[column] for column in table.columns})
    with look.house_style():
        look.save_picture(figure(parts), folder / FIGURE)
    text = page(command, parts)
    write_atomically(folder / PAGE, text.encode())
    return text
