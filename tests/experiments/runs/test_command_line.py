"""Every command names itself and its choices in --help, and refuses bad values in one line."""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import re
import shlex
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import tyro

from agents.supervised.networks import CELLS
from experiments.benchmark.agents import AGENTS
from experiments.benchmark.search import SEARCHABLE
from experiments.controls.conditions import conditions
from experiments.figures.command import FIGURES
from experiments.runs.command_line import (
    StopFlag,
    command_main,
    command_text,
    interrupted,
    preset_main,
    refuse_unused,
)
from experiments.savings.config import PRESETS

COMMANDS = {  # the module that holds main, and what --help has to list
    "experiments.savings": (
        "experiments.savings.command",
        ["quick", "paper", "smoke", *CELLS, "eprop-random"],
    ),
    "experiments.pretrain": ("experiments.savings.pretrain", [*CELLS, "motor"]),
    "experiments.report": ("experiments.report.command", ["benchmark"]),
    "experiments.join_networks": ("experiments.join_networks", []),
    "experiments.activity": ("experiments.stored.activity", ["null", "curl"]),
    "experiments.controls": ("experiments.controls.command", ["quick", *conditions(PRESETS["smoke"])]),
    "experiments.figures": ("experiments.figures.command", ["quick", *FIGURES]),
    "experiments.figures.results_page": ("experiments.figures.results_page", []),
    "experiments.benchmark": ("experiments.benchmark.command", ["full", *AGENTS]),
    "experiments.benchmark.job": ("experiments.benchmark.job", [*AGENTS]),
    "experiments.benchmark.search": ("experiments.benchmark.search", [*SEARCHABLE]),
    "experiments.benchmark.page": ("experiments.benchmark.page", []),
    "experiments.benchmark.row": ("experiments.benchmark.row", ["make", "check"]),
    "experiments.benchmark.plan": ("experiments.benchmark.plan", []),
    "experiments.benchmark.reward": ("experiments.benchmark.reward", []),
    "experiments.speed": ("experiments.speed.command", ["update", "env", "fused"]),
}


def main_of(module: str) -> Callable[[list[str]], int]:
    return importlib.import_module(COMMANDS[module][0]).main  # type: ignore[no-any-return]


@pytest.mark.parametrize("module", COMMANDS)
def test_help_shows_how_to_run_the_command_and_its_choices(
    module: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main_of(module)(["--help"])
    text = capsys.readouterr().out
    assert end.value.code == 0 and text.startswith(f"usage: python -m {module} ")
    unlisted = [name for name in COMMANDS[module][1] if name not in text]
    assert not unlisted and "__main__" not in text


@pytest.mark.parametrize("module", COMMANDS)
def test_the_help_of_a_command_and_of_its_arguments_is_in_paragraphs(
    module: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line ends where the next word no longer fits, not where one ends in the source."""
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit):
        main_of(module)(["--help"])
    lines = capsys.readouterr().out.splitlines()
    titles = [line.strip("╭─╮ ") in ("options", "positional arguments") for line in lines]
    boxes = lines[titles.index(True) :]
    above = lines[: titles.index(True)]
    above = above[above.index("") :]  # the usage may have several lines
    for before, line in itertools.pairwise(above):
        assert not before or not line or line.startswith(" "), line  # a paragraph of the description
    for before, line in itertools.pairwise(boxes):
        indent = re.match(r"[│ ] {5,}(?=[^ │])", line)
        if indent is None or before[indent.end() - 2 : indent.end()].strip() or before[indent.end()] in " │":
            continue  # the first line of a text
        word = line[indent.end() :].split()[0]
        assert len(before.rstrip(" │")) + 1 + len(word) > len(line) - 2, word


@pytest.mark.parametrize("module", ["experiments.report", "experiments.activity"])
def test_a_folder_without_a_run_is_refused_in_one_line(
    module: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert main_of(module)([str(tmp_path)]) == 2
    (record,) = caplog.records
    assert record.getMessage().startswith("error: ") and str(tmp_path) in record.getMessage()


@pytest.mark.parametrize(
    ("module", "option"),
    [("experiments.savings", "--seed"), ("experiments.figures", "--seed"),
     ("experiments.benchmark", "--seeds"), ("experiments.benchmark.job", "--seed"),
     ("experiments.benchmark.search", "--seed")],
)  # fmt: skip
@pytest.mark.parametrize("seed", [2**63, 2**64 + 1, -1])
def test_a_seed_of_more_than_63_bits_is_refused(
    module: str, option: str, seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    agent = ["--agent", "ppo"] if module.startswith("experiments.benchmark.") else []
    out = tmp_path / "out"
    try:
        status: object = main_of(module)([*agent, "--out", str(out), f"{option}={seed}"])
    except SystemExit as end:  # the parser's own refusal
        status = end.code
    shown = caplog.text + capsys.readouterr().err
    assert status == 2 and str(seed) in shown and not out.exists()


@dataclass(frozen=True)
class Arguments:
    """Arguments of a small command."""

    preset: str = "small"
    """A preset."""
    number: int = 1
    """A number."""

    def __post_init__(self) -> None:
        if self.number < 1:
            raise ValueError(f"number must be at least 1, got {self.number}")


SMALL = {"small": Arguments(), "large": Arguments("large", 100)}


@dataclass(frozen=True)
class Group:
    """A group of arguments."""

    names: tuple[str, ...] = ()
    """Names."""


@dataclass(frozen=True)
class Words:
    """Arguments with texts."""

    text: str = "usual"
    """A text."""
    out: Path = Path("out")
    """A folder."""
    group: Group = Group()
    """More."""


def test_a_preset_sets_the_defaults_of_the_other_arguments() -> None:
    seen: list[Arguments] = []

    def run(config: Arguments) -> int:
        seen.append(config)
        return 7

    for arguments in ([], ["--preset", "large"], ["--preset=large", "--number", "3"]):
        assert preset_main("experiments.small", SMALL, "small", run, arguments, None) == 7
    assert [config.number for config in seen] == [1, 100, 3]


def test_a_command_line_to_copy_has_these_arguments_whatever_they_hold() -> None:
    words = Words("Jane Doe", Path("a folder/$HOME"), Group(("it's", '{"kind": "gain"}', "*")))
    python, option, module, *arguments = shlex.split(command_text("experiments.words", words, Words()))
    assert (python, option, module) == ("python", "-m", "experiments.words")
    assert tyro.cli(Words, args=arguments) == words
    positional = command_text("experiments.words", Words("other"), Words(), Path("my table.csv"))
    assert positional == "python -m experiments.words 'my table.csv' --text other"
    large = command_text("experiments.small", Arguments("large", 3), SMALL)
    assert large == "python -m experiments.small --preset large --number 3"


def test_a_given_argument_that_changes_nothing_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    def check(config: Arguments) -> None:
        refuse_unused(config, SMALL[config.preset], {"number": "without --text"})

    def main(*arguments: str) -> int:
        return preset_main("experiments.small", SMALL, "small", lambda _: 7, list(arguments), None, check)

    assert main() == main("--preset", "large") == main("--preset", "large", "--number", "100") == 7
    assert main("--number", "100") == 2
    assert caplog.records[-1].getMessage() == "error: --number 100 changes nothing without --text"
    given = Words(group=Group(("a",)))
    with pytest.raises(ValueError, match=r"--group.names .* changes nothing without --text"):
        refuse_unused(given, Words(), {"group.names": "without --text"})
    refuse_unused(dataclasses.replace(given, text="other"), given, {"group.names": "without --text"})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_exit_status_says_that_a_signal_interrupted_a_command(number: signal.Signals) -> None:
    with StopFlag() as stop:
        signal.raise_signal(number)
        assert stop() and stop.status == 128 + number and interrupted(stop.status)


@pytest.mark.parametrize("status", [0, 1, 2, -9])
def test_other_exit_statuses_say_that_no_signal_did(status: int) -> None:
    assert not interrupted(status)


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError("value"), 2), (OSError("disk"), 2), (ImportError("package"), 2)]
)
def test_an_error_of_the_work_is_one_line(
    error: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    def run(config: Arguments) -> int:
        raise error

    assert command_main("experiments.small", Arguments, run, [], None) == status
    assert [record.getMessage() for record in caplog.records] == [f"error: {error}"]


def test_ctrl_c_ends_a_command_with_one_line(caplog: pytest.LogCaptureFixture) -> None:
    def run(config: Arguments) -> int:
        raise KeyboardInterrupt

    assert command_main("experiments.small", Arguments, run, [], None) == 130
    assert [record.getMessage() for record in caplog.records] == ["interrupted"]


@pytest.mark.parametrize("arguments", [["--preset", "huge"], ["--preset=huge"]])
def test_an_unknown_preset_lists_them(arguments: list[str], caplog: pytest.LogCaptureFixture) -> None:
    assert preset_main("experiments.small", SMALL, "small", lambda config: 0, arguments, None) == 2
    assert "preset must be one of ('small', 'large'), got 'huge'" in caplog.text
