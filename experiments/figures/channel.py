"""Force on the walls of a channel at the end of every phase, beside the force that cancels the field."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from agents.supervised.rollout import wall_forces
from experiments.drawing import style as look
from experiments.figures.comparison import further_numbers
from experiments.figures.findings import Findings, correct, effect, p_text
from experiments.runs.tables import format_value
from experiments.stored.probes import learned_field, probe_stored
from experiments.stored.runs import StoredRuns
from experiments.study import Quantity, quantity
from savings_gym.arrays import Columns, Floats
from savings_gym.metrics.curves import shared_networks
from savings_gym.metrics.statistics import Sampling
from savings_gym.perturbations.fields import ChannelField
from savings_gym.task.schedule import PHASES
from savings_gym.task.settings import CONTROL_STEP, N_TARGETS

DRAWN_FROM = 0.4  # s
NOTE = "The study's published channel is viscous only, so there is not a number of its own to compare with."
CHANGES = (("NF2", "NF1"), ("FF2", "FF1"))  # later, earlier
BEYOND_SHAM = "channel force, end of NF2, beyond the sham"
POINTS = "percentage points"


@dataclass(frozen=True, eq=False)
class ChannelForce:
    """Reaches of n networks between the walls of a channel, means over the 8 targets.

    Attributes:
        slope: (n,) of the force on the ideal force, regressed through the origin over the movement; 1 cancels
            all of the field.
        across: (n, T) force of the hand on the walls, positive to the right of the reach [N].
        ideal: (n, T) force that would cancel the field at the speed of the hand [N].
    """

    slope: Floats
    across: Floats
    ideal: Floats


def channel_force(runs: StoredRuns, run: Path) -> dict[str, ChannelForce]:
    """Return the force in the channel of the networks at the end of every phase, without learning."""
    walls, field = ChannelField(), learned_field(runs, run)
    forces = {}
    for phase, (trajectory, reaches) in probe_stored(runs, run, walls).items():
        n = trajectory.hand.shape[0]
        result = wall_forces(trajectory, reaches, walls, field)
        slope, across, ideal = (
            values.reshape(n, N_TARGETS, -1).mean(axis=1)
            for values in (result.adaptation, result.across, result.ideal)
        )
        forces[phase] = ChannelForce(slope[:, 0], across, ideal)
    return forces


def channel(runs: StoredRuns, out: Path) -> Findings:
    """Profiles of the channel force and its share of the ideal force, at the end of every phase."""
    forces, sampling = channel_force(runs, runs.main), Sampling(runs.seed)
    numbers = runs.networks(runs.main)
    shares = {phase: 100.0 * forces[phase].slope for phase in PHASES}
    quantities = [
        *(quantity(end(phase), shares[phase], "%", sampling, test=False) for phase in PHASES),
        *(quantity(change(b, a), shares[b] - shares[a], POINTS, sampling) for b, a in CHANGES),
    ]
    claimed = change(*CHANGES[0])
    if runs.sham is not None:
        practised = 100.0 * channel_force(runs, runs.sham)["NF2"].slope
        ours, theirs = shared_networks(numbers, runs.networks(runs.sham))
        beyond = shares["NF2"][ours] - practised[theirs]
        quantities.append(quantity(BEYOND_SHAM, beyond, POINTS, sampling))
        claimed = BEYOND_SHAM
    quantities = correct(quantities, [claimed])
    with look.house_style():
        figure = look.new_figure(2.7, gap=0.03)
        *profiles, dots = figure.subplots(1, 5, width_ratios=[1.0, 1.0, 1.0, 1.0, 1.3])
        top = max(float(np.abs(force.ideal.mean(axis=0)).max()) for force in forces.values())
        for axes, phase in zip(profiles, PHASES, strict=True):
            _profile(axes, phase, forces[phase], top, first=axes is profiles[0])
        profiles[0].set_ylabel("Force across the reach (N)")
        _shares(dots, shares)
        look.letter_panels((profiles[0], dots))
        figure.supxlabel("Time in the trial (s)", fontsize=look.STYLE["axes.labelsize"], x=0.4)
        picture = look.save_picture(figure, out / "channel.png")
    tables = further_numbers("Share of the field that networks compensate in a channel", quantities)
    networks: Columns = {"network": numbers}
    networks |= {f"{end(phase)} (%)": shares[phase] for phase in PHASES}
    return Findings(quantities, tables, [picture], _text(quantities), networks)


def end(phase: str) -> str:
    """Return the name of the channel force at the end of a phase."""
    return f"channel force, end of {phase}"


def change(later: str, earlier: str) -> str:
    """Return the name of the change of the channel force between the ends of two phases."""
    return f"channel force, {later} - {earlier}"


def _profile(axes: Axes, phase: str, force: ChannelForce, top: float, *, first: bool) -> None:
    """Force over the trial, and the ideal force as a dashed line."""
    steps = force.across.shape[1]
    time: Floats = CONTROL_STEP * np.arange(1, steps + 1, dtype=np.float64)
    drawn = time >= DRAWN_FROM
    colour = look.PHASE_COLOUR[phase]
    axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
    axes.plot(
        time[drawn], force.ideal.mean(axis=0)[drawn], color=look.INK, linewidth=0.9, linestyle=look.DASHED,
        zorder=5, label="ideal",
    )  # fmt: skip
    look.draw_band(axes, time[drawn], force.across[:, drawn], colour, "measured")
    sign = np.sign(force.ideal.mean()) or 1.0
    axes.set(xlim=(DRAWN_FROM, time[-1]), ylim=sorted((-0.25 * sign * top, 1.5 * sign * top)))
    axes.set_title(f"end of {phase}", color=colour, loc="left", fontweight="bold")
    axes.tick_params(axis="y", left=first, labelleft=first)
    axes.spines["left"].set_visible(first)
    if first:
        axes.legend(loc="upper right" if sign > 0 else "lower right", borderaxespad=0.1)


def _shares(axes: Axes, shares: dict[str, Floats]) -> None:
    """Share of the field that every network compensates, and the mean with its interval."""
    axes.axhline(100.0, color=look.INK, linewidth=0.9, linestyle=look.DASHED, zorder=1)
    axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
    axes.plot(
        range(len(PHASES)), np.stack([shares[phase] for phase in PHASES]), color=look.QUIET, linewidth=0.5,
        alpha=0.6, zorder=2,
    )  # fmt: skip
    for at, phase in enumerate(PHASES):
        look.draw_dots(axes, at, shares[phase], look.PHASE_COLOUR[phase], look.PHASE_MARKER[phase], 0.27)
    axes.set(xticks=range(len(PHASES)), xticklabels=PHASES, xlim=(-0.4, len(PHASES) - 0.4))
    axes.set_ylabel("Share of the ideal force (%)")


def _text(quantities: list[Quantity]) -> str:
    """How much of the field is compensated at the end of the phases."""
    share = {entry.name: entry for entry in quantities}
    ends = ", ".join(f"{share[end(phase)].value:.0f} % after {phase}" for phase in PHASES)
    kept = share.get(BEYOND_SHAM, share[change(*CHANGES[0])])
    than = "before" if BEYOND_SHAM not in share else "networks that never met the field"
    numbers = f"{format_value(kept.value, kept.ci, POINTS)}, {p_text(kept)}"
    words = {
        1: f"After washout they still push more than {than}",
        0: f"After washout they do not measurably push more or less than {than}",
        -1: f"After washout they push less than {than}",
    }[effect(kept)]
    return (
        f"In a channel, networks push with this share of the force that would cancel the field: {ends}. "
        f"{words} ({numbers}). {NOTE}"
    )
