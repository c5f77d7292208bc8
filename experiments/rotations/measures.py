"""What abrupt and gradual learning of a rotation leave: numbers, one table, one figure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.claims import bold_means, cell, corrected, is_shown
from experiments.controls.conditions import Condition
from experiments.controls.rows import ControlRows
from experiments.drawing import style as look
from experiments.drawing.curves import thinned
from experiments.runs.folder import RunFolder, versions
from experiments.runs.networks import of_kept_networks
from experiments.runs.tables import format_value, markdown_table
from experiments.study import Quantity, quantity
from savings_gym.arrays import MM, Floats
from savings_gym.files import jsonable, write_atomically, write_json
from savings_gym.metrics.curves import PhaseCurves, phase_curves, shared_networks
from savings_gym.metrics.savings import field_side
from savings_gym.metrics.statistics import Sampling
from savings_gym.metrics.trials_saved import HALF, trials_to_half

ABRUPT: Final = "abrupt"
GRADUAL: Final = "gradual"
SHAM: Final = "sham"
AFTER: Final = "size of the after-effect in NF2 (opposite to the rotation)"
START, TRIALS = "initial savings", "trials saved"  # what is compared
ENCOUNTER, PRACTICE = "first encounter", "equal practice"  # and with what
KINDS: Final = "initial savings, gradual less abrupt"
PERCENT: Final = 100.0
FIGURE: Final = "rotations.png"
COLOURS: Final = {ABRUPT: look.OURS, GRADUAL: look.SECOND, SHAM: look.QUIET}
Curves = Mapping[str, Mapping[str, PhaseCurves]]  # of every run by phase


def comparison(measure: str, kind: str, label: str) -> str:
    """Return the name of the savings of a kind of learning, against something."""
    return f"{measure}, {kind} learning, against {label}"


def write_results(out: Path, done: dict[str, Condition], angle_deg: float, command: str) -> str:
    """Write rotations.json, the figure and README.md of three complete runs; return the page."""
    rows = ControlRows(done)
    curves = {name: phase_curves(rows.table(name)) for name in done}
    summaries = {name: RunFolder.read_summary(each.config.out) for name, each in done.items()}
    numbers = quantities(rows, curves, summaries)
    with look.house_style():
        look.save_picture(_figure(curves), out / FIGURE)
    text = page(numbers, angle_deg, command)
    write_atomically(out / "README.md", text.encode())
    about = {"command": command, "versions": versions()}
    write_json(out / "rotations.json", about | {"measures": [jsonable(vars(entry)) for entry in numbers]})
    return text


def quantities(
    rows: ControlRows, curves: Curves, summaries: Mapping[str, Mapping[str, Any]]
) -> list[Quantity]:
    """Return the numbers of the page: errors, what was learned, and savings; p values corrected (Holm)."""
    sampling, side = Sampling(0), field_side(curves[ABRUPT]["FF1"].deviation[:, 0])
    numbers = []
    for name in (ABRUPT, GRADUAL):
        largest = np.max(side * curves[name]["FF1"].deviation, axis=1)
        numbers.append(_mean(f"largest error in FF1, {name}", MM * largest, "mm", sampling))
    for name in (ABRUPT, GRADUAL):
        learned = of_kept_networks(summaries[name], summaries[name]["adaptation_networks"]["FF1"])
        percent = PERCENT * np.array(learned, dtype=np.float64)
        numbers.append(_mean(f"rotation learned in FF1, {name}", percent, "%", sampling))
    for name in (ABRUPT, GRADUAL):
        after = -side * curves[name]["NF2"].deviation[:, 0]
        numbers.append(_mean(f"{AFTER}, {name}", MM * after, "mm", sampling))
    tests = []
    for label, first in ((ENCOUNTER, (ABRUPT, "FF1")), (PRACTICE, (SHAM, "FF2"))):
        for name in (ABRUPT, GRADUAL):
            saved = rows.compare(first, (name, "FF2"))
            if saved is not None and saved["initial"]:
                tests.append(_nearer(saved["initial"], comparison(START, name, label)))
                fewer = PERCENT * _fewer(curves[first[0]][first[1]], curves[name]["FF2"], side)
                tests.append(_mean(comparison(TRIALS, name, label), fewer, "%", sampling))
    tests.append(_mean(KINDS, MM * _less(curves, side), "mm", sampling))
    by_name = {entry.name: entry for entry in tests}
    return [*numbers, *corrected({"savings": by_name}, by_name)["savings"].values()]


def _less(curves: Curves, side: float) -> Floats:
    """(n,) how much closer to the target FF2 begins after gradual than after abrupt learning [m]."""
    abrupt, gradual = (curves[name]["FF2"] for name in (ABRUPT, GRADUAL))
    first, second = shared_networks(abrupt.networks, gradual.networks)
    nearer: Floats = side * (abrupt.deviation[first, 0] - gradual.deviation[second, 0])
    return nearer


def _mean(name: str, values: Floats, unit: str, sampling: Sampling) -> Quantity:
    """A mean over the networks that have a value; their values stand in the runs."""
    return dataclasses.replace(quantity(name, values[np.isfinite(values)], unit, sampling), values=())


def _nearer(initial: Mapping[str, Any], name: str) -> Quantity:
    """How much closer to the line FF2 begins."""
    low, high = (None if end is None else MM * end for end in initial["ci"])
    value, networks = MM * initial["difference"], initial["networks"]
    return Quantity(name, value, (low, high), networks, "mm", p=initial["p"])


def _fewer(before: PhaseCurves, after: PhaseCurves, side: float) -> Floats:
    """(n,) share of the trials to half of the first deviation that networks save; NaN if it is not met.

    Phases end far from the asymptote of the curve here, so that the rates of exponentials would say little.
    """
    criterion = HALF * side * float(before.deviation[:, 0].mean())
    first, second = shared_networks(before.networks, after.networks)
    slow = trials_to_half(before, criterion, side)[first]
    saved: Floats = 1.0 - trials_to_half(after, criterion, side)[second] / slow
    return saved


def page(numbers: list[Quantity], angle_deg: float, command: str) -> str:
    """Return the page as Markdown."""
    table = markdown_table(
        ("measure", "mean [95 % interval]"), [(entry.name, cell(entry)) for entry in numbers]
    )
    return f"""# Savings under a rotation of {angle_deg:g} degrees, learned at once or gradually

## In short

{in_short(numbers)}

## Methods

The same networks in three runs: *abrupt*, a rotation in FF1; *gradual*, a rotation that grows from zero
in FF1; *sham*, no rotation in FF1. In FF2 all meet the whole rotation at once. Errors are deviations of the
cursor. *Rotation learned*: initial direction of the hand in an error clamp of the cursor. The *after-effect*
is the first deviation in NF2. It is opposite in sign to the rotation; the table gives its magnitude. Savings
are how much closer to the line FF2 begins, and the share of trials that networks save until the deviation is
half of what it was at first. Means over {numbers[0].networks} networks.

Yin & Wei (2020, doi 10.1152/jn.00524.2019) report savings under a rotation in people without an explicit
strategy. Avraham et al. (2021, doi 10.1371/journal.pbio.3001147) find the opposite: people relearn faster by
strategy alone, and implicit adaptation is weaker the second time. Which of them one finds may depend on the
washout: after gradual learning, savings are lost in one with large opposite errors and kept in a gradual one
or one without feedback (Javidialsaadi et al. 2025, doi 10.1038/s41539-025-00352-z). Here the rotation ends at
once in NF2, which makes such errors, and networks have no strategy to recall.
Command: `{command}`

![Errors of the cursor in FF1 and FF2]({FIGURE})

Deviation of the cursor in FF1 (a) and FF2 (b): means over networks, with 95 % t intervals as bands.

{bold_means("the tests of savings")}

{table}
"""


def in_short(numbers: list[Quantity]) -> str:
    """Return what the corrected tests say of savings, in a few sentences."""
    found = {entry.name: entry for entry in numbers}
    return " ".join(
        f"{kind.capitalize()} learning, against {label}: {_words(found, kind, label)}."
        for label in (ENCOUNTER, PRACTICE)
        for kind in (ABRUPT, GRADUAL)
        if comparison(START, kind, label) in found
    )


def _words(found: Mapping[str, Quantity], kind: str, label: str) -> str:
    nearer, fewer = (found[comparison(measure, kind, label)] for measure in (START, TRIALS))
    way = ("farther from", "nearer to")[(nearer.value or 0.0) > 0.0]
    count = ("more", "fewer")[(fewer.value or 0.0) > 0.0]
    start = f"FF2 begins {way} the line" if is_shown(nearer) else "FF2 is not shown to begin elsewhere"
    half = (
        f"reaches half of the first deviation in {count} trials"
        if is_shown(fewer)
        else "is not shown to reach half of the first deviation sooner"
    )
    return (
        f"{start} ({format_value(nearer.value, nearer.ci, nearer.unit)}), and {half} "
        f"({format_value(fewer.value, fewer.ci, fewer.unit)})"
    )


def _figure(curves: Curves) -> Figure:
    figure = look.new_figure(2.3)
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, phase, names in ((left, "FF1", (ABRUPT, GRADUAL)), (right, "FF2", (ABRUPT, GRADUAL, SHAM))):
        _errors(axes, curves, phase, names)
    left.set(ylabel="Deviation of the cursor (mm)", title="FF1: a rotation, learned at once or gradually")
    right.set(title="FF2: the rotation at once")
    handles, labels = right.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    look.letter_panels((left, right))
    return figure


def _errors(axes: Axes, curves: Curves, phase: str, names: tuple[str, ...]) -> None:
    axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
    scale, unit = look.trial_unit(float(curves[ABRUPT][phase].trials[-1]))
    for name in names:
        trials, deviation = thinned(curves[name][phase])
        look.draw_band(axes, trials / scale, deviation, COLOURS[name], name)
    axes.set_xlabel(f"Trial{unit}")
