"""Pictures of the reaching task, drawn off-screen by MuJoCo."""

from __future__ import annotations

import contextlib
import copy
from typing import Any, NamedTuple

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray

from savings_gym.arm.model import Arm
from savings_gym.arrays import Floats
from savings_gym.envs.opengl import NO_BACKEND, gl_context
from savings_gym.envs.pictures import LARGEST_PICTURE, PICTURE_SIZE, SMALLEST_PICTURE, check_picture_size
from savings_gym.envs.snapshot import CATCH, GO, WAIT, Snapshot, take_snapshot
from savings_gym.task.reach import ReachingArms

Colour = tuple[float, float, float, float]

FINER = 2  # rows and columns that are drawn for each of a picture
CAMERA_HEIGHT = 1.0  # m

ON_TABLE = -0.055  # m, height of the field's arrows: below the arm
LAYERS = (0.050, 0.052, 0.054, 0.056, 0.058)  # m, heights of everything drawn above the arm
CURSOR = (0.090, 0.092)  # m, heights of the hand's rim and middle: above the force arrow, which is round
DISC_HALF_HEIGHT = 0.0004  # m

START: Colour = (0.25, 0.27, 0.31, 0.9)
TARGET_BEFORE_GO: Colour = (0.93, 0.62, 0.16, 1.0)
TARGET_INSIDE: Colour = (0.97, 0.96, 0.94, 1.0)  # before go, targets are rings
TARGET_AFTER_GO: Colour = (0.16, 0.62, 0.36, 1.0)
OTHER_TARGETS: Colour = (0.45, 0.47, 0.50, 0.30)  # the centre-out targets of other trials
PATH_BEGIN, PATH_END = np.array([0.55, 0.70, 0.93]), np.array([0.07, 0.25, 0.63])
HAND: Colour = (0.10, 0.11, 0.14, 1.0)
SEEN: Colour = (0.88, 0.38, 0.05, 1.0)  # the cursor, where a visual perturbation shows the hand
HAND_RIM: Colour = (1.0, 1.0, 1.0, 1.0)
FORCE: Colour = (0.80, 0.16, 0.16, 1.0)
FORCE_SCALE = 0.02  # m/N, of the force on the hand
LONGEST_FORCE = 0.25  # m
SMALLEST_FORCE = 0.05  # N; no arrow below it
ARROWS_WAITING: Colour = (0.50, 0.45, 0.62, 0.30)  # a field that has not set on
ARROWS_ACTING: Colour = (0.50, 0.38, 0.72, 0.80)
ARROW_SCALE = 0.006  # m/N, of the field over the workspace
LONGEST_ARROW = 0.045  # m; stronger fields have a smaller scale
REST = np.array([0.80, 0.79, 0.77])  # colour of a muscle without activation
TENDON_WIDTH = (0.75, 1.7)  # of a muscle without and with full activation, relative to the MJCF

INK = (0.16, 0.17, 0.20)
SIGNAL_INK = {WAIT: (0.80, 0.47, 0.05), GO: (0.10, 0.50, 0.27), CATCH: (0.45, 0.47, 0.50)}
FIELD_INK = (0.38, 0.27, 0.60)

FONTS = (  # least width that is drawn, pixels, for each size of letters
    (600, mujoco.mjtFontScale.mjFONTSCALE_200),
    (400, mujoco.mjtFontScale.mjFONTSCALE_150),
    (280, mujoco.mjtFontScale.mjFONTSCALE_100),
    (0, mujoco.mjtFontScale.mjFONTSCALE_50),
)


class View(NamedTuple):
    """The square of the table that a picture shows, seen from straight above without perspective.

    Attributes:
        x: Of its centre, to the right of the shoulder [m].
        y: Of its centre, in front of the shoulder [m].
        side: Length of its sides [m].
    """

    x: float
    y: float
    side: float

    def pixels(self, positions: ArrayLike, size: int) -> Floats:
        """Return where positions are in a picture.

        Args:
            positions: (..., 2) on the table [m].
            size: Width and height of the picture, pixels.

        Returns:
            (..., 2) column and row in pixels from the upper left corner; element [i, j] of a picture has its
            centre at column j + 0.5 and row i + 0.5.
        """
        x, y = np.moveaxis(np.asarray(positions, dtype=np.float64), -1, 0)
        scale = size / self.side
        return np.stack([size / 2 + scale * (x - self.x), size / 2 - scale * (y - self.y)], axis=-1)


CENTRE_OUT_VIEW = View(-0.07, 0.27, 0.86)  # torso, arm and all targets
WHOLE_VIEW = View(0.0, 0.25, 1.34)  # wherever the hand can be


class SnapshotRenderer:
    """Draws snapshots of an arm: muscles, start, targets, hand path and the field.

    A muscle's path has its colour in the MJCF, which fades and thins out as its activation falls.

    Args:
        arm: The arm.
        view: What the pictures show.
    """

    def __init__(self, arm: Arm, view: View = CENTRE_OUT_VIEW) -> None:
        self.view, self._model = view, copy.deepcopy(arm.model)
        self._model.vis.quality.offsamples = 0  # as `FINER` smooths edges for less
        self._model.vis.global_.offwidth = self._model.vis.global_.offheight = FINER * LARGEST_PICTURE
        self._tendon_colour = self._model.tendon_rgba[:, :3].copy()
        self._muscle_of = {int(tendon): muscle for muscle, tendon in enumerate(_tendons(arm))}
        self._data = mujoco.MjData(self._model)
        self._scene = mujoco.MjvScene(self._model, maxgeom=1000)
        self._options, self._perturb = mujoco.MjvOption(), mujoco.MjvPerturb()
        self._camera = mujoco.MjvCamera()  # a free one, from above; its head light shines straight down
        self._camera.azimuth, self._camera.elevation = 90.0, -90.0
        self._gl: Any = gl_context(SMALLEST_PICTURE)
        self._gl.make_current()
        try:
            self._mjr = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_200.value)
        except mujoco.FatalError as error:  # such as a window system that cannot be reached
            raise RuntimeError(NO_BACKEND.format(reason=error)) from error
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._mjr)

    def picture(
        self, snapshot: Snapshot, size: int = PICTURE_SIZE, *, text: bool = True
    ) -> NDArray[np.uint8]:
        """Return a picture (size, size, 3).

        Args:
            snapshot: What it shows.
            size: Width and height, pixels.
            text: Whether trial, time, go signal and field are written into the corners.

        Raises:
            ValueError: If the size is not 16 to 640 pixels.
            RuntimeError: If the renderer is closed.
        """
        if self._gl is None:
            raise RuntimeError("the renderer is closed")
        check_picture_size(size)
        self._compose(snapshot)
        self._gl.make_current()
        fine = FINER * size
        viewport = mujoco.MjrRect(0, 0, fine, fine)
        mujoco.mjr_render(viewport, self._scene, self._mjr)
        if text:
            self._write(snapshot, fine)
        pixels = np.empty((fine, fine, 3), dtype=np.uint8)
        mujoco.mjr_readPixels(pixels, None, viewport, self._mjr)
        blocks = np.flipud(pixels).reshape(size, FINER, size, FINER, 3)
        return (blocks.sum(axis=(1, 3), dtype=np.uint16) // FINER**2).astype(np.uint8)

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

    def _compose(self, snapshot: Snapshot) -> None:
        """Put arm and trial into the scene, and look at it from above."""
        data, scene = self._data, self._scene
        data.qpos[:] = snapshot.joints
        mujoco.mj_fwdPosition(self._model, data)
        everything = mujoco.mjtCatBit.mjCAT_ALL.value
        mujoco.mjv_updateScene(
            self._model, data, self._options, self._perturb, self._camera, everything, scene
        )
        self._colour_muscles(snapshot.activation)
        self._draw_field(snapshot)
        self._draw_targets(snapshot)
        self._draw_movement(snapshot)
        half = self.view.side / 2
        for camera in scene.camera:
            camera.pos[:] = self.view.x, self.view.y, CAMERA_HEIGHT
            camera.forward[:], camera.up[:] = (0.0, 0.0, -1.0), (0.0, 1.0, 0.0)
            camera.orthographic, camera.frustum_center, camera.frustum_width = 1, 0.0, half
            camera.frustum_bottom, camera.frustum_top = -half, half
            camera.frustum_near, camera.frustum_far = 0.1, 2.0 * CAMERA_HEIGHT

    def _colour_muscles(self, activation: Floats) -> None:
        thin, thick = TENDON_WIDTH
        for geom in self._scene.geoms[: self._scene.ngeom]:
            if geom.objtype == mujoco.mjtObj.mjOBJ_TENDON and geom.objid in self._muscle_of:
                shade = activation_shade(activation[self._muscle_of[geom.objid]])
                geom.rgba[:3] = (1.0 - shade) * REST + shade * self._tendon_colour[geom.objid]
                geom.size[:2] *= (1.0 - shade) * thin + shade * thick

    def _draw_field(self, snapshot: Snapshot) -> None:
        position, force = snapshot.arrows.position, snapshot.arrows.force
        size = np.linalg.norm(force, axis=1)
        if not len(size) or size.max() < SMALLEST_FORCE:
            return
        scale = min(ARROW_SCALE, LONGEST_ARROW / size.max())
        colour = ARROWS_ACTING if snapshot.acting else ARROWS_WAITING
        for centre, vector in zip(position, scale * force, strict=True):
            self._arrow(centre - vector / 2, centre + vector / 2, 0.004, colour, ON_TABLE)

    def _draw_targets(self, snapshot: Snapshot) -> None:
        for target in snapshot.other_targets:
            self._disc(target, 0.006, OTHER_TARGETS, LAYERS[0])
        self._disc(snapshot.start, 0.006, START, LAYERS[0])
        go = snapshot.signal == GO
        self._disc(snapshot.target, 0.015, TARGET_AFTER_GO if go else TARGET_BEFORE_GO, LAYERS[1])
        if not go:
            self._disc(snapshot.target, 0.0105, TARGET_INSIDE, LAYERS[2])

    def _draw_movement(self, snapshot: Snapshot) -> None:
        path = snapshot.path
        for k in range(len(path) - 1):
            progress = k / max(len(path) - 2, 1)
            colour = (*((1.0 - progress) * PATH_BEGIN + progress * PATH_END), 1.0)
            self._line(mujoco.mjtGeom.mjGEOM_CAPSULE, 0.0026, path[k], path[k + 1], colour, LAYERS[3])
        size = float(np.linalg.norm(snapshot.force))
        if size > SMALLEST_FORCE:
            vector = min(FORCE_SCALE, LONGEST_FORCE / size) * snapshot.force
            self._arrow(path[-1], path[-1] + vector, 0.008, FORCE, LAYERS[4])
        self._disc(path[-1], 0.0085, HAND_RIM, CURSOR[0])
        self._disc(path[-1], 0.006, HAND, CURSOR[1])
        if snapshot.cursor is not None:
            self._disc(snapshot.cursor, 0.0085, SEEN, CURSOR[1])

    def _write(self, snapshot: Snapshot, fine: int) -> None:
        """Write trial, time and signal into the upper left corner, the field into the upper right one."""
        scale = next(scale for least, scale in FONTS if fine >= least)
        mujoco.mjr_changeFont(scale.value, self._mjr)
        force = float(np.linalg.norm(snapshot.force))
        self._text(snapshot.title, 0, 0, INK, fine)
        self._text(snapshot.clock, 1, 0, INK, fine)
        self._text(snapshot.signal, 1, self._width(snapshot.clock + "  "), SIGNAL_INK[snapshot.signal], fine)
        for line, text, ink in (
            (0, snapshot.field_name, FIELD_INK if snapshot.acting else INK),
            (1, f"{force:.1f} N" if force > SMALLEST_FORCE else "", FORCE[:3]),
        ):
            self._text(text, line, fine - 2 * self._margin() - self._width(text), ink, fine)

    def _text(self, text: str, line: int, left: int, ink: tuple[float, ...], fine: int) -> None:
        """Write into line 0, 1, ... from the top, `left` pixels off the margin."""
        height, margin = self._mjr.charHeight, self._margin()
        x, y = (margin + left) / fine, 1.0 - (margin + (1.0 + 1.15 * line) * height) / fine
        mujoco.mjr_text(mujoco.mjtFont.mjFONT_NORMAL.value, text, self._mjr, x, y, *ink)

    def _margin(self) -> int:
        return int(self._mjr.charHeight) // 2

    def _width(self, text: str) -> int:
        return int(sum(self._mjr.charWidth[ord(letter)] for letter in text if ord(letter) < 127))

    def _disc(self, centre: Floats, radius: float, colour: Colour, height: float) -> None:
        geom = self._next_geom()
        if geom is not None:
            size, position = np.array([radius, DISC_HALF_HEIGHT, 0.0]), np.array([*centre, height])
            shape, rgba = mujoco.mjtGeom.mjGEOM_CYLINDER.value, np.array(colour, np.float32)
            mujoco.mjv_initGeom(geom, shape, size, position, np.eye(3).ravel(), rgba)

    def _arrow(self, begin: Floats, end: Floats, width: float, colour: Colour, height: float) -> None:
        """Draw an arrow, thinner than `width` if it is short."""
        length = float(np.linalg.norm(end - begin))
        end = 2.0 * end - begin  # MuJoCo draws arrows half as long as their connector
        self._line(mujoco.mjtGeom.mjGEOM_ARROW, min(width, 0.17 * length), begin, end, colour, height)

    def _line(
        self, shape: mujoco.mjtGeom, width: float, begin: Floats, end: Floats, colour: Colour, height: float
    ) -> None:
        geom = self._next_geom()
        if geom is not None:
            unset, rgba = np.zeros(3), np.array(colour, np.float32)  # the connector sets size and position
            mujoco.mjv_initGeom(geom, shape.value, unset, unset, np.zeros(9), rgba)
            mujoco.mjv_connector(
                geom, shape.value, width, np.array([*begin, height]), np.array([*end, height])
            )

    def _next_geom(self) -> mujoco.MjvGeom | None:
        """Return the next free geom of the scene, or None if the scene is full."""
        if self._scene.ngeom >= self._scene.maxgeom:
            return None
        self._scene.ngeom += 1
        return self._scene.geoms[self._scene.ngeom - 1]


class ReachRenderer:
    """Draws the arms of a task at present.

    Args:
        task: The task.
    """

    def __init__(self, task: ReachingArms) -> None:
        self._task = task
        self.view = CENTRE_OUT_VIEW if task.settings.directions else WHOLE_VIEW
        self._renderer = SnapshotRenderer(task.arm, self.view)

    def frame(self, arm: int, size: int = PICTURE_SIZE) -> NDArray[np.uint8]:
        """Return a picture of one arm, (size, size, 3), of 16 to 640 pixels."""
        return self._renderer.picture(take_snapshot(self._task, arm), size)

    def close(self) -> None:
        """Free the OpenGL resources; may be called more than once."""
        self._renderer.close()


def activation_shade(activation: float) -> float:
    """Return how much of its own colour and largest width a muscle has, 0 to 1.

    It is the cube root of activation, since in most of a reach activations are below a tenth.
    """
    return float(np.cbrt(np.clip(activation, 0.0, 1.0)))


def _tendons(arm: Arm) -> list[int]:
    """Return the tendon of every muscle; none for an arm that torques drive."""
    return arm.model.actuator_trnid[:, 0].tolist() if arm.pulls else []
