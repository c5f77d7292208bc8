"""How kernels are compiled: every numba decorator of the package, and when stored kernels are dropped.

``entry`` is for kernels that Python calls; they are kept on disk between runs. The others are for functions
that only kernels call: ``inner`` for loops over arrays, ``inlined`` for short formulas that take the settings
of their caller, and ``lanewise`` for formulas over lanes (``agents.kernels.lanes``).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numba

FAST: Final[dict[str, Any]] = {"fastmath": True, "error_model": "numpy"}
# Without reassociation: sine and cosine subtract pi in two parts.
LANE_MATH: Final[dict[str, Any]] = {"fastmath": {"contract", "arcp", "nsz"}, "error_model": "numpy"}
# Wrappers for Python would take longer to compile than the functions.
NO_WRAPPERS: Final[dict[str, Any]] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

inner: Any = numba.njit(**FAST, **NO_WRAPPERS)
inlined: Any = numba.njit(**FAST, inline="always")
lanewise: Any = numba.njit(**LANE_MATH)


def entry(function: Callable[..., None]) -> Any:
    """Compile a kernel that Python calls and that releases its lock while it runs."""
    kernel = numba.njit(cache=True, nogil=True, **FAST)(function)
    _forget_if_stale(kernel)
    return kernel


def _forget_if_stale(kernel: Any) -> None:
    """Remove a kernel that was kept on disk if any source file of this package is newer.

    Numba notices changes in the file of a function, but not in those of the functions that it calls.
    Another process that starts at the same moment may remove the same files: one that is gone is passed over.
    """
    function = kernel.py_func
    changed = max(source.stat().st_mtime for source in Path(__file__).parent.glob("*.py"))
    stem = function.__module__.rpartition(".")[2]
    for file in Path(kernel.stats.cache_path).glob(f"{stem}.{function.__qualname__}-*.nb[ic]"):
        with suppress(FileNotFoundError):
            if file.stat().st_mtime < changed:
                file.unlink()
