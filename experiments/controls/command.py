"""The controls of the main experiment: conditions side by side on the same networks, and one table.

    python -m experiments.controls --preset quick|paper|smoke [--only NAME ...] [--out runs/controls-quick]

Conditions are declared in ``experiments.controls.conditions``; they share networks, seed and all other
arguments with the main run (``--main``), which is made first if there is none. Every condition is a run
folder of ``experiments.savings`` in ``--out``; phases that two conditions share are made once. The same
command resumes with what is missing. Writes controls.json and controls.md.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from experiments.controls.conditions import FEW, MAIN, Condition, chosen, conditions
from experiments.controls.table import write_table
from experiments.runs.command_line import StopFlag, choice, choices, preset_main
from experiments.runs.folder import RunFolder
from experiments.runs.side_by_side import Command, run_side_by_side
from experiments.savings.config import PRESETS as RUN_PRESETS
from experiments.savings.config import Savings, begin, check_memory, finished
from experiments.savings.config import arguments as savings_arguments
from experiments.savings.shared_phases import begin_from, stored_arguments
from savings_gym.arrays import as_choice
from savings_gym.files import SUMMARY, sole_writer

log = logging.getLogger(__name__)
PRESET_NAMES = ("quick", "paper", "smoke")


@dataclass(frozen=True)
class Controls:
    """Arguments of the controls; the preset sets the defaults."""

    preset: Annotated[str, choice(PRESET_NAMES)] = "quick"
    """quick (an hour and a half of one core), paper (the study's schedule), smoke (a minute)."""
    out: Path = Path("runs/controls-quick")
    """Folder of the conditions and their table."""
    main: Path = Path("runs/savings-quick")
    """Run folder of the main experiment; made with this preset if there is none."""
    only: Annotated[tuple[str, ...], choices(conditions(RUN_PRESETS["paper"]))] = ()
    """Names of conditions, which bring those they are compared with; all of them by default. Those from
    gate-by-gate on need a main run of another preset than quick."""
    networks: int | None = None
    """Networks of the conditions, the first ones of the main run; all of them by default."""
    few: int = FEW
    """Most networks of the conditions that learn in another way from the beginning."""
    jobs: int = os.cpu_count() or 1
    """Runs side by side."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        as_choice("preset", self.preset, PRESET_NAMES)
        for name in ("networks", "few", "jobs"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        for name in ("out", "main"):
            if getattr(self, name).is_file():
                raise FileExistsError(f"--{name} {getattr(self, name)} is a file, expected a folder")
        chosen(conditions(RUN_PRESETS[self.preset]), self.only)
        if self.networks is not None and is_complete(self.main):
            available = stored_arguments(self.main).networks
            if self.networks > available:
                raise ValueError(f"--networks is {self.networks}, but --main {self.main} has {available}")

    def conditions(self, only: tuple[str, ...] = ()) -> dict[str, Condition]:
        """Return the named conditions, or all, in their folders.

        Raises:
            FileNotFoundError, ValueError: If there is no main run yet.
        """
        every = chosen(conditions(stored_arguments(self.main), self.few, self.networks), only)
        return {
            name: dataclasses.replace(each, config=dataclasses.replace(each.config, out=self.folder(name)))
            for name, each in every.items()
        }

    def done(self) -> dict[str, Condition]:
        """Return all conditions that are complete, including those that `only` leaves out."""
        complete = {}
        for name, each in self.conditions().items():
            try:
                if name == MAIN or finished(each.config):
                    complete[name] = each
            except (FileExistsError, FileNotFoundError) as error:
                log.warning("condition %s is left out: %s", name, error)
        return complete

    def folder(self, name: str) -> Path:
        """Return the run folder of a condition."""
        return self.main if name == MAIN else self.out / name

    def main_run(self) -> Savings:
        """Return the arguments of a main run that is made here."""
        preset = RUN_PRESETS[self.preset]
        return dataclasses.replace(preset, out=self.main, networks=self.networks or preset.networks)


PRESETS = {
    "quick": Controls(),
    "paper": Controls("paper", Path("runs/controls-paper"), Path("runs/savings-paper")),
    "smoke": Controls("smoke", Path("runs/controls-smoke"), Path("runs/savings-smoke"), few=1),
}


def run(config: Controls) -> int:
    """Make what is missing, then the table; return the exit status.

    Returns:
        0; 1 if a run failed; if interrupted, 130 after Ctrl-C and 143 after SIGTERM.
    """
    with StopFlag() as stop, sole_writer(config.out):
        return _run(config, stop)


def _run(config: Controls, stop: StopFlag) -> int:
    if not is_complete(config.main):
        arguments = ["experiments.savings", *savings_arguments(config.main_run())]
        failed = run_side_by_side([Command(MAIN, arguments, config.out / "main.log")], 1, stop)
        if failed or stop():
            return _ended(config, failed, stop)
    every = config.conditions(config.only)
    missing = [each for name, each in every.items() if name != MAIN and not finished(each.config)]
    for each in missing:
        check_memory(each.config)
    log.info("%d conditions, %d of them complete", len(every), len(every) - len(missing))
    commands = [condition_command(each, config.out, config.folder) for each in missing]
    failed = run_side_by_side(commands, config.jobs, stop)
    if not stop():
        for file in write_table(config.out, config.done()):
            log.info("wrote %s", file)
    return _ended(config, failed, stop)


def is_complete(run: Path) -> bool:
    """Return whether a folder holds a finished run."""
    return (run / SUMMARY).is_file() and bool(RunFolder.read_summary(run).get("complete"))


def condition_command(condition: Condition, out: Path, folder: Callable[[str], Path]) -> Command:
    """Return the process that runs a condition, after the condition whose first phases it takes over.

    Args:
        condition: What to run.
        out: Folder of its log.
        folder: Run folder of a condition, by its name.
    """

    def prepare() -> None:
        begin(condition.config)  # also with arguments of the main run that change nothing here
        source = folder(condition.shares) if condition.shares else None
        if source is not None and is_complete(source):
            names = begin_from(source, condition.config)
            if names:
                log.info("  takes over %s of %s", ", ".join(names), condition.shares)

    arguments = ["experiments.savings", *savings_arguments(condition.config)]
    file = out / f"{condition.name}.log"
    return Command(condition.name, arguments, file, condition.shares, prepare)


def _ended(config: Controls, failed: dict[str, int], stop: StopFlag) -> int:
    for name, status in failed.items():
        log.error("failed with status %d: %s, see %s", status, name, config.out / f"{name}.log")
    if stop():
        log.warning("interrupted: the same command resumes with what is missing")
        return stop.status
    return 1 if failed else 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return preset_main("experiments.controls", PRESETS, "quick", run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
