"""Frames of a film: trials side by side, each with its traces below."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from experiments.drawing import style as look
from experiments.film.trials import FilmedTrial
from savings_gym.arrays import MM, Floats
from savings_gym.envs.render import SnapshotRenderer, View
from savings_gym.envs.snapshot import WAIT
from savings_gym.task.settings import CONTROL_STEP, TRIAL_STEPS

FILM_VIEW: Final = View(-0.10, 0.395, 0.43)  # all targets, forearm and elbow
MARGIN: Final = 12  # pixels around everything
GAP: Final = 8  # between trials
HEAD: Final = 40  # pixels above a picture
CAPTION: Final = 26  # below it
TRACES: Final = 96  # height of the traces
FOOT: Final = 34
SMALL, LARGE = 12, 15  # pixels, sizes of letters
FINER: Final = 3  # traces are drawn this much larger, and reduced
FAINT: Final = "#dcdcdc"
PAPER: Final = (255, 255, 255)
HELD: Final = 1.5  # s that the last frame stays
UNIT_COLOURS: Final = (  # Okabe and Ito's, told apart by colour-blind readers
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#8c8c00", "#222222",
)  # fmt: skip

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Layout:
    """Sizes of a film.

    Attributes:
        trials: Number of trials side by side.
        panel: Width and height of the picture of a trial, pixels.
    """

    trials: int
    panel: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a frame, pixels; both are even, as films need it."""
        width = 2 * MARGIN + self.trials * self.panel + (self.trials - 1) * GAP
        height = MARGIN + HEAD + self.panel + CAPTION + TRACES + FOOT
        return width + width % 2, height + height % 2

    def left(self, trial: int) -> int:
        """Return the first column of a trial."""
        return MARGIN + trial * (self.panel + GAP)

    @property
    def top(self) -> int:
        """First row of the pictures."""
        return MARGIN + HEAD

    @property
    def trace_top(self) -> int:
        """First row of the traces."""
        return self.top + self.panel + CAPTION


def film_steps(first: int, every: int) -> list[int]:
    """Return the control steps at whose beginnings frames are, the last one at the end of the trial."""
    return sorted({*range(TRIAL_STEPS, first - 1, -every)})


@dataclass(frozen=True, eq=False)
class Film:
    """What a film shows.

    Attributes:
        trials: The trials, from left to right.
        names: Names of the traces.
        traces: (T, names) of every trial.
        colours: Of the traces.
        footing: Text below everything.
        layout: Sizes.
    """

    trials: list[FilmedTrial]
    names: list[str]
    traces: list[Floats]
    colours: list[tuple[int, int, int]]
    footing: str
    layout: Layout

    def frames(self, renderer: SnapshotRenderer, steps: list[int]) -> Iterator[Picture]:
        """Yield the frame (height, width, 3) at the beginning of each of the control steps."""
        first, shown = steps[0], np.stack([trace[steps[0] :] for trace in self.traces])
        low, high = min(float(shown.min()), 0.0), float(shown.max())
        frozen = self._background(f"traces from {low:.2g} to {high:.2g}, {self.footing}")
        curves = [self._curves(trace, low, high) for trace in shown]
        for step in steps:
            frame = frozen.copy()
            draw = ImageDraw.Draw(frame)
            for k, trial in enumerate(self.trials):
                self._draw_trial(frame, draw, renderer, trial, k, step)
                self._draw_traces(frame, draw, curves[k], k, (first, step))
            clock = f"{step * CONTROL_STEP:.2f} s"
            draw.text(self._corner(), clock, look.INK, font(LARGE, bold=True), anchor="rs")
            yield np.asarray(frame)

    def _corner(self) -> tuple[int, int]:
        width, height = self.layout.size
        return width - MARGIN, height - MARGIN

    def _background(self, footing: str) -> Image.Image:
        """Everything that stays: headings, the names of the traces, and a text in small letters below."""
        layout = self.layout
        frame = Image.new("RGB", layout.size, PAPER)
        draw = ImageDraw.Draw(frame)
        for k, filmed in enumerate(self.trials):
            moment, left = filmed.trial.moment, layout.left(k)
            colour = look.PHASE_COLOUR[moment.phase]
            draw.text((left, MARGIN + 14), moment.phase, colour, font(LARGE, bold=True), anchor="ls")
            draw.text((left + 40, MARGIN + 14), moment.text, look.INK, font(LARGE), anchor="ls")
            draw.line((left, MARGIN + 22, left + layout.panel - 1, MARGIN + 22), colour, 2)
        x, y = MARGIN, layout.size[1] - MARGIN
        for name, trace_colour in zip(self.names, self.colours, strict=True):
            draw.text((x, y), name, trace_colour, font(SMALL, bold=True), anchor="ls")
            x += round(draw.textlength(name, font(SMALL, bold=True))) + 12
        right = self._corner()[0] - 58
        draw.text((right, y), footing, look.QUIET, font(SMALL), anchor="rs")
        return frame

    def _draw_trial(
        self,
        frame: Image.Image,
        draw: ImageDraw.ImageDraw,
        renderer: SnapshotRenderer,
        filmed: FilmedTrial,
        k: int,
        step: int,
    ) -> None:
        layout, snapshot = self.layout, filmed.at(step)
        left, top = layout.left(k), layout.top
        frame.paste(Image.fromarray(renderer.picture(snapshot, layout.panel, text=False)), (left, top))
        baseline = top + layout.panel + 16
        aside = (
            ""
            if snapshot.signal == WAIT
            else f"{MM * filmed.deviation(step):.0f} mm aside".replace("-", "\N{MINUS SIGN}")
        )
        draw.text((left, baseline), aside, look.INK, font(SMALL), anchor="ls")
        size = float(np.linalg.norm(snapshot.force))
        text = f"{snapshot.field_name}, {size:.1f} N" if snapshot.acting else snapshot.field_name
        right = left + layout.panel
        draw.text(
            (right, baseline), text, look.INK if snapshot.acting else look.QUIET, font(SMALL), anchor="rs"
        )

    def _curves(self, trace: Floats, low: float, high: float) -> Image.Image:
        """A trial's traces (steps, names) as a picture to be uncovered, for values from `low` to `high`."""
        width, height = self.layout.panel * FINER, TRACES * FINER
        image = Image.new("RGB", (width, height), PAPER)
        draw = ImageDraw.Draw(image)
        x = (np.arange(len(trace)) + 0.5) / len(trace) * width
        for values, colour in zip(trace.T, self.colours, strict=True):
            y = (height - 2 * FINER) * (1.0 - (values - low) / max(high - low, 1e-12)) + FINER
            draw.line(list(zip(x, y, strict=True)), colour, round(1.6 * FINER), joint="curve")
        return image.resize((self.layout.panel, TRACES), Image.Resampling.BOX)

    def _draw_traces(
        self,
        frame: Image.Image,
        draw: ImageDraw.ImageDraw,
        curves: Image.Image,
        k: int,
        steps: tuple[int, int],
    ) -> None:
        """Uncover the traces of trial k, from the first of two control steps to the second."""
        panel, left, top = self.layout.panel, self.layout.left(k), self.layout.trace_top
        first, step = steps

        def column(at: int) -> int:
            return left + round((at - first) / (TRIAL_STEPS - first) * (panel - 1))

        bottom, now, go = top + TRACES, column(step), column(self.trials[k].trial.go)
        if now > left:
            frame.paste(curves.crop((0, 0, now - left, TRACES)), (left, top))
        draw.line((left, bottom, left + panel - 1, bottom), look.QUIET, 1)
        draw.line((now, top, now, bottom), look.QUIET, 1)
        if left < go < now:
            draw.line((go, top, go, bottom), FAINT, 1)
            draw.text((go - 4, top + SMALL), "go", look.QUIET, font(SMALL), anchor="rs")


@cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return the font of all figures, which matplotlib brings along."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)
