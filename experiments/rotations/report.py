"""The page about a rotation learned at once or gradually: what the tests say, beside people; one figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.claims import (
    NO,
    OPEN,
    UNCORRECTED,
    YES,
    absent,
    bold_means,
    cell,
    number,
    positive,
    side_of_interval,
    sign,
    size_of,
    suggested,
)
from experiments.controls.conditions import Condition
from experiments.controls.rows import ControlRows
from experiments.drawing import style as look
from experiments.drawing.curves import thinned
from experiments.rotations.measures import (
    ABRUPT,
    ENCOUNTER,
    GRADUAL,
    LARGEST,
    PERCENT,
    PRACTICE,
    RESIDUAL,
    RESIDUAL_BEYOND,
    SHAM,
    START,
    TRIALS,
    TRIALS_KINDS,
    Curves,
    comparison,
    quantities,
)
from experiments.runs.folder import RunFolder, versions
from experiments.runs.out import PAGE
from experiments.runs.tables import MISSING, format_p, grouped, markdown_table
from experiments.savings.config import Savings
from experiments.study import Quantity
from savings_gym.files import jsonable, write_atomically, write_json
from savings_gym.metrics.curves import phase_curves
from savings_gym.metrics.learning import WINDOW
from savings_gym.metrics.trials_saved import HALF
from savings_gym.task.settings import N_TARGETS

FIGURE: Final = "rotations.png"
RESULTS: Final = "rotations.json"
MET: Final = {ABRUPT: "at once", GRADUAL: "gradually"}
UNDECIDED: Final = "open: our washout is incomplete"  # beside people
COLOURS: Final = {ABRUPT: look.OURS, GRADUAL: look.SECOND, SHAM: look.QUIET}


def write_results(out: Path, done: dict[str, Condition], angle_deg: float, command: str) -> str:
    """Write rotations.json, the figure and README.md of three complete runs; return the page."""
    rows = ControlRows(done)
    curves = {name: phase_curves(rows.table(name)) for name in done}
    summaries = {name: RunFolder.read_summary(each.config.out) for name, each in done.items()}
    numbers = quantities(rows, curves, summaries)
    with look.house_style():
        look.save_picture(_figure(curves), out / FIGURE)
    text = page(numbers, angle_deg, lengths(done[GRADUAL].config), command)
    about = {"command": command, "versions": versions()}
    write_json(out / RESULTS, about | {"measures": [jsonable(vars(entry)) for entry in numbers]})
    write_atomically(out / PAGE, text.encode())
    return text


def lengths(gradual: Savings) -> str:
    """Return how long the phases are, and the ramp of the gradual run, as a sentence.

    Args:
        gradual: Arguments of the gradual run; the others have phases of equal lengths.
    """
    first, *middle, last = (f"{each.name} {grouped(each.updates * N_TARGETS)}" for each in gradual.phases())
    return (
        f"Trials of training: {first}, {', '.join(middle)} and {last}. In the gradual run the rotation grows "
        f"over the first {PERCENT * gradual.ff1_ramp:g} % of FF1."
    )


def page(numbers: list[Quantity], angle_deg: float, phases: str, command: str) -> str:
    """Return the page as Markdown.

    Args:
        numbers: What `quantities` returned.
        angle_deg: Angle of the rotation [degrees].
        phases: What `lengths` returned.
        command: The command line.
    """
    table = markdown_table(
        ("measure", "mean [95 % interval]", "n", "p", "p, corrected"),
        [
            (entry.name, cell(entry), str(entry.networks), format_p(entry.p), format_p(entry.p_holm))
            for entry in numbers
        ],
    )
    return f"""# Savings under a rotation of {angle_deg:g} degrees, learned at once or gradually

## In short

{in_short(numbers)}

![Errors of the cursor in FF1 and FF2]({FIGURE})

Deviation of the cursor in FF1 (a) and FF2 (b): means over networks, with 95 % t intervals as bands.

## Beside people

{beside_people(numbers)}

Networks have no strategy to recall: nothing tells them that, or when, the cursor is rotated. What people save
without one may depend on the washout. Here the rotation ends at once in NF2, which makes large opposite
errors. Only directions are compared, as tests of the networks show them, because we had no access to these
studies' numbers.

## Methods

The same networks in three runs: *abrupt*, a rotation in FF1; *gradual*, a rotation that grows from zero
in FF1; *sham*, no rotation in FF1. In FF2 all meet the whole rotation at once. A probe is one reach to each
of {N_TARGETS} targets. {phases}

Errors are deviations of the cursor. *Rotation learned*: initial direction of the hand in an error clamp of
the cursor. The *after-effect* is the first deviation in NF2. It is opposite in sign to the rotation; the
table gives its magnitude. The *residual of the washout* is how far NF2 ends from the end of NF1 (means of the
last {WINDOW} probes), positive to the side of the after-effect, on which it makes FF2 begin nearer to the
line. The washout is called incomplete if the interval of the residual excludes 0; the tests of the residual
are not corrected, since a correction would hide it. Savings are how much closer to the line FF2 begins, and
the share of trials that networks save until the deviation is half of what it was at first: against their
*first encounter* with the whole rotation, FF1 of the abrupt run, and against *equal practice*, FF2 of the
sham. Differences of shares are in percentage points. Command: `{command}`

{bold_means("the tests of savings")} n is the number of networks; p, that of the t test before the correction.

{table}
"""


def in_short(numbers: Sequence[Quantity]) -> str:
    """Return what the corrected tests say of savings: trials saved, abrupt or gradual, where FF2 begins.

    A sentence states an effect only if its corrected test shows it. Then follow the residual of the washout,
    with which initial savings may be confused, and the number of networks.
    """
    found = {entry.name: entry for entry in numbers}
    fewer = {
        PRACTICE: "in fewer trials than after equal practice without it",
        ENCOUNTER: "in fewer trials than they learned it at first",
    }
    nearer = {
        PRACTICE: "begin nearer to the line than after equal practice",
        ENCOUNTER: "begin nearer to the line than at their first encounter",
    }
    sentences = [
        _savings(found, TRIALS, PRACTICE, f"relearn the rotation {fewer[PRACTICE]}"),
        _kinds(found),
        _savings(found, TRIALS, ENCOUNTER, f"relearn it {fewer[ENCOUNTER]}"),
        *(_savings(found, START, label, nearer[label]) for label in (PRACTICE, ENCOUNTER)),
        _washout(found),
        _networks([entry for entry in numbers if entry.p is not None]),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _savings(found: Mapping[str, Quantity], measure: str, label: str, text: str) -> str:
    """One sentence about both kinds of learning if they save alike, or else one for each."""
    names = {kind: comparison(measure, kind, label) for kind in MET}
    its = {kind: found[name] for kind, name in names.items() if name in found}
    if len(its) == len(MET) and all(sign(entry) > 0 for entry in its.values()):
        by = " or ".join(f"{MET[kind]} (by {size_of(entry)})" for kind, entry in its.items())
        return f"Networks {text}, whether they met it {by}."
    return " ".join(f"{_of_kind(MET[kind], entry, text)}." for kind, entry in its.items())


def _of_kind(met: str, entry: Quantity, text: str) -> str:
    """What is shown of networks that met the rotation in one way, without a full stop."""
    reverse = text.replace("fewer", "more").replace("nearer to", "farther from")
    if side := sign(entry):
        return f"Networks that met it {met} {text if side > 0 else reverse}, by {size_of(entry)}"
    if side := suggested(entry):
        return (
            f"Networks that met it {met} may {text if side > 0 else reverse}, by {size_of(entry)}, "
            f"{UNCORRECTED}"
        )
    return f"That networks that met it {met} {text} is not shown ({number(entry)})"


def _kinds(found: Mapping[str, Quantity]) -> str:
    """Whether networks save more or fewer trials after gradual than after abrupt learning."""
    if TRIALS_KINDS not in found:
        return ""
    entry = found[TRIALS_KINDS]
    count = "more" if (entry.value or 0.0) > 0.0 else "fewer"
    size = f"{count} trials after gradual than after abrupt learning, by {size_of(entry)}"
    if sign(entry):
        return f"They save {size}."
    if suggested(entry):
        return f"They may save {size}, {UNCORRECTED}."
    return f"A difference between gradual and abrupt learning is not shown ({number(entry)})."


def _washout(found: Mapping[str, Quantity]) -> str:
    """What the washout leaves, and what that means for initial savings and for the trials saved."""
    left = {kind: found[f"{RESIDUAL}, {kind}"] for kind in MET if f"{RESIDUAL}, {kind}" in found}
    if not left:
        return ""
    sides = {kind: side_of_interval(entry) for kind, entry in left.items()}
    ends = " and ".join(f"{number(entry)} after {kind} learning" for kind, entry in left.items())
    ends += f" (p = {' and '.join(format_p(entry.p) for entry in left.values())}, t tests, not corrected)"
    if not any(sides.values()):
        return f"No residual of the washout is shown, to the side of the after-effect: {ends}."
    beyond = {kind: found.get(f"{RESIDUAL_BEYOND}, {kind}") for kind in left}
    sham = " and ".join(f"{number(entry)} ({kind})" for kind, entry in beyond.items() if entry is not None)
    text = (
        "The washout is not complete: from the end of NF1 to that of NF2, the deviation has moved to the "
        f"side of the after-effect, by {ends}{f'; beyond the sham, by {sham}' if sham else ''}."
    )
    nearer = [kind for kind, side in sides.items() if side > 0]
    if not nearer:
        return text
    whose = "" if len(nearer) == len(left) else f" after {nearer[0]} learning"
    text += (
        " Without any savings, that alone makes FF2 begin nearer to the line, so the initial savings"
        f"{whose} cannot be told from what is left of the washout."
    )
    return f"{text}{_stands(found, nearer)}"


def _stands(found: Mapping[str, Quantity], nearer: Sequence[str]) -> str:
    """That trials saved exceed what the residual explains, if they do; begins with a space.

    The residual, at most the upper end of its interval, shortens the way from the first deviation to half of
    it by its share of that way, whose first part is also the fastest.
    """
    first = found.get(f"{LARGEST}, {ABRUPT}")
    if first is None or first.value is None:
        return ""
    most = max(found[f"{RESIDUAL}, {kind}"].ci[1] or 0.0 for kind in nearer)
    share = PERCENT * most / (HALF * first.value)
    saved = [found[name] for kind in nearer if (name := comparison(TRIALS, kind, PRACTICE)) in found]
    if not saved or any(sign(entry) < 1 or (entry.ci[0] or 0.0) <= share for entry in saved):
        return ""
    return (
        f" The faster relearning stands by itself: the residual is at most {share:.2g} % of the way from the "
        "first deviation to half of it, less than the share of trials saved."
    )


def _networks(entries: Sequence[Quantity]) -> str:
    """How many networks the tests are of."""
    if not entries:
        return ""
    fewest, most = (pick(entry.networks for entry in entries) for pick in (min, max))
    return f"n = {fewest if fewest == most else f'{fewest} to {most}'} networks in every test."


def negative(directions: Sequence[int]) -> str:
    """Judge a finding that is the same if all measures are negative."""
    return NO if 1 in directions else YES if all(directions) else OPEN


@dataclass(frozen=True)
class Finding:
    """What was found in people, and which networks' tests would show the same.

    Attributes:
        text: In short.
        source: The study.
        kinds: Kinds of learning whose trials saved, against equal practice, are judged.
        judge: What their directions say.
        washed_out: Whether it is open as long as the washout of these kinds is incomplete.
    """

    text: str
    source: str
    kinds: tuple[str, ...]
    judge: Callable[[Sequence[int]], str]
    washed_out: bool = False


PEOPLE: Final = (
    Finding(
        "savings without an explicit strategy", "Yin & Wei 2020, doi 10.1152/jn.00524.2019",
        (ABRUPT, GRADUAL), positive,
    ),
    Finding(
        "implicit adaptation is weaker the second time; savings come from strategy alone",
        "Avraham et al. 2021, doi 10.1371/journal.pbio.3001147", (ABRUPT, GRADUAL), negative,
    ),
    Finding(
        "after gradual learning, an abrupt washout abolishes savings, which a gradual one, or one without "
        "feedback, does not", "Javidialsaadi et al. 2025, doi 10.1038/s41539-025-00352-z", (GRADUAL,), absent,
        washed_out=True,
    ),
)  # fmt: skip


def beside_people(numbers: Sequence[Quantity]) -> str:
    """Return findings in people with the verdicts of the networks' corrected tests, as Markdown."""
    found = {entry.name: entry for entry in numbers}
    rows = []
    for finding in PEOPLE:
        names = {kind: comparison(TRIALS, kind, PRACTICE) for kind in finding.kinds}
        its = {kind: found[name] for kind, name in names.items() if name in found}
        cells = "; ".join(f"{kind}: {cell(entry)}" for kind, entry in its.items())
        verdict = finding.judge([sign(entry) for entry in its.values()]) if its else OPEN
        left = [found[name] for kind in finding.kinds if (name := f"{RESIDUAL}, {kind}") in found]
        if finding.washed_out and any(side_of_interval(entry) for entry in left):
            verdict = UNDECIDED
        rows.append((finding.text, finding.source, cells or MISSING, verdict))
    headings = ("in people", "source", "networks: trials saved, against equal practice", "same direction?")
    return markdown_table(headings, rows)


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
