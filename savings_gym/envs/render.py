"""Pictures of the reaching task, drawn off-screen by MuJoCo."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from savings_gym.arrays import Floats
from savings_gym.task.reach import ReachingArms
from savings_gym.task.settings import CONTROL_STEP

Colour = tuple[float, float, float, float]

RENDER_FPS = round(1.0 / CONTROL_STEP)  # real time
PICTURE_SIZE = 480  # pixels, width and height
CAMERA = "top"
HEIGHT = 0.026  # m, of everything drawn around the arm: just above its skin

START: Colour = (0.25, 0.27, 0.31, 0.9)
TARGET_BEFORE_GO: Colour = (0.93, 0.62, 0.16, 0.75)
TARGET_AFTER_GO: Colour = (0.16, 0.62, 0.36, 0.9)
OTHER_TARGETS: Colour = (0.45, 0.47, 0.50, 0.22)  # the centre-out targets of other trials
PATH_BEGIN, PATH_END = np.array([0.55, 0.70, 0.93]), np.array([0.07, 0.25, 0.63])
FORCE: Colour = (0.80, 0.16, 0.16, 0.95)
FORCE_SCALE = 0.02  # m/N
SMALLEST_FORCE = 0.05  # N; no arrow below it

LIBRARIES = {"egl": ("libEGL.so.1", "libOpenGL.so.0"), "osmesa": ("libOSMesa.so.8",)}
NO_BACKEND = (
    "rendering needs EGL or OSMesa, and neither could be used ({reason}). On Debian or Ubuntu: "
    "apt-get install libegl1 libopengl0 libgl1-mesa-dri, or apt-get install libosmesa6. "
    "MUJOCO_GL=egl or MUJOCO_GL=osmesa chooses one of them."
)


def has_display() -> bool:
    """Return whether there is a window system; assumed everywhere but on Linux."""
    return platform.system() != "Linux" or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))


def choose_backend() -> str:
    """Return how to render: MUJOCO_GL if it is set, else a window system if there is one, else EGL or OSMesa.

    Returns:
        "egl", "osmesa", or "" for MuJoCo's own choice.

    Raises:
        RuntimeError: If no back end can be loaded; it names the Debian packages.
    """
    requested = os.environ.get("MUJOCO_GL", "").strip().lower()
    if requested and requested not in LIBRARIES:
        return ""
    if not requested and has_display():
        return ""
    reasons = []
    for backend in (requested,) if requested else LIBRARIES:
        try:
            for library in LIBRARIES[backend]:
                ctypes.CDLL(library)
            return backend
        except OSError as error:
            reasons.append(f"{backend}: {error}")
    raise RuntimeError(NO_BACKEND.format(reason="; ".join(reasons)))


def _gl_context(size: int) -> Any:
    """Return an OpenGL context for off-screen pictures, not yet current."""
    backend = choose_backend()
    try:
        if backend == "egl":
            from mujoco.egl import GLContext
        elif backend == "osmesa":
            from mujoco.osmesa import GLContext
        else:
            from mujoco.gl_context import GLContext
        return GLContext(size, size)
    except (ImportError, AttributeError, RuntimeError, mujoco.FatalError) as error:
        raise RuntimeError(NO_BACKEND.format(reason=f"{backend or 'window system'}: {error}")) from error


class ReachRenderer:
    """Draws the arms of a task: muscles, start, targets, hand path and the field's force.

    Args:
        task: The task; `frame` draws its present state.
        size: Width and height of the pictures, pixels.
    """

    def __init__(self, task: ReachingArms, size: int = PICTURE_SIZE) -> None:
        self._task, self._size = task, size
        model = task.arm.model
        self._data = mujoco.MjData(model)
        self._scene = mujoco.MjvScene(model, maxgeom=1000)
        self._options, self._perturb = mujoco.MjvOption(), mujoco.MjvPerturb()
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._camera.fixedcamid = model.camera(CAMERA).id
        self._gl: Any = _gl_context(size)
        self._gl.make_current()
        self._mjr = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._mjr)

    def frame(self, arm: int) -> NDArray[np.uint8]:
        """Return a picture of one arm, (size, size, 3)."""
        if self._gl is None:
            raise RuntimeError("the renderer is closed")
        task, data, scene = self._task, self._data, self._scene
        data.qpos[:], data.qvel[:], data.act[:] = task.qpos[arm], task.qvel[arm], task.act[arm]
        mujoco.mj_forward(task.arm.model, data)
        mujoco.mjv_updateScene(
            task.arm.model,
            data,
            self._options,
            self._perturb,
            self._camera,
            mujoco.mjtCatBit.mjCAT_ALL.value,
            scene,
        )
        self._draw_trial(arm)
        self._gl.make_current()
        viewport = mujoco.MjrRect(0, 0, self._size, self._size)
        pixels = np.empty((self._size, self._size, 3), dtype=np.uint8)
        mujoco.mjr_render(viewport, scene, self._mjr)
        mujoco.mjr_readPixels(pixels, None, viewport, self._mjr)
        return np.flipud(pixels).copy()

    def close(self) -> None:
        """Free the OpenGL resources; may be called more than once."""
        if getattr(self, "_gl", None) is not None:
            self._gl.make_current()
            self._mjr.free()
            self._gl.free()
            self._gl = None

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # at exit, OpenGL may be gone already
            self.close()

    def _draw_trial(self, arm: int) -> None:
        trials, t = self._task.trials, int(self._task.t[arm])
        for target in trials.all_targets(arm):
            self._disc(target, 0.008, OTHER_TARGETS)
        self._disc(trials.start[arm], 0.007, START)
        after_go = t >= trials.cue_step[arm]
        self._disc(trials.target_position[arm], 0.012, TARGET_AFTER_GO if after_go else TARGET_BEFORE_GO)
        path = self._task.hand[: t + 1, arm]
        for k in range(len(path) - 1):
            progress = k / max(len(path) - 2, 1)
            colour = (*((1.0 - progress) * PATH_BEGIN + progress * PATH_END), 1.0)
            self._line(mujoco.mjtGeom.mjGEOM_CAPSULE, 0.0028, path[k], path[k + 1], colour)
        force = self._task.field_force[arm]
        if np.linalg.norm(force) > SMALLEST_FORCE:
            tip = path[-1] + FORCE_SCALE * force
            self._line(mujoco.mjtGeom.mjGEOM_ARROW, 0.005, path[-1], tip, FORCE)

    def _disc(self, centre: Floats, radius: float, colour: Colour) -> None:
        geom = self._next_geom()
        if geom is not None:
            size, position = np.array([radius, radius, 0.0005]), np.array([*centre, HEIGHT])
            shape = mujoco.mjtGeom.mjGEOM_CYLINDER.value
            mujoco.mjv_initGeom(geom, shape, size, position, np.eye(3).ravel(), np.array(colour, np.float32))

    def _line(self, shape: mujoco.mjtGeom, width: float, begin: Floats, end: Floats, colour: Any) -> None:
        geom = self._next_geom()
        if geom is not None:
            unset, rgba = np.zeros(3), np.array(colour, np.float32)  # the connector sets size and position
            mujoco.mjv_initGeom(geom, shape.value, unset, unset, np.zeros(9), rgba)
            begin, end = np.array([*begin, HEIGHT]), np.array([*end, HEIGHT])
            mujoco.mjv_connector(geom, shape.value, width, begin, end)

    def _next_geom(self) -> mujoco.MjvGeom | None:
        """Return the next free geom of the scene, or None if the scene is full."""
        if self._scene.ngeom >= self._scene.maxgeom:
            return None
        self._scene.ngeom += 1
        return self._scene.geoms[self._scene.ngeom - 1]
