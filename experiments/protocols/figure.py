"""The figure of the experiment: a panel for every protocol, each with its caption."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from experiments.drawing import style as look
from experiments.protocols.config import Protocols
from experiments.protocols.generalisation import VECTOR, angles, at_angle, constant
from experiments.protocols.measures import AFTER_B, AGAIN, AT_FIRST, PERCENT, Values, of_size
from experiments.protocols.pairs import Course, Pair, mean
from savings_gym.arrays import MM, Floats

FIGURE: Final = "protocols.png"
COMPENSATION: Final = "Compensation (% of A)"
HEADROOM: Final = 0.35  # share of a panel above its curves, for a legend
Pairs = Mapping[str, Pair]


def unit_of_size(config: Protocols) -> str:
    """Return what the size of A is counted in."""
    return f"{config.b:g} N s/m" if config.perturbation == "curl" else f"{config.angle_deg:g} degrees"


def draw(pairs: Pairs, values: Values, config: Protocols, out: Path) -> Path:
    """Draw a panel for every protocol; return the file."""
    with look.house_style():
        figure = look.new_figure(4.4, gap=0.04)
        drawn = figure.subplots(2, 3).ravel()
        for axes, panel in zip(drawn, PANELS, strict=True):
            axes.set_title(panel.title)
            axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
            have = {name: pairs[name] for name in panel.needs if name in pairs}
            if have:
                panel.fill(axes, have, values, config)
            if axes.get_legend_handles_labels()[1] and axes.get_legend() is None:
                axes.legend(loc="best")
        look.letter_panels(drawn)
        return look.save_picture(figure, out / FIGURE)


def caption(config: Protocols) -> str:
    """Return the caption of the figure, as Markdown, without the panels that stay empty."""
    words = {
        "unit": unit_of_size(config),
        "begin": config.baseline,
        "end": config.baseline + config.adaptation,
        "vector": VECTOR[config.perturbation],
        "cursor": "" if config.perturbation == "curl" else " of the cursor",
    }
    parts = [
        f"**{chr(ord('a') + number)}**, {panel.caption.format(**words)}"
        for number, panel in enumerate(PANELS)
        if set(panel.needs) & set(config.only)
    ]
    return f"Means over {config.networks} networks; bands are 95 % t intervals. {' '.join(parts)}"


def _line(course: Course, of: str, phases: tuple[str, ...] | None = None) -> tuple[Floats, Floats]:
    """Return updates, counted on from phase to phase, and the mean of a measure over targets, (n, p)."""
    at, series, begun = [], [], 0.0
    for phase in phases or tuple(course):
        probes = course[phase]
        at.append(begun + probes.updates)
        series.append(mean(getattr(probes, of)))
        begun += probes.updates[-1]
    return np.concatenate(at), np.concatenate(series, axis=1)


def _draw(axes: Axes, course: Course, of: str, colour: str, label: str, *phases: str) -> None:
    updates, series = _line(course, of, phases or None)
    scaled: Floats = {"deviation": MM, "adaptation": PERCENT}[of] * series
    look.draw_band(axes, updates, scaled, colour, label)
    axes.set(xlabel="Update", ylabel={"deviation": "Deviation (mm)", "adaptation": COMPENSATION}[of])


def _learning(axes: Axes, pairs: Pairs, values: Values, config: Protocols) -> None:
    for (name, pair), colour in zip(pairs.items(), (look.OURS, look.SECOND), strict=False):
        _draw(axes, pair.run, "deviation", colour, {"abrupt": "at once"}.get(name, name))
    _draw(axes, next(iter(pairs.values())).sham, "deviation", look.QUIET, "sham")


def _again(axes: Axes, pairs: Pairs, values: Values, config: Protocols) -> None:
    pair = pairs["interference"]
    _draw(axes, pair.run, "adaptation", look.PHASE_COLOUR["FF1"], AT_FIRST, "FF1")
    _draw(axes, pair.run, "adaptation", look.PHASE_COLOUR["FF2"], AGAIN, "FF2")
    _draw(axes, pair.sham, "adaptation", look.QUIET, AFTER_B, "FF2")
    axes.set_xlim(0, config.relearning)
    _legend_above(axes)


def _clamped(axes: Axes, pairs: Pairs, values: Values, config: Protocols) -> None:
    pair = pairs["spontaneous-recovery"]
    for course, colour, label in ((pair.run, look.OURS, "A, B, clamp"), (pair.sham, look.QUIET, "sham")):
        _draw(axes, course, "adaptation", colour, label)
    ends = np.cumsum([probes.updates[-1] for probes in pair.run.values()])
    axes.axvspan(ends[-2], ends[-1], color=look.FIELD_SHADE, zorder=0)
    _legend_above(axes)


def _legend_above(axes: Axes) -> None:
    """Put the legend above the curves."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + HEADROOM * (high - low))
    axes.legend(loc="upper left")


def _forgetting(axes: Axes, pairs: Pairs, values: Values, config: Protocols) -> None:
    for name, phase, colour in (
        ("error-clamps", "clamp", look.OURS), ("abrupt", "washout", look.SECOND),
    ):  # fmt: skip
        if name in pairs:
            _draw(axes, pairs[name].run, "adaptation", colour, phase, phase)


def _sizes(axes: Axes, pairs: Pairs, values: Values, config: Protocols) -> None:
    sizes = sorted(config.sizes)
    learned = np.stack([PERCENT * values["single-trials"][of_size(size)] for size in sizes], axis=1)
    look.draw_band(axes, np.array(sizes), learned, look.OURS, "networks")
    slope = learned.mean(axis=0)[0] / sizes[0]
    axes.plot([0.0, sizes[-1]], [0.0, slope * sizes[-1]], color=look.QUIET, linestyle=look.DOTTED,
              label="in proportion")  # fmt: skip
    axes.set(xlabel=f"Size of A (1 is {unit_of_size(config)})", ylabel="Learned (% of A of size 1)")


def _angles(axes: Axes, pairs: Pairs, values: Values, config: Protocols) -> None:
    by_angle = {angle: values["generalisation"][at_angle(angle)] for angle in sorted(angles().values())}
    by_angle = {-180.0: by_angle[180.0]} | by_angle
    places, found = np.array(list(by_angle)), PERCENT * np.stack(list(by_angle.values()), axis=1)
    look.draw_band(axes, places, found, look.OURS, "networks")
    axes.plot(places, found.mean(axis=0), "o", color=look.OURS, markersize=3.5, zorder=5)
    every = np.linspace(-180.0, 180.0, 181)
    ideal = [PERCENT * constant(config, angle) for angle in every]
    label = VECTOR[config.perturbation].removeprefix("a ").removesuffix(" of the hand")
    axes.plot(every, ideal, color=look.QUIET, linestyle=look.DOTTED, label=label)
    axes.set(xlabel="Angle from the target (degrees)", ylabel=COMPENSATION, xticks=[-180, -90, 0, 90, 180])
    _legend_above(axes)


@dataclass(frozen=True)
class Panel:
    """One panel: what draws it, the protocols that it needs one of, and its caption, a format string."""

    title: str
    fill: Callable[[Axes, Pairs, Values, Protocols], None]
    needs: tuple[str, ...]
    caption: str


PANELS: Final = (
    Panel(
        "A at once or gradually", _learning, ("abrupt", "gradual"),
        "deviation{cursor} when A comes at once or grows (from update {begin} on), and in the washout (from "
        "update {end} on); grey, practice without A.",
    ),
    Panel(
        "A again after B", _again, ("interference",),
        "compensation in the three blocks of A, each from its first update.",
    ),
    Panel(
        "A, B, clamp", _clamped, ("spontaneous-recovery",),
        "compensation through A (from update {begin}), B (from update {end}) and error clamps (shaded); "
        "grey, practice without A and B.",
    ),
    Panel(
        "Clamp or washout", _forgetting, ("error-clamps", "abrupt"),
        "compensation through a block of error clamps, or a washout, after A.",
    ),
    Panel(
        "Single updates", _sizes, ("single-trials",),
        "what one update in A of some size teaches (1 is {unit}; another learning rate than in the other "
        "panels); dotted, in proportion to the smallest size.",
    ),
    Panel(
        "Generalisation", _angles, ("generalisation",),
        "compensation by the angle from the trained target, counter-clockwise (180 degrees are drawn twice); "
        "dotted, {vector}, all of A at the trained target.",
    ),
)  # fmt: skip
