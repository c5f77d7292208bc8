"""A window that shows the pictures of an environment."""

from __future__ import annotations

import os

import numpy as np
from gymnasium import logger
from gymnasium.error import DependencyNotInstalled
from numpy.typing import NDArray

from savings_gym.envs.opengl import has_display
from savings_gym.task.settings import RENDER_FPS


class Window:
    """Shows pictures in real time, in a window of pygame.

    Without a display it warns and shows them to nobody, unless SDL_VIDEODRIVER chooses a driver.

    Raises:
        DependencyNotInstalled: If pygame is missing.
    """

    def __init__(self) -> None:
        try:
            import pygame
        except ImportError as error:
            raise DependencyNotInstalled(
                "render_mode='human' needs pygame: pip install 'savings_gym[render]'"
            ) from error
        if not has_display() and "SDL_VIDEODRIVER" not in os.environ:
            logger.warn("render_mode='human': there is no display, so nobody sees the window")
            os.environ["SDL_VIDEODRIVER"] = (
                "dummy"  # SDL's own choice closes the EGL display that MuJoCo draws on
            )
        # without this, a window of SDL's renderer freezes under X11 beside MuJoCo's OpenGL context
        os.environ.setdefault("SDL_FRAMEBUFFER_ACCELERATION", "0")
        self._pygame = pygame
        self._clock = pygame.time.Clock()

    def show(self, picture: NDArray[np.uint8]) -> None:
        """Show a picture (height, width, 3), no sooner than one control step after the last one."""
        pygame = self._pygame
        pixels = picture.transpose(1, 0, 2)  # pygame counts columns first
        if not pygame.display.get_init() or pygame.display.get_surface() is None:
            pygame.display.init()
            pygame.display.set_caption("savings_gym")
            pygame.display.set_mode(pixels.shape[:2])
        pygame.surfarray.blit_array(pygame.display.get_surface(), pixels)
        pygame.event.pump()
        pygame.display.flip()
        self._clock.tick(RENDER_FPS)

    def close(self) -> None:
        """Close the window."""
        self._pygame.display.quit()
