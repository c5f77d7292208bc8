"""What the command lines of all experiments share."""

from __future__ import annotations

import ctypes
import dataclasses
import logging
import os
import shlex
import signal
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from operator import attrgetter
from types import FrameType
from typing import Annotated, Any, Final, get_args, get_type_hints

import docstring_parser
import tyro

from savings_gym.arrays import as_choice

log = logging.getLogger(__name__)
HELP: Final = {"-h", "--help"}
PARENT: Final = "SAVINGS_GYM_PARENT"  # environment variable: the process with which a command shall end
PR_SET_PDEATHSIG: Final = 1  # of Linux's prctl(2)


def command_main(
    module: str,
    config: Any,
    run: Callable[[Any], int],
    arguments: list[str] | None,
    description: str | None,
    default: Any = None,
    check: Callable[[Any], None] | None = None,
) -> int:
    """Run a command whose arguments are a dataclass; return its exit status.

    Bad values, and files that cannot be read or written, give one line on the error stream and status 2.
    Ctrl-C gives one line and status 130, unless the command does something about it itself.

    Args:
        module: Its name after ``python -m``.
        config: Class of the arguments, which checks them in ``__post_init__``, or the union of the classes of
            subcommands.
        run: Does the work and returns the status.
        arguments: The command line; None takes that of the process.
        description: Text of ``--help``.
        default: An instance of the class whose values are the defaults; None takes those of the class.
        check: Refuses with a ValueError what may stand in a stored run, but not on a command line, such as
            arguments that change nothing, see `refuse_unused`.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if (parent := os.environ.pop(PARENT, None)) is not None:  # not for processes that this one starts
        end_with_parent(int(parent))
    keep_freed_memory()
    if HELP & set(sys.argv[1:] if arguments is None else arguments):
        _flow_help(config)
        description = None if description is None else _flow(description)
    defaults = {} if default is None else {"default": default}
    try:
        parsed = tyro.cli(
            config, prog=f"python -m {module}", args=arguments, description=description, **defaults
        )
        if check is not None:
            check(parsed)
        return run(parsed)
    except (ValueError, OSError, ImportError) as error:
        log.error("error: %s", error)
        return 2
    except KeyboardInterrupt:  # of a command, or a part of one, that has no state to save
        log.warning("interrupted")
        return SIGNALLED + signal.SIGINT


def preset_main(
    module: str,
    presets: Mapping[str, Any],
    default: str,
    run: Callable[[Any], int],
    arguments: list[str] | None,
    description: str | None,
    check: Callable[[Any], None] | None = None,
) -> int:
    """Run a command whose ``--preset`` decides the defaults of its other arguments; see `command_main`.

    Args:
        module: Its name after ``python -m``.
        presets: Default arguments by the name of the preset, all of one class.
        default: Name of the preset if none is given.
        run: Does the work and returns the status.
        arguments: The command line; None takes that of the process.
        description: Text of ``--help``.
        check: As in `command_main`.
    """
    given = sys.argv[1:] if arguments is None else arguments
    try:
        preset = presets[named_preset(given, presets, default)]
    except ValueError as error:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        log.error("error: %s", error)
        return 2
    return command_main(module, type(preset), run, given, description, preset, check)


def named_preset(arguments: list[str], presets: Collection[str], default: str) -> str:
    """Return the name of the preset on a command line.

    Raises:
        ValueError: If there is no such preset.
    """
    name = default
    for i, argument in enumerate(arguments):
        if argument == "--preset" and i + 1 < len(arguments):
            name = arguments[i + 1]
        elif argument.startswith("--preset="):
            name = argument.removeprefix("--preset=")
    return as_choice("preset", name, presets)


def _flow_help(config: Any) -> None:
    """Let ``--help`` show the text of every argument as one paragraph, whatever lines it has in the source.

    Args:
        config: Class of the arguments, or a union of such classes; classes of groups in it are changed, too.
    """
    for each in get_args(config):
        _flow_help(each)
    if not (isinstance(config, type) and dataclasses.is_dataclass(config)):
        return
    for base in config.__bases__:
        _flow_help(base)
    hints = get_type_hints(config, include_extras=True)
    for hint in hints.values():
        _flow_help(hint)
    for argument in docstring_parser.parse_from_object(config).params:
        lines = (argument.description or "").split("\n")
        if len(lines) > 1 and argument.arg_name in config.__annotations__:
            text = tyro.conf.arg(help=" ".join(line.strip() for line in lines))
            config.__annotations__[argument.arg_name] = Annotated[hints[argument.arg_name], text]


def _flow(text: str) -> str:
    """Return a text whose paragraphs are lines; indented ones, such as commands, stay as they are."""
    paragraphs = text.strip().split("\n\n")
    return "\n\n".join(each if each.startswith(" ") else " ".join(each.split("\n")) for each in paragraphs)


def choice(names: Iterable[str]) -> Any:
    """Return an annotation with which ``--help`` lists the valid names of an argument."""
    return tyro.conf.arg(metavar=f"{{{','.join(names)}}}")


def choices(names: Iterable[str], aliases: tuple[str, ...] = ()) -> Any:
    """Return the annotation of an argument that takes any number of the names; `aliases` are other flags."""
    return tyro.conf.arg(metavar=f"[{{{','.join(names)}}} ...]", aliases=aliases)


def differing_flags(config: Any, default: Any, prefix: str = "") -> list[str]:
    """Return the flags for the fields of a dataclass whose values differ from those of another.

    Args:
        config: Arguments of a command.
        default: An instance of the same class; the preset itself is no field that differs.
        prefix: Name of the group, with a dot.
    """
    flags: list[str] = []
    for field in dataclasses.fields(config):
        value, usual = getattr(config, field.name), getattr(default, field.name)
        flag = f"{prefix}{field.name.replace('_', '-')}"
        if value == usual or field.name == "preset":
            continue
        if dataclasses.is_dataclass(value):
            flags += differing_flags(value, usual, f"{flag}.")
        elif isinstance(value, bool):
            flags.append(f"--{flag}" if value else f"--{prefix}no-{flag.removeprefix(prefix)}")
        elif isinstance(value, tuple):
            flags += [f"--{flag}", *(str(entry) for entry in value)]
        else:
            flags += [f"--{flag}", str(value)]
    return flags


def command_arguments(config: Any, default: Any) -> list[str]:
    """Return the command line of a dataclass of arguments, after the name of its module.

    Args:
        config: The arguments.
        default: The presets, as in `preset_main`, of which ``config.preset`` is one; or an instance with the
            defaults of a command without presets.
    """
    if isinstance(default, Mapping):
        return ["--preset", config.preset, *differing_flags(config, default[config.preset])]
    return differing_flags(config, default)


def command_text(module: str, config: Any, default: Any, *positional: object) -> str:
    """Return a command line to copy, quoted for a shell.

    Args:
        module: Its name after ``python -m``.
        config: The arguments, those with flags.
        default: As in `command_arguments`.
        *positional: The arguments without flags.
    """
    words = [*map(str, positional), *command_arguments(config, default)]
    return shlex.join(["python", "-m", module, *words])


def refuse_unused(config: Any, default: Any, unused: Mapping[str, str]) -> None:
    """Refuse arguments that were given and change nothing.

    Args:
        config: Arguments of a command.
        default: An instance with the defaults.
        unused: Names of arguments that have no effect beside the others, those of groups with a dot, and why,
            in words such as "without --perturbation rotation".

    Raises:
        ValueError: If one of them differs from its default.
    """
    for name, why in unused.items():
        value, usual = map(attrgetter(name), (config, default))
        if value != usual:
            raise ValueError(f"--{name.replace('_', '-')} {value} changes nothing {why}")


SIGNALLED: Final = 128  # plus the number of a signal: exit status of a command that the signal interrupted


def interrupted(status: int) -> bool:
    """Return whether an exit status is that of a command that a signal interrupted, see `StopFlag.status`."""
    return status > SIGNALLED


class Stopped(Exception):
    """The process was asked to stop."""


def end_with_parent(parent: int) -> None:
    """Ask the system to end this process when the one that started it ends, even if killed; only Linux can.

    Args:
        parent: Process that started this one.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it had ended before
            sys.exit(1)


class StopFlag:
    """Whether Ctrl-C, a kill or a closed terminal has asked the process to stop.

    A second Ctrl-C stops it at once. At the end of a ``with`` statement signals act as before.
    """

    def __init__(self) -> None:
        """Take over the signals."""
        self.raised, self.number = False, int(signal.SIGINT)
        names = ("SIGINT", "SIGTERM", "SIGHUP")
        taken = [getattr(signal, name) for name in names if hasattr(signal, name)]
        self._before = {number: signal.signal(number, self._raise) for number in taken}

    def _raise(self, number: int, frame: FrameType | None) -> None:
        if self.raised and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.raised, self.number = True, number

    def __call__(self) -> bool:
        """Return whether the process should stop."""
        return self.raised

    @property
    def status(self) -> int:
        """The exit status of a process that stopped when asked: 130 after Ctrl-C, 143 after SIGTERM."""
        return SIGNALLED + self.number

    def __enter__(self) -> StopFlag:
        """Return the flag."""
        return self

    def __exit__(self, *error: object) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt(3)
KEPT = 2**31 - 1  # bytes, the largest value that mallopt takes


def keep_freed_memory() -> None:
    """Let this process keep freed memory for its next arrays; does nothing without glibc.

    Meant to be called once, when a program starts. An update allocates arrays of tens of megabytes and frees
    them. By default, the system takes each of them back and hands it out again page by page, zeroed, which
    slows large updates down. The price is a process that never shrinks.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(M_MMAP_THRESHOLD, KEPT)
    mallopt(M_TRIM_THRESHOLD, KEPT)
