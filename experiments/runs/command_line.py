"""What the experiments' command lines share."""

from __future__ import annotations

import ctypes
import logging
import signal
import sys
from collections.abc import Callable, Collection, Mapping
from types import FrameType
from typing import Any

import tyro

log = logging.getLogger(__name__)


def preset_main(
    arguments: list[str] | None,
    presets: Mapping[str, Any],
    default: str,
    run: Callable[[Any], int],
    about: str | None,
) -> int:
    """A command line whose arguments are a dataclass with presets; returns the exit status.

    Args:
        arguments: What was given; None is the process's own.
        presets: By name, the arguments with other defaults; all of one class.
        default: Name of the preset when none is named.
        run: Does the work and returns the status; bad values and files that it refuses give 2.
        about: What ``--help`` says.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    keep_freed_memory()
    given = sys.argv[1:] if arguments is None else arguments
    try:
        preset = presets[named_preset(given, presets, default)]
        return run(tyro.cli(type(preset), args=given, default=preset, description=about))
    except (ValueError, OSError) as error:
        log.error("error: %s", error)
        return 2


def named_preset(arguments: list[str], presets: Collection[str], default: str) -> str:
    """The preset named on a command line: it decides the defaults of the other arguments.

    Raises:
        ValueError: For a name that is none of the presets.
    """
    name = default
    for i, argument in enumerate(arguments):
        if argument == "--preset" and i + 1 < len(arguments):
            name = arguments[i + 1]
        elif argument.startswith("--preset="):
            name = argument.removeprefix("--preset=")
    if name not in presets:
        raise ValueError(f"unknown preset {name!r}; choose from: {', '.join(presets)}")
    return name


class StopFlag:
    """Turns Ctrl-C, a kill and a closed terminal into a question; a second Ctrl-C stops at once."""

    def __init__(self) -> None:
        """Takes the signals over."""
        self.asked = False
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True

    def __call__(self) -> bool:
        """Whether somebody asked to stop."""
        return self.asked


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt(3)
KEPT = 2**31 - 1  # bytes, the largest that mallopt takes


def keep_freed_memory() -> None:
    """Lets this process keep freed memory for its next arrays; does nothing where there is no glibc.

    For programs to call once, at their start. An update makes arrays of tens of megabytes and frees them. By
    default the system takes every such piece back and hands it out again page by page, zeroed: a quarter of
    the time of a large update. The process stays as large as it once was.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(M_MMAP_THRESHOLD, KEPT)
    mallopt(M_TRIM_THRESHOLD, KEPT)
