"""Pictures of the cursor task, painted pixel by pixel; no OpenGL is needed."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from savings_gym.arrays import Floats
from savings_gym.bci.task import CursorTask
from savings_gym.envs.pictures import PICTURE_SIZE, check_picture_size

HALF_WIDTH: Final = 0.16  # m, from the middle of the screen to its edge
TARGET_RADIUS, CURSOR_RADIUS, PATH_RADIUS, RING = 0.010, 0.006, 0.0015, 0.003  # m
Colour = tuple[int, int, int]
SCREEN: Final[Colour] = (247, 246, 243)
OTHERS: Final[Colour] = (221, 220, 217)  # targets of other trials
BEFORE_GO: Final[Colour] = (237, 158, 41)
AFTER_GO: Final[Colour] = (41, 158, 92)
PATH: Final[Colour] = (70, 110, 190)
CURSOR: Final[Colour] = (26, 28, 36)


def cursor_picture(task: CursorTask, row: int, size: int = PICTURE_SIZE) -> NDArray[np.uint8]:
    """Return the present moment of one cursor, (size, size, 3).

    It shows the targets, that of the trial as a ring before go and as a disc from then on, the cursor and its
    path.

    Args:
        task: The task.
        row: Which cursor.
        size: Width and height, 16 to 640 pixels.

    Raises:
        ValueError: If the size is another.
    """
    check_picture_size(size)
    trials, t = task.trials, max(int(task.t[row]), 0)
    picture = np.full((size, size, 3), SCREEN, dtype=np.uint8)
    for place in trials.all_targets:
        _disc(picture, place, TARGET_RADIUS, OTHERS)
    target, gone = trials.target_position[row], task.t[row] >= trials.cue_step[row]
    _disc(picture, target, TARGET_RADIUS, AFTER_GO if gone else BEFORE_GO)
    if not gone:
        _disc(picture, target, TARGET_RADIUS - RING, SCREEN)
    for place in task.cursor[: t + 1, row]:
        _disc(picture, place, PATH_RADIUS, PATH)
    _disc(picture, task.cursor[t, row], CURSOR_RADIUS, CURSOR)
    return picture


def _disc(picture: NDArray[np.uint8], centre: Floats, radius: float, colour: Colour) -> None:
    """Paint a disc; what lies beyond the edge is not shown."""
    size = len(picture)
    axis = (np.arange(size) + 0.5) * (2.0 * HALF_WIDTH / size) - HALF_WIDTH  # m
    columns, rows = (np.flatnonzero(np.abs(axis - place) <= radius) for place in centre)
    inside = (axis[columns] - centre[0]) ** 2 + (axis[rows, None] - centre[1]) ** 2 <= radius**2
    down = size - 1 - rows  # y grows upwards
    picture[np.ix_(down, columns)] = np.where(inside[..., None], colour, picture[np.ix_(down, columns)])
