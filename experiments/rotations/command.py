"""Savings under a rotation of the cursor, learned at once or gradually, on the same networks.

    python -m experiments.rotations --preset quick|smoke [--out runs/rotations-quick]

Yin & Wei (2020, doi 10.1152/jn.00524.2019) report savings in people who adapted to a rotation without an
explicit strategy. Networks have none: nothing tells them that, or when, the cursor is rotated. Three runs of
``experiments.savings`` with the same networks and seed: *abrupt* (a rotation in FF1 and FF2), *gradual* (in
FF1 it grows from update to update), and *sham* (equal practice without a rotation in FF1). FF2 is the same in
all three. Writes rotations.json, rotations.png and README.md; the same command resumes with what is missing.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from experiments.controls.command import condition_command
from experiments.controls.conditions import Condition
from experiments.rotations.measures import ABRUPT, GRADUAL, SHAM
from experiments.rotations.report import RESULTS, write_results
from experiments.runs.command_line import StopFlag, choice, command_text, preset_main
from experiments.runs.out import check_out
from experiments.runs.side_by_side import run_side_by_side
from experiments.savings.config import PRESETS as RUN_PRESETS
from experiments.savings.config import check_memory, finished
from experiments.savings.phases import ANGLE_DEG, PhaseChanges
from savings_gym.arrays import as_choice, as_seed, as_whole_number

log = logging.getLogger(__name__)
PRESET_NAMES: Final = ("quick", "smoke")


@dataclass(frozen=True)
class Rotations:
    """Arguments of the comparison; the preset sets the defaults."""

    preset: Annotated[str, choice(PRESET_NAMES)] = "quick"
    """quick (three runs on 8 shipped networks: 6 minutes of one core), smoke (seconds)."""
    out: Path = Path("runs/rotations-quick")
    """Folder of the runs and their page."""
    angle_deg: float = ANGLE_DEG
    """Angle of the rotation [degrees], counter-clockwise."""
    ramp: float = 0.8
    """Share of FF1 over which the rotation grows in the gradual run, above 0 and at most 1."""
    networks: int | None = None
    """Number of networks; that of the preset of `experiments.savings` by default."""
    seed: int = 0
    """Seed of all runs."""
    jobs: int = os.cpu_count() or 1
    """Runs side by side."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        as_choice("preset", self.preset, PRESET_NAMES)
        for name in ("networks", "jobs"):
            if getattr(self, name) is not None:
                as_whole_number(name, getattr(self, name), 1)
        as_seed("seed", self.seed)
        if not 0.0 < self.ramp <= 1.0:
            raise ValueError(f"ramp must be above 0 and at most 1, got {self.ramp}")
        if self.angle_deg == 0.0:
            raise ValueError("angle_deg must not be 0: there would be nothing to learn")
        check_out(self.out, RESULTS)
        self.conditions()

    def conditions(self) -> dict[str, Condition]:
        """Return the three runs by name."""
        usual = RUN_PRESETS[self.preset]
        base = dataclasses.replace(
            usual, perturbation="rotation", angle_deg=self.angle_deg, seed=self.seed, figures=False,
            networks=self.networks or usual.networks,
        )  # fmt: skip
        changes: dict[str, dict[str, Any]] = {
            ABRUPT: {},
            GRADUAL: {"ff1_ramp": self.ramp},
            SHAM: {"change": PhaseChanges(ff1_b=0.0)},
        }
        questions = {
            ABRUPT: "Is a rotation relearned faster than learned?",
            GRADUAL: "Does learning it without a large error save as much?",
            SHAM: "Does practice without a rotation look like savings?",
        }
        return {
            name: Condition(
                name, "rotation", questions[name],
                dataclasses.replace(base, out=self.out / name, **changes[name]),
                naive=ABRUPT, sham=None if name == SHAM else SHAM, shares=None if name == ABRUPT else ABRUPT,
            )
            for name in changes
        }  # fmt: skip


PRESETS: Final = {"quick": Rotations(), "smoke": Rotations("smoke", Path("runs/rotations-smoke"))}


def command(config: Rotations) -> str:
    """Return the command line that makes all this."""
    usual_jobs = dataclasses.replace(config, jobs=PRESETS[config.preset].jobs)
    return command_text("experiments.rotations", usual_jobs, PRESETS)


def run(config: Rotations) -> int:
    """Make what is missing, then the page; return the exit status.

    Returns:
        0; 1 if a run failed; if interrupted, 130 after Ctrl-C and 143 after SIGTERM.
    """
    every = config.conditions()
    missing = [each for each in every.values() if not finished(each.config)]
    for each in missing:
        check_memory(each.config)
    with StopFlag() as stop:
        commands = [condition_command(each, config.out, lambda name: config.out / name) for each in missing]
        failed = run_side_by_side(commands, config.jobs, stop)
        for name, status in failed.items():
            log.error("failed with status %d: %s, see %s", status, name, config.out / f"{name}.log")
        if stop():
            log.warning("interrupted: the same command resumes with what is missing")
            return stop.status
    if failed:
        return 1
    log.info("%s", write_results(config.out, every, config.angle_deg, command(config)))
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return preset_main("experiments.rotations", PRESETS, "quick", run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
