import copy
import os
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from savings_gym import ENV_IDS, ConstantField, ReachEnv, ReachVectorEnv
from savings_gym.envs import opengl
from savings_gym.envs.opengl import choose_backend
from savings_gym.envs.render import ReachRenderer


def coloured(frame, colour):
    """Number of pixels near a colour (3,) 0..255."""
    return int((np.abs(frame.astype(int) - colour).max(axis=-1) < 40).sum())


@pytest.mark.render
def test_a_picture_shows_target_path_and_force():
    env = gym.make("NullFieldReach-v0", render_mode="rgb_array", catch_fraction=0.0, go_time=0.1)
    env.reset(seed=0, options={"target": 1, "field": ConstantField((4.0, 4.0))})
    before = env.render()
    for _ in range(60):
        env.step(np.zeros(6))
    after = env.render()
    assert before.shape == after.shape == (480, 480, 3) and before.dtype == np.uint8
    assert before is not after and (before != after).any()
    green, red = (40, 158, 92), (204, 41, 41)
    assert coloured(after, green) > coloured(before, green) + 20
    assert coloured(after, red) > coloured(before, red)
    env.close()
    env.close()


@pytest.mark.render
def test_a_vector_env_renders_every_row():
    env = ReachVectorEnv(2, render_mode="rgb_array", targets="random")
    env.reset(seed=0)
    frames = env.render()
    assert len(frames) == 2 and (frames[0] != frames[1]).any()
    env.close()
    env.close()


@pytest.mark.render
@pytest.mark.parametrize("actuation", ["muscle", "torque"])
def test_pictures_do_not_change_the_trial(actuation):
    plain, drawn = ReachEnv(actuation=actuation), ReachEnv(actuation=actuation, render_mode="rgb_array")
    plain.reset(seed=0), drawn.reset(seed=0)
    for _ in range(3):
        drawn.render()
        action = plain.action_space.high * 0.2
        assert (plain.step(action)[0] == drawn.step(action)[0]).all()
    drawn.close()


@pytest.mark.render
def test_a_closed_renderer_says_so():
    renderer = ReachRenderer(ReachEnv().task)
    renderer.close()
    with pytest.raises(RuntimeError, match="closed"):
        renderer.frame(0)


def test_without_a_render_mode_there_is_no_picture():
    for env in (ReachEnv(), ReachVectorEnv(1)):
        with pytest.warns(UserWarning, match="render_mode='rgb_array'"):
            assert env.render() is None


def test_the_backend_follows_the_environment(monkeypatch):
    loaded = []
    monkeypatch.setattr(opengl.ctypes, "CDLL", loaded.append)
    monkeypatch.setattr(opengl.platform, "system", lambda: "Linux")
    for name in ("MUJOCO_GL", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert choose_backend() == "egl" and loaded[0] == "libEGL.so.1"
    monkeypatch.setenv("DISPLAY", ":0")
    assert choose_backend() == "egl"
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    assert choose_backend() == "osmesa"
    monkeypatch.setenv("MUJOCO_GL", "glfw")
    assert choose_backend() == ""


@pytest.mark.parametrize("asked", ["", "egl", "osmesa"])
def test_without_a_backend_the_error_names_the_packages(monkeypatch, asked):
    def missing(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(opengl.ctypes, "CDLL", missing)
    monkeypatch.setattr(opengl.platform, "system", lambda: "Linux")
    monkeypatch.setenv("MUJOCO_GL", asked)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    env = ReachEnv(render_mode="rgb_array")
    env.reset(seed=0)
    with pytest.raises(RuntimeError, match="libegl1 libopengl0 libgl1-mesa-dri.*libosmesa6"):
        env.render()


def test_only_the_missing_library_falls_back(monkeypatch):
    def no_egl(name):
        if "EGL" in name:
            raise OSError(name)

    monkeypatch.setattr(opengl.ctypes, "CDLL", no_egl)
    monkeypatch.setattr(opengl.platform, "system", lambda: "Linux")
    for name in ("MUJOCO_GL", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert choose_backend() == "osmesa"
    monkeypatch.setitem(opengl.LIBRARIES, "osmesa", ("libEGL.so",))
    monkeypatch.setenv("DISPLAY", ":0")
    assert choose_backend() == "", "a window system is what is left"


def test_a_window_system_is_tried_where_egl_fails_and_nothing_else_was_asked_for(monkeypatch):
    def context(backend, size):
        if backend:
            raise RuntimeError("no device")
        return size

    monkeypatch.setattr(opengl, "choose_backend", lambda: "egl")
    monkeypatch.setattr(opengl, "has_display", lambda: True)
    monkeypatch.setattr(opengl, "_context", context)
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    assert opengl.gl_context(16) == 16
    monkeypatch.setenv("MUJOCO_GL", "egl")
    with pytest.raises(RuntimeError, match="egl: no device.*apt-get install"):
        opengl.gl_context(16)


@pytest.mark.render
def test_a_display_that_cannot_be_reached_does_not_matter():
    """In a process of its own: MuJoCo chooses its back end once."""
    code = (
        "import gymnasium as gym, savings_gym; env = gym.make('NullFieldReach-v0', render_mode='rgb_array'); "
        "env.reset(seed=0); print(env.render().std() > 1)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "MUJOCO_GL"}
    if os.environ.get("MUJOCO_GL") == "osmesa":
        environment["MUJOCO_GL"] = "osmesa"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment | {"DISPLAY": ":77"}, capture_output=True, text=True
    )
    assert done.stdout.strip() == "True", done.stderr


@pytest.mark.render
@pytest.mark.parametrize("env_id", ENV_IDS)
def test_gymnasium_records_a_video(env_id, tmp_path):
    pytest.importorskip("moviepy")
    env = gym.make(env_id, render_mode="rgb_array")
    env = gym.wrappers.RecordVideo(env, str(tmp_path / "video"), video_length=5)
    env.reset(seed=0)
    for _ in range(8):
        env.step(env.action_space.sample())
    env.close()
    (video,) = (tmp_path / "video").glob("*.mp4")
    assert video.stat().st_size > 1000


@pytest.fixture
def pygame(monkeypatch):
    """Pygame with a display that nobody sees."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pygame = pytest.importorskip("pygame")
    yield pygame
    pygame.quit()


def shown(pygame):
    return pygame.surfarray.array3d(pygame.display.get_surface()).transpose(1, 0, 2)


@pytest.mark.render
def test_a_window_shows_the_arm_after_every_reset_and_step(pygame, recwarn):
    seen, drawn = (gym.make("NullFieldReach-v0", render_mode=mode) for mode in ("human", "rgb_array"))
    for env in (seen, drawn):
        env.reset(seed=0)
    assert (shown(pygame) == drawn.render()).all()
    assert seen.render() is None
    for _ in range(3):
        before = shown(pygame)
        for env in (seen, drawn):
            env.step(np.full(6, 0.4))
        assert (shown(pygame) == drawn.render()).all()
        assert (shown(pygame) != before).any()
    copied = copy.deepcopy(seen)
    copied.step(np.full(6, 0.4))
    drawn.step(np.full(6, 0.4))
    assert (shown(pygame) == drawn.render()).all()
    for env in (seen, copied, drawn):
        env.close()
    assert not pygame.display.get_init()
    assert [str(warning.message) for warning in recwarn] == []


def test_without_a_display_the_window_warns_and_pictures_go_on(monkeypatch):
    pygame = pytest.importorskip("pygame")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SDL_VIDEODRIVER", "")
    monkeypatch.delenv("SDL_VIDEODRIVER")
    with pytest.warns(UserWarning, match="there is no display"):
        gym.make("NullFieldReach-v0", render_mode="human")
    pygame.quit()


@pytest.mark.parametrize("env_id", ["NullFieldReach-v0", "BCIReach-v0"])
def test_a_window_without_pygame_is_refused_with_the_command_that_installs_it(env_id, monkeypatch):
    monkeypatch.setitem(sys.modules, "pygame", None)
    with pytest.raises(gym.error.DependencyNotInstalled, match=r"pip install 'savings_gym\[render\]'"):
        gym.make(env_id, render_mode="human")


@pytest.mark.render
@pytest.mark.parametrize("env_id", ENV_IDS)
def test_gymnasium_finds_no_fault_with_the_pictures(env_id, pygame, recwarn):
    check_env(gym.make(env_id, render_mode="rgb_array").unwrapped)
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.parametrize(("make", "mode"), [(ReachEnv, "ansi"), (ReachVectorEnv, "human")])
def test_an_unknown_render_mode_is_refused(make, mode):
    with pytest.raises(ValueError, match=f"one of .*'rgb_array'.* got '{mode}'"):
        make(render_mode=mode)
