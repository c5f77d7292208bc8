"""Force on the walls of a channel at the end of every phase, against what would cancel the field."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from agents.supervised.reaches import centre_out_targets
from experiments.drawing import style as look
from experiments.figures.comparison import beside_study
from experiments.figures.kit import Found
from experiments.stored.probes import learned_field, probe_stored
from experiments.stored.runs import Runs
from experiments.study import Quantity, quantity
from savings_gym.arrays import Floats
from savings_gym.fields import ChannelField
from savings_gym.metrics.channel import channel_result, velocity_matrix
from savings_gym.metrics.statistics import Sampling, estimate
from savings_gym.task.schedule import PHASES
from savings_gym.task.settings import CONTROL_STEP, N_TARGETS, PROBE_GO

FROM = 0.4  # s, start of the profiles as drawn
NOTE = "The study's published channel is viscous only, so that it has no number to compare with."


@dataclass(frozen=True, eq=False)
class ChannelForce:
    """Reaches of n networks between the walls of a channel, means over the 8 targets.

    Attributes:
        slope: (n,) of the force on the ideal force, regressed through the origin over the movement; 1 is all
            of the field.
        across: (n, T) force of the hand on the walls, positive to the right of the reach [N].
        ideal: (n, T) the same of a hand that cancels the field at the speed it had [N].
    """

    slope: Floats
    across: Floats
    ideal: Floats


def channel_force(runs: Runs, run: Path) -> dict[str, ChannelForce]:
    """Force in the channel of the networks at the end of every phase, without learning."""
    walls, field = ChannelField(), learned_field(runs, run)
    found = {}
    for phase, (trajectory, reaches) in probe_stored(runs, run, walls).items():
        n = trajectory.hand.shape[0]
        series = (trajectory.hand, trajectory.velocity)
        hand, velocity = (
            x.double().cpu().numpy().swapaxes(1, 2).reshape(n * N_TARGETS, -1, 2) for x in series
        )
        start = reaches.start.double().cpu().numpy().reshape(-1, 2)
        target = np.tile(centre_out_targets(), (n, 1))
        result = channel_result(hand, velocity, start, target, velocity_matrix(field), walls, PROBE_GO)
        slope, across, ideal = (
            values.reshape(n, N_TARGETS, -1).mean(axis=1)
            for values in (result.adaptation, result.across, result.ideal)
        )
        found[phase] = ChannelForce(slope[:, 0], across, ideal)
    return found


def channel(runs: Runs, out: Path) -> Found:
    """Profiles of the channel force and its share of the ideal, at the end of every phase of the main run."""
    found, sampling = channel_force(runs, runs.main), Sampling(runs.seed)
    quantities = [
        quantity(
            f"channel force, end of {phase}", estimate(100.0 * found[phase].slope, sampling), "%", test=False
        )
        for phase in PHASES
    ]
    for later, earlier in (("NF2", "NF1"), ("FF2", "FF1")):
        change = estimate(100.0 * (found[later].slope - found[earlier].slope), sampling)
        quantities.append(quantity(f"channel force, {later} - {earlier}", change, "%"))
    with look.house_style():
        figure = look.new_figure(2.6, gap=0.03)
        *profiles, dots = figure.subplots(1, 5, width_ratios=[1.0, 1.0, 1.0, 1.0, 1.3])
        top = max(float(np.abs(force.ideal.mean(axis=0)).max()) for force in found.values())
        for axes, phase in zip(profiles, PHASES, strict=True):
            _profile(axes, phase, found[phase], top, first=axes is profiles[0])
        profiles[0].set_ylabel("Force across the reach (N)")
        _slopes(dots, found)
        figure.supxlabel("Time in the trial (s)", fontsize=look.STYLE["axes.labelsize"], x=0.4)
        path = look.save_png(figure, out / "channel.png")
    table = {"Share of the field that networks compensate in a channel": beside_study(quantities)}
    return Found(quantities, table, [path], _text(quantities)).save(out, "channel")


def _profile(axes: Axes, phase: str, force: ChannelForce, top: float, *, first: bool) -> None:
    """Force over the trial, and the ideal as a dashed line."""
    steps = force.across.shape[1]
    time: Floats = CONTROL_STEP * np.arange(1, steps + 1, dtype=np.float64)
    shown = time >= FROM
    axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
    dashes = {"color": look.INK, "linewidth": 0.9, "linestyle": (0, (4, 3)), "zorder": 5}
    axes.plot(time[shown], force.ideal.mean(axis=0)[shown], label="ideal", **dashes)  # type: ignore[arg-type]
    look.draw_band(axes, time[shown], force.across[:, shown], look.PHASE_COLOUR[phase], "measured")
    sign = np.sign(force.ideal.mean()) or 1.0
    axes.set(xlim=(FROM, time[-1]), ylim=sorted((-0.25 * sign * top, 1.5 * sign * top)))
    axes.set_title(f"end of {phase}", color=look.PHASE_COLOUR[phase], loc="left", fontweight="bold")
    axes.tick_params(axis="y", left=first, labelleft=first)
    axes.spines["left"].set_visible(first)
    if first:
        axes.legend(loc="upper right" if sign > 0 else "lower right", borderaxespad=0.1)


def _slopes(axes: Axes, found: dict[str, ChannelForce]) -> None:
    """Share of the field of every network, and mean with its 95 % interval."""
    shares = 100.0 * np.stack([found[phase].slope for phase in PHASES])
    axes.axhline(100.0, color=look.INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
    axes.plot(range(len(PHASES)), shares, color=look.QUIET, linewidth=0.5, alpha=0.6, zorder=2)
    for at, (phase, values) in enumerate(zip(PHASES, shares, strict=True)):
        colour = look.PHASE_COLOUR[phase]
        axes.scatter(np.full(values.size, at), values, s=9.0, color=colour, linewidths=0.0, zorder=3)
        mean, low, high = look.t_interval(values)
        axes.plot([at + 0.25, at + 0.25], [low, high], color=colour, linewidth=1.5, zorder=3)
        axes.plot(at + 0.25, mean, "s", color=colour, markersize=4.0, zorder=4)
    axes.set(xticks=range(len(PHASES)), xticklabels=PHASES, xlim=(-0.4, len(PHASES) - 0.4))
    axes.set_ylabel("Share of the ideal force (%)")
    axes.set_title("mean, 95 % interval", loc="left", fontsize=look.SMALL)


def _text(quantities: list[Quantity]) -> str:
    """What is compensated at the end of the phases."""
    share = {entry.name: entry for entry in quantities}
    ends = ", ".join(
        f"{share[f'channel force, end of {phase}'].value:.0f} % after {phase}" for phase in PHASES
    )
    left = share["channel force, NF2 - NF1"]
    low, high = left.ci
    words = f"NF2 keeps {left.value:+.1f} points over NF1"
    words += "" if low is None or high is None else f" ({low:.1f} to {high:.1f})"
    return (
        f"In a channel, networks push with {ends} of the force that would cancel the field; {words}. {NOTE}"
    )
