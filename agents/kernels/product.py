"""Products of a few rows with a matrix of weights that stays in a core's cache, in numba.

``pack`` arranges weights in panels two vectors wide, which ``add_packed`` reads in sequence while it keeps
four rows of results in registers. Sizes need not be multiples of anything.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from agents.kernels.compile import inner
from agents.kernels.lanes import VECTOR, broadcast, load, store

ROWS: Final = 4  # rows of results at a time in add_packed


@inner
def panels(columns: int, like: Any) -> tuple[int, int]:
    """Return how many panels a number of columns needs, with the dtype of an array, and their width."""
    width = 2 * VECTOR // like.itemsize
    return (columns + width - 1) // width, width


@inner
def padded(rows: int, columns: int, like: Any) -> Any:
    """Return a matrix of zeros with the dtype of an array, wide enough for a result of ``add_packed``."""
    count, width = panels(columns, like)
    return np.zeros((rows, count * width), like.dtype)


@inner
def packed(rows: int, columns: int, like: Any) -> Any:
    """Return zeros (panels, rows, width) with the dtype of an array, for ``pack`` to fill."""
    count, width = panels(columns, like)
    return np.zeros((count, rows, width), like.dtype)


@inner
def pack(matrix: Any, out: Any) -> None:
    """Write a matrix (rows, columns), in any memory order, into ``out``; padding stays zero."""
    rows, columns = matrix.shape
    width = out.shape[2]
    for p in range(out.shape[0]):
        first = p * width
        for k in range(rows):
            for j in range(min(width, columns - first)):
                out[p, k, j] = matrix[k, first + j]


@inner
def add_packed(left: Any, at: int, right: Any, out: Any) -> None:
    """Add left[:, at : at + k] @ right to out (rows, padded columns).

    ``right`` is packed, (panels, k, width). Rows are taken four at a time; if fewer are left, the last one is
    computed several times, with the same result.
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
                value = broadcast(left, (b, at + k))
                bi, bj = bi + value * x, bj + value * y
                value = broadcast(left, (c, at + k))
                ci, cj = ci + value * x, cj + value * y
                value = broadcast(left, (d, at + k))
                di, dj = di + value * x, dj + value * y
                value = broadcast(left, (e, at + k))
                ei, ej = ei + value * x, ej + value * y
            store(out, (b, i), bi)
            store(out, (b, j), bj)
            store(out, (c, i), ci)
            store(out, (c, j), cj)
            store(out, (d, i), di)
            store(out, (d, j), dj)
            store(out, (e, i), ei)
            store(out, (e, j), ej)
