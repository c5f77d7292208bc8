"""What every test shares: an OpenGL back end where there is one, markers that skip, repeatable hypothesis."""

import os
import subprocess
import sys

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("repeatable")

GL_PACKAGES = "libegl1 libopengl0 libgl1-mesa-dri (MUJOCO_GL=egl), or libosmesa6 (MUJOCO_GL=osmesa)"
GL_PROBE = "import mujoco; context = mujoco.GLContext(16, 16); context.make_current(); context.free()"
GL_STATE = "SAVINGS_GYM_TESTS_GL"  # "yes" or "no", kept in the environment so that test workers inherit it
GL_REQUIRED = "SAVINGS_GYM_REQUIRE_GL"  # set by .ci/run: then a missing back end fails instead of skipping


def _gl_works(backend: str) -> bool:
    # in a process of its own: with a back end whose library is missing, `import mujoco` itself fails
    environment = {**os.environ, "MUJOCO_GL": backend}
    command = [sys.executable, "-c", GL_PROBE]
    try:
        return subprocess.run(command, env=environment, capture_output=True, timeout=60).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _choose_gl() -> None:
    if GL_STATE in os.environ:
        return
    asked = os.environ.get("MUJOCO_GL", "")
    headless = sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    candidates = [asked] if asked or not headless else ["egl", "osmesa"]
    found = next((backend for backend in candidates if _gl_works(backend)), None)
    os.environ[GL_STATE] = "no" if found is None else "yes"
    if found:
        os.environ["MUJOCO_GL"] = found
    else:
        os.environ.pop("MUJOCO_GL", None)


_choose_gl()  # before anything imports mujoco


def _need_gl() -> None:
    if os.environ[GL_STATE] == "yes":
        return
    reason = f"no OpenGL context can be made; on Debian install {GL_PACKAGES}"
    if os.environ.get(GL_REQUIRED):
        pytest.fail(reason)
    pytest.skip(reason)


def _need_gpu() -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("render"):
        _need_gl()
    if item.get_closest_marker("gpu"):
        _need_gpu()


@pytest.fixture
def requires_gl() -> None:
    """Skips the test, naming the Debian packages, where no OpenGL context can be made."""
    _need_gl()
