"""What the integrator of the arm does to the numbers: the study's explicit Euler beside MuJoCo's.

The study's arm makes one step of explicit Euler per control step of 10 ms, which adds energy to a hand that
turns in a curl field; ours makes five of MuJoCo's semi-implicit Euler, of 2 ms. Networks that were trained
with ours are probed with both, without learning.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from matplotlib.figure import Figure

from agents.supervised.losses import goal_distance
from agents.supervised.reaches import centre_out, centre_out_targets
from agents.supervised.rollout import plain_rollout, scored_path
from agents.supervised.torch_arm import ArmState, TorchArm
from experiments.claims import size_of
from experiments.drawing import style as look
from experiments.figures.behaviour import POSITION_WEIGHT
from experiments.figures.findings import Findings, correct, effect, p_text
from experiments.runs.tables import format_value, markdown_table
from experiments.stored.probes import PROBE_STREAM, learned_field
from experiments.stored.runs import StoredRuns
from experiments.study import Quantity, quantity
from savings_gym.arrays import MM, Columns, Floats
from savings_gym.metrics.kinematics import lateral_deviation
from savings_gym.metrics.savings import field_side
from savings_gym.metrics.statistics import Sampling
from savings_gym.perturbations.fields import Field, NullField
from savings_gym.task.settings import CONTROL_STEP, Delays, Noise

OURS, FINER, STUDY = ARMS = (
    "MuJoCo's Euler, 2 ms", "explicit Euler, 2 ms", "explicit Euler, 10 ms (the study)",
)  # fmt: skip
STEPS: Final = {FINER: 5, STUDY: 1}  # of explicit Euler in a control step
FF1, FF2, SAVED, LOSS = MEASURES = (
    "initial deviation FF1", "initial deviation FF2", "initial savings", "position loss, end of NF1",
)  # fmt: skip
UNIT: Final = {FF1: "mm", FF2: "mm", SAVED: "mm", LOSS: "1"}
SCALE: Final = {FF1: MM, FF2: MM, SAVED: MM, LOSS: POSITION_WEIGHT}


class EulerArm(TorchArm):
    """The arm with explicit Euler: every state moves by its rate at the beginning of the step.

    Args:
        steps: Steps in a control step.
        arguments: Those of `TorchArm`.
    """

    def __init__(self, steps: int, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.substeps, self.timestep = steps, CONTROL_STEP / steps

    def physics_step(
        self, state: ArmState, excitation: torch.Tensor, field: tuple[torch.Tensor, ...]
    ) -> ArmState:
        """Make one step, see `TorchArm.physics_step`."""
        later = super().physics_step(state, excitation, field)
        return ArmState(state.q + self.timestep * state.v, later.v, later.activation)


def integrator(runs: StoredRuns, out: Path) -> Findings:
    """First encounters with the field, savings and position loss of the main run under other integrators."""
    found = {name: measured(runs, runs.main, name) for name in ARMS}
    sampling = Sampling(runs.seed)
    quantities = [
        quantity(f"{measure}, {arm}", its[measure], UNIT[measure], sampling, scale=SCALE[measure], test=False)
        for arm, its in found.items()
        for measure in MEASURES
    ]
    quantities += [
        quantity(
            added(measure, arm), found[arm][measure] - found[OURS][measure], UNIT[measure], sampling,
            scale=SCALE[measure],
        )
        for arm in STEPS
        for measure in MEASURES
    ]  # fmt: skip
    quantities = correct(quantities, [added(measure, STUDY) for measure in MEASURES])
    by_name = {entry.name: entry for entry in quantities}
    with look.house_style():
        picture = look.save_picture(integrator_figure(found), out / "integrator.png")
    columns: Columns = {"network": runs.networks(runs.main)}
    for arm, its in found.items():
        for measure in MEASURES:
            unit = " (mm)" if UNIT[measure] == "mm" else ""
            columns[f"{measure}, {arm}{unit}"] = SCALE[measure] * its[measure]
    return Findings(quantities, {"Integrators": _table(by_name)}, [picture], _text(by_name), columns)


def added(measure: str, arm: str) -> str:
    """Return the name of what an integrator adds to a measure."""
    return f"{measure}, added by {arm}"


def measured(runs: StoredRuns, run: Path, name: str) -> dict[str, Floats]:
    """Return the measures of a run's networks with one of `ARMS`, one value per network, in SI units."""
    field, targets = learned_field(runs, run), centre_out_targets()
    paths = {FF1: _probe(runs, run, name, "NF1", field)[0], FF2: _probe(runs, run, name, "NF2", field)[0]}
    deviation = {later: lateral_deviation(path, targets).mean(axis=1) for later, path in paths.items()}
    _, distance = _probe(runs, run, name, "NF1", NullField())
    side = field_side(deviation[FF1])
    first, second = side * deviation[FF1], side * deviation[FF2]
    return {FF1: first, FF2: second, SAVED: first - second, LOSS: distance}


def _probe(runs: StoredRuns, run: Path, name: str, phase: str, field: Field) -> tuple[Floats, Floats]:
    """Probe networks at the end of a phase; return paths (n, 8, T + 1, 2) and distances to the goal (n,)."""
    arguments, ensemble = runs.arguments(run), runs.ensembles(run)[phase]
    rng = np.random.default_rng((runs.seed, PROBE_STREAM))
    noise, delays = Noise(**arguments["noise"]), Delays(**arguments["delays"])
    reaches = centre_out(ensemble.networks, field, rng, probe=True, noise=noise, delays=delays)
    about = {"dtype": ensemble.initial.dtype, "actuation": arguments.get("actuation", "muscle")}
    arm = TorchArm(**about) if name == OURS else EulerArm(STEPS[name], **about)
    with torch.no_grad():
        trajectory = plain_rollout(ensemble, arm, reaches)
        distance = goal_distance(trajectory, reaches).double().cpu().numpy().mean(axis=1)
    return scored_path(trajectory, reaches), distance


def _table(by_name: Mapping[str, Quantity]) -> str:
    rows = []
    for measure in MEASURES:
        entries = [by_name[f"{measure}, {arm}"] for arm in ARMS] + [
            by_name[added(measure, arm)] for arm in STEPS
        ]
        rows.append((measure, *(format_value(entry.value, entry.ci, entry.unit) for entry in entries)))
    return markdown_table(("measure", *ARMS, *(f"added by {arm}" for arm in STEPS)), rows)


def _text(by_name: Mapping[str, Quantity]) -> str:
    """What the study's integrator adds."""
    parts = []
    for measure in MEASURES:
        entry = by_name[added(measure, STUDY)]
        words = {1: "raises", 0: "is not shown to change", -1: "lowers"}[effect(entry)]
        number = size_of(entry) if effect(entry) else format_value(entry.value, entry.ci, entry.unit)
        by = f" by {number} ({p_text(entry)})" if effect(entry) else f" ({number}, {p_text(entry)})"
        parts.append(f"{words} {measure}{by}")
    return f"The study's integrator alone, with the same networks, {'; '.join(parts)}."


def integrator_figure(found: Mapping[str, Mapping[str, Floats]]) -> Figure:
    """Draw the measures of every network with each integrator."""
    figure = look.new_figure(2.7, gap=0.03)
    panels = figure.subplots(1, len(MEASURES))
    colours = dict(zip(ARMS, (look.OURS, look.THIRD, look.SECOND), strict=True))
    for axes, measure in zip(panels, MEASURES, strict=True):
        for place, (arm, its) in enumerate(found.items()):
            look.draw_dots(axes, float(place), SCALE[measure] * its[measure], colours[arm])
        unit = " (mm)" if UNIT[measure] == "mm" else ""
        axes.set(ylabel=f"{measure[0].upper()}{measure[1:]}{unit}", xlim=(-0.5, len(found) - 0.4), xticks=[])
    for arm, colour in colours.items():
        panels[0].plot([], [], "s", color=colour, markersize=4.0, label=arm)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    look.letter_panels(panels)
    return figure
