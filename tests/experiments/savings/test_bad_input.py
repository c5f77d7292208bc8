"""The main experiment: what cannot be run is refused before anything is made, and the reason is named."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import pytest

from agents.supervised.checkpoints import save_ensemble
from agents.supervised.networks import PARAMETERS, available_devices, make_ensemble
from experiments.savings.command import main
from experiments.savings.config import Savings
from experiments.savings.experiment import FourPhases

SMOKE = ["--preset", "smoke"]
DEVICES = tuple(available_devices())


def test_a_folder_with_other_files_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    assert main([*SMOKE, "--out", str(tmp_path)]) == 2
    assert "holds files but no config.json" in caplog.text and [file.name for file in tmp_path.iterdir()] == [
        "thesis.tex"
    ]


def test_a_config_of_something_else_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for content in ('{"learning": "deep"}', '{"argum', "[]"):
        (tmp_path / "config.json").write_text(content)
        assert main([*SMOKE, "--out", str(tmp_path)]) == 2
        assert "config.json is not the configuration of a run" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--preset", "fast"], "preset must be one of ('quick', 'paper', 'smoke'), got 'fast'"),
        (["--nf2-updates", "0"], "nf2_updates must be a whole number of at least 1, got 0"),
        (["--b", "nan"], "b must be a finite number"),
        (
            ["--noise.vision", "-1"],
            "vision must be a finite number of at least 0 and at most 1e+06, got -1.0",
        ),
        (["--delays.vision", "0.005"], "whole number of control steps"),
        (["--pretrained", "nowhere.safetensors"], "no weights file 'nowhere.safetensors'"),
        (["--optimiser", "lbfgs"], "optimiser must be one of ('adam', 'sgd'), got 'lbfgs'"),
        (["--rule", "hebb"], "rule must be one of ('bptt', 'eprop', 'eprop-random'), got 'hebb'"),
        (["--rollout", "warp"], "rollout must be one of ('auto', 'fused', 'plain'), got 'warp'"),
        (["--cell", "transformer"], "unknown cell 'transformer'; choose from: gru, lstm, rnn"),
        (["--frozen", "weights"], f"parameter must be one of {PARAMETERS}, got 'weights'"),
        (["--device", "quantum"], f"device must be one of {DEVICES}, got 'quantum'"),
        (["--device", "meta"], f"device must be one of {DEVICES}, got 'meta'"),
        (["--device", "cpu:7"], f"device must be one of {DEVICES}, got 'cpu:7'"),
        (["--seed", "-1"], "seed must be a whole number of at least 0, got -1"),
        (["--seed", str(2**63)], f"seed must be at most {2**63 - 1} (63 bits), got {2**63}"),
        (
            ["--networks", "1000000"],
            "1000000 networks of 8 units that learn from 32 trials at a time need about",
        ),
        (["--units", "1000000"], "2 networks of 1000000 units that learn from 32 trials"),
        (["--loss.position", "nan"], "the weight of position must be finite and at least 0, got nan"),
        (["--cell", "lstm", "--rollout", "fused"], "the fused rollout runs gru on cpu, not lstm on cpu"),
        (["--out", f"{__file__}/run"], "Not a directory"),
    ],
)
def test_bad_arguments_say_what_is_wrong_before_anything_is_made(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "run"
    try:
        status = main([*SMOKE, "--out", str(out), *arguments])
    except SystemExit as error:  # the parser's own refusal
        status = int(error.code or 0)
    shown = " ".join(
        (caplog.text + capsys.readouterr().err).replace("│", " ").split()
    )  # out of the parser's box
    assert status == 2 and said in shown
    assert not out.exists()


def test_a_local_rule_says_what_it_does_in_the_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(FourPhases, "run", lambda experiment, display, stopped: False)
    save_ensemble(tmp_path / "lstm.safetensors", make_ensemble("lstm", 2, 8, seed=0))
    arguments = ["--cell", "lstm", "--rule", "eprop", "--pretrained", str(tmp_path / "lstm.safetensors")]
    assert main([*SMOKE, *arguments, "--out", str(tmp_path / "run")]) == 130
    assert "e-prop" in caplog.text and "forget gate of the unit's memory cell" in caplog.text


def test_more_memory_than_there_is_is_refused_before_the_folder_is_made(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert main([*SMOKE, "--networks", "10000000", "--out", str(tmp_path / "run")]) == 2
    assert "GB of memory" in caplog.text and "choose fewer" in caplog.text and not any(tmp_path.iterdir())


def test_weights_that_do_not_fit_are_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = tmp_path / "whole.safetensors"
    save_ensemble(whole, make_ensemble("gru", 2, 8, seed=0))
    (tmp_path / "cut.safetensors").write_bytes(whole.read_bytes()[:-100])
    for name, arguments, said in (
        ("cut", [], "not a whole weights file"),
        ("whole", ["--networks", "3"], "holds 2 networks, --networks is 3"),
        ("whole", ["--units", "16"], "holds networks of 8 units, --units is 16"),
    ):
        out = tmp_path / "run"
        weights = str(tmp_path / f"{name}.safetensors")
        assert main([*SMOKE, "--pretrained", weights, "--out", str(out), *arguments]) == 2
        assert said in caplog.text and not out.exists()


def test_every_argument_has_a_help_line() -> None:
    source = inspect.getsource(Savings)
    for field in dataclasses.fields(Savings):
        declared = source.split(f"\n    {field.name}: ", 1)[1]
        assert declared.split("\n")[1].strip().startswith('"""'), field.name
