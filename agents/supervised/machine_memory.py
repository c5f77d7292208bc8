"""How much memory this machine has left, and what it calls a gigabyte; nothing heavy is imported."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

GB: Final = 1e9
CGROUP: Final = Path("/sys/fs/cgroup")


def free_memory() -> int | None:
    """Return the bytes of memory that this process can still take, or None if the system does not say."""
    limits = [_system_memory(), _container_memory()]
    return min((limit for limit in limits if limit is not None), default=None)


def _system_memory() -> int | None:
    """Memory that processes can still take on this machine."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _container_memory() -> int | None:
    """What the limit of a container (cgroup v2) leaves to this process; file caches count as free."""
    try:
        limit, used = ((CGROUP / f"memory.{name}").read_text().strip() for name in ("max", "current"))
        if limit == "max":
            return None
        statistics = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        return int(limit) - int(used) + int(statistics["inactive_file"])
    except (OSError, ValueError, KeyError):
        return None
