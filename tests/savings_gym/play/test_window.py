"""The window: a script that sees a green target and moves there, and a mouse under a virtual display."""

import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from savings_gym import four_phase
from savings_gym.files import read_table
from savings_gym.play import mouse
from savings_gym.play.game import Game
from savings_gym.play.mouse import MousePlayer
from savings_gym.play.record import score
from savings_gym.play.screen import GO, HAND, SIZE, WAIT, Screen

pygame = pytest.importorskip("pygame")
TASK = four_phase(None, 1, 1, 1, 1)


@pytest.fixture
def screens(monkeypatch):
    """A display that nobody sees, no pauses, and all that was shown: (target is green, message, pixels)."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setattr(mouse, "READY", 0.01)
    monkeypatch.setattr(mouse, "FEEDBACK", 0.01)
    monkeypatch.setattr(mouse, "FRAME", 0.002)
    shown, show, move.here = [], Screen.show_trial, (0.0, 0.0)

    def look(screen, task, gone, message=""):
        show(screen, task, gone, message)
        shown.append((gone, message, pygame.surfarray.array3d(screen.surface)))
        goal = task.trials.target_position[0] if gone else task.trials.start[0]
        move(screen.pixel(goal), share=0.1 if gone else 1.0)

    monkeypatch.setattr(Screen, "show_trial", look)
    monkeypatch.setattr(Screen, "show_page", lambda *_: click())
    yield shown
    pygame.quit()


def move(pixel, share):
    """Move the mouse by a share of the way to a pixel."""
    here = move.here = [a + share * (b - a) for a, b in zip(move.here, pixel, strict=True)]
    pygame.event.post(pygame.event.Event(pygame.MOUSEMOTION, pos=tuple(map(round, here))))


def click():
    pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=1))


def pixels(picture, colour):
    """Pixels of a colour, (n, 2)."""
    return np.argwhere((picture == colour).all(axis=-1))


def test_whoever_moves_to_the_green_target_gets_there(screens):
    game = Game(TASK, 1, "torque")
    with MousePlayer(game, slow=0.3) as player:
        assert game.play(player)
        table = game.table()
        waiting = [picture for gone, _, picture in screens if not gone]
        going = [picture for gone, _, picture in screens if gone]
        assert len(pixels(waiting[0], WAIT)) > 300 and not len(pixels(waiting[0], GO))
        assert len(pixels(going[0], GO)) > 300 and not len(pixels(going[0], WAIT))
        hand = [pixels(picture, HAND).mean(axis=0) for picture in (going[0], going[-1])]
        target = Screen.pixel(game.target)
        assert np.linalg.norm(hand[0] - target) > 60 > 15 > np.linalg.norm(hand[1] - target)
        assert (table["endpoint_error"] < 0.02).all()
        assert np.abs(table["lateral_deviation"][[1, 3]]).min() > 3e-3
        click()
        player.show(score(table))
        assert len(np.unique(pygame.surfarray.array2d(player._screen.surface))) > 10
    assert not pygame.display.get_init()


@pytest.mark.parametrize("event", [{"type": "QUIT"}, {"type": "KEYDOWN", "key": "K_ESCAPE"}])
def test_closing_the_window_or_escape_ends_the_game(screens, event, monkeypatch):
    def leave(*_):
        more = {"key": pygame.K_ESCAPE} if "key" in event else {}
        pygame.event.post(pygame.event.Event(getattr(pygame, event["type"]), **more))

    monkeypatch.setattr(Screen, "show_trial", leave)
    game = Game(TASK, 1, "torque")
    with MousePlayer(game) as player:
        assert not game.play(player)


def test_plane_and_pixels_are_inverse():
    for pixel in ((0, 0), (SIZE, SIZE), (123, 456)):
        assert Screen.pixel(Screen.plane(pixel)) == pixel
    assert Screen.plane((0, 10))[1] > Screen.plane((0, 20))[1]  # forward is up


@pytest.mark.parametrize("slow", [0.0, -1.0, float("nan")])
def test_time_must_pass(slow):
    with pytest.raises(ValueError, match="slow"):
        MousePlayer(Game(TASK, 1, "torque"), slow)


@pytest.fixture
def display(tmp_path):
    """Name of a virtual X display."""
    for program in ("Xvfb", "xdotool"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}: apt-get install xvfb xdotool")
    command = ["Xvfb", "-noreset", "-displayfd", "1", "-screen", "0", f"{SIZE}x{SIZE}x24"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            yield f":{server.stdout.readline().strip()}"
        finally:
            server.terminate()


def test_a_mouse_plays_a_game_under_x(display, tmp_path):
    grab = pytest.importorskip("PIL.ImageGrab").grab
    out = tmp_path / "run"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SDL_")}
    environment |= {"DISPLAY": display}
    environment.pop("WAYLAND_DISPLAY", None)
    options = ["--targets", "1", "--trials", "1", "1", "1", "1", "--actuation", "torque", "--slow", "1"]
    command = [sys.executable, "-m", "savings_gym.play", *options, "--out", str(out)]
    hands, deadline = set(), time.monotonic() + 60
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as game:
        try:
            while game.poll() is None and time.monotonic() < deadline:
                for _ in range(12):
                    motion = ["xdotool", "mousemove_relative", "10", "0", "sleep", "0.02"]
                    subprocess.run(motion, env=environment, check=True)
                    seen = pixels(np.array(grab(xdisplay=display).convert("RGB")), HAND)
                    hands |= {tuple((seen.mean(axis=0) / 5).round())} if len(seen) else set()
                subprocess.run(["xdotool", "click", "1"], env=environment, check=True)
        finally:
            game.kill()
        errors = game.stderr.read()
    assert game.returncode == 0, errors
    assert len(hands) > 4  # the hand was seen to move
    assert json.loads((out / "summary.json").read_text())["complete"]
    table = read_table(out / "probes.parquet")
    assert (table["peak_speed"] > 0.05).all() and table["phase"].tolist() == ["NF1", "FF1", "NF2", "FF2"]
