"""The page of the experiment: one table, one figure, and what the tests allow to say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.bci.config import SHAM, Bci
from experiments.bci.measures import CLAIMED, MEASURES, SAVED_ALL, TRACE, TRACE_SHAM, Curves
from experiments.claims import cell, stated
from experiments.drawing import style as look
from experiments.runs.tables import markdown_table
from experiments.study import Quantity
from savings_gym.arrays import MM, Floats
from savings_gym.bci.perturbations import KINDS

FIGURE: Final = "bci.png"


def page(numbers: Mapping[str, Mapping[str, Quantity]], config: Bci, command: str, fit: float) -> str:
    """Return the page as Markdown.

    Args:
        numbers: What `quantities` returned.
        config: The arguments.
        command: The command line.
        fit: Mean R² of the calibrated decoders.
    """
    rows = [(measure, *(cell(found[measure]) for found in numbers.values())) for measure in MEASURES]
    table = markdown_table(("measure", *numbers), rows)
    return f"""# Brain-computer interface: perturbed decoders

The activity of all {config.units} units of a recurrent network moves a cursor through a linear decoder,
which was calibrated from {config.factors} factors of the activity (R² {fit:.2f}). The phases are intuitive
(NF1), perturbed (FF1), intuitive (NF2, the washout) and perturbed again (FF2); the perturbed decoder permutes
factors (within the manifold) or units (outside it), after Sadtler et al. (2014). Command: `{command}`

{config.networks} networks, each in every condition. Means over networks with 95 % t intervals; p values of
t tests, corrected (Holm) for all tests of the table. A sham practises the intuitive decoder in FF1, with the
same trials. The error is the distance of the cursor from the target at the end of the trial. Progress is the
velocity towards the target that activity makes through the perturbed decoder; the memory trace is that of
NF2, under the intuitive decoder, less that of NF1 (Losey et al. 2024).

![Errors over the phases, savings and memory traces]({FIGURE})

{table}

{sentences(numbers)}

In monkeys, activity under the familiar decoder was more apt for a new one after that had been learned than
before, and control under the familiar decoder stayed proficient (Losey et al. 2024). Perturbations within the
manifold were learned within a day, those outside it hardly (Sadtler et al. 2014). The networks here learn by
gradients through time, which know the decoder; what they find easy says nothing about what a brain, which has
to find out, finds easy.
"""


def sentences(numbers: Mapping[str, Mapping[str, Quantity]]) -> str:
    """Return one sentence per kind of perturbation: which of the claimed effects its tests show."""
    return "\n".join(
        f"- {kind.capitalize()} the manifold. {stated(numbers[kind], CLAIMED)}" for kind in KINDS
    )


def draw(curves: Curves, values: Mapping[str, Mapping[str, Floats]], config: Bci, out: Path) -> Path:
    """Draw the errors of each kind and its sham, savings and memory traces."""
    with look.house_style():
        return look.save_picture(_figure(curves, values, config), out / FIGURE)


def _figure(curves: Curves, values: Mapping[str, Mapping[str, Floats]], config: Bci) -> Figure:
    figure = look.new_figure(2.6, gap=0.03)
    panels = figure.subplots(1, 4, width_ratios=[1.7, 1.7, 1.1, 1.1])
    for axes, kind in zip(panels[:2], KINDS, strict=True):
        _over_updates(axes, curves, kind, config)
        axes.set_title(f"{kind.capitalize()} the manifold", loc="left")
    panels[1].sharey(panels[0])
    panels[0].set_ylabel("Error (mm)")
    for x, kind in enumerate(KINDS):
        look.draw_dots(panels[2], float(x), MM * values[kind][SAVED_ALL], look.OURS)
        look.draw_dots(panels[3], x - 0.2, MM * values[kind][TRACE_SHAM], look.QUIET)
        look.draw_dots(panels[3], x + 0.2, MM * values[kind][TRACE], look.OURS)
    for axes, label in ((panels[2], "Savings (mm)"), (panels[3], "Memory trace (mm/s)")):
        axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
        axes.set(xlim=(-0.6, 1.7), xticks=[0, 1], xticklabels=KINDS, ylabel=label)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2, borderaxespad=0.2)
    look.letter_panels(panels.flat)
    return figure


def _over_updates(axes: Axes, curves: Curves, kind: str, config: Bci) -> None:
    """Draw a condition and its sham over all updates, with the perturbed phases shaded."""
    for condition, colour, label in ((SHAM[kind], look.QUIET, "sham"), (kind, look.OURS, "perturbed in FF1")):
        first = 0
        for phase, errors in curves[condition].items():
            count = config.updates(phase)
            updates = first + np.minimum(np.arange(errors.shape[1]) * config.probe_every, count).astype(float)
            if condition == kind and phase.startswith("FF"):
                axes.axvspan(first, first + count, color=look.FIELD_SHADE, zorder=0)
            look.draw_band(axes, updates, MM * errors, colour, label if first == 0 else None)
            first += count
    axes.set_xlabel("Update")
