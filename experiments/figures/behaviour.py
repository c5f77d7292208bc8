"""Behaviour over the four phases: learning curves, hand paths, speed, and the numbers behind them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from experiments.drawing import style as look
from experiments.drawing.curves import learning_curves
from experiments.drawing.hand_paths import hand_paths
from experiments.figures.comparison import further_numbers
from experiments.figures.findings import Findings, correct, effect, p_text
from experiments.runs.tables import NO_INTERVAL, format_value
from experiments.savings.experiment import GOAL_DISTANCE
from experiments.stored.probes import learned_field, probe_stored
from experiments.stored.runs import StoredRuns
from experiments.study import (
    AFTER_EFFECT,
    BATCHES,
    LOSS_WINDOW,
    PEAK_SPEED,
    RESIDUAL,
    Quantity,
    curve,
    position_loss,
    quantity,
)
from savings_gym.arrays import MM, Columns, Floats
from savings_gym.metrics.curves import PhaseCurves, phase_curves
from savings_gym.metrics.kinematics import hand_speed
from savings_gym.metrics.savings import final_deviation
from savings_gym.metrics.statistics import Sampling
from savings_gym.perturbations.fields import NullField
from savings_gym.task.schedule import PHASES
from savings_gym.task.settings import CONTROL_STEP, N_TARGETS, PROBE_GO

if TYPE_CHECKING:
    import pandas as pd


POSITION_WEIGHT = 1e3  # of the position term in the study's loss
LOSS_BATCHES = (100, 500, 3200)  # of FF1 and FF2, for which the study prints it
SPEED_PHASES = ("NF1", "FF1")  # phases whose speed is drawn, each in its own field


def behaviour(runs: StoredRuns, out: Path) -> Findings:
    """Learning curves, hand paths and speed of the main run; after-effect, residual and position loss."""
    table, sampling = runs.table(runs.main), Sampling(runs.seed)
    curves = phase_curves(table)
    peak = final_deviation(phase_curves(table, "peak_speed")["NF1"])
    residual = final_deviation(curves["NF1"]) - final_deviation(curves["NF2"])
    quantities = [
        *(_at_batch(curves[phase], phase, batch, sampling) for phase in ("FF1", "FF2") for batch in BATCHES),
        quantity(AFTER_EFFECT, curves["NF2"].deviation[:, 0], "mm", sampling, scale=MM),
        quantity(RESIDUAL, residual, "mm", sampling, scale=MM),
        quantity(PEAK_SPEED, peak, "m/s", sampling, test=False, note="mean at the end of NF1"),
        *position_losses(table, sampling),
    ]
    quantities = correct(quantities, (AFTER_EFFECT, RESIDUAL))
    pictures = []
    with look.house_style():
        drawings = {
            "behaviour_curves.png": learning_curves({phase: curves[phase] for phase in PHASES}),
            "behaviour_paths.png": hand_paths(runs.main / "paths.nc"),
            "behaviour_speed.png": _speed_figure(_speed_in_own_field(runs)),
        }
        for name, figure in drawings.items():
            if figure is not None:
                pictures.append(look.save_picture(figure, out / name))
    tables = further_numbers("Behaviour: further numbers", quantities)
    networks: Columns = {
        "network": curves["NF1"].networks,
        **{f"start of {phase} (mm)": MM * curves[phase].deviation[:, 0] for phase in PHASES},
        **{f"end of {phase} (mm)": MM * final_deviation(curves[phase]) for phase in PHASES},
    }
    return Findings(quantities, tables, pictures, _text(quantities), networks)


def _at_batch(curves: PhaseCurves, phase: str, batch: int, sampling: Sampling) -> Quantity:
    """Deviation at one batch of a curve; no value if the phase is shorter or was not probed there."""
    at = np.flatnonzero(curves.trials == batch * N_TARGETS)
    name, last = curve(phase, batch), int(curves.trials[-1]) // N_TARGETS
    if not at.size:
        note = f"{phase} has no probe there, it lasts {last} batches"
        return Quantity(name, None, NO_INTERVAL, curves.networks.size, "mm", note=note)
    return quantity(name, curves.deviation[:, at[0]], "mm", sampling, scale=MM, test=False)


def _speed_in_own_field(runs: StoredRuns) -> dict[str, Floats]:
    """Speed of every phase's networks in its own field, (n, T + 1) [m/s]."""
    curl = learned_field(runs, runs.main)
    fields = {phase: curl if phase.startswith("FF") else NullField() for phase in PHASES}
    speed = {}
    for phase, (trajectory, reaches) in probe_stored(runs, runs.main, fields).items():
        path = trajectory.path(reaches.start)
        speed[phase] = np.asarray(hand_speed(path, CONTROL_STEP).mean(axis=1), dtype=np.float64)
    return speed


def position_losses(table: pd.DataFrame, sampling: Sampling) -> list[Quantity]:
    """Return the weighted position loss as the study prints it.

    In FF1 and FF2 that is the mean of the last `LOSS_WINDOW` tests before a batch; of NF1 and NF2 the last
    test alone.

    Args:
        table: Probe table; without distances to the goal there are no losses.
        sampling: Of the intervals.
    """
    if GOAL_DISTANCE not in table:
        return []
    losses = []
    for phase, curves in phase_curves(table[np.isfinite(table[GOAL_DISTANCE])], GOAL_DISTANCE).items():
        batches, last = curves.trials // N_TARGETS, int(curves.trials[-1]) // N_TARGETS
        for batch in LOSS_BATCHES if phase.startswith("FF") else (None,):
            name = position_loss(phase, batch)
            if batch is None:
                tests, note = batches == last, f"last test, after {last} batches"
            else:
                tests = (batches >= batch - LOSS_WINDOW) & (batches < batch)
                note = f"mean of {tests.sum()} tests before the batch"
            if batch is None or batch <= last:
                values = POSITION_WEIGHT * curves.deviation[:, tests].mean(axis=1)
                losses.append(quantity(name, values, "1", sampling, test=False, note=note))
            else:
                note = f"{phase} lasts {last} batches"
                losses.append(Quantity(name, None, NO_INTERVAL, curves.networks.size, "1", note=note))
    return losses


def _speed_figure(speed: dict[str, Floats]) -> Figure:
    """Mean speed of the hand over the trial at the end of phases, each in its own field."""
    figure = look.new_figure(2.2)
    axes = figure.subplots()
    time: Floats = CONTROL_STEP * np.arange(next(iter(speed.values())).shape[1], dtype=np.float64)
    look.mark_times(axes, {"go": PROBE_GO})
    for phase in SPEED_PHASES:
        where = "in the field" if phase.startswith("FF") else "no field"
        label, line = f"end of {phase}, {where}", look.PHASE_LINE[phase]
        look.draw_band(axes, time, speed[phase], look.PHASE_COLOUR[phase], label, line)
    axes.set(xlabel="Time in the trial (s)", ylabel="Hand speed (m/s)", xlim=(0.4, time[-1]), ylim=(0, None))
    axes.legend(loc="upper right")
    return figure


def _text(quantities: list[Quantity]) -> str:
    """After-effect and residual, in a sentence each."""
    by_name = {entry.name: entry for entry in quantities}
    after, residual = by_name[AFTER_EFFECT], by_name[RESIDUAL]
    numbers = f"{format_value(residual.value, residual.ci, 'mm')}, {p_text(residual)}"
    if residual.p is None:
        washed = "with one network the washout cannot be tested"
    elif effect(residual):
        washed = f"washout is not complete: the ends of NF1 and NF2 differ ({numbers})"
    else:
        washed = f"the ends of NF1 and NF2 do not measurably differ ({numbers})"
    return f"NF2 starts at {format_value(after.value, after.ci, 'mm')}, the after-effect; {washed}."
