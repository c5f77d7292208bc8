"""The command says in one line what is wrong, before anything is played."""

import json
import os
import re
import subprocess
import sys

import pytest

from savings_gym.play.command import main

SHORTEST = ["--offscreen", "--actuation", "torque", "--targets", "1", "--trials", "1", "1", "1", "1"]


def error(caplog, *arguments):
    assert main(list(arguments)) == 2
    (record,) = caplog.records
    assert "\n" not in record.getMessage()
    return record.getMessage()


def test_without_a_display_it_says_so_in_one_line_and_fails():
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    command = [sys.executable, "-m", "savings_gym.play"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and not done.stdout
    (line,) = done.stderr.splitlines()
    assert "no display" in line and "--offscreen" in line


def test_without_pygame_it_names_the_extra(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "pygame", None)
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    assert "pip install 'savings_gym[render]'" in error(caplog)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--trials", "4", "5", "4", "4"], "phase FF1 of 5 trials"),
        (["--targets", "0"], "targets must be .* got 0"),
        (["--b", "nan"], "nan"),
        (["--rate", "-1"], "rate"),
        (["--retention", "2"], "retention"),
        (["--seed", "-1"], "seed"),
    ],
)
def test_bad_values_are_refused_in_one_line(arguments, message, caplog):
    assert re.search(message, error(caplog, "--offscreen", *arguments))


def test_a_second_game_in_one_folder_is_refused(tmp_path, caplog):
    out = str(tmp_path / "run")
    assert main([*SHORTEST, "--out", out]) == 0
    before = (tmp_path / "run" / "probes.parquet").read_bytes()
    caplog.clear()
    assert "choose another folder" in error(caplog, *SHORTEST, "--out", out)
    assert (tmp_path / "run" / "probes.parquet").read_bytes() == before
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["arguments"]["offscreen"] and config["arguments"]["rate_ratio"] == 2.0


def test_nothing_is_written_unless_asked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(SHORTEST) == 0
    assert list(tmp_path.iterdir()) == []
