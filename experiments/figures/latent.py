"""Trajectories of activity in the four phases, what reaches the muscles of the shift, and the memory trace.

The read-out to the muscles is the output layer of a network; the memory trace is read by a linear map from
activity to hand velocity, fitted in FF1. Formulas are in `savings_gym.activity.subspaces` and
`savings_gym.activity.memory_trace`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.drawing import style as look
from experiments.figures.comparison import further_numbers
from experiments.figures.findings import (
    TESTED_BY_PRACTICE,
    Findings,
    correct,
    effect,
    finite,
    p_text,
)
from experiments.runs.tables import NO_INTERVAL, format_value
from experiments.stored.memory_trace import Trace, stored_trace
from experiments.stored.preparation import PREPARATORY_TIME, Preparation, preparation
from experiments.stored.runs import StoredRuns
from experiments.study import Quantity, quantity
from savings_gym.activity.subspaces import (
    chance_alignment,
    output_split,
    phase_alignment,
    phase_trajectories,
    random_alignment,
    trajectory_distance,
)
from savings_gym.arrays import Columns, Floats
from savings_gym.metrics.statistics import Sampling
from savings_gym.task.schedule import PHASES

COMPONENTS: Final = 10  # of subspaces and of the read-out of velocity
DRAWN: Final = 3  # components of the trajectories that are drawn
NULL_DRAWS: Final = 50  # random subspaces per network
BEFORE_GO: Final = 20  # control steps before go is seen whose distance counts as before go
LATER: Final = ("FF1", "NF2", "FF2")
CM: Final = 100.0
THE_SHIFT, KEPT, TARGETS, WHOLE, RANDOM = (
    "the shift",
    "what NF2 retains",
    "differences between targets at the preparatory time",
    "all activity of the trial",
    "a random direction",
)
READOUT: Final = "the read-out to the muscles"
MAP: Final = "the linear map from activity to hand velocity"
SEEN: Final = f"share of the shift that {READOUT} reads"
TRACE, SHAM_TRACE, BEYOND_SHAM = (
    "memory trace, NF2 - NF1",
    "memory trace of the sham",
    "memory trace beyond the sham",
)
MOVED = "progress of the hands themselves, NF2 - NF1"
BEFORE: Final = f"progress of NF1 through {MAP}, fitted in FF1"
FIT, FIT_NEXT = f"fit of {MAP}, FF1", f"fit of {MAP} of FF1, in FF2"
EXAMPLE = 0  # place of the network whose trajectories are drawn
OPPOSITE = (0, 4)  # targets to which they are drawn


@dataclass(frozen=True, eq=False)
class Latent:
    """Latent measures of the four phases, of n networks.

    Attributes:
        paths: Phase to (n, 8, time, `DRAWN`) trajectories in the subspace of all phases.
        distance: Phase to (n, time) distance from NF1, mean over targets.
        tuning: (n, time) distance of a target's activity from the mean of all targets in NF1: the yardstick.
        alignment: Phase to (n,) alignment with the subspace of NF1.
        random: Phase to (n,) the same with random subspaces of the dimensions that activity uses.
        chance: Phase to (n,) the same with random subspaces of all dimensions.
        seen: Name of some activity to the (n,) output-potent share of its squared length, NaN if it has none.
        trace: Memory trace.
        preparation: Preparation of the networks.
    """

    paths: dict[str, Floats]
    distance: dict[str, Floats]
    tuning: Floats
    alignment: dict[str, Floats]
    random: dict[str, Floats]
    chance: dict[str, Floats]
    seen: dict[str, Floats]
    trace: Trace
    preparation: Preparation


def latent(runs: StoredRuns, out: Path) -> Findings:
    """Trajectories, alignment, output-null shift and memory trace of the main run."""
    sampling, result = Sampling(runs.seed), latent_measures(runs, runs.main)
    quantities = [*_trajectory_quantities(result, sampling), *_shift_quantities(result, sampling)]
    quantities = correct(quantities, (TRACE, SHAM_TRACE))
    with look.house_style():
        picture = look.save_picture(latent_figure(result), out / "latent.png")
    tables = further_numbers("Latent measures", quantities)
    return Findings(quantities, tables, [picture], _text(quantities), _networks(result))


def latent_measures(runs: StoredRuns, run: Path) -> Latent:
    """Return all latent measures of a run."""
    prepared = preparation(runs.activity(run))
    trials = prepared.trials
    samples = {phase: x.reshape(len(x), -1, x.shape[-1]) for phase, x in trials.items()}
    pooled = np.concatenate(list(samples.values()), axis=1)[:, :: len(samples)]
    most = min(COMPONENTS, prepared.shift.vector.shape[-1])
    null = {p: random_alignment(samples[p], pooled, most, NULL_DRAWS, runs.seed).mean(axis=0) for p in LATER}
    centred = trials["NF1"] - trials["NF1"].mean(axis=1, keepdims=True)
    return Latent(
        paths=phase_trajectories(trials, min(DRAWN, most)),
        distance={p: x.mean(axis=1) for p, x in trajectory_distance(trials).items()},
        tuning=np.linalg.norm(centred, axis=-1).mean(axis=1),
        alignment={p: x for p, x in phase_alignment(trials, most).items() if p in LATER},
        random=null,
        chance={p: chance_alignment(samples[p], most) for p in LATER},
        seen=_seen(runs, run, prepared),
        trace=stored_trace(runs, run, prepared, most),
        preparation=prepared,
    )


def _seen(runs: StoredRuns, run: Path, prepared: Preparation) -> dict[str, Floats]:
    """Output-potent share of the squared length of the shift and of other activity, each (n,)."""
    weights = runs.ensembles(run)["NF1"].readout_weight.detach().double().cpu().numpy()
    now, trials = prepared.activity["NF1"], prepared.trials["NF1"]
    activity = {
        THE_SHIFT: prepared.shift.vector[:, None],
        KEPT: (prepared.activity["NF2"] - now).mean(axis=1, keepdims=True),
        TARGETS: now - now.mean(axis=1, keepdims=True),
        WHOLE: (trials - trials.mean(axis=(1, 2), keepdims=True)).reshape(len(trials), -1, trials.shape[-1]),
    }
    shares = {}
    for name, x in activity.items():
        potent = output_split(x, weights).potent
        length = np.sum(x**2, axis=(1, 2))
        shares[name] = np.divide(
            np.sum(potent**2, axis=(1, 2)), length, out=np.full_like(length, np.nan), where=length > 0.0
        )
    rank = np.linalg.matrix_rank(weights)
    return {**shares, RANDOM: np.broadcast_to(rank / weights.shape[-1], (len(now),))}


def _trajectory_quantities(result: Latent, sampling: Sampling) -> list[Quantity]:
    """Distance from NF1 before go and in the movement, and alignment with its null distributions."""
    prepared, quantities = result.preparation, []
    go = int(np.searchsorted(prepared.time, prepared.seen - 1e-9))
    spans = {"before go": slice(go - BEFORE_GO, go), "in the movement": slice(go, None)}
    for phase in LATER:
        for name, span in spans.items():
            ratio = result.distance[phase][:, span].mean(axis=1) / result.tuning[:, span].mean(axis=1)
            label = f"distance of {phase} from NF1 {name}, in units of the tuning to targets"
            quantities.append(quantity(label, ratio, "1", sampling, test=False))
    for phase in LATER:
        null = (
            f"random subspaces of the dimensions used: {result.random[phase].mean():.3f}, of all dimensions: "
            f"{result.chance[phase].mean():.3f}"
        )
        label = f"alignment of {phase} with NF1, {COMPONENTS} components"
        quantities.append(quantity(label, result.alignment[phase], "1", sampling, test=False, note=null))
    return quantities


def read_share(name: str) -> str:
    """Return the name of the share of some activity that the read-out to the muscles reads."""
    return f"share of {name} that {READOUT} reads"


def _shift_quantities(result: Latent, sampling: Sampling) -> list[Quantity]:
    """What the read-out to the muscles reads, and the memory trace."""
    trace, quantities = result.trace, []
    for name, shares in result.seen.items():
        if np.all(np.isfinite(shares)):
            quantities.append(quantity(read_share(name), shares, "1", sampling, test=False))
        else:
            note = "there is none"
            quantities.append(Quantity(read_share(name), None, NO_INTERVAL, shares.size, "1", note=note))

    def speed(name: str, values: Floats, *, test: bool = True, note: str = "") -> Quantity:
        return quantity(name, values, "cm/s", sampling, scale=CM, test=test, note=note)

    beyond = []
    if trace.sham is not None:
        left = finite(trace.trace - trace.sham)
        beyond.append(speed(SHAM_TRACE, finite(trace.sham)))
        beyond.append(speed(BEYOND_SHAM, left, test=False, note=TESTED_BY_PRACTICE))
    note = f"R2, {COMPONENTS} components"
    return [
        *quantities,
        speed(TRACE, trace.trace),
        speed(MOVED, trace.moved),
        *beyond,
        speed(BEFORE, trace.before),
        quantity(FIT, trace.fit, "1", sampling, test=False, note=note),
        quantity(FIT_NEXT, trace.fit_next, "1", sampling, test=False, note="R2 without refitting"),
    ]


def _networks(result: Latent) -> Columns:
    """Values of every network; NaN for networks that the sham lacks."""
    columns: Columns = {
        "network": result.preparation.numbers, SEEN: result.seen[THE_SHIFT],
        f"{TRACE} (cm/s)": CM * result.trace.trace,
        **{f"alignment of {phase} with NF1": values for phase, values in result.alignment.items()},
    }  # fmt: skip
    if result.trace.sham is not None:
        columns[f"{SHAM_TRACE} (cm/s)"] = CM * result.trace.sham
    return columns


def _text(quantities: list[Quantity]) -> str:
    """What reaches the muscles of the shift, and whether there is a memory trace."""
    by_name = {entry.name: entry for entry in quantities}
    seen, trace, fit = by_name[SEEN], by_name[TRACE], by_name[FIT]
    text = (
        f"{READOUT[0].upper()}{READOUT[1:]} reads {format_value(seen.value, seen.ci)} of the shift's squared "
        f"length, against {format_value(by_name[read_share(RANDOM)].value)} of a random direction's. The "
        f"memory trace {_sign(trace)}; {MAP}, which reads it, explains {100.0 * (fit.value or 0.0):.0f} % "
        "of the variance of the velocity to which it was fitted."
    )
    if BEYOND_SHAM not in by_name:
        return text
    beyond = by_name[BEYOND_SHAM]
    return (
        f"{text} The trace of networks that never met the field {_sign(by_name[SHAM_TRACE])}; the field "
        f"leaves {format_value(beyond.value, beyond.ci, beyond.unit)} beyond that, {TESTED_BY_PRACTICE}."
    )


def _sign(entry: Quantity) -> str:
    """On which side of 0 a number lies, in words, by its t test."""
    if entry.p is None:
        return "cannot be tested with one network"
    words = {1: "is positive", 0: "does not measurably differ from 0", -1: "is negative"}[effect(entry)]
    return f"{words} ({format_value(entry.value, entry.ci, entry.unit)}, {p_text(entry)})"


def latent_figure(result: Latent) -> Figure:
    """Draw trajectories of one network, distance from NF1, alignment, and what the read-out reads."""
    figure = look.new_figure(5.4, gap=0.05)
    panels = figure.subplots(2, 2)
    (paths, distance), (alignment, seen) = panels
    _paths(paths, result)
    _distance(distance, result)
    _alignment(alignment, result)
    _read_shares(seen, result)
    handles = [
        Line2D([], [], color=look.PHASE_COLOUR[phase], linestyle=look.PHASE_LINE[phase], label=phase)
        for phase in PHASES
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=4, borderaxespad=0.2)
    look.letter_panels(panels.flat)
    return figure


def _paths(axes: Axes, result: Latent) -> None:
    """First two components of one network's activity towards two targets, every phase."""
    prepared = result.preparation
    start, go = (int(np.searchsorted(prepared.time, t - 1e-9)) for t in (PREPARATORY_TIME, prepared.seen))
    for phase in PHASES:
        colour = look.PHASE_COLOUR[phase]
        for target in OPPOSITE:
            path = result.paths[phase][EXAMPLE, target, start:, :2]
            axes.plot(*path.T, color=colour, linewidth=0.9, linestyle=look.PHASE_LINE[phase], zorder=2)
            axes.plot(*path[go - 1 - start], look.PHASE_MARKER[phase], color=colour, markersize=4.0, zorder=3)
    axes.set(xlabel="First component", ylabel="Second component")
    title = f"Network {prepared.numbers[EXAMPLE]}, targets at 0° and 180° (marks: go is seen)"
    axes.set_title(title, fontsize=look.SMALL)


def _distance(axes: Axes, result: Latent) -> None:
    """Distance of later phases from NF1, beside the distance between targets."""
    prepared = result.preparation
    time = prepared.time
    tuning = result.tuning.mean(axis=0)
    axes.plot(time, tuning, color=look.QUIET, linewidth=1.2, linestyle=look.DOTTED)
    axes.annotate(
        "targets from\ntheir mean, NF1", (PREPARATORY_TIME, np.interp(PREPARATORY_TIME, time, tuning)),
        (3.0, 4.0), textcoords="offset points", ha="left", va="bottom", fontsize=look.SMALL,
    )  # fmt: skip
    for phase in LATER:
        look.draw_band(
            axes, time, result.distance[phase], look.PHASE_COLOUR[phase], line=look.PHASE_LINE[phase]
        )
    look.mark_times(axes, prepared.events)
    axes.set(xlabel="Time in the trial (s)", ylabel="Distance from NF1", xlim=(time[0], time[-1]))
    axes.set_ylim(0.0, None)


def _alignment(axes: Axes, result: Latent) -> None:
    """Alignment with NF1's subspace, and with random subspaces."""
    for x, phase in enumerate(LATER):
        look.draw_dots(axes, x, result.alignment[phase], look.PHASE_COLOUR[phase], look.PHASE_MARKER[phase])
        for level, style in ((result.random[phase], look.DASHED), (result.chance[phase], look.DOTTED)):
            axes.plot([x - 0.3, x + 0.45], [level.mean()] * 2, color=look.INK, linewidth=1.0, linestyle=style)
    for level, text, side in (
        (result.random["NF2"], "random subspaces of the dimensions used", "top"),
        (result.chance["NF2"], "random subspaces of all dimensions", "bottom"),
    ):
        axes.annotate(
            text, (1.0, level.mean()), (0.0, -3.0 if side == "top" else 3.0), textcoords="offset points",
            ha="center", va=side, fontsize=look.SMALL,
        )  # fmt: skip
    axes.set(xticks=range(len(LATER)), xticklabels=LATER, ylabel="Alignment with NF1", ylim=(0.0, 1.05))


def _read_shares(axes: Axes, result: Latent) -> None:
    """Share of the squared length that the read-out to the muscles reads."""
    names = {
        THE_SHIFT: "the\nshift",
        KEPT: "what NF2\nretains",
        TARGETS: "targets,\nprepared",
        WHOLE: "whole\ntrial",
    }
    for x, name in enumerate(names):
        look.draw_dots(axes, x, result.seen[name], look.OURS)
    chance = float(np.mean(result.seen[RANDOM]))
    axes.axhline(chance, color=look.INK, linewidth=1.0, linestyle=look.DOTTED, zorder=1)
    axes.set(
        xticks=range(len(names)), xticklabels=list(names.values()), ylabel="Share that the read-out reads",
        xlim=(-0.5, len(names) - 0.3), ylim=(0.0, None),
    )  # fmt: skip
    axes.annotate(
        "a random direction", (len(names) - 0.3, chance), (0.0, -3.0), textcoords="offset points", ha="right",
        va="top", fontsize=look.SMALL,
    )  # fmt: skip
