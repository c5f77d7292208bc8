"""The choice of how MuJoCo draws: EGL, OSMesa or a window system."""

from __future__ import annotations

import ctypes
import os
import platform
from typing import Any

import mujoco

LIBRARIES = {"egl": ("libEGL.so.1", "libOpenGL.so.0"), "osmesa": ("libOSMesa.so.8",)}
NO_BACKEND = (
    "rendering needs EGL or OSMesa, and neither could be used ({reason}). On Debian or Ubuntu: "
    "apt-get install libegl1 libopengl0 libgl1-mesa-dri, or apt-get install libosmesa6. "
    "MUJOCO_GL=egl or MUJOCO_GL=osmesa chooses one of them."
)
FAILURES = (ImportError, AttributeError, RuntimeError, mujoco.FatalError)  # of libraries and contexts


def has_display() -> bool:
    """Return whether there is a window system; assumed everywhere but on Linux."""
    return platform.system() != "Linux" or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))


def choose_backend() -> str:
    """Return how to render: as MUJOCO_GL says, else by EGL or OSMesa on Linux, else by a window system.

    On Linux a window system comes last, because DISPLAY may name one that cannot be reached.

    Returns:
        "egl", "osmesa", or "" for MuJoCo's own choice.

    Raises:
        RuntimeError: If no back end can be loaded; it names the Debian packages.
    """
    requested = os.environ.get("MUJOCO_GL", "").strip().lower()
    if (requested and requested not in LIBRARIES) or platform.system() != "Linux":
        return ""
    reasons = []
    for backend in (requested,) if requested else LIBRARIES:
        try:
            for library in LIBRARIES[backend]:
                ctypes.CDLL(library)
            return backend
        except OSError as error:
            reasons.append(f"{backend}: {error}")
    if not requested and has_display():
        return ""
    raise RuntimeError(NO_BACKEND.format(reason="; ".join(reasons)))


def gl_context(size: int) -> Any:
    """Return an OpenGL context, not yet current; pictures are drawn into buffers of their own.

    Args:
        size: Width and height of its window, which shows nothing, pixels.

    Raises:
        RuntimeError: If there is none; it names the Debian packages.
    """
    backends, reasons = [choose_backend()], []
    if backends[0] and has_display() and not os.environ.get("MUJOCO_GL"):
        backends.append("")
    for backend in backends:
        try:
            return _context(backend, size)
        except FAILURES as error:
            reasons.append(f"{backend or 'window system'}: {error}")
    raise RuntimeError(NO_BACKEND.format(reason="; ".join(reasons)))


def _context(backend: str, size: int) -> Any:
    if backend == "egl":
        from mujoco.egl import GLContext
    elif backend == "osmesa":
        from mujoco.osmesa import GLContext
    else:
        from mujoco.gl_context import GLContext
    return GLContext(size, size)
