"""Figures of a run: drawn last, drawn again if missing, left out if asked; a signal meanwhile is heard."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from experiments.drawing import run as drawing
from experiments.runs.folder import FIGURES
from experiments.savings import report
from experiments.savings.command import main

LENGTHS = [word for phase in ("nf1", "ff1", "nf2", "ff2") for word in (f"--{phase}-updates", "3")]
SMALL = ["--preset", "smoke", *LENGTHS]


def test_a_run_that_is_killed_while_it_draws_is_finished_by_the_next_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(*arguments: Any) -> None:
        raise Killed

    arguments = [*SMALL, "--out", str(tmp_path / "run")]
    with monkeypatch.context() as patch:
        patch.setattr(report, "draw", kill)
        with pytest.raises(Killed):
            main(arguments)
    assert main(arguments) == 0
    assert json.loads((tmp_path / "run/summary.json").read_text())["complete"]
    names = {file.name for file in (tmp_path / "run").iterdir()}
    assert "ff1_ff2.png" in names and not names & {"state.pt", "parts"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_figures_are_drawn_stops_the_run_and_the_next_command_draws_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    draw = drawing.learning_curves

    def interrupted(curves: Any) -> Any:
        os.kill(os.getpid(), number)
        return draw(curves)

    arguments, out = [*SMALL, "--out", str(tmp_path / "run")], tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(drawing, "learning_curves", interrupted)
        assert main(arguments) == 128 + number
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert [file.name for file in out.glob("*.png")] == ["learning_curves.png"]
    assert not json.loads((out / "summary.json").read_text())["complete"]
    probes = (out / "probes.parquet").read_bytes()
    assert main(arguments) == 0
    assert json.loads((out / "summary.json").read_text())["complete"]
    assert {file.name for file in out.glob("*.png")} == set(FIGURES)
    assert (out / "probes.parquet").read_bytes() == probes


def test_a_complete_run_draws_the_figures_that_it_lacks(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert main([*SMALL, "--out", str(out)]) == 0
    figure = (out / "ff1_ff2.svg").read_bytes()
    (out / "ff1_ff2.svg").unlink()
    assert main([*SMALL, "--out", str(out)]) == 0
    assert (out / "ff1_ff2.svg").read_bytes() == figure


def test_a_run_without_figures_has_the_same_results_and_draws_them_when_asked(tmp_path: Path) -> None:
    drawn, plain = tmp_path / "drawn", tmp_path / "plain"
    assert main([*SMALL, "--out", str(drawn)]) == 0
    assert main([*SMALL, "--out", str(plain), "--no-figures"]) == 0
    assert not list(plain.glob("*.png")) and not list(plain.glob("*.svg"))
    assert (plain / "probes.parquet").read_bytes() == (drawn / "probes.parquet").read_bytes()
    assert main([*SMALL, "--out", str(plain)]) == 0
    assert {file.name: file.read_bytes() for file in plain.glob("*.svg")} == {
        file.name: file.read_bytes() for file in drawn.glob("*.svg")
    }
