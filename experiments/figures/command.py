"""All figures of the study's results on our networks, beside the study's numbers.

    python -m experiments.figures --preset quick|paper [--only NAME ...] [--out runs/figures-quick]

makes what is missing of the runs (in ``OUT/runs``, folders of ``experiments.savings``), then of the figures,
and writes reference.json (a row a number of the study), comparison.md (one page) and runs.json. The same
command goes on where it stopped. A run or figure that fails does not lose the others; the status is 1 then.
"""

from __future__ import annotations

import dataclasses
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from experiments.controls.command import Controls
from experiments.controls.command import run as run_controls
from experiments.controls.conditions import chosen, conditions
from experiments.figures.behaviour import behaviour
from experiments.figures.channel import channel
from experiments.figures.comparison import tally, write_comparison
from experiments.figures.controls import controls
from experiments.figures.displacement import displacement
from experiments.figures.latent import latent
from experiments.figures.learning import learning
from experiments.figures.preparatory import preparatory
from experiments.figures.relation import relation
from experiments.figures.runs import (
    CONTROL,
    MAIN,
    SHAM,
    SIZE,
    PlannedRun,
    describe,
    make_missing,
    start,
    stored,
)
from experiments.figures.size import size
from experiments.figures.state import Figure, current, make_figures
from experiments.runs.command_line import choice, choices, preset_main
from experiments.runs.folder import versions
from experiments.savings.config import PRESETS as RUN_PRESETS
from experiments.savings.config import check_memory, finished
from experiments.savings.shared_phases import stored_arguments
from savings_gym.arrays import as_seed
from savings_gym.files import write_json

log = logging.getLogger(__name__)

FIGURES: dict[str, Figure] = {
    "behaviour": behaviour,
    "learning": learning,
    "channel": channel,
    "size": size,
    "preparatory": preparatory,
    "displacement": displacement,
    "relation": relation,
    "latent": latent,
    "controls": controls,
}
NEEDS = {  # kinds of runs that are made for a figure; others need the main run alone
    "size": (MAIN, SIZE),
    "relation": (MAIN, SIZE),
    "preparatory": (MAIN, SHAM),
    "latent": (MAIN, SHAM),
    "controls": (MAIN, CONTROL),
}
PRESET_NAMES = ("quick", "paper", "smoke")


@dataclass(frozen=True)
class Figures:
    """Arguments of the figures; the preset sets the defaults."""

    preset: Annotated[str, choice(PRESET_NAMES)] = "quick"
    """quick (short phases, weights that ship), paper (the study's schedule, 40 networks), smoke (seconds)."""
    out: Path = Path("runs/figures-quick")
    """Folder of figures and runs."""
    only: Annotated[tuple[str, ...], choices(FIGURES)] = ()
    """Names of figures; none is all of them."""
    networks: int = 16
    """Networks of the main run."""
    sizes: tuple[int, ...] = (32, 64, 128, 256)
    """Network sizes, units; the main run is the run of its own size."""
    size_networks: int = 12
    """Networks of every other size."""
    control_networks: int = 8
    """Networks of the controls; where the main run has others, the controls get a main run of their own."""
    controls: Annotated[tuple[str, ...], choices(conditions(RUN_PRESETS["quick"]))] = ()
    """Conditions of experiments.controls; none is all of them."""
    seed: int = 0
    """Of everything random in runs and figures."""
    ship: bool = True
    """Start from the weights in experiments/pretrained, where there are any of that size."""
    pretraining_updates: int = 10_500
    """Batches of pre-training, of networks that are pre-trained in their run."""
    again: bool = False
    """Make the figures again that are there; runs are kept."""

    def __post_init__(self) -> None:
        """Checks every value before any work starts."""
        if self.preset not in PRESET_NAMES:
            raise ValueError(f"unknown preset {self.preset!r}; choose from: {', '.join(PRESET_NAMES)}")
        unknown = [name for name in self.only if name not in FIGURES]
        if unknown:
            raise ValueError(f"unknown figure {', '.join(unknown)}; choose from: {', '.join(FIGURES)}")
        counts = ("networks", "size_networks", "control_networks", "pretraining_updates")
        for name in (*counts, *(["sizes"] if self.sizes else [])):
            value = getattr(self, name)
            if min(value if isinstance(value, tuple) else (value,)) < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        chosen(conditions(RUN_PRESETS[self.preset]), self.controls)
        as_seed("seed", self.seed)
        if self.out.is_file():
            raise FileExistsError(f"--out {self.out} is a file, expected a folder")

    @property
    def figures(self) -> list[str]:
        """Names of the figures to make, in their order."""
        return [name for name in FIGURES if not self.only or name in self.only]

    def runs(self) -> list[PlannedRun]:
        """The main run, those of other sizes, and the main run of the controls."""
        folder, how = self.out / "runs", (self.ship, self.pretraining_updates)
        preset = dataclasses.replace(RUN_PRESETS[self.preset], seed=self.seed)
        main = start(dataclasses.replace(preset, out=folder / "main"), preset.units, self.networks, *how)
        found = [PlannedRun(MAIN, MAIN, main)]
        if self.control_networks != self.networks:
            its = dataclasses.replace(preset, out=self._main_of_controls())
            own = start(its, preset.units, self.control_networks, *how)
            found.append(PlannedRun(its.out.name, CONTROL, own))
        for units in self.sizes:
            if units != main.units:  # the main run is the run of its own size
                its = dataclasses.replace(preset, out=folder / f"units-{units}")
                found.append(PlannedRun(its.out.name, SIZE, start(its, units, self.size_networks, *how)))
        return found

    def sham(self) -> PlannedRun:
        """The main run, which must be there, without a field in FF1: a run of the controls, if it is theirs.

        Raises:
            FileNotFoundError, ValueError: When there is no main run.
        """
        folder = self.out / "runs"
        own = conditions(stored_arguments(folder / MAIN))[SHAM].config
        out = folder / ("controls/sham" if self._main_of_controls() == folder / MAIN else SHAM)
        return PlannedRun(SHAM, SHAM, dataclasses.replace(own, out=out))

    def _main_of_controls(self) -> Path:
        shared = self.control_networks == self.networks
        return self.out / "runs" / (MAIN if shared else f"main-{self.control_networks}")

    def conditions(self) -> Controls:
        """The controls."""
        folder = self.out / "runs" / "controls"
        return Controls(self.preset, folder, self._main_of_controls(), self.controls)


PRESETS = {
    "quick": Figures(),
    "paper": Figures(
        "paper", Path("runs/figures-paper"), networks=40, sizes=(16, 32, 64, 128, 256, 512), size_networks=40,
        control_networks=40, ship=False, pretraining_updates=20_000,
    ),
    "smoke": Figures(
        "smoke", Path("runs/figures-smoke"), networks=2, sizes=(4, 8), size_networks=2, control_networks=2,
        controls=("sham",), ship=False, pretraining_updates=4,
    ),
}  # fmt: skip


def run(config: Figures) -> int:
    """Makes what is missing; returns the exit status: 0, 1 if a run or figure failed, 130 if interrupted."""
    planned = config.runs()
    for each in planned:
        if not finished(each.config):  # raises for missing weights, and for folders of other runs
            check_memory(each.config)
    kinds = {kind for name in config.figures for kind in NEEDS.get(name, (MAIN,))}
    failed, interrupted = make_missing(each for each in planned if each.kind in kinds)
    if not (interrupted or MAIN in failed):
        planned.append(config.sham())
        if SHAM in kinds:
            more, interrupted = make_missing(each for each in planned if each.kind in (MAIN, SHAM))
            failed += more
        if CONTROL in kinds and not interrupted:
            status = run_controls(config.conditions())
            interrupted = status == 130
            failed += ["controls"] if status else []
        planned += _conditions(config)
    if interrupted:
        log.warning("interrupted: the same command goes on from there")
        return 130
    if MAIN in failed:
        log.error("the main run failed: nothing can be drawn")
        return 1
    runs = stored(planned, config.seed)
    rows = describe(planned)
    write_json(config.out / "runs.json", {"command": command(config), "runs": rows, "versions": versions()})
    chosen = {name: FIGURES[name] for name in config.figures}
    failed += make_figures(chosen, made_of(), runs, config.out, config.again)
    found = current(FIGURES, made_of(), runs, config.out)
    if found:
        about = f"`{command(config)}`; {_networks(rows)}."
        log.info("beside the study: %s", tally(write_comparison(config.out, found, about)))
        log.info("wrote %s", config.out / "comparison.md")
    for name in failed:
        log.error("failed: %s", name)
    return 1 if failed else 0


def _conditions(config: Figures) -> list[PlannedRun]:
    """The runs of the controls, where there are any."""
    every = config.conditions()
    if not every.out.is_dir():
        return []
    return [PlannedRun(name, CONTROL, each.config) for name, each in every.done().items() if name != MAIN]


def made_of() -> dict[str, tuple[str, ...]]:
    """Kinds of runs that each figure is made of."""
    return {name: NEEDS.get(name, (MAIN,)) for name in FIGURES}


def command(config: Figures) -> str:
    """The command line that makes all this, without what is default or says only what to make now."""
    parts, preset = ["python -m experiments.figures --preset", config.preset], PRESETS[config.preset]
    for name, value in dataclasses.asdict(config).items():
        if name in ("preset", "only", "again") or value == getattr(preset, name):
            continue
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            parts.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            parts.append(f"--{flag} {' '.join(map(str, value)) if isinstance(value, tuple) else value}")
    return " ".join(parts)


def _networks(rows: list[dict[str, Any]]) -> str:
    """How many networks each run has, in words."""
    return ", ".join(f"{row['name']}: {row['networks']} networks of {row['units']} units" for row in rows)


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    return preset_main("experiments.figures", PRESETS, "quick", run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
