"""Networks side by side: a kernel is called once per network, from as many threads as there may be.

Kernels release Python's lock. Loops that numba itself runs in parallel would be compiled three times over, in
twice the time, and their threads keep a core busy while they wait for each other.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numba

from savings_gym.arrays import as_whole_number

_count: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]


def threads() -> int:
    """Return how many threads kernels take: NUMBA_NUM_THREADS, by default the number of cores."""
    return _count


def set_threads(count: int) -> None:
    """Let kernels take another number of threads.

    Raises:
        ValueError: If the number is not positive.
    """
    global _count
    _count = as_whole_number("count", count, least=1)


def for_every_network(kernel: Callable[..., None], networks: int, *arguments: Any) -> None:
    """Call a kernel with the number of every network, and with the arguments; return when all are done.

    Args:
        kernel: What it does for one network must not depend on the others.
        networks: How many there are.
        *arguments: What all calls have in common.
    """
    count = min(_count, networks)
    if count <= 1:
        for network in range(networks):
            kernel(network, *arguments)
        return
    calls = _pool(count).map(lambda network: kernel(network, *arguments), range(networks))
    deque(calls, maxlen=0)  # raises what a call raised


@cache
def _pool(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="networks")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a child has none of its parent's threads
