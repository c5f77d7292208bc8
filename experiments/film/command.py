"""A film of trials of a finished run, side by side, with muscle excitations or hidden activity below.

    python -m experiments.film runs/savings-quick --out savings.gif

The trials are those of one network to one target: before the field, first in the field (the networks at the
end of NF1), adapted, washed out, and first in the field again (the networks at the end of NF2). They are
those of ``experiments.activity``, which are recorded if the folder does not hold them yet. The suffix of
``--out`` chooses GIF or MP4 (needs ffmpeg, which comes with ``[render]``).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import tyro

from experiments.film.encode import check_encoder, write_film
from experiments.film.frames import FILM_VIEW, HELD, UNIT_COLOURS, Film, Layout, film_steps
from experiments.film.trials import MOMENTS, SHOWN, FilmedTrial, check_run, load_trials, traces
from experiments.runs.command_line import choice, choices, command_main
from savings_gym.arm.model import Arm, load_arm
from savings_gym.arrays import as_choice, as_whole_number
from savings_gym.envs.render import LARGEST_PICTURE, SnapshotRenderer
from savings_gym.task.settings import CONTROL_STEP, N_TARGETS, TRIAL_STEPS

log = logging.getLogger(__name__)
TRACES: Final = ("excitation", "hidden")
SMALLEST_PANEL: Final = 120  # pixels; headings need them


@dataclass(frozen=True)
class FilmOfRun:
    """Arguments of the command."""

    run: tyro.conf.Positional[Path]
    """Folder of a finished run of experiments.savings."""
    out: Path = Path("runs/film.gif")
    """File to write, .gif or .mp4."""
    trials: Annotated[tuple[str, ...], choices(MOMENTS)] = SHOWN
    """Trials, from left to right."""
    network: int = 0
    """Number of the network."""
    target: int = 3
    """Number of the target, 0 to 7, counter-clockwise from the right."""
    traces: Annotated[str, choice(TRACES)] = "excitation"
    """What moves below: excitation of all muscles, or hidden, activity of the units that vary most."""
    begin: float = 0.34
    """Time in the trial at which the film begins [s]; go comes at 0.44 s."""
    every: int = 1
    """Control steps of 10 ms between frames."""
    fps: int = 20
    """Frames per second; 20 with every 1 is a fifth of real time."""
    panel: int = 200
    """Width and height of the picture of a trial, pixels."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        if not self.trials:
            raise ValueError(f"trials must name one or more of: {', '.join(MOMENTS)}")
        for name in self.trials:
            as_choice("trial", name, MOMENTS)
        as_choice("traces", self.traces, TRACES)
        if not 0 <= self.target < N_TARGETS:
            raise ValueError(f"unknown target {self.target}; choose from: 0 to {N_TARGETS - 1}")
        last = (TRIAL_STEPS - 1) * CONTROL_STEP
        if not 0.0 <= self.begin <= last:
            raise ValueError(f"begin must be 0 to {last:g} s, got {self.begin}")
        as_whole_number("every", self.every, 1)
        as_whole_number("fps", self.fps, 1)
        if not SMALLEST_PANEL <= self.panel <= LARGEST_PICTURE:
            raise ValueError(f"panel must be {SMALLEST_PANEL} to {LARGEST_PICTURE} pixels, got {self.panel}")
        check_encoder(self.out)

    @property
    def steps(self) -> list[int]:
        """Control steps at whose beginnings frames are."""
        return film_steps(round(self.begin / CONTROL_STEP), self.every)


def make_film(config: FilmOfRun) -> int:
    """Write the film; return the exit status."""
    arm = load_arm(check_run(config.run, config.network).actuation)
    renderer = _renderer(arm)
    film, steps = film_of(config, arm), config.steps
    write_film(config.out, film.frames(renderer, steps), config.fps, HELD)
    renderer.close()
    width, height = film.layout.size
    size = config.out.stat().st_size / 1e6
    log.info("wrote %s: %d frames of %d x %d pixels, %.1f MB", config.out, len(steps), width, height, size)
    return 0


def film_of(config: FilmOfRun, arm: Arm) -> Film:
    """Return the film of a run, not yet drawn."""
    trials = load_trials(config.run, config.trials, config.network, config.target)
    names, values = traces(trials, config.traces)
    if config.traces == "excitation":
        colours = [arm.model.tendon_rgba[arm.model.tendon(name).id, :3] for name in arm.actuator_names]
        rgb = [tuple(round(255 * float(share)) for share in colour) for colour in colours]
    else:
        rgb = [tuple(int(colour[k : k + 2], 16) for k in (1, 3, 5)) for colour in UNIT_COLOURS]
    speed = config.every * CONTROL_STEP * config.fps
    return Film(
        trials=[FilmedTrial(trial, arm) for trial in trials],
        names=names,
        traces=values,
        colours=[(r, g, b) for r, g, b in rgb[: len(names)]],
        footing=f"network {config.network}, {speed:.2g} of real time",
        layout=Layout(len(trials), config.panel),
    )


def _renderer(arm: Arm) -> SnapshotRenderer:
    logging.getLogger("OpenGL").setLevel(logging.WARNING)  # it reports on its accelerator
    try:
        return SnapshotRenderer(arm, FILM_VIEW)
    except RuntimeError as error:  # without OpenGL; names the Debian packages
        raise OSError(str(error)) from error


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return command_main("experiments.film", FilmOfRun, make_film, arguments, __doc__)
