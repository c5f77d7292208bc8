"""Products of a few rows with a matrix of weights that stays in a core's cache, in numba.

``pack`` arranges weights in panels two vectors wide, which ``add_packed`` reads in sequence while it keeps
a few rows of results in registers. Sizes need not be multiples of anything.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from agents.kernels.compile import inner
from agents.kernels.lanes import VECTOR, add_rows

ROWS: Final = 6  # most rows of results at a time in add_packed; with two vectors each they fit 16 registers


@inner
def panels(columns: int, like: Any) -> tuple[int, int]:
    """Return how many panels a number of columns needs, with the dtype of an array, and their width."""
    width = 2 * VECTOR // like.itemsize
    return (columns + width - 1) // width, width


@inner
def aligned(size: int, like: Any) -> Any:
    """Return zeros with the dtype of an array that begin at a cache line, where vectors load fastest."""
    spare = VECTOR // like.itemsize
    values = np.zeros(size + spare, like.dtype)
    start = (-values.ctypes.data) % VECTOR // like.itemsize
    return values[start : start + size]


@inner
def padded(rows: int, columns: int, like: Any) -> Any:
    """Return a matrix of zeros with the dtype of an array, wide enough for a result of ``add_packed``."""
    count, width = panels(columns, like)
    return aligned(rows * count * width, like).reshape((rows, count * width))


@inner
def packed(rows: int, columns: int, like: Any) -> Any:
    """Return zeros (panels, rows, width) with the dtype of an array, for ``pack`` to fill."""
    count, width = panels(columns, like)
    return aligned(count * rows * width, like).reshape((count, rows, width))


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

    ``right`` is packed, (panels, k, width). Rows are taken up to six at a time, in shares as equal as can be,
    so that the weights of a panel are read rarely and no row is computed twice.
    """
    rows = left.shape[0]
    shares = (rows + ROWS - 1) // ROWS
    for p in range(right.shape[0]):
        b = 0
        for share in range(shares):
            count = (rows * (share + 1)) // shares - b
            if count == 6:
                add_rows(6, left, (b, at), right, p, out)
            elif count == 5:
                add_rows(5, left, (b, at), right, p, out)
            elif count == 4:
                add_rows(4, left, (b, at), right, p, out)
            elif count == 3:
                add_rows(3, left, (b, at), right, p, out)
            elif count == 2:
                add_rows(2, left, (b, at), right, p, out)
            else:
                add_rows(1, left, (b, at), right, p, out)
            b += count
