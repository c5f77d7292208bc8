"""The figure of a test of theories: FF2 with every forecast, savings beyond them, and held-out gains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.drawing import style as look
from experiments.theories.learners import HELD_OUT, Source
from experiments.theories.prediction import REFERENCE, THEORIES, WHEN, Outcome, Verdict

WHEN_WORDS: Final = (" at the start of FF2", " over its first quarter")
COLOURS: Final = dict(
    zip(THEORIES, (look.QUIET, look.OURS, look.THIRD, look.SECOND, look.FOURTH), strict=False)
)
LINES: Final = dict(zip(THEORIES, ("-", look.DASHED, look.DOTTED, (0, (6, 2, 1, 2)), "-"), strict=False))
MARKERS: Final = dict(zip(THEORIES, ("o", "s", "^", "v", "D"), strict=False))
Outcomes = Mapping[str, list[Outcome]]


def draw(parts: Sequence[tuple[Source, Outcomes, Mapping[str, Verdict]]]) -> Figure:
    """Draw, for each source, FF2 with all forecasts, savings beyond them, and held-out gains."""
    drawn = look.new_figure(2.9 * len(parts))
    panels = drawn.subplots(len(parts), 4, squeeze=False, width_ratios=[2.0, 1.0, 1.0, 1.0])
    for (source, outcomes, _), axes in zip(parts, panels, strict=True):
        _draw_forecasts(axes[0], source, outcomes)
        for panel, when, words in zip(axes[1:3], WHEN, WHEN_WORDS, strict=True):
            beyond = {
                n: source.factor * np.array([o.beyond(when) for o in its]) for n, its in outcomes.items()
            }
            _draw_values(
                panel, beyond, f"Savings beyond forecast\n{words.strip()} ({source.unit or 'index'})"
            )
        one = np.array([o.held_out for o in outcomes[REFERENCE]]) if REFERENCE in outcomes else 0.0
        gains = {
            n: np.array([o.held_out for o in its]) - one for n, its in outcomes.items() if n != REFERENCE
        }
        axes[3].set_yscale("symlog", linthresh=0.1)  # theories without process noise lose much
        _draw_values(axes[3], gains, "Held-out gain over one rate\n(nats per datum)")
    panels[0, 0].legend(loc="best")
    look.letter_panels(panels.ravel())
    return drawn


def _draw_forecasts(axes: Axes, source: Source, outcomes: Outcomes) -> None:
    """FF2 of the learners as a band, and the mean forecast of every theory, over the trials that all have."""
    first = next(iter(outcomes.values()))
    trials = min(o.observed.size for o in first)
    observed = source.factor * np.stack([o.observed[:trials] for o in first])
    whole = np.isfinite(observed).all(axis=0)
    x = np.flatnonzero(whole).astype(float)
    look.draw_band(axes, x, observed[:, whole], look.INK, f"{len(first)} {source.kind}")
    for name, its in outcomes.items():
        mean = source.factor * np.mean([o.expected[:trials] for o in its], axis=0)
        axes.plot(
            mean,
            color=COLOURS[name],
            linestyle=LINES[name],
            linewidth=1.2,
            label=THEORIES[name].name,
            zorder=5,
        )
    label = f"Error ({source.unit})" if source.unit else "Force index"
    each = "" if source.updates is None else f" ({source.updates} updates each)"
    axes.set(xlabel=f"Trial of {HELD_OUT}{each}", ylabel=label)
    axes.set_title(source.name, loc="left")


def _draw_values(axes: Axes, values: Mapping[str, np.ndarray], label: str) -> None:
    """One dot per learner and theory, with the mean and its interval; NaN is left out."""
    axes.axhline(0.0, color=look.QUIET, linewidth=0.6, zorder=1)
    for x, (name, its) in enumerate(values.items()):
        look.draw_dots(axes, x, np.asarray(its), COLOURS[name], MARKERS[name], beside=0.25)
    names = [THEORIES[name].name for name in values]
    axes.set_xticks(range(len(values)), names, rotation=60, ha="right", rotation_mode="anchor")
    axes.set(ylabel=label, xlim=(-0.5, max(len(values), 1) - 0.3))
