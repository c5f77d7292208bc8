"""Why a displacement of preparatory activity fades or stays: the linearised loop of network and arm.

In networks at the end of washout that hold the hand at the start, the Jacobian of a control step tells how
fast a displacement decays, and along which directions it stays. The figure sets that beside what becomes of
displacements in probes, and beside the slope of each network.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from agents.supervised.closed_loop import SLOW, ClosedLoop, linearise
from agents.supervised.torch_arm import TorchArm
from experiments.drawing import style as look
from experiments.figures.comparison import further_numbers
from experiments.figures.findings import Findings, correct, effect, farthest, geometric_mean, p_text
from experiments.runs.tables import format_value, listed
from experiments.stored.preparation import PREPARATORY_TIME, Preparation, preparation, step_at
from experiments.stored.probes import DisplacedProbes
from experiments.stored.runs import StoredRuns
from experiments.study import DISPLACEMENTS, REFERENCE, SLOPE, Quantity, quantity
from savings_gym.activity.displacement import random_orthogonal
from savings_gym.arrays import MM, Columns, Floats, Indices
from savings_gym.metrics.statistics import Sampling, correlation
from savings_gym.task.settings import CONTROL_STEP, N_TARGETS

DRAWS: Final = 8  # random directions
SHOWN: Final = (0, N_TARGETS // 2)  # targets that are shown in the holds that are linearised
SHIFT, RANDOM, FORCE = DIRECTIONS = ("shift", "random direction", "force axis")
PHRASE: Final = {SHIFT: "the shift", RANDOM: "a random direction", FORCE: "a force axis"}
COLOUR: Final = {SHIFT: look.SECOND, RANDOM: "#868686", FORCE: look.OURS}
SLOWEST: Final = "decay rate of a network's slowest mode"
SECOND_SLOWEST: Final = "decay rate of a network's second slowest mode"
SLOW_MODES: Final = f"modes of network and arm slower than {SLOW:g} s"
LEFT: Final = "left of a displacement when the cue is seen"
SLOPE_LEFT: Final = "rank correlation of the displacement slope with what is left of the shift"
SIZE_LEFT: Final = "rank correlation of the slope's magnitude with what is left of the shift"
LEFT_SHARE: Final = "rank correlation of what is left of the shift with its share in slow modes"
LEFT_SLOWEST: Final = "rank correlation of what is left of the shift with the slowest decay rate"
WITHOUT_STEEPEST: Final = ", without the steepest network"


RELATIONS: Final = (SLOPE_LEFT, SIZE_LEFT, LEFT_SHARE, LEFT_SLOWEST)


@dataclass(frozen=True, eq=False)
class Persistence:
    """What becomes of displacements of activity in n networks that hold the hand.

    Everything is a mean over targets (`SHOWN`; all 8 in probes), and over the displacements of one direction.

    Attributes:
        eigenvalues: (n, units) of each network with its input unchanged, target 0.
        slowest: (n, 2) decay rates of the two slowest modes of the networks with their input unchanged [1/s].
        slow_modes: (n,) number of modes of network and arm slower than `SLOW`.
        slow_share: Direction to the share of a displacement that lies in them, (n,).
        predicted: Direction to the share of a displacement left after 0, 1, ... control steps, (n, steps):
            powers of the Jacobian.
        simulated: The share left after 1, 2, ... control steps in probes, (n, steps): at the end of the step
            before which activity is displaced, and of those after it.
        slope: (n,) of the initial deviation against displacements at the preparatory time [m per shift].
        drift: (n,) relative change of activity in the control step that is linearised.
        preparation: Preparation of the networks.
    """

    eigenvalues: NDArray[Any]
    slowest: Floats
    slow_modes: Floats
    slow_share: dict[str, Floats]
    predicted: dict[str, Floats]
    simulated: dict[str, Floats]
    slope: Floats
    drift: Floats
    preparation: Preparation

    @property
    def waited(self) -> int:
        """Control steps from that before which activity is displaced to the last before the cue is seen."""
        return round((self.preparation.seen - PREPARATORY_TIME) / CONTROL_STEP) - 1


def persistence(runs: StoredRuns, out: Path) -> Findings:
    """Time constants of the main run's networks after washout, and what is left of displaced activity."""
    result = measure(runs, runs.main)
    quantities = correct(_quantities(result, Sampling(runs.seed)), RELATIONS)
    with look.house_style():
        picture = look.save_picture(persistence_figure(result), out / "persistence.png")
    networks: Columns = {
        "network": result.preparation.numbers,
        f"{SLOWEST} (1/s)": result.slowest[:, 0],
        SLOW_MODES: result.slow_modes,
        f"{SLOPE} (mm per unit of shift)": MM * result.slope,
    }
    networks |= {f"share in slow modes, {name}": share for name, share in result.slow_share.items()}
    networks |= {f"share left, {name}": left[:, result.waited] for name, left in result.simulated.items()}
    tables = further_numbers("Persistence of a displacement", quantities)
    return Findings(quantities, tables, [picture], _text(quantities), networks)


def measure(runs: StoredRuns, run: Path) -> Persistence:
    """Linearise the networks of a run at the end of NF2, and displace them at the preparatory time."""
    prepared, probes = preparation(runs.activity(run)), DisplacedProbes.of_run(runs, run)
    shift, axes = prepared.shift.vector, prepared.axes.axes
    draws = [random_orthogonal(shift, seed=DRAWS * runs.seed + k, avoid=axes) for k in range(DRAWS)]
    moves = {
        SHIFT: shift[None],
        RANDOM: np.stack(draws),
        FORCE: np.moveaxis(axes, -1, 0) * prepared.shift.length[:, None],
    }  # (k, n, units)
    step = step_at(prepared.time, PREPARATORY_TIME)
    steps = len(prepared.time) - step - 1
    (slope,) = probes.slopes(shift[None], step, DISPLACEMENTS)
    networks = copy.deepcopy(probes.ensembles["NF2"]).double()
    arm = TorchArm(dtype=networks.initial.dtype, actuation=probes.actuation)
    loops = [linearise(networks, arm, target, delays=probes.delays) for target in SHOWN]

    def over_targets(measured: Callable[[ClosedLoop], Floats]) -> Floats:
        return np.mean([measured(loop) for loop in loops], axis=0)

    together = np.concatenate(list(moves.values()))
    ends = np.cumsum([len(some) for some in moves.values()])[:-1]

    def by_direction(shares: Floats) -> dict[str, Floats]:
        """Return shares (all displacements, n, ...) by direction, (n, ...)."""
        return {name: part.mean(axis=0) for name, part in zip(moves, np.split(shares, ends), strict=True)}

    return Persistence(
        eigenvalues=np.linalg.eigvals(loops[0].network),
        slowest=over_targets(lambda loop: loop.decay_rates(network_only=True)[:, :2]),
        slow_modes=over_targets(lambda loop: (loop.decay_rates() < 1.0 / SLOW).sum(axis=1).astype(float)),
        slow_share=by_direction(over_targets(lambda loop: loop.slow_share(together))),
        predicted=by_direction(
            over_targets(lambda loop: np.moveaxis(loop.share_left(together, steps), 0, -1))
        ),
        simulated=by_direction(probes.remainder(together, step)[..., step:]),
        slope=slope,
        drift=over_targets(lambda loop: loop.drift),
        preparation=prepared,
    )


def _quantities(result: Persistence, sampling: Sampling) -> list[Quantity]:
    def mean(name: str, values: Floats, unit: str = "%", scale: float = 100.0, note: str = "") -> Quantity:
        return quantity(name, values, unit, sampling, scale=scale, test=False, note=note)

    def rate(name: str, values: Floats) -> Quantity:
        return mean(name, values, "1/s", 1.0, f"median time constant {1.0 / np.median(values):.2g} s")

    return [
        rate(SLOWEST, result.slowest[:, 0]),
        rate(SECOND_SLOWEST, result.slowest[:, 1]),
        mean(SLOW_MODES, result.slow_modes, "1", 1.0),
        *(mean(f"share in slow modes, {name}", share) for name, share in result.slow_share.items()),
        *(mean(f"{LEFT}, {name}", share[:, result.waited]) for name, share in result.simulated.items()),
        *(
            mean(f"{LEFT}, {name}, by the Jacobian", share[:, result.waited + 1])
            for name, share in result.predicted.items()
        ),
        mean("change of activity in a control step of the hold", result.drift),
        *relations(
            result.preparation.numbers, result.slope, result.simulated[SHIFT][:, result.waited],
            result.slow_share[SHIFT], result.slowest[:, 0], sampling,
        ),
    ]  # fmt: skip


def relations(
    numbers: Indices, slope: Floats, left: Floats, share: Floats, slowest: Floats, sampling: Sampling
) -> list[Quantity]:
    """Return how slope, what is left of the shift, its share in slow modes and the slowest rate go together.

    Rank correlations (Spearman) over n networks; those with the slope also without the steepest network.

    Args:
        numbers: (n,) of the networks.
        slope: (n,) of the displacement.
        left: (n,) share of the shift that is left when the cue is seen.
        share: (n,) of the shift in slow modes.
        slowest: (n,) slowest decay rate of the networks [1/s].
        sampling: Of the intervals.
    """
    from scipy.stats import rankdata  # a second of import

    def related(name: str, x: Floats, y: Floats, note: str = "Spearman") -> Quantity:
        found = correlation(rankdata(x), rankdata(y), sampling)
        return Quantity(name, found.r, found.ci, found.networks, "1", found.p, note)

    steepest = farthest(slope)
    others = np.arange(slope.size) != steepest
    omitted = f"without network {numbers[steepest]}, whose slope is farthest from the median"
    found = []
    for name, response in ((SLOPE_LEFT, slope), (SIZE_LEFT, np.abs(slope))):
        found += [
            related(name, left, response),
            related(f"{name}{WITHOUT_STEEPEST}", left[others], response[others], omitted),
        ]
    return [*found, related(LEFT_SHARE, left, share), related(LEFT_SLOWEST, left, slowest)]


def _text(quantities: list[Quantity]) -> str:
    """How fast a displacement fades, and whether networks that keep more of it respond more."""
    by_name = {entry.name: entry for entry in quantities}

    def value(name: str) -> str:
        entry = by_name[name]
        return format_value(entry.value, entry.ci, "" if entry.unit == "1" else entry.unit)

    left = [np.array(by_name[f"{LEFT}, {name}"].values) / 100.0 for name in DIRECTIONS]
    typical = [f"{100.0 * geometric_mean(shares):.2g}" for shares in left]
    sentence = (
        f"The slowest mode of a network decays at {value(SLOWEST)} ({by_name[SLOWEST].note}); "
        f"{value(SLOW_MODES)} modes of network and arm are slower than {SLOW:g} s. They hold "
        + ", ".join(
            f"{value(f'share in slow modes, {name}')} of a displacement along {PHRASE[name]}"
            for name in DIRECTIONS
        )
        + f". Of a displacement at {PREPARATORY_TIME} s, "
        + ", ".join(f"{value(f'{LEFT}, {name}')} ({name})" for name in DIRECTIONS)
        + f" is left when the cue is seen ({listed(typical)} % as geometric means, which panel b shows)."
    )
    if by_name[SLOPE_LEFT].value is None:
        return sentence

    def words(name: str, *verbs: str) -> str:
        """A verb for a negative, an unclear or a positive correlation."""
        return verbs[1 + effect(by_name[name])]

    def numbers(name: str) -> str:
        entry, rest = by_name[name], by_name.get(f"{name}{WITHOUT_STEEPEST}")
        text = f"{format_value(entry.value, entry.ci)}, {p_text(entry)}"
        if rest is not None:
            text += f"; {format_value(rest.value, rest.ci)} without the steepest network"
        return f"({text})"

    verbs = ("falls with", "is not measurably related to", "grows with")
    return (
        f"{sentence} Rank correlations tell how these go together. The magnitude of a network's slope "
        f"{words(SIZE_LEFT, *verbs)} what it keeps of the shift {numbers(SIZE_LEFT)}; the slope itself "
        f"{words(SLOPE_LEFT, 'is more negative', 'is not measurably related to it', 'is more positive')} "
        f"{numbers(SLOPE_LEFT)}. What it keeps {words(LEFT_SHARE, *verbs)} the share of the shift that lies "
        f"in slow modes {numbers(LEFT_SHARE)}, and {words(LEFT_SLOWEST, *verbs)} the decay rate of its "
        f"slowest mode {numbers(LEFT_SLOWEST)}."
    )


def persistence_figure(result: Persistence) -> Figure:
    """Draw eigenvalues, what is left of displacements, their share in slow modes, and slopes against it."""
    figure = look.new_figure(5.3, gap=0.05)
    panels = figure.subplots(2, 2)
    (plane, decay), (shares, slopes) = panels
    _plane(plane, result)
    _decay(decay, result)
    _shares(shares, result)
    _slopes(slopes, result)
    look.letter_panels(panels.flat)
    return figure


def _plane(axes: Axes, result: Persistence) -> None:
    """Eigenvalues of all networks in the complex plane, with the circles of three time constants."""
    values = result.eigenvalues.ravel()
    axes.scatter(values.real, values.imag, s=3.0, color=look.OURS, alpha=0.35, linewidths=0.0, zorder=3)
    angle = np.linspace(0.0, 2.0 * np.pi, 200)
    for seconds, line in ((np.inf, "-"), (1.0, look.DASHED), (SLOW, look.DOTTED)):
        radius = np.exp(-CONTROL_STEP / seconds)
        label = "unit circle" if np.isinf(seconds) else f"{seconds:g} s"
        axes.plot(
            radius * np.cos(angle), radius * np.sin(angle), color=look.QUIET, linewidth=0.7, linestyle=line,
            label=label, zorder=2,
        )  # fmt: skip
    axes.set(xlabel="Real part", ylabel="Imaginary part", aspect="equal", xlim=(-0.5, 1.1), ylim=(-0.6, 0.6))
    axes.set_title("Eigenvalues of the networks", loc="left", fontsize=look.SMALL)
    axes.legend(loc="lower left", handlelength=1.4, frameon=True, facecolor="white", edgecolor="none")


def _decay(axes: Axes, result: Persistence) -> None:
    """Share of a displacement left over time, in probes and by the Jacobian."""
    for name, share in result.simulated.items():
        time = PREPARATORY_TIME + CONTROL_STEP * np.arange(share.shape[1])
        axes.semilogy(time, geometric_mean(share), color=COLOUR[name], linewidth=1.6, label=name)
        axes.semilogy(
            time[: result.waited + 1], geometric_mean(result.predicted[name])[1 : result.waited + 2],
            color=COLOUR[name], linewidth=1.0, linestyle=look.DASHED,
        )  # fmt: skip
    axes.plot([], [], color=look.INK, linewidth=1.0, linestyle=look.DASHED, label="by the Jacobian")
    look.mark_times(axes, result.preparation.events)
    axes.set(xlabel="Time in the trial (s)", ylabel="Share left of a displacement", xlim=(0.1, 0.85))
    axes.annotate(
        "geometric means;\nfirst point: a control\nstep later", (1.0, 1.0), xycoords="axes fraction",
        ha="right", va="top", fontsize=look.SMALL,
    )  # fmt: skip
    axes.legend(loc="lower left")


def _shares(axes: Axes, result: Persistence) -> None:
    """Share of displacements in the slow modes, one dot per network."""
    for x, (name, share) in enumerate(result.slow_share.items()):
        look.draw_dots(axes, x, 100.0 * share, COLOUR[name])
    axes.set(
        ylabel=f"In modes slower than {SLOW:g} s (%)", xlim=(-0.4, len(DIRECTIONS) - 0.4), ylim=(0.0, None)
    )
    axes.set_xticks(range(len(DIRECTIONS)), DIRECTIONS)


def _slopes(axes: Axes, result: Persistence) -> None:
    """Slope of the displacement against what is left of it when the cue is seen, one dot per network."""
    left = 100.0 * result.simulated[SHIFT][:, result.waited]
    axes.scatter(left, MM * result.slope, s=15.0, color=look.SECOND, linewidths=0.0, zorder=3)
    axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
    axes.axhline(
        REFERENCE[SLOPE].value, color=look.INK, linewidth=0.8, linestyle=look.DASHED, label="the study"
    )
    axes.set(xlabel="Left of the shift when the cue is seen (%)", ylabel="Slope (mm per shift)")
    axes.legend(loc="best")
