"""How our kernels are compiled, and when those that were kept between runs are forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numba

# For functions that only kernels call: wrappers for Python would take longer to compile than they.
_INNER: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
inner: Any = numba.njit(fastmath=True, error_model="numpy", **_INNER)


def forget_stale_kernels(name: str) -> None:
    """Remove the cached kernels of a module of this folder, by its `__name__`, if any source in it is newer.

    Numba notices changes in the file of a function, not in those of the functions that it calls.
    """
    folder = Path(__file__).parent
    changed = max(source.stat().st_mtime for source in folder.glob("*.py"))
    for kernel in (folder / "__pycache__").glob(f"{name.rpartition('.')[2]}.*.nb[ic]"):
        try:
            if kernel.stat().st_mtime < changed:
                kernel.unlink()
        except FileNotFoundError:
            continue  # a process beside this one has removed it
