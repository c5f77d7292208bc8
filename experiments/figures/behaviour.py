"""Behaviour over the four phases: learning curves, hand paths, speed, and the numbers that they give."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from experiments.drawing import style as look
from experiments.drawing.curves import learning_curves
from experiments.drawing.hand_paths import hand_paths
from experiments.figures.comparison import beside_study
from experiments.figures.kit import Found
from experiments.runs.tables import NO_INTERVAL
from experiments.savings.experiment import GOAL_DISTANCE
from experiments.stored.probes import learned_field, probe_stored
from experiments.stored.runs import Runs
from experiments.study import (
    AFTER_EFFECT,
    BATCHES,
    PEAK_SPEED,
    RESIDUAL,
    Quantity,
    curve,
    position_loss,
    quantity,
)
from savings_gym.arrays import MM, Floats
from savings_gym.fields import NullField
from savings_gym.metrics.curves import PhaseCurves, phase_curves
from savings_gym.metrics.kinematics import hand_speed
from savings_gym.metrics.savings import final_deviation
from savings_gym.metrics.statistics import Sampling, estimate
from savings_gym.task.schedule import PHASES
from savings_gym.task.settings import CONTROL_STEP, N_TARGETS, PROBE_GO

if TYPE_CHECKING:
    import pandas as pd


POSITION = 1e3  # weight of the position term in the study's loss
LOSS_BATCHES = (100, 500, 3200)  # of FF1 and FF2, where the study prints it
SPEED_AT = ("NF1", "FF1")  # the phases whose speed is drawn, each in its own field


def behaviour(runs: Runs, out: Path) -> Found:
    """Learning curves, hand paths and speed of the main run; after-effect, residual, loss of position."""
    curves, sampling = phase_curves(runs.table(runs.main)), Sampling(runs.seed)
    peak = final_deviation(phase_curves(runs.table(runs.main), "peak_speed")["NF1"])
    speed = _probe_ends(runs)
    residual = final_deviation(curves["NF1"]) - final_deviation(curves["NF2"])
    quantities = [
        *(_at_batch(curves[phase], phase, batch, sampling) for phase in ("FF1", "FF2") for batch in BATCHES),
        quantity(AFTER_EFFECT, estimate(curves["NF2"].deviation[:, 0], sampling), "mm", MM),
        quantity(RESIDUAL, estimate(residual, sampling), "mm", MM),
        quantity(PEAK_SPEED, estimate(peak, sampling), "m/s", test=False, note="mean at the end of NF1"),
        *_position_losses(runs.table(runs.main), sampling),
    ]
    figures = []
    with look.house_style():
        drawings = {
            "behaviour_curves.png": learning_curves({phase: curves[phase] for phase in PHASES}),
            "behaviour_paths.png": hand_paths(runs.main / "paths.nc"),
            "behaviour_speed.png": _speed_figure(speed),
        }
        for name, figure in drawings.items():
            if figure is not None:
                figures.append(look.save_png(figure, out / name))
    table = {"Behaviour beside the study": beside_study(quantities)}
    return Found(quantities, table, figures, _text(quantities)).save(out, "behaviour")


def _at_batch(curves: PhaseCurves, phase: str, batch: int, sampling: Sampling) -> Quantity:
    """Deviation at one batch of a curve; no value where the phase is shorter or was not probed there."""
    at = np.flatnonzero(curves.trials == batch * N_TARGETS)
    name, last = curve(phase, batch), int(curves.trials[-1]) // N_TARGETS
    if not at.size:
        note = f"{phase} has no probe there, it lasts {last} batches"
        return Quantity(name, None, NO_INTERVAL, curves.networks.size, "mm", note=note)
    return quantity(name, estimate(curves.deviation[:, at[0]], sampling), "mm", MM, test=False)


def _probe_ends(runs: Runs) -> dict[str, Floats]:
    """Speed of every phase's networks in its own field, (n, T + 1) [m/s]."""
    curl = learned_field(runs, runs.main)
    fields = {phase: curl if phase.startswith("FF") else NullField() for phase in PHASES}
    speed = {}
    for phase, (trajectory, reaches) in probe_stored(runs, runs.main, fields).items():
        path = trajectory.path(reaches.start)
        speed[phase] = np.asarray(hand_speed(path, CONTROL_STEP).mean(axis=1), dtype=np.float64)
    return speed


def _position_losses(table: pd.DataFrame, sampling: Sampling) -> list[Quantity]:
    """Weighted position loss where the study prints it: batches of FF1 and FF2, ends of NF1 and NF2."""
    if GOAL_DISTANCE not in table:
        return []  # a run of before that was kept
    table, found = table[np.isfinite(table[GOAL_DISTANCE])], []
    for phase, course in phase_curves(table, GOAL_DISTANCE).items():
        last = int(course.trials[-1]) // N_TARGETS
        for batch in LOSS_BATCHES if phase.startswith("FF") else (None,):
            name = position_loss(phase, batch)
            at = np.flatnonzero(course.trials == (last if batch is None else batch) * N_TARGETS)
            if at.size:
                values = POSITION * course.deviation[:, at[0]]
                note = f"after {last} batches" if batch is None else ""
                found.append(quantity(name, estimate(values, sampling), "1", test=False, note=note))
            else:
                note = f"{phase} has no probe there, it lasts {last} batches"
                found.append(Quantity(name, None, NO_INTERVAL, course.networks.size, "1", note=note))
    return found


def _speed_figure(speed: dict[str, Floats]) -> Figure:
    """Mean speed of the hand over the trial at the end of phases, each in its own field."""
    figure = look.new_figure(2.2)
    axes = figure.subplots()
    time: Floats = CONTROL_STEP * np.arange(next(iter(speed.values())).shape[1], dtype=np.float64)
    axes.axvline(PROBE_GO, color=look.QUIET, linewidth=0.6, zorder=1)
    axes.text(
        PROBE_GO + 0.005, 0.98, "go", transform=axes.get_xaxis_transform(), va="top", fontsize=look.SMALL
    )
    for phase in SPEED_AT:
        where = "in the field" if phase.startswith("FF") else "no field"
        look.draw_band(axes, time, speed[phase], look.PHASE_COLOUR[phase], f"end of {phase}, {where}")
    axes.set(xlabel="Time in the trial (s)", ylabel="Hand speed (m/s)", xlim=(0.4, time[-1]), ylim=(0, None))
    axes.legend(loc="upper right")
    return figure


def _text(quantities: list[Quantity]) -> str:
    """What after-effect and residual say, in a sentence each."""
    found = {entry.name: entry for entry in quantities}
    effect, residual = found[AFTER_EFFECT], found[RESIDUAL]
    low, high = residual.ci
    if low is None or high is None:
        washed = "with one network nothing can be said about the washout."
    elif low <= 0.0 <= high:
        washed = (
            f"no difference between the ends of NF1 and NF2 can be told from 0 ({low:.2f} to {high:.2f} mm)."
        )
    else:
        washed = f"washout is not complete: NF1 and NF2 end {abs(residual.value or 0.0):.2f} mm apart."
    return f"NF2 starts at {effect.value:.1f} mm, the after-effect; {washed}"
