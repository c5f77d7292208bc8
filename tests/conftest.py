"""Shared by all tests: an OpenGL back end if there is one, markers that skip, hypothesis, order of files."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("repeatable")

GL_PACKAGES = "libegl1 libopengl0 libgl1-mesa-dri (MUJOCO_GL=egl), or libosmesa6 (MUJOCO_GL=osmesa)"
GL_PROBE = "import mujoco; context = mujoco.GLContext(16, 16); context.make_current(); context.free()"
GL_STATE = "SAVINGS_GYM_TESTS_GL"  # "yes" or "no", an environment variable so that workers inherit it
GL_REQUIRED = "SAVINGS_GYM_REQUIRE_GL"  # set by .ci/run: a missing back end then fails the test


def _gl_works(backend: str) -> bool:
    # in a separate process, because `import mujoco` itself fails if the library of a back end is missing
    environment = {**os.environ, "MUJOCO_GL": backend}
    command = [sys.executable, "-c", GL_PROBE]
    try:
        return subprocess.run(command, env=environment, capture_output=True, timeout=60).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _choose_gl() -> None:
    if GL_STATE in os.environ:
        return
    requested = os.environ.get("MUJOCO_GL", "")
    headless = sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    candidates = [requested] if requested or not headless else ["egl", "osmesa"]
    backend = next((name for name in candidates if _gl_works(name)), None)
    os.environ[GL_STATE] = "no" if backend is None else "yes"
    if backend:
        os.environ["MUJOCO_GL"] = backend
    else:
        os.environ.pop("MUJOCO_GL", None)


_choose_gl()  # before anything imports mujoco


def _need_gl() -> None:
    if os.environ[GL_STATE] == "yes":
        return
    reason = f"no OpenGL context can be created; on Debian install {GL_PACKAGES}"
    if os.environ.get(GL_REQUIRED):
        pytest.fail(reason)
    pytest.skip(reason)


def _need_gpu() -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")


# Files that take half a minute of one core or more, the longest first. They come after those that compile the
# kernels of supervised learners (the first file) and of recurrent PPO, and others that need neither, so that
# no kernel is compiled twice. Workers take a file at a time, in this order (see the Makefile), and none is
# left alone with a long one.
FIRST_FILES = (
    "test_fused.py", "test_recurrent_ppo.py", "test_recurrent_cells.py", "test_callback.py",
    "test_outside.py", "test_baselines.py", "test_sweep.py", "test_benchmark.py", "test_readme.py",
    "test_four_phases.py", "test_controls.py", "test_figures.py", "test_slurm.py", "test_local_rule.py",
    "test_torture.py", "test_drawing.py", "test_activity_probes.py", "test_drawing_of_runs.py",
    "test_persistence.py", "test_lesions.py", "test_resume.py", "test_examples.py", "test_supervised.py",
    "test_speed.py", "test_memory_across_trials.py", "test_film.py", "test_closed_loop.py",
    "test_field_protocols.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put some files first; the order is otherwise that of the folders."""
    rank = {name: number for number, name in enumerate(FIRST_FILES)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("render"):
        _need_gl()
    if item.get_closest_marker("gpu"):
        _need_gpu()


@pytest.fixture
def requires_gl() -> None:
    """Skip the test, naming the Debian packages, if no OpenGL context can be created."""
    _need_gl()


@pytest.fixture(autouse=True, scope="session")
def quick_files() -> Iterator[None]:
    """Coarse pictures, and files that need not outlive a loss of power: less to draw and to wait for."""
    from experiments.drawing import style

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style, "DPI", 60)
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(autouse=True)
def signals_are_given_back() -> Iterator[None]:
    """Fail the test after which a signal that stops a process is handled otherwise than before."""
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    after = {number: signal.getsignal(number) for number in numbers}
    for number in [number for number in numbers if after[number] != before[number]]:
        signal.signal(number, before[number])
    assert after == before, "a command kept the signals that it took over"
