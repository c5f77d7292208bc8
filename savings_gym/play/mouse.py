"""A person at the mouse."""

from __future__ import annotations

import time
from types import TracebackType

import numpy as np

from savings_gym.arrays import Floats, as_positive
from savings_gym.play.game import Game, Stopped
from savings_gym.play.record import Score
from savings_gym.play.screen import Screen
from savings_gym.task.settings import CONTROL_STEP

FRAME = 1.0 / 60.0  # s between pictures
READY, FEEDBACK = 0.4, 0.6  # s before and after a trial
STARTS = 0.002  # m the mouse must move after go for the clock of the trial to go on
PEAK_SPEED = (0.30, 0.80)  # m/s, of a reach that is neither slow nor fast
INTRODUCTION = (
    "Move the blue hand to the target as soon as it turns green.",
    "One quick, straight movement; the hand goes back by itself.",
    "Sometimes a force will push the hand. Learn to go straight.",
    "",
    "Click to begin. Escape ends the game.",
)


class MousePlayer:
    """Shows the game in a window, and takes the mouse from there; a context that closes the window.

    Mouse and hand begin every trial together, wherever the mouse is. At go the clock of the trial waits until
    the mouse moves, so that only the movement counts and not the reaction.

    Args:
        game: The game.
        slow: Seconds of the person per second of the arm.

    Raises:
        DependencyNotInstalled: If pygame is missing.
        RuntimeError: If there is no display.
        ValueError: If `slow` is not positive.
    """

    def __init__(self, game: Game, slow: float = 1.5) -> None:
        self._slow = as_positive("slow", slow)
        self._screen = Screen(game.task.arm)
        self._pygame = self._screen.pygame
        self._mouse: tuple[int, int] = self._pygame.mouse.get_pos()
        self._origin: tuple[int, int] | None = None  # where the mouse was at go
        self._moved = False
        self._next_step, self._next_frame = 0.0, 0.0

    def __enter__(self) -> MousePlayer:
        """Return itself; the window is open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the window."""
        self._screen.close()

    def begin(self, game: Game) -> None:
        """Show the new trial."""
        if game.trial == 0:
            self._screen.show_page("Do you show savings?", INTRODUCTION)
            self._wait_for_click()
        self._origin, self._moved = None, False
        self._pygame.mouse.set_pos(self._screen.pixel(game.start))  # room for the movement, if allowed
        self._pause(game, READY, f"{game.trial + 1} of {game.schedule.trials}")
        self._next_step = time.perf_counter()

    def point(self, game: Game) -> Floats:
        """Return where the mouse is, when the time for the next control step has come."""
        self._take_events()
        gone = game.steps_since_go >= 0
        if gone and self._origin is None:
            self._origin = self._mouse
        while gone and not self._moved:
            self._draw(game, gone)
            time.sleep(FRAME / 4)
            self._take_events()
            self._moved = bool(np.linalg.norm(self._point(game) - game.start) >= STARTS)
            self._next_step = time.perf_counter()
        self._draw(game, gone)
        self._next_step = max(self._next_step + self._slow * CONTROL_STEP, time.perf_counter() - FRAME)
        time.sleep(max(0.0, self._next_step - time.perf_counter()))
        self._take_events()
        return self._point(game)

    def end(self, game: Game) -> None:
        """Show how the trial went."""
        speed = game.measure("peak_speed")
        slow, fast = PEAK_SPEED
        message = (
            "a little faster, please" if speed < slow else "a little slower, please" if speed > fast else ""
        )
        self._pause(game, FEEDBACK, message)

    def show(self, result: Score) -> None:
        """Show the score until the person closes it."""
        self._screen.show_curves(result.curves, result.lines()[len(result.curves) :])
        try:
            self._wait_for_click()
        except Stopped:
            return

    def _point(self, game: Game) -> Floats:
        """The start, moved as the mouse since go."""
        if self._origin is None:
            return game.start
        return game.start + self._screen.plane(self._mouse) - self._screen.plane(self._origin)

    def _take_events(self) -> bool:
        """Follow the mouse; return whether a button was pressed.

        Raises:
            Stopped: If the person closes the window or presses escape.
        """
        pygame, clicked = self._pygame, False
        for event in pygame.event.get():
            if event.type == pygame.QUIT or (event.type == pygame.KEYDOWN and event.key == pygame.K_ESCAPE):
                raise Stopped
            if event.type == pygame.MOUSEMOTION:
                self._mouse = event.pos
            clicked = clicked or event.type == pygame.MOUSEBUTTONDOWN
        return clicked

    def _draw(self, game: Game, gone: bool, message: str = "") -> None:
        """Show the trial, if the last picture is old enough."""
        now = time.perf_counter()
        if now >= self._next_frame:
            self._screen.show_trial(game.task, gone, message)
            self._next_frame = now + FRAME

    def _pause(self, game: Game, seconds: float, message: str) -> None:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            self._draw(game, game.steps_since_go >= 0, message)
            time.sleep(FRAME / 4)
            self._take_events()

    def _wait_for_click(self) -> None:
        while not self._take_events():
            time.sleep(FRAME)
