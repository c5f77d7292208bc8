"""How kernels are compiled: every numba decorator of the package, and when stored kernels are dropped.

``entry`` is for kernels that Python calls; they are kept on disk between runs. The others are for functions
that only kernels call: ``inner`` for loops over arrays, ``inlined`` for short formulas that take the settings
of their caller, and ``lanewise`` for formulas over lanes (``agents.kernels.lanes``).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numba

log = logging.getLogger(__name__)
# Of the code that this process has imported: neither later edits nor the dates of files matter.
SOURCES: Final = hashlib.sha256(
    b"".join(source.read_bytes() for source in sorted(Path(__file__).parent.glob("*.py")))
).hexdigest()

FAST: Final[dict[str, Any]] = {"fastmath": True, "error_model": "numpy"}
# Without reassociation: sine and cosine subtract pi in two parts.
LANE_MATH: Final[dict[str, Any]] = {"fastmath": {"contract", "arcp", "nsz"}, "error_model": "numpy"}
# Wrappers for Python would take longer to compile than the functions.
NO_WRAPPERS: Final[dict[str, Any]] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

inner: Any = numba.njit(**FAST, **NO_WRAPPERS)
inlined: Any = numba.njit(**FAST, inline="always")
lanewise: Any = numba.njit(**LANE_MATH)


def entry(function: Callable[..., None]) -> Any:
    """Compile a kernel that Python calls and that releases its lock while it runs.

    Numba keeps it on disk with the size and the date of its file. Here a digest of every source of this
    package takes their place, since functions of other files are compiled into it.
    """
    kernel = numba.njit(nogil=True, **FAST)(function)
    try:
        kernel.enable_caching()
    except RuntimeError:  # there is no place where it may write
        log.warning(
            "compiled code cannot be kept: %s is compiled in every process; name a folder in NUMBA_CACHE_DIR",
            function.__name__,
        )
    else:
        kernel._cache._cache_file._source_stamp = SOURCES
    return kernel
