"""What abrupt and gradual learning of a rotation leave: numbers, one table, one figure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.claims import corrected
from experiments.controls.conditions import Condition
from experiments.controls.rows import ControlRows
from experiments.drawing import style as look
from experiments.drawing.curves import thinned
from experiments.runs.folder import RunFolder, versions
from experiments.runs.networks import of_kept_networks
from experiments.runs.tables import format_p, format_value, markdown_table
from experiments.study import LEVEL, Quantity, quantity
from savings_gym.arrays import MM, Floats
from savings_gym.files import jsonable, write_atomically, write_json
from savings_gym.metrics.curves import PhaseCurves, phase_curves, shared_networks
from savings_gym.metrics.savings import field_side
from savings_gym.metrics.statistics import Sampling

ABRUPT: Final = "abrupt"
GRADUAL: Final = "gradual"
SHAM: Final = "sham"
AFTER: Final = "size of the after-effect in NF2 (opposite to the rotation)"
PERCENT: Final = 100.0
FIGURE: Final = "rotations.png"
COLOURS: Final = {ABRUPT: look.OURS, GRADUAL: look.SECOND, SHAM: look.QUIET}
Curves = Mapping[str, Mapping[str, PhaseCurves]]  # of every run by phase


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
    for label, first in (("first encounter", (ABRUPT, "FF1")), ("equal practice", (SHAM, "FF2"))):
        for name in (ABRUPT, GRADUAL):
            saved = rows.compare(first, (name, "FF2"))
            if saved is not None:
                tests += _savings(saved, f"{name} learning, against {label}")
    tests.append(_mean("initial savings, gradual less abrupt", MM * _less(curves, side), "mm", sampling))
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


def _savings(saved: Mapping[str, Any], label: str) -> list[Quantity]:
    """Initial savings and the ratio of the learning rates, each of the networks that have it."""
    initial, rate = saved["initial"], saved["rate"]
    numbers = []
    if initial:
        low, high = (None if end is None else MM * end for end in initial["ci"])
        value = MM * initial["difference"]
        name, networks = f"initial savings, {label}", initial["networks"]
        numbers.append(Quantity(name, value, (low, high), networks, "mm", p=initial["p"]))
    if rate and rate["ratio"] is not None:
        name, networks = f"rate ratio, {label}", rate["networks"]
        numbers.append(Quantity(name, rate["ratio"], rate["ci"], networks, "1", p=rate["p"]))
    return numbers


def page(numbers: list[Quantity], angle_deg: float, command: str) -> str:
    """Return the page as Markdown."""
    rows = [
        (entry.name, format_value(entry.value, entry.ci, entry.unit), format_p(entry.p_holm))
        for entry in numbers
    ]
    table = markdown_table(("measure", "mean [95 % interval]", "p (Holm)"), rows)
    return f"""# Savings under a rotation of {angle_deg:g} degrees, learned at once or gradually

The same networks in three runs: *abrupt*, a rotation in FF1; *gradual*, a rotation that grows from nothing
in FF1; *sham*, no rotation in FF1. In FF2 all meet the whole rotation at once. Errors are deviations of the
cursor. *Rotation learned*: initial direction of the hand in an error clamp of the cursor. The *after-effect*
is the first deviation in NF2. Its sign is opposite to that of the rotation; its size is given. Savings are
how much closer to the line FF2 begins, and by which factor it is learned faster. Means over
{numbers[0].networks} networks with 95 % intervals; p of t tests, corrected over the tests of savings.

Yin & Wei (2020, doi 10.1152/jn.00524.2019) report savings under a rotation in people without an explicit
strategy. Avraham et al. (2021, doi 10.1371/journal.pbio.3001147) find the opposite: people relearn faster by
strategy alone, and implicit adaptation is weaker the second time. Which of them one finds may depend on the
washout: after gradual learning, savings are lost in one with large opposite errors and kept in a gradual one
or one without feedback (Javidialsaadi et al. 2025, doi 10.1038/s41539-025-00352-z). Here the rotation ends at
once in NF2, which makes such errors, and networks have no strategy to recall.
Command: `{command}`

![Errors of the cursor in FF1 and FF2]({FIGURE})

{table}

{sentence(numbers)}
"""


def sentence(numbers: list[Quantity]) -> str:
    """Return which savings the corrected tests show."""
    tests = [entry for entry in numbers if entry.name.startswith(("initial savings", "rate ratio"))]
    shown = [entry.name for entry in tests if entry.p_holm is not None and entry.p_holm < LEVEL]
    others = [entry.name for entry in tests if entry.name not in shown]
    parts = [f"Shown: {'; '.join(shown)}."] if shown else []
    parts += [f"Not shown: {'; '.join(others)}."] if others else []
    return " ".join(parts)


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
