"""Arguments on a command line that would change nothing are refused; in stored runs they stand."""

import dataclasses
import json
import shlex

import pytest
import tyro

from agents.supervised.checkpoints import save_ensemble
from agents.supervised.networks import make_ensemble
from experiments.controls.command import condition_command
from experiments.controls.conditions import conditions
from experiments.savings import command as savings
from experiments.savings.config import PRESETS, Savings, arguments, begin, command, finished
from experiments.savings.shared_phases import stored_arguments
from experiments.savings.unused import check_given

GAIN = '{"kind": "gain", "gain": 1.5}'
STATED = '{"kind": "gain", "gain": 1.5, "onset": "start"}'
TINY = [
    "--preset", "smoke", "--no-figures", "--nf1-updates", "2", "--ff1-updates", "2", "--nf2-updates", "2",
    "--ff2-updates", "2",
]  # fmt: skip


@pytest.fixture
def checked(monkeypatch):
    """The command, which checks its arguments and runs nothing; its status is then 7."""
    monkeypatch.setattr(savings, "run", lambda config: 7)
    return lambda *given: savings.main([*given])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--angle-deg", "45"], "--angle-deg 45.0 changes nothing without --perturbation rotation"),
        (["--perturbation", "rotation", "--b", "4"], "--b 4.0 changes nothing without --perturbation curl"),
        (["--perturbation", GAIN, "--b", "4"], "--b 4.0 changes nothing without --perturbation curl"),
        (["--perturbation", GAIN, "--angle-deg", "4"], "--angle-deg 4.0 changes nothing without"),
        (["--perturbation", STATED, "--onset", "go"], "--onset go changes nothing with a perturbation whose"),
        (["--criterion-probes", "5"], "--criterion-probes 5 changes nothing without --criterion"),
        (["--initial-weights", "gates"], "--initial-weights gates changes nothing in the networks of"),
        (["--pretraining-updates", "100"], "give --pretrained None"),
        (["--pretraining-anneal", "100"], "--pretraining-anneal 100 changes nothing"),
        (["--pretraining-criterion", "0.01"], "--pretraining-criterion 0.01 changes nothing"),
    ],
)
def test_an_argument_that_changes_nothing_is_refused_with_what_it_needs(
    checked, given, words, tmp_path, caplog
):
    assert checked("--out", str(tmp_path / "run"), *given) == 2
    assert words in caplog.text and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "given",
    [
        [],
        ["--preset", "paper"],
        ["--preset", "smoke", "--perturbation", GAIN],
        ["--perturbation", GAIN],
        ["--perturbation", STATED],
        ["--perturbation", GAIN, "--onset", "start"],
        ["--perturbation", "rotation", "--angle-deg", "45"],
        ["--b", "-8"],
        ["--b", "4", "--perturbation", "rotation", "--change.ff1-field", "resistive"],  # whose strength it is
        ["--criterion", "0.01", "--criterion-probes", "5"],
        ["--pretrained", "None", "--initial-weights", "gates", "--pretraining-updates", "100"],
        ["--preset", "smoke", "--pretraining-updates", "6", "--pretraining-anneal", "2"],
    ],
)
def test_arguments_that_act_are_accepted(checked, given, tmp_path):
    assert checked("--out", str(tmp_path / "run"), *given) == 7


def test_arguments_that_say_how_the_weights_were_made_are_accepted(checked, tmp_path, caplog):
    file, out = tmp_path / "gru8.safetensors", tmp_path / "run"
    about = {"updates": 6, "anneal": 2, "criterion": 0.5, "initial_weights": "gates"}
    save_ensemble(file, make_ensemble("gru", 2, 8, seed=0), pretraining=about)
    given = ["--preset", "smoke", "--pretrained", str(file), "--out", str(out)]
    flags = ["--pretraining-updates", "6", "--pretraining-anneal", "2", "--initial-weights", "gates"]
    assert checked(*given, *flags, "--pretraining-criterion", "0.5") == 7
    assert checked(*given, *flags, "--pretraining-criterion", "0.4") == 2
    assert "--pretraining-criterion 0.4 changes nothing in the networks of" in caplog.text


def test_a_run_that_has_begun_with_such_arguments_goes_on(checked, tmp_path):
    config = dataclasses.replace(PRESETS["quick"], angle_deg=45.0, out=tmp_path / "run")
    assert checked(*arguments(config)) == 2
    begin(config)
    assert checked(*arguments(config)) == 7
    assert checked(*arguments(dataclasses.replace(config, seed=1))) == 2  # another run


def test_controls_go_on_from_a_main_run_with_such_arguments(checked, tmp_path):
    """Older versions accepted them; every condition has them, too."""
    main_run = dataclasses.replace(PRESETS["quick"], initial_weights="gates", angle_deg=45.0)
    every = conditions(main_run)
    for condition in (every[name] for name in ("sham", "few-four", "eprop", "delay-long", "motor")):
        config = dataclasses.replace(condition.config, out=tmp_path / condition.name)
        started = condition_command(
            dataclasses.replace(condition, config=config), tmp_path, tmp_path.joinpath
        )
        module, *given = started.arguments
        assert module == "experiments.savings"
        started.prepare()
        assert checked(*given) == 7, condition.name


def test_controls_of_a_run_that_pre_trained_its_networks_are_accepted(tmp_path):
    """Their command lines have its pre-training, and its weights."""
    out = tmp_path / "run"
    pretrained = ["--initial-weights", "gates", "--pretraining-updates", "3"]
    assert savings.main([*TINY, *pretrained, "--out", str(out)]) == 0
    stored = stored_arguments(out)
    assert stored.pretrained == out / "pretrained.safetensors" and stored.initial_weights == "gates"
    every = conditions(stored)
    for name in ("sham", "opposite", "adam", "motor", "gate-by-gate", "pretrained-half", "baseline-short"):
        check_given(dataclasses.replace(every[name].config, out=tmp_path / name))


def test_the_documented_gain_runs_and_its_folder_is_read_back(tmp_path):
    out = tmp_path / "run"
    given = [*TINY, "--perturbation", GAIN, "--out", str(out)]
    assert savings.main(given) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["perturbation"] == stored_arguments(out).field().to_dict()
    assert summary["perturbation"]["onset"] == PRESETS["smoke"].onset
    assert finished(tyro.cli(Savings, args=given, default=PRESETS["smoke"]))


def test_the_command_of_a_run_can_be_copied(tmp_path):
    config = dataclasses.replace(PRESETS["quick"], perturbation=GAIN, out=tmp_path / "a b")
    python, option, module, *given = shlex.split(command(config))
    assert (python, option, module) == ("python", "-m", "experiments.savings")
    assert tyro.cli(Savings, args=given, default=PRESETS["quick"]) == config
    assert command(PRESETS["paper"]) == "python -m experiments.savings --preset paper"
