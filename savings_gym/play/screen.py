"""The window of the game: the arm from above, the trial it is in, pages of text, and learning curves.

Pygame draws everything, so that no OpenGL is needed and a frame takes a millisecond or two.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np
from gymnasium.error import DependencyNotInstalled

from savings_gym.arm.model import Arm
from savings_gym.arrays import MM, Floats
from savings_gym.envs.opengl import has_display
from savings_gym.metrics.curves import PhaseCurves
from savings_gym.task.reach import ReachingArms

Colour = tuple[int, int, int]

SIZE = 800  # pixels, width and height
SCALE = 1150.0  # pixels per metre: a reach of 0.10 m takes 115 pixels
CENTRE = (-0.06, 0.25)  # m, the point in the middle of the window: shoulder and all targets can be seen
BACKGROUND, INK, FAINT = (250, 250, 248), (52, 56, 64), (176, 180, 188)
BODY, HEAD = (238, 238, 235), (230, 230, 226)
BONE, RELAXED, ACTIVE = (226, 226, 222), (196, 170, 166), (190, 30, 40)
WAIT, GO, HAND, PATH = (237, 158, 41), (41, 158, 92), (30, 72, 168), (120, 150, 210)
CURVES: dict[str, Colour] = {
    "NF1": (150, 154, 162), "FF1": (200, 60, 50), "NF2": (110, 130, 150), "FF2": (40, 90, 190),
}  # fmt: skip
BONE_WIDTH, TARGET_RADIUS, START_RADIUS, HAND_RADIUS = 0.036, 0.012, 0.008, 0.007  # m
MUSCLE_WIDTH = 3  # pixels; up to three times as many when active


class Screen:
    """A window of pygame.

    Args:
        arm: The arm that it shows.

    Raises:
        DependencyNotInstalled: If pygame is missing.
        RuntimeError: If there is no display.
    """

    def __init__(self, arm: Arm) -> None:
        try:
            import pygame
        except ImportError as error:
            raise DependencyNotInstalled(
                "the window needs pygame: pip install 'savings_gym[render]'; --offscreen needs none"
            ) from error
        if not (has_display() or os.environ.get("SDL_VIDEODRIVER")):
            raise RuntimeError("there is no display for the window; --offscreen lets a scripted player play")
        # SDL's accelerated window surface freezes under some X servers
        os.environ.setdefault("SDL_FRAMEBUFFER_ACCELERATION", "0")
        self.pygame = pygame
        try:
            pygame.display.init()
            pygame.font.init()
            self.surface = pygame.display.set_mode((SIZE, SIZE))
        except pygame.error as error:
            raise RuntimeError(f"the window cannot be opened: {error}; --offscreen needs none") from error
        pygame.display.set_caption("savings_gym")
        pygame.mouse.set_visible(False)
        self._arm, self._data = arm, mujoco.MjData(arm.model)

    def close(self) -> None:
        """Close the window."""
        self.pygame.display.quit()

    @staticmethod
    def pixel(point: Floats) -> tuple[int, int]:
        """Return the pixel of a point (2,) of the plane [m]."""
        x, y = SIZE / 2 + SCALE * (np.asarray(point) - CENTRE) * (1, -1)
        return round(x), round(y)

    @staticmethod
    def plane(pixel: tuple[int, int]) -> Floats:
        """Return the point of the plane (2,) at a pixel [m]."""
        return np.array(CENTRE) + (np.array(pixel) - SIZE / 2) * (1, -1) / SCALE

    def show_trial(self, task: ReachingArms, gone: bool, message: str = "") -> None:
        """Show the arm, start, target and hand path of the present trial, and a line of text.

        Args:
            task: A task of one arm.
            gone: Whether the target has turned green.
            message: Text above the targets.
        """
        trials, t = task.trials, int(task.t[0])
        self.surface.fill(BACKGROUND)
        self._draw_body()
        self._draw_arm(task)
        for target in trials.all_targets(0):
            self._disc(target, TARGET_RADIUS, FAINT, width=1)
        self._disc(trials.start[0], START_RADIUS, FAINT)
        self._disc(trials.target_position[0], TARGET_RADIUS, GO if gone else WAIT)
        path = [self.pixel(point) for point in task.hand[: t + 1, 0]]
        if len(path) > 1:
            self.pygame.draw.lines(self.surface, PATH, False, path, 3)
        self._disc(task.hand[t, 0], HAND_RADIUS, HAND)
        self._text(message, self.pixel(trials.start[0])[0], 32, 28)
        self.pygame.display.flip()

    def show_page(self, title: str, lines: Sequence[str]) -> None:
        """Show a page of text."""
        self.surface.fill(BACKGROUND)
        self._text(title, SIZE // 2, 120, 44)
        for i, line in enumerate(lines):
            self._text(line, SIZE // 2, 220 + 40 * i, 28)
        self.pygame.display.flip()

    def show_curves(self, curves: dict[str, PhaseCurves], lines: Sequence[str]) -> None:
        """Show the learning curve of every phase, one after the other, and lines of text."""
        self.surface.fill(BACKGROUND)
        self._text("Your learning curves", SIZE // 2, 50, 40)
        left, right, top, bottom = 80, SIZE - 30, 120, 480
        values = np.concatenate([curve.deviation[0] for curve in curves.values()])
        low, high = min(0.0, float(values.min())), max(1e-3, float(values.max()))
        begins = np.cumsum([0, *(len(curve.trials) for curve in curves.values())])

        def at(position: Any, deviation: Any) -> tuple[int, int]:
            x = left + (right - left) * (position + 0.5) / begins[-1]
            return round(float(x)), round(float(bottom - (bottom - top) * (deviation - low) / (high - low)))

        self.pygame.draw.line(self.surface, FAINT, at(-0.5, 0.0), at(begins[-1] - 0.5, 0.0))
        for value in {low, 0.0, high}:
            self._text(f"{MM * value:.0f} mm", left - 40, at(0, value)[1], 22, FAINT)
        for (name, curve), begin in zip(curves.items(), begins, strict=False):
            points = [at(begin + i, value) for i, value in enumerate(curve.deviation[0])]
            colour = CURVES.get(name, INK)
            if len(points) > 1:
                self.pygame.draw.lines(self.surface, colour, False, points, 3)
            for point in points:
                self.pygame.draw.circle(self.surface, colour, point, 5)
            self._text(name, sum(x for x, _ in points) // len(points), bottom + 30, 28, colour)
        for i, line in enumerate(lines):
            self._text(line, SIZE // 2, bottom + 90 + 36 * i, 26)
        self.pygame.display.flip()

    def _draw_body(self) -> None:
        for name, colour in (("torso", BODY), ("head", HEAD)):
            geom = self._arm.model.geom(name)
            middle, half = geom.pos[:2], geom.size[:2] * (1, -1)
            corner, opposite = np.array(self.pixel(middle - half)), np.array(self.pixel(middle + half))
            self.pygame.draw.ellipse(self.surface, colour, (*corner, *(opposite - corner)))

    def _draw_arm(self, task: ReachingArms) -> None:
        data, draw = self._data, self.pygame.draw
        data.qpos[:], data.act[:] = task.qpos[0], task.act[0]
        mujoco.mj_forward(self._arm.model, data)
        shoulder, hand = np.zeros(2), task.hand[int(task.t[0]), 0]
        angle, upper = data.qpos[0], self._arm.link_lengths[0]
        elbow = upper * np.array([np.cos(angle), np.sin(angle)])
        for begin, end in ((shoulder, elbow), (elbow, hand)):
            draw.line(self.surface, BONE, self.pixel(begin), self.pixel(end), round(SCALE * BONE_WIDTH))
        for joint in (shoulder, elbow, hand):
            self._disc(joint, BONE_WIDTH / 2, BONE)
        for muscle, activation in enumerate(data.act):
            first = data.ten_wrapadr[muscle]
            points = data.wrap_xpos.reshape(-1, 3)[first : first + data.ten_wrapnum[muscle], :2]
            share = float(np.sqrt(np.clip(activation, 0.0, 1.0)))
            colour = np.array(RELAXED) + share * (np.array(ACTIVE) - RELAXED)
            width = round(MUSCLE_WIDTH * (1 + 2 * share))
            draw.lines(self.surface, colour.tolist(), False, [self.pixel(point) for point in points], width)

    def _disc(self, centre: Floats, radius: float, colour: Colour, width: int = 0) -> None:
        self.pygame.draw.circle(self.surface, colour, self.pixel(centre), round(SCALE * radius), width)

    def _text(self, text: str, x: int, y: int, size: int, colour: Colour = INK) -> None:
        """Write a line of text around a pixel."""
        picture = self.pygame.font.Font(None, size).render(text, True, colour)
        self.surface.blit(picture, picture.get_rect(center=(x, y)))
