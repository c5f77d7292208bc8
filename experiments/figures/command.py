"""All figures of the study's results on our networks, beside the study's numbers.

    python -m experiments.figures --preset quick|paper [--only NAME ...] [--out runs/figures-quick]

makes the runs that are missing (folders of ``experiments.savings`` in ``OUT/runs``), draws the figures that
are missing, and writes reference.json (one row per number of the study), comparison.md (one page) and
runs.json. ``--main RUN`` draws a main run that exists instead of making one. The same command resumes where
it stopped. A run or figure that fails does not stop the others; the exit status is 1 then.
"""

from __future__ import annotations

import dataclasses
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from experiments.controls.command import Controls, is_complete
from experiments.controls.command import run as run_controls
from experiments.controls.conditions import SHAM as SHAM_CONDITION
from experiments.controls.conditions import chosen, conditions
from experiments.figures.behaviour import behaviour
from experiments.figures.channel import channel
from experiments.figures.comparison import tally, write_comparison
from experiments.figures.controls import controls
from experiments.figures.displacement import displacement
from experiments.figures.factors import factors
from experiments.figures.fading import fading
from experiments.figures.integrator import integrator
from experiments.figures.latent import latent
from experiments.figures.learning import learning
from experiments.figures.make_figures import Figure, current, make_figures
from experiments.figures.muscles import muscles
from experiments.figures.persistence import persistence
from experiments.figures.practice import practice
from experiments.figures.preparatory import preparatory
from experiments.figures.relation import relation
from experiments.figures.runs import (
    CONTROL,
    MAIN,
    SHAM,
    SIZE,
    SIZE_SHAM,
    PlannedRun,
    check,
    describe,
    make_missing,
    plan_main,
    plan_size_shams,
    plan_sizes,
    stored,
)
from experiments.figures.size import size
from experiments.figures.timing import timing
from experiments.runs.command_line import choice, choices, command_text, interrupted, preset_main
from experiments.runs.folder import versions
from experiments.savings.config import PRESETS as RUN_PRESETS
from experiments.savings.config import PRETRAINED, SIZE_WEIGHTS, Savings
from experiments.savings.shared_phases import stored_arguments
from savings_gym.arrays import as_choice, as_seed
from savings_gym.files import sole_writer, write_json

log = logging.getLogger(__name__)

FIGURES: dict[str, Figure] = {
    "behaviour": behaviour,
    "learning": learning,
    "channel": channel,
    "muscles": muscles,
    "size": size,
    "practice": practice,
    "preparatory": preparatory,
    "displacement": displacement,
    "persistence": persistence,
    "fading": fading,
    "integrator": integrator,
    "relation": relation,
    "latent": latent,
    "controls": controls,
    "timing": timing,
    "factors": factors,
}
NEEDS = {  # kinds of runs from which a figure is drawn; figures that are not listed need the main run alone
    "channel": (MAIN, SHAM),
    "muscles": (MAIN, SHAM),
    "size": (MAIN, SIZE),
    "practice": (MAIN, SHAM, SIZE, SIZE_SHAM),
    "relation": (MAIN, SIZE),
    "fading": (MAIN, SIZE),
    "preparatory": (MAIN, SHAM),
    "latent": (MAIN, SHAM),
    "controls": (MAIN, CONTROL),
    "timing": (MAIN, SHAM),
    "factors": (MAIN, SHAM, CONTROL),
}
PRESET_NAMES = ("quick", "paper", "smoke")
# What is compared with the main run on the study's schedule; each takes an hour or two of one core.
STUDY_CONTROLS = ("sham", "opposite", "other-field", "assistive", "double")


@dataclass(frozen=True)
class Figures:
    """Arguments of the figures; the preset sets the defaults."""

    preset: Annotated[str, choice(PRESET_NAMES)] = "quick"
    """quick (short phases, weights that ship), paper (the study's schedule, 40 networks), smoke (seconds)."""
    out: Path = Path("runs/figures-quick")
    """Folder of figures and runs."""
    main: Path | None = None
    """Finished run of experiments.savings to draw as the main run; None: make one in OUT/runs/main."""
    only: Annotated[tuple[str, ...], choices(FIGURES)] = ()
    """Names of figures to draw; all of them by default."""
    networks: int = 8
    """Networks of a main run that is made here."""
    sizes: tuple[int, ...] = tuple(SIZE_WEIGHTS)
    """Units of the networks that are compared by size; all of them are pre-trained alike."""
    size_networks: int = 12
    """Networks of every other size than that of the main run."""
    control_networks: int | None = None
    """Networks of the controls, the first ones of the main run; all of them by default."""
    controls: Annotated[tuple[str, ...], choices(conditions(RUN_PRESETS["paper"]))] = ()
    """Conditions of experiments.controls; all of them by default."""
    seed: int = 0
    """Seed of all that is random in figures and new runs; runs beside --main take the seed of that run."""
    ship: bool = True
    """Start from the weights in experiments/pretrained; --no-ship pre-trains all networks in their runs."""
    pretraining_updates: int = 20_000
    """Batches of pre-training in a run."""
    again: bool = False
    """Draw figures again that are up to date; runs are kept."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        as_choice("preset", self.preset, PRESET_NAMES)
        for name in self.only:
            as_choice("figure", name, FIGURES)
        counts: dict[str, tuple[int, ...]] = {
            "networks": (self.networks,), "size_networks": (self.size_networks,), "sizes": self.sizes,
            "control_networks": () if self.control_networks is None else (self.control_networks,),
            "pretraining_updates": (self.pretraining_updates,),
        }  # fmt: skip
        for name, values in counts.items():
            if values and min(values) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        chosen(conditions(RUN_PRESETS[self.preset]), self.controls)
        as_seed("seed", self.seed)
        if self.out.is_file():
            raise FileExistsError(f"--out {self.out} is a file, expected a folder")
        self._check_main()

    def _check_main(self) -> None:
        """Refuse a main run that is not finished, and numbers of networks that contradict it."""
        networks = self.networks
        if self.main is not None:
            main = stored_arguments(self.main)
            if not is_complete(self.main):
                raise ValueError(
                    f"--main {self.main} is not finished: run experiments.savings with its arguments"
                )
            if networks not in (main.networks, PRESETS[self.preset].networks):
                raise ValueError(f"--networks is {networks}, but --main {self.main} has {main.networks}")
            networks = main.networks
        if self.control_networks is not None and self.control_networks > networks:
            raise ValueError(
                f"--control-networks is {self.control_networks}, but the main run has {networks} networks"
            )

    @property
    def figures(self) -> list[str]:
        """Names of the figures to draw, in their order."""
        return [name for name in FIGURES if not self.only or name in self.only]

    @property
    def main_folder(self) -> Path:
        """Folder of the main run."""
        return self.out / "runs" / MAIN if self.main is None else self.main

    def base(self) -> Savings:
        """Arguments that all runs share: those of the main run, or of the preset."""
        if self.main is not None:
            return stored_arguments(self.main)
        return dataclasses.replace(RUN_PRESETS[self.preset], seed=self.seed)

    def runs(self) -> list[PlannedRun]:
        """Return the main run, those of all sizes, and the shams of these."""
        base, how = self.base(), (self.ship, self.pretraining_updates)
        if self.main is not None:
            in_run = base.pretrained == self.main / PRETRAINED
            main = PlannedRun(MAIN, MAIN, dataclasses.replace(base, pretrained=None) if in_run else base)
        else:
            main = plan_main(dataclasses.replace(base, out=self.main_folder), self.networks, *how)
        shared = dataclasses.replace(base, out=self.out / "runs")
        sizes = plan_sizes(shared, main.config, self.sizes, self.size_networks, *how)
        return [main, *sizes, *plan_size_shams(sizes)]

    def sham(self) -> PlannedRun:
        """Return the main run without a field in FF1; it is one of the controls if they have its networks.

        Raises:
            FileNotFoundError, ValueError: If there is no main run yet.
        """
        main = stored_arguments(self.main_folder)
        shared = self.control_networks in (None, main.networks)
        out = self.out / "runs" / (f"controls/{SHAM_CONDITION}" if shared else SHAM)
        config = conditions(main)[SHAM_CONDITION].config
        return PlannedRun(SHAM, SHAM, dataclasses.replace(config, out=out), self.main_folder)

    def conditions(self) -> Controls:
        """Return the arguments of the controls."""
        return Controls(
            self.preset, self.out / "runs" / "controls", self.main_folder, self.controls,
            networks=self.control_networks,
        )  # fmt: skip


PRESETS = {
    "quick": Figures(),
    "paper": Figures(
        "paper", Path("runs/figures-paper"), networks=40, size_networks=24, controls=STUDY_CONTROLS,
    ),
    "smoke": Figures(
        "smoke", Path("runs/figures-smoke"), networks=2, sizes=(4, 8), size_networks=2, controls=("sham",),
        ship=False, pretraining_updates=4,
    ),
}  # fmt: skip


def run(config: Figures) -> int:
    """Make what is missing; return the exit status.

    Returns:
        0; 1 if a run or a figure failed; if a run was interrupted, 130 after Ctrl-C and 143 after SIGTERM.
    """
    planned = config.runs()
    check(planned)
    with sole_writer(config.out):
        return _run(config, planned)


def _run(config: Figures, planned: list[PlannedRun]) -> int:
    """Do the work of `run` in its folder, which no other process writes."""
    failed, signalled = _make_runs(config, planned)
    if signalled:
        log.warning("interrupted: the same command resumes from there")
        return signalled
    if MAIN in failed:
        log.error("the main run failed: nothing can be drawn")
        return 1
    runs, rows = stored(planned, config.seed), describe(planned)
    write_json(config.out / "runs.json", {"command": command(config), "runs": rows, "versions": versions()})
    chosen_figures = {name: FIGURES[name] for name in config.figures}
    failed += make_figures(chosen_figures, run_kinds(), runs, config.out, config.again)
    findings = current(FIGURES, run_kinds(), runs, config.out)
    if findings:
        origin = f"`{command(config)}`; {_networks(rows)}."
        log.info("beside the study: %s", tally(write_comparison(config.out, findings, origin)))
        log.info("wrote %s", config.out / "comparison.md")
    for name in failed:
        log.error("failed: %s", name)
    return 1 if failed else 0


def _make_runs(config: Figures, planned: list[PlannedRun]) -> tuple[list[str], int]:
    """Make missing runs, and plan the sham and the controls; return what `make_missing` does."""
    kinds = {kind for name in config.figures for kind in run_kinds()[name]}
    failed, signalled = make_missing(each for each in planned if each.kind in kinds)
    if signalled or MAIN in failed:
        return failed, signalled
    planned.append(config.sham())
    if SHAM in kinds:
        more, signalled = make_missing(each for each in planned if each.kind in (MAIN, SHAM))
        failed += more
    if CONTROL in kinds and not signalled:
        status = run_controls(config.conditions())
        signalled = status if interrupted(status) else 0
        failed += ["controls"] if status else []
    planned += _conditions(config)
    return failed, signalled


def _conditions(config: Figures) -> list[PlannedRun]:
    """The runs of the controls, if there are any."""
    every = config.conditions()
    if not every.out.is_dir():
        return []
    return [PlannedRun(name, CONTROL, each.config) for name, each in every.done().items() if name != MAIN]


def run_kinds() -> dict[str, tuple[str, ...]]:
    """Return the kinds of runs from which each figure is drawn."""
    return {name: NEEDS.get(name, (MAIN,)) for name in FIGURES}


def command(config: Figures) -> str:
    """Return the command line that makes all this, without defaults and without what only selects figures."""
    preset = PRESETS[config.preset]
    every = dataclasses.replace(config, only=preset.only, again=preset.again)
    return command_text("experiments.figures", every, PRESETS)


def _networks(rows: list[dict[str, Any]]) -> str:
    """Networks of every run, in words."""
    return ", ".join(f"{row['name']}: {row['networks']} networks of {row['units']} units" for row in rows)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return preset_main("experiments.figures", PRESETS, "quick", run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
