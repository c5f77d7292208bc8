"""Matrix products of a few rows with weights that stay in a core's cache, in numba.

``pack`` lays weights out in panels of two vectors' width, so that ``add_packed`` reads them in a row and
keeps four rows of results in registers. Neither size need be a multiple of anything.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from agents.kernels.compile import inner as jit
from agents.kernels.lanes import VECTOR, load, spread, store

ROWS: Final = 4  # that add_packed works on at a time


@jit
def panels(columns: int, like: Any) -> tuple[int, int]:
    """How many panels hold so many columns of the dtype of an array, and the width of one."""
    width = 2 * VECTOR // like.itemsize
    return (columns + width - 1) // width, width


@jit
def padded(rows: int, columns: int, like: Any) -> Any:
    """A matrix of zeros with the dtype of an array, wide enough for a result of ``add_packed``."""
    count, width = panels(columns, like)
    return np.zeros((rows, count * width), like.dtype)


@jit
def packed(inner: int, columns: int, like: Any) -> Any:
    """Room for ``pack``, zeros, with the dtype of an array: (panels, inner, width)."""
    count, width = panels(columns, like)
    return np.zeros((count, inner, width), like.dtype)


@jit
def pack(matrix: Any, out: Any) -> None:
    """Writes a matrix (inner, columns), in any memory order, into ``out``; zeros stay beyond its columns."""
    inner, columns = matrix.shape
    width = out.shape[2]
    for p in range(out.shape[0]):
        first = p * width
        for k in range(inner):
            for j in range(min(width, columns - first)):
                out[p, k, j] = matrix[k, first + j]


@jit
def add_packed(left: Any, at: int, right: Any, out: Any) -> None:
    """Adds left[:, at : at + inner] @ right to out (rows, padded columns).

    ``right`` is packed, (panels, inner, width). Rows are taken four at a time; where fewer are left, the last
    one is done more than once, with the same result.
    """
    rows, half = left.shape[0], right.shape[2] // 2
    for p in range(right.shape[0]):
        i, j = 2 * p * half, (2 * p + 1) * half
        for b in range(0, rows, ROWS):
            c, d, e = min(b + 1, rows - 1), min(b + 2, rows - 1), min(b + 3, rows - 1)
            bi, ci, di, ei = load(out, (b, i)), load(out, (c, i)), load(out, (d, i)), load(out, (e, i))
            bj, cj, dj, ej = load(out, (b, j)), load(out, (c, j)), load(out, (d, j)), load(out, (e, j))
            for k in range(right.shape[1]):
                x, y = load(right, (p, k, 0)), load(right, (p, k, half))
                value = spread(left, (b, at + k))
                bi, bj = bi + value * x, bj + value * y
                value = spread(left, (c, at + k))
                ci, cj = ci + value * x, cj + value * y
                value = spread(left, (d, at + k))
                di, dj = di + value * x, dj + value * y
                value = spread(left, (e, at + k))
                ei, ej = ei + value * x, ej + value * y
            store(out, (b, i), bi)
            store(out, (b, j), bj)
            store(out, (c, i), ci)
            store(out, (c, j), cj)
            store(out, (d, i), di)
            store(out, (d, j), dj)
            store(out, (e, i), ei)
            store(out, (e, j), ej)
