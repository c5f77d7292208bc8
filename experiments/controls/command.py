"""The controls of the main experiment: conditions side by side on the same networks, and one table.

    python -m experiments.controls --preset quick|paper|smoke [--only NAME ...] [--out runs/controls-quick]

Conditions are declared in ``experiments.controls.conditions``; their networks, seed and all other arguments
are those of the main run (``--main``), which is made first if it is not there. Every condition is a run
folder of ``experiments.savings`` in ``--out``; phases that two conditions have in common are made once. The
same command goes on with what is missing. Writes controls.json and controls.md.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from experiments.controls.conditions import FEW, MAIN, Condition, chosen, conditions
from experiments.controls.table import write_table
from experiments.runs.command_line import StopFlag, choice, choices, preset_main
from experiments.runs.folder import RunFolder
from experiments.runs.side_by_side import Command, run_side_by_side
from experiments.savings.config import PRESETS as RUN_PRESETS
from experiments.savings.config import arguments as savings_arguments
from experiments.savings.config import check_memory, finished
from experiments.savings.shared_phases import begin_from, stored_arguments

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
    """Run folder of the main experiment; made with this preset where there is none."""
    only: Annotated[tuple[str, ...], choices(conditions(RUN_PRESETS["quick"]))] = ()
    """Names of conditions, which bring those they are compared with; none is all."""
    few: int = FEW
    """Networks of the conditions that learn in another way from the beginning."""
    jobs: int = os.cpu_count() or 1
    """Runs side by side."""

    def __post_init__(self) -> None:
        """Checks every value before any work starts."""
        if self.preset not in PRESET_NAMES:
            raise ValueError(f"unknown preset {self.preset!r}; choose from: {', '.join(PRESET_NAMES)}")
        for name in ("few", "jobs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("out", "main"):
            if getattr(self, name).is_file():
                raise FileExistsError(f"--{name} {getattr(self, name)} is a file, expected a folder")
        chosen(conditions(RUN_PRESETS[self.preset]), self.only)

    def conditions(self, only: tuple[str, ...] = ()) -> dict[str, Condition]:
        """The named conditions, or all, in their folders.

        Raises:
            FileNotFoundError, ValueError: when there is no main run yet.
        """
        every = chosen(conditions(stored_arguments(self.main), self.few), only)
        return {
            name: dataclasses.replace(each, config=dataclasses.replace(each.config, out=self.folder(name)))
            for name, each in every.items()
        }

    def done(self) -> dict[str, Condition]:
        """All conditions that are complete, also those that are not asked for now."""
        found = {}
        for name, each in self.conditions().items():
            try:
                if name == MAIN or finished(each.config):
                    found[name] = each
            except (FileExistsError, FileNotFoundError) as error:
                log.warning("condition %s is left out: %s", name, error)
        return found

    def folder(self, name: str) -> Path:
        """Run folder of a condition."""
        return self.main if name == MAIN else self.out / name


PRESETS = {
    "quick": Controls(),
    "paper": Controls("paper", Path("runs/controls-paper"), Path("runs/savings-paper")),
    "smoke": Controls("smoke", Path("runs/controls-smoke"), Path("runs/savings-smoke"), few=1),
}


def run(config: Controls) -> int:
    """Runs what is missing, then makes the table; returns the exit status: 0, 1 if a run failed, or 130."""
    stop = StopFlag()
    if not _complete(config.main):
        first = dataclasses.replace(RUN_PRESETS[config.preset], out=config.main)
        arguments = ["experiments.savings", *savings_arguments(first)]
        failed = run_side_by_side([Command(MAIN, arguments, config.out / "main.log")], 1, stop)
        if failed or stop():
            return _ended(config, failed, stop())
    every = config.conditions(config.only)
    missing = [each for name, each in every.items() if name != MAIN and not finished(each.config)]
    for each in missing:
        check_memory(each.config)
    log.info("%d conditions, %d of them done before", len(every), len(every) - len(missing))
    failed = run_side_by_side([_command(config, each) for each in missing], config.jobs, stop)
    if not stop():
        for file in write_table(config.out, config.done()):
            log.info("wrote %s", file)
    return _ended(config, failed, stop())


def stored_controls(out: Path) -> dict[str, Path]:
    """Folders of the conditions that are complete, by name."""
    return {path.name: path for path in sorted(out.glob("*")) if _complete(path)}


def _complete(main: Path) -> bool:
    """Whether a folder holds a finished run."""
    return (main / "summary.json").is_file() and bool(RunFolder.read_summary(main).get("complete"))


def _command(config: Controls, condition: Condition) -> Command:
    """The process that runs a condition, after that whose first phases it takes over."""

    def prepare() -> None:
        source = config.folder(condition.shares) if condition.shares else None
        if source is not None and _complete(source):
            names = begin_from(source, condition.config)
            if names:
                log.info("  takes over %s of %s", ", ".join(names), condition.shares)

    arguments = ["experiments.savings", *savings_arguments(condition.config)]
    file = config.out / f"{condition.name}.log"
    return Command(condition.name, arguments, file, condition.shares, prepare)


def _ended(config: Controls, failed: dict[str, int], interrupted: bool) -> int:
    for name, status in failed.items():
        log.error("failed with status %d: %s, see %s", status, name, config.out / f"{name}.log")
    if interrupted:
        log.warning("interrupted: the same command goes on with what is missing")
        return 130
    return 1 if failed else 0


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    return preset_main("experiments.controls", PRESETS, "quick", run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
