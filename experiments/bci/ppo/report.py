"""The page of the experiment: what the tests say, one figure, one table, and what every row means."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from experiments.bci.measures import (
    END,
    ERROR,
    KEPT,
    LEARNED,
    PERTURBED,
    RESIDUAL,
    SAVED_ALL,
    SAVED_FIRST,
    TRACE,
    TRACE_BEYOND,
    TRACE_SHAM,
)
from experiments.bci.ppo.config import BciPpo
from experiments.bci.ppo.course import CONDITIONS, SHAM
from experiments.bci.ppo.measures import (
    ASIDE,
    BEFORE,
    FASTER,
    GROUP,
    RESIDUAL_BEYOND,
    RESIDUAL_SHAM,
    UNITS,
    Curves,
)
from experiments.bci.report import meanings
from experiments.claims import bold_means, cell, number, side_of_interval, sign, size_of
from experiments.drawing import style as look
from experiments.runs.tables import grouped, markdown_table
from experiments.study import Quantity
from savings_gym.arrays import MM, Floats

FIGURE: Final = "bci_ppo.png"
Found = Mapping[str, Quantity]


def page(numbers: Mapping[str, Found], config: BciPpo, command: str) -> str:
    """Return the page as Markdown.

    Args:
        numbers: What `quantities` returned; measures that it lacks have no row.
        config: The arguments.
        command: The command line.
    """
    found = numbers[GROUP]
    what = meanings("agent") | {
        BEFORE: "distance of the cursor from the target at the end of the trial, mean over targets and the "
        f"last {END} probes of NF1.",
        RESIDUAL_SHAM: "the same of the sham, which goes on practising the intuitive decoder.",
        RESIDUAL_BEYOND: f"perturbed agents minus shams, mean of the last {END} probes of NF2.",
        FASTER: "in the last probe of NF2, perturbed agents minus shams.",
        ASIDE: "signed deviation from the line to the target, positive to the right, mean over targets of "
        "the last probe of NF2, perturbed agents minus shams.",
    }
    rows = [(measure, cell(entry)) for measure, entry in found.items()]
    definitions = "\n".join(f"- *{measure}* ({UNITS[measure][0]}): {what[measure]}" for measure in found)
    return f"""# Brain-computer interface: a reinforcement learner

The actions of an agent are the activity of {config.units} units, which moves a cursor through a linear
decoder. The agent learns by PPO from rewards: nothing tells it the decoder, or that it has changed. The
phases are an intuitive decoder (NF1), one that turns the cursor by {config.angle:g}° (FF1), the intuitive one
again (NF2, the washout) and the rotated one again (FF2). Command: `{command}`

## In short

{in_short(found)}

![Errors over the phases, savings and memory traces]({FIGURE})

{caption(config)}

## Methods

{config.agents} agents, each with its own sham. The intuitive decoder is a population vector: every unit
pushes the cursor in its own direction, evenly spread. PPO is that of `agents.ppo.plain_ppo`: a policy without
memory, of two layers of {config.ppo.units} units, learning rate {config.ppo.learning_rate:g}, an update after
one trial of each of {config.cursors} cursors. NF1 has {grouped(config.nf1_trials)} trials, FF1
{grouped(config.ff1_trials)}, NF2 {grouped(config.nf2_trials)} and FF2 {grouped(config.ff2_trials)}. A probe
is one reach to each of 8 targets, without exploration, every {config.probe_every} trials. At the end of NF1
every agent is copied; the copy, its *sham*, practises the intuitive decoder in FF1, with the same trials and
noise. From then on the noise on actions is fixed, so that FF1 and FF2 are explored alike.

{bold_means("the three tests: savings and the trace beyond the sham").replace("networks", "agents")}

{markdown_table(("measure", "value"), rows)}

{definitions}

## Where a trace can be

The rotated decoder reads the same two dimensions of activity as the intuitive one. So a trace cannot lie in
activity that leaves the cursor unmoved, as it can if decoders read different dimensions (Losey et al. 2024,
doi 10.1016/j.cub.2024.03.003, and the networks of `python -m experiments.bci`). Whatever activity keeps of
the rotated decoder shows in the movement of the cursor; what else is kept is in the weights. Speed shows in
progress, too: through the rotated decoder, a straight movement makes progress at
{math.cos(math.radians(config.angle)):.2g} of its speed, so a slower cursor makes less of it, whatever
activity has kept.

Those networks learn by gradients that know the decoder, which reorders their activity. Here the decoder turns
the cursor, and the agent has to find that out from rewards. So the way of learning is not all that differs
between the two pages; their measures are the same.
"""


def in_short(found: Found) -> str:
    """Return what the tests say: learning, control after the washout, savings, and the trace."""
    control = (
        f"PPO learns to move the cursor to within {number(found[BEFORE])} of the target. The rotated "
        f"decoder raises the error to {number(found[PERTURBED])}, of which learning removes "
        f"{number(found[LEARNED])}."
    )
    return " ".join((control, _washout(found), _saved(found), _trace(found)))


def _washout(found: Found) -> str:
    """Whether control under the intuitive decoder is as it was, and as good as that of the sham."""
    residual, sham, beyond = (found[name] for name in (RESIDUAL, RESIDUAL_SHAM, RESIDUAL_BEYOND))
    if side_of_interval(residual) > 0 or side_of_interval(beyond) > 0:
        text = "The washout is not complete"
    elif side_of_interval(residual) < 0:
        text = "After the washout, control with the intuitive decoder is better than before"
    else:
        text = "After the washout, control with the intuitive decoder is not measurably different from before"
    text += (
        f": the error has changed by {number(residual)} since the end of NF1. That of the sham, which goes "
        f"on practising, has changed by {number(sham)}; beyond the sham, the error is {number(beyond)}."
    )
    if side_of_interval(residual) > 0 or side_of_interval(beyond) > 0:
        text += " So some of the savings may be what the washout has left."
    return text


def _trace(found: Found) -> str:
    """Whether activity in the washout holds a trace of the rotated decoder, if speed does not hide that."""
    trace, faster = found[TRACE_BEYOND], found[FASTER]
    speed, progress = side_of_interval(faster), sign(trace)
    if speed and progress in (0, speed):
        differs = {
            1: f"makes more progress through the rotated decoder than that of the sham, by {size_of(trace)}",
            -1: f"makes less progress through the rotated decoder than that of the sham, by {size_of(trace)}",
            0: "makes no measurably different progress through the rotated decoder from that of the sham "
            f"({number(trace)})",
        }[progress]
        return (
            f"At the end of the washout, activity {differs}. But the cursors are also "
            f"{'faster' if speed > 0 else 'slower'}, by {size_of(faster)} at the peak, and speed alone "
            "changes progress, so this says nothing about a trace of the rotated decoder."
        )
    if progress > 0:
        share = f", {number(found[KEPT])} of the progress that was learned" if KEPT in found else ""
        return f"Activity still holds a trace of the rotated decoder, {number(trace)} beyond the sham{share}."
    if progress < 0:
        return (
            "Activity shows no trace of the rotated decoder: it makes less progress through it than the "
            f"activity of the sham, by {size_of(trace)}; the peak speed of the cursor differs by "
            f"{number(faster)}."
        )
    return f"No trace of the rotated decoder is shown in the activity of the washout ({number(trace)})."


def _saved(found: Found) -> str:
    """Whether relearning starts nearer to the target, or is faster, than the sham's learning."""
    times = {SAVED_FIRST: "at first", SAVED_ALL: "on average over FF2"}
    shown = [f"{number(found[name])} {time}" for name, time in times.items() if sign(found[name]) > 0]
    open_ = [f"{number(found[name])} {time}" for name, time in times.items() if not sign(found[name]) > 0]
    if not shown:
        differs = f"the error is smaller than the sham's by {' and '.join(open_)}"
        return f"Savings beyond practice are not shown: {differs}."
    text = f"Relearning shows savings: the error is smaller than the sham's by {' and '.join(shown)}"
    return f"{text}; not shown: {' and '.join(open_)}." if open_ else f"{text}."


def caption(config: BciPpo) -> str:
    """Return what the panels show."""
    return (
        f"Means over {config.agents} agents; bands and bars are 95 % t intervals, dots agents. **a**, "
        "distance of the cursor from the target at the end of the trial, in probes, on a logarithmic axis; "
        "blue, with the rotated decoder in FF1; grey, the sham; shaded, FF1 and FF2. **b**, savings: the "
        "error of the sham minus that after an FF1 with it, in the first probe of FF2 and on average over "
        "FF2. **c**, memory trace of perturbed agents (blue) and of shams (grey)."
    )


def draw(curves: Curves, values: Mapping[str, Floats], config: BciPpo, out: Path) -> Path:
    """Draw errors, savings and memory traces."""
    with look.house_style():
        return look.save_picture(_figure(curves, values, config), out / FIGURE)


def _figure(curves: Curves, values: Mapping[str, Floats], config: BciPpo) -> Figure:
    figure = look.new_figure(2.6, gap=0.03)
    errors, savings, traces = panels = figure.subplots(1, 3, width_ratios=[3.0, 1.2, 1.2])
    _over_trials(errors, curves, config)
    for x, name in enumerate((SAVED_FIRST, SAVED_ALL)):
        look.draw_dots(savings, float(x), MM * values[name], look.OURS)
    savings.set(xticks=[0, 1], xticklabels=["first", "mean"], ylabel="Savings in FF2 (mm)")
    look.draw_dots(traces, 0.0, MM * values[TRACE_SHAM], look.QUIET)
    look.draw_dots(traces, 1.0, MM * values[TRACE], look.OURS)
    traces.set(xticks=[0, 1], xticklabels=["sham", "perturbed"], ylabel="Memory trace (mm/s)")
    for axes in (savings, traces):
        axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
        axes.set_xlim(-0.6, 1.7)
    look.letter_panels(panels)
    return figure


def _over_trials(axes: Axes, curves: Curves, config: BciPpo) -> None:
    """Draw agents and shams over all trials, with the perturbed phases shaded."""
    for condition in reversed(CONDITIONS):
        colour, label = (look.QUIET, "sham") if condition == SHAM else (look.OURS, "turned in FF1")
        first = 0
        for phase, errors in curves[ERROR][condition].items():
            count = config.trials(phase)
            trials = first + np.minimum(np.arange(errors.shape[1]) * config.probe_every, count).astype(float)
            if condition != SHAM and phase.startswith("FF"):
                axes.axvspan(first / 1000, (first + count) / 1000, color=look.FIELD_SHADE, zorder=0)
            look.draw_band(axes, trials / 1000, MM * errors, colour, label if first == 0 else None)
            first += count
    axes.set(xlabel="Trial (1000)", ylabel="Error (mm)", yscale="log")
    axes.legend(loc="lower left")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
