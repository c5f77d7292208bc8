"""Trajectories of activity in the four phases, what the read-out sees of the shift, and the memory trace.

Formulas are in `savings_gym.activity.subspaces`, `.latent`, `.output_null` and `.memory_trace`.

The drawing of `experiments.figures.latent`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.drawing import style as look
from experiments.figures.kit import Found
from experiments.runs.tables import NO_INTERVAL, markdown_table, shown
from experiments.stored.preparation import PREPARATORY_TIME, Preparation, preparation
from experiments.stored.probes import Trace, stored_trace
from experiments.stored.runs import Runs
from experiments.study import Quantity, quantity
from savings_gym.activity.subspaces import (
    chance_alignment,
    output_split,
    phase_alignment,
    phase_trajectories,
    random_alignment,
    trajectory_distance,
)
from savings_gym.arrays import Floats
from savings_gym.metrics.statistics import Sampling, estimate
from savings_gym.task.schedule import PHASES

LEVEL: Final = 0.05
COMPONENTS: Final = 10  # of subspaces and of the read-out of velocity
DRAWN: Final = 3  # components of the trajectories that are drawn
NULL_DRAWS: Final = 50  # random subspaces a network
LATER: Final = ("FF1", "NF2", "FF2")
CM = 100.0
SEEN = "share of the shift that the read-out sees"
TRACE, SHAM_TRACE, BEYOND_SHAM = (
    "memory trace, NF2 - NF1",
    "memory trace of the sham control",
    "memory trace beyond the sham",
)
MOVED = "progress of the hands themselves, NF2 - NF1"
FIT, FIT_NEXT = "fit of the velocity read-out, FF1", "its fit in FF2"


@dataclass(frozen=True, eq=False)
class Latent:
    """What activity does in the four phases, of n networks.

    Attributes:
        paths: Phase to (n, 8, time, `DRAWN`) trajectories in the subspace of all phases.
        distance: Phase to (n, time) distance from NF1, mean over targets.
        tuning: (n, time) distance of a target's activity from the mean of all targets in NF1: the yardstick.
        alignment: Phase to (n,) alignment with the subspace of NF1.
        random: Phase to (n,) the same with random subspaces of the dimensions that activity uses.
        chance: Phase to (n,) the same with random subspaces of all dimensions.
        seen: What to (n,) output-potent share of its square length, NaN where it has none.
        trace: Memory trace.
        preparation: Of the networks.
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


def latent(runs: Runs, out: Path) -> Found:
    """Trajectories, alignment, output-null shift and memory trace of the main run."""
    sampling, result = Sampling(runs.seed), latent_measures(runs, runs.main)
    quantities = [*_trajectory_quantities(result, sampling), *_shift_quantities(result, sampling)]
    with look.house_style():
        path = look.save_png(latent_figure(result), out / "latent.png")
    tables = {"Latent measures": _table(quantities)}
    return Found(quantities, tables, [path], _text(quantities)).save(out, "latent")


def latent_measures(runs: Runs, run: Path) -> Latent:
    """All latent measures of a run."""
    found = preparation(runs.activity(run))
    trials = found.trials
    samples = {phase: x.reshape(len(x), -1, x.shape[-1]) for phase, x in trials.items()}
    pooled = np.concatenate(list(samples.values()), axis=1)[:, :: len(samples)]
    most = min(COMPONENTS, found.shift.vector.shape[-1])
    null = {p: random_alignment(samples[p], pooled, most, NULL_DRAWS, runs.seed).mean(axis=0) for p in LATER}
    centred = trials["NF1"] - trials["NF1"].mean(axis=1, keepdims=True)
    return Latent(
        paths=phase_trajectories(trials, min(DRAWN, most)),
        distance={p: x.mean(axis=1) for p, x in trajectory_distance(trials).items()},
        tuning=np.linalg.norm(centred, axis=-1).mean(axis=1),
        alignment={p: x for p, x in phase_alignment(trials, most).items() if p in LATER},
        random=null,
        chance={p: chance_alignment(samples[p], most) for p in LATER},
        seen=_seen(runs, run, found),
        trace=stored_trace(runs, run, found, most),
        preparation=found,
    )


def _seen(runs: Runs, run: Path, found: Preparation) -> dict[str, Floats]:
    """Output-potent share of the square length of the shift and of other activity, each (n,)."""
    weights = runs.ensembles(run)["NF1"].readout_weight.detach().double().cpu().numpy()
    now, trials = found.activity["NF1"], found.trials["NF1"]
    moves = {
        "the shift": found.shift.vector[:, None],
        "what NF2 keeps": (found.activity["NF2"] - now).mean(axis=1, keepdims=True),
        "differences between targets at the preparatory time": now - now.mean(axis=1, keepdims=True),
        "all activity of the trial": (trials - trials.mean(axis=(1, 2), keepdims=True)).reshape(
            len(trials), -1, trials.shape[-1]
        ),
    }
    shares = {}
    for name, x in moves.items():
        potent = output_split(x, weights).potent
        length = np.sum(x**2, axis=(1, 2))
        shares[name] = np.divide(
            np.sum(potent**2, axis=(1, 2)), length, out=np.full_like(length, np.nan), where=length > 0.0
        )
    rank = np.linalg.matrix_rank(weights)
    return {**shares, "a random direction": rank / weights.shape[-1]}


def _trajectory_quantities(result: Latent, sampling: Sampling) -> list[Quantity]:
    """Distance from NF1 before go and in the movement, and alignment with its nulls."""
    found, rows = result.preparation, []
    go = int(np.searchsorted(found.time, found.seen - 1e-9))
    spans = {"before go": slice(go - 20, go), "in the movement": slice(go, None)}
    for phase in LATER:
        for name, span in spans.items():
            ratio = result.distance[phase][:, span].mean(axis=1) / result.tuning[:, span].mean(axis=1)
            what = f"distance of {phase} from NF1 {name}, in units of the tuning to targets"
            rows.append(quantity(what, estimate(ratio, sampling), "1", test=False))
    for phase in LATER:
        null = f"random subspaces of the dimensions used: {result.random[phase].mean():.3f}, of all: " + (
            f"{result.chance[phase].mean():.3f}"
        )
        name = f"alignment of {phase} with NF1, {COMPONENTS} components"
        rows.append(quantity(name, estimate(result.alignment[phase], sampling), "1", test=False, note=null))
    return rows


def _shift_quantities(result: Latent, sampling: Sampling) -> list[Quantity]:
    """What the read-out sees, and the memory trace."""
    n, trace = result.preparation.networks, result.trace
    rows = []
    for name, share in result.seen.items():
        what = SEEN if name == "the shift" else f"share of {name} that the read-out sees"
        shares = np.broadcast_to(share, (n,))
        if np.all(np.isfinite(shares)):
            rows.append(quantity(what, estimate(shares, sampling), "1", test=False))
        else:
            rows.append(Quantity(what, None, NO_INTERVAL, n, "1", note="there is none"))
    traces = {TRACE: trace.trace, MOVED: trace.moved}
    if trace.sham is not None:
        traces |= {SHAM_TRACE: trace.sham, BEYOND_SHAM: trace.trace[: trace.sham.size] - trace.sham}
    return [
        *rows,
        *(quantity(name, estimate(x, sampling), "cm/s", CM) for name, x in traces.items()),
        quantity("progress of NF1 through the read-out of FF1", estimate(trace.before, sampling), "cm/s", CM),
        quantity(FIT, estimate(trace.fit, sampling), "1", test=False, note=f"R2, {COMPONENTS} components"),
        quantity(FIT_NEXT, estimate(trace.fit_next, sampling), "1", test=False, note="R2 without refitting"),
    ]


def _table(quantities: list[Quantity]) -> str:
    rows = []
    for entry in quantities:
        p = "-" if entry.p is None else f"{entry.p:.2g}"
        rows.append(
            (entry.name, shown(entry.value, entry.ci, entry.unit), p, str(entry.networks), entry.note)
        )
    return markdown_table(("quantity", "ours, with 95 % interval", "p", "networks", "note"), rows)


def _text(quantities: list[Quantity]) -> str:
    """What the read-out sees of the shift, and whether there is a memory trace."""
    found = {entry.name: entry for entry in quantities}
    seen, trace, fit = found[SEEN], found[TRACE], found[FIT]
    random = found["share of a random direction that the read-out sees"]
    beyond = ""
    if BEYOND_SHAM in found:
        sham, more = found[SHAM_TRACE], found[BEYOND_SHAM]
        beyond = (
            f" Networks that never met the field have {shown(sham.value, sham.ci, sham.unit)}; what "
            f"the field leaves beyond that {_sign(more)} ({shown(more.value, more.ci, more.unit)})."
        )
    return (
        f"The read-out sees {shown(seen.value, seen.ci)} of the shift's square length, against "
        f"{shown(random.value)} of a random direction's. The memory trace {_sign(trace)} "
        f"({shown(trace.value, trace.ci, trace.unit)}), with a read-out that explains {shown(fit.value)} of "
        f"the velocity it was fitted to.{beyond}"
    )


def _sign(found: Quantity) -> str:
    """On which side of 0 a number is, in words, by its t test."""
    if found.p is None or found.value is None:
        return "cannot be told from one network"
    if found.p >= LEVEL:
        return "cannot be told from 0"
    return "is positive" if found.value > 0.0 else "is negative"


EXAMPLE = 0
SHOWN = (0, 4)  # targets whose trajectories are drawn, on opposite sides


def latent_figure(result: Latent) -> Figure:
    """Trajectories of one network, distance from NF1, alignment, and what the read-out sees."""
    figure = look.new_figure(5.0, gap=0.05)
    (paths, distance), (alignment, seen) = figure.subplots(2, 2)
    _paths(paths, result)
    _distance(distance, result)
    _alignment(alignment, result)
    _seen_panel(seen, result)
    return figure


def _paths(axes: Axes, result: Latent) -> None:
    """First two components of one network's activity towards two targets, every phase."""
    found = result.preparation
    start, go = (int(np.searchsorted(found.time, t - 1e-9)) for t in (PREPARATORY_TIME, found.seen))
    for phase in PHASES:
        for target in SHOWN:
            path = result.paths[phase][EXAMPLE, target, start:, :2]
            label = phase if target == SHOWN[0] else None
            axes.plot(*path.T, color=look.PHASE_COLOUR[phase], linewidth=0.9, label=label, zorder=2)
            axes.plot(*path[go - 1 - start], "o", color=look.PHASE_COLOUR[phase], markersize=3.0, zorder=3)
    axes.set(xlabel="First component", ylabel="Second component")
    axes.set_title(f"Network {EXAMPLE}, targets at 0° and 180° (dot: go is seen)", loc="left")
    axes.legend(loc="best", ncols=2)


def _distance(axes: Axes, result: Latent) -> None:
    """Distance of later phases from NF1, beside how far targets are from each other."""
    found = result.preparation
    time = found.time
    axes.plot(time, result.tuning.mean(axis=0), color=look.INK, linewidth=0.9, linestyle=(0, (4, 3)),
              label="targets from their mean, NF1")  # fmt: skip
    for phase in LATER:
        look.draw_band(axes, time, result.distance[phase], look.PHASE_COLOUR[phase], f"{phase} from NF1")
    for x in (PREPARATORY_TIME, found.go, found.seen):
        axes.axvline(x, color=look.QUIET, linewidth=0.6, zorder=0)
    axes.set(xlabel="Time in the trial (s)", ylabel="Distance", xlim=(time[0], time[-1]))
    axes.set_ylim(0.0, 1.45 * float(result.tuning.mean(axis=0).max()))
    axes.legend(loc="upper left", ncols=2)


def _alignment(axes: Axes, result: Latent) -> None:
    """Alignment with NF1's subspace, and with random subspaces."""
    for x, phase in enumerate(LATER):
        _dots(axes, float(x), result.alignment[phase], look.PHASE_COLOUR[phase])
        for level, style, name in (
            (result.random[phase], (0, (4, 2)), "random subspaces of the dimensions used"),
            (result.chance[phase], (0, (1, 1.5)), "random subspaces of all dimensions"),
        ):
            axes.plot(
                [x - 0.3, x + 0.45], [level.mean()] * 2, color=look.INK, linewidth=0.9, linestyle=style,
                label=name if x == 0 else None,
            )  # fmt: skip
    axes.set(xticks=range(len(LATER)), xticklabels=LATER, ylabel="Alignment with NF1", ylim=(0.0, 1.05))
    axes.legend(loc="center", bbox_to_anchor=(0.5, 0.55))


def _seen_panel(axes: Axes, result: Latent) -> None:
    """Share of the square length that the read-out sees."""
    n = result.preparation.networks
    names = {
        "the shift": "the\nshift", "what NF2 keeps": "what NF2\nkeeps",
        "differences between targets at the preparatory time": "targets,\nprepared",
        "all activity of the trial": "whole\ntrial",
    }  # fmt: skip
    for x, name in enumerate(names):
        _dots(axes, float(x), np.broadcast_to(result.seen[name], (n,)), "#0072b2")
    chance = float(np.mean(result.seen["a random direction"]))
    axes.axhline(chance, color=look.INK, linewidth=0.9, linestyle=(0, (1, 1.5)), label="a random direction")
    axes.set(
        xticks=range(len(names)), xticklabels=list(names.values()), ylabel="Share that the read-out sees",
        ylim=(0.0, None),
    )  # fmt: skip
    axes.legend(loc="best")


def _dots(axes: Axes, x: float, values: Floats, colour: str) -> None:
    """A dot a network, and beside them the mean with its 95 % interval."""
    axes.scatter(np.full(values.shape, x), values, s=9.0, color=colour, linewidths=0.0, zorder=3)
    mean, low, high = look.t_interval(values)
    axes.plot([x + 0.17, x + 0.17], [low, high], color=colour, linewidth=1.5, zorder=3)
    axes.plot(x + 0.17, mean, "s", color=colour, markersize=4.0, zorder=4)
