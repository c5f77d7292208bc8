"""What decides whether displaced preparatory activity stays: the factors of the protocol, one at a time.

Every condition differs from the main run in one thing, such as the length of a phase or of the pre-training
(``pretrained-quarter`` in two: its shorter pre-training has a rate that falls). Beside the slope of the
displacement stand the share of the shift that is left, the savings, what washout leaves of the deviation, and
how fast the networks forget (``experiments.figures.persistence``).
"""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from experiments.controls.conditions import FACTOR, MAIN, SHAM, Condition, conditions
from experiments.controls.rows import residual, saved_beyond
from experiments.drawing import style as look
from experiments.figures.findings import Findings, correct, effect, farthest, finite
from experiments.figures.persistence import SHIFT, measure
from experiments.figures.preparatory import sham_projection
from experiments.runs.tables import MISSING, format_p, format_value, listed, markdown_table
from experiments.savings.shared_phases import stored_arguments
from experiments.stored.preparation import PREPARATORY_TIME
from experiments.stored.runs import StoredRuns
from experiments.study import REFERENCE, SLOPE, Quantity, quantity, unpaired
from savings_gym.activity.preparatory import retained_fraction
from savings_gym.arrays import MM, Columns, Floats, Indices
from savings_gym.metrics.curves import PhaseCurves, phase_curves, shared_networks
from savings_gym.metrics.savings import field_side
from savings_gym.metrics.statistics import Sampling

SAME: Final = "main, networks of the same numbers"  # of the main run, those that all conditions have
ALSO: Final = ("motor", "double")  # conditions of other controls that are factors, too
AFRESH: Final = (  # conditions whose networks are pre-trained in their run, and not those of the main run
    "motor", "gate-by-gate", "pretrained-half", "pretrained-quarter", "quiet"
)  # fmt: skip
RESPONSE, LEFT, RETAINED, KEPT, SAVED, RESIDUAL, RATE = MEASURES = (
    "displacement slope", "left of the shift when the cue is seen", "shift left in NF2",
    "shift left in NF2, beyond the sham's", "initial savings beyond practice", "washout residual",
    "slowest decay rate of the networks",
)  # fmt: skip
UNIT: Final = {
    RESPONSE: "mm per unit of shift", LEFT: "%", RETAINED: "1", KEPT: "1", SAVED: "mm", RESIDUAL: "mm",
    RATE: "1/s",
}  # fmt: skip
COMPARED: Final = (RESPONSE, LEFT, KEPT, SAVED, RATE)  # with the main run's
LESS_MAIN: Final = ", less the main run's"  # ends the name of a difference
FEWEST: Final = 2  # networks of which a mean is given without the steepest
SCALE: Final = {RESPONSE: MM, LEFT: 100.0, SAVED: MM, RESIDUAL: MM}


@dataclass(frozen=True)
class Factor:
    """One condition.

    Attributes:
        question: What it tests.
        networks: (n,) numbers of its networks.
        values: Measure to (n,) values in SI units, NaN for networks that the sham lacks.
    """

    question: str
    networks: Indices
    values: dict[str, Floats]


def factors(runs: StoredRuns, out: Path) -> Findings:
    """Slope of the displacement, kept shift, savings and decay rate of every condition that was run."""
    found = {name: measured(runs, *folders) for name, folders in _folders(runs).items()}
    return findings_of(found, Sampling(runs.seed), out)


def findings_of(values: Mapping[str, Factor], sampling: Sampling, out: Path) -> Findings:
    """Return the findings of conditions, by name; the main run is among them, and comes first."""
    found = with_same_networks(values)
    quantities = [
        quantity(
            _name(name, kind),
            finite(values),
            UNIT[kind],
            sampling,
            scale=SCALE.get(kind, 1.0),
            test=kind != RATE,
        )  # fmt: skip
        for name, factor in found.items()
        for kind, values in factor.values.items()
    ]
    differences = _differences(found, sampling)
    quantities += differences
    quantities = correct(quantities, [entry.name for entry in differences])
    by_name = {entry.name: entry for entry in quantities}
    with look.house_style():
        picture = look.save_picture(factors_figure(found, by_name), out / "factors.png")
    tables = {
        "Factors of the protocol": _table(found, by_name),
        "Factors of the protocol, less the main run": _differences_table(found, by_name),
    }
    return Findings(quantities, tables, [picture], _text(found, by_name), _networks(values))


def with_same_networks(found: Mapping[str, Factor]) -> dict[str, Factor]:
    """Return conditions with those networks of the main run that all others have, if these are fewer.

    Only they can be set beside the other conditions by eye.
    """
    main, *others = found.values()
    shared = [
        number for number in main.networks.tolist()
        if all(number in other.networks.tolist() for other in others)
    ]  # fmt: skip
    if not 0 < len(shared) < main.networks.size:
        return dict(found)
    rows = np.flatnonzero(np.isin(main.networks, shared))
    same = Factor(
        "As in the main run; those of its networks whose numbers all conditions have", main.networks[rows],
        {kind: values[rows] for kind, values in main.values.items()},
    )  # fmt: skip
    return {MAIN: main, SAME: same} | {name: its for name, its in found.items() if name != MAIN}


def compares(findings: Findings) -> bool:
    """Return whether findings of this figure compare any condition with the main run."""
    return any(entry.name.endswith(LESS_MAIN) for entry in findings.quantities)


def _folders(runs: StoredRuns) -> dict[str, tuple[str, Path, Path | None]]:
    """Question, run and sham of the main run and of every factor that was run, by name."""
    declared: Mapping[str, Condition] = conditions(stored_arguments(runs.main))
    chosen = {MAIN: ("As in the main run", runs.main, runs.sham or runs.controls.get(SHAM))}
    for name, condition in declared.items():
        if name in runs.controls and condition.sham and is_factor(condition):
            chosen[name] = (condition.tests, runs.controls[name], runs.controls.get(condition.sham))
    return chosen


def is_factor(condition: Condition) -> bool:
    """Return whether the figure has a condition: a factor of the protocol, with a sham."""
    return bool(condition.sham) and (condition.control == FACTOR or condition.name in ALSO)


def measured(runs: StoredRuns, question: str, run: Path, sham: Path | None) -> Factor:
    """Measure one condition; what needs a sham is left out without one."""
    result = measure(runs, run)
    numbers = result.preparation.numbers
    values = {
        RESPONSE: result.slope,
        LEFT: result.simulated[SHIFT][:, result.waited],
        RETAINED: retained_fraction(result.preparation.activity, result.preparation.shift),
        RESIDUAL: _at(numbers, *_residual(phase_curves(runs.table(run)))),
        RATE: result.slowest[:, 0],
    }
    if sham is not None:
        practised = sham_projection(dataclasses.replace(runs, main=run, sham=sham), result.preparation)
        if practised is not None:
            values[KEPT] = values[RETAINED] - practised
        curves = (phase_curves(runs.table(each))["FF2"] for each in (run, sham))
        values[SAVED] = _at(numbers, *saved_beyond(*curves))
    return Factor(question, numbers, {kind: values[kind] for kind in MEASURES if kind in values})


def _residual(curves: Mapping[str, PhaseCurves]) -> tuple[Indices, Floats]:
    """Numbers of networks, and how far NF2 ends from NF1, positive to the side of FF1's field, (n,) [m]."""
    side = field_side(curves["FF1"].deviation[:, 0])
    return curves["NF1"].networks, side * residual(curves)


def _at(numbers: Indices, networks: Indices, values: Floats) -> Floats:
    """Values of the networks with these numbers; NaN for those that are not there."""
    there = np.full(numbers.size, np.nan)
    places, shared = shared_networks(numbers, networks)
    there[places] = values[shared]
    return there


def _name(factor: str, kind: str) -> str:
    return f"{factor}: {kind}"


def _difference(factor: str, kind: str = RESPONSE) -> str:
    return f"{factor}: {kind}{LESS_MAIN}"


def _differences(found: Mapping[str, Factor], sampling: Sampling) -> list[Quantity]:
    """Measures less those of the main run: of its networks that a condition started from, or of all."""
    quantities = []
    for name, factor in found.items():
        for kind in COMPARED:
            if name in (MAIN, SAME) or kind not in factor.values or kind not in found[MAIN].values:
                continue
            label, unit, scale = _difference(name, kind), UNIT[kind], SCALE.get(kind, 1.0)
            values, main = scale * factor.values[kind], scale * found[MAIN].values[kind]
            if name in AFRESH:
                quantities.append(unpaired(label, finite(values), finite(main), unit))
                continue
            ours, theirs = shared_networks(factor.networks, found[MAIN].networks)
            if (paired := finite(values[ours] - main[theirs])).size:
                quantities.append(quantity(label, paired, unit, sampling))
    return quantities


def _table(found: Mapping[str, Factor], by_name: Mapping[str, Quantity]) -> str:
    headings = ["condition", "question", "networks"]
    headings += [kind if UNIT[kind] == "1" else f"{kind} ({UNIT[kind]})" for kind in MEASURES]
    rows = []
    for name, factor in found.items():
        entries = [by_name.get(_name(name, kind)) for kind in MEASURES]
        rows.append(
            (
                name, factor.question, str(len(factor.values[RESPONSE])),
                *(MISSING if entry is None else format_value(entry.value, entry.ci) for entry in entries),
            )
        )  # fmt: skip
    return markdown_table(headings, rows)


def _differences_table(found: Mapping[str, Factor], by_name: Mapping[str, Quantity]) -> str:
    """One row per condition and measure that is compared with the main run."""
    rows = []
    for name in found:
        for kind in COMPARED:
            if (entry := by_name.get(_difference(name, kind))) is not None:
                number = format_value(entry.value, entry.ci, "" if entry.unit == "1" else entry.unit)
                rows.append((name, kind, number, format_p(entry.p), format_p(entry.p_holm)))
    return markdown_table(("condition", "measure", "less the main run's", "p", "p (Holm)"), rows)


def _text(found: Mapping[str, Factor], by_name: Mapping[str, Quantity]) -> str:
    """Which conditions change the slope, and how."""
    main, same = by_name[_name(MAIN, RESPONSE)], by_name.get(_name(SAME, RESPONSE))
    text = (
        f"The slope of the displacement at {PREPARATORY_TIME} s is "
        f"{format_value(main.value, main.ci, main.unit)} in the main run"
    )
    if same is not None:
        text += (
            f" ({format_value(same.value, same.ci)} in the {same.networks} of its networks whose numbers all "
            "conditions have)"
        )
    text += (
        f", and {REFERENCE[SLOPE].value:g} in the study. In every condition its unit is the shift of the "
        "networks themselves."
    )
    others = [name for name in found if name not in (MAIN, SAME)]
    if not others:
        return f"{text} No other condition was run."
    parts = [text, _what_decides(others, by_name), _at_the_study(others, by_name), _steepest(found)]
    return " ".join([part for part in parts if part] + _incomplete(list(found), by_name))


def _at_the_study(others: list[str], by_name: Mapping[str, Quantity]) -> str:
    """In which conditions the interval of the slope includes the study's."""
    theirs = REFERENCE[SLOPE].value
    entries = {name: by_name[_name(name, RESPONSE)] for name in others}
    including = [
        f"`{name}` ({format_value(entry.value, entry.ci)})"
        for name, entry in entries.items()
        if entry.ci[0] is not None and entry.ci[1] is not None and entry.ci[0] <= theirs <= entry.ci[1]
    ]
    if not including:
        return f"No condition has the study's slope: the interval of every one excludes {theirs:g}."
    return f"The study's slope lies in the interval of {listed(including)} alone."


def _steepest(found: Mapping[str, Factor]) -> str:
    """Slopes of the main run's networks, and of those that started from them, without the steepest one."""
    slopes, numbers = found[MAIN].values[RESPONSE], found[MAIN].networks
    steepest = numbers[farthest(slopes)]
    parts = []
    for name, factor in found.items():
        others = factor.networks != steepest
        if name == MAIN or name in AFRESH or others.all() or others.sum() < FEWEST:
            continue
        values = MM * factor.values[RESPONSE]
        parts.append(f"{values[others].mean():.2g} in place of {values.mean():.2g} in `{name}`")
    if not parts:
        return ""
    return (
        f"Network {steepest}, the steepest of the main run, weighs much among few: without it, the mean "
        f"slope is {listed(parts)}."
    )


def _what_decides(others: list[str], by_name: Mapping[str, Quantity]) -> str:
    """Which conditions raise or lower a measure, by corrected tests, and which do not."""
    parts = []
    for kind in COMPARED:
        for sign, words in ((1, "higher"), (-1, "lower")):
            names = [
                f"`{name}`"
                for name in others
                if (entry := by_name.get(_difference(name, kind))) is not None and effect(entry) == sign
            ]
            if names:
                parts.append(f"{kind}: {words} with {listed(names)}")
    text = (
        f"{len(others)} other condition{'s were' if len(others) > 1 else ' was'} run. In corrected tests "
        "(paired, or Welch's of all main networks for conditions that were pre-trained in their run), "
    )
    if not parts:
        return f"{text}no difference from the main run is shown in {listed(COMPARED)}."
    return (
        f"{text}they differ from the main run as follows: {'; '.join(parts)}. No other difference is shown."
        f"{_slowest_alone(others, by_name)}"
    )


def _slowest_alone(others: list[str], by_name: Mapping[str, Quantity]) -> str:
    """Where the slowest mode changes and what is left does not: it does not decide alone."""

    def changed(name: str, kind: str) -> bool:
        entry = by_name.get(_difference(name, kind))
        return entry is not None and effect(entry) != 0

    names = [f"`{name}`" for name in others if changed(name, RATE) and not changed(name, LEFT)]
    if not names:
        return ""
    return (
        f" In {listed(names)} the slowest mode changes without a measurable change of what is left: that "
        "mode alone does not decide."
    )


def _incomplete(names: list[str], by_name: Mapping[str, Quantity]) -> list[str]:
    """Where washout leaves a residual, by its interval and without correction, as in the controls."""
    parts = []
    for name in names:
        entry = by_name.get(_name(name, RESIDUAL))
        if entry is None:
            continue
        low, high = entry.ci
        if low is not None and high is not None and not low <= 0.0 <= high:
            parts.append(f"`{name}` ({format_value(entry.value, entry.ci, 'mm')})")
    lacking = [f"`{name}`" for name in names if _name(name, RESIDUAL) not in by_name]
    elsewhere = (
        f" For {listed(lacking)}, see the table of washouts in [controls](#controls)." if lacking else ""
    )
    if not parts:
        return [elsewhere.strip()] if lacking else []
    return [
        f"NF2 does not end where NF1 does in {listed(parts)}. Below 0, on the side of the after-effect, "
        "savings may be a remnant of FF1; above it, FF2 begins farther from the line. These intervals are "
        "not corrected, so that an incomplete washout is not overlooked."
        f"{elsewhere}"
    ]


def _networks(found: Mapping[str, Factor]) -> Columns:
    """Values of every network of every condition; NaN without a sham."""
    columns: Columns = {
        "condition": np.concatenate(
            [np.full(its.networks.size, name, dtype=object) for name, its in found.items()]
        ),
        "network": np.concatenate([its.networks for its in found.values()]),
    }
    for kind in MEASURES:
        parts = [
            SCALE.get(kind, 1.0) * its.values.get(kind, np.full(its.networks.size, np.nan))
            for its in found.values()
        ]
        columns[_column(kind)] = np.concatenate(parts)
    return columns


def factors_in(networks: Columns, questions: Mapping[str, str]) -> dict[str, Factor]:
    """Return the conditions whose values a figure of factors has stored, see `Findings.networks`.

    Args:
        networks: Its columns.
        questions: Question of every condition, by its name; it decides which are returned, and their order.

    Raises:
        ValueError: If there are no such columns, or the main run is not among the conditions.
    """
    lacking = [name for name in ("condition", "network", *map(_column, MEASURES)) if name not in networks]
    if lacking:
        raise ValueError(f"there are no columns {', '.join(lacking)}: these are no findings of factors")
    found = {}
    for name, question in questions.items():
        rows = np.flatnonzero(networks["condition"] == name)
        if rows.size:
            values = {kind: networks[_column(kind)][rows] / SCALE.get(kind, 1.0) for kind in MEASURES}
            known = {kind: its for kind, its in values.items() if not np.isnan(its).all()}
            found[name] = Factor(question, networks["network"][rows], known)
    if MAIN not in found:
        raise ValueError(f"the main run is not among the conditions {sorted(set(networks['condition']))}")
    return found


def _column(kind: str) -> str:
    return kind if UNIT[kind] == "1" else f"{kind} ({UNIT[kind]})"


def factors_figure(found: Mapping[str, Factor], by_name: Mapping[str, Quantity]) -> Figure:
    """Draw one row per condition and one panel per measure: networks, and mean with its interval."""
    drawn = (RESPONSE, LEFT, KEPT, SAVED)
    figure = look.new_figure(1.3 + 0.32 * len(found), gap=0.02)
    panels = figure.subplots(1, len(drawn), sharey=True)
    places = np.arange(len(found), dtype=np.float64)[::-1]
    for axes, kind in zip(panels, drawn, strict=True):
        axes.axvline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
        for place, (name, factor) in zip(places, found.items(), strict=True):
            entry = by_name.get(_name(name, kind))
            if entry is None or entry.value is None:
                continue
            values = SCALE.get(kind, 1.0) * finite(factor.values[kind])
            colour = look.SECOND if name in (MAIN, SAME) else look.OURS
            axes.scatter(
                values, np.full(values.shape, place), s=9.0, color=colour, alpha=0.5, linewidths=0.0, zorder=3
            )
            low, high = entry.ci
            if low is not None and high is not None:
                axes.plot([low, high], [place - 0.22] * 2, color=colour, linewidth=1.3, zorder=4)
            axes.plot(entry.value, place - 0.22, "s", color=colour, markersize=4.0, zorder=5)
        unit = "" if UNIT[kind] == "1" else f" ({UNIT[kind]})"
        axes.set_xlabel(textwrap.fill(f"{kind[0].upper()}{kind[1:]}{unit}", 23))
    panels[0].axvline(REFERENCE[SLOPE].value, color=look.INK, linewidth=0.8, linestyle=look.DASHED, zorder=2)
    labels = [f"{name} ({len(its.values[RESPONSE])})" for name, its in found.items()]
    panels[0].set_yticks(places, [textwrap.fill(label, 20) for label in labels])
    panels[0].set_ylim(-0.6, len(found) - 0.4)
    panels[0].set_title("dashed: the study", loc="right", fontsize=look.SMALL)
    look.letter_panels(panels)
    return figure
