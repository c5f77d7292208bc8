"""Sizes of pictures, and pictures side by side."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from savings_gym.arrays import as_whole_number

PICTURE_SIZE = 480  # pixels, width and height
SMALLEST_PICTURE, LARGEST_PICTURE = 16, 640  # pixels
TILE_SIZE = 240  # pixels, width and height of one environment in a grid
EMPTY_TILE, TILE_LINE = 246, 200  # grey


def check_picture_size(size: int) -> None:
    """Raise a ValueError if a picture cannot have this width and height in pixels."""
    if not SMALLEST_PICTURE <= size <= LARGEST_PICTURE:
        raise ValueError(
            f"the size of a picture must be {SMALLEST_PICTURE} to {LARGEST_PICTURE} pixels, got {size!r}"
        )


def grid_columns(pictures: int, columns: int | None) -> int:
    """Return how many of so many pictures are side by side; None is the smallest square that holds all."""
    wanted = math.ceil(math.sqrt(pictures)) if columns is None else as_whole_number("columns", columns, 1)
    return min(wanted, pictures)


def tile_pictures(pictures: list[NDArray[np.uint8]], columns: int) -> NDArray[np.uint8]:
    """Return equally large pictures (height, width, 3) as one, row by row, with lines between them."""
    height, width = pictures[0].shape[:2]
    rows = math.ceil(len(pictures) / columns)
    whole = np.full((rows * height, columns * width, 3), EMPTY_TILE, dtype=np.uint8)
    for k, picture in enumerate(pictures):
        top, left = k // columns * height, k % columns * width
        whole[top : top + height, left : left + width] = picture
        if left:
            whole[top : top + height, left] = TILE_LINE
        if top:
            whole[top, left : left + width] = TILE_LINE
    return whole
